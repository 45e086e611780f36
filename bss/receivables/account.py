"""A customer's account: what is owed, what can settle it, and how one is set against the other.

    item    an issued document above nothing     open = amount - what was allocated to it
    source  a payment, or a document below it    left = amount - what was allocated from it

Both are sums over facts, read under the account's lock. `settle` decides without I/O.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.receivables.store import account_lock, allocation, payment, payment_reversal, receivable
from bss.store import credit_note, invoice
from station.state import insert_new

ADOPT_MAX = 1000  # documents of before receivables were kept, taken over at once


class AccountError(Exception):
    """The account does not allow it; `reason` is a word, the text says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Item:
    """A document that is owed."""

    id: str
    number: str
    currency: str
    issued_on: str
    due_on: str
    amount_minor: int
    open_minor: int


@dataclass(frozen=True, slots=True)
class Source:
    """What can settle items: `kind` is payment or document."""

    kind: str
    id: str
    number: str
    currency: str
    day: str
    amount_minor: int
    left_minor: int
    reversed: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """A fact: so much of a source was used so; below nothing it was taken back."""

    source_kind: str
    source_id: str
    use_kind: str
    use_id: str
    amount_minor: int
    cause: str


@dataclass(frozen=True, slots=True)
class Account:
    """The whole account of one customer, oldest first."""

    customer_id: str
    items: Sequence[Item]
    sources: Sequence[Source]
    allocations: Sequence[Allocation]

    @property
    def seq(self) -> int:
        """The number of the last allocation."""
        return len(self.allocations)

    def item(self, id_: str) -> Item:
        """An item by id or number; AccountError when the account has none."""
        for one in self.items:
            if id_ in (one.id, one.number):
                return one
        raise AccountError("unknown", "The account owes no such document.")

    def source(self, kind: str, id_: str) -> Source:
        for one in self.sources:
            if (one.kind, one.id) == (kind, id_) or (one.kind == kind == "document" and one.number == id_):
                return one
        raise AccountError("unknown", f"The account has no such {kind}.")

    def used(self, kind: str, id_: str) -> dict[tuple[str, str], int]:
        """What a source was used for: amounts by (use kind, use id), those that are nought left out."""
        return _summed(((a.use_kind, a.use_id), a.amount_minor) for a in self.allocations if (a.source_kind, a.source_id) == (kind, id_))

    def settled_by(self, item_id: str) -> dict[tuple[str, str], int]:
        """What settled an item: amounts by (source kind, source id)."""
        return _summed(((a.source_kind, a.source_id), a.amount_minor) for a in self.allocations if a.use_id == item_id)

    def balances(self) -> dict[str, int]:
        """Owed less what could settle it, by currency: above nothing the customer owes."""
        found: dict[str, int] = {}
        for item in self.items:
            found[item.currency] = found.get(item.currency, 0) + item.open_minor
        for source in self.sources:
            found[source.currency] = found.get(source.currency, 0) - source.left_minor
        return dict(sorted(found.items()))


def _summed(pairs: Iterable[tuple[tuple[str, str], int]]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for key, amount in pairs:
        found[key] = found.get(key, 0) + amount
    return {key: amount for key, amount in found.items() if amount}


def settle(sources: Sequence[Source], items: Sequence[Item]) -> list[Allocation]:
    """Set each source, oldest first, against the open items of its currency, the earliest due first."""
    open_ = {item.id: item.open_minor for item in items}
    found = []
    for source in sorted(sources, key=lambda one: (one.day, one.number)):
        left = source.left_minor
        for item in sorted(items, key=lambda one: (one.due_on, one.number)):
            part = min(left, open_[item.id]) if item.currency == source.currency else 0
            if part > 0:
                found.append(Allocation(source.kind, source.id, "document", item.id, part, "oldest_first"))
                open_[item.id] -= part
                left -= part
    return found


def named(account: Account, source: Source, wanted: Mapping[str, int]) -> list[Allocation]:
    """The allocations that a person or the payer named, by document; AccountError when they do not fit."""
    found = []
    left = source.left_minor
    for name, amount in wanted.items():
        item = account.item(name)
        if item.currency != source.currency:
            raise AccountError("currency", f"{item.number} is in {item.currency}, the payment in {source.currency}.")
        if not 0 < amount <= item.open_minor:
            raise AccountError("too_much", f"{item.number} has {item.open_minor} minor units open.")
        left -= amount
        found.append(Allocation(source.kind, source.id, "document", item.id, amount, "named"))
    if left < 0:
        raise AccountError("too_much", f"Only {source.left_minor} minor units are left to allocate.")
    if len({one.use_id for one in found}) < len(found):
        raise AccountError("twice", "Name each document once.")
    return found


async def locked(conn: AsyncConnection, tenant: int, customer_id: str) -> Account:
    """The account, held until the transaction ends."""
    await insert_new(conn, account_lock, [{"tenant": tenant, "customer_id": customer_id}], ("tenant", "customer_id"))
    mine = (account_lock.c.tenant == tenant, account_lock.c.customer_id == customer_id)
    await conn.execute(sa.select(account_lock.c.customer_id).where(*mine).with_for_update())
    await adopt(conn, tenant, customer_id)
    return await load(conn, tenant, customer_id)


async def load(conn: AsyncConnection, tenant: int, customer_id: str) -> Account:
    """The account as it stands."""
    a, r, p = allocation.c, receivable.c, payment.c
    facts = (await conn.execute(sa.select(allocation).where(a.tenant == tenant, a.customer_id == customer_id).order_by(a.seq))).all()
    moved = [Allocation(f.source_kind, f.source_id, f.use_kind, f.use_id, f.amount_minor, f.cause) for f in facts]
    used = _summed(((one.source_kind, one.source_id), one.amount_minor) for one in moved)
    settled = _summed(((one.use_kind, one.use_id), one.amount_minor) for one in moved)
    documents = await conn.execute(
        sa.select(receivable).where(r.tenant == tenant, r.customer_id == customer_id).order_by(r.due_on, r.number)
    )
    items, sources = [], []
    for d in documents:
        if d.amount_minor > 0:
            open_minor = d.amount_minor - settled.get(("document", d.id), 0)
            items.append(Item(d.id, d.number, d.currency, d.issued_on, d.due_on, d.amount_minor, open_minor))
        else:
            left = -d.amount_minor - used.get(("document", d.id), 0)
            sources.append(Source("document", d.id, d.number, d.currency, d.issued_on, -d.amount_minor, left))
    back = sa.and_(payment_reversal.c.tenant == p.tenant, payment_reversal.c.payment_id == p.id)
    paid = sa.select(payment, payment_reversal.c.at_ns.label("back_ns")).join(payment_reversal, back, isouter=True)
    for row in await conn.execute(paid.where(p.tenant == tenant, p.customer_id == customer_id).order_by(p.day, p.id)):
        gone = row.back_ns is not None
        left = 0 if gone else row.amount_minor - used.get(("payment", row.id), 0)
        sources.append(Source("payment", row.id, row.reference, row.currency, row.day, row.amount_minor, left, gone))
    return Account(customer_id, items, sources, moved)


def row_of(tenant: int, document: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The receivable of an issued document."""
    kept = {name: document[name] for name in ("id", "number", "currency", "issued_on", "due_on")}
    return kept | {
        "tenant": tenant,
        "kind": kind,
        "customer_id": document["customer"]["id"],
        "amount_minor": document["totals"]["gross_minor"],
    }


async def adopt(conn: AsyncConnection, tenant: int, customer_id: str) -> None:
    """Documents that were issued before receivables were kept become receivables."""
    for table, kind in ((invoice, "invoice"), (credit_note, "note")):
        c = table.c
        known = sa.select(receivable.c.id).where(receivable.c.tenant == tenant, receivable.c.customer_id == customer_id)
        query = sa.select(c.document).where(c.tenant == tenant, c.customer_id == customer_id, c.id.not_in(known)).limit(ADOPT_MAX)
        rows = [row_of(tenant, json.loads(text), kind) for text in (await conn.execute(query)).scalars()]
        await insert_new(conn, receivable, rows, ("tenant", "id"))


def after(account: Account, made: Sequence[Allocation]) -> Account:
    """The account with more allocations; an assertion holds that nothing is used beyond what it is."""
    moved = [*account.allocations, *made]
    used = _summed(((one.source_kind, one.source_id), one.amount_minor) for one in made)
    settled = _summed(((one.use_kind, one.use_id), one.amount_minor) for one in made)
    items = [replace(one, open_minor=one.open_minor - settled.get(("document", one.id), 0)) for one in account.items]
    sources = [replace(one, left_minor=one.left_minor - used.get((one.kind, one.id), 0)) for one in account.sources]
    assert all(0 <= one.open_minor <= one.amount_minor for one in items), "an item is settled beyond its amount"
    assert all(0 <= one.left_minor <= one.amount_minor for one in sources), "a source is used beyond its amount"
    return Account(account.customer_id, items, sources, moved)
