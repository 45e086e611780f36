"""Many datagrams a system call, in tables that the compiled steps read and write: `recvmmsg` and `sendmmsg`.

A table holds DATAGRAMS headers (struct mmsghdr), names and payload slots, made once. Where the calls do not
exist (not Linux, not 64 bits) the same tables are filled and emptied one datagram a call.
"""

import ctypes
import socket
import struct
import sys
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.codecs.ber import MAX_MESSAGE
from collectors.snmp.wire_state import NAME

Table = npt.NDArray[Any]
DATAGRAMS: Final = 128
RECEIVE_SLOT: Final = MAX_MESSAGE + 1
SEND_SLOT: Final = 4096
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
    """One direction of a socket: the tables, and the call that fills or empties them."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.payload = np.zeros(DATAGRAMS * slot, np.uint8)
        self.names = np.zeros(DATAGRAMS * NAME, np.uint8)
        self.headers = np.zeros(DATAGRAMS * _HEADER // 4, np.uint32)
        self.iovecs = np.zeros(DATAGRAMS * 2, np.uint64)
        words = self.headers.view(np.uint64)
        for i in range(DATAGRAMS):
            self.iovecs[2 * i], self.iovecs[2 * i + 1] = self.payload.ctypes.data + i * slot, slot
            words[8 * i], words[8 * i + 2], words[8 * i + 3] = self.names.ctypes.data + i * NAME, self.iovecs.ctypes.data + i * 16, 1
        self.headers[_NAME_OCTETS::16] = NAME
        linux = sys.platform == "linux" and struct.calcsize("P") == 8
        self._libc = ctypes.CDLL(None, use_errno=True) if linux else None
        self._headers_at = self.headers.ctypes.data

    def receive(self, sock: socket.socket) -> int:
        """Fill the table with what waits; how many datagrams that were. Never blocks."""
        if self._libc is None:
            return self._receive_single(sock)
        self.headers[_NAME_OCTETS::16] = NAME
        at = ctypes.c_void_p(self._headers_at)
        return max(0, int(self._libc.recvmmsg(sock.fileno(), at, DATAGRAMS, socket.MSG_DONTWAIT, None)))

    def _receive_single(self, sock: socket.socket) -> int:
        for i in range(DATAGRAMS):
            try:
                payload, peer = sock.recvfrom(self.slot)
            except OSError:
                return i
            name = np.frombuffer(sockaddr(peer[0], peer[1]), np.uint8)
            self.names[i * NAME : i * NAME + len(name)] = name
            self.payload[i * self.slot : i * self.slot + len(payload)] = np.frombuffer(payload, np.uint8)
            self.headers[16 * i + _RECEIVED] = len(payload)
        return DATAGRAMS

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
        self.payload[at : at + len(payload)] = np.frombuffer(payload, np.uint8)
        self.iovecs[2 * i + 1] = len(payload)

    def got(self, i: int) -> bytes:
        """The payload of the i-th datagram received."""
        at = i * self.slot
        return self.payload[at : at + int(self.headers[16 * i + _RECEIVED])].tobytes()

    def name(self, i: int) -> bytes:
        """The sender of the i-th datagram received."""
        octets = 16 if int.from_bytes(self.names[i * NAME : i * NAME + 2].tobytes(), sys.byteorder) == socket.AF_INET else NAME
        return self.names[i * NAME : i * NAME + octets].tobytes()
