"""What is told: an announcement, and the contract of a preset that puts it into another system's words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


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

    @property
    def over(self) -> bool:
        return self.transition in ("closed", "cleared")

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
class Preset:
    """One file of `fault/notify/presets`: `body` gives what is sent as JSON with `content_type`."""

    name: str
    summary: str
    body: Callable[[Announcement], Any]
    content_type: str = JSON
    needs_routing_key: bool = False
