"""SNMP messages: v1 (RFC 1157), v2c (RFC 1901, 3416) and the v3 frame (RFC 3412). Bytes in, values out, no I/O."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from collectors.codecs import ber
from collectors.codecs.ber import DecodeError, Oid

IP_ADDRESS: Final = 0x40
COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TIME_TICKS: Final = 0x43
OPAQUE: Final = 0x44
NSAP: Final = 0x45
COUNTER64: Final = 0x46
UINTEGER32: Final = 0x47
NO_SUCH_OBJECT: Final = 0x80
NO_SUCH_INSTANCE: Final = 0x81
END_OF_MIB_VIEW: Final = 0x82

EXCEPTIONS: Final = frozenset({NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW})
_UNSIGNED32: Final = frozenset({COUNTER32, GAUGE32, TIME_TICKS, UINTEGER32})
_OCTETS: Final = frozenset({ber.OCTET_STRING, NSAP})
_VALUELESS: Final = EXCEPTIONS | {ber.NULL}
_OPAQUE_FLOAT: Final = b"\x9f\x78\x04"
_OPAQUE_DOUBLE: Final = b"\x9f\x79\x08"

MAX_VARBINDS = 16_384
MAX_REQUEST_ID = 0x7FFF_FFFF
SECURITY_USM: Final = 3
FLAG_AUTH, FLAG_PRIV, FLAG_REPORTABLE = 1, 2, 4


class Version(IntEnum):
    """The version field of a message."""

    V1 = 0
    V2C = 1
    V3 = 3


class PduType(IntEnum):
    """PDU tags (RFC 3416, section 3; RFC 1157, 4.1)."""

    GET = 0xA0
    GET_NEXT = 0xA1
    RESPONSE = 0xA2
    SET = 0xA3
    TRAP_V1 = 0xA4
    GET_BULK = 0xA5
    INFORM = 0xA6
    TRAP = 0xA7
    REPORT = 0xA8


class ErrorStatus(IntEnum):
    """error-status (RFC 3416, section 3)."""

    NO_ERROR = 0
    TOO_BIG = 1
    NO_SUCH_NAME = 2
    BAD_VALUE = 3
    READ_ONLY = 4
    GEN_ERR = 5
    NO_ACCESS = 6
    AUTHORIZATION_ERROR = 16


Value = int | float | bytes | str | Oid | None


class VarBind(NamedTuple):
    """One variable: `tag` says how `value` is meant (addresses as text, Opaque floats as float, exceptions as None)."""

    oid: Oid
    tag: int
    value: Value

    @property
    def exists(self) -> bool:
        return self.tag not in EXCEPTIONS


_BEHIND: Final = VarBind((), END_OF_MIB_VIEW, None)


@dataclass(frozen=True, slots=True)
class Pdu:
    """A PDU; of a GETBULK, `error_status` is non-repeaters and `error_index` max-repetitions."""

    type: PduType
    request_id: int
    error_status: int = 0
    error_index: int = 0
    varbinds: tuple[VarBind, ...] = ()


@dataclass(frozen=True, slots=True)
class TrapV1:
    """The Trap-PDU of RFC 1157, 4.1.6."""

    enterprise: Oid
    agent_address: str
    generic: int
    specific: int
    timestamp_cs: int
    varbinds: tuple[VarBind, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A v1 or v2c message."""

    version: Version
    community: bytes = field(repr=False)
    pdu: Pdu | TrapV1


@dataclass(frozen=True, slots=True)
class V3Frame:
    """A v3 message around its security: `scoped` is a ScopedPDU in clear or, with FLAG_PRIV, the encrypted octets."""

    msg_id: int
    max_size: int
    flags: int
    security_model: int
    security: bytes
    scoped: bytes


@dataclass(frozen=True, slots=True)
class ScopedPdu:
    """A PDU in its context (RFC 3412, section 6.8)."""

    engine_id: bytes
    context: bytes
    pdu: Pdu


def version_of(data: bytes) -> Version:
    """The version of a message that is at most 64 KB and one whole SEQUENCE."""
    start, stop = _whole(data)
    number, _ = ber.read_integer(data, start, stop)
    try:
        return Version(number)
    except ValueError:
        raise DecodeError("version", str(number)) from None


def _whole(data: bytes) -> tuple[int, int]:
    """The content of the outer SEQUENCE; octets after it are padding of some agents and are ignored."""
    if len(data) > ber.MAX_MESSAGE:
        raise DecodeError("size", f"{len(data)} octets")
    return ber.expect(data, 0, len(data), ber.SEQUENCE)


def decode(data: bytes) -> Message:
    """A v1 or v2c message, or DecodeError."""
    start, stop = _whole(data)
    number, pos = ber.read_integer(data, start, stop)
    if number not in (Version.V1, Version.V2C):
        raise DecodeError("version", str(number))
    community, pos = ber.read_octets(data, pos, stop)
    pdu, pos = _pdu(data, pos, stop)
    if pos != stop:
        raise DecodeError("trailing", f"{stop - pos} octets after the PDU")
    return Message(Version(number), community, pdu)


def decode_v3(data: bytes) -> V3Frame:
    """The frame of a v3 message, or DecodeError; the security parameters and the payload stay as octets."""
    start, stop = _whole(data)
    number, pos = ber.read_integer(data, start, stop)
    if number != Version.V3:
        raise DecodeError("version", str(number))
    head, head_end = ber.expect(data, pos, stop, ber.SEQUENCE)
    msg_id, pos = ber.read_integer(data, head, head_end)
    max_size, pos = ber.read_integer(data, pos, head_end)
    flags, pos = ber.read_octets(data, pos, head_end)
    model, pos = ber.read_integer(data, pos, head_end)
    if pos != head_end or len(flags) != 1 or not 0 <= msg_id <= MAX_REQUEST_ID:
        raise DecodeError("header", "msgGlobalData")
    security, pos = ber.read_octets(data, head_end, stop)
    if flags[0] & FLAG_PRIV:
        scoped, pos = ber.read_octets(data, pos, stop)
    else:
        scoped, pos = bytes(data[pos:stop]), stop
    if pos != stop:
        raise DecodeError("trailing", f"{stop - pos} octets after the scoped PDU")
    return V3Frame(msg_id, max_size, flags[0], model, security, scoped)


def decode_scoped(data: bytes) -> ScopedPdu:
    """A ScopedPDU; octets after it are the padding of a block cipher."""
    engine_id, context, pos, stop = scoped_head(data)
    pdu, pos = _pdu(data, pos, stop)
    if isinstance(pdu, TrapV1) or pos != stop:
        raise DecodeError("scoped", "PDU")
    return ScopedPdu(engine_id, context, pdu)


def scoped_head(data: bytes) -> tuple[bytes, bytes, int, int]:
    """(contextEngineID, contextName, start and stop of the PDU) of a ScopedPDU."""
    start, stop = ber.expect(data, 0, len(data), ber.SEQUENCE)
    engine_id, pos = ber.read_octets(data, start, stop)
    context, pos = ber.read_octets(data, pos, stop)
    return engine_id, context, pos, stop


def decode_pdu(data: bytes, start: int, stop: int, columns: Sequence[Oid] = ()) -> Pdu:
    """The PDU that fills data[start:stop], or DecodeError.

    With the `columns` of a walk, variables in turn are of each; one behind the end of its column is not read.
    """
    pdu, pos = _pdu(data, start, stop, columns)
    if isinstance(pdu, TrapV1) or pos != stop:
        raise DecodeError("pdu", "not alone")
    return pdu


def _pdu(data: bytes, pos: int, end: int, columns: Sequence[Oid] = ()) -> tuple[Pdu | TrapV1, int]:
    tag, start, stop = ber.read_tlv(data, pos, end)
    try:
        kind = PduType(tag)
    except ValueError:
        raise DecodeError("pdu", f"0x{tag:02x}") from None
    if kind is PduType.TRAP_V1:
        return _trap_v1(data, start, stop), stop
    request_id, pos = ber.read_integer(data, start, stop)
    status, pos = ber.read_integer(data, pos, stop)
    index, pos = ber.read_integer(data, pos, stop)
    return Pdu(kind, request_id, status, index, _rows(data, pos, stop, columns) if columns else _varbinds(data, pos, stop)), stop


def _trap_v1(data: bytes, start: int, stop: int) -> TrapV1:
    oid, oid_end = ber.expect(data, start, stop, ber.OBJECT_IDENTIFIER)
    address, address_end = ber.expect(data, oid_end, stop, IP_ADDRESS)
    if address_end - address != 4:
        raise DecodeError("address", f"{address_end - address} octets")
    generic, pos = ber.read_integer(data, address_end, stop)
    specific, pos = ber.read_integer(data, pos, stop)
    ticks, pos = ber.expect(data, pos, stop, TIME_TICKS)
    return TrapV1(
        enterprise=ber.decode_oid(data, oid, oid_end),
        agent_address=str(IPv4Address(bytes(data[address:address_end]))),
        generic=generic,
        specific=specific,
        timestamp_cs=ber.unsigned(data, ticks, pos, 32),
        varbinds=_varbinds(data, pos, stop),
    )


def _varbinds(data: bytes, pos: int, end: int) -> tuple[VarBind, ...]:
    return tuple(_varbind(data, start, stop) for start, stop in _bounds(data, pos, end))


def _rows(data: bytes, pos: int, end: int, columns: Sequence[Oid]) -> tuple[VarBind, ...]:
    """Variables in turn of each column. Most of what a short table is answered with is what stands behind it."""
    found: list[VarBind] = []
    over = [False] * len(columns)
    for n, (start, stop) in enumerate(_bounds(data, pos, end)):
        at = n % len(columns)
        if over[at]:
            found.append(_BEHIND)
            continue
        one = _varbind(data, start, stop)
        over[at] = one.tag == END_OF_MIB_VIEW or one.oid[: len(columns[at])] != columns[at]
        found.append(one)
    return tuple(found)


def _bounds(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the content of each variable starts and stops."""
    pos, stop = ber.expect(data, pos, end, ber.SEQUENCE)
    if stop != end:
        raise DecodeError("trailing", f"{end - stop} octets after the variables")
    for _ in range(MAX_VARBINDS):
        if pos >= stop:
            return
        start, pos = ber.expect(data, pos, stop, ber.SEQUENCE)
        yield start, pos
    if pos < stop:
        raise DecodeError("varbinds", f"more than {MAX_VARBINDS}")


def _varbind(data: bytes, start: int, stop: int) -> VarBind:
    oid, oid_end = ber.expect(data, start, stop, ber.OBJECT_IDENTIFIER)
    tag, value, value_end = ber.read_tlv(data, oid_end, stop)
    if value_end != stop:
        raise DecodeError("trailing", "octets after a value")
    return VarBind(ber.decode_oid(data, oid, oid_end), tag, decode_value(tag, data, value, value_end))


def decode_value(tag: int, data: bytes, start: int, stop: int) -> Value:
    """The value of one variable from its content octets."""
    if tag == ber.INTEGER:
        return ber.signed(data, start, stop)
    if tag in _OCTETS:
        return bytes(data[start:stop])
    if tag in _UNSIGNED32:
        return ber.unsigned(data, start, stop, 32)
    if tag == COUNTER64:
        return ber.unsigned(data, start, stop, 64)
    if tag == ber.OBJECT_IDENTIFIER:
        return ber.decode_oid(data, start, stop)
    if tag in _VALUELESS:
        return None
    if tag == IP_ADDRESS:
        return _address(bytes(data[start:stop]))
    if tag == OPAQUE:
        return _opaque(bytes(data[start:stop]))
    raise DecodeError("type", f"0x{tag:02x}")


def _address(content: bytes) -> str:
    if len(content) != 4:
        raise DecodeError("address", f"{len(content)} octets")
    return str(IPv4Address(content))


def _opaque(content: bytes) -> Value:
    """A float or double wrapped by net-snmp's convention, else the octets."""
    if content[:3] == _OPAQUE_FLOAT and len(content) == 7:
        return float(struct.unpack(">f", content[3:])[0])
    if content[:3] == _OPAQUE_DOUBLE and len(content) == 11:
        return float(struct.unpack(">d", content[3:])[0])
    return content


def encode(message: Message) -> bytes:
    """A v1 or v2c message as octets."""
    pdu = message.pdu
    body = _encode_trap_v1(pdu) if isinstance(pdu, TrapV1) else encode_pdu(pdu)
    return ber.sequence((ber.encode_integer(message.version), ber.tlv(ber.OCTET_STRING, message.community), body))


def encode_v3(frame: V3Frame) -> bytes:
    """A v3 message as octets."""
    head = ber.sequence(
        (
            ber.encode_integer(frame.msg_id),
            ber.encode_integer(frame.max_size),
            ber.tlv(ber.OCTET_STRING, bytes((frame.flags,))),
            ber.encode_integer(frame.security_model),
        )
    )
    scoped = ber.tlv(ber.OCTET_STRING, frame.scoped) if frame.flags & FLAG_PRIV else frame.scoped
    return ber.sequence((ber.encode_integer(Version.V3), head, ber.tlv(ber.OCTET_STRING, frame.security), scoped))


def encode_scoped(scoped: ScopedPdu) -> bytes:
    """A ScopedPDU as octets."""
    return wrap_scoped(scoped.engine_id, scoped.context, encode_pdu(scoped.pdu))


def wrap_scoped(engine_id: bytes, context: bytes, pdu: bytes) -> bytes:
    """An encoded PDU in its context."""
    return ber.sequence((ber.tlv(ber.OCTET_STRING, engine_id), ber.tlv(ber.OCTET_STRING, context), pdu))


def encode_pdu(pdu: Pdu) -> bytes:
    """A PDU as octets."""
    head = ber.encode_integer(pdu.request_id) + ber.encode_integer(pdu.error_status) + ber.encode_integer(pdu.error_index)
    return ber.tlv(pdu.type, head + ber.sequence(map(encode_varbind, pdu.varbinds)))


def _encode_trap_v1(trap: TrapV1) -> bytes:
    parts = (
        ber.encode_oid(trap.enterprise),
        ber.tlv(IP_ADDRESS, IPv4Address(trap.agent_address).packed),
        ber.encode_integer(trap.generic),
        ber.encode_integer(trap.specific),
        ber.encode_integer(trap.timestamp_cs, TIME_TICKS),
        ber.sequence(map(encode_varbind, trap.varbinds)),
    )
    return ber.sequence(parts, PduType.TRAP_V1)


def encode_varbind(varbind: VarBind) -> bytes:
    """One variable as octets."""
    return ber.sequence((ber.encode_oid(varbind.oid), encode_value(varbind.tag, varbind.value)))


def encode_value(tag: int, value: Value) -> bytes:
    """A value as octets; an Opaque float becomes a double by net-snmp's convention."""
    match value:
        case None:
            return ber.tlv(tag, b"")
        case int():
            return ber.encode_integer(value, tag)
        case bytes():
            return ber.tlv(tag, value)
        case tuple():
            return ber.tlv(tag, ber.oid_content(value))
        case str():
            return ber.tlv(tag, IPv4Address(value).packed)
        case float():
            return ber.tlv(tag, _OPAQUE_DOUBLE + struct.pack(">d", value))


def asking(oids: "tuple[Oid, ...]") -> tuple[VarBind, ...]:
    """Variables as a request names them: without a value."""
    return tuple(VarBind(oid, ber.NULL, None) for oid in oids)
