"""When a line will be full: the trend of its busy hours, with an interval that says how sure that is.

A day is worth its busy hour, the mean of its fullest one. The trend is Theil-Sen's (the median of the slopes between
all pairs of days), which a third of odd days does not move; its interval comes from the same slopes (Sen 1968). All
series at once: a matrix of days, and no loop over series.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled

F64 = npt.NDArray[np.float64]

DAYS_MIN: Final = 7  # a trend over less is none
HORIZON_DAYS: Final = 3_650.0  # later than this is never
Z_80: Final = 1.2816  # two-sided 80 % of the normal distribution


@dataclass(frozen=True, slots=True, eq=False)
class Trend:
    """n series. `now` is the busy hour that the trend gives for the last day, `slope` its growth per day with the 80 %
    interval `slope_low` .. `slope_high`; `days` how many days it stands on. NaN where there are too few."""

    now: F64
    slope: F64
    slope_low: F64
    slope_high: F64
    days: npt.NDArray[np.int64]

    def reaches(self, level: float) -> tuple[F64, F64, F64]:
        """In how many days each series reaches the level: (expected, earliest, latest); 0 where it is there, inf for never."""
        return self.reaches_each(np.full(len(self.now), level))

    def reaches_each(self, level: F64) -> tuple[F64, F64, F64]:
        """The same with a level f64[n] of its own for each series."""
        left = level - self.now
        return _days_until(left, self.slope), _days_until(left, self.slope_high), _days_until(left, self.slope_low)


def trend(busy_hours: F64) -> Trend:
    """The trend of busy hours f64[n, days], one column a day, the last is the latest; NaN where a day is unknown."""
    out = np.full((4, len(busy_hours)), np.nan)
    counted = np.isfinite(busy_hours).sum(axis=1)
    _theil_sen(np.ascontiguousarray(busy_hours), out, DAYS_MIN, Z_80)
    return Trend(out[0], out[1], out[2], out[3], counted)


def _days_until(distance: F64, slope: F64) -> F64:
    with np.errstate(divide="ignore", invalid="ignore"):
        days = np.where(distance <= 0, 0.0, np.where(slope > 0, distance / slope, np.inf))
    days = np.where(days > HORIZON_DAYS, np.inf, days)
    return np.where(np.isfinite(distance) & np.isfinite(slope), days, np.nan)


@compiled
def _theil_sen(busy: Any, out: Any, days_min: Any, z: Any) -> None:
    n, days = busy.shape
    slopes = np.empty(days * (days - 1) // 2, np.float64)
    level = np.empty(days, np.float64)
    for i in range(n):
        m, known = 0, 0
        for a in range(days):
            if not np.isfinite(busy[i, a]):
                continue
            known += 1
            for b in range(a + 1, days):
                if np.isfinite(busy[i, b]):
                    slopes[m] = (busy[i, b] - busy[i, a]) / (b - a)
                    m += 1
        if known < days_min:
            continue
        found = np.sort(slopes[:m])
        slope = (found[(m - 1) // 2] + found[m // 2]) / 2
        # Sen: the variance of Kendall's statistic gives the ranks of the interval's ends.
        half = z * np.sqrt(known * (known - 1) * (2 * known + 5) / 18.0) / 2
        low, high = int((m / 2) - half), int((m / 2) + half)
        k = 0
        for a in range(days):
            if np.isfinite(busy[i, a]):
                level[k] = busy[i, a] + slope * (days - 1 - a)
                k += 1
        ordered = np.sort(level[:k])
        out[0, i] = (ordered[(k - 1) // 2] + ordered[k // 2]) / 2
        out[1, i] = slope
        out[2, i] = found[max(low, 0)]
        out[3, i] = found[min(high, m - 1)]
