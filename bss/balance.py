"""Prepaid and charging balances: buckets of money, octets or seconds, reserved, committed and released by key.

Steps that arrive while a transaction is being committed share the next one (group commit): what they come to is decided in
memory over rows that the transaction has locked (`bss.charging`), and written by a few statements for all of them. Every step
names its own key: a repeated step answers what the first did. A bucket that has expired gives nothing; buckets are used in the
order of their expiry, those without last.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.charging import Book, Bucket, Hold, Outcome, Part, Step, owners_of, run
from bss.metrics import AUTHORISATIONS
from bss.store import balance_bucket, balance_hold, balance_step
from station.clock import NS_PER_S
from station.ids import derived_id, new_id
from station.scope import Role, Scope
from station.state import State, among, insert_new

AMOUNT_MAX = 1 << 62
HOLD_S_MAX = 86_400
BUCKETS_MAX = 100_000  # living ones of the owners of one batch
STEPS_AT_ONCE: Final = 512
WAITING_MAX: Final = 20_000  # steps beyond it are refused: their session tries again

__all__ = ["AMOUNT_MAX", "HOLD_S_MAX", "Balances", "Bucket", "BusyError", "Outcome"]


class BusyError(Exception):
    """More steps wait than can be answered in time."""


class Balances:
    """The balances of one tenant's owners (customers or services)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._waiting: deque[tuple[int, Step, asyncio.Future[Outcome]]] = deque()
        self._committing: asyncio.Task[None] | None = None

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
        """The living buckets in the order in which they are used; what an expired hold keeps is free."""
        scope.require(Role.BILLING, "reading a balance")
        async with self._state.read() as conn:
            book = await _loaded(conn, scope.tenant, [Step("reserve", "", now_ns, owner=owner, unit=unit)])
        book.expire(owner, now_ns)
        return book.of(owner, unit, now_ns)

    async def reserve(
        self, scope: Scope, owner: str, unit: str, amount: int, key: str, now_ns: int, hold_s: int = 3600
    ) -> tuple[Outcome, str]:
        """Keep an amount for a session: (outcome, hold id). All of it or nothing."""
        return await self._take(scope, "reserve", owner, unit, amount, key, now_ns, hold_s)

    async def debit(self, scope: Scope, owner: str, unit: str, amount: int, key: str, now_ns: int) -> tuple[Outcome, str]:
        """Take an amount at once, all of it or nothing: an event that needs no session."""
        return await self._take(scope, "debit", owner, unit, amount, key, now_ns, 1)

    async def _take(
        self, scope: Scope, kind: Any, owner: str, unit: str, amount: int, key: str, now_ns: int, hold_s: int
    ) -> tuple[Outcome, str]:
        scope.require(Role.BILLING, "reserving a balance")
        assert 0 < amount <= AMOUNT_MAX and 0 < hold_s <= HOLD_S_MAX, (amount, hold_s)
        hold_id = derived_id("hold", scope.tenant, owner, key)[:36]
        step = Step(kind, hold_id, now_ns, amount, owner, unit, now_ns + hold_s * NS_PER_S)
        outcome = await self._step(scope, step)
        return outcome, hold_id if outcome is Outcome.DONE else ""

    async def expiry(self, scope: Scope, owner: str, key: str) -> int:
        """When the first of the buckets expires that a debit or reservation took from; 0 for never."""
        scope.require(Role.BILLING, "reading a balance")
        h, b = balance_hold.c, balance_bucket.c
        taken = sa.and_(b.tenant == h.tenant, b.id == h.bucket_id)
        mine = (h.tenant == scope.tenant, h.hold_id == derived_id("hold", scope.tenant, owner, key)[:36], b.expires_ns > 0)
        async with self._state.read() as conn:
            query = sa.select(sa.func.min(b.expires_ns)).select_from(balance_hold).join(balance_bucket, taken).where(*mine)
            return int((await conn.execute(query)).scalar() or 0)

    async def commit(self, scope: Scope, hold_id: str, used: int, now_ns: int) -> Outcome:
        """Take what was used, at most what is reserved, and free the rest; a second commit with the same figure is DONE."""
        scope.require(Role.BILLING, "committing a balance")
        return await self._step(scope, Step("commit", hold_id, now_ns, used, customers=scope.customers))

    async def release(self, scope: Scope, hold_id: str, now_ns: int) -> Outcome:
        """Free a hold as if it had never been."""
        scope.require(Role.BILLING, "releasing a balance")
        return await self._step(scope, Step("release", hold_id, now_ns, customers=scope.customers))

    async def _step(self, scope: Scope, step: Step) -> Outcome:
        """Wait for the transaction that has the step; it is durable then. BusyError, and nothing done, where too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            AUTHORISATIONS.labels("busy").inc()
            raise BusyError
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((scope.tenant, step, answer))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_waiting())
        return await answer

    async def _commit_waiting(self) -> None:
        """Transaction after transaction until nobody waits."""
        while self._waiting:
            tenant = self._waiting[0][0]
            batch: list[tuple[int, Step, asyncio.Future[Outcome]]] = []
            while self._waiting and len(batch) < STEPS_AT_ONCE and self._waiting[0][0] == tenant:
                batch.append(self._waiting.popleft())
            try:
                outcomes = await _committed(self._state, tenant, [step for _, step, _ in batch])
            except Exception as error:  # every asker hears of it; a bug met by one batch must not stop the next
                _tell([answer for *_, answer in batch], error)
                continue
            for (_, _, answer), outcome in zip(batch, outcomes, strict=True):
                if not answer.done():
                    answer.set_result(outcome)


def _tell(answers: Sequence["asyncio.Future[Outcome]"], error: Exception) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)


async def _committed(state: State, tenant: int, steps: Sequence[Step]) -> list[Outcome]:
    """What the steps came to, durable."""

    async def work(conn: AsyncConnection) -> list[Outcome]:
        book = await _loaded(conn, tenant, steps)
        outcomes = run(book, steps)
        await _write(conn, tenant, book)
        return outcomes

    outcomes = await state.transact(work)
    said = Counter(outcome for step, outcome in zip(steps, outcomes, strict=True) if step.kind in ("reserve", "debit"))
    for outcome, n in said.items():
        AUTHORISATIONS.labels(outcome.value).inc(n)
    return outcomes


async def _loaded(conn: AsyncConnection, tenant: int, steps: Sequence[Step]) -> Book:
    """The holds that the steps name, the owners' open ones that are over, and all their buckets, locked in one order."""
    owners, named = owners_of(steps), {step.hold_id for step in steps}
    book = Book()
    h, b = balance_hold.c, balance_bucket.c
    now_ns = max(step.now_ns for step in steps)
    over = sa.and_(among(conn, h.owner, owners), h.state == "open", h.expires_ns <= now_ns)
    columns = (h.hold_id, h.bucket_id, h.owner, h.reserved, h.used, h.state, h.expires_ns)
    query = sa.select(*columns).where(h.tenant == tenant, among(conn, h.hold_id, named)).order_by(h.hold_id, h.bucket_id)
    rows = list(await conn.execute(query.with_for_update()))
    rows += list(await conn.execute(sa.select(*columns).where(h.tenant == tenant, over, ~among(conn, h.hold_id, named)).with_for_update()))
    for hold_id, bucket_id, owner, reserved, used, state, expires_ns in rows:
        hold = book.holds.setdefault(hold_id, Hold(hold_id, owner, state, expires_ns, []))
        hold.parts.append(Part(bucket_id, reserved, used))
    own = sa.and_(among(conn, b.owner, owners), b.amount > 0)
    kept = among(conn, b.id, {part.bucket_id for hold in book.holds.values() if hold.state == "open" for part in hold.parts})
    buckets = sa.select(b.id, b.unit, b.amount, b.held, b.expires_ns, b.owner).where(b.tenant == tenant, sa.or_(own, kept))
    for row in await conn.execute(buckets.order_by(b.id).limit(BUCKETS_MAX).with_for_update()):
        book.buckets[row.id] = Bucket(*row)
    return book


_SET_BUCKET: Final = (
    sa.update(balance_bucket)
    .where(balance_bucket.c.tenant == sa.bindparam("t"), balance_bucket.c.id == sa.bindparam("b"))
    .values(amount=sa.bindparam("a"), held=sa.bindparam("h"))
)
_SET_HOLD: Final = (
    sa.update(balance_hold)
    .where(
        balance_hold.c.tenant == sa.bindparam("t"),
        balance_hold.c.hold_id == sa.bindparam("i"),
        balance_hold.c.bucket_id == sa.bindparam("b"),
    )
    .values(state=sa.bindparam("s"), used=sa.bindparam("u"))
)


async def _write(conn: AsyncConnection, tenant: int, book: Book) -> None:
    """What changed, a statement for each kind of row."""
    if book.made:
        made = [
            {
                "tenant": tenant, "hold_id": hold.id, "bucket_id": part.bucket_id, "owner": hold.owner, "reserved": part.reserved,
                "used": part.used, "state": hold.state, "expires_ns": hold.expires_ns,
            }
            for hold in book.made.values()
            for part in hold.parts
        ]  # fmt: skip
        await conn.execute(sa.insert(balance_hold), made)
    if book.closed:
        closed = [
            {"t": tenant, "i": hold.id, "b": part.bucket_id, "s": hold.state, "u": part.used}
            for hold in book.closed.values()
            for part in hold.parts
        ]
        await conn.execute(_SET_HOLD, closed)
    if book.changed:
        await conn.execute(_SET_BUCKET, [{"t": tenant, "b": one.id, "a": one.amount, "h": one.held} for one in book.changed.values()])
    if book.steps:
        steps = [
            {"tenant": tenant, "id": new_id(at_ns), "hold_id": hold, "state": state, "at_ns": at_ns} for hold, state, at_ns in book.steps
        ]
        await conn.execute(sa.insert(balance_step), steps)
