"""Names for numbers: the module facts in `mibs/*.json` (from the RFCs: names, OIDs, types, enumerations, notifications)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import Value
from collectors.snmp.text import TEXT_MAX, value_text
from station.data import data_dir


@dataclass(frozen=True, slots=True)
class MibObject:
    """One definition: `kind` is scalar, column, table, row, node or notification; `enum` maps numbers to labels."""

    name: str
    module: str
    oid: Oid
    type: str = ""
    enum: Mapping[int, str] | None = None
    kind: str = ""
    units: str = ""
    index: tuple[str, ...] = ()

    @property
    def is_variable(self) -> bool:
        """Whether agents have instances of it."""
        return self.kind in ("", "scalar", "column")


class Mibs:
    """`named` finds the object a variable belongs to; `translate` writes an OID as people know it, and `resolve` back."""

    def __init__(self, objects: Iterable[MibObject]) -> None:
        self._by_oid: dict[Oid, MibObject] = {}
        self._by_name: dict[str, MibObject] = {}
        for item in objects:
            self._by_oid[item.oid] = item
            self._by_name[item.name] = self._by_name[f"{item.module}::{item.name}"] = item

    def __len__(self) -> int:
        return len(self._by_oid)

    def nearest(self, oid: Oid) -> tuple[MibObject, Oid] | None:
        """(definition, what follows) of the longest known prefix, a node as well as a variable."""
        for length in range(len(oid), 1, -1):
            item = self._by_oid.get(oid[:length])
            if item is not None:
                return item, oid[length:]
        return None

    def named(self, oid: Oid) -> tuple[MibObject, Oid] | None:
        """(object, instance) of the variable, None where no module names it."""
        found = self.nearest(oid)
        return found if found and found[0].is_variable else None

    def instance(self, oid: Oid) -> str:
        """The instance of a named object's variable, dotted; "" for a scalar and for what no module names."""
        found = self.named(oid)
        return dotted(found[1]) if found and len(found[1]) > 0 and found[1] != (0,) else ""

    def translate(self, oid: Oid) -> str:
        """`ifOperStatus.3`; the dotted OID where no module names it."""
        found = self.nearest(oid)
        return ".".join((found[0].name, *map(str, found[1]))) if found else dotted(oid)

    def resolve(self, text: str) -> Oid:
        """The OID of `ifOperStatus.3`, `IF-MIB::ifOperStatus.3` or of dotted text; ValueError for an unknown name."""
        name, _, instance = text.partition(".")
        item = self._by_name.get(name) or self._by_name.get(name.replace("_", "-"))  # as a vendor may have written it
        if item is None:
            return parse_oid(text)
        return item.oid + tuple(int(arc) for arc in instance.split(".") if arc)

    def notification(self, oid: Oid) -> str:
        """A notification's own name, the dotted OID where no module names exactly it."""
        item = self._by_oid.get(oid)
        return item.name if item else dotted(oid)

    def field(self, oid: Oid, value: Value) -> tuple[str, str]:
        """(object name without instance, value as text; of an enumeration its label alone)."""
        found = self.named(oid)
        if found is None:
            return dotted(oid), value_text(value)[:TEXT_MAX]
        label = found[0].enum.get(value) if found[0].enum and isinstance(value, int) else None
        return found[0].name, label or value_text(value)[:TEXT_MAX]


def module_facts(*folders: Path) -> dict[str, dict[str, Any]]:
    """The facts of every module of some folders by module name; of one that stands twice the last folder's."""
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            facts = json.loads(path.read_text())
            if "module" in facts:  # the compiler keeps its own notes beside
                found[facts["module"]] = facts
    return found


def load(*folders: Path) -> Mibs:
    """Every module of some folders. Where two define one thing, the RFC's successor counts before RFC1213-MIB and its like."""
    modules = module_facts(*folders)
    enums = {name: _enum(facts) for module in modules.values() for name, facts in module.get("types", {}).items() if "enum" in facts}
    ordered = sorted(modules, key=lambda name: (not name.startswith("RFC"), name))
    return Mibs(item for name in ordered for item in _definitions(modules[name], enums))


def _definitions(module: Mapping[str, Any], enums: Mapping[str, Mapping[int, str]]) -> Iterator[MibObject]:
    for name, facts in module["objects"].items():
        yield MibObject(
            name,
            module["module"],
            parse_oid(facts["oid"]),
            facts.get("type", ""),
            _enum(facts) if "enum" in facts else enums.get(facts.get("type", "")),
            facts.get("kind", ""),
            facts.get("units", ""),
            tuple(facts.get("index", ())),
        )
    for name, facts in module["notifications"].items():
        yield MibObject(name, module["module"], parse_oid(facts["oid"]), kind="notification")


def _enum(facts: Mapping[str, Any]) -> dict[int, str]:
    return {int(number): label for number, label in facts["enum"].items()}


@cache
def shipped_mibs() -> Mibs:
    return load(data_dir("mibs"))


def site_mibs(folder: Path) -> Mibs:
    """The modules shipped and those compiled on site into a folder, which need not be there."""
    return load(data_dir("mibs"), folder)
