"""Alarms as states (RFC 8632, X.733): what an event does to the alarm of its key. Pure: no I/O, time is given."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from heapq import heappop, heappush
from itertools import islice
from typing import Literal
from uuid import UUID

from fault.alarm_types import AlarmTypes, type_of
from fault.metrics import EVENTS
from fault.settings import FaultSettings
from station.batch import Event
from station.clock import NS_PER_S
from station.ids import derived_id

What = Literal[
    "raised", "reopened", "severity", "cleared", "acknowledged", "unacknowledged", "shelved", "unshelved", "returned",
    "commented", "chattering", "settled", "maintenance", "maintenance_end",
]  # fmt: skip


KEPT_IDS = 100_000  # keys whose ids are remembered; then remembering begins anew


class Severity(IntEnum):
    """X.733 perceived severity. Cleared is a state, not a severity; the numbers are stored and sort as on screen."""

    INDETERMINATE = 1
    WARNING = 2
    MINOR = 3
    MAJOR = 4
    CRITICAL = 5

    @property
    def word(self) -> str:
        return self.name.lower()


SEVERITIES: Mapping[str, Severity] = {severity.word: severity for severity in Severity}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is, in the words people use: kept with the alarm, so that a list needs no look-up."""

    resource_kind: str = "unknown"
    device_id: str = ""
    device: str = ""
    object: str = ""
    site: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Put aside by a person, with a reason and an end (ISA-18.2; RFC 8632, section 3.6)."""

    reason: str
    owner: str
    until_ns: int


@dataclass(slots=True)
class Alarm:
    """The state of one key (resource, alarm_type, qualifier). Only `AlarmBook` changes it.

    `created_ns` is the first raise ever, `raised_ns` begins the present occurrence, `changed_ns` the last
    change of status or severity. `count` is how many raises this occurrence heard, `seq` how many changes the
    alarm had in all. `told` is what the outside was last told: the severity of the raise, or 0 for cleared.
    `claimed_ns`: when an unauthenticated message said that the state is over, 0 if none did since the last raise.
    """

    id: str
    resource: str
    alarm_type: str
    qualifier: str
    place: Place
    severity: Severity
    created_ns: int
    raised_ns: int
    changed_ns: int
    heard_ns: int
    text: str = ""
    event_type: str = "communicationsAlarm"
    probable_cause: str = "indeterminate"
    proposed_repair: str = ""
    source: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    authenticated: bool = True
    trend: str = "noChange"
    is_cleared: bool = False
    cleared_ns: int = 0
    count: int = 1
    occurrence: int = 1
    seq: int = 0
    raises: tuple[int, ...] = ()
    chattering: bool = False
    told: int = 0
    claimed_ns: int = 0
    ack_user: str = ""
    ack_ns: int = 0
    shelf: Shelf | None = None
    maintenance: str = ""  # the window of planned work that covers it
    incident_id: str = ""
    is_root: bool = False
    suppressed: bool = False
    root_alarm_id: str = ""
    children: int = 0
    services: int = 0
    customers: int = 0

    @property
    def acknowledged(self) -> bool:
        return self.ack_ns > 0

    @property
    def actual(self) -> int:
        """What the outside should have been told by now."""
        return 0 if self.is_cleared else int(self.severity)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one alarm: a row of its history, and what routes may announce.

    `(alarm_id, seq)` is unique and the same in a replay. `announce`: the outside is to be told; damped and
    shelved changes are kept but not announced.
    """

    alarm_id: str
    seq: int
    occurrence: int
    what: What
    time_ns: int
    severity: Severity
    is_cleared: bool
    by: str
    text: str
    announce: bool


@dataclass(frozen=True, slots=True)
class Unproven:
    """An unauthenticated message says that this alarm is over; it stays until something trusted agrees."""

    alarm_id: str
    time_ns: int


def alarm_id(tenant: int, resource: str, alarm_type: str, qualifier: str) -> str:
    """The id that names a key: a UUIDv8 (RFC 9562, section 5.8) from its hash, the same in every replay."""
    value = int(derived_id("alarm", tenant, resource, alarm_type, qualifier)[:32], 16)
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def _uncovered(_alarm: "Alarm") -> str:
    return ""


def storable(text: str) -> str:
    """A device's text without what no store takes: NUL and lone surrogates become the replacement character."""
    return text if text.isascii() and "\0" not in text else text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class AlarmBook:
    """The alarms that are open or cleared not long ago, by id, and the rules by which they change.

    `changed` collects the ids of alarms that differ from the store, so that a batch writes each alarm once;
    `repeated` those that were heard again, of which most are nothing else (`fault.store.REPEATED_COLUMNS`).
    """

    def __init__(self, settings: FaultSettings, types: AlarmTypes, tenant: int) -> None:
        self._settings = settings
        self._types = types
        self._tenant = tenant
        self._due: list[tuple[int, str]] = []
        self._ids: dict[tuple[str, str, str], str] = {}
        self.alarms: dict[str, Alarm] = {}
        self.changed: set[str] = set()
        self.repeated: set[str] = set()
        self.active = 0
        self.covered_by: Callable[[Alarm], str] = _uncovered  # the window of planned work that covers an alarm
        self.did: Counter[str] = Counter()  # what events did, until `tell`

    def tell(self) -> None:
        """Add what events did to the metrics, once a batch: a flood has no time to count each by itself."""
        for outcome, n in self.did.items():
            EVENTS.labels(outcome).inc(n)
        self.did.clear()

    def id_of(self, event: Event) -> str:
        """The id of the event's key. In a flood the same keys come again and again: hashing them is half of the work."""
        key = (event.resource, event.alarm_type, event.qualifier)
        found = self._ids.get(key)
        if found is None:
            if len(self._ids) >= KEPT_IDS:
                self._ids.clear()
            found = self._ids[key] = alarm_id(self._tenant, *key)
        return found

    def adopt(self, alarms: Iterable[Alarm], now_ns: int) -> None:
        """Take alarms as the store has them; those already here stay as they are."""
        for alarm in alarms:
            if alarm.id not in self.alarms:
                self.alarms[alarm.id] = alarm
                self.active += not alarm.is_cleared
                self._schedule(alarm, now_ns)

    def apply(self, event: Event, place: Callable[[str], Place], now_ns: int) -> tuple[list[Change], Unproven | None]:
        """What one event changes; nothing when it repeats what is known or is older than it.

        An event that is older than the state it speaks of is stale and counted: arrival order is not always
        the order of what happened (a poll that began before a trap arrived must not undo the trap).
        """
        key = self.id_of(event)
        alarm = self.alarms.get(key)
        if event.severity == "cleared":
            return self._cleared(alarm, event, now_ns)
        severity = SEVERITIES.get(event.severity, Severity.INDETERMINATE)
        if alarm is None:
            return self._first(key, event, severity, place(event.resource), now_ns), None
        if alarm.is_cleared:
            return self._again(alarm, event, severity, place, now_ns), None
        return self._repeat(alarm, event, severity), None

    def _first(self, key: str, event: Event, severity: Severity, place: Place, now_ns: int) -> list[Change]:
        if self.active >= self._settings.active_alarms_max:
            self.did["refused_full"] += 1
            return []
        at = event.time_ns
        alarm = Alarm(key, event.resource, event.alarm_type, event.qualifier, place, severity, at, at, at, at, raises=(at,))
        self.alarms[key] = alarm
        self.active += 1
        self._describe(alarm, event)
        self._schedule(alarm, now_ns)
        self.did["raised"] += 1
        return [*self._marked(alarm, at), self._change(alarm, "raised", at, text=alarm.text)]

    def _again(self, alarm: Alarm, event: Event, severity: Severity, place: Callable[[str], Place], now_ns: int) -> list[Change]:
        """A raise after the clear: graded, a quick one reopens, a later one begins a fresh count. Both re-arm."""
        at = event.time_ns
        if at < alarm.cleared_ns:
            self.did["stale"] += 1
            return []
        quick = at - alarm.cleared_ns <= self._settings.reopen_window_s * NS_PER_S
        alarm.occurrence += 1
        alarm.count = alarm.count + 1 if quick else 1
        alarm.is_cleared, alarm.cleared_ns = False, 0
        alarm.raised_ns = alarm.changed_ns = alarm.heard_ns = at
        alarm.ack_user, alarm.ack_ns = "", 0
        alarm.severity, alarm.trend, alarm.place = severity, "noChange", place(event.resource)
        self.active += 1
        self._describe(alarm, event)
        window_ns = self._settings.chatter_window_s * NS_PER_S
        alarm.raises = (*(t for t in alarm.raises if t > at - window_ns), at)[-self._settings.chatter_raises - 1 :]
        begins = not alarm.chattering and len(alarm.raises) > self._settings.chatter_raises
        alarm.chattering = alarm.chattering or begins
        self._schedule(alarm, now_ns)
        self.did["reopened" if quick else "raised"] += 1
        changes = [*self._marked(alarm, at), self._change(alarm, "reopened" if quick else "raised", at, text=alarm.text)]
        if begins:
            changes.append(
                self._change(alarm, "chattering", at, text=f"raised {len(alarm.raises)} times in {self._settings.chatter_window_s} s")
            )
        return changes

    def _repeat(self, alarm: Alarm, event: Event, severity: Severity) -> list[Change]:
        at = event.time_ns
        if at < alarm.heard_ns:
            self.did["stale"] += 1
            return []
        alarm.count += 1
        alarm.heard_ns, alarm.claimed_ns = at, 0
        alarm.authenticated = alarm.authenticated or event.authenticated
        self.repeated.add(alarm.id)
        if severity == alarm.severity or (alarm.authenticated and not event.authenticated):
            # A forged message may not talk a proven alarm down.
            self.did["repeated"] += 1
            return []
        alarm.trend = "moreSevere" if severity > alarm.severity else "lessSevere"
        alarm.severity, alarm.changed_ns = severity, at
        self._describe(alarm, event)
        self.did["severity"] += 1
        return [self._change(alarm, "severity", at, text=alarm.text)]

    def _cleared(self, alarm: Alarm | None, event: Event, now_ns: int) -> tuple[list[Change], Unproven | None]:
        if alarm is None or alarm.is_cleared:
            self.did["nothing_to_clear"] += 1
            return [], None
        if event.time_ns < alarm.heard_ns:
            self.did["stale"] += 1
            return [], None
        if not event.authenticated:
            self.did["unproven_clear"] += 1
            alarm.claimed_ns = event.time_ns
            self.changed.add(alarm.id)
            return [], Unproven(alarm.id, event.time_ns)
        self.did["cleared"] += 1
        return [self._end(alarm, event.time_ns, now_ns, by=event.source, text=event.text)], None

    def end(self, alarm_id: str, at_ns: int, now_ns: int, *, by: str, text: str) -> list[Change]:
        """Clear an open alarm on somebody's word other than an event's: a person, time, a proven claim."""
        alarm = self.alarms.get(alarm_id)
        if alarm is None or alarm.is_cleared:
            return []
        return [self._end(alarm, max(at_ns, alarm.heard_ns), now_ns, by=by, text=text)]

    def _end(self, alarm: Alarm, at_ns: int, now_ns: int, *, by: str, text: str) -> Change:
        alarm.is_cleared, alarm.cleared_ns, alarm.changed_ns, alarm.claimed_ns = True, at_ns, at_ns, 0
        self.active -= 1
        self._schedule(alarm, now_ns)
        return self._change(alarm, "cleared", at_ns, by=by, text=text)

    def acknowledge(self, alarm: Alarm, user: str, now_ns: int, text: str) -> Change:
        """Until the clear: the next raise re-arms."""
        alarm.ack_user, alarm.ack_ns = user, now_ns
        return self._change(alarm, "acknowledged", now_ns, by=user, text=text)

    def unacknowledge(self, alarm: Alarm, user: str, now_ns: int, text: str) -> Change:
        alarm.ack_user, alarm.ack_ns = "", 0
        return self._change(alarm, "unacknowledged", now_ns, by=user, text=text)

    def shelve(self, alarm: Alarm, shelf: Shelf, now_ns: int) -> Change:
        alarm.shelf = shelf
        self._schedule(alarm, now_ns)
        return self._change(alarm, "shelved", now_ns, by=shelf.owner, text=shelf.reason)

    def unshelve(self, alarm: Alarm, user: str, now_ns: int, *, what: Literal["unshelved", "returned"] = "unshelved") -> list[Change]:
        alarm.shelf = None
        return [self._change(alarm, what, now_ns, by=user, text=""), *self._settle(alarm, now_ns)]

    def cover(self, now_ns: int) -> list[Change]:
        """Mark and unmark alarms after the windows in force changed; what one held back and still stands is told."""
        changes: list[Change] = []
        for alarm in self.alarms.values():
            if alarm.maintenance != (window := self.covered_by(alarm)):
                was, alarm.maintenance = alarm.maintenance, window
                alarm.suppressed = bool(window)
                self.changed.add(alarm.id)
                if not alarm.is_cleared:
                    what: What = "maintenance" if window else "maintenance_end"
                    changes.append(self._change(alarm, what, now_ns, by="plan", text=window or was))
        return changes

    def _marked(self, alarm: Alarm, at_ns: int) -> list[Change]:
        """The mark of an alarm that is raised in a window of planned work, before anybody is told of the raise."""
        alarm.maintenance = self.covered_by(alarm)
        alarm.suppressed = bool(alarm.maintenance)
        return [self._change(alarm, "maintenance", at_ns, by="plan", text=alarm.maintenance)] if alarm.maintenance else []

    def comment(self, alarm: Alarm, user: str, now_ns: int, text: str) -> Change:
        return self._change(alarm, "commented", now_ns, by=user, text=text)

    def tick(self, now_ns: int) -> list[Change]:
        """What time alone changes: shelves end, chatter calms, states that nothing clears end; old ones leave memory."""
        changes: list[Change] = []
        while self._due and self._due[0][0] <= now_ns:
            alarm = self.alarms.get(heappop(self._due)[1])
            if alarm is not None:
                changes += self._come_due(alarm, now_ns)
        return changes

    def _come_due(self, alarm: Alarm, now_ns: int) -> list[Change]:
        changes: list[Change] = []
        if alarm.shelf is not None and alarm.shelf.until_ns <= now_ns:
            changes += self.unshelve(alarm, alarm.shelf.owner, now_ns, what="returned")
        if alarm.chattering and self._calm_ns(alarm) <= now_ns:
            alarm.chattering = False
            changes += self._settle(alarm, now_ns)
        ends_ns = self._ends_ns(alarm)
        if ends_ns and ends_ns <= now_ns:
            changes.append(self._end(alarm, ends_ns, now_ns, by="time", text="nothing more was heard"))
        if not changes and alarm.is_cleared and self._forget_ns(alarm) <= now_ns and alarm.id not in self.changed | self.repeated:
            del self.alarms[alarm.id]
            return []
        self._schedule(alarm, now_ns)
        return changes

    def _settle(self, alarm: Alarm, now_ns: int) -> list[Change]:
        """Announce the state that damping or a shelf held back, if the outside still believes another."""
        if self._muted(alarm) or alarm.told == alarm.actual:
            self.changed.add(alarm.id)
            return []
        return [self._change(alarm, "settled", now_ns, text=alarm.text)]

    def _muted(self, alarm: Alarm) -> bool:
        return alarm.chattering or alarm.shelf is not None or bool(alarm.maintenance)

    def _change(self, alarm: Alarm, what: What, at_ns: int, *, by: str = "", text: str) -> Change:
        """Count the change and decide whether the outside hears of it. A resolution is told even from the shelf."""
        if what in ("acknowledged", "unacknowledged"):
            announce = alarm.told > 0 and not alarm.chattering
        else:
            resolves = alarm.is_cleared and not alarm.chattering
            announce = alarm.told != alarm.actual and (resolves or not self._muted(alarm))
            alarm.told = alarm.actual if announce else alarm.told
        alarm.seq += 1
        self.changed.add(alarm.id)
        return Change(
            alarm.id, alarm.seq, alarm.occurrence, what, at_ns, alarm.severity, alarm.is_cleared, by or alarm.source, text, announce
        )

    def _describe(self, alarm: Alarm, event: Event) -> None:
        kind = type_of(event.alarm_type, self._types)
        alarm.text = storable(event.text[: self._settings.text_chars_max])
        alarm.source, alarm.authenticated = event.source, event.authenticated
        most = self._settings.fields_max
        alarm.fields = {
            storable(name[:64]): storable(value[: self._settings.text_chars_max]) for name, value in islice(event.fields.items(), most)
        }
        alarm.event_type = event.event_type
        alarm.probable_cause = event.probable_cause if event.probable_cause != "indeterminate" else kind.probable_cause
        alarm.proposed_repair = event.proposed_repair or kind.proposed_repair

    def _schedule(self, alarm: Alarm, now_ns: int) -> None:
        times = [self._forget_ns(alarm) if alarm.is_cleared else 0, self._ends_ns(alarm)]
        times += [alarm.shelf.until_ns if alarm.shelf else 0, self._calm_ns(alarm) if alarm.chattering else 0]
        due = min((t for t in times if t), default=0)
        if due:
            heappush(self._due, (max(due, now_ns + 1), alarm.id))

    def _calm_ns(self, alarm: Alarm) -> int:
        return (alarm.raises[-1] if alarm.raises else 0) + self._settings.chatter_window_s * NS_PER_S

    def _ends_ns(self, alarm: Alarm) -> int:
        """When a state that no message clears is over: so long after it was last heard of; 0 = never by time."""
        after_ns = type_of(alarm.alarm_type, self._types).clear_after_ns
        return alarm.heard_ns + after_ns if after_ns and not alarm.is_cleared else 0

    def _forget_ns(self, alarm: Alarm) -> int:
        held = self._calm_ns(alarm) if alarm.chattering else 0
        return max(alarm.cleared_ns + self._settings.memory_after_clear_s * NS_PER_S, held, alarm.shelf.until_ns if alarm.shelf else 0)
