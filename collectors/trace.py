"""The way to a target, hop by hop, by UDP datagrams whose time to live grows. No privilege is needed: the kernel keeps the
ICMP errors of a socket in its error queue (IP_RECVERR).

Every datagram of a target has the same addresses and ports, so that routers which spread flows over equal ways send them
all along one (as Paris traceroute does): a way that differs is a change and no other flow.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from station.clock import NS_PER_S, Clock

PORT: Final = 33_434  # where traceroute has always sent to, and nobody listens
HOPS_MAX: Final = 30
SILENT_MAX: Final = 5  # hops in a row that do not answer end a trace
IP_RECVERR, IPV6_RECVERR = 11, 25
_ERROR: Final = struct.Struct("=IBBBBII")  # struct sock_extended_err
_ORIGINS: Final = frozenset((2, 3))  # ICMP, ICMPv6
_DONE: Final = frozenset(((2, 3), (3, 1), (3, 4)))  # (origin, type) of an unreachable: ICMP 3; ICMPv6 1
_OCTETS: Final = 512


@dataclass(frozen=True, slots=True)
class Way:
    """`hops` by their addresses, "" where nobody answered; `reached` that the target did; the last answer's `rtt_s`."""

    hops: tuple[str, ...]
    reached: bool
    rtt_s: float | None

    def differs(self, other: "Way") -> bool:
        """Whether two ways disagree where both know: another router at a hop, or another length to a target that was reached."""
        if self.reached and other.reached and len(self.hops) != len(other.hops):
            return True
        return any(a != b for a, b in zip(self.hops, other.hops, strict=False) if a and b)


class Tracer:
    """One target's socket. OSError where the system has no error queue (other than Linux)."""

    def __init__(self, clock: Clock, address: str, port: int = PORT) -> None:
        self._clock, self._target = clock, (address, port)
        self._v6 = ":" in address
        self._sock = socket.socket(socket.AF_INET6 if self._v6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            level, option = (socket.IPPROTO_IPV6, IPV6_RECVERR) if self._v6 else (socket.IPPROTO_IP, IP_RECVERR)
            self._sock.setsockopt(level, option, 1)
            self._sock.bind(("::" if self._v6 else "", 0))
        except OSError:
            self._sock.close()
            raise

    def close(self) -> None:
        self._sock.close()

    async def trace(self, *, tries: int = 2, timeout_s: float = 1.0) -> Way:
        """Hop after hop until the target, or SILENT_MAX hops in a row, or HOPS_MAX."""
        hops: list[str] = []
        silent, rtt_s = 0, None
        for ttl in range(1, HOPS_MAX + 1):
            hop, done, took_s = await self._hop(ttl, tries, timeout_s)
            hops.append(hop)
            rtt_s = took_s if hop else rtt_s
            silent = 0 if hop else silent + 1
            if done or silent >= SILENT_MAX:
                return Way(tuple(hops[: len(hops) - silent]), done, rtt_s if done else None)
        return Way(tuple(hops), False, None)

    async def _hop(self, ttl: int, tries: int, timeout_s: float) -> tuple[str, bool, float | None]:
        for _ in range(tries):
            self._drain()
            sent_ns = self._clock.monotonic_ns()
            self._send(ttl)
            found = await self._error(timeout_s)
            if found is not None:
                return found[0], found[1], (self._clock.monotonic_ns() - sent_ns) / NS_PER_S
        return "", False, None

    def _send(self, ttl: int) -> None:
        level, option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if self._v6 else (socket.IPPROTO_IP, socket.IP_TTL)
        self._sock.setsockopt(level, option, ttl)
        for _ in range(2):
            try:
                self._sock.sendto(bytes(24), self._target)
            except OSError:  # an error that was kept for this socket is told once by the next call
                continue
            return

    def _drain(self) -> None:
        while self._taken() is not None:
            pass

    async def _error(self, timeout_s: float) -> tuple[str, bool] | None:
        """The next ICMP error: who sent it, and whether it is the target's own; None after `timeout_s`."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._sock.fileno(), ready.set)  # an error makes a socket readable
        try:
            async with asyncio.timeout(timeout_s):
                while (found := self._taken()) is None:
                    ready.clear()
                    await ready.wait()
                return found
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(self._sock.fileno())

    def _taken(self) -> tuple[str, bool] | None:
        try:
            _, ancillary, _, _ = self._sock.recvmsg(_OCTETS, _OCTETS, socket.MSG_ERRQUEUE)
        except OSError:
            return None
        return _offender(ancillary, self._target[0], v6=self._v6)


def _offender(ancillary: Sequence[tuple[int, int, bytes]], target: str, *, v6: bool) -> tuple[str, bool] | None:
    """Who an ICMP error in control messages came from, and whether it ends the trace (RFC 792, RFC 4443); else None."""
    for level, _, data in ancillary:
        if level not in (socket.IPPROTO_IP, socket.IPPROTO_IPV6) or len(data) < _ERROR.size + (24 if v6 else 8):
            continue
        _, origin, kind, _, _, _, _ = _ERROR.unpack_from(data)
        if origin not in _ORIGINS:
            continue
        at = _ERROR.size
        address = socket.inet_ntop(socket.AF_INET6, data[at + 8 : at + 24]) if v6 else socket.inet_ntoa(data[at + 4 : at + 8])
        return address, (origin, kind) in _DONE or address == target
    return None
