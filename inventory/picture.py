"""The current picture of the network: loaded whole by a few queries, and kept true in the small by what polling sees."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import store
from inventory.roots import roots
from inventory.topology import Collector, Customer, Device, Entity, Link, MissingEnd, Service, Site, Topology
from station.bus.store import collector
from station.hub import Hub
from station.metrics import counter, gauge
from station.scope import OPERATOR_TENANT
from station.state import State, records
from station.web import iso

FLUSH_EVERY_S: Final = 1.0
DEVICES = gauge("inventory_devices", "Devices in the inventory.")
ENTITIES = gauge("inventory_entities", "Interfaces, sensors and sessions in the inventory.")
LINKS = gauge("inventory_links", "Links in the inventory.")
FLUSH_FAILED = counter("inventory_flush_failed", "Times the store did not take the statuses; they wait for the next try.")
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
NextHops = Callable[[Collection[str]], frozenset[str]]
"""The gateways on this machine's way to these addresses."""
_TABLES: Final = (
    store.site,
    store.device,
    store.device_address,
    store.vrf_address,
    collector,
    store.entity,
    store.link,
    store.customer,
    store.service,
    store.service_binding,
    store.unresolved_neighbour,
)
_SITE: Final = ("id", "name", "region", "latitude", "longitude")
_DEVICE: Final = tuple(name for name in Device.__dataclass_fields__ if name not in {"site_id"})
_of_entity: Final = itemgetter(*[name for name in Entity.__dataclass_fields__ if name not in {"key", "gone"}])  # its first and last


class Picture:
    """Holds the current `Topology` of one tenant.

    `version` grows with what is there (devices, interfaces, links, services); a change of status replaces the
    snapshot at the next flush without a new version, so that nobody recompiles for it.
    """

    def __init__(
        self,
        state: State,
        hub: Hub,
        *,
        station_devices: Sequence[str] = (),
        next_hops: NextHops | None = None,
        tenant: int = OPERATOR_TENANT,
    ) -> None:
        """`station_devices` are names of what the station hangs on; where there are none, `next_hops` tells."""
        self._next_hops = next_hops or (lambda _: frozenset())
        self._state = state
        self._hub = hub
        self._station_devices = tuple(station_devices)
        self._tenant = tenant
        self._topology = Topology()
        self._loading = asyncio.Lock()
        self._asked = 0
        self._served = 0
        self._devices: dict[int, tuple[str, int]] = {}
        self._interfaces: dict[int, tuple[int, int]] = {}

    def current(self) -> Topology:
        return self._topology

    async def reload(self) -> Topology:
        """Read everything again; calls that arrive while one is waiting share it."""
        self._asked += 1
        mine = self._asked
        async with self._loading:
            if self._served < mine:
                serving = self._asked
                await self._write_statuses()
                rows = await self._state.collect(self._rows)
                self._replace(await asyncio.to_thread(self._drawn, rows))
                self._served = serving
        return self._topology

    def _drawn(self, rows: Rows) -> Topology:
        """The next picture; in a thread."""
        hops = self._next_hops({row["management_address"] for row in rows["device"] if not row["vrf"]})
        return build(rows, self._topology.version + 1, self._station_devices, hops)

    async def set_device_status(self, no: int, status: str, last_seen_ns: int) -> None:
        """What polling sees of a device: up | down | unreachable | unknown. Written with the next flush; a change is published at once."""
        device = self._topology.devices.get(no)
        if device is None:
            return
        before, _ = self._devices.get(no, (device.status, 0))
        self._devices[no] = (status, last_seen_ns or device.last_seen_ns)
        if status != before:
            self._hub.publish("device", {"id": device.id, "status": status, "last_seen_at": iso(last_seen_ns)})

    async def set_interface_status(self, key: int, admin_status: int, oper_status: int) -> None:
        """What polling sees of an interface by its entity key (IF-MIB values); written with the next flush when it changed."""
        known = self._topology.entities.get(key)
        if known is not None:
            self._interfaces[key] = (admin_status, oper_status)

    async def flush(self) -> None:
        """Write the statuses that came in since the last flush, and show them in the snapshot."""
        async with self._loading:
            await self._write_statuses()

    async def run(self) -> None:
        """Flush every second until cancelled, and once more then; a store that does not take it is asked again."""
        try:
            while True:
                await asyncio.sleep(FLUSH_EVERY_S)
                try:
                    await self.flush()
                except SQLAlchemyError:
                    FLUSH_FAILED.inc()
        finally:
            await asyncio.shield(self.flush())

    async def _write_statuses(self) -> None:
        devices, self._devices = self._devices, {}
        interfaces, self._interfaces = self._interfaces, {}
        before = self._topology
        interfaces = {key: seen for key, seen in interfaces.items() if _statuses(before.entities[key]) != seen}
        if not devices and not interfaces:
            return
        try:
            async with self._state.write() as conn:
                await _write_devices(conn, self._tenant, devices)
                await _write_interfaces(conn, self._tenant, interfaces)
        except SQLAlchemyError:
            self._devices, self._interfaces = devices | self._devices, interfaces | self._interfaces
            raise
        self._topology = with_statuses(before, devices, interfaces)

    async def _rows(self, conn: AsyncConnection) -> Rows:
        return {table.name: await _rows(conn, table, self._tenant) for table in _TABLES}

    def _replace(self, topology: Topology) -> None:
        self._topology = topology
        DEVICES.set(len(topology.devices))
        ENTITIES.set(len(topology.entities))
        LINKS.set(len(topology.links))
        self._hub.publish("topology", {"version": topology.version})


def build(rows: Rows, version: int, station_devices: Sequence[str] = (), gateways: Collection[str] = ()) -> Topology:
    """The topology that the tables' rows describe (pure)."""
    devices = {row["no"]: Device(site_id=row["site_id"] or "", **{name: row[name] for name in _DEVICE}) for row in rows["device"]}
    entities = {key: _entity(key, row) for row in rows["entity"] if (key := row["device_no"] << 16 | row["entity_no"]) >> 16 in devices}
    links = {row["id"]: link for row in rows["link"] if {(link := _link(row)).a, link.b} <= entities.keys()}
    topology = Topology(
        version=version,
        sites={row["id"]: Site(**{name: row[name] for name in _SITE}) for row in rows["site"]},
        devices=devices,
        entities=entities,
        links=links,
        customers={row["id"]: Customer(row["id"], row["number"], row["name"]) for row in rows["customer"]},
        services=_services(rows),
        addresses={row["address"]: row["device_no"] for row in rows["device_address"]},
        addresses_in=_spaces(rows["vrf_address"]),
        collectors={row["id"]: _collector(row) for row in rows["collector"] if row["user_key"] and not row["revoked_ns"]},
        missing=tuple(_missing(row) for row in rows["unresolved_neighbour"]),
    )
    return replace(topology, station_devices=roots(topology, station_devices, gateways))


def with_statuses(before: Topology, devices: Mapping[int, tuple[str, int]], interfaces: Mapping[int, tuple[int, int]]) -> Topology:
    """The same topology with other statuses; look-ups that do not hold what changed are kept (pure)."""
    changed = {no: replace(before.devices[no], status=status, last_seen_ns=seen) for no, (status, seen) in devices.items()}
    entities = {key: replace(before.entities[key], admin_status=admin, oper_status=oper) for key, (admin, oper) in interfaces.items()}
    after = replace(
        before,
        devices={**before.devices, **changed} if changed else before.devices,
        entities={**before.entities, **entities} if entities else before.entities,
    )
    kept = {"link_at", "neighbours", "services_at"}
    kept |= set() if changed else {"device_by_id"}
    kept |= set() if entities else {"entity_by_id", "interface_by_index", "interfaces_of"}
    after.__dict__.update({name: value for name, value in before.__dict__.items() if name in kept})
    return after


async def _rows(conn: AsyncConnection, table: sa.Table, tenant: int) -> Sequence[Mapping[str, Any]]:
    return await records(conn, sa.select(table).where(table.c.tenant == tenant).order_by(*table.primary_key))


def _entity(key: int, row: Mapping[str, Any]) -> Entity:
    return Entity(*(key, *_of_entity(row), row["gone_ns"] != 0))


def _link(row: Mapping[str, Any]) -> Link:
    a, b = (row[f"{end}_device_no"] << 16 | row[f"{end}_entity_no"] for end in "ab")
    return Link(row["id"], a, b, tuple(filter(None, row["sources"].split(","))), row["confidence"], row["duct"])


def _collector(row: Mapping[str, Any]) -> Collector:
    return Collector(row["id"], row["name"], row["vrf"], tuple(json.loads(row["sites"])))


def _spaces(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["vrf"]][row["address"]] = row["device_no"]
    return dict(found)


def _missing(row: Mapping[str, Any]) -> MissingEnd:
    names = ("remote_name", "remote_port", "remote_chassis_id", "remote_address", "why")
    return MissingEnd(row["device_no"] << 16 | row["entity_no"], **{name: row[name] for name in names})


def _services(rows: Rows) -> dict[str, Service]:
    """Services with the entities they use now: bindings without an end."""
    used: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for row in rows["service_binding"]:
        if row["valid_to_ns"] == 0:
            used[row["service_id"], row["role"] == "access"].append(row["device_no"] << 16 | row["entity_no"])
    return {
        row["id"]: Service(
            row["id"],
            row["number"],
            row["name"],
            row["customer_id"],
            row["tariff"],
            access=tuple(used[row["id"], True]),
            path=tuple(used[row["id"], False]),
        )
        for row in rows["service"]
    }


def _statuses(entity: Entity) -> tuple[int, int]:
    return entity.admin_status, entity.oper_status


async def _write_devices(conn: AsyncConnection, tenant: int, seen: Mapping[int, tuple[str, int]]) -> None:
    if seen:
        mine = (store.device.c.tenant == tenant) & (store.device.c.no == sa.bindparam("at_no"))
        statement = sa.update(store.device).where(mine).values(status=sa.bindparam("to_status"), last_seen_ns=sa.bindparam("to_seen"))
        await conn.execute(statement, [{"at_no": no, "to_status": status, "to_seen": ns} for no, (status, ns) in seen.items()])


async def _write_interfaces(conn: AsyncConnection, tenant: int, seen: Mapping[int, tuple[int, int]]) -> None:
    if seen:
        table = store.entity.c
        mine = (table.tenant == tenant) & (table.device_no == sa.bindparam("at_device")) & (table.entity_no == sa.bindparam("at_entity"))
        statement = sa.update(store.entity).where(mine).values(admin_status=sa.bindparam("to_admin"), oper_status=sa.bindparam("to_oper"))
        rows = [
            {"at_device": key >> 16, "at_entity": key & 0xFFFF, "to_admin": admin, "to_oper": oper} for key, (admin, oper) in seen.items()
        ]
        await conn.execute(statement, rows)
