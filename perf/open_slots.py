"""The five-minute slots that still fill: each interface's statistics grow as rows come, and are stored once, when the slot is over.

It gives what `perf.rollup` computes from the stored rows, for a tenth of the work. What a slot in memory cannot know -
rows from before a restart, late rows, corrections - is rolled up from the store.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.blocks import Columns
from perf.compiled import compiled
from perf.rollup import USABLE
from perf.slots import U64, SlotIndex, grown
from perf.wide import ADMIN, OPER, InterfaceRows, Speeds
from station.batch import Quality
from station.clock import NS_PER_S
from station.telemetry.client import seconds
from station.telemetry.schema import COUNTER_RATES, TIER_S, VERDICTS

SLOT_NS: Final = TIER_S["5m"] * NS_PER_S
OPEN_SLOTS: Final = 4  # the running one, one in its grace, and devices whose clocks are ahead
BOTH_STATES: Final = np.uint16(1 << (OPER - 1) | 1 << (ADMIN - 1))
_VERDICT_OF: Final = {Quality.GAP: 1, Quality.RESET: 2, Quality.SUSPECT: 3, Quality.FIRST: 4}  # columns of VERDICTS; 0 is good

assert VERDICTS == ("good", "gap", "reset", "suspect", "first")


def _verdicts() -> npt.NDArray[np.int8]:
    """The column of VERDICTS by quality code, -1 for those that are in none."""
    table = np.full(16, -1, np.int8)
    table[: USABLE + 1] = 0
    for quality, column in _VERDICT_OF.items():
        table[quality] = column
    return table


@dataclass(slots=True)
class Growing:
    """One slot. Arrays by interface: `rated`, `total`, `low`, `high` [n, 8] by counter; `verdicts` [n, 5]; `up` of `states` samples."""

    heard: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    count: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    octets: U64 = field(default_factory=lambda: np.zeros((0, 2), np.uint64))
    rated: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((0, 8), np.uint32))
    total: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 8), np.float64))
    low: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 8), np.float32))
    high: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 8), np.float32))
    verdicts: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros((0, 5), np.uint32))
    up: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    states: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))

    def grow(self, n: int) -> None:
        for name in self.__dataclass_fields__:
            setattr(self, name, grown(getattr(self, name), n))


class OpenSlots:
    """Slots from `since_ns` on, the first that was seen whole; `add` rows, `close` what is over."""

    def __init__(self, since_ns: int) -> None:
        self.since_ns = -(-since_ns // SLOT_NS) * SLOT_NS
        self._index = SlotIndex()
        self._open: dict[int, Growing] = {}

    def add(self, rows: InterfaceRows) -> npt.NDArray[np.intp]:
        """Count rows in their slots; return those that belong to no slot kept here (over already, or out of bounds)."""
        start_ns = rows.time_ns - rows.time_ns % SLOT_NS
        interface = self._index.slots_of(rows.entity)
        left = [np.zeros(0, np.intp)]
        for slot_ns in np.unique(start_ns).tolist():
            chosen = np.flatnonzero(start_ns == slot_ns)
            growing = self._growing(slot_ns)
            if growing is None:
                left.append(chosen)
                continue
            growing.grow(self._index.count)
            columns = (rows.present, rows.quality, rows.rated, rows.rate, rows.delta, rows.oper_status, rows.admin_status)
            sums = (growing.octets, growing.rated, growing.total, growing.low, growing.high)
            _add(chosen, interface, columns, sums, (growing.heard, growing.count, growing.verdicts, growing.up, growing.states), _VERDICTS)
        return np.concatenate(left)

    def close(self, before_ns: int, speeds: Speeds, version: int) -> list[Columns]:
        """`interface_5m` of every slot that begins before that instant, oldest first; later rows of them are not taken."""
        over = sorted(slot_ns for slot_ns in self._open if slot_ns < before_ns)
        self.since_ns = max(self.since_ns, before_ns)
        return [self._columns(slot_ns, self._open.pop(slot_ns), speeds, version) for slot_ns in over]

    def _growing(self, slot_ns: int) -> Growing | None:
        if slot_ns < self.since_ns:
            return None
        if slot_ns not in self._open and len(self._open) < OPEN_SLOTS:
            self._open[slot_ns] = Growing()
        return self._open.get(slot_ns)

    def _columns(self, slot_ns: int, found: Growing, speeds: Speeds, version: int) -> Columns:
        rows = np.flatnonzero(found.heard)
        entity = self._index.keys[rows]
        columns: Columns = {"entity": entity, "time": seconds(np.full(len(rows), slot_ns)), "count": found.count[rows]}
        columns |= {"in_octets": found.octets[rows, 0], "out_octets": found.octets[rows, 1]}
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(found.rated > 0, found.total / found.rated, np.nan)
            availability = np.where(found.states > 0, found.up / found.states, np.nan)
        for n, rate in enumerate(COUNTER_RATES):
            there = found.rated[rows, n] > 0
            columns[f"{rate}_min"] = np.where(there, found.low[rows, n], np.float32(np.nan))
            columns[f"{rate}_mean"] = mean[rows, n].astype(np.float32)
            columns[f"{rate}_max"] = np.where(there, found.high[rows, n], np.float32(np.nan))
        columns |= {"speed_bps": speeds(entity).astype(np.uint64), "availability": availability[rows].astype(np.float32)}
        columns |= {verdict: found.verdicts[rows, n] for n, verdict in enumerate(VERDICTS)}
        return columns | {"version": np.full(len(rows), version, np.uint64)}


_VERDICTS: Final = _verdicts()


@compiled
def _add(chosen: Any, interface: Any, columns: Any, sums: Any, counts: Any, verdict_of: Any) -> None:
    present, quality, rated_bits, rate, delta, oper_status, admin_status = columns
    octets, rated, total, low, high = sums
    heard, count, verdicts, up, states = counts
    for r in chosen:
        i = interface[r]
        heard[i] = True
        if present[r] & np.uint16(3):
            count[i] += 1
            verdict = verdict_of[quality[r]]
            if verdict >= 0:
                verdicts[i, verdict] += 1
            if verdict == 0:
                octets[i, 0] += delta[0, r]
                octets[i, 1] += delta[1, r]
        for c in range(8):
            if rated_bits[r] >> np.uint8(c) & np.uint8(1):
                value = np.float32(rate[c, r])
                if rated[i, c] == 0 or value < low[i, c]:
                    low[i, c] = value
                if rated[i, c] == 0 or value > high[i, c]:
                    high[i, c] = value
                rated[i, c] += 1
                total[i, c] += value
        if present[r] & BOTH_STATES == BOTH_STATES and admin_status[r] == 1:
            states[i] += 1
            up[i] += oper_status[r] == 1
