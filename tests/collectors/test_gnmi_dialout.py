"""Targets that dial out: over TLS, by both published services, by their address or the name in their certificate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from gnmi_pb import gnmi_pb2 as pb
from pydantic import ValidationError

from collectors.gnmi_dialout import CISCO, SERVICES, DialoutSettings, Streams, device_of
from collectors.inputs.gnmi import Gnmi, GnmiSettings
from inventory.topology import Device, Entity, Topology
from station.batch import SampleBatch
from station.channel import Channel
from station.clock import SystemClock
from tests.collectors.test_cisco_mdt import arguments, leaf, row, telemetry, whole
from tests.peers.collectors.conftest import certificates
from tests.ports import TCP, free_port

pytestmark = pytest.mark.slow
PATIENCE_S = 60
PORT = Entity(7 << 16 | 1, "if-1", "interface", "et-0/0/1")


def network(address: str = "127.0.0.1", name: str = "r7") -> Topology:
    device = Device(no=7, id="d", name=name, site_id="", management_address=address)
    return Topology(1, devices={7: device}, entities={PORT.key: PORT}, addresses={address: 7})


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("ca"))


@asynccontextmanager
async def listening(ca: Path, topology: Topology, **more: Any) -> AsyncIterator[tuple[int, Gnmi, Channel[SampleBatch]]]:
    out: Channel[SampleBatch] = Channel("gnmi_dialout", 8)
    files = {"certificate": ca.parent / "server.crt", "key": ca.parent / "server.key"}
    dialout = DialoutSettings(port=free_port(TCP), **files, **more)
    gnmi = Gnmi(GnmiSettings(dialout=dialout), lambda: topology, SystemClock(), lambda _: {}, out)
    task = asyncio.create_task(gnmi.run())
    try:
        yield dialout.port, gnmi, out
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def message(leaf: str, **value: Any) -> bytes:
    names = ["interfaces", "interface", "state", *leaf.split("/")]
    at = pb.Path(elem=[pb.PathElem(name=name, key={"name": PORT.name} if name == "interface" else {}) for name in names])
    update = pb.Notification(timestamp=1, update=[pb.Update(path=at, val=pb.TypedValue(**value))])
    octets: bytes = pb.SubscribeResponse(update=update).SerializeToString()
    return octets


async def publish(port: int, ca: Path, service: str, messages: list[bytes], *, certificate: bool = False, stay: asyncio.Event) -> None:
    """What a target does: dial out, publish, and keep the stream open until told."""
    own = ((ca.parent / "client.key").read_bytes(), (ca.parent / "client.crt").read_bytes()) if certificate else (None, None)
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), *own)

    async def said() -> AsyncIterator[bytes]:
        for one in messages:
            yield one
        await stay.wait()

    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        method = "MdtDialout" if service == CISCO else "Publish"
        async for _ in channel.stream_stream(f"/{service}/{method}")(said(), wait_for_ready=True):
            pass


@pytest.mark.parametrize("service", SERVICES)
async def test_a_target_that_dials_out_is_heard_and_covers_its_device_while_it_tells_counters(ca: Path, service: str) -> None:
    stay = asyncio.Event()
    async with listening(ca, network()) as (port, gnmi, out):
        said = [message("oper-status", string_val="UP"), message("counters/in-octets", uint_val=5)]
        target = asyncio.create_task(publish(port, ca, service, said, stay=stay))
        found: list[int] = []
        while len(found) < 2:
            found += (await asyncio.wait_for(out.get(), PATIENCE_S)).raw.tolist()
        assert (sorted(found), set(gnmi.covered)) == ([0, 5], {7})
        stay.set()
        await asyncio.wait_for(target, PATIENCE_S)
        assert gnmi.covered == frozenset()


async def test_cisco_s_own_telemetry_is_heard_too(ca: Path) -> None:
    stay = asyncio.Event()
    async with listening(ca, network()) as (port, _, out):
        said = [arguments(telemetry(row(PORT.name, leaf("bytes-received", whole(8, 1 << 40)))))]
        target = asyncio.create_task(publish(port, ca, CISCO, said, stay=stay))
        assert (await asyncio.wait_for(out.get(), PATIENCE_S)).raw.tolist() == [1 << 40]
        stay.set()
        await asyncio.wait_for(target, PATIENCE_S)


async def test_a_stranger_is_refused(ca: Path) -> None:
    async with listening(ca, network("192.0.2.9")) as (port, _, _):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asyncio.wait_for(publish(port, ca, SERVICES[0], [], stay=asyncio.Event()), PATIENCE_S)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_behind_nat_the_certificate_says_who_it_is(ca: Path) -> None:
    stay = asyncio.Event()
    async with listening(ca, network("192.0.2.9", "client"), client_ca=ca) as (port, _, out):
        said = [message("counters/in-octets", uint_val=6)]
        target = asyncio.create_task(publish(port, ca, SERVICES[1], said, certificate=True, stay=stay))
        assert (await asyncio.wait_for(out.get(), PATIENCE_S)).raw.tolist() == [6]
        stay.set()
        await asyncio.wait_for(target, PATIENCE_S)


class Context:
    """The other end of a stream."""

    def __init__(self, peer: str, identities: list[bytes] | None = None) -> None:
        self._peer, self._identities, self.code = peer, identities, None

    def peer(self) -> str:
        return self._peer

    def peer_identities(self) -> list[bytes] | None:
        return self._identities

    async def abort(self, code: Any, _said: str) -> None:
        self.code = code
        raise RuntimeError("aborted")


@pytest.mark.parametrize(
    ("peer", "identities", "expected"),
    [
        ("ipv4:192.0.2.9:51234", None, 7),
        ("ipv6:%5B::ffff:192.0.2.9%5D:51234", None, 7),
        ("ipv4:192.0.2.10:51234", None, 0),
        ("ipv4:192.0.2.10:51234", [b"other", b"r7"], 7),
        ("unix:/run/x", None, 0),
    ],
)
def test_who_is_at_the_other_end(peer: str, identities: list[bytes] | None, expected: int) -> None:
    assert device_of(network("192.0.2.9"), Context(peer, identities)) == expected


async def test_streams_are_bounded() -> None:
    async def never(*_: Any) -> None:
        raise AssertionError

    context = Context("ipv4:192.0.2.9:1")
    with pytest.raises(RuntimeError):
        await anext(Streams(0, lambda: network("192.0.2.9"), never).publish(_nothing(), context))
    assert context.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def _nothing() -> AsyncIterator[bytes]:
    for one in list[bytes]():
        yield one


def test_a_listener_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs certificate"):
        DialoutSettings(port=57400)
