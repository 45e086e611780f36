"""What a device measures besides its interfaces: ENTITY-MIB, ENTITY-SENSOR-MIB (RFC 3433), storage (RFC 2790), its profile."""

import re
from dataclasses import dataclass, field

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import VarBind
from collectors.snmp.profiles import Profile, SensorTable
from collectors.snmp.reader import Reader
from collectors.snmp.text import integer_of, text_of
from collectors.snmp.walk import Table
from inventory.facts import SensorFacts

_PHYSICAL = parse_oid("1.3.6.1.2.1.47.1.1.1.1")
_DESCR, _CONTAINED_IN, _CLASS, _NAME, _SERIAL, _MODEL = ((*_PHYSICAL, i) for i in (2, 4, 5, 7, 11, 13))
_ALIAS = parse_oid("1.3.6.1.2.1.47.1.3.2.1.2")
_IF_INDEX = parse_oid("1.3.6.1.2.1.2.2.1.1")
_CHASSIS, _STACK = 3, 11  # PhysicalClass
_SENSOR = parse_oid("1.3.6.1.2.1.99.1.1.1")
_TYPE, _SCALE, _PRECISION, _VALUE, _STATUS, _UNITS = ((*_SENSOR, i) for i in (1, 2, 3, 4, 5, 6))
_STORAGE = parse_oid("1.3.6.1.2.1.25.2.3.1")
_STORAGE_TYPE, _STORAGE_DESCR, _STORAGE_SIZE, _STORAGE_USED = ((*_STORAGE, i) for i in (2, 3, 5, 6))
_FIXED_DISKS = (parse_oid("1.3.6.1.2.1.25.2.1.4"), parse_oid("1.3.6.1.2.1.25.2.1.9"))  # fixed and flash

# EntitySensorDataScale; the order of exa and peta is the standard's own.
_EXPONENT = {1: -24, 2: -21, 3: -18, 4: -15, 5: -12, 6: -9, 7: -6, 8: -3, 9: 0, 10: 3, 11: 6, 12: 9, 13: 12, 14: 18, 15: 15, 16: 21, 17: 24}
_METRIC_BY_TYPE = {
    3: "sensor.voltage",
    4: "sensor.voltage",
    5: "sensor.current",
    6: "sensor.power",
    8: "sensor.temperature",
    10: "sensor.fan_speed",
}
_DBM_TYPE = 14  # dBm, CISCO-ENTITY-SENSOR-MIB; some agents use it in the standard table too
_UNAVAILABLE = 2
_RECEIVE = re.compile(r"\b(rx|receive|received|input|in)\b", re.IGNORECASE)
_TRANSMIT = re.compile(r"\b(tx|transmit|transmitted|output|out)\b", re.IGNORECASE)
CONTAINMENT_MAX = 32
SENSORS_MAX = 8192


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


async def entity_sensors(reader: Reader, hardware: Hardware) -> list[SensorFacts]:
    """entPhySensorTable in the catalogue's units; kinds the catalogue has no metric for are left out."""
    table = await reader.table("entPhySensorTable", (_TYPE, _SCALE, _PRECISION, _VALUE, _STATUS, _UNITS))
    found: list[SensorFacts] = []
    for row in sorted(table.column(_VALUE))[:SENSORS_MAX]:
        name = hardware.name_of(row[0])
        metric = sensor_metric(integer_of(table.column(_TYPE).get(row)), text_of(table.column(_UNITS).get(row)), name)
        if metric and integer_of(table.column(_STATUS).get(row)) != _UNAVAILABLE:
            scale = sensor_scale(integer_of(table.column(_SCALE).get(row)), integer_of(table.column(_PRECISION).get(row)))
            found.append(SensorFacts("sensor", name, metric, dotted(_VALUE + row), scale, hardware.port_of(row[0])))
    return _distinct(found)


def sensor_metric(kind: int, units: str, name: str) -> str:
    """The catalogue's metric of a sensor, "" for none. dBm is no standard type: its units text, or Cisco's number, says so."""
    if kind == _DBM_TYPE or "dbm" in units.lower():
        return "sensor.optical_transmit_power" if _TRANSMIT.search(name) and not _RECEIVE.search(name) else "sensor.optical_receive_power"
    return _METRIC_BY_TYPE.get(kind, "")


def sensor_scale(scale: int, precision: int) -> float:
    """What a raw value is multiplied by: 10^(scale - precision); a negative precision counts digits, not places (RFC 3433)."""
    return float(10.0 ** (_EXPONENT.get(scale, 0) - max(precision, 0)))


def _distinct(sensors: list[SensorFacts]) -> list[SensorFacts]:
    """Names are an entity's identity: one that stands twice gets its place in the table behind it."""
    seen: dict[str, int] = {}
    for sensor in sensors:
        seen[sensor.name] = seen.get(sensor.name, 0) + 1
    return [
        sensor if seen[sensor.name] == 1 else SensorFacts("sensor", f"{sensor.name} {sensor.oid.rpartition('.')[2]}", *_rest(sensor))
        for sensor in sensors
    ]


def _rest(sensor: SensorFacts) -> tuple[str, str, float, int]:
    return sensor.metric, sensor.oid, sensor.scale, sensor.if_index


async def storage_sensors(reader: Reader) -> list[SensorFacts]:
    """Fixed disks and flash as the used part of each; the size is in the scale, re-read at each look."""
    table = await reader.table("hrStorageTable", (_STORAGE_TYPE, _STORAGE_DESCR, _STORAGE_SIZE, _STORAGE_USED))
    found = []
    for row, size in sorted(table.column(_STORAGE_SIZE).items())[:SENSORS_MAX]:
        kind, blocks = table.column(_STORAGE_TYPE).get(row), integer_of(size)
        if kind is not None and kind.value in _FIXED_DISKS and blocks > 0:
            name = text_of(table.column(_STORAGE_DESCR).get(row)) or f"storage {dotted(row)}"
            found.append(SensorFacts("sensor", name, "sensor.utilisation", dotted(_STORAGE_USED + row), 1 / blocks))
    return _distinct(found)


async def profile_sensors(reader: Reader, profile: Profile) -> list[SensorFacts]:
    """The sensors of a device's own family."""
    found: list[SensorFacts] = []
    for table in profile.sensors:
        columns = (table.oid, table.name_oid) if table.name_oid else (table.oid,)
        read = await reader.table(f"{profile.name} {table.metric}", columns)
        found += sensors_of(table, read)
    return _distinct(found)


def sensors_of(table: SensorTable, read: Table) -> list[SensorFacts]:
    """The sensors of one table of a profile from what a walk read of it."""
    names = read.column(table.name_oid) if table.name_oid else {}
    found = []
    for row, varbind in sorted(read.column(table.oid).items())[:SENSORS_MAX]:
        if integer_of(varbind) not in table.ignore or not isinstance(varbind.value, int):
            name = " ".join(part for part in (table.name, _instance_name(row, names)) if part)
            if_index = row[0] if table.if_index == "index" else 0
            found.append(SensorFacts("sensor", name, table.metric, dotted(table.oid + row), table.scale, if_index))
    return found


def _instance_name(row: Oid, names: dict[Oid, VarBind]) -> str:
    return text_of(names.get(row)) or ("" if row == (0,) else dotted(row))
