"""What is no sample, no rule or no formula: refused or marked with its reason, counted, shown, and the rest unharmed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI

from perf import kpis, rules_api, thresholds, trends
from perf.incoming import places
from perf.metrics import NOT_STORED, VERDICTS
from perf.query import RangeQuery
from station.batch import Quality, SampleBatch
from station.catalogue import code_of
from station.data import data_dir
from station.settings import SettingsError
from tests.perf.conftest import METERED, PLAIN, SENSOR, S, Small
from tests.perf.test_perf_pipeline import feed, poll, writing
from tests.perf.test_threshold_preview import ask_as_station

YEAR_S = 366 * 86_400


def gauge(value: float, time_ns: int, code: int = code_of("sensor.temperature")) -> SampleBatch:
    series = np.array([SENSOR << 8 | code], np.uint64)
    return SampleBatch.of(np.array([time_ns], np.int64), series, value=np.array([value], np.float64))


BAD: dict[str, tuple[str, Callable[[int], SampleBatch]]] = {
    "a number that is none": ("not_a_number", lambda now: gauge(float("nan"), now)),
    "a number without end": ("not_a_number", lambda now: gauge(float("inf"), now)),
    "its negative": ("not_a_number", lambda now: gauge(float("-inf"), now)),
    "a clock a year ahead": ("future", lambda now: gauge(20.0, now + YEAR_S * S)),
    "a clock a year behind": ("too_old", lambda now: gauge(20.0, now - YEAR_S * S)),
    "a time before all time": ("no_time", lambda now: gauge(20.0, -5)),
    "a metric that nobody declared": ("unknown_metric", lambda now: gauge(20.0, now, 255)),
}


def count(reason: str) -> float:
    return float(NOT_STORED.labels(reason)._value.get())


@pytest.mark.slow
async def test_each_is_refused_by_its_reason_and_harms_no_other(small: Small, now_ns: int) -> None:
    async with writing(small):
        small.clock.advance(10 * S)
        for says, (reason, bad) in BAD.items():
            before = count(reason)
            small.pipeline.process(bad(now_ns))
            assert count(reason) == before + 1, says
        await feed(small, [SampleBatch.concat([gauge(float("nan"), now_ns + S), gauge(21.5, now_ns + 2 * S)])])
        await small.pipeline.writer.drain()
        curve = await small.store.range(RangeQuery(SENSOR, "sensor.temperature", now_ns - 3600 * S, now_ns + 3600 * S))
    assert curve.mean.tolist() == [21.5]


@pytest.mark.slow
async def test_a_jump_of_2_to_the_64_is_marked_counted_and_makes_no_traffic(small: Small, now_ns: int) -> None:
    async with writing(small):
        small.clock.advance(3600 * S)
        before = VERDICTS.labels("suspect")._value.get()
        for n, octets in enumerate((5, 2**64 - 5)):
            await feed(small, [poll(METERED, now_ns + 60 * n * S, (octets, 100 * n)), poll(PLAIN, now_ns + 60 * n * S, (6000 * n, 0))])
        await small.pipeline.writer.drain()
        samples = await small.store.interface_samples(METERED, now_ns - S, now_ns + 3600 * S)
        other = await small.store.interface_samples(PLAIN, now_ns - S, now_ns + 3600 * S)
    assert VERDICTS.labels("suspect")._value.get() > before
    assert (samples.in_delta.tolist(), int(samples.quality[1])) == ([0, 0], int(Quality.SUSPECT))
    assert (other.in_delta.tolist(), int(other.quality[1])) == ([0, 6000], int(Quality.GOOD))


READ: dict[str, Callable[[Path], object]] = {
    "thresholds/sensor_temperature": thresholds.read,
    "trends/temperature": trends.read,
    "kpis/sensor_optical_margin": kpis.read,
    "metrics_in/snmp_exporter": places.read,
}


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("thresholds/sensor_temperature", '"sensor.temperature"', '"sensor.temprature"', r":3: metric: .*nearest: sensor.temperature"),
        ("thresholds/sensor_temperature", "for_s = 60", 'for_s = "long"', r"sensor_temperature.toml:\d+: raise_when"),
        ("trends/temperature", '"sensor.temperature"', '"sensor.temprature"', r"temperature.toml:3: metric: .*nearest"),
        ("kpis/sensor_optical_margin", '"sensor.optical_margin"', '"sensor.optical_magrin"', r"margin.toml:3: metric: .*nearest"),
        ("metrics_in/snmp_exporter", 'ours = "interface.in_octets"', 'ours = "in_octets"', r"snmp_exporter.toml:\d+: metrics"),
    ],
)
def test_a_file_that_is_wrong_names_its_line_and_key(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    text = (data_dir("config") / f"{file}.toml").read_text()
    assert old in text
    path = tmp_path / f"{Path(file).name}.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(SettingsError, match=says):
        READ[file](path)


async def test_a_rule_over_what_nobody_has_is_seen_to_watch_nothing(small: Small, now_ns: int) -> None:
    small.clock.advance(10 * S)
    small.pipeline.process(gauge(20.0, now_ns))
    app = FastAPI()
    app.include_router(rules_api.router(small.pipeline, small.store))
    rules = {rule["name"]: rule["series"] for rule in (await ask_as_station(app, "GET", "/api/v1/thresholds")).json()["items"]}
    assert (rules["sensor_temperature"], rules["device_cpu"]) == (1, 0)
