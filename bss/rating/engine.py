"""Rating in columns: any number of services and tariffs in one pass, the same minor units as the oracle gives.

    events --prices, increments--> sums per service --\\
    totals -------------------------------------------+--> one frame per tariff --charge by charge--> lines
    slots --ranking----------------------------------/

Each kind of price says what it does as expressions (`columns`); the frame has a row per service, and the charges of a
tariff are applied in the order of its file, since discounts, caps and allowances see those before them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import polars as pl

from billing_bridge.periods import Period
from bss.metrics import RATED_BY_ORACLE
from bss.rating.columns import WIDE, Columns, Line, TooWideError
from bss.rating.metered import Aggregate, Metered, aggregate_columns
from bss.rating.price import Bandwidth, Price, ServiceUsage, UsageEvent
from bss.rating.terms import Cut, Terms
from bss.tariffs import TariffVersion, rate
from station.settings import Settings

SERVICES = {"service": pl.UInt32, "tariff": pl.UInt32, "days": pl.Int64, "active_days": pl.Int64}
SERVICES |= {"seconds": pl.Int64, "active_seconds": pl.Int64}
# The rest of a period's facts and what each is where a batch does not say it.
PERIOD = {"days_360": 30, "active_days_360": 30, "months": 1, "ended_after": -1}
PERIOD |= {f"{side}_{name}": 0 for side in ("before", "after") for name in ("days", "seconds", "360", "change")}
TOTALS = {"service": pl.UInt32, "meter": pl.String, "quantity": pl.Int64}
EVENTS = TOTALS | {"time_ns": pl.Int64, "key": pl.String}
LINES = {"service": pl.UInt32, "charge": pl.String, "quanta": WIDE, "quantum": pl.String, "amount_minor": WIDE}


@dataclass(frozen=True, slots=True)
class Batch:
    """What is to be rated, by number of service (0, 1, ... in the order of `services`) and number of tariff.

    `services`: the columns SERVICES, those of PERIOD where they differ from what stands there, and `carried:<place>`,
    `pooled:<place>` where an allowance has them. `totals` and `events`: rows as TOTALS and EVENTS name them, `meter` in any
    type that compares with text. Octets are the meters `volume/in` and `volume/out`. `slots` by service.
    """

    services: pl.DataFrame
    totals: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=TOTALS))
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EVENTS))
    slots: Mapping[int, Bandwidth] = field(default_factory=dict)


def batch_of(usages: Sequence[tuple[int, ServiceUsage]]) -> Batch:
    """(number of tariff, usage) of services 0, 1, ... as columns."""
    services, totals, events = [], [], []
    for n, (tariff, usage) in enumerate(usages):
        row = {"service": n, "tariff": tariff, "days": usage.days, "active_days": usage.active_days}
        row |= {"seconds": usage.seconds, "active_seconds": usage.active_seconds} | _period(usage)
        row |= {f"{name}:{place}": units for name in ("carried", "pooled") for place, units in getattr(usage, name).items()}
        services.append(row)
        octets = {"volume/in": usage.volume_in_octets, "volume/out": usage.volume_out_octets}
        totals += [(n, meter, units) for meter, units in {**octets, **usage.quantities}.items() if units]
        events += [(n, meter, e.quantity, e.time_ns, e.key) for meter, found in usage.events.items() for e in found]
    names = dict.fromkeys(name for row in services for name in row if ":" in name)
    return Batch(
        pl.DataFrame(services, schema={**SERVICES, **dict.fromkeys([*PERIOD, *names], pl.Int64)}),
        pl.DataFrame(totals, schema=TOTALS, orient="row"),
        pl.DataFrame(events, schema=EVENTS, orient="row"),
        {n: usage.bandwidth for n, (_, usage) in enumerate(usages) if len(usage.bandwidth.slot_ns)},
    )


def _period(usage: ServiceUsage) -> dict[str, int]:
    found = {name: getattr(usage, name) for name in ("days_360", "active_days_360", "months", "ended_after")}
    for side, cut in (("before", usage.before), ("after", usage.after)):
        found |= {f"{side}_days": cut.days, f"{side}_seconds": cut.seconds, f"{side}_360": cut.days_360, f"{side}_change": int(cut.change)}
    return found


def rate_batch(versions: Sequence[TariffVersion], batch: Batch) -> pl.DataFrame:
    """The lines of every service, as LINES: quantity = quanta x quantum. Services by number, charges in the file's order."""
    wide = _with_aggregates(_with_totals(batch), batch.events, versions)
    tariff_of = batch.services["tariff"]
    events = batch.events.with_columns(tariff_of.gather(batch.events["service"]).alias("tariff")) if len(batch.events) else batch.events
    found = [pl.DataFrame(schema=LINES)]
    for number, version in enumerate(versions):
        mine = wide.filter(pl.col("tariff") == number)
        if not len(mine):
            continue
        try:
            found.append(_lines(version, mine, events.filter(pl.col("tariff") == number) if len(events) else events, batch.slots))
        except TooWideError:
            RATED_BY_ORACLE.inc(len(mine))
            found.append(_by_oracle(version, batch, mine["service"].to_list()))
    return pl.concat(found).sort("service", maintain_order=True)


def _with_totals(batch: Batch) -> pl.DataFrame:
    """The services with a column `total:<meter>` for each meter that anybody used."""
    parts = [part.select("service", "meter", "quantity") for part in (batch.totals, batch.events) if len(part)]
    wide = batch.services.with_columns(pl.lit(value).alias(name) for name, value in PERIOD.items() if name not in batch.services.columns)
    if not parts:
        return wide
    sums = [part.group_by("service", "meter").agg(pl.col("quantity").cast(WIDE).sum()) for part in parts]
    both = pl.concat(part.with_columns(pl.col("meter").cast(pl.String)) for part in sums)
    for (meter,), rows in both.group_by("meter", maintain_order=True):
        summed = rows.group_by("service").agg(pl.col("quantity").sum().alias(f"total:{meter}"))
        wide = wide.join(summed, on="service", how="left", maintain_order="left")
    return wide


def _with_aggregates(wide: pl.DataFrame, events: pl.DataFrame, versions: Sequence[TariffVersion]) -> pl.DataFrame:
    """The services with a column `<aggregate>:<meter>` for each that a tariff asks for beside sums."""
    wanted = {(own.meter, own.aggregate) for version in versions for _, own in version.priced if isinstance(own, Metered)}
    for meter, aggregate in sorted(wanted):
        if aggregate != Aggregate.SUM and len(events):
            found = aggregate_columns(events, meter, aggregate)
            wide = wide.join(found, on="service", how="left", maintain_order="left") if len(found) else wide
    return wide


def _lines(version: TariffVersion, frame: pl.DataFrame, events: pl.DataFrame, slots: Mapping[int, Bandwidth]) -> pl.DataFrame:
    """The lines of one tariff's services: its charges one after the other on the frame."""
    head = Terms(version.tariff.currency, version.tariff.rounding)
    made: list[tuple[str, Line]] = []
    covered: set[str] = set()
    for place, (price, own) in enumerate(version.priced, start=1):
        frame = _prepared(frame, price, own, place, head, events, slots)
        before = [f"amount:{name}" for name, _ in made]
        for line in price.columns(own, Columns(head, place, _most(frame), before, frozenset(covered))):
            name = f"{place}.{line.name}"
            amount = pl.when(line.present).then(line.amount.cast(WIDE))  # where there is no line, later charges see none
            columns = [line.quanta.alias(f"quanta:{name}"), amount.alias(f"amount:{name}")]
            frame = frame.with_columns(*columns, line.present.alias(f"present:{name}"))
            made.append((name, line))
            if line.covers is not None:
                frame, covered = _cover(frame, line, covered)
    return pl.concat([_long(frame, name, line) for name, line in made])


def _prepared(
    frame: pl.DataFrame, price: Price, own: Settings, place: int, head: Terms, events: pl.DataFrame, slots: Mapping[int, Bandwidth]
) -> pl.DataFrame:
    """The frame with what this charge makes of events or slots, as columns of its place."""
    if price.from_events is not None and len(events):
        mine = events.filter(pl.col("meter") == price.meter_of(own))
        if len(mine):
            found = price.from_events(own, head, mine).rename(lambda name: name if name == "service" else f"{name}:{place}")
            return frame.join(found, on="service", how="left", maintain_order="left")
    if price.from_slots is not None:
        rows = [price.from_slots(own, slots[service]) if service in slots else {} for service in frame["service"].to_list()]
        names = dict.fromkeys(name for row in rows for name in row)
        return frame.with_columns(pl.Series(f"{name}:{place}", [row.get(name, 0) for row in rows], dtype=WIDE) for name in names)
    return frame


def _most(frame: pl.DataFrame) -> dict[str, int]:
    """The largest value of each column of whole numbers, 0 where all are null."""
    numbers = frame.select((pl.selectors.contains(":") | pl.selectors.by_name("months")) & pl.selectors.numeric()).max()
    return {name: int(numbers[name][0] or 0) for name in numbers.columns}


def _cover(frame: pl.DataFrame, line: Line, covered: set[str]) -> tuple[pl.DataFrame, set[str]]:
    assert line.covers is not None
    key, units = line.covers
    free = pl.col(f"free:{key}") + units if key in covered else units
    return frame.with_columns(free.alias(f"free:{key}")), covered | {key}


def _long(frame: pl.DataFrame, name: str, line: Line) -> pl.DataFrame:
    """The rows of one line."""
    return frame.filter(pl.col(f"present:{name}")).select(
        pl.col("service").cast(pl.UInt32),
        pl.lit(name).alias("charge"),
        pl.col(f"quanta:{name}").cast(WIDE).alias("quanta"),
        pl.lit(str(line.quantum)).alias("quantum"),
        pl.col(f"amount:{name}").alias("amount_minor"),
    )


def usage_in(batch: Batch, service: int) -> ServiceUsage:
    """One service's usage as the oracle takes it."""
    row = batch.services.row(service, named=True)
    totals = dict(batch.totals.filter(pl.col("service") == service).select("meter", "quantity").iter_rows())
    events: dict[str, list[UsageEvent]] = {}
    for e in batch.events.filter(pl.col("service") == service).iter_rows(named=True):
        events.setdefault(str(e["meter"]), []).append(UsageEvent(e["time_ns"], e["quantity"], e["key"]))
    said = PERIOD | {name: row[name] for name in PERIOD if row.get(name) is not None}
    cuts = [
        Cut(said[f"{side}_days"], said[f"{side}_seconds"], said[f"{side}_360"], bool(said[f"{side}_change"]))
        for side in ("before", "after")
    ]
    places: Any = {name: {int(c.partition(":")[2]): row[c] or 0 for c in row if c.startswith(f"{name}:")} for name in ("carried", "pooled")}
    return ServiceUsage(
        Period(0, 0, ""),
        row["days"],
        row["active_days"],
        volume_in_octets=totals.pop("volume/in", 0),
        volume_out_octets=totals.pop("volume/out", 0),
        bandwidth=batch.slots.get(service, Bandwidth.empty()),
        active_seconds=row["active_seconds"],
        seconds=row["seconds"],
        quantities=totals,
        events=events,
        days_360=said["days_360"],
        active_days_360=said["active_days_360"],
        before=cuts[0],
        after=cuts[1],
        months=said["months"],
        ended_after=said["ended_after"],
        **places,
    )


def _by_oracle(version: TariffVersion, batch: Batch, services: Sequence[int]) -> pl.DataFrame:
    """The same lines, one service at a time."""
    rows = []
    for service in services:
        for item in rate(version, usage_in(batch, service)):
            places = max(0, -int(item.quantity.as_tuple().exponent))
            rows.append((service, item.charge, int(item.quantity.scaleb(places)), str(Decimal(1).scaleb(-places)), item.amount_minor))
    return pl.DataFrame(rows, schema=LINES, orient="row")
