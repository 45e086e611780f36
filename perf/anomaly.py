"""How odd each value of a series is, as it comes: a second look at the few series that somebody asks about.

Two questions at every value, each against what was seen before and never after:

- *out of range*: is it beyond everything seen so far, by more than a twentieth of that range?
- *surprise*: have the last few values been farther from what was expected than they usually are? Expected is the same
  slot of the days before where there is a day, and where that serves better than the values just before.

The score is how unlikely the odder answer is, on a scale where 0.5 is worth a look. What follows an odd value is odd for
the same reason and counts half for a while.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled

F64 = npt.NDArray[np.float64]

WARM_UP: Final = 300  # values that make a past
MARGIN: Final = 0.05  # of the range seen so far
LATELY: Final = 8  # values whose distance is taken together
MEMORY: Final = 2_000  # values over which a distance is usual
LEVEL: Final = 0.2  # of a new value in the level of the last ones
DAY: Final = 0.3  # of a new day in the usual day
QUIET: Final = 200  # values after an odd one that count half
DECADES: Final = 12.0  # one in 10^12 scores 1


def scores(values: F64, slots: int = 0) -> F64:
    """f64[n], 0..1 for each value; `slots` a day, 0 for a series without days. NaN values score 0 and teach nothing."""
    found = np.zeros(len(values))
    _score(np.ascontiguousarray(values, np.float64), slots, found)
    return found


@compiled
def _score(values: Any, slots: Any, found: Any) -> None:
    low, high, level, seen = np.inf, -np.inf, np.nan, 0
    usual_day = np.full(max(slots, 1), np.nan)
    day_miss, level_miss = 0.0, 0.0
    mean, square, weight = 0.0, 0.0, 0.0
    recent = np.zeros(LATELY)
    quiet_until = -1
    for t in range(len(values)):
        value = values[t]
        if not np.isfinite(value):
            continue
        slot = t % slots if slots else 0
        expected = level
        if slots and np.isfinite(usual_day[slot]) and day_miss < level_miss:
            expected = usual_day[slot]
        distance = abs(value - expected) if np.isfinite(expected) else 0.0
        recent[seen % LATELY] = distance
        if seen >= WARM_UP:
            odd = max(_beyond(value, low, high), _unlikely(recent, mean, square, weight))
            if t <= quiet_until:
                odd *= 0.5
            elif odd >= 0.5:
                quiet_until = t + QUIET
            found[t] = odd
        forget = 1.0 - 1.0 / MEMORY
        mean, square, weight = forget * mean + distance, forget * square + distance * distance, forget * weight + 1.0
        if np.isfinite(level):
            level_miss = 0.999 * level_miss + abs(value - level)
            level += LEVEL * (value - level)
        else:
            level = value
        if slots:
            if np.isfinite(usual_day[slot]):
                day_miss = 0.999 * day_miss + abs(value - usual_day[slot])
                usual_day[slot] += DAY * (value - usual_day[slot])
            else:
                day_miss = 0.999 * day_miss + abs(value - expected) if np.isfinite(expected) else 0.0
                usual_day[slot] = value
        low, high, seen = min(low, value), max(high, value), seen + 1


@compiled
def _beyond(value: Any, low: Any, high: Any) -> Any:
    """0.5 at the margin beyond what was seen, towards 1 with each further tenth of the range."""
    span = max(high - low, 1e-9 * max(abs(high), abs(low)), 1e-300)
    excess = max(value - high, low - value) / span - MARGIN
    return 0.0 if excess <= 0.0 else 1.0 - 0.5 * math.exp(-10.0 * excess)


@compiled
def _unlikely(recent: Any, mean: Any, square: Any, weight: Any) -> Any:
    """How unlikely the mean of the last distances is, were they as they usually are."""
    usual = mean / weight
    spread = math.sqrt(max(square / weight - usual * usual, 1e-12 * usual * usual)) / math.sqrt(LATELY)
    if spread <= 0.0:
        return 0.0
    z = (recent.mean() - usual) / spread
    if z <= 0.0:
        return 0.0
    chance = 0.5 * math.erfc(z / math.sqrt(2.0))
    return min(1.0, -math.log10(max(chance, 1e-300)) / DECADES)
