"""What exists in the simulated network: sites, devices, interfaces and links. Frozen, and the same for the same seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_network
from typing import Literal, NamedTuple

Role = Literal["core", "aggregation", "access"]
InterfaceKind = Literal["loopback", "trunk", "customer", "spare"]

ENTERPRISE = (1, 3, 6, 1, 4, 1, 99999, 1)
MIN_SIZE = 24


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    region: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface. `number` counts over the whole world and is its row in every traffic array.

    `address` is its IPv4 address with `prefix` bits, empty when unnumbered.
    """

    number: int
    if_index: int
    name: str
    alias: str
    kind: InterfaceKind
    speed_bps: int
    mac: bytes
    address: str = ""
    prefix: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """One device. `address` in 127.64.0.0/12 is where it answers and where its traps come from."""

    number: int
    name: str
    role: Role
    site: Site
    address: str
    vendor: str
    model: str
    serial: str
    chassis_id: bytes
    sys_object_id: tuple[int, ...]
    interfaces: tuple[Interface, ...]

    @property
    def region(self) -> str:
        return self.site.region


class Port(NamedTuple):
    """An interface by the number of its device and its own number."""

    device: int
    interface: int


@dataclass(frozen=True, slots=True)
class Link:
    """A fibre between two ports. `lldp` False: neither end shows the other, as over some radio or media converters."""

    number: int
    a: Port
    b: Port
    duct: str = ""
    lldp: bool = True


@dataclass(frozen=True, slots=True)
class Service:
    """A sold service, metered at one interface under a tariff (`config/tariffs/<tariff>`)."""

    number: str
    name: str
    customer: int
    tariff: str
    interface: int


@dataclass(frozen=True)
class World:
    """The whole network. `attachment` is the number of the device the station hangs on."""

    seed: int
    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    services: tuple[Service, ...]
    customers: tuple[str, ...]
    attachment: int

    @cached_property
    def interfaces(self) -> tuple[Interface, ...]:
        """All interfaces by their number."""
        return tuple(interface for device in self.devices for interface in device.interfaces)

    @cached_property
    def device_of(self) -> tuple[int, ...]:
        """The device number of each interface."""
        return tuple(device.number for device in self.devices for _ in device.interfaces)

    @cached_property
    def by_name(self) -> Mapping[str, Device]:
        return {device.name: device for device in self.devices}

    @cached_property
    def link_at(self) -> Mapping[int, Link]:
        """The link at an interface, by the number of either end."""
        return {port.interface: link for link in self.links for port in (link.a, link.b)}

    @cached_property
    def links_of(self) -> tuple[tuple[Link, ...], ...]:
        """The links of each device."""
        found: list[list[Link]] = [[] for _ in self.devices]
        for link in self.links:
            found[link.a.device].append(link)
            found[link.b.device].append(link)
        return tuple(map(tuple, found))

    @cached_property
    def service_at(self) -> Mapping[int, Service]:
        """The service metered at an interface."""
        return {service.interface: service for service in self.services}

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        return tuple(dict.fromkeys(device.site for device in self.devices))

    @cached_property
    def cidr(self) -> str:
        """The smallest network that holds every device's address."""
        network = ip_network(f"{self.devices[0].address}/32")
        addresses = [ip_network(f"{device.address}/32") for device in self.devices]
        while not all(address.subnet_of(network) for address in addresses):  # type: ignore[arg-type]
            network = network.supernet()
        return str(network)

    def interface(self, device: str, name: str) -> Interface:
        """The interface by its device's name and its ifName; KeyError names what is missing."""
        for interface in self.by_name[device].interfaces:
            if interface.name == name:
                return interface
        raise KeyError(f"{device} has no interface {name}")

    def link_between(self, a: str, b: str) -> Link:
        """The first link between two devices, each given as `device` or `device:ifName`."""
        ends = {self._end(a), self._end(b)}
        for link in self.links:
            if ends <= {self.devices[link.a.device].name, self.devices[link.b.device].name, link.a.interface, link.b.interface}:
                return link
        raise KeyError(f"no link between {a} and {b}")

    def _end(self, end: str) -> str | int:
        device, _, interface = end.partition(":")
        return self.interface(device, interface).number if interface else device

    def far_end(self, link: Link, device: int) -> Port:
        """The port of a link that is not on the given device."""
        return link.b if link.a.device == device else link.a

    def link_name(self, link: Link) -> str:
        """`ham-core-1 - ber-core-1`."""
        return f"{self.devices[link.a.device].name} - {self.devices[link.b.device].name}"
