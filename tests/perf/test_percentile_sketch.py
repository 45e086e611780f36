"""Percentiles of long spans: exact bounds from a sketch a day, exact answers from the slots of the few that matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import perf.store
from perf import sketch
from perf.query import TopQuery
from perf.sketch import _LEVELS, Bounds, _ranked
from tests.perf.conftest import METERED, PLAIN, Small

SLOT, DAY = 300 * 10**9, 86_400 * 10**9


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.integers(1, 6))
def test_the_value_at_a_rank_of_many_days_is_within_its_bounds(seed: int, share: float, days: int) -> None:
    chance = np.random.default_rng(seed)
    parts = [(chance.lognormal(0, 1, chance.integers(1, 289)) * chance.integers(1, 5)).astype(np.float32) for _ in range(days)]
    rows = np.array([np.sort(part)[np.minimum((_LEVELS * len(part)).astype(int), len(part) - 1)] for part in parts], np.float32)
    low, high, total = np.empty(1), np.empty(1), np.empty(1, np.int64)
    _ranked(rows, np.array([len(part) for part in parts]), _LEVELS, np.array([0, days]), share, (low, high, total))
    whole = np.sort(np.concatenate(parts))
    assert low[0] <= whole[min(int(share * len(whole)), len(whole) - 1)] <= high[0]
    assert total[0] == len(whole)


def test_only_what_may_be_among_the_largest_is_likely() -> None:
    found = Bounds(np.arange(4, dtype=np.uint64), np.array([1.0, 5, 3, 2]), np.array([2.0, 6, 4, 3.5]), np.full(4, 288))
    assert found.likely(2).tolist() == [1, 2, 3]
    assert found.likely(9).tolist() == [0, 1, 2, 3]


async def filled(small: Small, end_ns: int, days: int) -> "dict[int, np.ndarray[tuple[int], np.dtype[np.uint64]]]":
    """Days of five-minute rows of two interfaces before `end_ns`, rolled up; octets a slot by interface."""
    chance, made = np.random.default_rng(7), {}
    time_ns = end_ns - np.arange(days * 288, 0, -1, dtype=np.int64) * SLOT
    for key, size in ((METERED, 1.0), (PLAIN, 1.02)):
        octets = made[key] = (3e6 * size * chance.lognormal(0, 1, len(time_ns))).astype(np.uint64)
        columns = {"entity": np.full(len(time_ns), key, np.uint64), "time_ns": time_ns, "in_octets": octets, "out_octets": octets}
        await small.store.insert_interface_tier("5m", columns, 1)
    await small.pipeline.tiers.roll_above(end_ns - days * DAY, end_ns)
    return made


@pytest.mark.slow
async def test_a_top_list_of_weeks_is_exact_and_looks_only_at_those_in_question(
    small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_ns = now_ns // DAY * DAY
    made = await filled(small, end_ns, 6)
    assert await sketch.days_without(small.client, end_ns - 6 * DAY, end_ns) == []
    for start_ns in (end_ns - 6 * DAY, end_ns - 6 * DAY + 17 * SLOT):
        asked = TopQuery("interface.in_octets", "p95", start_ns, end_ns, limit=1)
        exact = {
            key: np.sort(octets[(start_ns - end_ns) // SLOT :])[int(0.95 * ((end_ns - start_ns) // SLOT))] / 300
            for key, octets in made.items()
        }
        found = await sketch.bounds(small.client, "in_octets_rate", 0.95, (start_ns, end_ns), None)
        assert found is not None and found.slots.tolist() == [(end_ns - start_ns) // SLOT] * 2
        assert all(
            low <= exact[key] * 1.0001 and exact[key] <= high * 1.0001
            for key, low, high in zip(found.entity.tolist(), found.low, found.high, strict=True)
        )
        largest = max(exact, key=lambda key: exact[key])
        top = await small.store.top(asked)
        assert (top.entity.tolist(), top.value[0]) == ([largest], pytest.approx(exact[largest], rel=1e-5))
    monkeypatch.setattr(perf.store, "bounds", lambda *_: _nothing())
    assert (await small.store.top(asked)).entity.tolist() == [largest]


async def _nothing() -> None:
    return None
