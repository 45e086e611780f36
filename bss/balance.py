"""Prepaid and charging balances: buckets of money, octets or seconds, reserved and committed by one conditional write.

    bucket: amount (what is there), held (what open reservations keep); free = amount - held, never below nothing
    hold:   open -> committed (used <= reserved) | released | expired, each once

Every step names its own key: a repeated step answers what the first did. A bucket that has expired gives nothing; buckets
are used in the order of their expiry, those without last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.metrics import AUTHORISATIONS
from bss.store import balance_bucket, balance_hold, balance_step
from station.clock import NS_PER_S
from station.ids import derived_id, new_id
from station.scope import Role, Scope
from station.state import State, insert_new

AMOUNT_MAX = 1 << 62
HOLD_S_MAX = 86_400
BUCKETS_MAX = 100  # of one owner and unit


class Outcome(StrEnum):
    """What a step came to. INSUFFICIENT: nothing was reserved. CLOSED: the hold was committed, released or has expired."""

    DONE = "done"
    INSUFFICIENT = "insufficient"
    UNKNOWN = "unknown"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket: `unit` is a currency or a meter's base unit; `expires_ns` 0 for never."""

    id: str
    unit: str
    amount: int
    held: int
    expires_ns: int

    @property
    def free(self) -> int:
        return self.amount - self.held


class Balances:
    """The balances of one tenant's owners (customers or services)."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def top_up(self, scope: Scope, owner: str, unit: str, amount: int, key: str, now_ns: int, expires_ns: int = 0) -> str:
        """Add a bucket; the id of the one that the key made, whether now or before."""
        scope.require(Role.BILLING, "topping up a balance")
        assert 0 < amount <= AMOUNT_MAX, amount
        id_ = derived_id("bucket", scope.tenant, owner, key)[:36]
        row = {"tenant": scope.tenant, "id": id_, "owner": owner, "unit": unit, "amount": amount, "held": 0}
        async with self._state.write() as conn:
            await insert_new(conn, balance_bucket, [row | {"expires_ns": expires_ns, "created_ns": now_ns}], ("tenant", "id"))
        return id_

    async def buckets(self, scope: Scope, owner: str, unit: str, now_ns: int) -> list[Bucket]:
        """The living buckets in the order in which they are used; expired holds are freed first."""
        scope.require(Role.BILLING, "reading a balance")
        async with self._state.write() as conn:
            await _expire(conn, scope.tenant, owner, now_ns)
            return await _living(conn, scope.tenant, owner, unit, now_ns)

    async def reserve(
        self, scope: Scope, owner: str, unit: str, amount: int, key: str, now_ns: int, hold_s: int = 3600
    ) -> tuple[Outcome, str]:
        """Keep an amount for a session: (outcome, hold id). All of it or nothing."""
        scope.require(Role.BILLING, "reserving a balance")
        assert 0 < amount <= AMOUNT_MAX and 0 < hold_s <= HOLD_S_MAX, (amount, hold_s)
        hold_id = derived_id("hold", scope.tenant, owner, key)[:36]
        async with self._state.write() as conn:
            await _expire(conn, scope.tenant, owner, now_ns)
            buckets = await _living(conn, scope.tenant, owner, unit, now_ns)
            if await _hold(conn, scope.tenant, hold_id) is not None:
                return Outcome.DONE, hold_id
            found = await _take(conn, scope.tenant, buckets, amount)
            if found is None:
                AUTHORISATIONS.labels(Outcome.INSUFFICIENT.value).inc()
                return Outcome.INSUFFICIENT, ""
            head = {"tenant": scope.tenant, "hold_id": hold_id, "owner": owner, "state": "open", "expires_ns": now_ns + hold_s * NS_PER_S}
            await conn.execute(sa.insert(balance_hold), [head | {"bucket_id": id_, "reserved": part, "used": 0} for id_, part in found])
        AUTHORISATIONS.labels(Outcome.DONE.value).inc()
        return Outcome.DONE, hold_id

    async def commit(self, scope: Scope, hold_id: str, used: int, now_ns: int) -> Outcome:
        """Take what was used, at most what is reserved, and free the rest; a second commit with the same figure is DONE."""
        scope.require(Role.BILLING, "committing a balance")
        async with self._state.write() as conn:
            rows = await _hold(conn, scope.tenant, hold_id)
            if rows is None:
                return Outcome.UNKNOWN
            if rows[0].state != "open":
                same = rows[0].state == "committed" and sum(row.used for row in rows) == min(used, sum(row.reserved for row in rows))
                return Outcome.DONE if same else Outcome.CLOSED
            if rows[0].expires_ns <= now_ns:
                await _close(conn, scope.tenant, rows, 0, "expired", now_ns)
                return Outcome.CLOSED
            await _close(conn, scope.tenant, rows, max(0, used), "committed", now_ns)
        return Outcome.DONE

    async def release(self, scope: Scope, hold_id: str, now_ns: int) -> Outcome:
        """Free a hold as if it had never been."""
        scope.require(Role.BILLING, "releasing a balance")
        async with self._state.write() as conn:
            rows = await _hold(conn, scope.tenant, hold_id)
            if rows is None:
                return Outcome.UNKNOWN
            if rows[0].state != "open":
                return Outcome.DONE if rows[0].state == "released" else Outcome.CLOSED
            await _close(conn, scope.tenant, rows, 0, "released", now_ns)
        return Outcome.DONE


async def _living(conn: AsyncConnection, tenant: int, owner: str, unit: str, now_ns: int) -> list[Bucket]:
    """The buckets that can give something, in their order, locked: sessions of one owner follow each other."""
    b = balance_bucket.c
    alive = sa.or_(b.expires_ns == 0, b.expires_ns > now_ns)
    where = (b.tenant == tenant, b.owner == owner, b.unit == unit, alive, b.amount > 0)
    first = sa.case((b.expires_ns == 0, (1 << 63) - 1), else_=b.expires_ns)
    query = sa.select(b.id, b.unit, b.amount, b.held, b.expires_ns).where(*where).order_by(first, b.id).limit(BUCKETS_MAX)
    return [Bucket(*row) for row in await conn.execute(query.with_for_update())]


async def _take(conn: AsyncConnection, tenant: int, buckets: Sequence[Bucket], amount: int) -> list[tuple[str, int]] | None:
    """Hold the amount over the buckets; None, and nothing held, when they have less.

    Each write asks the bucket again, so that even without the lock no amount is given twice.
    """
    if sum(bucket.free for bucket in buckets) < amount:
        return None
    taken: list[tuple[str, int]] = []
    b = balance_bucket.c
    for bucket in buckets:
        part = min(bucket.free, amount - sum(units for _, units in taken))
        if part <= 0:
            continue
        mine = (b.tenant == tenant, b.id == bucket.id, b.amount - b.held >= part)
        done = await conn.execute(sa.update(balance_bucket).where(*mine).values(held=b.held + part))
        if not done.rowcount:
            break
        taken.append((bucket.id, part))
    if sum(units for _, units in taken) == amount:
        return taken
    for id_, part in taken:
        await conn.execute(sa.update(balance_bucket).where(b.tenant == tenant, b.id == id_).values(held=b.held - part))
    return None


async def _hold(conn: AsyncConnection, tenant: int, hold_id: str) -> list[Any] | None:
    h = balance_hold.c
    query = sa.select(balance_hold).where(h.tenant == tenant, h.hold_id == hold_id).order_by(h.bucket_id).with_for_update()
    return list((await conn.execute(query)).all()) or None


async def _close(conn: AsyncConnection, tenant: int, rows: Sequence[Any], used: int, state: str, now_ns: int) -> None:
    """End an open hold: each bucket gives what was used of it, in order, and gets the rest back."""
    b, h = balance_bucket.c, balance_hold.c
    for row in rows:
        part = min(used, row.reserved)
        used -= part
        mine = (b.tenant == tenant, b.id == row.bucket_id)
        await conn.execute(sa.update(balance_bucket).where(*mine).values(amount=b.amount - part, held=b.held - row.reserved))
        this = (h.tenant == tenant, h.hold_id == row.hold_id, h.bucket_id == row.bucket_id)
        await conn.execute(sa.update(balance_hold).where(*this).values(state=state, used=part))
    step = {"tenant": tenant, "id": new_id(now_ns), "hold_id": rows[0].hold_id, "state": state, "at_ns": now_ns}
    await conn.execute(sa.insert(balance_step).values(**step))


async def _expire(conn: AsyncConnection, tenant: int, owner: str, now_ns: int) -> None:
    """Free the owner's holds whose time is over."""
    h = balance_hold.c
    where = (h.tenant == tenant, h.owner == owner, h.state == "open", h.expires_ns <= now_ns)
    rows = (await conn.execute(sa.select(balance_hold).where(*where).order_by(h.hold_id, h.bucket_id))).all()
    for hold_id in dict.fromkeys(row.hold_id for row in rows):
        await _close(conn, tenant, [row for row in rows if row.hold_id == hold_id], 0, "expired", now_ns)
