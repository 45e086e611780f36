"""The percentile against a plain reference: rank rules, directions, ties, missing slots."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.slots import SLOT_NS, Mark
from bss.rating.burst import rate_mbps
from bss.rating.percentile import Percentile, billed
from bss.rating.price import Bandwidth
from bss.rating.ranking import MissingRule, RankRule, Rules, billed_octets, rank_of, ranking
from bss.rating.terms import Direction

Row = tuple[int, int, Mark]
octets = st.integers(0, 5) | st.integers(0, 2**50)  # small ones tie
slots = st.lists(st.tuples(octets, octets, st.sampled_from(Mark)), max_size=60)
percents = st.decimals(Decimal("0.01"), Decimal(100), places=2)
rules = st.builds(Rules, percents, st.sampled_from(RankRule), st.sampled_from(Direction), st.sampled_from(MissingRule))


VALUES: dict[str, Callable[[int, int], int]] = {
    "in": lambda into, out: into,
    "out": lambda into, out: out,
    "sum": lambda into, out: into + out,
    "slot_max": max,
}


def bandwidth(rows: list[Row]) -> Bandwidth:
    columns = np.array([[into, out] for into, out, _ in rows], np.uint64).reshape(-1, 2)
    quality = np.array([mark for _, _, mark in rows], np.uint8)
    return Bandwidth(np.arange(len(rows), dtype=np.int64) * SLOT_NS, columns[:, 0], columns[:, 1], quality)


def reference(rows: list[Row], rules: Rules) -> tuple[str, int, int, int, Fraction] | None:
    """(direction, rank, n, slot, octets) by sorting lists."""
    best: tuple[str, int, int, int, Fraction] | None = None
    wanted = {
        Direction.HIGHER: ["in", "out"],
        Direction.SLOT_MAX: ["slot_max"],
        Direction.SUM: ["sum"],
        Direction.IN: ["in"],
        Direction.OUT: ["out"],
    }
    for name in wanted[rules.direction]:
        value = VALUES[name]
        ranked = []
        for at, (into, out, mark) in enumerate(rows):
            if mark <= (Mark.GOOD if rules.missing == MissingRule.EXCLUDE else Mark.INTERPOLATED):
                ranked.append((value(into, out), at))
            elif rules.missing == MissingRule.ZERO:
                ranked.append((0, at))
        if not ranked:
            return None
        ranked.sort()
        rank = reference_rank(len(ranked), rules.percent, rules.rank)
        amount, at = Fraction(ranked[rank - 1][0]), ranked[rank - 1][1]
        if rules.rank == RankRule.LINEAR:  # as numpy's percentile and a spreadsheet's PERCENTILE.INC
            amount = reference_linear([value for value, _ in ranked], rules.percent)
        if best is None or amount > best[4]:
            best = (name, rank, len(ranked), at, amount)
    return best


def reference_linear(values: list[int], percent: Decimal) -> Fraction:
    at = Fraction(percent) / 100 * (len(values) - 1)
    low = floor(at)
    return values[low] + (at - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def reference_rank(n: int, percent: Decimal, rule: RankRule) -> int:
    exact = Fraction(percent) * n / 100
    if rule == RankRule.NEAREST_RANK:
        return max(1, ceil(exact))
    if rule == RankRule.DROP_TOP:
        return max(1, n - floor(n - exact))
    if rule == RankRule.ROUND_RANK:
        return min(n, max(1, floor(exact + Fraction(1, 2))))
    if rule == RankRule.LINEAR:
        return 1 + ceil(Fraction(percent) / 100 * (n - 1))
    return min(n, max(1, floor(exact) + (rule == RankRule.NEXT_RANK)))


@given(slots, rules)
def test_a_ranking_is_what_sorting_a_list_gives(rows: list[Row], rules: Rules) -> None:
    found = ranking(bandwidth(rows), rules)
    seen = found and (found.direction, found.rank, len(found.rows), int(found.rows[found.rank - 1]), found.billed_octets)
    expected = reference(rows, rules)
    assert seen == expected and billed_octets(bandwidth(rows), rules) == (expected[4] if expected else 0)


@given(slots, rules, st.randoms(use_true_random=False))
def test_the_order_in_which_slots_lie_never_changes_the_billed_octets(rows: list[Row], rules: Rules, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = ranking(bandwidth(rows), rules), ranking(bandwidth(shuffled), rules)
    assert (one and one.billed_octets) == (other and other.billed_octets)


@given(slots, st.sampled_from(RankRule), st.sampled_from(Direction), percents, percents)
def test_a_higher_percentile_never_bills_less(rows: list[Row], rank: RankRule, way: Direction, p: Decimal, q: Decimal) -> None:
    low, high = sorted((p, q))
    less, more = (ranking(bandwidth(rows), Rules(percent, rank, way, MissingRule.ZERO)) for percent in (low, high))
    assert (less.billed_octets if less else 0) <= (more.billed_octets if more else 0)


@pytest.mark.parametrize(
    ("n", "nearest", "drop", "rounded"),
    [
        (8640, 8208, 8208, 8208),
        (8928, 8482, 8482, 8482),
        (8052, 7650, 7650, 7649),
        (8352, 7935, 7935, 7934),
        (1, 1, 1, 1),
        (10, 10, 10, 10),
    ],
)
def test_ranks_of_months_of_every_length(n: int, nearest: int, drop: int, rounded: int) -> None:
    assert [rank_of(n, Decimal(95), rule) for rule in (RankRule.NEAREST_RANK, RankRule.DROP_TOP, RankRule.ROUND_RANK)] == [
        nearest,
        drop,
        rounded,
    ]


def test_of_equal_slots_the_later_has_the_higher_rank_and_of_equal_directions_the_first_is_billed() -> None:
    found = billed(bandwidth([(7, 7, Mark.GOOD)] * 20), Percentile(percent="95", overage_price="1"))
    assert (found.direction, found.rank, found.slot_ns) == ("in", 19, 18 * SLOT_NS)


def test_a_month_without_any_slot_bills_nothing_and_names_none() -> None:
    found = billed(Bandwidth.empty(), Percentile(overage_price="1"))
    assert (found.said, found.rank, found.n, found.slot_ns, found.direction) == (0, 0, 0, 0, "")


@given(st.integers(0, 2**53), st.sampled_from(["0.01", "0.000001", "1", "5"]))
def test_a_rate_lies_within_half_a_quantum_of_its_octets(count: int, quantum: str) -> None:
    exact = Fraction(count * 8, 300 * 10**6)
    rate = rate_mbps(Fraction(count), Percentile(overage_price="1", rate_quantum_mbps=quantum))
    assert abs(Fraction(rate) - exact) <= Fraction(quantum) / 2 and Fraction(rate) % Fraction(quantum) == 0


@pytest.mark.parametrize(
    ("n", "floor_rank", "next_rank"), [(8640, 8208, 8209), (8639, 8207, 8208), (8928, 8481, 8482), (1, 1, 1), (2, 1, 2)]
)
def test_scripts_that_count_from_zero_bill_the_next_slot(n: int, floor_rank: int, next_rank: int) -> None:
    found = [rank_of(n, Decimal(95), rule) for rule in (RankRule.FLOOR_RANK, RankRule.NEXT_RANK)]
    assert found == [floor_rank, next_rank]
