"""The part of ASN.1 BER (X.690) that SNMP agents need, written for speed: bytes in, bytes out, no objects.

message  SEQUENCE { version INTEGER, community OCTET STRING, PDU }         RFC 3416, RFC 1157
PDU      [0xA0+n] { request-id, error-status / non-repeaters, error-index / max-repetitions, varbinds }
varbind  SEQUENCE { name OID, value }
"""

from functools import lru_cache

INTEGER, OCTET_STRING, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = b"\x80\x00", b"\x81\x00", b"\x82\x00"
GET, GET_NEXT, RESPONSE, SET, GET_BULK, INFORM, TRAP_V2, REPORT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0xA6, 0xA7, 0xA8

_SHORT = 0x80
_MAX_LENGTH_OCTETS = 4


class BerError(Exception):
    """Bytes that are not the BER expected; says where."""


def tlv(tag: int, body: bytes) -> bytes:
    """A value with its tag and definite length."""
    n = len(body)
    if n < _SHORT:
        return bytes((tag, n)) + body
    size = (n.bit_length() + 7) // 8
    return bytes((tag, _SHORT | size)) + n.to_bytes(size) + body


def integer(value: int, tag: int = INTEGER) -> bytes:
    """An integer of any tag; unsigned ones get a leading zero where their first bit is set."""
    if 0 <= value < _SHORT:
        return bytes((tag, 1, value))
    size = (value.bit_length() if value >= 0 else (~value).bit_length()) // 8 + 1
    return bytes((tag, size)) + value.to_bytes(size, signed=True)


def subidentifiers(parts: tuple[int, ...]) -> bytes:
    """Sub-identifiers in base 128, as they follow the first two of an OID."""
    out = bytearray()
    for part in parts:
        if part < _SHORT:
            out.append(part)
            continue
        shift = (part.bit_length() - 1) // 7 * 7
        while shift:
            out.append(_SHORT | part >> shift & 0x7F)
            shift -= 7
        out.append(part & 0x7F)
    return bytes(out)


@lru_cache(maxsize=4096)
def oid_body(oid: tuple[int, ...]) -> bytes:
    """The content of an OID of at least two sub-identifiers."""
    return subidentifiers((oid[0] * 40 + oid[1], *oid[2:]))


def oid(value: tuple[int, ...]) -> bytes:
    return tlv(OID, oid_body(value))


def text(value: str | bytes) -> bytes:
    """An OCTET STRING; surrogates of a str stand for octets that are no UTF-8 (PEP 383)."""
    return tlv(OCTET_STRING, value.encode(errors="surrogateescape") if isinstance(value, str) else value)


def varbind(name: bytes, value: bytes) -> bytes:
    """A varbind of an encoded OID and an encoded value."""
    return tlv(SEQUENCE, name + value)


def header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(tag, start, end) of the value at an offset; it must lie before `end`."""
    if at + 2 > end:
        raise BerError(f"no header at {at}")
    tag, length, start = data[at], data[at + 1], at + 2
    if length >= _SHORT:
        octets = length & 0x7F
        if not 1 <= octets <= _MAX_LENGTH_OCTETS or start + octets > end:
            raise BerError(f"length at {at}")
        length = int.from_bytes(data[start : start + octets])
        start += octets
    if start + length > end:
        raise BerError(f"value at {at} runs over its end")
    return tag, start, start + length


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """(start, end) of the value at an offset, which must have the given tag."""
    found, start, stop = header(data, at, end)
    if found != tag:
        raise BerError(f"tag {found:#x} at {at}, want {tag:#x}")
    return start, stop


def read_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """(value, end) of the INTEGER at an offset."""
    start, stop = expect(data, at, end, INTEGER)
    if not 1 <= stop - start <= 9:
        raise BerError(f"integer of {stop - start} octets at {at}")
    return int.from_bytes(data[start:stop], signed=True), stop


def read_octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """(value, end) of the OCTET STRING at an offset."""
    start, stop = expect(data, at, end, OCTET_STRING)
    return data[start:stop], stop


def read_oid(body: bytes) -> tuple[int, ...]:
    """The sub-identifiers of an OID's content."""
    if not body:
        raise BerError("empty OID")
    parts: list[int] = []
    value = 0
    for octet in body:
        value = value << 7 | octet & 0x7F
        if octet < _SHORT:
            parts.append(value)
            value = 0
    if body[-1] >= _SHORT or not parts:
        raise BerError("OID ends inside a sub-identifier")
    first = min(parts[0] // 40, 2)
    return first, parts[0] - 40 * first, *parts[1:]
