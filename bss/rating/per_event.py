"""Single events by destination and time: longest prefix, time bands and holidays, billing increments, set-up fees."""

from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from bss import money
from bss.money import quantize
from bss.rating.columns import WIDE, Columns, Line, TooWideError, divided, integers, whole
from bss.rating.metered import VOLUME, Aggregate, Metered
from bss.rating.price import Head, Price, PricedItem, ServiceUsage, UsageEvent
from bss.rating.terms import Positive, Terms
from bss.rating.zones import Band, Calendar, Zone, zone_of, zones_of
from station.settings import TimeZone

NARROW_LIMIT = 1 << 61
Increment = Annotated[int, Field(ge=1, le=10**15, strict=True)]


class PerEvent(Metered):
    """An event is billed for `initial` base units at least and in steps of `increment` beyond, at the price its zone has in
    the band in which it begins; an event of no quantity costs nothing. With `event_quantum` each event's amount is rounded
    to a multiple of it in major units, by the tariff's rule; without, only the line's sum is rounded.
    """

    description: str = "Usage by destination"
    initial: Increment = 1
    increment: Increment = 1
    event_quantum: Positive | None = None
    zones: Annotated[tuple[Zone, ...], Field(min_length=1, max_length=1000)]
    bands: Annotated[tuple[Band, ...], Field(max_length=50)] = ()
    holidays: Annotated[tuple[date, ...], Field(max_length=1000)] = ()
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def sound(self) -> Self:
        prefixes = Counter(prefix for zone in self.zones for prefix in zone.prefixes)
        if twice := [prefix for prefix, n in prefixes.items() if n > 1]:
            raise ValueError(f"zones overlap: prefix {min(twice)!r} stands twice")
        if "" not in prefixes:
            raise ValueError('no zone catches the rest: one needs the prefix ""')
        if self.aggregate != Aggregate.SUM:
            raise ValueError("each event is priced alone: there is nothing to aggregate")
        if self.meter == VOLUME:
            raise ValueError("the volume of a port is no series of events; name the events' meter")
        known = {band.name for band in self.bands}
        if unknown := sorted({name for zone in self.zones for name in zone.bands} - known):
            raise ValueError(f"band {unknown[0]!r} is not in bands")
        return self

    @cached_property
    def calendar(self) -> Calendar:
        return Calendar(self.bands, frozenset(self.holidays), ZoneInfo(self.time_zone))


def billed_units(quantity: int, terms: PerEvent) -> int:
    """Base units of an event after its increments."""
    if not quantity:
        return 0
    beyond = max(quantity - terms.initial, 0)
    return terms.initial + -(-beyond // terms.increment) * terms.increment


def price_of(terms: PerEvent, zone: int, band: int) -> Decimal:
    found = terms.zones[zone]
    return found.bands.get(terms.bands[band].name, found.price) if band >= 0 else found.price


def amount_of(event: UsageEvent, terms: PerEvent, rounding: money.Rounding) -> tuple[int, Fraction, int]:
    """(billed base units, exact or event-rounded amount in major units, zone) of one event."""
    zone = zone_of(event.key, terms.zones)
    units = billed_units(event.quantity, terms)
    price = Fraction(price_of(terms, zone, terms.calendar.band_at(event.time_ns)))
    exact = price * units / terms.unit_size + (Fraction(terms.zones[zone].setup) if units else 0)
    if terms.event_quantum is None:
        return units, exact, zone
    quantum = Fraction(terms.event_quantum)
    return units, _rounded(exact / quantum, rounding) * quantum, zone


def charge(terms: PerEvent, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """One item for all events; its computation has a row for each zone that was reached.

    Sums are fractions, because a third of a minute has no last digit.
    """
    if not usage.active_days:
        return []
    rows: dict[int, list[int]] = {}
    billed, total = 0, Fraction(0)
    for event in usage.events.get(terms.meter, ()):
        units, amount, zone = amount_of(event, terms, head.terms.rounding)
        billed, total = billed + units, total + amount
        row = rows.setdefault(zone, [0, 0])
        row[0], row[1] = row[0] + 1, row[1] + units
    minor = _rounded(total * 10 ** money.exponent(head.currency), head.terms.rounding)
    computation: dict[str, Any] = {
        "rule": f"each event by zone and time, {terms.initial}/{terms.increment}",
        "meter": terms.meter,
        "zones": [{"zone": terms.zones[zone].name, "events": n, "base_units": units} for zone, (n, units) in sorted(rows.items())],
        "base_units": billed,
        "event_rounding": f"{head.terms.rounding.value} to {terms.event_quantum}" if terms.event_quantum else "none",
        "rounding": head.terms.rounding.value,
    }
    shown = quantize(Decimal(billed) / terms.unit_size, terms.quantum, terms.quantity_rounding)
    return [PricedItem("per_event", terms.description, shown, terms.unit, Decimal(0), minor, computation)]


def _rounded(value: Fraction, rounding: money.Rounding) -> int:
    """A non-negative fraction as a whole number by the rule."""
    return money.share(value.numerator, 1, value.denominator, rounding)


def from_events(terms: PerEvent, head: Terms, events: pl.DataFrame) -> pl.DataFrame:
    """`billed` base units and the `scaled` sum of amounts (see `_denominator`) of each service."""
    bands = terms.calendar.bands_at(events["time_ns"].to_numpy())
    zones = zones_of(events["key"], terms.zones)
    values, _ = _priced(terms)
    width = len(terms.bands) + 1
    prices, setups = np.array(values[: len(terms.zones) * width], object), np.array(values[len(terms.zones) * width :], object)
    longest = int(events["quantity"].max() or 0) + terms.initial + terms.increment  # type: ignore[arg-type]
    largest = (max(values) + 1) * longest * 4
    narrow = largest < NARROW_LIMIT and largest * max(len(events), 1) < NARROW_LIMIT
    kind: Any = pl.Int64 if narrow else WIDE
    at = zones * width + np.where(bands < 0, width - 1, bands)
    quantity = pl.col("quantity").cast(kind)
    beyond = pl.max_horizontal(quantity - terms.initial, pl.lit(0, dtype=kind))
    units = (
        pl.when(quantity > 0)
        .then((beyond + (terms.increment - 1)) // terms.increment * terms.increment + terms.initial)
        .otherwise(pl.lit(0, dtype=kind))
    )
    gathered = events.select(
        "service",
        units.alias("units"),
        pl.Series("price", _column(prices[at], narrow), dtype=kind),
        pl.Series("setup", _column(setups[zones], narrow), dtype=kind),
    )
    amount = pl.col("units") * pl.col("price") + pl.when(pl.col("units") > 0).then(pl.col("setup")).otherwise(pl.lit(0, dtype=kind))
    return (
        gathered.select("service", pl.col("units").alias("billed"), _event_rounded(terms, head, amount, narrow).alias("scaled"))
        .group_by("service")
        .agg(pl.col("billed").cast(WIDE).sum(), pl.col("scaled").cast(WIDE).sum())
    )


def _column(values: Any, narrow: bool) -> Any:
    return values.astype(np.int64) if narrow else values.tolist()


def _priced(terms: PerEvent) -> tuple[list[int], int]:
    """Prices by zone and band (the last band: none), then set-up fees, of one base unit, over one denominator."""
    prices = [
        Fraction(price_of(terms, zone, band)) / terms.unit_size
        for zone in range(len(terms.zones))
        for band in [*range(len(terms.bands)), -1]
    ]
    return integers(prices + [Fraction(zone.setup) for zone in terms.zones])


def _event_rounded(terms: PerEvent, head: Terms, amount: pl.Expr, narrow: bool) -> pl.Expr:
    """Whole event quanta where events are rounded, else the exact numerators."""
    if terms.event_quantum is None:
        return amount
    _, denominator = _priced(terms)
    quantum = Fraction(terms.event_quantum) * denominator
    if narrow and quantum.numerator * 4 >= NARROW_LIMIT:
        raise TooWideError("event_quantum")
    return divided(amount.cast(WIDE) * quantum.denominator, quantum.numerator, head.rounding)


def columns(terms: PerEvent, of: Columns) -> list[Line]:
    scaled, billed = of.own("scaled"), of.own("billed")
    unit = Fraction(terms.event_quantum) if terms.event_quantum else Fraction(1, _priced(terms)[1])
    of.check(of.most.get(f"scaled:{of.place}", 0), unit.numerator * of.scale, over=unit.denominator)
    step = Fraction(terms.unit_size) * Fraction(terms.quantum)
    of.check(of.most.get(f"billed:{of.place}", 0), step.denominator, over=step.numerator)
    quanta = divided(billed * step.denominator, step.numerator, terms.quantity_rounding)
    amount = of.money(scaled * whole(unit.numerator * of.scale), unit.denominator)
    return [Line("per_event", quanta, terms.quantum, amount, of.active)]


PRICE = Price("per_event", "*", PerEvent, charge, columns, from_events=from_events)
