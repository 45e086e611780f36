"""What a device says of itself in one look: the shape between a collector's walk and the inventory."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """One row of ifTable and ifXTable (RFC 2863)."""

    if_index: int
    name: str  # ifName, else ifDescr
    descr: str = ""
    alias: str = ""
    if_type: int = 0
    speed_bps: int = 0
    mac: str = ""
    admin_status: int = 0
    oper_status: int = 0


@dataclass(frozen=True, slots=True)
class SensorFacts:
    """Something besides an interface that can be measured: where (oid), as what (metric name), times scale."""

    kind: str  # sensor | session
    name: str
    metric: str  # a name of config/metrics.toml
    oid: str
    scale: float = 1.0
    if_index: int = 0  # the interface it belongs to, 0 for the device


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One address on an interface (RFC 4293); `prefix_length` -1 where the device does not tell it."""

    address: str
    if_index: int
    prefix_length: int = -1


@dataclass(frozen=True, slots=True)
class NeighbourFacts:
    """One neighbour seen on a local port.

    By LLDP (IEEE 802.1AB) or CDP it named itself. By OSPF or BGP `remote_address` is who the session is with. Of the
    tables of forwarding (fdb) and of resolved addresses (arp) it is the only station behind the port, `remote_port` its
    physical address.
    """

    protocol: str  # lldp | cdp | ospf | bgp | arp | fdb
    local_if_index: int  # 0 when only the name is known
    local_port: str
    remote_chassis_id: str
    remote_port: str
    remote_port_descr: str = ""
    remote_name: str = ""
    remote_address: str = ""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """Everything one discovery look found. Strings come from the device and are hostile until escaped at output."""

    address: str
    snmp_port: int
    credential: str
    sys_name: str
    sys_descr: str
    sys_object_id: str
    sys_location: str = ""
    uptime_cs: int = 0
    engine_id: str = ""
    chassis_id: str = ""
    serial: str = ""
    model: str = ""
    vendor: str = ""
    profile: str = "generic"
    interfaces: tuple[InterfaceFacts, ...] = ()
    sensors: tuple[SensorFacts, ...] = ()
    neighbours: tuple[NeighbourFacts, ...] = ()
    addresses: tuple[str, ...] = ()
    subnets: tuple[AddressFacts, ...] = ()  # on which interface each address is, and the size of its subnet
    lasting: tuple[str, ...] = ()  # those of `addresses` on a loopback interface: no cable takes them away
    heard: tuple[str, ...] = ()  # addresses on the device's own links, where others may answer
    problems: tuple[str, ...] = ()  # tables that could not be read and why
    vrf: str = ""  # the address space in which `address` means this device; "" is the station's own


_FACTS: TypeAdapter[DeviceFacts] = TypeAdapter(DeviceFacts)


def facts_of(document: Any) -> DeviceFacts:
    """The facts of a document as `dataclasses.asdict` makes it; ValueError for any other."""
    try:
        return _FACTS.validate_python(document)
    except ValidationError as error:
        raise ValueError(f"no facts of a device: {error.error_count()} faults") from error


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why an address gave no facts: no_answer, wrong_credential, refused, timeout, malformed."""

    address: str
    reason: str


Look = Callable[[str], Awaitable[DeviceFacts | NoAnswer]]
"""Looks at one address; given to discovery by the assembly, so that inventory knows no protocol."""
