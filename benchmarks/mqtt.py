"""MQTT messages of QoS 1 per CPU-second of the receiving process, beside paho's own callback loop at the same broker.

Ours decodes each message by its profile into samples, and acknowledges it when it is in the journal on disk; paho counts and
acknowledges it. Debian's Mosquitto stands between, a third process publishes.

python -m benchmarks.mqtt [--json] [--quick]
"""

import argparse
import asyncio
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

DEVICES: Final = 50
SAMPLES_MAX: Final = 1 << 20
IN_FLIGHT: Final = 2_000
CONFIGURATION: Final = """listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages {in_flight}
"""


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise SystemExit("mosquitto is missing: apt-get install mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (folder / "broker.conf").write_text(CONFIGURATION.format(port=port, in_flight=IN_FLIGHT))
    with subprocess.Popen([program, "-c", str(folder / "broker.conf")], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


def publish(port: int, count: int) -> None:
    """Messages of QoS 1 as fast as the broker takes them."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="publisher")
    client.max_inflight_messages_set(IN_FLIGHT)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for n in range(count):
        client.publish(f"trunkline/r{n % DEVICES}/cpu", json.dumps({"value": n % 100 / 100}), qos=1)
        while n % 1_000 == 0 and len(client._out_messages) > 5 * IN_FLIGHT:
            time.sleep(0.005)
    while client._out_messages:
        time.sleep(0.01)
    client.disconnect()


async def ours(folder: Path, port: int, wanted: int) -> None:
    from collectors.inputs.mqtt import Mqtt, MqttSettings
    from inventory.topology import Device, Topology
    from station.batch import SampleBatch
    from station.channel import Channel
    from station.clock import SystemClock
    from station.journal import Journal

    devices = {
        no: Device(no=no, id=f"d{no}", name=f"r{no - 1}", site_id="", management_address=f"10.0.0.{no}") for no in range(1, DEVICES + 1)
    }
    picture = Topology(1, devices=devices)
    samples: Channel[SampleBatch] = Channel("bench mqtt", 256)
    durable = [0]
    settings = MqttSettings(host="127.0.0.1", port=port, tls=False, client_id="ours")
    mqtt = Mqtt(
        settings,
        lambda: picture,
        SystemClock(),
        lambda _: {},
        samples,
        Channel("heard", 8),
        Journal(folder / "mqtt", 64 << 20),
        lambda: durable[0],
    )
    task = asyncio.create_task(mqtt.run())
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    found, began = 0, 0.0
    async for batch in samples:
        began = began or time.process_time()
        found += len(batch)
        durable[0] += 1
        if found >= wanted:
            break
    print(json.dumps({"cpu_s": time.process_time() - began, "n": found}), flush=True)
    task.cancel()


def callbacks(port: int, wanted: int) -> None:
    """paho's loop in this thread, a callback a message, acknowledged by it."""
    found, began = 0, 0.0
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="peer", clean_session=False)

    def on_message(_client: Any, _userdata: Any, _message: Any) -> None:
        nonlocal found, began
        began = began or time.process_time()
        found += 1
        if found >= wanted:
            client.disconnect()

    client.on_message = on_message
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe("trunkline/#", 1)
    client.loop_forever()
    print(json.dumps({"cpu_s": time.process_time() - began, "n": found}), flush=True)


def received(kind: str, folder: Path, port: int, count: int) -> float:
    """Messages per CPU-second of a receiver."""
    command = [sys.executable, "-m", "benchmarks.mqtt", "--client", kind, str(folder), str(port), str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        publisher = subprocess.Popen([sys.executable, "-m", "benchmarks.mqtt", "--publish", str(port), str(count)])
        try:
            found = json.loads(process.stdout.readline())
        finally:
            process.kill()
            publisher.kill()
            publisher.wait()
    rate: float = found["n"] / found["cpu_s"]
    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--client", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--publish", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        publish(*options.publish)
        return
    if options.client:
        kind, folder, port, count = options.client
        if kind == "ours":
            asyncio.run(ours(Path(folder), int(port), int(count)))
        else:
            callbacks(int(port), int(count))
        return
    count = 20_000 if options.quick else 100_000
    rates = {}
    for kind in ("ours", "paho"):
        with tempfile.TemporaryDirectory() as name, broker(Path(name)) as port:
            rates[kind] = received(kind, Path(name), port, count)
    figure = {"name": "mqtt_journalled", "value": round(rates["ours"]), "unit": "messages per CPU-second, QoS 1", "n": count, "goal": 1}
    figure |= {"peer": "paho callback loop"}
    figure |= {"peer_value": round(rates["paho"]), "ratio": round(rates["ours"] / rates["paho"], 2)}
    print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
