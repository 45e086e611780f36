"""The rules of `perf.counters` a second time, in plain numpy and round by round: what the compiled kernel is compared with."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from station.batch import Quality, SampleBatch

Q = Quality
TWO_32 = 2.0**32


@dataclass
class OracleState:
    """Per series: the last accepted (time, raw, uptime, discontinuity), cadence, and whether the last span was a gap."""

    max_rate: float = 0.0
    wide: bool = True
    last: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    cadence: dict[int, int] = field(default_factory=dict)
    was_gap: dict[int, bool] = field(default_factory=dict)
    width: dict[int, int] = field(default_factory=dict)


def oracle(batch: SampleBatch, state: OracleState) -> tuple[npt.NDArray[np.float64], list[int], list[int]]:
    """(rate, quality, delta) of each row."""
    found = [_one(batch, row, state) for row in range(len(batch))]
    return np.array([f[0] for f in found]), [f[1] for f in found], [f[2] for f in found]


def _one(batch: SampleBatch, row: int, state: OracleState) -> tuple[float, int, int]:
    series = int(batch.series[row])
    now = (int(batch.time_ns[row]), int(batch.raw[row]), int(batch.uptime_cs[row]), int(batch.discontinuity_cs[row]))
    last = state.last.get(series)
    if last is None:
        state.last[series] = now
        state.width[series] = int(batch.width[row])
        return np.nan, Q.FIRST, 0
    elapsed = now[0] - last[0]
    if elapsed <= 0:
        return np.nan, Q.DUPLICATE if elapsed == 0 else Q.LATE, 0
    state.last[series] = now
    width, before = int(batch.width[row]), state.width[series]
    state.width[series] = width or before
    uptime = _uptime(last[2], now[2], elapsed)
    gap = _gap(series, elapsed, state)
    if uptime == "restarted" or (width and before and width != before) or (last[3] >= 0 and now[3] >= 0 and last[3] != now[3]):
        return np.nan, Q.RESET, 0
    if gap:
        return np.nan, Q.GAP, 0
    wide = max(last[1], now[1]) >= 2**32 or (width == 64 if width else state.wide)
    quality, step = _judged((last[1], now[1]), elapsed / 1e9, state, wide=wide, continuous=uptime == "continuous")
    if quality > Q.WRAPPED:
        return np.nan, quality, 0
    span = elapsed
    if uptime == "continuous" and elapsed >= 5_000_000_000:
        span = max((now[2] - last[2]) % 2**32 * 10_000_000, 10_000_000)
    return step / (span / 1e9), quality, step


def _uptime(last: int, now: int, elapsed: int) -> str:
    if min(last, now) < 0:
        return "unproven"
    elapsed_cs = elapsed // 10_000_000
    step = (now - last) % 2**32
    if abs(step - elapsed_cs) <= 500 + elapsed_cs // 20:
        return "continuous"
    return "restarted" if now < last or step < elapsed_cs else "unproven"


def _gap(series: int, elapsed: int, state: OracleState) -> bool:
    usual = state.cadence.get(series, 0)
    gap = bool(elapsed > (max(3.5 * usual, 1_000_000_000) if usual else 3_600_000_000_000))
    if not gap or state.was_gap.get(series, False):
        state.cadence[series] = max(elapsed, usual // 2)
    state.was_gap[series] = gap
    return gap


def _judged(raw: tuple[int, int], elapsed_s: float, state: OracleState, *, wide: bool, continuous: bool) -> tuple[Any, int]:
    last, now = raw
    known = state.max_rate > 0
    fits = state.max_rate * (elapsed_s * 1.1 + 2)
    ambiguous = not wide and state.max_rate * elapsed_s >= TWO_32
    if now >= last:
        step = now - last
        return (Q.GOOD if not known or (step <= fits and not ambiguous) else Q.SUSPECT), step
    step = (now - last) % (2**64 if wide else 2**32)
    if (known and step > fits) or (not known and wide and step > 2**63):
        return Q.RESET, step
    return (Q.WRAPPED if known and continuous and not ambiguous else Q.SUSPECT), step
