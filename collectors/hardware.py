"""The physical entities of a device: ENTITY-MIB (RFC 6933), its serial number and model, and which port each belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.profiles import Profile
from collectors.snmp.reader import Reader
from collectors.snmp.text import integer_of, text_of
from collectors.snmp.walk import Table

_PHYSICAL = parse_oid("1.3.6.1.2.1.47.1.1.1.1")
_DESCR, _CONTAINED_IN, _CLASS, _NAME, _SERIAL, _MODEL = ((*_PHYSICAL, i) for i in (2, 4, 5, 7, 11, 13))
_ALIAS = parse_oid("1.3.6.1.2.1.47.1.3.2.1.2")
_IF_INDEX = parse_oid("1.3.6.1.2.1.2.2.1.1")
_CHASSIS, _STACK = 3, 11  # PhysicalClass
CONTAINMENT_MAX = 32
IDENTITY_ROWS_MAX = 64


@dataclass(frozen=True, slots=True)
class Hardware:
    """The physical entities of a device; `port_of` gives the ifIndex a physical index belongs to."""

    serial: str = ""
    model: str = ""
    names: dict[int, str] = field(default_factory=dict)
    parents: dict[int, int] = field(default_factory=dict)
    if_indexes: dict[int, int] = field(default_factory=dict)

    def port_of(self, physical: int) -> int:
        """The ifIndex of the nearest container that is a port, 0 for none."""
        for _ in range(CONTAINMENT_MAX):
            if physical in self.if_indexes:
                return self.if_indexes[physical]
            physical = self.parents.get(physical, 0)
            if not physical:
                return 0
        return 0

    def port_named(self, physical: int, interfaces: Mapping[str, int]) -> int:
        """The ifIndex by `port_of`, else of the interface whose name the entity's begins with, or a container's is."""
        if port := self.port_of(physical):
            return port
        for _ in range(CONTAINMENT_MAX):
            name = self.names.get(physical, "")
            found = interfaces.get(name) or interfaces.get(name.partition(" ")[0])
            physical = self.parents.get(physical, 0)
            if found or not physical:
                return found or 0
        return 0

    def name_of(self, physical: int) -> str:
        return self.names.get(physical, "") or f"sensor {physical}"


async def read_hardware(reader: Reader) -> Hardware:
    """entPhysicalTable and entAliasMappingTable."""
    table = await reader.table("entPhysicalTable", (_DESCR, _CONTAINED_IN, _CLASS, _NAME, _SERIAL, _MODEL))
    if not table.column(_CLASS):
        return Hardware()
    aliases = await reader.table("entAliasMappingTable", (_ALIAS,))
    rows: list[Oid] = [row for row in sorted(table.column(_CLASS)) if len(row) == 1]
    chassis: list[Oid] = [row for row in rows if integer_of(table.column(_CLASS)[row]) == _CHASSIS]
    chassis += [row for row in rows if integer_of(table.column(_CLASS)[row]) == _STACK]
    return Hardware(
        serial=_first_text(table, _SERIAL, chassis),
        model=_first_text(table, _MODEL, chassis) or _first_text(table, _DESCR, chassis),
        names={row[0]: text_of(table.column(_NAME).get(row)) or text_of(table.column(_DESCR).get(row)) for row in rows},
        parents={row[0]: integer_of(table.column(_CONTAINED_IN).get(row)) for row in rows},
        if_indexes={
            row[0]: varbind.value[-1]
            for row, varbind in aliases.column(_ALIAS).items()
            if isinstance(varbind.value, tuple) and varbind.value[:-1] == _IF_INDEX
        },
    )


def _first_text(table: Table, column: Oid, rows: list[Oid]) -> str:
    return next((text for row in rows if (text := text_of(table.column(column).get(row)))), "")


async def read_identity(reader: Reader, profile: Profile) -> tuple[str, str]:
    """(model, serial number) from where the family keeps them, "" where it does not."""
    columns = profile.model + profile.serial
    if not columns:
        return "", ""
    table = await reader.table(f"the identity of {profile.name}", columns)
    return _first_told(table, profile.model), _first_told(table, profile.serial)


def _first_told(table: Table, columns: tuple[Oid, ...]) -> str:
    rows = ((column, row) for column in columns for row in sorted(table.column(column))[:IDENTITY_ROWS_MAX])
    return next((text for column, row in rows if (text := text_of(table.column(column)[row]))), "")
