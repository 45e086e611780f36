"""Dated exchange rates: what one unit of a currency is worth in another on a day, and amounts by it.

A rate holds from its day until a newer one, for `MAX_AGE_DAYS` at most. Where there is none between two currencies, the
opposite one is divided by, or both are led through the operator's currency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bss import money
from bss.money import Rounding

MAX_AGE_DAYS = 31  # an older rate is no rate: holidays are bridged, forgotten imports are not


@dataclass(frozen=True, slots=True)
class Rate:
    """`value` units of the quoted currency for one of the base, exactly; `said` is how it came about, for the invoice."""

    value: Fraction
    said: Mapping[str, str]


def minor(amount_minor: int, base: str, quote: str, rate: Rate, rounding: Rounding) -> int:
    """Minor units of `quote` for minor units of `base`, rounded once."""
    scaled = rate.value * Fraction(10 ** money.exponent(quote), 10 ** money.exponent(base))
    return money.share(amount_minor, scaled.numerator, scaled.denominator, rounding)


@dataclass(frozen=True)
class Rates:
    """Rows (day, base, quote, rate as text, source), in any order."""

    rows: Sequence[Mapping[str, Any]]
    pivot: str = ""

    def on(self, day: date, base: str, quote: str) -> Rate | None:
        """The rate of a day, None where nobody said one."""
        if base == quote:
            return Rate(Fraction(1), {})
        found = self._pair(day, base, quote)
        if found is not None or not self.pivot or self.pivot in (base, quote):
            return found
        one, other = self._pair(day, base, self.pivot), self._pair(day, self.pivot, quote)
        if one is None or other is None:
            return None
        both = {name: f"{one.said[name]}, {other.said[name]}" for name in ("rate", "day", "source")}
        return Rate(one.value * other.value, both)

    def _pair(self, day: date, base: str, quote: str) -> Rate | None:
        row = self._latest(day, base, quote)
        if row is not None:
            return Rate(Fraction(Decimal(row["rate"])), _said(row))
        row = self._latest(day, quote, base)
        return None if row is None else Rate(1 / Fraction(Decimal(row["rate"])), _said(row))

    def _latest(self, day: date, base: str, quote: str) -> Mapping[str, Any] | None:
        mine = (row for row in self.rows if (row["base"], row["quote"]) == (base, quote) and row["day"] <= day.isoformat())
        row = max(mine, key=lambda row: row["day"], default=None)
        fresh = row is not None and (day - date.fromisoformat(row["day"])).days <= MAX_AGE_DAYS
        return row if fresh else None


def _said(row: Mapping[str, Any]) -> dict[str, str]:
    return {"rate": f"1 {row['base']} = {row['rate']} {row['quote']}", "day": row["day"], "source": row["source"]}
