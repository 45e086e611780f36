"""A customer's statement: every movement of the account in order with the balance after it, and what is overdue by age."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import money
from bss.receivables.account import Account
from bss.receivables.store import money_proposal, payment, payment_reversal, receivable
from station.web import iso

AGES = (("not_due", 0), ("1_30", 30), ("31_60", 60), ("61_90", 90))  # days past due, the last of each
OLDEST = "over_90"
_ORDER = {"invoice": 0, "note": 0, "payment": 1}  # within a day

Json = dict[str, Any]


async def movements(conn: AsyncConnection, tenant: int, account: Account) -> list[Json]:
    """(day, what, number, amount) in order; an amount above nothing is owed more, below it less."""
    mine = account.customer_id
    found: list[Json] = []
    r, p, q = receivable.c, payment.c, money_proposal.c
    for row in await conn.execute(sa.select(receivable).where(r.tenant == tenant, r.customer_id == mine)):
        found.append(_moved(row.issued_on, row.kind, row.number, row.id, row.currency, row.amount_minor))
    back = sa.and_(payment_reversal.c.tenant == p.tenant, payment_reversal.c.payment_id == p.id)
    query = sa.select(payment, payment_reversal.c.kind.label("back"), payment_reversal.c.at_ns.label("back_ns"))
    for row in await conn.execute(query.join(payment_reversal, back, isouter=True).where(p.tenant == tenant, p.customer_id == mine)):
        found.append(_moved(row.day, "payment", row.reference, row.id, row.currency, -row.amount_minor))
        if row.back:
            found.append(_moved(_day(row.back_ns), row.back, row.reference, row.id, row.currency, row.amount_minor))
    where = (q.tenant == tenant, q.customer_id == mine, q.state == "done")
    undone = {one.source_id for one in account.allocations if one.source_kind == "write_off" and one.cause == "withdrawn"}
    for row in await conn.execute(sa.select(money_proposal).where(*where)):
        amount = row.amount_minor if row.kind == "refund" else 0 if row.id in undone else -row.amount_minor
        found.append(_moved(_day(row.decided_ns), row.kind, row.reference, row.id, row.currency, amount))
    return sorted(found, key=lambda one: (one["day"], _ORDER.get(one["kind"], 2), one["number"]))


def _moved(day: str, kind: str, number: str, id_: str, currency: str, amount_minor: int) -> Json:
    return {"day": day, "kind": kind, "number": number, "id": id_, "currency": currency, "amount_minor": amount_minor}


def _day(at_ns: int) -> str:
    return str(iso(at_ns))[:10]


def statement(account: Account, moved: Sequence[Json], since: str, until: str) -> Json:
    """The movements of the days from `since` until before `until`, each currency with its opening and closing balance."""
    running: dict[str, int] = {}
    opening: dict[str, int] = {}
    lines = []
    for one in moved:
        if one["day"] >= until:
            break
        if one["day"] < since:
            opening[one["currency"]] = opening.get(one["currency"], 0) + one["amount_minor"]
        running[one["currency"]] = running.get(one["currency"], 0) + one["amount_minor"]
        if one["day"] >= since:
            lines.append(one | {"balance_minor": running[one["currency"]]})
    return {
        "customer_id": account.customer_id,
        "from": since,
        "to": until,
        "opening": _amounts({currency: opening.get(currency, 0) for currency in running}),
        "lines": lines,
        "closing": _amounts(running),
    }


def overview(account: Account, today: date) -> Json:
    """What is owed now: balance, open documents, unallocated credit, and the overdue by age, each by currency."""
    ages: dict[str, dict[str, int]] = {}
    for item in account.items:
        if item.open_minor:
            late = (today - date.fromisoformat(item.due_on)).days
            age = next((name for name, most in AGES if late <= most), OLDEST)
            of = ages.setdefault(item.currency, dict.fromkeys([*(name for name, _ in AGES), OLDEST], 0))
            of[age] += item.open_minor
    return {
        "customer_id": account.customer_id,
        "balances": _amounts(account.balances()),
        "open": [_item(item) for item in account.items if item.open_minor],
        "credit": [
            {"kind": one.kind, "id": one.id, "number": one.number, "currency": one.currency, "left_minor": one.left_minor}
            for one in account.sources
            if one.left_minor
        ],
        "ageing": ages,
    }


def _item(item: Any) -> Json:
    names = ("id", "number", "currency", "issued_on", "due_on", "amount_minor", "open_minor")
    return {name: getattr(item, name) for name in names}


def _amounts(of: dict[str, int]) -> list[Json]:
    return [{"currency": c, "amount_minor": minor, "amount": money.text(minor, c)} for c, minor in sorted(of.items())]
