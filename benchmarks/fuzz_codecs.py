"""What is fuzzed: each codec with the messages it begins from and a way to give it octets, which it reads or refuses."""

import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gnmi_pb import gnmi_pb2 as pb

from collectors.codecs import ber, cisco_mdt, plain_notices, snmp, sparkplug, syslog, twamp, usm
from collectors.codecs import sflow as sflow_codec
from collectors.codecs.ber import DecodeError
from collectors.codecs.flow_decoder import FlowDecoder
from collectors.codecs.gnmi import GnmiDecodeError
from collectors.codecs.netconf_event import decode as decode_netconf_event
from collectors.codecs.snmp import COUNTER64, TIME_TICKS, Message, Pdu, PduType, TrapV1, VarBind, Version
from collectors.codecs.syslog_framing import FRAME_OCTETS_MAX, Frames
from collectors.codecs.usm import Parameters
from collectors.datagrams import RECEIVE_SLOT, Datagrams, sockaddr
from collectors.gnmi_models import meaning_of as _meaning
from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.mqtt_wire import packet, published
from collectors.settings import TrapSettings
from collectors.snmp import wire_state as state
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.plan import SYS_UPTIME, Item, Plan, build
from collectors.snmp.security import ReportError, UserSecurity
from collectors.snmp.sheets import Envelope
from collectors.snmp.wire import Wire, warm
from inventory.topology import Device, Entity, Topology
from station.channel import Channel
from station.clock import VirtualClock

REFUSED = (DecodeError, GnmiDecodeError, ReportError)
NOW_NS = 1_795_000_000_000_000_000
ENGINE = b"\x80\0\x1f\x88\x04fuzz"
LINK_DOWN = (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
TRAP_OID = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
IF_INDEX, IF_DESCR = (1, 3, 6, 1, 2, 1, 2, 2, 1, 1, 7), (1, 3, 6, 1, 2, 1, 2, 2, 1, 2, 7)
NETWORK = Topology(
    1,
    devices={7: Device(no=7, id="d", name="r", site_id="", management_address="192.0.2.1")},
    entities={7 << 16 | n: Entity(7 << 16 | n, f"if-{n}", "interface", f"et-0/0/{n}") for n in range(4)},
)


class Codec(NamedTuple):
    """`seeds` are sound messages; `start` gives a fresh reader of octets, which raises one of `REFUSED` or returns."""

    seeds: Callable[[], list[bytes]]
    start: Callable[[], Callable[[bytes], object]]


# --- SNMP


def _cells() -> tuple[VarBind, ...]:
    numbers: tuple[tuple[int, snmp.Value], ...] = (
        (COUNTER64, 2**63),
        (snmp.COUNTER32, 7),
        (ber.INTEGER, -1),
        (snmp.GAUGE32, 4_000_000_000),
        (snmp.OPAQUE, 1.5),
    )
    told = (*numbers, (ber.OCTET_STRING, b"ge-0/0/1"), (snmp.IP_ADDRESS, "192.0.2.1"), (ber.OBJECT_IDENTIFIER, LINK_DOWN), (0x81, None))
    return tuple(VarBind((1, 3, 6, 1, 9, i), tag, value) for i, (tag, value) in enumerate(told, 1))


def _plain(version: Version, kind: PduType, cells: tuple[VarBind, ...]) -> bytes:
    return snmp.encode(Message(version, b"public", Pdu(kind, 1 << 24, varbinds=cells)))


def _link_down() -> tuple[VarBind, ...]:
    head = (VarBind(SYS_UPTIME, TIME_TICKS, 5), VarBind(TRAP_OID, ber.OBJECT_IDENTIFIER, LINK_DOWN))
    return (*head, VarBind(IF_INDEX, ber.INTEGER, 7), VarBind(IF_DESCR, ber.OCTET_STRING, b"ge-0/0/7"))


def _notices() -> list[bytes]:
    plain = [_plain(Version.V2C, kind, _link_down()) for kind in (PduType.TRAP, PduType.INFORM)]
    return [*plain, _trap_v1(), _v3(Pdu(PduType.TRAP, 1, varbinds=_link_down()))]


def _trap_v1() -> bytes:
    return snmp.encode(Message(Version.V1, b"public", TrapV1((1, 3, 6, 1, 4, 1, 9), "192.0.2.1", 6, 42, 100, _cells()[:3])))


def _v3(pdu: Pdu, user: bytes = b"ops", msg_id: int = 1 << 24) -> bytes:
    scoped = snmp.encode_scoped(snmp.ScopedPdu(ENGINE, b"", pdu))
    security = usm.encode_parameters(Parameters(ENGINE, 3, 1000, user, b"", b""))
    return snmp.encode_v3(snmp.V3Frame(msg_id, 65_507, 0, snmp.SECURITY_USM, security, scoped))


def _decode_v3(octets: bytes) -> object:
    frame = snmp.decode_v3(octets)
    return usm.decode_parameters(frame.security), snmp.decode_scoped(frame.scoped)


def _read_ber(octets: bytes) -> object:
    pos, found = 0, []
    while pos < len(octets):
        tag, start, pos = ber.read_tlv(octets, pos, len(octets))
        found.append(ber.decode_oid(octets, start, pos) if tag == ber.OBJECT_IDENTIFIER else snmp.decode_value(tag, octets, start, pos))
    return found


def _receiver() -> Callable[[bytes], object]:
    user = SnmpCredential(version="3", user="ops")
    receiver = Receiver(TrapSettings(), topology=lambda: NETWORK, mibs=shipped_mibs(), out=Channel("fuzz", 1), clock=VirtualClock(NOW_NS))
    receiver._users = {b"ops": user}
    receiver._senders.allow = lambda *_: True  # type: ignore[method-assign] # every one is to be read

    def hear(octets: bytes) -> object:
        notification, _ = receiver.heard(octets, "192.0.2.1")
        if notification is None:
            raise DecodeError("refused")
        return notification

    return hear


def _plan() -> Plan:
    return build([Item((1, 3, 6, 1, 9, i), i, counter=i == 1, group=1) for i in range(1, 10)], varbinds_max=60)


def _answer() -> tuple[VarBind, ...]:
    return VarBind(SYS_UPTIME, TIME_TICKS, 4711), *_cells()


class _Wired:
    """One agent on the flat poll path, whose question each message answers: its request-id is put where sound answers have it."""

    def __init__(self, version: int, seed: bytes) -> None:
        warm()
        self.wire, self.received = Wire(1), Datagrams(RECEIVE_SLOT)
        self.name = sockaddr("192.0.2.1", 161)
        head = b"" if version == Version.V3 else b"\x02\x01\x01\x04\x06public"
        self.agent = self.wire.join(self.name, 7, Limits(), self.wire.sheets.add(_plan(), Envelope(version, head, b"public")))
        if version == Version.V3:
            self._secure()
        self.request_id = b""
        marker = (1 << 24).to_bytes(4)
        self.places = [at for at in range(len(seed)) if seed[at : at + 4] == marker]
        self.received.names[: len(self.name)] = np.frombuffer(self.name, np.uint8)

    def _secure(self) -> None:
        security = UserSecurity(SnmpCredential(version="3", user="ops"), lambda: 0.0)
        unknown = VarBind((1, 3, 6, 1, 6, 3, 15, 1, 1, 4, 0), snmp.COUNTER32, 1)
        try:
            security.open(_v3(Pdu(PduType.REPORT, 1, varbinds=(unknown,)), b"", 1))
        except ReportError:
            self.wire.secure(self.agent, security.terms(), 0)

    def __call__(self, octets: bytes) -> object:
        wire, table = self.wire, self.received
        if not wire.flying:
            wire.begin(self.agent, 0, 30.0, outstanding=1)
        if len(wire.sends):
            self.request_id = int(wire.flight(int(wire.sends[-1]))["id"]).to_bytes(4)
        wire.sent()
        data = bytearray(octets[:RECEIVE_SLOT])
        for at in self.places:
            data[at : at + 4] = self.request_id if at + 4 <= len(data) else b""
        table.payload[: len(data)] = np.frombuffer(bytes(data), np.uint8)
        table.headers[14] = len(data)
        before = int(wire.counters[state.REPLIES])
        wire.arrived((table.payload, table.slot, table.headers, table.names), 0, 1, 1, NOW_NS)
        found = len(wire.batch()) + len(wire.kept()) + len(wire.events()) + len(list(wire.ended()))
        if int(wire.counters[state.REPLIES]) == before:
            raise DecodeError("refused")
        return found


V2C_ANSWER = _plain(Version.V2C, PduType.RESPONSE, _answer())
V3_ANSWER = _v3(Pdu(PduType.RESPONSE, 1 << 24, varbinds=_answer()))

# --- streams and flows


def _syslog_lines() -> list[bytes]:
    return [
        b'<29>1 2026-11-22T00:33:17.410056+00:00 r1 ospfd 46 - [a@1 b="c\\"d"] AdjChg: Nbr 198.18.255.2 on eth0: Full -> Deleted',
        b"<187>45: *Mar  1 00:00:24.123: %LINK-3-UPDOWN: Interface GigabitEthernet0/1, changed state to down",
        b"<28>Nov 22 00:33:17 ham-edge-1 mib2d[1421]: SNMP_TRAP_LINK_DOWN: ifIndex 501, ifOperStatus down(2), ifName xe-0/0/1",
        b'date=2026-11-22 time=00:33:17 devname="fw1" logid="0100032002" type="event" level="alert" msg="x"',
    ]


def _frames() -> Callable[[bytes], object]:
    frames = Frames()

    def feed(octets: bytes) -> object:
        found = frames.feed(octets)
        assert len(frames._rest) <= FRAME_OCTETS_MAX + len(octets) + 16, "a connection holds at most one frame"
        return found

    return feed


def _field_set(identifier: int, body: bytes) -> bytes:
    return struct.pack(">HH", identifier, len(body) + 4) + body


_FIELDS = ((8, 4), (12, 4), (1, 4), (2, 4), (7, 2), (11, 2), (4, 1), (10, 4), (14, 4))
_TEMPLATE = struct.pack(">HH", 300, len(_FIELDS)) + b"".join(struct.pack(">HH", *one) for one in _FIELDS)
_RECORD = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack(">IIHHBII", 1000, 10, 51234, 443, 6, 3, 4)


def _v5() -> list[bytes]:
    record = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + bytes(4) + struct.pack(">HHIIII", 3, 4, 10, 1000, 1, 2) + bytes(16)
    return [struct.pack(">HHIIIIBBH", 5, 2, 1, 2, 3, 77, 0, 4, 0x4000 | 50) + 2 * record]


def _v9() -> list[bytes]:
    options = struct.pack(">HHH", 400, 4, 8) + struct.pack(">HHHHHH", 1, 4, 34, 4, 35, 1)
    sets = (
        _field_set(0, _TEMPLATE) + _field_set(1, options) + _field_set(400, struct.pack(">IIB", 0, 100, 2)) + _field_set(300, 2 * _RECORD)
    )
    head = struct.pack(">HHIIII", 9, 4, 1000, 1_700_000_000, 0, 1)
    return [head + sets, head + _field_set(300, 3 * _RECORD)]


def _ipfix() -> list[bytes]:
    variable = struct.pack(">HH", 256, 3) + struct.pack(">HHIHHHH", 56701 | 0x8000, 65535, 9, 1, 3, 82, 65535)
    data = _field_set(256, b"\x02hi\x01\0\0\xff\x00\x05hello")
    bodies = [_field_set(2, _TEMPLATE) + _field_set(300, 2 * _RECORD), _field_set(2, variable) + data]
    return [struct.pack(">HHIII", 10, 16 + len(body), 1_700_000_000, 0, 1) + body for body in bodies]


def _flows() -> Callable[[bytes], object]:
    decoder, seen = FlowDecoder(), [0]

    def feed(octets: bytes) -> object:
        seen[0] += 1
        refused = decoder.counts.total()
        decoder.feed(octets, f"192.0.2.{seen[0] >> 12 & 7}", NOW_NS + seen[0])
        found = decoder.take()
        if not len(found) and decoder.counts.total() > refused:
            raise DecodeError("refused")
        return found

    return feed


def _sflow() -> list[bytes]:
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, bytes((192, 0, 2, 1)), bytes((198, 51, 100, 7)))
    frames = [
        bytes(12) + b"\x08\x00" + ip + struct.pack(">HH", 1234, 80) + bytes(16),
        bytes(12) + b"\x81\x00\0\x05\x86\xdd\x60" + bytes(60),
    ]
    made = []
    for frame in frames:
        record = struct.pack(">IIII", 1, len(frame) + 4, 0, len(frame)) + frame + bytes(-len(frame) & 3)
        raw = struct.pack(">II", 1, 16 + len(frame) + (-len(frame) & 3)) + struct.pack(">IIII", 1, 1500, 4, len(frame)) + record[16:]
        sample = struct.pack(">IIIIIIII", 1, 1, 512, 1, 0, 3, 4, 1) + raw
        made.append(struct.pack(">II4sIIII", 5, 1, bytes(4), 0, 7, 1000, 1) + struct.pack(">II", 1, len(sample)) + sample)
    return made


def _gnmi_messages() -> list[bytes]:
    def at(*names: str) -> pb.Path:
        return pb.Path(elem=[pb.PathElem(name=name, key={"name": "et-0/0/1"} if name == "interface" else {}) for name in names])

    values: list[dict[str, Any]] = [{"uint_val": 7}, {"json_ietf_val": b'"18446744073709551615"'}, {"json_val": b'{"a": [1, {"b": 2}]}'}]
    values += [{"decimal_val": pb.Decimal64(digits=5, precision=2)}, {"double_val": 1.5}, {"string_val": "UP"}, {"bytes_val": b"\1"}]
    leaves = ("counters/in-octets", "counters/out-octets", "oper-status", "mtu")
    made = []
    for n in range(4):
        updates = [
            pb.Update(path=at("interfaces", "interface", "state", *leaves[(n + i) % 4].split("/")), val=pb.TypedValue(**value))
            for i, value in enumerate(values)
        ]
        notification = pb.Notification(timestamp=NOW_NS, prefix=at("openconfig:") if n == 3 else None, update=updates)
        made.append(bytes(pb.SubscribeResponse(update=notification).SerializeToString()))
    return [*made, bytes(pb.SubscribeResponse(sync_response=True).SerializeToString())]


def _gnmi() -> Callable[[bytes], object]:
    from collectors.gnmi_columns import Columns, Gathered

    gathered = Gathered()
    columns = Columns(_meaning, gathered)

    def take(octets: bytes) -> object:
        heard = columns.take(octets, NETWORK, 7, NOW_NS)
        return heard, gathered.batch()

    return take


def _publish(qos: int, topic: bytes, payload: bytes) -> bytes:
    body = len(topic).to_bytes(2) + topic + (b"\0\7" if qos else b"") + payload
    return bytes((0x30 | qos << 1, len(body))) + body


def _mqtt(octets: bytes) -> object:
    at, found = 0, []
    while (where := packet(octets, at)) is not None:
        start, at_next = where
        message = published(octets[start:at_next], octets[at] >> 1 & 1) if at_next >= 0 else None
        if message is None:
            raise DecodeError("refused")
        found.append(message)
        at = at_next
    return found


def _sparkplug() -> list[bytes]:
    metrics = (b"\x0a\x03cpu\x10\x01\x20\x03\x50\x20", b"\x0a\x05bdSeq\x20\x08\x58\x03", b"\x0a\x01f\x20\x0a\x6d\0\0\x80\x3f")
    return [b"\x08\x05" + b"".join(b"\x12" + bytes((len(one),)) + one for one in metrics) + b"\x18\x07"]


def _netconf() -> list[bytes]:
    return [
        b'<notification xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"><eventTime>2026-11-22T00:33:17Z</eventTime>'
        b'<link-down xmlns="urn:x"><if-name>ge-0/0/1</if-name><a><b c="d">e&amp;f</b></a></link-down></notification>'
    ]


def _mdt() -> list[bytes]:
    content = b"\x12\x07content\x7a\x0f\x12\x08in-bytes\x40\xe8\x07\x50\x03"
    keys = b"\x12\x04keys\x7a\x0d\x12\x04name\x2a\x05Te0/1"
    row = b"\x08\x05" + b"".join(b"\x7a" + bytes((len(one),)) + one for one in (keys, content))
    return [b"\x32\x05m:a/b\x50\x09\x5a" + bytes((len(row),)) + row]


CODECS: dict[str, Codec] = {
    "ber": Codec(lambda: [b"".join(snmp.encode_varbind(cell)[2:] for cell in _cells())], lambda: _read_ber),
    "snmp_v1": Codec(lambda: [_plain(Version.V1, PduType.RESPONSE, _cells()[1:4]), _trap_v1()], lambda: snmp.decode),
    "snmp_v2c": Codec(lambda: [V2C_ANSWER, _plain(Version.V2C, PduType.GET_BULK, _cells())], lambda: snmp.decode),
    "snmp_v3": Codec(lambda: [V3_ANSWER, _v3(Pdu(PduType.REPORT, 1, varbinds=_cells()[:1]))], lambda: _decode_v3),
    "snmp_poll_v2c": Codec(lambda: [V2C_ANSWER], lambda: _Wired(Version.V2C, V2C_ANSWER)),
    "snmp_poll_v3": Codec(lambda: [V3_ANSWER], lambda: _Wired(Version.V3, V3_ANSWER)),
    "traps": Codec(_notices, _receiver),
    "trap_outside": Codec(lambda: _notices()[:2], lambda: plain_notices.outside),
    "syslog": Codec(_syslog_lines, lambda: syslog.decode),
    "syslog_frames": Codec(lambda: [b"%d %s" % (len(x), x) for x in _syslog_lines()] + [x + b"\n" for x in _syslog_lines()], _frames),
    "netflow_v5": Codec(_v5, _flows),
    "netflow_v9": Codec(_v9, _flows),
    "ipfix": Codec(_ipfix, _flows),
    "sflow": Codec(_sflow, lambda: lambda octets: sflow_codec.decode(octets, Counter())),
    "gnmi": Codec(_gnmi_messages, _gnmi),
    "mqtt": Codec(lambda: [_publish(1, b"plant/a/cpu", b'{"v": 1}') + _publish(0, b"x", b"")], lambda: _mqtt),
    "cisco_mdt": Codec(_mdt, lambda: cisco_mdt.notifications),
    "sparkplug": Codec(_sparkplug, lambda: sparkplug.decode),
    "netconf_event": Codec(_netconf, lambda: lambda octets: decode_netconf_event(octets.decode("utf-8", "replace"))),
    "twamp": Codec(lambda: [twamp.reflect(twamp.request(1, NOW_NS), 1, NOW_NS, NOW_NS)], lambda: twamp.reflected),
}
