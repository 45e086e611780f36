"""What a device measures besides its interfaces: ENTITY-MIB, ENTITY-SENSOR-MIB (RFC 3433) and the tables of its profile."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from collectors.codecs.ber import Oid, dotted
from collectors.hardware import Hardware
from collectors.snmp.learn import ENTITY_SENSOR, admitted, value_of
from collectors.snmp.profile_model import SensorTable, dbm
from collectors.snmp.profiles import Profile
from collectors.snmp.reader import Reader
from collectors.snmp.text import integer_of, number_of, text_of
from collectors.snmp.walk import Table
from inventory.facts import InterfaceFacts, SensorFacts
from station.catalogue import metrics_by_name

_TYPE, _SCALE, _PRECISION, _VALUE, _STATUS, _UNITS = range(1, 7)  # columns of entPhySensorEntry
_OVERFLOW = (-1_000_000_000, 1_000_000_000)  # EntitySensorValue: beyond what can be told

# EntitySensorDataScale; the order of exa and peta is the standard's own.
_EXPONENT = {1: -24, 2: -21, 3: -18, 4: -15, 5: -12, 6: -9, 7: -6, 8: -3, 9: 0, 10: 3, 11: 6, 12: 9, 13: 12, 14: 18, 15: 15, 16: 21, 17: 24}
_METRIC_BY_TYPE = {
    3: "sensor.voltage",
    4: "sensor.voltage",
    5: "sensor.current",
    6: "sensor.power",
    7: "sensor.frequency",
    8: "sensor.temperature",
    9: "sensor.humidity",
    10: "sensor.fan_speed",
    11: "sensor.air_flow",
}
_TO_UNIT = {"sensor.humidity": 0.01, "sensor.air_flow": 1 / 60}  # percent to ratio, cubic metres a minute to a second
_WATTS = 6
_DBM_TYPE = 14  # dBm, CISCO-ENTITY-SENSOR-MIB; some agents use it in the standard table too
_OK = (0, 1)  # EntitySensorStatus: not told, ok
_RECEIVE = re.compile(r"\b(rx|receive|received|input|in)\b", re.IGNORECASE)
_TRANSMIT = re.compile(r"\b(tx|transmit|transmitted|output|out)\b", re.IGNORECASE)
_LIGHT = re.compile(r"\b(rx|tx|receive|transmit)\b.*\bpower\b|\b(optical|laser)\b", re.IGNORECASE)
_BIAS = re.compile(r"\b(bias|laser)", re.IGNORECASE)
SENSORS_MAX = 8192
DIGITS_MAX = 12
INDEX_TEXT_MIN = 2


async def entity_sensors(reader: Reader, hardware: Hardware, profile: Profile, interfaces: Mapping[str, int]) -> list[SensorFacts]:
    """entPhySensorTable, and the family's tables of its layout, in the catalogue's units.

    Kinds the catalogue has no metric for are left out, and what measures nothing now.
    """
    entries = (*profile.sensor_tables, ENTITY_SENSOR)
    table = await reader.table("entPhySensorTable", [(*entry, column) for entry in entries for column in range(1, 7)])
    found: dict[int, SensorFacts] = {}
    for entry in entries:
        for row in sorted(table.column((*entry, _VALUE)))[:SENSORS_MAX]:
            sensor = _entity_sensor(entry, row, table, hardware, interfaces) if len(row) == 1 else None
            if sensor is not None:
                found.setdefault(row[0], sensor)
    return distinct(list(found.values()))


def _entity_sensor(entry: Oid, row: Oid, table: Table, hardware: Hardware, interfaces: Mapping[str, int]) -> SensorFacts | None:
    def told(column: int) -> int:
        return integer_of(table.column((*entry, column)).get(row))

    units = text_of(table.column((*entry, _UNITS)).get(row)) if entry == ENTITY_SENSOR else ""
    name, value = hardware.name_of(row[0]), told(_VALUE)
    metric = sensor_metric(told(_TYPE), units, name)
    nameless = row[0] not in hardware.names and metric == "sensor.current"  # a laser's bias or a supply's load: who knows
    if not metric or nameless or told(_STATUS) not in _OK or value in _OVERFLOW:
        return None
    scale = sensor_scale(told(_SCALE), told(_PRECISION)) * _TO_UNIT.get(metric, 1.0)
    scaled = value * scale
    if told(_TYPE) == _WATTS and metric != "sensor.power":  # light told in watts is polled in milliwatts
        scale *= 1000
        scaled = dbm(value * scale)
    known = metrics_by_name()[metric]
    if metric == "sensor.optical_bias_current" and scaled > known.high:  # NX-OS tells microamperes and calls them milli
        scale, scaled = scale / 1000, scaled / 1000
    if not known.low <= scaled <= known.high:
        return None
    return SensorFacts("sensor", name, metric, dotted((*entry, _VALUE, *row)), scale, hardware.port_named(row[0], interfaces))


def sensor_metric(kind: int, units: str, name: str) -> str:
    """The catalogue's metric of a sensor, "" for none. dBm is no standard type: its units text, or Cisco's number, says so."""
    light = kind == _WATTS and _LIGHT.search(name) is not None
    if light or kind == _DBM_TYPE or "dbm" in units.lower():
        return "sensor.optical_transmit_power" if _TRANSMIT.search(name) and not _RECEIVE.search(name) else "sensor.optical_receive_power"
    metric = _METRIC_BY_TYPE.get(kind, "")
    return "sensor.optical_bias_current" if metric == "sensor.current" and _BIAS.search(name) else metric


def sensor_scale(scale: int, precision: int) -> float:
    """What a raw value is multiplied by: 10^(scale - precision); a negative precision counts digits, not places (RFC 3433)."""
    return float(10.0 ** (_EXPONENT.get(scale, 0) - max(precision, 0)))


def distinct(sensors: Sequence[SensorFacts]) -> list[SensorFacts]:
    """Of one table's sensors, those of one name and metric get their place in the table behind their names."""
    seen = Counter((sensor.name, sensor.metric) for sensor in sensors)
    return [
        sensor if seen[sensor.name, sensor.metric] == 1 else replace(sensor, name=f"{sensor.name} {sensor.oid.rpartition('.')[2]}")
        for sensor in sensors
    ]


def told_apart(sensors: Sequence[SensorFacts]) -> list[SensorFacts]:
    """Names are an entity's identity: what several metrics tell of one thing has the metric behind its name.

    Of two tables that tell the same metric of one thing, the first counts.
    """
    first: dict[tuple[str, str, str], SensorFacts] = {}
    for sensor in sensors:
        first.setdefault((sensor.kind, sensor.name, sensor.metric), sensor)
    shared = Counter((kind, name) for kind, name, _ in first)
    return [
        sensor if shared[sensor.kind, sensor.name] == 1 else replace(sensor, name=f"{sensor.name} {metric_words(sensor.metric)}")
        for sensor in first.values()
    ]


def metric_words(metric: str) -> str:
    """`fan speed` of sensor.fan_speed."""
    return metric.partition(".")[2].replace("_", " ")


@dataclass(frozen=True, slots=True)
class Naming:
    """What the tables of a device are told apart by: its interfaces' names and its hardware's."""

    interfaces: Mapping[int, str]
    hardware: Hardware

    @classmethod
    def of(cls, interfaces: Sequence[InterfaceFacts], hardware: Hardware) -> "Naming":
        return cls({one.if_index: one.name for one in interfaces}, hardware)

    @property
    def by_name(self) -> dict[str, int]:
        return {name: if_index for if_index, name in self.interfaces.items()}


async def profile_sensors(reader: Reader, profile: Profile, naming: Naming) -> list[SensorFacts]:
    """The sensors of a device's own family and of the standards."""
    columns = tuple(dict.fromkeys(column for table in profile.sensors for column in table.asked))
    read = await reader.table(f"the sensors of {profile.name}", columns)
    found: dict[tuple[str, str], SensorFacts] = {}
    for table in profile.sensors:
        for sensor in sensors_of(table, read, naming):
            found.setdefault((sensor.oid, sensor.metric), sensor)
    return list(found.values())


def sensors_of(table: SensorTable, read: Table, naming: Naming) -> list[SensorFacts]:
    """The sensors of one table of a profile from what a walk read of it."""
    found = []
    for row in sorted(read.column(table.key))[:SENSORS_MAX]:
        scale = _scale_here(table, row, read)
        if admitted(table, row, read) and _measured(table, row, read, scale) is not None:
            if_index = _if_index_of(table, row, read, naming)
            name = _name_of(table, row, read, naming, if_index)
            found.append(SensorFacts("sensor", name, table.metric, dotted(table.key + row), scale, if_index))
    return distinct(found)


def _scale_here(table: SensorTable, row: Oid, read: Table) -> float:
    """The table's scale by the decimals or the power of ten that a row tells; an absurd number counts as none."""
    digits = integer_of(read.column(table.digits_oid).get(row)) if table.digits_oid else 0
    exponent = integer_of(read.column(table.exponent_oid).get(row)) if table.exponent_oid else 0
    scale = table.scale / 10 ** (digits if 0 <= digits <= DIGITS_MAX else 0)
    return float(scale * 10.0**exponent if abs(exponent) <= DIGITS_MAX else scale)


def _measured(table: SensorTable, row: Oid, read: Table, scale: float) -> float | None:
    """What a row says now; None where it measures nothing."""
    number = number_of(read.column(table.key).get(row))
    if table.oid is None or number is None:
        return value_of(table, (row,), read) if number is not None else None
    if metrics_by_name()[table.metric].kind == "counter":
        return number
    return table.state(number) if table.is_state else table.value(number, scale)


def _if_index_of(table: SensorTable, row: Oid, read: Table, naming: Naming) -> int:
    if table.if_oid is not None:
        return integer_of(read.column(table.if_oid).get(row[: table.name_arcs]))
    if table.if_arc is not None and table.if_arc < len(row):
        return row[table.if_arc]
    if table.entity_arc is not None and table.entity_arc < len(row):
        return naming.hardware.port_named(row[table.entity_arc], naming.by_name)
    return 0


def _name_of(table: SensorTable, row: Oid, read: Table, naming: Naming, if_index: int) -> str:
    """The instance's own name with the table's before it, or the table's behind the interface's or entity's."""
    told = text_of(read.column(table.name_oid).get(row[: table.name_arcs])) if table.name_oid else ""
    if told:
        return " ".join(filter(None, (table.name, told)))
    holder = naming.interfaces.get(if_index, "") if table.entity_arc is None else ""
    if table.entity_arc is not None and table.entity_arc < len(row):
        holder = naming.hardware.names.get(row[table.entity_arc], "")
    if holder:
        return " ".join(filter(None, (holder, table.name)))
    return " ".join(filter(None, (table.name, _instance_text(row)))) or dotted(table.key)


def _instance_text(row: Oid) -> str:
    """An instance as people read it: nothing for a scalar, text where it is a string (RFC 2578, 7.7), else dotted."""
    if row in ((), (0,)):
        return ""
    counted = row[0] == len(row) - 1 and len(row) > INDEX_TEXT_MIN
    if counted and all(0x20 <= arc < 0x7F for arc in row[1:]):
        return bytes(row[1:]).decode()
    return dotted(row)
