"""From samples to rows: everything one interface said at one instant, side by side."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.kpis import SPEED, Kpi
from perf.slots import U64
from station.batch import SampleBatch
from station.catalogue import code_of
from station.series import METRIC_BITS, entity_keys, metrics_of
from station.telemetry.schema import COUNTERS, SPAN_OF, SPANS

F64 = npt.NDArray[np.float64]
Speeds = Callable[[U64], F64]
"""Entity keys u64[n] -> bits per second, 0 where unknown."""

OPER, ADMIN = np.uint8(code_of("interface.oper_status")), np.uint8(code_of("interface.admin_status"))
WIDE_CODES = len(COUNTERS) + 2  # metric codes 1..10 are columns: eight counters, two states
EMPTY_ROW = np.int64(-1)
SAME_SPAN = 1e-6  # how far two spans may differ and be one: Float32 keeps no more


@dataclass(frozen=True, slots=True, eq=False)
class InterfaceRows:
    """m rows, one per (entity, instant). `raw` u64[8, m], `rate` f64[8, m] and `delta` u64[8, m] are by counter (metric
    code - 1); `span_s` f32[3, m] is how long the deltas of a group of counters took, and bit c - 1 of `rated` says
    that counter c has one. `quality` is the worst verdict on the octets (or, without them, on any counter); bit
    c - 1 of `present` says that metric c was there, bit c - 1 of `widths` that counter c was read as 64 bits, bit
    c + 7 that it was read as 32."""

    entity: U64
    time_ns: npt.NDArray[np.int64]
    uptime_cs: npt.NDArray[np.int64]
    discontinuity_cs: npt.NDArray[np.int64]
    raw: U64
    rate: F64
    delta: U64
    span_s: npt.NDArray[np.float32]
    rated: npt.NDArray[np.uint8]
    oper_status: npt.NDArray[np.uint8]
    admin_status: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint8]
    present: npt.NDArray[np.uint16]
    widths: npt.NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.entity)

    def has(self, code: int) -> npt.NDArray[np.bool_]:
        """Whether a row holds the metric of that code, bool[m]."""
        return (self.present >> np.uint16(code - 1) & np.uint16(1)).astype(np.bool_)

    def columns(self) -> dict[int, F64]:
        """Each metric of the rows by its code, f64[m]: a counter's rate, a state's number; NaN or 0 where it was not there."""
        rates = dict(enumerate(self.rate, 1))
        return {**rates, int(OPER): self.oper_status.astype(np.float64), int(ADMIN): self.admin_status.astype(np.float64)}


def is_wide(batch: SampleBatch) -> npt.NDArray[np.bool_]:
    """Which samples are columns of `interface_raw`, bool[n]."""
    codes = metrics_of(batch.series)
    return (codes >= 1) & (codes <= WIDE_CODES)


def interface_rows(batch: SampleBatch) -> InterfaceRows:
    """The rows of a rated batch of interface samples (metric codes 1 to 10 only), in order of appearance."""
    entity = entity_keys(batch.series)
    codes = metrics_of(batch.series)
    row = np.empty(len(batch), np.int64)
    firsts = np.empty(len(batch), np.int64)
    runs = 1 + np.count_nonzero((entity[1:] != entity[:-1]) | (batch.time_ns[1:] != batch.time_ns[:-1])) if len(batch) else 0
    buckets = np.full(1 << max(4, int(np.ceil(np.log2(2 * runs + 1)))), EMPTY_ROW)
    count = int(_group(entity, batch.time_ns, buckets, row, firsts))
    first = firsts[:count]
    shape = (len(COUNTERS), count)
    made = InterfaceRows(
        entity=entity[first],
        time_ns=batch.time_ns[first],
        uptime_cs=batch.uptime_cs[first],
        discontinuity_cs=batch.discontinuity_cs[first],
        raw=np.zeros(shape, np.uint64),
        rate=np.full(shape, np.nan),
        delta=np.zeros(shape, np.uint64),
        span_s=np.zeros((len(SPANS), count), np.float32),
        rated=np.zeros(count, np.uint8),
        oper_status=np.zeros(count, np.uint8),
        admin_status=np.zeros(count, np.uint8),
        quality=np.zeros(count, np.uint8),
        present=np.zeros(count, np.uint16),
        widths=np.zeros(count, np.uint16),
    )
    samples = (row, codes, batch.raw, batch.value, batch.delta, batch.quality, batch.width)
    spans = (made.span_s, made.rated, np.array(SPAN_OF, np.int64))
    columns = (made.oper_status, made.admin_status, made.quality, made.present, made.widths)
    _scatter(samples, (made.raw, made.rate, made.delta), spans, columns)
    np.abs(made.span_s, out=made.span_s)
    return made


def derive(rows: InterfaceRows, kpis: tuple[Kpi, ...], speeds: Speeds) -> dict[int, F64]:
    """Each KPI over the rows by its metric code, f64[m]; NaN where it has no value."""
    columns: dict[str, F64] = {name: rows.rate[n] for n, name in enumerate(COUNTERS)}
    columns[SPEED] = speeds(rows.entity)
    return {kpi.code: kpi.formula.values(columns) for kpi in kpis}


def derived_batch(rows: InterfaceRows, values: dict[int, F64]) -> SampleBatch:
    """The KPIs that have a value as samples of their own series."""
    keys = rows.entity << np.uint64(METRIC_BITS)
    parts = []
    for code, value in values.items():
        there = np.flatnonzero(np.isfinite(value))
        parts.append(SampleBatch.of(rows.time_ns[there], keys[there] | np.uint64(code), value=value[there]))
    return SampleBatch.concat(parts)


def width_of(widths: npt.NDArray[np.uint16], code: int) -> npt.NDArray[np.uint8]:
    """How wide a counter was read, by the column `widths`: 64, 32, or 0 where nobody said (u16[n] -> u8[n])."""
    wide, narrow = (widths >> np.uint16(bit) & np.uint16(1) for bit in (code - 1, code + 7))
    return (64 * wide + 32 * narrow).astype(np.uint8)


@compiled
def _group(entity: Any, time_ns: Any, buckets: Any, row: Any, firsts: Any) -> Any:
    """The row of each sample by (entity, instant), and the first sample of each row; the number of rows."""
    mask = np.uint64(len(buckets) - 1)
    count = 0
    for i in range(len(entity)):
        if i > 0 and entity[i] == entity[i - 1] and time_ns[i] == time_ns[i - 1]:
            row[i] = row[i - 1]  # a poll names its columns one after the other
            continue
        mixed = (entity[i] ^ np.uint64(time_ns[i]) * np.uint64(0xC2B2AE3D27D4EB4F)) * np.uint64(0x9E3779B97F4A7C15)
        at = (mixed >> np.uint64(24)) & mask
        while True:
            known = buckets[at]
            if known < 0:
                buckets[at] = count
                firsts[count] = i
                row[i] = count
                count += 1
                break
            if entity[firsts[known]] == entity[i] and time_ns[firsts[known]] == time_ns[i]:
                row[i] = known
                break
            at = (at + np.uint64(1)) & mask
    return count


@compiled
def _scatter(samples: Any, tables: Any, spans: Any, columns: Any) -> None:
    row, codes, raws, values, deltas, qualities, width = samples
    raw, rate, delta = tables
    span_s, rated, span_of = spans
    oper_status, admin_status, quality, present, widths = columns
    for i in range(len(row)):
        r, code = row[i], codes[i]
        if code == OPER:
            oper_status[r] = np.uint8(values[i]) if values[i] == values[i] else np.uint8(0)
        elif code == ADMIN:
            admin_status[r] = np.uint8(values[i]) if values[i] == values[i] else np.uint8(0)
        else:
            c = np.int64(code) - 1
            raw[c, r] = raws[i]
            rate[c, r] = values[i]
            delta[c, r] = deltas[i]
            if width[i]:
                widths[r] |= np.uint16(1) << np.uint16(c if width[i] == 64 else c + 8)
            if values[i] == values[i] and _same_span(span_s, span_of[c], r, deltas[i], values[i]):
                rated[r] |= np.uint8(1) << np.uint8(c)
            octets = code <= 2
            had_octets = present[r] & np.uint16(3) != 0
            if octets == had_octets or (octets and not had_octets):
                quality[r] = max(quality[r], qualities[i]) if octets == had_octets else qualities[i]
        present[r] |= np.uint16(1) << np.uint16(code - 1)


@compiled
def _same_span(span_s: Any, group: Any, r: Any, delta: Any, rate: Any) -> Any:
    """Note how long a delta took; False where its group took another time (then only the exact delta is kept).

    A delta of zero is a rate of zero over any span: -1 stands until a counter of the group moves.
    """
    known = span_s[group, r]
    if delta == 0:
        if known == 0:
            span_s[group, r] = -1
        return True
    if known <= 0:
        span_s[group, r] = delta / rate
        return True
    return abs(known * rate - delta) <= SAME_SPAN * delta
