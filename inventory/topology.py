"""The network as one immutable picture: every stage reads it, discovery replaces it whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    name: str
    region: str = ""
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    no: int
    id: str
    name: str
    site_id: str
    management_address: str
    snmp_port: int = 161
    credential: str = "default"
    profile: str = "generic"
    role: str = ""
    vendor: str = ""
    model: str = ""
    sys_object_id: str = ""
    sys_descr: str = ""
    simulated: bool = False
    status: str = "unknown"
    last_seen_ns: int = 0
    vrf: str = ""  # the address space in which its addresses mean it; "" is the station's own


@dataclass(frozen=True, slots=True)
class Entity:
    """An interface, sensor or session. `key` = device_no << 16 | entity_no = series >> 8."""

    key: int
    id: str
    kind: str
    name: str
    alias: str = ""
    descr: str = ""
    if_index: int = 0
    if_type: int = 0
    speed_bps: int = 0
    mac: str = ""
    admin_status: int = 0
    oper_status: int = 0
    oid: str = ""
    scale: float = 1.0
    metric: int = 0
    parent_entity_no: int = 0
    gone: bool = False  # not seen at the last look: kept for its history, no longer polled

    @property
    def device_no(self) -> int:
        return self.key >> 16

    @property
    def entity_no(self) -> int:
        return self.key & 0xFFFF


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two interfaces, each by its entity key."""

    id: str
    a: int
    b: int
    sources: tuple[str, ...] = ()
    confidence: float = 0.0
    duct: str = ""


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service; `access` are the entity keys it is metered on, `path` those it merely crosses."""

    id: str
    number: str
    name: str
    customer_id: str
    tariff: str = ""
    access: tuple[int, ...] = ()
    path: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingEnd:
    """A neighbour heard on a port, by entity key (entity 0: port unknown), to whom no device or port of the inventory answers."""

    local: int
    remote_name: str
    remote_port: str
    remote_chassis_id: str = ""
    remote_address: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Collector:
    """A collector that runs apart: it polls the devices of its address space, of these sites where there are any named."""

    id: str
    name: str
    vrf: str = ""
    sites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topology:
    """A consistent snapshot of the inventory with its look-ups. `version` grows with each change."""

    version: int = 0
    sites: Mapping[str, Site] = field(default_factory=dict)
    devices: Mapping[int, Device] = field(default_factory=dict)  # by dense number
    entities: Mapping[int, Entity] = field(default_factory=dict)  # by entity key
    links: Mapping[str, Link] = field(default_factory=dict)
    customers: Mapping[str, Customer] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    addresses: Mapping[str, int] = field(default_factory=dict)  # every known address of the station's own space -> device number
    addresses_in: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # the same of the other address spaces, by vrf
    collectors: Mapping[str, Collector] = field(default_factory=dict)
    station_devices: tuple[int, ...] = ()  # devices the station itself hangs on: roots of reachability
    missing: tuple[MissingEnd, ...] = ()  # links that must exist and of which only one end is known

    @cached_property
    def device_by_id(self) -> Mapping[str, Device]:
        return {device.id: device for device in self.devices.values()}

    @cached_property
    def device_by_name(self) -> Mapping[str, Device]:
        return {device.name: device for device in self.devices.values()}

    @cached_property
    def entity_by_id(self) -> Mapping[str, Entity]:
        return {entity.id: entity for entity in self.entities.values()}

    @cached_property
    def interface_by_index(self) -> Mapping[tuple[int, int], Entity]:
        """Interfaces that are there by (device number, ifIndex)."""
        return {(e.device_no, e.if_index): e for e in self.entities.values() if e.kind == "interface" and not e.gone}

    @cached_property
    def interface_by_name(self) -> Mapping[tuple[int, str], Entity]:
        """Interfaces by (device number, ifName)."""
        return {(e.device_no, e.name): e for e in self.entities.values() if e.kind == "interface"}

    @cached_property
    def interfaces_of(self) -> Mapping[int, tuple[Entity, ...]]:
        """Interfaces that are there by device number."""
        found: dict[int, list[Entity]] = {}
        for entity in self.entities.values():
            if entity.kind == "interface" and not entity.gone:
                found.setdefault(entity.device_no, []).append(entity)
        return {no: tuple(entities) for no, entities in found.items()}

    @cached_property
    def entities_of(self) -> Mapping[int, tuple[Entity, ...]]:
        """Everything that is there by device number."""
        found: dict[int, list[Entity]] = {}
        for entity in self.entities.values():
            if not entity.gone:
                found.setdefault(entity.device_no, []).append(entity)
        return {no: tuple(entities) for no, entities in found.items()}

    @cached_property
    def link_at(self) -> Mapping[int, Link]:
        """The link at an interface, by entity key of either end."""
        return {end: link for link in self.links.values() for end in (link.a, link.b)}

    @cached_property
    def neighbours(self) -> Mapping[int, tuple[tuple[int, Link], ...]]:
        """By device number: (neighbour's device number, link)."""
        found: dict[int, list[tuple[int, Link]]] = {}
        for link in self.links.values():
            a, b = link.a >> 16, link.b >> 16
            found.setdefault(a, []).append((b, link))
            found.setdefault(b, []).append((a, link))
        return {no: tuple(pairs) for no, pairs in found.items()}

    @cached_property
    def services_at(self) -> Mapping[int, tuple[Service, ...]]:
        """Services by the entity keys they use, access or path."""
        found: dict[int, list[Service]] = {}
        for service in self.services.values():
            for key in service.access + service.path:
                found.setdefault(key, []).append(service)
        return {key: tuple(services) for key, services in found.items()}

    def name_of(self, resource_id: str) -> str:
        """A resource's name as people say it: `ham-core-1 xe-0/0/1`, `ham-core-1 - ber-core-1`, `Hamburg-01`."""
        if resource_id in self.device_by_id:
            return self.device_by_id[resource_id].name
        if resource_id in self.entity_by_id:
            entity = self.entity_by_id[resource_id]
            return f"{self.devices[entity.device_no].name} {entity.name}"
        if resource_id in self.links:
            link = self.links[resource_id]
            return " - ".join(f"{self.devices[end >> 16].name} {self.entities[end].name}" for end in (link.a, link.b))
        if resource_id in self.sites:
            return self.sites[resource_id].name
        if resource_id in self.services:
            return self.services[resource_id].name
        if resource_id in self.collectors:
            return self.collectors[resource_id].name
        return resource_id
