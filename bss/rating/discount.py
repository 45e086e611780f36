"""A discount on the charges before it in the file: a share of their sum or a fixed amount, never more than there is."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

import polars as pl
from pydantic import Field, model_validator

from bss.money import quantize, to_minor
from bss.rating.adjustments import column_before, sum_before
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact
from station.settings import Settings

ONE = Decimal(1)


class Discount(Settings):
    """`percent` of the sum, or `amount` in major units. `of` names charges by their place in the file; empty: all before."""

    description: str = "Discount"
    percent: Annotated[Exact, Field(le=100)] | None = None
    amount: Exact | None = None
    of: Annotated[tuple[int, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def one_of_both(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("a discount has either a percent or an amount")
        return self


def charge(terms: Discount, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """Rounded as its own line, so that a credit of the line it stands for mirrors it."""
    if not usage.active_days:
        return []
    base = sum_before(head, terms.of)
    if terms.percent is not None:
        off = int(quantize(Decimal(max(base, 0)) * terms.percent / 100, ONE, head.terms.rounding))
        rule = f"{terms.percent} % off"
    else:
        assert terms.amount is not None
        off = to_minor(terms.amount, head.currency, head.terms.rounding)
        rule = f"{terms.amount} {head.currency} off, at most the sum"
    off = min(off, max(base, 0))
    computation = {"rule": rule, "base_minor": base, "of": list(terms.of), "rounding": head.terms.rounding.value}
    return [PricedItem("discount", terms.description, ONE, "discount", Decimal(0), -off, computation)]


def columns(terms: Discount, of: Columns) -> list[Line]:
    base = pl.max_horizontal(column_before(of, terms.of), whole(0))
    if terms.percent is not None:
        (share,), denominator = integers([Fraction(terms.percent) / 100])
        of.check(sum(of.most.get(name, 0) for name in of.before), share, over=denominator)
        off = of.money(base * whole(share), denominator)
    else:
        (amount,), denominator = integers([Fraction(terms.amount or 0) * of.scale])
        of.check(amount, over=denominator)
        off = of.money(whole(amount), denominator)
    return [Line("discount", whole(1), ONE, whole(0) - pl.min_horizontal(off, base), of.active)]


PRICE = Price("discount", "", Discount, charge, columns)
