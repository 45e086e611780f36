"""The device as openconfig-interfaces shows it: a tree of values, and what a gNMI path selects of it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from simulator.network import Network
from simulator.reading import Snapshot
from simulator.traffic import IN, OUT
from simulator.world import Device

WILDCARD = "*"


class Element(NamedTuple):
    """One element of a path; `name` is the value of its key `name`, None where it has none."""

    element: str
    name: str | None = None


Path = tuple[Element, ...]


class Entries(dict[str, Any]):
    """A YANG list by the value of its key `name`."""


def tree(network: Network, device: Device, now_ns: int) -> dict[str, Any]:
    """/interfaces as it is now; 64-bit counters are strings, as JSON_IETF wants (RFC 7951, section 6.1)."""
    now = Snapshot(network, device, now_ns)
    entries = Entries()
    for row, interface in enumerate(device.interfaces):
        counters = {
            "in-octets": now.octets(row, IN),
            "out-octets": now.octets(row, OUT),
            "in-unicast-pkts": now.packets(row, IN),
            "out-unicast-pkts": now.packets(row, OUT),
            "in-errors": now.errors(row),
            "out-errors": 0,
            "in-discards": 0,
            "out-discards": 0,
        }
        entries[interface.name] = {
            "name": interface.name,
            "state": {
                "name": interface.name,
                "ifindex": interface.if_index,
                "description": interface.alias,
                "admin-status": "DOWN" if interface.kind == "spare" else "UP",
                "oper-status": "UP" if now.oper_status(row) == 1 else "DOWN",
                "counters": {name: str(value) for name, value in counters.items()},
            },
        }
    return {"interfaces": {"interface": entries}}


def select(root: Mapping[str, Any], path: Iterable[Element]) -> list[tuple[Path, Any]]:
    """Every node a path selects with its own path; module prefixes are passed over, `*` and a missing key select all."""
    found: list[tuple[Path, Any]] = [((), root)]
    for element, name in path:
        bare = element.rpartition(":")[2]
        found = [step for at, node in found for step in _step(at, node, bare, name)]
    return found


def _step(at: Path, node: Any, element: str, name: str | None) -> Iterator[tuple[Path, Any]]:
    if not isinstance(node, dict):
        return
    names = list(node) if element == WILDCARD else [element]
    for child in names:
        below = node.get(child)
        if isinstance(below, Entries) and name is not None:
            keys = list(below) if name == WILDCARD else [name]
            yield from (((*at, Element(child, key)), below[key]) for key in keys if key in below)
        elif below is not None:
            if isinstance(below, Entries):
                yield from (((*at, Element(child, key)), entry) for key, entry in below.items())
            else:
                yield (*at, Element(child)), below


def leaves(at: Path, node: Any) -> Iterator[tuple[Path, Any]]:
    """Every leaf below a node."""
    if isinstance(node, Entries):
        for key, entry in node.items():
            yield from leaves((*at[:-1], Element(at[-1].element, key)), entry)
    elif isinstance(node, dict):
        for name, below in node.items():
            yield from leaves((*at, Element(name)), below)
    else:
        yield at, node


def plain(node: Any) -> Any:
    """A subtree as JSON: lists as arrays."""
    if isinstance(node, Entries):
        return [plain(entry) for entry in node.values()]
    return {name: plain(below) for name, below in node.items()} if isinstance(node, dict) else node


def is_counter(path: Path) -> bool:
    return any(element.element == "counters" for element in path)
