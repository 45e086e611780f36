"""What wears out or fills up is told before it is a fault: every trend file by its examples, and through the store as events."""

from pathlib import Path

import numpy as np
import pytest

from perf import trends
from perf.capacity import DAYS_MIN
from perf.foresight import Foresight
from perf.query import Daily
from perf.trends import Wearing, would_have
from station.data import data_dir
from tests.perf.conftest import METERED, PLAIN, Small

FILES = sorted((data_dir("config") / "trends").glob("*.toml"))
DAY = 86_400 * 10**9


def lived(path: Path, daily: list[float]) -> list[tuple[int, str]]:
    """The rule at the end of each day, as the station has it look."""
    rule, told = trends.read(path), []
    for day in range(DAYS_MIN, len(daily) + 1):
        values = np.array([daily[max(0, day - rule.file.days) : day]])
        events = rule.events(np.array([1], np.uint64), values, day * DAY, lambda key: f"r{key}")
        told += [(day, "cleared" if event.severity == "cleared" else "raised") for event in events]
    return told


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_trend_does_what_its_examples_say(path: Path) -> None:
    examples = trends.read(path).file.examples
    for example in examples:
        assert lived(path, example.daily) == [tuple(it) for it in example.expect], example.says
    assert any(example.expect for example in examples) and not all(example.expect for example in examples)


def test_the_reason_names_the_date_and_how_sure_it_is() -> None:
    rule = trends.read(data_dir("config") / "trends" / "interface_receive_capacity.toml")
    busy = 0.5 + 0.005 * np.arange(30) + np.random.default_rng(1).normal(0, 0.003, 30)
    (event,) = rule.events(np.array([5], np.uint64), busy[None, :], 1_767_225_600 * 10**9, lambda key: "if-5")
    assert "a month, reaches 0.8 on 2026-02-0" in event.text and "(80 %: 2026-0" in event.text and "30 days known" in event.text
    assert (event.resource, event.severity, event.source) == ("if-5", "warning", "trend:interface_receive_capacity")


def test_a_silent_series_keeps_its_alarm_and_noise_alone_raises_none() -> None:
    rule = trends.read(data_dir("config") / "trends" / "optical_receive_power.toml")
    key = np.array([1], np.uint64)
    assert rule.events(key, np.array([[-12 - 0.3 * n for n in range(10)]]), DAY, str)
    assert rule.events(key, np.full((1, 10), np.nan), 2 * DAY, str) == []
    assert rule.raised == {1}
    noise = -16 + np.random.default_rng(2).normal(0, 1, (200, 60))
    assert len(rule.events(np.arange(2, 202, dtype=np.uint64), noise, DAY, str)) <= 4


def test_history_says_how_often_a_rule_would_have_fired() -> None:
    wanted = Wearing(metric="sensor.temperature", level=65, raise_within_days=30, clear_beyond_days=60)
    rising = [*(50 + 0.5 * n for n in range(12)), *[50.0] * 40]
    daily = Daily(np.array([7, 8], np.uint64), np.array([rising, [40.0] * 52]))
    ((entity, raised, cleared),) = would_have(wanted, daily)
    assert (entity, raised) == (7, DAYS_MIN) and cleared is not None and 12 < cleared < 40


def test_a_rule_that_contradicts_itself_is_refused() -> None:
    for wrong in (
        {},
        {"level": 1, "level_share": 2},
        {"level": 1, "raise_within_days": 9, "clear_beyond_days": 3},
        {"level": -1, "scale": "log10"},
    ):
        with pytest.raises(ValueError, match=r"level|clear_beyond"):
            Wearing.model_validate({"metric": "sensor.temperature", **wrong})


@pytest.mark.slow
async def test_stored_days_become_an_event_and_a_restart_does_not_repeat_it(small: Small, now_ns: int) -> None:
    end = now_ns // DAY * DAY
    for day in range(20):
        time_ns = end - (20 - day) * DAY + np.arange(288, dtype=np.int64) * 300 * 10**9
        for key, load in ((METERED, 0.4 + 0.01 * day), (PLAIN, 0.4)):
            octets = np.full(288, load * float(small.pipeline.names.speeds(np.array([key], np.uint64))[0]) / 8 * 300).astype(np.uint64)
            columns = {
                "entity": np.full(288, key, np.uint64),
                "time_ns": time_ns,
                "in_octets": octets,
                "out_octets": np.zeros(288, np.uint64),
            }
            await small.store.insert_interface_tier("5m", columns, 1)
    await small.pipeline.tiers.roll_above(end - 20 * DAY, end)
    one, other = (Foresight(small.store, small.pipeline.names, small.clock, small.events, 3600.0) for _ in range(2))
    (event,) = await one.look()
    assert (event.resource, event.alarm_type, event.qualifier) == ("if-1", "performance.capacity_ends", "receive")
    assert await one.look() == []
    other.restore([(METERED, event.alarm_type, event.qualifier)])
    assert await other.look() == []
