"""What was promised: `config/slas/<name>.toml`, checked with file, line and key."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator

from perf.sla.intervals import Span, Spans, union
from station.clock import NS_PER_S
from station.data import data_dir
from station.settings import Fault, Settings, SettingsError, TimeZone, faults_of

Percent = Annotated[Decimal, Field(ge=0, le=100)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Hours(Settings):
    """Contract hours on some days, local time; `until` "00:00" is the end of the day."""

    days: tuple[Day, ...]
    start: time = time(0)
    until: time = time(0)


class Step(Settings):
    """Below this availability so much of the month's recurring charge is credited."""

    below: Percent
    percent: Percent


class Objective(Settings):
    """What is promised of the five-minute slots in which the service was up, within the contract's hours.

    `at_most` is in milliseconds (latency: the median round trip; jitter: RFC 3393) or percent (loss), as the `probe` of the
    access ports' devices measured. `throughput` is what the access ports carried in a slot in which they dropped packets,
    `at_least` in Mbit/s; a slot without drops is kept. `over`: the share of slots that keep the limit, or the month's mean
    or percentile. Missing it is worth `credit` percent of the recurring charge.
    """

    sli: Literal["latency", "jitter", "loss", "throughput"]
    probe: Literal["icmp", "twamp", "tcp"] = "icmp"
    direction: Literal["to_customer", "from_customer"] = "to_customer"
    at_most: Annotated[Decimal, Field(ge=0)] | None = None
    at_least: Annotated[Decimal, Field(gt=0)] | None = None
    over: Literal["share", "mean", "p90", "p95", "p98", "p99"] = "share"
    share: Percent = Decimal(99)
    credit: Percent = Decimal(0)

    @model_validator(mode="after")
    def _limit(self) -> Self:
        rate = self.sli == "throughput"
        if (self.at_least is None) == rate or (self.at_most is None) != rate:
            raise ValueError("throughput has `at_least`, every other sli has `at_most`")
        if rate and self.over != "share":
            raise ValueError("throughput is judged over the share of slots")
        return self

    @property
    def limit(self) -> Decimal:
        limit = self.at_most if self.at_least is None else self.at_least
        assert limit is not None
        return limit


class Measured(Settings):
    """An example's slots in which an sli had this value; in all others it is as good as can be."""

    sli: Literal["latency", "jitter", "loss", "throughput"]
    start: datetime
    until: datetime
    value: Decimal


class ExampleSla(Settings):
    """Outages of a month, local times as `[begin, end]`, and what must come of them; `missed` names the objectives by sli."""

    says: str
    month: Annotated[str, Field(pattern=r"\A\d{4}-\d{2}\z")]
    outages: tuple[tuple[datetime, datetime], ...] = ()
    unknown: tuple[tuple[datetime, datetime], ...] = ()
    excluded: tuple[tuple[datetime, datetime], ...] = ()
    measured: tuple[Measured, ...] = ()
    missed: tuple[str, ...] = ()
    availability: str
    credit: Percent


class Sla(Settings):
    """A promise over calendar months in `time_zone`.

    `needs`: how many of a service's access ports must be up, "all" or a number. `unknown`: what time counts as in which
    nobody knows: `up`, `down`, or `excluded` from the month. `holidays` belong to the day "holiday" and to no weekday.
    `together`: of several credits the `largest` is due, or their `sum`, and never more than `credit_cap` percent.
    """

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    availability: Percent
    time_zone: TimeZone = "UTC"
    hours: tuple[Hours, ...] = ()  # none: round the clock
    holidays: tuple[date, ...] = ()
    needs: Annotated[int, Field(ge=1)] | Literal["all"] = 1
    unknown: Literal["up", "down", "excluded"] = "excluded"
    maintenance: Literal["excluded", "counts"] = "excluded"
    credits: tuple[Step, ...] = ()
    objectives: tuple[Objective, ...] = ()
    together: Literal["largest", "sum"] = "largest"
    credit_cap: Percent = Decimal(100)
    examples: tuple[ExampleSla, ...] = ()

    @model_validator(mode="after")
    def _credits_grow(self) -> Self:
        for higher, lower in zip(self.credits, self.credits[1:], strict=False):
            if lower.below >= higher.below or lower.percent <= higher.percent:
                raise ValueError("credits are written from the highest `below` down, each with a higher percent")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def month(self, name: str) -> Span:
        """The calendar month "2026-03" as a span of instants; a day of 23 or 25 hours is as long as it is."""
        year, number = map(int, name.split("-"))
        first, after = date(year, number, 1), date(year + number // 12, number % 12 + 1, 1)
        return self._midnight(first), self._midnight(after)

    def counted(self, span: Span) -> Spans:
        """The contract hours within a span."""
        if not self.hours:
            return [span]
        day = datetime.fromtimestamp(span[0] / NS_PER_S, self.zone).date() - timedelta(days=1)
        found: Spans = []
        while self._midnight(day) < span[1]:
            kind = "holiday" if day in self.holidays else DAYS[day.weekday()]
            found += [self._on(day, one) for one in self.hours if kind in one.days]
            day += timedelta(days=1)
        return union((max(low, span[0]), min(high, span[1])) for low, high in found)

    def _on(self, day: date, one: Hours) -> Span:
        last = day + timedelta(days=1) if one.until <= one.start else day
        return self._at(datetime.combine(day, one.start)), self._at(datetime.combine(last, one.until))

    def _midnight(self, day: date) -> int:
        return self._at(datetime.combine(day, time(0)))

    def _at(self, local: datetime) -> int:
        return int(local.replace(tzinfo=self.zone).timestamp()) * NS_PER_S


@dataclass(frozen=True, slots=True)
class Slas:
    """Every promise by name."""

    by_name: Mapping[str, Sla]


def load(folder: Path) -> Slas:
    """The promises of a folder; SettingsError names each fault."""
    found: dict[str, Sla] = {}
    faults: list[Fault] = []
    for file in sorted(folder.glob("*.toml")):
        text = file.read_text()
        try:
            found[file.stem] = Sla.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            faults.append(Fault(str(file), 1, "", f"is not TOML: {error}"))
        except ValidationError as error:
            faults += faults_of(error, Sla, str(file), text)
    if faults:
        raise SettingsError(*faults)
    return Slas(found)


@cache
def shipped() -> Slas:
    """Those of `config/slas`."""
    return load(data_dir("config") / "slas")
