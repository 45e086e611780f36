"""Which series of this station a foreign name with labels is: mappings are data, `config/metrics_in/<sender>.toml`.

A metric of ours is known under its own name for Prometheus as well, so that one station can feed another. A device is found by its
name or an address of its management, with or without a port behind; an interface by ifName, ifDescr, ifAlias or ifIndex.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import Field

from perf.files import load, metric
from perf.names import Names
from station.catalogue import Metric, metrics_by_name
from station.data import data_dir
from station.series import METRIC_BITS
from station.settings import Settings

Labels = tuple[tuple[str, str], ...]
PLACES_MAX: Final = 500_000  # label sets that are remembered

_OWN = {"device": ("node",), "interface": ("interface",), "sensor": ("sensor",), "session": ("session",)}
UNITS: Final[dict[str, dict[str, float]]] = {
    "octets": {"By": 1, "KiBy": 1 << 10, "MiBy": 1 << 20, "GiBy": 1 << 30, "kBy": 1e3, "MBy": 1e6, "GBy": 1e9},
    "seconds": {"s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60, "h": 3_600},
    "ratio": {"1": 1, "%": 0.01},
    "celsius": {"Cel": 1},
    "hertz": {"Hz": 1, "kHz": 1e3, "MHz": 1e6},
    "volts": {"V": 1, "mV": 1e-3},
    "amperes": {"A": 1, "mA": 1e-3},
    "watts": {"W": 1, "kW": 1e3, "mW": 1e-3},
    "days": {"d": 1, "h": 1 / 24, "s": 1 / 86_400},
}
"""Our unit -> UCUM unit -> factor. Annotations in braces, as in {packets}, count for 1."""


class Mapped(Settings):
    """One metric of theirs: which of ours it is, where labels have these values; `factor` for what has no unit on the wire."""

    theirs: str
    ours: str
    where: dict[str, str] = Field(default_factory=dict)
    factor: float = 1.0


class Example(Settings):
    says: str
    name: str
    labels: dict[str, str]
    expect: str


class MappingFile(Settings):
    """One sender. `device` and the entity kinds are labels, the first that is there counts."""

    summary: str
    reference: str
    device: tuple[str, ...]
    interface: tuple[str, ...] = ()
    sensor: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    metrics: tuple[Mapped, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a name means: a metric of ours, the factor to its unit, and the labels that name the device and the entity."""

    metric: Metric
    factor: float
    where: tuple[tuple[str, str], ...]
    device: tuple[str, ...]
    entity: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A series with the factor to its unit; or, where `series` is 0, the reason why there is none."""

    series: int
    metric: Metric | None
    factor: float
    reason: str = ""


def read(path: Path) -> MappingFile:
    """One mapping; SettingsError names file, line and key, a metric that is none of ours among it."""
    file = load(MappingFile, path)
    for one in file.metrics:
        metric(one.ours, path, "metrics")
    return file


def meanings(files: list[MappingFile]) -> dict[str, list[Meaning]]:
    """What each foreign name may mean, our own names first."""
    found: dict[str, list[Meaning]] = {}
    for ours in metrics_by_name().values():
        own = Meaning(ours, 1.0, (), _OWN["device"], _OWN.get(ours.entity, ()))
        found.setdefault(f"trunkline_{ours.prometheus}", []).append(own)
    for file in files:
        for one in file.metrics:
            ours = metrics_by_name()[one.ours]
            entity = getattr(file, ours.entity, ()) if ours.entity != "device" else ()
            found.setdefault(one.theirs, []).append(Meaning(ours, one.factor, tuple(one.where.items()), file.device, entity))
    return found


@cache
def shipped() -> dict[str, list[Meaning]]:
    return meanings([read(path) for path in sorted((data_dir("config") / "metrics_in").glob("*.toml"))])


class Places:
    """`of` finds the series of a name with labels; what was found is remembered until the topology changes."""

    def __init__(self, names: Names, known: Mapping[str, list[Meaning]] | None = None) -> None:
        self._names, self._known = names, shipped() if known is None else known
        self._version = -1
        self._found: dict[tuple[str, Labels, str], Place] = {}
        self._devices: dict[str, int] = {}
        self._entities: dict[tuple[int, str, str], int] = {}

    def of(self, name: str, labels: Labels, unit: str = "") -> Place:
        self._follow()
        key = (name, labels, unit)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= PLACES_MAX:
                self._found.clear()
            found = self._found[key] = self._look(name, dict(labels), unit)
        return found

    def _look(self, name: str, labels: dict[str, str], unit: str) -> Place:
        meant = [m for m in self._known.get(name, ()) if all(labels.get(key) == value for key, value in m.where)]
        if not meant:
            return Place(0, None, 0.0, "unknown_metric")
        place = Place(0, None, 0.0, "unknown_device")
        for meaning in meant:
            factor = factor_of(meaning.metric, unit)
            if factor is None:
                return Place(0, None, 0.0, "unknown_unit")
            for no in self._device(labels, meaning.device):
                key = self._entity(no, meaning, labels)
                if key is not None:
                    return Place(key << METRIC_BITS | meaning.metric.code, meaning.metric, meaning.factor * factor)
                place = Place(0, None, 0.0, "unknown_entity")
        return place

    def _device(self, labels: dict[str, str], wanted: tuple[str, ...]) -> Iterator[int]:
        for label in wanted:
            text = labels.get(label, "")
            for name in (text, text.rpartition(":")[0].strip("[]"), text.partition(".")[0]):
                if name and name in self._devices:
                    yield self._devices[name]
                    return

    def _entity(self, no: int, meaning: Meaning, labels: dict[str, str]) -> int | None:
        if meaning.metric.entity == "device":
            return no << 16
        texts = (labels[label] for label in meaning.entity if labels.get(label))
        return next((key for text in texts if (key := self._entities.get((no, meaning.metric.entity, text))) is not None), None)

    def _follow(self) -> None:
        topology = self._names.topology()
        if topology.version == self._version:
            return
        self._version = topology.version
        self._found.clear()
        self._devices = {device.management_address: no for no, device in topology.devices.items()}
        self._devices |= {device.name: no for no, device in topology.devices.items()}
        self._entities = {}
        for key, entity in topology.entities.items():
            for text in (entity.alias, entity.descr, str(entity.if_index or ""), entity.name):
                if text:
                    self._entities[key >> 16, entity.kind, text] = key


def factor_of(metric: Metric, unit: str) -> float | None:
    """From a UCUM unit to ours; None where nobody knows. What says no unit is taken to be in ours."""
    if not unit or unit.startswith("{"):
        return 1.0
    return UNITS.get(metric.unit, {}).get(unit)
