"""Match: how well a hypothesis explains what is open, and what it says should be there and is not."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import log

from fault.correlation.effects import Effects, Timing
from fault.correlation.incident import POWERED, Event, Incident
from fault.correlation.model import Cause, Hypothesis, Key, Model, Profile

ANCHORS = 8  # onsets tried for one hypothesis
MAINS = frozenset({Cause.POWER, Cause.BATTERY})
TIGHT_S = 40.0
EXACT_S = 3.0
PENALTY_PER_S = 0.4


@dataclass(slots=True)
class Match:
    """A hypothesis held against the open events. `hits` event -> log-likelihood gain; `score` without what it would rob."""

    hypothesis: Hypothesis
    effects: Effects
    onset_s: float
    hits: dict[Event, float]
    misses: float
    missing: list[Key] = field(default_factory=list)


def fit(profile: Profile, event: Event, onset_s: float, model: Model) -> float | None:
    """Log-likelihood of the event's time under the profile, None where it cannot be (too early, far too late)."""
    delay = event.onset_s - onset_s
    last = profile.last_s
    if event.exact and last < model.battery_s:
        last = EXACT_S
    if delay < profile.first_s:
        return None
    if delay <= last:
        return -min(0.6, 0.03 * abs(delay))
    late = delay - last
    return -0.6 - PENALTY_PER_S * late if late <= model.late_s else None


class Scorer:
    def __init__(self, model: Model, timing: Timing, current: Mapping[Key, Event], is_mute: Callable[[str], bool]) -> None:
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
        onset_s, hits = self._best_onset(free)
        if not hits or (hypothesis.kind in POWERED and not any(event.key.cause in MAINS for event in hits)):
            return None
        match = Match(hypothesis, effects, onset_s, hits, 0.0)
        self.count_misses(match, now_s)
        return match

    @staticmethod
    def _is_free(event: Event, own: Incident | None) -> bool:
        owner = event.owner
        return owner is None or owner is own or not owner.strong or not owner.settled

    def _best_onset(self, free: list[tuple[Event, Profile]]) -> tuple[float, dict[Event, float]]:
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
        return best[1], best[2]

    def gain(self, profile: Profile, event: Event, onset_s: float) -> float | None:
        """What explaining this event is worth: against it being alone, by its cause, its likelihood, and its time."""
        timely = fit(profile, event, onset_s, self.model)
        if timely is None:
            return None
        likely = log(profile.p) if profile.p > 0 else -0.7
        return self.model.weight[event.key.cause] + likely + timely

    def count_misses(self, match: Match, now_s: float) -> None:
        """Add the log-likelihood of what is due by now and absent, unless its sender could not have told."""
        total = paths = unreachable = 0.0
        hit = {event.key for event in match.hits}
        missing = []
        due_s = now_s - match.onset_s
        for key, profile in match.effects.expect.items():
            if profile.p <= 0 or due_s <= profile.last_s + 1.0 or key in hit:
                continue
            event = self.current.get(key)
            if event is not None and (event.active or abs(event.onset_s - match.onset_s) < self.timing.poll_s):
                continue  # it is there, told before or claimed by another: no evidence either way
            if key.cause is not Cause.UNREACHABLE and self.is_mute(key.device):
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

    def worth(self, match: Match, robbed: Iterable[tuple[Incident, float]]) -> float:
        """Score of a match: prior, hits, misses; `robbed` gives what other incidents lose."""
        return self.model.prior[match.hypothesis.kind] + sum(match.hits.values()) + match.misses - sum(loss for _, loss in robbed)
