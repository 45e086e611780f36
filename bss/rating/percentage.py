"""A share of what each event is worth, plus a fixed fee: payments passed through, marketplaces, revenue shares."""

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Self

import polars as pl
from pydantic import Field, model_validator

from bss import money
from bss.rating.columns import WIDE, Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage, UsageEvent
from bss.rating.terms import Exact, Terms
from station.settings import Settings

ONE = Decimal(1)


class Percentage(Settings):
    """`unit_size` base units of the meter are worth one major unit. In order of time the first `free_events` cost nothing, and
    of the worth of the others the first `free_worth` bears no percent. Each other event costs its percent and `fixed`, at least
    `event_minimum`, at most `event_maximum`; the sum is rounded once."""

    description: str = "Share of turnover"
    meter: Annotated[str, Field(pattern=r"\A[a-z][a-z0-9_]{0,31}\z")]
    unit_size: Annotated[int, Field(ge=1, le=10**15, strict=True)] = 100
    percent: Annotated[Exact, Field(le=100)]
    fixed: Exact = Decimal(0)
    free_events: Annotated[int, Field(ge=0, le=10**9, strict=True)] = 0
    free_worth: Exact = Decimal(0)
    event_minimum: Exact = Decimal(0)
    event_maximum: Exact | None = None

    @model_validator(mode="after")
    def least_below_most(self) -> Self:
        if self.meter == "volume":
            raise ValueError("the volume of a port is no series of events; name the events' meter")
        if self.event_maximum is not None and self.event_maximum < self.event_minimum:
            raise ValueError("event_maximum is below event_minimum")
        if (self.free_worth * self.unit_size) % 1:
            raise ValueError("free_worth is no whole number of base units")
        return self

    @property
    def free_units(self) -> int:
        return int(self.free_worth * self.unit_size)


def amounts(terms: Percentage, events: list[UsageEvent]) -> list[Fraction]:
    """Exact major units of each event that is not free, in order of time."""
    found, passed = [], 0
    most = None if terms.event_maximum is None else Fraction(terms.event_maximum)
    for event in sorted(events, key=lambda event: event.time_ns)[terms.free_events :]:
        charged = min(event.quantity, max(passed + event.quantity - terms.free_units, 0))
        passed += event.quantity
        amount = Fraction(charged) / terms.unit_size * Fraction(terms.percent) / 100 + Fraction(terms.fixed)
        amount = max(amount, Fraction(terms.event_minimum))
        found.append(amount if most is None else min(amount, most))
    return found


def charge(terms: Percentage, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item for all events; its quantity is how many were charged."""
    if not usage.active_days:
        return []
    events = list(usage.events.get(terms.meter, ()))
    charged = amounts(terms, events)
    total = sum(charged, Fraction(0)) * 10 ** money.exponent(head.currency)
    computation: dict[str, Any] = {
        "rule": f"{terms.percent} % of each event's worth and {terms.fixed} {head.currency}",
        "meter": terms.meter,
        "events": len(events),
        "free_events": len(events) - len(charged),
        "base_units": sum(event.quantity for event in events),
        "unit_size": terms.unit_size,
        "rounding": head.terms.rounding.value,
    }
    minor = money.share(total.numerator, 1, total.denominator, head.terms.rounding)
    return [PricedItem("percentage", terms.description, Decimal(len(charged)), "event", Decimal(0), minor, computation)]


def _scaled(terms: Percentage) -> tuple[list[int], int]:
    """Percent of one base unit, fixed, minimum and maximum (the last only where there is one) over one denominator."""
    share = Fraction(terms.percent) / 100 / terms.unit_size
    most = [] if terms.event_maximum is None else [terms.event_maximum]
    return integers([share, Fraction(terms.fixed), Fraction(terms.event_minimum), *map(Fraction, most)])


def from_events(terms: Percentage, head: Terms, events: pl.DataFrame) -> pl.DataFrame:
    """How many events are `charged`, and the `scaled` sum of their amounts, of each service."""
    (share, fixed, least, *most), _ = _scaled(terms)
    free = terms.free_units
    sorted_ = events.sort("service", "time_ns", maintain_order=True)
    rows = sorted_.with_columns(pl.int_range(pl.len()).over("service").alias("at")).filter(pl.col("at") >= terms.free_events)
    quantity = pl.col("quantity").cast(WIDE)
    rows = rows.with_columns(pl.col("quantity").cast(pl.Int64).cum_sum().over("service").alias("passed"))
    beyond = pl.max_horizontal(pl.col("passed").cast(WIDE) - whole(free), whole(0))
    amount = pl.max_horizontal(pl.min_horizontal(quantity, beyond) * whole(share) + whole(fixed), whole(least))
    amount = pl.min_horizontal(amount, whole(most[0])) if most else amount
    return (
        rows.select("service", amount.alias("scaled")).group_by("service").agg(pl.len().cast(WIDE).alias("charged"), pl.col("scaled").sum())
    )


def columns(terms: Percentage, of: Columns) -> list[Line]:
    _, denominator = _scaled(terms)
    of.check(of.most.get(f"scaled:{of.place}", 0), of.scale, over=denominator)
    amount = of.money(of.own("scaled") * whole(of.scale), denominator)
    return [Line("percentage", of.own("charged"), ONE, amount, of.active)]


PRICE = Price("percentage", "*", Percentage, charge, columns, from_events=from_events)
