"""What is told: an announcement, and the contract of a preset that puts it into another system's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
LETTER = "letter"  # what a person wrote: its body has `to`, `subject`, `text`, `thread`, perhaps `attached`
EVIDENCE_MAX = 5
NAMES_MAX = 20


class PresetError(Exception):
    """The message cannot be made, and a later attempt would not help; the text says why."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One transition of one incident or alarm. `id` is the same in every attempt; `body` is its JSON as it was then.

    `about` incident | alarm. `transition` of an incident: opened, changed, closed; of an alarm: raised, changed,
    cleared. `station_url` "" where the station's own address is not set.
    """

    id: str
    about: str
    object_id: str
    transition: str
    revision: int
    at: str
    body: Mapping[str, Any]
    webhook: str = ""
    simulated: bool = False
    station_url: str = ""
    routing_key: str = ""
    options: Mapping[str, str] = field(default_factory=dict)  # what the preset lets a webhook choose
    ticket: str = ""  # the receiver's own id of it, as it answered to the first message
    reply_code: str = ""  # what an answer to it carries
    answered: bool = False  # whether answers are read: a message then says how to answer
    reply_to: str = ""
    ack_url: str = ""  # where a person without the console open takes it
    others: tuple["Announcement", ...] = ()  # what is told with it, in one message

    @property
    def over(self) -> bool:
        return self.transition in ("closed", "cleared")

    @property
    def takes_answers(self) -> bool:
        """Whether an answer takes it."""
        return self.answered and bool(self.reply_code) and not self.over

    @property
    def severity(self) -> str:
        return str(self.body["perceived_severity"])

    @property
    def summary(self) -> str:
        """One sentence about it."""
        if self.about == "incident":
            return str(self.body["explanation"]["summary"] or self.body["root"]["name"] or self.body["id"])
        where = " ".join(filter(None, (self.body["device"], self.body["object"]))) or self.body["resource_id"]
        return f"{where}: {self.body['text'] or self.body['alarm_type']}"

    @property
    def name(self) -> str:
        """What it is about, in a few words."""
        if self.about == "incident":
            return str(self.body["root"]["name"] or self.object_id)
        return " ".join(filter(None, (self.body["device"], self.body["object"]))) or self.object_id

    @property
    def title(self) -> str:
        """How bad or over, and where: one line for a subject."""
        sign = "Simulated: " if self.simulated else ""
        return f"{sign}{'Over' if self.over else self.severity.capitalize()}: {self.name}"

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads: the sentence, the evidence, who is hurt, and where to read more."""
        found = [self.summary]
        if self.about == "incident":
            found += [f"- {each}" for each in self.body["explanation"]["evidence"][:EVIDENCE_MAX]]
            for kind in ("services", "customers"):
                named = [str(each["name"]) for each in self.body[kind]]
                if named:
                    more = f" and {len(named) - NAMES_MAX} more" if len(named) > NAMES_MAX else ""
                    found.append(f"{kind.capitalize()} hurt ({len(named)}): {', '.join(named[:NAMES_MAX])}{more}")
        found += [f"With it: {other.title}" for other in self.others[:NAMES_MAX]]
        if len(self.others) > NAMES_MAX:
            found.append(f"With it: {len(self.others) - NAMES_MAX} more")
        found.append(f"{self.about} {self.object_id}, {self.transition} at {self.at}")
        if self.simulated:
            found.append("This is a simulated network.")
        found += [f"Read more: {self.link}"] if self.link else []
        found += [f"Acknowledge: {self.ack_url}"] if self.ack_url and not self.over else []
        found += ["Or answer with the word: ack"] if self.takes_answers else []
        return tuple(found)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def opened_at(self) -> str:
        return str(self.body["opened_at" if self.about == "incident" else "raised_at"])

    @property
    def ended_at(self) -> str:
        return str(self.body["closed_at" if self.about == "incident" else "cleared_at"] or self.at)

    @property
    def link(self) -> str:
        """Where a person reads more; "" where the station does not know its own address."""
        term = "incident" if self.about == "incident" else "id"
        return f"{self.station_url.rstrip('/')}/alarms?q={term}:{self.object_id}" if self.station_url else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a receiver: the method, where below the webhook's URL, and the body as JSON."""

    method: str
    below: str
    body: Any


@dataclass(frozen=True, slots=True)
class Preset:
    """One file of `fault/notify/presets`: `body` gives what is sent as JSON with `content_type`.

    A system of tickets has `ticket_of`, which reads the ticket's id from its answer ("" for none), and `follow`: what is
    asked once the ticket is known. `options` are what a webhook of this preset may choose, with what each means;
    those in `required` it must.
    """

    name: str
    summary: str
    body: Callable[[Announcement], Any]
    content_type: str = JSON
    needs_routing_key: bool = False
    ticket_of: Callable[[Any], str] | None = None
    follow: Callable[[Announcement], Asked] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    groups: bool = False  # it can tell of several in one message
