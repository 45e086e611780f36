"""Sparkplug B payloads (Eclipse Tahu's sparkplug_b.proto): protobuf in, metrics out, no I/O.

Read field by field, so that nothing but what a measurement needs is ever built; any bytes decode or raise DecodeError.
"""

import struct
from dataclasses import dataclass
from typing import Final

from collectors.codecs.ber import DecodeError
from collectors.codecs.protobuf import fields

METRICS_MAX: Final = 10_000
NAME_OCTETS_MAX: Final = 1_024
_SIGNED_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # data types Int8, Int16, Int32, Int64

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
    for number, value in fields(octets):
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
    found = dict(fields(octets))
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
