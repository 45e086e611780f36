"""A real HTTP server that receives webhooks and misbehaves as told."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass
class Receiver:
    """`answer(request)` gives the status, 0 to close without a word, -1 to never answer. Only 2xx counts as taken."""

    answer: Callable[[Received], int] = lambda _: 204
    says: Callable[[Received], bytes] = lambda _: b"said"
    port: int = 0
    requests: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    now: int = 0
    most_at_once: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def effects(self) -> list[Received]:
        """What was taken, each Idempotency-Key once: what a receiver that keeps to it acts on."""
        return list({it.key: it for it in reversed(self.taken)}.values())[::-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            await self._reply(Received(head[0].split()[1], headers, body, head[0].split()[0]), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.now -= 1
            writer.close()

    async def _reply(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        status = self.answer(request)
        if 200 <= status < 300:
            self.taken.append(request)
        self.changed.set()
        if status < 0:
            await reader.read()  # until the other side has had enough
        if status:
            said = self.says(request)
            writer.write(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode() + said)
            await writer.drain()

    async def until(self, holds: Callable[[], bool], within_s: float = 60) -> None:
        """Wait until it holds; look after each request."""
        async with asyncio.timeout(within_s):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def receiving(answer: Callable[[Received], int] = lambda _: 204, port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver on a free port of the loopback."""
    it = Receiver(answer)
    working: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        working.add(task)
        try:
            await it.serve(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            working.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", port)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for task in list(working):
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await server.wait_closed()


def in_order(heard: list[Received]) -> bool:
    """Whether each incident's revisions came one after the other."""
    revisions: dict[str, list[int]] = defaultdict(list)
    for it in heard:
        revisions[it.json["incident"]["id"]].append(it.json["revision"])
    return all(found == sorted(found) for found in revisions.values())
