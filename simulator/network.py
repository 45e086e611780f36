"""The state of the simulated network over time: pure, driven by `now_ns` alone, so a test can live through a cut at once.

Changes come by methods (`cut`, `restore`, `kill`, ...); what the devices say about them comes later from `advance`,
as protocols have timers: a carrier loss at once, LLDP a second later, OSPF with the interface, BGP when its hold time
is over. A device that cannot reach the station's attachment point stays silent, and what it said is lost.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from simulator.chance import between
from simulator.notices import Notice, Say
from simulator.traffic import Boots, Traffic, flows, paths
from simulator.world import Link, World

NS_PER_S = 1_000_000_000
CARRIER_S = (0.05, 0.5)  # an interface tells of its carrier within this time
LLDP_S = 1.0
OSPF_DOWN_S, OSPF_UP_S = 0.6, 5.0
BGP_HOLD_S, BGP_UP_S = 30.0, 9.0
BOOT_S = 12.0
SPEAK_EVERY_S = 0.1
REFLECTORS = ("ham-core-1", "fra-core-1")
RX_LOW_DBM, RX_LOSS_DBM, RX_DARK_DBM = -14.0, -18.0, -40.0
MAX_PENDING = 200_000


@dataclass(slots=True)
class Errors:
    """Errored packets received at one interface: what was counted, and how many come per second since."""

    counted: float = 0.0
    per_s: float = 0.0
    since_ns: int = 0

    def at(self, t_ns: int) -> int:
        return int(self.counted + self.per_s * max(0, t_ns - self.since_ns) / NS_PER_S)


@dataclass(slots=True)
class Status:
    """What changes about devices and interfaces, by their numbers."""

    up: list[bool]
    last_change_ns: list[int]
    discontinuity_ns: list[int]
    boot_ns: list[int]
    boots: list[int]
    generation: list[int]
    errors: dict[int, Errors] = field(default_factory=dict)
    rx_shift_db: dict[int, float] = field(default_factory=dict)
    rx_low: set[int] = field(default_factory=set)
    on_battery: set[int] = field(default_factory=set)
    no_adjacency: set[int] = field(default_factory=set)
    no_session: set[int] = field(default_factory=set)  # devices that the route reflectors lost


class Network:
    """The live state of one world. `lost` counts what cut-off devices said in vain."""

    def __init__(self, world: World, boots: Boots, now_ns: int) -> None:
        self.world = world
        self.traffic = Traffic(world, boots, now_ns)
        self.cuts: set[int] = set()
        self.dead: set[int] = set()
        self.lost = 0
        boot_ns = [boots.at(device.number, now_ns) for device in world.devices]
        start_ns = [boot_ns[device] for device in world.device_of]
        self.status = Status(
            up=[interface.kind != "spare" for interface in world.interfaces],
            last_change_ns=list(start_ns),
            discontinuity_ns=list(start_ns),
            boot_ns=boot_ns,
            boots=[3] * len(world.devices),
            generation=[0] * len(world.devices),
        )
        self.reachable = self._reach()
        self._pending: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = count()
        self._said: list[Notice] = []

    # -- time ---------------------------------------------------------------------------------------------

    def later(self, at_ns: int, act: Callable[[int], None]) -> None:
        """Have `act(at_ns)` called by the first `advance` that reaches it."""
        assert len(self._pending) < MAX_PENDING, "the simulated network plans without end"
        heapq.heappush(self._pending, (at_ns, next(self._order), act))

    def next_ns(self) -> int | None:
        """When `advance` has something to do next; None while nothing is planned."""
        return self._pending[0][0] if self._pending else None

    def advance(self, now_ns: int) -> list[Notice]:
        """Let time pass up to `now_ns` and return what reachable devices said, in order."""
        while self._pending and self._pending[0][0] <= now_ns:
            at_ns, _, act = heapq.heappop(self._pending)
            act(at_ns)
        said, self._said = self._said, []
        return said

    def _say(self, notice: Notice) -> None:
        if notice.device in self.reachable:
            self._said.append(notice)
        else:
            self.lost += 1

    def _say_later(self, after_s: float, now_ns: int, device: int, say: Say, **what: int) -> None:
        def act(at_ns: int) -> None:
            self._say(Notice(at_ns, device, say, **what))

        self.later(now_ns + int(after_s * NS_PER_S), act)

    # -- changes ------------------------------------------------------------------------------------------

    def cut(self, links: list[int], now_ns: int) -> None:
        """Break links; a link that is broken stays so."""
        self.cuts.update(links)
        self._settle(now_ns)

    def restore(self, links: list[int], now_ns: int) -> None:
        self.cuts.difference_update(links)
        for link in links:
            self._clean(self.world.links[link], now_ns)
        self._settle(now_ns)

    def kill(self, devices: list[int], now_ns: int) -> None:
        """Take the power from devices."""
        self.dead.update(devices)
        self._settle(now_ns)

    def revive(self, devices: list[int], now_ns: int) -> None:
        """Give power to dead devices: they boot, count from zero and say coldStart."""
        for device in self.dead.intersection(devices):
            self.later(now_ns + int(BOOT_S * NS_PER_S), lambda at_ns, device=device: self._booted(device, at_ns))  # type: ignore[misc]

    def reboot(self, device: int, now_ns: int) -> None:
        self.kill([device], now_ns)
        self.revive([device], now_ns)

    def clear_counters(self, interface: int, now_ns: int) -> None:
        """Restart one interface's counters without a reboot (RFC 2863, ifCounterDiscontinuityTime)."""
        self.traffic.restart(np.array([interface]), now_ns)
        self.status.discontinuity_ns[interface] = now_ns

    def degrade(self, link: int, loss_db: float, now_ns: int) -> None:
        """Weaken the light a link's ends receive; errors grow tenfold each 2 dB below the alarm level, at last it is dark."""
        for port in (self.world.links[link].a, self.world.links[link].b):
            self.status.rx_shift_db[port.interface] = -loss_db
            self._judge_light(port.device, port.interface, now_ns)
        if loss_db and any(self.rx_dbm(port.interface) < RX_LOSS_DBM for port in (self.world.links[link].a, self.world.links[link].b)):
            self.cut([link], now_ns)

    def battery(self, devices: list[int], minutes: int, now_ns: int) -> None:
        """The mains of devices are gone; `minutes` of battery are left, 0 when the mains are back."""
        for device in devices:
            (self.status.on_battery.add if minutes else self.status.on_battery.discard)(device)
            self._say_later(0.2, now_ns, device, Say.ON_BATTERY if minutes else Say.ON_MAINS, value=minutes)

    def speak(self, device: int, texts: int, now_ns: int) -> None:
        """Let a poisoned device say its first `texts` texts."""
        for n in range(texts):
            self._say_later(SPEAK_EVERY_S * n, now_ns, device, Say.SPEAK, value=n)

    # -- what can be asked --------------------------------------------------------------------------------

    def rx_dbm(self, interface: int) -> float:
        """The optical power received at an interface in dBm."""
        link = self.world.link_at.get(interface)
        if link is not None and (link.number in self.cuts or {link.a.device, link.b.device} & self.dead):
            return RX_DARK_DBM
        return between(-9.0, -4.0, self.world.seed, "rx", interface) + self.status.rx_shift_db.get(interface, 0.0)

    def links_up(self, device: int) -> list[Link]:
        """The links of a device that work."""
        return [link for link in self.world.links_of[device] if self._works(link)]

    def reflectors(self, device: int) -> list[int]:
        """The route reflectors a device has BGP sessions with."""
        return [number for number in (self.world.by_name[name].number for name in REFLECTORS) if number != device]

    def sessions(self, device: int) -> list[int]:
        """Whom a device has BGP sessions with: a route reflector with everybody, all others with the reflectors."""
        if self.world.devices[device].name in REFLECTORS:
            return [other.number for other in self.world.devices if other.number != device]
        return self.reflectors(device)

    # -- consequences -------------------------------------------------------------------------------------

    def _works(self, link: Link) -> bool:
        return link.number not in self.cuts and link.a.device not in self.dead and link.b.device not in self.dead

    def _reach(self) -> frozenset[int]:
        root = self.world.attachment
        if root in self.dead:
            return frozenset()
        return frozenset({root, *(device for device, _, _ in paths(self.world, root, frozenset(self.cuts), frozenset(self.dead)))})

    def _settle(self, now_ns: int) -> None:
        """Bring interfaces, reachability and traffic in line with what is broken, and plan what is said about it."""
        for link in self.world.links:
            works = self._works(link)
            for here, there in ((link.a, link.b), (link.b, link.a)):
                if self.status.up[here.interface] != works:
                    self._carrier(link, here.device, here.interface, there.device, works, now_ns)
        self.traffic.change(flows(self.world, self.cuts, self.dead), now_ns)
        before, self.reachable = self.reachable, self._reach()
        for device in before - self.reachable:
            self.later(now_ns + int(BGP_HOLD_S * NS_PER_S), lambda at_ns, device=device: self._hold_time_over(device, at_ns))  # type: ignore[misc]
        for device in self.reachable - before:
            self.later(now_ns + int(BGP_UP_S * NS_PER_S), lambda at_ns, device=device: self._established(device, at_ns))  # type: ignore[misc]

    def _carrier(self, link: Link, device: int, interface: int, peer: int, works: bool, now_ns: int) -> None:
        self.status.up[interface] = works
        self.status.last_change_ns[interface] = now_ns
        self.status.generation[device] += 1
        if device in self.dead:
            return
        after_s = between(*CARRIER_S, "carrier", interface, now_ns)
        self._say_later(after_s, now_ns, device, Say.LINK_UP if works else Say.LINK_DOWN, interface=interface, peer=peer)
        if link.lldp:
            self._say_later(LLDP_S + after_s, now_ns, device, Say.LLDP_CHANGED, interface=interface, peer=peer)
            ospf_s = OSPF_UP_S if works else OSPF_DOWN_S
            self.later(now_ns + int((ospf_s + after_s) * NS_PER_S), lambda at_ns: self._ospf(at_ns, device, interface, peer))

    def _ospf(self, now_ns: int, device: int, interface: int, peer: int) -> None:
        """Bring an adjacency in line with its interface, once that has been so for OSPF's own time."""
        up = self.status.up[interface]
        settled = now_ns - self.status.last_change_ns[interface] >= (OSPF_UP_S if up else OSPF_DOWN_S) * NS_PER_S
        if device in self.dead or not settled or up != (interface in self.status.no_adjacency):
            return
        (self.status.no_adjacency.discard if up else self.status.no_adjacency.add)(interface)
        self._say(Notice(now_ns, device, Say.OSPF_UP if up else Say.OSPF_DOWN, interface=interface, peer=peer))

    def _hold_time_over(self, device: int, now_ns: int) -> None:
        if device not in self.reachable and device not in self.status.no_session:
            self.status.no_session.add(device)
            self._bgp(device, Say.BGP_DOWN, now_ns)

    def _established(self, device: int, now_ns: int) -> None:
        """A session that outlived a short cut says nothing."""
        if device in self.reachable and device in self.status.no_session:
            self.status.no_session.discard(device)
            self._bgp(device, Say.BGP_UP, now_ns)

    def _bgp(self, device: int, say: Say, now_ns: int) -> None:
        """The route reflectors tell of their session with a device."""
        for reflector in self.reflectors(device):
            if reflector not in self.dead:
                self._say(Notice(now_ns, reflector, say, peer=device))

    def _booted(self, device: int, now_ns: int) -> None:
        if device not in self.dead:
            return
        self.dead.discard(device)
        rows = [interface.number for interface in self.world.devices[device].interfaces]
        self._settle(now_ns)
        self.traffic.restart(np.array(rows), now_ns)
        self.status.boot_ns[device] = now_ns
        self.status.boots[device] += 1
        for row in rows:
            self.status.last_change_ns[row] = self.status.discontinuity_ns[row] = now_ns
            self.status.errors.pop(row, None)
        self._say_later(0.3, now_ns, device, Say.COLD_START)

    def _clean(self, link: Link, now_ns: int) -> None:
        """A mended link has its light again."""
        if any(port.interface in self.status.rx_shift_db for port in (link.a, link.b)):
            self.degrade(link.number, 0.0, now_ns)

    def _judge_light(self, device: int, interface: int, now_ns: int) -> None:
        dbm = self.rx_dbm(interface)
        self._set_errors(interface, 0.05 * 10 ** ((RX_LOW_DBM - dbm) / 2) if dbm < RX_LOW_DBM + 2 else 0.0, now_ns)
        low = dbm < RX_LOW_DBM
        if low != (interface in self.status.rx_low):
            (self.status.rx_low.add if low else self.status.rx_low.discard)(interface)
            say = Say.RX_POWER_LOW if low else Say.RX_POWER_OK
            self._say_later(0.5, now_ns, device, say, interface=interface, value=round(dbm * 100))

    def _set_errors(self, interface: int, per_s: float, now_ns: int) -> None:
        errors = self.status.errors.setdefault(interface, Errors())
        errors.counted = errors.at(now_ns)
        errors.per_s, errors.since_ns = per_s, now_ns
