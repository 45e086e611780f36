"""The last value of every series in memory: for `/metrics/network`, the Now screen and freshness."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.counters import DUPLICATE, LATE
from perf.slots import U64, SlotIndex, grown
from station.batch import SampleBatch
from station.series import METRIC_BITS


@dataclass(frozen=True, slots=True, eq=False)
class LastColumns:
    """k series: number, when, value (a counter's rate), the counter's raw total, verdict."""

    series: U64
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    raw: U64
    quality: npt.NDArray[np.uint8]


@dataclass(slots=True)
class LastValues:
    """Flat arrays by slot, 25 bytes a series beside the index."""

    index: SlotIndex = field(default_factory=SlotIndex)
    time_ns: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    value: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros(0, np.float64))
    raw: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    quality: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    @property
    def nbytes(self) -> int:
        return self.index.nbytes + self.time_ns.nbytes + self.value.nbytes + self.raw.nbytes + self.quality.nbytes

    def take(self, batch: SampleBatch) -> None:
        """Keep the newest of each series; late and repeated samples change nothing."""
        slots = self.index.slots_of(batch.series)
        for name in ("time_ns", "value", "raw", "quality"):
            setattr(self, name, grown(getattr(self, name), self.index.count))
        columns = (batch.time_ns, batch.value, batch.raw, batch.quality)
        _keep_newest(slots, columns, (self.time_ns, self.value, self.raw, self.quality))

    def latest(self, code: int, keys: U64) -> npt.NDArray[np.float64]:
        """The last value of one metric of each entity, NaN where there is none (u64[n] -> f64[n])."""
        slots = self.index.find(keys << np.uint64(METRIC_BITS) | np.uint64(code))
        known = slots >= 0
        found = np.full(len(keys), np.nan)
        found[known] = self.value[slots[known]]
        return found

    def latest_ns(self, code: int, keys: U64) -> npt.NDArray[np.int64]:
        """When the last value of one metric of each entity was, 0 where there is none (u64[n] -> i64[n])."""
        slots = self.index.find(keys << np.uint64(METRIC_BITS) | np.uint64(code))
        return np.where(slots >= 0, self.time_ns[slots], 0) if len(self.time_ns) else np.zeros(len(keys), np.int64)

    def heard(self) -> tuple[U64, npt.NDArray[np.int64]]:
        """(series number, when it was last heard) of every series, in no order; while another thread takes a batch as well."""
        time_ns = self.time_ns
        keys = self.index.keys[: len(time_ns)]
        there = np.flatnonzero(time_ns[: len(keys)])  # a series that is just coming has its number before its time
        return keys[there], time_ns[there]

    def columns(self, since_ns: int = 0) -> LastColumns:
        """Every series heard of since then, in order of series number."""
        n = self.index.count
        rows = np.flatnonzero(self.time_ns[:n] >= since_ns)
        rows = rows[np.argsort(self.index.keys[rows])]
        return LastColumns(self.index.keys[rows], self.time_ns[rows], self.value[rows], self.raw[rows], self.quality[rows])


@compiled
def _keep_newest(slots: Any, columns: Any, kept: Any) -> None:
    time_ns, value, raw, quality = columns
    last_ns, last_value, last_raw, last_quality = kept
    for i in range(len(slots)):
        s = slots[i]
        if time_ns[i] < last_ns[s] or quality[i] == LATE or quality[i] == DUPLICATE:
            continue
        last_ns[s], last_value[s], last_raw[s], last_quality[s] = time_ns[i], value[i], raw[i], quality[i]
