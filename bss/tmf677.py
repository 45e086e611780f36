"""TMF677 Usage Consumption v4: what a customer used this month by service, and what is left in the buckets of prepaid balances.

A query is answered when it is asked and kept as it was answered.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import periods
from billing_bridge.events import known_events
from billing_bridge.portions import Span, portions
from billing_bridge.usage import UsageState
from bss.receivables.api import mine
from bss.store import balance_bucket
from inventory.store import customer, service
from station.clock import Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import Json, Kind, Sent, add_reads, discard, keep
from station.tmf.hub import add_hub
from station.tmf.route import Id, api_router, href
from station.web import Caller, ProblemError, iso, not_found

BASE, API = "usageConsumption/v4", "usageConsumption"


def _customer_of(body: Mapping[str, Any]) -> str:
    named = [*(body.get("partyAccount") or ()), *(body.get("relatedParty") or ())]
    return str(next((one.get("id") for one in named if isinstance(one, dict)), "") or "")[:36]


QUERY: Final = Kind(
    API, BASE, "queryUsageConsumption",
    {"queryUsageConsumptionDate": str, "partyAccount": list, "relatedParty": list, "searchCriteria": dict, "usageConsumption": list},
    customer_of=_customer_of, reads=Role.BILLING, writes=Role.BILLING,
)  # fmt: skip


def router(state: State, zone: ZoneInfo, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/usageConsumption/v4."""
    routes = api_router(BASE)
    add_hub(routes, state, guard, clock, API, Role.BILLING)
    add_reads(routes, state, QUERY)

    @routes.post("/queryUsageConsumption", status_code=201)
    async def ask(caller: Caller, sent: Sent, response: Response) -> Json:
        """Of the account or party named, by its id or number."""
        caller.require(Role.BILLING, "asking for consumption")
        body, now_ns = QUERY.checked({name: value for name, value in sent.items() if name != "usageConsumption"}), clock.now_ns()
        async with state.read() as conn:
            owner = await _owner(conn, caller, _customer_of(body))
            mine(caller, owner)
            found = await _consumption(conn, caller, owner, zone, now_ns)
        named = {"partyAccount": [{"id": owner}], "queryUsageConsumptionDate": iso(now_ns), "usageConsumption": [found]}
        made = await keep(state, caller, QUERY, body | named, now_ns)
        response.headers["Location"] = made["href"]
        return made

    @routes.delete("/queryUsageConsumption/{id}", status_code=204)
    async def forget(caller: Caller, id_: Id) -> None:
        caller.require(Role.BILLING, "removing a query")
        await discard(state, caller, QUERY, id_, clock.now_ns())

    return routes


async def _owner(conn: AsyncConnection, scope: Scope, named: str) -> str:
    c = customer.c
    if not named:
        raise ProblemError(400, "Not complete", "A query names a partyAccount or a relatedParty.")
    query = sa.select(c.id).where(c.tenant == scope.tenant, sa.or_(c.id == named, c.number == named))
    found = (await conn.execute(query)).scalars().first()
    if found is None:
        raise not_found("customer")
    return str(found)


async def _consumption(conn: AsyncConnection, scope: Scope, owner: str, zone: ZoneInfo, now_ns: int) -> Json:
    month = periods.month(periods.date_at(now_ns, zone).isoformat()[:7], zone)
    s = service.c
    rows = (
        await conn.execute(sa.select(s.id, s.number, s.name).where(s.tenant == scope.tenant, s.customer_id == owner).order_by(s.number))
    ).all()
    used = await _used(conn, scope, Span(month.start_ns, month.end_ns), {row.id for row in rows})
    period = {"startDateTime": iso(month.start_ns), "endDateTime": iso(month.end_ns)}
    services = [
        {"id": row.id, "name": row.name, "href": href("serviceInventory/v4", "service", row.id)}
        | {"consumptionSummary": [_summary(meter, unit, n, period) for (meter, unit), n in sorted(used.get(row.id, {}).items())]}
        for row in rows
    ]
    said: Json = {
        "@type": "UsageConsumption",
        "id": f"{owner}.{month.name}",
        "name": f"consumption of {month.name}",
        "creationDate": iso(now_ns),
    }
    said |= {"state": "done", "validPeriod": period, "partyAccount": [{"id": owner}], "service": services}
    return said | {"bucketRefOrValue": await _buckets(conn, scope.tenant, {owner, *(row.id for row in rows)}, now_ns)}


async def _used(conn: AsyncConnection, scope: Scope, span: Span, services: set[str]) -> dict[str, dict[tuple[str, str], int]]:
    """Quantities by service, meter and unit: what ports measured, and what others told."""
    found: dict[str, dict[tuple[str, str], int]] = {}

    def add(service_id: str, meter: str, unit: str, quantity: int) -> None:
        if service_id in services:
            of = found.setdefault(service_id, {})
            of[meter, unit] = of.get((meter, unit), 0) + quantity

    for row in await portions(conn, scope, span) if services else ():
        if row["state"] == UsageState.GUIDED:
            add(row["service_id"], row["meter"], row["unit"], row["quantity"])
    for event, guiding in await known_events(conn, scope.tenant, span.start_ns, span.end_ns) if services else ():
        if guiding["state"] == UsageState.GUIDED:
            add(guiding["service_id"], event["meter"], event["meter"], event["quantity"])
    return found


def _summary(meter: str, unit: str, quantity: int, period: Json) -> Json:
    return {
        "counterType": "used",
        "level": "service",
        "valueName": meter,
        "value": {"amount": quantity, "units": unit},
        "consumptionPeriod": period,
    }


async def _buckets(conn: AsyncConnection, tenant: int, owners: set[str], now_ns: int) -> Sequence[Json]:
    b = balance_bucket.c
    living = sa.or_(b.expires_ns == 0, b.expires_ns > now_ns)
    query = (
        sa.select(balance_bucket).where(b.tenant == tenant, b.owner.in_(sorted(owners)), living).order_by(b.created_ns, b.id).limit(1000)
    )
    return [
        {"id": row["id"], "name": row["unit"], "usageType": row["unit"], "status": "active", "isShared": False}
        | {"remainingValue": {"amount": row["amount"] - row["held"], "units": row["unit"]}, "remainingValueName": row["unit"]}
        | {"reservedValue": {"amount": row["held"], "units": row["unit"]}}
        for row in (await conn.execute(query)).mappings()
    ]
