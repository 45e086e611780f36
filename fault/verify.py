"""Unauthenticated messages (SNMP v1/v2c, plain syslog) ask for a poll; only what that proves changes for good.

A verifying poll looks at what the doubtful alarms are about: the interface, the session. What it sees decides. A claim
of a state that polling cannot see (a UPS, a module) is believed once the device answers: forging it needs the
device's address, and a state that nobody can see must end somehow.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from fault.metrics import VERIFICATIONS
from fault.settings import FaultSettings
from station.clock import NS_PER_S, Clock

log = structlog.get_logger("fault.verify")

Verify = Callable[[int], Awaitable[frozenset[str] | None]]
"""Polls a device (by its dense number) at once; None when it did not answer, else the alarms whose state it showed.

How these stand flows on its usual way, as messages of the poll.
"""


@dataclass(slots=True)
class _Question:
    """`claims` alarm id -> when a message said that it is over; `due_ns` when to ask (again); `doubted`: about an alarm."""

    due_ns: int
    attempts: int = 0
    doubted: bool = False
    claims: dict[str, int] = field(default_factory=dict)


class Verifier:
    """Asks each device at most once per `verify_every_s`, several devices at once, and again with growing pauses
    while it does not answer and an alarm waits for it: a device behind a repaired link may need a while.
    """

    def __init__(
        self, settings: FaultSettings, clock: Clock, verify: Verify | None, proven: Callable[[dict[str, int]], Awaitable[None]]
    ) -> None:
        self._settings, self._clock, self._verify, self._proven = settings, clock, verify, proven
        self._questions: dict[int, _Question] = {}
        self._asked_ns: dict[int, int] = {}
        self._news = asyncio.Event()

    def ask(self, device_no: int, alarm_id: str = "", claimed_ns: int = 0) -> None:
        """Ask a device soon; `alarm_id` what the doubt is about, `claimed_ns` > 0 when a message claims that it is over."""
        if device_no not in self._questions:
            if len(self._questions) >= self._settings.verify_waiting_max:
                VERIFICATIONS.labels("refused_full").inc()
                return
            every_ns = int(self._settings.verify_every_s * NS_PER_S)
            now_ns = self._clock.now_ns()
            due_ns = max(now_ns, self._asked_ns.get(device_no, now_ns - every_ns) + every_ns)
            self._questions[device_no] = _Question(due_ns)
        question = self._questions[device_no]
        question.doubted = question.doubted or bool(alarm_id)
        if claimed_ns:
            question.claims[alarm_id] = claimed_ns
        self._news.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        if self._verify is None:
            return
        asking: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for device_no in self._due(self._settings.verify_at_once_max - len(asking)):
                    task = tasks.create_task(self._one(self._verify, device_no, self._questions.pop(device_no)))
                    asking.add(task)
                    task.add_done_callback(asking.discard)
                self._news.clear()
                try:
                    async with asyncio.timeout(self._pause_s()):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def _due(self, most: int) -> list[int]:
        now_ns = self._clock.now_ns()
        return [no for no, question in self._questions.items() if question.due_ns <= now_ns][: max(0, most)]

    def _pause_s(self) -> float | None:
        if not self._questions:
            return None
        first_ns = min(question.due_ns for question in self._questions.values())
        return max(0.02, (first_ns - self._clock.now_ns()) / NS_PER_S)

    async def _one(self, verify: Verify, device_no: int, question: _Question) -> None:
        self._asked_ns[device_no] = self._clock.now_ns()
        try:
            decided = await verify(device_no)
        except Exception:  # a task's top: one failing poll must not end the verification of the others
            log.exception("a verifying poll failed", device_no=device_no)
            decided = None
        if decided is not None:
            VERIFICATIONS.labels("answered").inc()
            await self._proven({key: at_ns for key, at_ns in question.claims.items() if key not in decided})
            return
        VERIFICATIONS.labels("unanswered").inc()
        if question.doubted and question.attempts + 1 < self._settings.verify_attempts_max:
            self._again(device_no, question)

    def _again(self, device_no: int, question: _Question) -> None:
        pause_ns = int(self._settings.verify_every_s * NS_PER_S) << question.attempts
        waiting = self._questions.setdefault(device_no, _Question(self._clock.now_ns() + pause_ns))
        waiting.attempts = question.attempts + 1
        waiting.claims = question.claims | waiting.claims
        waiting.doubted = waiting.doubted or question.doubted
        self._news.set()
