"""What is said of an incident: its roots best first, whether it is noise, how sure we are."""

from typing import Any

from fault.correlation import odds
from fault.correlation.incident import Incident
from fault.correlation.model import Cause, Hypothesis, Kind
from fault.correlation.solver import Solver


class Reporter:
    def __init__(self, solver: Solver) -> None:
        self.solver = solver

    def tell(self, incidents: list[Incident]) -> list[dict[str, Any]]:
        told = []
        for incident in incidents:
            alarms = sorted(alarm for event in incident.events for alarm in event.alarms)
            roots = self.roots(incident)
            sure = round(odds.confidence(incident, self.solver.situation.unlinked), 3)
            shown = (tuple(alarms), tuple(roots), self.is_noise(incident), sure)
            if shown == incident.shown:
                continue
            incident.shown = shown
            told.append({"incident": incident.id, "alarms": alarms, "root": roots, "noise": shown[2], "confidence": sure})
        return told

    def is_noise(self, incident: Incident) -> bool:
        """Alone, of a cause that blips, and uncorroborated for as long as corroboration takes."""
        if incident.strong or not incident.events:
            return False
        now_s, timing = self.solver.now_s, self.solver.situation.timing
        for event in incident.events:
            if event.key.cause not in self.solver.model.blips:
                return False
            if event.key.cause is Cause.SIGNAL and now_s - event.arrived_s < timing.hold_s + 10:
                return False
            if event.key.cause is Cause.CONGESTED and event.active and now_s - event.arrived_s > self.solver.model.noise_clear_s - 1:
                return False
        return True

    def roots(self, incident: Incident) -> list[str]:
        found = [*self._names(incident.hypothesis, incident)]
        for hypothesis, _ in incident.rivals:
            found += self._names(hypothesis, incident)
        return list(dict.fromkeys(found))[:5]

    def _silent_end(self, link: str, incident: Incident) -> list[str]:
        """The device that hangs on the link and said nothing: no observer can tell its death from the link's."""
        network = self.solver.situation.network
        told = {event.key.device for event in incident.events if event.key.cause in (Cause.SIGNAL, Cause.ADJACENCY)}
        supposed = Hypothesis(Kind.LINK, link)
        own = incident.strong and supposed == incident.hypothesis
        cut = (incident.effects if own else self.solver.situation.compiler.effects(supposed)).cut
        return [end for end in network.links[link].devices if end in cut and end not in told and not network.devices[end].passive]

    def _names(self, hypothesis: Hypothesis, incident: Incident) -> list[str]:
        kind, element = hypothesis
        network = self.solver.situation.network
        if kind is Kind.SILENT and not incident.has(Cause.UNREACHABLE) and len(network.devices[element].links) == 1:
            link = network.links[network.devices[element].links[0]]
            return [*link.adjacencies, element]
        if kind is Kind.ADJACENCY and element not in network.adjacencies:
            return [element, *(event.key.device for event in incident.events)]
        if kind is Kind.LINK:
            return [element, *self._silent_end(element, incident)]
        if kind is Kind.HIDDEN:
            return [element, network.ports[element].device]
        return [element]
