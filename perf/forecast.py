"""The next 24 hours of any number of series at once: a mix of seasonal predictors, each weighed by how well it did lately.

The past is cut into blocks of a day that end now, so that slot h of a block is h slots ahead. A predictor says a block
from the blocks before it: as the day before, as the week before, as the days lately (weights falling by day), as the same
day of the weeks lately, and both of these brought to the level of the last day. The predictors of one series are mixed by
what their mean error over the last blocks was, and the miss of the last hours fades out into the next.
Intervals come from the mix's own errors on those blocks,
each mixed by the others. No loop over series.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]

WEEK: Final = 7  # blocks
DAY_FADE: Final = 0.6  # a day counts so much of the day after it
WEEK_FADE: Final = 0.6
TRIALS: Final = 7  # blocks on which the predictors are weighed
BLOCKS_MIN: Final = 2  # fewer are no season
LEVEL_SHARE: Final = 0.5  # how much of a change of level is believed to stay
MISS_HOURS: Final = 2.0  # the last hours whose miss is looked at
MISS_FADES: Final = (0.0, 0.5, 0.8, 0.92)  # what is left of it an hour later; the best on the trials is taken
SHARPNESS: Final = 3.0  # the power of a predictor's error in its weight
WIDER: Final = 1.05  # the level wanders on
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
    low, high = ({level: np.concatenate([bound[level] for bound in bounds]) for level in QUANTILES} for bounds in _bounds(parts))
    return Forecast(mean, low, high)


def _bounds(parts: list[Forecast]) -> tuple[list[dict[int, Floats]], list[dict[int, Floats]]]:
    return [part.low for part in parts], [part.high for part in parts]


def _forecast(values: Floats, slots: int) -> Forecast:
    n, points = values.shape
    blocks = points // slots
    if blocks < BLOCKS_MIN:
        nothing = np.full((n, slots), np.nan)
        return Forecast(nothing, dict.fromkeys(QUANTILES, nothing), dict.fromkeys(QUANTILES, nothing))
    scale = np.nanmax(np.abs(values), axis=1, keepdims=True, initial=0.0)
    scale[~(scale > 0)] = 1.0  # single precision is exact enough for shares of the largest value
    past = (values[:, points - blocks * slots :] / scale).astype(np.float32).reshape(n, blocks, slots).transpose(1, 0, 2).copy()
    trials = range(max(1, blocks - TRIALS), blocks)
    said = _predictors(past, trials)
    weights = _weights(past, said, trials)
    mixed = {at: _mixed(said[at], weights[at]) for at in said}
    fade = _best_fade(past, mixed, trials, slots)
    carried = {at: mixed[at] + _miss(past, mixed, at, slots, fade) for at in said}
    errors = np.stack([past[at] - carried[at] for at in trials], axis=1)
    known = past[np.isfinite(past)]
    found = _with_intervals(carried[blocks], errors, bounded=bool(len(known) and known.min() >= 0))
    low, high = ({level: scale * bound for level, bound in bounds.items()} for bounds in (found.low, found.high))
    return Forecast(scale * found.mean, low, high)


def _predictors(past: Floats, trials: range) -> dict[int, list[Floats]]:
    """What each predictor says of the trial blocks and of the one after the past: f64[n, slots] each, NaN where it cannot."""
    blocks, unknown = len(past), np.full_like(past[0], np.nan)
    days, weeks = _Faded(past[0], DAY_FADE), [_Faded(past[0], WEEK_FADE) for _ in range(WEEK)]
    expected, said = unknown, {}
    for at in range(1, blocks + 1):
        days.take(past[at - 1])
        weeks[(at - 1) % WEEK].take(past[at - 1])
        weekly = weeks[at % WEEK].mean() if at >= WEEK else unknown
        if at in trials or at == blocks:
            yesterday, lately = past[at - 1], days.mean()
            week = past[at - WEEK] if at >= WEEK else unknown
            # the level has changed by what came yesterday against what was expected of it
            levelled = weekly * _level(yesterday, expected), lately * _level(yesterday, lately)
            said[at] = [yesterday, lately, week, weekly, *levelled]
        expected = weekly
    return said


class _Faded:
    """A mean in which each block counts `fade` of the one after it; missing values count nothing."""

    def __init__(self, like: Floats, fade: float) -> None:
        self._total, self._weight, self._fade = np.zeros_like(like), np.zeros_like(like), fade

    def take(self, block: Floats) -> None:
        known = np.isfinite(block)
        self._total = self._fade * self._total + np.where(known, block, 0.0)
        self._weight = self._fade * self._weight + known

    def mean(self) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._total / self._weight


def _level(came: Floats, expected: Floats) -> Floats:
    """How much larger a day was than expected, as far as that is believed to stay: f64[n, 1]."""
    both = np.isfinite(came) & np.isfinite(expected)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(both, came, 0.0).sum(axis=1) / np.where(both, expected, 0.0).sum(axis=1)
    ratio = np.where(np.isfinite(ratio) & (ratio > 0), np.clip(ratio, 0.25, 4.0), 1.0)
    found: Floats = (ratio**LEVEL_SHARE)[:, None]
    return found


def _weights(past: Floats, said: dict[int, list[Floats]], trials: range) -> dict[int, Floats]:
    """f64[predictors, n] for each block said: by the predictors' errors on the trials, on a trial itself by those on the others."""
    predictors = range(len(next(iter(said.values()))))
    missed = {at: [np.abs(past[at] - said[at][p]) for p in predictors] for at in trials}
    known = {at: np.array([np.isfinite(each).sum(axis=1) for each in missed[at]]) for at in trials}
    total = {at: np.array([np.nansum(each, axis=1) for each in missed[at]]) for at in trials}
    all_total, all_known = sum(total.values()), sum(known.values())
    found = {}
    for at in said:
        alone = len(trials) == 1
        errors = all_total - (total[at] if at in total and not alone else 0.0)
        tried = all_known - (known[at] if at in known and not alone else 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(tried > 0, errors / tried, np.inf)
        floor = 1e-6 * np.where(np.isfinite(mean), mean, 0.0).max(axis=0) + 1e-9
        worth = (mean + floor) ** -SHARPNESS
        found[at] = np.where(worth.sum(axis=0) > 0, worth / np.maximum(worth.max(axis=0), 1e-30), 1.0)
    return found


def _mixed(said: list[Floats], weights: Floats) -> Floats:
    total, weight = np.zeros_like(said[0]), np.zeros_like(said[0])
    for one, worth in zip(said, weights, strict=True):
        known = np.isfinite(one)
        total += np.where(known, one, 0.0) * worth[:, None]
        weight += known * worth[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / weight


def _miss(past: Floats, mixed: dict[int, Floats], at: int, slots: int, fade: float) -> Floats:
    """By how much the hours before block `at` were missed, as it fades into the block: f64[n, slots]; 0 where that is unknown."""
    if fade == 0.0 or at - 1 not in mixed:
        return np.zeros_like(past[0])
    recent = max(1, round(MISS_HOURS * slots / 24))
    missed = (past[at - 1] - mixed[at - 1])[:, -recent:]
    known = np.isfinite(missed)
    mean = np.where(known, missed, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    found: Floats = mean[:, None] * fade ** ((np.arange(slots) + 1) * 24 / slots)
    return found


def _best_fade(past: Floats, mixed: dict[int, Floats], trials: range, slots: int) -> float:
    """The fade with the least error over the trials, each series counting by its own size."""
    size = np.maximum(np.nansum(np.abs(past), axis=(0, 2)), 1e-30)
    costs = []
    for fade in MISS_FADES:
        errors = (np.abs(past[at] - mixed[at] - _miss(past, mixed, at, slots, fade)) for at in trials if at - 1 in mixed)
        costs.append(sum(float((np.nansum(each, axis=1) / size).sum()) for each in errors))
    return MISS_FADES[int(np.argmin(costs))]


def _with_intervals(mean: Floats, errors: Floats, *, bounded: bool) -> Forecast:
    """Bounds from errors f[n, trials, slots]: their quantiles over all series, each in units of its series' scale on the other trials."""
    size, known = np.nan_to_num(np.abs(errors)), np.isfinite(errors)
    total, count = size.sum(axis=1), known.sum(axis=1)
    alone = errors.shape[1] == 1
    units = []
    for trial in range(errors.shape[1]):
        others = (total, count) if alone else (total - size[:, trial], count - known[:, trial])
        with np.errstate(invalid="ignore", divide="ignore"):
            units.append((errors[:, trial] / _scale(*others)).ravel())
    found = np.concatenate(units)
    found = found[np.isfinite(found)]
    found = found[:: max(1, len(found) // UNITS_MAX)]
    scale = _scale(total, count)
    low: dict[int, Floats] = {}
    high: dict[int, Floats] = {}
    for level, (lower, upper) in QUANTILES.items():
        below, above = WIDER * np.quantile(found, [lower, upper]) if len(found) else (np.nan, np.nan)
        low[level] = mean + below * scale
        high[level] = mean + above * scale
        if bounded:
            low[level] = np.maximum(low[level], 0.0)
    return Forecast(np.maximum(mean, 0.0) if bounded else mean, low, high)


def _scale(total: Floats, count: Floats) -> Floats:
    """The mean absolute error around each slot, halfway to its mean over the day, from sums and counts f[n, slots] over trials."""
    width = max(1, total.shape[1] // 12)
    smooth, near = _around(total, width), _around(count, width)
    whole = total.sum(axis=1, keepdims=True) / np.maximum(count.sum(axis=1, keepdims=True), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        local = np.where(near > 0, smooth / near, whole)
    found: Floats = np.where(whole > 0, 0.5 * local + 0.5 * whole, np.nan)
    return found


def _around(part: Floats, width: int) -> Floats:
    """The sum of each slot and `width` slots around it, over midnight as well."""
    wrapped = np.concatenate([part[:, -width:], part, part[:, :width]], axis=1)
    sums = np.cumsum(np.concatenate([np.zeros((len(part), 1)), wrapped], axis=1), axis=1)
    found: Floats = sums[:, 2 * width + 1 :] - sums[:, : -2 * width - 1]
    return found


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
