"""Links from what devices say of their neighbours: two ends, how they were found, and how sure that is (pure).

A neighbour to whom nothing in the inventory answers is kept as an unresolved end, so that the station can say
which link is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from inventory.identity import compact

TWO_SIDED: Final = 1.0  # both ends name each other
BY_CHASSIS: Final = 0.8  # one end names the other by its chassis id
BY_STATION: Final = 0.4  # a bridge port learned the address of the other's port, and no other
BY_NAME: Final = 0.6  # one end names the other by its name or address
_HINT: Final = "fdb"  # tells of a link only where both ends are known
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A link by the entity keys of its ends, a < b; `sources` say which end told it by which protocol (`lldp:a`)."""

    a: int
    b: int
    sources: tuple[str, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A neighbour row whose other end, or whose own port, is not found; `local` is an entity key, its entity 0 if unknown."""

    local: int
    row: Row = field(repr=False)
    why: str


class Claim(NamedTuple):
    """One device's word for a link: from its port to a port of another."""

    local: int
    remote: int
    confidence: float
    row: Row


def derive(
    devices: Sequence[Row], addresses: Mapping[str, int], entities: Sequence[Row], heard: Sequence[Row]
) -> tuple[list[FoundLink], list[Unresolved]]:
    """Links and unresolved ends of all neighbour rows.

    `devices` give no, name, chassis_id; `addresses` every known address -> device number; `entities` the rows of
    interfaces that are there; `heard` the rows of `lldp_neighbour`.
    """
    parties, ports = _Parties(devices, addresses, entities), _Ports(entities)
    claims: list[Claim] = []
    open_ends: list[tuple[int, int, Row, float]] = []  # port, device it leads to, row, confidence: the far port is not known
    unresolved: list[Unresolved] = []
    for row in heard:
        local = ports.local(row)
        there, confidence = parties.find(row)
        if row["protocol"] == _HINT and (local is None or there is None or ports.remote(there, row) is None):
            continue  # most stations are no devices of ours
        if local is None or there is None:
            unresolved.append(Unresolved(local or row["device_no"] << 16, row, "unknown local port" if local is None else "unknown device"))
        elif there == row["device_no"]:
            continue  # it hears itself through a loop: no link
        elif (remote := ports.remote(there, row)) is None:
            open_ends.append((local, there, row, confidence))
        else:
            claims.append(Claim(local, remote, confidence, row))
    extra, still_open = _close(open_ends, claims)
    claims += extra
    links, refused = _choose(_merge(claims))
    taken = [Unresolved(claim.local, claim.row, "port taken") for claim in claims if {claim.local, claim.remote} in refused]
    return links, unresolved + still_open + taken


def _close(open_ends: Iterable[tuple[int, int, Row, float]], claims: Iterable[Claim]) -> tuple[list[Claim], list[Unresolved]]:
    """Where the far port has a name nobody knows, the far device's own word for this port tells which it is."""
    towards = {claim.remote: claim.local for claim in claims}
    closed, still_open = [], []
    for local, there, row, confidence in open_ends:
        remote = towards.get(local)
        if remote is not None and remote >> 16 == there:
            closed.append(Claim(local, remote, confidence, row))
        else:
            still_open.append(Unresolved(local, row, "unknown port"))
    return closed, still_open


def _merge(claims: Iterable[Claim]) -> list[FoundLink]:
    """One link per pair of ports: named from both sides it is certain, from one it is as sure as the way it was matched."""
    by_pair: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for local, remote, confidence, row in claims:
        a, b = sorted((local, remote))
        by_pair[a, b][f"{row['protocol']}:{'a' if local == a else 'b'}"] = confidence
    return [
        FoundLink(a, b, tuple(sorted(told)), TWO_SIDED if len({source[-1] for source in told}) == 2 else max(told.values()))
        for (a, b), told in by_pair.items()
    ]


def _choose(found: Iterable[FoundLink]) -> tuple[list[FoundLink], list[set[int]]]:
    """At most one link per port: the surer first, then the lower numbers; the second value names the pairs left out."""
    used: set[int] = set()
    kept: list[FoundLink] = []
    refused: list[set[int]] = []
    for one in sorted(found, key=lambda link: (-link.confidence, -len(link.sources), link.a, link.b)):
        if {one.a, one.b} & used:
            refused.append({one.a, one.b})
        else:
            kept.append(one)
            used |= {one.a, one.b}
    return sorted(kept, key=lambda link: (link.a, link.b)), refused


class _Parties:
    """Finds the device a neighbour row means."""

    def __init__(self, devices: Sequence[Row], addresses: Mapping[str, int], entities: Sequence[Row]) -> None:
        self._chassis = _single((compact(device["chassis_id"]), device["no"]) for device in devices)
        self._names = _single((device["name"].lower(), device["no"]) for device in devices)
        self._hosts = _single((device["name"].lower().split(".")[0], device["no"]) for device in devices)
        self._addresses = addresses
        self._stations = _single((compact(row["mac"]), row["device_no"]) for row in entities)

    def find(self, row: Row) -> tuple[int | None, float]:
        """The device's number and how sure that is; by chassis id, else by name (with or without domain), else by address."""
        if row["protocol"] == _HINT:
            return self._stations.get(compact(row["remote_port"])), BY_STATION
        by_chassis = self._chassis.get(compact(row["remote_chassis_id"]))
        if by_chassis is not None:
            return by_chassis, BY_CHASSIS
        name = row["remote_name"].lower()
        for found in (self._names.get(name), self._hosts.get(name.split(".")[0]), self._addresses.get(row["remote_address"])):
            if found is not None:
                return found, BY_NAME
        return None, 0.0


class _Ports:
    """Finds the port a neighbour row means, by whichever of its names the port id happens to be (IEEE 802.1AB, 8.5.3)."""

    _ORDER: Final = ("name", "descr", "mac", "alias", "if_index")

    def __init__(self, entities: Sequence[Row]) -> None:
        named: dict[str, list[tuple[tuple[int, str], int]]] = {column: [] for column in self._ORDER}
        for row in entities:
            key = row["device_no"] << 16 | row["entity_no"]
            for column in self._ORDER:
                value = str(row[column])
                named[column].append(((row["device_no"], compact(value) if column == "mac" else value.lower()), key))
        self._by = {column: _single(pairs) for column, pairs in named.items()}

    def local(self, row: Row) -> int | None:
        """The port that heard: by its ifIndex, else by its name."""
        by_index = self._by["if_index"].get((row["device_no"], str(row["local_if_index"])))
        return by_index if by_index is not None else self._named(row["device_no"], row["local_port"])

    def remote(self, device_no: int, row: Row) -> int | None:
        """The port that was heard."""
        found = self._named(device_no, row["remote_port"])
        return found if found is not None else self._named(device_no, row["remote_port_descr"])

    def _named(self, device_no: int, text: str) -> int | None:
        for column in self._ORDER:
            found = self._by[column].get((device_no, compact(text) if column == "mac" else text.lower()))
            if found is not None:
                return found
        return None


def _single(pairs: Iterable[tuple[Any, int]]) -> dict[Any, int]:
    """A look-up of the keys that are not empty and mean exactly one thing."""
    found: dict[Any, int] = {}
    ambiguous = set()
    for key, value in pairs:
        text = key[1] if isinstance(key, tuple) else key
        if text and found.setdefault(key, value) != value:
            ambiguous.add(key)
    return {key: value for key, value in found.items() if key not in ambiguous}
