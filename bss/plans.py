"""Which tariff a service has on which day: what its plan says, as stretches of a period that each have one tariff.

A change takes effect at the begin of a day, so that a day's usage has one price. Charges of the second stretch of a period
are named `1.flat#1`, those of the third `#2`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stretch:
    """The days [low, high) of a period in which a service has one tariff. `before`, `after`: it had another one there."""

    service: Row
    no: int
    tariff: str
    low: date
    high: date
    before: bool = False
    after: bool = False

    @property
    def key(self) -> str:
        """The service's id, and which stretch it is where that is not the first."""
        return f"{self.service['id']}{self.suffix}"

    @property
    def suffix(self) -> str:
        return f"#{self.no}" if self.no else ""


def service_of(key: str) -> str:
    """The service's id of a stretch's key."""
    return key.partition("#")[0]


def suffix_of(charge: str) -> str:
    """`#1` of `1.flat#1`, nothing of `1.flat`."""
    return charge[len(charge.partition("#")[0]) :]


def stretches(service: Row, plan: Sequence[Row], first: date, after: date) -> list[Stretch]:
    """A service's stretches of [first, after) in order. `plan`: rows (day, made_ns, tariff, was) of this service."""
    borders = [first, *sorted({day for row in plan if first < (day := date.fromisoformat(row["day"])) < after}), after]
    named = [(low, high, tariff_on(service, plan, low)) for low, high in pairwise(borders)]
    merged: list[tuple[date, date, str]] = []
    for low, high, tariff in named:
        if merged and merged[-1][2] == tariff:
            merged[-1] = (merged[-1][0], high, tariff)
        else:
            merged.append((low, high, tariff))
    last = len(merged) - 1
    return [Stretch(service, no, tariff, low, high, no > 0, no < last) for no, (low, high, tariff) in enumerate(merged)]


def tariff_on(service: Row, plan: Sequence[Row], on: date) -> str:
    """The tariff of a day: that of the last change until then; before the first change, what it changed from."""
    latest: dict[str, Row] = {}
    for row in sorted(plan, key=lambda row: int(row["made_ns"])):
        latest[row["day"]] = row
    changes = [latest[day] for day in sorted(latest)]
    begun = [row for row in changes if row["day"] <= on.isoformat()]
    if begun:
        return str(begun[-1]["tariff"])
    return str(changes[0]["was"] if changes else service["tariff"])


def by_service(plan: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in plan:
        found.setdefault(row["service_id"], []).append(row)
    return found


def of_places(charges: str) -> Iterator[int]:
    """The places that a split names, `1,3`; none where it is for all."""
    yield from (int(place) for place in charges.split(",") if place)
