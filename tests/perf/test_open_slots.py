"""Slots that grew in memory say what the store says when it rolls up the rows."""

import numpy as np
import pytest

from station.batch import SampleBatch
from station.catalogue import code_of
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small
from tests.perf.test_perf_pipeline import feed, poll, polls, writing

pytestmark = pytest.mark.slow


async def rows(small: Small) -> list[tuple[float, ...]]:
    found = await small.client.query("SELECT * EXCEPT version FROM interface_5m FINAL ORDER BY entity, time")
    columns = [np.nan_to_num(column.astype(np.float64), nan=-1).tolist() for column in found.values()]
    return list(zip(*columns, strict=True))


def wandering(key: int, start_ns: int, seed: int) -> list[SampleBatch]:
    """Polls with everything a slot can meet: a gap, a restart, errors, a port that goes down."""
    rng = np.random.default_rng(seed)
    octets = np.cumsum(rng.integers(0, 10**8, (45, 2)), axis=0)
    made = []
    for n in (*range(14), *range(24, 45)):
        uptime_s, base = (n * 30, octets[n]) if n < 30 else ((n - 30) * 30, octets[n] - octets[29])
        polled = poll(key, start_ns + n * 30 * S, (int(base[0]), int(base[1])), oper=1 + int(n % 7 == 3), uptime_cs=uptime_s * 100)
        errors = np.array([key << 8 | code_of("interface.in_errors")], np.uint64)
        more = SampleBatch.of(polled.time_ns[:1], errors, raw=np.array([n // 3], np.uint64), uptime_cs=polled.uptime_cs[:1])
        made.append(SampleBatch.concat([polled, more]))
    return made


async def test_a_slot_from_memory_is_the_slot_from_the_store(small: Small, now_ns: int) -> None:
    async with writing(small):
        await small.pipeline.tiers.tick()
        both = zip(wandering(METERED, now_ns, 1), wandering(PLAIN, now_ns, 2), strict=True)
        await feed(small, [SampleBatch.concat(list(pair)) for pair in both])
        small.clock.advance(600 * S)
        await small.pipeline.tiers.tick()
        memory = await rows(small)
        await small.pipeline.tiers.roll(now_ns, now_ns + HOUR)
    assert len(memory) == 2 * 5
    np.testing.assert_allclose(memory, await rows(small), rtol=1e-6)


async def test_late_rows_in_a_slot_that_is_still_open_are_counted(small: Small, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 21)
    async with writing(small):
        await small.pipeline.tiers.tick()
        await feed(small, batches[:3] + batches[5:9] + batches[3:5])
        await small.pipeline.tiers.tick()
        await feed(small, batches[9:])
        small.clock.advance(300 * S)
        await small.pipeline.tiers.tick()
    found = await small.client.query("SELECT in_octets, good FROM interface_5m FINAL ORDER BY time LIMIT 2")
    assert (found["in_octets"].tolist(), found["good"].tolist()) == ([270_000, 300_000], [9, 10])


async def test_a_row_that_comes_when_its_slot_is_over_joins_it(small: Small, now_ns: int) -> None:
    async with writing(small):
        await small.pipeline.tiers.tick()
        await feed(small, polls(METERED, now_ns, 10))
        small.clock.advance(300 * S)
        await small.pipeline.tiers.tick()
        await feed(small, polls(PLAIN, now_ns, 10))
        await small.pipeline.tiers.tick()
    found = await small.client.query("SELECT in_octets FROM interface_5m FINAL ORDER BY entity")
    assert found["in_octets"].tolist() == [270_000, 270_000]


async def test_history_that_reaches_into_an_open_slot_is_kept(small: Small, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 10)
    async with writing(small):
        await small.pipeline.tiers.tick()
        await small.pipeline.backfill(SampleBatch.concat(batches[:5]))
        await small.pipeline.finish_backfill()
        await feed(small, batches[5:])
        small.clock.advance(300 * S)
        await small.pipeline.tiers.tick()
    found = await small.client.query("SELECT count, in_octets FROM interface_5m FINAL")
    assert (found["count"].tolist(), found["in_octets"].tolist()) == ([10], [8 * 30_000])
