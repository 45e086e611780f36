"""What every counter counts: a closed form of time, so that 35 days of history and the live agents are one curve.

A flow (one direction of one interface) has the rate

    r(t) = base * (1 + sum of a_k * cos(w_k t - p_k)) over a day, half a day and a week, bytes per second

which integrates exactly, plus noise that is added to the *integral*: N(t) interpolates a hash of each slot's
number, scaled so that the sum still only rises. Nothing is summed up over time, so any instant costs the same.
Demands are per customer port and are routed to two exits over the shortest paths; a link carries the sum of
what crosses it (sums of the same frequencies are sums of phasors), so a cut moves traffic by routing anew.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from simulator.chance import between, key_of, units
from simulator.world import Link, World

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NS_PER_S = 1_000_000_000
DAY_S, WEEK_S = 86_400, 7 * 86_400
PERIODS_S = (DAY_S, DAY_S / 2, WEEK_S)
NOISE: tuple[tuple[int, float], ...] = ((60, 0.06), (420, 0.05), (5_400, 0.05))
"""Slots in seconds and the share of the base rate by which the noise of that slot may change the rate."""
DENSE = 8  # so many slots per instant are still cheaper to hash in one run
TERMS = 1 + 2 * len(PERIODS_S)
PACKET_OCTETS = 742
ERRORS_PER_PACKET = 40_000_000
ROUTING_OCTETS_S = 900  # what protocols say on a link that carries nothing else
EXITS = ("fra-core-1", "ham-core-1")
EXIT_SHARES = (0.6, 0.4)
MONDAY_S = 4 * DAY_S  # 1970-01-05 was a Monday
BUSY_HOUR_UTC_S = 19 * 3600
IN, OUT = 0, 1


def _phases(t_ns: Ints) -> tuple[Ints, Floats]:
    """Whole seconds (i64[t]) and the integral of each periodic term at those instants (f64[6, t])."""
    seconds, rest = np.divmod(t_ns, NS_PER_S)
    rows = []
    for period in PERIODS_S:
        turn = 2 * np.pi / period
        angle = turn * ((seconds - MONDAY_S) % int(period) + rest / NS_PER_S)
        rows += [np.sin(angle) / turn, -np.cos(angle) / turn]
    return seconds, np.stack(rows)


def integral(coefficients: Floats, keys: npt.NDArray[np.uint64], t_ns: Ints) -> Ints:
    """Octets since 1970 of each flow at each instant (f64[f, 7], u64[f], i64[t] -> i64[f, t]).

    Exact at any rate up to 1 Tb/s: whole seconds are counted in integers, only the bounded rest in floats.
    """
    seconds, terms = _phases(t_ns)
    base = np.floor(coefficients[:, :1])
    rest = base * ((t_ns - seconds * NS_PER_S) / NS_PER_S) + coefficients[:, 1:] @ terms
    for slot_s, share in NOISE:
        rest += share * base * slot_s * noise(keys, t_ns, slot_s)
    whole: Ints = base.astype(np.int64) * seconds + np.floor(rest).astype(np.int64)
    return whole


def noise(keys: npt.NDArray[np.uint64], t_ns: Ints, slot_s: int) -> Floats:
    """A random walk between 0 and 1, linear within each slot (u64[f], i64[t] -> f64[f, t])."""
    if not len(t_ns):
        return np.zeros((len(keys), 0))
    slot, into = np.divmod(t_ns, slot_s * NS_PER_S)
    part = into / (slot_s * NS_PER_S)
    first, last = int(slot.min()), int(slot.max()) + 1
    if last - first > DENSE * len(slot):  # few instants far apart: hash their own slots only
        here, there = (units(_slot_keys(keys, slot_s, slot + step)) for step in (0, 1))
        return here + part * (there - here)
    walk = units(_slot_keys(keys, slot_s, np.arange(first, last + 1)))
    here = walk[:, slot - first]
    return here + part * (walk[:, slot - first + 1] - here)


def _slot_keys(keys: npt.NDArray[np.uint64], slot_s: int, slots: Ints) -> npt.NDArray[np.uint64]:
    return keys[:, None] + np.uint64(slot_s) + slots.astype(np.uint64)


def demands(world: World) -> tuple[npt.NDArray[np.int64], Floats]:
    """What customer ports ask for: their interface numbers (i64[c]) and coefficients in and out (f64[c, 2, 7]).

    Private access peaks in the evening, business access at noon; a week has a quiet end.
    """
    rows = [i.number for i in world.interfaces if i.kind == "customer" and i.speed_bps == 1_000_000_000]
    wanted = np.zeros((len(rows), 2, TERMS))
    for n, number in enumerate(rows):
        business = number in world.service_at
        octets_s = between(5e6, 16e6, world.seed, "demand", number)
        peak_s = (11 * 3600 if business else BUSY_HOUR_UTC_S) + between(-3600, 3600, world.seed, "peak", number)
        swing = between(0.35, 0.45, world.seed, "swing", number)
        week = between(0.05, 0.18 if business else 0.06, world.seed, "week", number)
        for direction, share in ((IN, between(0.2, 0.45, world.seed, "up", number)), (OUT, 1.0)):
            wanted[n, direction] = _coefficients(octets_s * share, swing, week, peak_s)
    return np.array(rows, np.int64), wanted


def _coefficients(base: float, swing: float, week: float, peak_s: float) -> Floats:
    """base, then amplitude * cos and sin of the phase for each period; amplitudes sum to less than 0.8."""
    terms = [base]
    for period, amplitude in zip(PERIODS_S, (swing, swing / 4, week), strict=True):
        phase = 2 * np.pi * (peak_s if period != WEEK_S else 2 * DAY_S) / period
        terms += [base * amplitude * np.cos(phase), base * amplitude * np.sin(phase)]
    return np.array(terms)


def paths(world: World, root: int, broken: frozenset[int], dead: frozenset[int]) -> list[tuple[int, int, Link]]:
    """The shortest-path tree to `root` as (device, parent, link), farthest first; cut links and dead devices are avoided.

    Every hop costs 10, a hop in the core 4, so that rings are left by the nearer core.
    """
    if root in dead:
        return []
    settled: dict[int, tuple[int, int]] = {}
    queue = [(0, root, root, -1)]  # cost, device, its parent, the link between them
    while queue:
        cost, device, parent, link = heapq.heappop(queue)
        if device in settled:
            continue
        settled[device] = parent, link
        for near in world.links_of[device]:
            far = world.far_end(near, device).device
            if near.number not in broken and far not in dead and far not in settled:
                core = world.devices[device].role == world.devices[far].role == "core"
                heapq.heappush(queue, (cost + (4 if core else 10), far, device, near.number))
    return [(device, parent, world.links[link]) for device, (parent, link) in reversed(settled.items()) if link >= 0]


def flows(world: World, broken: Iterable[int] = (), dead: Iterable[int] = ()) -> Floats:
    """The coefficients of every interface in both directions (f64[i, 2, 7]) with the given links cut and devices dead."""
    cut, gone = frozenset(broken), frozenset(dead)
    result = np.zeros((len(world.interfaces), 2, TERMS))
    for link in world.links:
        if link.number not in cut and not {link.a.device, link.b.device} & gone:
            result[[link.a.interface, link.b.interface], :, 0] = ROUTING_OCTETS_S
    rows, wanted = demands(world)
    served = np.array([world.device_of[row] not in gone for row in rows])
    owner = np.array([world.device_of[row] for row in rows])
    reached = np.zeros((len(world.devices), len(EXITS)), bool)
    for n, (name, share) in enumerate(zip(EXITS, EXIT_SHARES, strict=True)):
        root = world.by_name[name].number
        reached[root, n] = root not in gone
        tree = paths(world, root, cut, gone)
        reached[[device for device, _, _ in tree], n] = True
        load = np.zeros((len(world.devices), 2, TERMS))
        asked = served & reached[owner, n]
        np.add.at(load, owner[asked], wanted[asked] * share)
        for device, parent, link in tree:
            here, there = (link.a, link.b) if link.a.device == device else (link.b, link.a)
            result[here.interface, OUT] += load[device, IN]
            result[here.interface, IN] += load[device, OUT]
            load[parent] += load[device]
            result[there.interface] = result[here.interface, ::-1]  # what one end sends the other receives
        _exit(world, root, load[root], result)
        result[rows[asked]] += wanted[asked] * share
    return result


def _exit(world: World, root: int, load: Floats, result: Floats) -> None:
    """What arrives at an exit leaves by its transit port."""
    for interface in world.devices[root].interfaces:
        if interface.kind == "customer":
            result[interface.number] = load[::-1]


@dataclass(frozen=True, slots=True)
class Boots:
    """When devices started: the usual boot of each and, for some, a later restart that set its counters to zero."""

    first_ns: Ints
    again_ns: Mapping[int, int]

    @classmethod
    def of(cls, world: World, now_ns: int, again_ns: Mapping[int, int]) -> "Boots":
        """Boots 60 to 300 days before the start of the month that lies two months before `now_ns` at the latest."""
        anchor = now_ns // (NS_PER_S * DAY_S) // 30 * 30 - 60
        days = [between(60, 300, world.seed, "boot", device.name) for device in world.devices]
        return cls(np.array([int((anchor - day) * DAY_S) * NS_PER_S for day in days], np.int64), dict(again_ns))

    def at(self, device: int, t_ns: int) -> int:
        """The latest boot of a device at or before an instant."""
        again = self.again_ns.get(device)
        return again if again is not None and again <= t_ns else int(self.first_ns[device])


class Traffic:
    """The counters of all interfaces as time goes by: the closed form, piecewise between changes of the network."""

    def __init__(self, world: World, boots: Boots, now_ns: int) -> None:
        self._world = world
        self._rows = np.arange(len(world.interfaces))
        self.keys = flow_keys(world)
        self.coefficients = flows(world)
        booted = np.array([boots.at(device, now_ns) for device in world.device_of], np.int64)
        self._offset = np.zeros((len(self._rows), 2), np.int64)
        self._since = self._absolute(self._rows, booted)

    def _absolute(self, rows: npt.NDArray[Any], t_ns: Ints) -> Ints:
        """Octets since 1970 of each row at its own instant (i64[r, 2])."""
        out = np.empty((len(rows), 2), np.int64)
        for instant in np.unique(t_ns):
            these = t_ns == instant
            part = rows[these]
            flat = integral(self.coefficients[part].reshape(-1, TERMS), self.keys[part].reshape(-1), np.array([instant]))
            out[these] = flat.reshape(-1, 2)
        return out

    def octets(self, rows: npt.NDArray[Any], t_ns: int) -> Ints:
        """The octet counters in and out of the given interfaces (i64[r, 2])."""
        now = self._absolute(rows, np.full(len(rows), t_ns, np.int64))
        octets: Ints = self._offset[rows] + now - self._since[rows]
        return octets

    def change(self, coefficients: Floats, t_ns: int) -> None:
        """From `t_ns` on traffic flows as given (f64[i, 2, 7]); what was counted stays."""
        self._offset = self.octets(self._rows, t_ns)
        self.coefficients = coefficients
        self._since = self._absolute(self._rows, np.full(len(self._rows), t_ns, np.int64))

    def restart(self, rows: npt.NDArray[Any], t_ns: int) -> None:
        """The counters of these interfaces are zero at `t_ns`."""
        self._offset[rows] = 0
        self._since[rows] = self._absolute(rows, np.full(len(rows), t_ns, np.int64))


def flow_keys(world: World) -> npt.NDArray[np.uint64]:
    """The noise key of each interface's flow in and out (u64[i, 2]); both ends of a link share theirs, crossed."""
    keys = np.array([[key_of(world.seed, "noise", i.number, d) for d in (IN, OUT)] for i in world.interfaces], np.uint64)
    for link in world.links:
        keys[link.b.interface] = keys[link.a.interface, ::-1]
    return keys
