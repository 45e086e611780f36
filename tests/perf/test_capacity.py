"""The date on which a line is full: found through noise and odd days, with an interval, and never made up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.capacity import trend
from perf.query import QueryError
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small

DAY = 24 * HOUR


def growing(days: int, first: float, per_day: float, noise: float = 0.0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    rng = np.random.default_rng(5)
    return (first + per_day * np.arange(days) + rng.normal(0, noise, days))[None, :]


def test_a_straight_line_gives_its_date() -> None:
    found = trend(growing(60, 0.2, 0.005))
    expected, earliest, latest = found.reaches(0.8)
    assert found.now[0] == pytest.approx(0.495)
    assert [float(x[0]) for x in (expected, earliest, latest)] == pytest.approx([61, 61, 61])


def test_a_third_of_odd_days_does_not_move_the_date() -> None:
    busy = growing(60, 0.2, 0.005, noise=0.01)
    busy[0, ::3] = 0.01
    found = trend(busy)
    assert found.slope[0] == pytest.approx(0.005, rel=0.15)


def test_noise_widens_the_interval_around_the_date() -> None:
    expected, earliest, latest = trend(growing(60, 0.2, 0.005, noise=0.05)).reaches(0.8)
    assert earliest[0] < expected[0] < latest[0]
    assert expected[0] == pytest.approx(61, rel=0.3)


def test_what_is_full_already_is_full_today_and_what_shrinks_never_is() -> None:
    expected, _, _ = trend(np.vstack([growing(30, 0.9, 0.001), growing(30, 0.5, -0.01)])).reaches(0.8)
    assert expected.tolist() == [0.0, np.inf]


def test_too_few_days_are_no_trend() -> None:
    busy = growing(30, 0.2, 0.01)
    busy[0, 6:] = np.nan
    found = trend(busy)
    assert found.days.tolist() == [6]
    assert np.isnan(found.reaches(0.8)).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 1), st.floats(-0.01, 0.01), st.integers(7, 40))
def test_the_interval_holds_the_slope(first: float, per_day: float, days: int) -> None:
    found = trend(growing(days, first, per_day, noise=0.002))
    assert found.slope_low[0] <= found.slope[0] <= found.slope_high[0]


@pytest.mark.slow
async def test_busy_hours_come_from_the_hours_of_whole_days(small: Small, now_ns: int) -> None:
    today = now_ns // DAY * DAY
    for day in range(8):
        start = today - (8 - day) * DAY
        hours = {"entity": np.array([METERED, METERED, PLAIN], np.uint64), "time_ns": start + np.array([8, 20, 20]) * HOUR}
        octets = np.array([10, 100 + day, 7], np.uint64) * 300
        await small.store.insert_interface_tier("5m", {**hours, "in_octets": octets, "out_octets": octets}, 1)
    await small.pipeline.tiers.roll(today - 8 * DAY, today)
    busy = await small.store.daily("interface.in_octets", "busy_hour", now_ns + S, 9)
    assert busy.entity.tolist() == [METERED, PLAIN]
    np.testing.assert_allclose(busy.value, [[np.nan, *range(100, 108)], [np.nan, *[7] * 8]])
    with pytest.raises(QueryError, match="busy_hour"):
        await small.store.daily("interface.oper_status", "busy_hour", now_ns, 9)
