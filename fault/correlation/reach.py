"""What a failure cuts off from the station, exactly, also while other things are already down.

A dominator tree answers this for one failure in an intact network. Storms break that: two cuts in one
ring isolate what neither dominates. So the question is answered by a best-first search that walks
downhill (hops to the station): a connected device is proved connected in about as many steps as it is hops away,
a cut-off region is exhausted, which costs its size. Nothing is precomputed but the distances, so a
changed link costs nothing but these.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

from fault.correlation.network import Network

FAR = 1 << 30


class Reach:
    """Reachability from the station; `links_down` and `devices_down` are what already failed."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.links_down: dict[str, int] = {}  # how many open incidents say so
        self.devices_down: dict[str, int] = {}
        self.epoch = 0

    def fail(self, links: Iterable[str], devices: Iterable[str]) -> None:
        for counts, ids in ((self.links_down, links), (self.devices_down, devices)):
            for each in ids:
                counts[each] = counts.get(each, 0) + 1
        self.epoch += 1

    def repair(self, links: Iterable[str], devices: Iterable[str]) -> None:
        for counts, ids in ((self.links_down, links), (self.devices_down, devices)):
            for each in ids:
                if counts[each] == 1:
                    del counts[each]
                else:
                    counts[each] -= 1
        self.epoch += 1

    def cut_off(self, links: frozenset[str], devices: frozenset[str]) -> set[str]:
        """Devices that lose the station by this failure on top of what is down, without the failed ones themselves."""
        network = self.network
        lost: set[str] = set()
        safe: set[str] = set(network.roots) - devices
        own_links = links.union(*(self.network.devices[device].links for device in devices))
        own_devices = devices.union(*(self.network.links[link].devices for link in links))
        overlap = not (own_links.isdisjoint(self.links_down) and own_devices.isdisjoint(self.devices_down))
        if overlap:
            return self._instead(links, devices, own_links, own_devices)
        starts = [end for link in links for end in network.links[link].devices]
        starts += [network.links[link].far(device) for device in devices for link in network.devices[device].links]
        for start in starts:
            if start not in lost and start not in devices:
                region = self._region(start, links, devices, safe)
                lost |= region
        if not self.links_down and not self.devices_down:
            return {device for device in lost if device in network.distance}
        return {device for device in lost if not self._already_lost(device, lost)}

    def _instead(self, links: frozenset[str], devices: frozenset[str], own_links: frozenset[str], own_devices: frozenset[str]) -> set[str]:
        """The same where an open incident says already that part of it is down: as if that were not said."""
        without = Reach(self.network)
        without.links_down = {link: n for link, n in self.links_down.items() if link not in own_links}
        without.devices_down = {device: n for device, n in self.devices_down.items() if device not in own_devices}
        return without.cut_off(links, devices)

    def helps(self, device: str, links: Iterable[str], devices: Iterable[str]) -> bool:
        """Whether a device that is cut off now would be reached if these worked."""
        without = Reach(self.network)
        repaired_links, repaired_devices = set(links), set(devices)
        without.links_down = {link: n for link, n in self.links_down.items() if link not in repaired_links}
        without.devices_down = {each: n for each, n in self.devices_down.items() if each not in repaired_devices}
        return not without.is_cut_off(device)

    def _already_lost(self, device: str, lost: set[str]) -> bool:
        """Whether the device was cut off before; one search settles a whole region."""
        if device in self.devices_down or device not in self.network.distance:
            return True
        if self._memo_epoch != self.epoch:
            self._memo_lost, self._memo_safe, self._memo_epoch = set(), set(self.network.roots), self.epoch
        if device in self._memo_lost:
            return True
        if device in self._memo_safe:
            return False
        region = self._region(device, frozenset(), frozenset(), self._memo_safe)
        self._memo_lost |= region
        return bool(region)

    _memo_epoch = -1
    _memo_lost: set[str]
    _memo_safe: set[str]

    def is_cut_off(self, device: str) -> bool:
        return self._already_lost(device, set())

    def _region(self, start: str, links: frozenset[str], devices: frozenset[str], safe: set[str]) -> set[str]:
        """The region around `start` if it does not reach the station, else nothing; what was walked becomes `safe`."""
        network, distance = self.network, self.network.distance
        if start in safe or start in self.devices_down:
            return set()
        seen = {start}
        heap = [(distance.get(start, FAR), start)]
        while heap:
            _, device = heappop(heap)
            for link in network.devices[device].links:
                if link in links or link in self.links_down:
                    continue
                other = network.links[link].far(device)
                if other in seen or other in devices or other in self.devices_down:
                    continue
                if other in safe:
                    safe |= seen
                    return set()
                seen.add(other)
                heappush(heap, (distance.get(other, FAR), other))
        return seen

    def path_elements(self, device: str) -> tuple[list[str], list[str]]:
        """Links and devices on one surviving way from the device to the station: each dominator is among them."""
        network, distance = self.network, self.network.distance
        came: dict[str, tuple[str, str]] = {device: ("", "")}
        heap = [(distance.get(device, FAR), device)]
        roots = set(network.roots)
        while heap:
            _, here = heappop(heap)
            if here in roots:
                return _walk_back(here, came)
            for link in network.devices[here].links:
                other = network.links[link].far(here)
                if link not in self.links_down and other not in came and other not in self.devices_down:
                    came[other] = (here, link)
                    heappush(heap, (distance.get(other, FAR), other))
        return [], []


def _walk_back(end: str, came: dict[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    links: list[str] = []
    devices: list[str] = []
    here = end
    while True:
        previous, link = came[here]
        if not link:
            return links, devices
        links.append(link)
        devices.append(here)
        here = previous
