"""Tariffs as dated files: `config/tariffs/<name>/<effective date>.toml`. Once used a file is never edited; the next date supersedes it.

The version in force on the first day of a billing period prices the whole period.
"""

import hashlib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, field_validator, model_validator

from billing_bridge.periods import Period
from billing_bridge.slots import SLOT_NS, SLOT_S, Mark
from bss.money import Rounding, exact
from bss.rating.price import Bandwidth, Price, PricedItem, ServiceUsage, prices
from bss.rating.terms import Exact, Terms
from station.settings import Settings

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
FILE_LIMIT = 1 << 20


class TariffError(Exception):
    """A tariff cannot be used: which, and why."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"tariff {name}: {why}")
        self.name = name
        self.why = why


class SlotRun(Settings):
    """`n` slots of an example with the same mean Mbit/s each way."""

    n: Annotated[int, Field(ge=1, le=100_000)]
    in_mbps: Exact
    out_mbps: Exact
    mark: Literal["good", "interpolated", "gap", "rejected"] = "good"


class Example(Settings):
    """Usage of one month and the items it must give: [charge, quantity, amount], amounts in major units as text."""

    says: str
    days: Annotated[int, Field(ge=28, le=31)] = 30
    active_days: Annotated[int, Field(ge=0, le=31)] = 30
    in_gb: Exact = Decimal(0)
    out_gb: Exact = Decimal(0)
    slots: tuple[SlotRun, ...] = ()
    expect: tuple[tuple[str, str, str], ...]

    def usage(self) -> ServiceUsage:
        return ServiceUsage(
            period=Period(0, 0, "example"),
            days=self.days,
            active_days=self.active_days,
            volume_in_octets=int(self.in_gb * 10**9),
            volume_out_octets=int(self.out_gb * 10**9),
            bandwidth=_bandwidth(self.slots),
        )


class Tariff(Settings):
    """The content of a file. `charges` are checked against the terms of their kind of price."""

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    currency: Annotated[str, Field(pattern=r"\A[A-Z]{3}\z")]
    rounding: Rounding
    charges: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=50)]
    examples: tuple[Example, ...] = ()

    @field_validator("charges")
    @classmethod
    def known_kinds(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for charge in value:
            if charge.get("kind") not in prices():
                raise ValueError(f"kind {charge.get('kind')!r} is none of {', '.join(sorted(prices()))}")
        return value

    @model_validator(mode="after")
    def sound_charges(self) -> "Tariff":
        self.priced()
        return self

    def priced(self) -> list[tuple[Price, Settings]]:
        """Each charge's kind of price with its own terms."""
        kinds = [(prices()[charge["kind"]], {key: value for key, value in charge.items() if key != "kind"}) for charge in self.charges]
        return [(price, price.terms.model_validate(terms)) for price, terms in kinds]


@dataclass(frozen=True, slots=True)
class TariffVersion:
    """One file: its name, effective date, exact text and SHA-256, and what it says."""

    name: str
    effective: date
    text: str
    sha256: str
    tariff: Tariff

    @property
    def meters(self) -> frozenset[str]:
        """The meters whose usage is priced; what others measure is zero-rated."""
        return frozenset(price.meter for price, _ in self.tariff.priced() if price.meter)

    def meter_of(self, charge: str) -> str:
        """The meter whose usage a charge of `rate` rests on, "" for none."""
        return self.tariff.priced()[int(charge.partition(".")[0]) - 1][0].meter


def parse(name: str, effective: date, text: str) -> TariffVersion:
    """A version from its text; TariffError says what is wrong with it."""
    try:
        tariff = Tariff.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise TariffError(name, f"{effective.isoformat()}: {error}") from error
    return TariffVersion(name, effective, text, hashlib.sha256(text.encode()).hexdigest(), tariff)


class Tariffs:
    """The tariffs of one folder, read when asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        return sorted(path.name for path in self._root.iterdir() if path.is_dir() and NAME.fullmatch(path.name))

    def versions(self, name: str) -> list[TariffVersion]:
        """Every version, oldest first; empty when there is no such tariff."""
        if not NAME.fullmatch(name):
            return []
        return [parse(name, effective, path.read_text()) for effective, path in self._files(name)]

    def effective(self, name: str, on: date) -> TariffVersion:
        """The version in force on a day; TariffError when there is none."""
        files = self._files(name) if NAME.fullmatch(name) else []
        in_force = [(effective, path) for effective, path in files if effective <= on]
        if not in_force:
            raise TariffError(name, f"no version is in force on {on.isoformat()}" if files else "there is no such tariff")
        effective, path = in_force[-1]
        if path.stat().st_size > FILE_LIMIT:
            raise TariffError(name, f"{path.name} is larger than {FILE_LIMIT} bytes")
        return parse(name, effective, path.read_text())

    def _files(self, name: str) -> list[tuple[date, Path]]:
        found = []
        for path in (self._root / name).glob("*.toml"):
            try:
                found.append((date.fromisoformat(path.stem), path))
            except ValueError as error:
                raise TariffError(name, f"{path.name} is not named by a date") from error
        return sorted(found)


def rate(version: TariffVersion, usage: ServiceUsage) -> list[PricedItem]:
    """Every item of every charge, in the order of the file; a charge is named by its place and kind: `1.overage`."""
    terms = Terms(version.tariff.currency, version.tariff.rounding)
    with exact():
        return [
            replace(item, charge=f"{place}.{item.charge}")
            for place, (price, own) in enumerate(version.tariff.priced(), start=1)
            for item in price.charge(own, usage, terms)
        ]


def _bandwidth(runs: Sequence[SlotRun]) -> Bandwidth:
    counts = [run.n for run in runs]
    into = np.repeat(np.array([_octets(run.in_mbps) for run in runs], np.uint64), counts)
    out = np.repeat(np.array([_octets(run.out_mbps) for run in runs], np.uint64), counts)
    quality = np.repeat(np.array([Mark[run.mark.upper()] for run in runs], np.uint8), counts)
    return Bandwidth(np.arange(len(into), dtype=np.int64) * SLOT_NS, into, out, quality)


def _octets(mbps: Decimal) -> int:
    return int(mbps * SLOT_S * 1_000_000 / 8)
