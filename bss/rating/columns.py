"""Exact money in columns: what `bss.money` does for one value, as polars expressions over whole numbers of 128 bits.

A price is a whole number over a common denominator, a quantity a whole number of quanta, so that an amount is one sum of
products and one rounded division. `Columns.check` refuses what could leave 127 bits; the engine then asks the oracle.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import polars as pl

from bss import money
from bss.cycles import SPAN_MAX_DAYS
from bss.money import Rounding
from bss.rating.terms import Edge, Edges, Proration, Terms

WIDE = pl.Int128
LIMIT = (1 << 127) - 1
PARTS_MAX = (SPAN_MAX_DAYS + 1) * 86_400  # no proration has a larger whole: the seconds of the longest cycle


class TooWideError(Exception):
    """The tariff's numbers do not fit the engine's; the oracle has no such limit."""


def whole(value: int) -> pl.Expr:
    return pl.lit(value, dtype=WIDE)


def divided(numerator: pl.Expr, denominator: pl.Expr | int, rounding: Rounding) -> pl.Expr:
    """numerator / denominator in whole numbers by the rule; neither is negative."""
    by = whole(denominator) if isinstance(denominator, int) else denominator
    if rounding == Rounding.HALF_UP:
        return (numerator * 2 + by) // (by * 2)
    if rounding == Rounding.UP:
        return (numerator + by - 1) // by
    quotient = numerator // by
    if rounding == Rounding.DOWN:
        return quotient
    twice = (numerator - quotient * by) * 2
    return quotient + ((twice > by) | ((twice == by) & (quotient % 2 == 1))).cast(WIDE)


def integers(values: Iterable[Decimal | Fraction | int]) -> tuple[list[int], int]:
    """The values as whole numbers over one denominator."""
    exact = [Fraction(value) for value in values]
    denominator = math.lcm(1, *(value.denominator for value in exact))
    return [int(value * denominator) for value in exact], denominator


@dataclass(frozen=True, slots=True)
class Line:
    """A charge in columns: `quanta` of `quantum` each, and whole minor units; there is a line where `present`.

    `covers`: (meter key, base units) that need no further price.
    """

    name: str
    quanta: pl.Expr
    quantum: Decimal
    amount: pl.Expr
    present: pl.Expr
    covers: tuple[str, pl.Expr] | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """A frame of one row per service as expressions. `most` is the largest total of each column, for `check`.

    Columns: `days`, `active_days`, `seconds`, `active_seconds`, `days_360`, `active_days_360`, `months`, `ended_after`, and of
    both edges `before_days` (`_seconds`, `_360`, `_change`) and `after_days`; `total:<meter>` (`total:volume/in`, `/out` for octets);
    `free:<key>`; `carried:<place>`, `pooled:<place>`; what events and slots come to, `<name>:<place>`; `amount:<line>`.
    """

    terms: Terms
    place: int
    most: Mapping[str, int]
    before: Sequence[str] = ()  # amount columns of the charges before this one
    covered: frozenset[str] = field(default_factory=frozenset)  # keys that an allowance of this tariff covers

    @property
    def scale(self) -> int:
        """Minor units in a major one."""
        return int(10 ** money.exponent(self.terms.currency))

    @property
    def active(self) -> pl.Expr:
        return pl.col("active_days") > 0

    def column(self, name: str) -> pl.Expr:
        """A column's whole numbers, 0 where the service has none; a tariff may ask for what nobody used."""
        return pl.col(name).cast(WIDE).fill_null(0) if name in self.most else whole(0)

    def own(self, name: str) -> pl.Expr:
        """What events or slots came to for this very charge."""
        return self.column(f"{name}:{self.place}")

    def check(self, *factors: int, over: int = 1) -> None:
        """TooWideError unless the product of these bounds and the divisor, each prorated and doubled for rounding, fit."""
        if max(math.prod(max(factor, 1) for factor in factors), over) * 4 * PARTS_MAX > LIMIT:
            raise TooWideError(f"charge {self.place}")

    def prorated(self, rule: Proration, edges: Edges | None = None) -> tuple[pl.Expr, pl.Expr]:
        """(part, whole) as `terms.prorated` gives them; the part is 0 where the service was not active."""
        active, seconds, thirty = (self._charged(name, edges or Edges()) for name in ("days", "seconds", "360"))
        some, days = active > 0, pl.col("days").cast(WIDE)
        if rule == Proration.BY_SECONDS:
            of_all = pl.max_horizontal(pl.col("seconds").cast(WIDE), whole(1))
            return pl.when(some).then(seconds).otherwise(0), of_all
        entire = active == days
        if rule == Proration.WHOLE_ONLY:
            return (entire & some).cast(WIDE), whole(1)
        if rule == Proration.NONE:
            return some.cast(WIDE), whole(1)
        part, of = {
            Proration.BY_DAYS: (active, days),
            Proration.BY_30_DAYS: (pl.min_horizontal(active, whole(30)), whole(30)),
            Proration.THIRTY_360: (thirty, pl.max_horizontal(pl.col("days_360").cast(WIDE), whole(1))),
        }[rule]
        return (
            pl.when(~some).then(whole(0)).when(entire).then(whole(1)).otherwise(part),
            pl.when(entire | ~some).then(whole(1)).otherwise(of),
        )

    def _charged(self, unit: str, edges: Edges) -> pl.Expr:
        """Active days, seconds or days of months of thirty as `Activity.by` gives them."""
        found = pl.col("active_days_360" if unit == "360" else f"active_{unit}").cast(WIDE)
        lost = pl.lit(value=False)
        for side, plain in (("before", edges.on_start), ("after", edges.on_end)):
            cut = (pl.col(f"{side}_days") > 0) | (pl.col(f"{side}_seconds") > 0)
            change = pl.col(f"{side}_change") > 0
            for rule, here in ((plain, cut & ~change), (edges.on_change, cut & change)):
                if rule == Edge.WHOLE:
                    found = found + pl.when(here & self.active).then(pl.col(f"{side}_{unit}").cast(WIDE)).otherwise(0)
                elif rule == Edge.NOTHING:
                    lost = lost | here
        return pl.when(lost).then(whole(0)).otherwise(found)

    def money(self, numerator: pl.Expr, denominator: int | pl.Expr) -> pl.Expr:
        """Whole minor units by the tariff's rule."""
        return divided(numerator, denominator, self.terms.rounding)
