"""Runbooks as data (`config/runbooks/`): what to do about which alarms; each file carries examples that the suite runs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, field_validator, model_validator

from fault.alarm_types import TypeClass, alarm_types, type_of
from station.data import data_dir
from station.settings import Settings, load

SUGGESTED_MAX: Final = 3
Steps = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=500)], ...], Field(min_length=1, max_length=30)]


class Example(Settings):
    """Root kind, verdict and alarm types of an incident, and whether this runbook is suggested."""

    says: str
    root_kind: str = ""
    alarm_types: tuple[str, ...]
    suggested: bool


class RunbookFile(Settings):
    """`alarm_types` and `classes` (of config/alarm_types.toml) it is about; `root_kinds` () any."""

    title: str = Field(min_length=1, max_length=120)
    alarm_types: tuple[str, ...] = ()
    classes: tuple[TypeClass, ...] = ()
    root_kinds: tuple[str, ...] = ()
    steps: Steps
    url: str = Field("", max_length=500)  # where more stands
    examples: tuple[Example, ...]

    @field_validator("alarm_types")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in alarm_types()]:
            raise ValueError(f"no such type in config/alarm_types.toml: {unknown[0]!r}")
        return names

    @field_validator("url")
    @classmethod
    def _is_a_page(cls, url: str) -> str:
        if url and not url.startswith(("https://", "http://")):
            raise ValueError("begins with https://")
        return url

    @model_validator(mode="after")
    def _is_about_something(self) -> "RunbookFile":
        if not self.alarm_types and not self.classes:
            raise ValueError("name `alarm_types` or `classes`")
        return self


@dataclass(frozen=True, slots=True)
class Runbook:
    """One that may be suggested; `name` is that of its file."""

    name: str
    file: RunbookFile

    def fits(self, root_kind: str, types: Collection[str]) -> int:
        """How well: 0 not at all, more the more it is about just these."""
        file = self.file
        if file.root_kinds and root_kind not in file.root_kinds:
            return 0
        named = any(name in file.alarm_types for name in types)
        classes = {type_of(name, alarm_types()).class_ for name in types}
        about = 4 if named else 2 if classes.intersection(file.classes) else 0
        return about + bool(file.root_kinds) if about else 0

    def shown(self) -> dict[str, Any]:
        return {"name": self.name, "title": self.file.title, "steps": list(self.file.steps), "url": self.file.url or None}


def load_runbooks(folder: str = "") -> tuple[Runbook, ...]:
    """The shipped ones, and a site's own. SettingsError names file, line and key of a wrong one."""
    folders = [data_dir("config") / "runbooks", *([Path(folder)] if folder else [])]
    found: Mapping[str, Path] = {path.stem: path for each in folders for path in sorted(each.glob("*.toml"))}
    return tuple(Runbook(name, load(RunbookFile, path, {})) for name, path in sorted(found.items()))


def suggest(runbooks: Iterable[Runbook], root_kind: str, types: Sequence[str]) -> list[Runbook]:
    """The best fitting first."""
    fitting = [(each.fits(root_kind, types), each) for each in runbooks]
    found = sorted((pair for pair in fitting if pair[0]), key=lambda pair: (-pair[0], pair[1].name))
    return [each for _, each in found][:SUGGESTED_MAX]
