"""Explain away: keep the set of supposed faults that explains the open events best.

A local search that never looks at more than the neighbourhood of what is new: an event is first
offered to the incidents that predict it; an unpredicted one raises the hypotheses it may come from, and
the best of them takes the events it explains from weaker incidents. What is due and absent is weighed
again when its delay has passed. Nothing here does I/O or reads a clock.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush

from fault.correlation.effects import Compiler, Timing
from fault.correlation.incident import OUTAGES, POWERED, Event, Incident, Notice
from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model
from fault.correlation.network import Network
from fault.correlation.reach import Reach
from fault.correlation.scoring import Match, Scorer

REPEAT_S = 0.05  # notifications of one key with the same stamp are repeats
AGAIN_S = 15.0  # loss of signal that returns after this long is a flap, not a late notification
ENDS = frozenset({Cause.UNREACHABLE, Cause.PATH})  # the clear of a consequence ends the whole outage
SOFT_S = 1.6  # events that begin this close to an outage belong to it though the inventory does not say so
PATIENT = frozenset({Cause.PATH, Cause.SLOW_PATH, Cause.RESTART})  # these come from far away: wait for nearer evidence
PATIENCE_S = 6.0
RIVALS = 4
LEAST = 0.3
BLIPS = frozenset({Cause.LOCAL, Cause.CHANGED, Cause.CONGESTED, Cause.SIGNAL})  # causes that may mean nothing
Option = tuple[float, Match, list[tuple[Incident, float]]]  # worth, match, what it takes from whom
SENIOR_S = 21_600.0  # an incident claims late alarms for at most this long


class Solver:
    def __init__(self, network: Network, model: Model | None = None) -> None:
        self.network = network
        self.model = model or Model()
        self.timing = Timing(self.model.poll_s, self.model.hold_s)
        self.reach = Reach(network)
        self.compiler = Compiler(network, self.reach, self.model, self.timing)
        self.current: dict[Key, Event] = {}
        self.scorer = Scorer(self.model, self.timing, self.current, self._is_mute)
        self.expecting: dict[Key, list[Incident]] = {}
        self.incidents: dict[str, Incident] = {}
        self.changed: dict[str, Incident] = {}
        self.now_s = 0.0
        self._timers: list[tuple[float, int, str]] = []
        self._tick = 0
        self._offsets: dict[str, float] = {}
        self._weak: dict[str, Incident] = {}
        self._recent: deque[Incident] = deque(maxlen=256)  # strong outages by creation, for soft claims

    # --- input ---------------------------------------------------------------------------------------

    def feed(self, now_s: float, notices: Sequence[Notice]) -> list[Incident]:
        """Take notices in order of arrival and the passing of time; return the incidents that changed."""
        self.now_s = max(self.now_s, now_s)
        self.changed = {}
        fresh = [event for notice in notices if (event := self._take(notice)) is not None]
        waiting: list[Event] = []
        for event in fresh:
            if not self._claim(event):
                waiting.append(event)
        for event in waiting:
            if event.owner is None:
                self._place(event)
        self._run_timers()
        return list(self.changed.values())

    def _take(self, notice: Notice) -> Event | None:
        """Turn a notice into a new event, or join it to the one it repeats or clears."""
        event = self.current.get(notice.key)
        if notice.cleared:
            if event is not None and event.active:
                event.cleared_s = notice.arrived_s
                self._cleared(event)
            return None
        if event is not None and abs(event.stamped_s - notice.stamped_s) < REPEAT_S:
            event.alarms.append(notice.alarm)
            if event.owner is not None:
                self._touch(event.owner)
            return None
        onset_s, exact = self._onset(notice)
        fresh = Event(notice.key, [notice.alarm], notice.arrived_s, notice.stamped_s, onset_s, exact)
        self.current[notice.key] = fresh
        if event is not None and event.owner is not None and self._continues(event, fresh):
            self._again(event.owner, fresh)
            return None
        return fresh

    def _onset(self, notice: Notice) -> tuple[float, bool]:
        """When it began: the arrival, corrected by the sender's clock where that clock is understood."""
        lag = notice.arrived_s - notice.stamped_s
        if notice.key.cause is Cause.UNREACHABLE:  # the station's own clock: the stamp is the last answer
            return (notice.stamped_s, True) if 0.0 < lag <= self.model.poll_s * 1.5 else (notice.arrived_s, False)
        usual = self._offsets.get(notice.key.device)
        if usual is None or lag < usual:
            self._offsets[notice.key.device] = usual = lag if usual is None else max(lag, usual - 1.0)
        if usual > 3.0 and abs(usual) < 60.0:
            usual = 1.0
        return min(notice.arrived_s, notice.stamped_s + usual), False

    def _continues(self, before: Event, event: Event) -> bool:
        """Whether the event only continues an older one of the same symptom: chatter, or a flapping root."""
        owner = before.owner
        assert owner is not None
        if event.key.cause is Cause.LOCAL:
            return True
        since = event.arrived_s - (before.cleared_s if before.cleared_s is not None else before.arrived_s)
        return owner.strong and since < self.model.flap_s and owner.kind is not Kind.CHANGE

    def _again(self, owner: Incident, event: Event) -> None:
        if owner.strong and event.key.cause is Cause.SIGNAL and event.onset_s > owner.onsets[-1] + AGAIN_S:
            owner.onsets = [*owner.onsets[-7:], event.onset_s]
        self._attach(owner, event, 0.0)

    def _cleared(self, event: Event) -> None:
        """A clear also tells that what the incident took down works again."""
        owner = event.owner
        if owner is None:
            return
        self._touch(owner)
        if not owner.down_links and not owner.down_devices:
            return
        if event.key.cause in ENDS and owner.kind not in POWERED:
            links, devices = set(owner.down_links), set(owner.down_devices)
        else:
            links, devices = self._elements(event, owner)
            links, devices = links & owner.down_links, devices & owner.down_devices
        if event.key.cause is Cause.UNREACHABLE and owner.kind is Kind.NODE:
            self._timer(self.now_s + 20.0, owner)
        if links or devices:
            owner.down_links -= links
            owner.down_devices -= devices
            self.reach.repair(links, devices)

    def _elements(self, event: Event, owner: Incident) -> tuple[set[str], set[str]]:
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

    def _is_mute(self, device: str) -> bool:
        event = self.current.get(Key(Cause.UNREACHABLE, device, device))
        return (event is not None and event.active) or device in self.reach.devices_down

    # --- claims --------------------------------------------------------------------------------------

    def _claim(self, event: Event) -> bool:
        """Give the event to the incident that predicts it best. Settled incidents claim too."""
        best: tuple[float, Incident | None] = (0.0, None)
        for incident in self.expecting.get(event.key, ()):
            gain = self._gain(incident, event)
            if gain is not None and gain > best[0]:
                best = (gain, incident)
        if best[1] is None:
            return self._claim_softly(event)
        self._attach(best[1], event, best[0])
        return True

    def _gain(self, incident: Incident, event: Event) -> float | None:
        """What the event adds to the incident, counted from the onset that suits it best; links may flap unseen."""
        profile = incident.effects.expect[event.key]
        gains = [g for onset_s in incident.onsets if (g := self.scorer.gain(profile, event, onset_s)) is not None]
        if not gains and incident.kind is Kind.LINK and 0.0 < event.onset_s - incident.onsets[-1] < self.model.flap_s:
            return 0.5
        return max(gains, default=None)

    def _claim_softly(self, event: Event) -> bool:
        """What the inventory does not predict but time or name ties to an outage: an incomplete inventory."""
        cause = event.key.cause
        if cause is Cause.UNREACHABLE:
            found = self._nearest_outage(event.onset_s, SOFT_S if event.exact else 0.0)
            if found is None and self.reach.is_cut_off(event.key.device):
                found = self._nearest_outage(event.onset_s, self.timing.poll_s)
            if found is not None:
                self._attach(found, event, 0.5)
                return True
        if cause is Cause.RESTART:
            before = self.current.get(Key(Cause.UNREACHABLE, event.key.device, event.key.device))
            if before is not None and before.owner is not None:
                self._attach(before.owner, event, 0.5)
                return True
        return False

    def _nearest_outage(self, onset_s: float, within_s: float) -> Incident | None:
        near = [(abs(i.onset_s - onset_s), n, i) for n, i in enumerate(self._recent) if i.strong and i.kind in OUTAGES]
        near = [each for each in near if each[0] <= within_s]
        return min(near, key=lambda each: each[:2])[2] if near else None

    def _attach(self, incident: Incident, event: Event, gain: float) -> None:
        event.owner = incident
        incident.events[event] = gain
        incident.score += gain
        incident.last_s = self.now_s
        if incident.strong and incident.kind in OUTAGES and event.active:
            links, devices = self._elements(event, incident)
            self._fail(incident, links, devices)
        self._touch(incident)

    def _fail(self, incident: Incident, links: Iterable[str], devices: Iterable[str]) -> None:
        links, devices = set(links) - incident.down_links, set(devices) - incident.down_devices
        if links or devices:
            incident.down_links |= links
            incident.down_devices |= devices
            self.reach.fail(links, devices)

    def _touch(self, incident: Incident) -> None:
        self.changed[incident.id] = incident

    # --- hypotheses ----------------------------------------------------------------------------------

    def _place(self, event: Event) -> None:
        """An event that nothing predicted: find its best explanation, or let it stand alone for now."""
        if event.key.cause is Cause.LOCAL or event.key.cause in PATIENT:
            self._stand_alone(event, None)
            self._timer(event.arrived_s + PATIENCE_S, event.owner)
            return
        matches = self._matches([event])
        if not self._take_best(matches):
            self._stand_alone(event, matches[0] if matches else None)

    def _stand_alone(self, event: Event, best: Option | None) -> None:
        guess = best[1].hypothesis if best is not None else self._unexplained(event)
        incident = Incident(f"{event.alarms[0]}", guess, event.onset_s, self.now_s)
        incident.last_s = self.now_s
        if event.key.cause not in BLIPS:
            incident.score = min(0.0, best[0]) if best is not None else self.model.alone
        while incident.id in self.incidents:
            incident.id += "-"
        self.incidents[incident.id] = incident
        self._weak[incident.id] = incident
        self._attach(incident, event, 0.0)
        if event.key.cause is not Cause.LOCAL:
            for delay in (5.0, self.timing.hold_s + 12.0, self.model.noise_clear_s):
                self._timer(event.arrived_s + delay, incident)

    @staticmethod
    def _unexplained(event: Event) -> Hypothesis:
        return Hypothesis(Kind.LOCAL, event.key.device if event.key.cause is Cause.ADJACENCY else event.key.resource)

    def _matches(self, seeds: Sequence[Event]) -> list[Option]:
        """All hypotheses that explain one of the seeds, with their worth after what they would rob, best first."""
        found = []
        seen = set()
        for seed in seeds:
            for hypothesis in self.compiler.candidates(seed.key):
                if hypothesis in seen:
                    continue
                seen.add(hypothesis)
                match = self.scorer.match(hypothesis, self.compiler.effects(hypothesis), self.now_s)
                if match is None or seed not in match.hits or self._is_held(match):
                    continue
                robbed = self._rob(match)
                found.append((self.scorer.worth(match, robbed), match, robbed))
        found.sort(key=lambda each: (-each[0], each[1].hypothesis.kind.value, each[1].hypothesis.element))
        return found

    def _is_held(self, match: Match) -> bool:
        """Whether an incident says just this already."""
        owners = {event.owner for event in match.hits}
        return any(owner is not None and owner.strong and owner.hypothesis == match.hypothesis for owner in owners)

    def _rob(self, match: Match) -> list[tuple[Incident, float]]:
        """Decide which incidents to take events from; hits that cost their owner more than they bring are left."""
        by_owner: dict[Incident, float] = {}
        for event, gain in match.hits.items():
            if event.owner is not None and event.owner.strong:
                by_owner[event.owner] = by_owner.get(event.owner, 0.0) + gain
        robbed = []
        for owner, gain in by_owner.items():
            lost = sum(owner.events[event] for event in match.hits if event.owner is owner)
            loss = min(owner.score, lost)
            if gain > loss:
                robbed.append((owner, loss))
            else:
                match.hits = {event: g for event, g in match.hits.items() if event.owner is not owner}
        weak = {event.owner for event in match.hits if event.owner is not None and not event.owner.strong}
        robbed += [(owner, owner.score) for owner in weak if owner.score < 0]
        return robbed

    def _consider(self, seeds: Sequence[Event]) -> bool:
        return self._take_best(self._matches(seeds))

    def _take_best(self, matches: Sequence[Option]) -> bool:
        """Make the best explanation an incident if that explains more than it costs."""
        if not matches or matches[0][0] <= LEAST or not matches[0][1].hits:
            return False
        worth, match, robbed = matches[0]
        self._accept(worth, match, robbed, [(m.hypothesis, w) for w, m, _ in matches[1 : 1 + RIVALS]])
        return True

    def _accept(self, worth: float, match: Match, robbed: Sequence[tuple[Incident, float]], rivals: list[tuple[Hypothesis, float]]) -> None:
        heirs = sorted(match.hits, key=lambda event: event.arrived_s)
        old = [event.owner for event in heirs if event.owner is not None]
        name = next((o.id for o in old if self._is_absorbed(o, match)), None) or heirs[0].alarms[0] + "+"
        for owner in dict.fromkeys(old):
            self._release(owner, [event for event in heirs if event.owner is owner])
        while name in self.incidents:
            name += "+"
        incident = Incident(name, match.hypothesis, match.onset_s, self.now_s, match.effects, strong=True, rivals=rivals)
        incident.score = self.model.prior[match.hypothesis.kind] + match.misses
        self.incidents[name] = incident
        if incident.kind in OUTAGES and incident.kind not in POWERED:
            self._fail(incident, match.effects.down_links, match.effects.down_devices)
        for event, gain in match.hits.items():
            self._attach(incident, event, gain)
        for key in match.effects.expect:
            self.expecting.setdefault(key, []).append(incident)
        self._recent.append(incident)
        for delay in (5.5, self.timing.hold_s + 8.0, self.timing.poll_s + 8.0, self._settle_s(incident)):
            self._timer(incident.onset_s + delay, incident)
        self._sweep(incident)

    def _is_absorbed(self, owner: Incident, match: Match) -> bool:
        return all(event in match.hits for event in owner.events)

    def _settle_s(self, incident: Incident) -> float:
        base = max(self.timing.hold_s, self.timing.poll_s) + 30.0
        return base + (self.model.battery_s if incident.kind in POWERED else 0.0)

    def _release(self, owner: Incident, events: Sequence[Event]) -> None:
        """Take events from an incident; what is left of one that no longer stands is placed anew."""
        for event in events:
            owner.score -= owner.events.pop(event)
            event.owner = None
        self._touch(owner)
        if owner.events and owner.strong and owner.score > 0:
            return
        rest = list(owner.events)
        if owner.events and not owner.strong:
            return
        self._retire(owner)
        for event in rest:
            event.owner = None
        self._rehome(rest)

    def _retire(self, incident: Incident) -> None:
        """The incident is no more: others explain its events."""
        incident.events.clear()
        incident.strong = False
        self.incidents.pop(incident.id, None)
        self._weak.pop(incident.id, None)
        self._forget(incident)
        self.reach.repair(incident.down_links, incident.down_devices)
        incident.down_links, incident.down_devices = set(), set()

    def _forget(self, incident: Incident) -> None:
        for key in incident.effects.expect:
            claimants = self.expecting.get(key)
            if claimants and incident in claimants:
                claimants.remove(incident)
                if not claimants:
                    del self.expecting[key]

    def _sweep(self, incident: Incident) -> None:
        """A new outage may explain what stood alone before it."""
        for weak in list(self._weak.values()):
            for event in list(weak.events):
                if event.key.cause is not Cause.LOCAL and abs(event.onset_s - incident.onset_s) < self._settle_s(incident):
                    event_owner = event.owner
                    event.owner = None
                    if self._claim(event):
                        weak.events.pop(event, None)
                        self._touch(weak)
                    else:
                        event.owner = event_owner
            if not weak.events:
                self._retire(weak)

    # --- time ----------------------------------------------------------------------------------------

    def _timer(self, at_s: float, incident: Incident | None) -> None:
        if incident is not None and at_s > self.now_s:
            self._tick += 1
            heappush(self._timers, (at_s, self._tick, incident.id))

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now_s:
            _, _, name = heappop(self._timers)
            incident = self.incidents.get(name)
            if incident is None:
                continue
            self._touch(incident)
            if incident.strong:
                self._review(incident)
            else:
                self._retry(incident)

    def _retry(self, incident: Incident) -> None:
        for event in list(incident.events):
            if event.owner is incident and event.key.cause is not Cause.LOCAL:
                event.owner = None
                if self._claim(event):
                    incident.events.pop(event)
                else:
                    event.owner = incident
        if not incident.events:
            self._retire(incident)
            return
        self._consider(list(incident.events))

    def _review(self, incident: Incident) -> None:
        """Delayed evidence is due: weigh the incident again, beside its rivals."""
        age = self.now_s - incident.onset_s
        match = Match(incident.hypothesis, incident.effects, incident.onset_s, dict(incident.events), 0.0)
        self.scorer.count_misses(match, self.now_s)
        match.misses += self._restart_missing(incident)
        incident.score = self.model.prior[incident.kind] + sum(incident.events.values()) + match.misses
        if not incident.settled and not self._consider(list(incident.events)) and incident.score < 0:
            self._weaken(incident)
        if age > self._settle_s(incident):
            incident.settled = True

    def _restart_missing(self, incident: Incident) -> float:
        """A device that answers again and does not tell of a restart was most likely only cut off."""
        if incident.kind is not Kind.NODE:
            return 0.0
        device = incident.hypothesis.element
        gone = self.current.get(Key(Cause.UNREACHABLE, device, device))
        if gone is None or gone.active or self.now_s - (gone.cleared_s or 0.0) < 15.0:
            return 0.0
        return 0.0 if incident.has(Cause.RESTART) else self.model.no_restart

    def _weaken(self, incident: Incident) -> None:
        events = list(incident.events)
        self._touch(incident)
        self._retire(incident)
        for event in events:
            event.owner = None
        self._rehome(events)

    def _rehome(self, events: Sequence[Event]) -> None:
        """Find a place for events whose incident is gone: another that predicts them, else alone until reviewed."""
        for event in events:
            if event.owner is None and not self._claim(event):
                self._stand_alone(event, next(iter(self._matches([event])), None))
