"""Double entry: every issued document, credit and payment as an entry of transfers.

    entry (tenant, id: derived from what happened, day, currency, words) 1 --- n transfer (debit, credit, amount > 0)

A transfer moves an amount from one account to another, so that no row of the database can leave the sum of all accounts
other than nought: the ledger is zero-sum by its shape, and the check constraints hold the rest (an amount above nothing,
two different accounts). Accounts are the sub-ledgers of a biller, one set per currency; balances are debit less credit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import money
from bss.store import ledger_entry, ledger_transfer
from station.ids import derived_id
from station.scope import Role, Scope
from station.state import insert_new


class Account(StrEnum):
    """The sub-ledgers, named as Beancount has them."""

    RECEIVABLE = "Assets:Receivable"
    CASH = "Assets:Cash"
    TAX = "Liabilities:Tax"
    PREPAID = "Liabilities:Prepaid"
    UNALLOCATED = "Liabilities:Unallocated"
    UNIDENTIFIED = "Liabilities:Unidentified"
    REVENUE = "Income:Revenue"
    CREDITED = "Income:Credited"
    WRITTEN_OFF = "Expenses:WrittenOff"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Minor units from `credit` to `debit`; a negative amount goes the other way."""

    debit: Account
    credit: Account
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened (`kind` and `source` name it once for ever), on which day (YYYY-MM-DD), to which customer."""

    kind: str
    source: str
    day: str
    currency: str
    words: str
    party: str
    transfers: Sequence[Transfer]

    def id(self, tenant: int) -> str:
        return derived_id("ledger", tenant, self.kind, self.source)


def entry_of(document: Mapping[str, Any], kind: str = "invoice") -> Entry:
    """Receivable against revenue and tax; what corrections and notes take back is on an account of its own."""
    totals = document["totals"]
    credited = sum(line["amount_minor"] for line in document["lines"] if line["kind"] == "credit")
    transfers = [
        Transfer(Account.RECEIVABLE, Account.REVENUE, totals["net_minor"] - credited),
        Transfer(Account.RECEIVABLE, Account.CREDITED, credited),
        Transfer(Account.RECEIVABLE, Account.TAX, totals["tax_minor"]),
    ]
    words = f"{document['number']} {document['period']['name']}"
    return Entry(kind, document["id"], document["issued_on"], document["currency"], words, document["customer"]["id"], transfers)


async def book_entries(conn: AsyncConnection, tenant: int, entries: Sequence[Entry], now_ns: int) -> None:
    """Append the entries that are not there yet, in the caller's transaction."""
    rows, transfers = [], []
    for entry in entries:
        id_ = entry.id(tenant)
        row = {"tenant": tenant, "id": id_, "kind": entry.kind, "source": entry.source, "day": entry.day, "currency": entry.currency}
        rows.append(row | {"words": entry.words[:255], "party": entry.party, "booked_ns": now_ns})
        moved = [transfer for transfer in entry.transfers if transfer.amount_minor]
        transfers += [{"tenant": tenant, "entry_id": id_, "no": no, **_sides(transfer)} for no, transfer in enumerate(moved, start=1)]
    await insert_new(conn, ledger_entry, rows, ("tenant", "id"))
    await insert_new(conn, ledger_transfer, transfers, ("tenant", "entry_id", "no"))


def _sides(transfer: Transfer) -> dict[str, Any]:
    """The transfer with an amount above nothing."""
    debit, credit = (transfer.debit, transfer.credit) if transfer.amount_minor > 0 else (transfer.credit, transfer.debit)
    return {"debit": debit.value, "credit": credit.value, "amount_minor": abs(transfer.amount_minor)}


async def balances(conn: AsyncConnection, scope: Scope, party: str = "") -> dict[tuple[str, str], int]:
    """Minor units by (account, currency), of one customer or of all; each currency sums to nothing."""
    scope.require(Role.BILLING, "reading the ledger")
    t, e = ledger_transfer.c, ledger_entry.c
    joined = sa.and_(e.tenant == t.tenant, e.id == t.entry_id)
    where = [t.tenant == scope.tenant] + ([e.party == party] if party else [])
    query = sa.select(t.debit, t.credit, e.currency, sa.func.sum(t.amount_minor)).join(ledger_entry, joined).where(*where)
    found: dict[tuple[str, str], int] = {}
    for debit, credit, currency, amount in await conn.execute(query.group_by(t.debit, t.credit, e.currency)):
        found[debit, currency] = found.get((debit, currency), 0) + int(amount)
        found[credit, currency] = found.get((credit, currency), 0) - int(amount)
    return dict(sorted(found.items()))


async def beancount(conn: AsyncConnection, scope: Scope, start: str, end: str) -> str:
    """The entries of the days from `start` until before `end` as a Beancount file."""
    scope.require(Role.BILLING, "exporting the ledger")
    t, e = ledger_transfer.c, ledger_entry.c
    query = (
        sa.select(ledger_entry, t.debit, t.credit, t.amount_minor)
        .join(ledger_transfer, sa.and_(t.tenant == e.tenant, t.entry_id == e.id))
        .where(e.tenant == scope.tenant, e.day >= start, e.day < end)
        .order_by(e.day, e.id, t.no)
    )
    rows = (await conn.execute(query)).mappings().all()
    first = min((row["day"] for row in rows), default=start)
    lines = ['option "title" "Trunkline"']
    lines += [f'option "operating_currency" "{currency}"' for currency in sorted({row["currency"] for row in rows})]
    lines += ["", *(f"{first} open {account.value}" for account in Account)]
    last = ""
    for row in rows:
        if row["id"] != last:
            last = row["id"]
            lines += ["", f'{row["day"]} * "{_quoted(row["kind"])}" "{_quoted(row["words"])}"']
            lines += [f'  id: "{row["id"]}"', f'  party: "{_quoted(row["party"])}"']
        amount = money.text(row["amount_minor"], row["currency"])
        lines += [f"  {row['debit']}  {amount} {row['currency']}", f"  {row['credit']}  -{amount} {row['currency']}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text inside a Beancount string: on one line, with nothing that ends it."""
    return "".join(char if char.isprintable() else " " for char in text).replace("\\", "/").replace('"', "'")
