"""The next day's forecast: seasons, levels and gaps of made series, and honest intervals."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.forecast import Forecast, errors_of, forecast

SLOTS = 24
F64 = npt.NDArray[np.float64]


def season(days: int, weekend: float = 1.0, slots: int = SLOTS) -> F64:
    """A day's curve around 10, with quieter days 5 and 6 of each week."""
    at = np.arange(days * slots)
    shape = 10 + 4 * np.sin(at * 2 * np.pi / slots)
    return np.where(at // slots % 7 >= 5, weekend * shape, shape)[None, :]


def noisy(n: int, days: int, slots: int = SLOTS) -> F64:
    chance = np.random.default_rng(5)
    size = chance.lognormal(2, 1, (n, 1))
    drift = np.repeat(np.exp(np.cumsum(chance.normal(0, 0.03, (n, days)), axis=1)), slots, axis=1)
    made: F64 = size * season(days, 0.7, slots) * drift * np.exp(chance.normal(0, 0.1, (n, days * slots)))
    return made


def test_a_season_goes_on() -> None:
    found = forecast(season(22), SLOTS)
    assert found.mean == pytest.approx(season(1), rel=1e-3)


def test_a_weekend_comes_in_its_turn() -> None:
    whole = season(27, weekend=0.5)
    found = forecast(whole[:, : 26 * SLOTS], SLOTS)
    assert found.mean[0] == pytest.approx(whole[0, 26 * SLOTS :], rel=0.02)


def test_a_new_level_is_followed() -> None:
    whole = season(22)
    whole[:, 14 * SLOTS :] *= 3
    assert forecast(whole, SLOTS).mean.mean() == pytest.approx(30, rel=0.1)


def test_gaps_and_a_short_past_are_no_fault() -> None:
    whole = season(15)
    whole[0, ::5] = np.nan
    found = forecast(np.vstack([whole, np.full_like(whole, np.nan)]), SLOTS)
    assert found.mean[0] == pytest.approx(season(1)[0], rel=0.01)
    assert np.isnan(found.mean[1]).all()
    assert np.isnan(forecast(season(1), SLOTS).mean).all()
    assert forecast(np.zeros((0, 100)), SLOTS).mean.shape == (0, SLOTS)


@given(st.floats(1e-6, 1e12), st.integers(2, 20))
def test_a_unit_changes_nothing_but_the_unit(unit: float, days: int) -> None:
    whole = noisy(3, days)
    one, other = forecast(whole, SLOTS), forecast(whole * unit, SLOTS)
    assert other.mean == pytest.approx(one.mean * unit, rel=1e-3)
    assert other.high[95] == pytest.approx(one.high[95] * unit, rel=1e-3)


@pytest.mark.parametrize("slots", [24, 96])
def test_the_intervals_hold_what_they_promise_and_the_mix_beats_each_habit(slots: int) -> None:
    whole = noisy(400, 29, slots)
    past, came = whole[:, :-slots], whole[:, -slots:]
    found = forecast(past, slots)
    said = errors_of(found, came, past, slots)
    assert said["coverage_80"] == pytest.approx(0.8, abs=0.05) and said["coverage_95"] == pytest.approx(0.95, abs=0.04)
    habits = [Forecast(each, found.low, found.high) for each in (past[:, -slots:], past[:, -7 * slots : -6 * slots])]
    assert all(said["nmae"] < errors_of(habit, came, past, slots)["nmae"] for habit in habits)
    assert (found.low[95] <= found.low[80]).all() and (found.low[95] >= 0).all()


def test_what_repeats_within_the_hour_is_drawn_and_what_is_chance_is_not() -> None:
    at, slots = np.arange(22 * 96), 96
    sharp = np.where(at % 96 == 37, 30.0, 10.0)[None, :]
    assert forecast(sharp, slots).mean[0, 36:39] == pytest.approx([10, 30, 10], rel=0.05)
    rough = np.random.default_rng(1).lognormal(0, 0.5, (20, 22 * 96))
    assert forecast(rough, slots).mean.std(axis=1).max() < 0.15


def test_bursts_do_not_lift_what_is_said_of_the_ordinary_hours() -> None:
    whole, chance = np.repeat(season(23), 50, axis=0), np.random.default_rng(2)
    burst = chance.random(whole.shape) < 0.05
    found = forecast(np.where(burst, 8 * whole, whole)[:, : 22 * SLOTS], SLOTS)
    assert np.median(np.abs(found.mean / whole[:, -SLOTS:] - 1)) < 0.12
