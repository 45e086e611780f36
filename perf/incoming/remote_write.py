"""Prometheus remote-write 1.0: a WriteRequest, protobuf in the block format of snappy.

WriteRequest  1: TimeSeries*          3: metadata (passed over)
TimeSeries    1: Label* {1 name, 2 value}   2: Sample* {1 double value, 2 int64 ms}   3, 4: exemplars, histograms (counted)
"""

import struct
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from perf.incoming.points import IncomingError, Told
from perf.metrics import INCOMING

PLAIN_MAX: Final = 64 << 20  # octets after snappy
LABELS_MAX: Final = 64  # of one series
NS_PER_MS: Final = 1_000_000


def told(body: bytes) -> list[Told]:
    """The series of one request; IncomingError where it is none."""
    try:
        plain = _plain(body)
        return [_series(plain[begin:end]) for field, _, begin, end in _fields(plain) if field == 1]
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise IncomingError("this is no WriteRequest") from error


def _plain(body: bytes) -> bytes:
    size, _ = _varint(body, 0) if body else (0, 0)
    if not body or size > PLAIN_MAX:
        raise IncomingError(f"a request has 1 to {PLAIN_MAX} octets after snappy")
    try:
        return bytes(pa.decompress(body, decompressed_size=size, codec="snappy", asbytes=True))
    except (OSError, pa.ArrowException) as error:
        raise IncomingError("this is no snappy block") from error


def _series(part: bytes) -> Told:
    labels: list[tuple[str, str]] = []
    samples: list[tuple[int, float]] = []
    for field, wire, begin, end in _fields(part):
        if field == 1 and wire == 2:
            if len(labels) >= LABELS_MAX:
                raise IncomingError(f"more than {LABELS_MAX} labels")
            pair = {number: part[begin + a : begin + b].decode() for number, _, a, b in _fields(part[begin:end])}
            labels.append((pair.get(1, ""), pair.get(2, "")))
        elif field == 2 and wire == 2:
            samples.append(_sample(part[begin:end]))
        elif field == 4:
            INCOMING.labels("histogram").inc()
    name = next((value for key, value in labels if key == "__name__"), "")
    return Told(name, tuple(sorted(pair for pair in labels if pair[0] != "__name__")), tuple(samples))


def _sample(part: bytes) -> tuple[int, float]:
    value, ms = 0.0, 0
    for field, _, begin, end in _fields(part):
        if field == 1:
            (value,) = struct.unpack("<d", part[begin:end])
        elif field == 2:
            ms, _ = _varint(part, begin)
    return (ms - (1 << 64) if ms >> 63 else ms) * NS_PER_MS, value


def _fields(part: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(field number, wire type, begin, end) of each field of a message."""
    at = 0
    while at < len(part):
        tag, at = _varint(part, at)
        wire = tag & 7
        if wire == 2:
            size, begin = _varint(part, at)
            end = begin + size
        elif wire == 0:
            begin = at
            _, end = _varint(part, at)
        else:
            begin, end = at, at + {1: 8, 5: 4}.get(wire, 1 << 62)
        if end > len(part):
            raise IndexError
        yield tag >> 3, wire, begin, end
        at = end


def _varint(part: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        octet = part[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
    raise IndexError
