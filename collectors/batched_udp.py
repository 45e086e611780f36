"""UDP in batches: `recvmmsg` and `sendmmsg` through ctypes on 64-bit Linux, a loop of single calls elsewhere.

One system call for up to 64 datagrams; the buffers are made once. Names of senders stay in the kernel's form
(port and address as octets), so that comparing one costs no text.
"""

import ctypes
import socket
import struct
import sys
from typing import Final

from collectors.codecs.ber import MAX_MESSAGE

BATCH: Final = 64
SEND_OCTETS_MAX: Final = 2048  # a larger datagram is sent by itself
_SLOT: Final = MAX_MESSAGE + 1
_NAME: Final = 28  # sockaddr_in6
_HEADER: Final = 64  # struct mmsghdr on a 64-bit machine
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


class _Table:
    """The fixed structures of one direction: headers, one iovec and one name each, payload slots."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.payload = bytearray(BATCH * slot)
        self.names = bytearray(BATCH * _NAME)
        self.headers = bytearray(BATCH * _HEADER)
        self._iovecs = bytearray(BATCH * 16)
        payload, names, headers, iovecs = (
            ctypes.addressof(ctypes.c_char.from_buffer(b)) for b in (self.payload, self.names, self.headers, self._iovecs)
        )
        self.headers_at = headers
        self.iovec_words = memoryview(self._iovecs).cast("Q")
        self.header_ints = memoryview(self.headers).cast("I")
        words = memoryview(self.headers).cast("Q")
        for i in range(BATCH):
            self.iovec_words[2 * i], self.iovec_words[2 * i + 1] = payload + i * slot, slot
            words[8 * i], words[8 * i + 2], words[8 * i + 3] = names + i * _NAME, iovecs + i * 16, 1
            self.header_ints[16 * i + 2] = _NAME


class BatchedUdp:
    """One UDP socket read and written in batches. `drops()` is the kernel's count of datagrams it had no room for."""

    def __init__(self, sock: socket.socket, *, batched: bool = True) -> None:
        self.sock = sock
        self._libc = ctypes.CDLL(None, use_errno=True) if batched and sys.platform == "linux" and struct.calcsize("P") == 8 else None
        if self._libc is not None:
            self._rx = _Table(_SLOT)
            self._tx = _Table(SEND_OCTETS_MAX)

    def receive(self) -> list[Datagram]:
        """What waits, at most 64 datagrams; never blocks."""
        if self._libc is None:
            return self._receive_single()
        rx = self._rx
        n = self._libc.recvmmsg(self.sock.fileno(), ctypes.c_void_p(rx.headers_at), BATCH, socket.MSG_DONTWAIT, None)
        found: list[Datagram] = []
        for i in range(max(n, 0)):
            at, length, name = i * _SLOT, rx.header_ints[16 * i + 14], i * _NAME
            if rx.header_ints[16 * i + 2] == 16:
                sender = bytes(rx.names[name + 2 : name + 8])
            else:
                sender = bytes(rx.names[name + 2 : name + 4] + rx.names[name + 8 : name + 24])
            found.append((bytes(rx.payload[at : at + length]), sender))
            rx.header_ints[16 * i + 2] = _NAME
        return found

    def _receive_single(self) -> list[Datagram]:
        found: list[Datagram] = []
        while len(found) < BATCH:
            try:
                payload, sender = self.sock.recvfrom(_SLOT)
            except OSError:  # nothing waits, or an ICMP error that a later timeout will tell better
                break
            found.append((payload, peer_name(sender[0], sender[1])))
        return found

    def send(self, datagrams: list[Datagram]) -> int:
        """Send (payload, receiver's name) pairs; return how many the kernel took. The rest is lost, as UDP may."""
        if self._libc is None or any(len(payload) > SEND_OCTETS_MAX for payload, _ in datagrams):
            return sum(self._send_single(payload, name) for payload, name in datagrams)
        return sum(self._send_batch(datagrams[i : i + BATCH]) for i in range(0, len(datagrams), BATCH))

    def _send_batch(self, datagrams: list[Datagram]) -> int:
        assert self._libc is not None
        tx = self._tx
        for i, (payload, name) in enumerate(datagrams):
            tx.payload[i * SEND_OCTETS_MAX : i * SEND_OCTETS_MAX + len(payload)] = payload
            tx.iovec_words[2 * i + 1] = len(payload)
            sockaddr = _sockaddr(name)
            tx.names[i * _NAME : i * _NAME + len(sockaddr)] = sockaddr
            tx.header_ints[16 * i + 2] = len(sockaddr)
        sent = 0
        while sent < len(datagrams):
            at = ctypes.c_void_p(tx.headers_at + sent * _HEADER)
            n = self._libc.sendmmsg(self.sock.fileno(), at, len(datagrams) - sent, socket.MSG_DONTWAIT)
            if n <= 0:  # the first of the rest was refused (no route, no room): it is lost, the others are tried
                datagrams = [*datagrams[:sent], *datagrams[sent + 1 :]]
                return sent + (self._send_batch(datagrams[sent:]) if len(datagrams) > sent else 0)
            sent += n
        return sent

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
