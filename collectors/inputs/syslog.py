"""Syslog in: UDP in batches, TCP and TLS with both framings of RFC 6587; each message becomes a Notification.

Its name is the event that a rule of `config/syslog_rules` read in the line, with the rule's fields beside it; a line
that no rule knows keeps its own name. Only a client certificate that our authority signed makes a message authenticated.

A message is of the device of its source address; what a relay passes on, of the device that its HOSTNAME names (RFC 5424,
6.2.4), and each of those has a share of its own.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import cached_property
from typing import Final, Self

import structlog
from pydantic import Field, model_validator

from collectors.batched_udp import BatchedUdp, open_socket, peer_of
from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog import decode
from collectors.codecs.syslog_framing import Frames
from collectors.senders import Senders
from collectors.syslog_rules import SyslogRules, syslog_rules
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import Clock
from station.metrics import counter, gauge
from station.settings import Settings

log = structlog.get_logger("syslog")

SYSLOG_RECEIVED = counter("syslog_received", "Syslog messages received, by transport.", "transport")
SYSLOG_REFUSED = counter("syslog_refused", "Syslog messages not passed on, by reason.", "reason")
SYSLOG_LINES = counter("syslog_lines", "Syslog messages by whether a rule knew them.", "outcome")
SYSLOG_KERNEL_DROPPED = gauge("syslog_kernel_dropped", "Datagrams the kernel dropped because the socket's buffer was full.")

_READ_OCTETS: Final = 65_536


class SyslogSettings(Settings):
    """`[syslog]`: the receiver. Port 0 turns a transport off."""

    address: str = "127.0.0.1"
    udp_port: int = Field(16514, ge=0, le=65535)
    tcp_port: int = Field(0, ge=0, le=65535)
    tls_port: int = Field(0, ge=0, le=65535, description="RFC 5425; 6514 is its own")
    tls_certificate: str = Field("", description="file with our certificate and the chain to its root")
    tls_key: str = Field("", description="file with its private key")
    tls_client_ca: str = Field("", description="file with the authority of senders' certificates; empty: senders need none")
    receive_buffer_mb: int = Field(16, ge=1)
    connections_max: int = Field(1000, ge=1)
    idle_s: float = Field(3600.0, gt=0)
    relays: tuple[str, ...] = Field((), description="addresses that pass on the messages of others, which their hostnames tell apart")
    sender_rate: float = Field(500.0, gt=0, description="messages per second and sender, sustained")
    sender_burst: int = Field(5000, ge=1)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if self.tls_port and not (self.tls_certificate and self.tls_key):
            raise ValueError("tls_port needs tls_certificate and tls_key")
        return self

    def tls(self) -> ssl.SSLContext:
        """TLS 1.2 or later; OSError or ssl.SSLError where a file cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.tls_certificate, self.tls_key)
        if self.tls_client_ca:
            context.load_verify_locations(self.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Syslog:
    """The receiver; `run` works until cancelled."""

    def __init__(
        self, settings: SyslogSettings, topology: Callable[[], Topology], clock: Clock, out: Channel[tuple[Notification, ...]]
    ) -> None:
        self._settings, self._topology, self._clock, self._out = settings, topology, clock, out
        self._senders = Senders(settings.sender_rate, settings.sender_burst)
        self._connections = 0
        self._names_of, self._names = -1, dict[str, int]()

    @cached_property
    def _rules(self) -> SyslogRules:
        return syslog_rules()

    async def _read_rules(self) -> None:
        """Hundreds of patterns are compiled once something may be heard, beside the loop; the sockets are open meanwhile."""
        await asyncio.to_thread(getattr, self, "_rules")

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._settings.udp_port:
                tasks.create_task(self._udp())
            if self._settings.tcp_port:
                tasks.create_task(self._stream(self._settings.tcp_port, None))
            if self._settings.tls_port:
                tasks.create_task(self._stream(self._settings.tls_port, self._settings.tls()))

    async def _udp(self) -> None:
        udp = BatchedUdp(open_socket(self._settings.address, self._settings.udp_port, self._settings.receive_buffer_mb << 20))
        SYSLOG_KERNEL_DROPPED.set_function(udp.drops)
        with udp.listening() as readable:
            await self._read_rules()
            while True:
                await readable.wait()
                readable.clear()
                while datagrams := udp.receive():
                    await self._take([(payload, peer_of(name)[0]) for payload, name in datagrams], "udp")

    async def _stream(self, port: int, tls: ssl.SSLContext | None) -> None:
        server = await asyncio.start_server(self._connection, self._settings.address, port, ssl=tls)
        async with server:
            await self._read_rules()
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0].partition("%")[0].removeprefix("::ffff:")
        if self._connections >= self._settings.connections_max:
            SYSLOG_REFUSED.labels("too_many_connections").inc()
            writer.close()
            return
        self._connections += 1
        transport = "tls" if writer.get_extra_info("ssl_object") else "tcp"
        known = bool(writer.get_extra_info("peercert"))
        frames = Frames()
        try:
            while octets := await asyncio.wait_for(reader.read(_READ_OCTETS), self._settings.idle_s):
                await self._take([(frame, source) for frame in frames.feed(octets)], transport, authenticated=known)
            await self._take([(frames.rest(), source)], transport, authenticated=known)
        except (TimeoutError, OSError):
            pass  # the sender is gone or silent; it connects again
        finally:
            SYSLOG_REFUSED.labels("cut").inc(frames.cut)
            self._connections -= 1
            writer.close()

    async def _take(self, messages: list[tuple[bytes, str]], transport: str, *, authenticated: bool = False) -> None:
        messages = [message for message in messages if message[0]]
        now_ns = self._clock.now_ns()
        SYSLOG_RECEIVED.labels(transport).inc(len(messages))
        heard = [made for one in messages if (made := self._notification(*one, now_ns, authenticated=authenticated)) is not None]
        if heard:
            await self._out.put(tuple(heard))

    def _notification(self, payload: bytes, source: str, now_ns: int, *, authenticated: bool) -> Notification | None:
        relayed = source in self._settings.relays
        if not relayed and not self._allowed(source, now_ns):
            return None
        try:
            message = decode(payload)
        except DecodeError:
            SYSLOG_REFUSED.labels("empty").inc()
            if self._senders.first_time_malformed(source):
                log.warning("syslog without text", source=source)
            return None
        if relayed and not self._allowed(f"{source} {message.hostname}", now_ns):
            return None
        device = self._named(message.hostname) if relayed else self._topology().addresses.get(source, 0)
        meaning = self._rules.meaning(message)
        SYSLOG_LINES.labels("known" if meaning else "unknown").inc()
        name, fields = message.name, message.fields
        if meaning is not None:
            name, fields = meaning[0], {**fields, "mnemonic": name, **meaning[1]}
        return Notification(now_ns, source, device, "syslog", name, message.text, fields, authenticated)

    def _named(self, hostname: str) -> int:
        """The number of the device that a hostname means: its address or its name, with or without the domain; 0 if none."""
        topology = self._topology()
        if topology.version != self._names_of or not self._names:
            self._names_of, self._names = topology.version, names_of(topology)
        said = hostname.lower()
        return topology.addresses.get(hostname, 0) or self._names.get(said, 0) or self._names.get(said.partition(".")[0], 0)

    def _allowed(self, sender: str, now_ns: int) -> bool:
        if self._senders.allow(sender, now_ns):
            return True
        SYSLOG_REFUSED.labels("storm").inc()
        return False


def names_of(topology: Topology) -> dict[str, int]:
    """Device numbers by name and by name without its domain, in lower case; a short name that two devices have is nobody's."""
    short: dict[str, int] = {}
    for device in topology.devices.values():
        name = device.name.lower().partition(".")[0]
        short[name] = 0 if name in short else device.no
    return short | {device.name.lower(): device.no for device in topology.devices.values()}
