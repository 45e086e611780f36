"""The contract of a kind of price, and the usage it is given.

Each kind is one file with a PRICE and says its rule twice: `charge` for one service in Decimal, which is the oracle and
explains itself, and `columns` for any number of services as polars expressions in whole numbers, which is the engine.
Both give the same amounts to the minor unit (a property test, and a control in each bill run).
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from billing_bridge.periods import Period
from billing_bridge.slots import counts_of
from bss.rating.columns import Columns, Line
from bss.rating.terms import NO_CUT, Activity, Cut, Terms
from station.settings import Settings

U64 = npt.NDArray[np.uint64]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Bandwidth:
    """Slots of a whole period from `start_ns`, all ports of the service summed per slot: octets in, out (u64), quality (u8).

    A slot bears the worst mark of its ports; one in which the service had no port at all is not here.
    """

    slot_ns: npt.NDArray[np.int64]
    in_octets: U64
    out_octets: U64
    quality: U8

    @classmethod
    def empty(cls) -> "Bandwidth":
        return cls(np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.uint8))

    @property
    def marks(self) -> U8:
        return self.quality & np.uint8(3)

    def counts(self) -> dict[str, int]:
        return counts_of(self.quality)


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One thing that happened: when it began, how much of the meter's base unit, and to where (digits, "" for nowhere)."""

    time_ns: int
    quantity: int
    key: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ServiceUsage:
    """What one service used in one billing period, and for how much of it it was active.

    `months` is how many months the period has, `days_360` and the like count each as thirty days; `before` and `after` are
    the parts of it without the service; `ended_after` is for how many whole months it was served when it ended here, else
    -1. `volume_in_octets`, `volume_out_octets` are exact octets; `bandwidth` has the slots; `quantities` what other
    meters say in their base unit beside the single `events`. `free` is what an allowance of this tariff already covers, by
    meter key; `carried` what earlier periods left of an allowance, `pooled` this service's part of a shared one, by place.
    """

    period: Period
    days: int
    active_days: int
    volume_in_octets: int = 0
    volume_out_octets: int = 0
    bandwidth: Bandwidth = field(default_factory=Bandwidth.empty)
    active_seconds: int = 0
    seconds: int = 0
    quantities: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, Sequence[UsageEvent]] = field(default_factory=dict)
    free: Mapping[str, int] = field(default_factory=dict)
    carried: Mapping[int, int] = field(default_factory=dict)
    pooled: Mapping[int, int] = field(default_factory=dict)
    days_360: int = 30
    active_days_360: int = 30
    before: Cut = NO_CUT
    after: Cut = NO_CUT
    months: int = 1
    ended_after: int = -1

    def total(self, meter: str) -> int:
        """Base units of a meter over the period: its total and its single events together."""
        return self.quantities.get(meter, 0) + sum(event.quantity for event in self.events.get(meter, ()))

    @property
    def activity(self) -> Activity:
        parts = (self.days, self.active_days, self.seconds, self.active_seconds, self.days_360, self.active_days_360)
        return Activity(*parts, self.before, self.after)


@dataclass(frozen=True, slots=True)
class PricedItem:
    """One line: quantity times unit price, and how both came about (`computation`: text and whole numbers only).

    `covers` is how much of a meter (its key) needs no further price: what an allowance grants.
    """

    charge: str  # names the charge within its tariff, the same on every run
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount_minor: int
    computation: Mapping[str, Any]
    covers: tuple[str, int] = ("", 0)


@dataclass(frozen=True, slots=True)
class Head:
    """What a charge knows besides its own terms and the usage: the tariff's head, its own place in the file (from 1), and
    the items of the charges before it, which discounts, caps and minimums work on."""

    terms: Terms
    place: int = 1
    before: tuple[PricedItem, ...] = ()

    @property
    def currency(self) -> str:
        return self.terms.currency


@dataclass(frozen=True, slots=True)
class Price:
    """A kind of price. `meter` is the meter whose records it uses: "" for none, "*" for the one its terms name."""

    kind: str
    meter: str
    terms: type[Settings]
    charge: Callable[[Any, ServiceUsage, Head], list[PricedItem]]
    columns: Callable[[Any, Columns], list[Line]]
    from_events: Callable[[Any, Terms, pl.DataFrame], pl.DataFrame] | None = None  # (service, columns of its own) per service
    from_slots: Callable[[Any, Bandwidth], Mapping[str, int]] | None = None  # columns of its own for one service

    def meter_of(self, terms: Settings) -> str:
        return str(getattr(terms, "meter", "")) if self.meter == "*" else self.meter


@cache
def prices() -> Mapping[str, Price]:
    """Every kind of price by name: each module of this package that has a PRICE."""
    import bss.rating as package

    modules = (importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    kinds = [module.PRICE for module in modules if hasattr(module, "PRICE")]
    return {price.kind: price for price in kinds}
