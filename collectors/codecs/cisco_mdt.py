"""Cisco's model-driven telemetry as gNMI notifications: messages of telemetry.proto with self-describing rows (GPB-KV). No I/O.

    Telemetry       6 encoding_path  10 msg_timestamp (ms)  11 data_gpbkv: rows
    TelemetryField  1 timestamp (ms)  2 name  4..12 value  15 fields

A row has two fields, `keys` and `content`. The path leads from the encoding path (`module:container/list`) through the
names of the content's fields to a leaf, as a gNMI path does, and the keys stand at the list. Compact rows (12 data_gpb)
need the device's own .proto and are refused.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gnmi_pb import gnmi_pb2 as pb

from collectors.codecs.ber import DecodeError
from collectors.codecs.protobuf import fields, zigzag

ROWS_MAX: Final = 10_000
LEAVES_MAX: Final = 100_000
DEPTH_MAX: Final = 32
_NS_PER_MS: Final = 1_000_000
_I64_MAX: Final = (1 << 63) - 1
_ENCODING_PATH, _MSG_TIMESTAMP, _ROWS, _COMPACT = 6, 10, 11, 12
_TIMESTAMP, _NAME, _FIELDS = 1, 2, 15


@dataclass(slots=True)
class _Node:
    """One TelemetryField."""

    name: str = ""
    time_ms: int = 0
    value: Any = None
    below: list["_Node"] = field(default_factory=list)


def notifications(octets: bytes) -> list[pb.Notification]:
    """A Telemetry message's rows, one notification a row; DecodeError when it is none, or its rows are compact."""
    path, time_ms, rows = "", 0, list[_Node]()
    for number, value in fields(octets):
        if number == _ENCODING_PATH and isinstance(value, bytes):
            path = value.decode("utf-8", "replace")
        elif number == _MSG_TIMESTAMP and isinstance(value, int):
            time_ms = value
        elif number == _ROWS and isinstance(value, bytes):
            if len(rows) == ROWS_MAX:
                raise DecodeError("too many rows")
            rows.append(_node(value, DEPTH_MAX))
        elif number == _COMPACT:
            raise DecodeError("compact rows")
    return [_notification(path, row, time_ms) for row in rows]


def _node(octets: bytes, depth: int) -> _Node:
    if depth == 0:
        raise DecodeError("depth")
    made = _Node()
    for number, value in fields(octets):
        if number == _TIMESTAMP and isinstance(value, int):
            made.time_ms = value
        elif number == _NAME and isinstance(value, bytes):
            made.name = value.decode("utf-8", "replace")
        elif number == _FIELDS and isinstance(value, bytes):
            made.below.append(_node(value, depth - 1))
        elif (read := _VALUES.get((number, type(value)))) is not None:
            made.value = read(value)
    return made


def _float(layout: str) -> Any:
    size = struct.calcsize(layout)
    return lambda octets: float(struct.unpack(layout, octets)[0]) if len(octets) == size else None


# By number and kind of the field: bytes, string, bool, uint32, uint64, sint32, sint64, double, float.
_VALUES: Final[dict[tuple[int, type], Any]] = {
    (4, bytes): bytes,
    (5, bytes): lambda octets: octets.decode("utf-8", "replace"),
    (6, int): bool,
    (7, int): int,
    (8, int): int,
    (9, int): zigzag,
    (10, int): zigzag,
    (11, bytes): _float("<d"),
    (12, bytes): _float("<f"),
}


def _notification(path: str, row: _Node, time_ms: int) -> pb.Notification:
    parts = {child.name: child.below for child in row.below}
    keys = {key.name: str(key.value) for key in parts.get("keys", []) if key.value is not None}
    elements = [pb.PathElem(name=name) for name in path.rpartition(":")[2].split("/") if name]
    if elements:
        elements[-1].key.update(keys)
    made = pb.Notification(timestamp=min((row.time_ms or time_ms) * _NS_PER_MS, _I64_MAX), prefix=pb.Path(elem=elements))
    for names, value in _leaves(parts.get("content", []), []):
        if len(made.update) == LEAVES_MAX:
            raise DecodeError("too many leaves")
        made.update.append(pb.Update(path=pb.Path(elem=[pb.PathElem(name=name) for name in names]), val=_typed(value)))
    return made


def _leaves(nodes: list[_Node], above: list[str]) -> Iterator[tuple[list[str], Any]]:
    for node in nodes:
        at = [*above, node.name]
        if node.value is not None:
            yield at, node.value
        yield from _leaves(node.below, at)


def _typed(value: Any) -> pb.TypedValue:
    if isinstance(value, bool):
        return pb.TypedValue(bool_val=value)
    if isinstance(value, int):
        return pb.TypedValue(uint_val=value) if value >= 0 else pb.TypedValue(int_val=value)
    if isinstance(value, float):
        return pb.TypedValue(double_val=value)
    return pb.TypedValue(string_val=value) if isinstance(value, str) else pb.TypedValue(bytes_val=value)
