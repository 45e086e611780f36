"""What people tell billing besides usage: changes of tariff, charges asked for once, who shares a service, exchange rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import membership, plans, snapshot
from bss.billing import Biller
from bss.money import CURRENCIES, PPM
from bss.store import bill_split, exchange_rate, one_off, service_plan
from inventory.store import customer, service
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import insert_new

ROWS_MAX = 1000
Json = dict[str, Any]


class OrderError(Exception):
    """It cannot be taken; `reason` is a word, the text says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Orders:
    """Takes them, each with its trace in the audit."""

    biller: Biller

    async def change_plan(self, scope: Scope, service_id: str, tariff: str, day: date, now_ns: int, *, at_period_end: bool) -> str:
        """From which day the service has the tariff: the day said, or the begin of the payer's next period after it."""
        scope.require(Role.BILLING, "changing a tariff")
        if not self.biller.tariffs.versions(tariff):
            raise OrderError("tariff", f"There is no tariff {tariff}.")
        async with self.biller.state.write() as conn:
            row = await _service(conn, scope, service_id)
            if at_period_end:
                day = await self._next_border(conn, scope, row.customer_id, day)
            held = await _plan(conn, scope.tenant, service_id)
            was = plans.tariff_on({"tariff": row.tariff}, held, day)
            made = {"tenant": scope.tenant, "service_id": service_id, "day": day.isoformat(), "made_ns": now_ns, "tariff": tariff}
            await conn.execute(sa.insert(service_plan).values(**made, was=was, made_by=scope.user[:64]))
            await audit.record(conn, scope, "service.plan", f"service:{service_id}", now_ns=now_ns, before={"tariff": was}, after=made)
        return day.isoformat()

    async def _next_border(self, conn: AsyncConnection, scope: Scope, customer_id: str, day: date) -> date:
        """The day itself where a period of the payer begins on it."""
        everybody = {row["id"]: row for row in await snapshot.customers_of(conn, scope.tenant)}
        payer = everybody[membership.payer_of(everybody, customer_id)]
        low, high = membership.cycle_of(payer, self.biller.billing.zone, self.biller.settings.short_month).around(day)
        return low if low == day else high

    async def plan(self, scope: Scope, service_id: str) -> list[Json]:
        scope.require(Role.BILLING, "reading tariffs of services")
        async with self.biller.state.read() as conn:
            await _service(conn, scope, service_id)
            return await _plan(conn, scope.tenant, service_id)

    async def charge_once(self, scope: Scope, customer_id: str, of: Mapping[str, Any], now_ns: int) -> str:
        """The id of a charge that stands on the bill of the period of its day; OrderError where it cannot."""
        scope.require(Role.BILLING, "charging once")
        if of["currency"] not in CURRENCIES:
            raise OrderError("currency", f"{of['currency']} is no currency of ISO 4217.")
        row = {
            "tenant": scope.tenant,
            "id": new_id(now_ns),
            "customer_id": customer_id,
            **of,
            "made_ns": now_ns,
            "made_by": scope.user[:64],
        }
        async with self.biller.state.write() as conn:
            await _customer(conn, scope, customer_id)
            if of["service_id"] and (await _service(conn, scope, of["service_id"])).customer_id != customer_id:
                raise OrderError("service", "The service is not this customer's.")
            await conn.execute(sa.insert(one_off).values(**row))
            await audit.record(conn, scope, "charge.once", f"customer:{customer_id}", now_ns=now_ns, after={k: row[k] for k in of})
        return str(row["id"])

    async def charges(self, scope: Scope, customer_id: str) -> list[Json]:
        scope.require(Role.BILLING, "reading charges")
        query = sa.select(one_off).where(one_off.c.tenant == scope.tenant, one_off.c.customer_id == customer_id)
        async with self.biller.state.read() as conn:
            await _customer(conn, scope, customer_id)
            rows = (await conn.execute(query.order_by(one_off.c.day.desc(), one_off.c.id).limit(ROWS_MAX))).mappings()
            return [{name: row[name] for name in row if name != "tenant"} for row in rows]

    async def split(self, scope: Scope, service_id: str, parts: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        """Who bears which part of a service besides its own payer; what was said before is replaced."""
        scope.require(Role.BILLING, "splitting a bill")
        async with self.biller.state.write() as conn:
            owner = (await _service(conn, scope, service_id)).customer_id
            everybody = {row["id"]: row for row in await snapshot.customers_of(conn, scope.tenant)}
            for part in parts:
                self._check_payer(everybody, owner, part["payer_id"])
            if len({part["payer_id"] for part in parts}) < len(parts) or sum(part["share_ppm"] for part in parts) > PPM:
                raise OrderError("share", "Each payer once, and no more than the whole together.")
            await conn.execute(sa.delete(bill_split).where(bill_split.c.tenant == scope.tenant, bill_split.c.service_id == service_id))
            rows = [{"tenant": scope.tenant, "service_id": service_id, **part} for part in parts]
            await insert_new(conn, bill_split, rows, ("tenant", "service_id", "payer_id"))
            await audit.record(conn, scope, "service.split", f"service:{service_id}", now_ns=now_ns, after={"parts": list(parts)})

    def _check_payer(self, everybody: Mapping[str, Any], owner: str, payer: str) -> None:
        """A share goes to somebody who is billed for the same spans, and in the same currency."""
        if payer not in everybody or membership.payer_of(everybody, payer) != payer:
            raise OrderError("payer", "Who shares is a customer that pays for itself.")
        own = everybody[membership.payer_of(everybody, owner)]
        if own["id"] == payer:
            raise OrderError("payer", "The service's own payer bears the rest anyway.")
        names = ("cycle", "time_zone")
        if [own.get(name) for name in names] != [everybody[payer].get(name) for name in names]:
            raise OrderError("cycle", "Who shares a service is billed by the same cycle.")

    async def add_rates(self, scope: Scope, rows: Sequence[Mapping[str, str]], now_ns: int) -> int:
        """Rates of days; one that stands is never changed. The number that are new."""
        scope.require(Role.BILLING, "exchange rates")
        for row in rows:
            if row["base"] not in CURRENCIES or row["quote"] not in CURRENCIES or row["base"] == row["quote"] or Decimal(row["rate"]) <= 0:
                raise OrderError("rate", f"{row['base']} to {row['quote']}: two currencies of ISO 4217 and a rate above nothing.")
        count = sa.select(sa.func.count()).select_from(exchange_rate).where(exchange_rate.c.tenant == scope.tenant)
        async with self.biller.state.write() as conn:
            before = (await conn.execute(count)).scalar_one()
            kept = [{"tenant": scope.tenant, "made_ns": now_ns, **row} for row in rows]
            await insert_new(conn, exchange_rate, kept, ("tenant", "day", "base", "quote"))
            new = int((await conn.execute(count)).scalar_one()) - int(before)
            await audit.record(conn, scope, "exchange_rate.add", "exchange_rate", now_ns=now_ns, after={"new": new})
        return new

    async def rates(self, scope: Scope) -> list[Json]:
        scope.require(Role.BILLING, "exchange rates")
        c = exchange_rate.c
        query = sa.select(c.day, c.base, c.quote, c.rate, c.source).where(c.tenant == scope.tenant)
        async with self.biller.state.read() as conn:
            return [dict(row) for row in (await conn.execute(query.order_by(c.day.desc(), c.base, c.quote).limit(ROWS_MAX))).mappings()]


async def check_payer(conn: AsyncConnection, scope: Scope, customer_id: str, payer_id: str) -> None:
    """OrderError where a customer cannot be paid for by another: nobody pays for who pays for them."""
    everybody = {row["id"]: row for row in await snapshot.customers_of(conn, scope.tenant)}
    if payer_id not in everybody:
        raise OrderError("payer", "There is no such customer to pay.")
    at, depth = payer_id, 0
    while at and depth <= membership.PAYERS_DEEP:
        if at == customer_id:
            raise OrderError("payer", "Nobody pays for a customer who pays for them.")
        at, depth = everybody.get(at, {}).get("payer_id", ""), depth + 1
    if depth > membership.PAYERS_DEEP:
        raise OrderError("payer", f"At most {membership.PAYERS_DEEP} customers stand one above the other.")


async def _plan(conn: AsyncConnection, tenant: int, service_id: str) -> list[Json]:
    c = service_plan.c
    query = sa.select(c.day, c.made_ns, c.tariff, c.was, c.made_by).where(c.tenant == tenant, c.service_id == service_id)
    return [dict(row) for row in (await conn.execute(query.order_by(c.day, c.made_ns))).mappings()]


async def _service(conn: AsyncConnection, scope: Scope, service_id: str) -> Any:
    where = [service.c.tenant == scope.tenant, service.c.id == service_id]
    where += [service.c.customer_id.in_(scope.customers)] if scope.customers else []
    row = (await conn.execute(sa.select(service).where(*where))).first()
    if row is None:
        raise OrderError("unknown", "There is no such service.")
    return row


async def _customer(conn: AsyncConnection, scope: Scope, customer_id: str) -> Any:
    where = (customer.c.tenant == scope.tenant, customer.c.id == customer_id)
    row = (await conn.execute(sa.select(customer).where(*where))).first()
    if row is None or (scope.customers and customer_id not in scope.customers):
        raise OrderError("unknown", "There is no such customer.")
    return row
