"""What is far from the usual becomes an event with its reason, once it was looked at twice; holidays are no usual days."""

from datetime import date

import numpy as np
import pytest

from perf import thresholds
from perf.baseline import SLOTS_A_DAY
from perf.preview import replayed
from perf.query import History
from perf.settings import PerfSettings
from perf.thresholds import Comparison, Thresholds
from perf.usual import DAY_NS, DAYS, SLOT_NS, Unusual, day_numbers, usual_of
from station.data import data_dir
from tests.perf.conftest import METERED, PLAIN, Small

BEGIN = 20_000 * DAY_NS
F64 = np.ndarray[tuple[int], np.dtype[np.float64]]


def daily(days: int, seed: int = 1) -> F64:
    at = np.arange(days * SLOTS_A_DAY)
    noise = np.random.default_rng(seed).normal(1, 0.03, len(at))
    made: F64 = 1e6 * (1 + 0.5 * np.sin(at * 2 * np.pi / SLOTS_A_DAY)) * noise
    return made


def history_of(values: F64, key: int = METERED, begin_ns: int = BEGIN) -> History:
    n = len(values)
    times = begin_ns + np.arange(n, dtype=np.int64) * SLOT_NS
    return History("5m", np.full(n, key, np.uint64), times, values, np.full(n, np.nan))


def test_the_same_load_is_usual_at_noon_and_unusual_at_night() -> None:
    usual = usual_of(history_of(daily(DAYS)), BEGIN + DAYS * DAY_NS, DAYS, frozenset())
    keys, load = np.array([METERED, PLAIN], np.uint64), np.array([1.5e6, 1.5e6])
    day, night = usual.spreads(72, keys, load), usual.spreads(216, keys, load)
    assert day[0] < 3 and night[0] > 12
    assert np.isnan([day[1], night[1]]).all()  # never heard: nothing is usual


def test_a_holiday_is_not_learned_from_and_a_week_is_needed() -> None:
    values = daily(DAYS)
    values[: 6 * SLOTS_A_DAY] *= 10  # a week of holidays, nearly
    holidays = frozenset(range(20_000, 20_006))
    end_ns = BEGIN + DAYS * DAY_NS
    assert usual_of(history_of(values), end_ns, DAYS, holidays).spreads(72, np.array([METERED], np.uint64), np.array([1.5e6]))[0] < 3
    assert len(usual_of(history_of(values), end_ns, DAYS, frozenset(range(20_000, 20_008))).key) == 0
    assert day_numbers((date(2026, 12, 25),)) == {20_812}


def test_the_preview_says_how_often_it_would_have_been_unusual() -> None:
    values = daily(DAYS + 3)
    night = (DAYS + 1) * SLOTS_A_DAY + 216
    values[night : night + 12] *= 3
    wanted = Comparison.model_validate(
        {
            "metric": "interface.in_octets",
            "of": "spreads",
            "raise_when": {"above": 12, "for_s": 1200},
            "clear_when": {"below": 6, "for_s": 1200},
        }
    )
    found = replayed(wanted, history_of(values), BEGIN + (DAYS + 3) * DAY_NS, BEGIN + DAYS * DAY_NS)
    assert (found.count, found.entities) == (1, 1)
    assert abs(found.fired[0].raised_ns - (BEGIN + (night + 4) * SLOT_NS)) <= SLOT_NS


@pytest.mark.slow
async def test_half_an_hour_far_from_two_weeks_is_told_and_a_holiday_is_not(small: Small, now_ns: int) -> None:
    rule = thresholds.read(data_dir("config") / "thresholds" / "interface_receive_unusual.toml")
    slot = now_ns
    begin = slot - DAYS * DAY_NS
    for key in (METERED, PLAIN):
        octets = (300 * daily(DAYS + 1, key)[: DAYS * SLOTS_A_DAY + 8]).astype(np.uint64)
        if key == METERED:
            octets[-8:] *= 5
        times = begin + np.arange(len(octets), dtype=np.int64) * SLOT_NS
        columns = {"entity": np.full(len(octets), key, np.uint64), "time_ns": times, "in_octets": octets, "out_octets": octets}
        await small.store.insert_interface_tier("5m", columns, 1)
    names = small.pipeline.names
    rules = [Thresholds(names.resource_of, small.pipeline.last.latest, [rule])]
    watch = Unusual(small.store, names, rules[0], small.clock, small.events, PerfSettings())
    small.clock.advance(2 * SLOT_NS)
    told = []
    for _ in range(8):
        told += await watch.look()
        assert await watch.look() == []  # once a slot
        small.clock.advance(SLOT_NS)
    (event,) = told
    assert (event.resource, event.alarm_type, event.source) == ("if-1", "quality.unusual", "threshold:interface_receive_unusual")
    assert "spreads from what is usual" in event.text
    day = date.fromordinal(date(1970, 1, 1).toordinal() + slot // DAY_NS)
    resting = Unusual(small.store, names, rules[0], small.clock, small.events, PerfSettings(holidays=(day,)))
    assert await resting.look() == []
