"""What a failure cuts off from the station, exactly, also while other things are already down.

A dominator tree answers this for one failure in an intact network. Storms break that: two cuts in one
ring isolate what neither dominates. So the question is answered by walking downhill (hops to the station): a
connected device is proved connected in as many steps as it is hops away, and only where that fails a search
exhausts the region that is cut off, which costs its size. Nothing is precomputed but the distances, so a
changed link costs nothing but these.
"""

from collections.abc import Collection, Container, Iterable, Mapping
from heapq import heappop, heappush

from fault.correlation.network import Network

FAR = 1 << 30
NOTHING: frozenset[str] = frozenset()


class Reach:
    """Reachability from the station; `links_down` and `devices_down` are what already failed.

    A part of that may be guessed: nothing but silence speaks for it. A failure farther up may be what silenced all of it,
    so what a failure cuts off is also asked as if the guesses were not there.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.links_down: dict[str, int] = {}  # how many open incidents say so
        self.devices_down: dict[str, int] = {}
        self.epoch = 0
        self._guessed_links: dict[str, int] = {}
        self._guessed_devices: dict[str, int] = {}
        self._down = _Down(self.links_down, self.devices_down)
        self._memo_epoch = -1
        self._memo_lost: set[str] = set()
        self._memo_safe: set[str] = set()

    def fail(self, links: Collection[str], devices: Collection[str], *, guessed: bool = False) -> None:
        _count(self.links_down, links)
        _count(self.devices_down, devices)
        if guessed:
            _count(self._guessed_links, links)
            _count(self._guessed_devices, devices)
        self.epoch += 1

    def repair(self, links: Collection[str], devices: Collection[str], *, guessed: bool = False) -> None:
        _discount(self.links_down, links)
        _discount(self.devices_down, devices)
        if guessed:
            self.confirm(links, devices)
        self.epoch += 1

    def confirm(self, links: Collection[str], devices: Collection[str]) -> None:
        """What was guessed is known: something besides silence speaks for it."""
        _discount(self._guessed_links, links)
        _discount(self._guessed_devices, devices)
        self.epoch += 1

    def cut_off(self, links: frozenset[str], devices: frozenset[str]) -> set[str]:
        """Devices that lose the station by this failure on top of what is down, without the failed ones themselves.

        Where an open incident says already that part of it is down, the answer is as if that were not said.
        """
        lost = self._cut_off(links, devices, _Down(self.links_down, self.devices_down))
        if self._touches_guess(lost.union(devices, *(self.network.links[link].devices for link in links))):
            known = _Down(_Known(self.links_down, self._guessed_links), _Known(self.devices_down, self._guessed_devices))
            lost |= self._cut_off(links, devices, known)
        return lost

    def _touches_guess(self, devices: Iterable[str]) -> bool:
        if not self._guessed_links and not self._guessed_devices:
            return False
        links, gone = self._guessed_links, self._guessed_devices
        ways = ((link, self.network.links[link].far(device)) for device in devices for link in self.network.devices[device].links)
        return any(link in links or far in gone for link, far in ways)

    def _cut_off(self, links: frozenset[str], devices: frozenset[str], down: "_Down") -> set[str]:
        network = self.network
        own_links = links.union(*(network.devices[device].links for device in devices))
        own_devices = devices.union(*(network.links[link].devices for link in links))
        if not (own_links.isdisjoint(self.links_down) and own_devices.isdisjoint(self.devices_down)):
            down = _Down(_Except(down.links, own_links), _Except(down.devices, own_devices))
        lost: set[str] = set()
        safe = self._tied() - devices
        starts = [end for link in links for end in network.links[link].devices]
        starts += [network.links[link].far(device) for device in devices for link in network.devices[device].links]
        for start in starts:
            if start not in lost and start not in devices:
                lost |= self._region(start, _Down(links, devices), down, safe)
        if not lost:
            return lost
        before: set[str] = set()
        connected = self._tied()
        for device in lost:
            if network.hops(device) is not None and device not in before and device not in down.devices:
                before |= self._region(device, _NONE, down, connected)
        return {device for device in lost if network.hops(device) is not None and device not in before and device not in down.devices}

    def _tied(self) -> set[str]:
        """Where traffic comes out at the station: its own devices, and the gates of what only unknown links tie to it."""
        return {*self.network.roots, *self.network.islands.gates}

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
        roots = self._tied()
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


class _Known:
    """What is down for more than guesses."""

    __slots__ = ("all", "guessed")

    def __init__(self, all_: Mapping[str, int], guessed: Mapping[str, int]) -> None:
        self.all = all_
        self.guessed = guessed

    def __contains__(self, each: object) -> bool:
        return self.all.get(each, 0) > self.guessed.get(each, 0)  # type: ignore[call-overload,no-any-return]


class _Except:
    """What is in one but not in the other, without a copy: in a flood thousands are down."""

    __slots__ = ("all", "but")

    def __init__(self, all_: Container[str], but: Container[str]) -> None:
        self.all = all_
        self.but = but

    def __contains__(self, each: object) -> bool:
        return each in self.all and each not in self.but


_NONE = _Down(NOTHING, NOTHING)


def _count(counts: dict[str, int], ids: Iterable[str]) -> None:
    for each in ids:
        counts[each] = counts.get(each, 0) + 1


def _discount(counts: dict[str, int], ids: Iterable[str]) -> None:
    for each in ids:
        if counts[each] == 1:
            del counts[each]
        else:
            counts[each] -= 1


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
