"""Usage, the pipeline's counts and the suspense over HTTP."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query

from billing_bridge.completeness import accounts
from billing_bridge.guiding import FOREVER_NS, current_records, latest_guiding
from billing_bridge.store import usage_billed, usage_guiding, usage_rated, usage_record, usage_rejected
from station.clock import Clock
from station.state import State
from station.web import PAGE_LIMIT, Caller, iso, time_ns

DAY_NS = 86_400 * 1_000_000_000
SPAN_DAYS = 62
BOOKS = {"received": usage_record, "rejected": usage_rejected, "rated": usage_rated, "billed": usage_billed}


def router(state: State, clock: Clock) -> APIRouter:
    """The routes under /api/v1."""
    routes = APIRouter(prefix="/api/v1/usage", tags=["usage"])

    @routes.get("")
    async def usage(
        caller: Caller,
        service: Annotated[str, Query(max_length=36)] = "",
        since: Annotated[str, Query(alias="from", max_length=40)] = "",
        until: Annotated[str, Query(alias="to", max_length=40)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 200,
    ) -> dict[str, Any]:
        end_ns = time_ns(until) if until else clock.now_ns()
        start_ns = max(time_ns(since) if since else 0, end_ns - SPAN_DAYS * DAY_NS)
        rows = await _portions(state, caller, start_ns, end_ns)
        found = [row for row in rows if row["state"] == "guided" and service in ("", row["service_id"])]
        return {"items": found[:limit], "next": None, "total": len(found)}

    @routes.get("/pipeline")
    async def pipeline(caller: Caller) -> dict[str, Any]:
        async with state.read() as conn:
            counts = {}
            for name, table in BOOKS.items():
                query = sa.select(sa.func.count()).select_from(table).where(table.c.tenant == caller.tenant)
                counts[name] = (await conn.execute(query)).scalar_one()
            g = usage_guiding.c
            by_state = sa.select(g.state, sa.func.count(g.record_id.distinct())).where(g.tenant == caller.tenant).group_by(g.state)
            guided = {row[0]: row[1] for row in await conn.execute(by_state)}
            balances = {source: account.balanced for source, account in (await accounts(conn, caller)).items()}
        return {"counts": counts | {"guided": guided.get("guided", 0), "recycled": guided.get("recycled", 0)}, "balanced": balances}

    @routes.get("/suspense")
    async def suspense(caller: Caller, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 200) -> dict[str, Any]:
        now_ns = clock.now_ns()
        rows = await _portions(state, caller, now_ns - SPAN_DAYS * DAY_NS, FOREVER_NS)
        found = [row | {"age_s": (now_ns - row["since_ns"]) // 10**9} for row in rows if row["state"] == "recycled"]
        return {"items": found[:limit], "next": None, "total": len(found)}

    return routes


async def _portions(state: State, caller: Caller, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
    """The portions the caller may see of current records that begin in the span; a customer's scope sees its own."""
    async with state.read() as conn:
        records = {record["id"]: record for record in await current_records(conn, caller.tenant, start_ns, end_ns)}
        guided = await latest_guiding(conn, caller.tenant, list(records))
    rows = (_row(records[id_], portion) for id_, portions in guided.items() for portion in portions)
    return [row for row in rows if not caller.customers or row["customer_id"] in caller.customers]


def _row(record: dict[str, Any], portion: dict[str, Any]) -> dict[str, Any]:
    own = {name: record[name] for name in ("id", "metering_point", "meter", "revision", "chain")}
    names = ("state", "reason", "service_id", "customer_id", "in_octets", "out_octets", "since_ns")
    return own | {name: portion[name] for name in names} | {"from": iso(portion["from_ns"]), "to": iso(portion["to_ns"])}
