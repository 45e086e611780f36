"""Late rows of many interfaces are judged together, and the result is what rows in their order would have given."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import perf.correct
import perf.tiers
from perf.correct import Correction, Late, chunks, corrected
from perf.counters import LATE, CounterState, rates
from perf.open_slots import SLOT_NS
from perf.wide import interface_rows
from station.batch import SampleBatch
from station.catalogue import code_of
from station.telemetry.client import TelemetryUnavailableError
from tests.perf.conftest import HOUR, S, Small
from tests.perf.test_perf_pipeline import feed, writing

pytestmark = pytest.mark.slow

KEYS = [3 << 16 | n for n in range(1, 13)]
POLLS, EVERY_NS = 60, 30 * S
OCTETS = [code_of("interface.in_octets"), code_of("interface.out_octets")]


def polled(start_ns: int, chance: np.random.Generator) -> SampleBatch:
    """Half an hour of polls of every interface in order of time: increases by chance, some missing for good, some devices restarting."""
    key = np.tile(KEYS, POLLS)
    n = np.repeat(np.arange(POLLS), len(KEYS))
    steps = chance.integers(1, 10**6, (POLLS, len(KEYS)))
    restart = np.where(chance.random(len(KEYS)) < 0.3, chance.integers(5, POLLS, len(KEYS)), POLLS)
    octets, uptime = np.cumsum(steps, axis=0), np.repeat(np.arange(POLLS)[:, None], len(KEYS), axis=1)
    for column, poll in enumerate(restart.tolist()):
        octets[poll:, column] -= octets[poll - 1, column]
        uptime[poll:, column] -= poll
    kept = np.flatnonzero(chance.random(len(key)) < 0.95)
    series = np.concatenate([key.astype(np.uint64) << np.uint64(8) | np.uint64(code) for code in OCTETS])
    times, uptimes = start_ns + n * EVERY_NS, uptime.ravel() * 3000
    raw = np.concatenate([octets.ravel(), 2 * octets.ravel()]).astype(np.uint64)
    batch = SampleBatch.of(np.tile(times, 2), series, raw=raw, uptime_cs=np.tile(uptimes, 2))
    return batch.take(np.concatenate([kept, kept + len(key)]))


def shuffled(batch: SampleBatch, chance: np.random.Generator) -> list[SampleBatch]:
    """What comes in time, in order of time, and then the tenth of the instants that comes late; the first is in time."""
    late = np.tile(chance.random(len(batch) // 2) < 0.1, 2)
    late &= batch.time_ns > batch.time_ns.min() + 10 * EVERY_NS
    timely = batch.take(np.flatnonzero(~late))
    ordered = timely.take(np.argsort(timely.time_ns, kind="stable"))
    return [ordered, batch.take(np.flatnonzero(late))]


async def stored(small: Small) -> dict[str, npt.NDArray[Any]]:
    return await small.client.query("SELECT entity, time, quality, in_delta, out_delta FROM interface_raw FINAL ORDER BY entity, time")


async def marked(small: Small) -> list[Late]:
    sql = f"SELECT DISTINCT entity, intDiv(toUnixTimestamp64Nano(time), {SLOT_NS}) * {SLOT_NS} AS slot FROM interface_raw FINAL"
    found = await small.client.query(f"{sql} WHERE quality = {int(LATE)}")
    return list(zip(found["entity"].tolist(), found["slot"].tolist(), strict=True)) if found else []


def rows_of(correction: Correction | None) -> set[tuple[int, ...]]:
    assert correction is not None
    columns = [correction.columns[name] for name in ("quality", "in_delta", "out_delta", "rated", "octets_span_s", "in_octets")]
    return set(zip(correction.entity.tolist(), correction.time_ns.tolist(), *(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_judged_together_late_rows_are_what_each_alone_is_and_what_order_gives(small: Small, now_ns: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    start_ns = now_ns - 15 * 60 * S  # over the turn of an hour
    batch = polled(start_ns, chance)
    async with writing(small):
        await feed(small, shuffled(batch, chance))
        late = await marked(small)
        together = rows_of(await corrected(small.client, late, small.pipeline.names, 1))
        alone = [await corrected(small.client, [pair], small.pipeline.names, 1) for pair in late]
        assert set().union(*(rows_of(correction) for correction in alone if correction)) == together
        await small.pipeline.tiers.tick()
        found = await stored(small)
    truth = interface_rows(rates(batch.take(np.argsort(batch.time_ns, kind="stable")), CounterState.empty(small.pipeline.names.limits)))
    order = np.lexsort((truth.time_ns, truth.entity))
    assert len(late) > len(KEYS)
    assert found["quality"].tolist() == truth.quality[order].tolist()
    assert found["in_delta"].tolist() == truth.delta[0][order].tolist()
    assert found["out_delta"].tolist() == truth.delta[1][order].tolist()


async def test_a_backlog_of_many_interfaces_is_few_questions_and_few_inserts(
    small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        call = getattr(small.client, name)

        def asking(*given: Any) -> Any:
            asked.append(name)
            return call(*given)

        return asking

    for name in ("query", "insert_stream"):
        monkeypatch.setattr(small.client, name, noted(name))
    chance = np.random.default_rng(4)
    async with writing(small):
        await feed(small, shuffled(polled(now_ns, chance), chance))
        asked.clear()
        await small.pipeline.tiers.tick()
    assert asked == ["query", "query", "insert_stream"]  # how many rows there are; the rows; the corrections


async def test_a_chunk_holds_few_rows_and_every_slot_is_in_one(small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(5)
    async with writing(small):
        await feed(small, shuffled(polled(now_ns, chance), chance))
    late = await marked(small)
    monkeypatch.setattr(perf.correct, "ROWS_MAX", 130)  # two interfaces have less, three have more
    made = await chunks(small.client, late)
    assert sorted(pair for chunk in made for pair in chunk) == sorted(late)
    assert {len({entity for entity, _ in chunk}) for chunk in made} == {2}


async def test_a_row_that_comes_late_while_its_slot_is_judged_is_judged_as_well(
    small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = polled(now_ns, np.random.default_rng(6)).take(np.flatnonzero(polled(now_ns, np.random.default_rng(6)).series >> 8 == KEYS[0]))
    instants = np.unique(batch.time_ns)
    parts = {n: batch.take(np.flatnonzero(batch.time_ns == instants[n])) for n in range(len(instants))}

    async def interrupted(*given: Any) -> Any:
        made = await corrected(*given)
        if parts:
            small.pipeline.process(parts.pop(22))
            parts.clear()
            await small.pipeline.flush()
        return made

    monkeypatch.setattr(perf.tiers, "corrected", interrupted)
    async with writing(small):
        await feed(small, [part for n, part in parts.items() if n not in (21, 22)])
        await feed(small, [parts[21]])
        await small.pipeline.tiers.tick()
        assert len(await marked(small)) == 1
        await small.pipeline.tiers.tick()
        assert await marked(small) == []


async def test_what_the_store_could_not_correct_is_corrected_later(small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(7)

    async def refused(*_given: Any) -> None:
        raise TelemetryUnavailableError("away")

    async with writing(small):
        await feed(small, shuffled(polled(now_ns - HOUR, chance), chance))
        with monkeypatch.context() as away:
            away.setattr(perf.tiers, "corrected", refused)
            with pytest.raises(TelemetryUnavailableError):
                await small.pipeline.tiers.tick()
        assert await marked(small)
        await small.pipeline.tiers.tick()
        assert await marked(small) == []
