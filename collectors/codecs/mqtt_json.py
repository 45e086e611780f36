"""MQTT messages by profile (`config/mqtt/*.toml`): topic and JSON payload to one measurement or state. No I/O."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from station.catalogue import Metric, metrics_by_name

PAYLOAD_OCTETS_MAX: Final = 64 << 10
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
    value: str
    time_ms: str
    state_topic: str
    state_pattern: re.Pattern[str]
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
        metrics={key: (by_name[row["metric"]], row["scale"]) for key, row in data["metrics"].items()},
        value=data["value"],
        time_ms=data["time_ms"],
        state_topic=data["state"]["topic"],
        state_pattern=_pattern(data["state"]["topic"]),
        online=data["state"]["online"],
        offline=data["state"]["offline"],
        examples=tuple(data["examples"]),
    )


def _pattern(topic: str) -> re.Pattern[str]:
    return re.compile(
        "/".join(f"(?P<{level[1:-1]}>{_LEVEL[1:-1]})" if level.startswith("{") else re.escape(level) for level in topic.split("/"))
    )


def decode(profile: MqttProfile, topic: str, payload: bytes) -> Measurement | DeviceState | str:
    """What a message says; otherwise one word for a counter: topic, size, metric, json, value, state."""
    if len(payload) > PAYLOAD_OCTETS_MAX:
        return "size"
    said = profile.state_pattern.fullmatch(topic)
    if said:
        word = payload.decode("utf-8", "replace").strip()
        return DeviceState(said["device"], word == profile.online) if word in (profile.online, profile.offline) else "state"
    found = profile.pattern.fullmatch(topic)
    if found is None:
        return "topic"
    known = profile.metrics.get(found["metric"])
    return "metric" if known is None else _measurement(profile, found["device"], known, payload)


def _measurement(profile: MqttProfile, device: str, known: tuple[Metric, float], payload: bytes) -> Measurement | str:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return "json"
    members = document if isinstance(document, dict) else {profile.value: document}
    value, time_ms = members.get(profile.value), members.get(profile.time_ms, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "value"
    metric, scale = known
    return Measurement(device, metric, value * scale, time_ms if isinstance(time_ms, int) and 0 <= time_ms < 1 << 53 else 0)
