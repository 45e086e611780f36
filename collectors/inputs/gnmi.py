"""gNMI: a subscription per target over TLS, reconnected with back-off, and targets that dial out to the station; leaves become samples.

The channel's credentials are explicit: the target's certificate must chain to `ca_file`, or nothing is sent to it,
the password least of all. `grpc.aio` carries it; one task per target, the leaves of a message go out as one batch.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import grpc
import structlog
from gnmi_pb import gnmi_pb2 as pb
from pydantic import Field, model_validator

from collectors.codecs.gnmi import GnmiDecodeError
from collectors.gnmi_dialout import DialoutSettings, serve
from collectors.gnmi_models import ONCE, POLL, STREAM, Model, Pace, encoding_of, get_request, gone_of, meaning_of, model_for, subscription
from inventory.topology import Topology
from station.batch import SampleBatch
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.metrics import counter, gauge
from station.settings import Settings

if TYPE_CHECKING:
    from collectors.gnmi_columns import Columns, Gathered

log = structlog.get_logger("gnmi")

GNMI_UPDATES = counter("gnmi_updates", "Leaves received that became samples.")
GNMI_IGNORED = counter("gnmi_ignored", "Leaves received that became none, by reason.", "reason")
GNMI_DELETED = counter("gnmi_deleted", "Paths that targets deleted: the states below them end.")
GNMI_RECONNECTS = counter("gnmi_reconnects", "Subscriptions that ended and were tried again.", "reason")
GNMI_STREAMS = gauge("gnmi_streams", "Subscriptions that are synchronised.")

_SERVICE: Final = "/gnmi.gNMI/"
CAPABILITIES_WITHIN_S: Final = 20.0
ANSWER_WITHIN_S: Final = 60.0
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 60.0
GATHERED_S: Final = 0.1  # the longest that samples wait for more
MESSAGE_OCTETS_MAX: Final = 16 << 20
_MODES: Final = {"stream": STREAM, "once": ONCE, "poll": POLL}


class GnmiTarget(Settings):
    """`[[gnmi.targets]]`: `credential` names a secret of the vault with username and password, sent as metadata.

    `certificate_file` and `key_file` are the station's own, for targets that ask for one. `encoding` "auto" is the best
    that the target says it has. `mode`: how it is asked where it has no streams: again and again by POLL, ONCE or Get.
    """

    address: str
    port: int = Field(9339, ge=1, le=65535)
    ca_file: Path
    credential: str = ""
    server_name: str = ""  # where the certificate names the target otherwise than its address
    certificate_file: Path | None = None
    key_file: Path | None = None
    encoding: Literal["auto", "json_ietf", "json", "proto", "ascii"] = "auto"
    mode: Literal["stream", "poll", "once", "get"] = "stream"

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
    dialout: DialoutSettings = DialoutSettings()

    @property
    def pace(self) -> Pace:
        return Pace(int(self.sample_interval_s * NS_PER_S), int(self.heartbeat_interval_s * NS_PER_S), self.suppress_redundant)


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
        if not self._settings.targets and not self._settings.dialout.port:
            return
        self._gathered = await asyncio.to_thread(_gathered)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_over_soon())
            for target in self._settings.targets:
                tasks.create_task(self._keep(target))
            if self._settings.dialout.port:
                tasks.create_task(serve(self._settings.dialout, self._topology, self._dialled))

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
            encodings, modules = await _capabilities(channel, login)
            model, encoding = model_for(modules), encoding_of(target.encoding, encodings)
            assert self._gathered is not None
            columns = _columns(self._gathered)
            while True:
                if target.mode == "get":
                    await self._get(target, columns, channel, get_request(model, encoding), login)
                else:
                    await self._subscribe(target, columns, channel, self._requests(target, model, encoding), login)
                if target.mode in ("stream", "poll"):
                    return
                await asyncio.sleep(self._settings.sample_interval_s)

    async def _subscribe(
        self, target: GnmiTarget, columns: "Columns", channel: grpc.aio.Channel, requests: AsyncIterator[Any], login: Any
    ) -> None:
        """Messages come as octets: most are read without being parsed as a whole."""
        subscribe = channel.stream_stream(f"{_SERVICE}Subscribe", request_serializer=pb.SubscribeRequest.SerializeToString)
        async for data in subscribe(requests, metadata=login):
            device_no = self._topology().addresses.get(target.address, 0)
            if await self._take(columns, data, device_no) and device_no:
                self._live[target.address] = device_no

    async def _requests(self, target: GnmiTarget, model: Model, encoding: int) -> AsyncIterator[pb.SubscribeRequest]:
        yield subscription(model, self._settings.pace, encoding, _MODES[target.mode])
        while target.mode == "poll":
            await asyncio.sleep(self._settings.sample_interval_s)
            yield pb.SubscribeRequest(poll=pb.Poll())
        if target.mode == "stream":
            await asyncio.Event().wait()  # the request stream stays open as long as the subscription

    async def _get(self, target: GnmiTarget, columns: "Columns", channel: grpc.aio.Channel, request: pb.GetRequest, login: Any) -> None:
        ask = channel.unary_unary(f"{_SERVICE}Get", pb.GetRequest.SerializeToString, pb.GetResponse.FromString)
        answer = await ask(request, metadata=login, timeout=ANSWER_WITHIN_S)
        device_no = self._topology().addresses.get(target.address, 0)
        for notification in answer.notification:
            await self._take(columns, pb.SubscribeResponse(update=notification).SerializeToString(), device_no)
        if device_no:
            self._live[target.address] = device_no

    async def _dialled(self, name: str, device_no: int, messages: AsyncIterator[bytes]) -> None:
        """What one target that dialled out says, until it ends. It covers its device once it has told counters."""
        assert self._gathered is not None
        columns = _columns(self._gathered)
        try:
            async for data in messages:
                before = self._gathered.rows
                await self._take(columns, data, device_no)
                if self._gathered.counted_since(before):
                    self._live[name] = device_no
        finally:
            self._live.pop(name, None)

    async def _take(self, columns: "Columns", data: bytes, device_no: int) -> bool:
        """One SubscribeResponse; whether it says that everything has been told."""
        assert self._gathered is not None
        try:
            heard = columns.take(data, self._topology(), device_no, self._clock.now_ns())
        except GnmiDecodeError as error:
            GNMI_IGNORED.labels(error.reason).inc()
            return False
        if heard.deleted:
            GNMI_DELETED.inc(heard.deleted)
        for reason, n in heard.ignored.items():
            GNMI_IGNORED.labels(reason).inc(n)
        if self._gathered.is_full or heard.batch is not None:
            await self._hand_over()
        if heard.batch is not None:
            GNMI_UPDATES.inc(len(heard.batch))
            await self._out.put(heard.batch)
        return heard.synced

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


async def _capabilities(channel: grpc.aio.Channel, login: Sequence[tuple[str, str]]) -> tuple[Sequence[int], Sequence[str]]:
    """(encodings, names of models) of a target; none where it does not know the question."""
    ask = channel.unary_unary(f"{_SERVICE}Capabilities", pb.CapabilityRequest.SerializeToString, pb.CapabilityResponse.FromString)
    try:
        answer = await ask(pb.CapabilityRequest(), metadata=tuple(login), timeout=CAPABILITIES_WITHIN_S)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        return (), ()
    return tuple(answer.supported_encodings), tuple(model.name for model in answer.supported_models)


def _gathered() -> "Gathered":
    """Importing compiles what is not in the cache yet, so it is done beside the loop, once."""
    from collectors.gnmi_columns import Gathered

    return Gathered()


def _columns(gathered: "Gathered") -> "Columns":
    from collectors.gnmi_columns import Columns

    return Columns(meaning_of, gathered, gone_of)
