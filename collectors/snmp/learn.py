"""What a device has, learned by walking now and then: which ifIndex each name has, and the instances of its device metrics."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.client import SnmpClient
from collectors.snmp.plan import FAST, OPER_STATUS, TIERS, Item, Plan, Port, Ratio, build, interface_items, is_polled_metric, work_out
from collectors.snmp.profile_model import DeviceMetric, Reading, SensorTable, SessionTable, admits_arc
from collectors.snmp.profiles import Profile
from collectors.snmp.text import number_of, text_of, value_text
from collectors.snmp.walk import Table
from inventory.identity import clean
from inventory.topology import Device, Entity, Topology
from station.catalogue import code_of, metrics_by_code, metrics_by_name
from station.series import series_of, split_key

_IF_DESCR = parse_oid("1.3.6.1.2.1.2.2.1.2")
_IF_NAME = parse_oid("1.3.6.1.2.1.31.1.1.1.1")
ENTITY_SENSOR = parse_oid("1.3.6.1.2.1.99.1.1.1")
_SENSOR_TYPE, _SENSOR_VALUE, _WATTS = 1, 4, 6  # columns of entPhySensorEntry; a value of EntitySensorDataType
_WALK_MIN_S = 0.1  # a walk gets at least this, whatever those before it left
_OPTICAL = ("sensor.optical_receive_power", "sensor.optical_transmit_power")
Asked = tuple[tuple[int, str, str, int, str, int, float], ...]
_ENTITY_SENSOR_OVERFLOW = (-1_000_000_000.0, 1_000_000_000.0)  # EntitySensorValue (RFC 3433): beyond what can be told


@dataclass(frozen=True, slots=True)
class Learned:
    """`names` (ifName, else ifDescr) by ifIndex, `ports` how the agent tells them; `metrics` are those it has instances for."""

    names: dict[int, str]
    metrics: tuple[tuple[DeviceMetric, tuple[Oid, ...]], ...]
    profile: Profile
    watts: frozenset[Oid] = frozenset()  # the values of ENTITY-SENSOR-MIB's layout that are told in watts
    ports: Mapping[int, Port] = field(default_factory=dict)
    is_whole: bool = True  # no walk went wrong

    def tier(self, metric: str) -> int:
        """How often this metric is asked, by the profile."""
        return TIERS[self.profile.tiers[metric]] if metric in self.profile.tiers else FAST


async def learn(client: SnmpClient, profile: Profile) -> Learned:
    """Walk the names and the columns of the profile's device metrics, within the agent's budget. SnmpError when nothing answers."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + client.limits.budget_s

    async def walk(columns: Iterable[Oid]) -> Table:
        return await client.walk(tuple(dict.fromkeys(columns)), budget_s=max(until_s - loop.time(), _WALK_MIN_S))

    names = await walk((_IF_NAME, _IF_DESCR))
    table = await walk(column for metric in profile.device for column in _asked(metric))
    types = await walk((*entry, _SENSOR_TYPE) for entry in (*profile.sensor_tables, ENTITY_SENSOR))
    return Learned(
        names=named_interfaces(names),
        metrics=tuple(device_metrics(profile, table)),
        profile=profile,
        watts=told_in_watts(types),
        ports={port.if_index: port for port in ports_of(names)},
        is_whole=names.complete and table.complete and types.complete,
    )


def ports_of(names: Table) -> Iterator[Port]:
    """The interfaces with the variable and the text, as the agent tells it, by which each can be known again."""
    for row in names.column(_IF_DESCR).keys() | names.column(_IF_NAME).keys():
        cells = (names.column(column).get(row) for column in (_IF_NAME, _IF_DESCR))
        told = next(((cell.oid, cell.value) for cell in cells if cell is not None and isinstance(cell.value, bytes) and cell.value), None)
        if len(row) == 1 and told is not None:
            yield Port(row[0], *told)


def told_in_watts(types: Table) -> frozenset[Oid]:
    """The values whose type is watts: light told so is polled as milliwatts and becomes dBm."""
    cells = ((column[:-1], row, cell) for column, found in types.columns.items() for row, cell in found.items())
    return frozenset((*entry, _SENSOR_VALUE, *row) for entry, row, cell in cells if cell.value == _WATTS)


def named_interfaces(names: Table) -> dict[int, str]:
    """Each interface's name as the inventory has it, by ifIndex, falling: of equal names the lowest ifIndex comes last."""
    rows = sorted(names.column(_IF_DESCR).keys() | names.column(_IF_NAME).keys(), reverse=True)
    return {row[0]: interface_name(row, names) for row in rows if len(row) == 1}


def interface_name(row: Oid, names: Table) -> str:
    """ifName, else ifDescr, else the number."""
    return clean(text_of(names.column(_IF_NAME).get(row))) or clean(text_of(names.column(_IF_DESCR).get(row))) or f"if{row[0]}"


def _asked(metric: DeviceMetric) -> tuple[Oid, ...]:
    condition = metric.where.oid if metric.where is not None else None
    return metric.columns if condition is None else (*metric.columns, condition)


def device_metrics(profile: Profile, table: Table) -> Iterator[tuple[DeviceMetric, tuple[Oid, ...]]]:
    """Of each metric the first form that gives a value here, with its instances."""
    found: set[str] = set()
    for metric in profile.device:
        if metric.metric not in found:
            instances = instances_of(metric, table)
            if instances and value_of(metric, instances, table) is not None:
                found.add(metric.metric)
                yield metric, instances


def instances_of(reading: Reading, table: Table) -> tuple[Oid, ...]:
    """The instances that every column of a reading has as a number and its condition admits."""
    rows = {row for row, cell in table.column(reading.key).items() if number_of(cell) is not None}
    for column in reading.columns[1:]:
        rows &= {row for row, cell in table.column(column).items() if number_of(cell) is not None}
    return tuple(sorted(row for row in rows if admitted(reading, row, table)))


def admitted(reading: Reading, row: Oid, table: Table) -> bool:
    """Whether a reading's condition admits an instance."""
    where = reading.where
    if where is None:
        return True
    if where.oid is None:
        return admits_arc(where, row)
    cell = table.column(where.oid).get(row)
    return cell is not None and where.admits(value_text(cell.value))


def value_of(reading: Reading, instances: tuple[Oid, ...], table: Table) -> float | None:
    """What a reading's value is by a walk, None where there is none."""
    ratio = ratio_of(0, reading, instances)

    def told(oids: tuple[Oid, ...]) -> list[float]:
        cells = (table.column(column).get(oid[len(column) :]) for oid in oids for column in reading.columns if oid[: len(column)] == column)
        return [number for cell in cells if (number := number_of(cell)) is not None]

    return work_out(ratio, told(ratio.parts), told(ratio.whole))


def ratio_of(key: int, reading: Reading, instances: tuple[Oid, ...], aggregate: str = "") -> Ratio:
    """A reading over its instances as slots to ask and a rule to work it out, for the entity of that key."""
    metric = metrics_by_name()[reading.metric]
    aggregate = aggregate or (reading.aggregate if isinstance(reading, DeviceMetric) else "mean")
    parts, whole, complement = _sides(reading, instances)
    return Ratio(
        series=series_of(*split_key(key), metric.code),
        parts=parts,
        whole=whole,
        scale=reading.scale,
        aggregate=aggregate,
        complement=complement,
        offset=reading.offset,
        ignore=reading.ignore,
        low=metric.low,
        high=metric.high,
    )


def _sides(reading: Reading, instances: tuple[Oid, ...]) -> tuple[tuple[Oid, ...], tuple[Oid, ...], bool]:
    """(parts, whole, whether it is the whole less the parts) of a reading."""

    def at(*columns: Oid) -> tuple[Oid, ...]:
        return tuple((*column, *row) for column in columns for row in instances)

    if reading.oid is not None:
        return at(reading.oid), (), False
    if reading.used is None:
        assert reading.total is not None
        return at(*reading.free), at(reading.total), True
    whole = (reading.total,) if reading.total is not None else (reading.used, *reading.free)
    return at(reading.used), at(*whole), False


def asked_of(device: Device, topology: Topology) -> Asked:
    """What of the inventory a device's plan depends on."""
    entities = topology.entities_of.get(device.no, ())
    return tuple((one.entity_no, one.kind, one.name, one.if_index, one.oid, one.metric, one.scale) for one in entities)


def learned_plan(device: Device, topology: Topology, learned: Learned, client: SnmpClient, absent: set[Oid]) -> Plan:
    """The plan of a device from the inventory and what was learned; names the agent does not know are left out."""
    wide = client.credential.version != "1"
    items: list[Item] = []
    by_name = {name: if_index for if_index, name in learned.names.items()}
    tiers = {metric: learned.tier(metric) for metric in learned.profile.tiers}
    ratios = [replace(ratio_of(device.no << 16, one, instances), tier=learned.tier(one.metric)) for one, instances in learned.metrics]
    for entity in topology.entities_of.get(device.no, ()):
        if entity.kind == "interface":
            if_index = _if_index_now(entity, learned, by_name)
            port = learned.ports.get(if_index, Port(if_index))
            if port.name_oid in absent:  # the row is gone, or the agent walks its name and does not give it
                port = Port(0 if (*OPER_STATUS, if_index) in absent else if_index)
            if port.if_index:
                items += interface_items(device.no, entity.entity_no, port, wide=wide, absent=absent, tiers=tiers)
        elif entity.oid and is_polled_metric(entity.metric):
            tier = learned.tier(metrics_by_code()[entity.metric].name)
            polled = [replace(one, tier=tier) for one in entity_items(entity, learned)]
            items += [one for one in polled if isinstance(one, Item) and one.oid not in absent]
            ratios += [one for one in polled if isinstance(one, Ratio) and absent.isdisjoint(one.parts + one.whole)]
    return build(items, ratios, varbinds_max=max(2, client.limits.varbinds))


def _if_index_now(entity: Entity, learned: Learned, by_name: dict[str, int]) -> int:
    """The ifIndex an interface has now, 0 when it is not there: where its number shows another name it was renumbered.

    Of what could not be learned whole, a number without a name may still be the interface's.
    """
    name = learned.names.get(entity.if_index)
    is_untold = name is None and not (learned.names and learned.is_whole)
    if is_untold or name in (entity.name, entity.name.removesuffix(f"#{entity.if_index}")):
        return by_name.get(entity.name, entity.if_index) if is_untold else entity.if_index
    return by_name.get(entity.name, 0)


def entity_items(entity: Entity, learned: Learned) -> list[Item | Ratio]:
    """What a sensor or session asks, by the table of the profile its name belongs to."""
    oid, metric = parse_oid(entity.oid), metrics_by_code()[entity.metric]
    profile = learned.profile
    sessions = profile.sessions_of(oid) if entity.kind == "session" else None
    if sessions is not None:
        return _session_items(entity, oid, sessions)
    table = profile.table_of(oid, metric.name, entity.scale)
    if table is not None and table.oid is None:
        return [ratio_of(entity.key, table, (oid[len(table.key) :],))]
    series = series_of(entity.device_no, entity.entity_no, entity.metric)
    if metric.kind == "counter":
        return [Item(oid, series, counter=True)]
    if table is None:
        light = metric.name in _OPTICAL and oid in learned.watts
        return [Item(oid, series, scale=entity.scale, milliwatt=light, ignore=_ENTITY_SENSOR_OVERFLOW, low=metric.low, high=metric.high)]
    return [_sensor_item(oid, series, entity, table)]


def _sensor_item(oid: Oid, series: int, entity: Entity, table: SensorTable) -> Item:
    metric = metrics_by_code()[entity.metric]
    return Item(
        oid,
        series,
        scale=entity.scale,
        offset=table.offset,
        milliwatt=table.milliwatt,
        ignore=table.ignore,
        low=metric.low,
        high=metric.high,
        states={int(told): state for told, state in table.states.items()} if table.is_state else None,
        otherwise=table.otherwise,
    )


def _session_items(entity: Entity, oid: Oid, table: SessionTable) -> list[Item | Ratio]:
    """The state, 1 up and 0 not up, and the counter of transitions where the table has one."""
    series = series_of(entity.device_no, entity.entity_no, entity.metric)
    items: list[Item | Ratio] = [Item(oid, series, states=dict.fromkeys(table.up, 1), otherwise=0)]
    if table.transitions is not None:
        transitions = series_of(entity.device_no, entity.entity_no, code_of("session.transitions"))
        items.append(Item((*table.transitions, *oid[len(table.state) :]), transitions, counter=True))
    return items
