"""Explain away: keep the set of supposed faults that explains the open events best.

A local search that never looks at more than the neighbourhood of what is new: an event is first
offered to the incidents that predict it; an unpredicted one raises the hypotheses it may come from, and
the best of them takes the events it explains from weaker incidents. What is due and absent is weighed
again when its delay has passed. Nothing here does I/O or reads a clock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import NamedTuple

from fault.correlation.claims import SOFT_S, Claims
from fault.correlation.incident import GUESSES, OUTAGES, POWERED, Event, Incident, Notice
from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model
from fault.correlation.network import Link, Network
from fault.correlation.scoring import Match
from fault.correlation.situation import Situation

REPEAT_S = 0.05  # notifications of one key with the same stamp are repeats
AGAIN_S = 15.0  # loss of signal that returns after this long is a flap, not a late notification
ENDS = frozenset({Cause.UNREACHABLE, Cause.PATH})  # the clear of a consequence ends the whole outage
PATIENT = frozenset({Cause.PATH, Cause.SLOW_PATH, Cause.RESTART})  # these come from far away: wait for nearer evidence
FAR = frozenset({Cause.PATH, Cause.SLOW_PATH, Cause.UNREACHABLE})
RETOLD = frozenset({Cause.PATH, Cause.ADJACENCY, Cause.UNREACHABLE})  # said again while it stands, these say nothing new
NEAR_SEEDS = 8
FAR_SEEDS = 4
PATIENCE_S = 6.0
LEAST = 0.3  # a new explanation must be better by this
BETTER = 1.0  # an event changes hands only where it is explained better by this
RIVALS = 5
PAIR_S = 2.0
CHATTER_MAX = 40  # of one chattering port in one incident
SWEPT_MAX = 200  # while no more than this stands alone, a new incident is held against all of it
HIDDEN_GAIN = 9.0  # what tying an event to another by time alone is worth
RESTART_MISSING = -2.5  # a device that was down tells of its restart

DYING = frozenset({Kind.NODE, Kind.SITE, Kind.AREA, Kind.DUCT, Kind.CARD})


class Option(NamedTuple):
    """A hypothesis that would explain more: `worth` what all explanations together gain by it, `ends` what it replaces."""

    worth: float
    match: Match
    ends: list[Incident]


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
        self._timers: list[tuple[float, int, Incident]] = []
        self._tick = 0

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
            self.situation.resume(before, notice.alarm)
            return None
        event = self.situation.open(notice)
        if before is None or before.owner is None or not self._continues(before, event):
            return event
        owner = before.owner
        if before.active and event.key.cause in RETOLD:
            self.situation.resume(before, notice.alarm)
            return None
        if owner.strong and event.key.cause is Cause.SIGNAL and event.onset_s > owner.onsets[-1] + AGAIN_S:
            owner.onsets = [*owner.onsets[-7:], event.onset_s]
        event.echo = True
        self.situation.attach(owner, event, 0.0)
        return None

    def _continues(self, before: Event, event: Event) -> bool:
        """Whether the event only continues an older one of the same symptom: chatter, or a flapping root."""
        owner = before.owner
        assert owner is not None
        if event.key.cause is Cause.LOCAL:
            return len(owner.events) < CHATTER_MAX
        if event.key not in owner.effects.expect:
            return False
        if owner.ended_before(event.onset_s):
            return False
        since_s = event.arrived_s - (before.cleared_s if before.cleared_s is not None else before.arrived_s)
        return owner.strong and since_s < self.model.flap_s and owner.kind is not Kind.CHANGE

    def _cleared(self, event: Event) -> None:
        """A clear also tells that what the incident took down works again."""
        owner = event.owner
        if owner is None:
            return
        owner.touched_s = self.now_s
        if event.key.cause is Cause.UNREACHABLE and owner.kind is Kind.NODE:
            owner.settled = False  # whether it tells of a restart now is evidence
            self._timer(self.now_s + 20.0, owner)
        if event.key.cause in ENDS and owner.kind not in POWERED:
            self.situation.repair(owner, set(owner.down_links), set(owner.down_devices))
        else:
            self.situation.repair(owner, *self.situation.elements(event, owner))

    def _claim(self, event: Event) -> bool:
        claimed = self.claims.claim(event)
        if claimed and event.key.cause is Cause.RESTART and event.owner is not None and event.owner.kind is not Kind.NODE:
            self._restarted(event.owner, event)
        return claimed

    def _restarted(self, incident: Incident, event: Event) -> None:
        """What restarted was down itself: a rival that says so takes the place of what would only have cut it off."""
        situation = self.situation
        for hypothesis, worth in incident.rivals if event.key not in incident.effects.expect else ():
            effects = replace(situation.compiler.effects(hypothesis), down_links=frozenset(), down_devices=frozenset())  # it is back
            profile = effects.expect.get(event.key)
            gain = situation.scorer.gain(profile, event, incident.onset_s) if profile is not None else None
            if gain is not None and worth + gain > BETTER:
                hits = {**incident.events, event: gain}
                new = self._accept(Option(worth, Match(hypothesis, effects, list(incident.onsets), hits), [incident]), [])
                new.settled = True
                return
        incident.settled = False
        self._timer(self.now_s + 2.0, incident)

    # --- the network changes -------------------------------------------------------------------------

    def rewire(self, added: Sequence[Link], removed: Sequence[str]) -> None:
        """Take changed links into the picture, and weigh anew what they touch and what nothing explained."""
        situation = self.situation
        touched: set[str] = set()
        for name in removed:
            touched.update(situation.network.disconnect(name).devices)
            situation.forget_link(name)
        for link in added:
            situation.network.connect(link)
            situation.forget_link(link.id)
            touched.update(link.devices)
        situation.reach.epoch += 1
        gone = set(removed)
        for incident in list(situation.incidents.values()):
            is_touched = not gone.isdisjoint(incident.effects.down_links) or any(event.key.device in touched for event in incident.events)
            if is_touched or (not incident.strong and incident.id in situation.weak):
                events = list(incident.events)
                situation.retire(incident)
                for event in events:
                    event.owner, event.echo = None, False
                self._rehome(events)

    # --- hypotheses ----------------------------------------------------------------------------------

    def _place(self, event: Event) -> None:
        """An event that nothing predicted: find its best explanation, or let it stand alone for now."""
        if event.key.cause is Cause.LOCAL:
            self._stand_alone(event, None)
        elif event.key.cause in PATIENT:
            self._stand_alone(event, None)
            self._timer(event.arrived_s + PATIENCE_S, event.owner)
        elif not self._pair(event):
            self._explain(event)

    def _explain(self, event: Event) -> None:
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
            ] + list(situation.unknown_sessions(event))
        others = [other for other in others if other.active and other.owner is not None and self._is_guess(other.owner)]
        if not others:
            return False
        self._make_hidden([*others, event])
        return True

    @staticmethod
    def _is_guess(owner: Incident) -> bool:
        """Whether nothing speaks for it but what it explains: it stands alone, or is a change that nobody told of."""
        return not owner.strong or (owner.kind is Kind.CHANGE and not owner.has(Cause.CHANGED))

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
        hits = dict.fromkeys(events, HIDDEN_GAIN)
        match = Match(hypothesis, self.situation.compiler.effects(hypothesis), [onset_s], hits)
        self._accept(Option(0.0, match, []), [])

    def _stand_alone(self, event: Event, best: Option | None) -> None:
        guess = best.match.hypothesis if best is not None else Hypothesis(Kind.LOCAL, event.key.resource)
        name = event.alarms[0]
        while name in self.situation.incidents:
            name += "-"
        incident = Incident(name, guess, event.onset_s, self.now_s)
        self.situation.incidents[name] = incident
        self.situation.attach(incident, event, 0.0)
        if event.key.cause is not Cause.LOCAL:
            self.situation.weak[name] = incident
            for delay in (5.0, self.situation.timing.hold_s + 12.0, self.model.noise_clear_s):
                self._timer(event.arrived_s + delay, incident)

    def _options(self, seeds: Sequence[Event], own: Incident | None = None) -> list[Option]:
        """All hypotheses that explain one of the seeds, with what they add to the whole, best first."""
        found: list[Option] = []
        situation = self.situation
        seen = set()
        since_s = min((seed.onset_s for seed in seeds), default=self.now_s)
        for seed in seeds:
            for hypothesis in situation.suspects.of(seed.key, own):
                if hypothesis in seen:
                    continue
                seen.add(hypothesis)
                match = situation.scorer.match(hypothesis, situation.compiler.effects(hypothesis), self.now_s, since_s, own)
                if match is not None and seed in match.hits and (option := self._weigh(match)) is not None:
                    found.append(option)
        found.sort(key=lambda each: (-each.worth, each.match.hypothesis.kind.value, each.match.hypothesis.element))
        return found

    def _weigh(self, match: Match) -> Option | None:
        """What the match adds, less what incidents lose whose events it takes: those it explains better, or all of one that ends."""
        by_owner: dict[Incident, list[Event]] = {}
        for event in match.hits:
            if event.owner is not None and event.owner.strong:
                by_owner.setdefault(event.owner, []).append(event)
        lost = 0.0
        ends = []
        for owner, events in by_owner.items():
            better = [event for event in events if match.hits[event] > owner.events[event] + BETTER]
            some = sum(match.hits[event] - owner.events[event] for event in better)
            if sum(match.hits[event] for event in events) - owner.score > some or owner.hypothesis == match.hypothesis:
                ends.append(owner)
                lost += owner.score
            else:
                lost += sum(owner.events[event] for event in better)
                for event in events:
                    if event not in better:
                        del match.hits[event]
        if not match.hits:
            return None
        return Option(self.situation.scorer.base(match) + sum(match.hits.values()) - lost, match, ends)

    def _take_best(self, options: Sequence[Option], own: Incident | None = None) -> bool:
        """Make the best explanation an incident if that explains more than it costs. `own` is the one under review."""
        rivals = [option for option in options if own is None or own in option.ends]
        if own is not None:
            own.rivals = [(each.match.hypothesis, each.worth) for each in rivals if each.match.hypothesis != own.hypothesis][:RIVALS]
        if not options or options[0].worth <= LEAST:
            return False
        best = options[0]
        beside = [(each.match.hypothesis, each.worth - best.worth) for each in rivals if each is not best]
        self._accept(best, beside[:RIVALS])
        return True

    def _accept(self, option: Option, rivals: list[tuple[Hypothesis, float]]) -> Incident:
        situation, match = self.situation, option.match
        heirs = sorted(match.hits, key=lambda event: event.arrived_s)
        old = list(dict.fromkeys(event.owner for event in heirs if event.owner is not None))
        name = next((o.id for o in old if all(event in match.hits for event in o.events)), None) or heirs[0].alarms[0] + "+"
        left = [event for owner in old for event in self._release(owner, match.hits, ends=owner in option.ends)]
        earlier, before = self._earlier(match), list[Event]()
        if earlier is not None:
            name, before = earlier.id, list(earlier.events)
            situation.retire(earlier)
        while name in situation.incidents:
            name += "+"
        incident = Incident(name, match.hypothesis, match.onset_s, self.now_s, match.effects, strong=True, rivals=rivals)
        incident.onsets = list(match.onsets)
        incident.chosen, incident.missing = match.chosen, match.missing
        incident.score = situation.scorer.base(match)
        situation.incidents[name] = incident
        incident.guessed = incident.kind in GUESSES and all(event.key.cause is Cause.UNREACHABLE for event in match.hits)
        stands = any(event.active and event.key.cause is not Cause.RESTART for event in match.hits)
        if stands and incident.kind in OUTAGES and incident.kind not in POWERED:
            situation.fail(incident, match.effects.down_links, match.effects.down_devices)
        for event in before:
            event.echo = True
            situation.attach(incident, event, 0.0)
        for event, gain in match.hits.items():
            situation.attach(incident, event, gain)
        situation.expect(incident)
        situation.recent.append(incident)
        timing = situation.timing
        for delay in (5.5, timing.hold_s + 8.0, timing.poll_s + 8.0, self._settle_s(incident)):
            self._timer(incident.onsets[-1] + delay, incident)
        self._rehome(left)
        self._sweep(incident)
        return incident

    def _earlier(self, match: Match) -> Incident | None:
        """The same failure as it stood lately, before all of it was over: now it is back."""
        since_s = match.onset_s - self.model.flap_s
        for incident in reversed(self.situation.recent):
            is_same = incident.strong and incident.hypothesis == match.hypothesis
            if is_same and incident.touched_s >= since_s and incident.ended_before(match.onset_s):
                return incident
        return None

    def _settle_s(self, incident: Incident) -> float:
        base = max(self.situation.timing.hold_s, self.situation.timing.poll_s) + 30.0
        return base + (self.model.battery_s if incident.kind in POWERED else 0.0)

    def _release(self, owner: Incident, taken: Mapping[Event, float], *, ends: bool) -> list[Event]:
        """Take events from an incident; return what is left without one, if it no longer stands."""
        for event in [each for each in owner.events if each in taken]:
            gain = owner.events.pop(event)
            owner.score -= gain if owner.strong else 0.0
            event.owner = None
        self.situation.touch(owner)
        if owner.events and not ends and (not owner.strong or owner.score > 0):
            return []
        rest = list(owner.events)
        self.situation.retire(owner)
        for event in rest:
            event.owner, event.echo = None, False
        return rest

    def _rehome(self, events: Sequence[Event]) -> None:
        """Find a place for events whose incident is gone: another that predicts them, else the best explanation, else alone."""
        for event in events:
            if event.owner is None and self.situation.is_present(event) and not self.claims.claim(event):
                self._explain(event)
            elif event.owner is None:
                self._stand_alone(event, None)

    def _sweep(self, incident: Incident) -> None:
        """A new incident may explain what stood alone before it."""
        near_s, situation = self._settle_s(incident), self.situation
        if len(situation.weak) <= SWEPT_MAX:
            found = [weak for weak in situation.weak.values() if abs(weak.onset_s - incident.onset_s) < near_s]
        else:
            events = [event for key in incident.effects.expect if (event := situation.current.get(key)) is not None]
            found = list(dict.fromkeys(event.owner for event in events if event.owner is not None and not event.owner.strong))
        for weak in found:
            if weak.id in situation.weak:
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
            heappush(self._timers, (at_s, self._tick, incident))

    def _run_timers(self) -> None:
        while self._timers and self._timers[0][0] <= self.now_s:
            _, _, incident = heappop(self._timers)
            if self.situation.incidents.get(incident.id) is not incident:
                continue
            if incident.strong:
                self._review(incident)
                continue
            self.situation.touch(incident)
            if all(event.key.cause is Cause.LOCAL for event in incident.events):
                continue
            self._offer(incident, patient=True)
            if incident.events and not self._take_best(options := self._options(_seeds(incident))) and options:
                incident.hypothesis = options[0].match.hypothesis
                incident.rivals = [(each.match.hypothesis, each.worth - options[0].worth) for each in options[1 : 1 + RIVALS]]

    def _review(self, incident: Incident) -> None:
        """Delayed evidence is due: weigh the incident again, beside its rivals."""
        scorer = self.situation.scorer
        match = Match(incident.hypothesis, incident.effects, incident.onsets, dict(incident.events), incident.chosen)
        scorer.count_misses(match, self.now_s)
        incident.missing = match.missing
        incident.score = scorer.base(match) + sum(incident.events.values()) + self._restart_missing(incident)
        weighed = (len(incident.events), incident.score)
        is_over = self.now_s - incident.onsets[-1] > self._settle_s(incident)
        if incident.settled or (weighed == incident.weighed and not is_over):
            return
        incident.weighed = weighed
        self.situation.touch(incident)
        if self._is_only_unreachable(incident) or (
            not self._take_best(self._options(_seeds(incident), incident), incident) and incident.strong and incident.score < 0
        ):
            events = list(incident.events)
            self.situation.retire(incident)
            for event in events:
                event.owner, event.echo = None, False
            self._rehome(events)
        elif is_over:
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
        return 0.0 if incident.has(Cause.RESTART) else RESTART_MISSING
