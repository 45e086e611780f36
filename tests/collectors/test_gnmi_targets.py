"""How the station meets a gNMI target: what it proves before it says its password, what it asks for, and that it comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from gnmi_pb import gnmi_pb2 as pb
from pydantic import ValidationError

from collectors.gnmi_models import encoding_of, model_for, models, subscription
from collectors.inputs.gnmi import Gnmi, GnmiSettings, GnmiTarget
from inventory.topology import Device, Entity, Topology
from station.batch import SampleBatch
from station.channel import Channel
from station.clock import SystemClock
from tests.peers.collectors.conftest import certificates

pytestmark = pytest.mark.slow
PATIENCE_S = 60
LOGIN = {"username": "anna", "password": "correct horse"}
NETWORK = Topology(
    1,
    devices={7: Device(no=7, id="d", name="r", site_id="", management_address="127.0.0.1")},
    entities={7 << 16 | 1: Entity(7 << 16 | 1, "if-1", "interface", "et-0/0/1")},
    addresses={"127.0.0.1": 7},
)


class Heard:
    """What a target was told, and what it answers."""

    def __init__(self, encodings: tuple[int, ...] | None, modules: tuple[str, ...] = ()) -> None:
        self.encodings, self.modules = encodings, modules
        self.metadata: list[dict[str, str]] = []
        self.asked: list[pb.SubscribeRequest] = []

    async def capabilities(self, _request: Any, context: Any) -> Any:
        self.metadata.append(dict(context.invocation_metadata()))
        if self.encodings is None:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "never heard of it")
        modules = [pb.ModelData(name=name) for name in self.modules]
        return pb.CapabilityResponse(supported_encodings=self.encodings, supported_models=modules)

    async def get(self, request: Any, _context: Any) -> Any:
        self.asked.append(request)
        return pb.GetResponse(notification=[_notification(len(self.asked))])

    async def subscribe(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self.metadata.append(dict(context.invocation_metadata()))
        async for request in requests:
            self.asked.append(request)
            yield pb.SubscribeResponse(update=_notification(len(self.asked)))
            if self.asked[0].subscribe.mode != pb.SubscriptionList.POLL:
                return  # the station has to come back


def _notification(value: int) -> Any:
    names = ["interfaces", "interface", "state", "counters", "in-octets"]
    at = [pb.PathElem(name=name, key={"name": "et-0/0/1"} if name == "interface" else {}) for name in names]
    return pb.Notification(timestamp=1, update=[pb.Update(path=pb.Path(elem=at), val=pb.TypedValue(uint_val=value))])


@asynccontextmanager
async def target(heard: Heard, ca: Path, *, wants_client: bool = False) -> AsyncIterator[int]:
    made = pb.SubscribeRequest.FromString, pb.SubscribeResponse.SerializeToString
    handlers = {
        "Subscribe": grpc.stream_stream_rpc_method_handler(heard.subscribe, *made),
        "Capabilities": grpc.unary_unary_rpc_method_handler(
            heard.capabilities, pb.CapabilityRequest.FromString, pb.CapabilityResponse.SerializeToString
        ),
        "Get": grpc.unary_unary_rpc_method_handler(heard.get, pb.GetRequest.FromString, pb.GetResponse.SerializeToString),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gnmi.gNMI", handlers),))
    pair = ((ca.parent / "server.key").read_bytes(), (ca.parent / "server.crt").read_bytes())
    roots = ca.read_bytes() if wants_client else None
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair], roots, require_client_auth=wants_client))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@asynccontextmanager
async def station(port: int, ca: Path, **more: Any) -> AsyncIterator[Channel[SampleBatch]]:
    out: Channel[SampleBatch] = Channel("gnmi_targets", 8)
    one = GnmiTarget(address="127.0.0.1", port=port, ca_file=ca, credential="target", **more)
    gnmi = Gnmi(GnmiSettings(targets=(one,), sample_interval_s=0.1), lambda: NETWORK, SystemClock(), lambda _: LOGIN, out)
    task = asyncio.create_task(gnmi.run())
    try:
        yield out
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("ca"))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.02)


async def test_a_target_of_another_authority_never_hears_the_password(ca: Path, tmp_path: Path) -> None:
    from collectors.inputs.gnmi import GNMI_RECONNECTS

    before = GNMI_RECONNECTS.labels("unavailable")._value.get()
    heard = Heard((4,))
    other = certificates(tmp_path / "other")
    async with target(heard, ca) as port, station(port, other):
        await until(lambda: GNMI_RECONNECTS.labels("unavailable")._value.get() > before)
    assert heard.metadata == []


async def test_a_target_that_asks_for_a_certificate_gets_the_station_s(ca: Path) -> None:
    heard = Heard((4,))
    own = {"certificate_file": ca.parent / "client.crt", "key_file": ca.parent / "client.key"}
    async with target(heard, ca, wants_client=True) as port, station(port, ca, **own) as out:
        batch = await asyncio.wait_for(out.get(), PATIENCE_S)
    assert batch.raw.tolist() == [1]
    assert {(said["username"], said["password"]) for said in heard.metadata} == {("anna", "correct horse")}


async def test_the_station_comes_back_when_a_stream_ends(ca: Path) -> None:
    heard = Heard((4,))
    async with target(heard, ca) as port, station(port, ca) as out:
        found = [(await asyncio.wait_for(out.get(), PATIENCE_S)).raw.tolist() for _ in range(2)]
    assert found == [[1], [2]]


@pytest.mark.parametrize(
    ("supported", "wanted", "asked"), [((0, 2), "auto", 2), ((0, 1, 2, 3, 4), "auto", 4), (None, "auto", 4), ((4,), "ascii", 3)]
)
async def test_the_encoding_is_one_that_the_target_has(ca: Path, supported: tuple[int, ...] | None, wanted: str, asked: int) -> None:
    heard = Heard(supported)
    async with target(heard, ca) as port, station(port, ca, encoding=wanted) as out:
        await asyncio.wait_for(out.get(), PATIENCE_S)
    assert heard.asked[0].subscribe.encoding == asked


@pytest.mark.parametrize(("mode", "asked"), [("poll", ["subscribe", "poll"]), ("once", ["subscribe", "subscribe"]), ("get", ["", ""])])
async def test_a_target_without_streams_is_asked_again_and_again(ca: Path, mode: str, asked: list[str]) -> None:
    heard = Heard((4,))
    async with target(heard, ca) as port, station(port, ca, mode=mode) as out:
        found = [(await asyncio.wait_for(out.get(), PATIENCE_S)).raw.tolist() for _ in range(2)]
    assert [value for batch in found for value in batch][:2] == [1, 2]
    assert [one.WhichOneof("request") if mode != "get" else "" for one in heard.asked[:2]] == asked
    assert mode == "get" or heard.asked[0].subscribe.mode == getattr(pb.SubscriptionList, mode.upper())


async def test_a_target_is_asked_by_a_model_that_it_has(ca: Path) -> None:
    heard = Heard((4,), ("nokia-conf", "nokia-state"))
    async with target(heard, ca) as port, station(port, ca) as out:
        await asyncio.wait_for(out.get(), PATIENCE_S)
    first = heard.asked[0].subscribe.subscription[0].path.elem
    assert [(element.name, dict(element.key)) for element in first] == [("state", {}), ("port", {"port-id": "*"}), ("statistics", {})]
    assert (model_for(["srl_nokia-interfaces", "openconfig-interfaces"]).module, model_for([]).module) == ("openconfig-interfaces",) * 2


def test_counters_are_sampled_and_states_told_on_change_with_a_heartbeat() -> None:
    pace = GnmiSettings(sample_interval_s=5, heartbeat_interval_s=60, suppress_redundant=True).pace
    request = subscription(models()[0], pace)
    said = {one.path.elem[-1].name: one for one in request.subscribe.subscription}
    counters, state = said["counters"], said["oper-status"]
    assert (counters.mode, counters.sample_interval, counters.suppress_redundant) == (pb.SAMPLE, 5 * 10**9, True)
    assert (state.mode, state.heartbeat_interval, counters.heartbeat_interval) == (pb.ON_CHANGE, 60 * 10**9, 60 * 10**9)
    assert subscription(models()[0], GnmiSettings().pace).subscribe.subscription[0].heartbeat_interval == 0


def test_an_encoding_that_nobody_has_heard_of_is_the_specification_s_own() -> None:
    assert encoding_of("auto", (7,)) == pb.Encoding.JSON_IETF


def test_half_a_certificate_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        GnmiTarget(address="192.0.2.1", ca_file=Path("ca.pem"), key_file=Path("key.pem"))
