"""A screen's first data, fetched in-process through the public API with the viewer's own scope, so that a page paints in one round trip."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.types import ASGIApp, Message

from dashboards.guard import INSIDE
from station.metrics import counter
from station.scope import Scope

ANSWER_MAX_BYTES = 512 * 1024

LEFT_OUT = counter("first_data_left_out", "Answers a page had to fetch itself: late, too large or failed.", "reason")

log = structlog.get_logger(__name__)


async def first_answers(app: ASGIApp, scope: Scope, targets: Sequence[str], timeout_s: float) -> dict[str, Any]:
    """{target: JSON} of every target that answers in time; the page fetches the others itself."""
    tasks = {target: asyncio.create_task(_get(app, scope, target)) for target in targets}
    if tasks:
        await asyncio.wait(tasks.values(), timeout=timeout_s)
    answers = {}
    for target, task in tasks.items():
        if not task.done():
            task.cancel()
            LEFT_OUT.labels("late").inc()
        elif task.exception() is not None:
            log.warning("first data failed", target=target, error=repr(task.exception()))
            LEFT_OUT.labels("failed").inc()
        elif (answer := task.result()) is not None:
            answers[target] = answer
    return answers


async def _get(app: ASGIApp, scope: Scope, target: str) -> Any:
    """The JSON that GET `target` answers, None for any other status or a body that is too large to inline."""
    parts = urlsplit(target)
    connection = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parts.path,
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"accept", b"application/json")],
        "client": None,
        "server": ("localhost", 0),
        "state": {},
        INSIDE: scope,
    }
    status, body = 0, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        body.extend(message.get("body", b""))

    await app(connection, receive, send)
    if status == 200 and len(body) <= ANSWER_MAX_BYTES:
        return json.loads(body)
    LEFT_OUT.labels("failed" if status != 200 else "large").inc()
    return None


def script_json(value: Any) -> str:
    """JSON that is safe inside <script type="application/json">: no text in it can end the element or start another."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )
