"""Top lists by any statistic, added up by what interfaces belong to, beside an earlier time."""

from dataclasses import replace

import numpy as np
import pytest

import perf.store
from perf.grouping import groups
from perf.query import QueryError, TopQuery
from tests.perf.conftest import HOUR, METERED, PLAIN, S, Small, topology

pytestmark = pytest.mark.slow
SLOT = 300 * S


async def stored(small: Small, start_ns: int, scale: int = 1) -> None:
    """Two hours: METERED carries 0, 1, 2, ... 23, PLAIN ten more, octets per second times `scale`."""
    time_ns = start_ns + np.arange(24, dtype=np.int64) * SLOT
    for key, more in ((METERED, 0), (PLAIN, 10)):
        octets = (np.arange(24, dtype=np.uint64) + np.uint64(more)) * np.uint64(300 * scale)
        columns = {"entity": np.full(24, key, np.uint64), "time_ns": time_ns, "in_octets": octets, "out_octets": octets}
        await small.store.insert_interface_tier("5m", columns, 1)


async def test_any_statistic_of_a_span(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    asked = TopQuery("interface.in_octets", "p50", now_ns, now_ns + 2 * HOUR, limit=1)
    answers = {name: await small.store.top(replace(asked, statistic=name)) for name in ("p50", "p90", "p99", "min", "mean", "max")}
    assert {name: (top.entity.tolist(), top.value.tolist()) for name, top in answers.items()} == {
        "p50": ([PLAIN], [22.0]),
        "p90": ([PLAIN], [31.0]),
        "p99": ([PLAIN], [33.0]),
        "min": ([PLAIN], [10.0]),
        "mean": ([PLAIN], [21.5]),
        "max": ([PLAIN], [33.0]),
    }


@pytest.mark.parametrize("entities", [None, (METERED, PLAIN)])
async def test_a_list_made_in_pieces_is_the_same(
    small: Small, now_ns: int, monkeypatch: pytest.MonkeyPatch, entities: tuple[int, ...] | None
) -> None:
    await stored(small, now_ns)
    asked = TopQuery("interface.in_octets", "p95", now_ns, now_ns + 2 * HOUR, entities=entities)
    whole = await small.store.top(asked)
    monkeypatch.setattr(perf.store, "TOP_ROWS", 1)
    pieces, first = await small.store.top(asked), await small.store.top(replace(asked, limit=1))
    assert (pieces.entity.tolist(), pieces.value.tolist()) == (whole.entity.tolist(), whole.value.tolist())
    assert (first.entity.tolist(), len(whole.entity)) == ([PLAIN], 2)


async def test_rates_of_a_group_are_added_before_the_statistic(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    keys = (METERED, PLAIN)
    entities, numbers, named = groups(topology(), "region", keys)
    assert (entities, numbers, named) == (keys, (1, 1), [("north", "north")])
    asked = TopQuery("interface.in_octets", "max", now_ns, now_ns + 2 * HOUR, entities=entities, groups=numbers)
    top = await small.store.top(asked)
    assert (top.entity.tolist(), top.value.tolist()) == ([1], [56.0])
    ratio = await small.store.top(replace(asked, metric="interface.in_utilisation"))
    assert ratio.value[0] == pytest.approx(8 * 28 / 1e9)


async def test_an_interface_of_two_customers_counts_for_each(small: Small, now_ns: int) -> None:
    await stored(small, now_ns)
    asked = TopQuery("interface.in_octets", "max", now_ns, now_ns + 2 * HOUR, entities=(METERED, METERED, PLAIN), groups=(1, 2, 2))
    top = await small.store.top(asked)
    assert dict(zip(top.entity.tolist(), top.value.tolist(), strict=True)) == {1: 23.0, 2: 56.0}


async def test_the_same_list_a_week_before(small: Small, now_ns: int) -> None:
    week = 7 * 24 * HOUR
    await stored(small, now_ns, scale=2)
    await stored(small, now_ns - week)
    asked = TopQuery("interface.in_octets", "max", now_ns, now_ns + 2 * HOUR)
    now, then = await small.store.top(asked), await small.store.top(replace(asked, shift_ns=week))
    assert (now.value.tolist(), then.value.tolist()) == ([66.0, 46.0], [33.0, 23.0])


def test_who_belongs_to_nobody_is_in_no_group() -> None:
    assert groups(topology(), "customer", (METERED, PLAIN)) == ((METERED,), (1,), [("c1", "Nordlicht GmbH")])
    assert groups(topology(), "site", (9 << 16 | 1,)) == ((), (), [])
    assert groups(topology(), "device", (PLAIN,))[2] == [("dev-1", "ham-core-1")]


def test_groups_without_their_entities_are_refused() -> None:
    with pytest.raises(QueryError, match="one group"):
        TopQuery("interface.in_octets", "max", 1, 2, groups=(1,))
