"""What the fault service and a correlator say to each other. Plain values, no I/O on either side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from inventory.topology import Topology

AlarmState = Literal["raised", "cleared"]
Verdict = Literal["down", "degraded", "unreachable", "unknown"]


@dataclass(frozen=True, slots=True)
class AlarmChange:
    """An alarm was raised (or raised again, or changed its severity) or cleared.

    `alarm_id` names the alarm's key and stays through clear and reopen; `time_ns` is when the change
    happened (the notification's time), `raised_ns` when the present occurrence began; `resource` and
    `device` are public ids (`device` "" where the resource belongs to none). Correlation reads the class of
    the cause from `alarm_type` (config/alarm_types.toml); the X.733 words refine it. `text` is the
    device's own and hostile.
    """

    alarm_id: str
    time_ns: int
    raised_ns: int
    state: AlarmState
    resource: str
    device: str
    alarm_type: str
    probable_cause: str = "indeterminate"
    event_type: str = "communicationsAlarm"
    severity: str = "major"
    qualifier: str = ""
    text: str = ""
    occurrence: int = 1


@dataclass(frozen=True, slots=True)
class RootCandidate:
    """What may have failed: `kind` link | interface | card | device | site | duct | session | power; `odds` 0..1."""

    resource_id: str
    kind: str
    name: str
    odds: float = 1.0


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict in words: one sentence, evidence for it, expected evidence that is missing, what cannot be known."""

    summary: str
    evidence: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentChange:
    """The whole present state of one incident; it replaces what was said of `incident` before.

    `roots` best first: the first is the root, the others its alternatives. An alarm belongs to at most
    one incident: naming it here takes it from the incident that had it. `alarm_ids` () means that the
    incident is gone (merged or explained by another); it is then closed. `root_alarm_ids` are the alarms
    on the root itself (those not hidden as its children).
    """

    incident: str
    alarm_ids: tuple[str, ...]
    roots: tuple[RootCandidate, ...]
    confidence: float
    noise: bool = False
    verdict: Verdict = "unknown"
    explanation: Explanation = field(default_factory=lambda: Explanation(""))
    missing_link: str | None = None
    root_alarm_ids: tuple[str, ...] = ()


class Correlator(Protocol):
    """Groups alarms by their root cause. Not thread-safe; the service is its only caller."""

    def topology_changed(self, topology: Topology) -> None:
        """Take the new picture; verdicts follow with the next `feed`."""
        ...

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        """The incidents that changed. Also called without changes as time passes: delayed evidence comes due.

        After a restart the service feeds every open alarm once as raised, in the order of `raised_ns`.
        """
        ...
