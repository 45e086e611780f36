"""Incidents: what the correlator groups under one root, kept under public ids through every revision. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fault.alarms import Alarm
from fault.correlation.contract import Explanation, IncidentChange, RootCandidate, Verdict
from fault.resources import Resources
from station.ids import derived_id

RESOURCES_FOR_IMPACT = 5_000
ALONE = "alone "  # begins the handles of what no correlator made: whoever takes its alarm may take its id
NO_ROOT = RootCandidate("", "unknown", "", 0.0)


@dataclass(slots=True)
class Incident:
    """One fault as people see it. `alarm_ids` all alarms it holds, `root_alarm_ids` those on the root itself.

    `told` is the root and verdict that routes were last told ("" nothing), `revision` counts those announcements.
    """

    id: str
    opened_ns: int
    changed_ns: int
    roots: tuple[RootCandidate, ...] = ()
    confidence: float = 0.0
    noise: bool = False
    verdict: Verdict = "unknown"
    explanation: Explanation = field(default_factory=lambda: Explanation(""))
    missing_link: str = ""
    alarm_ids: set[str] = field(default_factory=set)
    root_alarm_ids: tuple[str, ...] = ()
    state: str = "open"
    closed_ns: int = 0
    severity: int = 0
    services: tuple[tuple[str, str, str], ...] = ()  # id, name, customer's name
    customers: tuple[tuple[str, str], ...] = ()  # id, name
    revision: int = 0
    maintenance: str = ""  # the window of planned work that it is of
    told: str = ""

    @property
    def root(self) -> RootCandidate:
        return self.roots[0] if self.roots else NO_ROOT

    @property
    def actual(self) -> str:
        """What routes should have been told: nothing of noise and of what is over."""
        return f"{self.root.resource_id} {self.verdict}" if self.state == "open" and not self.noise else ""


class IncidentBook:
    """The open incidents, and which alarm is in which. `changed`, `joined` and `left` are what the store does not know yet."""

    def __init__(self, tenant: int) -> None:
        self._tenant = tenant
        self._handles: dict[str, str] = {}
        self.incidents: dict[str, Incident] = {}
        self.changed: set[str] = set()
        self.joined: set[tuple[str, str]] = set()
        self.left: set[tuple[str, str]] = set()
        self.planned: Callable[[str, float, Sequence[Alarm]], str] = _unplanned  # the window of a root, how sure, its active alarms
        self._emptied: set[str] = set()
        self.touched: set[str] = set()  # alarms whose place among the incidents changed

    def adopt(self, incidents: Iterable[Incident]) -> None:
        """Take open incidents as the store has them; the correlator's new names find them by their alarms."""
        self.incidents.update({it.id: it for it in incidents})

    def take(self, changes: Sequence[IncidentChange], alarms: Mapping[str, Alarm], resources: Resources, now_ns: int) -> None:
        """Make the incidents say what the correlator says now."""
        freed = self._withdraw(changes)
        for change in changes:
            it = self._named(change, alarms, now_ns)
            if it is None:
                continue
            it.roots, it.confidence, it.noise = change.roots, change.confidence, change.noise
            it.verdict, it.explanation, it.missing_link = change.verdict, change.explanation, change.missing_link or ""
            self._hold(it, change.alarm_ids, alarms)
            it.root_alarm_ids = change.root_alarm_ids or _on_root(it, alarms, resources)
            self.refresh(it, alarms, resources, now_ns)
        for it in [self.incidents[key] for key in sorted(freed - set(self._handles.values())) if key in self.incidents]:
            self._hold(it, (), alarms)
            self.refresh(it, alarms, resources, now_ns)
        for key in self._emptied:  # whose last alarm another took
            if key in self.incidents and not self.incidents[key].alarm_ids:
                self.refresh(self.incidents[key], alarms, resources, now_ns)
        self._emptied.clear()

    def wrap(self, alarm: Alarm, alarms: Mapping[str, Alarm], resources: Resources, now_ns: int) -> None:
        """An incident of one alarm that correlation left alone: nothing open stays outside every incident."""
        name = " ".join(filter(None, (alarm.place.device, alarm.place.object))) or alarm.resource
        root = RootCandidate(alarm.resource, alarm.place.resource_kind, name)
        says = Explanation(
            f"{name}: {alarm.text}" if alarm.text else name, unknown=("No other alarm belongs to it, as far as the topology tells.",)
        )
        handle = f"{ALONE}{alarm.id} {alarm.occurrence}"
        self.take([IncidentChange(handle, (alarm.id,), (root,), 0.5, explanation=says)], alarms, resources, now_ns)

    def _withdraw(self, changes: Sequence[IncidentChange]) -> set[str]:
        """Free the names that the correlator takes back, so that what takes an incident's place keeps its id; which were freed."""
        freed = set()
        for change in changes:
            if not change.alarm_ids and change.incident in self._handles:
                freed.add(self._handles.pop(change.incident))
        return freed

    def _named(self, change: IncidentChange, alarms: Mapping[str, Alarm], now_ns: int) -> Incident | None:
        """The incident that the correlator's handle means: known, adopted after a restart, or new."""
        known = self.incidents.get(self._handles.get(change.incident, ""))
        if known is not None:
            return known
        members = [alarms[key] for key in change.alarm_ids if key in alarms]
        if not members:
            return None
        taken = {key for handle, key in self._handles.items() if not handle.startswith(ALONE)}
        votes = [key for key in (alarm.incident_id for alarm in members) if key in self.incidents and key not in taken]
        key = max(set(votes), key=lambda k: (votes.count(k), k)) if votes else self._new_id(members)
        if votes:  # who takes the place of an alarm that stood alone takes its name: the old one would hold it open
            self._handles = {handle: of for handle, of in self._handles.items() if of != key}
        self._handles[change.incident] = key
        if key not in self.incidents:
            self.incidents[key] = Incident(key, min(alarm.raised_ns for alarm in members), now_ns)
        return self.incidents[key]

    def _new_id(self, members: Sequence[Alarm]) -> str:
        """Named after its first alarm, the same in a replay; a second incident on that one gets another number."""
        first = min(members, key=lambda alarm: (alarm.raised_ns, alarm.id))
        for n in range(len(self.incidents) + 1):
            digest = derived_id("incident", self._tenant, first.id, first.occurrence, first.raised_ns, n)
            key = f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
            if key not in self.incidents:
                return key
        raise AssertionError("more names than incidents")

    def _hold(self, it: Incident, alarm_ids: Collection[str], alarms: Mapping[str, Alarm]) -> None:
        wanted = {key for key in alarm_ids if key in alarms or key in it.alarm_ids}
        for key in it.alarm_ids - wanted:
            self._drop(it, key)
            if key in alarms and alarms[key].incident_id == it.id:
                self._free(alarms[key])
        for key in wanted - it.alarm_ids:
            before = self.incidents.get(alarms[key].incident_id)
            if before is not None and before is not it:
                self._drop(before, key)
            it.alarm_ids.add(key)
            self.left.discard((it.id, key))
            self.joined.add((it.id, key))

    def _drop(self, it: Incident, alarm_id: str) -> None:
        it.alarm_ids.discard(alarm_id)
        self.joined.discard((it.id, alarm_id))
        self.left.add((it.id, alarm_id))
        self.changed.add(it.id)
        if not it.alarm_ids:
            self._emptied.add(it.id)

    def _free(self, alarm: Alarm) -> None:
        alarm.incident_id, alarm.is_root, alarm.root_alarm_id, alarm.children = "", False, "", 0
        alarm.suppressed = bool(alarm.maintenance)
        self.touched.add(alarm.id)

    def refresh(self, it: Incident, alarms: Mapping[str, Alarm], resources: Resources, now_ns: int) -> None:
        """Recompute what follows from the alarms: open or closed, severity, impact, and each alarm's role."""
        members = [alarms[key] for key in it.alarm_ids if key in alarms]
        active = [alarm for alarm in members if not alarm.is_cleared]
        it.state = "open" if active else "closed"
        it.closed_ns = 0 if active else max((alarm.cleared_ns for alarm in members), default=it.closed_ns or now_ns)
        it.severity = max((alarm.severity for alarm in active), default=it.severity)
        it.changed_ns = now_ns
        it.maintenance = self.planned(it.root.resource_id, it.confidence, active) if active else it.maintenance
        self.changed.add(it.id)
        self._weigh(it, active, resources)
        first = it.root_alarm_ids[0] if it.root_alarm_ids else ""
        for alarm in members:
            is_root = alarm.id in it.root_alarm_ids
            role = (
                it.id,
                is_root,
                it.noise or not is_root or bool(it.maintenance or alarm.maintenance),
                "" if alarm.id == first else first,
                len(members) - 1 if alarm.id == first else 0,
            )
            if role != (alarm.incident_id, alarm.is_root, alarm.suppressed, alarm.root_alarm_id, alarm.children):
                alarm.incident_id, alarm.is_root, alarm.suppressed, alarm.root_alarm_id, alarm.children = role
                self.touched.add(alarm.id)
            if is_root and active:
                alarm.services, alarm.customers = len(it.services), len(it.customers)

    def _weigh(self, it: Incident, active: Sequence[Alarm], resources: Resources) -> None:
        """The services and customers hurt; what an incident hurt at its end is kept when it closes."""
        if not active:
            return
        hurt = [it.root.resource_id, *sorted({alarm.resource for alarm in active})[:RESOURCES_FOR_IMPACT]]
        services = resources.services(hurt)
        customers = {
            s.customer_id: resources.topology.customers[s.customer_id].name
            for s in services
            if s.customer_id in resources.topology.customers
        }
        it.services = tuple((s.id, s.name, customers.get(s.customer_id, "")) for s in services)
        it.customers = tuple(sorted(customers.items(), key=lambda pair: pair[1]))

    def forget(self, it: Incident) -> None:
        """Let a closed incident that the store has leave memory, with the correlator's names for it."""
        self.incidents.pop(it.id, None)
        self._handles = {handle: key for handle, key in self._handles.items() if key != it.id}


def _unplanned(_root: str, _confidence: float, _active: Sequence[Alarm]) -> str:
    return ""


def _on_root(it: Incident, alarms: Mapping[str, Alarm], resources: Resources) -> tuple[str, ...]:
    """The alarms on the root itself, first raised first; without one the most severe, earliest alarm stands for it."""
    parts = set(resources.parts(it.root.resource_id))
    members = sorted((alarms[key] for key in it.alarm_ids if key in alarms), key=lambda alarm: (alarm.raised_ns, alarm.id))
    on_root = tuple(alarm.id for alarm in members if alarm.resource in parts)
    if on_root or not members:
        return on_root
    return (max(members, key=lambda alarm: (alarm.severity, -alarm.raised_ns)).id,)
