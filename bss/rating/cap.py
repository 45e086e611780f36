"""A cap: the charges before it never come to more than this; what is above is taken back as a line of its own."""

from decimal import Decimal

import polars as pl

from bss.rating.adjustments import Bound, bound, bound_column, column_before, sum_before
from bss.rating.columns import Columns, Line, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Proration

ONE = Decimal(1)


class Cap(Bound):
    description: str = "Capped"
    proration: Proration = Proration.NONE


def charge(terms: Cap, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item, of no amount while the cap is not reached."""
    if not usage.active_days:
        return []
    base = sum_before(head, terms.of)
    cap = bound(terms, usage, head)
    computation = {"rule": f"at most {terms.amount} {head.currency}", "base_minor": base, "cap_minor": cap, "of": list(terms.of)}
    return [PricedItem("cap", terms.description, ONE, "cap", Decimal(0), min(cap - base, 0), computation)]


def columns(terms: Cap, of: Columns) -> list[Line]:
    cap = bound_column(terms, of)
    return [Line("cap", whole(1), ONE, pl.min_horizontal(cap - column_before(of, terms.of), whole(0)), of.active)]


PRICE = Price("cap", "", Cap, charge, columns)
