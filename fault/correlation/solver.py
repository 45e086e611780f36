"""Explain away: keep the set of supposed faults that explains the open events best.

A local search that never looks at more than the neighbourhood of what is new: an event is first
offered to the incidents that predict it; an unpredicted one raises the hypotheses it may come from, and
the best of them takes the events it explains from weaker incidents. What is due and absent is weighed
again when its delay has passed. Nothing here does I/O or reads a clock.
"""

from collections.abc import Sequence
from heapq import heappop, heappush

from fault.correlation.claims import SOFT_S, Claims
from fault.correlation.incident import OUTAGES, POWERED, Event, Incident, Notice
from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model
from fault.correlation.network import Network
from fault.correlation.scoring import Match
from fault.correlation.situation import Situation

REPEAT_S = 0.05  # notifications of one key with the same stamp are repeats
AGAIN_S = 15.0  # loss of signal that returns after this long is a flap, not a late notification
ENDS = frozenset({Cause.UNREACHABLE, Cause.PATH})  # the clear of a consequence ends the whole outage
PATIENT = frozenset({Cause.PATH, Cause.SLOW_PATH, Cause.RESTART})  # these come from far away: wait for nearer evidence
FAR = frozenset({Cause.PATH, Cause.SLOW_PATH, Cause.UNREACHABLE})
NEAR_SEEDS = 8
FAR_SEEDS = 4
PRUNE_EVERY_S = 120.0
PATIENCE_S = 6.0
LEAST = 0.3  # a new explanation must be better by this
LEFT = 4.0  # what it costs to leave an event of a dissolved incident without explanation
RIVALS = 5
PAIR_S = 2.0

DYING = frozenset({Kind.NODE, Kind.SITE, Kind.AREA, Kind.DUCT, Kind.CARD})

Option = tuple[float, Match, list[tuple[Incident, float]]]  # worth, match, what it takes from whom


def _seeds(incident: Incident) -> list[Event]:
    """The events whose causes are worth supposing: those told from nearby, a few of the others only where there are none."""
    near = [event for event in incident.events if event.key.cause not in FAR]
    near.sort(key=lambda event: (event.key.cause, event.key))
    return [*near[:NEAR_SEEDS], *near[-1:]] if near else list(incident.events)[:FAR_SEEDS]


class Solver:
    def __init__(self, network: Network, model: Model | None = None) -> None:
        self.model = model or Model()
        self.situation = Situation(network, self.model)
        self.claims = Claims(self.situation)
        self._timers: list[tuple[float, int, str]] = []
        self._tick = 0
        self._pruned_s = 0.0

    @property
    def now_s(self) -> float:
        return self.situation.now_s

    # --- input ---------------------------------------------------------------------------------------

    def feed(self, now_s: float, notices: Sequence[Notice]) -> list[Incident]:
        """Take notices in order of arrival and the passing of time; return the incidents that changed."""
        situation = self.situation
        situation.now_s = max(situation.now_s, now_s)
        situation.changed = {}
        fresh = [event for notice in notices if (event := self._take(notice)) is not None]
        waiting = [event for event in fresh if not self._claim(event)]
        for event in waiting:
            if event.owner is None:
                self._place(event)
        self._run_timers()
        if situation.now_s - self._pruned_s > PRUNE_EVERY_S:
            self._pruned_s = situation.now_s
            situation.prune()
        return list(situation.changed.values())

    def _take(self, notice: Notice) -> Event | None:
        """Turn a notice into a new event, or join it to the one it repeats, continues or clears."""
        before = self.situation.current.get(notice.key)
        if notice.cleared:
            if before is not None and before.active:
                before.cleared_s = notice.arrived_s
                self._cleared(before)
            return None
        if before is not None and abs(before.stamped_s - notice.stamped_s) < REPEAT_S:
            before.alarms.append(notice.alarm)
            if before.owner is not None:
                self.situation.touch(before.owner)
            return None
        event = self.situation.open(notice)
        if before is None or before.owner is None or not self._continues(before, event):
            return event
        owner = before.owner
        if owner.strong and event.key.cause is Cause.SIGNAL and event.onset_s > owner.onsets[-1] + AGAIN_S:
            owner.onsets = [*owner.onsets[-7:], event.onset_s]
        self.situation.attach(owner, event, 0.0)
        return None

    def _continues(self, before: Event, event: Event) -> bool:
        """Whether the event only continues an older one of the same symptom: chatter, or a flapping root."""
        owner = before.owner
        assert owner is not None
        if event.key.cause is Cause.LOCAL:
            return True
        if event.key not in owner.effects.expect:
            return False
        since_s = event.arrived_s - (before.cleared_s if before.cleared_s is not None else before.arrived_s)
        return owner.strong and since_s < self.model.flap_s and owner.kind is not Kind.CHANGE

    def _cleared(self, event: Event) -> None:
        """A clear also tells that what the incident took down works again."""
        owner = event.owner
        if owner is None:
            return
        self.situation.touch(owner)
        if event.key.cause is Cause.UNREACHABLE and owner.kind is Kind.NODE:
            self._timer(self.now_s + 20.0, owner)
        if event.key.cause in ENDS and owner.kind not in POWERED:
            self.situation.repair(owner, set(owner.down_links), set(owner.down_devices))
        else:
            self.situation.repair(owner, *self.situation.elements(event, owner))

    def _claim(self, event: Event) -> bool:
        claimed = self.claims.claim(event)
        if claimed and event.key.cause is Cause.RESTART and event.owner is not None and event.owner.kind is not Kind.NODE:
            event.owner.settled = False  # what restarted was down itself: weigh again
            self._timer(self.now_s + 2.0, event.owner)
        return claimed

    # --- hypotheses ----------------------------------------------------------------------------------

    def _place(self, event: Event) -> None:
        """An event that nothing predicted: find its best explanation, or let it stand alone for now."""
        if event.key.cause is Cause.LOCAL or event.key.cause in PATIENT:
            self._stand_alone(event, None)
            self._timer(event.arrived_s + PATIENCE_S, event.owner)
        elif not self._pair(event):
            options = self._options([event])
            if not self._take_best(options):
                self._stand_alone(event, options[0] if options else None)

    def _pair(self, event: Event) -> bool:
        """Two symptoms that only a link missing in the inventory ties: one adjacency told by two, two unlinked ports at once."""
        situation = self.situation
        others: list[Event] = []
        if event.key.cause is Cause.ADJACENCY and event.key.resource not in situation.network.adjacencies:
            others = list(situation.same_adjacency(event))
            signals = situation.signals(event.key.device, event.onset_s, situation.timing.hold_s + 6.0, 3.0)
            others += [each for each in signals if not situation.network.ports[each.key.resource].links]
        elif event.key.cause is Cause.SIGNAL and self._is_unlinked(event):
            others = [
                other
                for weak in situation.weak.values()
                for other in weak.events
                if other.key.cause is Cause.SIGNAL
                and self._is_unlinked(other)
                and other.key.device != event.key.device
                and abs(other.onset_s - event.onset_s) < PAIR_S
            ]
        others = [other for other in others if other.owner is not None and not other.owner.strong and other.active]
        if not others:
            return False
        self._make_hidden([*others, event])
        return True

    def _is_unlinked(self, event: Event) -> bool:
        port = self.situation.network.ports.get(event.key.resource)
        return port is not None and not port.links

    def _make_hidden(self, events: Sequence[Event]) -> None:
        signal = next((event for event in events if event.key.cause is Cause.SIGNAL), None)
        if signal is not None:
            hypothesis = Hypothesis(Kind.HIDDEN, signal.key.resource)
        else:
            hypothesis = Hypothesis(Kind.ADJACENCY, events[0].key.resource)
        onset_s = min(event.onset_s for event in events)
        hits = {event: self.model.weight[event.key.cause] for event in events}
        match = Match(hypothesis, self.situation.compiler.effects(hypothesis), [onset_s], hits, 0.0)
        self._accept(match, [])

    def _stand_alone(self, event: Event, best: Option | None) -> None:
        guess = best[1].hypothesis if best is not None else self._unexplained(event)
        name = event.alarms[0]
        while name in self.situation.incidents:
            name += "-"
        incident = Incident(name, guess, event.onset_s, self.now_s)
        if event.key.cause not in self.model.blips:
            incident.score = min(0.0, best[0]) if best is not None else self.model.alone
        self.situation.incidents[name] = incident
        self.situation.weak[name] = incident
        self.situation.attach(incident, event, 0.0)
        if event.key.cause is not Cause.LOCAL:
            for delay in (5.0, self.situation.timing.hold_s + 12.0, self.model.noise_clear_s):
                self._timer(event.arrived_s + delay, incident)

    @staticmethod
    def _unexplained(event: Event) -> Hypothesis:
        return Hypothesis(Kind.LOCAL, event.key.resource)

    def _options(self, seeds: Sequence[Event]) -> list[Option]:
        """All hypotheses that explain one of the seeds, with their worth after what they would rob, best first."""
        found: list[Option] = []
        situation = self.situation
        seen = set()
        for seed in seeds:
            for hypothesis in situation.compiler.candidates(seed.key):
                if hypothesis in seen:
                    continue
                seen.add(hypothesis)
                match = situation.scorer.match(hypothesis, situation.compiler.effects(hypothesis), self.now_s)
                if match is None or seed not in match.hits or self._is_held(match, seeds):
                    continue
                robbed = self._rob(match)
                if match.hits:
                    found.append((situation.scorer.worth(match, robbed), match, robbed))
        found.sort(key=lambda each: (-each[0], each[1].hypothesis.kind.value, each[1].hypothesis.element))
        return found

    @staticmethod
    def _is_held(match: Match, seeds: Sequence[Event]) -> bool:
        """Whether the incident that holds the seeds says just this already."""
        owners = {event.owner for event in seeds}
        return any(owner is not None and owner.strong and owner.hypothesis == match.hypothesis for owner in owners)

    def _rob(self, match: Match) -> list[tuple[Incident, float]]:
        """Decide which incidents to take events from; hits that cost their owner more than they bring are left."""
        by_owner: dict[Incident, list[Event]] = {}
        for event in match.hits:
            if event.owner is not None:
                by_owner.setdefault(event.owner, []).append(event)
        robbed = []
        for owner, events in by_owner.items():
            if not owner.strong:
                robbed.append((owner, owner.score))  # a real symptom that stood alone cost this much
                continue
            gain = sum(match.hits[event] for event in events)
            current = self.situation.current
            left = sum(event not in match.hits and current.get(event.key) is event for event in owner.events)
            loss = max(0.0, min(owner.score + LEFT * left, sum(owner.events[event] for event in events)))
            if gain > loss:
                robbed.append((owner, loss))
            else:
                for event in events:
                    del match.hits[event]
        return robbed

    def _take_best(self, options: Sequence[Option]) -> bool:
        """Make the best explanation an incident if that explains more than it costs."""
        if not options or options[0][0] <= LEAST:
            return False
        rivals = [(match.hypothesis, worth) for worth, match, _ in options[1 : 1 + RIVALS]]
        self._accept(options[0][1], rivals).accepted = options[0][0]
        return True

    def _accept(self, match: Match, rivals: list[tuple[Hypothesis, float]]) -> Incident:
        situation = self.situation
        heirs = sorted(match.hits, key=lambda event: event.arrived_s)
        old = [event.owner for event in heirs if event.owner is not None]
        name = next((o.id for o in old if all(event in match.hits for event in o.events)), None) or heirs[0].alarms[0] + "+"
        for owner in dict.fromkeys(old):
            self._release(owner, [event for event in heirs if event.owner is owner])
        while name in situation.incidents:
            name += "+"
        incident = Incident(name, match.hypothesis, match.onset_s, self.now_s, match.effects, strong=True, rivals=rivals)
        incident.onsets = list(match.onsets)
        incident.score = situation.scorer.base(match)
        situation.incidents[name] = incident
        if incident.kind in OUTAGES and incident.kind not in POWERED:
            situation.fail(incident, match.effects.down_links, match.effects.down_devices)
        for event, gain in match.hits.items():
            situation.attach(incident, event, gain)
        situation.expect(incident)
        situation.recent.append(incident)
        timing = situation.timing
        for delay in (5.5, timing.hold_s + 8.0, timing.poll_s + 8.0, self._settle_s(incident)):
            self._timer(incident.onsets[-1] + delay, incident)
        self._sweep(incident)
        return incident

    def _settle_s(self, incident: Incident) -> float:
        base = max(self.situation.timing.hold_s, self.situation.timing.poll_s) + 30.0
        return base + (self.model.battery_s if incident.kind in POWERED else 0.0)

    def _release(self, owner: Incident, events: Sequence[Event]) -> None:
        """Take events from an incident; what is left of one that no longer stands is placed anew."""
        for event in events:
            gain = owner.events.pop(event)
            owner.score -= gain if owner.strong else 0.0
            event.owner = None
        self.situation.touch(owner)
        if owner.events and (not owner.strong or owner.score > 0):
            return
        rest = list(owner.events)
        self.situation.retire(owner)
        self._rehome(rest)

    def _rehome(self, events: Sequence[Event]) -> None:
        """Find a place for events whose incident is gone: another that predicts them, else alone until reviewed."""
        for event in events:
            event.owner = None
        for event in events:
            if event.owner is None and not self.claims.claim(event):
                self._stand_alone(event, next(iter(self._options([event])), None))

    def _sweep(self, incident: Incident) -> None:
        """A new incident may explain what stood alone before it."""
        near_s = self._settle_s(incident)
        for weak in list(self.situation.weak.values()):
            events = [event for event in weak.events if event.key.cause is not Cause.LOCAL]
            if any(abs(event.onset_s - incident.onset_s) < near_s for event in events):
                self._offer(weak, patient=False)

    def _offer(self, weak: Incident, *, patient: bool) -> None:
        """Offer the events of a weak incident to the strong ones."""
        for event in list(weak.events):
            if event.owner is weak and self.claims.claim(event, patient=patient) and event.owner is not weak:
                weak.events.pop(event, None)
        self.situation.touch(weak)
        if not weak.events:
            self.situation.retire(weak)

    # --- time ----------------------------------------------------------------------------------------

    def _timer(self, at_s: float, incident: Incident | None) -> None:
        if incident is not None and at_s > self.now_s:
            self._tick += 1
            heappush(self._timers, (at_s, self._tick, incident.id))

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now_s:
            _, _, name = heappop(self._timers)
            incident = self.situation.incidents.get(name)
            if incident is None:
                continue
            self.situation.touch(incident)
            if incident.strong:
                self._review(incident)
            elif all(event.key.cause is not Cause.LOCAL for event in incident.events):
                self._offer(incident, patient=True)
                if incident.events:
                    self._take_best(self._options(_seeds(incident)))

    def _review(self, incident: Incident) -> None:
        """Delayed evidence is due: weigh the incident again, beside its rivals."""
        scorer = self.situation.scorer
        match = Match(incident.hypothesis, incident.effects, incident.onsets, dict(incident.events), 0.0)
        scorer.count_misses(match, self.now_s)
        incident.missing = match.missing
        incident.score = scorer.base(match) + sum(incident.events.values()) + self._restart_missing(incident)
        if incident.settled:
            return
        if self._is_only_unreachable(incident) or (
            not self._take_best(self._options(_seeds(incident))) and incident.strong and incident.score < 0
        ):
            events = list(incident.events)
            self.situation.retire(incident)
            self._rehome(events)
        elif self.now_s - incident.onsets[-1] > self._settle_s(incident):
            incident.settled = True

    def _is_only_unreachable(self, incident: Incident) -> bool:
        """Devices that fell silent at the instant of a better founded outage belong to it."""
        if incident.kind is Kind.HIDDEN:
            return self.situation.nearest(DYING, incident.onset_s, SOFT_S + 1.0, SOFT_S, incident) is not None
        if not self.situation.is_incomplete or any(e.key.cause is not Cause.UNREACHABLE or not e.exact for e in incident.events):
            return False
        return self.situation.nearest(OUTAGES, incident.onset_s, SOFT_S, SOFT_S, incident) is not None

    def _restart_missing(self, incident: Incident) -> float:
        """A device that answers again and does not tell of a restart was most likely only cut off."""
        if incident.kind is not Kind.NODE:
            return 0.0
        device = incident.hypothesis.element
        gone = self.situation.current.get(Key(Cause.UNREACHABLE, device, device))
        if gone is None or gone.cleared_s is None or self.now_s - gone.cleared_s < 15.0:
            return 0.0
        return 0.0 if incident.has(Cause.RESTART) else self.model.no_restart
