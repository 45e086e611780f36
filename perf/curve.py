"""Down-sampling for a chart: the extremes of each step stay, and a gap stays a gap."""

from typing import Any

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
GAP_FACTOR = 3.5  # as in perf.counters: a longer span than so many usual ones is a gap

Curve = tuple[I64, F64, F64, F64, npt.NDArray[np.uint8], float]
"""(time_ns, min, mean, max, quality, step_s)."""


def reduced(columns: dict[str, npt.NDArray[Any]], start_ns: int, end_ns: int, points: int) -> Curve:
    """At most about `points` steps of rows sorted by `time_ns` with `low`, `value`, `high`, `quality`.

    Few rows stay as they are, with one NaN where rows are missing; many are gathered in steps of equal width,
    an empty step being NaN.
    """
    time_ns = columns["time_ns"].astype(np.int64)
    low, value, high = (columns[name].astype(np.float64) for name in ("low", "value", "high"))
    quality = columns["quality"].astype(np.uint8)
    usual_ns = int(np.median(np.diff(time_ns))) if len(time_ns) > 2 else 0
    if len(time_ns) <= points:
        return _with_gaps(time_ns, (low, value, high), quality, usual_ns)
    step_ns = max(-(-(end_ns - start_ns) // points), usual_ns, 1)
    return _steps(time_ns - start_ns, (low, value, high), quality, (start_ns, step_ns, -(-(end_ns - start_ns) // step_ns)))


def _with_gaps(time_ns: I64, values: tuple[F64, F64, F64], quality: npt.NDArray[np.uint8], usual_ns: int) -> Curve:
    missing = np.flatnonzero(np.diff(time_ns) > GAP_FACTOR * usual_ns) + 1 if usual_ns else np.zeros(0, np.intp)
    low, value, high = (np.insert(column, missing, np.nan) for column in values)
    times = np.insert(time_ns, missing, time_ns[missing - 1] + usual_ns)
    return times, low, value, high, np.insert(quality, missing, 4), usual_ns / 1e9


def _steps(offset_ns: I64, values: tuple[F64, F64, F64], quality: npt.NDArray[np.uint8], grid: tuple[int, int, int]) -> Curve:
    start_ns, step_ns, count = grid
    step = offset_ns // step_ns
    begins = np.flatnonzero(np.diff(step, prepend=-1))
    there = step[begins]
    low, value, high = values
    good = np.isfinite(value)
    counted = np.add.reduceat(good.astype(np.float64), begins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(np.where(good, value, 0), begins) / counted
    worst = np.zeros(count, np.uint8)
    worst[:] = 4
    worst[there] = np.maximum.reduceat(quality, begins)
    times = start_ns + np.arange(count, dtype=np.int64) * step_ns
    reduced_low = np.fmin.reduceat(low, begins)
    reduced_high = np.fmax.reduceat(high, begins)
    return times, _placed(reduced_low, there, count), _placed(mean, there, count), _placed(reduced_high, there, count), worst, step_ns / 1e9


def _placed(found: F64, at: I64, count: int) -> F64:
    full = np.full(count, np.nan)
    full[at] = found
    return full
