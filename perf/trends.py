"""Trends as data: what wears out or fills up is told weeks before it is a fault, one file a rule in `config/trends/`.

Each series is one value a day. Its trend is Theil-Sen's with the 80 % interval of `perf.capacity`; a rule raises when the level is
expected within so many days and the interval says so too (its late end is not "never"), and clears when it is far off again.
What is unknown, because a series is silent or has too few days, changes nothing.
"""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from perf.capacity import DAYS_MIN, Trend, trend
from perf.files import AlarmWords, load, metric
from perf.query import BUSY_DAYS_LIMIT, Daily, DailyStatistic
from perf.slots import U64
from station.batch import Event
from station.catalogue import Metric
from station.clock import NS_PER_S
from station.data import data_dir
from station.settings import Settings
from station.web import iso

F64 = npt.NDArray[np.float64]

DAY_NS: Final = 86_400 * NS_PER_S
MONTH_DAYS: Final = 30
FIRST_DAYS: Final = 14  # whose median is what `level_share` is a share of
CERTAIN: Final = 3.0  # the late end of the interval may be so many times as far off as the date


class TrendExample(Settings):
    """`daily` values, oldest first, and what is expected on the day after each: nothing, or (day, raised | cleared)."""

    says: str
    daily: list[float]
    expect: list[tuple[int, Literal["raised", "cleared"]]]


class Wearing(Settings):
    """What is watched: a day's statistic of a metric on its way `above` or `below` a level, or a share of what it was at first.

    `unsettled` is in how many five minutes of a day an interface changed its state; `scale = "log10"` follows the exponent.
    """

    metric: str
    daily: DailyStatistic = "mean"
    scale: Literal["linear", "log10"] = "linear"
    side: Literal["above", "below"] = "above"
    level: float | None = None
    level_share: float | None = Field(None, gt=0)
    days: int = Field(60, ge=DAYS_MIN, le=BUSY_DAYS_LIMIT)
    raise_within_days: float = Field(60, gt=0)
    clear_beyond_days: float = Field(120, gt=0)

    def model_post_init(self, context: Any, /) -> None:
        if (self.level is None) == (self.level_share is None):
            raise ValueError("one of level and level_share")
        if self.clear_beyond_days < self.raise_within_days:
            raise ValueError("clear_beyond_days is no less than raise_within_days")
        if self.scale == "log10" and self.level is not None and self.level <= 0:
            raise ValueError("the logarithm of a level is of one above 0")


class TrendFile(Wearing, AlarmWords):
    """One file of `config/trends/`."""

    examples: list[TrendExample]


@dataclass(frozen=True, slots=True, eq=False)
class Reached:
    """Of n series: in how many days the level is reached (expected, earliest, latest), and the trend with the level it goes to."""

    trend: Trend
    level: F64
    days: tuple[F64, F64, F64]


@dataclass(slots=True)
class TrendRule:
    """One rule with what it has raised."""

    name: str
    file: TrendFile
    metric: Metric
    raised: set[int] = field(default_factory=set)

    def events(self, key: U64, values: F64, now_ns: int, resource_of: Any) -> list[Event]:
        """What the days f64[n, days] before now change, one row an entity."""
        found = reached(self.file, values)
        raising, clearing = decided(self.file, found)
        made: list[Event] = []
        for row in np.flatnonzero(raising | clearing).tolist():
            entity = int(key[row])
            if bool(raising[row]) == (entity in self.raised):
                continue
            resource = resource_of(entity)
            if resource is None:
                continue
            (self.raised.add if raising[row] else self.raised.discard)(entity)
            said = self.reason(found, row, now_ns)
            made.append(self.file.event(now_ns, resource, said, f"trend:{self.name}", raised=bool(raising[row])))
        return made

    def reason(self, found: Reached, row: int, now_ns: int) -> str:
        """Where the trend stands, how fast it goes and when it arrives, with the interval."""
        unit = f" {self.metric.unit}" if self.file.scale == "linear" else f" (log10 of {self.metric.unit})"
        now, slope, level = float(found.trend.now[row]), float(found.trend.slope[row]), float(found.level[row])
        moves = f"{now:.4g}{unit} now, {MONTH_DAYS * slope:+.3g} a month"
        expected, earliest, latest = (_date(now_ns, float(days[row])) for days in found.days)
        if expected == "never":
            return f"{moves}, does not reach {level:.4g}"
        return f"{moves}, reaches {level:.4g} on {expected} (80 %: {earliest} to {latest}; {int(found.trend.days[row])} days known)"


def reached(rule: Wearing, values: F64) -> Reached:
    """When each series f64[n, days] reaches the level of the rule; NaN where nobody knows."""
    level = np.full(len(values), rule.level if rule.level is not None else np.nan)
    if rule.level_share is not None:
        level = rule.level_share * _first(values)
    if rule.scale == "log10":
        with np.errstate(divide="ignore", invalid="ignore"):
            values, level = np.log10(np.where(values > 0, values, np.nan)), np.log10(level)
    sign = 1.0 if rule.side == "above" else -1.0
    rising = trend(sign * values)
    days = rising.reaches_each(sign * level)
    ends = (rising.slope_low, rising.slope_high) if sign > 0 else (-rising.slope_high, -rising.slope_low)
    return Reached(Trend(sign * rising.now, sign * rising.slope, *ends, rising.days), level, days)


def decided(rule: Wearing, found: Reached) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(raise, clear) of each series."""
    expected, _, latest = found.days
    raising = (expected <= rule.raise_within_days) & (latest <= CERTAIN * rule.raise_within_days)
    return raising, expected > rule.clear_beyond_days


def would_have(rule: Wearing, daily: Daily) -> list[tuple[int, int, int | None]]:
    """What the rule would have raised over the days it has: (entity, day of the raise, day of the clear or None), by day.

    A day is its place in `daily`; the rule sees the days before it, at most its own number of days.
    """
    standing: dict[int, int] = {}
    fired: list[tuple[int, int, int | None]] = []
    for day in range(DAYS_MIN, daily.value.shape[1] + 1):
        raising, clearing = decided(rule, reached(rule, np.ascontiguousarray(daily.value[:, max(0, day - rule.days) : day])))
        for row in np.flatnonzero(raising | clearing).tolist():
            entity = int(daily.entity[row])
            if raising[row]:
                standing.setdefault(entity, day)
            elif entity in standing:
                fired.append((entity, standing.pop(entity), day))
    return sorted([*fired, *((entity, day, None) for entity, day in standing.items())], key=lambda it: (it[1], it[0]))


def read(path: Path) -> TrendRule:
    """One rule; SettingsError names file, line and key of what is wrong."""
    file = load(TrendFile, path)
    return TrendRule(path.stem, file, metric(file.metric, path, "metric"))


@cache
def paths() -> tuple[Path, ...]:
    return tuple(sorted((data_dir("config") / "trends").glob("*.toml")))


def _first(values: F64) -> F64:
    """The median of the first known days of each series, NaN where there are too few."""
    known = np.isfinite(values)
    early = np.where(known & (np.cumsum(known, axis=1) <= FIRST_DAYS), values, np.nan)
    found = np.full(len(values), np.nan)
    enough = known.sum(axis=1) >= DAYS_MIN
    found[enough] = np.nanmedian(early[enough], axis=1)
    return found


def _date(now_ns: int, days: float) -> str:
    return (iso(now_ns + int(days * DAY_NS)) or "")[:10] if np.isfinite(days) else "never"
