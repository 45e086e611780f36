"""Threshold rules as data: raise and clear conditions with their durations, one file each in `config/thresholds/`.

A rule compares whole columns; only series that meet its raise condition, or that it already follows, are
looked at one by one. So the cost is that of a comparison, and the state that of what is wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from perf.compared import NOT_BY_SAMPLE, UNITS, Burn, Of, Speed
from perf.files import AlarmWords, load
from perf.files import metric as metric_of
from perf.metrics import EVENTS, THRESHOLD_DROPPED
from perf.slots import U64, SlotIndex
from station.batch import Event
from station.catalogue import Metric, metrics_by_name
from station.clock import NS_PER_S
from station.data import data_dir
from station.series import entity_keys, metrics_of
from station.settings import Settings

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Latest = Callable[[int, U64], F64]
"""(metric code, entity keys u64[n]) -> the last value of each, NaN where there is none."""
ResourceOf = Callable[[int], str | None]
"""Entity key -> public id of the resource; None when the inventory no longer has it."""

FOLLOWED_LIMIT = 100_000  # series that one rule follows at once


class Condition(Settings):
    """A comparison (exactly one of five) that must hold for `for_s` seconds."""

    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    any_of: list[float] | None = None
    for_s: float = Field(0, ge=0)

    def model_post_init(self, context: Any, /) -> None:
        given = [name for name in ("above", "at_least", "below", "at_most", "any_of") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"one comparison, not {given}")

    def holds(self, value: F64) -> Mask:
        """Where the comparison holds, bool[n]; nowhere for NaN."""
        if self.above is not None:
            return value > self.above
        if self.at_least is not None:
            return value >= self.at_least
        if self.below is not None:
            return value < self.below
        if self.at_most is not None:
            return value <= self.at_most
        assert self.any_of is not None
        return np.isin(value, self.any_of)


class Guard(Condition):
    """Another metric of the same entity that must (as far as it is known) satisfy a comparison as well."""

    metric: str


class Example(Settings):
    """`samples` as [second, value] or [second, value, the guard's value]; `expect` as [second, raised | cleared]."""

    says: str
    samples: list[tuple[float, float] | tuple[float, float, float]]
    expect: list[tuple[float, Literal["raised", "cleared"]]]


class Comparison(Settings):
    """What is compared with what (`perf.compared`): a metric's value, how fast it changes (per hour, from sample to sample),
    how many times faster than allowed it uses up `budget` (over `window_s` and a twelfth of it), for how many seconds
    nothing was heard of it, or how many usual spreads its five minutes are from what is usual at that time of the day
    (`perf.usual`)."""

    metric: str
    of: Of = "value"
    raise_when: Condition
    clear_when: Condition
    window_s: float = Field(3_600, gt=0)
    budget: float | None = Field(None, gt=0)
    only_when: Guard | None = None
    after_clear: bool = False  # raise only what once met clear_when: what was always so is no news

    def model_post_init(self, context: Any, /) -> None:
        if (self.of == "burn_rate") != (self.budget is not None):
            raise ValueError("a burn rate has a budget, and nothing else has")
        if self.of == "silent_s" and (self.raise_when.above is None or self.raise_when.for_s):
            raise ValueError("silence is raised above so many seconds, which are its duration: no for_s")


class RuleFile(Comparison, AlarmWords):
    """One file of `config/thresholds/`."""

    examples: list[Example]


@dataclass(slots=True)
class Marks:
    """A set of entity keys that takes and answers whole columns."""

    index: SlotIndex = field(default_factory=SlotIndex)

    def add(self, keys: U64) -> None:
        self.index.slots_of(keys)

    def has(self, keys: U64) -> Mask:
        """Whether each key was added, bool[n]."""
        return self.index.find(keys) >= 0


@dataclass(slots=True)
class Followed:
    """Since when a condition has held for one series (0: it does not), and whether the alarm is raised."""

    raise_since_ns: int = 0
    clear_since_ns: int = 0
    raised: bool = False


Change = tuple[int, int, bool, float]
"""(entity key, time_ns, raised or cleared, value)."""


@dataclass(slots=True)
class Rule:
    """One threshold with the series it follows."""

    name: str
    file: RuleFile
    metric: Metric
    guard_code: int = 0
    followed: dict[int, Followed] = field(default_factory=dict)
    armed: Marks = field(default_factory=Marks)
    speed: Speed = field(default_factory=Speed)
    burn: Burn = field(default_factory=Burn)

    def changes(self, key: U64, time_ns: I64, value: F64, latest: Latest) -> list[Change]:
        """What these samples change, in order of time per series."""
        if self.file.of == "change_per_hour":
            value = self.speed.per_hour(key, time_ns, value)
        elif self.file.of == "burn_rate":
            assert self.file.budget is not None
            value = self.burn.rate(key, time_ns, value, self.file.window_s, self.file.budget)
        raising, clearing = self.file.raise_when.holds(value), self.file.clear_when.holds(value)
        guard = self.file.only_when
        if guard is not None:
            guarding = latest(self.guard_code, key)
            fails = ~guard.holds(guarding) & ~np.isnan(guarding)
            raising, clearing = raising & ~fails, clearing | fails
        if self.file.after_clear:
            self.armed.add(key[self.file.clear_when.holds(value)])
            raising = raising & self.armed.has(key)
        watched = raising
        if self.followed or raising.any():  # what a series says after it raised counts as well
            following = np.fromiter(self.followed, np.uint64, len(self.followed))
            watched = raising | np.isin(key, np.concatenate([following, key[raising]]))
        rows = np.flatnonzero(watched)
        rows = rows[np.argsort(time_ns[rows], kind="stable")]
        found = (self._step(int(key[r]), int(time_ns[r]), bool(raising[r]), bool(clearing[r]), float(value[r])) for r in rows)
        return [change for change in found if change is not None]

    def _step(self, key: int, now_ns: int, raising: bool, clearing: bool, value: float) -> Change | None:
        state = self.followed.get(key)
        if state is None:
            if not raising:
                return None
            if len(self.followed) >= FOLLOWED_LIMIT:
                THRESHOLD_DROPPED.labels(self.name).inc()
                return None
            state = self.followed[key] = Followed()
        if state.raised:
            return self._while_raised(key, state, now_ns, clearing, value)
        if not raising:
            del self.followed[key]
            return None
        state.raise_since_ns = state.raise_since_ns or now_ns
        if now_ns - state.raise_since_ns < self.file.raise_when.for_s * NS_PER_S:
            return None
        state.raised = True
        return key, now_ns, True, value

    def _while_raised(self, key: int, state: Followed, now_ns: int, clearing: bool, value: float) -> Change | None:
        if not clearing:
            state.clear_since_ns = 0
            return None
        state.clear_since_ns = state.clear_since_ns or now_ns
        if now_ns - state.clear_since_ns < self.file.clear_when.for_s * NS_PER_S:
            return None
        del self.followed[key]
        return key, now_ns, False, value

    def event(self, change: Change, resource: str) -> Event:
        """The alarm change that fault is told."""
        _, time_ns, raised, value = change
        unit = UNITS.get(self.file.of) or self.metric.unit + (" per hour" if self.file.of == "change_per_hour" else "")
        return self.file.event(time_ns, resource, f"{value:.4g} {unit}", f"threshold:{self.name}", raised=raised)


def read(path: Path) -> Rule:
    """One rule; SettingsError names file, line and key of what is wrong, a metric that nobody has among it."""
    file = load(RuleFile, path)
    metric_of(file.metric, path, "metric")
    if file.only_when is not None:
        metric_of(file.only_when.metric, path, "only_when.metric")
    return rule_of(path.stem, file)


def rule_of(name: str, file: RuleFile) -> Rule:
    """The rule over the metrics of the catalogue; KeyError names one that is unknown."""
    guard = metrics_by_name()[file.only_when.metric].code if file.only_when else 0
    return Rule(name, file, metrics_by_name()[file.metric], guard)


@cache
def _paths() -> tuple[Path, ...]:
    return tuple(sorted((data_dir("config") / "thresholds").glob("*.toml")))


class Thresholds:
    """Every rule of `config/thresholds/` over the samples of all series."""

    def __init__(self, resource_of: ResourceOf, latest: Latest, rules: Iterable[Rule] | None = None) -> None:
        self.resource_of = resource_of
        self.latest = latest
        self.rules = tuple(read(path) for path in _paths()) if rules is None else tuple(rules)
        self.listens = any(rule.file.of == "silent_s" for rule in self.rules)  # whether any rule is about silence
        self.watches = np.zeros(256, np.bool_)  # by metric code: whether any rule looks at it
        self.watches[[rule.metric.code for rule in self.rules if rule.file.of not in NOT_BY_SAMPLE]] = True

    def events(self, key: U64, code: npt.NDArray[np.uint8], time_ns: I64, value: F64) -> list[Event]:
        """The alarm changes of these samples (entity key, metric code, time, value; columns of one length)."""
        made: list[Event] = []
        for metric in np.unique(code[self.watches[code]]).tolist():
            rows = np.flatnonzero(code == metric)
            made += self.events_of(metric, key[rows], time_ns[rows], value[rows])
        return made

    def events_of(self, code: int, key: U64, time_ns: I64, value: F64) -> list[Event]:
        """The same for samples of one metric."""
        if not self.watches[code]:
            return []
        finite = np.isfinite(value)
        if not finite.all():
            key, time_ns, value = key[finite], time_ns[finite], value[finite]
        made: list[Event] = []
        for rule in self.rules:
            if rule.metric.code == code and rule.file.of not in NOT_BY_SAMPLE and len(key):
                made += self._named(rule, rule.changes(key, time_ns, value, self.latest))
        return made

    def silence(self, series: U64, time_ns: I64, now_ns: int) -> list[Event]:
        """What the rules about silence say of every series' last sample (columns of one length), now."""
        made: list[Event] = []
        for rule in self.rules:
            if rule.file.of == "silent_s":
                rows = np.flatnonzero(metrics_of(series) == rule.metric.code)
                silent_s = (now_ns - time_ns[rows]) / NS_PER_S
                made += self._named(rule, rule.changes(entity_keys(series[rows]), np.full(len(rows), now_ns), silent_s, self.latest))
        return made

    def unusual(self, code: int, key: U64, time_ns: I64, spreads: F64) -> list[Event]:
        """What the rules about the unusual say of five minutes of one metric (entity key, their end, spreads from the usual)."""
        rows = np.flatnonzero(np.isfinite(spreads))
        made: list[Event] = []
        for rule in self.rules:
            if rule.metric.code == code and rule.file.of == "spreads" and len(rows):
                made += self._named(rule, rule.changes(key[rows], time_ns[rows], spreads[rows], self.latest))
        return made

    def arm(self, keys: Iterable[int]) -> None:
        """Entities that are known to have been well: rules with `after_clear` raise for them from now on."""
        known = np.fromiter(keys, np.uint64)
        for rule in self.rules:
            if rule.file.after_clear:
                rule.armed.add(known)

    def restore(self, raised: Iterable[tuple[int, str, str]]) -> None:
        """Take up the alarms that were active before a restart: (entity key, alarm type, qualifier).

        Without it an alarm whose condition ended while the station was down would never clear.
        """
        by_alarm = {(rule.file.alarm_type, rule.file.qualifier): rule for rule in self.rules}
        for key, alarm_type, qualifier in raised:
            rule = by_alarm.get((alarm_type, qualifier))
            if rule is not None and len(rule.followed) < FOLLOWED_LIMIT:
                rule.followed[key] = Followed(raised=True)

    def _named(self, rule: Rule, changes: list[Change]) -> list[Event]:
        named = [(change, self.resource_of(change[0])) for change in changes]
        EVENTS.labels(rule.name).inc(len(named))
        return [rule.event(change, resource) for change, resource in named if resource is not None]
