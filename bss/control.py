"""The control of a bill run: every charge is rated a second time, in columns, and both must agree to the minor unit.

The lines come from the scalar oracle, which explains itself; the engine knows nothing of it but the tariff's terms. A
service whose two ratings differ is not billed: a person looks first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bss.metrics import CONTROL
from bss.rating.engine import batch_of, rate_batch
from bss.rating.price import PricedItem, ServiceUsage
from bss.tariffs import TariffVersion


@dataclass(frozen=True, slots=True)
class Rating:
    """A service's usage of one period, the tariff that priced it, and the items that came of it."""

    service: str  # its id
    period: str
    tariff: TariffVersion
    usage: ServiceUsage
    items: Sequence[PricedItem]


@dataclass(frozen=True, slots=True)
class Difference:
    """A charge that the oracle and the engine price differently; None where one of them has no such line."""

    rating: Rating
    charge: str
    oracle_minor: int | None
    engine_minor: int | None

    def __str__(self) -> str:
        return f"two ratings differ: charge {self.charge} is {self.oracle_minor} by record, {self.engine_minor} in columns"


def differences(ratings: Sequence[Rating]) -> list[Difference]:
    """Every charge whose second rating is not the first; counts what was compared."""
    versions = {rating.tariff.sha256: rating.tariff for rating in ratings}
    numbers = {sha256: n for n, sha256 in enumerate(versions)}
    batch = batch_of([(numbers[rating.tariff.sha256], rating.usage) for rating in ratings])
    engine: dict[tuple[int, str], int] = {}
    for service, charge, amount in rate_batch(list(versions.values()), batch).select("service", "charge", "amount_minor").iter_rows():
        engine[service, charge] = amount
    oracle = {(n, item.charge): item.amount_minor for n, rating in enumerate(ratings) for item in rating.items}
    wrong = sorted(key for key in engine.keys() | oracle.keys() if engine.get(key) != oracle.get(key))
    CONTROL.labels("agreed").inc(len(oracle) - len(wrong))
    CONTROL.labels("differed").inc(len(wrong))
    return [Difference(ratings[n], charge, oracle.get((n, charge)), engine.get((n, charge))) for n, charge in wrong]
