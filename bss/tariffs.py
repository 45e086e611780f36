"""Tariffs as dated files: `config/tariffs/<name>/<effective date>.toml`. Once used a file is never edited; the next date supersedes it.

The version in force on the first day of a billing period prices the whole period. A version is in force until the next
one, or to its own last day `until`: days that no version covers are a fault, unless it is the last that ends.
"""

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from billing_bridge.periods import Period
from billing_bridge.slots import SLOT_NS, SLOT_S, Mark
from bss.activity import activity_of
from bss.cycles import whole_months
from bss.money import CURRENCIES, Rounding, exact
from bss.plans import Stretch
from bss.rating.price import Bandwidth, Head, Price, PricedItem, ServiceUsage, UsageEvent, prices
from bss.rating.terms import Exact, Terms
from station.clock import NS_PER_S
from station.settings import Fault, Settings, faults_of
from station.toml_positions import positions

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FILE_LIMIT = 1 << 20


class TariffError(Exception):
    """A tariff cannot be used: which, and why; `faults` name file, line and key where its file is at fault."""

    def __init__(self, name: str, why: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__("\n".join(map(str, faults)) if faults else f"tariff {name}: {why}")
        self.name = name
        self.why = why
        self.faults = tuple(faults)


class SlotRun(Settings):
    """`n` slots of an example with the same mean Mbit/s each way."""

    n: Annotated[int, Field(ge=1, le=100_000)]
    in_mbps: Exact
    out_mbps: Exact
    mark: Literal["good", "interpolated", "gap", "rejected"] = "good"


class ExampleEvent(Settings):
    """`n` events of an example, each like this; `at` in UTC unless it says otherwise."""

    n: Annotated[int, Field(ge=1, le=100_000)] = 1
    at: datetime
    quantity: Annotated[int, Field(ge=0, strict=True)]
    key: str = ""


class MonthUsage(Settings):
    """Usage of one service in one month, or in the days from `from` until before `until`, of which it was active from
    `active_from` until before `active_until`; `changed` says on which side it had another tariff. `ended_after`: the whole
    months of a service that ended here. `carried` and `pooled` are base units by the place of an allowance in the file."""

    first: Annotated[date | None, Field(alias="from")] = None
    until: date | None = None
    active_from: date | None = None
    active_until: date | None = None
    changed: tuple[Literal["before", "after"], ...] = ()
    ended_after: Annotated[int, Field(ge=-1, le=10_000, strict=True)] = -1
    days: Annotated[int, Field(ge=28, le=31)] = 30
    active_days: Annotated[int, Field(ge=0, le=31)] = 30
    in_gb: Exact = Decimal(0)
    out_gb: Exact = Decimal(0)
    slots: tuple[SlotRun, ...] = ()
    quantities: Mapping[str, Annotated[int, Field(ge=0, strict=True)]] = {}
    events: Mapping[str, tuple[ExampleEvent, ...]] = {}
    carried: Mapping[int, int] = {}
    pooled: Mapping[int, int] = {}

    @model_validator(mode="after")
    def whole_days(self) -> Self:
        if (self.first is None) != (self.until is None) or (self.first and self.until and not self.first < self.until):
            raise ValueError("from and until stand together, in this order")
        if self.first is None and (self.active_from or self.active_until or self.changed):
            raise ValueError("active_from, active_until and changed want from and until")
        return self

    def _activity(self) -> dict[str, Any]:
        """What `ServiceUsage` is told of the period."""
        if self.first is None or self.until is None:
            seconds = {"active_seconds": self.active_days * 86_400, "seconds": self.days * 86_400}
            thirty = {"active_days_360": 30 if self.active_days >= self.days else min(self.active_days, 30)}
            return {"days": self.days, "active_days": self.active_days} | seconds | thirty
        low, high = self.active_from or self.first, self.active_until or self.until
        stretch = Stretch({}, 0, "", low, high, "before" in self.changed, "after" in self.changed)
        served = {"active_from_ns": 0, "active_to_ns": 0}
        return activity_of(served, stretch, (self.first, self.until), whole_months(self.first, self.until), ZoneInfo("UTC"))

    def usage(self) -> ServiceUsage:
        return ServiceUsage(
            period=Period(0, 0, "example"),
            volume_in_octets=int(self.in_gb * 10**9),
            volume_out_octets=int(self.out_gb * 10**9),
            bandwidth=_bandwidth(self.slots),
            quantities=self.quantities,
            events={meter: [one for event in events for one in [_event(event)] * event.n] for meter, events in self.events.items()},
            carried=self.carried,
            pooled=self.pooled,
            **self._activity() | {"ended_after": self.ended_after},
        )


class Example(MonthUsage):
    """Usage and the items it must give: [charge, quantity, amount], amounts in major units as text."""

    says: str
    expect: tuple[tuple[str, str, str], ...]


class Tariff(Settings):
    """The content of a file. `charges` are applied in their order, each checked against the terms of its kind of price."""

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    currency: Annotated[str, Field(pattern=r"\A[A-Z]{3}\z")]
    rounding: Rounding
    until: date | None = None
    tax_class: Annotated[str, Field(pattern=r"\A[a-z][a-z0-9_]{0,31}\z")] = "standard"
    prices_include_tax: bool = False
    retail: bool = True
    charges: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=50)]
    examples: tuple[Example, ...] = ()

    @field_validator("currency")
    @classmethod
    def known_currency(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError("is no currency of ISO 4217")
        return value


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """One file: its name, effective date, exact text and SHA-256, and what it says.

    `priced` are the charges in order, each kind of price with its terms; `ahead` the places of those billed in advance.
    """

    name: str
    effective: date
    text: str
    sha256: str
    tariff: Tariff
    priced: tuple[tuple[Price, Settings], ...]
    ahead: frozenset[int] = frozenset()

    def is_ahead(self, charge: str) -> bool:
        return bool(self.ahead) and int(charge.partition(".")[0]) in self.ahead

    @property
    def meters(self) -> frozenset[str]:
        """The meters whose usage is priced; what others measure is zero-rated."""
        return frozenset(meter for price, terms in self.priced if (meter := price.meter_of(terms)))

    def meter_of(self, charge: str) -> str:
        """The meter whose usage a charge of `rate` rests on, "" for none."""
        price, terms = self.priced[int(charge.partition(".")[0]) - 1]
        return price.meter_of(terms)

    @property
    def file(self) -> str:
        return f"{self.name}/{self.effective.isoformat()}.toml"


def parse(name: str, effective: date, text: str, where: str = "") -> TariffVersion:
    """A version from its text; TariffError names each fault with its line. `where` is how the file is called."""
    where = where or f"{name}/{effective.isoformat()}.toml"
    try:
        tariff = Tariff.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise TariffError(name, str(error), [Fault(where, int(line[1]) if line else 1, "", f"is not TOML: {error}")]) from error
    except ValidationError as error:
        raise TariffError(name, str(error), faults_of(error, Tariff, where, text)) from error
    if tariff.until is not None and tariff.until < effective:
        raise TariffError(name, "ends before it begins", [_until_fault(where, text, "ends before it begins")])
    version = (name, effective, text, hashlib.sha256(text.encode()).hexdigest(), tariff)
    priced = _priced(name, tariff, where, text)
    ahead = frozenset(n for n, (_, terms) in enumerate(priced, start=1) if getattr(terms, "billed", "") == "advance")
    return TariffVersion(*version, priced, ahead)


def _priced(name: str, tariff: Tariff, where: str, text: str) -> tuple[tuple[Price, Settings], ...]:
    """Each charge with its own terms; TariffError names every charge that is unsound."""
    found: list[tuple[Price, Settings]] = []
    faults: list[Fault] = []
    for n, charge in enumerate(tariff.charges):
        price = prices().get(charge.get("kind", ""))
        if price is None:
            line = positions(text).get(("charges", n, "kind"), positions(text).get(("charges", n), 1))
            says = f"{charge.get('kind')!r} is none of {', '.join(sorted(prices()))}"
            faults.append(Fault(where, line, f"charges.{n}.kind", says))
            continue
        try:
            found.append((price, price.terms.model_validate({key: value for key, value in charge.items() if key != "kind"})))
        except ValidationError as error:
            faults += faults_of(error, price.terms, where, text, ("charges", n))
    if faults:
        raise TariffError(name, "; ".join(fault.says for fault in faults), faults)
    return tuple(found)


def _until_fault(where: str, text: str, says: str) -> Fault:
    return Fault(where, positions(text).get(("until",), 1), "until", says)


def _check_dates(name: str, versions: Sequence[TariffVersion], root: Path) -> None:
    """TariffError where a version ends before the next begins, or after."""
    faults = []
    for one, following in pairwise(versions):
        until = one.tariff.until
        if until is None or until + timedelta(days=1) == following.effective:
            continue
        gap = until < following.effective
        says = (
            f"no version is in force from {(until + timedelta(days=1)).isoformat()} until {following.effective.isoformat()}"
            if gap
            else f"overlaps the version of {following.effective.isoformat()}"
        )
        faults.append(_until_fault(str(root / one.file), one.text, says))
    if faults:
        raise TariffError(name, "; ".join(fault.says for fault in faults), faults)


class Tariffs:
    """The tariffs of one folder, read when asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def root(self) -> Path:
        return self._root

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if path.is_dir() and NAME.fullmatch(path.name))

    def versions(self, name: str) -> list[TariffVersion]:
        """Every version, oldest first; empty when there is no such tariff. TariffError names each fault."""
        if not NAME.fullmatch(name):
            return []
        found = [self._read(name, effective, path) for effective, path in self._files(name)]
        _check_dates(name, found, self._root)
        return found

    def effective(self, name: str, on: date) -> TariffVersion:
        """The version in force on a day; TariffError when there is none."""
        files = self._files(name) if NAME.fullmatch(name) else []
        begun = [(effective, path) for effective, path in files if effective <= on]
        if not begun:
            raise TariffError(name, f"no version is in force on {on.isoformat()}" if files else "there is no such tariff")
        return in_force([self._read(name, *begun[-1])], name, on)

    def _read(self, name: str, effective: date, path: Path) -> TariffVersion:
        if path.stat().st_size > FILE_LIMIT:
            raise TariffError(name, "too large", [Fault(str(path), 0, "", f"is larger than {FILE_LIMIT} bytes")])
        return parse(name, effective, path.read_text(), str(path))

    def _files(self, name: str) -> list[tuple[date, Path]]:
        found = []
        for path in (self._root / name).glob("*.toml"):
            try:
                found.append((date.fromisoformat(path.stem), path))
            except ValueError as error:
                raise TariffError(name, f"{path.name} is not named by a date") from error
        return sorted(found)


def in_force(versions: Sequence[TariffVersion], name: str, on: date) -> TariffVersion:
    """The one of the versions (oldest first) that is in force on a day; TariffError when there is none."""
    begun = [version for version in versions if version.effective <= on]
    if not begun:
        raise TariffError(name, f"no version is in force on {on.isoformat()}")
    last = begun[-1]
    if last.tariff.until is not None and on > last.tariff.until:
        raise TariffError(name, f"no version is in force on {on.isoformat()}: the last ended with {last.tariff.until.isoformat()}")
    return last


def rate(version: TariffVersion, usage: ServiceUsage) -> list[PricedItem]:
    """Every item of every charge, in the order of the file; a charge is named by its place and kind: `1.overage`."""
    terms = Terms(version.tariff.currency, version.tariff.rounding)
    items: list[PricedItem] = []
    with exact():
        for place, (price, own) in enumerate(version.priced, start=1):
            made = price.charge(own, usage, Head(terms, place, tuple(items)))
            items += [replace(item, charge=f"{place}.{item.charge}") for item in made]
            for key, units in (item.covers for item in made if item.covers[0]):
                usage = replace(usage, free={**usage.free, key: usage.free.get(key, 0) + units})
    return items


def _event(event: ExampleEvent) -> UsageEvent:
    at = event.at if event.at.tzinfo else event.at.replace(tzinfo=UTC)
    return UsageEvent(int(at.timestamp()) * NS_PER_S, event.quantity, event.key)


def _bandwidth(runs: Sequence[SlotRun]) -> Bandwidth:
    counts = [run.n for run in runs]
    into = np.repeat(np.array([_octets(run.in_mbps) for run in runs], np.uint64), counts)
    out = np.repeat(np.array([_octets(run.out_mbps) for run in runs], np.uint64), counts)
    quality = np.repeat(np.array([Mark[run.mark.upper()] for run in runs], np.uint8), counts)
    return Bandwidth(np.arange(len(into), dtype=np.int64) * SLOT_NS, into, out, quality)


def _octets(mbps: Decimal) -> int:
    return int(mbps * SLOT_S * 1_000_000 / 8)
