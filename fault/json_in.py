"""Any system that can post JSON: a mapping, which is data, says where in its documents the words of an alarm are.

`config/alarm_rules/json/<name>.toml` makes `POST /api/v1/alarms/in/<name>`. A path is names and positions by dots.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from pydantic import Field, ValidationError

from fault.foreign import ALERTS_MAX, TEXT_CHARS_MAX, Alert, event_of
from fault.service import FaultService
from station.data import data_dir
from station.scope import Role
from station.settings import Fault, Settings, SettingsError, faults_of
from station.web import Caller, ProblemError, not_found

FOLDER: Final = "alarm_rules/json"
PATH_PARTS_MAX: Final = 16
Paths = tuple[str, ...]


class Example(Settings):
    """A document, and what it is to become."""

    says: str
    body: str
    expect: tuple[dict[str, str], ...]


class Mapped(Settings):
    """One kind of document. `items` is where the list of alerts is ("" for one alert); the first path of several that is there counts.

    `severities` puts their words (in lower case) into ours; `over` lists what `status` says when it is over. `identity`
    is what makes it the same alarm again; without it the name and the device do.
    """

    summary: str
    reference: str
    items: str = ""
    name: str
    severity: str = ""
    severities: dict[str, str] = Field(default_factory=dict)
    status: str = ""
    over: tuple[str, ...] = ()
    text: Paths = ()
    device: Paths = ()
    interface: Paths = ()
    identity: Paths = ()
    examples: Annotated[tuple[Example, ...], Field(min_length=2)]


def at(document: Any, path: str) -> Any:
    """What stands at a path; None where there is nothing."""
    for part in path.split(".")[:PATH_PARTS_MAX] if path else ():
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def _text(document: Any, paths: Paths) -> str:
    for path in paths:
        value = at(document, path)
        if isinstance(value, str | int | float) and str(value).strip():
            return str(value)[:TEXT_CHARS_MAX]
    return ""


def alerts(mapping: Mapped, document: Any) -> Iterator[Alert]:
    """The alerts of a document; what has no name is none."""
    found = at(document, mapping.items)
    for item in found[:ALERTS_MAX] if isinstance(found, list) else [found]:
        name = _text(item, (mapping.name,))
        if not name:
            continue
        said = _text(item, (mapping.severity,)).lower()
        labels = {"alertname": name, "severity": mapping.severities.get(said, said)}
        labels |= {"device": _text(item, mapping.device), "interface": _text(item, mapping.interface)}
        labels |= {f"identity_{n}": _text(item, (path,)) for n, path in enumerate(mapping.identity)}
        over = mapping.over and _text(item, (mapping.status,)) in mapping.over
        kept = {key: value for key, value in labels.items() if value}
        yield Alert(labels=kept, annotations={"summary": _text(item, mapping.text)}, status="resolved" if over else "firing")


def load_file(path: Path) -> Mapped:
    """One mapping; SettingsError names file, line and key."""
    text = path.read_text(encoding="utf-8")
    try:
        return Mapped.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(Fault(path.name, 0, "", str(error))) from error
    except ValidationError as error:
        raise SettingsError(*faults_of(error, Mapped, path.name, text)) from error


@cache
def mappings() -> dict[str, Mapped]:
    """Every mapping by its file's name."""
    return {path.stem: load_file(path) for path in sorted((data_dir("config") / FOLDER).glob("*.toml"))}


def router(service: FaultService) -> APIRouter:
    """The endpoint of every mapping."""
    known = mappings()
    routes = APIRouter(tags=["fault"])

    @routes.post("/api/v1/alarms/in/{key}")
    async def take(caller: Caller, key: str, document: Annotated[Any, Body()]) -> dict[str, int]:
        caller.require(Role.OPERATOR, "raising alarms for another system")
        if key not in known:
            raise not_found("mapping")
        now_ns = service.clock.now_ns()
        events = tuple(event_of(alert, service.resources, now_ns, f"{key} {caller.user}") for alert in alerts(known[key], document))
        if not events:
            raise ProblemError(422, "No alert in it", f"At {known[key].items or 'the top'} nothing has a {known[key].name}.")
        await service.events.put(events)
        return {"taken": len(events)}

    return routes
