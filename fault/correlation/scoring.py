"""Match: how well a hypothesis explains what is open, and what it says should be there and is not.

All in natural logarithms of probabilities (`model.Model`). A hypothesis is worth its rate, plus for each event it
explains the likelihood of it against the leak of such events, minus what is due and absent. The onset is chosen
where the events fit best; the width of the narrowest window among them pays for that choice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log

from fault.correlation.effects import Effects, Timing
from fault.correlation.incident import Event, Incident
from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model, Profile
from fault.correlation.network import Network

ANCHORS = 6  # onsets tried for one hypothesis
ONSETS_MAX = 32
QUIET = frozenset({Kind.ADJACENCY, Kind.CHANGE, Kind.SILENT})  # these leave the ports lit
POWERED = frozenset({Kind.SITE, Kind.AREA})
MAINS = frozenset({Cause.POWER, Cause.BATTERY})
EXACT = (-1.3, 1.3)  # the window of an event whose onset is known: as wide as other clocks are unsure
EARLY_PER_S, LATE_PER_S, LOOSE_PER_S = 2.0, 1.5, 0.2  # lost for each second outside its window
EARLY_MAX_S, LATE_MAX_S = 2.0, 4.0

Pair = tuple[Event, Profile]


@dataclass(slots=True)
class Match:
    """A hypothesis held against the open events. `hits` event -> what explaining it adds, against it being alone."""

    hypothesis: Hypothesis
    effects: Effects
    onsets: list[float]
    hits: dict[Event, float]
    chosen: float = 0.0  # what the choice of the onsets costs or pays back
    misses: float = 0.0
    missing: list[Key] = field(default_factory=list)

    @property
    def onset_s(self) -> float:
        return self.onsets[0]


class Scorer:
    def __init__(
        self,
        network: Network,
        model: Model,
        timing: Timing,
        current: Mapping[Key, Event],
        is_mute: Callable[[str], bool],
        unlinked: float,
    ) -> None:
        self.network = network
        self.model = model
        self.timing = timing
        self.current = current
        self.is_mute = is_mute
        self.unlinked = unlinked  # share of ports without a link
        self.hidden_way = log(0.003 + unlinked)  # that a device has a way which the inventory does not know

    def match(self, hypothesis: Hypothesis, effects: Effects, now_s: float, since_s: float, own: Incident | None = None) -> Match | None:
        """Hold a hypothesis against all events that are free or may be robbed. None where it explains nothing.

        What ended before `since_s`, when the event in question began, keeps its events, and takes none that began later.
        """
        free = self._free(effects, since_s, own)
        if free and hypothesis.kind in QUIET:
            free = [(event, profile) for event, profile in free if not self._is_dark(event)]
        if not free:
            return None
        match = Match(hypothesis, effects, [], {})
        first = [pair for pair in free if not pair[1].later]
        later = [pair for pair in free if pair[1].later]
        if first:
            onset_s, hits, total = self._best_onset(first)
            match.onsets, match.hits, match.chosen = [onset_s], hits, total - sum(hits.values())
        if not match.onsets:
            if hypothesis.kind is not Kind.CHANGE:
                return None
            match.onsets = [min(event.onset_s for event, _ in later) - self.model.change_s[0]]
        if later or hypothesis.kind is Kind.LINK:
            self._add_onsets(match, later or first)
        if not match.hits or not self._is_plausible(hypothesis, match.hits):
            return None
        self.count_misses(match, now_s)
        return match

    def _free(self, effects: Effects, since_s: float, own: Incident | None) -> list[Pair]:
        current, found = self.current, []
        for key, profile in effects.expect.items():
            event = current.get(key)
            if event is not None:
                owner = event.owner
                if own is not None and owner is not own and own.ended_before(event.onset_s):
                    continue
                if owner is None or not owner.strong or (not event.echo and (owner is own or not self._is_kept(owner, since_s))):
                    found.append((event, profile))
        return found

    @staticmethod
    def _is_kept(owner: Incident, since_s: float) -> bool:
        return owner.settled or owner.ended_before(since_s)

    def _is_dark(self, event: Event) -> bool:
        """Whether the adjacency fell because its link lost signal: then nothing quiet explains it."""
        if event.owner is not None and event.owner.strong and event.owner.kind is Kind.HIDDEN:
            return True
        if event.key.cause is not Cause.ADJACENCY or (name := self.network.adjacencies.get(event.key.resource)) is None:
            return False
        link = self.network.links[name]
        for device, port in zip(link.devices, link.ports, strict=True):
            signal = self.current.get(Key(Cause.SIGNAL, port, device))
            if signal is not None and -3.0 <= event.onset_s - signal.onset_s <= self.timing.hold_s + 6.0:
                return True
        return False

    def _is_plausible(self, hypothesis: Hypothesis, hits: dict[Event, float]) -> bool:
        causes = {event.key.cause for event in hits}
        if hypothesis.kind is Kind.AREA:
            return len({self.network.devices[e.key.device].site for e in hits if e.key.cause in MAINS}) > 1
        if hypothesis.kind is Kind.ADJACENCY and hypothesis.element not in self.network.adjacencies:
            return len(hits) > 1
        if hypothesis.kind is Kind.SITE:
            return bool(causes & MAINS)
        if hypothesis.kind is Kind.CHANGE:
            broken = {self.network.adjacencies.get(e.key.resource) for e in hits if e.key.cause is Cause.ADJACENCY}
            for event in [e for e in hits if e.key.cause is Cause.PATH]:
                if broken.isdisjoint(self.network.lsps[event.key.resource].path):
                    del hits[event]
            return bool(broken)
        return True

    # --- onsets --------------------------------------------------------------------------------------

    def _best_onset(self, pairs: list[Pair], least_s: float = -1e18, most_s: float = 1e18) -> tuple[float, dict[Event, float], float]:
        """The onset between two times under which the events fit best, what fits, and what that is worth in all."""
        anchors = self._anchors(pairs)
        best: tuple[float, float, dict[Event, float]] = (-1e9, 0.0, {})
        gain = self.gain
        for onset_s in anchors:
            if not least_s <= onset_s <= most_s:
                continue
            hits: dict[Event, float] = {}
            narrow = 1e9
            for event, profile in pairs:
                value = gain(profile, event, onset_s)
                if value is not None and value > 0.0:
                    hits[event] = value
                    narrow = min(narrow, EXACT[1] - EXACT[0] if event.exact else profile.last_s - profile.first_s)
            total = sum(hits.values()) + log(narrow) if hits else -1e9
            if total > best[0] + 1e-9:
                best = (total, onset_s, hits)
        return best[1], best[2], best[0]

    @staticmethod
    def _anchors(pairs: list[Pair]) -> list[float]:
        """Onsets worth trying: those that the events with the narrowest windows tell."""
        ordered = sorted(
            pairs, key=lambda pair: (pair[0].loose, 0.0 if pair[0].exact else pair[1].last_s - pair[1].first_s, pair[0].onset_s)
        )
        found: list[float] = []
        for event, profile in ordered:
            onset_s = event.onset_s if event.exact else event.onset_s - max(profile.first_s, 0.0)
            if all(abs(onset_s - each) > 0.2 for each in found):
                found.append(onset_s)
                if len(found) == ANCHORS:
                    break
        return found

    def _add_onsets(self, match: Match, pairs: list[Pair]) -> None:
        """Further onsets of one failure, each at its price: flaps of a link, batteries that end, what a change breaks."""
        kind, base_s = match.hypothesis.kind, match.onsets[0]
        least_s, most_s, limit = self._span(kind, base_s)
        later: list[float] = []
        is_unseen = not match.hits  # nobody told of the first onset, so the further ones are not tied to it
        rest = [pair for pair in pairs if pair[0] not in match.hits]
        while rest and len(later) < limit:
            onset_s, hits, total = self._best_onset(rest, least_s, most_s)
            price = 0.0 if is_unseen else self._price(kind, onset_s, later)
            if not hits or total + price <= 0.0:
                break
            later.append(onset_s)
            match.hits |= hits
            match.chosen += total - sum(hits.values()) + price
            rest = [pair for pair in rest if pair[0] not in hits]
        match.onsets = sorted([base_s, *later]) if kind is Kind.LINK else [base_s, *later]

    def _span(self, kind: Kind, base_s: float) -> tuple[float, float, int]:
        if kind is Kind.LINK:
            return base_s - self.model.flap_s, base_s + self.model.flap_s, 8
        if kind is Kind.CHANGE:
            return base_s + self.model.change_s[0], base_s + self.model.change_s[1], 1
        return base_s, base_s + self.model.battery_s, ONSETS_MAX

    def _price(self, kind: Kind, onset_s: float, later: list[float]) -> float:
        if kind is Kind.LINK:
            return -log(self.model.flap_s) + (0.0 if later else self.model.flap)
        if kind is Kind.CHANGE:
            return -log(self.model.change_s[1] - self.model.change_s[0])
        near = any(abs(onset_s - each) <= self.model.site_s for each in later)
        return -log(2 * self.model.site_s) if near else -log(self.model.battery_s)

    def added_onset(self, incident: Incident, profile: Profile, event: Event) -> float | None:
        """What the event adds as the first of a further onset of the incident; None where none can be."""
        kind = incident.kind
        least_s, most_s, limit = self._span(kind, incident.onsets[0])
        if not least_s <= event.onset_s <= most_s or len(incident.onsets) > limit:
            return None
        gain = self.gain(profile, event, event.onset_s - max(profile.first_s, 0.0))
        width = EXACT[1] - EXACT[0] if event.exact else profile.last_s - profile.first_s
        return None if gain is None else gain + log(width) + self._price(kind, event.onset_s, incident.onsets[1:])

    def gain(self, profile: Profile, event: Event, onset_s: float) -> float | None:
        """What explaining this event adds against it being alone; None where its time cannot be."""
        first_s, last_s = EXACT if event.exact else (profile.first_s, profile.last_s)
        delay = event.onset_s - onset_s
        outside = 0.0
        if delay < first_s:
            if first_s - delay > EARLY_MAX_S:
                return None
            outside = (first_s - delay) * EARLY_PER_S
        elif delay > last_s:
            late = delay - last_s
            if late > (self.model.late_s if event.loose else LATE_MAX_S):
                return None
            outside = late * (LOOSE_PER_S if event.loose else LATE_PER_S)
        return log(profile.p / (last_s - first_s)) - outside - self.model.leak[event.key.cause]

    # --- what is absent ------------------------------------------------------------------------------

    def count_misses(self, match: Match, now_s: float) -> None:
        """Add the log-likelihood of what is due by now and absent, unless its sender could not have told."""
        total = paths = unreachable = 0.0
        hit = {event.key for event in match.hits}
        talking = {event.key.device for event in match.hits if event.key.cause is not Cause.UNREACHABLE}
        missing = []
        onset_s = match.onsets[-1] if match.hypothesis.kind is Kind.LINK else match.onsets[0]
        due_s = now_s - onset_s
        for key, profile in match.effects.expect.items():
            if not profile.due or due_s <= profile.last_s + 1.5 or key in hit:
                continue
            event = self.current.get(key)
            if event is not None and (event.active or abs(event.onset_s - onset_s) < self.timing.poll_s):
                continue  # it is there, told before or claimed by another: no evidence either way
            if key.cause is not Cause.UNREACHABLE and key.device not in talking and self.is_mute(key.device):
                continue
            missing.append(key)
            value = log(1.0 - profile.p)
            if key.cause is Cause.PATH:
                paths += value
            elif key.cause is Cause.UNREACHABLE and key.device in match.effects.cut:
                unreachable += value
            else:
                total += value
        match.missing = missing
        match.misses = total + max(paths, self.model.paths_missing) + max(unreachable, self.hidden_way)

    def base(self, match: Match) -> float:
        """What the hypothesis costs before it explains anything."""
        return self.model.rate[match.hypothesis.kind] + match.misses + match.chosen
