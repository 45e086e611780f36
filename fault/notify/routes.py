"""Who hears of what. Pure: webhooks, what happened, what each was told before; out come the messages."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from fault.alarms import Alarm, Change, Severity
from fault.filters import Term, matches, parse
from fault.incidents import Incident
from fault.notify.store import ENDINGS
from fault.views import alarm_json, incident_json
from station.ids import derived_id

About = Literal["incidents", "alarms"]
Told = Mapping[tuple[str, str], Sequence[tuple[int, str]]]
NAMES_MAX = 1_000  # services or customers in one message
_WORDS = {"incident": ("opened", "changed", "closed"), "alarm": ("raised", "changed", "cleared")}


@dataclass(frozen=True)
class Webhook:
    """One receiver. It hears of what is at least of `severity` and matches the filter line, and of that until its end."""

    id: str
    name: str
    url: str
    format: str = "trunkline"
    template: str = ""
    content_type: str = "application/json"
    about: About = "incidents"
    severity: int = int(Severity.INDETERMINATE)
    filter: str = ""
    enabled: bool = True
    created_ns: int = 0
    options: str = "{}"

    @cached_property
    def chosen(self) -> dict[str, str]:
        """What it chose of its preset."""
        return dict(json.loads(self.options))

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        return parse(self.filter)


@dataclass(frozen=True, slots=True)
class News:
    """What happened to one incident or alarm. `alarms` are what a filter looks at: the alarm, or those on the root.

    `shown`: it is no noise and no child of another; `over`: it ended.
    """

    about: str
    object_id: str
    revision: int
    severity: int
    shown: bool
    over: bool
    alarms: tuple[Alarm, ...]
    body: Mapping[str, Any]


def incident_news(incidents: Sequence[tuple[str, Incident]], alarms: Mapping[str, Alarm]) -> list[News]:
    """Each incident once, as it stands now: what happened twice in one transaction is told once."""
    last = {it.id: it for _, it in incidents}
    return [
        News(
            "incident",
            it.id,
            it.revision,
            it.severity,
            not it.noise,
            not it.actual,
            tuple(alarms[key] for key in it.root_alarm_ids if key in alarms),
            incident_body(it),
        )
        for it in last.values()
    ]


def incident_body(it: Incident) -> dict[str, Any]:
    """The incident's JSON with at most NAMES_MAX services and customers, and how many there are."""
    body = incident_json(it)
    impact = {name: len(body[name]) for name in ("services", "customers")}
    return body | {name: body[name][:NAMES_MAX] for name in impact} | {"impact": impact}


def alarm_news(changes: Iterable[tuple[Change, Alarm]]) -> list[News]:
    """Each change that is to be announced, in order; the body says the state after that very change."""
    return [
        News(
            "alarm",
            alarm.id,
            change.seq,
            int(change.severity),
            not alarm.suppressed,
            change.is_cleared,
            (alarm,),
            {**alarm_json(alarm), "perceived_severity": change.severity.word, "is_cleared": change.is_cleared},
        )
        for change, alarm in changes
        if change.what not in ("acknowledged", "unacknowledged", "commented")
    ]


def messages(
    hooks: Collection[Webhook], news: Sequence[News], told: Told, sends: Callable[[Webhook, News], bool | None] = lambda _hook, _it: None
) -> Iterator[tuple[Webhook, News, str]]:
    """(webhook, news, transition) of everything to be told.

    A webhook that heard of an object hears how it goes on and how it ends, whatever its filter says then; one
    that did not hears nothing of the end. `sends`: the plan's word, None for none.
    `told` may hold these very messages already (a transaction repeated).
    """
    for hook in hooks:
        said: dict[str, bool] = {}
        for it in news:
            if f"{it.about}s" != hook.about or not (hook.enabled or it.over):  # a paused one still hears of endings
                continue
            open_here = said.get(it.object_id, _holds(told.get((hook.id, it.object_id), ()), it.revision))
            says = sends(hook, it)
            transition = _transition(it, open_here, wanted=wants(hook, it) if says is None else says)
            if transition:
                said[it.object_id] = not it.over
                yield hook, it, transition


def _holds(told: Sequence[tuple[int, str]], revision: int) -> bool:
    """Whether the last thing told before this revision was not an end."""
    before = [entry for entry in told if entry[0] < revision]
    return bool(before) and max(before)[1] not in ENDINGS


def _transition(it: News, open_here: bool, *, wanted: bool) -> str:
    opened, changed, ended = _WORDS[it.about]
    if it.over:
        return ended if open_here else ""
    if open_here:
        return changed
    return opened if it.shown and wanted else ""


def wants(hook: Webhook, it: News) -> bool:
    """Whether the webhook's least severity and filter line let this through."""
    return it.severity >= hook.severity and (not hook.terms or any(matches(alarm, hook.terms) for alarm in it.alarms))


def message_id(tenant: int, hook: str, object_id: str, revision: int, transition: str) -> str:
    """The id of a message, a UUIDv8 from what it is: a replay of the same facts gives the same."""
    value = int(derived_id("message", tenant, hook, object_id, revision, transition)[:32], 16)
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))
