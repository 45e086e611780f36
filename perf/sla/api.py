"""Service levels over HTTP: a month of every promised service, one in detail, the report as a file, and agreed exclusions."""

import asyncio
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from perf.sla import exclusions
from perf.sla.exclusions import Cause, ExclusionError, TargetKind
from perf.sla.levels import Level, Levels
from perf.sla.report import COLUMNS, ReportError, pdf, summary_rows, workbook
from perf.sla.views import level_json
from station.clock import NS_PER_S, Clock
from station.security.text import csv_cell
from station.state import State
from station.web import Caller, ProblemError, iso, not_found, time_ns, whole_view

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
Month = Annotated[str, Query(max_length=7)]
Format = Annotated[Literal["json", "csv", "xlsx", "pdf"], Query(alias="format")]
MEDIA: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": "application/pdf",
}
YEAR_NS: Final = 366 * 86_400 * NS_PER_S


class Proposal(BaseModel):
    """Time that should not count: from and to as RFC 3339, for one service, all of a customer's, or all at a site."""

    model_config = ConfigDict(extra="forbid")

    cause: Cause
    reason: Annotated[str, Field(min_length=3, max_length=1_024)]
    target_kind: TargetKind
    target_id: Annotated[str, Field(min_length=1, max_length=36)]
    start: str
    end: str


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approve: bool


def router(levels: Levels, state: State, clock: Clock) -> APIRouter:
    """The routes under /api/v1/slas; a month is "2026-03", without one it is the current month of UTC."""
    routes = APIRouter(prefix="/api/v1/slas", tags=["service levels"])

    def named(month: str) -> str:
        if month and not MONTH.fullmatch(month):
            raise ProblemError(422, "Not a month", "A month is written like 2026-03.")
        return month or datetime.fromtimestamp(clock.now_ns() // NS_PER_S, UTC).strftime("%Y-%m")

    @routes.get("")
    async def month(
        caller: Caller, month: Month = "", customer: Annotated[str, Query(max_length=36)] = "", format_: Format = "json"
    ) -> Any:
        name = named(month)
        found = [one for one in await levels.of_month(caller, name) if customer in ("", one.of.customer_id)]
        if format_ != "json":
            return await _file(format_, name, found, clock.now_ns())
        rows = [level_json(level) for level in found]
        outlooks = Counter(row["outlook"] for row in rows)
        return {"month": name, "items": rows, "next": None, "total": len(rows), "outlooks": dict(outlooks)}

    _exclusions(routes, state, clock)

    @routes.get("/{service_id}")
    async def one(caller: Caller, service_id: str, month: Month = "") -> dict[str, Any]:
        found = await levels.of_month(caller, named(month), service_id)
        if not found:
            raise not_found("service under a service level")
        return level_json(found[0], whole=True)

    return routes


def _exclusions(routes: APIRouter, state: State, clock: Clock) -> None:
    """`/exclusions`: proposed by one person, decided by another."""

    @routes.get("/exclusions")
    async def listed(caller: Caller, start: str = "", end: str = "") -> dict[str, Any]:
        whole_view(caller, "leaving time out")
        until_ns = time_ns(end) if end else clock.now_ns()
        found = await exclusions.listed(state, caller, time_ns(start) if start else until_ns - YEAR_NS, until_ns)
        return {"items": [_exclusion(row) for row in found], "next": None, "total": len(found)}

    @routes.post("/exclusions", status_code=201)
    async def propose(caller: Caller, body: Proposal) -> dict[str, Any]:
        whole_view(caller, "leaving time out")
        span = (time_ns(body.start), time_ns(body.end))
        if not 0 < span[1] - span[0] <= YEAR_NS:
            raise ProblemError(422, "Not a span", "It ends after it begins, within a year.")
        target = (body.target_kind, body.target_id)
        return _exclusion(await exclusions.propose(state, caller, body.cause, body.reason, target, span, clock.now_ns()))

    @routes.post("/exclusions/{key}/decision")
    async def decide(caller: Caller, key: str, body: Decision) -> dict[str, Any]:
        whole_view(caller, "leaving time out")
        try:
            found = await exclusions.decide(state, caller, key, clock.now_ns(), approve=body.approve)
        except ExclusionError as error:
            raise ProblemError(409, "Not possible", str(error)) from error
        if found is None:
            raise not_found("exclusion")
        return _exclusion(found)


def _exclusion(row: Any) -> dict[str, Any]:
    said = {name: row[name] for name in ("id", "cause", "reason", "target_kind", "target_id", "state", "proposed_by", "decided_by")}
    times = {"start": "begins_ns", "end": "ends_ns", "proposed_at": "proposed_ns", "decided_at": "decided_ns"}
    return said | {name: iso(row[column]) for name, column in times.items()}


async def _file(format_: str, month: str, found: Sequence[Level], now_ns: int) -> Response:
    make: dict[str, Callable[[], str | bytes]] = {
        "csv": lambda: _csv(found),
        "xlsx": lambda: workbook(month, found),
        "pdf": lambda: pdf(month, found, datetime.fromtimestamp(now_ns // NS_PER_S, UTC)),
    }
    try:
        content = await asyncio.to_thread(make[format_])
    except ReportError as error:
        raise ProblemError(422, "Not possible", str(error)) from error
    headers = {"Content-Disposition": f'attachment; filename="service-levels-{month}.{format_}"'}
    return Response(content, media_type=MEDIA[format_], headers=headers)


def _csv(levels: Sequence[Level]) -> str:
    """One line a service."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in summary_rows(levels):
        writer.writerow([csv_cell(row[name]) for name in COLUMNS])
    return out.getvalue()
