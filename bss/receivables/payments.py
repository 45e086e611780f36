"""Payments: each recorded once by its reference, allocated to what is owed, reversed as a whole when the bank takes it back.

    recorded      cash (a voucher: prepaid)  to  unallocated
    allocated     unallocated     to  receivable
    reversed      the allocations are taken back, then unallocated to cash

A credit that a document holds is receivable already: setting it against an invoice moves nothing in the ledger.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.periods import date_at
from bss import ledger
from bss.ledger import Account as Book
from bss.ledger import Entry, Transfer
from bss.metrics import PAYMENTS
from bss.receivables import account as accounts
from bss.receivables.account import Account, AccountError, Allocation
from bss.receivables.store import allocation, payment, payment_reversal
from inventory.store import customer
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State

ALLOCATIONS_MAX: Final = 1000  # documents named by one payment
METHODS: Final = ("bank_transfer", "direct_debit", "card", "cash", "cheque", "voucher", "other")
REVERSALS: Final = ("chargeback", "returned", "error")
_CARD = re.compile(r"(?<![\dA-Za-z])(?:[2456](?:[ -]?\d){15}|3[47](?:[ -]?\d){13})(?!\d)")  # ISO/IEC 7812 ranges of the card schemes


@dataclass(frozen=True, slots=True)
class Told:
    """A payment as it was told: `reference` is the bank's or the provider's own id, `day` the value date (YYYY-MM-DD).

    `named` says which documents it is for, in minor units; without it the oldest are settled first, unless `hold`.
    """

    reference: str
    customer_id: str
    currency: str
    amount_minor: int
    method: str
    day: str
    words: str = ""
    token: str = ""
    named: Mapping[str, int] | None = None
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """A payment that stands; `new` when it was recorded now."""

    id: str
    new: bool
    allocations: Sequence[Allocation]


@dataclass(frozen=True, slots=True)
class Payments:
    """Records and moves payments; the zone is that of the ledger's days."""

    state: State
    zone: ZoneInfo

    async def record(self, scope: Scope, told: Told, now_ns: int) -> Recorded:
        """Record a payment and allocate it; told again it changes nothing. AccountError when it cannot be."""
        scope.require(Role.BILLING, "recording a payment")
        _check(told)
        id_ = payment_id(scope.tenant, told.reference)
        async with self.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, told.customer_id)
            await known(conn, scope, told.customer_id)
            before = await _payment(conn, scope.tenant, id_)
            if before is not None:
                _same(before, told)
                PAYMENTS.labels("repeated").inc()
                return Recorded(id_, False, [one for one in held.allocations if one.source_id == id_])
            row = {name: getattr(told, name) for name in ("reference", "customer_id", "currency", "amount_minor", "method", "token", "day")}
            row |= {"words": masked(told.words)[:255], "recorded_ns": now_ns, "recorded_by": scope.user[:64]}
            await conn.execute(sa.insert(payment).values(tenant=scope.tenant, id=id_, **row))
            await self._book(
                conn, scope, "payment", id_, told, Transfer(_paid_from(told.method), Book.UNALLOCATED, told.amount_minor), now_ns
            )
            held = await accounts.load(conn, scope.tenant, told.customer_id)
            source = held.source("payment", id_)
            made = [] if told.hold else accounts.named(held, source, told.named) if told.named else accounts.settle([source], held.items)
            await self.keep(conn, scope, held, made, now_ns)
            await audit.record(conn, scope, "payment.record", f"payment:{id_}", now_ns=now_ns, after=row)
        PAYMENTS.labels("recorded").inc()
        return Recorded(id_, True, made)

    async def allocate(
        self, scope: Scope, customer_id: str, now_ns: int, *, source: tuple[str, str] | None = None, named: Mapping[str, int] | None = None
    ) -> list[Allocation]:
        """Set what is left of one source, or of all, against open documents: the named ones, or the earliest due first."""
        scope.require(Role.BILLING, "allocating a payment")
        async with self.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, customer_id)
            if named and source is None:
                raise AccountError("unnamed", "Say which payment or credit the named documents are settled from.")
            chosen = held.sources if source is None else [held.source(*source)]
            made = accounts.named(held, chosen[0], named) if named else accounts.settle(chosen, held.items)
            await self.keep(conn, scope, held, made, now_ns)
        return made

    async def withdraw(self, scope: Scope, customer_id: str, source: tuple[str, str], document: str, now_ns: int) -> list[Allocation]:
        """Take back what a source settled of one document."""
        scope.require(Role.BILLING, "withdrawing an allocation")
        async with self.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, customer_id)
            item, found = held.item(document), held.source(*source)
            amount = held.used(found.kind, found.id).get(("document", item.id), 0)
            if not amount:
                raise AccountError("unknown", f"Nothing of it settles {item.number}.")
            made = [Allocation(found.kind, found.id, "document", item.id, -amount, "withdrawn")]
            await self.keep(conn, scope, held, made, now_ns)
        return made

    async def reverse(self, scope: Scope, id_: str, kind: str, reason: str, now_ns: int) -> list[Allocation]:
        """The payment was taken back: what it settled is open again. The second time changes nothing."""
        scope.require(Role.BILLING, "reversing a payment")
        assert kind in REVERSALS, kind
        async with self.state.write() as conn:
            row = await _payment(conn, scope.tenant, id_)
            if row is None or (scope.customers and row.customer_id not in scope.customers):
                raise AccountError("unknown", "There is no such payment.")
            held = await accounts.locked(conn, scope.tenant, row.customer_id)
            if held.source("payment", id_).reversed:
                return []
            used = held.used("payment", id_)
            if any(use == "refund" for use, _ in used):
                raise AccountError("refunded", "A part of the payment was refunded: recover that by a debit note first.")
            made = [Allocation("payment", id_, use, use_id, -amount, "reversal") for (use, use_id), amount in used.items()]
            await self.keep(conn, scope, held, made, now_ns)
            said = {"kind": kind, "reason": reason[:255], "at_ns": now_ns, "reversed_by": scope.user[:64]}
            await conn.execute(sa.insert(payment_reversal).values(tenant=scope.tenant, payment_id=id_, **said))
            transfer = Transfer(Book.UNALLOCATED, _paid_from(row.method), row.amount_minor)
            await self._book(conn, scope, "payment_reversal", id_, row, transfer, now_ns)
            await audit.record(conn, scope, "payment.reverse", f"payment:{id_}", now_ns=now_ns, after={"kind": kind}, reason=reason)
        PAYMENTS.labels(kind).inc()
        return made

    async def keep(self, conn: AsyncConnection, scope: Scope, held: Account, made: Sequence[Allocation], now_ns: int) -> Account:
        """Append allocations to a locked account, with what they move in the ledger."""
        if not made:
            return held
        account = accounts.after(held, made)
        rows = [
            {"tenant": scope.tenant, "customer_id": held.customer_id, "seq": seq, "at_ns": now_ns, "allocated_by": scope.user[:64]}
            | {name: getattr(one, name) for name in ("source_kind", "source_id", "use_kind", "use_id", "amount_minor", "cause")}
            for seq, one in enumerate(made, start=held.seq + 1)
        ]
        await conn.execute(sa.insert(allocation), rows)
        moved: dict[str, list[Transfer]] = {}
        for one in made:
            if one.source_kind == "payment" and one.use_kind == "document":
                moved.setdefault(account.item(one.use_id).currency, []).append(
                    Transfer(Book.UNALLOCATED, Book.RECEIVABLE, one.amount_minor)
                )
        entries = [
            Entry(
                "allocation", f"{held.customer_id}:{held.seq + 1}:{currency}", self.day(now_ns), currency, "", held.customer_id, transfers
            )
            for currency, transfers in moved.items()
        ]
        await ledger.book_entries(conn, scope.tenant, entries, now_ns)
        return account

    def day(self, now_ns: int) -> str:
        return date_at(now_ns, self.zone).isoformat()

    async def _book(self, conn: AsyncConnection, scope: Scope, kind: str, id_: str, of: Any, transfer: Transfer, now_ns: int) -> None:
        entry = Entry(kind, id_, self.day(now_ns), of.currency, of.reference, of.customer_id, [transfer])
        await ledger.book_entries(conn, scope.tenant, [entry], now_ns)


def _paid_from(method: str) -> Book:
    """A voucher was paid for when it was sold."""
    return Book.PREPAID if method == "voucher" else Book.CASH


def payment_id(tenant: int, reference: str) -> str:
    return derived_id("payment", tenant, reference)[:36]


def _check(told: Told) -> None:
    if told.amount_minor <= 0:
        raise AccountError("amount", "A payment is more than nothing.")
    if masked(told.token) != told.token:
        raise AccountError("card_number", "This looks like a card number: only the provider's token is kept.")


def masked(text: str) -> str:
    """The text with every card number but its last four digits hidden: what a payer writes is kept, a card is not."""
    return _CARD.sub(lambda found: f"card ...{found[0][-4:]}" if _luhn(found[0]) else found[0], text)


def _luhn(text: str) -> bool:
    """Whether digits pass the check of ISO/IEC 7812, as every card's number does."""
    digits = [int(char) for char in reversed(text) if char.isdigit()]
    return sum(sum(divmod(2 * digit, 10)) if n % 2 else digit for n, digit in enumerate(digits)) % 10 == 0


def _same(before: Any, told: Told) -> None:
    for name in ("customer_id", "currency", "amount_minor"):
        if getattr(before, name) != getattr(told, name):
            raise AccountError("conflict", f"The payment {told.reference} stands with another {name.removesuffix('_minor')}.")


async def known(conn: AsyncConnection, scope: Scope, customer_id: str) -> None:
    """AccountError unless the scope sees such a customer."""
    where = (customer.c.tenant == scope.tenant, customer.c.id == customer_id)
    found = (await conn.execute(sa.select(customer.c.id).where(*where))).first()
    if found is None or (scope.customers and customer_id not in scope.customers):
        raise AccountError("unknown", "There is no such customer.")


async def _payment(conn: AsyncConnection, tenant: int, id_: str) -> Any:
    return (await conn.execute(sa.select(payment).where(payment.c.tenant == tenant, payment.c.id == id_))).first()
