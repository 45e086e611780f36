"""Revenue assurance: what was in service and not billed, and what was billed and not in service."""

import json
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import FOREVER_NS
from billing_bridge.periods import Period
from bss import membership, snapshot
from bss.store import bill_run_closed, billed_period, rated_usage
from inventory.store import service
from station.scope import Role, Scope

Found = dict[str, Any]


async def closed(conn: AsyncConnection, scope: Scope, period: Period) -> bool:
    """Whether the period's bill run came to its end."""
    return (await conn.execute(sa.select(bill_run_closed.c.period).where(*_of_run(scope, period)))).first() is not None


async def unbilled_active(conn: AsyncConnection, scope: Scope, period: Period) -> list[Found]:
    """Services active at any time of the period for which nothing was rated, by number; `reason` is the run's own."""
    scope.require(Role.BILLING, "checking what was billed")
    exceptions = (await conn.execute(sa.select(bill_run_closed.c.exceptions).where(*_of_run(scope, period)))).scalar()
    reasons = {row["service"]: row["reason"] for row in json.loads(exceptions or "[]") if row["period"] == period.name}
    billed = {row["service_id"] for row in await _ratings(conn, scope, period)}
    elsewhere = await _billed_otherwise(conn, scope, period)
    default = "no charge of its tariff applied" if exceptions is not None else "the period is not billed yet"
    return [
        _named(row) | {"customer_id": row["customer_id"], "reason": reasons.get(row["number"], default)}
        for row in (await _services(conn, scope)).values()
        if _active(row, period) and row["id"] not in billed and row["customer_id"] not in elsewhere
    ]


async def _billed_otherwise(conn: AsyncConnection, scope: Scope, period: Period) -> set[str]:
    """The customers of whose cycle the period is none: they are billed for other spans."""
    everybody = {row["id"]: row for row in await snapshot.customers_of(conn, scope.tenant)}
    payers = {id_: everybody[membership.payer_of(everybody, id_)] for id_ in everybody}
    other = {id_: payer["id"] for id_, payer in payers.items() if payer.get("cycle") or payer.get("time_zone")}
    if not other:
        return set()
    c = billed_period.c
    members = set((await conn.execute(sa.select(c.customer_id).where(c.tenant == scope.tenant, c.period == period.name))).scalars())
    return {id_ for id_, payer in other.items() if payer not in members}


async def billed_inactive(conn: AsyncConnection, scope: Scope, period: Period) -> list[Found]:
    """Services for which an amount stands in the period although the inventory says they were not active, or not there."""
    scope.require(Role.BILLING, "checking what was billed")
    known = await _services(conn, scope)
    latest = {(row["service_id"], row["charge"], row["customer_id"]): row for row in await _ratings(conn, scope, period)}
    amounts: dict[tuple[str, str], int] = {}
    for row in latest.values():
        key = (row["service_id"], row["currency"])
        amounts[key] = amounts.get(key, 0) + row["amount_minor"]
    found = []
    for (service_id, currency), amount_minor in sorted(amounts.items()):
        row = known.get(service_id)
        if amount_minor and (row is None or not _active(row, period)):
            about = _named(row) if row else {"id": service_id, "number": "", "name": ""}
            reason = "not active in the period" if row else "not in the inventory"
            found.append(about | {"currency": currency, "amount_minor": amount_minor, "reason": reason})
    return found


def _of_run(scope: Scope, period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    return bill_run_closed.c.tenant == scope.tenant, bill_run_closed.c.period == period.name


async def _services(conn: AsyncConnection, scope: Scope) -> dict[str, Any]:
    query = sa.select(service).where(service.c.tenant == scope.tenant).order_by(service.c.number, service.c.id)
    return {row["id"]: row for row in (await conn.execute(query)).mappings()}


async def _ratings(conn: AsyncConnection, scope: Scope, period: Period) -> list[Any]:
    """Every rating of the period, oldest revision first."""
    c = rated_usage.c
    columns = (c.service_id, c.charge, c.customer_id, c.amount_minor, c.currency)
    query = sa.select(*columns).where(c.tenant == scope.tenant, c.period == period.name).order_by(c.rating_rev)
    return list((await conn.execute(query)).mappings())


def _active(row: Any, period: Period) -> bool:
    return bool(row["active_from_ns"] < period.end_ns and (row["active_to_ns"] or FOREVER_NS) > period.start_ns)


def _named(row: Any) -> Found:
    return {name: row[name] for name in ("id", "number", "name")}
