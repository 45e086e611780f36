"""What devices put on the wire about a notice: the varbinds of a trap, and a syslog line."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator import agent_ber as ber
from simulator.mib import BGP, IFX_ENTRY, MIB_2, OSPF_NEIGHBOUR, RX_SENSOR, SENSOR, address, number, octets
from simulator.network import NS_PER_S, Network
from simulator.notices import Notice, Say
from simulator.poison import spoken
from simulator.reading import NS_PER_CS
from simulator.tables import Oid
from simulator.world import Device, Interface

Varbinds = list[tuple[Oid, bytes]]

SYS_UP_TIME: Oid = (*MIB_2, 1, 3, 0)
SNMP_TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
STANDARD: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5)
UPS: Oid = (*MIB_2, 33)
OUR_TRAPS: Oid = (1, 3, 6, 1, 4, 1, 99999, 2, 0)
OUR_OBJECTS: Oid = (1, 3, 6, 1, 4, 1, 99999, 3)
SPOKEN = 100  # the first of the notifications of a poisoned device
OSPF_IS_DOWN, OSPF_IS_FULL = 1, 8
LOCAL_7 = 23
CRITICAL, ERROR, WARNING, NOTICE = 2, 3, 4, 5
ENTERPRISE_SD = "trunkline@99999"


@dataclass(frozen=True, slots=True)
class Line:
    """A syslog line before it has a format; `mnemonic` is RFC 5424's MSGID or what stands after the % in RFC 3164."""

    severity: int
    app: str
    mnemonic: str
    fields: dict[str, str]
    text: str


def trap(network: Network, notice: Notice) -> Varbinds:
    """The varbinds of a notice's trap, sysUpTime.0 and snmpTrapOID.0 first (RFC 3416, section 4.2.6)."""
    name, varbinds = _TRAPS[notice.say](network, notice)
    uptime_cs = (notice.time_ns - network.status.boot_ns[notice.device]) // NS_PER_CS % 2**32
    return [(SYS_UP_TIME, number(uptime_cs, ber.TIME_TICKS)), (SNMP_TRAP_OID, ber.oid(name)), *varbinds]


def _interface(network: Network, notice: Notice) -> Interface:
    return network.world.interfaces[notice.interface]


def _link(name: int, oper: int) -> Callable[[Network, Notice], tuple[Oid, Varbinds]]:
    def build(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
        interface = _interface(network, notice)
        n = interface.if_index
        row = ((1, number(n)), (7, number(1)), (8, number(oper)))
        varbinds = [((*MIB_2, 2, 2, 1, column, n), value) for column, value in row]
        return (*STANDARD, name), [
            *varbinds,
            ((*IFX_ENTRY, 1, n), ber.text(interface.name)),
            ((*IFX_ENTRY, 18, n), ber.text(interface.alias)),
        ]

    return build


def _cold_start(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
    return (*STANDARD, 1), []


def _lldp(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
    changed = network.status.generation[notice.device]
    counts = ((2, changed), (3, changed), (4, 0), (5, 0))  # inserts, deletes, drops, ageouts
    stats: Oid = (1, 0, 8802, 1, 1, 2, 1, 2)
    return (1, 0, 8802, 1, 1, 2, 0, 0, 1), [((*stats, n, 0), number(count, ber.GAUGE32)) for n, count in counts]


def _ospf(state: int) -> Callable[[Network, Notice], tuple[Oid, Varbinds]]:
    def build(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
        own, peer = network.world.devices[notice.device], network.world.devices[notice.peer]
        near = _far_address(network, notice)
        index = (*octets(near), 0)
        row = ((1, address(near)), (2, number(0)), (3, address(peer.address)), (6, number(state)))
        neighbour = [((*OSPF_NEIGHBOUR, column, *index), value) for column, value in row]
        return (*MIB_2, 14, 16, 2, 2), [((*MIB_2, 14, 1, 1, 0), address(own.address)), *neighbour]

    return build


def _far_address(network: Network, notice: Notice) -> str:
    link = network.world.link_at[notice.interface]
    return network.world.interfaces[network.world.far_end(link, notice.device).interface].address


def _bgp(name: int, error: bytes, state: int) -> Callable[[Network, Notice], tuple[Oid, Varbinds]]:
    def build(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
        peer = network.world.devices[notice.peer].address
        row = ((7, address(peer)), (14, ber.text(error)), (2, number(state)))
        return (*BGP, 0, name), [((*BGP, 3, 1, column, *octets(peer)), value) for column, value in row]

    return build


def _light(name: int) -> Callable[[Network, Notice], tuple[Oid, Varbinds]]:
    def build(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
        interface = _interface(network, notice)
        row = notice.interface - network.world.devices[notice.device].interfaces[0].number
        return (*OUR_TRAPS, name), [
            ((*MIB_2, 47, 1, 1, 1, 1, 7, RX_SENSOR + row), ber.text(f"{interface.name} receive power")),
            ((*SENSOR, 4, RX_SENSOR + row), number(notice.value)),
            ((*MIB_2, 2, 2, 1, 1, interface.if_index), number(interface.if_index)),
            ((*IFX_ENTRY, 1, interface.if_index), ber.text(interface.name)),
        ]

    return build


def _on_battery(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
    """upsTrapOnBattery (RFC 1628)."""
    values = (((1, 2, 3, 0), notice.value), ((1, 2, 2, 0), 1), ((1, 9, 7, 0), 2))
    return (*UPS, 2, 1), [((*UPS, *oid), number(value)) for oid, value in values]


def _on_mains(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
    """upsTrapAlarmEntryRemoved of upsAlarmOnBattery (RFC 1628)."""
    return (*UPS, 2, 4), [((*UPS, 1, 6, 2, 1, 1, 1), number(1)), ((*UPS, 1, 6, 2, 1, 2, 1), ber.oid((*UPS, 1, 6, 3, 2)))]


def _speak(network: Network, notice: Notice) -> tuple[Oid, Varbinds]:
    """A notification that no MIB module knows, with a text of the device's choice."""
    return (*OUR_TRAPS, SPOKEN + notice.value), [((*OUR_OBJECTS, notice.value, 0), ber.text(spoken(notice.value)))]


_TRAPS: dict[Say, Callable[[Network, Notice], tuple[Oid, Varbinds]]] = {
    Say.LINK_DOWN: _link(3, 2),
    Say.LINK_UP: _link(4, 1),
    Say.COLD_START: _cold_start,
    Say.LLDP_CHANGED: _lldp,
    Say.OSPF_DOWN: _ospf(OSPF_IS_DOWN),
    Say.OSPF_UP: _ospf(OSPF_IS_FULL),
    Say.BGP_DOWN: _bgp(2, b"\x04\x00", 1),  # hold timer expired (RFC 4271, section 6.5)
    Say.BGP_UP: _bgp(1, b"\x00\x00", 6),
    Say.RX_POWER_LOW: _light(1),
    Say.RX_POWER_OK: _light(2),
    Say.ON_BATTERY: _on_battery,
    Say.ON_MAINS: _on_mains,
    Say.SPEAK: _speak,
}


def line(network: Network, notice: Notice) -> Line | None:
    """The syslog line of a notice; None where devices say it by a trap only."""
    if notice.say is Say.SPEAK:
        return Line(CRITICAL, "poison", f"POISON-2-SPEAKS_{notice.value}", {}, spoken(notice.value))
    name = _interface(network, notice).name if notice.interface >= 0 else ""
    index = str(_interface(network, notice).if_index) if notice.interface >= 0 else ""
    peer = network.world.devices[notice.peer].address if notice.peer >= 0 else ""
    port = {"ifName": name, "ifIndex": index}
    neighbour = {"neighbor": peer}
    dbm = f"{notice.value / 100:.2f}"
    lines = {
        Say.LINK_DOWN: Line(ERROR, "ifmgr", "LINK-3-UPDOWN", port, f"Interface {name}, changed state to down"),
        Say.LINK_UP: Line(ERROR, "ifmgr", "LINK-3-UPDOWN", port, f"Interface {name}, changed state to up"),
        Say.COLD_START: Line(NOTICE, "init", "SYS-5-RESTART", {}, "System restarted"),
        Say.OSPF_DOWN: Line(
            NOTICE, "ospfd", "OSPF-5-ADJCHG", neighbour | port, f"Nbr {peer} on {name} from FULL to DOWN, Interface down or detached"
        ),
        Say.OSPF_UP: Line(NOTICE, "ospfd", "OSPF-5-ADJCHG", neighbour | port, f"Nbr {peer} on {name} from LOADING to FULL, Loading Done"),
        Say.BGP_DOWN: Line(NOTICE, "bgpd", "BGP-5-ADJCHANGE", neighbour, f"neighbor {peer} Down BGP Notification sent, hold time expired"),
        Say.BGP_UP: Line(NOTICE, "bgpd", "BGP-5-ADJCHANGE", neighbour, f"neighbor {peer} Up"),
        Say.RX_POWER_LOW: Line(WARNING, "optics", "OPTICS-4-RXPOWER", port | {"dBm": dbm}, f"{name} receive power low, {dbm} dBm"),
        Say.RX_POWER_OK: Line(NOTICE, "optics", "OPTICS-5-RXPOWER", port | {"dBm": dbm}, f"{name} receive power normal, {dbm} dBm"),
        Say.ON_BATTERY: Line(WARNING, "power", "POWER-4-ONBATTERY", {}, f"Mains lost, {notice.value} minutes of battery left"),
        Say.ON_MAINS: Line(NOTICE, "power", "POWER-5-MAINS", {}, "Mains restored"),
    }
    return lines.get(notice.say)


def rfc5424(device: Device, time_ns: int, said: Line) -> bytes:
    """`<PRI>1 TIMESTAMP HOST APP - MSGID [SD] MSG` (RFC 5424, section 6)."""
    stamp = datetime.fromtimestamp(time_ns / NS_PER_S, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = "".join(f' {key}="{_escaped(value)}"' for key, value in said.fields.items())
    head = f"<{LOCAL_7 * 8 + said.severity}>1 {stamp} {device.name} {said.app} - {said.mnemonic}"
    return f"{head} {f'[{ENTERPRISE_SD}{data}]' if data else '-'} {said.text}".encode(errors="surrogateescape")


def _escaped(value: str) -> str:
    """PARAM-VALUE with \\, " and ] escaped (RFC 5424, section 6.3.3)."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def rfc3164(device: Device, time_ns: int, said: Line) -> bytes:
    """`<PRI>Nov  4 12:00:00 HOST %MNEMONIC: MSG`, in UTC as there is no zone in it (RFC 3164, section 4.1)."""
    when = datetime.fromtimestamp(time_ns / NS_PER_S, UTC)
    return f"<{LOCAL_7 * 8 + said.severity}>{when:%b} {when.day:2d} {when:%H:%M:%S} {device.name} %{said.mnemonic}: {said.text}".encode(
        errors="surrogateescape"
    )


def syslog(network: Network, notice: Notice) -> bytes | None:
    """The datagram for a notice: access devices speak RFC 3164, all others RFC 5424."""
    said = line(network, notice)
    if said is None:
        return None
    device = network.world.devices[notice.device]
    return (rfc3164 if device.role == "access" else rfc5424)(device, notice.time_ns, said)


def trap_pdu(varbinds: Varbinds, request_id: int) -> bytes:
    """An SNMPv2-Trap PDU."""
    return notification_pdu(varbinds, request_id, ber.TRAP_V2)


def notification_pdu(varbinds: Varbinds, request_id: int, tag: int) -> bytes:
    """A trap or an inform."""
    body = b"".join(ber.varbind(ber.oid(oid), value) for oid, value in varbinds)
    head = ber.integer(request_id) + ber.integer(0) + ber.integer(0)
    return ber.tlv(tag, head + ber.tlv(ber.SEQUENCE, body))


def v2c_message(community: str, pdu: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.integer(1) + ber.text(community) + pdu)
