"""MQTT messages by profile (`config/mqtt/*.toml`): topic and JSON payload to measurements or a state. No I/O.

A profile either names its metric in the topic (`{metric}`, one value a message) or, under `[members]`, which members of the
document are which metrics, with a dot between levels (`ENERGY.Power`).
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from station.catalogue import Metric, metrics_by_name

PAYLOAD_OCTETS_MAX: Final = 64 << 10
VALUE_MAX: Final = 1e300  # beyond it, or not a number: no measurement
_LEVEL: Final = r"([^/+#]{1,255})"


@dataclass(frozen=True, slots=True)
class Measurement:
    """`time_ms` 0 where the message tells none."""

    device: str
    metric: Metric
    value: float
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class DeviceState:
    """The device's own word, or its last will spoken by the broker."""

    device: str
    online: bool


@dataclass(frozen=True, slots=True)
class MqttProfile:
    """One file of config/mqtt, ready to match."""

    name: str
    topic: str
    pattern: re.Pattern[str]
    metrics: Mapping[str, tuple[Metric, float]]
    members: Mapping[tuple[str, ...], tuple[Metric, float]]
    value: str
    time_ms: str
    state_topic: str
    state_pattern: re.Pattern[str]
    state_member: str
    online: str
    offline: str
    examples: tuple[Mapping[str, Any], ...]

    @property
    def subscriptions(self) -> tuple[str, str]:
        """The topics to subscribe to: every placeholder is a `+`."""
        return re.sub(r"\{\w+\}", "+", self.topic), re.sub(r"\{\w+\}", "+", self.state_topic)


def load(path: Path) -> MqttProfile:
    data = tomllib.loads(path.read_text())
    by_name = metrics_by_name()
    return MqttProfile(
        name=path.stem,
        topic=data["topic"],
        pattern=_pattern(data["topic"]),
        metrics={key: (by_name[row["metric"]], row["scale"]) for key, row in data.get("metrics", {}).items()},
        members={tuple(key.split(".")): (by_name[row["metric"]], row["scale"]) for key, row in data.get("members", {}).items()},
        value=data.get("value", ""),
        time_ms=data.get("time_ms", ""),
        state_topic=data["state"]["topic"],
        state_pattern=_pattern(data["state"]["topic"]),
        state_member=data["state"].get("member", ""),
        online=data["state"]["online"],
        offline=data["state"]["offline"],
        examples=tuple(data["examples"]),
    )


def _pattern(topic: str) -> re.Pattern[str]:
    return re.compile(
        "/".join(f"(?P<{level[1:-1]}>{_LEVEL[1:-1]})" if level.startswith("{") else re.escape(level) for level in topic.split("/"))
    )


def decode(profile: MqttProfile, topic: str, payload: bytes) -> tuple[Measurement | DeviceState, ...] | str:
    """What a message says; otherwise one word for a counter: topic, size, metric, json, value, state."""
    if len(payload) > PAYLOAD_OCTETS_MAX:
        return "size"
    said = profile.state_pattern.fullmatch(topic)
    if said:
        word = _state(profile, payload)
        return (DeviceState(said["device"], word == profile.online),) if word in (profile.online, profile.offline) else "state"
    found = profile.pattern.fullmatch(topic)
    if found is None:
        return "topic"
    wanted = profile.members
    if not wanted:
        known = profile.metrics.get(found["metric"])
        if known is None:
            return "metric"
        wanted = {(profile.value,): known}
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return "json"
    members = document if isinstance(document, dict) else {profile.value: document}
    time_ms = members.get(profile.time_ms, 0)
    time_ms = time_ms if isinstance(time_ms, int) and 0 <= time_ms < 1 << 53 else 0
    values = ((known, _number(members, path)) for path, known in wanted.items())
    measured = tuple(
        Measurement(found["device"], metric, number * scale, time_ms) for (metric, scale), number in values if number is not None
    )
    return measured or "value"


def _number(members: Any, path: tuple[str, ...]) -> float | None:
    """The number at a path of members; None where there is none."""
    for name in path:
        members = members.get(name) if isinstance(members, dict) else None
    good = isinstance(members, int | float) and not isinstance(members, bool) and -VALUE_MAX < members < VALUE_MAX
    return members if good else None


def _state(profile: MqttProfile, payload: bytes) -> str:
    """The word of a state message: the payload itself, or a member of its document."""
    if not profile.state_member:
        return payload.decode("utf-8", "replace").strip()
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return ""
    word = document.get(profile.state_member) if isinstance(document, dict) else document
    return word if isinstance(word, str) else ""
