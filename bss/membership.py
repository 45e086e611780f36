"""Who is billed in which span: each customer's spans meet, whatever happens to its cycle, and are billed once.

A change of cycle gives one shorter span, from where the last bill ended to the new cycle's next border.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import periods
from billing_bridge.periods import Period, PeriodError
from bss import cycles
from bss.cycles import Cycle, ShortMonth
from bss.store import billed_period

Row = Mapping[str, Any]
PAYERS_DEEP = 8  # a payer's payer's payer; what is deeper pays for itself


def cycle_of(customer: Row, contract: ZoneInfo, rule: ShortMonth) -> Cycle:
    """A customer's cycle; calendar months of the contract's zone where its profile says nothing."""
    zone = ZoneInfo(customer["time_zone"]) if customer.get("time_zone") else contract
    return Cycle.parse(customer.get("cycle", ""), zone, rule)


def payer_of(customers: Mapping[str, Row], customer_id: str) -> str:
    """Who is billed for a customer in the end: itself where nobody is named, or where the names go round."""
    at, seen = customer_id, {customer_id}
    while (above := customers[at].get("payer_id", "")) and above in customers:
        if above in seen or len(seen) > PAYERS_DEEP:
            return customer_id
        seen.add(above)
        at = above
    return at


def nominal(cycle: Cycle, first: date, after: date) -> tuple[date, date]:
    """The whole period of the cycle that a span is, or is the end of: what its fees are for."""
    whole = cycle.around(first)
    return whole if whole[1] >= after else (first, after)


def is_due(cycle: Cycle, first: date, after: date, spans: Sequence[tuple[date, date]]) -> bool:
    """Whether a span is to be billed to a customer who was billed for `spans`: a whole period that meets no other, or what
    is left between the last of them and the cycle's next border."""
    if any(low < after and first < high for low, high in spans):
        return False
    if cycle.holds(first, after):
        return True
    return any(high == first for _, high in spans) and cycle.around(first)[1] == after


async def members(
    conn: AsyncConnection, tenant: int, customers: Sequence[Row], period: Period, contract: ZoneInfo, rule: ShortMonth
) -> list[str]:
    """The customers whom a run of the period bills, in the order given: those who pay for themselves and are due."""
    first, after, zone = cycles.days_of(period.name, contract)
    by_id = {row["id"]: row for row in customers}
    spans = await _spans(conn, tenant, period, zone)
    found = []
    for row in customers:
        cycle = cycle_of(row, contract, rule)
        if cycle.zone.key == zone.key and payer_of(by_id, row["id"]) == row["id"] and is_due(cycle, first, after, spans.get(row["id"], ())):
            found.append(row["id"])
    return found


async def _spans(conn: AsyncConnection, tenant: int, period: Period, zone: ZoneInfo) -> dict[str, list[tuple[date, date]]]:
    """What was billed before and touches the period, by customer."""
    c = billed_period.c
    where = (c.tenant == tenant, c.start_ns < period.end_ns, c.end_ns >= period.start_ns)
    found: dict[str, list[tuple[date, date]]] = {}
    for row in await conn.execute(sa.select(c.customer_id, c.start_ns, c.end_ns).where(*where)):
        days = periods.date_at(row.start_ns, zone), periods.date_at(row.end_ns, zone)
        found.setdefault(row.customer_id, []).append(days)
    return found


async def due(
    conn: AsyncConnection,
    tenant: int,
    customers: Sequence[Row],
    contract: ZoneInfo,
    rule: ShortMonth,
    ready_ns: int,
    since: Mapping[str, int],
) -> list[str]:
    """The names of every span that ended by `ready_ns` and is not billed, oldest first. `since` is when each customer's first
    service began; a customer without one, and who was never billed, owes nothing."""
    c = billed_period.c
    query = sa.select(c.customer_id, sa.func.max(c.end_ns)).where(c.tenant == tenant).group_by(c.customer_id)
    last = {customer_id: int(end_ns) for customer_id, end_ns in await conn.execute(query)}
    by_id = {row["id"]: row for row in customers}
    found: set[Period] = set()
    for row in customers:
        if payer_of(by_id, row["id"]) == row["id"]:
            found |= set(_open(row, contract, rule, last.get(row["id"]), since.get(row["id"]), ready_ns))
    return [period.name for period in sorted(found)]


def _open(
    customer: Row, contract: ZoneInfo, rule: ShortMonth, last_ns: int | None, since_ns: int | None, ready_ns: int
) -> Iterable[Period]:
    """The ended spans of one customer after its last bill."""
    cycle = cycle_of(customer, contract, rule)
    if last_ns is None and since_ns is None:
        return
    at = periods.date_at(last_ns, cycle.zone) if last_ns is not None else cycle.around(periods.date_at(since_ns or 0, cycle.zone))[0]
    while True:
        after = cycle.around(at)[1]
        period = cycles.span(at, after, cycle.zone, contract)
        if period.end_ns > ready_ns:
            return
        yield period
        at = after


def check_profile(customer: Row, contract: ZoneInfo) -> None:
    """PeriodError where a profile's cycle or zone is none."""
    try:
        cycle_of(customer, contract, ShortMonth.LAST_DAY)
    except (KeyError, OSError, ValueError) as error:
        raise error if isinstance(error, PeriodError) else PeriodError(f"{customer.get('time_zone')!r} is no time zone") from error
