"""The MQTT input alone in a process that a test may kill: prints each uptime that it hands over.

python -m tests.peers.collectors.mqtt_station FOLDER PORT USER PASSWORD QOS
"""

import asyncio
import sys
from pathlib import Path

from collectors.inputs.mqtt import Mqtt, MqttSettings
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import SystemClock
from station.journal import Journal


def say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


async def main(folder: str, port: str, username: str, password: str, qos: str) -> None:
    samples: Channel[SampleBatch] = Channel("samples", 4)
    notifications: Channel[tuple[Notification, ...]] = Channel("notifications", 4)
    topology = Topology(devices={7: Device(no=7, id="d", name="iot-gw-1", site_id="", management_address="192.0.2.7")})
    login = {"username": username, "password": password}
    settings = MqttSettings(host="127.0.0.1", port=int(port), tls=False, credential="broker", qos=int(qos))
    journal = Journal(Path(folder), 64 << 20)  # nothing behind it ever is durable: all must come from here after a kill
    task = asyncio.create_task(
        Mqtt(settings, lambda: topology, SystemClock(), lambda _: login, samples, notifications, journal, lambda: 0).run()
    )
    say("ready")
    async for batch in samples:
        say(*(str(int(value)) for value in batch.value))
    await task


asyncio.run(main(*sys.argv[1:]))
