"""A window of planned work, when it is in force, and what the plan says of an instant. Pure: time is given."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from fault.maintenance.recurrence import Recurrence, parse, to_ns
from station.clock import NS_PER_S

TargetKind = Literal["device", "site", "link", "interface", "service", "customer"]
FOREVER_NS = 2**63 - 1
RULES_KEPT = 4_096
LOOK_AHEAD_DAYS = 3_000  # the longest there is between two times of a rule: 29 February, each second year


@dataclass(frozen=True, slots=True)
class Target:
    """What work is planned on, by its public id."""

    kind: TargetKind
    id: str


@dataclass(frozen=True, slots=True)
class Span:
    """One time of a window: from `begins_ns` until just before `ends_ns`."""

    window_id: str
    begins_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class Window:
    """Planned work. `starts` is local time in `zone`, `rule` an RFC 5545 rule or "" for once.

    `counts_for_sla`: time in the window counts against service levels like any other. `ended_ns`: when a person
    ended or called it off, 0 if none did; what was in force before stays a fact.
    """

    id: str
    reason: str
    owner: str
    targets: tuple[Target, ...]
    starts: datetime
    zone: str
    duration_s: int
    rule: str
    counts_for_sla: bool
    created_ns: int
    created_by: str
    ended_ns: int = 0

    def spans(self, from_ns: int, to_ns_: int) -> Iterator[Span]:
        """When it is in force between two instants, in order; never before it was declared, nor after it was ended."""
        last_ns = min(to_ns_, self.ended_ns or FOREVER_NS)
        since = datetime.fromtimestamp(from_ns / NS_PER_S, UTC).date() - timedelta(seconds=self.duration_s, days=2)
        for begins_ns in takewhile(lambda at: at < last_ns, self._begins(since)):
            ends_ns = min(begins_ns + self.duration_s * NS_PER_S, self.ended_ns or FOREVER_NS)
            begins_ns = max(begins_ns, self.created_ns)
            if begins_ns < ends_ns and ends_ns > from_ns:
                yield Span(self.id, begins_ns, ends_ns)

    def _begins(self, since: date) -> Iterator[int]:
        zone = ZoneInfo(self.zone)
        locals_ = _parsed(self.rule).starts(self.starts, zone, since) if self.rule else [self.starts]
        return (to_ns(local, zone) for local in locals_)

    def now_and_next(self, now_ns: int) -> tuple[Span | None, int]:
        """The span in force, and when that answer changes."""
        horizon_ns = now_ns + LOOK_AHEAD_DAYS * 86_400 * NS_PER_S
        for span in self.spans(now_ns, horizon_ns):
            if span.begins_ns <= now_ns < span.ends_ns:
                return span, span.ends_ns
            if span.begins_ns > now_ns:
                return None, span.begins_ns
        return None, horizon_ns

    def is_over(self, now_ns: int) -> bool:
        """Whether it will not be in force again."""
        if self.ended_ns and self.ended_ns <= now_ns:
            return True
        span, changes_ns = self.now_and_next(now_ns)
        return span is None and changes_ns >= now_ns + LOOK_AHEAD_DAYS * 86_400 * NS_PER_S


@lru_cache(maxsize=RULES_KEPT)
def _parsed(rule: str) -> Recurrence:
    return parse(rule)


@dataclass(frozen=True, slots=True)
class InForce:
    """The windows in force at an instant, and when that changes."""

    windows: tuple[Window, ...]
    until_ns: int


def in_force(windows: Iterable[Window], now_ns: int) -> InForce:
    """What the plan says of now."""
    found, until_ns = [], FOREVER_NS
    for window in windows:
        if window.ended_ns and window.ended_ns <= now_ns:
            continue
        span, changes_ns = window.now_and_next(now_ns)
        until_ns = min(until_ns, changes_ns)
        if span is not None:
            found.append(window)
    return InForce(tuple(sorted(found, key=lambda it: it.id)), until_ns)


NOTHING = InForce((), FOREVER_NS)
