"""Ids, series numbers, clocks, batches and the hub keep their small promises."""

import asyncio
import json
import time
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.batch import SampleBatch
from station.catalogue import metrics_by_code, metrics_by_name
from station.clock import NS_PER_S, SystemClock, VirtualClock
from station.hub import RING, WAITING_PER_WATCHER, Hub, Message
from station.ids import derived_id, new_id
from station.scope import ForbiddenError, Role, Scope
from station.series import devices_of, entity_key, entity_keys, metrics_of, series_of, split_key


@given(device=st.integers(1, 2**39), entity=st.integers(0, 2**16 - 1), metric=st.integers(0, 255))
def test_a_series_number_gives_back_its_parts(device: int, entity: int, metric: int) -> None:
    series = np.array([series_of(device, entity, metric)], np.uint64)
    assert (int(devices_of(series)[0]), int(metrics_of(series)[0])) == (device, metric)
    assert split_key(int(entity_keys(series)[0])) == (device, entity) == split_key(entity_key(device, entity))


def test_ids_are_version_7_and_ordered_by_time() -> None:
    ids = [new_id(now_ns) for now_ns in (10**18, 10**18 + 10**6, 10**18 + 10**9)]
    assert ids == sorted(ids)
    assert {uuid.UUID(text).version for text in ids} == {7}
    assert len({new_id() for _ in range(1000)}) == 1000


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_derived_ids_differ_whenever_any_part_does(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_the_system_clock_never_goes_backwards_while_it_is_steered(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, wall = SystemClock(), time.time_ns
    for step_ns in (0, -NS_PER_S, NS_PER_S, -3600 * NS_PER_S):
        monkeypatch.setattr(time, "time_ns", lambda step_ns=step_ns: wall() + step_ns)
        clock.steer(NS_PER_S)
        times = [clock.now_ns() for _ in range(1000)]
        assert times == sorted(times)


def test_a_step_of_the_system_clock_is_told_and_closed_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    elapsed_ns, step_ns = 0, 0
    monkeypatch.setattr(time, "monotonic_ns", lambda: elapsed_ns)
    monkeypatch.setattr(time, "time_ns", lambda: elapsed_ns + step_ns)
    clock = SystemClock()
    step_ns = NS_PER_S
    assert clock.steer(10 * NS_PER_S) == NS_PER_S
    elapsed_ns = 10 * NS_PER_S
    assert clock.now_ns() == 10 * NS_PER_S + 50_000_000
    while clock.steer(10 * NS_PER_S):
        elapsed_ns += 10 * NS_PER_S
    assert elapsed_ns == 200 * NS_PER_S
    assert clock.now_ns() == elapsed_ns + step_ns


def test_a_virtual_clock_stands_still_until_told() -> None:
    clock = VirtualClock(5)
    clock.advance(7)
    assert clock.now_ns() == clock.monotonic_ns() == 12


def test_a_batch_refuses_columns_of_another_length_or_type() -> None:
    with pytest.raises(AssertionError, match="series"):
        SampleBatch.of(np.zeros(2, np.int64), np.zeros(1, np.uint64))
    with pytest.raises(AssertionError, match="time_ns"):
        SampleBatch.of(np.zeros(1, np.float64), np.zeros(1, np.uint64))


def test_batches_join_and_split_without_change() -> None:
    batch = SampleBatch.of(np.arange(6), np.arange(6, dtype=np.uint64))
    halves = [batch.take(np.arange(0, 3)), batch.take(np.arange(3, 6))]
    joined = SampleBatch.concat(halves)
    assert np.array_equal(joined.time_ns, batch.time_ns) and np.array_equal(joined.series, batch.series)
    assert len(SampleBatch.concat([])) == 0


def test_the_catalogue_has_one_entry_per_name_and_code() -> None:
    assert len(metrics_by_name()) == len(metrics_by_code()) > 20


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.OPERATOR, {Role.VIEWER, Role.OPERATOR}),
        (Role.ENGINEER, {Role.VIEWER, Role.OPERATOR, Role.ENGINEER}),
        (Role.BILLING, {Role.VIEWER, Role.BILLING}),
        (Role.ADMIN, set(Role)),
    ],
)
def test_a_role_may_do_exactly_what_it_includes(role: Role, may: set[Role]) -> None:
    scope = Scope(1, role, "someone")
    for needed in Role:
        if needed in may:
            scope.require(needed, "this")
        else:
            with pytest.raises(ForbiddenError, match=needed.value):
                scope.require(needed, "this")


async def take(hub: Hub, n: int, since: int | None) -> list[Message]:
    watcher = hub.watch(since)
    found = [await asyncio.wait_for(anext(watcher), 60) for _ in range(n)]
    await watcher.aclose()  # type: ignore[attr-defined]
    return found


async def test_a_watcher_gets_what_it_missed_and_then_what_comes() -> None:
    hub = Hub()
    for n in range(3):
        hub.publish("alarm", {"n": n})
    assert [(m.seq, json.loads(m.data)["n"]) for m in await take(hub, 2, since=1)] == [(2, 1), (3, 2)]


async def test_a_watcher_who_missed_more_than_the_ring_holds_is_told_to_reload() -> None:
    hub = Hub()
    for n in range(RING + 10):
        hub.publish("alarm", {"n": n})
    assert [m.topic for m in await take(hub, 1, since=1)] == ["reload"]


async def test_a_slow_watcher_is_told_to_reload_and_holds_a_bounded_queue() -> None:
    hub = Hub()
    watcher = hub.watch()
    first = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    for n in range(WAITING_PER_WATCHER + 2):
        hub.publish("alarm", {"n": n})
    assert [(await first).topic, (await anext(watcher)).topic] == ["reload", "alarm"]
    await watcher.aclose()  # type: ignore[attr-defined]
