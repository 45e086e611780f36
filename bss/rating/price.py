"""The contract of a kind of price, and the usage it is given."""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from billing_bridge.periods import Period
from billing_bridge.slots import counts_of
from bss.rating.terms import Terms
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


@dataclass(frozen=True, slots=True, eq=False)
class ServiceUsage:
    """What one service used in one billing period, and for how many of its days it was active.

    `volume_in_octets`, `volume_out_octets` are exact octets; `bandwidth` has the slots.
    """

    period: Period
    days: int
    active_days: int
    volume_in_octets: int = 0
    volume_out_octets: int = 0
    bandwidth: Bandwidth = field(default_factory=Bandwidth.empty)


@dataclass(frozen=True, slots=True)
class PricedItem:
    """One line: quantity times unit price, and how both came about (`computation`: text and whole numbers only)."""

    charge: str  # names the charge within its tariff, the same on every run
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amount_minor: int
    computation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Price:
    """A kind of price. `meter` is the meter whose records it uses, "" for none."""

    kind: str
    meter: str
    terms: type[Settings]
    charge: Callable[[Any, ServiceUsage, Terms], list[PricedItem]]


@cache
def prices() -> Mapping[str, Price]:
    """Every kind of price by name: each module of this package that has a PRICE."""
    import bss.rating as package

    modules = (importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__))
    kinds = [module.PRICE for module in modules if hasattr(module, "PRICE")]
    return {price.kind: price for price in kinds}
