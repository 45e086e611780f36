"""What discounts, caps and minimums have in common: the earlier charges they work on, and a bound's amount."""

from fractions import Fraction
from functools import reduce
from operator import add
from typing import Annotated

import polars as pl
from pydantic import Field

from bss.money import to_minor
from bss.rating.columns import Columns, integers, whole
from bss.rating.price import Head, ServiceUsage
from bss.rating.terms import Exact, Proration, prorated
from station.settings import Settings


class Bound(Settings):
    """`amount` in major units a period; `of` names charges by their place in the file, empty: all before."""

    amount: Exact
    proration: Proration
    of: Annotated[tuple[int, ...], Field(max_length=50)] = ()


def bound(terms: Bound, usage: ServiceUsage, head: Head) -> int:
    """Minor units that the charges are held against: the amount, prorated."""
    part, of = prorated(terms.proration, usage.activity)
    return to_minor(terms.amount * part / of, head.currency, head.terms.rounding)


def bound_column(terms: Bound, of: Columns) -> pl.Expr:
    """The same as a column."""
    (amount,), denominator = integers([Fraction(terms.amount) * of.scale])
    of.check(amount, over=denominator)
    part, period = of.prorated(terms.proration)
    return of.money(part * whole(amount), period * denominator)


def place_of(charge: str) -> int:
    """The place in the file of a charge named `2.overage`."""
    return int(charge.partition(".")[0])


def sum_before(head: Head, of: tuple[int, ...]) -> int:
    """Minor units of the charges before this one: of the places named, or of all."""
    return sum(item.amount_minor for item in head.before if not of or place_of(item.charge) in of)


def column_before(columns: Columns, of: tuple[int, ...]) -> pl.Expr:
    """The same as a column."""
    names = [name for name in columns.before if not of or place_of(name.removeprefix("amount:")) in of]
    return reduce(add, (pl.col(name).fill_null(0) for name in names), whole(0))
