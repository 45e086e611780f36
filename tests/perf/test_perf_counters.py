"""Counters to rates: a verdict on each sample, exact deltas, and the same rows however a stream is split."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.counters import CounterState, Limits, no_limits, rates
from perf.slots import SlotIndex
from station.batch import Quality, SampleBatch
from station.series import series_of
from tests.perf.counters_oracle import OracleState, oracle

S = 1_000_000_000
START = 1_700_000_000 * S
OCTETS = series_of(1, 1, 1)
GIGABIT = 125e6
Q = Quality


def line(octets_per_s: float, *, wide: bool = True) -> Limits:
    return lambda series: (np.full(len(series), octets_per_s, np.float32), np.full(len(series), wide))


def samples(rows: Sequence[tuple[Any, ...]], series: int = OCTETS) -> SampleBatch:
    """Rows of (seconds, raw[, uptime_cs[, discontinuity_cs[, series[, width]]]])."""
    full = [(*row, *(-1, -1, series, 0)[len(row) - 2 :]) for row in rows]
    time_s, raw, uptime, discontinuity, number, width = zip(*full, strict=True) if full else ([], [], [], [], [], [])
    return SampleBatch.of(
        np.array([START + int(t * S) for t in time_s], np.int64),
        np.array(number, np.uint64),
        raw=np.array(raw, np.uint64),
        uptime_cs=np.array(uptime, np.int64),
        discontinuity_cs=np.array(discontinuity, np.int64),
        width=np.array(width, np.uint8),
    )


def judged(rows: Sequence[tuple[Any, ...]], limits: Limits = no_limits) -> list[tuple[Quality, int]]:
    out = rates(samples(rows), CounterState.empty(limits))
    return [(Quality(q), int(d)) for q, d in zip(out.quality, out.delta, strict=True)]


def test_a_rate_is_the_increase_over_the_span() -> None:
    out = rates(samples([(0, 1000), (30, 4000), (60, 4000)]), CounterState.empty())
    assert np.isnan(out.value[0]) and out.value[1:].tolist() == [100.0, 0.0]
    assert out.delta.tolist() == [0, 3000, 0]


def test_the_devices_own_clock_measures_the_span_where_it_is_sound() -> None:
    out = rates(samples([(0, 0, 10_000), (30.5, 3000, 13_000)]), CounterState.empty())
    assert out.value[1] == 100.0


REPEATED = [(0, 10), (30, 40), (30, 70), (60, 70)]
SLOWER = [(0, 0), (30, 1), (330, 2), (630, 3), (930, 4)]
CASES: dict[str, tuple[Limits, list[tuple[Any, ...]], list[tuple[Quality, int]]]] = {
    "restart gives no rate": (no_limits, [(0, 9000, 50_000), (30, 100, 1_000)], [(Q.RESET, 0)]),
    "restart shows though the counter is higher": (no_limits, [(0, 10, 1_000), (300, 900, 2_000)], [(Q.RESET, 0)]),
    "discontinuity gives no rate": (no_limits, [(0, 10, 1_000, 0), (30, 900, 4_000, 3_900)], [(Q.RESET, 0)]),
    "sysUpTime itself wraps after 497 days": (no_limits, [(0, 10, 2**32 - 1_000), (30, 40, 2_000)], [(Q.GOOD, 30)]),
    "64 bits wrap when the device ran on": (line(GIGABIT), [(0, 2**64 - 10, 1_000), (30, 90, 4_000)], [(Q.WRAPPED, 100)]),
    "64 bits without uptime is suspect": (line(GIGABIT), [(0, 2**64 - 10), (30, 90)], [(Q.SUSPECT, 0)]),
    "a small 64 bit counter that falls was cleared": (line(GIGABIT), [(0, 5_000, 1_000), (30, 9, 4_000)], [(Q.RESET, 0)]),
    "32 bits wrap on a slow line": (line(12.5e6, wide=False), [(0, 2**32 - 10, 1_000), (30, 90, 4_000)], [(Q.WRAPPED, 100)]),
    "32 bits without uptime is suspect": (line(12.5e6, wide=False), [(0, 2**32 - 10), (30, 90)], [(Q.SUSPECT, 0)]),
    "32 bits on a fast line are never sure": (
        line(1.25e9, wide=False),
        [(0, 10, 1_000), (30, 90, 4_000), (60, 5, 7_000)],
        [(Q.SUSPECT, 0), (Q.SUSPECT, 0)],
    ),
    "what was read as 32 bits wraps at 32 bits, whatever its name": (
        line(12.5e6),
        [(0, 2**32 - 10, 1_000, -1, OCTETS, 32), (30, 90, 4_000, -1, OCTETS, 32)],
        [(Q.WRAPPED, 100)],
    ),
    "what was read as 64 bits does not wrap at 32": (
        line(12.5e6, wide=False),
        [(0, 2**32 - 10, 1_000, -1, OCTETS, 64), (30, 90, 4_000, -1, OCTETS, 64)],
        [(Q.RESET, 0)],
    ),
    "from ifInOctets to ifHCInOctets is a restart, though it fits": (
        line(GIGABIT),
        [(0, 10, 1_000, -1, OCTETS, 32), (30, 90, 4_000, -1, OCTETS, 64), (60, 190, 7_000, -1, OCTETS, 64)],
        [(Q.RESET, 0), (Q.GOOD, 100)],
    ),
    "from ifHCInOctets to ifInOctets is a restart, not a wrap": (
        line(12.5e6),
        [(0, 2**32 - 10, 1_000, -1, OCTETS, 64), (30, 90, 4_000, -1, OCTETS, 32)],
        [(Q.RESET, 0)],
    ),
    "a sample whose width nobody said changes no source": (
        line(GIGABIT),
        [(0, 10, 1_000, -1, OCTETS, 64), (30, 20, 4_000), (60, 30, 7_000, -1, OCTETS, 64), (90, 40, 10_000, -1, OCTETS, 32)],
        [(Q.GOOD, 10), (Q.GOOD, 10), (Q.RESET, 0)],
    ),
    "a jump of nearly 2**64 makes no traffic": (line(GIGABIT), [(0, 5, 1_000), (30, 2**64 - 5, 4_000)], [(Q.SUSPECT, 0)]),
    "32 bits beyond the line rate restarted": (line(1.25e6, wide=False), [(0, 3 * 10**9, 1_000), (30, 9, 4_000)], [(Q.RESET, 0)]),
    "more than the line carries is suspect": (line(GIGABIT), [(0, 0, 1_000), (30, 10**10, 4_000)], [(Q.SUSPECT, 0)]),
    "a repeated instant changes nothing": (no_limits, REPEATED, [(Q.GOOD, 30), (Q.DUPLICATE, 0), (Q.GOOD, 30)]),
    "an older instant changes nothing": (no_limits, [(0, 10), (30, 40), (20, 30), (60, 70)], [(Q.GOOD, 30), (Q.LATE, 0), (Q.GOOD, 30)]),
    "missed polls are a gap": (no_limits, [(0, 0), (30, 30), (150, 150), (180, 180)], [(Q.GOOD, 30), (Q.GAP, 0), (Q.GOOD, 30)]),
    "two gaps in a row are a new cadence": (no_limits, SLOWER, [(Q.GOOD, 1), (Q.GAP, 0), (Q.GAP, 0), (Q.GOOD, 1)]),
    "a poll in between is no new cadence": (no_limits, [(0, 0), (30, 1), (32, 2), (60, 3)], [(Q.GOOD, 1), (Q.GOOD, 1), (Q.GOOD, 1)]),
    "quarter-hours are a cadence": (no_limits, [(0, 0), (900, 1), (1800, 2)], [(Q.GOOD, 1), (Q.GOOD, 1)]),
    "tenths of a second are a cadence": (no_limits, [(0, 0), (0.1, 1), (0.2, 2)], [(Q.GOOD, 1), (Q.GOOD, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_verdict_per_sample(case: str) -> None:
    limits, rows, expected = CASES[case]
    assert judged(rows, limits) == [(Q.FIRST, 0), *expected]


def test_gauges_pass_unchanged() -> None:
    gauge = SampleBatch.of(np.array([START], np.int64), np.array([series_of(1, 5, 64)], np.uint64), value=np.array([41.5]))
    out = rates(gauge, CounterState.empty())
    assert (out.value.tolist(), out.quality.tolist()) == ([41.5], [Q.GOOD])


def test_a_line_made_faster_is_learnt() -> None:
    speed = [12.5e6]
    state = CounterState.empty(lambda series: (np.full(len(series), speed[0], np.float32), np.ones(len(series), np.bool_)))
    rates(samples([(0, 0, 1_000), (30, 10**9, 4_000)]), state)
    speed[0] = GIGABIT
    state.relearn()
    assert rates(samples([(60, 3 * 10**9, 7_000)]), state).quality.tolist() == [Q.GOOD]


NUMBERS = st.sampled_from([OCTETS, series_of(1, 2, 1), series_of(2, 1, 2)])
ROWS = st.lists(
    st.tuples(
        st.integers(0, 400).map(lambda t: t * 7.5),
        st.one_of(st.integers(0, 10**6), st.integers(2**32 - 10**6, 2**32 + 10**6), st.integers(2**64 - 10**6, 2**64 - 1)),
        st.one_of(st.just(-1), st.integers(0, 300_000), st.integers(2**32 - 300_000, 2**32 - 1)),
        st.sampled_from([-1, 0, 7]),
        NUMBERS,
        st.sampled_from([0, 0, 32, 64]),
    ),
    max_size=40,
)
LINES = st.sampled_from([(0.0, True), (0.0, False), (12.5e6, False), (1.25e6, True), (1.25e9, False)])


@settings(max_examples=150, deadline=None)
@given(ROWS, LINES)
def test_the_kernel_agrees_with_plain_numpy(rows: list[tuple[Any, ...]], kind: tuple[float, bool]) -> None:
    batch = samples(rows)
    out = rates(batch, CounterState.empty(line(kind[0], wide=kind[1])))
    value, quality, delta = oracle(batch, OracleState(*kind))
    assert out.quality.tolist() == quality
    assert out.delta.tolist() == delta
    np.testing.assert_allclose(out.value, value.reshape(-1), rtol=1e-12)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.lists(st.integers(0, 40), max_size=5), LINES)
def test_splitting_a_stream_never_changes_its_rows(rows: list[tuple[Any, ...]], cuts: list[int], kind: tuple[float, bool]) -> None:
    batch = samples(rows)
    limits = line(kind[0], wide=kind[1])
    whole = rates(batch, CounterState.empty(limits))
    state = CounterState.empty(limits)
    edges = sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts)})
    parts = [rates(batch.take(np.arange(a, b)), state) for a, b in itertools.pairwise(edges)]
    joined = SampleBatch.concat(parts)
    for name in ("value", "quality", "delta"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**63), st.lists(st.integers(0, 10**10), min_size=1, max_size=50))
def test_deltas_add_up_to_the_last_less_the_first(first: int, steps: list[int]) -> None:
    raw = [first + sum(steps[:n]) for n in range(len(steps) + 1)]
    out = rates(samples([(30 * n, value, 3_000 * n) for n, value in enumerate(raw)]), CounterState.empty())
    assert sum(int(delta) for delta in out.delta) == raw[-1] - raw[0]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2_900), LINES)
def test_a_restart_never_makes_traffic(before: int, after: int, uptime: int, kind: tuple[float, bool]) -> None:
    state = CounterState.empty(line(kind[0], wide=kind[1]))
    out = rates(samples([(0, before, 10**6), (40, after, uptime)]), state)
    assert (out.quality[1], out.delta[1]) == (Q.RESET, 0)


def test_slots_stay_while_the_index_grows() -> None:
    index = SlotIndex()
    keys = np.random.default_rng(7).permutation(np.arange(50_000, dtype=np.uint64)) << np.uint64(8)
    for part in np.array_split(keys, 7):
        index.slots_of(part)
    assert index.slots_of(keys).tolist() == list(range(len(keys)))
    assert index.find(np.array([3, keys[5]], np.uint64)).tolist() == [-1, 5]


@pytest.mark.slow
def test_a_million_series_fit_into_200_megabytes() -> None:
    series = (
        (np.arange(1_000_000, dtype=np.uint64) // np.uint64(8) << np.uint64(8))
        + np.arange(1_000_000, dtype=np.uint64) % np.uint64(8)
        + np.uint64(1)
    )
    state = CounterState.empty()
    for part in np.array_split(series, 20):
        rates(SampleBatch.of(np.full(len(part), START, np.int64), part), state)
    assert state.nbytes < 110e6


PERIOD = st.lists(st.integers(0, 10**9), min_size=2, max_size=40)


@settings(max_examples=100, deadline=None)
@given(PERIOD, st.integers(0, 2**64 - 1), st.sets(st.integers(1, 38)), st.sampled_from([32, 64]))
def test_splitting_a_period_never_changes_its_sum(steps: list[int], first: int, left_out: set[int], width: int) -> None:
    """Polled twice as often or half as often, over a wrap or not: the octets of the whole are the same."""
    limits = line(125e6 / 2 if width == 64 else 40e6)
    raw = [(first + sum(steps[: n + 1])) % 2**width for n in range(len(steps))]
    rows = [(30 * n, value, 10_000 + 3_000 * n, 0, OCTETS, width) for n, value in enumerate(raw)]
    sums = []
    for chosen in (rows, [row for n, row in enumerate(rows) if n not in left_out or n == len(rows) - 1]):
        out = rates(samples(chosen), CounterState.empty(limits))
        sums.append((sum(int(d) for d in out.delta), set(out.quality[1:].tolist())))
    (whole, verdicts), (coarse, coarser) = sums
    if verdicts | coarser <= {Q.GOOD, Q.WRAPPED}:
        assert whole == coarse == sum(steps[1:])


@settings(max_examples=100, deadline=None)
@given(PERIOD, st.randoms(use_true_random=False))
def test_repeated_and_reordered_samples_never_add_traffic(steps: list[int], chance: Any) -> None:
    rows = [(30 * n, 10**6 + sum(steps[: n + 1]), 10_000 + 3_000 * n, 0, OCTETS, 64) for n in range(len(steps))]
    shuffled = rows + [row for row in rows if chance.random() < 0.5]
    chance.shuffle(shuffled)
    out = rates(samples(shuffled), CounterState.empty())
    assert sum(int(d) for d in out.delta) <= sum(steps[1:])
    assert set(out.quality.tolist()) <= {Q.GOOD, Q.FIRST, Q.GAP, Q.LATE, Q.DUPLICATE}


@settings(max_examples=100, deadline=None)
@given(PERIOD, PERIOD)
def test_an_interface_that_took_anothers_number_makes_no_traffic(steps: list[int], others: list[int]) -> None:
    """After renumbering, rows follow the name: each series goes on, and a device that restarted says so."""
    series = (OCTETS, series_of(1, 2, 1))
    rows: list[tuple[Any, ...]] = []
    for number, column in zip(series, (steps, others), strict=True):
        rows += [(30 * n, sum(column[: n + 1]), 10_000 + 3_000 * n, 0, number, 64) for n in range(len(column))]
        rows += [(30 * len(column) + 30, 17, 300, 0, number, 64)]
    out = rates(samples(rows), CounterState.empty(line(GIGABIT)))
    for number, column in zip(series, (steps, others), strict=True):
        mine = out.series == number
        assert int(out.delta[mine].sum()) == sum(column[1:])
        assert out.quality[mine][-1] == Q.RESET
