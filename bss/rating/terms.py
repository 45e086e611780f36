"""What every kind of price shares: currency, rounding point of an amount, direction of octets, proration."""

from dataclasses import dataclass, replace
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
    """NONE: the whole amount for any active day. BY_DAYS: active days over the days of the period (actual/actual); a day on
    which the service was active at any time counts. BY_30_DAYS: active days over 30, at most the whole. THIRTY_360: both
    counted as if each month had thirty days (30E/360). BY_SECONDS: active seconds over the seconds of the period, so that a
    day of 25 hours weighs more. WHOLE_ONLY: a partial period costs nothing."""

    NONE = "none"
    BY_DAYS = "by_days"
    BY_30_DAYS = "by_30_days"
    THIRTY_360 = "thirty_360"
    BY_SECONDS = "by_seconds"
    WHOLE_ONLY = "whole_only"


@dataclass(frozen=True, slots=True)
class Terms:
    """What stands at the head of a tariff. Each line's amount is rounded once, by `rounding`, to the minor unit."""

    currency: str
    rounding: Rounding


class Edge(StrEnum):
    """What a part of the period without the service does to a charge. BY_RULE: as its proration says. WHOLE: it is charged
    nevertheless. NOTHING: nothing is charged for the period."""

    BY_RULE = "by_rule"
    WHOLE = "whole"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Edges:
    """A rule each for a period that the service began in, ended in, or changed its tariff in."""

    on_start: Edge = Edge.BY_RULE
    on_end: Edge = Edge.BY_RULE
    on_change: Edge = Edge.BY_RULE

    def before(self, cut: "Cut") -> Edge:
        return self.on_change if cut.change else self.on_start

    def after(self, cut: "Cut") -> Edge:
        return self.on_change if cut.change else self.on_end


@dataclass(frozen=True, slots=True)
class Cut:
    """A part of the period, at its begin or its end, without the service or with another tariff of it (`change`)."""

    days: int = 0
    seconds: int = 0
    days_360: int = 0
    change: bool = False


NO_CUT = Cut()


@dataclass(frozen=True, slots=True)
class Activity:
    """How much of a period a service was active: whole days as people count them, seconds, and days of months of thirty."""

    days: int
    active_days: int
    seconds: int = 0
    active_seconds: int = 0
    days_360: int = 0
    active_days_360: int = 0
    before: Cut = NO_CUT
    after: Cut = NO_CUT

    def by(self, edges: Edges) -> "Activity":
        """The activity that is charged: longer where an edge is charged nevertheless, none where it voids the period."""
        if self.before is NO_CUT and self.after is NO_CUT:
            return self
        found = self
        for cut, edge in ((self.before, edges.before(self.before)), (self.after, edges.after(self.after))):
            if not (cut.days or cut.seconds) or edge == Edge.BY_RULE or not self.active_days:
                continue
            if edge == Edge.NOTHING:
                return replace(self, active_days=0, active_seconds=0, active_days_360=0)
            found = replace(
                found,
                active_days=found.active_days + cut.days,
                active_seconds=found.active_seconds + cut.seconds,
                active_days_360=found.active_days_360 + cut.days_360,
            )
        return found


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
    if rule == Proration.THIRTY_360:
        return active.active_days_360, max(active.days_360, 1)
    return (active.active_days, active.days) if rule == Proration.BY_DAYS else (min(active.active_days, 30), 30)
