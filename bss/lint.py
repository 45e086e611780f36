"""What is wrong or odd in the catalogue, before it is billed by: errors that no run could use, and warnings for people.

A retail tariff whose price for traffic hangs on where the traffic goes is named where the seller's jurisdiction forbids it
(Regulation (EU) 2015/2120, article 3(3)).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from bss.rating.per_event import PerEvent
from bss.tariffs import TariffError, Tariffs, TariffVersion
from bss.taxes import Jurisdiction

Row = Mapping[str, Any]
TRAFFIC = ("volume", "octets", "flow", "data")  # how meters of internet traffic begin


@dataclass(frozen=True, slots=True)
class Finding:
    """`rule` is a word that stays the same; `where` a file, with its line where it is known, or a service."""

    severity: Literal["error", "warning"]
    rule: str
    tariff: str
    where: str
    says: str


def lint(tariffs: Tariffs, services: Iterable[Row], on: date, home: Jurisdiction | None) -> list[Finding]:
    """Everything found in the tariffs and in the services that name them. `services`: rows (number, tariff, currency)."""
    found: list[Finding] = []
    known: dict[str, list[TariffVersion]] = {}
    for name in tariffs.names():
        try:
            known[name] = tariffs.versions(name)
        except TariffError as error:
            faults = error.faults or (error,)
            found += [Finding("error", "unsound", name, str(getattr(fault, "where", name)), str(fault)) for fault in faults]
    for name, versions in known.items():
        for version in versions:
            found += _version(version, home)
        found += _ends(name, versions, on)
    return found + [finding for row in services for finding in _service(row, known, {one.tariff for one in found}, on)]


def _version(version: TariffVersion, home: Jurisdiction | None) -> Iterator[Finding]:
    head = version.tariff
    if not head.examples:
        yield Finding("warning", "no_examples", version.name, version.file, "has no examples")
    elif all(row[2] in ("0", "0.00") for example in head.examples for row in example.expect):
        yield Finding("warning", "nothing_charged", version.name, version.file, "no example charges anything")
    for place, (price, terms) in enumerate(version.priced, start=1):
        if price.kind in ("discount", "cap", "minimum") and place == 1:
            yield Finding(
                "warning", "nothing_before", version.name, version.file, f"charge 1 is a {price.kind}, and no charge comes before it"
            )
        if isinstance(terms, PerEvent) and head.retail and home is not None and home.net_neutrality and _by_destination(terms):
            says = f"charge {place} prices traffic by its destination, which {home.summary} forbids at retail"
            yield Finding("warning", "net_neutrality", version.name, version.file, says)


def _by_destination(terms: PerEvent) -> bool:
    return terms.meter.startswith(TRAFFIC) and len({(zone.price, zone.setup) for zone in terms.zones}) > 1


def _ends(name: str, versions: list[TariffVersion], on: date) -> Iterator[Finding]:
    if versions and versions[-1].tariff.until is not None and versions[-1].tariff.until < on:
        yield Finding("warning", "ended", name, versions[-1].file, f"no version is in force since {versions[-1].tariff.until.isoformat()}")


def _service(row: Row, known: Mapping[str, list[TariffVersion]], unsound: set[str], on: date) -> Iterator[Finding]:
    name, where = row["tariff"], f"service {row['number']}"
    if not name:
        yield Finding("warning", "no_tariff", "", where, "has no tariff")
    elif name not in known:
        if name not in unsound:
            yield Finding("error", "unknown_tariff", name, where, "names a tariff that is not there")
    elif not (begun := [version for version in known[name] if version.effective <= on]):
        yield Finding("error", "not_in_force", name, where, f"its tariff begins only on {known[name][0].effective.isoformat()}")
    elif begun[-1].tariff.currency != row["currency"]:
        says = f"its tariff prices {begun[-1].tariff.currency}, its customer is billed in {row['currency']}: a rate is wanted each day"
        yield Finding("warning", "currency", name, where, says)
