"""gNMI notifications as flat updates: canonical paths across vendors, values as numbers or text. No I/O.

gNMI specification 0.10, 2.2 (paths) and 2.3 (values). Targets split a path between prefix and update as they like, put
module names before elements or do not, name an origin or do not, write elements as before 0.4 (`interface[name=x]`), and
send one leaf or a JSON subtree: all of it comes out as leaves.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gnmi_pb import gnmi_pb2 as pb

DEPTH_MAX: Final = 32
LEAVES_MAX: Final = 100_000
PRECISION_MAX: Final = 18  # fraction digits of decimal64 (RFC 7950, 9.3.4)
Value = int | float | str | bool
_ELEMENT = re.compile(r"([^/\[]+)((?:\[[^\]]*\])*)")
_KEY = re.compile(r"\[([^=\]]+)=([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf: `path` without keys or module names (`/interfaces/interface/state/oper-status`), `keys` by name."""

    time_ns: int
    path: str
    keys: Mapping[str, str]
    value: Value


class GnmiDecodeError(Exception):
    """A value that cannot be read; `reason` is one word for a counter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def path_of(text: str) -> pb.Path:
    """The gNMI path of `/a/b[name=x]/c`."""
    return pb.Path(elem=[pb.PathElem(name=name, key=dict(_KEY.findall(keys))) for name, keys in _ELEMENT.findall(text)])


def leaves(notification: pb.Notification) -> Iterator[Leaf]:
    """Every updated leaf of a notification, at most LEAVES_MAX; GnmiDecodeError when a value makes no sense."""
    names, keys = _walk(notification.prefix, [], {})
    n = 0
    for update in notification.update:
        at, with_keys = _walk(update.path, names, keys)
        for path, found, value in _flat(at, with_keys, _value(update.val), 0):
            n += 1
            if n > LEAVES_MAX:
                raise GnmiDecodeError("too_many_leaves")
            yield Leaf(notification.timestamp, "/" + "/".join(path), found, value)


def deleted(notification: pb.Notification) -> Iterator[tuple[str, Mapping[str, str]]]:
    """(path, keys) of everything a notification deletes (gNMI 3.5.2.3), as `Leaf` writes them; a key that is a wildcard is none."""
    names, keys = _walk(notification.prefix, [], {})
    for path in notification.delete:
        at, found = _walk(path, names, keys)
        yield "/" + "/".join(at), {key: value for key, value in found.items() if value != "*"}


def _walk(path: pb.Path, names: list[str], keys: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    names, keys = list(names), dict(keys)
    elements = path.elem or [element for text in path.element for element in path_of(text).elem]
    for element in elements:
        names.append(_bare(element.name))
        keys.update({_bare(name): value for name, value in element.key.items()})
    return names, keys


def _bare(name: str) -> str:
    """Without the module before it."""
    return name.rpartition(":")[2]


def _value(value: pb.TypedValue) -> Any:
    kind = value.WhichOneof("value")
    if kind in ("json_val", "json_ietf_val"):
        try:
            return json.loads(getattr(value, kind))
        except (ValueError, RecursionError) as error:
            raise GnmiDecodeError("json") from error
    if kind == "leaflist_val":
        return [_value(element) for element in value.leaflist_val.element]
    if kind == "decimal_val":
        if value.decimal_val.precision > PRECISION_MAX:
            raise GnmiDecodeError("decimal")  # a power of ten beyond it may fill the memory
        return value.decimal_val.digits / 10**value.decimal_val.precision
    if kind in ("bytes_val", "proto_bytes"):
        return getattr(value, kind).hex()
    if kind in (None, "any_val"):
        raise GnmiDecodeError("value_kind")
    return getattr(value, kind)


def _flat(at: list[str], keys: dict[str, str], value: Any, depth: int) -> Iterator[tuple[list[str], dict[str, str], Value]]:
    if depth > DEPTH_MAX:
        raise GnmiDecodeError("depth")
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat([*at, _bare(name)], keys, inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            own = {_bare(k): str(v) for k, v in inner.items() if not isinstance(v, dict | list)} if isinstance(inner, dict) else {}
            yield from _flat(at, {**keys, **own}, inner, depth + 1)
    elif value is not None:
        yield at, keys, value
