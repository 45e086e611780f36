"""From what a device shows to the rows of its entities: numbers once given stay, names stay unique, the gone are marked."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from inventory.facts import DeviceFacts, InterfaceFacts, SensorFacts
from inventory.identity import TEXT_MAX, clean
from station.catalogue import metrics_by_name
from station.ids import new_id
from station.metrics import counter
from station.series import MAX_ENTITY

TAG_MAX: Final = 16  # characters by which two of one name are told apart
I32_MAX: Final = (1 << 31) - 1
I64_MAX: Final = (1 << 63) - 1
REFUSED = counter("inventory_entities_refused", "Interfaces and sensors that discovery did not take, by reason.", "reason")

Row = dict[str, Any]
_NEW: Final[Mapping[str, Any]] = {
    "descr": "",
    "alias": "",
    "if_index": 0,
    "if_type": 0,
    "speed_bps": 0,
    "mac": "",
    "admin_status": 0,
    "oper_status": 0,
    "oid": "",
    "scale": 1.0,
    "metric": 0,
    "parent_entity_no": 0,
    "gone_ns": 0,
}


@dataclass(frozen=True, slots=True)
class EntityChanges:
    """Rows to insert and rows to change; `numbers` gives the entity number of each ifIndex now there."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    numbers: Mapping[int, int] = field(default_factory=dict)


def plan(facts: DeviceFacts, existing: Sequence[Mapping[str, Any]], *, device_no: int, tenant: int, now_ns: int) -> EntityChanges:
    """What the facts change about a device's entities (pure).

    An interface is its ifName; ifIndex only tells apart those that share one. What the facts do not show is marked
    gone, but only when the device was read without a problem: half an answer makes nothing disappear.
    """
    rows = {(row["kind"], row["name"]): dict(row) for row in existing}
    made = _Numbers(existing, {"tenant": tenant, "device_no": device_no}, now_ns)
    interfaces = [made.row_of(rows, "interface", name, _interface(one)) for name, one in _named_interfaces(facts.interfaces, rows)]
    numbers = {row["if_index"]: row["entity_no"] for row in interfaces if row}
    sensors = [made.row_of(rows, one.kind, name, _sensor(one, numbers)) for name, one in _named_sensors(facts.sensors)]
    seen = {(row["kind"], row["name"]) for row in (*interfaces, *sensors) if row}
    if not facts.problems and facts.interfaces:
        made.changed += [{**row, "gone_ns": now_ns} for key, row in rows.items() if key not in seen and row["gone_ns"] == 0]
    return EntityChanges(made.new, made.changed, numbers)


class _Numbers:
    """Gives each new entity the next number of its device, and collects what is new and what changed."""

    def __init__(self, existing: Sequence[Mapping[str, Any]], common: Row, now_ns: int) -> None:
        self._next = max((row["entity_no"] for row in existing), default=0) + 1
        self._common = common
        self._now_ns = now_ns
        self.new: list[Row] = []
        self.changed: list[Row] = []

    def row_of(self, rows: Mapping[tuple[str, str], Row], kind: str, name: str, values: Row) -> Row | None:
        known = rows.get((kind, name))
        if known is not None:
            row = {**known, **values, "gone_ns": 0}
            if row != known:
                self.changed.append(row)
            return row
        if self._next > MAX_ENTITY:
            REFUSED.labels("too_many").inc()
            return None
        row = {**self._common, "entity_no": self._next, "id": new_id(self._now_ns), "kind": kind, "name": name, **_NEW, **values}
        self._next += 1
        self.new.append(row)
        return row


def _interface(facts: InterfaceFacts) -> Row:
    return {
        "descr": clean(facts.descr),
        "alias": clean(facts.alias),
        "if_index": facts.if_index,
        "if_type": _within(facts.if_type, I32_MAX),
        "speed_bps": _within(facts.speed_bps, I64_MAX),
        "mac": clean(facts.mac, 32),
        "admin_status": _within(facts.admin_status, I32_MAX),
        "oper_status": _within(facts.oper_status, I32_MAX),
    }


def _sensor(facts: SensorFacts, numbers: Mapping[int, int]) -> Row:
    return {
        "oid": facts.oid,
        "scale": float(facts.scale),
        "metric": metrics_by_name()[facts.metric].code,
        "parent_entity_no": numbers.get(facts.if_index, 0),
        "if_index": _within(facts.if_index, I32_MAX),
    }


def _within(value: int, largest: int) -> int:
    return min(max(value, 0), largest)


def _named_interfaces(found: Iterable[InterfaceFacts], rows: Mapping[tuple[str, str], Row]) -> list[tuple[str, InterfaceFacts]]:
    """Interfaces with the name that is theirs alone; a row with the same ifIndex and name keeps the plain one."""
    by_index: dict[int, InterfaceFacts] = {}
    for one in sorted(found, key=lambda facts: facts.if_index):
        if not 0 < one.if_index <= I32_MAX:
            REFUSED.labels("bad_if_index").inc()
        elif by_index.setdefault(one.if_index, one) is not one:
            REFUSED.labels("repeated_if_index").inc()
    holders = {name: row["if_index"] for (kind, name), row in rows.items() if kind == "interface"}
    wanted = [(_held_name(one, holders), one.if_index) for one in by_index.values()]
    kept = {name: index for name, index in wanted if holders.get(name) == index}
    return list(zip(_unique(wanted, kept), by_index.values(), strict=True))


def _held_name(facts: InterfaceFacts, holders: Mapping[str, int]) -> str:
    """The interface's name, or the one with its ifIndex that it was given when another had the same name."""
    name = clean(facts.name) or clean(facts.descr) or f"if{facts.if_index}"
    tagged = f"{name}#{facts.if_index}"
    return tagged if holders.get(tagged) == facts.if_index else name


def _named_sensors(found: Iterable[SensorFacts]) -> list[tuple[str, SensorFacts]]:
    """Sensors of known metrics with the name that is theirs alone within their kind."""
    usable: dict[tuple[str, str], SensorFacts] = {}
    for one in sorted(found, key=lambda facts: (facts.kind, facts.oid, facts.metric)):
        if _measurable(one):
            usable.setdefault((one.oid, one.metric), one)
        else:
            REFUSED.labels("bad_sensor").inc()
    named: list[tuple[str, SensorFacts]] = []
    for kind in ("sensor", "session"):
        of_kind = [one for one in usable.values() if one.kind == kind]
        wanted = [(clean(one.name) or one.oid, one.oid.rpartition(".")[2] or one.metric) for one in of_kind]
        named += zip(_unique(wanted, {}), of_kind, strict=True)
    return named


def _measurable(facts: SensorFacts) -> bool:
    known = facts.kind in {"sensor", "session"} and facts.metric in metrics_by_name()
    return known and math.isfinite(facts.scale) and facts.oid != "" and clean(facts.oid) == facts.oid


def _unique(wanted: Sequence[tuple[str, int | str]], kept: Mapping[str, int]) -> list[str]:
    """One name each: the first of equal names (or the one in `kept`) stays plain, the others get `#` and their tag."""
    plain: dict[str, int] = {}
    for position, (name, tag) in enumerate(wanted):
        if name not in plain or kept.get(name) == tag:
            plain[name] = position
    taken = set(plain)
    names = []
    for position, (name, tag) in enumerate(wanted):
        chosen = name
        if plain[name] != position:
            chosen = _tagged(name, f"#{tag}", taken)
            taken.add(chosen)
        names.append(chosen)
    return names


def _tagged(name: str, tag: str, taken: set[str]) -> str:
    suffix, more = tag[:TAG_MAX], 2
    while (candidate := name[: TEXT_MAX - len(suffix)] + suffix) in taken:
        suffix, more = f"{tag[:TAG_MAX]}.{more}", more + 1
    return candidate
