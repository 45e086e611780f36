"""Blocks (stair steps): the total chooses one fixed amount; within a block more usage costs nothing more."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl

from bss.money import to_minor
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.graduated import Tiers
from bss.rating.metered import Metered, facts, most_quanta, quanta_column, quantity
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.volume_tier import tier_of


class Block(Metered):
    """Each block's amount is the `flat` of its tier; a `price` has no meaning here."""

    description: str = "Usage block"
    tiers: Tiers

    def model_post_init(self, _context: Any) -> None:
        if any(tier.price for tier in self.tiers):
            raise ValueError("a block has a flat amount and no price per unit")


def charge(terms: Block, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """Nothing used costs nothing."""
    if not usage.active_days:
        return []
    used = quantity(usage, terms)
    flat = tier_of(used, terms.tiers).flat if used else Decimal(0)
    computation = {"rule": "one amount for the block that the total lies in", "used": str(used), "rounding": head.terms.rounding.value}
    amount = to_minor(flat, head.currency, head.terms.rounding)
    return [PricedItem("block", terms.description, used, terms.unit, Decimal(0), amount, computation | facts(usage, terms))]


def columns(terms: Block, of: Columns) -> list[Line]:
    bounds = [tier.up_to for tier in terms.tiers if tier.up_to is not None]
    (quantum, *limits), _ = integers([terms.quantum, *bounds])
    flats, denominator = integers([Fraction(tier.flat) * of.scale for tier in terms.tiers])
    of.check(most_quanta(of, terms), quantum)
    of.check(max(flats), over=denominator)
    quanta = quanta_column(of, terms)
    total = whole(flats[-1])
    for limit, flat in reversed(list(zip(limits, flats, strict=False))):
        total = pl.when(quanta * quantum <= whole(limit)).then(whole(flat)).otherwise(total)
    amount = pl.when(quanta > 0).then(of.money(total, denominator)).otherwise(whole(0))
    return [Line("block", quanta, terms.quantum, amount, of.active)]


PRICE = Price("block", "*", Block, charge, columns)
