"""Informs: notifications that a device repeats until the receiver has acknowledged them (RFC 3416, section 4.2.7)."""

import asyncio
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from simulator import agent_ber as ber
from simulator.address import Address
from simulator.agent import read_pdu
from simulator.messages import Varbinds, notification_pdu, v2c_message
from simulator.world import Device

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # before each repetition; then the inform is given up
MAX_WAITING = 10_000
MAX_DATAGRAM_OCTETS = 65_535
MAX_REQUEST_ID = 2**31 - 1


class Heard(NamedTuple):
    """What an answer says: which request it acknowledges (0: none), and whether to ask again at once, knowing more."""

    acknowledged: int = 0
    again: bool = False


class Dialect(Protocol):
    """A version of SNMP between devices and one receiver."""

    def seal(self, device: Device, pdu: bytes, request_id: int) -> bytes:
        """The message that carries the PDU, or whatever has to be asked of the receiver first."""
        ...

    def heard(self, data: bytes) -> Heard:
        """What an answer of the receiver says; BerError when it is none."""
        ...


class V2cDialect:
    def __init__(self, community: str) -> None:
        self._community = community

    def seal(self, device: Device, pdu: bytes, request_id: int) -> bytes:
        return v2c_message(self._community, pdu)

    def heard(self, data: bytes) -> Heard:
        start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
        _, at = ber.read_integer(data, start, end)
        _, at = ber.read_octets(data, at, end)
        pdu = read_pdu(data, at, end)
        return Heard(pdu.request_id if pdu.tag == ber.RESPONSE else 0)


@dataclass(slots=True)
class _Waiting:
    """An inform that nobody has acknowledged yet."""

    device: Device
    pdu: bytes
    attempts: int = 0
    timer: asyncio.TimerHandle | None = field(default=None)


class Informs:
    """Sends for all devices, each from its own address. `counts`: sent, repeated, acknowledged, given_up, refused, failed."""

    def __init__(self, to: Address, dialect: Dialect) -> None:
        self._to, self._dialect = to, dialect
        self._sockets: dict[int, socket.socket] = {}
        self._waiting: dict[int, _Waiting] = {}
        self._last_id = 0
        self.counts: Counter[str] = Counter()

    def send(self, device: Device, varbinds: Varbinds) -> None:
        """Say it until it is acknowledged; more than can wait is refused and counted."""
        if len(self._waiting) >= MAX_WAITING:
            self.counts["refused"] += 1
            return
        self._last_id = self._last_id % MAX_REQUEST_ID + 1
        self._waiting[self._last_id] = _Waiting(device, notification_pdu(varbinds, self._last_id, ber.INFORM))
        self.counts["sent"] += 1
        self._out(self._last_id)

    def close(self) -> None:
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
        self._waiting.clear()
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock.fileno())
            sock.close()
        self._sockets.clear()

    def _out(self, request_id: int) -> None:
        waiting = self._waiting[request_id]
        if waiting.attempts > len(WAITS_S):
            del self._waiting[request_id]
            self.counts["given_up"] += 1
            return
        self.counts["repeated"] += waiting.attempts > 0
        self._write(request_id, waiting)
        wait_s = WAITS_S[min(waiting.attempts, len(WAITS_S) - 1)]
        waiting.attempts += 1
        waiting.timer = asyncio.get_running_loop().call_later(wait_s, self._out, request_id)

    def _write(self, request_id: int, waiting: _Waiting) -> None:
        message = self._dialect.seal(waiting.device, waiting.pdu, request_id)
        try:
            self._socket(waiting.device).sendto(message, (self._to.host, self._to.port))
        except OSError:
            self.counts["failed"] += 1

    def _socket(self, device: Device) -> socket.socket:
        sock = self._sockets.get(device.number)
        if sock is None:
            sock = self._sockets[device.number] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.bind((device.address, 0))
            asyncio.get_running_loop().add_reader(sock.fileno(), self._readable, sock, device)
        return sock

    def _readable(self, sock: socket.socket, device: Device) -> None:
        try:
            heard = self._dialect.heard(sock.recv(MAX_DATAGRAM_OCTETS))
        except (OSError, ber.BerError):
            self.counts["failed"] += 1
            return
        done = self._waiting.pop(heard.acknowledged, None)
        if done is not None and done.timer is not None:
            done.timer.cancel()
            self.counts["acknowledged"] += 1
        if heard.again:
            for request_id, waiting in self._waiting.items():
                if waiting.device.number == device.number:
                    self._write(request_id, waiting)
