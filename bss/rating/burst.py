"""Bandwidth by other rules than a percentile (peak, mean, mean of the highest), and what all burst rules share:
a commitment paid whether used or not, and a price for what the billed rate exceeds it by.
"""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from billing_bridge.slots import SLOT_S
from billing_bridge.usage import MeterKind
from bss.money import Rounding, share, to_minor
from bss.rating.columns import Columns, Line, divided, integers, whole
from bss.rating.price import Bandwidth, Head, Price, PricedItem, ServiceUsage
from bss.rating.ranking import MissingRule, counted, directions
from bss.rating.terms import Direction, Exact, Positive, Proration, prorated
from station.settings import Settings

MBIT_S = 1_000_000


class BurstTerms(Settings):
    """`commit_mbps` is paid whether used or not, at `commit_price` per Mbit/s and month; above it `overage_price`."""

    description: str = "Burstable bandwidth"
    rate_quantum_mbps: Positive = Decimal("0.01")
    rate_rounding: Rounding = Rounding.HALF_UP
    commit_mbps: Exact = Decimal(0)
    commit_price: Exact = Decimal(0)
    commit_proration: Proration = Proration.BY_DAYS
    overage_price: Exact


class BurstRule(StrEnum):
    """PEAK: the highest slot. MEAN: all octets over all ranked slots. MEAN_OF_TOP: the mean of the `top` highest slots,
    of all when there are fewer."""

    PEAK = "peak"
    MEAN = "mean"
    MEAN_OF_TOP = "mean_of_top"


class Burst(BurstTerms):
    rule: BurstRule
    top: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 1
    direction: Direction = Direction.HIGHER
    missing: MissingRule = MissingRule.ACCEPT_INTERPOLATED


def measured(slots: Bandwidth, terms: Burst) -> tuple[int, int]:
    """(octets, slots) whose quotient is the billed rate; (0, 1) when nothing was measured."""
    ranked, unmeasured = counted(slots, terms.missing)
    best = (0, 1)
    for _, octets in directions(slots, terms.direction):
        value = np.where(unmeasured, np.uint64(0), octets)[ranked]
        n = len(value) if terms.rule == BurstRule.MEAN else min(1 if terms.rule == BurstRule.PEAK else terms.top, len(value))
        if n:
            highest = np.partition(value, len(value) - n)[len(value) - n :]
            best = max(best, (int(highest.sum()), n), key=lambda found: Fraction(*found))
    return best


def rate_mbps(octets: Fraction, terms: BurstTerms) -> Decimal:
    """Mean Mbit/s of slots with that many octets each, rounded to a multiple of the quantum."""
    quanta = octets * 8 / (SLOT_S * MBIT_S) / Fraction(terms.rate_quantum_mbps)
    return share(quanta.numerator, 1, quanta.denominator, terms.rate_rounding) * terms.rate_quantum_mbps


def charge(terms: Burst, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    octets, n = measured(usage.bandwidth, terms)
    rate = rate_mbps(Fraction(octets, n), terms)
    computation = {
        "rule": f"{terms.rule.value} of 5-minute slots",
        "direction_rule": terms.direction.value,
        "missing_rule": terms.missing.value,
        "slots": usage.bandwidth.counts() | {"expected": len(usage.bandwidth.slot_ns)},
        "octets": octets,
        "over_slots": n,
        "rate_mbps": str(rate),
        "commit_mbps": str(terms.commit_mbps),
        "rate_rounding": f"{terms.rate_rounding.value} to {terms.rate_quantum_mbps} Mbit/s",
        "rounding": head.terms.rounding.value,
    }
    return burst_items(terms, usage, head, rate, computation)


def burst_items(terms: BurstTerms, usage: ServiceUsage, head: Head, rate: Decimal, computation: Mapping[str, Any]) -> list[PricedItem]:
    """The commitment where there is one, and the overage of an active service."""
    over = max(rate - terms.commit_mbps, rate - rate)
    items = []
    part, of = prorated(terms.commit_proration, usage.activity)
    if terms.commit_mbps and part:
        amount = to_minor(terms.commit_mbps * terms.commit_price * part / of, head.currency, head.terms.rounding)
        proration = {"policy": terms.commit_proration.value, "part": part, "whole": of}
        rule = f"{terms.commit_mbps} Mbit/s committed at {terms.commit_price} {head.currency} each, used or not"
        commit = {"rule": rule, "proration": proration, "rounding": head.terms.rounding.value}
        items.append(PricedItem("commit", "Committed bandwidth", terms.commit_mbps, "Mbit/s", terms.commit_price, amount, commit))
    if usage.active_days:
        amount = to_minor(over * terms.overage_price, head.currency, head.terms.rounding)
        items.append(PricedItem("overage", terms.description, over, "Mbit/s", terms.overage_price, amount, computation))
    return items


def from_slots(terms: Burst, slots: Bandwidth) -> Mapping[str, int]:
    octets, n = measured(slots, terms)
    return {"octets": octets, "slots": n}


def columns(terms: Burst, of: Columns) -> list[Line]:
    return burst_columns(terms, of)


def burst_columns(terms: BurstTerms, of: Columns) -> list[Line]:
    """Both lines from `octets:<place>` over `slots:<place>`."""
    octets, slots = of.own("octets"), pl.max_horizontal(of.own("slots"), whole(1))
    step = Fraction(SLOT_S * MBIT_S, 8) * Fraction(terms.rate_quantum_mbps)
    (quantum, commit), fine = integers([terms.rate_quantum_mbps, terms.commit_mbps])
    of.check(of.most.get(f"octets:{of.place}", 0) + 1, step.denominator, quantum, over=step.numerator * of.most.get(f"slots:{of.place}", 0))
    rate = divided(octets * step.denominator, slots * step.numerator, terms.rate_rounding) * quantum
    over = pl.max_horizontal(rate - whole(commit), whole(0))
    (price,), denominator = integers([Fraction(terms.overage_price) * of.scale / fine])
    of.check(int(of.most.get(f"octets:{of.place}", 0) / step) * quantum + quantum, price, over=denominator)
    lines = []
    if terms.commit_mbps:
        (fee,), parts = integers([Fraction(terms.commit_mbps) * Fraction(terms.commit_price) * of.scale])
        of.check(fee, over=parts)
        part, period = of.prorated(terms.commit_proration)
        amount = of.money(part * whole(fee), period * parts)
        lines.append(Line("commit", whole(1), terms.commit_mbps, amount, part > 0))
    return [*lines, Line("overage", over, Decimal(1) / fine, of.money(over * whole(price), denominator), of.active)]


PRICE = Price("burst", MeterKind.BANDWIDTH.value, Burst, charge, columns, from_slots=from_slots)
