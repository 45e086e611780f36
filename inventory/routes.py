"""By which routers this machine reaches the network, from the kernel's own tables: there reachability begins (Linux)."""

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final, NamedTuple

ROUTES_MAX: Final = 20_000  # a station's machine has a handful
_TABLES: Final = (Path("/proc/net/route"), Path("/proc/net/ipv6_route"))
_UP: Final = 0x1  # of the flags in both tables (linux/route.h)
_GATEWAY: Final = 0x2
Network = IPv4Network | IPv6Network


class Route(NamedTuple):
    """Where packets to `network` go: to `gateway`, or, "", to the link itself."""

    network: Network
    gateway: str


def next_hops(addresses: Collection[str]) -> frozenset[str]:
    """The gateways on the way to these addresses; none where the kernel does not tell."""
    return gateways(kernel_routes(), addresses)


def kernel_routes() -> list[Route]:
    """The main table, both families; empty where there is no such file."""
    found: list[Route] = []
    for path, parse in zip(_TABLES, (parse_ipv4, parse_ipv6), strict=True):
        try:
            with path.open() as lines:
                found += parse(line for line, _ in zip(lines, range(ROUTES_MAX), strict=False))
        except OSError:
            continue
    return found


def gateways(routes: Iterable[Route], addresses: Iterable[str]) -> frozenset[str]:
    """The gateways that the longest prefixes choose for these addresses (pure)."""
    by_network = {route.network: route.gateway for route in reversed(list(routes))}
    lengths = sorted({(network.version, network.prefixlen) for network in by_network}, key=lambda pair: -pair[1])
    found = set()
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            continue
        kind = IPv4Network if address.version == 4 else IPv6Network
        covering = (kind((int(address), length), strict=False) for version, length in lengths if version == address.version)
        found.add(next((by_network[network] for network in covering if network in by_network), ""))
    return frozenset(found - {""})


def parse_ipv4(lines: Iterable[str]) -> Iterator[Route]:
    """/proc/net/route: interface, destination, gateway, flags, three counts, mask; numbers in hex, as the machine stores them."""
    for line in lines:
        words = line.split()
        if len(words) < 8 or words[0] == "Iface" or not int(words[3], 16) & _UP:
            continue
        network = IPv4Network((_ipv4(words[1]), str(_ipv4(words[7]))), strict=False)
        yield Route(network, str(_ipv4(words[2])) if int(words[3], 16) & _GATEWAY else "")


def parse_ipv6(lines: Iterable[str]) -> Iterator[Route]:
    """/proc/net/ipv6_route: destination, its length, source, its length, gateway, metric, two counts, flags, interface."""
    for line in lines:
        words = line.split()
        if len(words) < 10 or words[9] == "lo" or not int(words[8], 16) & _UP:
            continue
        network = IPv6Network((bytes.fromhex(words[0]), int(words[1], 16)), strict=False)
        yield Route(network, str(IPv6Address(bytes.fromhex(words[4]))) if int(words[8], 16) & _GATEWAY else "")


def _ipv4(word: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(word), "little"))
