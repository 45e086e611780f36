"""UDP in batches, as (payload, sender) pairs: one system call for up to 64 datagrams.

Names of senders are port and address as octets, so that comparing one costs no text.
"""

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from collectors.datagrams import NAME, RECEIVE_SLOT, Datagrams

BATCH: Final = 64
SEND_OCTETS_MAX: Final = 2048  # a larger datagram is sent by itself
IPV4_OCTETS: Final = 16  # of a sockaddr_in
SO_RXQ_OVFL: Final = 40
_SO_RCVBUFFORCE: Final = 33

Datagram = tuple[bytes, bytes]
"""(payload, sender's name)."""


def peer_name(address: str, port: int) -> bytes:
    """An address as octets: port, then 4 or 16 octets of address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return port.to_bytes(2) + socket.inet_pton(family, address.partition("%")[0])


def peer_of(name: bytes) -> tuple[str, int]:
    """(address, port) of a name; an IPv4 address that came over IPv6 is written as IPv4."""
    packed = name[2:]
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return socket.inet_ntop(family, packed), int.from_bytes(name[:2])


def _sockaddr(name: bytes) -> bytes:
    """The kernel's sockaddr of a name."""
    if len(name) == 6:
        return struct.pack("=H", socket.AF_INET) + name + bytes(8)
    return struct.pack("=H", socket.AF_INET6) + name[:2] + bytes(4) + name[2:] + bytes(4)


def open_socket(address: str, port: int, receive_octets: int) -> socket.socket:
    """A non-blocking bound UDP socket with a receive buffer as large as allowed (forced where privileged)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            made.setsockopt(socket.SOL_SOCKET, option, receive_octets)
            break
        except OSError:
            continue
    try:
        made.bind((address, port))
    except OSError:
        made.close()
        raise
    return made


class BatchedUdp:
    """One UDP socket read and written in batches. `drops()` is the kernel's count of datagrams it had no room for."""

    def __init__(self, sock: socket.socket, *, batched: bool = True) -> None:
        self.sock = sock
        self._rx, self._tx = Datagrams(RECEIVE_SLOT, BATCH, batched=batched), Datagrams(SEND_OCTETS_MAX, BATCH, batched=batched)
        self._names, self._headers = self._rx.names.data, self._rx.headers.data

    def receive(self) -> list[Datagram]:
        """What waits, at most 64 datagrams; never blocks."""
        found: list[Datagram] = []
        for i in range(self._rx.receive(self.sock)):
            at, length, name = i * RECEIVE_SLOT, self._headers[16 * i + 14], i * NAME
            if self._headers[16 * i + 2] == IPV4_OCTETS:
                sender = bytes(self._names[name + 2 : name + 8])
            else:
                sender = bytes(self._names[name + 2 : name + 4]) + bytes(self._names[name + 8 : name + 24])
            found.append((bytes(self._rx.octets[at : at + length]), sender))
        return found

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that the running loop sets when datagrams wait; the socket is closed at the end."""
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.sock.fileno(), readable.set)
        try:
            yield readable
        finally:
            loop.remove_reader(self.sock.fileno())
            self.close()

    def send(self, datagrams: list[Datagram]) -> int:
        """Send (payload, receiver's name) pairs; return how many the kernel took. The rest is lost, as UDP may."""
        if any(len(payload) > SEND_OCTETS_MAX for payload, _ in datagrams):
            return sum(self._send_single(payload, name) for payload, name in datagrams)
        return sum(self._send_batch(datagrams[i : i + BATCH]) for i in range(0, len(datagrams), BATCH))

    def _send_batch(self, datagrams: list[Datagram]) -> int:
        for i, (payload, name) in enumerate(datagrams):
            self._tx.put(i, payload)
            self._tx.to(i, _sockaddr(name))
        return self._tx.send(self.sock, len(datagrams))

    def _send_single(self, payload: bytes, name: bytes) -> int:
        try:
            self.sock.sendto(payload, peer_of(name))
        except OSError:
            return 0
        return 1

    def drops(self) -> int:
        """Datagrams the kernel dropped because this socket's buffer was full (SO_MEMINFO); 0 where it does not tell."""
        try:
            memory = self.sock.getsockopt(socket.SOL_SOCKET, 55, 36)
        except OSError:
            return 0
        return int(struct.unpack("=9I", memory)[8])

    def close(self) -> None:
        self.sock.close()
