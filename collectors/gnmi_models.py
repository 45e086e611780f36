"""Which leaves of a gNMI target are which metrics: `config/gnmi/*.toml`, and what is asked of a target that has one of these models."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gnmi_pb import gnmi_pb2 as pb

from collectors.codecs.gnmi import Leaf, path_of
from inventory.topology import Topology
from station.catalogue import Metric, metrics_by_name
from station.data import data_dir

if TYPE_CHECKING:
    from collectors.gnmi_columns import Meaning

ENCODINGS: Final = tuple(int(pb.Encoding.Value(name)) for name in ("JSON_IETF", "PROTO", "JSON", "ASCII"))  # the best first
_SAMPLED: Final = ("counters", "statistics", "generic-counters")  # containers that are told by time; everything else when it changes
STREAM, ONCE, POLL = pb.SubscriptionList.STREAM, pb.SubscriptionList.ONCE, pb.SubscriptionList.POLL


@dataclass(frozen=True, slots=True)
class Model:
    """One file of config/gnmi: what is subscribed to and which leaf is which metric."""

    module: str  # as Capabilities name it
    preference: int
    subscribe: tuple[str, ...]
    key: str
    metrics: Mapping[str, Metric]  # by full path
    gone: Mapping[str, int]  # by full path: the state of a leaf that is deleted
    states: Mapping[str, int]
    counter_bits: int  # the model's own counter type


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a target is to tell: counters, and states that did not change (0: never)."""

    sample_ns: int
    heartbeat_ns: int = 0
    suppress_redundant: bool = False  # counters that did not change are left out until the heartbeat


@cache
def models() -> tuple[Model, ...]:
    """All models, the preferred first."""
    found = [model_of(path) for path in sorted((data_dir("config") / "gnmi").glob("*.toml"))]
    return tuple(sorted(found, key=lambda model: model.preference))


def model_of(path: Path) -> Model:
    data = tomllib.loads(path.read_text())
    by_name, at, states = metrics_by_name(), data["container"], data["states"]
    metrics = {f"{at}/{leaf}": by_name[name] for leaf, name in data["metrics"].items()}
    gone = {f"{at}/{leaf}": states[word] for leaf, word in data["gone"].items()}
    return Model(
        data["module"], data["preference"], tuple(data["subscribe"]), data["key"], metrics, gone, states, data["counter_bits"]
    )  # fmt: skip


def model_for(modules: Iterable[str]) -> Model:
    """The preferred model of those that a target has; the most preferred of all where it names none of them."""
    named = set(modules)
    return next((model for model in models() if model.module in named), models()[0])


def encoding_of(wanted: str, supported: Sequence[int]) -> int:
    """The encoding to ask for: the one that is wanted, else the best of those supported, JSON_IETF where nothing is said."""
    if wanted != "auto":
        return int(pb.Encoding.Value(wanted.upper()))
    return next((one for one in ENCODINGS if one in supported), int(pb.Encoding.JSON_IETF))


def subscription(model: Model, pace: Pace, encoding: int = pb.Encoding.JSON_IETF, mode: int = STREAM) -> pb.SubscribeRequest:
    """Everything the model names; of a stream, states on change and counters by sample (gNMI 3.5.1.5.2)."""
    entries = [_entry(path, pace) if mode == STREAM else pb.Subscription(path=path_of(path)) for path in model.subscribe]
    return pb.SubscribeRequest(subscribe=pb.SubscriptionList(subscription=entries, mode=mode, encoding=encoding))


def _entry(path: str, pace: Pace) -> Any:
    sampled = path.endswith(_SAMPLED)
    entry = pb.Subscription(path=path_of(path), mode=pb.SubscriptionMode.SAMPLE if sampled else pb.SubscriptionMode.ON_CHANGE)
    if sampled:
        entry.sample_interval, entry.suppress_redundant = pace.sample_ns, pace.suppress_redundant
    if not sampled or pace.suppress_redundant:
        entry.heartbeat_interval = pace.heartbeat_ns
    return entry


def get_request(model: Model, encoding: int) -> pb.GetRequest:
    """The same by Get, for targets that have no Subscribe."""
    return pb.GetRequest(path=[path_of(path) for path in model.subscribe], type=pb.GetRequest.STATE, encoding=encoding)


def meaning_of(topology: Topology, device_no: int, leaf: Leaf) -> "Meaning | str":
    """The series that a leaf is of a device, or in one word why it is none."""
    if device_no not in topology.devices:
        return "unknown_device"
    model = next((model for model in models() if leaf.path in model.metrics), None)
    if model is None:
        return "no_metric"
    interface = topology.interface_by_name.get((device_no, leaf.keys.get(model.key, "")))
    if interface is None:
        return "unknown_interface"
    return _meaning(model, leaf.path, device_no, interface.entity_no)


def gone_of(topology: Topology, device_no: int, path: str, keys: Mapping[str, str]) -> Iterator[tuple["Meaning", int]]:
    """States that end because `path` is deleted: of the interface that its keys name, of all where they name none."""
    for model in models():
        for leaf, state in model.gone.items():
            if leaf != path and not leaf.startswith(path.rstrip("/") + "/"):
                continue
            name = keys.get(model.key)
            for interface in topology.interfaces_of.get(device_no, ()):
                if name in (None, interface.name):
                    yield _meaning(model, leaf, device_no, interface.entity_no), state


def _meaning(model: Model, path: str, device_no: int, entity_no: int) -> "Meaning":
    from collectors.gnmi_columns import meaning  # compiles what is not in the cache yet

    return meaning((device_no, entity_no), model.metrics[path], model.states, model.counter_bits)
