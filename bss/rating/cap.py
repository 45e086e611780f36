"""A cap: the charges before it never come to more than this; what is above is taken back as a line of its own."""

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


class Cap(Settings):
    """`amount` in major units a period; `of` names charges by their place in the file, empty: all before."""

    description: str = "Capped"
    amount: Exact
    proration: Proration = Proration.NONE
    of: Annotated[tuple[int, ...], Field(max_length=50)] = ()


def charge(terms: Cap, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, of no amount while the cap is not reached."""
    part, of = prorated(terms.proration, usage.activity)
    if not usage.active_days:
        return []
    base = sum_before(head, terms.of)
    cap = to_minor(terms.amount * part / of, head.currency, head.terms.rounding)
    computation = {"rule": f"at most {terms.amount} {head.currency}", "base_minor": base, "cap_minor": cap, "of": list(terms.of)}
    return [PricedItem("cap", terms.description, ONE, "cap", Decimal(0), min(cap - base, 0), computation)]


def columns(terms: Cap, of: Columns) -> list[Line]:
    (amount,), denominator = integers([Fraction(terms.amount) * of.scale])
    of.check(amount, over=denominator)
    part, period = of.prorated(terms.proration)
    cap = of.money(part * whole(amount), period * denominator)
    return [Line("cap", whole(1), ONE, pl.min_horizontal(cap - column_before(of, terms.of), whole(0)), of.active)]


PRICE = Price("cap", "", Cap, charge, columns)
