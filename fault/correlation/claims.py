"""Claims: incidents take the events they predict, and by time or name those an incomplete inventory cannot predict."""

from fault.correlation.incident import OUTAGES, Event, Incident
from fault.correlation.model import Cause, Key, Kind
from fault.correlation.situation import Situation

SOFT_S = 1.6  # events that begin this close to an outage belong to it though the inventory does not say so
SOFT_COSTS = 6.5
SWITCH_S = 12.0
SEVERAL = frozenset({Kind.NODE, Kind.CARD, Kind.DUCT, Kind.SITE, Kind.AREA, Kind.HIDDEN})  # these darken several ports
BADLY = frozenset({Kind.DEGRADED, Kind.CONGESTION})
REAL = frozenset({Cause.PATH, Cause.ADJACENCY, Cause.UNREACHABLE})
SLOW_S = 330.0
AREA_S = 60.0


class Claims:
    def __init__(self, situation: Situation) -> None:
        self.situation = situation

    def claim(self, event: Event, *, patient: bool = False) -> bool:
        """Give the event to the incident that predicts it best, else to one that it fits by time or name.

        `patient`: the event has waited for nearer evidence in vain.
        """
        if event.key.cause in (Cause.POWER, Cause.BATTERY):
            self._spread(event)
        best: tuple[float, float | None, Incident | None] = (0.0, None, None)
        for incident in self.situation.expecting.get(event.key, ()):
            found = self._gain(incident, event)
            if found is not None and found[0] > best[0]:
                best = (*found, incident)
        if best[2] is not None:
            if best[1] is not None:
                best[2].onsets.append(best[1])
            self.situation.attach(best[2], event, best[0])
            return True
        near = self._softly(event, patient)
        if near is None:
            return False
        self.situation.attach(near, event, self._soft_gain(event))
        return True

    def _gain(self, incident: Incident, event: Event) -> tuple[float, float | None] | None:
        """What the event adds, counted from the onset that suits it best, or from a new one at its price."""
        scorer = self.situation.scorer
        profile = incident.effects.expect[event.key]
        if event.key.cause is not Cause.RESTART and incident.ended_before(event.onset_s):
            return None  # what comes back is weighed anew, beside all that may have brought it
        is_several = profile.later or incident.kind is Kind.LINK
        onsets = incident.onsets[1:] if profile.later else incident.onsets if is_several else incident.onsets[:1]
        gains = [(gain, onset_s) for onset_s in onsets if (gain := scorer.gain(profile, event, onset_s)) is not None]
        found = max(gains) if gains else None
        if is_several:
            added = scorer.added_onset(incident, profile, event)
            if added is not None and (found is None or added > found[0]):
                return added, event.onset_s
        return (found[0], None) if found is not None else None

    def _softly(self, event: Event, patient: bool) -> Incident | None:
        match event.key.cause:
            case Cause.UNREACHABLE:
                return self._unreachable(event)
            case Cause.RESTART:
                before = self.situation.current.get(Key(Cause.UNREACHABLE, event.key.device, event.key.device))
                return before.owner if before is not None else None
            case Cause.ADJACENCY:
                return self._unknown_adjacency(event)
            case Cause.SIGNAL:
                return self._unknown_port(event)
            case Cause.PATH if patient:
                return self._beside(event)
            case Cause.SLOW_PATH if patient:
                return self.situation.nearest(BADLY, event.onset_s, SLOW_S, 3.0)
            case _:
                return None

    def _beside(self, event: Event) -> Incident | None:
        """A path that fell with something, though no known link ties them: an outage, else another real symptom alone."""
        situation = self.situation
        found = situation.nearest(OUTAGES | {Kind.ADJACENCY, Kind.CHANGE}, event.onset_s, SWITCH_S, 1.0)
        if found is not None:
            return found
        near = [
            (abs(other.onset_s - event.onset_s), weak.id, weak)
            for weak in situation.weak.values()
            for other in weak.events
            if weak is not event.owner and other.key.cause in REAL and abs(other.onset_s - event.onset_s) <= SWITCH_S
        ]
        return min(near, key=lambda each: each[:2])[2] if near else None

    def _unreachable(self, event: Event) -> Incident | None:
        situation = self.situation
        device = event.key.device
        if device in situation.network.distance and situation.reach.is_cut_off(device):
            within_s = 4.0 if event.exact else situation.timing.poll_s
            for found in situation.all_near(OUTAGES, event.onset_s, within_s, 4.0):
                if situation.reach.helps(device, found.down_links, found.down_devices):
                    return found
        if (beyond := self._beyond(event)) is not None:
            return beyond
        if event.exact and situation.is_incomplete:
            return situation.nearest(OUTAGES, event.onset_s, SOFT_S - 0.6, SOFT_S + 1.0)  # LOS comes late
        return None

    def _beyond(self, event: Event) -> Incident | None:
        """The loss of a link that the inventory does not have, with a session over it to the device that fell silent."""
        situation = self.situation
        for session, far in situation.network.peers.get(event.key.device, {}).items():
            lost = situation.current.get(Key(Cause.ADJACENCY, session, far))
            owner = lost.owner if lost is not None and lost.active else None
            if owner is not None and owner.strong and owner.kind is Kind.HIDDEN and abs(event.onset_s - owner.onset_s) < SLOW_S:
                return owner
        return None

    def _spread(self, event: Event) -> None:
        """Mains lost at one more site of an area that is losing them: the incident expects what follows from that."""
        situation = self.situation
        if event.key.device not in situation.network.devices or situation.expecting.get(event.key):
            return
        area = situation.network.site_area.get(situation.network.devices[event.key.device].site)
        for incident in reversed(situation.recent):
            near = abs(incident.onset_s - event.onset_s) < AREA_S
            if incident.strong and incident.kind is Kind.AREA and incident.hypothesis.element == area and near:
                wider = situation.compiler.effects(incident.hypothesis)
                incident.effects.expect = {**wider.expect, **incident.effects.expect}
                incident.effects.down_devices |= wider.down_devices
                situation.expect(incident)
                return

    def _soft_gain(self, event: Event) -> float:
        """What tying an event to an incident by time or name alone adds: much less than an expected one of its kind would."""
        return -self.situation.model.leak[event.key.cause] - SOFT_COSTS

    def _unknown_adjacency(self, event: Event) -> Incident | None:
        """An adjacency the inventory does not have, or not at this device."""
        situation = self.situation
        link = situation.network.links.get(situation.network.adjacencies.get(event.key.resource, ""))
        if link is not None and event.key.device in link.devices:
            return None
        for other in situation.same_adjacency(event):
            if other.owner is not None and other.owner.strong:
                self._adopt_signals(other.owner, event.key.device)
                return other.owner
        for signal in situation.signals(event.key.device, event.onset_s, situation.timing.hold_s + 6.0, 3.0):
            if signal.owner is not None and signal.owner.strong and not situation.network.ports[signal.key.resource].links:
                return signal.owner
        changes = [i for i in situation.recent if i.strong and i.hypothesis == (Kind.CHANGE, event.key.device)]
        broken = next((i for i in changes if 20.0 < event.onset_s - i.onset_s < SLOW_S), None)
        if broken is None and situation.model.adopt_sessions:
            return situation.nearest(OUTAGES, event.onset_s, situation.timing.hold_s, 2.0)
        return broken

    def _adopt_signals(self, incident: Incident, device: str) -> None:
        """A port that lost signal with the incident, at a device that turned out to be its other end."""
        for signal in self.situation.signals(device, incident.onset_s, SOFT_S + 1.0, SOFT_S + 1.0):
            weak = signal.owner
            if weak is not None and not weak.strong:
                del weak.events[signal]
                self.situation.attach(incident, signal, self._soft_gain(signal))
                if not weak.events:
                    self.situation.retire(weak)

    def _unknown_port(self, event: Event) -> Incident | None:
        port = self.situation.network.ports.get(event.key.resource)
        if port is None or port.links:
            return None
        return self.situation.nearest(SEVERAL, event.onset_s, SOFT_S, SOFT_S)
