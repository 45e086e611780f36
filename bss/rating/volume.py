"""Volume: gigabytes of 10^9 octets with declared rounding, an included allowance and graduated tiers."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Annotated, Any, Self

import polars as pl
from pydantic import Field, model_validator

from billing_bridge.usage import MeterKind
from bss.money import Rounding, quantize, to_minor
from bss.rating.columns import Columns, Line, divided, integers, whole
from bss.rating.metered import Metered, most_quanta, octets, quanta_column
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Direction, Exact, Positive, Proration, prorated
from station.settings import Settings

GB = Decimal(10**9)


class Tier(Settings):
    """`price` per GB for the gigabytes beyond the tier below, up to and with `up_to_gb` (none: without end)."""

    up_to_gb: Positive | None = None
    price: Exact


class Volume(Settings):
    """Each gigabyte beyond `included_gb` is priced by the tier it falls into; tiers count from the first charged one."""

    description: str = "Data volume"
    direction: Direction = Direction.SUM
    quantum_gb: Positive = Decimal("0.001")
    quantity_rounding: Rounding = Rounding.UP
    included_gb: Exact = Decimal(0)
    included_proration: Proration = Proration.NONE
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def rising_tiers(self) -> Self:
        if self.direction == Direction.SLOT_MAX:
            raise ValueError("slot_max ranks slots; a volume has none")
        bounds = [tier.up_to_gb for tier in self.tiers]
        if bounds[-1] is not None or None in bounds[:-1]:
            raise ValueError("the last tier and only the last has no up_to_gb")
        if any(low >= high for low, high in pairwise(bound for bound in bounds if bound is not None)):
            raise ValueError("tiers overlap: each up_to_gb is above the one before")
        return self

    @property
    def metered(self) -> Metered:
        return Metered(direction=self.direction, quantum=self.quantum_gb, quantity_rounding=self.quantity_rounding)


def in_tiers(quantity: Decimal, tiers: tuple[Tier, ...]) -> list[tuple[Decimal, Decimal]]:
    """(gigabytes, price) of each tier that `quantity` reaches."""
    found, low = [], Decimal(0)
    for tier in tiers:
        high = quantity if tier.up_to_gb is None else min(quantity, tier.up_to_gb)
        if high > low:
            found.append((high - low, tier.price))
            low = high
    return found


def charge(terms: Volume, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, also when all is included: the customer sees the volume. Its amount is rounded once, over all tiers."""
    if not usage.active_days:
        return []
    used = quantize(Decimal(octets(usage, terms.direction)) / GB, terms.quantum_gb, terms.quantity_rounding)
    part, of = prorated(terms.included_proration, usage.activity)
    included = quantize(terms.included_gb * part / of, terms.quantum_gb, Rounding.DOWN)
    charged = max(used - included, used - used)
    steps = in_tiers(charged, terms.tiers)
    amount = to_minor(sum((gb * price for gb, price in steps), Decimal(0)), head.currency, head.terms.rounding)
    price = steps[0][1] if len(steps) == 1 else terms.tiers[0].price
    return [
        PricedItem(
            "volume", terms.description, charged, "GB", price, amount, _computation(terms, head, usage, (used, included, charged), steps)
        )
    ]


def columns(terms: Volume, of: Columns) -> list[Line]:
    bounds = [tier.up_to_gb for tier in terms.tiers if tier.up_to_gb is not None]
    (quantum, *limits), fine = integers([terms.quantum_gb, *bounds])
    prices, denominator = integers([Fraction(tier.price) * of.scale / fine for tier in terms.tiers])
    (included,), parts_of = integers([Fraction(terms.included_gb) / Fraction(terms.quantum_gb)])
    of.check(most_quanta(of, terms.metered) * quantum + 1, max(prices), over=denominator)
    of.check(included, over=parts_of)
    part, period = of.prorated(terms.included_proration)
    free = divided(part * whole(included), period * parts_of, Rounding.DOWN)
    charged = pl.max_horizontal(quanta_column(of, terms.metered) - free, whole(0))
    used, sums, low = charged * quantum, [], 0
    for limit, price in zip([*limits, None], prices, strict=True):
        width = (used if limit is None else pl.min_horizontal(used, whole(limit))) - whole(low)
        sums.append(pl.max_horizontal(width, whole(0)) * whole(price))
        low = low if limit is None else limit
    return [Line("volume", charged, terms.quantum_gb, of.money(reduce(add, sums), denominator), of.active)]


def _computation(
    terms: Volume, head: Head, usage: ServiceUsage, gb: tuple[Decimal, Decimal, Decimal], steps: list[tuple[Decimal, Decimal]]
) -> Mapping[str, Any]:
    used, included, charged = map(str, gb)
    return {
        "rule": f"GB of 10^9 octets, {terms.direction.value}, {included} GB included, graduated tiers",
        "direction_rule": terms.direction.value,
        "in_octets": usage.volume_in_octets,
        "out_octets": usage.volume_out_octets,
        "octets": octets(usage, terms.direction),
        "used_gb": used,
        "included_gb": included,
        "charged_gb": charged,
        "tiers": [{"gb": str(quantity), "price": str(price)} for quantity, price in steps],
        "quantity_rounding": f"{terms.quantity_rounding.value} to {terms.quantum_gb} GB",
        "rounding": head.terms.rounding.value,
    }


PRICE = Price("volume", MeterKind.VOLUME.value, Volume, charge, columns)
