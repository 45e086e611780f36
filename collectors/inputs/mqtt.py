"""MQTT in: subscribe at a broker by profile, over TLS where it offers it; reconnect with back-off.

A QoS 1 message is acknowledged by the client library as soon as it is handed over; the channel behind it waits
when it is full, and so does the broker then.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import aiomqtt
import numpy as np
import structlog
from pydantic import Field

from collectors.codecs.mqtt_json import DeviceState, Measurement, MqttProfile, decode, load
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import NS_PER_MS, Clock
from station.data import data_dir
from station.metrics import counter
from station.series import series_of
from station.settings import Settings

log = structlog.get_logger("mqtt")

MQTT_MESSAGES = counter("mqtt_messages", "MQTT messages by what became of them.", "outcome")
MQTT_RECONNECTS = counter("mqtt_reconnects", "Sessions with the broker that ended and were tried again.")
QUEUED_MESSAGES_MAX: Final = 10_000
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 60.0


class MqttSettings(Settings):
    """`[mqtt]`: empty `host` turns it off. `credential` names a secret of the vault with username and password."""

    host: str = ""
    port: int = Field(8883, ge=1, le=65535)
    ca_file: Path | None = None
    tls: bool = True
    credential: str = ""
    client_id: str = "trunkline"
    qos: int = Field(1, ge=0, le=2)


@cache
def profiles() -> tuple[MqttProfile, ...]:
    return tuple(load(path) for path in sorted((data_dir("config") / "mqtt").glob("*.toml")))


class Mqtt:
    """The input; `run` works until cancelled."""

    def __init__(
        self,
        settings: MqttSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        secret: Callable[[str], Mapping[str, str]],
        samples: Channel[SampleBatch],
        notifications: Channel[tuple[Notification, ...]],
    ) -> None:
        self._settings, self._topology, self._clock, self._secret = settings, topology, clock, secret
        self._samples, self._notifications = samples, notifications

    async def run(self) -> None:
        wait_s = BACKOFF_FIRST_S
        while self._settings.host:
            try:
                async with self._client() as client:
                    wait_s = BACKOFF_FIRST_S
                    for profile in profiles():
                        for topic in profile.subscriptions:
                            await client.subscribe(topic, qos=self._settings.qos)
                    async for message in client.messages:
                        await self.take(str(message.topic), bytes(message.payload or b""))
            except (aiomqtt.MqttError, OSError) as error:
                log.warning("mqtt session ended", host=self._settings.host, error=str(error), again_in_s=wait_s)
            MQTT_RECONNECTS.inc()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    def _client(self) -> aiomqtt.Client:
        login = self._secret(self._settings.credential) if self._settings.credential else {}
        context = ssl.create_default_context(cafile=self._settings.ca_file) if self._settings.tls else None
        return aiomqtt.Client(
            self._settings.host,
            self._settings.port,
            username=login.get("username"),
            password=login.get("password"),
            identifier=self._settings.client_id,
            clean_session=False,
            tls_context=context,
            max_queued_incoming_messages=QUEUED_MESSAGES_MAX,
        )

    async def take(self, topic: str, payload: bytes) -> None:
        """One message, by the first profile whose topic it is."""
        said: Measurement | DeviceState | str = "topic"
        for profile in profiles():
            said = decode(profile, topic, payload)
            if said != "topic":
                break
        if isinstance(said, str):
            MQTT_MESSAGES.labels(said).inc()
            return
        device = self._topology().device_by_name.get(said.device)
        if device is None:
            MQTT_MESSAGES.labels("unknown_device").inc()
            return
        MQTT_MESSAGES.labels("taken").inc()
        await self._put(device, said)

    async def _put(self, device: Device, said: Measurement | DeviceState) -> None:
        now_ns = self._clock.now_ns()
        if isinstance(said, DeviceState):
            name = "online" if said.online else "offline"
            await self._notifications.put(
                (Notification(now_ns, device.management_address, device.no, "mqtt", name, authenticated=self._settings.tls),)
            )
            return
        time_ns = said.time_ms * NS_PER_MS or now_ns
        series = np.array([series_of(device.no, 0, said.metric.code)], np.uint64)
        await self._samples.put(SampleBatch.of(np.array([time_ns], np.int64), series, value=np.array([said.value])))
