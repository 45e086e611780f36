"""What every kind of price shares: currency, rounding point of an amount, direction of octets, proration."""

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
    the service was active at any time counts. BY_30_DAYS: active days over 30, at most the whole. BY_SECONDS: active seconds
    over the seconds of the period, so that a day of 25 hours weighs more. WHOLE_ONLY: a partial month costs nothing."""

    NONE = "none"
    BY_DAYS = "by_days"
    BY_30_DAYS = "by_30_days"
    BY_SECONDS = "by_seconds"
    WHOLE_ONLY = "whole_only"


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands at the head of a tariff. Each line's amount is rounded once, by `rounding`, to the minor unit."""

    currency: str
    rounding: Rounding


@dataclass(frozen=True, slots=True)
class Activity:
    """How much of a period a service was active: whole days as people count them, and seconds."""

    days: int
    active_days: int
    seconds: int = 0
    active_seconds: int = 0


def prorated(rule: Proration, active: Activity) -> tuple[int, int]:
    """(part, whole) by which an amount is to be multiplied under the rule; no rounding here."""
    assert 0 <= active.active_days <= active.days, active
    assert 0 <= active.active_seconds <= active.seconds, active
    if not active.active_days:
        return 0, 1
    if rule == Proration.BY_SECONDS:
        return active.active_seconds, max(active.seconds, 1)
    whole_period = active.active_days == active.days
    if rule == Proration.WHOLE_ONLY:
        return int(whole_period), 1
    if rule == Proration.NONE or whole_period:
        return 1, 1
    return (active.active_days, active.days) if rule == Proration.BY_DAYS else (min(active.active_days, 30), 30)
