"""Everything that is open now, with its indexes: what the solver changes and the claims look up."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from fault.correlation.effects import Compiler, Timing
from fault.correlation.incident import OUTAGES, Event, Incident, Notice
from fault.correlation.model import Cause, Key, Kind, Model
from fault.correlation.network import Network
from fault.correlation.reach import Reach
from fault.correlation.scoring import Scorer
from fault.correlation.suspects import Suspects
from station.metrics import counter

OVER_S = 900.0  # what is cleared is remembered this long: a flap or restart may still belong to it
INCIDENTS_MAX = 200_000
PRUNE_EVERY_S = 60.0
PRUNE_SLICE = 1_000  # incidents looked at in one turn: no batch waits for all of them
LAGS_MAX = 80  # polls from which the poll interval is measured
FORGOTTEN = counter("fault_correlation_forgotten", "Open incidents that correlation forgot because there were too many.")
INCOMPLETE = 0.005  # of the ports without a link: above, time alone may tie an event to an outage
POWERED_S = 120.0
RECENT = 512  # outages kept for claims by time alone
LATE_S = 25.0  # a notification that arrives this much after its stamp may come of a clock that is right
USUAL_S = 0.4  # an alarm is raised and sent within
DEATH_S = 2.0
DEATHS = 64
DYING = (Cause.SIGNAL, Cause.UNREACHABLE)
DELAYED = {Kind.SITE: DYING, Kind.AREA: DYING, Kind.CHANGE: (Cause.ADJACENCY,)}  # what fails long after the root did


class Situation:
    def __init__(self, network: Network, model: Model) -> None:
        self.network = network
        self.model = model
        self.timing = Timing(model.poll_s, model.hold_s)
        self.reach = Reach(network)
        self.current: dict[Key, Event] = {}
        self.compiler = Compiler(network, self.reach, model, self.timing, self._powered_sites, self._adjacency_events, self._told_of)
        self.suspects = Suspects(network, self.reach, self.current, self)
        self.unlinked = network.unlinked_share()
        self.is_incomplete = self.unlinked > INCOMPLETE
        self.scorer = Scorer(network, model, self.timing, self.current, self.is_mute, self.unlinked)
        self.incidents: dict[str, Incident] = {}
        self.weak: dict[str, Incident] = {}
        self.expecting: dict[Key, list[Incident]] = {}
        self.recent: deque[Incident] = deque(maxlen=RECENT)
        self.changed: dict[str, Incident] = {}
        self.now_s = 0.0
        self._pruned_s = 0.0
        self._to_prune: list[str] = []
        self._told_by: dict[str, set[Key]] = {}  # device -> keys of its adjacency events
        self._tellers: dict[str, set[Key]] = {}  # adjacency -> keys of its events
        self._mains: dict[str, float] = {}  # site -> when it last told of its mains
        self._lag: dict[str, float] = {}
        self._lags: list[float] = []

    # --- events --------------------------------------------------------------------------------------

    def open(self, notice: Notice) -> Event:
        """Make a new event of a notice; it takes the place of an older one of the same key."""
        onset_s, exact, loose = self._onset(notice)
        key = notice.key
        event = self.current[key] = Event(key, [notice.alarm], notice.arrived_s, notice.stamped_s, onset_s, exact, loose)
        if key.cause is Cause.ADJACENCY:
            self._told_by.setdefault(key.device, set()).add(key)
            self._tellers.setdefault(key.resource, set()).add(key)
            self._note_stranger(key)
        elif key.cause in (Cause.POWER, Cause.BATTERY) and key.device in self.network.devices:
            self._mains[self.network.devices[key.device].site] = event.arrived_s
        return event

    def resume(self, event: Event, alarm: str) -> None:
        """An event that is told once more, with another stamp."""
        self.current[event.key] = event
        event.alarms.append(alarm)
        if event.owner is not None:
            event.owner.touched_s = self.now_s
            self.touch(event.owner)

    def _note_stranger(self, key: Key) -> None:
        link = self.network.links.get(self.network.adjacencies.get(key.resource, ""))
        if link is None:
            return
        link.told.add(key.device)
        if key.device not in link.devices and key.device not in link.strangers:
            link.strangers.append(key.device)
            self.reach.epoch += 1  # what follows from this link is another matter now

    def _onset(self, notice: Notice) -> tuple[float, bool, bool]:
        """When it began, whether that is exact, whether only the arrival tells: by the sender's clock where it is understood."""
        lag = notice.arrived_s - notice.stamped_s
        if notice.key.cause is Cause.UNREACHABLE:  # the station's own clock: the stamp is the last answer
            if not 0.0 < lag <= self.model.poll_s * 1.5:
                return notice.arrived_s, False, True
            self._measure_poll(lag)
            return notice.stamped_s, True, False
        if -3.0 < lag < LATE_S:
            return min(notice.arrived_s, notice.stamped_s + USUAL_S), False, lag == 0.0
        usual = self._lag.get(notice.key.device)
        self._lag[notice.key.device] = lag if usual is None else min(lag, usual + 0.1)
        if usual is None or not -1.0 < lag - usual < LATE_S:
            return notice.arrived_s - USUAL_S, False, True
        return notice.arrived_s - (lag - usual) - USUAL_S, False, lag - usual < 1.5

    def _measure_poll(self, lag: float) -> None:
        if len(self._lags) < LAGS_MAX:
            self._lags.append(lag)
            if len(self._lags) in (LAGS_MAX // 4, LAGS_MAX):
                self.timing.poll_s = min(self.model.poll_s, 1.15 * max(self._lags) + 5.0)
        else:
            self.timing.poll_s = max(self.timing.poll_s, min(self.model.poll_s, lag))

    def same_adjacency(self, event: Event) -> Iterator[Event]:
        """Other events of the adjacency, told by whatever device, that began within a hold time of this one and were not over then."""
        for key in sorted(self._tellers.get(event.key.resource, ())):
            other = self.current[key]
            is_over = other.cleared_s is not None and other.cleared_s <= event.onset_s
            if other is not event and not is_over and abs(other.onset_s - event.onset_s) < self.timing.hold_s + 10.0:
                yield other

    def unknown_sessions(self, signal: Event) -> Iterator[Event]:
        """Sessions that the inventory does not have and that the device of a dark port lost with it; the port may be told of later."""
        for key in sorted(self._told_by.get(signal.key.device, ())):
            lost = self.current[key]
            is_near = -self.model.signal_s - 3.0 <= lost.onset_s - signal.onset_s <= self.timing.hold_s + 6.0
            if key.resource not in self.network.adjacencies and lost.active and is_near:
                yield lost

    def _adjacency_events(self, device: str) -> list[Key]:
        """Keys of what was told of adjacencies that the device told of."""
        own = self._told_by.get(device, ())
        return sorted({key for each in own for key in self._tellers[each.resource]})

    def _told_of(self, adjacency: str) -> list[Key]:
        return sorted(self._tellers.get(adjacency, ()))

    def _powered_sites(self, area: str) -> list[str]:
        since = self.now_s - POWERED_S
        return [site for site in self.network.areas[area] if self._mains.get(site, -1e9) >= since]

    def lost_mains(self, site: str) -> bool:
        return self._mains.get(site, -1e9) >= self.now_s - self.model.battery_s

    def was_changed(self, device: str) -> bool:
        event = self.current.get(Key(Cause.CHANGED, device, device))
        return event is not None and self.now_s - event.onset_s < self.model.change_s[1] + self.model.break_s

    def is_mute(self, device: str) -> bool:
        event = self.current.get(Key(Cause.UNREACHABLE, device, device))
        return (event is not None and event.active) or device in self.reach.devices_down

    def is_present(self, event: Event) -> bool:
        """Whether the event is the latest of its key: older ones explain nothing new."""
        return self.current.get(event.key) is event

    # --- incidents -----------------------------------------------------------------------------------

    def touch(self, incident: Incident) -> None:
        self.changed[incident.id] = incident

    def attach(self, incident: Incident, event: Event, gain: float) -> None:
        event.owner = incident
        incident.events[event] = gain
        incident.touched_s = self.now_s
        if incident.guessed and event.key.cause is not Cause.UNREACHABLE:
            incident.guessed = False
            self.reach.confirm(incident.down_links, incident.down_devices)
        if incident.strong:
            incident.score += gain
            if incident.kind in OUTAGES and event.active:
                self.fail(incident, *self.elements(event, incident))
            if event.key.cause in DELAYED.get(incident.kind, ()):
                self._add_death(incident, event.onset_s)
        self.touch(incident)

    @staticmethod
    def _add_death(incident: Incident, onset_s: float) -> None:
        if len(incident.onsets) < DEATHS and all(abs(onset_s - each) > DEATH_S for each in incident.onsets):
            incident.onsets.append(onset_s)

    def expect(self, incident: Incident) -> None:
        for key in incident.effects.expect:
            claimants = self.expecting.setdefault(key, [])
            if incident not in claimants:
                claimants.append(incident)

    def forget(self, incident: Incident) -> None:
        for key in incident.effects.expect:
            claimants = self.expecting.get(key)
            if claimants and incident in claimants:
                claimants.remove(incident)
                if not claimants:
                    del self.expecting[key]

    def retire(self, incident: Incident) -> None:
        """The incident is no more: others explain its events."""
        incident.events.clear()
        incident.strong = False
        self.touch(incident)
        self.incidents.pop(incident.id, None)
        self.weak.pop(incident.id, None)
        self.forget(incident)
        self.repair(incident, incident.down_links, incident.down_devices)

    def prune(self) -> None:
        """Forget what is over for a while, and the oldest of what never clears where there is too much of it; a slice at a time."""
        if not self._to_prune and self.now_s - self._pruned_s > PRUNE_EVERY_S:
            self._pruned_s = self.now_s
            self._to_prune = list(self.incidents)[::-1]
        since_s = self.now_s - OVER_S
        for name in self._to_prune[: -PRUNE_SLICE - 1 : -1]:
            incident = self.incidents.get(name)
            if incident is None:
                continue
            if len(self.incidents) > INCIDENTS_MAX:
                self._drop(incident)
                FORGOTTEN.inc()
            elif incident.touched_s < since_s and not any(event.active for event in incident.events):
                self._drop(incident)
        del self._to_prune[-PRUNE_SLICE:]

    def _drop(self, incident: Incident) -> None:
        for event in incident.events:
            if self.current.get(event.key) is event:
                del self.current[event.key]
                self._told_by.get(event.key.device, set()).discard(event.key)
                self._tellers.get(event.key.resource, set()).discard(event.key)
        self.incidents.pop(incident.id, None)
        self.weak.pop(incident.id, None)
        self.forget(incident)
        self.repair(incident, set(incident.down_links), set(incident.down_devices))
        if incident.strong and incident in self.recent:
            self.recent.remove(incident)
        self.changed.pop(incident.id, None)  # what was last told of it stands
        incident.events.clear()  # they name each other: so both are freed at once

    def forget_link(self, name: str) -> None:
        """A link is new, or no more: nothing that was remembered of it holds."""
        self.compiler.forget(name)
        self.suspects.forget(name)
        self.unlinked = self.scorer.unlinked = self.network.unlinked_share()
        self.is_incomplete = self.unlinked > INCOMPLETE

    # --- what is out of service ----------------------------------------------------------------------

    def fail(self, incident: Incident, links: Iterable[str], devices: Iterable[str]) -> None:
        links, devices = set(links) - incident.down_links, set(devices) - incident.down_devices
        if links or devices:
            incident.down_links |= links
            incident.down_devices |= devices
            self.reach.fail(links, devices, guessed=incident.guessed)

    def repair(self, incident: Incident, links: Iterable[str], devices: Iterable[str]) -> None:
        links, devices = set(links) & incident.down_links, set(devices) & incident.down_devices
        if links or devices:
            incident.down_links -= links
            incident.down_devices -= devices
            self.reach.repair(links, devices, guessed=incident.guessed)

    def elements(self, event: Event, owner: Incident) -> tuple[set[str], set[str]]:
        """What the event shows to be down of all that its incident takes down."""
        key = event.key
        links: set[str] = set()
        devices: set[str] = set()
        if key.cause is Cause.UNREACHABLE:
            devices = {key.device}
        elif key.cause is Cause.SIGNAL and key.resource in self.network.ports:
            links = set(self.network.ports[key.resource].links)
        elif key.cause is Cause.ADJACENCY and key.resource in self.network.adjacencies:
            links = {self.network.adjacencies[key.resource]}
        for link in links:
            devices |= set(self.network.links[link].devices) - {key.device}
        return links & owner.effects.down_links, devices & owner.effects.down_devices

    def nearest(
        self, kinds: frozenset[Kind], onset_s: float, before_s: float, after_s: float, other_than: Incident | None = None
    ) -> Incident | None:
        """The strong incident of these kinds one of whose onsets lies nearest, between so much before and after."""
        near = self.all_near(kinds, onset_s, before_s, after_s)
        return next((incident for incident in near if incident is not other_than), None)

    def all_near(self, kinds: frozenset[Kind], onset_s: float, before_s: float, after_s: float) -> list[Incident]:
        """The strong incidents of these kinds with an onset so much before or after, nearest first."""
        found = []
        for n, incident in enumerate(self.recent):
            if incident.strong and incident.kind in kinds and not incident.ended_before(onset_s):
                gaps = [abs(onset_s - each) for each in incident.onsets if -after_s <= onset_s - each <= before_s]
                if gaps:
                    found.append((min(gaps), n, incident))
        return [incident for _, _, incident in sorted(found, key=lambda each: each[:2])]

    def signals(self, device: str, onset_s: float, before_s: float, after_s: float) -> Sequence[Event]:
        """Losses of signal at the device's ports that began so much before or after an instant."""
        found = []
        for port in self.network.devices[device].ports if device in self.network.devices else ():
            event = self.current.get(Key(Cause.SIGNAL, port, device))
            if event is not None and -after_s <= onset_s - event.onset_s <= before_s:
                found.append(event)
        return found
