"""HTTP: where others send samples to. An operator's token speaks for what it may see.

`POST /api/v1/write` takes Prometheus remote-write, `POST /v1/metrics` OTLP. What is refused by name or value is counted and told; the
sender need not send it again.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from perf.incoming import otlp, remote_write
from perf.incoming.intake import Intake, NotDurableError, Taken
from perf.incoming.points import IncomingError, Told
from perf.metrics import INCOMING
from perf.names import Names
from perf.visible import visible
from station.scope import Role
from station.web import Caller, ProblemError

BODY_MAX: Final = 16 << 20


def router(intake: Intake, names: Names) -> APIRouter:
    """The two endpoints."""
    made = APIRouter(tags=["prometheus"])

    async def taken(caller: Any, told: list[Told]) -> Taken:
        limited = bool(caller.regions or caller.customers)
        try:
            return await intake.take(told, visible(names.topology(), caller) if limited else None)
        except NotDurableError as error:
            raise ProblemError(503, "Not kept yet", "The samples are not journalled; send them again.") from error

    @made.post("/api/v1/write", status_code=204)
    async def write(caller: Caller, request: Request) -> Response:
        caller.require(Role.OPERATOR, "sending samples")
        if request.headers.get("content-encoding", "snappy") != "snappy":
            raise ProblemError(415, "Not remote-write", "A body is protobuf in a snappy block (remote-write 1.0).")
        try:
            told = remote_write.told(await _body(request))
        except IncomingError as error:
            raise _unread(error) from error
        await taken(caller, told)
        return Response(status_code=204)

    @made.post("/v1/metrics")
    async def export(caller: Caller, request: Request) -> Response:
        caller.require(Role.OPERATOR, "sending samples")
        kind = request.headers.get("content-type", otlp.PROTOBUF).partition(";")[0].strip()
        if kind not in (otlp.JSON, otlp.PROTOBUF):
            raise ProblemError(415, "Not OTLP", f"A body is {otlp.PROTOBUF} or {otlp.JSON}.")
        try:
            told = otlp.told(await _body(request), kind, request.headers.get("content-encoding", ""))
        except IncomingError as error:
            raise _unread(error) from error
        found = await taken(caller, told)
        return _answer(found, kind)

    return made


def _unread(error: IncomingError) -> ProblemError:
    INCOMING.labels("unreadable").inc()
    return ProblemError(400, "Not understood", str(error))


def _answer(found: Taken, kind: str) -> Response:
    """A partial success names how many points were refused and why (OTLP, 'Partial Success')."""
    refused, why = sum(found.refused.values()), ", ".join(f"{reason} {count}" for reason, count in found.refused.most_common())
    if kind == otlp.JSON:
        text = f'{{"partialSuccess":{{"rejectedDataPoints":"{refused}","errorMessage":"{why}"}}}}' if refused else "{}"
        return Response(text, media_type=otlp.JSON)
    message = ExportMetricsServiceResponse()
    if refused:
        message.partial_success.rejected_data_points, message.partial_success.error_message = refused, why
    return Response(message.SerializeToString(), media_type=otlp.PROTOBUF)


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    stream: AsyncIterator[bytes] = request.stream()
    async for part in stream:
        size += len(part)
        if size > BODY_MAX:
            raise ProblemError(413, "Too large", f"A body has at most {BODY_MAX} octets.")
        parts.append(part)
    return b"".join(parts)
