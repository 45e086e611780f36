"""Counters to rates, with a verdict on each sample that rides along to the chart and to the bill.

Size alone cannot tell a wrap from a restart, so sysUpTime, the discontinuity time and the line rate decide
(RFC 2863, section 3.1.5 and ifCounterDiscontinuityTime). What they do not prove is *suspect*: unknown to
billing, never guessed. How wide a counter is, its reader says; where one series is now read from ifInOctets and
now from ifHCInOctets, the two have nothing to do with each other, and a change between them is a restart.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.slots import U64, SlotIndex, Slots, grown
from station.batch import Quality, SampleBatch
from station.catalogue import metrics_by_code
from station.series import metrics_of

Limits = Callable[[U64], tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]
"""Series u64[n] -> (the most they can count per second, 0 where unknown; whether they are 64 bits wide)."""

GOOD, WRAPPED = np.uint8(Quality.GOOD), np.uint8(Quality.WRAPPED)
FIRST, GAP, RESET = np.uint8(Quality.FIRST), np.uint8(Quality.GAP), np.uint8(Quality.RESET)
SUSPECT, DUPLICATE, LATE = np.uint8(Quality.SUSPECT), np.uint8(Quality.DUPLICATE), np.uint8(Quality.LATE)

SEEN, WAS_GAP, WIDE = np.uint8(1), np.uint8(2), np.uint8(4)  # WIDE: 64 bits by its name, where no reader says better
READ_32, READ_64 = np.uint8(8), np.uint8(16)  # how wide the last sample was
READ = np.uint8(24)
RESTARTED, UNPROVEN, CONTINUOUS = -1, 0, 1

NS_PER_CS = 10_000_000
UPTIME_WRAP = np.int64(1) << np.int64(32)  # sysUpTime is TimeTicks: 497 days
UPTIME_TOLERANCE_CS = 500
UPTIME_SPAN_NS = 5_000_000_000  # from here on 1/100 s is finer than the jitter of arrival
BITS_32 = np.uint64(1) << np.uint64(32)
HALF_64 = np.uint64(1) << np.uint64(63)
LINE_RATE_SLACK = 1.1
CACHE_S = 2.0  # agents answer from caches: an interval may hold that much more traffic than its length says
GAP_FACTOR = 3.5
GAP_FLOOR_NS = 1_000_000_000
FIRST_GAP_NS = 3_600_000_000_000  # the longest first interval that is taken before a cadence is known


def no_limits(series: U64) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Nothing known of the line; counters named ifHC... are 64 bits wide."""
    return np.zeros(len(series), np.float32), wide_by_name()[metrics_of(series)]


@cache
def is_counter() -> npt.NDArray[np.bool_]:
    """Whether a metric code is a counter, bool[256]."""
    table = np.zeros(256, np.bool_)
    table[[code for code, metric in metrics_by_code().items() if metric.kind == "counter"]] = True
    return table


@cache
def wide_by_name() -> npt.NDArray[np.bool_]:
    """Whether a metric code is read from a Counter64, bool[256]."""
    table = np.zeros(256, np.bool_)
    table[[code for code, metric in metrics_by_code().items() if metric.snmp.startswith("ifHC")]] = True
    return table


@dataclass(slots=True)
class CounterState:
    """The last accepted sample of each series in flat arrays by slot: 45 bytes a series beside the index."""

    index: SlotIndex
    time_ns: npt.NDArray[np.int64]
    raw: U64
    uptime_cs: npt.NDArray[np.int64]
    discontinuity_cs: npt.NDArray[np.int64]
    cadence_ns: npt.NDArray[np.int64]
    max_rate: npt.NDArray[np.float32]
    flags: npt.NDArray[np.uint8]
    limits: Limits = no_limits

    @classmethod
    def empty(cls, limits: Limits = no_limits) -> "CounterState":
        i64 = (np.zeros(0, np.int64) for _ in range(4))
        time_ns, uptime_cs, discontinuity_cs, cadence_ns = i64
        raw, max_rate, flags = np.zeros(0, np.uint64), np.zeros(0, np.float32), np.zeros(0, np.uint8)
        return cls(SlotIndex(), time_ns, raw, uptime_cs, discontinuity_cs, cadence_ns, max_rate, flags, limits)

    @property
    def nbytes(self) -> int:
        return self.index.nbytes + sum(int(getattr(self, name).nbytes) for name in _ARRAYS)

    def slots_of(self, series: U64) -> Slots:
        """The slot of each series; a new one learns its limits."""
        before = self.index.count
        slots = self.index.slots_of(series)
        if self.index.count > before:
            for name in _ARRAYS:
                setattr(self, name, grown(getattr(self, name), self.index.count))
            self._learn(slice(before, self.index.count))
        return slots

    def relearn(self) -> None:
        """Ask for the limits of every series again, after the inventory changed."""
        self._learn(slice(0, self.index.count))

    def _learn(self, slots: slice) -> None:
        max_rate, wide = self.limits(self.index.keys[slots])
        self.max_rate[slots] = max_rate
        self.flags[slots] = np.where(wide, self.flags[slots] | WIDE, self.flags[slots] & ~WIDE)


_ARRAYS = [field.name for field in fields(CounterState) if field.name not in ("index", "limits")]


def rates(batch: SampleBatch, state: CounterState) -> SampleBatch:
    """The per-second rate and exact delta of each counter row, one row out per row in; other rows pass unchanged.

    Where no rate exists the value is NaN, the delta 0 and `quality` says why. `state` carries the last sample
    across batches, so any split of a stream into batches gives the same rows (a property test).
    """
    slots = state.slots_of(batch.series)
    counter = is_counter()[metrics_of(batch.series)]
    value, quality, delta = batch.value.copy(), batch.quality.copy(), batch.delta.copy()
    columns = (batch.time_ns, batch.raw, batch.uptime_cs, batch.discontinuity_cs, batch.width)
    kept = (state.time_ns, state.raw, state.uptime_cs, state.discontinuity_cs, state.cadence_ns, state.max_rate, state.flags)
    _rates(slots, counter, columns, kept, (value, quality, delta))
    return replace(batch, value=value, quality=quality, delta=delta)


@compiled
def _rates(slots: Any, counter: Any, columns: Any, kept: Any, out: Any) -> None:
    time_ns, raw, uptime_cs, discontinuity_cs, width = columns
    last_ns, last_raw, last_uptime_cs, last_discontinuity_cs, cadence_ns, max_rate, flags = kept
    value, quality, delta = out
    for i in range(len(slots)):
        if not counter[i]:
            continue
        s = slots[i]
        value[i], delta[i] = np.nan, np.uint64(0)
        elapsed_ns = time_ns[i] - last_ns[s]
        read = READ_64 if width[i] == 64 else READ_32 if width[i] == 32 else np.uint8(0)
        if not flags[s] & SEEN:
            quality[i] = FIRST
            flags[s] |= SEEN
        elif elapsed_ns <= 0:
            quality[i] = DUPLICATE if elapsed_ns == 0 else LATE
            continue
        else:
            proof = _continuity(last_uptime_cs[s], uptime_cs[i], elapsed_ns)
            other = read and flags[s] & READ and read != flags[s] & READ
            restarted = proof == RESTARTED or other or _differ(last_discontinuity_cs[s], discontinuity_cs[i])
            gap = _follow_cadence(s, elapsed_ns, cadence_ns, flags)
            if restarted or gap:
                quality[i] = RESET if restarted else GAP
            else:
                wide = raw[i] >= BITS_32 or last_raw[s] >= BITS_32 or (read == READ_64 if read else flags[s] & WIDE)
                quality[i], step = _judge(last_raw[s], raw[i], elapsed_ns / 1e9, max_rate[s], wide, proof)
                if quality[i] <= WRAPPED:
                    span_ns = _span(last_uptime_cs[s], uptime_cs[i], elapsed_ns, proof)
                    delta[i] = step
                    value[i] = step / (span_ns / 1e9)
        flags[s] = (flags[s] & ~READ | read) if read else flags[s]
        last_ns[s], last_raw[s] = time_ns[i], raw[i]
        last_uptime_cs[s], last_discontinuity_cs[s] = uptime_cs[i], discontinuity_cs[i]


@compiled
def _continuity(last_cs: Any, now_cs: Any, elapsed_ns: Any) -> Any:
    """What sysUpTime says of the span: CONTINUOUS, RESTARTED, or UNPROVEN when it is unknown or leaps ahead."""
    if last_cs < 0 or now_cs < 0:
        return UNPROVEN
    elapsed_cs = elapsed_ns // NS_PER_CS
    tolerance_cs = UPTIME_TOLERANCE_CS + elapsed_cs // 20
    step_cs = (now_cs - last_cs) % UPTIME_WRAP
    if abs(step_cs - elapsed_cs) <= tolerance_cs:
        return CONTINUOUS  # also over the wrap of sysUpTime itself
    if now_cs < last_cs or step_cs < elapsed_cs:
        return RESTARTED  # it counts from zero again, though it may have passed its old value
    return UNPROVEN


@compiled
def _differ(last: Any, now: Any) -> Any:
    return last >= 0 and now >= 0 and last != now


@compiled
def _follow_cadence(s: Any, elapsed_ns: Any, cadence_ns: Any, flags: Any) -> Any:
    """Whether the span is a gap by the cadence seen so far. Two gaps in a row are a new cadence; one poll between changes little."""
    usual = cadence_ns[s]
    longest = max(GAP_FACTOR * usual, GAP_FLOOR_NS) if usual else FIRST_GAP_NS
    gap = elapsed_ns > longest
    if not gap or flags[s] & WAS_GAP:
        cadence_ns[s] = max(elapsed_ns, usual // 2)
    flags[s] = flags[s] | WAS_GAP if gap else flags[s] & ~WAS_GAP
    return gap


@compiled
def _judge(last: Any, now: Any, elapsed_s: Any, max_rate: Any, wide: Any, proof: Any) -> Any:
    """(quality, step) of a span without restart or gap, by what the line can carry in it."""
    most = max_rate * (elapsed_s * LINE_RATE_SLACK + CACHE_S)
    ambiguous = not wide and max_rate * elapsed_s >= BITS_32  # the line can wrap 32 bits unseen (RFC 2863, 3.1.6)
    if now >= last:
        step = now - last
        fits = max_rate == 0 or (step <= most and not ambiguous)
        return (GOOD if fits else SUSPECT), step
    step = now - last if wide else BITS_32 - last + now
    if (max_rate > 0 and step > most) or (max_rate == 0 and wide and step > HALF_64):
        return RESET, step
    proven = max_rate > 0 and proof == CONTINUOUS and not ambiguous
    return (WRAPPED if proven else SUSPECT), step


@compiled
def _span(last_cs: Any, now_cs: Any, elapsed_ns: Any, proof: Any) -> Any:
    """The device's own clock between the two samples where it is sound, else ours: arrival times jitter."""
    if proof == CONTINUOUS and elapsed_ns >= UPTIME_SPAN_NS:
        return max((now_cs - last_cs) % UPTIME_WRAP * NS_PER_CS, NS_PER_CS)
    return elapsed_ns
