"""Reach and shortest ways over the links of a topology (pure)."""

from collections import deque
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from inventory.topology import Link, Topology

CORE: Final = "core"


class Hop(NamedTuple):
    """The next device on the way in, and the link to it."""

    device_no: int
    link: Link


def reachable(topology: Topology, without_devices: Collection[int] = (), without_links: Collection[str] = ()) -> set[int]:
    """The devices that the station can reach when these devices and links (by id) are taken out."""
    waiting = deque(no for no in topology.station_devices if no not in without_devices)
    found = set(waiting)
    while waiting:
        for neighbour, link in topology.neighbours.get(waiting.popleft(), ()):
            if neighbour not in found and neighbour not in without_devices and link.id not in without_links:
                found.add(neighbour)
                waiting.append(neighbour)
    return found


def ways_in(topology: Topology) -> Mapping[int, Hop]:
    """By device: its next hop on a shortest way to the core (to the station where nothing is called core).

    Links count whether up or down: what a service depends on is how it was built. Equal ways are decided by name.
    """
    core = [no for no, device in topology.devices.items() if device.role == CORE] or topology.station_devices
    hops: dict[int, Hop] = {}
    seen = set(core)
    waiting = deque(sorted(core, key=lambda no: (topology.devices[no].name, no)))
    while waiting:
        here = waiting.popleft()
        pairs = topology.neighbours.get(here, ())
        for neighbour, link in sorted(pairs, key=lambda pair: (topology.devices[pair[0]].name, pair[0], pair[1].a, pair[1].b)):
            if neighbour not in seen:
                seen.add(neighbour)
                hops[neighbour] = Hop(here, link)
                waiting.append(neighbour)
    return hops


def path_of(hops: Mapping[int, Hop], device_no: int) -> tuple[int, ...]:
    """The entity keys of the interfaces between a device and the core, from the outside in."""
    keys: list[int] = []
    while hop := hops.get(device_no):
        near, far = (hop.link.a, hop.link.b) if hop.link.a >> 16 == device_no else (hop.link.b, hop.link.a)
        keys += (near, far)
        device_no = hop.device_no
    return tuple(keys)
