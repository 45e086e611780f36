"""Dial-out: targets behind NAT open the connection and publish what they were configured to tell.

One gRPC server over TLS takes three published services; the messages of the first two are gNMI's own SubscribeResponse:

    gnmi.gNMIDialOut/Publish                 openconfig, as SONiC sends it
    Nokia.SROS.DialoutTelemetry/Publish      Nokia SR OS
    mdt_dialout.gRPCMdtDialout/MdtDialout    Cisco IOS XR, XE, NX-OS with self-describing rows (GPB-KV)

A target is the device of its address; where it comes through NAT, the device that its certificate names, if our
authority signed it. Whoever is neither is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

import grpc
import structlog
from gnmi_pb import gnmi_pb2 as pb
from pydantic import Field, model_validator

from collectors.codecs.ber import DecodeError
from collectors.codecs.cisco_mdt import notifications
from collectors.codecs.protobuf import fields
from inventory.topology import Topology
from station.metrics import counter, gauge
from station.settings import Settings

log = structlog.get_logger("gnmi")

DIALOUT_STREAMS = gauge("gnmi_dialout_streams", "Targets that dialled out and are connected.")
DIALOUT_REFUSED = counter(
    "gnmi_dialout_refused", "Streams and messages of targets that dialled out and were not heard, by reason.", "reason"
)

SERVICES: Final = ("gnmi.gNMIDialOut", "Nokia.SROS.DialoutTelemetry")
CISCO: Final = "mdt_dialout.gRPCMdtDialout"
_DATA, _TOTAL_SIZE = 2, 4  # of MdtDialoutArgs
MESSAGE_OCTETS_MAX: Final = 16 << 20
GRACE_S: Final = 1.0

Dialled = Callable[[str, int, AsyncIterator[bytes]], Awaitable[None]]
"""(name of the stream, device number, its messages): works until they end."""


class DialoutSettings(Settings):
    """`[gnmi.dialout]`: the listener. Port 0 turns it off."""

    address: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535, description="57400 is Nokia's example")
    certificate: Path | None = Field(None, description="file with our certificate and the chain to its root")
    key: Path | None = Field(None, description="file with its private key")
    client_ca: Path | None = Field(None, description="file with the authority of targets' certificates; without it they need none")
    streams_max: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.port and not (self.certificate and self.key):
            raise ValueError("port needs certificate and key")
        return self

    def credentials(self) -> grpc.ServerCredentials:
        """OSError where a file cannot be read."""
        assert self.certificate is not None and self.key is not None
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        roots = self.client_ca.read_bytes() if self.client_ca else None
        return grpc.ssl_server_credentials([pair], roots, require_client_auth=roots is not None)


async def serve(settings: DialoutSettings, topology: Callable[[], Topology], dialled: Dialled) -> None:
    """Listen until cancelled."""
    streams = Streams(settings.streams_max, topology, dialled)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MESSAGE_OCTETS_MAX)])
    method = grpc.stream_stream_rpc_method_handler(streams.publish)  # octets in and out
    for service in SERVICES:
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Publish": method}),))
    cisco = {"MdtDialout": grpc.stream_stream_rpc_method_handler(streams.mdt)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(CISCO, cisco),))
    server.add_secure_port(f"{settings.address}:{settings.port}", await asyncio.to_thread(settings.credentials))
    await server.start()
    try:
        await server.wait_for_termination()
    finally:
        await server.stop(GRACE_S)


class Streams:
    """The connections of all targets that dialled out."""

    def __init__(self, most: int, topology: Callable[[], Topology], dialled: Dialled) -> None:
        self._most, self._topology, self._dialled = most, topology, dialled
        self._open = 0
        DIALOUT_STREAMS.set_function(lambda: self._open)

    async def publish(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """One target's stream; nothing is answered before it ends."""
        device_no = device_of(self._topology(), context)
        if not device_no:
            DIALOUT_REFUSED.labels("unknown_device").inc()
            log.warning("an unknown target dialled out", peer=context.peer())
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not a device of the inventory")
        if self._open >= self._most:
            DIALOUT_REFUSED.labels("too_many").inc()
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
        self._open += 1
        try:
            await self._dialled(f"dialout {context.peer()}", device_no, messages)
        finally:
            self._open -= 1
        yield b""  # an empty PublishResponse

    async def mdt(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        """The same of Cisco's telemetry."""
        async for answer in self.publish(responses(messages), context):
            yield answer


async def responses(messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cisco's messages as gNMI's; what is none is counted. A large one comes in pieces, each with the size of the whole."""
    whole = b""
    async for octets in messages:
        try:
            found = dict(fields(octets))
            data, size = found.get(_DATA, b""), found.get(_TOTAL_SIZE, 0)
            if not isinstance(data, bytes) or not isinstance(size, int) or size > MESSAGE_OCTETS_MAX:
                raise DecodeError("size")
            whole += data
            if len(whole) < size:
                continue
            message, whole = whole, b""
            for notification in notifications(message):
                yield pb.SubscribeResponse(update=notification).SerializeToString()
        except DecodeError as error:
            whole = b""
            DIALOUT_REFUSED.labels(str(error).replace(" ", "_")).inc()


def device_of(topology: Topology, context: Any) -> int:
    """The number of the device at the other end, by its address or by the name in its certificate; 0 if neither is known."""
    kind, _, rest = context.peer().partition(":")
    address = unquote(rest).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else ""
    found = topology.addresses.get(address.removeprefix("::ffff:"), 0)
    if found or context.peer_identities() is None:
        return found
    named = {octets.decode("utf-8", "replace") for octets in context.peer_identities()}
    return next((device.no for name in sorted(named) if (device := topology.device_by_name.get(name)) is not None), 0)
