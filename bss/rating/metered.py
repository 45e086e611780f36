"""What kinds of price over a period's total share: which meter, in which unit, rounded how."""

from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Self

import polars as pl
from pydantic import Field, model_validator

from billing_bridge.usage import MeterKind
from bss.money import Rounding, quantize
from bss.rating.columns import WIDE, Columns, divided, whole
from bss.rating.price import ServiceUsage
from bss.rating.terms import Direction, Exact, Positive
from station.settings import Settings

VOLUME = MeterKind.VOLUME.value


class Aggregate(StrEnum):
    """What of a meter's events is the total. SUM: their quantities. COUNT: how many there are. MAX: the largest. LATEST: the last
    one. UNIQUE: how many keys they have."""

    SUM = "sum"
    COUNT = "count"
    MAX = "max"
    LATEST = "latest"
    UNIQUE = "unique"


class Metered(Settings):
    """`unit_size` base units of the meter make one priced unit: 10^9 octets a GB, 60 seconds a minute.

    A quantity is rounded once, to a multiple of `quantum`, over the whole period. `direction` matters for octets only.
    """

    meter: Annotated[str, Field(pattern=r"\A[a-z][a-z0-9_]{0,31}\z")] = VOLUME
    direction: Direction = Direction.SUM
    unit: Annotated[str, Field(min_length=1, max_length=32)] = "GB"
    unit_size: Annotated[int, Field(ge=1, le=10**18, strict=True)] = 10**9
    quantum: Positive = Decimal("0.001")
    quantity_rounding: Rounding = Rounding.UP
    aggregate: Aggregate = Aggregate.SUM

    @model_validator(mode="after")
    def a_total(self) -> Self:
        if self.aggregate != Aggregate.SUM and self.meter == VOLUME:
            raise ValueError("the volume of a port is no series of events; it is summed")
        if self.direction == Direction.SLOT_MAX:
            raise ValueError("slot_max ranks slots; a total has none")
        return self

    @property
    def key(self) -> str:
        """What an allowance covers: the meter, and for octets their direction."""
        if self.meter == VOLUME:
            return f"{self.meter}/{self.direction.value}"
        return self.meter if self.aggregate == Aggregate.SUM else f"{self.meter}/{self.aggregate.value}"


class Tier(Settings):
    """Up to and with `up_to` units (none: without end): `price` for each, and `flat` once when the tier is reached."""

    up_to: Positive | None = None
    price: Exact = Decimal(0)
    flat: Exact = Decimal(0)


def rising(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """The tiers; ValueError unless each ends above the one before and only the last is without end."""
    bounds = [tier.up_to for tier in tiers]
    if bounds[-1] is not None or None in bounds[:-1]:
        raise ValueError("the last tier and only the last has no up_to")
    if any(low >= high for low, high in pairwise(bound for bound in bounds if bound is not None)):
        raise ValueError("tiers overlap: each up_to is above the one before")
    return tiers


def base_units(usage: ServiceUsage, terms: Metered) -> int:
    """What is to be priced, in base units: the period's total less what an allowance covers."""
    total = octets(usage, terms.direction) if terms.meter == VOLUME else aggregated(usage, terms)
    return max(0, total - usage.free.get(terms.key, 0))


def aggregated(usage: ServiceUsage, terms: Metered) -> int:
    """The total of a meter by the terms' aggregate; of events at the same instant the later in order is the last."""
    if terms.aggregate == Aggregate.SUM:
        return usage.total(terms.meter)
    events = usage.events.get(terms.meter, ())
    if terms.aggregate == Aggregate.COUNT:
        return len(events)
    if terms.aggregate == Aggregate.UNIQUE:
        return len({event.key for event in events})
    if terms.aggregate == Aggregate.MAX:
        return max((event.quantity for event in events), default=0)
    return sorted(events, key=lambda event: event.time_ns)[-1].quantity if events else 0


def aggregate_columns(events: pl.DataFrame, meter: str, aggregate: Aggregate) -> pl.DataFrame:
    """(service, `<aggregate>:<meter>`) of each service that has an event of the meter."""
    made = {
        Aggregate.COUNT: pl.len().cast(WIDE),
        Aggregate.UNIQUE: pl.col("key").n_unique().cast(WIDE),
        Aggregate.MAX: pl.col("quantity").cast(WIDE).max(),
        Aggregate.LATEST: pl.col("quantity").cast(WIDE).last(),
    }[aggregate]
    mine = events.filter(pl.col("meter") == meter).sort("time_ns", maintain_order=True)
    return mine.group_by("service").agg(made.alias(f"{aggregate.value}:{meter}"))


def octets(usage: ServiceUsage, direction: Direction) -> int:
    into, out = usage.volume_in_octets, usage.volume_out_octets
    return {Direction.IN: into, Direction.OUT: out, Direction.SUM: into + out, Direction.HIGHER: max(into, out)}[direction]


def quantity(usage: ServiceUsage, terms: Metered) -> Decimal:
    """The units to be priced, a multiple of the quantum."""
    return quantize(Decimal(base_units(usage, terms)) / terms.unit_size, terms.quantum, terms.quantity_rounding)


def facts(usage: ServiceUsage, terms: Metered) -> dict[str, Any]:
    """What a computation says about the quantity."""
    found: dict[str, Any] = {
        "meter": terms.meter,
        "base_units": base_units(usage, terms),
        "unit_size": terms.unit_size,
        "quantity_rounding": f"{terms.quantity_rounding.value} to {terms.quantum} {terms.unit}",
    }
    if terms.meter == VOLUME:
        found |= {"direction_rule": terms.direction.value}
        found |= {"in_octets": usage.volume_in_octets, "out_octets": usage.volume_out_octets}
    if terms.aggregate != Aggregate.SUM:
        found["aggregate"] = terms.aggregate.value
    return found | ({"covered_by_allowance": usage.free[terms.key]} if terms.key in usage.free else {})


def total_column(of: Columns, terms: Metered) -> pl.Expr:
    """`base_units` as a column, before allowances."""
    if terms.meter != VOLUME:
        return of.column(_total(terms))
    into, out = of.column("total:volume/in"), of.column("total:volume/out")
    both = {Direction.IN: into, Direction.OUT: out, Direction.SUM: into + out, Direction.HIGHER: pl.max_horizontal(into, out)}
    return both[terms.direction]


def base_column(of: Columns, terms: Metered) -> pl.Expr:
    total = total_column(of, terms)
    return pl.max_horizontal(total - pl.col(f"free:{terms.key}"), whole(0)) if terms.key in of.covered else total


def quanta_column(of: Columns, terms: Metered) -> pl.Expr:
    """`quantity` as a whole number of quanta."""
    step = Fraction(terms.unit_size) * Fraction(terms.quantum)
    of.check(most(of, terms), step.denominator, over=step.numerator)
    return divided(base_column(of, terms) * step.denominator, step.numerator, terms.quantity_rounding)


def most(of: Columns, terms: Metered) -> int:
    """A bound on base units."""
    if terms.meter == VOLUME:
        return of.most.get("total:volume/in", 0) + of.most.get("total:volume/out", 0)
    return of.most.get(_total(terms), 0)


def _total(terms: Metered) -> str:
    return f"{'total' if terms.aggregate == Aggregate.SUM else terms.aggregate.value}:{terms.meter}"


def most_quanta(of: Columns, terms: Metered) -> int:
    """A bound on quanta."""
    return int(most(of, terms) / (Fraction(terms.unit_size) * Fraction(terms.quantum))) + 1
