"""MQTT against a real Mosquitto: password, TLS both ways, sharing, wills, Sparkplug B; a station killed between receipt and journal."""

import asyncio
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from collectors.inputs.mqtt import Mqtt, MqttSettings
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.journal import Journal
from station.series import series_of
from tests.peers.collectors.conftest import certificates
from tests.ports import TCP, free_port

LOGIN: dict[str, Any] = {"username": "station", "password": "fifteen-characters"}
DEVICE = Device(no=7, id="d", name="iot-gw-1", site_id="", management_address="192.0.2.7")


class Broker:
    """One Mosquitto on loopback with one user."""

    def __init__(self, folder: Path, port: int, *, more: str = "") -> None:
        self.port = port
        self._config = folder / "mosquitto.conf"
        passwords = folder / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(passwords), LOGIN["username"], LOGIN["password"]], check=True, capture_output=True
        )
        self._config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\nmax_queued_messages 0\n{more}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None:
        pytest.fail("mosquitto is missing: apt-get install mosquitto")
    made = Broker(tmp_path, free_port(TCP))
    made.start()
    yield made
    made.kill()


async def publish(port: int, topic: str, payload: str, *, retain: bool = False) -> None:
    """Publish once the broker answers, within ten seconds."""
    for _ in range(100):
        try:
            async with aiomqtt.Client("127.0.0.1", port, username=LOGIN["username"], password=LOGIN["password"]) as client:
                await client.publish(topic, payload, qos=1, retain=retain)
                return
        except aiomqtt.MqttError:
            await asyncio.sleep(0.1)
    pytest.fail("the broker does not answer")


Channels = tuple[Channel[SampleBatch], Channel[tuple[Notification, ...]]]


@asynccontextmanager
async def listening(broker: Broker, folder: Path, **more: Any) -> AsyncIterator[Channels]:
    """The input at the broker, and what comes out of it."""
    samples: Channel[SampleBatch] = Channel("mqtt_samples_test", 100)
    notifications: Channel[tuple[Notification, ...]] = Channel("mqtt_notifications_test", 100)
    settings = MqttSettings(**{"host": "127.0.0.1", "port": broker.port, "tls": False, "credential": "broker"} | more)
    topology, journal = Topology(devices={7: DEVICE}), Journal(folder / settings.client_id, 1 << 20)
    made = Mqtt(settings, lambda: topology, SystemClock(), lambda _: LOGIN, samples, notifications, journal, lambda: 0)
    task = asyncio.create_task(made.run())
    try:
        yield samples, notifications
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        journal.close()


@pytest.fixture
async def heard(broker: Broker, tmp_path: Path) -> AsyncIterator[Channels]:
    async with listening(broker, tmp_path) as channels:
        yield channels


async def first_within(port: int, samples: Channel[SampleBatch], payload: str) -> SampleBatch:
    """Publish until the subscription has taken hold; QoS 1 delivers it then."""
    for _ in range(30):
        await publish(port, "trunkline/iot-gw-1/cpu", payload)
        try:
            return await asyncio.wait_for(samples.get(), 0.5)
        except TimeoutError:
            continue
    pytest.fail("nothing arrived")


@pytest.mark.slow
async def test_measurements_and_last_wills_arrive(broker: Broker, heard: Channels) -> None:
    samples, notifications = heard
    batch = await first_within(broker.port, samples, '{"value": 25, "time": 1700000000000}')
    assert (int(batch.series[0]), float(batch.value[0]), int(batch.time_ns[0])) == (
        series_of(7, 0, code_of("device.cpu_utilisation")),
        0.25,
        1_700_000_000 * 10**9,
    )
    await publish(broker.port, "trunkline/iot-gw-1/state", "offline")
    (said,) = await asyncio.wait_for(notifications.get(), 60)
    assert (said.device, said.protocol, said.name) == (7, "mqtt", "offline")


@pytest.mark.slow
async def test_the_input_comes_back_after_the_broker_was_killed(broker: Broker, heard: Channels) -> None:
    samples, _ = heard
    await first_within(broker.port, samples, "1")
    broker.kill()
    broker.start()
    assert len(await first_within(broker.port, samples, "2")) == 1


async def publish_many(port: int, numbers: range, qos: int = 1) -> None:
    async with aiomqtt.Client("127.0.0.1", port, username=LOGIN["username"], password=LOGIN["password"]) as client:
        for n in numbers:
            await client.publish("trunkline/iot-gw-1/uptime", str(n), qos=qos)


def station(folder: Path, port: int, qos: int) -> "subprocess.Popen[str]":
    program = [sys.executable, "-m", "tests.peers.collectors.mqtt_station"]
    command = [*program, str(folder), str(port), LOGIN["username"], LOGIN["password"], str(qos)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def read_numbers(process: "subprocess.Popen[str]", wanted: int) -> set[int]:
    """The numbers handed over until so many different ones were."""
    assert process.stdout is not None
    found: set[int] = set()
    while len(found) < wanted and (line := process.stdout.readline()):
        found |= {int(line)} if line[0].isdigit() else set()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("qos", [1, 2])
async def test_kill_9_between_receipt_and_journal_loses_nothing(broker: Broker, tmp_path: Path, qos: int) -> None:
    await publish(broker.port, "trunkline/iot-gw-1/uptime", "0", retain=True)  # heard as soon as the subscription holds
    first = await asyncio.to_thread(station, tmp_path / "journal", broker.port, qos)
    await asyncio.to_thread(read_numbers, first, 1)
    flood = asyncio.create_task(publish_many(broker.port, range(1, 2001), qos))
    await asyncio.to_thread(read_numbers, first, 200)
    first.kill()
    first.wait()
    assert first.stdout is not None
    first.stdout.close()
    second = await asyncio.to_thread(station, tmp_path / "journal", broker.port, qos)
    try:
        await flood
        found = await asyncio.to_thread(read_numbers, second, 2001)
    finally:
        second.kill()
        second.wait()
        assert second.stdout is not None
        second.stdout.close()
    assert found == set(range(2001))


@pytest.mark.slow
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_every_message_arrives_once_by_each_quality_of_service(broker: Broker, tmp_path: Path, qos: int) -> None:
    async with listening(broker, tmp_path, qos=qos) as (samples, _):
        await first_within(broker.port, samples, "1")
        await publish_many(broker.port, range(2, 102), qos)
        found = await values_of(samples, 100)
        await publish(broker.port, "trunkline/iot-gw-1/cpu", "100")
        while found[-1] != 1.0:  # what else was sent before it
            found += await values_of(samples, 1)
    assert [value for value in found if value >= 2] == list(range(2, 102))


@pytest.mark.slow
async def test_what_the_pipeline_had_not_journalled_is_replayed_after_a_restart(broker: Broker, tmp_path: Path) -> None:
    async with listening(broker, tmp_path) as (samples, _):
        await first_within(broker.port, samples, "1")
    async with listening(broker, tmp_path) as (samples, _):
        again = await asyncio.wait_for(samples.get(), 60)
    assert float(again.value[0]) == 0.01


@pytest.mark.slow
async def test_two_stations_of_a_group_share_the_messages(broker: Broker, tmp_path: Path) -> None:
    async with (
        listening(broker, tmp_path, client_id="a", share="noc") as (a, _),
        listening(broker, tmp_path, client_id="b", share="noc") as (b, _),
    ):
        for n in range(100):
            await publish(broker.port, "trunkline/iot-gw-1/uptime", str(n))
            if len(a) > 1 and len(b) > 1:
                break
        values = [int(batch.value[0]) for channel in (a, b) for batch in [await channel.get() for _ in range(len(channel))]]
    assert len(values) == len(set(values))


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # paho leaves the socket of a refused handshake to the collector
async def test_tls_asks_for_both_certificates_and_a_wrong_authority_is_refused(tmp_path: Path) -> None:
    right, wrong = certificates(tmp_path / "right"), certificates(tmp_path / "wrong")
    folder = right.parent
    tls = f"cafile {right}\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\nrequire_certificate true\n"
    broker = Broker(tmp_path, free_port(TCP), more=tls)
    broker.start()
    mine: dict[str, Any] = {"tls": True, "certificate_file": folder / "client.crt", "key_file": folder / "client.key"}
    try:
        async with (
            listening(broker, tmp_path, ca_file=wrong, client_id="wrong", **mine) as (nothing, _),
            listening(broker, tmp_path, ca_file=right, client_id="right", **mine) as (samples, states),
        ):
            context = ssl.create_default_context(cafile=right)
            context.load_cert_chain(mine["certificate_file"], mine["key_file"])
            for _ in range(60):
                try:
                    async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=context, **LOGIN) as client:
                        await client.publish("trunkline/iot-gw-1/cpu", "5", qos=1)
                        await client.publish("trunkline/iot-gw-1/state", "offline", qos=1)
                    batch = await asyncio.wait_for(samples.get(), 0.5)
                    break
                except (TimeoutError, aiomqtt.MqttError):
                    await asyncio.sleep(0.05)
            else:
                pytest.fail("nothing arrived over TLS")
            assert float(batch.value[0]) == 0.05
            (said,) = await asyncio.wait_for(states.get(), 60)
            assert (said.name, said.authenticated) == ("offline", True)
            assert len(nothing) == 0
    finally:
        broker.kill()


def sparkplug(seq: int, *metrics: bytes) -> bytes:
    return b"\x08\x80\xd0\x95\xff\xbc\x31" + b"".join(b"\x12" + bytes([len(one)]) + one for one in metrics) + b"\x18" + bytes([seq])


BD_SEQ = b"\x0a\x05bdSeq\x20\x08\x58\x03"
CPU_BIRTH = b"\x0a\x03cpu\x10\x01\x20\x09\x65\x00\x00\xc8\x41"  # alias 1, Float 25.0
CPU_DATA = b"\x10\x01\x65\x00\x00\x48\x42"  # alias 1: 50.0


@pytest.mark.slow
async def test_an_edge_node_is_born_measures_by_alias_and_dies_by_its_will(broker: Broker, tmp_path: Path) -> None:
    will = aiomqtt.Will("spBv1.0/plant/NDEATH/iot-gw-1", sparkplug(0, BD_SEQ)[:-2], qos=1)
    async with listening(broker, tmp_path) as (samples, states):
        await first_within(broker.port, samples, "1")
        async with aiomqtt.Client("127.0.0.1", broker.port, **LOGIN, will=will) as node:
            await node.subscribe("spBv1.0/plant/NCMD/iot-gw-1", qos=1)
            await node.publish("spBv1.0/plant/NDATA/iot-gw-1", sparkplug(7, CPU_DATA), qos=1)
            command = await asyncio.wait_for(anext(aiter(node.messages)), 60)
            assert b"Node Control/Rebirth" in bytes(command.payload)
            await node.publish("spBv1.0/plant/NBIRTH/iot-gw-1", sparkplug(0, BD_SEQ, CPU_BIRTH), qos=1)
            await node.publish("spBv1.0/plant/NDATA/iot-gw-1", sparkplug(1, CPU_DATA), qos=1)
            assert [float(value) for value in await values_of(samples, 2)] == [0.25, 0.5]
            node._client._sock_close()  # gone without a goodbye: the broker speaks the will
            (born,) = await asyncio.wait_for(states.get(), 60)
            (died,) = await asyncio.wait_for(states.get(), 60)
    assert (born.name, died.name) == ("online", "offline")


async def values_of(samples: Channel[SampleBatch], wanted: int) -> list[float]:
    found: list[float] = []
    while len(found) < wanted:
        found += (await asyncio.wait_for(samples.get(), 60)).value.tolist()
    return found
