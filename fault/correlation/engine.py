"""The live correlator: the inventory and alarm changes in, explained incidents out (`contract.Correlator`)."""

from collections.abc import Mapping, Sequence

from fault.correlation.contract import AlarmChange, IncidentChange, RootCandidate, Verdict
from fault.correlation.incident import Event, Incident
from fault.correlation.live import NS_PER_S, Translator, live_model, network_of_topology, same_network
from fault.correlation.model import Cause, Kind
from fault.correlation.odds import odds
from fault.correlation.solver import Solver
from fault.correlation.words import explain, subject, verdict_of
from inventory.topology import Topology

TOLD_SPARE = 1_000  # names kept beyond those of open incidents before they are swept
BETWEEN = frozenset({Cause.SIGNAL, Cause.ADJACENCY, Cause.PATH, Cause.UNREACHABLE})  # what tells of more than one device
ROOT_KINDS: Mapping[Kind, str] = {
    Kind.LINK: "link",
    Kind.DEGRADED: "link",
    Kind.CONGESTION: "link",
    Kind.CARD: "card",
    Kind.NODE: "device",
    Kind.SILENT: "device",
    Kind.CHANGE: "device",
    Kind.SITE: "power",
    Kind.AREA: "power",
    Kind.DUCT: "duct",
    Kind.ADJACENCY: "session",
    Kind.HIDDEN: "interface",
    Kind.LOCAL: "device",
}


class Engine:
    """Names one root per fault and says why. Not thread-safe. Alarms that concern nothing but themselves are left alone."""

    def __init__(self, *, poll_s: float = 60.0, hold_s: float = 45.0) -> None:
        """`poll_s`: the longest time until a poll notices a lost device or port; `hold_s`: the routing protocols' dead interval."""
        self._model = live_model(poll_s, hold_s)
        self._open: dict[str, AlarmChange] = {}
        self._topology = Topology()
        self._told: set[str] = set()
        self._pending: list[AlarmChange] = []
        self._start(self._topology)

    def _start(self, topology: Topology) -> None:
        self._topology = topology
        network = network_of_topology(topology)
        self._translator = Translator(topology, network)
        self._solver = Solver(network, self._model)

    def topology_changed(self, topology: Topology) -> None:
        """Take the new picture and weigh all open alarms in it anew; what changes is told by the next `feed`."""
        if same_network(topology, self._topology):
            self._topology = self._translator.topology = topology
            return
        self._start(topology)
        self._pending = sorted(self._open.values(), key=lambda change: (change.raised_ns, change.alarm_id))

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        now_s = now_ns / NS_PER_S
        replay, self._pending = self._pending, []
        for change in changes:
            if change.state == "raised":
                self._open[change.alarm_id] = change
            else:
                self._open.pop(change.alarm_id, None)
        notices = [self._translator.notice(change, now_s) for change in (*replay, *changes)]
        changed = self._solver.feed(now_s, notices)
        told = [self._tell(incident) for incident in changed]
        if len(self._told) > 2 * len(self._solver.situation.incidents) + TOLD_SPARE:
            self._told &= self._solver.situation.incidents.keys()
        if replay:
            told += self._withdraw({incident.id for incident in changed})
        return [each for each in told if each is not None]

    def _name_of(self, resource: str) -> str:
        """A resource as people say it; of a session of this module's making (`ospf over <link>`, `<device> bgp <peer>`) each part."""
        return " ".join(self._topology.name_of(part) for part in resource.split(" "))

    def _withdraw(self, alive: set[str]) -> list[IncidentChange | None]:
        """Incidents that the new topology explains otherwise."""
        gone = sorted(self._told - alive - set(self._solver.situation.incidents))
        self._told -= set(gone)
        return [IncidentChange(name, (), (), 0.0) for name in gone]

    def _tell(self, incident: Incident) -> IncidentChange | None:
        alarms = tuple(sorted({alarm for event in incident.events if self._is_its(event, incident) for alarm in event.alarms}))
        if not alarms or all(event.key.cause is Cause.LOCAL for event in incident.events):
            if incident.id in self._told:
                self._told.discard(incident.id)
                return IncidentChange(incident.id, (), (), 0.0)
            return None
        change = self._describe(incident, alarms)
        shown = (change,)
        if incident.shown == shown:
            return None
        incident.shown = shown
        self._told.add(incident.id)
        return change

    def _is_its(self, event: Event, incident: Incident) -> bool:
        """An alarm that came again belongs where its latest occurrence does."""
        latest = self._solver.situation.current.get(event.key)
        return latest is None or latest is event or latest.owner is incident

    def _describe(self, incident: Incident, alarms: tuple[str, ...]) -> IncidentChange:
        network = self._solver.situation.network
        name = self._name_of
        roots = self._roots(incident)
        verdict = verdict_of(incident, network)
        missing_link = self._missing_link(incident) if self._lacks_link(incident, verdict) else None
        noise = not incident.strong and all(event.key.cause is Cause.CHANGED for event in incident.events)
        on_root = {a for event in incident.events if self._is_on_root(event.key.resource, incident) for a in event.alarms}
        return IncidentChange(
            incident.id,
            alarms,
            tuple(roots),
            round(roots[0].odds, 3),
            noise,
            verdict,
            explain(incident, network, name, missing_link),
            missing_link,
            tuple(sorted(on_root)) or alarms[:1],
        )

    def _roots(self, incident: Incident) -> list[RootCandidate]:
        network = self._solver.situation.network
        roots: dict[str, RootCandidate] = {}
        for hypothesis, share in odds(incident, 0.0):
            kind, element = hypothesis
            if kind is Kind.ADJACENCY:
                element = network.adjacencies.get(element) or next(iter(incident.events)).key.device
            if element not in roots:
                roots[element] = RootCandidate(element, ROOT_KINDS[kind], subject(hypothesis, network, self._name_of), share)
        return list(roots.values())

    def _is_on_root(self, resource: str, incident: Incident) -> bool:
        element = incident.hypothesis.element
        link = self._solver.situation.network.links.get(element)
        return resource == element or (link is not None and resource in link.ports)

    @staticmethod
    def _lacks_link(incident: Incident, verdict: Verdict) -> bool:
        """Whether a link that the inventory lacks may be why nothing known explains it: what a device says of itself needs none."""
        tied = any(event.key.cause in BETWEEN for event in incident.events)
        return incident.kind is Kind.HIDDEN or (verdict == "unknown" and tied)

    def _missing_link(self, incident: Incident) -> str:
        """The link that must exist and is not in the inventory: by what the devices heard, else by what it would join."""
        network, topology = self._solver.situation.network, self._topology
        devices = {event.key.device for event in incident.events}
        for end in topology.missing:
            local = topology.devices.get(end.local >> 16)
            if local is not None and (local.id in devices or end.remote_name in {topology.name_of(each) for each in devices}):
                here = topology.entities[end.local].name if end.local in topology.entities else ""
                return f"{local.name} {here}".strip() + f" - {end.remote_name} {end.remote_port}".rstrip()
        if incident.kind is Kind.HIDDEN:
            return f"{topology.name_of(incident.hypothesis.element)} - an unknown neighbour"
        island = sorted((each for each in devices if each not in network.distance), key=topology.name_of)
        return f"{topology.name_of(island[0]) if island else topology.name_of(min(devices))} - the rest of the network"
