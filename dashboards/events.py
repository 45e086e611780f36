"""`/events`: what just happened, to every open console, as server-sent events.

Wire: `id:` is the hub's sequence number, `event:` its topic, `data:` the domain's JSON. `reload` means
messages were lost: load afresh. `beat` every few seconds carries the server's time, so that a page can
tell a quiet network from a dead connection, and the epoch of the sequence numbers: `?since=N&epoch=E` goes
on after N, or says `reload` when the station was started anew meanwhile.
"""

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from dashboards.settings import WebSettings
from station.hub import Hub, Message
from station.metrics import counter, gauge
from station.scope import OPERATOR_TENANT, Scope
from station.security import Security
from station.web import Caller, ProblemError

PENDING_MAX = 2048
SESSION_CHECK_EVERY_BEATS = 6
_ID = re.compile(r'\A\{"id":"([^"]{1,64})"')

STREAMS = gauge("event_streams", "Consoles listening.")
SENT = counter("event_stream_messages", "Messages sent to consoles.")
COALESCED = counter("event_stream_coalesced", "Messages replaced by a newer one about the same thing before they were sent.")
LOST = counter("event_stream_lost", "Messages a console was told to reload for.")


class Pending:
    """What waits for one console: the newest message per thing, at most PENDING_MAX of them, else one `reload`."""

    def __init__(self) -> None:
        self._messages: OrderedDict[str, Message] = OrderedDict()
        self.arrived = asyncio.Event()

    def add(self, message: Message) -> None:
        key = _key(message)
        if self._messages.pop(key, None) is not None:
            COALESCED.inc()
        if len(self._messages) >= PENDING_MAX or message.topic == "reload":
            LOST.inc(len(self._messages))
            self._messages.clear()
            message = Message(message.seq, "reload", "{}")
        self._messages[key] = message
        self.arrived.set()

    def take(self) -> list[Message]:
        messages = list(self._messages.values())
        self._messages.clear()
        self.arrived.clear()
        return messages


def _key(message: Message) -> str:
    """Messages with the same key replace each other; every domain's JSON that names a thing starts with its id."""
    found = _ID.match(message.data)
    return f"{message.topic} {found[1]}" if found else message.topic if message.topic != "alarm" else str(message.seq)


def sees_all(scope: Scope) -> bool:
    return scope.tenant == OPERATOR_TENANT and not scope.regions and not scope.customers


def frame(message: Message, whole: bool) -> str:
    """One event. A caller who sees a part of the network gets only the hint to ask the API, which filters."""
    return f"id: {message.seq}\nevent: {message.topic}\ndata: {message.data if whole else '{}'}\n\n"


class Streams:
    """The open streams, counted per user."""

    def __init__(self, hub: Hub, security: Security, settings: WebSettings) -> None:
        self._hub = hub
        self._security = security
        self._settings = settings
        self._open: Counter[str] = Counter()

    def admit(self, scope: Scope) -> str:
        """Count one more stream for the caller, or ProblemError 429."""
        user = f"{scope.tenant}/{scope.user}"
        if self._open.total() >= self._settings.streams_max or self._open[user] >= self._settings.streams_per_user_max:
            raise ProblemError(429, "Too many streams", "Close a window of this console first.", retry_after_s=5)
        self._open[user] += 1
        STREAMS.inc()
        return user

    def leave(self, user: str) -> None:
        self._open[user] -= 1
        self._open += Counter()
        STREAMS.dec()

    def known(self, since: int | None, epoch: str) -> int | None:
        """`since` where it means something: a number of another run is before everything of this one."""
        return -1 if since is not None and epoch not in ("", self._hub.epoch) else since

    async def stream(self, scope: Scope, session_id: str | None, since: int | None) -> AsyncIterator[str]:
        user = self.admit(scope)
        pending = Pending()
        pump = asyncio.create_task(_pump(self._hub, since, pending))
        try:
            yield f"retry: 1000\n{self._beat()}"
            async for text in self._texts(scope, session_id, pending):
                yield text
        finally:
            pump.cancel()
            self.leave(user)

    async def _texts(self, scope: Scope, session_id: str | None, pending: Pending) -> AsyncIterator[str]:
        """Messages as they come, the first at once and the next after the coalescing span; a beat when its time is there."""
        whole = sees_all(scope)
        beats = 0
        next_beat = time.monotonic() + self._settings.heartbeat_s
        while True:
            try:
                await asyncio.wait_for(pending.arrived.wait(), max(0.0, next_beat - time.monotonic()))
            except TimeoutError:
                beats += 1
                if session_id and beats % SESSION_CHECK_EVERY_BEATS == 0 and await self._security.session(session_id) is None:
                    return
                next_beat = time.monotonic() + self._settings.heartbeat_s
                yield self._beat()
                continue
            messages = pending.take()
            SENT.inc(len(messages))
            yield "".join(frame(message, whole) for message in messages)
            await asyncio.sleep(self._settings.coalesce_ms / 1000)

    def _beat(self) -> str:
        return f'event: beat\ndata: {{"seq":{self._hub.seq},"epoch":"{self._hub.epoch}","at":{time.time_ns() // 1_000_000}}}\n\n'


async def _pump(hub: Hub, since: int | None, pending: Pending) -> None:
    async for message in hub.watch(since):
        pending.add(message)


def router(streams: Streams) -> APIRouter:
    events = APIRouter()

    @events.get("/events", response_class=StreamingResponse, summary="What just happened, as server-sent events")
    async def listen(
        caller: Caller, request: Request, since: int | None = None, epoch: Annotated[str, Query(max_length=32)] = ""
    ) -> StreamingResponse:
        last = request.headers.get("last-event-id", "")
        if last.isdigit():
            since = int(last)
        session = getattr(request.state, "session", None)
        body = streams.stream(caller, session.id if session else None, streams.known(since, epoch))
        return StreamingResponse(
            body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no", "Cache-Control": "no-cache, no-store"}
        )

    return events
