"""MQTT against a real Mosquitto: password, persistent session, reconnect after the broker was killed."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiomqtt
import pytest

from collectors.inputs.mqtt import Mqtt, MqttSettings
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import series_of

LOGIN = {"username": "station", "password": "fifteen-characters"}
DEVICE = Device(no=7, id="d", name="iot-gw-1", site_id="", management_address="192.0.2.7")


class Broker:
    """One Mosquitto on loopback with one user."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._config = folder / "mosquitto.conf"
        passwords = folder / "passwords"
        subprocess.run(
            ["mosquitto_passwd", "-b", "-c", str(passwords), LOGIN["username"], LOGIN["password"]], check=True, capture_output=True
        )
        self._config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nuser root\n")
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Broker(tmp_path, probe.getsockname()[1])
    made.start()
    yield made
    made.kill()


async def publish(port: int, topic: str, payload: str) -> None:
    """Publish once the broker answers, within ten seconds."""
    for _ in range(100):
        try:
            async with aiomqtt.Client("127.0.0.1", port, username=LOGIN["username"], password=LOGIN["password"]) as client:
                await client.publish(topic, payload, qos=1)
                return
        except aiomqtt.MqttError:
            await asyncio.sleep(0.1)
    pytest.fail("the broker does not answer")


@pytest.fixture
async def heard(broker: Broker) -> AsyncIterator[tuple[Channel[SampleBatch], Channel[tuple[Notification, ...]]]]:
    samples: Channel[SampleBatch] = Channel("mqtt_samples_test", 100)
    notifications: Channel[tuple[Notification, ...]] = Channel("mqtt_notifications_test", 100)
    settings = MqttSettings(host="127.0.0.1", port=broker.port, tls=False, credential="broker")
    topology = Topology(devices={7: DEVICE})
    task = asyncio.create_task(Mqtt(settings, lambda: topology, SystemClock(), lambda _: LOGIN, samples, notifications).run())
    yield samples, notifications
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


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
async def test_measurements_and_last_wills_arrive(
    broker: Broker, heard: tuple[Channel[SampleBatch], Channel[tuple[Notification, ...]]]
) -> None:
    samples, notifications = heard
    batch = await first_within(broker.port, samples, '{"value": 25, "time": 1700000000000}')
    assert (int(batch.series[0]), float(batch.value[0]), int(batch.time_ns[0])) == (
        series_of(7, 0, code_of("device.cpu_utilisation")),
        0.25,
        1_700_000_000 * 10**9,
    )
    await publish(broker.port, "trunkline/iot-gw-1/state", "offline")
    (said,) = await asyncio.wait_for(notifications.get(), 5)
    assert (said.device, said.protocol, said.name) == (7, "mqtt", "offline")


@pytest.mark.slow
async def test_the_input_comes_back_after_the_broker_was_killed(
    broker: Broker, heard: tuple[Channel[SampleBatch], Channel[tuple[Notification, ...]]]
) -> None:
    samples, _ = heard
    await first_within(broker.port, samples, "1")
    broker.kill()
    broker.start()
    assert len(await first_within(broker.port, samples, "2")) == 1
