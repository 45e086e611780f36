"""Fan-out of what just happened to everyone who watches: one ring of numbered messages, encoded once."""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from station.metrics import counter

RING = 4096
WAITING_PER_WATCHER = 1024

WATCHER_DROPPED = counter("hub_dropped", "Messages a slow watcher did not get; it is told to reload.")


@dataclass(frozen=True, slots=True)
class Message:
    """`data` is the encoded JSON; `seq` grows by one per message."""

    seq: int
    topic: str
    data: str


class Hub:
    """`publish` never waits; a watcher that falls behind gets a `reload` message instead of the lost ones.

    `epoch` names this run of the station: a sequence number means something only together with it.
    """

    def __init__(self) -> None:
        self.seq = 0
        self.epoch = secrets.token_hex(4)
        self._ring: deque[Message] = deque(maxlen=RING)
        self._watchers: set[asyncio.Queue[Message]] = set()

    def publish(self, topic: str, data: Any) -> None:
        self.seq += 1
        message = Message(self.seq, topic, json.dumps(data, separators=(",", ":")))
        self._ring.append(message)
        for queue in self._watchers:
            if queue.full():
                WATCHER_DROPPED.inc()
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(Message(self.seq, "reload", "{}"))
            else:
                queue.put_nowait(message)

    async def watch(self, since: int | None = None) -> AsyncIterator[Message]:
        """Messages after `since` (None: from now on); first `reload` when the ring no longer holds them all."""
        queue: asyncio.Queue[Message] = asyncio.Queue(WAITING_PER_WATCHER)
        missed = [m for m in self._ring if since is not None and m.seq > since]
        self._watchers.add(queue)
        try:
            if since is not None and since != self.seq and (not missed or missed[0].seq != since + 1):
                missed = [Message(self.seq, "reload", "{}")]
            for message in missed:
                yield message
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)
