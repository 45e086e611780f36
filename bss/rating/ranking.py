"""Which slot a percentile bills: one ranking, used by the bill and by its explanation, so that they cannot disagree."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from billing_bridge.slots import Mark
from bss.rating.price import U64, Bandwidth
from bss.rating.terms import Direction


class RankRule(StrEnum):
    """Which of n ascending slots is billed, counted from 1. NEAREST_RANK: ceil(n p / 100). DROP_TOP: discard the highest
    floor(n (100 - p) / 100) and take the highest that remains. ROUND_RANK: n p / 100 rounded half up. FLOOR_RANK:
    floor(n p / 100). NEXT_RANK: floor(n p / 100) + 1, the place int(n p / 100) counted from zero. Within 1 to n. LINEAR: between
    the slots on both sides of 1 + (n - 1) p / 100, in proportion; the upper one is named."""

    NEAREST_RANK = "nearest_rank"
    DROP_TOP = "drop_top"
    ROUND_RANK = "round_rank"
    FLOOR_RANK = "floor_rank"
    NEXT_RANK = "next_rank"
    LINEAR = "linear"


class MissingRule(StrEnum):
    """What an unmeasured slot is. EXCLUDE: only good slots are ranked. ACCEPT_INTERPOLATED: good and interpolated ones.
    ZERO: an unmeasured slot ranks as zero, an interpolated one as measured."""

    EXCLUDE = "exclude"
    ACCEPT_INTERPOLATED = "accept_interpolated"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class Rules:
    """The policies of a ranking, as the tariff names them."""

    percent: Decimal
    rank: RankRule
    direction: Direction
    missing: MissingRule


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Slots in ascending order of what they rank with; `rank` (from 1) is the billed one.

    `rows` index the slots of the Bandwidth, `octets` is what each ranks with: 0 where an unmeasured slot ranks as zero.
    Equal octets rank in order of time.
    """

    direction: str
    rank: int
    rows: npt.NDArray[np.intp]
    octets: U64
    below: Fraction = Fraction(0)  # the share of the slot below the billed one

    @property
    def said_octets(self) -> int | str:
        """The billed octets as a computation says them: whole, or as a fraction in text."""
        found = self.billed_octets
        return found.numerator if found.denominator == 1 else str(found)

    @property
    def billed_octets(self) -> Fraction:
        upper = int(self.octets[self.rank - 1])
        return upper - self.below * (upper - int(self.octets[self.rank - 2])) if self.below else Fraction(upper)


def ranking(slots: Bandwidth, rules: Rules) -> Ranking | None:
    """The ranking that is billed: of two directions the one whose billed slot is higher, the first when equal.

    None when no slot is ranked.
    """
    ranked, unmeasured = counted(slots, rules.missing)
    rows = np.flatnonzero(ranked)
    if not len(rows):
        return None
    rank, below = rank_of(len(rows), rules.percent, rules.rank), below_of(len(rows), rules)
    found = []
    for name, octets in directions(slots, rules.direction):
        value = np.where(unmeasured, np.uint64(0), octets)[rows]
        order = np.argsort(value, kind="stable")
        found.append(Ranking(name, rank, rows[order], value[order], below))
    return max(found, key=lambda one: one.billed_octets)


def billed_octets(slots: Bandwidth, rules: Rules) -> Fraction:
    """`ranking(...).billed_octets`, 0 where nothing is ranked, by selecting instead of sorting: for many services."""
    ranked, unmeasured = counted(slots, rules.missing)
    n = int(np.count_nonzero(ranked))
    if not n:
        return Fraction(0)
    rank, below = rank_of(n, rules.percent, rules.rank), below_of(n, rules)
    zeros, entire = int(np.count_nonzero(unmeasured)), n == len(ranked)
    found = Fraction(0)
    for _, octets in directions(slots, rules.direction):
        value = np.where(unmeasured, np.uint64(0), octets) if zeros else octets
        places = [rank - 2, rank - 1] if below else [rank - 1]
        part = np.partition(value if entire else value[ranked], places)
        upper = int(part[rank - 1])
        found = max(found, upper - below * (upper - int(part[rank - 2])) if below else Fraction(upper))
    return found


def rank_of(n: int, percent: Decimal, rule: RankRule) -> int:
    """The rank, counted from 1, of the slot to bill among n > 0 ascending ones."""
    numerator, denominator = (percent / 100).as_integer_ratio()
    if rule == RankRule.NEAREST_RANK:
        rank = -(-n * numerator // denominator)
    elif rule == RankRule.DROP_TOP:
        rank = n - n * (denominator - numerator) // denominator
    elif rule == RankRule.LINEAR:
        rank = 1 - (-(n - 1) * numerator // denominator)
    elif rule == RankRule.ROUND_RANK:
        rank = (2 * n * numerator + denominator) // (2 * denominator)
    else:
        rank = n * numerator // denominator + (rule == RankRule.NEXT_RANK)
    return min(max(rank, 1), n)


def below_of(n: int, rules: Rules) -> Fraction:
    """By how much the billed octets lie below those of the rank, as a share of the step to the rank below."""
    if rules.rank != RankRule.LINEAR:
        return Fraction(0)
    return -(n - 1) * Fraction(rules.percent) / 100 % 1


def counted(slots: Bandwidth, rule: MissingRule) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(slots that are ranked, slots that rank as zero)."""
    marks = slots.marks
    measured = marks <= Mark.INTERPOLATED
    if rule == MissingRule.ZERO:
        return np.ones(len(marks), np.bool_), ~measured
    return (marks == Mark.GOOD if rule == MissingRule.EXCLUDE else measured), np.zeros(len(marks), np.bool_)


def directions(slots: Bandwidth, direction: Direction) -> list[tuple[str, U64]]:
    """The column or columns to rank, by name."""
    into, out = slots.in_octets, slots.out_octets
    if direction == Direction.SLOT_MAX:
        return [("slot_max", np.maximum(into, out))]
    if direction == Direction.SUM:
        return [("sum", into + out)]
    both = [("in", into), ("out", out)]
    return both if direction == Direction.HIGHER else [(name, octets) for name, octets in both if name == direction.value]
