"""Volume pricing: the total decides the tier, and the tier's price holds for every unit from the first."""

from decimal import Decimal

import polars as pl

from bss.money import to_minor
from bss.rating.columns import Columns, Line, whole
from bss.rating.graduated import Tiers, ladder
from bss.rating.metered import Metered, Tier, facts, most_quanta, quanta_column, quantity
from bss.rating.price import Head, Price, PricedItem, ServiceUsage


class VolumeTier(Metered):
    description: str = "Usage"
    tiers: Tiers


def tier_of(used: Decimal, tiers: tuple[Tier, ...]) -> Tier:
    """The first tier that reaches as far as `used`; a total on a border belongs to the tier below it."""
    return next(tier for tier in tiers if tier.up_to is None or used <= tier.up_to)


def charge(terms: VolumeTier, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """Nothing used costs nothing, whatever the first tier's flat fee is."""
    if not usage.active_days:
        return []
    used = quantity(usage, terms)
    tier = tier_of(used, terms.tiers)
    amount = to_minor(used * tier.price + tier.flat if used else Decimal(0), head.currency, head.terms.rounding)
    computation = {
        "rule": "volume: every unit at the price of the tier that the total reaches",
        "tier": {"up_to": str(tier.up_to) if tier.up_to is not None else None, "price": str(tier.price), "flat": str(tier.flat)},
        "rounding": head.terms.rounding.value,
    }
    return [PricedItem("volume_tier", terms.description, used, terms.unit, tier.price, amount, computation | facts(usage, terms))]


def columns(terms: VolumeTier, of: Columns) -> list[Line]:
    quantum, limits, prices, flats, denominator = ladder(terms.quantum, terms.tiers, of)
    of.check(most_quanta(of, terms) * quantum + 1, max(prices) + max(flats) + 1, over=denominator)
    quanta = quanta_column(of, terms)
    used = quanta * quantum
    total = used * whole(prices[-1]) + whole(flats[-1])
    for limit, price, flat in reversed(list(zip(limits, prices, flats, strict=False))):
        total = pl.when(used <= whole(limit)).then(used * whole(price) + whole(flat)).otherwise(total)
    amount = pl.when(quanta > 0).then(of.money(total, denominator)).otherwise(whole(0))
    return [Line("volume_tier", quanta, terms.quantum, amount, of.active)]


PRICE = Price("volume_tier", "*", VolumeTier, charge, columns)
