"""Links from what devices say of their neighbours: two ends, how they were found, and how sure that is (pure).

Who names himself by LLDP or CDP comes first; addresses and routing (`inventory.subnets`) speak where he is silent. A
neighbour to whom nothing in the inventory answers is kept as an unresolved end, so that the station can say which link
is missing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from inventory.identity import compact
from inventory.subnets import SOURCES, Hint, Owners, hints

TWO_SIDED: Final = 1.0  # both ends name each other
BY_CHASSIS: Final = 0.8  # one end names the other by its chassis id
BY_NAME: Final = 0.6  # one end names the other by its name or address
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


@dataclass(frozen=True, slots=True)
class Said:
    """What links are made of, each as rows of its table: `device`, `device_address`, `interface_address`, interfaces that
    are there (`entity`), and `lldp_neighbour`.
    """

    devices: Sequence[Row]
    addresses: Mapping[str, int]  # every known address -> device number
    entities: Sequence[Row]
    heard: Sequence[Row]
    held: Sequence[Row] = ()


def derive(said: Said) -> tuple[list[FoundLink], list[Unresolved]]:
    """Links and unresolved ends. At most one link holds a port; no hint makes a second link between two devices."""
    parties, ports = _Parties(said.devices, said.addresses), _Ports(said.entities)
    named = [row for row in said.heard if row["protocol"] not in SOURCES]
    claims, unresolved = _claims(named, parties, ports)
    links, refused = _choose(_merge(claims))
    taken = [Unresolved(claim.local, claim.row, "port taken") for claim in claims if {claim.local, claim.remote} in refused]
    hinted = [(local, row) for row in said.heard if row["protocol"] in SOURCES and (local := ports.local(row)) is not None]
    weak = _beside(links, hints(Owners(said.entities, said.held), hinted))
    spoken_for = {row["device_no"] << 16 | entity for row in named for entity in [(ports.local(row) or 0) & 0xFFFF]}
    strangers = [
        Unresolved(local, row, "unknown device")
        for local, row in hinted
        if row["protocol"] == "ospf" and local not in spoken_for and row["remote_address"] not in said.addresses
    ]
    return sorted(links + weak, key=lambda link: (link.a, link.b)), unresolved + taken + strangers


def _claims(named: Sequence[Row], parties: "_Parties", ports: "_Ports") -> tuple[list[Claim], list[Unresolved]]:
    """What neighbours that name themselves tell."""
    claims: list[Claim] = []
    open_ends: list[tuple[int, int, Row, float]] = []  # port, device it leads to, row, confidence: the far port is not known
    unresolved: list[Unresolved] = []
    for row in named:
        local = ports.local(row)
        there, confidence = parties.find(row)
        if local is None or there is None:
            unresolved.append(Unresolved(local or row["device_no"] << 16, row, "unknown local port" if local is None else "unknown device"))
        elif there == row["device_no"]:
            continue  # it hears itself through a loop: no link
        elif (remote := ports.remote(there, row)) is None:
            open_ends.append((local, there, row, confidence))
        else:
            claims.append(Claim(local, remote, confidence, row))
    extra, still_open = _close(open_ends, claims)
    return claims + extra, unresolved + still_open


def _beside(links: Sequence[FoundLink], found: Iterable[Hint]) -> list[FoundLink]:
    """One link per hinted pair of ports, where none of its devices' named links says more: a subinterface's is its port's."""
    used = {end for link in links for end in (link.a, link.b)}
    joined = {(link.a >> 16, link.b >> 16) for link in links}
    by_pair: dict[tuple[int, int], list[Hint]] = defaultdict(list)
    for hint in found:
        by_pair[min(hint.local, hint.remote), max(hint.local, hint.remote)].append(hint)
    free = {pair: of_pair for pair, of_pair in by_pair.items() if not set(pair) & used and (pair[0] >> 16, pair[1] >> 16) not in joined}
    return [FoundLink(a, b, _told_by(of_pair, a), max(hint.confidence for hint in of_pair)) for (a, b), of_pair in free.items()]


def _told_by(found: Iterable[Hint], a: int) -> tuple[str, ...]:
    return tuple(sorted({f"{hint.source}:{'a' if hint.local == a else 'b'}" for hint in found}))


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

    def __init__(self, devices: Sequence[Row], addresses: Mapping[str, int]) -> None:
        self._chassis = _single((compact(device["chassis_id"]), device["no"]) for device in devices)
        self._names = _single((device["name"].lower(), device["no"]) for device in devices)
        self._hosts = _single((device["name"].lower().split(".")[0], device["no"]) for device in devices)
        self._addresses = addresses

    def find(self, row: Row) -> tuple[int | None, float]:
        """The device's number and how sure that is; by chassis id, else by name (with or without domain), else by address."""
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
