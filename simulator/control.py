"""The remote control: a small HTTP/1.1 server on loopback, every request with the token of a file.

    GET  /state              what is broken and which stories there are
    GET  /events?after=N     announcements after number N
    POST /cut, /restore      {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"} | {"kind": "device" | "duct", "name": ...}
    POST /story              {"name": "fibre cut Hamburg-Berlin"}

A link's ends are device names, or `device:ifName` where two devices share several links.
"""

import asyncio
import hmac
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from simulator.live import Live

HOST = "127.0.0.1"
MAX_HEAD_OCTETS = 16_384
MAX_BODY_OCTETS = 65_536
REQUEST_WITHIN_S = 10.0


class Request(NamedTuple):
    method: str
    path: str
    query: dict[str, list[str]]
    token: str
    body: dict[str, Any]


class RefusedError(Exception):
    """A request that gets an error; carries the status."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Control:
    """Serves one live network."""

    def __init__(self, live: Live, token: str) -> None:
        self._live, self._token = live, token
        self._server: asyncio.Server | None = None

    async def open(self, port: int) -> int:
        """Listen on loopback, on any free port when `port` is 0; returns the port."""
        self._server = await asyncio.start_server(self._serve, HOST, port, limit=MAX_HEAD_OCTETS)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, answer = await asyncio.wait_for(self._answer(reader), REQUEST_WITHIN_S)
            writer.write(_response(status, answer))
            await writer.drain()
        except (TimeoutError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[HTTPStatus, dict[str, Any]]:
        try:
            request = await _read(reader)
            if not hmac.compare_digest(request.token.encode(), self._token.encode()):
                raise RefusedError(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
            return HTTPStatus.OK, self._route(request)
        except RefusedError as refused:
            return refused.status, {"detail": refused.detail}
        except KeyError as unknown:
            return HTTPStatus.NOT_FOUND, {"detail": str(unknown.args[0])}

    def _route(self, request: Request) -> dict[str, Any]:
        if (request.method, request.path) == ("GET", "/state"):
            return self._live.state()
        if (request.method, request.path) == ("GET", "/events"):
            after = request.query.get("after", ["0"])[0]
            items = self._live.events(int(after) if after.isascii() and after.isdigit() else 0)
            return {"items": items, "next": items[-1]["number"] if items else int(after) if after.isdigit() else 0}
        actions: dict[str, Callable[[dict[str, Any]], str]] = {
            "/cut": self._live.cut,
            "/restore": self._live.restore,
            "/story": self._live.story,
        }
        if request.method == "POST" and request.path in actions:
            return {"text": actions[request.path](request.body)}
        raise RefusedError(HTTPStatus.NOT_FOUND, f"no {request.method} {request.path} here")


async def _read(reader: asyncio.StreamReader) -> Request:
    """One request, within its limits."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (row.partition(":") for row in head[1:])}
        length = int(headers.get("content-length", "0"))
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "not a request") from error
    if not 0 <= length <= MAX_BODY_OCTETS:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_OCTETS} octets")
    try:
        body = json.loads(await reader.readexactly(length)) if length else {}
    except (ValueError, asyncio.IncompleteReadError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
    url = urlsplit(target)
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return Request(method, url.path, parse_qs(url.query), token if scheme.lower() == "bearer" else "", body)


def _response(status: HTTPStatus, answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
