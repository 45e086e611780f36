"""Many datagrams a system call, in tables that compiled steps can read and write: `recvmmsg` and `sendmmsg`.

A table holds headers (struct mmsghdr), names and payload slots, made once. Where the calls do not exist (not
Linux, not 64 bits) the same tables are filled and emptied one datagram a call.
"""

import ctypes
import socket
import struct
import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.codecs.ber import MAX_MESSAGE

Table = npt.NDArray[Any]
DATAGRAMS: Final = 128
_APART: Final = 1536  # octets by which a slot is longer than a power of two, else the used parts of all share few lines of the cache
RECEIVE_SLOT: Final = MAX_MESSAGE + 1 + _APART
SEND_SLOT: Final = 4096 + _APART
NAME: Final = 28  # octets of the larger sockaddr, sockaddr_in6
_HEADER: Final = 64  # struct mmsghdr on a 64-bit machine, in octets
_NAME_OCTETS, _IOVEC_OCTETS, _RECEIVED = 2, 1, 14  # 32-bit and 64-bit words in it


def sockaddr(address: str, port: int) -> bytes:
    """The kernel's name of an agent: sockaddr_in or sockaddr_in6, its scope from `%` where given."""
    host, _, scope = address.partition("%")
    if ":" not in host:
        return struct.pack("=H", socket.AF_INET) + port.to_bytes(2) + socket.inet_pton(socket.AF_INET, host) + bytes(8)
    index = 0 if not scope else int(scope) if scope.isdigit() else socket.if_nametoindex(scope)
    packed = socket.inet_pton(socket.AF_INET6, host)
    return struct.pack("=H", socket.AF_INET6) + port.to_bytes(2) + bytes(4) + packed + struct.pack("=I", index)


class Datagrams:
    """One direction of a socket: tables of `count` datagrams, and the call that fills or empties them."""

    def __init__(self, slot: int, count: int = DATAGRAMS, *, batched: bool = True) -> None:
        self.slot, self.count = slot, count
        self.payload = np.zeros(count * slot, np.uint8)
        self.octets = self.payload.data  # bytes are cut from it several times faster than from the array
        self.names = np.zeros(count * NAME, np.uint8)
        self.headers = np.zeros(count * _HEADER // 4, np.uint32)
        self.iovecs = np.zeros(count * 2, np.uint64)
        words = self.headers.view(np.uint64)
        for i in range(count):
            self.iovecs[2 * i], self.iovecs[2 * i + 1] = self.payload.ctypes.data + i * slot, slot
            words[8 * i], words[8 * i + 2], words[8 * i + 3] = self.names.ctypes.data + i * NAME, self.iovecs.ctypes.data + i * 16, 1
        self.headers[_NAME_OCTETS::16] = NAME
        mmsg = batched and sys.platform == "linux" and struct.calcsize("P") == 8
        self._libc = ctypes.CDLL(None, use_errno=True) if mmsg else None
        self._headers_at = self.headers.ctypes.data

    def receive(self, sock: socket.socket) -> int:
        """Fill the table with what waits; how many datagrams that were. Never blocks."""
        if self._libc is None:
            return self._receive_single(sock)
        self.headers[_NAME_OCTETS::16] = NAME
        at = ctypes.c_void_p(self._headers_at)
        return max(0, int(self._libc.recvmmsg(sock.fileno(), at, self.count, socket.MSG_DONTWAIT, None)))

    def _receive_single(self, sock: socket.socket) -> int:
        for i in range(self.count):
            try:
                payload, peer = sock.recvfrom(self.slot)
            except OSError:
                return i
            self.to(i, sockaddr(peer[0], peer[1]))
            self.octets[i * self.slot : i * self.slot + len(payload)] = payload
            self.headers[16 * i + _RECEIVED] = len(payload)
        return self.count

    def send(self, sock: socket.socket, n: int) -> int:
        """Send the first n; how many the kernel took. The others are lost, as UDP may."""
        if self._libc is None:
            return self._send_single(sock, n)
        at, taken = 0, 0
        while at < n:
            done = self._libc.sendmmsg(sock.fileno(), ctypes.c_void_p(self._headers_at + at * _HEADER), n - at, socket.MSG_DONTWAIT)
            taken += max(0, done)
            at += max(1, done)  # one that was refused (no route, no room) is lost, the others are tried
        return taken

    def _send_single(self, sock: socket.socket, n: int) -> int:
        taken = 0
        for i in range(n):
            payload = self.payload[i * self.slot : i * self.slot + int(self.iovecs[2 * i + 1])].tobytes()
            name = self.names[i * NAME : (i + 1) * NAME].tobytes()
            v6 = int(self.headers[16 * i + _NAME_OCTETS]) == NAME
            host = socket.inet_ntop(socket.AF_INET6, name[8:24]) if v6 else socket.inet_ntop(socket.AF_INET, name[4:8])
            try:
                sock.sendto(payload, (host, int.from_bytes(name[2:4])))
                taken += 1
            except OSError:
                continue
        return taken

    def put(self, i: int, payload: bytes) -> None:
        """The payload of the i-th datagram to send."""
        at = i * self.slot
        self.octets[at : at + len(payload)] = payload
        self.iovecs[2 * i + 1] = len(payload)

    def to(self, i: int, name: bytes) -> None:
        """The sockaddr of the i-th datagram."""
        self.names[i * NAME : i * NAME + len(name)] = np.frombuffer(name, np.uint8)
        self.headers[16 * i + _NAME_OCTETS] = len(name)

    def got(self, i: int) -> bytes:
        """The payload of the i-th datagram received."""
        at = i * self.slot
        return bytes(self.octets[at : at + int(self.headers[16 * i + _RECEIVED])])

    def name(self, i: int) -> bytes:
        """The sender of the i-th datagram received."""
        octets = 16 if int.from_bytes(self.names[i * NAME : i * NAME + 2].tobytes(), sys.byteorder) == socket.AF_INET else NAME
        return self.names[i * NAME : i * NAME + octets].tobytes()
