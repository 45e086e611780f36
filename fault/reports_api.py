"""`/api/v1/fault-report`: MTTA, MTTR and MTBF by class, vendor, site, region and team, repeat faults, customer-minutes lost."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import incident_store, queries, store
from fault.api import seen_incidents
from fault.report_pdf import pdf
from fault.reports import GROUPS, NO_TEAM, Entry, Hurt, by, customer_minutes, episodes, figures, repeats
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Scope
from station.web import Caller, ProblemError, iso, time_ns

DAYS_MAX = 93
ENTRIES_MAX = 500_000
INCIDENTS_MAX = 20_000
DAY_NS = 86_400 * NS_PER_S
WHAT = ("raised", "reopened", "acknowledged", "cleared")
CUSTOMERS_SHOWN_MAX = 50
Teams = Callable[[AsyncConnection], Awaitable[Mapping[str, str]]]
Month = Annotated[str, Query(pattern=r"^20\d\d-(0[1-9]|1[0-2])$")]
From = Annotated[str, Query(alias="from")]


def router(service: FaultService, teams: Teams, *, simulated: bool = False) -> APIRouter:
    """The report of the part of the network that the caller may see; `teams` says in which team a person is."""
    api = APIRouter(prefix="/api/v1", tags=["fault"])

    @api.get("/fault-report")
    async def report(caller: Caller, from_: From = "", to: str = "") -> dict[str, Any]:
        """The last 30 days where no span is given; `whole` false when there was more than is looked at."""
        to_ns = time_ns(to) if to else service.clock.now_ns()
        return await report_of(service, caller, (time_ns(from_) if from_ else to_ns - 30 * DAY_NS, to_ns), teams)

    @api.get("/fault-report.pdf", response_class=Response)
    async def pages(caller: Caller, month: Month) -> Response:
        """One calendar month (UTC) as a PDF; of the month that runs what there is."""
        now_ns = service.clock.now_ns()
        begin, end = month_span(month)
        if begin > now_ns:
            raise ProblemError(422, "Not a span", "This month has not begun.")
        said = await report_of(service, caller, (begin, min(end, now_ns)), teams)
        content = await asyncio.to_thread(pdf, month, said, now_ns, simulated=simulated)
        headers = {"Content-Disposition": f'attachment; filename="faults-{month}.pdf"'}
        return Response(content, media_type="application/pdf", headers=headers)

    return api


def month_span(month: str) -> tuple[int, int]:
    """The bounds of `2026-11` in UTC (ns)."""
    year, number = (int(part) for part in month.split("-"))
    after = (year + number // 12, number % 12 + 1)
    begin, end = (datetime(y, m, 1, tzinfo=UTC) for y, m in ((year, number), after))
    return int(begin.timestamp()) * NS_PER_S, int(end.timestamp()) * NS_PER_S


async def report_of(service: FaultService, caller: Scope, span_ns: tuple[int, int], teams: Teams) -> dict[str, Any]:
    """The report of what a caller may see; ProblemError 422 for no span."""
    if not 0 < span_ns[1] - span_ns[0] <= DAYS_MAX * DAY_NS:
        raise ProblemError(422, "Not a span", f"A span begins before it ends and has at most {DAYS_MAX} days.")
    async with service.state.read() as conn:
        entries = await _entries(conn, caller, service, span_ns, await teams(conn))
        hurts = await _hurts(conn, caller, service, span_ns)
    found = episodes(entries)
    lost = customer_minutes(hurts, span_ns)
    said = {"from": iso(span_ns[0]), "to": iso(span_ns[1]), "whole": len(entries) < ENTRIES_MAX, "all": figures(found, span_ns)}
    groups = {f"by_{name}": by(found, name, span_ns) for name in GROUPS}
    customers = [{**row, "minutes": round(row["minutes"], 1)} for row in lost[:CUSTOMERS_SHOWN_MAX]]
    minutes = round(sum(row["minutes"] for row in lost), 1)
    return said | groups | {"repeats": repeats(found), "customer_minutes_lost": minutes, "customers": customers}


async def _entries(
    conn: AsyncConnection, caller: Scope, service: FaultService, span_ns: tuple[int, int], teams: Mapping[str, str]
) -> list[Entry]:
    h, a = store.alarm_history.c, store.alarm.c
    joined = store.alarm_history.join(store.alarm, sa.and_(a.tenant == h.tenant, a.id == h.alarm_id))
    where = (h.tenant == caller.tenant, h.what.in_(WHAT), h.time_ns >= span_ns[0], h.time_ns < span_ns[1])
    columns = (h.alarm_id, h.occurrence, h.time_ns, h.what, h.by, a.alarm_type, a.site, a.region, a.device, a.object, a.device_id)
    query = sa.select(*columns).select_from(joined).where(*where, *queries.visible(caller, service.resources))
    devices = service.resources.topology.device_by_id
    found = []
    for row in await conn.execute(query.order_by(h.time_ns, h.alarm_id, h.seq).limit(ENTRIES_MAX)):
        device = devices.get(row.device_id)
        words = {"alarm_type": row.alarm_type, "site": row.site, "region": row.region, "device": row.device, "object": row.object}
        words["vendor"] = device.vendor if device is not None else ""
        found.append(Entry(row.alarm_id, row.occurrence, row.time_ns, row.what, words, teams.get(row.by, NO_TEAM)))
    return found


async def _hurts(conn: AsyncConnection, caller: Scope, service: FaultService, span_ns: tuple[int, int]) -> list[Hurt]:
    i = store.incident.c
    where = [i.noise == 0, i.opened_ns < span_ns[1], sa.or_(i.state == "open", i.closed_ns > span_ns[0])]
    where += seen_incidents(caller, service.resources)
    found = await incident_store.incidents_where(conn, caller.tenant, *where, limit=INCIDENTS_MAX)
    seen = set(caller.customers)
    return [
        Hurt(it.opened_ns, it.closed_ns, [(key, name) for key, name in it.customers if not seen or key in seen])
        for it in found
        if it.customers
    ]
