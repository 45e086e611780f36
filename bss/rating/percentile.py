"""Burstable bandwidth: a high percentile of a month's five-minute slots, with a commitment and an overage price.

For 95 % of 30 days x 288 = 8,640 slots every rank rule bills the 8,208th in ascending order. Rank, direction,
missing slots and roundings differ between operators, so each is a policy that the tariff names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from billing_bridge.slots import SLOT_S, Mark
from billing_bridge.usage import MeterKind
from bss.money import Rounding, quantize, to_minor
from bss.rating.price import Bandwidth, Price, PricedItem, ServiceUsage
from bss.rating.terms import Direction, Exact, Positive, Proration, Terms, prorated
from station.settings import Settings

MBIT_S = Decimal(1_000_000)
U64 = npt.NDArray[np.uint64]


class RankRule(StrEnum):
    """Which of n ascending slots is billed, counted from 1. NEAREST_RANK: ceil(n p / 100). DROP_TOP: discard the highest
    floor(n (100 - p) / 100) and take the highest that remains. ROUND_RANK: n p / 100 rounded half up. Never below 1."""

    NEAREST_RANK = "nearest_rank"
    DROP_TOP = "drop_top"
    ROUND_RANK = "round_rank"


class MissingRule(StrEnum):
    """What an unmeasured slot is. EXCLUDE: only good slots are ranked. ACCEPT_INTERPOLATED: good and interpolated ones.
    ZERO: an unmeasured slot ranks as zero, an interpolated one as measured."""

    EXCLUDE = "exclude"
    ACCEPT_INTERPOLATED = "accept_interpolated"
    ZERO = "zero"


class Percentile(Settings):
    """`commit_mbps` is paid whether used or not, at `commit_price` per Mbit/s and month; above it `overage_price`."""

    description: str = "Burstable bandwidth"
    percent: Positive = Field(default=Decimal(95), le=100)
    rank: RankRule = RankRule.NEAREST_RANK
    direction: Direction = Direction.HIGHER
    missing: MissingRule = MissingRule.ACCEPT_INTERPOLATED
    rate_quantum_mbps: Positive = Decimal("0.01")
    rate_rounding: Rounding = Rounding.HALF_UP
    commit_mbps: Exact = Decimal(0)
    commit_price: Exact = Decimal(0)
    commit_proration: Proration = Proration.BY_DAYS
    overage_price: Exact


@dataclass(frozen=True, slots=True)
class Billed:
    """The slot that is billed: its octets, its rank of n and where it lies in time (0: there is no slot)."""

    octets: int
    rank: int
    n: int
    slot_ns: int
    direction: str


def rank_of(n: int, percent: Decimal, rule: RankRule) -> int:
    """The rank, counted from 1, of the slot to bill among n > 0 ascending ones."""
    numerator, denominator = (percent / 100).as_integer_ratio()
    if rule == RankRule.NEAREST_RANK:
        rank = -(-n * numerator // denominator)
    elif rule == RankRule.DROP_TOP:
        rank = n - n * (denominator - numerator) // denominator
    else:
        rank = (2 * n * numerator + denominator) // (2 * denominator)
    return min(max(rank, 1), n)


def billed(slots: Bandwidth, terms: Percentile) -> Billed:
    """The slot the policies choose. Equal octets rank in order of time."""
    counted, unmeasured = _counted(slots, terms.missing)
    best = Billed(0, 0, 0, 0, "")
    for name, octets in _series(slots, terms.direction):
        ranked = np.where(unmeasured, np.uint64(0), octets)[counted]
        if not len(ranked):
            continue
        order = np.argsort(ranked, kind="stable")
        rank = rank_of(len(ranked), terms.percent, terms.rank)
        row = order[rank - 1]
        found = Billed(int(ranked[row]), rank, len(ranked), int(slots.slot_ns[counted][row]), name)
        if not best.n or found.octets > best.octets:
            best = found
    return best


def _counted(slots: Bandwidth, rule: MissingRule) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(slots that are ranked, slots that rank as zero)."""
    marks = slots.marks
    measured = marks <= Mark.INTERPOLATED
    if rule == MissingRule.ZERO:
        return np.ones(len(marks), np.bool_), ~measured
    return (marks == Mark.GOOD if rule == MissingRule.EXCLUDE else measured), np.zeros(len(marks), np.bool_)


def _series(slots: Bandwidth, direction: Direction) -> list[tuple[str, U64]]:
    """The column or columns to rank, by name."""
    into, out = slots.in_octets, slots.out_octets
    if direction == Direction.SLOT_MAX:
        return [("slot_max", np.maximum(into, out))]
    if direction == Direction.SUM:
        return [("sum", into + out)]
    both = [("in", into), ("out", out)]
    return both if direction == Direction.HIGHER else [(name, octets) for name, octets in both if name == direction.value]


def rate_mbps(octets: int, quantum: Decimal, rounding: Rounding) -> Decimal:
    """Mean Mbit/s of a slot with that many octets, rounded to a multiple of the quantum."""
    return quantize(Decimal(octets * 8) / (SLOT_S * MBIT_S), quantum, rounding)


def charge(terms: Percentile, usage: ServiceUsage, head: Terms) -> list[PricedItem]:
    """The commitment, and what the billed rate exceeds it by."""
    found = billed(usage.bandwidth, terms)
    rate = rate_mbps(found.octets, terms.rate_quantum_mbps, terms.rate_rounding)
    over = max(rate - terms.commit_mbps, rate - rate)
    computation = _computation(terms, head, usage, found, rate)
    items = []
    part, whole = prorated(terms.commit_proration, usage.active_days, usage.days)
    if terms.commit_mbps and part:
        amount = to_minor(terms.commit_mbps * terms.commit_price * part / whole, head.currency, head.rounding)
        proration = {"policy": terms.commit_proration.value, "part": part, "whole": whole}
        rule = f"{terms.commit_mbps} Mbit/s committed at {terms.commit_price} {head.currency} each, used or not"
        commit = {"rule": rule, "proration": proration, "rounding": head.rounding.value}
        items.append(PricedItem("commit", "Committed bandwidth", terms.commit_mbps, "Mbit/s", terms.commit_price, amount, commit))
    if usage.active_days:
        amount = to_minor(over * terms.overage_price, head.currency, head.rounding)
        items.append(PricedItem("overage", terms.description, over, "Mbit/s", terms.overage_price, amount, computation))
    return items


def _computation(terms: Percentile, head: Terms, usage: ServiceUsage, found: Billed, rate: Decimal) -> Mapping[str, Any]:
    return {
        "rule": f"{terms.percent}th percentile of 5-minute slots",
        "percent": str(terms.percent),
        "rank_rule": terms.rank.value,
        "direction_rule": terms.direction.value,
        "missing_rule": terms.missing.value,
        "direction": found.direction,
        "rank": found.rank,
        "slots_ranked": found.n,
        "slots": usage.bandwidth.counts() | {"expected": len(usage.bandwidth.slot_ns)},
        "slot_ns": found.slot_ns,
        "octets": found.octets,
        "rate_mbps": str(rate),
        "commit_mbps": str(terms.commit_mbps),
        "rate_rounding": f"{terms.rate_rounding.value} to {terms.rate_quantum_mbps} Mbit/s",
        "rounding": head.rounding.value,
    }


PRICE = Price("percentile", MeterKind.BANDWIDTH.value, Percentile, charge)
