"""What is usual: learned through odd days, unknown where nothing was heard, and quick to compare with."""

import numpy as np
import pytest
from fastapi import FastAPI

from perf.api import router
from perf.baseline import F32, SLOTS_A_DAY, learned
from perf.totals import Totals
from tests.perf.conftest import HOUR, METERED, Small
from tests.perf.test_threshold_preview import ask_as_station

DAYS = 7


def week() -> F32:
    """Two series with a daily curve and a little noise."""
    rng = np.random.default_rng(3)
    daily = 100 + 50 * np.sin(np.arange(DAYS * SLOTS_A_DAY) * 2 * np.pi / SLOTS_A_DAY)
    values: F32 = (np.array([[1.0], [40.0]]) * daily * rng.normal(1, 0.02, (2, DAYS * SLOTS_A_DAY))).astype(np.float32)
    return values


def test_the_centre_follows_the_day_and_usual_values_score_low() -> None:
    usual = learned(week())
    assert usual.centre[72, 0] == pytest.approx(150, rel=0.03) and usual.centre[216, 1] == pytest.approx(2000, rel=0.03)
    assert np.abs(usual.scores(72, np.array([152.0, 5900.0]))).max() < 2
    assert (np.abs(usual.scores(72, np.array([300.0, 100.0]))) > 6).all()


def test_a_slot_of_tomorrow_is_the_slot_of_today() -> None:
    usual = learned(week())
    np.testing.assert_array_equal(usual.scores(SLOTS_A_DAY + 5, np.ones(2)), usual.scores(5, np.ones(2)))


def test_an_outage_of_two_days_is_not_the_new_usual() -> None:
    clean, holed = week(), week()
    holed[:, 2 * SLOTS_A_DAY : 4 * SLOTS_A_DAY] = 0
    np.testing.assert_allclose(learned(holed).centre, learned(clean).centre, rtol=0.06)


def test_what_was_never_heard_has_no_usual() -> None:
    values = week()
    values[1] = np.nan
    usual = learned(values)
    assert np.isnan(usual.scores(0, np.array([100.0, 1.0]))).tolist() == [False, True]


def test_a_series_that_never_moves_scores_only_what_moves() -> None:
    usual = learned(np.full((1, DAYS * SLOTS_A_DAY), 20, np.float32))
    assert usual.scores(0, np.array([20.0])).tolist() == [0.0]
    assert usual.scores(0, np.array([40.0]))[0] > 6


def test_the_band_is_the_centre_with_so_many_spreads() -> None:
    usual = learned(week())
    low, high = usual.band(0, 3)
    np.testing.assert_allclose((low + high) / 2, usual.centre[:, 0], rtol=1e-4)
    np.testing.assert_allclose((high - low) / 6, usual.spread[:, 0], rtol=1e-3)


@pytest.mark.slow
async def test_the_band_of_an_interface_over_http(small: Small, now_ns: int) -> None:
    today = now_ns // (24 * HOUR) * 24 * HOUR
    time_ns = today - np.arange(1, 5 * SLOTS_A_DAY + 1, dtype=np.int64) * 300 * 10**9
    octets = np.full(len(time_ns), 30_000, np.uint64)
    columns = {"entity": np.full(len(time_ns), METERED, np.uint64), "time_ns": time_ns, "in_octets": octets, "out_octets": octets}
    await small.store.insert_interface_tier("5m", columns, 1)
    app = FastAPI()
    app.include_router(router(small.pipeline, small.store, Totals(small.pipeline, small.store, small.clock)))
    answer = (await ask_as_station(app, "GET", "/api/v1/baseline?entity=if-1&metric=interface.in_octets&width=2")).json()
    assert (len(answer["time"]), answer["time"][0], answer["unit"]) == (SLOTS_A_DAY, today // 1_000_000, "octets/s")
    assert (answer["centre"][7], answer["low"][7], answer["high"][7]) == pytest.approx((100, 90, 110))
