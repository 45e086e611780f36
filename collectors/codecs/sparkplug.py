"""Sparkplug B payloads (Eclipse Tahu's sparkplug_b.proto): protobuf in, metrics out, no I/O.

Read field by field, so that nothing but what a measurement needs is ever built; any bytes decode or raise DecodeError.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from collectors.codecs.ber import DecodeError

METRICS_MAX: Final = 10_000
NAME_OCTETS_MAX: Final = 1_024
_SIGNED_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # data types Int8, Int16, Int32, Int64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

Value = int | float | bool | str | None


@dataclass(frozen=True, slots=True)
class SparkplugMetric:
    """`alias` -1 where none is given; `time_ms` 0 likewise. `value` None: null, or a kind that is no single value."""

    name: str
    alias: int
    time_ms: int
    value: Value


@dataclass(frozen=True, slots=True)
class SparkplugPayload:
    """`seq` -1 where none is given (NDEATH has none)."""

    time_ms: int
    seq: int
    metrics: tuple[SparkplugMetric, ...]


def decode(octets: bytes) -> SparkplugPayload:
    """One payload; DecodeError when it is no protobuf or holds too many metrics."""
    time_ms, seq = 0, -1
    metrics: list[SparkplugMetric] = []
    for number, value in _fields(octets):
        if number == 1 and isinstance(value, int):
            time_ms = value
        elif number == 2 and isinstance(value, bytes):
            if len(metrics) == METRICS_MAX:
                raise DecodeError("too_many_metrics")
            metrics.append(_metric(value))
        elif number == 3 and isinstance(value, int):
            seq = value
    return SparkplugPayload(time_ms, seq, tuple(metrics))


def _metric(octets: bytes) -> SparkplugMetric:
    found = dict(_fields(octets))
    name, alias, time_ms, kind = found.get(1, b""), found.get(2, -1), found.get(3, 0), found.get(4, 0)
    if not isinstance(name, bytes) or not isinstance(alias, int) or not isinstance(time_ms, int) or not isinstance(kind, int):
        raise DecodeError("metric")
    value = None if found.get(7) else _value(found, kind)
    return SparkplugMetric(name[:NAME_OCTETS_MAX].decode("utf-8", "replace"), alias, time_ms, value)


def _value(found: dict[int, int | bytes], kind: int) -> Value:
    for number in (10, 11):
        whole = found.get(number)
        if isinstance(whole, int):
            bits = _SIGNED_BITS.get(kind, 0)
            low = whole & ((1 << bits) - 1)
            return low - (1 << bits) if bits and low >> (bits - 1) else low if bits else whole
    for number, layout in ((12, "<f"), (13, "<d")):
        packed = found.get(number)
        if isinstance(packed, bytes) and len(packed) == struct.calcsize(layout):
            return float(struct.unpack(layout, packed)[0])
    truth, text = found.get(14), found.get(15)
    if isinstance(truth, int):
        return bool(truth)
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else None


def _fields(octets: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value): an int for a varint, bytes for the fixed and the length-delimited kinds."""
    at, end = 0, len(octets)
    while at < end:
        key, at = _varint(octets, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(octets, at)
            yield key >> 3, value
            continue
        length = {_FIXED64: 8, _FIXED32: 4}.get(kind, -1)
        if kind == _BYTES:
            length, at = _varint(octets, at)
        if length < 0 or at + length > end:
            raise DecodeError("protobuf")
        yield key >> 3, octets[at : at + length]
        at += length


def _varint(octets: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(octets):
            raise DecodeError("protobuf")
        octet = octets[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise DecodeError("protobuf")
