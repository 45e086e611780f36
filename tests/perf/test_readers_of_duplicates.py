"""Rows that are stored twice, and older versions of rows, change no answer: whoever reads sees each row once, the newest."""

from collections.abc import Awaitable, Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest

from perf.correct import corrected
from perf.device_view import DeviceView
from perf.export import parquet
from perf.open_slots import SLOT_NS
from perf.query import HistoryQuery, RangeQuery, TopQuery
from perf.totals import Sight, Totals
from perf.warm import recent_octets
from station.batch import SampleBatch
from station.catalogue import code_of
from station.telemetry import schema
from tests.perf.conftest import HOUR, METERED, PLAIN, SENSOR, S, Small
from tests.perf.test_perf_pipeline import feed, polls, writing

pytestmark = pytest.mark.slow

DAY = 24 * HOUR
BOTH = np.array([METERED, PLAIN], np.uint64)
TEMPERATURE = code_of("sensor.temperature")
SERIES = np.array([SENSOR << 8 | TEMPERATURE], np.uint64)
KEY_OF = {"sample_raw": "series, time", "sample_5m": "series, time"}
TABLES = ("interface_raw", "sample_raw", "sample_5m", *(f"interface_{tier}" for tier in schema.TIER_S))
Reader = Callable[[Small, int], Awaitable[Any]]


async def view(small: Small, now: int) -> Any:
    devices = small.pipeline.names.topology().devices
    return [await DeviceView(small.pipeline, small.store).of(device, lambda _key: True, now + HOUR, 4) for device in devices.values()]


async def totals(small: Small, now: int) -> Any:
    asked, sight = Totals(small.pipeline, small.store, small.clock), Sight(("all",), BOTH)
    return await asked.curve(sight, 4), await small.store.total_octets(now - DAY, now + HOUR, BOTH)


async def exported(small: Small, now: int) -> Any:
    files = [await parquet(small.client, small.pipeline.names, tier, now - DAY, now + DAY) for tier in schema.TIER_S]
    return [pl.read_parquet(file).rows() for file in files]


async def rolled_again(small: Small, now: int) -> Any:
    await small.pipeline.tiers.roll(now, now + HOUR)
    return await exported(small, now), await small.store.value_sparks(SERIES, now, SLOT_NS, 12)


def curve(entity: int, metric: str, hours: int, points: int) -> Reader:
    return lambda small, now: small.store.range(RangeQuery(entity, metric, now - hours * HOUR, now + HOUR, points))


def top(statistic: Any, hours: int, groups: tuple[int, ...] | None = None) -> Reader:
    some = (METERED, PLAIN) if groups else None
    return lambda small, now: small.store.top(
        TopQuery("interface.in_octets", statistic, now + HOUR - hours * HOUR, now + HOUR, entities=some, groups=groups)
    )


def history(metric: str, hours: int) -> Reader:
    return lambda small, now: small.store.history(HistoryQuery(metric, now - hours * HOUR, now + HOUR))


READERS: dict[str, Reader] = {
    "samples for the bill": lambda small, now: small.store.interface_samples(METERED, now, now + HOUR),
    "a chart of samples": curve(METERED, "interface.in_octets", 0, 500),
    "a chart of five minutes": curve(METERED, "interface.in_utilisation", 49, 500),
    "a chart of hours": curve(METERED, "interface.out_octets", 24 * 20, 300),
    "a chart of days": curve(METERED, "interface.out_octets", 24 * 60, 30),
    "a chart of a sensor": curve(SENSOR, "sensor.temperature", 0, 500),
    "a chart of a sensor's means": curve(SENSOR, "sensor.temperature", 49, 500),
    "a top list of samples": top("mean", 1),
    "a top list of five minutes": top("p95", 3),
    "a top list of groups": top("max", 3, (7, 7)),
    "history of samples": history("interface.in_octets", 1),
    "history of five minutes": history("interface.in_octets", 72),
    "history of a sensor": history("sensor.temperature", 1),
    "history of a sensor's means": history("sensor.temperature", 72),
    "busy hours": lambda small, now: small.store.daily("interface.in_octets", "busy_hour", now + 2 * DAY, 3),
    "totals": totals,
    "the last value": lambda small, now: small.store.last("interface.in_octets", BOTH, now),
    "the last value of a sensor": lambda small, now: small.store.last("sensor.temperature", np.array([SENSOR], np.uint64), now),
    "a device at a glance": view,
    "exported tiers": exported,
    "the last counters": lambda small, now: recent_octets(small.client, now + HOUR // 2),
    "late rows": lambda small, now: corrected(small.client, [(METERED, now + SLOT_NS), (PLAIN, now)], small.pipeline.names, 1),
    "tiers that are made again": rolled_again,
}


def plain(answer: Any) -> Any:
    """An answer as text that compares whole, NaN included."""
    if is_dataclass(answer):
        return {field.name: plain(getattr(answer, field.name)) for field in fields(answer)}
    if isinstance(answer, dict):
        return {str(key): plain(value) for key, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [plain(value) for value in answer]
    return repr(answer.tolist() if isinstance(answer, np.ndarray) else answer)


async def lived(small: Small, now_ns: int) -> None:
    """Half an hour of two interfaces and a sensor, stored and rolled up; no part is merged from here on."""
    for table in TABLES:
        await small.client.command(f"SYSTEM STOP MERGES {table}")
    warmth = [
        SampleBatch.of(np.array([now_ns + n * 60 * S]), SERIES, value=np.array([20.0 + n]))
        for n in range(30)
    ]  # fmt: skip
    interfaces = [*polls(METERED, now_ns, 60), *polls(PLAIN, now_ns, 60, octets_per_s=70)]
    await feed(small, sorted(interfaces + warmth, key=lambda batch: int(batch.time_ns[0])))
    small.clock.advance(now_ns + HOUR - small.clock.now_ns())
    await small.pipeline.tiers.roll(now_ns, now_ns + HOUR)


OTHERWISE = {
    "interface_raw": "in_delta * 3 AS in_delta, out_delta + 7 AS out_delta, quality + 1 AS quality",
    "sample_raw": "value + 100 AS value",
    "sample_5m": "mean + 100 AS mean",
} | {f"interface_{tier}": "in_octets * 3 AS in_octets, in_octets_rate_mean * 3 AS in_octets_rate_mean" for tier in schema.TIER_S}
PLANTS = {
    "stored twice": dict.fromkeys(TABLES, "version AS version"),
    "older versions": {table: f"version - 1 AS version, {values}" for table, values in OTHERWISE.items()},
    "metered since": {"interface_raw": f"version - 1 AS version, 1 - retention AS retention, {OTHERWISE['interface_raw']}"},
}


@pytest.mark.parametrize("plants", PLANTS.values(), ids=PLANTS)
async def test_every_reader_sees_each_row_once(small: Small, now_ns: int, plants: dict[str, str]) -> None:
    async with writing(small):
        await lived(small, now_ns)
        before = {name: plain(await read(small, now_ns)) for name, read in READERS.items()}
        for table, change in plants.items():
            await small.client.command(f"INSERT INTO {table} SELECT * REPLACE({change}) FROM {table} FINAL")
            found = await small.client.query(f"SELECT count() - uniqExact({KEY_OF.get(table, 'entity, time')}) AS n FROM {table}")
            assert found["n"][0] > 0, table
        after = {name: plain(await read(small, now_ns)) for name, read in READERS.items()}
    assert after == before
    assert [name for name, answer in before.items() if answer == plain(None)] == ["late rows"]
