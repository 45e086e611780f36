"""Double entry: every issued document, credit and payment as an entry of transfers.

    entry (tenant, id: derived from what happened, day, currency, words) 1 --- n transfer (debit, credit, amount > 0)

A transfer moves an amount from one account to another, so that no row of the database can leave the sum of all accounts
other than nought: the ledger is zero-sum by its shape, and the check constraints hold the rest (an amount above nothing,
two different accounts). Accounts are the sub-ledgers of a biller, one set per currency; balances are debit less credit. An
entry of a day whose month is closed stands on the first day that is open, and says which day it means.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import money
from bss.recognition import of_line
from bss.store import ledger_entry, ledger_head, ledger_transfer, revenue_schedule
from station.ids import derived_id
from station.scope import Role, Scope
from station.state import insert_new

SLA_REASON: Final = "SLA "  # how the reason of a credit for a missed service level begins


class Account(StrEnum):
    """The sub-ledgers, named as Beancount has them."""

    RECEIVABLE = "Assets:Receivable"
    CASH = "Assets:Cash"
    TAX = "Liabilities:Tax"
    PREPAID = "Liabilities:Prepaid"
    UNALLOCATED = "Liabilities:Unallocated"
    UNIDENTIFIED = "Liabilities:Unidentified"
    DEFERRED = "Liabilities:Deferred"
    REVENUE = "Income:Revenue"
    CREDITED = "Income:Credited"
    SLA_CREDIT = "Income:SlaCredit"
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
    later: Sequence[tuple[str, Account, int]] = ()  # deferred: (month, what it becomes, minor units)

    def id(self, tenant: int) -> str:
        return derived_id("ledger", tenant, self.kind, self.source)


def entry_of(document: Mapping[str, Any], kind: str = "invoice") -> Entry:
    """Receivable against tax, and against what is earned or deferred of each line; corrections and credits for missed levels
    are on accounts of their own."""
    zone, moved = ZoneInfo(document["period"]["time_zone"]), dict[Account, int]()
    later = dict[tuple[str, Account], int]()
    for line in document["lines"]:
        of = _earned_on(line, document)
        found = of_line(line, document["issued_on"], zone)
        moved[of] = moved.get(of, 0) + found.now_minor
        moved[Account.DEFERRED] = moved.get(Account.DEFERRED, 0) + sum(found.later.values())
        for month, amount in found.later.items():
            later[month, of] = later.get((month, of), 0) + amount
    moved[Account.TAX] = document["totals"]["tax_minor"]
    transfers = [Transfer(Account.RECEIVABLE, account, amount) for account, amount in moved.items()]
    words, customer = f"{document['number']} {document['period']['name']}", document["customer"]["id"]
    due = [(month, of, amount) for (month, of), amount in sorted(later.items()) if amount]
    return Entry(kind, document["id"], document["issued_on"], document["currency"], words, customer, transfers, due)


def _earned_on(line: Mapping[str, Any], document: Mapping[str, Any]) -> Account:
    if str(document.get("reason", "")).startswith(SLA_REASON):
        return Account.SLA_CREDIT
    return Account.CREDITED if line["kind"] == "credit" else Account.REVENUE


async def book_entries(conn: AsyncConnection, tenant: int, entries: Sequence[Entry], now_ns: int) -> None:
    """Append the entries that are not there yet, in the caller's transaction; none into a month that is closed."""
    if not entries:
        return
    first_open = await _first_open(conn, tenant)
    rows, transfers, due = [], [], dict[tuple[str, str, str], int]()
    for entry in entries:
        id_ = entry.id(tenant)
        day, meant = (first_open, entry.day) if entry.day < first_open else (entry.day, "")
        row = {"tenant": tenant, "id": id_, "kind": entry.kind, "source": entry.source, "day": day, "currency": entry.currency}
        rows.append(row | {"words": entry.words[:255], "party": entry.party, "booked_ns": now_ns, "meant": meant})
        moved = [transfer for transfer in entry.transfers if transfer.amount_minor]
        transfers += [{"tenant": tenant, "entry_id": id_, "no": no, **_sides(transfer)} for no, transfer in enumerate(moved, start=1)]
        for month, of, amount in entry.later:
            key = (id_, max(month, first_open[:7]), of.value)
            due[key] = due.get(key, 0) + amount
    await insert_new(conn, ledger_entry, rows, ("tenant", "id"))
    await insert_new(conn, ledger_transfer, transfers, ("tenant", "entry_id", "no"))
    names = ("tenant", "entry_id", "month", "account")
    parts = [dict(zip(names, (tenant, *key), strict=True)) | {"amount_minor": amount} for key, amount in due.items()]
    await insert_new(conn, revenue_schedule, parts, names)


async def _first_open(conn: AsyncConnection, tenant: int) -> str:
    """The first day that is open; nobody closes a month until the caller's transaction ends."""
    c = ledger_head.c
    await insert_new(conn, ledger_head, [{"tenant": tenant, "first_open": ""}], ("tenant",))
    return str((await conn.execute(sa.select(c.first_open).where(c.tenant == tenant).with_for_update(read=True))).scalar_one())


def _sides(transfer: Transfer) -> dict[str, Any]:
    """The transfer with an amount above nothing."""
    debit, credit = (transfer.debit, transfer.credit) if transfer.amount_minor > 0 else (transfer.credit, transfer.debit)
    return {"debit": debit.value, "credit": credit.value, "amount_minor": abs(transfer.amount_minor)}


async def balances(conn: AsyncConnection, scope: Scope, party: str = "") -> dict[tuple[str, str], int]:
    """Minor units by (account, currency), of one customer or of all; each currency sums to nothing."""
    scope.require(Role.BILLING, "reading the ledger")
    e = ledger_entry.c
    return await sums(conn, e.tenant == scope.tenant, *([e.party == party] if party else []))


async def sums(conn: AsyncConnection, *where: sa.ColumnElement[bool]) -> dict[tuple[str, str], int]:
    """Minor units by (account, currency) over the entries that match."""
    t, e = ledger_transfer.c, ledger_entry.c
    joined = sa.and_(e.tenant == t.tenant, e.id == t.entry_id)
    query = sa.select(t.debit, t.credit, e.currency, sa.func.sum(t.amount_minor)).join(ledger_entry, joined).where(*where)
    found: dict[tuple[str, str], int] = {}
    for debit, credit, currency, amount in await conn.execute(query.group_by(t.debit, t.credit, e.currency)):
        found[debit, currency] = found.get((debit, currency), 0) + int(amount)
        found[credit, currency] = found.get((credit, currency), 0) - int(amount)
    return dict(sorted(found.items()))


async def sub_ledger(conn: AsyncConnection, scope: Scope, account: Account) -> dict[tuple[str, str], int]:
    """Minor units of one account by (party, currency), those that are nought left out; together they are its balance."""
    scope.require(Role.BILLING, "reading the ledger")
    t, e = ledger_transfer.c, ledger_entry.c
    joined = sa.and_(e.tenant == t.tenant, e.id == t.entry_id)
    signed = sa.case((t.debit == account.value, t.amount_minor), else_=-t.amount_minor)
    query = sa.select(e.party, e.currency, sa.func.sum(signed)).join(ledger_entry, joined)
    query = query.where(e.tenant == scope.tenant, sa.or_(t.debit == account.value, t.credit == account.value))
    rows = await conn.execute(query.group_by(e.party, e.currency).order_by(e.party, e.currency))
    return {(party, currency): int(amount) for party, currency, amount in rows if amount}


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
            lines += [f'  meant: "{row["meant"]}"'] if row["meant"] else []
        amount = money.text(row["amount_minor"], row["currency"])
        lines += [f"  {row['debit']}  {amount} {row['currency']}", f"  {row['credit']}  -{amount} {row['currency']}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text inside a Beancount string: on one line, with nothing that ends it."""
    return "".join(char if char.isprintable() else " " for char in text).replace("\\", "/").replace('"', "'")
