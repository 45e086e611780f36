"""Which open alarm brought which, by the accepted causes: on the same device or a near one, within the learnt time. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from fault.correlation.contract import AlarmChange
from fault.learning.causes import Cause
from inventory.topology import Topology
from station.clock import NS_PER_S

EARLY_NS: Final = 3 * NS_PER_S  # an effect may seem to begin this much before its cause: clocks, order of arrival
OUTLIVES_NS: Final = 120 * NS_PER_S  # an effect that stands this long after its cause ended is a problem of its own
STANDING_MAX: Final = 64  # alarms of one class on one device that are looked at, the latest first
KEPT_MAX: Final = 200_000  # alarms of known classes; the oldest are forgotten first


@dataclass(frozen=True, slots=True)
class Tie:
    """`cause` and `effect` are alarm ids; `lag_ns` from the one to the other, negative for what was heard before its cause."""

    cause: str
    effect: str
    edge: Cause
    lag_ns: int


class Near:
    """The devices within some links of one, by public ids; looked up once for each picture of the network."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    def of(self, device: str, hops: int) -> tuple[str, ...]:
        """Nearest first, the device itself before all."""
        found = self._known.get((device, hops))
        if found is None:
            seen, ring = {device: None}, [device]
            for _ in range(hops):
                ring = sorted({other for each in ring for other in self._beside(each)} - seen.keys())
                seen.update(dict.fromkeys(ring))
            found = self._known[device, hops] = tuple(seen)
        return found

    def _beside(self, device: str) -> Iterator[str]:
        topology = self._topology
        it = topology.device_by_id.get(device)
        for no, _ in topology.neighbours.get(it.no, ()) if it is not None else ():
            if no in topology.devices:
                yield topology.devices[no].id


@dataclass(slots=True)
class _Classes:
    """Accepted causes, looked up from either end."""

    of_effect: dict[str, list[Cause]] = field(default_factory=dict)
    of_cause: dict[str, list[Cause]] = field(default_factory=dict)

    @classmethod
    def made_of(cls, edges: Iterable[Cause]) -> "_Classes":
        it = cls()
        for edge in edges:
            it.of_effect.setdefault(edge.effect, []).append(edge)
            it.of_cause.setdefault(edge.cause, []).append(edge)
        return it

    def knows(self, alarm_type: str) -> bool:
        return alarm_type in self.of_effect or alarm_type in self.of_cause


class Ties:
    """Takes alarm changes; `of` says what brought an alarm, `brought` what it brought."""

    def __init__(self, topology: Topology) -> None:
        self._near = Near(topology)
        self._classes = _Classes()
        self.alarms: dict[str, AlarmChange] = {}  # open ones, and those that ended lately
        self._at: dict[tuple[str, str], dict[str, None]] = {}  # alarm type and device
        self.of: dict[str, Tie] = {}
        self.brought: dict[str, set[str]] = {}
        self._due: list[tuple[int, str, int]] = []  # when to look at an alarm that ended, and which end it was

    def rewire(self, topology: Topology) -> None:
        self._near = Near(topology)

    def take_causes(self, edges: Sequence[Cause], open_alarms: Mapping[str, AlarmChange]) -> set[str]:
        """From now on these causes hold; the alarms whose ties changed."""
        before = dict(self.of)
        self._classes = _Classes.made_of(edges)
        self.alarms, self._at, self.of, self.brought, self._due = {}, {}, {}, {}, []
        for change in open_alarms.values():
            self._see(change)
        return {key for key in before.keys() | self.of.keys() if before.get(key) != self.of.get(key)}

    def see(self, change: AlarmChange) -> bool:
        """Take a change; whether ties may be other than before."""
        return self._classes.knows(change.alarm_type) and self._see(change)

    def _see(self, change: AlarmChange) -> bool:
        if not self._classes.knows(change.alarm_type) or not change.device:
            return False
        key, before = change.alarm_id, self.alarms.get(change.alarm_id)
        if before is not None and before.raised_ns != change.raised_ns:
            self._untie(key)  # another occurrence has another cause
        self.alarms[key] = change
        self._at.setdefault((change.alarm_type, change.device), {})[key] = None
        if change.state == "cleared":
            heappush(self._due, (change.time_ns + OUTLIVES_NS, key, change.time_ns))
        else:
            self._tie(change)
        if len(self.alarms) > KEPT_MAX:
            self._forget(next(iter(self.alarms)))
        return True

    def _tie(self, change: AlarmChange) -> None:
        if change.alarm_id not in self.of:
            self._choose(self._causes(change))
        for tie in self._effects(change):
            if tie.effect not in self.of:
                self._choose([tie])

    def _choose(self, found: Iterable[Tie]) -> None:
        """Tie an effect to the cause that began nearest before it."""
        best = min(found, key=lambda tie: (abs(tie.lag_ns), tie.cause), default=None)
        if best is not None:
            self.of[best.effect] = best
            self.brought.setdefault(best.cause, set()).add(best.effect)

    def _causes(self, effect: AlarmChange) -> Iterator[Tie]:
        for edge in self._classes.of_effect.get(effect.alarm_type, ()):
            for cause in self._standing(edge.cause, effect.device, edge.hops):
                yield from _tied(cause, effect, edge)

    def _effects(self, cause: AlarmChange) -> Iterator[Tie]:
        for edge in self._classes.of_cause.get(cause.alarm_type, ()):
            for effect in self._standing(edge.effect, cause.device, edge.hops):
                if effect.state == "raised":
                    yield from _tied(cause, effect, edge)

    def _standing(self, alarm_type: str, device: str, hops: int) -> Iterator[AlarmChange]:
        for each in self._near.of(device, hops):
            for key in islice(reversed(self._at.get((alarm_type, each), {})), STANDING_MAX):
                yield self.alarms[key]

    # -- time --------------------------------------------------------------------------------------

    def pass_time(self, now_ns: int) -> set[str]:
        """Free the effects that outlived their cause, forget what is over; the alarms that were freed."""
        freed: set[str] = set()
        while self._due and self._due[0][0] <= now_ns:
            _, key, ended_ns = heappop(self._due)
            it = self.alarms.get(key)
            if it is None or it.state != "cleared" or it.time_ns != ended_ns:
                continue
            for effect in sorted(self.brought.get(key, ())):
                if self.alarms[effect].state == "raised":
                    self._untie(effect)
                    freed.add(effect)
            if not self.brought.get(key):
                self._forget(key)
            else:
                heappush(self._due, (now_ns + OUTLIVES_NS, key, ended_ns))
        return freed

    def _untie(self, effect: str) -> None:
        tie = self.of.pop(effect, None)
        if tie is not None:
            self.brought[tie.cause].discard(effect)
            if not self.brought[tie.cause]:
                del self.brought[tie.cause]

    def _forget(self, key: str) -> None:
        for effect in list(self.brought.get(key, ())):
            self._untie(effect)
        self._untie(key)
        it = self.alarms.pop(key)
        at = self._at[it.alarm_type, it.device]
        del at[key]
        if not at:
            del self._at[it.alarm_type, it.device]


def _tied(cause: AlarmChange, effect: AlarmChange, edge: Cause) -> Iterator[Tie]:
    lag_ns = effect.raised_ns - cause.raised_ns
    if cause.alarm_id != effect.alarm_id and -EARLY_NS <= lag_ns <= int(edge.within_s * NS_PER_S):
        yield Tie(cause.alarm_id, effect.alarm_id, edge, lag_ns)
