"""Graduated tiers: each unit is priced by the tier it falls into; a tier's flat fee is due once it is reached."""

from decimal import Decimal
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, Field

from bss.money import to_minor
from bss.rating.columns import WIDE, Columns, Line, integers, whole
from bss.rating.metered import Metered, Tier, facts, most_quanta, quanta_column, quantity, rising
from bss.rating.price import Head, Price, PricedItem, ServiceUsage

Tiers = Annotated[tuple[Tier, ...], Field(min_length=1, max_length=50), AfterValidator(rising)]


class Graduated(Metered):
    description: str = "Usage"
    tiers: Tiers


def steps(used: Decimal, tiers: tuple[Tier, ...]) -> list[tuple[Decimal, Tier]]:
    """(units, tier) of each tier that `used` reaches: each unit once."""
    found, low = [], Decimal(0)
    for tier in tiers:
        high = used if tier.up_to is None else min(used, tier.up_to)
        if high > low:
            found.append((high - low, tier))
            low = high
    return found


def ladder(quantum: Decimal, tiers: tuple[Tier, ...], of: Columns) -> tuple[int, list[int], list[int], list[int], int]:
    """(quantum, upper limits, prices, flat fees, denominator of the amounts) as integers.

    Quantum and limits stand on one denominator, so that widths of tiers are whole numbers whatever the limits are.
    """
    bounds = [tier.up_to for tier in tiers if tier.up_to is not None]
    (whole_quantum, *limits), fine = integers([quantum, *bounds])
    values, denominator = integers(
        [Fraction(tier.price) * of.scale / fine for tier in tiers] + [Fraction(tier.flat) * of.scale for tier in tiers]
    )
    return whole_quantum, limits, values[: len(tiers)], values[len(tiers) :], denominator


def charge(terms: Graduated, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, also for nothing used: the customer sees it. Its amount is rounded once, over all tiers."""
    if not usage.active_days:
        return []
    used = quantity(usage, terms)
    reached = steps(used, terms.tiers)
    amount = to_minor(sum((units * tier.price + tier.flat for units, tier in reached), Decimal(0)), head.currency, head.terms.rounding)
    computation: dict[str, Any] = {
        "rule": "graduated tiers: each unit at the price of its own tier",
        "tiers": [{"units": str(units), "price": str(tier.price), "flat": str(tier.flat)} for units, tier in reached],
        "rounding": head.terms.rounding.value,
    }
    price = reached[0][1].price if len(reached) == 1 else terms.tiers[0].price
    return [PricedItem("graduated", terms.description, used, terms.unit, price, amount, computation | facts(usage, terms))]


def columns(terms: Graduated, of: Columns) -> list[Line]:
    quantum, limits, prices, flats, denominator = ladder(terms.quantum, terms.tiers, of)
    of.check(most_quanta(of, terms) * quantum + 1, max(prices) + sum(flats) + 1, over=denominator)
    quanta = quanta_column(of, terms)
    used, parts, low = quanta * quantum, [], 0
    for limit, price, flat in zip([*limits, None], prices, flats, strict=True):
        width = pl.max_horizontal((used if limit is None else pl.min_horizontal(used, whole(limit))) - whole(low), whole(0))
        parts.append(width * whole(price) + (used > whole(low)).cast(WIDE) * whole(flat))
        low = low if limit is None else limit
    return [Line("graduated", quanta, terms.quantum, of.money(reduce(add, parts), denominator), of.active)]


PRICE = Price("graduated", "*", Graduated, charge, columns)
