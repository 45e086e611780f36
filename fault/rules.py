"""Rules as data: what a message of the network means, from `config/alarm_rules/*.toml`.

A notification that no rule knows is an alarm too, of indeterminate severity and with its raw text: somebody said
something, and only a person can tell what. Of syslog, which talks all day, only what its sender calls critical.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from fault.alarm_types import AlarmTypes, alarm_types, type_of
from fault.metrics import NOTIFICATIONS
from fault.patterns import compile_pattern
from fault.probable_causes import PROBABLE_CAUSES
from fault.resources import Resources
from fault.templates import compile_template
from inventory.topology import Device
from station.batch import Event, Notification
from station.data import data_dir
from station.settings import Fault, Settings, SettingsError, load

TEXT_CHARS_MAX: Final = 1_024
UNKNOWN: Final = "communications.unknown_notification"
QUIET: Final = frozenset({"poll"})  # the station's own messages: what has no rule there is no news
SYSLOG_URGENT: Final = frozenset({"emergency", "alert", "critical"})
INDEX: Final = "index"


class RuleFileError(Exception):
    """Rule files that cannot be used: each fault with file, line, key and reason. The whole set is refused."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


class Rule(Settings):
    """Which messages, and the alarm they speak of.

    `names` any of them ([]: every name); `fields` a field and the values it may have, `fields_not` may not:
    `down(2)` stands for the label and the number, `*` for every field. `pattern` of the text, see `fault.patterns`. `severity` a perceived
    severity, "cleared", "verify": no alarm, but a reason to poll the device, or "ignore": known, and nobody's alarm.
    `interface` are the fields that name it; `index` among them: the instance begins with its ifIndex.
    `qualifier` and `says` are `fault.templates`; of a trap, `index` is the instance of its first indexed object.
    """

    protocol: str
    names: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    fields_not: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    pattern: str = ""
    on: Literal["device", "interface"] = "device"
    interface: tuple[str, ...] = ("ifName", "ifDescr")
    alarm_type: str = ""
    severity: Literal["cleared", "indeterminate", "warning", "minor", "major", "critical", "verify", "ignore"]
    qualifier: str = ""
    says: str = ""
    probable_cause: str = ""

    @field_validator("qualifier", "says")
    @classmethod
    def _is_a_template(cls, text: str) -> str:
        compile_template(text)
        return text

    @field_validator("alarm_type")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name and name not in alarm_types():
            near = difflib.get_close_matches(name, alarm_types(), 1)
            raise ValueError(f"no such type in config/alarm_types.toml{f'; did you mean {near[0]!r}?' if near else ''}")
        return name

    @field_validator("probable_cause")
    @classmethod
    def _is_a_cause(cls, name: str) -> str:
        if name and name not in PROBABLE_CAUSES:
            near = difflib.get_close_matches(name, PROBABLE_CAUSES, 1)
            raise ValueError(f"not in the lists of X.733, X.736 and M.3100{f'; did you mean {near[0]!r}?' if near else ''}")
        return name

    @model_validator(mode="after")
    def _speaks_of_an_alarm(self) -> Self:
        if bool(self.alarm_type) == (self.severity in ("verify", "ignore")):
            raise ValueError("an alarm_type belongs to every rule but those that verify or ignore")
        return self

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, text: str) -> str:
        if text:
            compile_pattern(text)
        return text


class Message(Settings):
    """A message of an example; `device` r1 has the interfaces ge-0/0/1 (ifIndex 101) and ge-0/0/2 (102)."""

    protocol: str
    name: str = ""
    text: str = ""
    fields: dict[str, str] = Field(default_factory=dict)


class Expected(Settings):
    resource: str
    alarm_type: str
    severity: str
    qualifier: str = ""


class Example(Settings):
    says: str
    messages: tuple[Message, ...]
    expect: tuple[Expected, ...]


class RuleFile(Settings):
    """One file: what it is for, its rules in the order they are tried, and examples that the suite runs."""

    summary: str
    reference: str
    rules: tuple[Rule, ...]
    examples: tuple[Example, ...]


def load_file(path: Path) -> RuleFile:
    """The rules of one file, or RuleFileError."""
    try:
        return load(RuleFile, path, {})
    except SettingsError as error:
        raise RuleFileError(*error.faults) from error


def load_rules(folder: Path | None = None) -> tuple[Rule, ...]:
    """Every rule of the folder, by file name; one bad file refuses the set, and RuleFileError has the faults of all."""
    rules: list[Rule] = []
    faults: list[Fault] = []
    for path in sorted((folder or data_dir("config") / "alarm_rules").glob("*.toml")):
        try:
            rules += load_file(path).rules
        except RuleFileError as error:
            faults += error.faults
    if faults:
        raise RuleFileError(*faults)
    return tuple(rules)


@dataclass(frozen=True, slots=True)
class _Meant:
    """A message, its device, and the words that texts may use: fields and what the pattern captured."""

    message: Notification
    device: Device
    words: Mapping[str, str]


class Rules:
    """Turns messages into events: the first rule that matches decides. Unknown senders give nothing and are counted."""

    def __init__(self, rules: Sequence[Rule], types: AlarmTypes | None = None) -> None:
        self._types = alarm_types() if types is None else types
        self._named: dict[tuple[str, str], list[Rule]] = {}
        self._any: dict[str, list[Rule]] = {}
        self._templates = {text: compile_template(text) for rule in rules for text in (rule.qualifier, rule.says)}
        self._patterns = {rule.pattern: compile_pattern(rule.pattern) for rule in rules if rule.pattern}
        for rule in rules:
            for name in rule.names:
                self._named.setdefault((rule.protocol, name), []).append(rule)
            if not rule.names:
                self._any.setdefault(rule.protocol, []).append(rule)

    def events(self, notifications: Iterable[Notification], resources: Resources) -> tuple[list[Event], set[int]]:
        """The events, and the dense numbers of the devices to poll because of a message that is no event."""
        events: list[Event] = []
        ask: set[int] = set()
        for message in notifications:
            no = message.device or resources.topology.addresses.get(message.source, 0)
            device = resources.topology.devices.get(no)
            if device is None:
                NOTIFICATIONS.labels(message.protocol, "unknown_sender").inc()
                continue
            event, outcome = self._meaning(message, device, resources)
            NOTIFICATIONS.labels(message.protocol, outcome).inc()
            if event is not None:
                events.append(event)
            elif outcome == "verify":
                ask.add(device.no)
        return events, ask

    def _meaning(self, message: Notification, device: Device, resources: Resources) -> tuple[Event | None, str]:
        """The event a message stands for, if any, and one word for what became of the message."""
        found = self._find(message)
        if found is None:
            return (self._unknown(message, device), "unknown") if _matters(message) else (None, "no_rule")
        rule, words = found
        if rule.severity in ("verify", "ignore"):
            return None, rule.severity
        return self._event(rule, _Meant(message, device, words), resources), "event"

    def _unknown(self, message: Notification, device: Device) -> Event:
        """An alarm of its device under the message's own name, with everything that was said."""
        kind = type_of(UNKNOWN, self._types)
        said = ", ".join(f"{name}={value}" for name, value in message.fields.items())
        return Event(
            time_ns=message.time_ns,
            resource=device.id,
            alarm_type=UNKNOWN,
            severity="indeterminate",
            text=(message.text or f"{message.name}: {said}")[:TEXT_CHARS_MAX],
            qualifier=f"{message.protocol} {message.name}"[:255],
            source=f"{message.protocol} {message.name}"[:128],
            event_type=kind.event_type,
            probable_cause=kind.probable_cause,
            proposed_repair=kind.proposed_repair,
            fields=message.fields,
            authenticated=message.authenticated,
        )

    def _find(self, message: Notification) -> tuple[Rule, Mapping[str, str]] | None:
        for rule in (*self._named.get((message.protocol, message.name), ()), *self._any.get(message.protocol, ())):
            captured = self._patterns[rule.pattern].match(message.text) if rule.pattern else {}
            if captured is not None and _holds(rule, message.fields):
                return rule, {**message.fields, **captured}
        return None

    def _event(self, rule: Rule, meant: _Meant, resources: Resources) -> Event:
        kind = type_of(rule.alarm_type, self._types)
        resource, qualifier = meant.device.id, self._templates[rule.qualifier].fill(meant.words).strip()[:255]
        if rule.on == "interface":
            name = next((meant.words[key] for key in rule.interface if key != INDEX and meant.words.get(key)), "")
            by_index = meant.words.get(INDEX, "").partition(".")[0] if INDEX in rule.interface else ""
            number = meant.words.get("ifIndex") or by_index
            port = resources.interface(meant.device.no, number, name)
            # An interface that the inventory does not know yet: the device says so, under the port's own name.
            resource, qualifier = (port.id, qualifier) if port else (meant.device.id, name or number)
        text = self._templates[rule.says].fill(meant.words) if rule.says else meant.message.text or kind.summary
        return Event(
            time_ns=meant.message.time_ns,
            resource=resource,
            alarm_type=rule.alarm_type,
            severity=rule.severity,
            text=text[:TEXT_CHARS_MAX],
            qualifier=qualifier[:255],
            source=f"{meant.message.protocol} {meant.message.name}"[:128],
            event_type=kind.event_type,
            probable_cause=rule.probable_cause or kind.probable_cause,
            proposed_repair=kind.proposed_repair,
            fields=meant.message.fields,
            authenticated=meant.message.authenticated,
        )


def _matters(message: Notification) -> bool:
    """Whether a message without a rule is an alarm."""
    if message.protocol == "syslog":
        return message.fields.get("severity", "") in SYSLOG_URGENT
    return message.protocol not in QUIET


def _holds(rule: Rule, fields: Mapping[str, str]) -> bool:
    wanted = all(_one_of(fields, name, values) for name, values in rule.fields.items())
    return wanted and not any(_one_of(fields, name, values) for name, values in rule.fields_not.items())


def _one_of(fields: Mapping[str, str], name: str, values: Iterable[str]) -> bool:
    """Whether the field of that name has one of the values; `*` is any field: its object may be one that no module names."""
    held = fields.values() if name == "*" else (fields.get(name, ""),)
    return any(_is(has, value) for has in held for value in values)


def _is(value: str, wanted: str) -> bool:
    """`down(2)` is the label `down` or the number `2`, as MIBs write an enumeration (RFC 2578, section 7.1.1)."""
    label, _, number = wanted.partition("(")
    return value == label or (number != "" and value in (number.rstrip(")"), wanted))
