"""The demo's ticket system: a webhook receiver on loopback that keeps the last deliveries for the console to show."""

import asyncio
import json
from collections import deque
from typing import Any, Final

from station.clock import Clock
from station.web import iso

KEPT: Final = 50
HEAD_OCTETS_MAX: Final = 16 << 10
BODY_OCTETS_MAX: Final = 256 << 10
REQUEST_WITHIN_S: Final = 10.0


class Echo:
    """Answers 200 to every POST and remembers it, newest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.received: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Listen on a free port; return the URL to deliver to."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_OCTETS_MAX)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/tickets"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_WITHIN_S):
                status = await self._take(reader)
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a receiver that shows deliveries owes nothing to a broken request
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> str:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_OCTETS_MAX:
            return "413 Content Too Large"
        body = await reader.readexactly(int(length))
        shown = {name: value for name, value in headers.items() if name.startswith(("x-trunkline", "idempotency", "content-type"))}
        self.received.appendleft({"at": iso(self._clock.now_ns()), "headers": shown, "body": _json_or_text(body)})
        return "200 OK"


def _json_or_text(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
