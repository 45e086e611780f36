"""Match: how well a hypothesis explains what is open, and what it says should be there and is not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import log

from fault.correlation.effects import Effects, Timing
from fault.correlation.incident import Event, Incident
from fault.correlation.model import Cause, Hypothesis, Key, Kind, Model, Profile
from fault.correlation.network import Network

ANCHORS = 8  # onsets tried for one hypothesis
QUIET = frozenset({Kind.ADJACENCY, Kind.CHANGE, Kind.SILENT})  # these leave the ports lit
MAX_FLAPS = 8
MAINS = frozenset({Cause.POWER, Cause.BATTERY})
TIGHT_S = 40.0
EXACT_S = 3.0
PENALTY_PER_S = 0.4


@dataclass(slots=True)
class Match:
    """A hypothesis held against the open events. `hits` event -> log-likelihood gain; `score` without what it would rob."""

    hypothesis: Hypothesis
    effects: Effects
    onsets: list[float]
    hits: dict[Event, float]
    misses: float
    flapped: float = 0.0
    missing: list[Key] = field(default_factory=list)

    @property
    def onset_s(self) -> float:
        return self.onsets[0]


def fit(profile: Profile, event: Event, onset_s: float, model: Model) -> float | None:
    """Log-likelihood of the event's time under the profile, None where it cannot be (too early, far too late)."""
    delay = event.onset_s - onset_s
    last = profile.last_s
    if event.exact and last < model.battery_s:
        last = EXACT_S
    if delay < profile.first_s:
        return None
    if delay <= last:
        if last >= model.battery_s:
            return 0.0
        return -0.5 * abs(delay) / (last - profile.first_s)
    late = delay - last
    return -0.5 - PENALTY_PER_S * late if late <= model.late_s else None


class Scorer:
    def __init__(
        self, network: Network, model: Model, timing: Timing, current: Mapping[Key, Event], is_mute: Callable[[str], bool]
    ) -> None:
        self.network = network
        self.model = model
        self.timing = timing
        self.current = current
        self.is_mute = is_mute

    def match(self, hypothesis: Hypothesis, effects: Effects, now_s: float, own: Incident | None = None) -> Match | None:
        """Hold a hypothesis against all events that are free or may be robbed. None where it explains nothing."""
        free: list[tuple[Event, Profile]] = []
        for key, profile in effects.expect.items():
            event = self.current.get(key)
            if event is not None and self._is_free(event, own):
                free.append((event, profile))
        if not free:
            return None
        if hypothesis.kind in QUIET:
            free = [(event, profile) for event, profile in free if not self._is_dark(event)]
        onset_s, hits, _ = self._best_onset(free)
        if not hits or not self._is_plausible(hypothesis, hits):
            return None
        match = Match(hypothesis, effects, [onset_s], hits, 0.0)
        if hypothesis.kind is Kind.LINK:
            self._add_flaps(match, free)
        self.count_misses(match, now_s)
        return match

    def _is_dark(self, event: Event) -> bool:
        """Whether the adjacency fell because its link lost signal: then nothing quiet explains it."""
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
        if hypothesis.kind is Kind.SITE:
            return bool(causes & MAINS)
        if hypothesis.kind is Kind.CHANGE:
            broken = {self.network.adjacencies.get(e.key.resource) for e in hits if e.key.cause is Cause.ADJACENCY}
            for event in [e for e in hits if e.key.cause is Cause.PATH]:
                if broken.isdisjoint(self.network.lsps[event.key.resource].path):
                    del hits[event]
            own = [e for e in hits if e.key.cause is Cause.ADJACENCY and e.key.device == hypothesis.element]
            return bool(broken) and (Cause.CHANGED in causes or len(own) > 1)
        return True

    def _add_flaps(self, match: Match, free: list[tuple[Event, Profile]]) -> None:
        """A link may come and go: further onsets near the first, each at a price."""
        while len(match.onsets) < MAX_FLAPS:
            rest = [pair for pair in free if pair[0] not in match.hits and abs(pair[0].onset_s - match.onsets[0]) < self.model.flap_s]
            onset_s, hits, total = self._best_onset(rest) if rest else (0.0, {}, 0.0)
            if total + self.model.flap <= 0.0:
                break
            match.onsets.append(onset_s)
            match.hits |= hits
        match.flapped = self.model.flap * (len(match.onsets) - 1)
        match.onsets.sort()

    @staticmethod
    def _is_free(event: Event, own: Incident | None) -> bool:
        owner = event.owner
        return owner is None or owner is own or not owner.strong or not owner.settled

    def _best_onset(self, free: list[tuple[Event, Profile]]) -> tuple[float, dict[Event, float], float]:
        """The onset under which the events fit best. Tight profiles (LOS, mains) tell it best, so they are tried first."""
        ordered = sorted(free, key=lambda pair: (pair[1].last_s - pair[1].first_s > TIGHT_S and not pair[0].exact, pair[0].onset_s))
        anchors = dict.fromkeys(round(event.onset_s - max(profile.first_s, 0.0), 3) for event, profile in ordered[:ANCHORS])
        best: tuple[float, float, dict[Event, float]] = (-1.0, 0.0, {})
        for onset_s in anchors:
            hits = {}
            for event, profile in free:
                gain = self.gain(profile, event, onset_s)
                if gain is not None and gain > 0:
                    hits[event] = gain
            total = sum(hits.values())
            if total > best[0] + 1e-9:
                best = (total, onset_s, hits)
        return best[1], best[2], best[0]

    def gain(self, profile: Profile, event: Event, onset_s: float) -> float | None:
        """What explaining this event is worth: against it being alone, by its cause, its likelihood, and its time."""
        timely = fit(profile, event, onset_s, self.model)
        if timely is None:
            return None
        return self.model.weight[event.key.cause] + log(profile.p) + timely

    def count_misses(self, match: Match, now_s: float) -> None:
        """Add the log-likelihood of what is due by now and absent, unless its sender could not have told."""
        total = paths = unreachable = 0.0
        hit = {event.key for event in match.hits}
        talking = {event.key.device for event in match.hits if event.key.cause is not Cause.UNREACHABLE}
        missing = []
        due_s = now_s - match.onset_s
        for key, profile in match.effects.expect.items():
            if not profile.due or due_s <= profile.last_s + 1.0 or key in hit:
                continue
            event = self.current.get(key)
            if event is not None and (event.active or abs(event.onset_s - match.onset_s) < self.timing.poll_s):
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
        match.misses = total + max(paths, self.model.path_misses) + max(unreachable, self.model.unreachable_misses)

    def base(self, match: Match) -> float:
        """What the hypothesis costs before it explains anything."""
        return self.model.prior[match.hypothesis.kind] + match.misses + match.flapped

    def worth(self, match: Match, robbed: Iterable[tuple[Incident, float]]) -> float:
        """Score of a match: prior, hits, misses; `robbed` gives what other incidents lose."""
        return self.base(match) + sum(match.hits.values()) - sum(loss for _, loss in robbed)
