"""What happens when, as data: `config/dunning/<name>.toml`, and the pure decision of what is due today."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from string import Template
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from station.data import data_dir
from station.settings import Fault, Settings, SettingsError, faults_of

Act = Literal["notice", "throttle", "walled_garden", "suspend", "write_off"]
Pause = Literal["dispute", "protection", "outage"]
RESTRICTIONS: Final = ("throttle", "walled_garden", "suspend")
WORDS: Final = {"name": "", "amount": "", "documents": "", "due_on": "", "operator": ""}  # what a notice may name


class Stage(Settings):
    """From `after_days` past the due date of the oldest open document on. `text` is a notice's, with $name, $amount, ..."""

    name: Annotated[str, Field(min_length=1, max_length=32)]
    act: Act
    after_days: Annotated[int, Field(ge=0, le=1000)]
    subject: Annotated[str, Field(max_length=200)] = ""
    text: Annotated[str, Field(max_length=4000)] = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.act == "notice") != bool(self.subject and self.text):
            raise ValueError("a notice has `subject` and `text`, and nothing else has")
        for text in (self.subject, self.text):
            try:
                Template(text).substitute(WORDS)
            except (KeyError, ValueError) as error:
                raise ValueError(f"a notice knows {', '.join(f'${name}' for name in WORDS)}: {error}") from error
        return self


class Day(Settings):
    """An example's account on one day: what is overdue from which due date, what pauses, what was written off."""

    day: date
    overdue_minor: int = 0
    disputed_minor: int = 0
    due: date | None = None
    pauses: tuple[Pause, ...] = ()
    written_off: bool = False


class ExampleDunning(Settings):
    """An account day by day (each state stays until the next) and what is done when: `[day, "enter suspend"]`."""

    says: str
    days: tuple[Day, ...]
    until: date
    expect: tuple[tuple[date, str], ...] = ()


class Terms(Settings):
    """Stages in their order. Less than `floor_minor` starts nothing; two stages lie `gap_days` apart at least, so that a
    station that was away does not cut off whom it never warned. While paused no day counts; what `lifts` names also takes
    the restriction back until it is over."""

    summary: Annotated[str, Field(min_length=1, max_length=200)]
    floor_minor: Annotated[int, Field(ge=1)] = 500
    gap_days: Annotated[int, Field(ge=1, le=90)] = 3
    lifts: tuple[Pause, ...] = ("protection",)
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, max_length=20)]
    examples: tuple[ExampleDunning, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [one.after_days for one in self.stages]
        if days != sorted(set(days)) or len({one.name for one in self.stages}) < len(self.stages):
            raise ValueError("stages have names of their own and lie in the order of their days")
        return self

    def standing(self, stage: int) -> str:
        """The restriction that the first `stage` stages come to, "" for none."""
        return next((one.act for one in reversed(self.stages[:stage]) if one.act in RESTRICTIONS), "")


@dataclass(frozen=True, slots=True)
class Position:
    """What an account looks like to dunning today, amounts by currency; `oldest` is the first due date not disputed."""

    overdue: Mapping[str, int] = field(default_factory=dict)
    disputed: Mapping[str, int] = field(default_factory=dict)
    oldest: date | None = None
    pauses: Sequence[str] = ()
    written_off: bool = False

    def above(self, floor_minor: int, *, disputed: bool) -> bool:
        owed = dict(self.overdue)
        for currency, amount in self.disputed.items() if disputed else ():
            owed[currency] = owed.get(currency, 0) + amount
        return any(amount >= floor_minor for amount in owed.values())


@dataclass(frozen=True, slots=True)
class Case:
    """How far dunning came: `stage` counts the stages entered, `standing` is the restriction in force."""

    stage: int = 0
    standing: str = ""
    paused: str = ""
    paused_on: date | None = None
    paused_days: int = 0
    entered_on: date | None = None  # the last stage, or the day it was taken back


@dataclass(frozen=True, slots=True)
class Move:
    """`kind`: enter (a stage), pause, resume, restore (all restrictions go), close. `standing`: what is in force after it."""

    kind: str
    stage: int
    standing: str
    cause: str
    restricts: bool = False  # the network is asked for `standing`


def decide(terms: Terms, case: Case, at: Position, today: date) -> list[Move]:
    """What is due today, in order; at most one stage is entered."""
    if not at.above(terms.floor_minor, disputed=True):
        return _ended(case, at)
    paused = next(iter(at.pauses), "") or ("" if at.above(terms.floor_minor, disputed=False) else "dispute")
    if paused:
        return _paused(terms, case, paused)
    moves = []
    if case.paused:
        standing = terms.standing(case.stage)
        moves.append(Move("resume", case.stage, standing, case.paused, restricts=standing != case.standing))
        case = resumed(case, today)
    stage = case.stage + 1
    if stage <= len(terms.stages) and at.oldest and _due(terms, case, at.oldest, today):
        standing = terms.standing(stage)
        restricts = terms.stages[stage - 1].act in RESTRICTIONS
        moves.append(Move("enter", stage, standing, terms.stages[stage - 1].name, restricts=restricts))
    return moves


def _ended(case: Case, at: Position) -> list[Move]:
    """Nothing is owed any more. What was written off is not paid: its restriction stays until it is, or a person lifts it."""
    if not case.stage and not case.paused:
        return []
    if at.written_off and case.standing:
        return []
    restore = [Move("restore", 0, "", "paid", restricts=True)] if case.standing else []
    return [*restore, Move("close", 0, "", "paid")]


def _paused(terms: Terms, case: Case, why: str) -> list[Move]:
    if case.paused == why or not case.stage:
        return []
    lifted = why in terms.lifts and bool(case.standing)
    return [Move("pause", case.stage, "" if lifted else case.standing, why, restricts=lifted)]


def _due(terms: Terms, case: Case, oldest: date, today: date) -> bool:
    waited = (today - oldest).days - case.paused_days
    gap = terms.gap_days if case.entered_on else 0
    return waited >= terms.stages[case.stage].after_days and (case.entered_on is None or (today - case.entered_on).days >= gap)


def resumed(case: Case, today: date) -> Case:
    """The case with the days of its pause taken out."""
    days = (today - case.paused_on).days if case.paused_on else 0
    return replace(case, paused="", paused_on=None, paused_days=case.paused_days + days)


def moved(case: Case, move: Move, today: date) -> Case:
    """The case after a move."""
    if move.kind == "close":
        return Case()
    if move.kind == "pause":
        return replace(case, standing=move.standing, paused=move.cause, paused_on=case.paused_on or today)
    if move.kind == "resume":
        return replace(resumed(case, today), standing=move.standing)
    if move.kind == "restore":
        return replace(case, standing="")
    return replace(case, stage=move.stage, standing=move.standing, entered_on=today)


def lived(terms: Terms, example: ExampleDunning) -> list[tuple[date, str]]:
    """What is done over the days of an example: (day, words)."""
    found, case = list[tuple[date, str]](), Case()
    day = example.days[0].day
    while day <= example.until:
        now = next(one for one in reversed(example.days) if one.day <= day)
        at = Position({"EUR": now.overdue_minor}, {"EUR": now.disputed_minor}, now.due, now.pauses, now.written_off)
        for move in decide(terms, case, at, day):
            found.append((day, f"{move.kind} {move.cause}"))
            case = moved(case, move, day)
        day += timedelta(days=1)
    return found


def load_terms(path: Path) -> Terms:
    """The terms of a file; SettingsError names file, line and key of each fault."""
    text = path.read_text()
    try:
        return Terms.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(Fault(str(path), 0, "", str(error))) from error
    except ValidationError as error:
        raise SettingsError(*faults_of(error, Terms, str(path), text)) from error


@cache
def shipped() -> Mapping[str, Terms]:
    """The policies of `config/dunning` by name."""
    return {path.stem: load_terms(path) for path in sorted((data_dir("config") / "dunning").glob("*.toml"))}
