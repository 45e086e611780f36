"""ICMP echo to many targets at once: one socket a family, paced, answers matched by address and sequence."""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from collectors.codecs import echo
from collectors.codecs.ber import DecodeError
from station.clock import NS_PER_S, Clock
from station.metrics import counter

PINGS_SENT = counter("ping_sent", "ICMP echo requests sent.")
PINGS_REFUSED = counter("ping_refused", "ICMP messages received or not sent that count for no probe, by reason.", "reason")
SEQUENCES: Final = 65_536
ASKED_AT_ONCE: Final = 4_096
ECHOES_PER_S: Final = 2_000.0
ECHO_WAIT_S: Final = 1.0
_BURST: Final = 32  # sent between two looks at the clock
_TAKEN_PER_TURN: Final = 256
_OCTETS: Final = 2_048


class Pings:
    """One family's socket: the kernel's ping socket where allowed, else a raw one (CAP_NET_RAW). OSError where neither is."""

    def __init__(self, clock: Clock, *, ipv6: bool) -> None:
        self._clock, self._ipv6 = clock, ipv6
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if ipv6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        try:
            self._sock, self._raw = socket.socket(family, socket.SOCK_DGRAM, protocol), False
        except PermissionError:
            self._sock, self._raw = socket.socket(family, socket.SOCK_RAW, protocol), True
        self._sock.setblocking(False)
        self._identifier = secrets.randbelow(SEQUENCES)
        self._sequence = 0
        self._waiting: dict[tuple[str, int], tuple[list[float | None], int, int]] = {}
        self._complete = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._sock.fileno(), self._receive)

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    async def round(self, addresses: Sequence[str], *, count: int, rate_per_s: float, timeout_s: float) -> dict[str, list[float | None]]:
        """`count` requests to each address, one to all before the second to any; round trips in seconds, None for no answer."""
        found: dict[str, list[float | None]] = {address: [None] * count for address in addresses}
        began_ns, sent = self._clock.monotonic_ns(), 0
        for n in range(count):
            for address, results in found.items():
                self._send(address, results, n)
                sent += 1
                if sent % _BURST == 0:
                    ahead_s = sent / rate_per_s - (self._clock.monotonic_ns() - began_ns) / NS_PER_S
                    await asyncio.sleep(max(ahead_s, 0))
        if self._waiting:
            self._complete.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._complete.wait()
        self._waiting.clear()
        return found

    def _send(self, address: str, results: list[float | None], n: int) -> None:
        self._sequence = (self._sequence + 1) % SEQUENCES
        self._waiting[address, self._sequence] = (results, n, self._clock.monotonic_ns())
        try:
            self._sock.sendto(echo.request(self._identifier, self._sequence, ipv6=self._ipv6), (address, 0))
            PINGS_SENT.inc()
        except OSError:  # no route, or no room: the probe is lost
            del self._waiting[address, self._sequence]
            PINGS_REFUSED.labels("send").inc()

    def _receive(self) -> None:
        for _ in range(_TAKEN_PER_TURN):
            try:
                octets, sender = self._sock.recvfrom(_OCTETS)
            except OSError:
                return
            now_ns = self._clock.monotonic_ns()
            try:
                identifier, sequence = echo.reply(octets, ipv6=self._ipv6, with_ip_header=self._raw and not self._ipv6)
            except DecodeError as error:
                PINGS_REFUSED.labels(str(error).replace(" ", "_")).inc()
                continue
            asked = self._waiting.pop((sender[0].partition("%")[0], sequence), None)
            if asked is None or (self._raw and identifier != self._identifier):
                PINGS_REFUSED.labels("unasked").inc()
                continue
            results, n, sent_ns = asked
            results[n] = (now_ns - sent_ns) / NS_PER_S
            if not self._waiting:
                self._complete.set()


async def who_answers(clock: Clock, addresses: Sequence[str]) -> frozenset[str]:
    """Those of some addresses that answer one echo request; nobody where the machine lets nobody ask.

    The machine's own loopback answers for every address and is not asked.
    """
    found: set[str] = set()
    for ipv6 in (False, True):
        of_family = [one for one in addresses if (":" in one) is ipv6 and not ip_address(one).is_loopback]
        with suppress(OSError):
            found |= await _answering(clock, of_family, ipv6=ipv6)
    return frozenset(found)


async def _answering(clock: Clock, addresses: Sequence[str], *, ipv6: bool) -> set[str]:
    if not addresses:
        return set()
    pings = Pings(clock, ipv6=ipv6)
    try:
        parts = [addresses[at : at + ASKED_AT_ONCE] for at in range(0, len(addresses), ASKED_AT_ONCE)]
        rounds = [await pings.round(part, count=1, rate_per_s=ECHOES_PER_S, timeout_s=ECHO_WAIT_S) for part in parts]
    finally:
        pings.close()
    return {address for one in rounds for address, results in one.items() if results[0] is not None}
