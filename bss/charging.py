"""What steps of charging come to, over balances and holds in memory: a batch of steps in their order, none sees another undone. Pure.

bucket: amount (what is there), held (what open reservations keep); free = amount - held, never below nothing
hold:   open -> committed (used <= reserved) | released | expired, each once
debit:  a reservation that is committed whole at once
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

NEVER_NS = (1 << 63) - 1
StepKind = Literal["reserve", "debit", "commit", "release"]


class Outcome(StrEnum):
    """What a step came to. INSUFFICIENT: nothing was reserved. CLOSED: the hold was committed, released or has expired."""

    DONE = "done"
    INSUFFICIENT = "insufficient"
    UNKNOWN = "unknown"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `owner` and `unit` name the buckets of a reserve or debit; `customers` are those the asker may see, () for all."""

    kind: StepKind
    hold_id: str
    now_ns: int
    amount: int = 0
    owner: str = ""
    unit: str = ""
    expires_ns: int = 0
    customers: tuple[str, ...] = ()


@dataclass(slots=True)
class Bucket:
    """One bucket: `unit` is a currency or a meter's base unit; `expires_ns` 0 for never."""

    id: str
    unit: str
    amount: int
    held: int
    expires_ns: int
    owner: str = ""

    @property
    def free(self) -> int:
        return self.amount - self.held

    def lives(self, now_ns: int) -> bool:
        return not self.expires_ns or self.expires_ns > now_ns


@dataclass(slots=True)
class Part:
    """What a hold keeps of one bucket."""

    bucket_id: str
    reserved: int
    used: int = 0


@dataclass(slots=True)
class Hold:
    """One reservation."""

    id: str
    owner: str
    state: str
    expires_ns: int
    parts: list[Part]
    is_new: bool = False


@dataclass(slots=True)
class Book:
    """The buckets and holds that a batch touches, and what became of them: `changed` buckets, `closed` and new holds, in order."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    changed: dict[str, Bucket] = field(default_factory=dict)
    closed: dict[str, Hold] = field(default_factory=dict)
    made: dict[str, Hold] = field(default_factory=dict)
    steps: list[tuple[str, str, int]] = field(default_factory=list)  # hold, state, when

    def take(self, step: Step) -> Outcome:
        """What one step comes to; a repeated step answers what the first did."""
        if step.kind in ("reserve", "debit"):
            self.expire(step.owner, step.now_ns)
            return self._reserve(step)
        hold = self.holds.get(step.hold_id)
        if hold is None or (step.customers and hold.owner not in step.customers):
            return Outcome.UNKNOWN
        return self._commit(hold, step) if step.kind == "commit" else self._release(hold, step)

    def of(self, owner: str, unit: str, now_ns: int) -> list[Bucket]:
        """The buckets that can give something, in the order of their expiry, those without last."""
        found = [one for one in self.buckets.values() if one.owner == owner and one.unit == unit and one.amount > 0 and one.lives(now_ns)]
        return sorted(found, key=lambda one: (one.expires_ns or NEVER_NS, one.id))

    def _reserve(self, step: Step) -> Outcome:
        known = self.holds.get(step.hold_id)
        if known is not None:
            return Outcome.DONE
        parts, left = list[Part](), step.amount
        for bucket in self.of(step.owner, step.unit, step.now_ns):
            part = min(bucket.free, left)
            if part > 0:
                parts.append(Part(bucket.id, part))
                left -= part
            if not left:
                break
        if left:
            return Outcome.INSUFFICIENT
        for each in parts:
            self._move(each.bucket_id, 0, each.reserved)
        hold = Hold(step.hold_id, step.owner, "open", step.expires_ns, parts, is_new=True)
        self.holds[hold.id] = self.made[hold.id] = hold
        if step.kind == "debit":
            self._close(hold, step.amount, "committed", step.now_ns)
        return Outcome.DONE

    def _commit(self, hold: Hold, step: Step) -> Outcome:
        if hold.state != "open":
            reserved, used = sum(part.reserved for part in hold.parts), sum(part.used for part in hold.parts)
            return Outcome.DONE if hold.state == "committed" and used == min(step.amount, reserved) else Outcome.CLOSED
        if hold.expires_ns <= step.now_ns:
            self._close(hold, 0, "expired", step.now_ns)
            return Outcome.CLOSED
        self._close(hold, max(0, step.amount), "committed", step.now_ns)
        return Outcome.DONE

    def _release(self, hold: Hold, step: Step) -> Outcome:
        if hold.state != "open":
            return Outcome.DONE if hold.state == "released" else Outcome.CLOSED
        self._close(hold, 0, "released", step.now_ns)
        return Outcome.DONE

    def expire(self, owner: str, now_ns: int) -> None:
        """Free the owner's holds whose time is over."""
        for hold in self.holds.values():
            if hold.state == "open" and hold.owner == owner and hold.expires_ns <= now_ns:
                self._close(hold, 0, "expired", now_ns)

    def _close(self, hold: Hold, used: int, state: str, now_ns: int) -> None:
        """End an open hold: each bucket gives what was used of it, in order, and gets the rest back."""
        for part in hold.parts:
            part.used = min(used, part.reserved)
            used -= part.used
            self._move(part.bucket_id, -part.used, -part.reserved)
        hold.state = state
        if not hold.is_new:
            self.closed[hold.id] = hold
        self.steps.append((hold.id, state, now_ns))

    def _move(self, bucket_id: str, amount: int, held: int) -> None:
        bucket = self.buckets[bucket_id]
        bucket.amount += amount
        bucket.held += held
        assert 0 <= bucket.held <= bucket.amount, bucket
        self.changed[bucket_id] = bucket


def owners_of(steps: Iterable[Step]) -> set[str]:
    return {step.owner for step in steps if step.owner}


def run(book: Book, steps: Sequence[Step]) -> list[Outcome]:
    """Every step in its order."""
    return [book.take(step) for step in steps]
