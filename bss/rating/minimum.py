"""A minimum (commitment in money): what the charges before it lack to this amount is due as a line of its own."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import polars as pl
from pydantic import Field

from bss.money import to_minor
from bss.rating.adjustments import column_before, sum_before
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact, Proration, prorated
from station.settings import Settings

ONE = Decimal(1)


class Minimum(Settings):
    """`amount` in major units a period; `of` names charges by their place in the file, empty: all before."""

    description: str = "Minimum charge"
    amount: Exact
    proration: Proration = Proration.BY_DAYS
    of: Annotated[tuple[int, ...], Field(max_length=50)] = ()


def charge(terms: Minimum, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, of no amount once the minimum is reached."""
    if not usage.active_days:
        return []
    part, of = prorated(terms.proration, usage.activity)
    base = sum_before(head, terms.of)
    least = to_minor(terms.amount * part / of, head.currency, head.terms.rounding)
    computation = {"rule": f"at least {terms.amount} {head.currency}", "base_minor": base, "minimum_minor": least, "of": list(terms.of)}
    return [PricedItem("minimum", terms.description, ONE, "minimum", Decimal(0), max(least - base, 0), computation)]


def columns(terms: Minimum, of: Columns) -> list[Line]:
    (amount,), denominator = integers([Fraction(terms.amount) * of.scale])
    of.check(amount, over=denominator)
    part, period = of.prorated(terms.proration)
    least = of.money(part * whole(amount), period * denominator)
    return [Line("minimum", whole(1), ONE, pl.max_horizontal(least - column_before(of, terms.of), whole(0)), of.active)]


PRICE = Price("minimum", "", Minimum, charge, columns)
