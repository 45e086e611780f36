"""What a failure cuts off from the station, exactly, also while other things are already down.

A dominator tree answers this for one failure in an intact network. Storms break that: two cuts in one
ring isolate what neither dominates. So the question is answered by walking downhill (hops to the station): a
connected device is proved connected in as many steps as it is hops away, and only where that fails a search
exhausts the region that is cut off, which costs its size. Nothing is precomputed but the distances, so a
changed link costs nothing but these.
"""

from collections.abc import Collection, Container, Iterable
from heapq import heappop, heappush

from fault.correlation.network import Network

FAR = 1 << 30
NOTHING: frozenset[str] = frozenset()


class Reach:
    """Reachability from the station; `links_down` and `devices_down` are what already failed."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.links_down: dict[str, int] = {}  # how many open incidents say so
        self.devices_down: dict[str, int] = {}
        self.epoch = 0
        self._down = _Down(self.links_down, self.devices_down)
        self._memo_epoch = -1
        self._memo_lost: set[str] = set()
        self._memo_safe: set[str] = set()

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
        """Devices that lose the station by this failure on top of what is down, without the failed ones themselves.

        Where an open incident says already that part of it is down, the answer is as if that were not said.
        """
        network = self.network
        own_links = links.union(*(network.devices[device].links for device in devices))
        own_devices = devices.union(*(network.links[link].devices for link in links))
        down = self._down
        if not (own_links.isdisjoint(self.links_down) and own_devices.isdisjoint(self.devices_down)):
            down = self._down_without(own_links, own_devices)
        lost: set[str] = set()
        safe = set(network.roots) - devices
        starts = [end for link in links for end in network.links[link].devices]
        starts += [network.links[link].far(device) for device in devices for link in network.devices[device].links]
        for start in starts:
            if start not in lost and start not in devices:
                lost |= self._region(start, _Down(links, devices), down, safe)
        if not lost:
            return lost
        before: set[str] = set()
        connected = set(network.roots)
        for device in lost:
            if device in network.distance and device not in before and device not in down.devices:
                before |= self._region(device, _NONE, down, connected)
        return {device for device in lost if device in network.distance and device not in before and device not in down.devices}

    def helps(self, device: str, links: Iterable[str], devices: Iterable[str]) -> bool:
        """Whether a device that is cut off now would be reached if these worked."""
        down = self._down_without(set(links), set(devices))
        return device not in down.devices and not self._region(device, _NONE, down, set(self.network.roots))

    def is_cut_off(self, device: str) -> bool:
        if device in self.devices_down or device not in self.network.distance:
            return True
        if self._memo_epoch != self.epoch:
            self._memo_lost, self._memo_safe, self._memo_epoch = set(), set(self.network.roots), self.epoch
        if device in self._memo_lost or device in self._memo_safe:
            return device in self._memo_lost
        self._memo_lost |= self._region(device, _NONE, self._down, self._memo_safe)
        return device in self._memo_lost

    def _down_without(self, links: Container[str], devices: Container[str]) -> "_Down":
        return _Down(_Except(self.links_down, links), _Except(self.devices_down, devices))

    def _region(self, start: str, failed: "_Down", down: "_Down", safe: set[str]) -> set[str]:
        """The region around `start` if it does not reach the station, else nothing; what was walked becomes `safe`."""
        if start in safe or start in down.devices:
            return set()
        network, distance = self.network, self.network.distance
        seen = {start}
        heap = [(distance.get(start, FAR), start)]
        while heap:
            _, device = heappop(heap)
            walked, arrived = self._walk(device, failed, down, safe)
            if arrived:
                safe |= seen
                safe.update(walked)
                return set()
            for link in network.devices[device].links:
                if link in failed.links or link in down.links:
                    continue
                other = network.links[link].far(device)
                if other not in seen and other not in failed.devices and other not in down.devices:
                    seen.add(other)
                    heappush(heap, (distance.get(other, FAR), other))
        return seen

    def _walk(self, start: str, failed: "_Down", down: "_Down", safe: Collection[str]) -> tuple[list[str], bool]:
        """Step by step nearer to the station, as long as that goes; whether it led to a safe device."""
        walked, here = [start], start
        while True:
            for link, other in self.network.uplinks(here):
                if link in failed.links or link in down.links or other in failed.devices or other in down.devices:
                    continue
                if other in safe:
                    return walked, True
                walked.append(other)
                here = other
                break
            else:
                return walked, False

    def path_elements(
        self, device: str, links: Container[str] = frozenset(), devices: Container[str] = frozenset()
    ) -> tuple[list[str], list[str]]:
        """Links and devices on one way to the station that survives all but these: each dominator is among them, the nearest first."""
        network, distance = self.network, self.network.distance
        down = self._down_without(links, devices)
        came: dict[str, tuple[str, str]] = {device: ("", "")}
        heap = [(distance.get(device, FAR), device)]
        roots = set(network.roots)
        while heap:
            _, here = heappop(heap)
            if here in roots:
                return _walk_back(here, came)
            for link in network.devices[here].links:
                other = network.links[link].far(here)
                if link not in down.links and other not in came and other not in down.devices:
                    came[other] = (here, link)
                    heappush(heap, (distance.get(other, FAR), other))
        return [], []


class _Down:
    """What does not work: links and devices."""

    __slots__ = ("devices", "links")

    def __init__(self, links: Container[str], devices: Container[str]) -> None:
        self.links = links
        self.devices = devices


class _Except:
    """What is in one but not in the other, without a copy: in a flood thousands are down."""

    __slots__ = ("all", "but")

    def __init__(self, all_: Container[str], but: Container[str]) -> None:
        self.all = all_
        self.but = but

    def __contains__(self, each: object) -> bool:
        return each in self.all and each not in self.but


_NONE = _Down(NOTHING, NOTHING)


def _walk_back(end: str, came: dict[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    links: list[str] = []
    devices: list[str] = []
    here = end
    while True:
        previous, link = came[here]
        if not link:
            return links[::-1], devices[::-1]
        links.append(link)
        devices.append(here)
        here = previous
