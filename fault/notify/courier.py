"""Delivers what the outbox holds for one webhook: due messages, a few at once, each object's in order."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.metrics import DELIVERIES, WEBHOOK_SECONDS
from fault.notify import store
from fault.notify.message import Announcement
from fault.notify.routes import Webhook
from fault.notify.sending import Attempt, Sender, groups, keeps_tickets
from fault.notify.settings import NotifySettings
from station.clock import NS_PER_MS, NS_PER_S, Clock
from station.state import State

log = structlog.get_logger("notify")

PAGE: Final = 256  # messages read from the outbox at once
IDLE_S: Final = 60.0
GROUP_MAX: Final = 200  # told in one message
FAILURES_BEFORE_REST: Final = 3
STORE_RETRY_S: Final = 1.0
Row = Mapping[str, Any]


def backoff_s(failures: int, first_s: float, most_s: float, chance: float) -> float:
    """The wait after the nth failure (n >= 1): doubling, bounded, and between half and all of it by `chance` in 0..1."""
    whole = min(most_s, first_s * 2.0 ** min(failures - 1, 60))
    return whole * (0.5 + 0.5 * chance)


class Courier:
    """One webhook's. `run` until cancelled; `wake` when something was put into its outbox."""

    def __init__(
        self,
        state: State,
        sender: Sender,
        clock: Clock,
        settings: NotifySettings,
        tenant: int,
        hook: Webhook,
        *,
        announcement: Callable[[Row], Announcement],
        done: Callable[[Row, str], None],
    ) -> None:
        self.hook = hook
        self._state, self._sender, self._clock, self._settings, self._tenant = state, sender, clock, settings, tenant
        self._announcement, self._done = announcement, done
        self._ready: deque[Row] = deque()
        self._on_the_way: set[str] = set()
        self._groups: set[str] = set()  # groups that are on their way or ready to go
        self._awake = asyncio.Event()
        self._failures = 0
        self._rest_until_ns = 0

    def wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as sending:
            while True:
                self._awake.clear()
                try:
                    wait_s = await self._start_due(sending)
                except SQLAlchemyError as error:
                    log.error("the outbox cannot be read", webhook=self.hook.name, error=str(error)[:500])
                    wait_s = STORE_RETRY_S
                await self._wait(wait_s)

    async def _wait(self, most_s: float) -> None:
        try:
            async with asyncio.timeout(most_s):
                await self._awake.wait()
        except TimeoutError:
            return

    async def _start_due(self, sending: asyncio.TaskGroup) -> float:
        """Start what is due and has a place; how long to wait for the next, unless something wakes first."""
        now_ns = self._clock.now_ns()
        if now_ns < self._rest_until_ns:
            return (self._rest_until_ns - now_ns) / NS_PER_S
        places = 1 if self._failures >= FAILURES_BEFORE_REST else self._settings.concurrency_max
        if len(self._on_the_way) >= places:
            return IDLE_S
        due_ns = await self._look(now_ns) if not self._ready else None
        while self._ready and len(self._on_the_way) < places:
            row = self._ready.popleft()
            self._on_the_way.add(row["object_id"])
            sending.create_task(self._deliver(row))
        return IDLE_S if due_ns is None else min(IDLE_S, (due_ns - now_ns) / NS_PER_S)

    async def _look(self, now_ns: int) -> int | None:
        """Read what is due; when the next one is. What is on its way meanwhile may be done by the time the answer is here."""
        busy = set(self._on_the_way)
        async with self._state.read() as conn:
            rows = await store.heads(conn, self._tenant, self.hook.id, now_ns, PAGE)
            due_ns = await store.next_due_ns(conn, self._tenant, self.hook.id, now_ns)
        for row in rows:
            if row["object_id"] in busy or (row["grouped"] and row["grouped"] in self._groups):
                continue
            if row["grouped"]:
                self._groups.add(row["grouped"])  # its others go with it
            self._ready.append(row)
        return due_ns

    async def _deliver(self, row: Row) -> None:
        begun_ns, at_ns = self._clock.monotonic_ns(), self._clock.now_ns()
        rows = [row]
        try:
            rows += await self._companions(row)
            attempt = await self._sender.send(self.hook, await self._said(rows))
            took_ns = self._clock.monotonic_ns() - begun_ns
            WEBHOOK_SECONDS.observe(took_ns / NS_PER_S)
            self._judge(attempt)
            for each in rows:
                await self._record(each, attempt, at_ns, took_ns // NS_PER_MS)
        finally:
            self._on_the_way -= {each["object_id"] for each in rows}
            self._groups.discard(row["grouped"])
            self._awake.set()

    async def _companions(self, row: Row) -> list[Row]:
        """What goes in the same message: the rest of its group that waits."""
        if not row["grouped"] or not groups(self.hook):
            return []
        while True:
            try:
                async with self._state.read() as conn:
                    found = await store.grouped_with(conn, self._tenant, row, GROUP_MAX)
                break
            except SQLAlchemyError as error:
                log.error("the outbox cannot be read", webhook=self.hook.name, error=str(error)[:500])
                await asyncio.sleep(STORE_RETRY_S)
        free = [each for each in found if each["object_id"] not in self._on_the_way]
        self._on_the_way |= {each["object_id"] for each in free}
        return list(free)

    async def _said(self, rows: list[Row]) -> Announcement:
        """The announcement of a row with the others of its group, or with the ticket that the receiver has of it."""
        row, *others = sorted(rows, key=lambda each: each["transition"] in store.ENDINGS) if len(rows) > 1 else rows
        it = replace(self._announcement(row), others=tuple(map(self._announcement, others)))
        if not keeps_tickets(self.hook):
            return it
        async with self._state.read() as conn:
            return replace(it, ticket=await store.ticket_of(conn, self._tenant, self.hook.id, row["object_id"]))

    def _judge(self, attempt: Attempt) -> None:
        """An endpoint that fails again and again rests, so that a long outbox does not storm it."""
        if not attempt.endpoint_failed:
            self._failures = 0
            return
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_REST:
            tired = self._failures - FAILURES_BEFORE_REST + 1
            rest_s = backoff_s(tired, self._settings.backoff_first_s, self._settings.rest_most_s, _chance())
            self._rest_until_ns = self._clock.now_ns() + int(rest_s * NS_PER_S)

    async def _record(self, row: Row, attempt: Attempt, at_ns: int, took_ms: int) -> None:
        """Until it is in: an attempt that is not recorded would be made again at once."""
        tried = row["attempts"] + 1
        after = self._after(row, attempt, tried)
        outcome = "given_up" if after["state"] == "failed" and attempt.outcome != "refused" else attempt.outcome
        entry = attempt_row(self._tenant, row["id"], tried, attempt, at_ns, took_ms)
        while True:
            try:
                async with self._state.write() as conn:
                    await store.judge(conn, self._tenant, row["id"], **after)
                    await store.log_attempt(conn, entry)
                    await self._keep_ticket(conn, row, attempt, at_ns)
                break
            except (SQLAlchemyError, OSError) as error:
                log.error("an attempt cannot be recorded", webhook=self.hook.name, error=str(error)[:500])
                await asyncio.sleep(STORE_RETRY_S)
        DELIVERIES.labels(outcome).inc()
        self._done(row, after["state"])

    async def _keep_ticket(self, conn: AsyncConnection, row: Row, attempt: Attempt, at_ns: int) -> None:
        if attempt.ticket:
            names = {"tenant": self._tenant, "webhook_id": self.hook.id, "object_id": row["object_id"]}
            await store.save_ticket(conn, {**names, "ticket": attempt.ticket, "created_ns": at_ns, "closed_ns": 0})
        elif attempt.outcome == "delivered" and row["transition"] in store.ENDINGS:
            await store.close_ticket(conn, self._tenant, self.hook.id, row["object_id"], at_ns)

    def _after(self, row: Row, attempt: Attempt, tried: int) -> dict[str, Any]:
        """What the message's row says next: delivered, failed for ever, or when to try again."""
        now_ns, settings = self._clock.now_ns(), self._settings
        known = {"attempts": tried, "status": attempt.status, "error": attempt.error}
        if attempt.outcome == "delivered":
            return {**known, "state": "delivered", "done_ns": now_ns}
        failures = tried - row["since_attempt"]
        late = now_ns - row["since_ns"] >= settings.give_up_after_s * NS_PER_S
        if attempt.outcome == "refused" or failures >= settings.attempts_max or late:
            return {**known, "state": "failed", "done_ns": now_ns}
        wait_s = backoff_s(failures, settings.backoff_first_s, settings.backoff_most_s, _chance())
        return {**known, "state": "pending", "next_ns": now_ns + int(wait_s * NS_PER_S)}


def attempt_row(tenant: int, outbox_id: str, number: int, attempt: Attempt, at_ns: int, took_ms: int) -> dict[str, Any]:
    """The row of the delivery log."""
    return {
        "tenant": tenant,
        "outbox_id": outbox_id,
        "attempt": number,
        "at_ns": at_ns,
        "took_ms": took_ms,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "error": attempt.error,
        "reply": attempt.reply,
    }


def _chance() -> float:
    return random.random()  # noqa: S311  # spreads retries; nothing secret
