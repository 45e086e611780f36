"""How odd each value of a series is, as it comes: a second look at the few series that somebody asks about.

One rule, asked of several things: is it beyond what was seen so far? Of the value itself, by more than a twentieth of its
range; and of how far the values were from what was expected, over the last one, few and many values, by more than a tenth. Expected
is the level of the last values, and from the second day on the same slot of the days before as well. What was seen is
believed for a while and then fades to what is usual, so that an old wildness excuses no new one.

So a series is compared with nothing but its own past, and a wild one raises no more than a calm one. A score of
0.5 is worth a look. What follows an odd value is odd for the same reason and counts half for a while.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled

F64 = npt.NDArray[np.float64]

WARM_UP: Final = 200  # values that make a past
MARGIN: Final = 0.05  # of the range seen so far
MISS_MARGIN: Final = 0.1  # of the largest distance seen lately
LATELY: Final = (1, 4, 16, 64)  # values whose distances are taken together
HOLD: Final = 300  # values for which the largest distance is believed
FADE: Final = 0.0008  # of it goes with each value after that
USUAL: Final = 1_000  # values in a usual distance
LEVEL: Final = 0.2  # of a new value in the level of the last ones
DAY: Final = 0.3  # of a new day in the usual day
DAYS_MIN: Final = 2  # that make a usual day
QUIET: Final = 150  # values after an odd one that count half
WORSE: Final = 0.3  # odder than the last odd one by so much is told at once
STEEP, MISS_STEEP = 10.0, 2.0  # how fast a score nears 1 beyond the margins


def scores(values: F64, slots: int = 0) -> F64:
    """f64[n], 0..1 for each value; `slots` a day, 0 for a series without days. NaN values score 0 and teach nothing."""
    found = np.zeros(len(values))
    _score(np.ascontiguousarray(values, np.float64), slots, found)
    return found


@compiled
def _score(values: Any, slots: Any, found: Any) -> None:
    low, high, level, seen = np.inf, -np.inf, np.nan, 0
    quiet_until, told = -1, 0.0
    usual_day = np.full(max(slots, 1), np.nan)
    recent = np.zeros((2, LATELY[-1]))  # distances from the level, and from the day
    total, largest, usual = np.zeros((2, len(LATELY))), np.zeros((2, len(LATELY))), np.zeros((2, len(LATELY)))
    largest_at = np.zeros((2, len(LATELY)), np.int64)
    for t in range(len(values)):
        value = values[t]
        if not np.isfinite(value):
            continue
        slot = t % slots if slots else 0
        missed = abs(value - level) if seen else 0.0
        from_day = abs(value - usual_day[slot]) if slots and np.isfinite(usual_day[slot]) else missed
        by_day = slots > 0 and seen >= DAYS_MIN * slots
        odd = _farther(missed, seen, recent[0], total[0], (largest[0], largest_at[0], usual[0]))
        odd_day = _farther(from_day, seen, recent[1], total[1], (largest[1], largest_at[1], usual[1])) if by_day else 0.0
        if seen >= WARM_UP:
            odd = max(odd, odd_day, _beyond(value, low, high))
            if t <= quiet_until and odd < told + WORSE:
                odd *= 0.5
            elif odd >= 0.5:
                quiet_until, told = t + QUIET, odd
            found[t] = odd
        level = value if seen == 0 else level + LEVEL * (value - level)
        if slots:
            usual_day[slot] = value if np.isnan(usual_day[slot]) else usual_day[slot] + DAY * (value - usual_day[slot])
        low, high, seen = min(low, value), max(high, value), seen + 1


@compiled
def _beyond(value: Any, low: Any, high: Any) -> Any:
    """0.5 at the margin beyond what was seen, towards 1 with each further tenth of the range."""
    span = max(high - low, 1e-9 * max(abs(high), abs(low)), 1e-300)
    excess = max(value - high, low - value) / span - MARGIN
    return 0.0 if not excess > 0.0 else 1.0 - 0.5 * math.exp(-STEEP * excess)


@compiled
def _farther(distance: Any, seen: Any, recent: Any, total: Any, known: Any) -> Any:
    """The same of the mean of the last distances, over each number of them; takes the distance into `recent` and `total`."""
    largest, largest_at, usual = known
    odd = 0.0
    for j in range(len(LATELY)):
        total[j] = max(0.0, total[j] + distance - recent[(seen - LATELY[j]) % len(recent)])
        mean = total[j] / LATELY[j]
        if largest[j] > 0:
            excess = mean / largest[j] - 1.0 - MISS_MARGIN
            if excess > 0.0:
                odd = max(odd, 1.0 - 0.5 * math.exp(-MISS_STEEP * excess))
        usual[j] += (mean - usual[j]) / min(seen + 1, USUAL)
        if mean >= largest[j] * (1.0 - MISS_MARGIN):
            largest_at[j] = seen
        if mean > largest[j]:
            largest[j] = mean
        elif seen - largest_at[j] > HOLD:
            largest[j] += FADE * (usual[j] - largest[j])
    recent[seen % len(recent)] = distance
    return odd
