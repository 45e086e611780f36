"""The MIB of one device as its agent serves it: which objects stand in its table, and what they read right now."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address

from simulator import agent_ber as ber
from simulator.agent_ber import COUNTER32, COUNTER64, GAUGE32, INTEGER, TIME_TICKS
from simulator.network import Network
from simulator.reading import Column
from simulator.tables import Live, Oid, Table, Value, columns
from simulator.world import Device, Interface

MIB_2: Oid = (1, 3, 6, 1, 2, 1)
IF_ENTRY: Oid = (*MIB_2, 2, 2, 1)
IFX_ENTRY: Oid = (*MIB_2, 31, 1, 1, 1)
LLDP: Oid = (1, 0, 8802, 1, 1, 2, 1)
ENTITY: Oid = (*MIB_2, 47, 1, 1, 1, 1)
SENSOR: Oid = (*MIB_2, 99, 1, 1, 1)
HOST: Oid = (*MIB_2, 25)
OSPF_NEIGHBOUR: Oid = (*MIB_2, 14, 10, 1)
BGP: Oid = (*MIB_2, 15)
NO_OID = ber.oid((0, 0))
ETHERNET, SOFTWARE_LOOPBACK = 6, 24
BRIDGE_AND_ROUTER = b"\x28"  # LldpSystemCapabilitiesMap: bridge(2), router(4)
RAM_KIB = 8 * 1024 * 1024
LOCAL_AS = 64_512
BGP_SHOWN_MAX = 300
DBM = 14
"""EntitySensorDataType dBm as Cisco and others extend RFC 3433; entPhySensorUnitsDisplay says it in words."""
CHASSIS, FAN, FAN_SENSOR, TEMPERATURE = 1, 2, 3, 4
MODULE, RX_SENSOR, TX_SENSOR = 1000, 2000, 3000  # plus the interface's position on the device


def table(network: Network, device: Device) -> Table:
    """The whole MIB of a device as its neighbours and links are now."""
    rows: dict[Oid, Value] = {}
    for part in _PARTS:
        for some in part(network, device):
            rows.update(some)
    return Table(rows)


def number(value: int, tag: int = INTEGER) -> bytes:
    return ber.integer(value, tag)


def address(value: str) -> bytes:
    return ber.tlv(ber.IP_ADDRESS, IPv4Address(value).packed)


def octets(value: str) -> Oid:
    return tuple(IPv4Address(value).packed)


def description(device: Device) -> str:
    return f"{device.vendor} {device.model} {device.role} router, NOS 7.4R2 (simulated by Trunkline)"


def _system(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    system = (*MIB_2, 1)
    yield {
        (*system, 1, 0): ber.text(description(device)),
        (*system, 2, 0): ber.oid(device.sys_object_id),
        (*system, 3, 0): Live(TIME_TICKS, Column.UPTIME, 0),
        (*system, 4, 0): ber.text("noc@trunkline.example"),
        (*system, 5, 0): ber.text(device.name),
        (*system, 6, 0): ber.text(f"{device.site.name}, {device.region} ({device.site.latitude}, {device.site.longitude})"),
        (*system, 7, 0): number(6),
    }
    engine = (1, 3, 6, 1, 6, 3, 10, 2, 1)
    yield {
        (*engine, 1, 0): ber.text(engine_id(device)),
        (*engine, 2, 0): Live(INTEGER, Column.ENGINE_BOOTS, 0),
        (*engine, 3, 0): Live(INTEGER, Column.ENGINE_TIME, 0),
        (*engine, 4, 0): number(65_507),
    }


def engine_id(device: Device) -> bytes:
    """The SNMP engine id: our enterprise, format 3 (MAC address); RFC 3411, section 5."""
    return (0x80000000 | 99999).to_bytes(4) + b"\x03" + device.chassis_id


def _interfaces(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield {(*MIB_2, 2, 1, 0): number(len(device.interfaces))}
    for row, interface in enumerate(device.interfaces):
        yield columns(IF_ENTRY, (interface.if_index,), _if_row(interface, row))
        yield columns(IFX_ENTRY, (interface.if_index,), _ifx_row(interface, row))


def _if_row(interface: Interface, row: int) -> Iterator[tuple[int, Value]]:
    loopback = interface.kind == "loopback"
    yield 1, number(interface.if_index)
    yield 2, ber.text(interface.name)
    yield 3, number(SOFTWARE_LOOPBACK if loopback else ETHERNET)
    yield 4, number(65_536 if loopback else 9_192)
    yield 5, number(min(interface.speed_bps, 2**32 - 1), GAUGE32)
    yield 6, ber.text(b"" if loopback else interface.mac)
    yield 7, number(2 if interface.kind == "spare" else 1)
    yield 8, Live(INTEGER, Column.OPER_STATUS, row)
    yield 9, Live(TIME_TICKS, Column.LAST_CHANGE, row)
    for column, name in ((10, Column.IN_OCTETS), (11, Column.IN_PACKETS), (14, Column.IN_ERRORS)):
        yield column, Live(COUNTER32, name, row)
    for column, name in ((16, Column.OUT_OCTETS), (17, Column.OUT_PACKETS)):
        yield column, Live(COUNTER32, name, row)
    for column in (13, 15, 19, 20):
        yield column, number(0, COUNTER32)


def _ifx_row(interface: Interface, row: int) -> Iterator[tuple[int, Value]]:
    yield 1, ber.text(interface.name)
    for column in (2, 3, 4, 5):
        yield column, number(0, COUNTER32)
    yield 6, Live(COUNTER64, Column.IN_OCTETS, row)
    yield 7, Live(COUNTER64, Column.IN_PACKETS, row)
    yield 10, Live(COUNTER64, Column.OUT_OCTETS, row)
    yield 11, Live(COUNTER64, Column.OUT_PACKETS, row)
    for column in (8, 9, 12, 13):
        yield column, number(0, COUNTER64)
    yield 14, number(1)
    yield 15, number(interface.speed_bps // 1_000_000, GAUGE32)
    yield 16, number(2)
    yield 17, number(1 if interface.kind != "loopback" else 2)
    yield 18, ber.text(interface.alias)
    yield 19, Live(TIME_TICKS, Column.DISCONTINUITY, row)


def _addresses(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield {(*MIB_2, 4, 1, 0): number(1)}
    for interface in device.interfaces:
        if interface.address:
            mask = str(IPv4Address(2**32 - 2 ** (32 - interface.prefix)))
            index = octets(interface.address)
            old = ((1, address(interface.address)), (2, number(interface.if_index)), (3, address(mask)), (4, number(1)))
            yield columns((*MIB_2, 4, 20, 1), index, old)
            new = ((3, number(interface.if_index)), (4, number(1)), (6, number(2)), (7, number(1)))
            yield columns((*MIB_2, 4, 34, 1), (1, 4, *index), new)


def _lldp_local(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield {
        (*LLDP, 3, 1, 0): number(4),
        (*LLDP, 3, 2, 0): ber.text(device.chassis_id),
        (*LLDP, 3, 3, 0): ber.text(device.name),
        (*LLDP, 3, 4, 0): ber.text(description(device)),
        (*LLDP, 3, 5, 0): ber.text(BRIDGE_AND_ROUTER),
        (*LLDP, 3, 6, 0): ber.text(BRIDGE_AND_ROUTER),
    }
    for interface in device.interfaces:
        if interface.kind != "loopback":
            port = ((2, number(5)), (3, ber.text(interface.name)), (4, ber.text(interface.alias)))
            yield columns((*LLDP, 3, 7, 1), (interface.if_index,), port)
    own = ((3, number(5)), (4, number(2)), (5, number(1)), (6, NO_OID))
    yield columns((*LLDP, 3, 8, 1), (1, 4, *octets(device.address)), own)


def _lldp_remote(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    for link in network.links_up(device.number):
        if link.lldp:
            here = link.a if link.a.device == device.number else link.b
            there = network.world.far_end(link, device.number)
            far, port = network.world.devices[there.device], network.world.interfaces[there.interface]
            index = (0, network.world.interfaces[here.interface].if_index, 1)
            values = (ber.text(far.name), ber.text(description(far)), ber.text(BRIDGE_AND_ROUTER), ber.text(BRIDGE_AND_ROUTER))
            yield columns(
                (*LLDP, 4, 1, 1),
                index,
                (
                    (4, number(4)),
                    (5, ber.text(far.chassis_id)),
                    (6, number(5)),
                    (7, ber.text(port.name)),
                    (8, ber.text(port.alias)),
                    *zip((9, 10, 11, 12), values, strict=True),
                ),
            )
            management = ((3, number(2)), (4, number(1)), (5, NO_OID))
            yield columns((*LLDP, 4, 2, 1), (*index, 1, 4, *octets(far.address)), management)


def _physical(index: int, name: str, kind: int, inside: int, **more: str) -> dict[Oid, Value]:
    """A row of entPhysicalTable; `kind` is its class: chassis 3, fan 7, sensor 8, module 9 (RFC 6933)."""
    names = {2: more.get("descr", name), 7: name, 8: "", 9: "", 10: "7.4R2", 11: more.get("serial", "")}
    names |= {12: more.get("vendor", ""), 13: more.get("model", ""), 14: "", 15: ""}
    row: list[tuple[int, Value]] = [(column, ber.text(text)) for column, text in names.items()]
    row += [(3, NO_OID), (4, number(inside)), (5, number(kind)), (6, number(index)), (16, number(1))]
    return columns(ENTITY, (index,), row)


def _sensor(index: int, kind: int, units: str, scale: int, precision: int, column: str, row: int) -> dict[Oid, Value]:
    """A row of entPhySensorTable (RFC 3433): scale 8 milli, 9 units."""
    values: tuple[tuple[int, Value], ...] = (
        (1, number(kind)),
        (2, number(scale)),
        (3, number(precision)),
        (4, Live(INTEGER, column, row)),
        (5, number(1)),
        (6, ber.text(units)),
        (7, Live(TIME_TICKS, Column.UPTIME, 0)),
        (8, number(1000, GAUGE32)),
    )
    return columns(SENSOR, (index,), values)


def _entities(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield _physical(CHASSIS, "chassis", 3, 0, descr=description(device), serial=device.serial, vendor=device.vendor, model=device.model)
    yield _physical(FAN, "fan tray 1", 7, CHASSIS)
    yield _physical(FAN_SENSOR, "fan tray 1 speed", 8, FAN)
    yield _physical(TEMPERATURE, "chassis inlet temperature", 8, CHASSIS)
    yield _sensor(FAN_SENSOR, 10, "rpm", 9, 0, Column.FAN, 0)
    yield _sensor(TEMPERATURE, 8, "degrees Celsius", 9, 1, Column.TEMPERATURE, 0)
    for row, interface in enumerate(device.interfaces):
        if interface.kind == "trunk":
            yield _physical(MODULE + row, f"optic {interface.name}", 9, CHASSIS, serial=f"{device.serial}-{row}", model="SFP-10G-LR")
            yield _physical(RX_SENSOR + row, f"{interface.name} receive power", 8, MODULE + row)
            yield _physical(TX_SENSOR + row, f"{interface.name} transmit power", 8, MODULE + row)
            yield _sensor(RX_SENSOR + row, DBM, "dBm", 9, 2, Column.RX_POWER, row)
            yield _sensor(TX_SENSOR + row, DBM, "dBm", 9, 2, Column.TX_POWER, row)
            yield {(*MIB_2, 47, 1, 3, 2, 1, 2, MODULE + row, 0): ber.oid((*IF_ENTRY, 1, interface.if_index))}


def _host(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield {(*HOST, 1, 1, 0): Live(TIME_TICKS, Column.UPTIME, 0)}
    ram = ber.oid((*HOST, 2, 1, 2))
    memory = ((1, number(1)), (2, ram), (3, ber.text("Physical memory")), (4, number(1024)))
    used = ((5, number(RAM_KIB)), (6, Live(INTEGER, Column.MEMORY, 0)), (7, number(0, COUNTER32)))
    yield columns((*HOST, 2, 3, 1), (1,), (*memory, *used))
    for n in range(2):
        yield columns((*HOST, 3, 3, 1), (n + 1,), ((1, NO_OID), (2, Live(INTEGER, Column.PROCESSOR, n))))


def _ospf(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    yield {(*MIB_2, 14, 1, 1, 0): address(device.address), (*MIB_2, 14, 1, 2, 0): number(1)}
    for link in network.links_up(device.number):
        if link.lldp:
            there = network.world.far_end(link, device.number)
            near = network.world.interfaces[there.interface].address
            router = network.world.devices[there.device].address
            row = ((1, address(near)), (2, number(0)), (3, address(router)), (4, number(2)), (5, number(1)), (6, number(8)))
            yield columns(OSPF_NEIGHBOUR, (*octets(near), 0), row)


def _bgp(network: Network, device: Device) -> Iterator[dict[Oid, Value]]:
    """Sessions with the route reflectors; in a large network a reflector's own are too many for its table here."""
    yield {(*BGP, 1, 0): ber.text(b"\x10"), (*BGP, 2, 0): number(LOCAL_AS), (*BGP, 4, 0): address(device.address)}
    for peer in network.sessions(device.number) if len(network.world.devices) <= BGP_SHOWN_MAX else network.reflectors(device.number):
        there = network.world.devices[peer]
        row: tuple[tuple[int, Value], ...] = (
            (1, address(there.address)),
            (2, Live(INTEGER, Column.BGP_STATE, peer)),
            (3, number(2)),
            (4, number(4)),
            (5, address(device.address)),
            (7, address(there.address)),
            (9, number(LOCAL_AS)),
        )
        yield columns((*BGP, 3, 1), octets(there.address), row)


_PARTS: tuple[Callable[[Network, Device], Iterator[dict[Oid, Value]]], ...] = (
    _system,
    _interfaces,
    _addresses,
    _lldp_local,
    _lldp_remote,
    _entities,
    _host,
    _ospf,
    _bgp,
)
