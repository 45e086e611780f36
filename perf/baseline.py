"""What is usual at this time of the day: a robust baseline per series and slot, learned for all series at once.

The centre of a slot is the median over the days of the slot and its neighbours, the spread the median distance from it
(MAD). Neither moves when up to half of the days were odd, so an outage last week is not the new usual.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

SLOTS_A_DAY: Final = 288
NEIGHBOURS: Final = 1  # slots before and behind that speak for a slot as well
LEAST: Final = 3  # values that make a usual
SIGMA_OF_MAD: Final = 1.4826  # of a normal distribution
SPREAD_SHARE: Final = 0.05  # a spread is never taken for smaller than this share of the centre: no series is exact


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """`centre` and `spread` f32[slots, n]: a slot is one row, so that scoring it reads memory in order. NaN where unknown."""

    centre: F32
    spread: F32

    def scores(self, slot: int, value: F64 | F32) -> F32:
        """How many usual spreads the values f[n] of one slot are from their centre; NaN where nothing is usual yet."""
        centre = self.centre[slot % len(self.centre)]
        found: F32 = (value.astype(np.float32, copy=False) - centre) / self.spread[slot % len(self.spread)]
        return found

    def band(self, series: int, width: float) -> tuple[F32, F32]:
        """What is usual for one series over the slots: centre less and plus `width` spreads."""
        centre, spread = self.centre[:, series], self.spread[:, series]
        return centre - np.float32(width) * spread, centre + np.float32(width) * spread


def learned(values: F32, slots: int = SLOTS_A_DAY) -> Baseline:
    """The baseline of values f32[n, days * slots], oldest first; NaN where a value is missing."""
    n, points = values.shape
    assert points % slots == 0, f"{points} values are no whole number of days of {slots}"
    centre, spread = np.full((slots, n), np.nan, np.float32), np.full((slots, n), np.nan, np.float32)
    _learn(np.ascontiguousarray(values).reshape(n, points // slots, slots), centre, spread)
    floor = SPREAD_SHARE * np.abs(centre)
    return Baseline(centre, np.maximum(np.float32(SIGMA_OF_MAD) * spread, np.maximum(floor, np.finfo(np.float32).tiny)))


@compiled
def _learn(values: Any, centre: Any, spread: Any) -> None:
    n, days, slots = values.shape
    near = np.empty(days * (2 * NEIGHBOURS + 1), np.float32)
    for i in range(n):
        for s in range(slots):
            m = 0
            for d in range(days):
                for off in range(-NEIGHBOURS, NEIGHBOURS + 1):
                    at = d * slots + s + off
                    if 0 <= at < days * slots:
                        value = values[i, at // slots, at % slots]
                        if value == value:
                            near[m] = value
                            m += 1
            if m < LEAST:
                continue
            centre[s, i] = middle = _median(near, m)
            spread[s, i] = _median_distance(near, m, middle)


@compiled
def _median(values: Any, m: Any) -> Any:
    """Of the first m values, which it sorts: they are few, and insertion beats everything then."""
    for a in range(1, m):
        value = values[a]
        b = a - 1
        while b >= 0 and values[b] > value:
            values[b + 1] = values[b]
            b -= 1
        values[b + 1] = value
    return (values[(m - 1) // 2] + values[m // 2]) / np.float32(2)


@compiled
def _median_distance(ordered: Any, m: Any, middle: Any) -> Any:
    """The median distance of the first m values, which are in order, from their middle: taken from both ends of those nearest to it."""
    below, above = (m - 1) // 2, (m - 1) // 2 + 1
    before, here = np.float32(0), np.float32(0)
    for _ in range(m // 2 + 1):
        before = here
        left = middle - ordered[below] if below >= 0 else np.float32(np.inf)
        right = ordered[above] - middle if above < m else np.float32(np.inf)
        if left <= right:
            here = left
            below -= 1
        else:
            here = right
            above += 1
    return here if m % 2 else (before + here) / np.float32(2)
