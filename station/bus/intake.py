"""The station's end of a stream: blocks in order, taken once, acknowledged when they are durable.

A session is one consumer that begins at the oldest block nobody acknowledged. Anything out of order ends it, and the next
begins again there: so what was delivered and died with a process comes back before what follows it. A place that is missing
although its spool still has it is asked for again; one that the spool let go of is counted as lost.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import nats
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from station.bus import subjects
from station.bus.columns import BlockError
from station.bus.subjects import Label
from station.metrics import counter, gauge

BUS_BLOCKS = counter("bus_blocks", "Blocks from collectors, by what became of them.", "kind", "outcome")
BUS_MISSING = counter("bus_missing_blocks", "Blocks that a collector let go of before the station had them.", "kind")
BUS_LAG = gauge("bus_lag_blocks", "Blocks in the stream that the station has not taken.", "kind")
BUS_UNSETTLED = gauge("bus_unsettled_blocks", "Blocks taken and not yet durable.", "kind")
BUS_SESSIONS = counter("bus_sessions", "Times the station began to read a stream, by why the time before ended.", "kind", "why")
CONSUMER: Final = "station"
FETCH_S: Final = 1.0
ACK_WAIT_S: Final = 600.0
FETCH_BLOCKS: Final = 16
AGAIN_S: Final = 1.0
LAG_EVERY_S: Final = 5.0
SETTLE_EVERY_S: Final = 0.25
TRIES: Final = 3
ASIDE_MAX: Final = 1_000  # files
SETTLE_S: Final = 0.05  # how often to look whether what was taken is durable
log = structlog.get_logger("bus")

Take = Callable[[Label, bytes], Awaitable[int]]
"""Takes one block; the ticket by which `settled` tells that it is durable, 0 where it is on return. BlockError refuses it."""
Save = Callable[[Mapping[tuple[str, str], int]], Awaitable[None]]
"""Keeps (collector, epoch) -> the highest place that is durable."""


class Unsettled(NamedTuple):
    message: Msg
    label: Label | None
    ticket: int


class OutOfOrderError(Exception):
    """The bus delivered something again, or left something out."""


class Intake:
    """Reads one stream until cancelled. `durable` is (collector, epoch) -> place; `wanted` who is to send again from where."""

    def __init__(
        self,
        kind: str,
        window: int,
        take: Take,
        settled: Callable[[], int],
        save: Save,
        durable: Mapping[tuple[str, str], int],
        known: Callable[[str], bool],
        aside: Path | None = None,
    ) -> None:
        """`aside` is a folder for blocks that cannot be taken; without one they are counted only."""
        self._aside, self._settled_s = aside, 0.0
        self.kind, self._window, self._take, self._settled, self._save, self._known = kind, window, take, settled, save, known
        self.durable = dict(durable)
        self.wanted: dict[tuple[str, str], int] = {}
        self._taken = dict(durable)
        self._waiting: deque[Unsettled] = deque()
        BUS_UNSETTLED.labels(kind).set_function(lambda: len(self._waiting))

    async def run(self, client: Client) -> None:
        """Session after session, while the client is open: closed, it turns a cancellation into an error of its own."""
        while not client.is_closed:
            try:
                await self._session(client.jetstream())
            except (nats.errors.Error, OSError, TimeoutError, OutOfOrderError) as error:
                BUS_SESSIONS.labels(self.kind, type(error).__name__).inc()
                log.warning("a stream is read anew", kind=self.kind, error=str(error)[:200])
            await asyncio.sleep(AGAIN_S)

    async def _session(self, js: JetStreamContext) -> None:
        stream = subjects.stream_of(self.kind)
        await self._settle_all()
        with suppress(NotFoundError):
            await js.delete_consumer(stream, CONSUMER)
        config = ConsumerConfig(
            durable_name=CONSUMER,
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.ALL,
            ack_wait=ACK_WAIT_S,
            max_ack_pending=2 * self._window,
        )
        await js.add_consumer(stream, config)
        pulled = await js.pull_subscribe_bind(CONSUMER, stream)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_lag(js, stream))
                await self._read(pulled)
        except* (nats.errors.Error, OSError, TimeoutError, OutOfOrderError) as errors:
            raise errors.exceptions[0] from None
        finally:
            await pulled.unsubscribe()

    async def _watch_lag(self, js: JetStreamContext, stream: str) -> None:
        while True:
            info = await js.consumer_info(stream, CONSUMER)
            BUS_LAG.labels(self.kind).set(info.num_pending or 0)
            await asyncio.sleep(LAG_EVERY_S)

    async def _read(self, pulled: JetStreamContext.PullSubscription) -> None:
        expected = 1
        while True:
            room = self._window - len(self._waiting)
            messages: list[Msg] = []
            if room > 0:
                with suppress(TimeoutError):
                    messages = await pulled.fetch(min(room, FETCH_BLOCKS), timeout=FETCH_S if not self._waiting else SETTLE_S)
            else:
                await asyncio.sleep(SETTLE_S)
            for message in messages:
                place = message.metadata
                if place.num_delivered != 1 or place.sequence.consumer != expected:
                    raise OutOfOrderError(f"delivery {place.num_delivered} of {place.sequence.consumer}, expected {expected}")
                expected += 1
                await self._one(message)
            await self._settle()

    async def _one(self, message: Msg) -> None:
        label = subjects.label_of(message.subject, message.headers)
        ticket = 0
        if label is None or not self._known(label.collector):
            BUS_BLOCKS.labels(self.kind, "stranger").inc()
            label = None
        elif self._is_next(label):
            ticket = await self._taken_or_aside(label, message.data)
            self._taken[label.collector, label.epoch] = label.sequence
        else:
            label = None
        self._waiting.append(Unsettled(message, label, ticket))

    async def _taken_or_aside(self, label: Label, block: bytes) -> int:
        """The ticket of a block; one that cannot be taken, now or at a second and third try, holds up nobody behind it."""
        for n in range(TRIES):
            try:
                ticket = await self._take(label, block)
                BUS_BLOCKS.labels(self.kind, "taken").inc()
                return ticket
            except BlockError as error:
                log.warning("a block cannot be read", collector=label.collector, sequence=label.sequence, error=str(error)[:200])
                BUS_BLOCKS.labels(self.kind, "malformed").inc()
                break
            except Exception:  # a stage's mistake with one block must not end the taking of the others
                log.exception("a block was not taken", collector=label.collector, sequence=label.sequence, again=n + 1 < TRIES)
                await asyncio.sleep(AGAIN_S)
        else:
            BUS_BLOCKS.labels(self.kind, "failed").inc()
        await asyncio.to_thread(self._set_aside, label, block)
        return 0

    def _set_aside(self, label: Label, block: bytes) -> None:
        """Keep what could not be taken as a file, as many as there is a share for."""
        if self._aside is None:
            return
        self._aside.mkdir(parents=True, exist_ok=True, mode=0o700)
        if len(list(self._aside.iterdir())) < ASIDE_MAX:
            (self._aside / f"{self.kind}-{label.collector}-{label.epoch}-{label.sequence}.block").write_bytes(block)
        else:
            BUS_BLOCKS.labels(self.kind, "lost").inc()

    def _is_next(self, label: Label) -> bool:
        """Whether the block is the next of its spool; what is there already, or comes before what is missing, is left."""
        key = label.collector, label.epoch
        last = self._taken.get(key, 0)
        if label.sequence <= last:
            BUS_BLOCKS.labels(self.kind, "repeated").inc()
            return False
        if label.first <= last + 1 < label.sequence:
            BUS_BLOCKS.labels(self.kind, "early").inc()
            self.wanted[key] = last
            return False
        BUS_MISSING.labels(self.kind).inc(label.sequence - last - 1 if last else 0)
        self.wanted.pop(key, None)
        return True

    async def _settle(self) -> None:
        """Acknowledge what is durable, in order; a few times a second, since each time is a transaction."""
        now_s = time.monotonic()
        if now_s - self._settled_s < SETTLE_EVERY_S and len(self._waiting) < self._window:
            return
        self._settled_s, settled = now_s, self._settled()
        ready: list[Unsettled] = []
        while self._waiting and self._waiting[0].ticket <= settled:
            ready.append(self._waiting.popleft())
        if not ready:
            return
        await self._saved(ready)
        for one in ready[:-1]:
            await one.message.ack()
        await ready[-1].message.ack_sync()

    async def _saved(self, ready: Iterable[Unsettled]) -> None:
        places = {(label.collector, label.epoch): label.sequence for _, label, _ in ready if label is not None}
        if places:
            await self._save(places)
            self.durable |= places

    async def _settle_all(self) -> None:
        """What was taken before becomes durable; its messages will come again and be known."""
        while self._waiting and self._waiting[-1].ticket > self._settled():  # noqa: ASYNC110 - what makes it durable tells nobody
            await asyncio.sleep(SETTLE_S)
        await self._saved(self._waiting)
        self._waiting.clear()
