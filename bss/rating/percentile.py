"""Burstable bandwidth: a high percentile of a month's five-minute slots, with a commitment and an overage price.

For 95 % of 30 days x 288 = 8,640 slots every rank rule bills the 8,208th in ascending order. Rank, direction,
missing slots and roundings differ between operators, so each is a policy that the tariff names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import Field

from billing_bridge.usage import MeterKind
from bss.rating.burst import BurstTerms, burst_columns, burst_items, rate_mbps
from bss.rating.columns import Columns, Line
from bss.rating.price import Bandwidth, Head, Price, PricedItem, ServiceUsage
from bss.rating.ranking import MissingRule, RankRule, Rules, billed_octets, ranking
from bss.rating.terms import Direction, Positive


class Percentile(BurstTerms):
    """The rate billed is that of the slot at the percentile; policies as `ranking` explains them."""

    description: str = "Burstable bandwidth"
    percent: Positive = Field(default=Decimal(95), le=100)
    rank: RankRule = RankRule.NEAREST_RANK
    direction: Direction = Direction.HIGHER
    missing: MissingRule = MissingRule.ACCEPT_INTERPOLATED

    @property
    def rules(self) -> Rules:
        return Rules(self.percent, self.rank, self.direction, self.missing)


@dataclass(frozen=True, slots=True)
class Billed:
    """The slot that is billed: its octets, its rank of n and where it lies in time (0: there is no slot)."""

    octets: Fraction = Fraction(0)
    said: int | str = 0
    rank: int = 0
    n: int = 0
    slot_ns: int = 0
    direction: str = ""


def billed(slots: Bandwidth, terms: Percentile) -> Billed:
    """The slot the policies choose."""
    found = ranking(slots, terms.rules)
    if found is None:
        return Billed()
    slot_ns = int(slots.slot_ns[found.rows[found.rank - 1]])
    return Billed(found.billed_octets, found.said_octets, found.rank, len(found.rows), slot_ns, found.direction)


def charge(terms: Percentile, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """The commitment, and what the billed rate exceeds it by."""
    found = billed(usage.bandwidth, terms)
    rate = rate_mbps(found.octets, terms)
    return burst_items(terms, usage, head, rate, _computation(terms, head, usage, found, rate))


def from_slots(terms: Percentile, slots: Bandwidth) -> Mapping[str, int]:
    """The octets of the billed slot, found without sorting all."""
    found = billed_octets(slots, terms.rules)
    return {"octets": found.numerator, "slots": found.denominator}


def columns(terms: Percentile, of: Columns) -> list[Line]:
    return burst_columns(terms, of)


def _computation(terms: Percentile, head: Head, usage: ServiceUsage, found: Billed, rate: Decimal) -> Mapping[str, Any]:
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
        "octets": found.said,
        "rate_mbps": str(rate),
        "commit_mbps": str(terms.commit_mbps),
        "rate_rounding": f"{terms.rate_rounding.value} to {terms.rate_quantum_mbps} Mbit/s",
        "rounding": head.terms.rounding.value,
    }


PRICE = Price("percentile", MeterKind.BANDWIDTH.value, Percentile, charge, columns, from_slots=from_slots)
