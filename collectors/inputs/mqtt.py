"""MQTT in: subscribe at a broker by profile, over TLS where it offers it; reconnect with back-off.

A message of QoS 1 or 2 is acknowledged only when it is in a journal of this input's own; what was journalled and had not
reached the pipeline's journal is replayed after a crash. So the broker keeps what the station has not.

Several stations share the messages where `share` names their group (`$share/<group>/...`); then Sparkplug B, whose
sequence numbers want one reader, is left to a station without one.
"""

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import aiomqtt
import structlog
from pydantic import Field

from collectors.codecs.ber import DecodeError
from collectors.codecs.mqtt_json import DeviceState, Measurement, MqttProfile, decode, load
from collectors.mqtt_wire import PacketReader
from collectors.rows import Rows
from collectors.sparkplug import NAMESPACE, Nodes, rebirth_payload
from collectors.sparkplug import load as load_sparkplug
from inventory.topology import Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import NS_PER_MS, NS_PER_S, Clock
from station.data import data_dir
from station.journal import JournalFullError
from station.metrics import counter
from station.settings import Settings

log = structlog.get_logger("mqtt")

MQTT_MESSAGES = counter("mqtt_messages", "MQTT messages by what became of them.", "outcome")
MQTT_RECONNECTS = counter("mqtt_reconnects", "Sessions with the broker that ended and were tried again.")
WAITING_MAX: Final = 10_000  # messages of QoS 0 beyond it are dropped; the broker holds the others back by its own window
CHUNK_MAX: Final = 1_000  # messages that share one record and one fsync
CHUNK_OCTETS: Final = 4 << 20
PAYLOAD_OCTETS_MAX: Final = 1 << 20  # what is larger is acknowledged and counted: no profile reads it
BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MOST_S: Final = 60.0
RELEASE_EVERY_S: Final = 1.0
STATE_RELEASE_NS: Final = 60 * NS_PER_S  # the alarm book commits a state long before; a repeated state changes nothing
MESSAGES: Final = 1  # the journal's only kind of record
_HEAD: Final = struct.Struct("<qHI")

Message = tuple[int, str, bytes]
"""(received, UTC nanoseconds; topic; payload)."""


class MqttSettings(Settings):
    """`[mqtt]`: empty `host` turns it off. `credential` names a secret of the vault with username and password.

    `certificate_file` and `key_file` are the station's own for brokers that ask for one. QoS 2 comes once as long as the
    station runs; a kill between journal and PUBREC lets the broker send it again, as it does with 1.
    """

    host: str = ""
    port: int = Field(8883, ge=1, le=65535)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    tls: bool = True
    credential: str = ""
    client_id: str = "trunkline"
    qos: int = Field(1, ge=0, le=2)
    share: str = Field("", max_length=64, pattern=r"^[^/+#]*$")
    sparkplug: bool = True
    journal_mb: int = Field(64, ge=1)


class JournalLike(Protocol):
    """What this input needs of `station.journal.Journal`."""

    def append(self, kind: int, payload: bytes) -> int: ...
    async def sync(self) -> int: ...
    def release(self, upto: int) -> None: ...
    def replay(self) -> Iterator[tuple[int, int, bytes]]: ...


@cache
def profiles() -> tuple[MqttProfile, ...]:
    return tuple(load(path) for path in sorted((data_dir("config") / "mqtt").glob("*.toml")))


class Mqtt:
    """The input; `run` works until cancelled. `durable` is how many batches of the samples' channel are journalled behind it."""

    def __init__(
        self,
        settings: MqttSettings,
        topology: Callable[[], Topology],
        clock: Clock,
        secret: Callable[[str], Mapping[str, str]],
        samples: Channel[SampleBatch],
        notifications: Channel[tuple[Notification, ...]],
        journal: JournalLike,
        durable: Callable[[], int],
    ) -> None:
        self._settings, self._topology, self._clock, self._secret = settings, topology, clock, secret
        self._samples, self._notifications, self._journal, self._durable = samples, notifications, journal, durable
        self._pending: deque[tuple[int, int, int]] = deque()  # (record, the batch's number, not before)
        self.held: set[int] = set()  # packet identifiers of QoS 2 that are journalled and not released
        files = sorted((data_dir("config") / "mqtt" / "sparkplug").glob("*.toml"))
        self._nodes = [Nodes(load_sparkplug(path)) for path in files] if settings.sparkplug and not settings.share else []

    async def run(self) -> None:
        if not self._settings.host:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._release())
            for record, _, payload in self._journal.replay():
                await self._hand_over(record, unpacked(payload))
            await self._keep()

    async def _keep(self) -> None:
        wait_s = BACKOFF_FIRST_S
        while True:
            began_ns = self._clock.monotonic_ns()
            try:
                await Session(self).run()
            except (aiomqtt.MqttError, OSError) as error:
                log.warning("mqtt session ended", host=self._settings.host, error=str(error), again_in_s=wait_s)
            MQTT_RECONNECTS.inc()
            if self._clock.monotonic_ns() - began_ns > BACKOFF_MOST_S * NS_PER_S:
                wait_s = BACKOFF_FIRST_S
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_MOST_S)

    def client(self) -> aiomqtt.Client:
        """A client that is not connected; the session persists at the broker under `client_id`."""
        settings = self._settings
        login = self._secret(settings.credential) if settings.credential else {}
        context = None
        if settings.tls:
            context = ssl.create_default_context(cafile=settings.ca_file)
            if settings.certificate_file is not None:
                context.load_cert_chain(settings.certificate_file, settings.key_file)
        return aiomqtt.Client(
            settings.host,
            settings.port,
            username=login.get("username"),
            password=login.get("password"),
            identifier=settings.client_id,
            clean_session=False,
            tls_context=context,
        )

    def subscriptions(self) -> list[tuple[str, int]]:
        """(topic filter, QoS) of every profile."""
        topics = [topic for profile in profiles() for topic in profile.subscriptions]
        if self._nodes:
            topics.append(f"{NAMESPACE}/#")
        share = f"$share/{self._settings.share}/" if self._settings.share else ""
        return [(share + topic, self._settings.qos) for topic in topics]

    async def take(self, messages: Sequence[Message]) -> list[str]:
        """Journal messages and hand them over; they may be acknowledged then. The topics at which a rebirth is to be asked for."""
        record = await self._append(packed(messages))
        await self._journal.sync()
        return await self._hand_over(record, messages)

    async def _append(self, payload: bytes) -> int:
        while True:
            try:
                return self._journal.append(MESSAGES, payload)
            except JournalFullError:  # unacknowledged, the rest waits at the broker
                await asyncio.sleep(RELEASE_EVERY_S)

    async def _hand_over(self, record: int, messages: Sequence[Message]) -> list[str]:
        rows, asked = Rows(), []
        states: list[Notification] = []
        for received_ns, topic, payload in messages:
            said, rebirth = self._said(topic, payload, received_ns)
            asked += [rebirth] if rebirth else []
            for one in said:
                self._one(one, received_ns, rows, states)
        number = await self._samples.put(rows.batch()) if len(rows) else 0
        if states:
            await self._notifications.put(tuple(states))
        self._pending.append((record, number, self._clock.monotonic_ns() + (STATE_RELEASE_NS if states else 0)))
        return asked

    def _said(self, topic: str, payload: bytes, received_ns: int) -> tuple[Sequence[Measurement | DeviceState], str]:
        """What one message says, and where a rebirth is to be asked for."""
        if topic.startswith(f"{NAMESPACE}/"):
            return self._sparkplug(topic, payload, received_ns)
        said: tuple[Measurement | DeviceState, ...] | str = "topic"
        for profile in profiles():
            said = decode(profile, topic, payload)
            if said != "topic":
                break
        if isinstance(said, str):
            MQTT_MESSAGES.labels(said).inc()
            return (), ""
        return said, ""

    def _sparkplug(self, topic: str, payload: bytes, received_ns: int) -> tuple[Sequence[Measurement | DeviceState], str]:
        found: list[Measurement | DeviceState] = []
        asked = ""
        for nodes in self._nodes:
            try:
                said = nodes.take(topic, payload, received_ns)
            except DecodeError as error:
                MQTT_MESSAGES.labels(error.reason).inc()
                return (), ""
            MQTT_MESSAGES.labels(f"sparkplug_{said.outcome}").inc()
            found += (*said.measurements, *said.states)
            asked = said.rebirth or asked
        return found, asked

    def _one(self, said: Measurement | DeviceState, received_ns: int, rows: Rows, states: list[Notification]) -> None:
        device = self._topology().device_by_name.get(said.device)
        if device is None:
            MQTT_MESSAGES.labels("unknown_device").inc()
            return
        MQTT_MESSAGES.labels("taken").inc()
        if isinstance(said, Measurement):
            rows.add(said.time_ms * NS_PER_MS or received_ns, device.no, 0, said.metric, said.value)
            return
        name = "online" if said.online else "offline"
        proven = self._settings.tls
        states.append(Notification(received_ns, device.management_address, device.no, "mqtt", name, authenticated=proven))

    def now_ns(self) -> int:
        return self._clock.now_ns()

    async def _release(self) -> None:
        """Let go of records whose samples the pipeline's own journal has."""
        while True:
            await asyncio.sleep(RELEASE_EVERY_S)
            upto, now_ns = 0, self._clock.monotonic_ns()
            while self._pending and self._pending[0][1] <= self._durable() and self._pending[0][2] <= now_ns:
                upto = self._pending.popleft()[0]
            if upto:
                self._journal.release(upto)


class Session:
    """One connection: what it delivered and is not acknowledged dies with it, and the broker sends it again."""

    def __init__(self, owner: Mqtt) -> None:
        self._owner, self._client = owner, owner.client()
        self._waiting: deque[tuple[Message, int, int]] = deque()  # message, packet identifier, QoS
        self._arrived = asyncio.Event()
        # aiomqtt has no public way to acknowledge by hand; a persistent session delivers at once, so this comes before the connection.
        self._paho: Any = self._client._client
        self._reader = PacketReader(self._paho, self._on_message, owner.held)

    async def run(self) -> None:
        try:
            await self._converse()
        finally:
            self._paho._sock_close()  # aiomqtt leaves it open where the connecting itself is cancelled

    async def _converse(self) -> None:
        async with self._client:
            await self._client.subscribe(self._owner.subscriptions())
            ended = asyncio.create_task(self._ended())
            work = asyncio.create_task(self._work())
            try:
                await asyncio.wait((ended, work), return_when=asyncio.FIRST_COMPLETED)
                (work if work.done() else ended).result()
            finally:
                for task in (ended, work):
                    task.cancel()
                await asyncio.gather(ended, work, return_exceptions=True)

    async def _ended(self) -> None:
        """Nothing arrives here (`_on_message` takes it all): this only ends, with MqttError, when the connection does."""
        async for _ in self._client.messages:
            pass

    def _on_message(self, topic: str, payload: bytes, mid: int, qos: int) -> None:
        if qos == 0 and len(self._waiting) >= WAITING_MAX:
            MQTT_MESSAGES.labels("dropped").inc()
            return
        if len(payload) > PAYLOAD_OCTETS_MAX:
            MQTT_MESSAGES.labels("size").inc()
            self._acknowledge([(mid, qos)])
            return
        self._waiting.append(((self._owner.now_ns(), topic, payload), mid, qos))
        self._arrived.set()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                chunk = self._chunk()
                asked = await self._owner.take([message for message, _, _ in chunk])
                self._acknowledge([(mid, qos) for _, mid, qos in chunk])
                for topic in dict.fromkeys(asked):
                    await self._client.publish(topic, rebirth_payload(self._owner.now_ns() // NS_PER_MS), qos=0)

    def _acknowledge(self, kept: Sequence[tuple[int, int]]) -> None:
        """Say of (packet identifier, QoS) that the station has them."""
        self._reader.acknowledge(mid for mid, qos in kept if qos == 1)
        self._reader.receive(mid for mid, qos in kept if qos == 2)

    def _chunk(self) -> list[tuple[Message, int, int]]:
        chunk: list[tuple[Message, int, int]] = []
        octets = 0
        while self._waiting and len(chunk) < CHUNK_MAX and octets < CHUNK_OCTETS:
            chunk.append(self._waiting.popleft())
            octets += len(chunk[-1][0][2])
        return chunk


def packed(messages: Sequence[Message]) -> bytes:
    """One record: for each message received (i64), topic's and payload's lengths (u16, u32), topic, payload; little-endian."""
    parts = []
    for received_ns, topic, payload in messages:
        name = topic.encode()
        parts += [_HEAD.pack(received_ns, len(name), len(payload)), name, bytes(payload)]
    return b"".join(parts)


def unpacked(record: bytes) -> list[Message]:
    """The messages of a record made by `packed`."""
    found, at = [], 0
    while at < len(record):
        received_ns, name, length = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        found.append((received_ns, record[at : at + name].decode(), record[at + name : at + name + length]))
        at += name + length
    return found
