"""Closing a month of the ledger: what is earned by its end is booked, prepaid money that was sold, used or lost with it.

After that nothing is booked into it. Months close in their order; what is learnt later stands in the next one and says so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.periods import date_at
from bss import canonical, ledger
from bss.ledger import Account, Entry, Transfer
from bss.money import CURRENCIES
from bss.store import balance_bucket, balance_hold, balance_step, ledger_entry, ledger_head, ledger_period, revenue_schedule
from station.clock import NS_PER_S
from station.ids import derived_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new


class ClosingError(Exception):
    """The month cannot be closed; the text says why."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Closes months of the days of one zone."""

    state: State
    zone: ZoneInfo

    async def close(self, scope: Scope, month: str, now_ns: int) -> dict[str, Any]:
        """Close a month; what it came to. A second time it is the first. ClosingError when it is not over, or not its turn."""
        scope.require(Role.BILLING, "closing a month")
        start, end = _days(month)
        if date_at(now_ns, self.zone) < end:
            raise ClosingError(f"{month} is not over.")
        async with self.state.write() as conn:
            first_open = await _held(conn, scope.tenant)
            if first_open > start.isoformat():
                return await _closed(conn, scope.tenant, month)
            await _in_turn(conn, scope.tenant, first_open, start)
            await recognise(conn, scope.tenant, month, now_ns)
            await ledger.book_entries(conn, scope.tenant, await self._prepaid(conn, scope.tenant, start, end), now_ns)
            text = await ledger.beancount(conn, scope, start.isoformat(), end.isoformat())
            found = await _balances(conn, scope.tenant, end)
            row = {
                "tenant": scope.tenant,
                "month": month,
                "closed_ns": now_ns,
                "closed_by": scope.user[:64],
                "sha256": canonical.sha256(text),
            }
            row |= {"entries": text.count("\n  id: "), "balances": json.dumps(found, sort_keys=True)}
            await conn.execute(sa.insert(ledger_period).values(**row))
            c = ledger_head.c
            await conn.execute(sa.update(ledger_head).where(c.tenant == scope.tenant).values(first_open=end.isoformat()))
            await audit.record(conn, scope, "ledger.close", f"month:{month}", now_ns=now_ns, after=row)
            return row

    async def _prepaid(self, conn: AsyncConnection, tenant: int, start: date, end: date) -> list[Entry]:
        """What was put on prepaid balances of money in the month, what was used of them, and what expired unused."""
        since, until = (int(datetime(d.year, d.month, d.day, tzinfo=self.zone).timestamp()) * NS_PER_S for d in (start, end))
        sold, used, lost = await _moved(conn, tenant, since, until)
        day, month = (end - timedelta(days=1)).isoformat(), start.isoformat()[:7]
        entries = []
        for currency in sorted(sold.keys() | used.keys() | lost.keys()):
            transfers = [
                Transfer(Account.CASH, Account.PREPAID, sold.get(currency, 0)),
                Transfer(Account.PREPAID, Account.REVENUE, used.get(currency, 0) + lost.get(currency, 0)),
            ]
            entries.append(Entry("prepaid", f"{month}:{currency}", day, currency, f"prepaid balances of {month}", "", transfers))
        return entries


async def recognise(conn: AsyncConnection, tenant: int, month: str, now_ns: int) -> int:
    """Book what is earned at the end of a month, each entry's part once; how many parts."""
    r, e = revenue_schedule.c, ledger_entry.c
    query = (
        sa.select(r.entry_id, r.account, r.amount_minor, e.currency, e.party, e.words)
        .join(ledger_entry, sa.and_(e.tenant == r.tenant, e.id == r.entry_id))
        .where(r.tenant == tenant, r.month == month)
        .order_by(r.entry_id, r.account)
    )
    parts: dict[str, list[Any]] = {}
    for row in await conn.execute(query):
        parts.setdefault(row.entry_id, []).append(row)
    day = (_days(month)[1] - timedelta(days=1)).isoformat()
    entries = []
    for id_, rows in parts.items():
        transfers = [Transfer(Account.DEFERRED, Account(row.account), row.amount_minor) for row in rows]
        entries.append(Entry("recognition", derived_id(id_, month), day, rows[0].currency, rows[0].words, rows[0].party, transfers))
    await ledger.book_entries(conn, tenant, entries, now_ns)
    return len(entries)


async def closed_months(conn: AsyncConnection, scope: Scope) -> list[dict[str, Any]]:
    """Every closed month, newest first."""
    scope.require(Role.BILLING, "reading the ledger")
    c = ledger_period.c
    rows = await conn.execute(sa.select(ledger_period).where(c.tenant == scope.tenant).order_by(c.month.desc()))
    return [dict(row) for row in rows.mappings()]


async def _moved(
    conn: AsyncConnection, tenant: int, since: int, until: int
) -> tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]]:
    """Minor units by currency: put in, used, and expired between two instants, all by facts that do not change."""
    b, h, s = balance_bucket.c, balance_hold.c, balance_step.c
    money = (b.tenant == tenant, b.unit.in_(sorted(CURRENCIES)))
    spent = sa.select(sa.func.coalesce(sa.func.sum(h.used), 0)).where(h.tenant == b.tenant, h.bucket_id == b.id).scalar_subquery()
    put = sa.select(b.unit, sa.func.sum(b.amount + spent)).where(*money, b.created_ns >= since, b.created_ns < until).group_by(b.unit)
    gone = sa.select(b.unit, sa.func.sum(b.amount)).where(*money, b.expires_ns >= max(since, 1), b.expires_ns < until).group_by(b.unit)
    step = sa.and_(s.tenant == h.tenant, s.hold_id == h.hold_id, s.state == "committed")
    used = sa.select(b.unit, sa.func.sum(h.used)).join(balance_hold, sa.and_(h.tenant == b.tenant, h.bucket_id == b.id))
    used = used.join(balance_step, step).where(*money, s.at_ns >= since, s.at_ns < until).group_by(b.unit)
    sold, taken, lost = [{unit: int(n) for unit, n in (await conn.execute(query)).all() if n} for query in (put, used, gone)]
    return sold, taken, lost


async def _held(conn: AsyncConnection, tenant: int) -> str:
    c = ledger_head.c
    await insert_new(conn, ledger_head, [{"tenant": tenant, "first_open": ""}], ("tenant",))
    return str((await conn.execute(sa.select(c.first_open).where(c.tenant == tenant).with_for_update())).scalar_one())


async def _in_turn(conn: AsyncConnection, tenant: int, first_open: str, start: date) -> None:
    """ClosingError where an earlier month with entries is open."""
    e = ledger_entry.c
    query = sa.select(sa.func.min(e.day)).where(e.tenant == tenant, e.day >= first_open, e.day < start.isoformat())
    earlier = (await conn.execute(query)).scalar()
    if earlier is not None or (first_open and first_open != start.isoformat()):
        raise ClosingError(f"{(earlier or first_open)[:7]} is closed first.")


async def _closed(conn: AsyncConnection, tenant: int, month: str) -> dict[str, Any]:
    c = ledger_period.c
    row = (await conn.execute(sa.select(ledger_period).where(c.tenant == tenant, c.month == month))).mappings().first()
    if row is None:
        raise ClosingError(f"A later month than {month} is closed.")
    return dict(row)


async def _balances(conn: AsyncConnection, tenant: int, end: date) -> dict[str, dict[str, int]]:
    """Every account's balance at a month's end, by currency."""
    found: dict[str, dict[str, int]] = {}
    for (account, currency), amount in (
        await ledger.sums(conn, ledger_entry.c.tenant == tenant, ledger_entry.c.day < end.isoformat())
    ).items():
        if amount:
            found.setdefault(currency, {})[account] = amount
    return found


def _days(month: str) -> tuple[date, date]:
    """The first day of a month and of the next; ClosingError."""
    try:
        start = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise ClosingError(f"{month!r} is no month.") from error
    return start, (start + timedelta(days=32)).replace(day=1)


def shown(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Closed months for people."""
    return [
        {name: row[name] for name in ("month", "closed_by", "entries", "sha256")} | {"balances": json.loads(row["balances"])}
        for row in rows
    ]
