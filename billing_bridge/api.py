"""Usage, the pipeline's counts, the suspense and exports over HTTP."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.completeness import accounts
from billing_bridge.export import Export, Format, export
from billing_bridge.flow_meter import Flows, against_flows
from billing_bridge.guiding import FOREVER_NS
from billing_bridge.portions import Place, Span, portions, with_progress
from billing_bridge.reconcile import TOLERANCE_PPM, reconciled
from billing_bridge.store import usage_billed, usage_guiding, usage_rated, usage_record, usage_rejected
from billing_bridge.usage import UsageState
from station.clock import NS_PER_MS, NS_PER_S, Clock
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, time_ns, whole_view

DAY_NS = 86_400 * NS_PER_S
SPAN_DAYS = 62
EXPORT_MAX = 50_000  # records in one file
BOOKS = {"received": usage_record, "rejected": usage_rejected, "rated": usage_rated, "billed": usage_billed}

Instant = Annotated[str, Query(max_length=40)]
From = Annotated[str, Query(alias="from", max_length=40)]
To = Annotated[str, Query(alias="to", max_length=40)]
Service = Annotated[str, Query(max_length=36)]
Cursor = Annotated[str, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]
Asked = Callable[..., Span]


def router(state: State, clock: Clock, flows: Flows | None = None) -> APIRouter:
    """The routes under /api/v1; `flows` is the second meter of ports, where there is one."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["usage"])

    def asked(since: From = "", until: To = "", service: Service = "", known: Instant = "") -> Span:
        now_ns = clock.now_ns() // NS_PER_MS * NS_PER_MS  # as the manifest can say it
        end_ns = _instant(until) if until else now_ns
        start_ns = max(_instant(since) if since else 0, end_ns - SPAN_DAYS * DAY_NS)
        return Span(start_ns, end_ns, service, min(_instant(known), now_ns) if known else now_ns)

    @routes.get("")
    async def usage(caller: Caller, span: Annotated[Span, Depends(asked)], cursor: Cursor = "", limit: Limit = 200) -> dict[str, Any]:
        async with state.read() as conn:
            found = [row for row in await portions(conn, caller, span) if row["state"] == UsageState.GUIDED]
            return await _page(conn, caller, found, cursor, limit)

    @routes.get("/pipeline")
    async def pipeline(caller: Caller) -> dict[str, Any]:
        async with state.read() as conn:
            if caller.customers or caller.regions:
                now_ns = clock.now_ns()
                return {"counts": await _counts_seen(conn, caller, Span(max(0, now_ns - SPAN_DAYS * DAY_NS), FOREVER_NS)), "balanced": {}}
            balances = {source: account.balanced for source, account in (await accounts(conn, caller)).items()}
            return {"counts": await _counts(conn, caller.tenant), "balanced": balances}

    @routes.get("/suspense")
    async def suspense(caller: Caller, cursor: Cursor = "", limit: Limit = 200) -> dict[str, Any]:
        now_ns = clock.now_ns()
        async with state.read() as conn:
            rows = await portions(conn, caller, Span(max(0, now_ns - SPAN_DAYS * DAY_NS), FOREVER_NS))
            found = [row | {"age_s": (now_ns - row["since_ns"]) // NS_PER_S} for row in rows if row["state"] == UsageState.RECYCLED]
            return await _page(conn, caller, found, cursor, limit)

    _add_reconciliation(routes, state, asked)
    if flows is not None:
        _add_flows(routes, state, asked, flows)
    _add_export(routes, state, asked)
    return routes


def _add_reconciliation(routes: APIRouter, state: State, asked: Asked) -> None:
    @routes.get("/reconciliation")
    async def reconciliation(
        caller: Caller, span: Annotated[Span, Depends(asked)], tolerance_ppm: Annotated[int, Query(ge=0, le=1_000_000)] = TOLERANCE_PPM
    ) -> dict[str, Any]:
        """Interface octets against session octets, service by service."""
        caller.require(Role.BILLING, "reconciling usage")
        whole_view(caller, "reconciliation")
        async with state.read() as conn:
            rows = await reconciled(conn, caller, span, tolerance_ppm)
        return {"items": rows, "next": None, "total": len(rows), "verdicts": dict(Counter(row["verdict"] for row in rows))}


def _add_flows(routes: APIRouter, state: State, asked: Asked, flows: Flows) -> None:
    @routes.get("/reconciliation/flows")
    async def against(
        caller: Caller, span: Annotated[Span, Depends(asked)], tolerance_ppm: Annotated[int, Query(ge=0, le=1_000_000)] = TOLERANCE_PPM
    ) -> dict[str, Any]:
        """Interface octets against those of flow records, port by port."""
        caller.require(Role.BILLING, "reconciling usage")
        whole_view(caller, "reconciliation")
        async with state.read() as conn:
            rows = await against_flows(conn, caller, span, flows, tolerance_ppm)
        return {"items": rows, "next": None, "total": len(rows), "verdicts": dict(Counter(row["verdict"] for row in rows))}


def _add_export(routes: APIRouter, state: State, asked: Asked) -> None:
    @routes.get("/export")
    async def file(
        request: Request, caller: Caller, span: Annotated[Span, Depends(asked)], form: Annotated[Format, Query(alias="format")] = Format.CSV
    ) -> Response:
        made = await _export(state, caller, span, form)
        about = request.url.include_query_params(known=made.manifest["known_until"], to=made.manifest["to"])
        headers = {
            "Content-Disposition": f'attachment; filename="{made.manifest["file"]}"',
            "Repr-Digest": made.digest,
            "Link": f'<{about.path}/manifest?{about.query}>; rel="describedby"',
        }
        return Response(made.body, media_type=made.media_type, headers=headers)

    @routes.get("/export/manifest")
    async def manifest(
        caller: Caller, span: Annotated[Span, Depends(asked)], form: Annotated[Format, Query(alias="format")] = Format.CSV
    ) -> dict[str, Any]:
        return dict((await _export(state, caller, span, form)).manifest)


def _instant(text: str) -> int:
    """Nanoseconds of an RFC 3339 text, moved into what the books can hold."""
    return min(max(time_ns(text), 0), FOREVER_NS)


async def _page(conn: AsyncConnection, caller: Scope, found: Sequence[dict[str, Any]], cursor: str, limit: int) -> dict[str, Any]:
    """The rows after the cursor, with how far billing has come; ProblemError 422 when the cursor is none."""
    try:
        after = Place.parse(cursor) if cursor else None
    except ValueError as error:
        raise ProblemError(422, "Not a cursor", "Take the cursor from the `next` of a page.") from error
    rest = [row for row in found if after is None or Place.of(row) > after]
    items = await with_progress(conn, caller.tenant, rest[:limit])
    return {"items": items, "next": str(Place.of(items[-1])) if len(rest) > limit else None, "total": len(found)}


async def _counts(conn: AsyncConnection, tenant: int) -> dict[str, int]:
    """How many facts each book holds, and how many records stand guided or in suspense by any guiding."""
    counts = {}
    for name, table in BOOKS.items():
        counts[name] = (await conn.execute(sa.select(sa.func.count()).select_from(table).where(table.c.tenant == tenant))).scalar_one()
    g = usage_guiding.c
    by_state = sa.select(g.state, sa.func.count(g.record_id.distinct())).where(g.tenant == tenant).group_by(g.state)
    guided = {row[0]: row[1] for row in await conn.execute(by_state)}
    return counts | {"guided": guided.get("guided", 0), "recycled": guided.get("recycled", 0)}


async def _counts_seen(conn: AsyncConnection, caller: Scope, span: Span) -> dict[str, int]:
    """The same names for a caller with a limited view: current portions by state."""
    rows = await with_progress(conn, caller.tenant, await portions(conn, caller, span))
    states = Counter(row["state"] for row in rows)
    return {state.value: states[state.value] for state in UsageState} | {"received": len({row["id"] for row in rows})}


async def _export(state: State, caller: Scope, span: Span, form: Format) -> Export:
    caller.require(Role.BILLING, "exporting usage")
    c = usage_record.c
    where = (c.tenant == caller.tenant, c.start_ns >= span.start_ns, c.start_ns < span.end_ns)
    async with state.read() as conn:
        if (await conn.execute(sa.select(sa.func.count()).select_from(usage_record).where(*where))).scalar_one() > EXPORT_MAX:
            raise ProblemError(413, "Too many records", f"A file holds at most {EXPORT_MAX} records; ask for a shorter span.")
        rows = await portions(conn, caller, span)
    return await asyncio.to_thread(export, rows, form, span)
