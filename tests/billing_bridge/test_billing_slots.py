"""Counters to slots: sums are kept exactly, and what is doubtful is unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.slots import SLOT_MS, SLOT_NS, SLOT_S, Cause, Mark, fill, slots_of, spans
from station.batch import Quality

S = 1_000_000_000
DAY_S = 86_400
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Arrays:
    time_ns: npt.NDArray[np.int64]
    in_octets: npt.NDArray[np.uint64]
    out_octets: npt.NDArray[np.uint64]
    in_delta: npt.NDArray[np.uint64]
    out_delta: npt.NDArray[np.uint64]
    quality: npt.NDArray[np.uint8]
    uptime_cs: npt.NDArray[np.int64]
    received_ns: npt.NDArray[np.int64]


def arrays(rows: Sequence[tuple[float, int, int]], *, quality: dict[int, Quality] | None = None, uptime_s: int | None = 10**6) -> Arrays:
    """Samples from (second, in, out); `uptime_s` is the uptime at second 0 (None: unknown)."""
    time_ns = np.array([round(second * 1000) * 1_000_000 for second, _, _ in rows], np.int64)
    raw = np.array([[i, o] for _, i, o in rows], np.uint64).reshape(-1, 2)
    uptime = np.full(len(rows), UNKNOWN) if uptime_s is None else uptime_s * 100 + time_ns // 10_000_000
    verdicts = np.zeros(len(rows), np.uint8)
    for row, verdict in (quality or {}).items():
        verdicts[row] = verdict
    zero = np.zeros(len(rows), np.uint64)
    return Arrays(time_ns, raw[:, 0].copy(), raw[:, 1].copy(), zero, zero, verdicts, uptime.astype(np.int64), time_ns.copy())


def made(samples: Arrays, seconds: int = 900, speed_bps: int = 0) -> tuple[list[int], list[int], list[int]]:
    """(octets in, marks, causes) of the slots of [0, seconds)."""
    slots = slots_of(samples, 0, seconds * S, speed_bps=speed_bps, span_max_ms=900_000)
    return slots.in_octets.tolist(), slots.marks.tolist(), (slots.quality & ~np.uint8(3)).tolist()


def test_an_increase_over_a_border_is_spread_by_time_and_floored_at_the_border() -> None:
    samples = arrays([(0, 0, 0), (200, 100, 0), (500, 110, 0), (600, 111, 0)])
    # 10 octets over 200..500: the border at 300 lies a third in, floor(10 / 3) = 3 fall before it.
    assert made(samples, 600) == ([103, 8], [Mark.GOOD, Mark.GOOD], [0, 0])


def test_a_slot_without_samples_to_its_end_is_a_gap_that_keeps_what_is_proven() -> None:
    assert made(arrays([(0, 0, 0), (300, 50, 0), (450, 60, 0)]), 600) == ([50, 10], [Mark.GOOD, Mark.GAP], [0, Cause.GAP])


def test_no_samples_give_only_gaps() -> None:
    assert made(arrays([])) == ([0, 0, 0], [Mark.GAP] * 3, [Cause.GAP] * 3)
    assert made(arrays([(10, 7, 7)])) == ([0, 0, 0], [Mark.GAP] * 3, [Cause.GAP] * 3)


def test_a_restart_shown_by_uptime_is_unknown_although_the_counter_grew() -> None:
    samples = arrays([(0, 100, 100), (300, 5_000, 5_000), (600, 6_000, 6_000)])
    samples.uptime_cs[1:] -= 10**6 * 100 - 100 * 100
    assert made(samples, 600) == ([0, 1_000], [Mark.GAP, Mark.GOOD], [Cause.RESET, 0])


def test_a_smaller_counter_without_uptime_is_a_reset_and_with_sound_uptime_a_wrap() -> None:
    rows = [(0, 2**32 - 100, 0), (300, 50, 0)]
    assert made(arrays(rows, uptime_s=None), 300) == ([0], [Mark.GAP], [Cause.RESET])
    assert made(arrays(rows), 300) == ([150], [Mark.GOOD], [Cause.WRAPPED])
    wide = [(0, 2**64 - 100, 0), (300, 50, 0)]
    assert made(arrays(wide), 300) == ([150], [Mark.GOOD], [Cause.WRAPPED])


def test_a_wrap_that_no_line_could_carry_is_a_reset() -> None:
    assert made(arrays([(0, 2**31, 0), (300, 50, 0)]), 300, speed_bps=1_000_000) == ([0], [Mark.GAP], [Cause.RESET])


def test_the_verdict_given_on_arrival_stands() -> None:
    rows = [(0, 0, 0), (300, 50, 0), (600, 70, 0)]
    assert made(arrays(rows, quality={1: Quality.RESET}), 600) == ([0, 20], [Mark.GAP, Mark.GOOD], [Cause.RESET, 0])
    assert made(arrays(rows, quality={2: Quality.SUSPECT}), 600) == ([50, 0], [Mark.GOOD, Mark.GAP], [0, Cause.SUSPECT])


def test_a_gap_bridged_by_an_unbroken_counter_is_interpolated_and_one_without_uptime_is_not() -> None:
    rows = [(0, 0, 0), (300, 300, 0), (1500, 1500, 0), (1800, 1800, 0)]
    assert made(arrays(rows, quality={2: Quality.GAP}), 1800)[:2] == ([300] * 6, [0, 1, 1, 1, 1, 0])
    assert made(arrays(rows, quality={2: Quality.GAP}, uptime_s=None), 1800)[:2] == ([300, 0, 0, 0, 0, 300], [0, 2, 2, 2, 2, 0])


def test_a_late_sample_turns_the_gap_into_good_slots() -> None:
    rows = [(0, 0, 0), (1200, 1200, 0), (600, 900, 0)]
    octets, marks, _ = made(arrays(rows, quality={1: Quality.GAP, 2: Quality.LATE}), 1200)
    assert (octets, marks) == ([450, 450, 150, 150], [Mark.GOOD] * 4)


def test_an_increase_beyond_the_line_rate_is_rejected() -> None:
    samples = arrays([(0, 0, 0), (300, 10**9, 0), (600, 10**9 + 5, 0)])
    assert made(samples, 600, speed_bps=1_000_000) == ([0, 5], [Mark.REJECTED, Mark.GOOD], [Cause.OVER_LINE_RATE, 0])


def test_a_slot_slightly_above_the_line_rate_is_capped_for_ranking() -> None:
    samples = arrays([(0, 0, 0), (300, 38_000_000, 1), (600, 38_000_001, 2)])
    slots = slots_of(samples, 0, 600 * S, speed_bps=1_000_000, span_max_ms=900_000).capped(1_000_000)
    assert slots.in_octets.tolist() == [1_000_000 * SLOT_S // 8, 1]
    assert slots.quality.tolist() == [Cause.CAPPED, 0]


def test_the_first_received_of_two_samples_in_one_millisecond_counts() -> None:
    samples = arrays([(0, 0, 0), (300, 10, 0), (300, 99, 0)])
    samples.received_ns[2] += 1
    assert made(samples, 300)[0] == [10]


def test_a_slot_is_cut_by_where_it_begins() -> None:
    slots = slots_of(arrays([(i * 300, i * 10, 0) for i in range(5)]), 0, 1200 * S, speed_bps=0, span_max_ms=900_000)
    assert len(slots.cut(1, 601 * S)) == 2
    assert slots.cut(300 * S, 900 * S).start_ns == SLOT_NS
    assert len(slots.cut(-10 * S, 5000 * S)) == 4
    assert len(slots.cut(900 * S, 300 * S)) == 0


def test_sysuptime_overflow_is_no_restart() -> None:
    samples = arrays([(0, 0, 0), (300, 10, 0)])
    samples.uptime_cs[:] = [(1 << 32) - 15_000, 15_000]
    assert made(samples, 300) == ([10], [Mark.GOOD], [0])


octets = st.integers(0, 2**45)
steps = st.lists(st.tuples(st.integers(1, 3_000_000), octets, octets), min_size=1, max_size=40)


def walked(parts: list[tuple[int, int, int]]) -> Arrays:
    rows, at, into, out = [(0.0, 0, 0)], 0, 0, 0
    for ms, more_in, more_out in parts:
        at, into, out = at + ms, into + more_in, out + more_out
        rows.append((at / 1000, into, out))
    return arrays(rows)


@given(steps)
def test_slots_of_an_unbroken_counter_sum_to_its_increase(parts: list[tuple[int, int, int]]) -> None:
    samples = walked(parts)
    end = -(-int(samples.time_ns[-1]) // SLOT_NS) * SLOT_NS
    slots = slots_of(samples, 0, end, speed_bps=0, span_max_ms=900_000)
    assert int(slots.in_octets.sum()) == int(samples.in_octets[-1])
    assert int(slots.out_octets.sum()) == int(samples.out_octets[-1])


@given(steps, st.integers(0, 500))
def test_splitting_a_period_never_changes_the_sum(parts: list[tuple[int, int, int]], at: int) -> None:
    found = spans(walked(parts), speed_bps=0, span_max_ms=900_000)
    n = int(found.end_ms[-1]) // SLOT_MS + 1
    cut = min(at, n)
    whole, left, right = fill(found, 0, n * SLOT_NS), fill(found, 0, cut * SLOT_NS), fill(found, cut * SLOT_NS, n * SLOT_NS)
    for name in ("in_octets", "out_octets", "quality"):
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(left, name), getattr(right, name)]))


@given(st.integers(0, 2**63), st.integers(1, 31 * DAY_S * 1000))
def test_the_share_of_a_border_is_the_exact_floor(octets: int, span_ms: int) -> None:
    samples = arrays([(0, 0, 0), (span_ms / 1000, octets, 0)])
    slots = slots_of(samples, 0, -(-span_ms // SLOT_MS) * SLOT_NS, speed_bps=0, span_max_ms=900_000)
    borders = [octets * min(k * SLOT_MS, span_ms) // span_ms for k in range(len(slots) + 1)]
    assert slots.in_octets.tolist() == [b - a for a, b in pairwise(borders)]


@pytest.mark.parametrize("seed", range(3))
def test_every_mark_is_counted_once(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = [(i * 100, int(random.integers(0, 10**6)), i) for i in range(100)]
    slots = slots_of(arrays(rows), 0, 9900 * S, speed_bps=10**6, span_max_ms=900_000)
    counts = slots.counts()
    assert sum(counts[mark.name.lower()] for mark in Mark) == len(slots)
