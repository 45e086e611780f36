"""What is due when a service ends before its minimum term: a fixed amount, and so much for each month that is left."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

import polars as pl
from pydantic import Field

from bss.money import to_minor
from bss.rating.columns import WIDE, Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact
from station.settings import Settings

ONE = Decimal(1)


class EarlyTermination(Settings):
    """`term_months` from the service's begin; a month that was begun is not served. `most` bounds the whole."""

    description: str = "Early termination"
    term_months: Annotated[int, Field(ge=1, le=240, strict=True)]
    fixed: Exact = Decimal(0)
    per_month: Exact = Decimal(0)
    most: Exact | None = None


def left(terms: EarlyTermination, usage: ServiceUsage) -> int:
    """Months of the term that are not served, 0 where the service did not end in this period."""
    return max(terms.term_months - usage.ended_after, 0) if usage.ended_after >= 0 else 0


def charge(terms: EarlyTermination, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    months = left(terms, usage)
    if not months:
        return []
    amount = terms.fixed + terms.per_month * months
    amount = amount if terms.most is None else min(amount, terms.most)
    computation = {
        "rule": f"ended {months} months before its term of {terms.term_months}",
        "served_months": usage.ended_after,
        "fixed": str(terms.fixed),
        "per_month": str(terms.per_month),
        "rounding": head.terms.rounding.value,
    }
    minor = to_minor(amount, head.currency, head.terms.rounding)
    return [PricedItem("early_termination", terms.description, Decimal(months), "month", terms.per_month, minor, computation)]


def columns(terms: EarlyTermination, of: Columns) -> list[Line]:
    bounds = [] if terms.most is None else [terms.most]
    (fixed, each, *most), denominator = integers([Fraction(value) * of.scale for value in (terms.fixed, terms.per_month, *bounds)])
    of.check(fixed + each * terms.term_months, over=denominator)
    served = pl.col("ended_after").cast(WIDE)
    months = pl.when(served >= 0).then(pl.max_horizontal(whole(terms.term_months) - served, whole(0))).otherwise(whole(0))
    amount = months * whole(each) + whole(fixed)
    amount = pl.min_horizontal(amount, whole(most[0])) if most else amount
    return [Line("early_termination", months, ONE, of.money(amount, denominator), months > 0)]


PRICE = Price("early_termination", "", EarlyTermination, charge, columns)
