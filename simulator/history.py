"""The days behind the demo: what polling would have brought, from the same closed form the live agents read.

`metered` gives the raw counter samples of the interfaces that are billed, `late` those of them that came after
their month had closed, `tiers` five-minute rows of every other interface. Nothing here touches the network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulator.chance import between, key_of, units
from simulator.incidents import Incidents, Span
from simulator.reading import NS_PER_CS
from simulator.traffic import ERRORS_PER_PACKET, IN, NS_PER_S, OUT, PACKET_OCTETS, TERMS, Boots, Ints, flow_keys, flows, integral
from simulator.world import World
from station.batch import SampleBatch
from station.catalogue import code_of

Resolve = Callable[[str, str], int | None]
"""(device name, ifName) -> entity key, or None where the station does not know the interface."""

DAY_NS = 86_400 * NS_PER_S
SLOT_S = 300
STEP_S = 60  # the rates within a slot are taken over so long
JITTER_NS = 1_500_000_000
METRICS = ("in_octets", "out_octets", "in_packets", "out_packets", "in_errors", "out_errors")


class Late(NamedTuple):
    """Samples that the station learned of at `received_ns` only."""

    received_ns: int
    batch: SampleBatch


@dataclass(frozen=True, slots=True, eq=False)
class TierRows:
    """n five-minute rows of interfaces, as the telemetry store keeps them.

    `entity` u64[n], `slot_ns` i64[n] (its start, UTC), `count` u32[n] samples behind the row, `octets` u64[n, 2]
    in and out, `rate` f32[n, 2, 3] octets per second in and out as min, mean, max.
    """

    entity: npt.NDArray[np.uint64]
    slot_ns: Ints
    count: npt.NDArray[np.uint32]
    octets: npt.NDArray[np.uint64]
    rate: npt.NDArray[np.float32]


class _Past:
    """The counters of one world in the past, for a choice of interfaces."""

    def __init__(self, world: World, boots: Boots, interfaces: list[int]) -> None:
        self.rows = np.array(interfaces, np.int64)
        self.devices = np.array([world.device_of[row] for row in interfaces])
        self._boots = boots
        self._coefficients = flows(world)[self.rows].reshape(-1, TERMS)
        self._keys = flow_keys(world)[self.rows].reshape(-1)

    def absolute(self, t_ns: Ints) -> Ints:
        """Octets since 1970 (i64[r, 2, t]); the differences are what was counted."""
        return integral(self._coefficients, self._keys, t_ns).reshape(len(self.rows), 2, -1)

    def counters(self, n: int, t_ns: Ints) -> tuple[Ints, Ints]:
        """(octets i64[2, t], uptime in 1/100 s i64[t]) of the nth interface: since the boot before each instant."""
        one = slice(2 * n, 2 * n + 2)
        device = int(self.devices[n])
        boots_ns = np.full(len(t_ns), self._boots.first_ns[device])
        again = self._boots.again_ns.get(device)
        if again is not None:
            boots_ns[t_ns >= again] = again
        octets = integral(self._coefficients[one], self._keys[one], t_ns)
        for boot in np.unique(boots_ns):
            octets[:, boots_ns == boot] -= integral(self._coefficients[one], self._keys[one], np.array([boot]))
        return octets, (t_ns - boots_ns) // NS_PER_CS


def poll_times(world: World, device: int, start_ns: int, end_ns: int, every_s: int = SLOT_S) -> Ints:
    """When a device was polled in [start, end): a little after each slot, never twice at the same second of it."""
    every_ns = every_s * NS_PER_S
    number = np.arange(start_ns // every_ns - 1, end_ns // every_ns + 1)
    own_ns = int(between(2.0, every_s / 6, world.seed, "poll", device) * NS_PER_S)
    jitter = units(np.uint64(key_of(world.seed, "jitter", device)) + number.astype(np.uint64))
    times: Ints = number * every_ns + own_ns + (jitter * JITTER_NS).astype(np.int64)
    return times[(times >= start_ns) & (times < end_ns)]


def metered(
    world: World, boots: Boots, what: Incidents, resolve: Resolve, *, start_ns: int, end_ns: int, every_s: int = SLOT_S
) -> Iterator[SampleBatch]:
    """Raw counters of every metered interface in [start, end), one batch a day in the order of time.

    What the incidents took is missing: the gap, the reboot's silence and what came late (`late` has it).
    """
    known = _known(world, resolve, [service.interface for service in world.services])
    past = _Past(world, boots, [interface for interface, _ in known])
    for day_ns in range(start_ns, end_ns, DAY_NS):
        until_ns = min(day_ns + DAY_NS, end_ns)
        parts = []
        for n, (interface, key) in enumerate(known):
            times = poll_times(world, int(past.devices[n]), day_ns, until_ns, every_s)
            times = times[~_silent(world, what, interface, times)]
            parts.append(_samples(past, n, key, times))
        whole = SampleBatch.concat(parts)
        yield whole.take(np.lexsort((whole.series, whole.time_ns)))


def late(world: World, boots: Boots, what: Incidents, resolve: Resolve, *, start_ns: int, end_ns: int, every_s: int = SLOT_S) -> list[Late]:
    """The samples in [start, end) that came after their month had closed, with when they came."""
    found = []
    span = what.late
    for interface, key in _known(world, resolve, [span.interface]):
        past = _Past(world, boots, [interface])
        times = poll_times(world, int(past.devices[0]), start_ns, end_ns, every_s)
        times = times[_within(span, times)]
        if len(times):
            found.append(Late(what.late_received_ns, _samples(past, 0, key, times)))
    return found


def tiers(world: World, boots: Boots, resolve: Resolve, *, start_ns: int, end_ns: int, days_per_block: int = 1) -> Iterator[TierRows]:
    """Five-minute rows of every interface that is not metered, a block of days at a time."""
    others = [i.number for i in world.interfaces if i.kind in ("trunk", "customer") and i.number not in world.service_at]
    known = _known(world, resolve, others)
    if not known:
        return
    past = _Past(world, boots, [interface for interface, _ in known])
    keys = np.array([key for _, key in known], np.uint64)
    first_ns = -(-start_ns // (SLOT_S * NS_PER_S)) * SLOT_S * NS_PER_S
    for block_ns in range(first_ns, end_ns, days_per_block * DAY_NS):
        slots = min(days_per_block * DAY_NS, end_ns - block_ns) // (SLOT_S * NS_PER_S)
        if slots > 0:
            yield _tier_rows(past, keys, block_ns, slots)


def _known(world: World, resolve: Resolve, interfaces: list[int]) -> list[tuple[int, int]]:
    """The interfaces the station knows, with their entity keys."""
    named = ((row, resolve(world.devices[world.device_of[row]].name, world.interfaces[row].name)) for row in interfaces)
    return [(row, key) for row, key in named if key is not None]


def _within(span: Span, t_ns: Ints) -> npt.NDArray[np.bool_]:
    return (t_ns >= span.start_ns) & (t_ns < span.end_ns)


def _silent(world: World, what: Incidents, interface: int, t_ns: Ints) -> npt.NDArray[np.bool_]:
    """Which polls of an interface brought nothing in time."""
    silent = np.zeros(len(t_ns), bool)
    device = world.device_of[interface]
    for span in (what.gap, what.reboot):
        if world.device_of[span.interface] == device:
            silent |= _within(span, t_ns)
    if interface == what.late.interface:
        silent |= _within(what.late, t_ns)
    return silent


def _samples(past: _Past, n: int, key: int, t_ns: Ints) -> SampleBatch:
    """Six counters at each instant."""
    octets, uptime_cs = past.counters(n, t_ns)
    packets = octets // PACKET_OCTETS
    values = (octets[IN], octets[OUT], packets[IN], packets[OUT], packets[IN] // ERRORS_PER_PACKET, np.zeros_like(t_ns))
    series = [np.full(len(t_ns), key << 8 | code_of(f"interface.{metric}"), np.uint64) for metric in METRICS]
    many = len(METRICS)
    return SampleBatch.of(
        np.tile(t_ns, many),
        np.concatenate(series),
        raw=np.concatenate(values).astype(np.uint64),
        uptime_cs=np.tile(uptime_cs, many),
        discontinuity_cs=np.zeros(many * len(t_ns), np.int64),
    )


def _tier_rows(past: _Past, keys: npt.NDArray[np.uint64], start_ns: int, slots: int) -> TierRows:
    steps = SLOT_S // STEP_S
    instants = start_ns + np.arange(slots * steps + 1) * STEP_S * NS_PER_S
    counted = np.diff(past.absolute(instants), axis=2).reshape(len(keys), 2, slots, steps)
    octets = counted.sum(axis=3)
    rate = np.stack((counted.min(axis=3) / STEP_S, octets / SLOT_S, counted.max(axis=3) / STEP_S), axis=3)
    rate = rate.transpose(0, 2, 1, 3).reshape(-1, 2, 3).astype(np.float32)
    slot_ns = start_ns + np.arange(slots) * SLOT_S * NS_PER_S
    return TierRows(
        entity=np.repeat(keys, slots),
        slot_ns=np.tile(slot_ns, len(keys)),
        count=np.full(len(rate), steps, np.uint32),
        octets=octets.transpose(0, 2, 1).reshape(-1, 2).astype(np.uint64),
        rate=rate,
    )
