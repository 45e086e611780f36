"""`/api/v1/alarm-health`: the alarm health report over a span, as JSON and as CSV."""

import csv
import io
from collections.abc import Iterable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import queries, store
from fault.alarm_types import type_of
from fault.alarms import Severity
from fault.health import Entry, Report, Source, report, report_json
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Scope
from station.security.text import csv_cell
from station.web import Caller, ProblemError, iso, time_ns

DAYS_MAX = 93
ENTRIES_MAX = 500_000
LISTED_MAX = 200
TOLD = ("raised", "reopened", "acknowledged", "cleared", "chattering")
From = Annotated[str, Query(alias="from")]
Operators = Annotated[int, Query(ge=1, le=1_000)]


def router(service: FaultService) -> APIRouter:
    """The report over one fault service, of the part of the network that the caller may see."""
    api = APIRouter(prefix="/api/v1", tags=["fault"])

    @api.get("/alarm-health")
    async def health(caller: Caller, from_: From = "", to: str = "", operators: Operators = 1) -> dict[str, Any]:
        from_ns, to_ns = _span(service, from_, to)
        found, is_whole = await _report(service, caller, (from_ns, to_ns), operators)
        lists = {name: value[:LISTED_MAX] for name, value in report_json(found).items() if name in ("chattering", "stale")}
        return {"from": iso(from_ns), "to": iso(to_ns), "operators": operators, "whole": is_whole, **report_json(found), **lists}

    @api.get("/alarm-health.csv", response_class=Response)
    async def health_csv(caller: Caller, from_: From = "", to: str = "", operators: Operators = 1) -> Response:
        span_ns = _span(service, from_, to)
        found, _ = await _report(service, caller, span_ns, operators)
        named = {"content-disposition": 'attachment; filename="alarm-health.csv"'}
        return Response(as_csv(found, span_ns), media_type="text/csv", headers=named)

    return api


def as_csv(found: Report, span_ns: tuple[int, int]) -> str:
    """Three tables, one after another, each with its head; text of devices starts no formula."""
    out = io.StringIO()
    write = csv.writer(out).writerow
    rows: Iterable[tuple[object, ...]] = (
        ("from", iso(span_ns[0])),
        ("to", iso(span_ns[1])),
        (),
        ("measure", "value", "unit", "target", "holds"),
        *((m.name, m.value, m.unit, m.target, "" if m.holds is None else str(m.holds).lower()) for m in found.measures),
        (),
        ("group", "name", "raised", "mtta_s", "mttr_s"),
        *((t.group, t.name, t.raised, t.to_acknowledge_s, t.to_clear_s) for t in found.times),
        (),
        ("most_raised", "times"),
        *found.top,
    )
    for row in rows:
        write([csv_cell(value) for value in row])
    return out.getvalue()


def _span(service: FaultService, from_: str, to: str) -> tuple[int, int]:
    to_ns = time_ns(to) if to else service.clock.now_ns()
    from_ns = time_ns(from_) if from_ else to_ns - 86_400 * NS_PER_S
    if not from_ns < to_ns <= from_ns + DAYS_MAX * 86_400 * NS_PER_S:
        raise ProblemError(422, "Not a span", f"`to` lies after `from`, at most {DAYS_MAX} days.")
    return from_ns, to_ns


async def _report(service: FaultService, caller: Scope, span_ns: tuple[int, int], operators: int) -> tuple[Report, bool]:
    """The report, and whether all of the span's history went into it."""

    async def work(conn: AsyncConnection) -> tuple[Report, bool]:
        seen = queries.visible(caller, service.resources)
        rows = await _rows(conn, seen, span_ns)
        entries = [Entry(r.alarm_id, r.occurrence, r.what, r.time_ns, Severity(r.severity).word) for r in rows]
        table = store.alarm
        is_open = (table.c.is_cleared == 0, table.c.suppressed == 0, table.c.shelf_until_ns == 0)
        still = await conn.execute(sa.select(table.c.id, table.c.raised_ns, *_WHERE_FROM).where(*seen, *is_open).limit(ENTRIES_MAX))
        open_rows = list(still)
        sources = {r.alarm_id: _source(service, r) for r in rows} | {r.id: _source(service, r) for r in open_rows}
        roots = await _roots(conn, caller, seen, span_ns)
        found = report(entries, sources, roots, {r.id: r.raised_ns for r in open_rows}, span_ns, operators)
        return found, len(rows) < ENTRIES_MAX

    return await service.state.collect(work)


_WHERE_FROM = tuple(store.alarm.c[name] for name in ("device_id", "device", "object", "site", "alarm_type"))


async def _rows(conn: AsyncConnection, seen: list[sa.ColumnElement[bool]], span_ns: tuple[int, int]) -> list[Any]:
    history, table = store.alarm_history, store.alarm
    joined = history.join(table, sa.and_(table.c.tenant == history.c.tenant, table.c.id == history.c.alarm_id))
    columns = (history.c.alarm_id, history.c.occurrence, history.c.what, history.c.time_ns, history.c.severity)
    within = (history.c.time_ns >= span_ns[0], history.c.time_ns < span_ns[1], history.c.what.in_(TOLD))
    asked = sa.select(*columns, *_WHERE_FROM).select_from(joined).where(*seen, *within)
    return list(await conn.execute(asked.order_by(history.c.alarm_id, history.c.seq).limit(ENTRIES_MAX)))


async def _roots(conn: AsyncConnection, caller: Scope, seen: list[sa.ColumnElement[bool]], span_ns: tuple[int, int]) -> list[int]:
    """When the incidents that people were shown opened."""
    table = store.incident
    shown = (table.c.tenant == caller.tenant, table.c.noise == 0, table.c.maintenance == "")
    within = (table.c.opened_ns >= span_ns[0], table.c.opened_ns < span_ns[1])
    asked = sa.select(table.c.opened_ns).where(*shown, *within).limit(ENTRIES_MAX)
    if caller.regions or caller.customers:
        asked = asked.where(table.c.id.in_(sa.select(store.alarm.c.incident_id).where(*seen)))
    return list((await conn.execute(asked)).scalars())


def _source(service: FaultService, row: Any) -> Source:
    device = service.resources.topology.device_by_id.get(row.device_id)
    name = " ".join(filter(None, (row.device, row.object, row.alarm_type)))
    return Source(name, type_of(row.alarm_type, service.types).class_, device.vendor if device else "", row.site)
