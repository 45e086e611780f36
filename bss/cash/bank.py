"""What the bank says, taken in once and read into payments: by end-to-end id, by batch, by document number, by amount.

A file is kept with all its entries before any is read; a station that dies reads on. What leads to nobody stays with its
reason, on an account of its own in the ledger, until a person says whose it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import canonical, ledger
from bss.cash.camt053 import BankEntry, Statement, read
from bss.cash.debits import CORE_REVOKES, end_mandate
from bss.cash.store import bank_entry, bank_statement, debit_item, sepa_mandate
from bss.ledger import Account as Book
from bss.ledger import Entry, Transfer
from bss.metrics import CASH
from bss.receivables import account as accounts
from bss.receivables.account import AccountError
from bss.receivables.payments import Payments, Told
from bss.receivables.store import receivable
from inventory.store import customer
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new

NUMBERS_MAX = 200  # words of a text that may be a document's number


@dataclass(frozen=True, slots=True)
class Match:
    """Whose an entry is and by what; `named` are minor units by document, without it the oldest is settled first."""

    customer_id: str
    by: str
    named: Mapping[str, int]
    method: str = "bank_transfer"


@dataclass(frozen=True, slots=True)
class Bank:
    """Takes statements in."""

    payments: Payments

    @property
    def state(self) -> State:
        return self.payments.state

    async def take(self, scope: Scope, content: bytes, now_ns: int) -> dict[str, int]:
        """Take a camt.053 file in; how many entries came to what. CamtError, and nothing is kept, where it is none."""
        scope.require(Role.BILLING, "importing a bank statement")
        for statement in read(content):
            await self._keep(scope, statement, canonical.sha256(content.decode("utf-8", "replace")), now_ns)
        return await self.resume(scope, now_ns)

    async def resume(self, scope: Scope, now_ns: int) -> dict[str, int]:
        """Read every entry that is new; what they came to."""
        e = bank_entry.c
        async with self.state.read() as conn:
            query = sa.select(bank_entry).where(e.tenant == scope.tenant, e.state == "new").order_by(e.day, e.statement_id, e.no)
            rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        came = dict[str, int]()
        for row in rows:
            state = await self._read(scope, row, now_ns)
            came[state] = came.get(state, 0) + 1
            CASH.labels(state).inc()
        return came

    async def assign(self, scope: Scope, entry_id: str, customer_id: str, documents: Mapping[str, int], now_ns: int) -> None:
        """A person says whose an unallocated entry is; AccountError where it is none."""
        scope.require(Role.BILLING, "allocating cash")
        e = bank_entry.c
        async with self.state.read() as conn:
            row = (await conn.execute(sa.select(bank_entry).where(e.tenant == scope.tenant, e.id == entry_id))).mappings().first()
        if row is None:
            raise AccountError("unknown", "There is no such entry.")
        if row["state"] != "unallocated":
            raise AccountError("decided", f"The entry is {row['state']}.")
        await self._pay(scope, dict(row), Match(customer_id, "person", documents), now_ns)
        await self._note(scope, dict(row), {"state": "matched", "by": "person", "customer_id": customer_id}, now_ns, "bank_identified")

    async def _keep(self, scope: Scope, statement: Statement, sha256: str, now_ns: int) -> None:
        id_ = derived_id("statement", scope.tenant, statement.account, statement.number)
        names = ("account", "number", "currency", "opening_minor", "closing_minor")
        row = {"tenant": scope.tenant, "id": id_, "entries": len(statement.entries), "sha256": sha256}
        row |= {name: getattr(statement, name) for name in names} | {"imported_ns": now_ns, "imported_by": scope.user[:64]}
        async with self.state.write() as conn:
            known = (await conn.execute(sa.select(bank_statement.c.closing_minor, bank_statement.c.entries).where(
                bank_statement.c.tenant == scope.tenant, bank_statement.c.id == id_))).first()  # fmt: skip
            if known is not None:
                if tuple(known) != (statement.closing_minor, len(statement.entries)):
                    raise AccountError("conflict", f"The statement {statement.number} stands with other entries.")
                return
            await conn.execute(sa.insert(bank_statement).values(**row))
            rows = [_row(scope.tenant, statement, id_, n, entry) for n, entry in enumerate(statement.entries, start=1)]
            await insert_new(conn, bank_entry, rows, ("tenant", "id"))
            await audit.record(conn, scope, "statement.import", f"account:{statement.account[-4:]}", now_ns=now_ns, after=row)

    async def _read(self, scope: Scope, row: Mapping[str, Any], now_ns: int) -> str:
        """What one entry comes to; its state."""
        if row["amount_minor"] <= 0:
            return await self._returned(scope, row, now_ns)
        async with self.state.read() as conn:
            items = await _asked(conn, scope.tenant, row)
            match = None if items else await _match(conn, scope.tenant, row)
        if items:
            for item in items:
                part = dict(row) | {"amount_minor": item["amount_minor"]}
                named = await self._open(scope.tenant, item["customer_id"], {item["document_id"]: item["amount_minor"]})
                await self._pay(scope, part, Match(item["customer_id"], "", named, "direct_debit"), now_ns, item=item)
            by, owners = "end_to_end_id" if row["end_to_end_id"] else "batch", {item["customer_id"] for item in items}
            await self._note(scope, row, {"state": "matched", "by": by, "customer_id": min(owners) if len(owners) == 1 else ""}, now_ns)
            return "matched"
        if isinstance(match, Match):
            await self._pay(scope, row, replace(match, named=await self._open(scope.tenant, match.customer_id, match.named)), now_ns)
            await self._note(scope, row, {"state": "matched", "by": match.by, "customer_id": match.customer_id}, now_ns)
            return "matched"
        await self._note(scope, row, {"state": "unallocated", "reason": str(match)[:255]}, now_ns, "bank_unidentified")
        return "unallocated"

    async def _open(self, tenant: int, customer_id: str, named: Mapping[str, int]) -> Mapping[str, int]:
        """No more of a document than is open: what is left settles others, or waits."""
        async with self.state.read() as conn:
            held = await accounts.load(conn, tenant, customer_id)
        open_ = {one.id: one.open_minor for one in held.items}
        return {id_: least for id_, amount in named.items() if (least := min(amount, open_.get(id_, 0))) > 0}

    async def _pay(self, scope: Scope, row: Mapping[str, Any], match: Match, now_ns: int, *, item: Mapping[str, Any] | None = None) -> None:
        """Record what an entry, or one collection of it, pays: once, under the entry's own id."""
        reference = f"bank:{row['id']}:{item['id']}" if item else f"bank:{row['id']}"
        said = (reference, match.customer_id, row["currency"], row["amount_minor"], match.method, row["day"], row["words"])
        made = await self.payments.record(scope, Told(*said, named=match.named), now_ns)
        if match.named:
            await self.payments.allocate(scope, match.customer_id, now_ns, source=("payment", made.id))
        if item:
            async with self.state.write() as conn:
                await _set_item(conn, scope.tenant, item["id"], {"state": "paid", "payment_id": made.id})

    async def _returned(self, scope: Scope, row: Mapping[str, Any], now_ns: int) -> str:
        """A collection that came back: its payment is reversed, its document open again. Any other debit is only kept."""
        async with self.state.read() as conn:
            d = debit_item.c
            where = (d.tenant == scope.tenant, d.id == row["end_to_end_id"])
            item = (await conn.execute(sa.select(debit_item).where(*where))).mappings().first() if row["end_to_end_id"] else None
        if item is None:
            await self._note(scope, row, {"state": "unexplained", "reason": "a debit that returns no collection of ours"}, now_ns)
            return "unexplained"
        code = row["return_code"] or "unknown"
        if item["state"] == "paid":
            try:
                await self.payments.reverse(scope, item["payment_id"], "returned", code, now_ns)
            except AccountError as error:  # refunded in part: a person's matter, and no reason to stop what comes after it
                said = {"state": "unexplained", "reason": str(error)[:255], "customer_id": item["customer_id"]}
                await self._note(scope, row, said, now_ns)
                return "unexplained"
        async with self.state.write() as conn:
            await _set_item(conn, scope.tenant, item["id"], {"state": "returned", "reason": code[:64]})
            if code in CORE_REVOKES:
                await end_mandate(conn, scope, item["mandate_id"], "revoked", f"returned {code}", now_ns)
            said = {"state": "returned", "by": "end_to_end_id", "customer_id": item["customer_id"], "reason": code}
            await _set_entry(conn, scope.tenant, row["id"], said)
        return "returned"

    async def _note(self, scope: Scope, row: Mapping[str, Any], values: Mapping[str, Any], now_ns: int, booked: str = "") -> None:
        """What an entry came to; `booked` moves it to or from the money that nobody is known to have paid."""
        async with self.state.write() as conn:
            if booked:
                sides = (Book.CASH, Book.UNIDENTIFIED) if booked == "bank_unidentified" else (Book.UNIDENTIFIED, Book.CASH)
                transfer, day = Transfer(*sides, row["amount_minor"]), self.payments.day(now_ns)
                entry = Entry(booked, row["id"], day, row["currency"], row["name"], values.get("customer_id", ""), [transfer])
                await ledger.book_entries(conn, scope.tenant, [entry], now_ns)
            await _set_entry(conn, scope.tenant, row["id"], values)
            await audit.record(conn, scope, f"bank_entry.{values['state']}", f"entry:{row['id']}", now_ns=now_ns, after=values)


def _row(tenant: int, statement: Statement, id_: str, n: int, entry: BankEntry) -> dict[str, Any]:
    """An entry as it is kept; one that the bank gives no reference is known by its place in its statement."""
    names = ("day", "currency", "amount_minor", "words", "name", "iban", "return_code")
    said = {name: getattr(entry, name) for name in names} | {
        name: getattr(entry, name)[:35] for name in ("end_to_end_id", "part_id", "mandate_id")
    }
    ref = (entry.ref, entry.amount_minor, entry.day) if entry.ref else (statement.number, n)
    known = derived_id("bank", tenant, statement.account, *ref)[:36]
    return said | {"tenant": tenant, "id": known, "statement_id": id_, "no": n, "state": "new", "reason": "", "customer_id": "", "by": ""}


async def _asked(conn: AsyncConnection, tenant: int, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The running collections that an entry pays: the one of its id, or the whole of its batch when the sums agree."""
    d = debit_item.c
    where = d.id == row["end_to_end_id"] if row["end_to_end_id"] else d.part_id == (row["part_id"] or "-")
    query = sa.select(debit_item).where(d.tenant == tenant, where, d.state.in_(("asked", "paid"))).order_by(d.id)
    items: list[Mapping[str, Any]] = [dict(one) for one in (await conn.execute(query)).mappings()]
    return items if sum(one["amount_minor"] for one in items) == row["amount_minor"] else []


async def _match(conn: AsyncConnection, tenant: int, row: Mapping[str, Any]) -> Match | str:
    """Whose a transfer is, or the reason why nobody can say."""
    numbers = _numbers(f"{row['end_to_end_id']} {row['words']}")
    r, q = receivable.c, customer.c
    plain = sa.func.upper(sa.func.replace(sa.func.replace(r.number, "-", ""), "/", ""))
    where = (r.tenant == tenant, r.currency == row["currency"], r.amount_minor > 0)
    named = (
        await conn.execute(sa.select(r.id, r.customer_id, r.amount_minor).where(*where, plain.in_(numbers)).order_by(r.due_on, r.id))
    ).all()
    owners = {one.customer_id for one in named}
    if len(owners) == 1:
        return Match(named[0].customer_id, "number", _shared(named, row["amount_minor"]))
    if owners:
        return "its text names documents of several customers"
    plain = sa.func.upper(sa.func.replace(sa.func.replace(q.number, "-", ""), "/", ""))
    known = (await conn.execute(sa.select(q.id).where(q.tenant == tenant, plain.in_(numbers)))).scalars().all()
    if len(known) == 1:
        return Match(known[0], "customer", {})
    m = sepa_mandate.c
    held = sa.select(m.customer_id).where(m.tenant == tenant, m.iban == (row["iban"] or "-")).distinct()
    holders = (await conn.execute(held)).scalars().all()
    if len(holders) == 1:
        return Match(holders[0], "account", {})
    return await _by_amount(conn, tenant, row)


async def _by_amount(conn: AsyncConnection, tenant: int, row: Mapping[str, Any]) -> Match | str:
    """The one open document of exactly this amount whose customer has the payer's name."""
    r, q = receivable.c, customer.c
    where = (r.tenant == tenant, r.currency == row["currency"], r.amount_minor == row["amount_minor"])
    found = []
    for one in (
        await conn.execute(
            sa.select(r.id, r.customer_id, q.name)
            .join(customer, sa.and_(q.tenant == r.tenant, q.id == r.customer_id))
            .where(*where)
            .limit(100)
        )
    ).all():
        held = await accounts.load(conn, tenant, one.customer_id)
        if held.item(one.id).open_minor == row["amount_minor"]:
            found.append(one)
    by_name = [one for one in found if _plain(one.name) == _plain(row["name"])]
    if len(by_name) == 1:
        return Match(by_name[0].customer_id, "amount", {by_name[0].id: row["amount_minor"]})
    return f"no reference; {len(found)} open documents have this amount, {len(by_name)} of them of the payer's name"


def _numbers(text: str) -> list[str]:
    """What may be a number in a text: words, and neighbours run together, without what people leave out or put in."""
    words = re.findall(r"[A-Z0-9]+", text.upper())[:NUMBERS_MAX]
    runs = {"".join(words[at : at + n]) for at in range(len(words)) for n in (1, 2, 3, 4)}
    return sorted(run for run in runs if len(run) >= 2 and any(char.isdigit() for char in run))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _shared(named: Sequence[Any], amount_minor: int) -> dict[str, int]:
    """The amount over the documents named, the earliest due first."""
    found = dict[str, int]()
    for one in named:
        part = min(one.amount_minor, amount_minor)
        if part > 0:
            found[one.id] = part
            amount_minor -= part
    return found


async def _set_item(conn: AsyncConnection, tenant: int, id_: str, values: Mapping[str, Any]) -> None:
    d = debit_item.c
    await conn.execute(sa.update(debit_item).where(d.tenant == tenant, d.id == id_).values(**values))


async def _set_entry(conn: AsyncConnection, tenant: int, id_: str, values: Mapping[str, Any]) -> None:
    e = bank_entry.c
    await conn.execute(sa.update(bank_entry).where(e.tenant == tenant, e.id == id_).values(**values))
