"""The next 24 hours of any number of series at once: a mix of seasonal predictors, each weighed by how well it did lately.

The past is cut into days that end now, so that slot h of a day is h slots ahead, and a day into bins of an hour: what
happens within an hour is not to be foretold a day ahead, and its noise only misleads. A predictor says a day from the days
before it: as the day before, as lately, as the same day of the weeks before, their medians, and these brought to the level of
yesterday. The predictors of one series are mixed by what their mean error over the last days was, and the miss of
the last hours fades out into the next. What is usual within the hours is drawn in as far as it is no chance.
Intervals come from the mix's own errors on those days, each mixed by the others. The steps are `perf.forecast_kernels`.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.forecast_kernels import next_day

Floats = npt.NDArray[np.floating[Any]]

DAYS: Final = 28  # of the past that speak
TRIALS: Final = 7  # days on which the predictors are weighed
DAYS_MIN: Final = 2  # fewer are no season
BINS: Final = 24  # a day
WIDER: Final = 1.06  # the level wanders on
UNITS_MAX: Final = 100_000  # errors that make a quantile sure enough
SERIES_AT_ONCE: Final = 1_000  # bounds the memory
QUANTILES: Final = {80: (0.1, 0.9), 95: (0.025, 0.975)}


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """`mean` f64[n, slots] of the next day, and the bounds of the 80 and 95 % intervals; NaN for a series with too short a past."""

    mean: Floats
    low: dict[int, Floats]
    high: dict[int, Floats]


def forecast(values: Floats, slots: int) -> Forecast:
    """The day after values f64[n, points], oldest first and evenly spaced, `slots` a day; NaN where a value is missing."""
    parts = [_forecast(values[at : at + SERIES_AT_ONCE], slots) for at in range(0, max(len(values), 1), SERIES_AT_ONCE)]
    mean = np.concatenate([part.mean for part in parts])
    low = {level: np.concatenate([part.low[level] for part in parts]) for level in QUANTILES}
    high = {level: np.concatenate([part.high[level] for part in parts]) for level in QUANTILES}
    return Forecast(mean, low, high)


def _forecast(values: Floats, slots: int) -> Forecast:
    n, days = len(values), min(values.shape[1] // slots, DAYS)
    if days < DAYS_MIN:
        nothing = np.full((n, slots), np.nan)
        return Forecast(nothing, dict.fromkeys(QUANTILES, nothing), dict.fromkeys(QUANTILES, nothing))
    trials = min(TRIALS, days - 1)
    mean, units, scale = (np.empty((n, *shape), np.float32) for shape in ((slots,), (trials, slots), (slots,)))
    negative = next_day(values.astype(np.float64, copy=False), days, (slots, _width(slots)), mean, units, scale)
    return _with_intervals(mean, units, scale, -np.inf if negative else 0.0)


def _width(slots: int) -> int:
    """How many slots are one bin: the most that divide a day and give no fewer than BINS bins."""
    return max(width for width in range(1, max(2, slots // BINS + 1)) if slots % width == 0)


def _with_intervals(mean: Floats, units: Floats, scale: Floats, least: float) -> Forecast:
    """Bounds by the quantiles of all series' errors, each over its usual size; nothing is below `least`."""
    found = units.ravel()[:: max(1, units.size // UNITS_MAX)]
    found = found[np.isfinite(found)]
    low: dict[int, Floats] = {}
    high: dict[int, Floats] = {}
    for level, (lower, upper) in QUANTILES.items():
        below, above = (WIDER * np.quantile(found, [lower, upper])).tolist() if len(found) else (np.nan, np.nan)
        low[level], high[level] = np.maximum(mean + below * scale, least), mean + above * scale
    return Forecast(np.maximum(mean, least), low, high)


def errors_of(said: Forecast, came: Floats, past: Floats, slots: int) -> dict[str, Any]:
    """How good a forecast was: NMAE (mean error over the mean), MASE (over the error of "as the day before"), coverage."""
    miss = np.abs(said.mean - came)
    naive = np.abs(past[:, slots:] - past[:, :-slots])
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = np.nanmean(miss, axis=1) / np.nanmean(naive, axis=1)
    found: dict[str, Any] = {"nmae": float(np.nansum(miss) / np.nansum(np.abs(came)))}
    found["mase"] = float(np.nanmedian(scaled[np.isfinite(scaled)])) if np.isfinite(scaled).any() else None
    known = np.isfinite(came)
    for level in QUANTILES:
        inside = (came >= said.low[level]) & (came <= said.high[level])
        found[f"coverage_{level}"] = float(inside[known].mean())
    return found
