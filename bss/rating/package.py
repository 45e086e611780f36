"""Packages: so many units are free, the rest is sold in started packages of a fixed size."""

from decimal import Decimal
from fractions import Fraction

import polars as pl

from bss.money import Rounding, quantize, to_minor
from bss.rating.columns import Columns, Line, divided, integers, whole
from bss.rating.metered import Metered, facts, most_quanta, quanta_column, quantity
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact, Positive


class Package(Metered):
    """`price` for each package of `size` units beyond `free`; `package_rounding` up: each that is started, down: each that is full."""

    description: str = "Packages"
    size: Positive
    free: Exact = Decimal(0)
    price: Exact
    package_rounding: Rounding = Rounding.UP


def charge(terms: Package, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    if not usage.active_days:
        return []
    used = quantity(usage, terms)
    started = quantize(max(used - terms.free, Decimal(0)) / terms.size, Decimal(1), terms.package_rounding)
    amount = to_minor(started * terms.price, head.currency, head.terms.rounding)
    named = "started package" if terms.package_rounding == Rounding.UP else f"package ({terms.package_rounding.value})"
    computation = {
        "rule": f"{terms.price} {head.currency} per {named} of {terms.size} {terms.unit} beyond {terms.free}",
        "used": str(used),
        "packages": str(started),
        "rounding": head.terms.rounding.value,
    }
    return [PricedItem("package", terms.description, started, "package", terms.price, amount, computation | facts(usage, terms))]


def columns(terms: Package, of: Columns) -> list[Line]:
    (quantum, size, free), _ = integers([terms.quantum, terms.size, terms.free])
    (price,), denominator = integers([Fraction(terms.price) * of.scale])
    of.check(most_quanta(of, terms) * quantum + 1, price, over=denominator)
    charged = pl.max_horizontal(quanta_column(of, terms) * quantum - whole(free), whole(0))
    started = divided(charged, size, terms.package_rounding)
    return [Line("package", started, Decimal(1), of.money(started * whole(price), denominator), of.active)]


PRICE = Price("package", "*", Package, charge, columns)
