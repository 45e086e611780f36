"""One UDP socket per address family for all agents: datagrams out, answers matched, timeouts kept.

An exchange is one request until its answer. Its answer must carry its id and come from the address asked;
everything else that arrives is counted by reason and forgotten.
"""

import asyncio
import heapq
import itertools
import random
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.batched_udp import BATCH, BatchedUdp, Datagram, open_socket, peer_name
from collectors.codecs import ber
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import MAX_REQUEST_ID, Version
from collectors.metrics import SNMP_OUTSTANDING, SNMP_REFUSED, SNMP_REPLIES, SNMP_REQUESTS, SNMP_TIMEOUTS

RECEIVE_OCTETS = 8 << 20
ANSWERED_REMEMBERED = 8192  # ids by which a late or repeated answer is told from a foreign one
BATCHES_PER_WAKE = 8  # then the loop gets its turn
MALFORMED_REMEMBERED = 1024
FIRST_REQUEST_ID = 1 << 24  # so that every id takes four octets and can be patched into a template


@dataclass(slots=True)
class Exchange:
    """One request on the wire. `on_reply(data)` or `on_timeout()` is called once, in the loop."""

    request_id: int
    name: bytes
    request: bytes
    on_reply: Callable[[bytes], None]
    on_timeout: Callable[[], None]
    sent_s: float = 0.0
    due_s: float = 0.0
    settled: bool = field(default=False, repr=False)


class Engine:
    """Matches answers to exchanges. Made inert; opens its sockets on first use within a running loop."""

    def __init__(self, *, receive_octets: int = RECEIVE_OCTETS, batched: bool = True) -> None:
        self._receive_octets = receive_octets
        self._batched = batched
        self._sockets: dict[int, BatchedUdp] = {}
        self._pending: dict[int, Exchange] = {}
        self._answered: OrderedDict[int, bytes] = OrderedDict()
        self._outbox: list[Datagram] = []
        self._due: list[tuple[float, int, Exchange]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._flushing = False
        self._next_id = random.SystemRandom().randrange(FIRST_REQUEST_ID, MAX_REQUEST_ID)
        self._malformed: OrderedDict[bytes, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def new_id(self) -> int:
        """An id of four octets that no exchange in flight has."""
        while True:
            self._next_id += 1
            if self._next_id > MAX_REQUEST_ID:
                self._next_id = FIRST_REQUEST_ID
            if self._next_id not in self._pending:
                return self._next_id

    def malformed_from(self, name: bytes) -> str:
        """Why the last datagram from this sender could not be read, "" if all could; asking forgets it."""
        return self._malformed.pop(name, "")

    def send(self, exchange: Exchange, timeout_s: float) -> None:
        """Put a request on the wire at the end of this turn of the loop."""
        loop = asyncio.get_running_loop()
        exchange.sent_s = loop.time()
        exchange.due_s = exchange.sent_s + timeout_s
        self._pending[exchange.request_id] = exchange
        self._outbox.append((exchange.request, exchange.name))
        heapq.heappush(self._due, (exchange.due_s, next(self._order), exchange))
        if self._timer is None or exchange.due_s < self._timer_s:
            self._arm(loop, exchange.due_s)
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)

    def forget(self, exchange: Exchange) -> None:
        """Stop waiting; an answer that still comes is late."""
        if not exchange.settled:
            self._settle(exchange)

    def close(self) -> None:
        """Close the sockets; exchanges in flight are never called back."""
        if self._sockets:
            loop = asyncio.get_running_loop()
            for udp in self._sockets.values():
                loop.remove_reader(udp.sock)
                udp.close()
        if self._timer is not None:
            self._timer.cancel()
        for exchange in self._pending.values():
            exchange.settled = True
        self._sockets, self._pending, self._due, self._timer = {}, {}, [], None

    def _settle(self, exchange: Exchange) -> None:
        exchange.settled = True
        del self._pending[exchange.request_id]
        self._answered[exchange.request_id] = exchange.name
        if len(self._answered) > ANSWERED_REMEMBERED:
            self._answered.popitem(last=False)

    def _socket(self, name: bytes) -> BatchedUdp:
        udp = self._sockets.get(len(name))
        if udp is None:
            sock = open_socket("0.0.0.0" if len(name) == len(peer_name("0.0.0.0", 0)) else "::", 0, self._receive_octets)  # noqa: S104
            udp = self._sockets[len(name)] = BatchedUdp(sock, batched=self._batched)
            asyncio.get_running_loop().add_reader(sock, self._readable, udp)
        return udp

    def _flush(self) -> None:
        self._flushing = False
        outbox, self._outbox = self._outbox, []
        SNMP_REQUESTS.inc(len(outbox))
        SNMP_OUTSTANDING.set(len(self._pending))
        by_family: dict[int, list[Datagram]] = {}
        for datagram in outbox:
            by_family.setdefault(len(datagram[1]), []).append(datagram)
        for datagrams in by_family.values():
            self._socket(datagrams[0][1]).send(datagrams)

    def _readable(self, udp: BatchedUdp) -> None:
        for _ in range(BATCHES_PER_WAKE):
            datagrams = udp.receive()
            for data, name in datagrams:
                self._arrived(data, name)
            if len(datagrams) < BATCH:
                return

    def _arrived(self, data: bytes, name: bytes) -> None:
        try:
            request_id = reply_id(data)
        except DecodeError as error:
            SNMP_REFUSED.labels("malformed").inc()
            self._malformed[name] = error.reason
            if len(self._malformed) > MALFORMED_REMEMBERED:
                self._malformed.popitem(last=False)
            return
        exchange = self._pending.get(request_id)
        if exchange is None:
            known = self._answered.get(request_id) == name
            SNMP_REFUSED.labels("late_or_duplicate" if known else "foreign_request_id").inc()
        elif exchange.name != name:
            SNMP_REFUSED.labels("foreign_address").inc()
        else:
            self._settle(exchange)
            SNMP_REPLIES.inc()
            exchange.on_reply(data)

    def _arm(self, loop: asyncio.AbstractEventLoop, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = at_s
        self._timer = loop.call_at(at_s, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        now_s = loop.time()
        while self._due and (self._due[0][2].settled or self._due[0][0] <= now_s):
            exchange = heapq.heappop(self._due)[2]
            if not exchange.settled:
                self._settle(exchange)
                SNMP_TIMEOUTS.inc()
                exchange.on_timeout()
        if self._due and (self._timer is None or self._due[0][0] < self._timer_s):
            self._arm(loop, self._due[0][0])


def reply_id(data: bytes) -> int:
    """The request-id of a v1 or v2c message, the msgID of a v3 message; DecodeError where there is none."""
    start, stop = ber.expect(data, 0, len(data), ber.SEQUENCE)
    version, pos = ber.read_integer(data, start, stop)
    if version == Version.V3:
        pos, head_stop = ber.expect(data, pos, stop, ber.SEQUENCE)
        return ber.read_integer(data, pos, head_stop)[0]
    _, pos = ber.expect(data, pos, stop, ber.OCTET_STRING)
    _, pos, pdu_stop = ber.read_tlv(data, pos, stop)
    return ber.read_integer(data, pos, pdu_stop)[0]
