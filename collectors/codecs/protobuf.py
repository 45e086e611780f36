"""The wire of protocol buffers, field by field, for messages whose classes we do not generate. No I/O."""

from collections.abc import Iterator
from typing import Final

from collectors.codecs.ber import DecodeError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_U64: Final = 0xFFFF_FFFF_FFFF_FFFF


def fields(octets: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value): an int for a varint, bytes for the fixed and the length-delimited kinds; DecodeError at any other octet."""
    at, end = 0, len(octets)
    while at < end:
        key, at = varint(octets, at)
        kind = key & 7
        if kind == VARINT:
            value, at = varint(octets, at)
            yield key >> 3, value
            continue
        length = {FIXED64: 8, FIXED32: 4}.get(kind, -1)
        if kind == BYTES:
            length, at = varint(octets, at)
        if length < 0 or at + length > end:
            raise DecodeError("protobuf")
        yield key >> 3, octets[at : at + length]
        at += length


def varint(octets: bytes, at: int) -> tuple[int, int]:
    """(value of 64 bits, position behind it)."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(octets):
            raise DecodeError("protobuf")
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value & _U64, at
    raise DecodeError("protobuf")


def zigzag(value: int) -> int:
    """A number of the sint kinds."""
    return (value >> 1) ^ -(value & 1)
