"""Names for numbers: the module facts in `mibs/*.json` (from the RFCs: names, OIDs, types, enumerations, notifications)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import Value
from collectors.snmp.text import TEXT_MAX, value_text
from station.data import data_dir


@dataclass(frozen=True, slots=True)
class MibObject:
    """One object type or notification; `enum` maps numbers to labels."""

    name: str
    module: str
    oid: Oid
    type: str = ""
    enum: Mapping[int, str] | None = None


class Mibs:
    """`named` finds the object a variable belongs to; `translate` writes an OID as people know it, and `resolve` back."""

    def __init__(self, objects: list[MibObject]) -> None:
        self._by_oid = {item.oid: item for item in objects}
        self._by_name = {item.name: item for item in objects}

    def named(self, oid: Oid) -> tuple[MibObject, Oid] | None:
        """(object, instance) of the longest known prefix, None where none is known."""
        for length in range(len(oid), 1, -1):
            item = self._by_oid.get(oid[:length])
            if item is not None:
                return item, oid[length:]
        return None

    def instance(self, oid: Oid) -> str:
        """The instance of a named object's variable, dotted; "" for a scalar and for what no module names."""
        found = self.named(oid)
        return dotted(found[1]) if found and len(found[1]) > 0 and found[1] != (0,) else ""

    def translate(self, oid: Oid) -> str:
        """`ifOperStatus.3`; the dotted OID where no module names it."""
        found = self.named(oid)
        return ".".join((found[0].name, *map(str, found[1]))) if found else dotted(oid)

    def resolve(self, text: str) -> Oid:
        """The OID of `ifOperStatus.3` or of dotted text; ValueError for an unknown name."""
        name, _, instance = text.partition(".")
        item = self._by_name.get(name.rpartition("::")[2])
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


def load(folder: Path) -> Mibs:
    """Every module of a folder."""
    objects: list[MibObject] = []
    for path in sorted(folder.glob("*.json")):
        module = json.loads(path.read_text())
        for kind in ("objects", "notifications"):
            for name, facts in module[kind].items():
                enum = {int(number): label for number, label in facts["enum"].items()} if "enum" in facts else None
                objects.append(MibObject(name, module["module"], parse_oid(facts["oid"]), facts.get("type", ""), enum))
    return Mibs(objects)


@cache
def shipped_mibs() -> Mibs:
    return load(data_dir("mibs"))
