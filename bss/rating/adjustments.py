"""What discounts, caps and minimums have in common: the sum of earlier charges they work on."""

from functools import reduce
from operator import add

import polars as pl

from bss.rating.columns import Columns, whole
from bss.rating.price import Head


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
