"""The plan of one tenant: windows made, changed until they begin, ended; and what is in force now."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fault.alarms import storable
from fault.maintenance import store
from fault.maintenance.cover import services_of
from fault.maintenance.recurrence import RuleError, parse
from fault.maintenance.windows import NOTHING, InForce, Span, Target, TargetKind, Window, in_force
from fault.resources import Resources
from station.clock import NS_PER_S, Clock
from station.ids import new_id
from station.scope import Scope
from station.security import audit
from station.settings import TimeZone
from station.state import State

WINDOWS_MAX: Final = 10_000
TARGETS_MAX: Final = 1_000
DURATION_MAX_S: Final = 31 * 86_400
RULE_CHARS_MAX: Final = 512


class WindowError(ValueError):
    """A window that cannot be made or changed so; `field` names what is wrong with it, the text says what."""

    def __init__(self, field: str, says: str) -> None:
        super().__init__(says)
        self.field = field


class BegunError(WindowError):
    """It has begun or was ended: what was in force is a fact."""


class NamedTarget(BaseModel):
    """A device, site, link, interface, service or customer by its id."""

    model_config = ConfigDict(extra="forbid")

    kind: TargetKind
    id: Annotated[str, Field(min_length=1, max_length=255)]


class Plan(BaseModel):
    """What a person says to plan work. `starts` is local time in `zone`; `rule` an RFC 5545 RRULE, empty for once."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=1_024)]
    owner: Annotated[str, Field(min_length=1, max_length=255)]
    targets: Annotated[list[NamedTarget], Field(min_length=1, max_length=TARGETS_MAX)]
    starts: datetime
    zone: TimeZone = "UTC"
    duration_s: Annotated[int, Field(ge=60, le=DURATION_MAX_S)]
    rule: Annotated[str, Field(max_length=RULE_CHARS_MAX)] = ""
    counts_for_sla: bool = False

    @field_validator("reason", "owner")
    @classmethod
    def _is_text(cls, text: str) -> str:
        if text != storable(text) or not text.strip():
            raise ValueError("it is empty, or holds NUL or half a character")
        return text.strip()

    @field_validator("starts")
    @classmethod
    def _is_local(cls, starts: datetime) -> datetime:
        if starts.tzinfo is not None:
            raise ValueError("give local time without an offset; `zone` says whose")
        return starts.replace(microsecond=0)

    @model_validator(mode="after")
    def _recurs(self) -> "Plan":
        if not self.rule:
            return self
        try:
            first = next(parse(self.rule).starts(self.starts, ZoneInfo(self.zone)), None)
        except RuleError as error:
            raise ValueError(f"rule: {error}") from error
        if first != self.starts:
            raise ValueError(f"rule: it does not fall on `starts`; it first does on {first.isoformat() if first else 'no day'}")
        return self


class Registry:
    """`changed` is called when something else may be in force than before."""

    def __init__(self, state: State, clock: Clock, tenant: int) -> None:
        self._state, self._clock, self._tenant = state, clock, tenant
        self.windows: dict[str, Window] = {}
        self.in_force: InForce = NOTHING
        self.changed: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Take up the plan of the store."""
        async with self._state.read() as conn:
            self.windows = {it.id: it for it in await store.every(conn, self._tenant)}
        self.look(self._clock.now_ns())

    def look(self, now_ns: int) -> None:
        """Find what is in force now; it stays true until `in_force.until_ns`, or until somebody changes the plan."""
        self.in_force = in_force(self.windows.values(), now_ns)

    async def add(self, caller: Scope, plan: Plan, resources: Resources) -> Window:
        if len(self.windows) >= WINDOWS_MAX:
            raise WindowError("targets", f"there are {WINDOWS_MAX} windows, which is as many as can be")
        now_ns = self._clock.now_ns()
        made = self._window(plan, new_id(now_ns), now_ns, caller.user, resources)
        await self._save(caller, "maintenance.plan", None, made)
        return made

    async def change(self, caller: Scope, key: str, plan: Plan, resources: Resources) -> Window | None:
        """Make it what the plan says, while it has not begun; None where there is none."""
        before = self.windows.get(key)
        if before is None:
            return None
        now_ns = self._clock.now_ns()
        if before.ended_ns or next(before.spans(0, now_ns), None) is not None:
            raise BegunError("starts", "it has begun or was ended: end it, and plan another")
        changed = replace(self._window(plan, key, now_ns, before.created_by, resources), created_ns=before.created_ns)
        await self._save(caller, "maintenance.change", before, changed)
        return changed

    async def end(self, caller: Scope, key: str, reason: str) -> Window | None:
        """End it now and for good: what is in force ends, what was to come does not. None where there is none."""
        before = self.windows.get(key)
        if before is None or before.ended_ns:
            return before
        ended = replace(before, ended_ns=self._clock.now_ns())
        await self._save(caller, "maintenance.end", before, ended, reason)
        return ended

    def _window(self, plan: Plan, key: str, now_ns: int, user: str, resources: Resources) -> Window:
        targets = tuple(dict.fromkeys(Target(each.kind, each.id) for each in plan.targets))
        for target in targets:
            if not is_known(target, resources):
                raise WindowError("targets", f"there is no {target.kind} {target.id!r}")
        made = Window(
            key, plan.reason, plan.owner, targets, plan.starts, plan.zone, plan.duration_s, plan.rule, plan.counts_for_sla, now_ns, user
        )
        if made.is_over(now_ns):
            raise WindowError("starts", "it would be over before it begins: a window is declared before the work")
        return made

    async def _save(self, caller: Scope, act: str, before: Window | None, after: Window, reason: str = "") -> None:
        async with self._state.write() as conn:
            await store.save(conn, self._tenant, after)
            was = None if before is None else audited(before)
            await audit.record(
                conn,
                caller,
                act,
                f"maintenance:{after.id}",
                now_ns=self._clock.now_ns(),
                before=was,
                after=audited(after),
                reason=reason or after.reason,
            )
        self.windows[after.id] = after
        self.look(self._clock.now_ns())
        self.changed()

    def spans(self, from_ns: int, to_ns: int) -> list[tuple[Window, Span]]:
        """Every time of every window between two instants, in order: what a calendar shows."""
        found = [(window, span) for window in self.windows.values() for span in window.spans(from_ns, to_ns)]
        return sorted(found, key=lambda pair: (pair[1].begins_ns, pair[1].window_id))

    def excluded(self, service_id: str, resources: Resources, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """When work on a service was planned that does not count for its level: (begins, ends) in ns, apart and in order."""
        windows = [it for it in self.windows.values() if not it.counts_for_sla and service_id in services_of(it.targets, resources)]
        spans = sorted((max(s.begins_ns, from_ns), min(s.ends_ns, to_ns)) for it in windows for s in it.spans(from_ns, to_ns))
        apart: list[tuple[int, int]] = []
        for begins_ns, ends_ns in spans:
            if apart and begins_ns <= apart[-1][1]:
                apart[-1] = (apart[-1][0], max(apart[-1][1], ends_ns))
            else:
                apart.append((begins_ns, ends_ns))
        return apart


def is_known(target: Target, resources: Resources) -> bool:
    topology = resources.topology
    known = {
        "device": topology.device_by_id,
        "site": topology.sites,
        "link": topology.links,
        "interface": topology.entity_by_id,
        "service": topology.services,
        "customer": topology.customers,
    }
    return target.id in known[target.kind]


def audited(it: Window) -> dict[str, object]:
    """What the audit keeps of a window."""
    return {
        "targets": [f"{target.kind}:{target.id}" for target in it.targets[:100]],
        "starts": it.starts.isoformat(),
        "zone": it.zone,
        "duration_s": it.duration_s,
        "rule": it.rule,
        "counts_for_sla": it.counts_for_sla,
        "owner": it.owner,
        "ended": it.ended_ns // NS_PER_S,
    }
