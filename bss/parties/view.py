"""All of one customer: who it is, what it agreed and consented to, orders, services, usage, bills, money, faults, levels, talks."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import periods
from billing_bridge.portions import Span, portions
from billing_bridge.usage import UsageState
from bss.dunning.cases import standing_holds
from bss.dunning.store import dunning_case, service_restriction
from bss.parties.store import party_consent
from bss.receivables import account as accounts
from bss.receivables.statement import overview
from bss.receivables.store import payment
from bss.store import invoice
from bss.views import invoice_summary
from inventory.store import customer, service
from station.scope import Role, Scope
from station.state import State
from station.tmf.store import tmf_document
from station.web import iso, not_found

Json = dict[str, Any]
EACH_MAX = 50  # of a part; the newest
DOCUMENTS = {
    "interactions": ("partyInteraction", "partyInteraction"),
    "agreements": ("agreementManagement", "agreement"),
    "tickets": ("troubleTicket", "troubleTicket"),
    "orders": ("productOrdering", "productOrder"),
    "service_orders": ("serviceOrdering", "serviceOrder"),
    "problems": ("serviceProblemManagement", "serviceProblem"),
}


@dataclass(frozen=True, slots=True)
class View:
    """Joins what the domains hold. `faults(customer)` are its alarms and incidents, `levels(scope, service ids)` its service levels."""

    state: State
    zone: Any
    faults: Callable[[str], Json]
    levels: Callable[[Scope, str, Sequence[str]], Awaitable[Sequence[Json]]]

    async def of(self, scope: Scope, id_: str, now_ns: int) -> Json:
        """Everything, each part with at most EACH_MAX rows, the newest first. ProblemError 404."""
        scope.require(Role.BILLING, "reading a customer")
        today = periods.date_at(now_ns, self.zone)
        month = periods.month(today.isoformat()[:7], self.zone)
        async with self.state.read() as conn:
            row = await _row(conn, scope, id_)
            services = await _services(conn, scope.tenant, id_, now_ns)
            held = await accounts.load(conn, scope.tenant, id_)
            found = {"customer": row, "consents": await consents(conn, scope.tenant, id_), "services": services}
            found["account"] = overview(held, today)
            found["bills"] = await _bills(conn, scope.tenant, id_)
            found["payments"] = await _payments(conn, scope.tenant, id_)
            found["dunning"] = await _dunning(conn, scope.tenant, id_, now_ns)
            for name, (api, kind) in DOCUMENTS.items():
                found[name] = await _documents(conn, scope.tenant, api, kind, id_)
            found["usage"] = await _usage(conn, scope, Span(month.start_ns, month.end_ns), {one["id"] for one in services})
        found |= self.faults(id_)
        found["levels"] = list(await self.levels(scope, month.name, [one["id"] for one in services if one["sla"]]))
        return found


async def consents(conn: AsyncConnection, tenant: int, id_: str) -> list[Json]:
    """The last word on each purpose."""
    c = party_consent.c
    rows = await conn.execute(sa.select(party_consent).where(c.tenant == tenant, c.customer_id == id_).order_by(c.purpose, c.seq))
    last = {row["purpose"]: row for row in rows.mappings()}
    names = ("purpose", "given", "channel", "words", "recorded_by")
    return [{name: row[name] for name in names} | {"at": iso(row["at_ns"])} for row in last.values()]


async def _row(conn: AsyncConnection, scope: Scope, id_: str) -> Json:
    where = (customer.c.tenant == scope.tenant, customer.c.id == id_)
    row = (await conn.execute(sa.select(customer).where(*where))).mappings().first()
    if row is None or (scope.customers and id_ not in scope.customers):
        raise not_found("customer")
    return {name: row[name] for name in ("id", "number", "name", "email", "address", "tax_id", "currency")}


async def _services(conn: AsyncConnection, tenant: int, id_: str, now_ns: int) -> list[Json]:
    s, r = service.c, service_restriction.c
    joined = sa.and_(r.tenant == s.tenant, r.service_id == s.id)
    query = sa.select(service, r.act).join(service_restriction, joined, isouter=True).where(s.tenant == tenant, s.customer_id == id_)
    names = ("id", "number", "name", "kind", "tariff", "sla")
    found = []
    for row in (await conn.execute(query.order_by(s.number).limit(1000))).mappings():
        ended = 0 < row["active_to_ns"] <= now_ns
        found.append({name: row[name] for name in names} | {"active": not ended, "restriction": row["act"] or ""})
    return found


async def _bills(conn: AsyncConnection, tenant: int, id_: str) -> list[Json]:
    c = invoice.c
    query = sa.select(invoice).where(c.tenant == tenant, c.customer_id == id_).order_by(c.issued_ns.desc(), c.number.desc()).limit(EACH_MAX)
    return [invoice_summary(dict(row)) for row in (await conn.execute(query)).mappings()]


async def _payments(conn: AsyncConnection, tenant: int, id_: str) -> list[Json]:
    p = payment.c
    query = sa.select(payment).where(p.tenant == tenant, p.customer_id == id_).order_by(p.day.desc(), p.id).limit(EACH_MAX)
    names = ("id", "reference", "day", "method", "currency", "amount_minor")
    return [{name: row[name] for name in names} for row in (await conn.execute(query)).mappings()]


async def _dunning(conn: AsyncConnection, tenant: int, id_: str, now_ns: int) -> Json:
    c = dunning_case.c
    row = (await conn.execute(sa.select(dunning_case).where(c.tenant == tenant, c.customer_id == id_))).mappings().first()
    standing = {name: row[name] for name in ("stage", "standing", "paused")} if row else {"stage": 0, "standing": "", "paused": ""}
    return standing | {"holds": len(await standing_holds(conn, tenant, id_, now_ns))}


async def _documents(conn: AsyncConnection, tenant: int, api: str, kind: str, id_: str) -> list[Json]:
    c = tmf_document.c
    where = (c.tenant == tenant, c.api == api, c.kind == kind, c.customer_id == id_)
    query = sa.select(c.id, c.body).where(*where).order_by(c.created_ns.desc()).limit(EACH_MAX)
    return [{"id": row.id, **json.loads(row.body)} for row in await conn.execute(query)]


async def _usage(conn: AsyncConnection, scope: Scope, span: Span, services: set[str]) -> list[Json]:
    """This month's quantities by service and meter."""
    sums: dict[tuple[str, str, str], int] = {}
    for row in await portions(conn, scope, span) if services else ():
        if row["service_id"] in services and row["state"] == UsageState.GUIDED:
            key = (row["service_id"], row["meter"], row["unit"])
            sums[key] = sums.get(key, 0) + row["quantity"]
    return [{"service_id": id_, "meter": meter, "unit": unit, "quantity": n} for (id_, meter, unit), n in sorted(sums.items())]
