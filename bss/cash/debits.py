"""Mandates, and the direct debits of what is due: an invoice is in one running collection at most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import canonical, disputes
from bss.cash.iban import IbanError, checked_iban
from bss.cash.pain008 import CURRENCY, Creditor, Debit, write
from bss.cash.settings import CashSettings
from bss.cash.store import debit_batch, debit_item, sepa_mandate
from bss.dunning.cases import standing_holds
from bss.metrics import CASH
from bss.receivables import account as accounts
from bss.receivables.account import AccountError, Item
from bss.receivables.payments import Payments, known
from bss.receivables.store import receivable
from station.clock import NS_PER_S
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State

BATCH_MAX = 10_000  # collections of one file
CORE_REVOKES = frozenset(("AC01", "AC04", "AC06", "AC13", "MD01", "MD07"))  # returns after which a mandate is worth nothing


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a customer signed."""

    id: str
    customer_id: str
    holder: str
    iban: str
    signed_on: str
    bic: str = ""
    scheme: str = "CORE"
    kind: str = "RCUR"


@dataclass(frozen=True, slots=True)
class Debits:
    """Makes direct debit files for the operator's own account."""

    payments: Payments
    settings: CashSettings
    operator: str

    @property
    def state(self) -> State:
        return self.payments.state

    async def add_mandate(self, scope: Scope, mandate: Mandate, now_ns: int) -> bool:
        """Keep a mandate; whether it is new. AccountError where its account is none, or its reference names another."""
        scope.require(Role.BILLING, "keeping a mandate")
        try:
            iban = checked_iban(mandate.iban)
        except IbanError as error:
            raise AccountError("iban", str(error)) from error
        row = {name: getattr(mandate, name) for name in ("id", "customer_id", "holder", "bic", "signed_on", "scheme", "kind")}
        row |= {"tenant": scope.tenant, "iban": iban, "state": "active", "reason": ""}
        async with self.state.write() as conn:
            await known(conn, scope, mandate.customer_id)
            before = await _mandate(conn, scope.tenant, mandate.id)
            if before is not None:
                if (before.customer_id, before.iban) != (mandate.customer_id, iban):
                    raise AccountError("conflict", f"The mandate {mandate.id} stands with another customer or account.")
                return False
            await conn.execute(sa.insert(sepa_mandate).values(**row, created_ns=now_ns, created_by=scope.user[:64]))
            told = row | {"iban": canonical.sha256(iban)}
            await audit.record(conn, scope, "mandate.add", f"customer:{mandate.customer_id}", now_ns=now_ns, after=told)
        return True

    async def revoke(self, scope: Scope, mandate_id: str, reason: str, now_ns: int) -> None:
        """Nothing more is collected by it; AccountError where there is none."""
        scope.require(Role.BILLING, "revoking a mandate")
        async with self.state.write() as conn:
            row = await _mandate(conn, scope.tenant, mandate_id)
            if row is None or (scope.customers and row.customer_id not in scope.customers):
                raise AccountError("unknown", "There is no such mandate.")
            await end_mandate(conn, scope, mandate_id, "revoked", reason, now_ns)

    async def make(self, scope: Scope, collect_on: date, now_ns: int) -> Mapping[str, Any] | None:
        """Collect everything that is due by `collect_on` from those with a mandate; the batch, None when nothing is.

        What is in a running collection, disputed, or of a protected customer stays out. A second call finds nothing new.
        """
        scope.require(Role.BILLING, "collecting direct debits")
        if not (self.settings.creditor_id and self.settings.iban):
            raise AccountError("settings", "Set the operator's own account: [bss.cash] creditor_id and iban.")
        if (collect_on - date.fromisoformat(self.payments.day(now_ns))).days < self.settings.lead_days:
            raise AccountError("too_soon", f"The bank wants {self.settings.lead_days} days.")
        async with self.state.write() as conn:
            last = (await conn.execute(sa.select(sa.func.count()).where(debit_batch.c.tenant == scope.tenant))).scalar_one()
            message_id = f"DD{collect_on:%Y%m%d}-{last + 1}"
            items = await self._due(conn, scope.tenant, collect_on, message_id, now_ns)
            if not items:
                return None
            return await self._write(conn, scope, message_id, collect_on, items, now_ns)

    async def _due(self, conn: AsyncConnection, tenant: int, collect_on: date, message_id: str, now_ns: int) -> list[dict[str, Any]]:
        m, r = sepa_mandate.c, receivable.c
        owes = sa.exists().where(r.tenant == tenant, r.customer_id == m.customer_id, r.currency == CURRENCY, r.amount_minor > 0)
        query = sa.select(sepa_mandate).where(m.tenant == tenant, m.state == "active", owes).order_by(m.customer_id, m.created_ns, m.id)
        found, served = list[dict[str, Any]](), set[str]()
        for mandate in (await conn.execute(query)).mappings().all():
            if mandate["customer_id"] in served or len(found) >= BATCH_MAX:
                continue
            served.add(mandate["customer_id"])
            held = await accounts.locked(conn, tenant, mandate["customer_id"])
            holds = await standing_holds(conn, tenant, mandate["customer_id"], now_ns)
            barred = {row["document_id"] for row in holds if row["kind"] == "dispute"} | {
                "" for row in holds if row["kind"] == "protection"
            }
            open_ = [one for one in held.items if one.open_minor and one.currency == CURRENCY and one.due_on <= collect_on.isoformat()]
            contested = await disputes.held(conn, tenant, [one.id for one in open_])
            parts = [replace(one, open_minor=one.open_minor - contested.get(one.id, 0)) for one in open_ if not {"", one.id} & barred]
            wanted = [one for one in parts if one.open_minor > 0]
            found += await self._items(conn, tenant, dict(mandate), wanted, message_id)
        return found

    async def _items(
        self, conn: AsyncConnection, tenant: int, mandate: Mapping[str, Any], wanted: Sequence[Item], message_id: str
    ) -> list[dict[str, Any]]:
        """A collection of each document that is in none that runs."""
        d = debit_item.c
        before = (await conn.execute(sa.select(d.state, d.document_id).where(d.tenant == tenant, d.mandate_id == mandate["id"]))).all()
        first = all(row.state == "returned" for row in before)
        sequence = mandate["kind"] if mandate["kind"] == "OOFF" else "FRST" if first else "RCUR"
        found = []
        for item in wanted[:1] if sequence == "OOFF" else wanted:
            states = (await conn.execute(sa.select(d.state).where(d.tenant == tenant, d.document_id == item.id))).scalars().all()
            if "asked" in states:
                continue
            row = {"tenant": tenant, "id": f"DD{derived_id('debit', tenant, item.id, len(states))[:33].upper()}", "batch_id": message_id}
            row |= {"part_id": f"{message_id}-{mandate['scheme']}-{sequence}", "mandate_id": mandate["id"], "sequence": sequence}
            row |= {"customer_id": mandate["customer_id"], "document_id": item.id, "number": item.number, "amount_minor": item.open_minor}
            found.append(row | {"state": "asked", "reason": "", "payment_id": "", "_mandate": mandate})
            sequence = "RCUR" if sequence == "FRST" else sequence
        return found

    async def _write(
        self, conn: AsyncConnection, scope: Scope, message_id: str, collect_on: date, items: Sequence[dict[str, Any]], now_ns: int
    ) -> Mapping[str, Any]:
        created = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        creditor = Creditor(self.operator, self.settings.iban, self.settings.bic, self.settings.creditor_id)
        document = write(message_id, created, collect_on.isoformat(), creditor, [_debit(row) for row in items]).decode()
        batch = {"tenant": scope.tenant, "id": message_id, "collect_on": collect_on.isoformat(), "n": len(items)}
        batch |= {"sum_minor": sum(row["amount_minor"] for row in items), "sha256": canonical.sha256(document)}
        await conn.execute(sa.insert(debit_batch).values(**batch, document=document, created_ns=now_ns, created_by=scope.user[:64]))
        await conn.execute(sa.insert(debit_item), [{name: value for name, value in row.items() if name != "_mandate"} for row in items])
        for row in items:
            if row["sequence"] == "OOFF":
                await end_mandate(conn, scope, row["mandate_id"], "used", message_id, now_ns)
        await audit.record(conn, scope, "debit.collect", f"debit:{message_id}", now_ns=now_ns, after=batch)
        CASH.labels("debited").inc(len(items))
        return batch

    def first_day(self, now_ns: int) -> date:
        """The earliest day of collection."""
        return date.fromisoformat(self.payments.day(now_ns)) + timedelta(days=self.settings.lead_days)


def _debit(row: Mapping[str, Any]) -> Debit:
    of = row["_mandate"]
    return Debit(
        end_to_end_id=row["id"],
        part_id=row["part_id"],
        amount_minor=row["amount_minor"],
        mandate_id=of["id"],
        signed_on=of["signed_on"],
        scheme=of["scheme"],
        sequence=row["sequence"],
        holder=of["holder"],
        iban=of["iban"],
        bic=of["bic"],
        words=row["number"],
    )


async def _mandate(conn: AsyncConnection, tenant: int, id_: str) -> Any:
    return (await conn.execute(sa.select(sepa_mandate).where(sepa_mandate.c.tenant == tenant, sepa_mandate.c.id == id_))).first()


async def end_mandate(conn: AsyncConnection, scope: Scope, mandate_id: str, state: str, reason: str, now_ns: int) -> None:
    m = sepa_mandate.c
    where = (m.tenant == scope.tenant, m.id == mandate_id, m.state == "active")
    ended = (await conn.execute(sa.update(sepa_mandate).where(*where).values(state=state, reason=reason[:255]))).rowcount
    if ended:
        await audit.record(conn, scope, f"mandate.{state}", f"mandate:{mandate_id}", now_ns=now_ns, reason=reason)
