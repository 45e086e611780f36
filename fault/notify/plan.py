"""The plan of who is told: a tree of routes, times, people with their schedules, and chains to climb. Pure.

A route takes what its filter and severity let in; its children are asked in order, the first that takes it ends the
search unless it says `continue`; what no child takes is the route's own. What a route does not say it has from its parent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import Field, model_validator

from fault.alarms import SEVERITIES
from fault.filters import FilterLine, SeverityWord, Term, matches, parse
from fault.notify.oncall import Name, Part, Schedule, Times, instant, on_call, quiet_until_ns
from fault.notify.routes import News, Webhook
from station.clock import NS_PER_S
from station.ids import derived_id

DEPTH_MAX: Final = 10
ROUTES_MAX: Final = 500
GROUPS: Final = ("severity", "site", "region", "device", "alarm_type", "kind", "about")
Wait = Annotated[float, Field(ge=0, le=30 * 86_400)]


class Route(Part):
    """One node. `receivers` are names of webhooks, `on_call` names of schedules. `group_by` () puts everything into one group."""

    match: FilterLine = ""
    severity: SeverityWord = "indeterminate"
    go_on: Annotated[bool, Field(alias="continue")] = False
    receivers: tuple[Name, ...] | None = None
    on_call: tuple[Name, ...] | None = None
    group_by: tuple[Annotated[str, Field(pattern=f"^({'|'.join(GROUPS)})$")], ...] | None = None
    group_wait_s: Wait | None = None
    group_interval_s: Wait | None = None
    repeat_interval_s: Wait | None = None
    mute: tuple[Name, ...] | None = None
    active: tuple[Name, ...] | None = None
    escalate: Annotated[str, Field(max_length=64)] | None = None
    routes: Annotated[tuple["Route", ...], Field(max_length=100)] = ()

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return parse(self.match)

    def takes(self, it: News) -> bool:
        strong = it.severity >= SEVERITIES[self.severity]
        return strong and (not self.terms or any(matches(alarm, self.terms) for alarm in it.alarms))


class Step(Part):
    """After so long without anybody taking it, these are told too."""

    after_s: Wait
    receivers: tuple[Name, ...] = ()
    on_call: tuple[Name, ...] = ()


class Chain(Part):
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)]


class Plan(Part):
    """Everything. `people` names the webhooks that reach each person, `teams` who is in which, for reports."""

    route: Route | None = None
    times: dict[Name, Times] = Field(default_factory=dict)
    schedules: dict[Name, Schedule] = Field(default_factory=dict)
    people: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)
    chains: dict[Name, Chain] = Field(default_factory=dict)
    teams: dict[Name, tuple[Name, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _whole(self) -> "Plan":
        nodes = list(_nodes(self.route)) if self.route else []
        if len(nodes) > ROUTES_MAX or any(depth > DEPTH_MAX for depth, _ in nodes):
            raise ValueError(f"a plan has at most {ROUTES_MAX} routes, {DEPTH_MAX} deep")
        for says, names, known in self._uses([node for _, node in nodes]):
            if unknown := sorted(set(names) - set(known)):
                raise ValueError(f"there is no {says} {unknown[0]!r}")
        return self

    def _uses(self, nodes: list[Route]) -> Iterator[tuple[str, Any, Any]]:
        for node in nodes:
            yield "times", (*(node.mute or ()), *(node.active or ())), self.times
            yield "schedule", node.on_call or (), self.schedules
            yield "chain", (node.escalate,) if node.escalate else (), self.chains
        for chain in self.chains.values():
            for step in chain.steps:
                yield "schedule", step.on_call, self.schedules
        for schedule in self.schedules.values():
            for layer in schedule.layers:
                yield "times", layer.times, self.times
                yield "person", layer.people, self.people
            yield "person", [each.person for each in schedule.overrides], self.people

    @cached_property
    def repeats(self) -> bool:
        """Whether anything is ever said again."""
        return any(node.repeat_interval_s for _, node in (_nodes(self.route) if self.route else ()))

    @cached_property
    def team_of(self) -> dict[str, str]:
        """The team of each person; of several the first by name."""
        return {person: team for team, people in sorted(self.teams.items(), reverse=True) for person in people}

    def webhooks(self) -> frozenset[str]:
        """The names of the webhooks that hear only what the plan sends them."""
        found = {name for names in self.people.values() for name in names}
        found |= {name for chain in self.chains.values() for step in chain.steps for name in step.receivers}
        found |= {name for _, node in (_nodes(self.route) if self.route else ()) for name in node.receivers or ()}
        return frozenset(found)

    def reached(self, receivers: tuple[str, ...], schedules: tuple[str, ...], now_ns: int) -> list[str]:
        """The webhooks of these and of whoever is on call now, each once."""
        at = instant(now_ns)
        people = [on_call(self.schedules[name], self.times, at) for name in schedules if name in self.schedules]
        return list(dict.fromkeys((*receivers, *(hook for person in people for hook in self.people.get(person, ())))))


@dataclass(frozen=True, slots=True)
class Way:
    """How something reaches a webhook. `hold_ns` the earliest time by mute times; `group` "" for alone."""

    hold_ns: int
    group: str = ""
    wait_s: float = 0.0
    interval_s: float = 0.0
    repeat_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Routing:
    """The plan at one instant over some news: `ways` by (webhook's name, object), `chains` by object."""

    named: frozenset[str] = frozenset()
    ways: dict[tuple[str, str], Way] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)

    def sends(self, hook: Webhook, it: News) -> bool | None:
        """Whether the plan sends this there; None where the plan has no say, and the webhook's own filter decides."""
        return (hook.name, it.object_id) in self.ways if hook.name in self.named else None


_INHERITED: Final = (
    "receivers", "on_call", "group_by", "group_wait_s", "group_interval_s", "repeat_interval_s", "mute", "active", "escalate",
)  # fmt: skip


def routing(plan: Plan, news: list[News], now_ns: int) -> Routing:
    """Where each piece of news goes by the plan."""
    if plan.route is None:
        return Routing()
    found = Routing(plan.webhooks())
    for it in news:
        for says in _taken(plan.route, it, dict.fromkeys(_INHERITED)):
            for name in plan.reached(says["receivers"] or (), says["on_call"] or (), now_ns):
                found.ways.setdefault((name, it.object_id), _way(plan, says, it, now_ns))
            if says["escalate"]:
                found.chains.setdefault(it.object_id, says["escalate"])
    return found


def _taken(route: Route, it: News, above: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the routes that take it say, each with what it has from above; nothing where it is not taken."""
    if not route.takes(it):
        return []
    says = {name: above[name] if getattr(route, name) is None else getattr(route, name) for name in _INHERITED}
    found: list[dict[str, Any]] = []
    for child in route.routes:
        taken = _taken(child, it, says)
        found += taken
        if taken and not child.go_on:
            break
    return found or [says]


def _way(plan: Plan, says: Mapping[str, Any], it: News, now_ns: int) -> Way:
    hold_ns = quiet_until_ns(says["mute"] or (), says["active"] or (), plan.times, now_ns)
    repeat_s = says["repeat_interval_s"] or 0.0
    if says["group_by"] is None:
        return Way(hold_ns, repeat_s=repeat_s, wait_s=says["group_wait_s"] or 0.0)
    key = derived_id("group", *(f"{name}={_value(it, name)}" for name in says["group_by"]))[:32]
    return Way(hold_ns, key, says["group_wait_s"] or 0.0, says["group_interval_s"] or 0.0, repeat_s)


def _value(it: News, name: str) -> str:
    if name == "about":
        return it.about
    if name == "severity":
        return str(it.severity)
    if name == "kind" or not it.alarms:
        return str(it.body.get("kind", ""))
    first = it.alarms[0]
    return first.alarm_type if name == "alarm_type" else str(getattr(first.place, name))


def _nodes(route: Route, depth: int = 1) -> Iterator[tuple[int, Route]]:
    yield depth, route
    for child in route.routes:
        yield from _nodes(child, depth + 1)


def due_ns(way: Way, now_ns: int, waiting_ns: int, went_ns: int) -> int:
    """When a message goes out: with its group's waiting one, else after the interval since the last, else after the wait."""
    if not way.group:
        return max(way.hold_ns, now_ns + int(way.wait_s * NS_PER_S))
    if waiting_ns:
        return max(way.hold_ns, waiting_ns)
    again_ns = went_ns + int(way.interval_s * NS_PER_S) if went_ns else 0
    return max(way.hold_ns, now_ns + int(way.wait_s * NS_PER_S) if again_ns <= now_ns else again_ns)
