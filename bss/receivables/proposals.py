"""Refunds and write-offs: up to a limit one person's word is enough, above it a second person decides, never the first.

refund      unallocated (a payment) or receivable (a credit document)  to  cash
write-off   receivable  to  written off; it can be taken back when the customer pays after all
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import ledger
from bss.ledger import Account as Book
from bss.ledger import Entry, Transfer
from bss.receivables import account as accounts
from bss.receivables.account import Account, AccountError, Allocation
from bss.receivables.payments import Payments
from bss.receivables.store import money_proposal
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit

REFUND, WRITE_OFF = "refund", "write_off"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; the same `reference` asks for it once. The subject is a source (refund) or a document (write-off)."""

    kind: str
    customer_id: str
    subject_kind: str
    subject_id: str
    amount_minor: int
    reference: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposals:
    """`limit_minor` is what one person may decide alone, in minor units of any currency."""

    payments: Payments
    limit_minor: int

    async def propose(self, scope: Scope, asked: Asked, now_ns: int) -> dict[str, Any]:
        """The proposal, done already when it is within the limit; asked again it is the first one."""
        scope.require(Role.BILLING, "proposing a refund or a write-off")
        id_ = derived_id(asked.kind, scope.tenant, asked.reference)[:36]
        async with self.payments.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, asked.customer_id)
            before = await _row(conn, scope.tenant, id_)
            if before is not None:
                if (before["customer_id"], before["amount_minor"]) != (asked.customer_id, asked.amount_minor):
                    raise AccountError("conflict", f"{asked.reference} stands with another customer or amount.")
                return before
            currency, subject_id = _subject(held, asked)
            row = {"tenant": scope.tenant, "id": id_, "currency": currency, "state": "open", "decided_by": "", "decided_ns": 0}
            row |= {name: getattr(asked, name) for name in ("kind", "customer_id", "subject_kind", "amount_minor", "reference")}
            row |= {"subject_id": subject_id, "reason": asked.reason[:255], "proposed_by": scope.user[:64], "proposed_ns": now_ns}
            await conn.execute(sa.insert(money_proposal).values(**row))
            await audit.record(conn, scope, f"{asked.kind}.propose", f"customer:{asked.customer_id}", now_ns=now_ns, after=row)
            return await self._do(conn, scope, held, row, now_ns) if asked.amount_minor <= self.limit_minor else row

    async def decide(self, scope: Scope, id_: str, now_ns: int, *, approve: bool) -> dict[str, Any]:
        """Approve or refuse; an approved one asked again is itself. AccountError for one's own."""
        scope.require(Role.BILLING, "deciding a refund or a write-off")
        async with self.payments.state.write() as conn:
            found = await _row(conn, scope.tenant, id_)
            if found is None or (scope.customers and found["customer_id"] not in scope.customers):
                raise AccountError("unknown", "There is no such proposal.")
            held = await accounts.locked(conn, scope.tenant, found["customer_id"])
            row = await _row(conn, scope.tenant, id_)  # again, under the lock
            assert row is not None
            if row["state"] == "done" and approve:
                return row
            if row["state"] != "open":
                raise AccountError("decided", f"The proposal is {row['state']}.")
            if approve and row["proposed_by"] == scope.user[:64]:
                raise AccountError("own", "Nobody approves their own proposal: a second person decides.")
            return await self._do(conn, scope, held, row, now_ns) if approve else await _decided(conn, scope, row, "refused", now_ns)

    async def take_back(self, scope: Scope, id_: str, reason: str, now_ns: int) -> None:
        """A write-off is undone: its document is open again."""
        scope.require(Role.BILLING, "taking back a write-off")
        async with self.payments.state.write() as conn:
            row = await _row(conn, scope.tenant, id_)
            if row is None or row["kind"] != WRITE_OFF or (scope.customers and row["customer_id"] not in scope.customers):
                raise AccountError("unknown", "There is no such write-off.")
            held = await accounts.locked(conn, scope.tenant, row["customer_id"])
            if not held.used(WRITE_OFF, id_):
                return
            made = [Allocation(WRITE_OFF, id_, "document", row["subject_id"], -row["amount_minor"], "withdrawn")]
            await self.payments.keep(conn, scope, held, made, now_ns)
            transfer = Transfer(Book.RECEIVABLE, Book.WRITTEN_OFF, row["amount_minor"])
            await self._book(conn, scope, f"{WRITE_OFF}_undone", row, transfer, now_ns)
            await audit.record(conn, scope, "write_off.take_back", f"proposal:{id_}", now_ns=now_ns, reason=reason)

    async def _do(self, conn: AsyncConnection, scope: Scope, held: Account, row: dict[str, Any], now_ns: int) -> dict[str, Any]:
        """Move the money of a proposal; AccountError when it is not there any more."""
        amount, subject = row["amount_minor"], (row["subject_kind"], row["subject_id"])
        if row["kind"] == REFUND:
            if held.source(*subject).left_minor < amount:
                raise AccountError("too_much", f"Only {held.source(*subject).left_minor} minor units are left to refund.")
            made = Allocation(*subject, "refund", row["id"], amount, REFUND)
            transfer = Transfer(Book.UNALLOCATED if subject[0] == "payment" else Book.RECEIVABLE, Book.CASH, amount)
        else:
            if held.item(subject[1]).open_minor < amount:
                raise AccountError("too_much", f"Only {held.item(subject[1]).open_minor} minor units are open.")
            made = Allocation(WRITE_OFF, row["id"], "document", subject[1], amount, WRITE_OFF)
            transfer = Transfer(Book.WRITTEN_OFF, Book.RECEIVABLE, amount)
        await self.payments.keep(conn, scope, held, [made], now_ns)
        await self._book(conn, scope, row["kind"], row, transfer, now_ns)
        return await _decided(conn, scope, row, "done", now_ns)

    async def _book(self, conn: AsyncConnection, scope: Scope, kind: str, row: dict[str, Any], transfer: Transfer, now_ns: int) -> None:
        entry = Entry(kind, row["id"], self.payments.day(now_ns), row["currency"], row["reason"], row["customer_id"], [transfer])
        await ledger.book_entries(conn, scope.tenant, [entry], now_ns)


def _subject(held: Account, asked: Asked) -> tuple[str, str]:
    """(currency, id) of what is refunded or written off; AccountError when the account has no such thing or too little of it."""
    if asked.kind == WRITE_OFF:
        item = held.item(asked.subject_id)
        if not 0 < asked.amount_minor <= item.open_minor:
            raise AccountError("too_much", f"{item.number} has {item.open_minor} minor units open.")
        return item.currency, item.id
    source = held.source(asked.subject_kind, asked.subject_id)
    if not 0 < asked.amount_minor <= source.left_minor:
        raise AccountError("too_much", f"Only {source.left_minor} minor units are left to refund.")
    return source.currency, source.id


async def _row(conn: AsyncConnection, tenant: int, id_: str) -> dict[str, Any] | None:
    where = (money_proposal.c.tenant == tenant, money_proposal.c.id == id_)
    row = (await conn.execute(sa.select(money_proposal).where(*where))).mappings().first()
    return dict(row) if row else None


async def _decided(conn: AsyncConnection, scope: Scope, row: dict[str, Any], state: str, now_ns: int) -> dict[str, Any]:
    mine = (money_proposal.c.tenant == scope.tenant, money_proposal.c.id == row["id"])
    decided = {"state": state, "decided_by": scope.user[:64], "decided_ns": now_ns}
    await conn.execute(sa.update(money_proposal).where(*mine).values(**decided))
    await audit.record(conn, scope, f"{row['kind']}.{state}", f"proposal:{row['id']}", now_ns=now_ns)
    return row | decided
