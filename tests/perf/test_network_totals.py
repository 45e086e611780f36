"""The whole network's traffic: gaps stay gaps, a region is a part of it, and many askers cost one question."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from perf.device_view import POINTS, DeviceView
from perf.totals import WEEK_NS, Totals
from station.scope import STATION, Role, Scope
from station.telemetry.supervisor import OwnerProcess
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small, assembled, now_ns, owner, small
from tests.perf.test_perf_pipeline import feed, polls, writing

pytestmark = pytest.mark.slow
__all__ = ["now_ns", "owner", "small"]  # fixtures
SLOT = 300 * S


async def stored(small: Small, start_ns: int, slots: int, missing: range) -> None:
    """Five-minute rows of both interfaces: 3000 octets in and 1500 out a slot each; one interface is not heard in `missing`."""
    rows = [(key, start_ns + n * SLOT) for key in (METERED, PLAIN) for n in range(slots) if key == METERED or n not in missing]
    entity, time_ns = (np.array(column) for column in zip(*rows, strict=True))
    octets = {"in_octets": np.full(len(rows), 3000), "out_octets": np.full(len(rows), 1500)}
    await small.store.insert_interface_tier("5m", {"entity": entity, "time_ns": time_ns, **octets}, 1)


async def test_a_curve_has_gaps_where_nothing_was_stored_and_last_week_behind_it(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as small:
        await stored(small, now_ns - WEEK_NS - 2 * HOUR, 24, missing=range(3))
        await stored(small, now_ns - HOUR, 10, missing=range(0))
        small.clock.advance(40 * S)
        totals = Totals(small.pipeline, small.store, small.clock)
        curve = await totals.curve(totals.sight(STATION), 2)
    assert curve["step_s"] == 300 and curve["time"][0] == (now_ns - 2 * HOUR) // 1_000_000
    assert curve["in_bps"] == [None] * 12 + [160.0] * 10 + [None] * 2
    assert curve["out_bps"][12] == 80.0
    assert curve["week_ago_in_bps"] == [None] * 3 + [160.0] * 21  # half of the interfaces is no sum of all


async def test_what_many_ask_is_asked_once_and_again_after_half_a_minute(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as small:
        totals = Totals(small.pipeline, small.store, small.clock)
        sight = totals.sight(STATION)
        before = await asyncio.gather(*(totals.week_ago(sight) for _ in range(5)))
        await stored(small, now_ns - WEEK_NS - HOUR, 12, missing=range(0))
        kept = await totals.week_ago(sight)
        small.clock.advance(31 * S)
        after = await totals.week_ago(sight)
    assert (set(before), kept, after) == ({(0.0, 0.0)}, (0.0, 0.0), (160.0, 80.0))


async def test_a_past_of_half_the_interfaces_is_no_comparison(small: Small, now_ns: int) -> None:
    await stored(small, now_ns - WEEK_NS - HOUR, 12, missing=range(12))
    totals = Totals(small.pipeline, small.store, small.clock)
    sight = totals.sight(STATION)
    async with writing(small):
        await feed(small, polls(METERED, now_ns - 60 * S, 3))
        assert await totals.week_ago(sight) == (80.0, 40.0)
        await feed(small, polls(PLAIN, now_ns - 60 * S, 3))
        assert await totals.week_ago(sight) == (0.0, 0.0)


async def test_who_sees_a_region_gets_its_sum(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as small:
        totals = Totals(small.pipeline, small.store, small.clock)
        eastern = Scope(STATION.tenant, Role.VIEWER, "x", regions=("east",))
        seen = [totals.sight(STATION), totals.sight(STATION, "north"), totals.sight(eastern), totals.sight(eastern, "north")]
        assert [len(sight.keys) for sight in seen] == [2, 2, 0, 0]
        assert set((await totals.curve(totals.sight(eastern), 1))["in_bps"]) == {None}
        assert await totals.week_ago(totals.sight(eastern)) == (0.0, 0.0)


async def test_a_device_at_a_glance_has_a_curve_of_each_port_that_is_seen(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as small:
        await stored(small, now_ns - HOUR, 12, missing=range(0))
        topology = small.pipeline.names.topology()
        view = DeviceView(small.pipeline, small.store)
        found = await view.of(topology.devices[1], lambda key: key == METERED, now_ns, 4)
        sensors = (await view.of(topology.devices[2], lambda _: True, now_ns, 4))["sensors"]
    assert (found["step_s"], len(found["time"]), found["time"][-1]) == (300, POINTS, (now_ns - SLOT) // 1_000_000)
    assert found["interfaces"] == [{"id": "if-1", "in_bps": [None] * 36 + [80.0] * 12, "out_bps": [None] * 36 + [40.0] * 12}]
    assert [(each["id"], each["value"], each["at"], set(each["values"])) for each in sensors] == [("sensor-5", None, None, {None})]


async def test_hours_without_any_measurement_are_known(small: Small, now_ns: int) -> None:
    first = now_ns // HOUR * HOUR - 4 * HOUR
    await stored(small, first, 36, missing=range(12, 24))
    await small.pipeline.tiers.roll(first, first + 3 * HOUR)
    found = await small.store.hours_missing(np.array([METERED, PLAIN, 77], np.uint64), first + 1, first + 3 * HOUR)
    assert {key: ((hours - first) // HOUR).tolist() for key, hours in found.items()} == {PLAIN: [1], 77: [0, 1, 2]}
    before = await small.store.hours_missing(np.array([PLAIN], np.uint64), first - 2 * HOUR, first)
    assert [len(hours) for hours in before.values()] == [2]
    assert await small.store.hours_missing(np.array([PLAIN], np.uint64), first, first) == {}
