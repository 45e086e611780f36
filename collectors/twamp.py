"""TWAMP Light over UDP (RFC 5357, appendix I): a sender that measures a path, and a reflector that lets others do so."""

import asyncio
import socket
from collections import OrderedDict
from typing import Final, cast

from collectors.codecs import twamp
from collectors.codecs.ber import DecodeError
from station.clock import NS_PER_S, Clock
from station.metrics import counter

TWAMP_REFLECTED = counter("twamp_reflected", "Test packets reflected to other senders.")
TWAMP_REFUSED = counter("twamp_refused", "Test packets not used, by reason.", "reason")
SESSIONS_MAX: Final = 4_096  # senders with a sequence of their own; the longest silent begins anew


class Reflector(asyncio.DatagramProtocol):
    """Answers each test packet at once; each sender has its own sequence, so that loss shows its direction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sequences: OrderedDict[tuple[str, int], int] = OrderedDict()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        received_ns = self._clock.now_ns()
        sequence = self._sequences.pop(addr, 0)
        try:
            answer = twamp.reflect(data, sequence, received_ns, self._clock.now_ns())
        except DecodeError:
            TWAMP_REFUSED.labels("malformed").inc()
            return
        self._sequences[addr] = (sequence + 1) & 0xFFFF_FFFF
        if len(self._sequences) > SESSIONS_MAX:
            self._sequences.popitem(last=False)
        self._transport.sendto(answer, addr)
        TWAMP_REFLECTED.inc()


class Sender(asyncio.DatagramProtocol):
    """One round to one reflector: keeps what comes back by sequence."""

    def __init__(self, clock: Clock, count: int) -> None:
        self._clock = clock
        self.sent_ns: list[int] = []
        self.round_trips_s: list[float | None] = [None] * count
        self.complete = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now_ns = self._clock.monotonic_ns()
        try:
            answer = twamp.reflected(data)
        except DecodeError:
            TWAMP_REFUSED.labels("malformed").inc()
            return
        n = answer.sender_sequence
        if n >= len(self.sent_ns) or self.round_trips_s[n] is not None:
            TWAMP_REFUSED.labels("unasked").inc()
            return
        held_ns = max(answer.reflected_ns - answer.received_ns, 0)  # what the reflector took itself is no part of the path
        self.round_trips_s[n] = max(now_ns - self.sent_ns[n] - held_ns, 0) / NS_PER_S
        if None not in self.round_trips_s:
            self.complete.set()

    def error_received(self, exc: Exception) -> None:
        TWAMP_REFUSED.labels("unreachable").inc()


async def measure(clock: Clock, address: str, port: int, *, count: int, interval_s: float, timeout_s: float) -> list[float | None]:
    """Round trips in seconds in the order sent, None where nothing came back in time."""
    loop, family = asyncio.get_running_loop(), socket.AF_INET6 if ":" in address else socket.AF_INET
    transport, sender = await loop.create_datagram_endpoint(lambda: Sender(clock, count), remote_addr=(address, port), family=family)
    try:
        for n in range(count):
            sender.sent_ns.append(clock.monotonic_ns())
            transport.sendto(twamp.request(n, clock.now_ns()))
            await asyncio.sleep(interval_s)
        async with asyncio.timeout(timeout_s):
            await sender.complete.wait()
    except TimeoutError:
        pass  # what is missing is lost
    finally:
        transport.close()
    return sender.round_trips_s
