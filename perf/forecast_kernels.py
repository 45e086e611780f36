"""The compiled steps of `perf.forecast`: one series after the other, everything about it in a few kilobytes.

A series is worked on as shares of its largest value, in bins of a day (`binned[day, bin]`, NaN where nothing is known). For
each trial day and the day that is asked for, PREDICTORS say the day from the days before it (`said[day, predictor, bin]`).
"""

from typing import Any, Final

import numpy as np

from perf.compiled import compiled

WEEK: Final = 7  # days
PREDICTORS: Final = 9
DAY_FADE: Final = 0.7  # a day counts so much of the day after it
WEEK_FADE: Final = 0.7
DAYS_LATELY: Final = 6  # days in a faded mean
LEVEL_SHARE: Final = 0.5  # how much of a change of level is believed to stay
LEVEL_LIMIT: Final = 4.0  # no day is so many times larger than was expected of it
SAME_DAY: Final = 4.0  # a trial on the same day of the week counts so much
SHARPNESS: Final = 3.0  # the power of a predictor's error in its weight
MISS_HOURS: Final = 2.0  # the last hours whose miss is looked at
MISS_FADES: Final = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)  # what is left of it an hour later; the best on the trials is taken
BIAS_SHARE: Final = 0.3  # of the median error on the trials is made good: the median day is wanted, not the mean one
SHAPE_DAYS: Final = 14  # days that tell what is usual within a bin
AROUND: Final = 12  # errors count for slots up to this part of a day away


@compiled
def next_day(values: Any, days: Any, shapes: Any, mean: Any, units: Any, scale: Any) -> Any:
    """Fill `mean` and `scale` f32[n, slots], the day after f64[n, points] and the usual size of an error of it, and `units`
    f32[n, trials, slots], the errors on the trials over their usual size on the others; all NaN where nothing is known.

    Only the last `days` are looked at; `shapes` are (slots a day, slots a bin). Whether any value is negative is returned.
    """
    n, points = values.shape
    slots, width = shapes
    trials, bins = units.shape[1], slots // width
    first, negative = days - trials, False
    binned = np.empty((days, bins), np.float32)
    said = np.empty((trials + 1, PREDICTORS, bins), np.float32)
    mixed = np.empty((trials + 1, bins), np.float32)
    row = np.empty(days * slots, np.float32)
    shape, shape_share = np.zeros(slots, np.float32), 0.0
    errors, line = np.empty((trials, slots), np.float32), np.empty(slots, np.float32)
    for i in range(n):
        largest, least = _take(values[i, points - days * slots :], row)
        negative = negative or least < 0
        _bin(row, width, binned)
        for t in range(trials + 1):
            _predict(binned, first + t, said[t])
        _mix(binned, said, first, mixed)
        _carry(binned, mixed, first)
        _centre(binned, mixed, first)
        if width > 1:
            shape_share = _shape(row, binned, width, shape)
        for t in range(trials):
            _drawn(mixed[t], width, shape, shape_share, line)
            for s in range(slots):
                errors[t, s] = row[(first + t) * slots + s] - line[s]
        _drawn(mixed[trials], width, shape, shape_share, line)
        _sizes(errors, width, units[i], scale[i])
        for s in range(slots):
            mean[i, s] = line[s] * largest
            scale[i, s] *= largest
    return negative


@compiled
def _take(values: Any, row: Any) -> Any:
    """Fill `row` with shares of the largest value; return that and the least."""
    largest, least = 0.0, 0.0
    for value in values:
        if abs(value) < np.inf:
            largest, least = max(largest, abs(value)), min(least, value)
    share = 1.0 / largest if largest > 0.0 else 1.0
    for k in range(len(row)):
        row[k] = values[k] * share if abs(values[k]) < np.inf else np.nan
    return 1.0 / share, least


@compiled
def _bin(row: Any, width: Any, binned: Any) -> None:
    days, bins = binned.shape
    for k in range(days * bins):
        total, known = np.float32(0), 0
        for j in range(k * width, (k + 1) * width):
            if row[j] == row[j]:
                total += row[j]
                known += 1
        binned[k // bins, k % bins] = total / known if known else np.nan


@compiled
def _predict(binned: Any, day: Any, said: Any) -> None:
    """What each predictor says of a day: as the day before, as lately, as a week ago, as the same day of the weeks lately, as the
    median day lately, as the median same day, the last two habits at the level of yesterday, and the same all day."""
    bins = binned.shape[1]
    near, few = np.empty(WEEK, np.float32), np.empty(bins, np.float32)
    _faded(binned, day - 1, 1, DAY_FADE, DAYS_LATELY, said[1])
    _faded(binned, day - WEEK, WEEK, WEEK_FADE, DAYS_LATELY, said[3])
    _smooth(binned[day - 1], said[0])
    if day >= WEEK:
        _smooth(binned[day - WEEK], said[2])
    else:
        said[2, :] = np.nan
    for habit, step in ((4, 1), (5, WEEK)):
        for k in range(bins):
            few[k] = _median_of(binned[:, k], day - step, step, near)
        _smooth(few, said[habit])
    _faded(binned, day - 1 - WEEK, WEEK, WEEK_FADE, DAYS_LATELY, few)
    weekly, lately = _level(binned[day - 1], few), _level(binned[day - 1], said[4])
    total, known = 0.0, 0
    for k in range(bins):
        said[6, k], said[7, k] = said[3, k] * weekly, said[4, k] * lately
        if said[1, k] == said[1, k]:
            total += said[1, k]
            known += 1
    said[8, :] = total / known if known else np.nan


@compiled
def _faded(binned: Any, last: Any, step: Any, fade: Any, most: Any, out: Any) -> None:
    """The mean over the days `last`, `last - step`, ..., each counting `fade` of the one after it."""
    for k in range(binned.shape[1]):
        total, weight, worth, day = 0.0, 0.0, 1.0, last
        for _ in range(most):
            if day < 0:
                break
            if binned[day, k] == binned[day, k]:
                total += worth * binned[day, k]
                weight += worth
            worth *= fade
            day -= step
        out[k] = total / weight if weight > 0 else np.nan


@compiled
def _smooth(source: Any, out: Any) -> None:
    """Each bin with its two neighbours."""
    bins = len(source)
    for k in range(bins):
        total, known = 0.0, 0
        for at in (k - 1, k, k + 1):
            value = source[at % bins]
            if value == value:
                total += value
                known += 1
        out[k] = total / known if known else np.nan


@compiled
def _median_of(values: Any, last: Any, step: Any, near: Any) -> Any:
    """The median over the days `last`, `last - step`, ..., so many as `near` has room for; NaN where nothing is known."""
    m, day = 0, last
    for _ in range(len(near)):
        if day < 0:
            break
        value = values[day]
        if value == value:
            at = m
            while at > 0 and near[at - 1] > value:
                near[at] = near[at - 1]
                at -= 1
            near[at] = value
            m += 1
        day -= step
    return (near[(m - 1) // 2] + near[m // 2]) / np.float32(2) if m else np.float32(np.nan)


@compiled
def _level(came: Any, expected: Any) -> Any:
    """How much larger a day was than expected, as far as that is believed to stay."""
    both, due = 0.0, 0.0
    for k in range(len(came)):
        if came[k] == came[k] and expected[k] == expected[k]:
            both += came[k]
            due += expected[k]
    if not (both > 0 and due > 0):
        return 1.0
    return min(max(both / due, 1 / LEVEL_LIMIT), LEVEL_LIMIT) ** LEVEL_SHARE


@compiled
def _mix(binned: Any, said: Any, first: Any, mixed: Any) -> None:
    """Each day as its predictors say, weighed by their errors on the trials: on a trial itself by those on the others."""
    trials, bins = len(said) - 1, said.shape[2]
    missed, tried, worth = np.zeros((trials, PREDICTORS)), np.zeros((trials, PREDICTORS)), np.zeros(PREDICTORS)
    for t in range(trials):
        for p in range(PREDICTORS):
            for k in range(bins):
                miss = abs(binned[first + t, k] - said[t, p, k])
                if miss == miss:
                    missed[t, p] += miss
                    tried[t, p] += 1
    for t in range(trials + 1):
        _weigh(missed, tried, t, worth)
        for k in range(bins):
            total, weight = 0.0, 0.0
            for p in range(PREDICTORS):
                if said[t, p, k] == said[t, p, k]:
                    total += worth[p] * said[t, p, k]
                    weight += worth[p]
            mixed[t, k] = total / weight if weight > 0 else np.nan


@compiled
def _weigh(missed: Any, tried: Any, day: Any, worth: Any) -> None:
    trials, largest = len(missed), 0.0
    for p in range(PREDICTORS):
        total, count = 0.0, 0.0
        for t in range(trials):
            if t != day or trials == 1:
                weight = SAME_DAY if (day - t) % WEEK == 0 else 1.0
                total += weight * missed[t, p]
                count += weight * tried[t, p]
        worth[p] = total / count if count else np.inf
        if worth[p] < np.inf:
            largest = max(largest, worth[p])
    floor = 1e-6 * largest + 1e-9
    for p in range(PREDICTORS):
        worth[p] = (floor / (worth[p] + floor)) ** SHARPNESS if worth[p] < np.inf else 0.0


@compiled
def _carry(binned: Any, mixed: Any, first: Any) -> None:
    """Add what the last hours before a day were missed by, as it fades into the day."""
    trials, bins = len(mixed) - 1, mixed.shape[1]
    hours, recent = 24.0 / bins, max(1, round(MISS_HOURS * bins / 24))
    miss = np.zeros(trials + 1)
    for t in range(1, trials + 1):
        total, known = 0.0, 0
        for k in range(bins - recent, bins):
            error = binned[first + t - 1, k] - mixed[t - 1, k]
            if error == error:
                total += error
                known += 1
        miss[t] = total / known if known else 0.0
    best, least = 0.0, np.inf
    for hourly in MISS_FADES:
        fade, cost = hourly**hours, 0.0
        for t in range(1, trials):
            left = miss[t]
            for k in range(bins):
                left *= fade
                error = abs(binned[first + t, k] - mixed[t, k] - left)
                if error == error:
                    cost += error
        if cost < least:
            best, least = fade, cost
    for t in range(1, trials + 1):
        left = miss[t]
        for k in range(bins):
            left *= best
            mixed[t, k] += left


@compiled
def _centre(binned: Any, mixed: Any, first: Any) -> None:
    """Move each day by a share of the usual median error of the trial days, a trial by that of the others: what is absolutely
    missed is least at the median."""
    trials, bins = len(mixed) - 1, mixed.shape[1]
    errors, middle, known = np.empty(bins, np.float32), np.zeros(trials + 1), np.zeros(trials + 1)
    for t in range(trials):
        m = 0
        for k in range(bins):
            error = binned[first + t, k] - mixed[t, k]
            if error == error:
                errors[m] = error
                m += 1
        if m:
            middle[t], known[t] = np.median(errors[:m]), 1.0
    total, days = middle.sum(), known.sum()
    for t in range(trials + 1):
        if days > known[t]:
            mixed[t] += np.float32(BIAS_SHARE * (total - middle[t]) / (days - known[t]))


@compiled
def _shape(row: Any, binned: Any, width: Any, shape: Any) -> Any:
    """What is usual within the bins of a day, as a difference to the bin; returned is how much of it is no chance (0 to 1)."""
    days, bins = binned.shape
    slots, since = bins * width, max(0, days - SHAPE_DAYS)
    known = np.zeros(slots, np.int64)
    shape[:] = 0
    square, count = 0.0, 0
    for day in range(since, days):
        for k in range(bins):
            usual = binned[day, k]
            for s in range(k * width, (k + 1) * width):
                off = row[day * slots + s] - usual
                if off == off:
                    shape[s] += off
                    known[s] += 1
                    square += off * off
                    count += 1
    found = 0.0
    for s in range(slots):
        shape[s] /= max(known[s], 1)
        found += shape[s] * shape[s]
    by_chance = square / max(count, 1) / (days - since) * slots
    return max(0.0, 1.0 - by_chance / found) if found > 0 else 0.0


@compiled
def _drawn(mixed: Any, width: Any, shape: Any, share: Any, line: Any) -> None:
    """A day by slots: from bin to bin in straight lines, as far as no shape within the bins is known."""
    bins = len(mixed)
    for k in range(bins):
        before, here, behind = mixed[max(k - 1, 0)], mixed[k], mixed[min(k + 1, bins - 1)]
        for j in range(width):
            off = (j + 0.5) / width - 0.5
            straight = here + off * (behind - here if off > 0 else here - before)
            line[k * width + j] = straight + share * (here + shape[k * width + j] - straight) if share > 0 else straight


@compiled
def _sizes(errors: Any, width: Any, units: Any, scale: Any) -> None:
    """The usual size of an error around each bin, halfway to that of the day; and each error over it, known from the other trials."""
    trials, slots = errors.shape
    bins = slots // width
    total, count = np.zeros((trials + 1, bins)), np.zeros((trials + 1, bins))
    for t in range(trials):
        for k in range(bins):
            for s in range(k * width, (k + 1) * width):
                if errors[t, s] == errors[t, s]:
                    total[t, k] += abs(errors[t, s])
                    count[t, k] += 1
        total[trials] += total[t]
        count[trials] += count[t]
    reach = max(1, bins // AROUND)
    for t in range(trials + 1):
        others = trials > 1 and t < trials
        sums, counts = (total[trials] - total[t], count[trials] - count[t]) if others else (total[trials], count[trials])
        whole = sums.sum() / max(counts.sum(), 1)
        for k in range(bins):
            near, known = 0.0, 0.0
            for off in range(-reach, reach + 1):
                near += sums[(k + off) % bins]
                known += counts[(k + off) % bins]
            size = 0.5 * (near / known if known else whole) + 0.5 * whole if whole > 0 else np.nan
            if t == trials:
                scale[k * width : (k + 1) * width] = size
                continue
            for s in range(k * width, (k + 1) * width):
                units[t, s] = errors[t, s] * (1.0 / size)
