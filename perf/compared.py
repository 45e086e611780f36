"""What a threshold may compare beside a value: how fast it changes, how fast it burns a budget, and how long it is silent."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.slots import U64, SlotIndex, grown

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

Of = Literal["value", "change_per_hour", "burn_rate", "silent_s", "spreads"]
UNITS: Final[dict[Of, str]] = {"burn_rate": "times the budget", "silent_s": "s without a value", "spreads": "spreads from what is usual"}
NOT_BY_SAMPLE: Final[tuple[Of, ...]] = ("silent_s", "spreads")  # rules that look at other moments than samples come
SHORT: Final = 12  # the short window of a burn rate is so much shorter than the long one


@dataclass(slots=True)
class Speed:
    """The last sample of each series, and how fast it has changed since."""

    index: SlotIndex = field(default_factory=SlotIndex)
    time_ns: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    value: F64 = field(default_factory=lambda: np.zeros(0, np.float64))

    def per_hour(self, key: U64, time_ns: I64, value: F64) -> F64:
        """The change per hour since the sample before, NaN for a first sample and for one that is not newer."""
        slots = self.index.slots_of(key)
        self.time_ns, self.value = grown(self.time_ns, self.index.count), grown(self.value, self.index.count)
        out = np.empty(len(key), np.float64)
        _change_per_hour(slots, time_ns, value, self.time_ns, self.value, out)
        return out


@dataclass(slots=True)
class Burn:
    """What share of a budget each series uses up, over a long window and a short one.

    Both must be high, or the rate is not: the long window keeps a short burst from raising, the short one lets the
    alarm clear soon after the burst (Site Reliability Workbook, chapter 5). Both forget exponentially.
    """

    index: SlotIndex = field(default_factory=SlotIndex)
    time_ns: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    mean: F64 = field(default_factory=lambda: np.zeros((0, 2), np.float64))

    def rate(self, key: U64, time_ns: I64, value: F64, window_s: float, budget: float) -> F64:
        """The lower of the two means over the budget; 0 at a first sample, NaN for one that is not newer."""
        slots = self.index.slots_of(key)
        self.time_ns, self.mean = grown(self.time_ns, self.index.count), grown(self.mean, self.index.count)
        out = np.empty(len(key), np.float64)
        _burn(slots, time_ns, value, (self.time_ns, self.mean), window_s * 1e9, out)
        return out / budget


def silences(entity: U64, time_ns: I64, end_ns: int, level_s: float) -> tuple[U64, I64, F64]:
    """Stored samples as a rule about silence sees them: (entity, instant, seconds of silence), in order of time.

    Each sample ends a silence; one that reached `level_s` is seen at that very moment, the last one until `end_ns`.
    """
    order = np.lexsort((time_ns, entity))
    key, at = entity[order], time_ns[order]
    last = np.append(key[1:] != key[:-1], True) if len(key) else np.zeros(0, np.bool_)
    following = np.where(last, end_ns, np.append(at[1:], end_ns)[: len(at)])
    long = np.flatnonzero(following - at > level_s * 1e9)
    keys = np.concatenate([key, key[long]])
    times = np.concatenate([at, at[long] + int(level_s * 1e9) + 1])
    silent = np.concatenate([np.zeros(len(key)), np.full(len(long), np.nextafter(level_s, np.inf))])
    by_time = np.argsort(times, kind="stable")
    return keys[by_time], times[by_time], silent[by_time]


@compiled
def _change_per_hour(slots: Any, time_ns: Any, value: Any, last_ns: Any, last: Any, out: Any) -> None:
    for i in range(len(slots)):
        s = slots[i]
        newer = time_ns[i] > last_ns[s]
        out[i] = (value[i] - last[s]) / ((time_ns[i] - last_ns[s]) / 3.6e12) if newer and last_ns[s] > 0 else np.nan
        if newer:
            last_ns[s], last[s] = time_ns[i], value[i]


@compiled
def _burn(slots: Any, time_ns: Any, value: Any, kept: Any, window_ns: Any, out: Any) -> None:
    last_ns, mean = kept
    for i in range(len(slots)):
        s = slots[i]
        if time_ns[i] <= last_ns[s]:
            out[i] = np.nan
            continue
        if last_ns[s] > 0:  # the value is taken to have held since the sample before
            spent_ns = time_ns[i] - last_ns[s]
            mean[s, 0] += (1 - np.exp(-spent_ns / window_ns)) * (value[i] - mean[s, 0])
            mean[s, 1] += (1 - np.exp(-SHORT * spent_ns / window_ns)) * (value[i] - mean[s, 1])
        last_ns[s] = time_ns[i]
        out[i] = min(mean[s, 0], mean[s, 1])
