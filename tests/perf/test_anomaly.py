"""Odd values of made series: found where they are, and quiet where nothing is odd."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from perf.anomaly import WARM_UP, scores

SLOTS = 288


def daily(days: int, seed: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    chance = np.random.default_rng(seed)
    return 50 + 20 * np.sin(np.arange(days * SLOTS) * 2 * np.pi / SLOTS) + chance.normal(0, 1, days * SLOTS)


def test_an_ordinary_series_is_quiet() -> None:
    assert (scores(daily(14), SLOTS) >= 0.5).mean() < 0.002


def test_a_value_beyond_everything_seen_is_odd_at_once() -> None:
    series = daily(14)
    series[3000] = 120
    found = scores(series, SLOTS)
    assert found[3000] > 0.9
    assert found[3001:3009].max() <= 0.5  # what follows is odd for the same reason


def test_a_night_that_looks_like_a_day_is_odd_although_its_values_are_not() -> None:
    series = daily(14)
    series[3100:3140] = 65  # the trough of the day, at its peak's height
    found = scores(series, SLOTS)
    assert found[3100:3140].max() > 0.5
    assert np.flatnonzero(found[3100:3140] > 0.5)[0] < 8


def test_a_change_of_level_is_told_once_and_then_learned() -> None:
    series = np.random.default_rng(2).normal(10, 1, 4000)
    series[2000:] += 30
    found = scores(series)
    assert found[2000] > 0.9
    assert (found[2400:] >= 0.5).sum() <= 1


def test_a_series_that_was_always_wild_is_no_odder_than_a_calm_one() -> None:
    chance = np.random.default_rng(4)
    calm, wild = chance.normal(10, 1, (20, 4000)), chance.lognormal(0, 1.5, (20, 4000))
    told = [np.mean([(scores(row) >= 0.5).sum() for row in rows]) for rows in (calm, wild)]
    assert max(told) < 10 and abs(told[0] - told[1]) < 4


def test_calm_values_that_turn_wild_within_their_range_are_odd() -> None:
    series = daily(14)
    series[3300:3400] += np.random.default_rng(5).normal(0, 8, 100)
    assert scores(series, SLOTS)[3300:3400].max() >= 0.5


@given(stn.arrays(np.float64, st.integers(0, 600), elements=st.floats(allow_nan=True, allow_infinity=True)), st.sampled_from([0, 24]))
def test_any_values_have_a_score_between_nothing_and_certain(values: "np.ndarray[tuple[int], np.dtype[np.float64]]", slots: int) -> None:
    found = scores(values, slots)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[:WARM_UP] == 0).all()


@pytest.mark.parametrize("unit", [1e-6, 1e9])
def test_the_unit_changes_nothing(unit: float) -> None:
    assert scores(daily(6) * unit, SLOTS) == pytest.approx(scores(daily(6), SLOTS), abs=1e-6)
