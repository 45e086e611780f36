"""What a line of syslog says, by rules that are data: `config/syslog_rules/*.toml`.

A rule's `match` is literal text with holes:

    {ifName} {neighbour} ...   one word (its end is where the next literal begins); kinds with a form of their own in KINDS
    {state:up|down}            one of these words; `{:a|b}` the same without a name
    {*}                        any text

Case does not matter, a run of white space matches any other, the pattern may begin anywhere in the line. Each hole ends
at the first place where the literal behind it fits and is not tried again (atomic groups), so that no line costs more
than its length squared, and lines are cut at TEXT_CHARS_MAX.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from collectors.codecs.syslog import SyslogMessage
from station.data import data_dir

TEXT_CHARS_MAX: Final = 1_024
RULES_PER_LINE_MAX: Final = 128  # patterns tried on one line beyond the index
HINT_CHARS_MIN: Final = 3
SHAPES_MAX: Final = 4_096

# Two lines have one shape when they differ in digits alone; 8 and 9 stay apart, for no mnemonic has them as its severity.
_NUMBERS: Final = bytes.maketrans(b"12345678", b"00000009")
_DIGIT = re.compile(r"\d")

# What the line itself calls the message: Cisco and kin (ASA by number), Huawei and H3C, Nokia SR OS, Juniper's tags.
_CISCO = re.compile(
    r"%([A-Z][A-Za-z0-9_]*(?:-[A-Z0-9_]+)*?)-(?:(?:SP|RP|DFC\d+|STBY|SW(?:ITCH)?\d+(?:_SP|_STBY)?|SLOT\d+|FEX\d+)-)*([0-7])-([A-Z0-9_]+)"
)
_MNEMONIC = re.compile(r"[A-Z][A-Z0-9_-]{1,60}-[0-7]-[A-Z0-9_]{1,60}")
_HUAWEI = re.compile(r"(?:%%\d{2}|\b)([A-Za-z][A-Za-z0-9_-]+)/(\d)/([A-Za-z0-9_]+)")
_NOKIA = re.compile(r"\b[A-Z0-9_]+-(?:CLEARED|CRITICAL|MAJOR|MINOR|WARNING|INDETERMINATE|INFO)-(\w+)")
_TAG = re.compile(r"\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b")
_WORD = r"[^\s,;()\[\]\"'<>=]{1,128}?"
KINDS: Final = {
    "ifName": r"(?!(?:port|interface|link|slot|unit|the|is|has|went|state|status|failed)\b(?![/.-]))"
    r"(?<![A-Za-z])(?:(?:[a-z-]{0,24}ethernet|port-channel|bundle-ether|management|te|gi|fo|hu|tw|fa|po|vlan|tunnel|loopback|ve|lag) "
    r"\d[\w./:]{0,30}?|[A-Za-z](?:[\w./:-]{0,62}?\w)?|[A-Za-z][A-Za-z0-9-]{1,30} \d[\w./:-]{0,30}?|\d{1,3}(?:[/:.][a-z]?\d{1,4}){0,5})",
    "neighbour": r"(?!(?:status|state|is|to|with|on|neighbou?r|peer)\b)[0-9A-Za-z][0-9A-Za-z.:_%/-]{0,63}?",
    "n": r"\d{1,19}?",
    "text": r".{1,255}?",
    "component": r"[^\s,;:\"'<>=].{0,63}?",
}


class SyslogRuleError(Exception):
    """A rule file that cannot be used: the file, the rule and why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A line as a device sends it and what is read from it."""

    line: str
    event: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SyslogRule:
    """`event` names what happened; `events` maps the captured `state` to it where both directions share a pattern."""

    file: str
    keys: tuple[str, ...]
    pattern: re.Pattern[str]
    hints: tuple[str, ...]
    event: str
    events: Mapping[str, str]
    fields: Mapping[str, str]
    samples: tuple[Sample, ...]
    has_number: bool

    def meant(self, text: str) -> tuple[str, dict[str, str]] | None:
        found = self.pattern.search(text)
        if found is None:
            return None
        words = {name: value.strip() for name, value in found.groupdict().items() if value}
        event = self.events.get(words.get("state", "").lower(), self.event)
        return (event, {**self.fields, **words}) if event else None


_Candidates = tuple[tuple[SyslogRule, bool], ...]
"""Rules that lines of one shape may fit, and whether by a key (then by the text alone) or by the text behind its tag."""


@dataclass(slots=True)
class SyslogRules:
    """Finds the rule of a line: by what the line calls itself, else by its text.

    Lines repeat but for their numbers, so what a line of one shape may fit is found once. `numbered` are the shapes of
    which a key is told by its number (ASA's are): there the keys belong to the shape.
    """

    rules: tuple[SyslogRule, ...]
    by_key: dict[str, list[SyslogRule]] = field(init=False, default_factory=dict)
    others: list[SyslogRule] = field(init=False, default_factory=list)
    hinted: dict[str, list[int]] = field(init=False, default_factory=dict)  # by a word that lines have: places among the others
    shapes: dict[bytes, _Candidates] = field(init=False, default_factory=dict)
    numbered: set[bytes] = field(init=False, default_factory=set)
    numbered_keys: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        for rule in self.rules:
            for key in rule.keys:
                self.by_key.setdefault(key.upper(), []).append(rule)
            if not rule.keys:
                for hint in rule.hints:
                    self.hinted.setdefault(hint, []).append(len(self.others))
                self.others.append(rule)
        self.numbered_keys = {_numberless(key) for key in self.by_key if _DIGIT.search(key)}

    def meaning(self, message: SyslogMessage) -> tuple[str, dict[str, str]] | None:
        """(event, its fields) or None where no rule knows the line. The first rule that fits decides."""
        text = message.text[:TEXT_CHARS_MAX]
        shape = f"{message.app_name}\0{message.msg_id}\0{text}".encode("utf-8", "surrogatepass").translate(_NUMBERS)
        if numbered := shape in self.numbered:
            shape += "\0".join(keys_of(message)).encode()
        found = self.shapes.get(shape)
        if found is None:
            found = self._learn(shape, message, text, numbered=numbered)
        for rule, by_key in found:
            if (meant := rule.meant(text if by_key else _tagged(message, text))) is not None:
                return meant
        return None

    def _learn(self, shape: bytes, message: SyslogMessage, text: str, *, numbered: bool) -> _Candidates:
        """What may fit lines of this shape, kept for the next one; forgotten altogether when there are too many."""
        keys = keys_of(message)
        if len(self.shapes) >= SHAPES_MAX:
            self.shapes.clear()
            self.numbered.clear()
        if not numbered and any(_numberless(key.upper()) in self.numbered_keys for key in keys):
            self.numbered.add(shape)
            shape += "\0".join(keys).encode()
        self.shapes[shape] = found = tuple(self._candidates(keys, text, _tagged(message, text)))
        return found

    def _candidates(self, keys: Iterable[str], text: str, tagged: str) -> Iterator[tuple[SyslogRule, bool]]:
        """A rule without a literal number fits all lines of a shape or none, and what follows one that fits is never tried."""
        low = _numberless(tagged.lower())
        keyed = ((rule, True) for key in keys for rule in self.by_key.get(key.upper(), ()))
        places = sorted({place for hint, those in self.hinted.items() if hint in low for place in those})
        others = ((self.others[place], False) for place in places)
        for rule, by_key in chain(keyed, islice(others, RULES_PER_LINE_MAX)):
            fits = rule.meant(text if by_key else tagged) is not None
            if fits or rule.has_number:
                yield rule, by_key
            if fits and not rule.has_number:
                return


def _tagged(message: SyslogMessage, text: str) -> str:
    return f"{message.app_name}: {text}" if message.app_name else text


def _numberless(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").translate(_NUMBERS).decode("utf-8", "surrogatepass")


def keys_of(message: SyslogMessage) -> list[str]:
    """What a line calls itself, most special first: `LINK-UPDOWN`, `PKT_INFRA-LINK-UPDOWN`, `IFNET/LINK_STATE`, `RPD_OSPF_NBRDOWN`.

    Of ASA the number (`ASA-411002`), of SR OS the event (`SROS/linkDown`).
    """
    text, found = message.text[:300], []
    if _MNEMONIC.fullmatch(message.msg_id):  # RFC 5424 has a place of its own for it
        text = f"%{message.msg_id} {text}"
    if "%" in text:
        for facility, _, mnemonic in _CISCO.findall(text)[:2]:
            found += [f"{facility}-{mnemonic}", f"{facility.rpartition('-')[2]}-{mnemonic}"]
    said = f"{message.app_name}:{text}" if "/" in message.app_name else text
    huawei = _HUAWEI.search(said) if "/" in said else None
    if huawei is not None:
        found.append(f"{huawei[1].upper()}/{huawei[3].upper()}")
    nokia = _NOKIA.search(text)
    if nokia is not None:
        found.append(f"SROS/{nokia[1]}")
    found += [name for name in (message.msg_id, message.app_name) if "_" in name or name.isupper()]
    found += _TAG.findall(text[:120])[:3]
    return list(dict.fromkeys(found))


def compiled(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """(pattern, words in lower case of which a line that fits has one); ValueError says what is wrong.

    The longest literal word is that one; where all are short, the words of a choice whose every alternative has a long one.
    """
    parts, literals, rest = [""], [], template
    names: set[str] = set()
    choices: list[tuple[str, ...]] = []
    while rest:
        before, brace, rest = rest.partition("{")
        parts[-1] += _literal(before)
        literals.append(before)
        if brace:
            hole, brace, rest = rest.partition("}")
            if not brace:
                raise ValueError(f"{template!r}: a hole has no end")
            parts += _hole(template, hole, names)
            choices += [tuple(_longest_word(one) for one in hole.partition(":")[2].split("|"))] if ":" in hole else []
    hints = [(_longest_word(" ".join(literals)),), *choices]
    usable = (words for words in hints if min(map(len, words)) >= HINT_CHARS_MIN)
    return re.compile(_atomic(parts), re.IGNORECASE), next(usable, ())


def _longest_word(text: str) -> str:
    return _numberless(max(re.split(r"\s+", text), key=len).lower())


def _atomic(parts: list[str]) -> str:
    """Each hole with the literal behind it in a group that is not tried again; a word with no literal behind it ends as words do.

    Any text and a word before a choice run up to what follows them.
    """
    out, group, holes = parts[0], "", parts[1::2]
    for n, (hole, literal) in enumerate(zip(holes, parts[2::2], strict=True)):
        group += hole + literal
        following = holes[n + 1] if n + 1 < len(holes) else _ANY
        if literal or (hole.startswith(_NAMED) and (following == _ANY or following.startswith(_NAMED))):
            out += f"(?>{group}{'' if literal else _END})"
            group = ""
    return out + (f"(?>{group}{_END})" if group.removesuffix(_ANY) else "")


_NAMED: Final = "(?P<"
_ANY: Final = ".*?"
_END: Final = r"(?=[\s,;()\[\]\"'<>]|[.:]?(?:\s|$))"


def _literal(text: str) -> str:
    return r"\s+".join(re.escape(piece) for piece in re.split(r"\s+", text))


def _hole(template: str, hole: str, names: set[str]) -> list[str]:
    name, colon, choices = hole.partition(":")
    if name in names or (name and name != "*" and not name.isidentifier()):
        raise ValueError(f"{template!r}: {{{hole}}} is no name or stands twice")
    if hole == "*":
        return [_ANY, ""]
    names.add(name) if name else None
    body = "(?:" + "|".join(_literal(choice) for choice in choices.split("|")) + ")" if colon else KINDS.get(name, _WORD)
    return [f"(?P<{name}>{body})" if name else body, ""]


@cache
def syslog_rules() -> SyslogRules:
    """The shipped rules."""
    return SyslogRules(load_folder(data_dir("config") / "syslog_rules"))


def load_folder(folder: Path) -> tuple[SyslogRule, ...]:
    return tuple(rule for path in sorted(folder.glob("*.toml")) for rule in load(path))


def load(path: Path) -> tuple[SyslogRule, ...]:
    """The rules of one file in their order, or SyslogRuleError."""
    try:
        rows = tomllib.loads(path.read_text())["rules"]
        return tuple(_rule(path.stem, row) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SyslogRuleError(f"{path}: {error}") from error


_KNOWN: Final = frozenset({"keys", "match", "event", "events", "fields", "samples"})


def _rule(file: str, row: Mapping[str, Any]) -> SyslogRule:
    unknown = row.keys() - _KNOWN
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}")
    keys = tuple(row.get("keys", ()))
    pattern, hints = compiled(row.get("match", ""))
    if not keys and not hints:
        raise ValueError(f"{row.get('match')!r}: without keys it needs a word of {HINT_CHARS_MIN} characters")
    samples = tuple(
        Sample(one["line"], one["event"], {k: v for k, v in one.items() if k not in ("line", "event")}) for one in row["samples"]
    )
    return SyslogRule(
        file, keys, pattern, hints, row.get("event", ""),
        row.get("events", {}), row.get("fields", {}), samples,
        any(map(_DIGIT.search, (row.get("match", ""), *row.get("events", ())))),
    )  # fmt: skip


def events_of(rules: Iterable[SyslogRule]) -> set[str]:
    """Every event that the rules may name."""
    return {event for rule in rules for event in (rule.event, *rule.events.values()) if event}
