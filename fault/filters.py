"""The filter line of the alarm list: `severity>=major site:Berlin* device:ham-* text free -shelved acked`.

    line   = term*                                  all terms hold
    term   = ["-"] (flag | field ":" values | field op number-or-severity | word)
    values = value ("," value)*                     any of them; `*` stands for any text
    value, word = non-space text, or "in quotes"

Parsed to a tree; never to SQL text. Case does not matter (ASCII).
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from fault.alarms import SEVERITIES, Alarm, Severity

LINE_CHARS_MAX = 1_024
TERMS_MAX = 32
STARS_MAX = 4

Op = Literal[">=", "<=", ">", "<", "="]
TEXT_FIELDS: dict[str, str] = {
    "site": "site",
    "region": "region",
    "device": "device",
    "object": "object",
    "kind": "resource_kind",
    "type": "alarm_type",
    "cause": "probable_cause",
    "event": "event_type",
    "text": "text",
    "qualifier": "qualifier",
    "resource": "resource",
    "source": "source",
    "ack": "ack_user",
    "owner": "shelf_owner",
    "incident": "incident_id",
    "root": "root_alarm_id",
    "id": "id",
}
NUMBER_FIELDS: dict[str, str] = {
    "severity": "severity",
    "count": "count",
    "occurrence": "occurrence",
    "services": "services",
    "customers": "customers",
}
FLAGS = frozenset(
    {"acked", "unacked", "shelved", "suppressed", "root", "cleared", "active", "chattering", "unauthenticated", "maintenance"}
)
SEARCHED = ("device", "object", "text", "site", "alarm_type", "probable_cause", "qualifier")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",]+)')
_HEAD = re.compile(r"([A-Za-z_]+)(:|>=|<=|>|<|=)")


class FilterError(ValueError):
    """The line cannot be understood; `at` is the position (0-based) where that shows."""

    def __init__(self, says: str, at: int) -> None:
        super().__init__(says)
        self.at = at


@dataclass(frozen=True, slots=True)
class Word:
    """Free text: somewhere in what is searched."""

    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """A text field equals any of the patterns; `*` is any text."""

    field: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    field: str
    op: Op
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    name: str


@dataclass(frozen=True, slots=True)
class Not:
    term: "Word | Match | Compare | Flag"


Term = Word | Match | Compare | Flag | Not


def parse(line: str) -> tuple[Term, ...]:
    """The terms of a line, all of which must hold; FilterError says what is wrong and where."""
    if len(line) > LINE_CHARS_MAX:
        raise FilterError(f"a filter has at most {LINE_CHARS_MAX} characters", LINE_CHARS_MAX)
    terms: list[Term] = []
    at = _skip(line, 0)
    while at < len(line):
        if len(terms) == TERMS_MAX:
            raise FilterError(f"a filter has at most {TERMS_MAX} terms", at)
        negated = line[at] == "-" and at + 1 < len(line) and not line[at + 1].isspace()
        term, end = _term(line, at + negated)
        terms.append(Not(term) if negated else term)
        at = _skip(line, end)
    return tuple(terms)


def _skip(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _term(line: str, at: int) -> tuple[Word | Match | Compare | Flag, int]:
    head = _HEAD.match(line, at)
    if head is None:
        word, end = _value(line, at)
        quoted = line[at] == '"'
        return (Flag(word.lower()) if word.lower() in FLAGS and not quoted else Word(word)), end
    field, op = head[1].lower(), head[2]
    if field not in TEXT_FIELDS and field not in NUMBER_FIELDS:
        near = difflib.get_close_matches(field, [*TEXT_FIELDS, *NUMBER_FIELDS], 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise FilterError(f"there is no field {field!r}{hint} Quote the word to search for it as text.", at)
    values, end = _values(line, head.end())
    if field in NUMBER_FIELDS:
        return Compare(field, _op(op), tuple(_number(field, value, head.end()) for value in values)), end
    if op not in (":", "="):
        raise FilterError(f"{field} is text: it can be matched with `:`, not compared", head.start(2))
    if any(value.count("*") > STARS_MAX for value in values):
        raise FilterError(f"a pattern has at most {STARS_MAX} stars", head.end())
    return Match(field, tuple(values)), end


def _op(op: str) -> Op:
    found: dict[str, Op] = {">=": ">=", "<=": "<=", ">": ">", "<": "<"}
    return found.get(op, "=")


def _values(line: str, at: int) -> tuple[list[str], int]:
    values = []
    while True:
        value, at = _value(line, at)
        values.append(value)
        if at >= len(line) or line[at] != ",":
            return values, at
        at += 1


def _value(line: str, at: int) -> tuple[str, int]:
    found = _WORD.match(line, at)
    if found is None:
        raise FilterError("a value is missing here" if at >= len(line) or line[at] != '"' else "this quote has no end", at)
    return (re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]), found.end()


def _number(field: str, value: str, at: int) -> int:
    if field == "severity":
        severity = SEVERITIES.get(value.lower())
        if severity is None:
            raise FilterError(f"{value!r} is no severity: {', '.join(SEVERITIES)}", at)
        return int(severity)
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise FilterError(f"{value!r} is no number", at)
    return int(value)


def lower(text: str) -> str:
    """Lower case of A to Z only: what every store's lower() agrees on."""
    return text.translate(_LOWER)


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def matches(alarm: Alarm, terms: Iterable[Term]) -> bool:
    """Whether an alarm in memory is meant; the store's query (`fault.queries`) gives the same answer."""
    return all(_holds(alarm, term) for term in terms)


def _holds(alarm: Alarm, term: Term) -> bool:
    match term:
        case Not(inner):
            return not _holds(alarm, inner)
        case Word(text):
            wanted = lower(text)
            return any(wanted in lower(_text(alarm, name)) for name in SEARCHED)
        case Match(field, patterns):
            value = lower(_text(alarm, TEXT_FIELDS[field]))
            return any(glob(lower(pattern), value) for pattern in patterns)
        case Compare(field, op, values):
            return any(_COMPARE[op](int(getattr(alarm, NUMBER_FIELDS[field])), value) for value in values)
        case Flag(name):
            return _FLAG[name](alarm)


_PLACE = frozenset({"site", "region", "device", "object", "resource_kind"})


def _text(alarm: Alarm, name: str) -> str:
    if name == "shelf_owner":
        return alarm.shelf.owner if alarm.shelf else ""
    return str(getattr(alarm.place if name in _PLACE else alarm, name))


def glob(pattern: str, text: str) -> bool:
    """Whether `text` is `pattern` with `*` for any text; linear in the text, nothing is tried twice."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first) or len(text) < len(first) + len(rest[-1]):
        return False
    at = len(first)
    for part in rest[:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - len(rest[-1]) >= at and text.endswith(rest[-1])


_COMPARE: dict[Op, Callable[[int, int], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "=": lambda a, b: a == b,
}
_FLAG: dict[str, Callable[[Alarm], bool]] = {
    "acked": lambda alarm: alarm.acknowledged,
    "unacked": lambda alarm: not alarm.acknowledged,
    "shelved": lambda alarm: alarm.shelf is not None,
    "suppressed": lambda alarm: alarm.suppressed,
    "root": lambda alarm: alarm.is_root,
    "cleared": lambda alarm: alarm.is_cleared,
    "active": lambda alarm: not alarm.is_cleared,
    "chattering": lambda alarm: alarm.chattering,
    "unauthenticated": lambda alarm: not alarm.authenticated,
    "maintenance": lambda alarm: alarm.maintenance != "",
}
assert set(_FLAG) == FLAGS
assert set(Severity) == set(SEVERITIES.values())


def _readable(line: str) -> str:
    try:
        parse(line)
    except FilterError as error:
        raise ValueError(f"{error} (position {error.at})") from error
    return line


def _known(word: str) -> str:
    if word not in SEVERITIES:
        raise ValueError(f"{word!r} is none of {', '.join(SEVERITIES)}")
    return word


FilterLine = Annotated[str, Field(max_length=LINE_CHARS_MAX), AfterValidator(_readable)]
SeverityWord = Annotated[str, AfterValidator(_known)]
