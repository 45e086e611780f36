"""The part of ASN.1 BER that SNMP uses (X.690 as narrowed by RFC 3417, section 8), bounded and without recursion.

Definite lengths only, at most 64 KB in all and 128 arcs in an object identifier; what does not fit exactly
is refused. Numbers are accepted in more octets than needed, because agents send them so.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30

MAX_MESSAGE = 65_535
MAX_ARCS = 128
MAX_ARC = 0xFFFF_FFFF
MAX_LENGTH_OCTETS = 4
_MAX_INTEGER_OCTETS = 9  # a Counter64 of 2^63 or more with its leading zero
_ARC_CACHE = 32_768
_ARC_OCTETS_MAX = 5

_FIRST_ARCS: Final = tuple((min(octet // 40, 2), octet - 40 * min(octet // 40, 2)) for octet in range(0x80))

Oid = tuple[int, ...]


class DecodeError(Exception):
    """The bytes are not what they claim to be; `reason` is one word for a counter."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


def read_tlv(data: bytes, pos: int, end: int) -> tuple[int, int, int]:
    """(tag, start, stop) of the value at `pos`; it ends at or before `end`, or DecodeError."""
    start = pos + 2
    if start > end:
        raise DecodeError("truncated", f"no tag and length at {pos}")
    tag, length = data[pos], data[pos + 1]
    if length >= 0x80:
        octets = length & 0x7F
        if not 0 < octets <= MAX_LENGTH_OCTETS:
            raise DecodeError("length", f"{octets} length octets at {pos}")  # 0 is the indefinite form
        if start + octets > end:
            raise DecodeError("truncated", f"length octets at {pos}")
        length = int.from_bytes(data[start : start + octets])
        start += octets
    if length > end - start:
        raise DecodeError("truncated", f"{length} octets at {start}, {end - start} left")
    return tag, start, start + length


def expect(data: bytes, pos: int, end: int, tag: int) -> tuple[int, int]:
    """(start, stop) of the value at `pos`, which must carry `tag`."""
    start = pos + 2
    if start <= end and data[pos] == tag and (length := data[pos + 1]) < 0x80 and start + length <= end:
        return start, start + length  # as almost all are
    found, start, stop = read_tlv(data, pos, end)
    if found != tag:
        raise DecodeError("tag", f"0x{found:02x} at {pos}, want 0x{tag:02x}")
    return start, stop


def read_integer(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """(INTEGER at `pos`, position after it)."""
    start, stop = expect(data, pos, end, INTEGER)
    return signed(data, start, stop), stop


def read_octets(data: bytes, pos: int, end: int) -> tuple[bytes, int]:
    """(OCTET STRING at `pos`, position after it)."""
    start, stop = expect(data, pos, end, OCTET_STRING)
    return bytes(data[start:stop]), stop


def signed(data: bytes, start: int, stop: int) -> int:
    """Two's complement of 1 to 8 octets."""
    if not 1 <= stop - start <= 8:
        raise DecodeError("integer", f"{stop - start} octets")
    return int.from_bytes(data[start:stop], signed=True)


def unsigned(data: bytes, start: int, stop: int, bits: int) -> int:
    """A number of an unsigned type of 32 or 64 bits.

    The leading zero may be missing (8 octets with the top bit set are a large Counter64, not a negative
    number), and a 32-bit number may come sign-extended: both are seen in the field.
    """
    if not 1 <= stop - start <= _MAX_INTEGER_OCTETS:
        raise DecodeError("integer", f"{stop - start} octets")
    value = int.from_bytes(data[start:stop])
    limit = 1 << bits
    if value >= limit:
        excess = value >> (bits - 1)
        if excess != (1 << (8 * (stop - start) - bits + 1)) - 1:
            raise DecodeError("range", f"{value} in {bits} bits")
        value &= limit - 1
    return value


def decode_oid(data: bytes, start: int, stop: int) -> Oid:
    """The arcs of an object identifier's content; empty content is 0.0, as some agents send it.

    Arcs of one octet are the octets. Of others all but the last is looked up: the variables of a table differ in little else.
    """
    content = bytes(data[start:stop])
    if content.isascii() and 0 < len(content) < MAX_ARCS:
        return (*_FIRST_ARCS[content[0]], *content[1:])
    last = stop - 1
    while last > start and data[last - 1] & 0x80:
        last -= 1
    if last - start < 2 or stop - last > _ARC_OCTETS_MAX:
        return _arcs(content)
    head = _arcs(bytes(data[start:last]))
    if len(head) >= MAX_ARCS:
        raise DecodeError("arcs", f"{len(head) + 1} arcs")
    return (*head, _arc(bytes(data[last:stop])))


@lru_cache(maxsize=_ARC_CACHE)
def _arc(content: bytes) -> int:
    """One arc that is not the first."""
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
    if content[-1] & 0x80:
        raise DecodeError("truncated", "last arc")
    if arc > MAX_ARC:
        raise DecodeError("arc", "larger than 32 bits")
    return arc


@lru_cache(maxsize=_ARC_CACHE)
def _arcs(content: bytes) -> Oid:
    if not content:
        return (0, 0)
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if arc > MAX_ARC + 80:  # the first octets carry 40 * first arc + second
            raise DecodeError("arc", "larger than 32 bits")
        if not octet & 0x80:
            arcs.append(arc)
            arc = 0
    if content[-1] & 0x80:
        raise DecodeError("truncated", "last arc")
    if len(arcs) + 1 > MAX_ARCS:
        raise DecodeError("arcs", f"{len(arcs) + 1} arcs")
    first = min(arcs[0] // 40, 2)
    return (first, arcs[0] - 40 * first, *arcs[1:])


def encode_oid(oid: Oid) -> bytes:
    """Tag, length and content of an object identifier."""
    return tlv(OBJECT_IDENTIFIER, oid_content(oid))


def oid_content(oid: Oid) -> bytes:
    """The content octets of an object identifier of 2 to 128 arcs."""
    assert 2 <= len(oid) <= MAX_ARCS, oid
    return _content(oid) if len(oid) == 2 else _content(oid[:-1]) + _arc_content(oid[-1])


@lru_cache(maxsize=_ARC_CACHE)
def _content(oid: Oid) -> bytes:
    return b"".join(map(_arc_content, (40 * oid[0] + oid[1], *oid[2:])))


@lru_cache(maxsize=_ARC_CACHE)
def _arc_content(arc: int) -> bytes:
    assert 0 <= arc <= MAX_ARC + 80, arc
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))


def length_octets(length: int) -> bytes:
    """The shortest definite form."""
    if length < 0x80:
        return bytes((length,))
    body = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((0x80 | len(body),)) + body


def tlv(tag: int, content: bytes) -> bytes:
    """Tag, length and content."""
    return bytes((tag,)) + length_octets(len(content)) + content


def sequence(parts: Iterable[bytes], tag: int = SEQUENCE) -> bytes:
    """A constructed value of encoded parts."""
    return tlv(tag, b"".join(parts))


def encode_integer(value: int, tag: int = INTEGER) -> bytes:
    """The shortest two's complement form."""
    return tlv(tag, value.to_bytes((~value if value < 0 else value).bit_length() // 8 + 1, signed=True))


def parse_oid(text: str) -> Oid:
    """`1.3.6.1` or `.1.3.6.1` as arcs; ValueError otherwise."""
    oid = tuple(int(arc) for arc in text.strip().lstrip(".").split("."))
    if not 2 <= len(oid) <= MAX_ARCS or oid[0] > 2 or not all(0 <= arc <= MAX_ARC for arc in oid):
        raise ValueError(f"not an object identifier: {text[:80]!r}")
    return oid


def dotted(oid: Oid) -> str:
    """Arcs as text, without a leading dot."""
    return ".".join(map(str, oid))
