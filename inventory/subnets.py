"""Links that addresses and routing speak of, for ports where nobody names himself by LLDP or CDP (pure).

The two ends of a /30, /31, /126 or /127 are on one cable (RFC 3021, RFC 6164); so are two routers that are each other's
only neighbour of a routing protocol, or the only station the other resolved, on a link. None of it sees a switch
between the two, so it is believed less than a neighbour that names its port.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, NamedTuple

from inventory.identity import compact

BY_ROUTING: Final = 0.7  # an adjacency or session over a subnet of the two
BY_SUBNET: Final = 0.5  # they hold the two addresses of a subnet for two
BY_STATION: Final = 0.4  # nobody else was resolved, or learned, behind the port
SOURCES: Final = frozenset({"ospf", "bgp", "arp", "fdb", "subnet"})
_CONFIDENCE: Final = {"ospf": BY_ROUTING, "bgp": BY_ROUTING, "arp": BY_STATION, "fdb": BY_STATION}
_FOR_TWO: Final = {4: 30, 6: 126}  # the shortest prefix of a subnet for two
Row = Mapping[str, Any]
Network = IPv4Network | IPv6Network


class Hint(NamedTuple):
    """What makes believe that there is a link between two ports, by entity key; `source` says which end told it how."""

    local: int
    remote: int
    source: str
    confidence: float


class Owners:
    """Whose port an address is: the ports that are there, by address, and the subnets they are in."""

    def __init__(self, ports: Sequence[Row], held: Sequence[Row]) -> None:
        """`ports` are rows of interfaces, `held` those of `interface_address`."""
        keys = {(row["device_no"], row["if_index"]): row["device_no"] << 16 | row["entity_no"] for row in ports}
        self.macs = _only((compact(row["mac"]), keys[row["device_no"], row["if_index"]]) for row in ports if row["mac"])
        with_ports = [(row, key) for row in held if (key := keys.get((row["device_no"], row["if_index"]))) is not None]
        self.ports = _only((row["address"], key) for row, key in with_ports)
        self.subnets: dict[Network, set[int]] = defaultdict(set)
        for row, key in with_ports:
            if row["prefix_length"] >= 0 and self.ports.get(row["address"]) == key:
                self.subnets[ip_network((row["address"], row["prefix_length"]), strict=False)].add(key)


def hints(owners: Owners, heard: Iterable[tuple[int, Row]]) -> list[Hint]:
    """Pairs of ports of two devices, each with what speaks for it; a port with several such neighbours is on a LAN and in no pair.

    `heard` are rows of `lldp_neighbour` of the protocols in `SOURCES`, each with the key of the port that heard.
    """
    found: list[Hint] = []
    for network, keys in owners.subnets.items():
        if len(keys) == 2 and network.num_addresses > 1 and network.prefixlen >= _FOR_TWO[network.version]:
            a, b = sorted(keys)
            found.append(Hint(a, b, "subnet", BY_SUBNET))
    for local, row in heard:
        remote = owners.ports.get(row["remote_address"])
        if remote is None:
            remote = owners.macs.get(compact(row["remote_port"])) if row["remote_port"] else None
        if remote is not None:
            found.append(Hint(local, remote, row["protocol"], _CONFIDENCE[row["protocol"]]))
    found = [hint for hint in found if hint.local >> 16 != hint.remote >> 16]
    seen: dict[int, set[int]] = defaultdict(set)
    for hint in found:
        seen[hint.local].add(hint.remote)
        seen[hint.remote].add(hint.local)
    return [hint for hint in found if len(seen[hint.local]) == 1 and len(seen[hint.remote]) == 1]


def _only(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """A look-up of the names that mean exactly one port."""
    found: dict[str, int] = {}
    several: set[str] = set()
    for name, key in pairs:
        if found.setdefault(name, key) != key:
            several.add(name)
    return {name: key for name, key in found.items() if name not in several}
