"""The network as correlation sees it: what can fail, what hangs on what, and who would tell of it.

One shape for two sources: the scoring contract's `topology.json` (`network_of_json`) and the live
inventory (`live.network_of_topology`). Elements are named by their public resource ids.
"""

import gc
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

LEAVES = frozenset({"ont"})  # roles that carry nobody else's traffic


@dataclass(slots=True)
class Device:
    """A vertex. `passive` ones (splitters) send nothing and are not polled."""

    id: str
    site: str = ""
    role: str = ""
    passive: bool = False
    links: list[str] = field(default_factory=list)
    ports: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Port:
    id: str
    device: str
    card: str = ""
    links: list[str] = field(default_factory=list)  # more than one means that the inventory is wrong somewhere


@dataclass(slots=True)
class Link:
    """An edge between two devices. `ports` pairs with `devices`; a passive end has the port ""."""

    id: str
    devices: tuple[str, str]
    ports: tuple[str, str]
    duct: str = ""
    adjacencies: list[str] = field(default_factory=list)
    lsps: list[str] = field(default_factory=list)
    told: set[str] = field(default_factory=set)  # devices that ever told of its adjacency
    strangers: list[str] = field(default_factory=list)  # devices that told of its adjacency without being an end of it

    def far(self, device: str) -> str:
        return self.devices[1] if self.devices[0] == device else self.devices[0]


@dataclass(slots=True)
class Lsp:
    id: str
    head: str
    tail: str
    path: tuple[str, ...]
    protected: bool = False


@dataclass(slots=True)
class Network:
    """All elements by id, with the look-ups that hypotheses need. `roots` are where the station is attached."""

    roots: tuple[str, ...]
    devices: dict[str, Device] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    lsps: dict[str, Lsp] = field(default_factory=dict)
    adjacencies: dict[str, str] = field(default_factory=dict)  # adjacency -> link
    cards: dict[str, str] = field(default_factory=dict)  # card -> device
    card_ports: dict[str, list[str]] = field(default_factory=dict)
    ducts: dict[str, list[str]] = field(default_factory=dict)  # duct -> links
    sites: dict[str, list[str]] = field(default_factory=dict)  # site -> devices
    site_area: dict[str, str] = field(default_factory=dict)
    areas: dict[str, list[str]] = field(default_factory=dict)  # area -> sites
    distance: dict[str, int] = field(default_factory=dict)  # hops to the station; devices no known link reaches are absent
    peers: dict[str, dict[str, str]] = field(default_factory=dict)  # device -> session over several hops -> its other end
    peerings: int = 0  # how many such sessions are known
    _islands: "Islands | None" = None
    _uplinks: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # of devices that were asked for

    def add_device(self, device: Device) -> None:
        self.devices[device.id] = device
        if device.site:
            self.sites.setdefault(device.site, []).append(device.id)

    def add_port(self, port: Port) -> None:
        self.ports[port.id] = port
        self.devices[port.device].ports.append(port.id)
        if port.card:
            self.card_ports.setdefault(port.card, []).append(port.id)

    def add_link(self, link: Link) -> None:
        """Connect two devices that are already known."""
        self.links[link.id] = link
        for device, port in zip(link.devices, link.ports, strict=True):
            self.devices[device].links.append(link.id)
            if port:
                self.ports[port].links.append(link.id)
        if link.duct:
            self.ducts.setdefault(link.duct, []).append(link.id)

    def add_adjacency(self, adjacency: str, link: str) -> None:
        self.adjacencies[adjacency] = link
        self.links[link].adjacencies.append(adjacency)

    def add_session(self, session: str, a: str, b: str) -> None:
        """A session between two devices with others between them; nothing happens where it is known."""
        if session not in self.peers.setdefault(a, {}):
            self.peers[a][session] = b
            self.peers.setdefault(b, {})[session] = a
            self.peerings += 1

    def add_lsp(self, lsp: Lsp) -> None:
        self.lsps[lsp.id] = lsp
        for link in lsp.path:
            self.links[link].lsps.append(lsp.id)

    def measure(self) -> None:
        """Set `distance` by breadth-first search from the station: O(devices + links)."""
        self._uplinks, self._islands = {}, None
        self.distance = dict.fromkeys((root for root in self.roots if root in self.devices), 0)
        frontier = list(self.distance)
        hops = 0
        while frontier:
            hops += 1
            reached = []
            for device in frontier:
                for link in self.devices[device].links:
                    other = self.links[link].far(device)
                    if other not in self.distance:
                        self.distance[other] = hops
                        reached.append(other)
            frontier = reached

    def connect(self, link: Link) -> None:
        """Add a link to a measured network; only distances that become shorter are measured again."""
        self.add_link(link)
        self._forget_uplinks(link)
        far = len(self.devices) + 1
        frontier = [end for end in link.devices if self.distance.get(link.far(end), far) + 1 < self.distance.get(end, far)]
        for end in frontier:
            self.distance[end] = self.distance[link.far(end)] + 1
        self._spread(frontier)

    def disconnect(self, name: str) -> Link:
        """Take a link out of a measured network; only what it led to is measured again."""
        link = self.links.pop(name)
        for device, port in zip(link.devices, link.ports, strict=True):
            self.devices[device].links.remove(name)
            if port:
                self.ports[port].links.remove(name)
        if link.duct:
            self.ducts[link.duct].remove(name)
        for adjacency in link.adjacencies:
            self.adjacencies.pop(adjacency, None)
        self._forget_uplinks(link)
        lost = self._orphans([end for end in link.devices if end in self.distance])
        edge = []
        for device in lost:
            del self.distance[device]
        for device in lost:
            near = [self.distance[other] for each in self.devices[device].links if (other := self.links[each].far(device)) in self.distance]
            if near:
                edge.append((min(near) + 1, device))
        for hops, device in sorted(edge):
            if hops < self.distance.get(device, hops + 1):
                self.distance[device] = hops
                self._spread([device])
        return link

    def _orphans(self, starts: list[str]) -> list[str]:
        """Devices of which every neighbour nearer to the station is gone or an orphan itself, the nearest first."""
        lost: dict[str, None] = {}
        heap = [(self.distance[device], device) for device in starts if self.distance[device] > 0]
        heapify(heap)
        while heap:
            hops, device = heappop(heap)
            others = [self.links[each].far(device) for each in self.devices[device].links]
            if device in lost or any(self.distance.get(other) == hops - 1 and other not in lost for other in others):
                continue
            lost[device] = None
            for other in others:
                if self.distance.get(other) == hops + 1:
                    heappush(heap, (hops + 1, other))
        return list(lost)

    def _spread(self, frontier: list[str]) -> None:
        """Carry shorter distances on from devices that got one."""
        queue = deque(frontier)
        while queue:
            here = queue.popleft()
            self._uplinks.pop(here, None)
            for each in self.devices[here].links:
                other = self.links[each].far(here)
                self._uplinks.pop(other, None)
                if self.distance[here] + 1 < self.distance.get(other, len(self.devices) + 1):
                    self.distance[other] = self.distance[here] + 1
                    queue.append(other)

    def _forget_uplinks(self, link: Link) -> None:
        self._islands = None
        for end in link.devices:
            self._uplinks.pop(end, None)

    @property
    def islands(self) -> "Islands":
        """What no known link ties to the station, though it answers: it must have a way that the inventory lacks."""
        if self._islands is None:
            self._islands = Islands({}, frozenset()) if len(self.distance) >= len(self.devices) else _islands_of(self)
        return self._islands

    def hops(self, device: str) -> int | None:
        """Hops to the station, on an island to where it must be tied; None for a device without any link."""
        found = self.distance.get(device)
        return self.islands.hops.get(device) if found is None else found

    def uplinks(self, device: str) -> tuple[tuple[str, str], ...]:
        """The links towards the station with their far ends, the nearest first."""
        found = self._uplinks.get(device)
        if found is None:
            here = self.hops(device) or 0
            pairs = [(link, self.links[link].far(device)) for link in self.devices[device].links]
            nearer = [(hops, link, other) for link, other in pairs if (hops := self.hops(other)) is not None and hops < here]
            found = self._uplinks[device] = tuple((link, other) for _, link, other in sorted(nearer))
        return found

    def hangs_on(self, device: str, link: str) -> bool:
        """Whether the link is all that connects the device, as far as anybody knows: then it cannot tell of its loss."""
        each = self.devices[device]
        return each.links == [link] and all(self.ports[port].links for port in each.ports)

    def unlinked_share(self) -> float:
        """Share of ports without a known link: how incomplete the inventory is at least."""
        linked = sum(1 for link in self.links.values() for port in link.ports if port)
        return max(0.0, 1.0 - linked / len(self.ports)) if self.ports else 1.0

    def device_of(self, resource: str) -> str:
        """The device that a port, card or device id belongs to, "" for anything else."""
        if resource in self.devices:
            return resource
        if resource in self.ports:
            return self.ports[resource].device
        return self.cards.get(resource, "")


@dataclass(frozen=True, slots=True)
class Islands:
    """Devices that hang together and not on the station: hops to the nearest `gates`, by which they must be tied to it."""

    hops: Mapping[str, int]
    gates: frozenset[str]


def _islands_of(network: Network) -> Islands:
    """The gates of an island are its devices with a port whose link nobody knows, else the one with most links; ends of trees are none."""
    hops: dict[str, int] = {}
    gates: set[str] = set()
    seen: set[str] = set()
    for start in network.devices:
        if start in seen or start in network.distance or not network.devices[start].links:
            continue
        island = [start]
        seen.add(start)
        for device in island:
            for link in network.devices[device].links:
                if (other := network.links[link].far(device)) not in seen:
                    seen.add(other)
                    island.append(other)
        inner = [each for each in island if not network.devices[each].passive and network.devices[each].role not in LEAVES] or island[:1]
        open_ = [each for each in inner if any(not network.ports[port].links for port in network.devices[each].ports)]
        near = open_ or [max(inner, key=lambda each: (len(network.devices[each].links), each))]
        gates.update(near)
        hops.update(dict.fromkeys(near, 0))
        queue = deque(near)
        while queue:
            here = queue.popleft()
            for link in network.devices[here].links:
                if (other := network.links[link].far(here)) not in hops:
                    hops[other] = hops[here] + 1
                    queue.append(other)
    return Islands(hops, frozenset(gates))


def network_of_json(path: Path) -> Network:
    """Read the scoring contract's topology file. KeyError or ValueError when it is not one."""
    return network_of_resources(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def without_collector() -> Iterator[None]:
    """A network is made of millions of objects that all stay: looking for garbage among them takes twice as long as making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def network_of_resources(document: Mapping[str, Any]) -> Network:
    """The network of a parsed topology in the contract's shape. KeyError or ValueError when it is not one."""
    with without_collector():
        return _network_of_resources(document)


def _network_of_resources(document: Mapping[str, Any]) -> Network:
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for resource in document["resources"]:
        by_kind.setdefault(resource["kind"], []).append(resource)
    network = Network(roots=(document["nms"],))
    _add_places(network, by_kind)
    for resource in by_kind.get("port", ()):
        network.add_port(Port(resource["id"], resource["device"], resource.get("card", "")))
    for resource in by_kind.get("link", ()):
        ports = (*resource["ports"], "", "")[:2]
        devices = tuple(resource["devices"])
        network.add_link(Link(resource["id"], (devices[0], devices[1]), (ports[0], ports[1]), resource.get("duct") or ""))
    for resource in by_kind.get("adjacency", ()):
        network.add_adjacency(resource["id"], resource["link"])
    for resource in by_kind.get("lsp", ()):
        path = _known(resource["path"], network.links)
        network.add_lsp(Lsp(resource["id"], resource["head"], resource["tail"], path, bool(resource.get("protected"))))
    network.measure()
    return network


def _add_places(network: Network, by_kind: Mapping[str, list[Mapping[str, Any]]]) -> None:
    for resource in by_kind.get("site", ()):
        network.sites.setdefault(resource["id"], [])
        if area := resource.get("area"):
            network.site_area[resource["id"]] = area
            network.areas.setdefault(area, []).append(resource["id"])
    for resource in by_kind.get("device", ()):
        network.add_device(Device(resource["id"], resource.get("site", ""), resource.get("role", "")))
    for resource in by_kind.get("splitter", ()):
        network.add_device(Device(resource["id"], resource.get("site", ""), "splitter", passive=True))
    for resource in by_kind.get("card", ()):
        network.cards[resource["id"]] = resource["device"]


def _known(ids: Iterable[str], known: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(each for each in ids if each in known)
