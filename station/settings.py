"""Settings: one TOML file, every key overridable by `TRUNKLINE_A__B`, any value also from the file `TRUNKLINE_A__B_FILE` names.

What is wrong is said exactly: file, line, key, what was expected, and the nearest name for an unknown key.
"""

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from station.toml_positions import positions

PREFIX = "TRUNKLINE_"
FILE_LIMIT = 1 << 20


class Settings(BaseModel):
    """Base of every settings model: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"{value!r} is no time zone of the tz database") from error
    return value


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a zone of the tz database."""

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: where (file or environment variable, line 0 if none), which key and what was expected."""

    where: str
    line: int
    key: str
    says: str

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        return f"{place}: {self.key}: {self.says}" if self.key else f"{place}: {self.says}"


class SettingsError(Exception):
    """The settings cannot be used; `faults` names every reason. The command exits with 2."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def load(model: type[S], path: Path | None, environ: Mapping[str, str]) -> S:
    """The settings of `path` (None: defaults) with the environment's overrides; SettingsError names each fault."""
    text = _read(path) if path else ""
    values = _parse(text, path)
    overrides = dict(_overrides(environ))
    for key, (_, value) in overrides.items():
        _put(values, key, value)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise SettingsError(*_faults(error, model, path, text, overrides)) from error


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise SettingsError(Fault(str(path), 0, "", f"is larger than {FILE_LIMIT} bytes"))
        return path.read_text()
    except FileNotFoundError as error:
        near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], 1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise SettingsError(Fault(str(path), 0, "", f"no such file{hint}")) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(Fault(str(path), 0, "", f"cannot be read: {error}")) from error


def _parse(text: str, path: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = text[: getattr(error, "pos", 0)].count("\n") + 1 if hasattr(error, "pos") else _line_in(str(error))
        raise SettingsError(Fault(str(path), line, "", f"is not TOML: {error}")) from error


def _line_in(message: str) -> int:
    _, _, tail = message.partition("(at line ")
    digits = tail.partition(",")[0]
    return int(digits) if digits.isdigit() else 0


def _overrides(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], tuple[str, Any]]]:
    """((key path), (variable, value)) for every TRUNKLINE_A__B; a name without `__` is no setting."""
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or "__" not in variable:
            continue
        name = variable.removeprefix(PREFIX)
        if name.endswith("_FILE"):
            name = name.removesuffix("_FILE")
            text = _read(Path(text)).strip()
        yield tuple(part.lower() for part in name.split("__")), (variable, _value(text))


def _value(text: str) -> Any:
    """A number, list, table or truth value where the text is one in JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _put(values: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for part in key[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            values[part] = inner = {}
        values = inner
    values[key[-1]] = value


def _faults(
    error: ValidationError, model: type[BaseModel], path: Path | None, text: str, overrides: Mapping[tuple[str, ...], tuple[str, Any]]
) -> list[Fault]:
    lines = positions(text)
    found = []
    for problem in error.errors():
        at = problem["loc"]
        says = _says(problem, model)
        variable = next(
            (overrides[tuple(map(str, at[:n]))][0] for n in range(len(at), 0, -1) if tuple(map(str, at[:n])) in overrides), None
        )
        key = ".".join(str(part) for part in at)
        if variable:
            found.append(Fault(variable, 0, key, says))
        else:
            found.append(Fault(str(path), _line_of(lines, at), key, says))
    return found


def faults_of(error: ValidationError, model: type[BaseModel], where: str, text: str, at: tuple[str | int, ...] = ()) -> list[Fault]:
    """Each problem of a table that stands at `at` in a TOML text, with its line; for files other than the settings."""
    lines = positions(text)
    found = []
    for problem in error.errors():
        place = (*at, *problem["loc"])
        found.append(Fault(where, _line_of(lines, place), ".".join(map(str, place)), _says(problem, model)))
    return found


def _line_of(lines: Mapping[tuple[str | int, ...], int], at: tuple[str | int, ...]) -> int:
    """The line of the key, or of the nearest table around it where the key itself is missing."""
    return next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), 1)


def _says(problem: Any, model: type[BaseModel]) -> str:
    at = problem["loc"]
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(at[-1]), _names(model, at[:-1]), 1)
        return f"unknown key{f'; did you mean {near[0]!r}?' if near else ''}"
    if problem["type"] == "missing":
        return "is required"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}, got {_shown(problem.get('input'))}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _names(model: type[BaseModel], at: tuple[str | int, ...]) -> list[str]:
    """The keys that the table at `at` may hold."""
    for part in at:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for argument in get_args(annotation) if (inner := _model_in(argument))), None)
