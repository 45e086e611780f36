"""Samples go in; rates, KPIs, alarms, rows and tiers come out, exact and in whatever order they arrive."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perf.query import QueryError, RangeQuery, TopQuery
from station.batch import Quality, SampleBatch
from station.catalogue import code_of
from station.telemetry.supervisor import OwnerProcess
from tests.perf.conftest import HOUR, METERED, PLAIN, SENSOR, S, Small, assembled

pytestmark = pytest.mark.slow

IN, OUT = code_of("interface.in_octets"), code_of("interface.out_octets")
OPER, ADMIN = code_of("interface.oper_status"), code_of("interface.admin_status")
Q = Quality


def poll(key: int, time_ns: int, octets: tuple[int, int], *, oper: int = 1, uptime_cs: int = -1) -> SampleBatch:
    """One poll of one interface as a collector sends it."""
    series = np.array([key << 8 | code for code in (IN, OUT, OPER, ADMIN)], np.uint64)
    raw = np.array([*octets, 0, 0], np.uint64)
    value = np.array([np.nan, np.nan, oper, 1], np.float64)
    return SampleBatch.of(np.full(4, time_ns), series, value=value, raw=raw, uptime_cs=np.full(4, uptime_cs))


def polls(key: int, start_ns: int, count: int, every_s: int = 30, octets_per_s: int = 1000) -> list[SampleBatch]:
    step = every_s * octets_per_s
    return [poll(key, start_ns + n * every_s * S, (n * step, 2 * n * step), uptime_cs=n * every_s * 100) for n in range(count)]


@asynccontextmanager
async def writing(small: Small) -> AsyncIterator[None]:
    task = asyncio.create_task(small.pipeline.writer.run())
    yield
    await small.pipeline.writer.drain()
    task.cancel()


async def feed(small: Small, batches: list[SampleBatch]) -> None:
    """Live batches with the clock following their time, then everything into the store."""
    for batch in batches:
        now_ns = int(batch.time_ns.max())
        small.clock.advance(max(0, now_ns - small.clock.now_ns()))
        small.pipeline.process(batch)
    await small.pipeline.flush()
    await small.pipeline.writer.drain()


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.02)


async def test_raw_integers_come_back_to_the_last_digit(small: Small, now_ns: int) -> None:
    top = 2**63 + 12_345_678_901
    async with writing(small):
        await feed(small, [poll(METERED, now_ns + n * 30 * S, (top + n, n), uptime_cs=n * 3000) for n in range(3)])
    found = await small.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_octets.tolist() == [top, top + 1, top + 2]
    assert found.in_delta.tolist() == [0, 1, 1]
    assert found.time_ns.tolist() == [now_ns, now_ns + 30 * S, now_ns + 60 * S]
    assert found.quality.tolist() == [Q.FIRST, Q.GOOD, Q.GOOD]
    assert found.uptime_cs.tolist() == [0, 3000, 6000]
    assert found.received_ns.tolist() == [now_ns + 60 * S] * 3
    assert len(await small.store.interface_samples(PLAIN, now_ns, now_ns + HOUR)) == 0


async def test_metered_interfaces_have_their_own_retention(small: Small, now_ns: int) -> None:
    async with writing(small):
        await feed(small, [poll(METERED, now_ns, (1, 1)), poll(PLAIN, now_ns, (1, 1))])
    found = await small.client.query("SELECT entity, retention FROM interface_raw ORDER BY entity")
    assert (found["entity"].tolist(), found["retention"].tolist()) == ([METERED, PLAIN], [1, 0])


async def test_utilisation_and_last_values_follow_the_rates(small: Small, now_ns: int) -> None:
    async with writing(small):
        await feed(small, polls(METERED, now_ns, 3, octets_per_s=62_500_000))
    key = np.array([METERED, PLAIN], np.uint64)
    assert small.pipeline.last.latest(code_of("interface.in_utilisation"), key).tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert await small.store.last("interface.out_utilisation", key, now_ns) == {METERED: (now_ns + 60 * S, 1.0)}
    top = await small.store.top(TopQuery("interface.in_utilisation", "p95", now_ns, now_ns + HOUR))
    assert (top.entity.tolist(), top.value.tolist()) == ([METERED], [0.5])


async def test_a_down_interface_raises_and_clears_one_alarm(small: Small, now_ns: int) -> None:
    states = [1, 2, 2, 2, 1]
    async with writing(small):
        for n, oper in enumerate(states):
            await feed(small, [poll(METERED, now_ns + n * 30 * S, (n, n), oper=oper)])
    told = [await small.events.get() for _ in range(len(small.events))]
    assert [(e.resource, e.alarm_type, e.severity, (e.time_ns - now_ns) // S) for events in told for e in events] == [
        ("if-1", "communications.link_down", "major", 60),
        ("if-1", "communications.link_down", "cleared", 120),
    ]


async def test_what_is_filled_in_later_is_stored_and_no_alarm(small: Small, now_ns: int) -> None:
    async with writing(small):
        small.clock.advance(2 * HOUR)
        await feed(small, [poll(METERED, now_ns + n * 30 * S, (n, n), oper=oper) for n, oper in enumerate([1, 2, 2, 2])])
    assert len(small.events) == 0
    found = await small.client.query("SELECT count() AS n FROM interface_raw WHERE entity = {key:UInt64}", {"key": METERED})
    assert int(found["n"][0]) == 4


async def test_a_sensor_goes_to_the_narrow_table_and_its_chart(small: Small, now_ns: int) -> None:
    temperature = code_of("sensor.temperature")
    batches = [
        SampleBatch.of(np.array([now_ns + n * 60 * S]), np.array([SENSOR << 8 | temperature], np.uint64), value=np.array([20.0 + n]))
        for n in range(3)
    ]
    async with writing(small):
        await feed(small, batches)
    curve = await small.store.range(RangeQuery(SENSOR, "sensor.temperature", now_ns, now_ns + HOUR))
    assert (curve.mean.tolist(), curve.unit, curve.tier) == ([20.0, 21.0, 22.0], "celsius", "raw")


async def test_impossible_samples_are_refused_and_counted(small: Small, now_ns: int) -> None:
    year = 365 * 24 * HOUR
    bad = [
        poll(METERED, now_ns + year, (1, 1)),
        poll(METERED, 0, (1, 1)),
        poll(METERED, now_ns - 20 * year, (1, 1)),
        SampleBatch.of(np.array([now_ns]), np.array([SENSOR << 8 | 64], np.uint64), value=np.array([np.inf])),
        SampleBatch.of(np.array([now_ns]), np.array([SENSOR << 8 | 255], np.uint64), value=np.array([1.0])),
    ]
    assert [len(small.pipeline.process(batch)) for batch in bad] == [0] * len(bad)
    assert small.pipeline.last.index.count == 0


async def test_missed_polls_are_a_gap_in_the_chart(small: Small, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 30)
    async with writing(small):
        await feed(small, batches[:10] + batches[20:])
    curve = await small.store.range(RangeQuery(METERED, "interface.in_octets", now_ns, now_ns + HOUR))
    there = np.isfinite(curve.mean)
    assert curve.mean[there].tolist() == [1000.0] * 18
    assert curve.quality[~there].tolist() == [Q.FIRST, Q.GAP, Q.GAP]
    assert curve.unit == "octets/s"


async def test_tiers_hold_exact_octets_and_late_data_corrects_them(small: Small, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 41)
    late = batches[12:16]
    async with writing(small):
        await feed(small, batches[:12] + batches[16:])
        await small.pipeline.tiers.roll(now_ns, now_ns + 1200 * S)
        assert await slots(small) == [(9, 270_000, 0), (5, 150_000, 1), (10, 300_000, 0), (10, 300_000, 0)]
        await feed(small, late)
        await small.pipeline.tiers.tick()
        assert await slots(small) == [(9, 270_000, 0), (10, 300_000, 0), (10, 300_000, 0), (10, 300_000, 0)]
    found = await small.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_delta.tolist() == [0] + [30_000] * 40
    assert (await small.client.query("SELECT in_octets AS n FROM interface_1h FINAL"))["n"].tolist() == [1_170_000]
    assert await small.store.total_octets(now_ns, now_ns + 600 * S, np.array([METERED], np.uint64)) == (570_000, 1_140_000, 1)


async def slots(small: Small) -> list[tuple[int, int, int]]:
    found = await small.client.query("SELECT good, in_octets, gap FROM interface_5m FINAL ORDER BY time LIMIT 4")
    return [(int(a), int(b), int(c)) for a, b, c in zip(found["good"], found["in_octets"], found["gap"], strict=True)]


async def test_history_on_a_virtual_clock_leaves_the_present_alone(small: Small, now_ns: int) -> None:
    past = now_ns - 30 * 24 * HOUR
    async with writing(small):
        await small.pipeline.backfill(SampleBatch.concat(polls(METERED, past, 25, every_s=300)), received_ns=past + HOUR)
        tier = {
            "entity": np.array([PLAIN] * 2, np.uint64),
            "time_ns": np.array([past, past + 300 * S]),
            "in_octets": np.array([10, 20], np.uint64),
        }
        await small.pipeline.backfill_tier({**tier, "out_octets": np.array([1, 2], np.uint64)})
        await small.pipeline.finish_backfill()
    found = await small.store.interface_samples(METERED, past, past + 3 * HOUR)
    assert (int(found.in_delta.sum()), set(found.received_ns.tolist())) == (24 * 300_000, {past + HOUR})
    curve = await small.store.range(RangeQuery(METERED, "interface.in_octets", past, past + 24 * 24 * HOUR, points=1000))
    assert (curve.tier, float(np.nanmax(curve.max))) == ("5m", 1000.0)
    assert await small.store.total_octets(past, past + HOUR, np.array([PLAIN], np.uint64)) == (30, 3, 1)
    assert (small.pipeline.last.index.count, len(small.events)) == (0, 0)


async def test_last_week_lies_on_the_same_axis(small: Small, now_ns: int) -> None:
    week = 7 * 24 * HOUR
    async with writing(small):
        await small.pipeline.backfill(SampleBatch.concat(polls(METERED, now_ns - week, 5, octets_per_s=500)))
        await small.pipeline.finish_backfill()
    curve = await small.store.range(RangeQuery(METERED, "interface.in_octets", now_ns, now_ns + HOUR, shift_ns=week))
    assert (curve.time_ns.tolist(), curve.mean.tolist()[1:]) == ([now_ns + n * 30 * S for n in range(5)], [500.0] * 4)


async def test_a_restarted_station_continues_the_counters(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 8)
    async with assembled(owner, tmp_path, now_ns) as before, writing(before):
        await feed(before, batches[:4])
    async with assembled(owner, tmp_path, now_ns + 120 * S) as after, writing(after):
        await after.pipeline.warm_up()
        await feed(after, batches[4:])
        found = await after.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_delta.tolist() == [0] + [30_000] * 7


async def test_a_change_of_the_counter_that_is_read_shows_over_a_restart(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 8)
    narrow, wide = (np.full(4, bits, np.uint8) for bits in (32, 64))
    async with assembled(owner, tmp_path, now_ns) as before, writing(before):
        await feed(before, [replace(batch, width=narrow) for batch in batches[:4]])
    async with assembled(owner, tmp_path, now_ns + 120 * S) as after, writing(after):
        await after.pipeline.warm_up()
        await feed(after, [replace(batch, width=wide) for batch in batches[4:]])
        found = await after.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_delta.tolist() == [0, *[30_000] * 3, 0, *[30_000] * 3]
    assert found.quality.tolist() == [Q.FIRST, *[Q.GOOD] * 3, Q.RESET, *[Q.GOOD] * 3]


async def test_late_rows_that_a_dead_station_left_are_judged_by_the_next(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 8)
    async with assembled(owner, tmp_path, now_ns) as before, writing(before):
        await feed(before, [*batches, batches[5]])  # a poll that is repeated late replaces its row until it is judged again
        found = await before.store.interface_samples(METERED, now_ns, now_ns + HOUR)
        assert found.quality.tolist()[5] == Q.LATE
    async with assembled(owner, tmp_path, now_ns + 300 * S) as after, writing(after):
        await after.pipeline.tiers.resume()
        await after.pipeline.tiers.tick()
        found = await after.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_delta.tolist() == [0] + [30_000] * 7


async def test_a_restart_goes_on_from_what_only_the_journal_holds(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 8)
    async with assembled(owner, tmp_path, now_ns) as before:  # no writer runs: the store has none of it
        for batch in batches[:5]:
            before.pipeline.process(batch)
        before.clock.advance(120 * S)
        await before.pipeline.flush()
    async with assembled(owner, tmp_path, now_ns + 240 * S) as after:
        for batch in batches[5:]:
            await after.samples.put(batch)
        await after.samples.close()
        await after.pipeline.run()
        found = await after.store.interface_samples(METERED, now_ns, now_ns + HOUR)
    assert found.in_delta.tolist() == [0] + [30_000] * 7


async def test_what_says_nothing_new_is_answered_for_at_once(small: Small, now_ns: int) -> None:
    batch = poll(METERED, now_ns, (1, 1))
    async with writing(small):
        await feed(small, [batch])
        await small.samples.put(batch.take(np.array([0, 1])))
        await small.pipeline.take(await small.samples.get())
    assert small.pipeline.durable == 1


async def test_what_was_journalled_before_a_crash_is_stored_once(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as before:  # no writer runs: it is killed between journal and store
        for batch in polls(METERED, now_ns, 5):
            before.pipeline.process(batch)
        before.clock.advance(120 * S)
        await before.pipeline.flush()
    for _ in range(2):
        async with assembled(owner, tmp_path, now_ns + 200 * S) as after:
            task = asyncio.create_task(after.pipeline.writer.run())
            await until_rows(after, 5)
            task.cancel()
            assert (await after.client.query("SELECT count() AS n FROM interface_raw"))["n"].tolist() == [5]


async def until_rows(small: Small, count: int) -> None:
    async with asyncio.timeout(60):
        while (await small.client.query("SELECT count() AS n FROM interface_raw"))["n"].tolist() != [count]:
            await asyncio.sleep(0.02)


async def test_killing_the_owner_while_writing_loses_and_doubles_nothing(small: Small, owner: OwnerProcess, now_ns: int) -> None:
    batches = polls(METERED, now_ns, 60)
    killed: set[int] = set()
    async with writing(small):
        for n, batch in enumerate(batches):
            small.pipeline.process(batch)
            small.clock.advance(30 * S)
            await small.pipeline.flush()
            if n in (10, 25, 40):
                await until(lambda: owner.pid not in killed)
                killed.add(owner.pid)
                os.kill(owner.pid, signal.SIGKILL)
    found = await small.client.query("SELECT count() AS n, sum(in_delta) AS octets FROM interface_raw FINAL")
    assert (found["n"].tolist(), found["octets"].tolist()) == ([60], [59 * 30_000])
    assert list(small.journal.replay()) == []


async def test_two_messages_of_one_instant_stand_side_by_side(small: Small, now_ns: int) -> None:
    octets, states = (poll(METERED, now_ns, (5, 7)).take(np.array(rows)) for rows in ([0, 1], [2, 3]))
    async with writing(small):
        await feed(small, [octets])
        await feed(small, [states])
    found = await small.client.query("SELECT in_octets, oper_status FROM interface_raw FINAL ORDER BY in_octets")
    assert (found["in_octets"].tolist(), found["oper_status"].tolist()) == ([0, 5], [1, 0])
    assert (await small.store.interface_samples(METERED, now_ns, now_ns + HOUR)).out_octets.tolist() == [7]


async def test_rates_are_computed_when_read_and_follow_their_own_span(small: Small, now_ns: int) -> None:
    def batch(second: int, counts: dict[str, int]) -> SampleBatch:
        series = np.array([METERED << 8 | code_of(f"interface.{name}") for name in counts], np.uint64)
        raw = np.array(list(counts.values()), np.uint64)
        return SampleBatch.of(np.full(len(raw), now_ns + second * S), series, raw=raw)

    async with writing(small):
        await feed(small, [batch(0, {"in_octets": 0, "in_packets": 0, "in_errors": 0})])
        await feed(small, [batch(30, {"in_octets": 3_000_000})])
        await feed(small, [batch(60, {"in_octets": 9_000_000, "in_packets": 600, "in_errors": 0})])
    sql = (
        "SELECT in_octets_rate, in_utilisation, in_packets_rate, in_packets_delta, in_errors_rate, out_errors_rate FROM interface_raw FINAL"
    )
    found = await small.client.query(f"{sql} ORDER BY time DESC LIMIT 1")
    values = [float(found[name][0]) for name in found]
    assert values == pytest.approx([200_000, 0.0016, 10, 600, 0, float("nan")], nan_ok=True)


async def test_the_running_pipeline_stores_within_its_flush_time(small: Small, now_ns: int) -> None:
    running = asyncio.create_task(small.pipeline.run())
    for batch in polls(METERED, now_ns, 3):
        small.clock.advance(30 * S)
        await small.samples.put(batch)
    await small.samples.close()
    async with asyncio.timeout(60):
        await running
    assert (await small.client.query("SELECT count() AS n FROM interface_raw"))["n"].tolist() == [3]


QUESTIONS: list[Callable[[int], Any]] = [
    lambda now: RangeQuery(METERED, "interface.in_octets", now, now),
    lambda now: RangeQuery(METERED, "interface.in_octets", now, now + S, points=10**6),
    lambda now: TopQuery("interface.in_octets", "max", now, now + S, limit=0),
    lambda now: RangeQuery(METERED, "interface.in_octets", 1, now * 2),
]


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_unanswerable_question_is_refused(question: Callable[[int], Any], now_ns: int) -> None:
    with pytest.raises(QueryError):
        question(now_ns)


async def test_an_unknown_metric_is_refused(small: Small, now_ns: int) -> None:
    with pytest.raises(QueryError, match="no metric"):
        await small.store.range(RangeQuery(METERED, "1; DROP TABLE interface_raw", now_ns, now_ns + HOUR))
