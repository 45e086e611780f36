"""gNMI dial-in: one stream subscription per target over TLS, reconnected with back-off; leaves become samples.

The channel's credentials are explicit: the target's certificate must chain to `ca_file`, or nothing is sent to it,
the password least of all. `grpc.aio` carries it; one task per target, the leaves of a message go out as one batch.
"""

import asyncio
import random
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import grpc
import structlog
from gnmi_pb import gnmi_pb2 as pb
from pydantic import Field, model_validator

from collectors.codecs.gnmi import GnmiDecodeError, Leaf, path_of
from inventory.topology import Topology
from station.batch import SampleBatch
from station.catalogue import Metric, metrics_by_name
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.data import data_dir
from station.metrics import counter, gauge
from station.settings import Settings

if TYPE_CHECKING:
    from collectors.gnmi_columns import Columns, Gathered, Meaning

log = structlog.get_logger("gnmi")

GNMI_UPDATES = counter("gnmi_updates", "Leaves received that became samples.")
GNMI_IGNORED = counter("gnmi_ignored", "Leaves received that became none, by reason.", "reason")
GNMI_RECONNECTS = counter("gnmi_reconnects", "Subscriptions that ended and were tried again.", "reason")
GNMI_STREAMS = gauge("gnmi_streams", "Subscriptions that are synchronised.")

SUBSCRIBE, CAPABILITIES = "/gnmi.gNMI/Subscribe", "/gnmi.gNMI/Capabilities"
CAPABILITIES_WITHIN_S: Final = 20.0
ENCODINGS: Final = tuple(int(pb.Encoding.Value(name)) for name in ("JSON_IETF", "PROTO", "JSON", "ASCII"))  # the best first
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 60.0
GATHERED_S: Final = 0.1  # the longest that samples wait for more
MESSAGE_OCTETS_MAX: Final = 16 << 20


class GnmiTarget(Settings):
    """`[[gnmi.targets]]`: `credential` names a secret of the vault with username and password, sent as metadata.

    `certificate_file` and `key_file` are the station's own, for targets that ask for one. `encoding` "auto" is the best
    that the target says it has.
    """

    address: str
    port: int = Field(9339, ge=1, le=65535)
    ca_file: Path
    credential: str = ""
    server_name: str = ""  # where the certificate names the target otherwise than its address
    certificate_file: Path | None = None
    key_file: Path | None = None
    encoding: Literal["auto", "json_ietf", "json", "proto", "ascii"] = "auto"

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together")
        return self


class GnmiSettings(Settings):
    """`[gnmi]`."""

    targets: tuple[GnmiTarget, ...] = ()
    sample_interval_s: float = Field(10.0, gt=0)
    heartbeat_interval_s: float = Field(300.0, ge=0)  # states that did not change are told again; 0: never
    suppress_redundant: bool = False  # counters that did not change are left out until the heartbeat


@dataclass(frozen=True, slots=True)
class Model:
    """One file of config/gnmi: what is subscribed to and which leaf is which metric."""

    subscribe: tuple[str, ...]
    key: str
    metrics: Mapping[str, Metric]  # by full path
    states: Mapping[str, int]
    counter_bits: int  # the model's own counter type


@cache
def models() -> tuple[Model, ...]:
    return tuple(model_of(path) for path in sorted((data_dir("config") / "gnmi").glob("*.toml")))


def model_of(path: Path) -> Model:
    data = tomllib.loads(path.read_text())
    by_name = metrics_by_name()
    metrics = {f"{data['container']}/{leaf}": by_name[name] for leaf, name in data["metrics"].items()}
    return Model(tuple(data["subscribe"]), data["key"], metrics, data["states"], data["counter_bits"])


def subscription(settings: GnmiSettings, encoding: int = pb.Encoding.JSON_IETF) -> pb.SubscribeRequest:
    """STREAM over everything the models name: states on change, counters by sample (gNMI 3.5.1.5.2)."""
    heartbeat_ns = int(settings.heartbeat_interval_s * NS_PER_S)
    entries = []
    for path in (path for model in models() for path in model.subscribe):
        sampled = path.endswith("counters")
        entry = pb.Subscription(path=path_of(path), mode=pb.SubscriptionMode.SAMPLE if sampled else pb.SubscriptionMode.ON_CHANGE)
        if sampled:
            entry.sample_interval = int(settings.sample_interval_s * NS_PER_S)
            entry.suppress_redundant = settings.suppress_redundant
        if not sampled or settings.suppress_redundant:
            entry.heartbeat_interval = heartbeat_ns
        entries.append(entry)
    return pb.SubscribeRequest(subscribe=pb.SubscriptionList(subscription=entries, mode=pb.SubscriptionList.STREAM, encoding=encoding))


def encoding_of(wanted: str, supported: Sequence[int]) -> int:
    """The encoding to ask for: the one that is wanted, else the best of those supported, JSON_IETF where nothing is said."""
    if wanted != "auto":
        return int(pb.Encoding.Value(wanted.upper()))
    return next((one for one in ENCODINGS if one in supported), int(pb.Encoding.JSON_IETF))


class Gnmi:
    """All targets; `run` works until cancelled. `covered` are the device numbers whose counters a live stream delivers."""

    def __init__(
        self,
        settings: GnmiSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        secret: Callable[[str], Mapping[str, str]],
        out: Channel[SampleBatch],
    ) -> None:
        self._settings, self._topology, self._clock, self._secret, self._out = settings, topology, clock, secret, out
        self._live: dict[str, int] = {}
        self._gathered: Gathered | None = None
        GNMI_STREAMS.set_function(lambda: len(self._live))

    @property
    def covered(self) -> frozenset[int]:
        return frozenset(self._live.values())

    async def run(self) -> None:
        if not self._settings.targets:
            return
        self._gathered = await asyncio.to_thread(_gathered)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_over_soon())
            for target in self._settings.targets:
                tasks.create_task(self._keep(target))

    async def _keep(self, target: GnmiTarget) -> None:
        wait_s = BACKOFF_FIRST_S
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                await self._stream(target)
                reason = "ended"
            except grpc.aio.AioRpcError as error:
                reason = error.code().name.lower()
            except OSError as error:
                reason = "ca_file"
                log.error("the CA file cannot be read", target=target.address, error=str(error))
            finally:
                self._live.pop(target.address, None)
            GNMI_RECONNECTS.labels(reason).inc()
            if self._clock.monotonic_ns() - began_ns > BACKOFF_MOST_S * NS_PER_S:
                wait_s = BACKOFF_FIRST_S
            log.info("gnmi subscription ended", target=target.address, reason=reason, again_in_s=round(wait_s, 1))
            await asyncio.sleep(wait_s * random.uniform(0.8, 1.2))  # noqa: S311 - spreads reconnects, no secret
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    async def _stream(self, target: GnmiTarget) -> None:
        roots, key, certificate = await asyncio.to_thread(_files, target)
        options: list[tuple[str, Any]] = [("grpc.max_receive_message_length", MESSAGE_OCTETS_MAX), ("grpc.keepalive_time_ms", 20_000)]
        if target.server_name:
            options.append(("grpc.ssl_target_name_override", target.server_name))
        credentials = grpc.ssl_channel_credentials(roots, key, certificate)
        async with grpc.aio.secure_channel(f"{target.address}:{target.port}", credentials, options=options) as channel:
            login = tuple(self._secret(target.credential).items()) if target.credential else ()
            encoding = encoding_of(target.encoding, await _supported(channel, login) if target.encoding == "auto" else ())
            subscribe = channel.stream_stream(SUBSCRIBE, request_serializer=pb.SubscribeRequest.SerializeToString)
            call = subscribe(self._requests(encoding), metadata=login)
            await self._read(target, call)

    async def _requests(self, encoding: int) -> AsyncIterator[pb.SubscribeRequest]:
        yield subscription(self._settings, encoding)
        await asyncio.Event().wait()  # the request stream stays open as long as the subscription

    async def _read(self, target: GnmiTarget, call: Any) -> None:
        """Messages come as octets: most are read without being parsed as a whole."""
        assert self._gathered is not None
        gathered = self._gathered
        columns = _columns(gathered)
        async for data in call:
            topology = self._topology()
            device_no = topology.addresses.get(target.address, 0)
            try:
                heard = columns.take(data, topology, device_no, self._clock.now_ns())
            except GnmiDecodeError as error:
                GNMI_IGNORED.labels(error.reason).inc()
                continue
            if heard.synced and device_no:
                self._live[target.address] = device_no
            if heard.deleted:  # what is gone says nothing more; its interface's state is told by the poll
                GNMI_IGNORED.labels("delete").inc(len(heard.deleted))
            for reason, n in heard.ignored.items():
                GNMI_IGNORED.labels(reason).inc(n)
            if gathered.is_full or heard.batch is not None:
                await self._hand_over()
            if heard.batch is not None:
                GNMI_UPDATES.inc(len(heard.batch))
                await self._out.put(heard.batch)

    async def _hand_over(self) -> None:
        if self._gathered is not None and self._gathered.rows:
            batch = self._gathered.batch()
            GNMI_UPDATES.inc(len(batch))
            await self._out.put(batch)

    async def _hand_over_soon(self) -> None:
        """Messages are small: what all targets say within a moment goes on as one batch."""
        while True:
            await asyncio.sleep(GATHERED_S)
            await self._hand_over()


def _files(target: GnmiTarget) -> tuple[bytes, bytes | None, bytes | None]:
    """(CA's certificate, the station's key, its certificate)."""
    own = (target.key_file, target.certificate_file)
    key, certificate = (None if file is None else file.read_bytes() for file in own)
    return target.ca_file.read_bytes(), key, certificate


async def _supported(channel: grpc.aio.Channel, login: Sequence[tuple[str, str]]) -> Sequence[int]:
    """The encodings that a target names; none where it does not know the question."""
    ask = channel.unary_unary(CAPABILITIES, pb.CapabilityRequest.SerializeToString, pb.CapabilityResponse.FromString)
    try:
        answer = await ask(pb.CapabilityRequest(), metadata=tuple(login), timeout=CAPABILITIES_WITHIN_S)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return ()
    return tuple(answer.supported_encodings)


def _gathered() -> "Gathered":
    """Importing compiles what is not in the cache yet, so it is done beside the loop, once."""
    from collectors.gnmi_columns import Gathered

    return Gathered()


def _columns(gathered: "Gathered") -> "Columns":
    from collectors.gnmi_columns import Columns

    return Columns(_meaning, gathered)


def _meaning(topology: Topology, device_no: int, leaf: Leaf) -> "Meaning | str":
    """The series that a leaf is of a device, or in one word why it is none."""
    if device_no not in topology.devices:
        return "unknown_device"
    model = next((model for model in models() if leaf.path in model.metrics), None)
    if model is None:
        return "no_metric"
    interface = topology.interface_by_name.get((device_no, leaf.keys.get(model.key, "")))
    if interface is None:
        return "unknown_interface"
    from collectors.gnmi_columns import meaning

    return meaning((device_no, interface.entity_no), model.metrics[leaf.path], model.states, model.counter_bits)
