"""A minimum (commitment in money): what the charges before it lack to this amount is due as a line of its own."""

from decimal import Decimal

import polars as pl

from bss.rating.adjustments import Bound, bound, bound_column, column_before, sum_before
from bss.rating.columns import Columns, Line, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Proration

ONE = Decimal(1)


class Minimum(Bound):
    description: str = "Minimum charge"
    proration: Proration = Proration.BY_DAYS


def charge(terms: Minimum, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, of no amount once the minimum is reached."""
    if not usage.active_days:
        return []
    base = sum_before(head, terms.of)
    least = bound(terms, usage, head)
    computation = {"rule": f"at least {terms.amount} {head.currency}", "base_minor": base, "minimum_minor": least, "of": list(terms.of)}
    return [PricedItem("minimum", terms.description, ONE, "minimum", Decimal(0), max(least - base, 0), computation)]


def columns(terms: Minimum, of: Columns) -> list[Line]:
    least = bound_column(terms, of)
    return [Line("minimum", whole(1), ONE, pl.max_horizontal(least - column_before(of, terms.of), whole(0)), of.active)]


PRICE = Price("minimum", "", Minimum, charge, columns)
