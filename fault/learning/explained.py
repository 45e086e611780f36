"""A correlator that also reads the learnt causes: what an accepted cause explains joins the incident of that cause.

The topology speaks first: an incident that the correlator inside makes stays whole, and joins another only
where an accepted cause explains every active alarm of it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from fault.correlation.contract import AlarmChange, Correlator, Explanation, IncidentChange, RootCandidate
from fault.learning.causes import Cause
from fault.learning.ties import Tie, Ties
from fault.resources import Resources
from inventory.topology import Topology
from station.clock import NS_PER_S

ALONE = "learnt "  # begins the names of what the correlator inside left alone
EVIDENCE_MAX = 20
SAID_SPARE = 1_000
LEARNT = "That the one brings the other is learnt from the history of alarms and was accepted by a person; no link or session says so."


class Explained:
    """A `contract.Correlator` around another. A unit is an incident of the one inside, or an alarm that it left alone."""

    def __init__(self, inner: Correlator) -> None:
        self._inner = inner
        self._topology = Topology()
        self._ties = Ties(self._topology)
        self._open: dict[str, AlarmChange] = {}
        self._said: dict[str, IncidentChange] = {}
        self._unit_of: dict[str, str] = {}
        self._told: dict[str, frozenset[str]] = {}  # units that stand for others too, and which
        self._into: dict[str, str] = {}  # the unit that a merged one was told with
        self._dirty: set[str] = set()  # units to weigh again

    def take_causes(self, edges: Sequence[Cause]) -> None:
        """From now on these accepted causes hold; what they change is told by the next `feed`."""
        self._dirty |= {self._unit(key) for key in self._ties.take_causes(edges, self._open)}

    def topology_changed(self, topology: Topology) -> None:
        self._topology = topology
        self._ties.rewire(topology)
        self._inner.topology_changed(topology)

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        said = self._inner.feed(now_ns, changes)
        for change in changes:
            if change.state == "raised":
                self._open[change.alarm_id] = change
            else:
                self._open.pop(change.alarm_id, None)
            if self._ties.see(change):
                self._dirty |= {self._unit(key) for key in (change.alarm_id, *self._ties.brought.get(change.alarm_id, ()))}
        freed = self._ties.pass_time(now_ns)
        for each in said:
            self._record(each)
        self._sweep()
        if not (self._ties.of or self._told or freed):
            self._dirty.clear()
            return said
        return self._compose(said, {*self._dirty, *(self._unit(key) for key in freed)})

    def _record(self, change: IncidentChange) -> None:
        before = self._said.get(change.incident)
        for key in before.alarm_ids if before is not None else ():
            if self._unit_of.get(key) == change.incident:
                del self._unit_of[key]
                self._dirty.add(self._unit(key))
        if change.alarm_ids:
            self._said[change.incident] = change
            for key in change.alarm_ids:
                self._dirty.add(self._unit(key))  # what it was until now, alone or of another
                self._unit_of[key] = change.incident
        else:
            self._said.pop(change.incident, None)

    def _sweep(self) -> None:
        """What the correlator inside has forgotten without a word."""
        if len(self._said) <= 2 * len(self._open) + SAID_SPARE:
            return
        for unit, change in list(self._said.items()):
            if self._open.keys().isdisjoint(change.alarm_ids) and unit not in self._told and unit not in self._into:
                del self._said[unit]
                for key in change.alarm_ids:
                    if self._unit_of.get(key) == unit:
                        del self._unit_of[key]

    # -- units ---------------------------------------------------------------------------------------

    def _unit(self, alarm: str) -> str:
        return self._unit_of.get(alarm) or ALONE + alarm

    def _alarms(self, unit: str) -> tuple[str, ...]:
        it = self._said.get(unit)
        if it is not None:
            return it.alarm_ids
        alone = unit.removeprefix(ALONE)
        return (alone,) if alone != unit and alone not in self._unit_of else ()

    def _above(self, unit: str) -> str:
        """The unit of the cause, where accepted causes outside explain all that is active in this one; else itself."""
        alarms = [key for key in self._alarms(unit) if key in self._open] or list(self._alarms(unit))
        ties = [self._ties.of.get(key) for key in alarms]
        known = [tie for tie in ties if tie is not None and self._unit(tie.cause) != unit]
        if not known or len(known) < len(ties):
            return unit
        return self._unit(min(known, key=lambda tie: (self._ties.alarms[tie.effect].raised_ns, tie.effect)).cause)

    def _top(self, unit: str) -> str:
        """The unit at the beginning of the chain of causes. Accepted causes have no loop; units that mix classes end where one would."""
        seen = [unit]
        while (above := self._above(seen[-1])) not in seen:
            seen.append(above)
        return seen[-1]

    def _below(self, top: str) -> list[str]:
        """All units that the causes lead from to this one."""
        found, open_ = dict.fromkeys([top]), [top]
        while open_:
            brought = (effect for key in self._alarms(open_.pop()) for effect in sorted(self._ties.brought.get(key, ())))
            fresh = [unit for unit in dict.fromkeys(map(self._unit, brought)) if unit not in found and self._top(unit) == top]
            found.update(dict.fromkeys(fresh))
            open_ += fresh
        return list(found)[1:]

    # -- telling -------------------------------------------------------------------------------------

    def _compose(self, said: Sequence[IncidentChange], dirty: Iterable[str]) -> list[IncidentChange]:
        """What the correlator inside said, with what the causes make of it. What is taken apart is told before what is joined."""
        named = {change.incident: change for change in said}
        touched = {*dirty, *named}
        self._dirty.clear()
        touched |= {self._into[unit] for unit in touched if unit in self._into}
        touched |= {other for unit in touched for other in self._told.get(unit, ())}
        tops = {unit: self._top(unit) for unit in touched}
        gone: list[IncidentChange] = []
        whole: list[IncidentChange] = []
        for unit, top in sorted(tops.items()):
            if top != unit and unit not in self._into:
                gone.append(IncidentChange(unit, (), (), 0.0))
            elif unit in named and not named[unit].alarm_ids:
                gone.append(named[unit])
        for top in sorted(set(tops.values())):
            whole += self._tell(top, self._below(top))
        for unit in sorted(unit for unit in touched if tops[unit] != unit):
            self._told.pop(unit, None)
        return [*gone, *whole]

    def _tell(self, top: str, below: Collection[str]) -> list[IncidentChange]:
        before = self._told.pop(top, frozenset())
        for unit in before.difference(below):
            if self._into.get(unit) == top:
                del self._into[unit]
        self._into.pop(top, None)
        if not below:
            if top in self._said:
                return [self._said[top]]
            return [IncidentChange(top, (), (), 0.0)] if before else []
        self._told[top] = frozenset(below)
        self._into.update(dict.fromkeys(below, top))
        return [self._joined(top, below)]

    def _joined(self, top: str, below: Collection[str]) -> IncidentChange:
        alarms = tuple(sorted({key for unit in (top, *below) for key in self._alarms(unit)}))
        ties = [tie for unit in below for key in self._alarms(unit) if (tie := self._ties.of.get(key)) is not None]
        change = self._said.get(top) or self._root(top.removeprefix(ALONE), ties)
        says = change.explanation
        evidence = (*says.evidence, *(self._words(tie) for tie in ties[:EVIDENCE_MAX]))
        explained = replace(says, evidence=evidence, unknown=(*says.unknown, LEARNT))
        return replace(change, incident=top, alarm_ids=alarms, noise=False, explanation=explained)

    def _root(self, alarm: str, ties: Sequence[Tie]) -> IncidentChange:
        """The alarm at the beginning, which no incident holds, as a root."""
        it = self._ties.alarms[alarm]
        place = Resources(self._topology).place(it.resource)
        name = " ".join(filter(None, (place.device, place.object))) or it.resource
        share = min((tie.edge.share for tie in ties if tie.cause == alarm), default=0.5)
        says = Explanation(f"{name}: {it.text}" if it.text else name)
        root = RootCandidate(it.resource, place.resource_kind, name, share)
        return IncidentChange(alarm, (alarm,), (root,), share, explanation=says, root_alarm_ids=(alarm,))

    def _words(self, tie: Tie) -> str:
        cause, effect = self._ties.alarms[tie.cause], self._ties.alarms[tie.effect]
        where = [self._topology.name_of(each.device) for each in (effect, cause)]
        lag_s = abs(tie.lag_ns) / NS_PER_S
        when = f"{lag_s:.0f} s {'after' if tie.lag_ns >= 0 else 'before'}"
        by = f", accepted by {tie.edge.decided_by}" if tie.edge.decided_by else ""
        learnt = f"learnt cause of {tie.edge.share:.0%} of them{by}"
        return f"{effect.alarm_type} on {where[0]} {when} {cause.alarm_type} on {where[1]}: {learnt}."
