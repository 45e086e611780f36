"""What a device has, learned by walking now and then: which ifIndex each name has, and the instances of its device metrics."""

from dataclasses import dataclass

from collectors.codecs.ber import Oid, parse_oid
from collectors.codecs.snmp import VarBind
from collectors.sessions import session_table
from collectors.snmp.client import SnmpClient
from collectors.snmp.plan import Item, Plan, Ratio, build, interface_items, is_polled_metric
from collectors.snmp.profiles import DeviceMetric, Profile, SensorTable
from collectors.snmp.text import text_of, value_text
from collectors.snmp.walk import Table
from inventory.topology import Device, Entity, Topology
from station.catalogue import code_of, metrics_by_code
from station.series import series_of

_IF_DESCR = parse_oid("1.3.6.1.2.1.2.2.1.2")
_IF_NAME = parse_oid("1.3.6.1.2.1.31.1.1.1.1")


@dataclass(frozen=True, slots=True)
class Learned:
    """`if_index_of` by ifName (else ifDescr); `metrics` are the device metrics the agent has instances for."""

    if_index_of: dict[str, int]
    metrics: tuple[tuple[DeviceMetric, tuple[Oid, ...]], ...]
    sensors: tuple[SensorTable, ...]


async def learn(client: SnmpClient, profile: Profile) -> Learned:
    """Walk the names and the columns of the profile's device metrics. SnmpError when nothing answers."""
    names = await client.walk((_IF_NAME, _IF_DESCR))
    rows = names.column(_IF_DESCR).keys() | names.column(_IF_NAME).keys()
    named = {
        text_of(names.column(_IF_NAME).get(row)) or text_of(names.column(_IF_DESCR).get(row)) or f"if{row[0]}": row[0]
        for row in sorted(rows, reverse=True)  # of equal names the lowest ifIndex stays
        if len(row) == 1
    }
    found = []
    for metric in profile.device:
        columns = metric.columns if metric.where is None else (*metric.columns, metric.where.oid)
        table = await client.walk(columns)
        instances = instances_of(metric, table)
        if instances:
            found.append((metric, instances))
    return Learned(named, tuple(found), profile.sensors)


def instances_of(metric: DeviceMetric, table: Table) -> tuple[Oid, ...]:
    """The instances that every column of a device metric has and its condition admits."""
    rows = set(table.column(metric.columns[0]))
    for column in metric.columns[1:]:
        rows &= table.column(column).keys()
    if metric.where is not None:
        admitted = table.column(metric.where.oid)
        rows = {row for row in rows if row in admitted and _equals(admitted[row], metric.where.equals)}
    return tuple(sorted(rows))


def _equals(varbind: VarBind, wanted: str) -> bool:
    return value_text(varbind.value) == wanted


def ratio_of(device_no: int, metric: DeviceMetric, instances: tuple[Oid, ...]) -> Ratio:
    """A device metric over its instances as slots to ask and a rule to work it out."""
    series = series_of(device_no, 0, code_of(metric.metric))

    def at(*columns: Oid) -> tuple[Oid, ...]:
        return tuple((*column, *row) for column in columns for row in instances)

    if metric.oid is not None:
        return Ratio(series, at(metric.oid), scale=metric.scale, aggregate=metric.aggregate)
    if metric.used is None:
        assert metric.total is not None
        return Ratio(series, at(*metric.free), at(metric.total), complement=True)
    whole = (metric.total,) if metric.total is not None else (metric.used, *metric.free)
    return Ratio(series, at(metric.used), at(*whole))


def learned_plan(device: Device, topology: Topology, learned: Learned, client: SnmpClient, absent: set[Oid]) -> Plan:
    """The plan of a device from the inventory and what was learned; names the agent does not know are left out."""
    wide = client.credential.version != "1"
    items: list[Item] = []
    for entity in _entities(topology, device.no):
        if entity.kind == "interface":
            if_index = learned.if_index_of.get(entity.name, 0 if learned.if_index_of else entity.if_index)
            if if_index:
                items += interface_items(device.no, entity.entity_no, if_index, wide=wide, absent=absent)
        elif entity.oid:
            items += [item for item in _entity_items(entity, learned) if item.oid not in absent]
    ratios = [ratio_of(device.no, metric, instances) for metric, instances in learned.metrics]
    return build(items, ratios, varbinds_max=max(2, client.limits.varbinds))


def _entities(topology: Topology, device_no: int) -> list[Entity]:
    return [entity for entity in topology.entities.values() if entity.device_no == device_no]


def _entity_items(entity: Entity, learned: Learned) -> list[Item]:
    if not is_polled_metric(entity.metric):
        return []
    oid = parse_oid(entity.oid)
    metric = metrics_by_code()[entity.metric]
    series = series_of(entity.device_no, entity.entity_no, entity.metric)
    table = session_table(oid)
    if table is None:
        states = next(({int(k): v for k, v in t.states.items()} for t in learned.sensors if t.states and oid[: len(t.oid)] == t.oid), None)
        return [Item(oid, series, metric.kind == "counter", entity.scale, states)]
    items = [Item(oid, series, states={state: int(state in table.up) for state in range(16)})]
    if table.transitions is not None:
        transitions = series_of(entity.device_no, entity.entity_no, code_of("session.transitions"))
        items.append(Item((*table.transitions, *oid[len(table.state) :]), transitions, counter=True))
    return items
