"""Burstable bandwidth: a high percentile of a month's five-minute slots, with a commitment and an overage price.

For 95 % of 30 days x 288 = 8,640 slots every rank rule bills the 8,208th in ascending order. Rank, direction,
missing slots and roundings differ between operators, so each is a policy that the tariff names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import Field

from billing_bridge.slots import SLOT_S
from billing_bridge.usage import MeterKind
from bss.money import Rounding, quantize, to_minor
from bss.rating.price import Bandwidth, Price, PricedItem, ServiceUsage
from bss.rating.ranking import MissingRule, RankRule, Rules, ranking
from bss.rating.terms import Direction, Exact, Positive, Proration, Terms, prorated
from station.settings import Settings

MBIT_S = Decimal(1_000_000)


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

    octets: int = 0
    rank: int = 0
    n: int = 0
    slot_ns: int = 0
    direction: str = ""


def billed(slots: Bandwidth, terms: Percentile) -> Billed:
    """The slot the policies choose."""
    found = ranking(slots, Rules(terms.percent, terms.rank, terms.direction, terms.missing))
    if found is None:
        return Billed()
    return Billed(found.billed_octets, found.rank, len(found.rows), int(slots.slot_ns[found.rows[found.rank - 1]]), found.direction)


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
