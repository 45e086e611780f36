"""Syslog in: UDP in batches, TCP with both framings of RFC 6587; each message becomes a Notification."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from pydantic import Field

from collectors.batched_udp import BatchedUdp, open_socket, peer_of
from collectors.codecs.ber import DecodeError
from collectors.codecs.syslog import MESSAGE_OCTETS_MAX, decode
from collectors.senders import Senders
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import Clock
from station.metrics import counter, gauge
from station.settings import Settings

log = structlog.get_logger("syslog")

SYSLOG_RECEIVED = counter("syslog_received", "Syslog messages received, by transport.", "transport")
SYSLOG_REFUSED = counter("syslog_refused", "Syslog messages not passed on, by reason.", "reason")
SYSLOG_KERNEL_DROPPED = gauge("syslog_kernel_dropped", "Datagrams the kernel dropped because the socket's buffer was full.")

_COUNT_DIGITS_MAX: Final = 5  # RFC 6587, 3.4.1: MSG-LEN


class SyslogSettings(Settings):
    """`[syslog]`: the receiver. Port 0 turns a transport off."""

    address: str = "127.0.0.1"
    udp_port: int = Field(16514, ge=0, le=65535)
    tcp_port: int = Field(0, ge=0, le=65535)
    receive_buffer_mb: int = Field(16, ge=1)
    connections_max: int = Field(1000, ge=1)
    idle_s: float = Field(3600.0, gt=0)
    sender_rate: float = Field(500.0, gt=0, description="messages per second and sender, sustained")
    sender_burst: int = Field(5000, ge=1)


class Syslog:
    """The receiver; `run` works until cancelled."""

    def __init__(
        self, settings: SyslogSettings, topology: Callable[[], Topology], clock: Clock, out: Channel[tuple[Notification, ...]]
    ) -> None:
        self._settings, self._topology, self._clock, self._out = settings, topology, clock, out
        self._senders = Senders(settings.sender_rate, settings.sender_burst)
        self._connections = 0

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            if self._settings.udp_port:
                tasks.create_task(self._udp())
            if self._settings.tcp_port:
                tasks.create_task(self._tcp())

    async def _udp(self) -> None:
        loop = asyncio.get_running_loop()
        udp = BatchedUdp(open_socket(self._settings.address, self._settings.udp_port, self._settings.receive_buffer_mb << 20))
        SYSLOG_KERNEL_DROPPED.set_function(udp.drops)
        readable = asyncio.Event()
        loop.add_reader(udp.sock.fileno(), readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                while datagrams := udp.receive():
                    await self._take([(payload, peer_of(name)[0]) for payload, name in datagrams], "udp")
        finally:
            loop.remove_reader(udp.sock.fileno())
            udp.close()

    async def _tcp(self) -> None:
        server = await asyncio.start_server(self._connection, self._settings.address, self._settings.tcp_port, limit=4 * MESSAGE_OCTETS_MAX)
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        source = writer.get_extra_info("peername")[0]
        if self._connections >= self._settings.connections_max:
            SYSLOG_REFUSED.labels("too_many_connections").inc()
            writer.close()
            return
        self._connections += 1
        try:
            while frame := await asyncio.wait_for(read_frame(reader), self._settings.idle_s):
                await self._take([(frame, source)], "tcp")
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # the sender is gone or silent; it connects again
        except (DecodeError, asyncio.LimitOverrunError, ValueError):
            SYSLOG_REFUSED.labels("framing").inc()
        finally:
            self._connections -= 1
            writer.close()

    async def _take(self, messages: list[tuple[bytes, str]], transport: str) -> None:
        now_ns = self._clock.now_ns()
        SYSLOG_RECEIVED.labels(transport).inc(len(messages))
        heard = [made for payload, source in messages if (made := self._notification(payload, source, now_ns)) is not None]
        if heard:
            await self._out.put(tuple(heard))

    def _notification(self, payload: bytes, source: str, now_ns: int) -> Notification | None:
        if not self._senders.allow(source, now_ns):
            SYSLOG_REFUSED.labels("storm").inc()
            return None
        try:
            message = decode(payload)
        except DecodeError:
            SYSLOG_REFUSED.labels("malformed").inc()
            if self._senders.first_time_malformed(source):
                log.warning("malformed syslog", source=source)
            return None
        device = self._topology().addresses.get(source, 0)
        return Notification(now_ns, source, device, "syslog", message.name, message.text, message.fields)


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next message of a stream: octet-counted where it begins with a digit, else up to a line feed (RFC 6587, 3.4).

    Empty at the end of the stream. Raises DecodeError or ValueError on framing that cannot be followed.
    """
    first = await reader.read(1)
    if not first.isdigit():
        return first and first + await reader.readuntil(b"\n")
    digits = first + await reader.readuntil(b" ")
    if len(digits) > _COUNT_DIGITS_MAX + 1:
        raise DecodeError("length")
    length = int(digits)
    if length > 4 * MESSAGE_OCTETS_MAX:
        raise DecodeError("length")
    return await reader.readexactly(length)
