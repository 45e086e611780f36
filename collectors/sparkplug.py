"""What Sparkplug B edge nodes say (Sparkplug 3.0, 6): births give metrics their names, sequence numbers show what was lost.

Pure: messages in, measurements and states out, and which node is to be asked for its birth again.
"""

import math
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collectors.codecs.mqtt_json import DeviceState, Measurement
from collectors.codecs.sparkplug import SparkplugPayload, decode
from station.catalogue import Metric, metrics_by_name
from station.clock import NS_PER_S

NAMESPACE: Final = "spBv1.0"
NODES_MAX: Final = 50_000  # the longest silent are forgotten; their next message asks for a birth
ALIASES_MAX: Final = 10_000
REBIRTH_EVERY_NS: Final = 60 * NS_PER_S
BD_SEQ: Final = "bdSeq"


@dataclass(frozen=True, slots=True)
class SparkplugProfile:
    """One file of config/mqtt/sparkplug: `metrics` by Sparkplug name. `device` names the inventory's device of a node and a device."""

    device: str
    metrics: Mapping[str, tuple[Metric, float]]


def load(path: Path) -> SparkplugProfile:
    data = tomllib.loads(path.read_text())
    by_name = metrics_by_name()
    return SparkplugProfile(data["device"], {key: (by_name[row["metric"]], row["scale"]) for key, row in data["metrics"].items()})


@dataclass(slots=True)
class _Node:
    """An edge node as it is known: its sequence, its birth's number, its aliases by device ("" is the node itself)."""

    seq: int = -1
    birth: int | None = None
    asked_ns: int = -REBIRTH_EVERY_NS
    aliases: dict[tuple[str, int], str] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Said:
    """`rebirth` is the topic to ask at for a birth, "" for none. `outcome` is one word for a counter."""

    outcome: str
    measurements: tuple[Measurement, ...] = ()
    states: tuple[DeviceState, ...] = ()
    rebirth: str = ""


class Nodes:
    """All edge nodes heard of. DecodeError from `take` when a payload is none."""

    def __init__(self, profile: SparkplugProfile) -> None:
        self._profile = profile
        self._nodes: OrderedDict[tuple[str, str], _Node] = OrderedDict()

    def take(self, topic: str, octets: bytes, now_ns: int) -> Said:
        """One message of `spBv1.0/group/kind/node[/device]`."""
        levels = topic.split("/")
        if levels[0] != NAMESPACE or not 4 <= len(levels) <= 5:
            return Said("topic")
        _, group, kind, edge = levels[:4]
        device = levels[4] if len(levels) == 5 else ""
        if kind not in ("NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH") or (kind[0] == "D") != bool(device):
            return Said("topic")
        payload, node = decode(octets), self._node(group, edge)
        if kind == "NDEATH":
            return self._death(node, edge, payload)
        if kind == "NBIRTH":
            node.seq, node.birth, node.aliases, node.devices = payload.seq, _birth_of(payload), {}, set()
        elif payload.seq != (node.seq + 1) % 256:
            node.seq, before = payload.seq, node.seq
            return Said("no_birth" if before < 0 else "sequence_gap", rebirth=self._ask(node, group, edge, now_ns))
        node.seq = payload.seq
        if kind == "DDEATH":
            node.devices.discard(device)
            return Said("state", states=(DeviceState(self._name(edge, device), online=False),))
        return self._values(node, edge, device, payload, kind.endswith("BIRTH"), self._ask_topic(group, edge), now_ns)

    def _values(self, node: _Node, edge: str, device: str, payload: SparkplugPayload, birth: bool, ask: str, now_ns: int) -> Said:
        name, found, unknown = self._name(edge, device), [], False
        for metric in payload.metrics:
            if birth and metric.alias >= 0 and len(node.aliases) < ALIASES_MAX:
                node.aliases[device, metric.alias] = metric.name
            said = metric.name or node.aliases.get((device, metric.alias), "")
            unknown |= not said
            known, value = self._profile.metrics.get(said), metric.value
            if known is None or isinstance(value, str | None) or not math.isfinite(value):
                continue
            found.append(Measurement(name, known[0], float(value) * known[1], metric.time_ms or payload.time_ms))
        states = (DeviceState(name, online=True),) if birth else ()
        if birth and device:
            node.devices.add(device)
        rebirth = self._due(node, ask, now_ns) if unknown else ""
        return Said("unknown_alias" if unknown else "taken", tuple(found), states, rebirth)

    def _death(self, node: _Node, edge: str, payload: SparkplugPayload) -> Said:
        """The will of an earlier session, spoken late, is not the death of this one (Sparkplug 3.0, 6.4.9)."""
        said = _birth_of(payload)
        if node.birth is not None and said is not None and said != node.birth:
            return Said("old_death")
        gone = ("", *sorted(node.devices))
        node.seq, node.birth, node.devices = -1, None, set()
        return Said("state", states=tuple(DeviceState(self._name(edge, device), online=False) for device in gone))

    def _node(self, group: str, edge: str) -> _Node:
        node = self._nodes.pop((group, edge), None) or _Node()
        self._nodes[group, edge] = node
        if len(self._nodes) > NODES_MAX:
            self._nodes.popitem(last=False)
        return node

    def _name(self, edge: str, device: str) -> str:
        """The inventory's name: by the profile's pattern for a device, the node's own for the node."""
        return self._profile.device.replace("{node}", edge).replace("{device}", device) if device else edge

    def _ask(self, node: _Node, group: str, edge: str, now_ns: int) -> str:
        return self._due(node, self._ask_topic(group, edge), now_ns)

    @staticmethod
    def _ask_topic(group: str, edge: str) -> str:
        return f"{NAMESPACE}/{group}/NCMD/{edge}"

    @staticmethod
    def _due(node: _Node, topic: str, now_ns: int) -> str:
        if now_ns - node.asked_ns < REBIRTH_EVERY_NS:
            return ""
        node.asked_ns = now_ns
        return topic


def _birth_of(payload: SparkplugPayload) -> int | None:
    """The birth's number, which the will of the same session carries too."""
    return next((metric.value for metric in payload.metrics if metric.name == BD_SEQ and isinstance(metric.value, int)), None)


def rebirth_payload(now_ms: int) -> bytes:
    """The command `Node Control/Rebirth` = true, as Sparkplug 3.0, 6.4.16 writes it."""
    name = b"Node Control/Rebirth"
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x20\x0b\x70\x01"  # name, datatype Boolean, boolean_value true
    return b"\x08" + _varint(now_ms) + b"\x12" + bytes([len(metric)]) + metric


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
