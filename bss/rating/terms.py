"""What every kind of price shares: currency, rounding point of an amount, proration."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from bss.money import Rounding


def _exact(value: object) -> object:
    """Decimals stand as text or whole numbers: a TOML float has already lost its exactness."""
    if isinstance(value, float | bool):
        raise ValueError("write it as text in quotes, so that it stays exact")
    return value


Exact = Annotated[Decimal, BeforeValidator(_exact), Field(ge=0, allow_inf_nan=False, max_digits=30, decimal_places=12)]
Positive = Annotated[Decimal, BeforeValidator(_exact), Field(gt=0, allow_inf_nan=False, max_digits=30, decimal_places=12)]


class Direction(StrEnum):
    """Which octets count. For percentiles HIGHER ranks each direction alone and takes the higher result; SLOT_MAX takes
    the larger direction of each slot before ranking; SUM, IN and OUT say themselves. For volumes HIGHER is the larger total.
    """

    HIGHER = "higher_direction"
    SLOT_MAX = "slot_max"
    SUM = "sum"
    IN = "in"
    OUT = "out"


class Proration(StrEnum):
    """NONE: the whole amount for any active day. BY_DAYS: active days over the days of the calendar month; a day on which
    the service was active at any time counts. BY_30_DAYS: active days over 30, at most the whole."""

    NONE = "none"
    BY_DAYS = "by_days"
    BY_30_DAYS = "by_30_days"


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands at the head of a tariff. Each line's amount is rounded once, by `rounding`, to the minor unit."""

    currency: str
    rounding: Rounding


def prorated(rule: Proration, active_days: int, days: int) -> tuple[int, int]:
    """(part, whole) by which an amount is to be multiplied under the rule; no rounding here."""
    assert 0 <= active_days <= days, (active_days, days)
    if rule == Proration.NONE or active_days == days or not active_days:
        return (1 if active_days else 0), 1
    return (active_days, days) if rule == Proration.BY_DAYS else (min(active_days, 30), 30)
