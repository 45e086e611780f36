"""Polls whole sheets of questions of many agents at once: the sockets and the clock around `Wire`.

Where many requests are in flight the socket is read once a millisecond instead of at every datagram, as
network cards moderate their interrupts: fewer, larger reads.
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from collectors.batched_udp import open_socket
from collectors.codecs import ber
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import Version
from collectors.datagrams import DATAGRAMS, RECEIVE_SLOT, SEND_SLOT, Datagrams, sockaddr
from collectors.metrics import SNMP_OUTSTANDING, SNMP_REFUSED, SNMP_REPLIES, SNMP_REQUESTS, SNMP_RETRIES, SNMP_TIMEOUTS
from collectors.snmp import wire_state as state
from collectors.snmp.client import Limits, status_name
from collectors.snmp.engine import reply_id
from collectors.snmp.plan import SLOW, Answers, Plan
from collectors.snmp.security import CommunitySecurity, ReportError, Security, UserSecurity
from collectors.snmp.sheets import Envelope, Sheet
from collectors.snmp.wire import COUNTERS, ODD, Ended, Wire
from station.batch import SampleBatch
from station.clock import Clock

RECEIVE_OCTETS: Final = 16 << 20
RESYNCS_MAX: Final = 3  # of one poll: discovery, time, and one more for an engine that changed meanwhile
_READS_PER_WAKE: Final = 16  # then the loop gets its turn
_MODERATE_FROM: Final = 32  # requests in flight
_MODERATE_S: Final = 0.001
_TICK_S: Final = 0.02  # overdue requests are looked for this often

IPV4_NAME: Final = 16  # octets of a sockaddr_in
Table = npt.NDArray[Any]


OnEnded = Callable[[Ended], None]


@dataclass(slots=True)
class Agent:
    """One agent of the sweeper, and what its poll brought besides finished rows.

    `kept` is filled as the values arrive, `odd` are the numbers of the requests of its plan whose answers were not
    what was asked, by reason; `problems` is what it did wrong since somebody looked. A poll asks up to a `tier`; `renamed`
    are the slots of names that were not as expected, `restarted` says that its sysUpTime fell.
    """

    no: int
    name: bytes
    sheet: Sheet
    plan: Plan
    security: Security
    budget_s: float
    on_ended: OnEnded
    polling: bool = False
    kept: Answers | None = None
    absent: list[int] = field(default_factory=list)
    odd: dict[int, str] = field(default_factory=dict)
    tier: int = SLOW
    renamed: list[int] = field(default_factory=list)
    restarted: bool = False
    problems: Counter[str] = field(default_factory=Counter)
    garbled: str = ""
    resyncs: int = 0


class Sweeper:
    """`begin` starts the poll of an agent, whose `on_ended` is called in the loop. Rows are fetched by `batches`."""

    def __init__(self, clock: Clock) -> None:
        self._wire = Wire(random.SystemRandom().getrandbits(64))
        self._clock = clock
        self._agents: dict[int, Agent] = {}
        self._by_name: dict[bytes, Agent] = {}
        self._longer = 0  # of them at IPv6
        self._sockets: dict[int, socket.socket] = {}
        self._received = Datagrams(RECEIVE_SLOT)
        self._sent = Datagrams(SEND_SLOT)
        self._batches: list[SampleBatch] = []
        self._counted: Table = np.zeros(state.COUNTERS, np.int64)
        self._timer: asyncio.TimerHandle | None = None
        self._moderated: dict[int, asyncio.TimerHandle] = {}
        self._flushing = False

    def join(self, address: str, port: int, device_no: int, limits: Limits, security: Security, plan: Plan, on_ended: OnEnded) -> Agent:
        """A new agent with what it is to be asked."""
        name = sockaddr(address, port)
        sheet = self._wire.sheets.add(plan, envelope(security))
        no = self._wire.join(name, device_no, limits, sheet)
        agent = self._agents[no] = Agent(no, name, sheet, plan, security, limits.budget_s, on_ended)
        self._longer += len(name) != IPV4_NAME
        self._by_name[name] = agent
        return agent

    def give(self, agent: Agent, plan: Plan) -> None:
        """What an agent is asked from its next poll on."""
        sheet = self._wire.sheets.add(plan, envelope(agent.security))
        self._wire.give(agent.no, sheet)
        self._wire.sheets.drop(agent.sheet)
        agent.sheet, agent.plan = sheet, plan

    def abort(self, agent: Agent) -> None:
        """End the poll of an agent now."""
        self._wire.abort(agent.no)
        self._conclude()

    def leave(self, agent: Agent) -> None:
        """Forget an agent; a poll of it ends at once."""
        self._wire.abort(agent.no)
        self._conclude()
        self._wire.leave(agent.no)
        self._wire.sheets.drop(agent.sheet)
        del self._agents[agent.no]
        self._longer -= len(agent.name) != IPV4_NAME
        if self._by_name.get(agent.name) is agent:
            del self._by_name[agent.name]

    def begin(self, agent: Agent, *, outstanding: int, tier: int = SLOW) -> bool:
        """Start a poll of everything up to a tier; False when as many as can be are under way."""
        assert not agent.polling, "one poll at a time"
        now_ns, count = self._clock.monotonic_ns(), agent.plan.asked[tier]
        if not self._wire.begin(agent.no, now_ns, agent.budget_s, outstanding=outstanding, count=count):
            return False
        self._secure(agent)
        agent.polling, agent.resyncs, agent.garbled, agent.kept = True, 0, "", None
        agent.tier, agent.restarted = tier, False
        for found in (agent.absent, agent.odd, agent.renamed):
            found.clear()
        loop = asyncio.get_running_loop()
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        if self._timer is None:
            self._timer = loop.call_later(_TICK_S, self._tick)
        return True

    def _secure(self, agent: Agent) -> None:
        """Tell the compiled steps what is known of a v3 agent's engine now."""
        if isinstance(agent.security, UserSecurity) and agent.security.ready:
            self._wire.secure(agent.no, agent.security.terms(), self._clock.monotonic_ns())

    def batches(self) -> list[SampleBatch]:
        """The finished rows since the last call."""
        self._fetch()
        batches, self._batches = self._batches, []
        return batches

    def close(self) -> None:
        """Close the sockets; polls under way are never called back."""
        for timer in (self._timer, *self._moderated.values()):
            if timer is not None:
                timer.cancel()
        self._timer = None
        self._moderated.clear()
        for sock in self._sockets.values():
            asyncio.get_running_loop().remove_reader(sock)
            sock.close()
        self._sockets.clear()

    def _tick(self) -> None:
        """Look for what is overdue, as long as anything is in flight; and tell the counters."""
        self._timer = None
        self._wire.expire(self._clock.monotonic_ns())
        self._flush()
        self._count()
        if self._wire.flying:
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    def _count(self) -> None:
        grown = self._wire.counters - self._counted
        self._counted = self._wire.counters.copy()
        SNMP_OUTSTANDING.set(self._wire.flying)
        for at, name in COUNTERS.items():
            if not grown[at]:
                continue
            counter = {"replies": SNMP_REPLIES, "timeouts": SNMP_TIMEOUTS, "retries": SNMP_RETRIES}.get(name)
            (counter if counter is not None else SNMP_REFUSED.labels(name)).inc(int(grown[at]))

    def _socket(self, family: int) -> socket.socket:
        sock = self._sockets.get(family)
        if sock is None:
            sock = self._sockets[family] = open_socket("0.0.0.0" if family == socket.AF_INET else "::", 0, RECEIVE_OCTETS)  # noqa: S104
            asyncio.get_running_loop().add_reader(sock, self._readable, family)
        return sock

    def _flush(self) -> None:
        """Put on the wire what is to be sent, then draw the conclusions of what ended."""
        self._flushing = False
        sends = self._wire.sends
        for family, chosen in self._by_family(sends):
            for at in range(0, len(chosen), DATAGRAMS):
                n = min(DATAGRAMS, len(chosen) - at)
                self._pack(chosen, at, n)
                self._sent.send(self._socket(family), n)
        SNMP_REQUESTS.inc(len(sends))
        self._wire.sent()
        self._conclude()

    def _by_family(self, sends: Table) -> list[tuple[int, Table]]:
        if not len(sends) or not self._longer:
            return [(socket.AF_INET, sends)] if len(sends) else []
        octets = self._wire.octets_of(sends)
        both = ((socket.AF_INET, sends[octets == IPV4_NAME]), (socket.AF_INET6, sends[octets != IPV4_NAME]))
        return [(family, chosen) for family, chosen in both if len(chosen)]

    def _pack(self, chosen: Table, at: int, n: int) -> None:
        sent = self._sent
        self._wire.pack((sent.payload, sent.slot, sent.headers, sent.iovecs, sent.names), chosen, at, n, self._clock.monotonic_ns())
        for i in np.flatnonzero(sent.iovecs[1 : 2 * n : 2] == 0).tolist():
            sent.put(i, self._seal(int(chosen[at + i])))

    def _seal(self, flight: int) -> bytes:
        row = self._wire.flight(flight)
        request_id, agent = int(row["id"]), self._agents[int(row["agent"])]
        return agent.security.seal(request_id, self._wire.pdu(int(row["question"]), request_id))

    def _readable(self, family: int) -> None:
        received = self._received
        table = received.payload, received.slot, received.headers, received.names
        n = DATAGRAMS
        for _ in range(_READS_PER_WAKE):
            if n < DATAGRAMS:
                break
            n = received.receive(self._sockets[family])
            at = 0
            while at < n:
                at = self._wire.arrived(table, at, n, self._clock.monotonic_ns(), self._clock.now_ns())
                self._events()
                if at < n:
                    self._fetch()
            self._flush()
        if not self._wire.flying:
            self._count()  # no tick will
        if family in self._sockets and family not in self._moderated and self._wire.flying >= _MODERATE_FROM:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._sockets[family])
            self._moderated[family] = loop.call_later(_MODERATE_S, self._moderate, family)

    def _moderate(self, family: int) -> None:
        """Read what gathered meanwhile; listen for single datagrams again when little is in flight."""
        del self._moderated[family]
        asyncio.get_running_loop().add_reader(self._sockets[family], self._readable, family)
        self._readable(family)

    def _fetch(self) -> None:
        """Take over the finished rows and kept values."""
        batch = self._wire.batch()
        if len(batch):
            self._batches.append(batch)
        self._fetch_kept()

    def _fetch_kept(self) -> None:
        for agent_no, place, told, raw, width, uptime_cs, time_ns in self._wire.kept().tolist() if self._wire.has_kept else ():
            agent = self._agents[agent_no]
            if agent.kept is None:
                agent.kept = Answers.blank(agent.plan)
            slot, kept = place - agent.sheet.slot, agent.kept
            kept.told[slot], kept.raw[slot], kept.width[slot], kept.time_ns[slot] = told, raw, width, time_ns
            if uptime_cs >= 0:
                at = agent.plan.uptime_slot[slot]
                kept.told[at], kept.raw[at] = uptime_cs, uptime_cs

    def _events(self) -> None:
        """What the compiled steps leave to us: unusual v3 answers, absent names, odd answers, garbage."""
        while self._wire.has_events:
            for what, agent_no, question, detail in self._wire.events().tolist():
                if what == state.SEALED:
                    self._open(agent_no, question)
                elif what == state.GARBAGE:
                    self._garbage(detail)
                elif what == state.UNLIKE:
                    self._agents[agent_no].garbled = COUNTERS[detail]
                    self._agents[agent_no].problems[COUNTERS[detail]] += 1
                else:
                    self._odd(self._agents[agent_no], what, question, detail)

    def _odd(self, agent: Agent, what: int, question: int, detail: int) -> None:
        no = question - agent.sheet.first
        if what in (state.ABSENT, state.RENAMED):
            (agent.absent if what == state.ABSENT else agent.renamed).append(agent.plan.requests[no].slot + detail)
            return
        if what == state.RESTARTED:
            agent.restarted = True
            return
        reason = status_name(detail) if what == state.ERROR_STATUS else ODD[what]
        agent.problems[reason] += 1
        agent.odd[no] = reason

    def _garbage(self, i: int) -> None:
        """Octets that are no message: if they came from an agent, its silence gets this name."""
        agent = self._by_name.get(self._received.name(i))
        if agent is None:
            return
        try:
            reply_id(self._received.got(i))
        except DecodeError as error:
            agent.garbled = error.reason
            agent.problems[error.reason] += 1

    def _open(self, flight: int, i: int) -> None:
        """A v3 answer that is not as always: its PDU to the compiled steps, a Report to a new attempt, what is wrong to the counters."""
        row = self._wire.flight(flight)
        agent = self._agents[int(row["agent"])]
        try:
            scoped, start, stop = agent.security.open(self._received.got(i))
            request_id = ber.read_integer(scoped, ber.read_tlv(scoped, start, stop)[1], stop)[0]
            if request_id != int(row["id"]):
                raise DecodeError("foreign_request_id")
        except ReportError as report:
            agent.problems[report.reason] += 1
            agent.garbled = report.reason
            agent.resyncs += 1
            if report.resync and agent.resyncs <= RESYNCS_MAX:
                self._secure(agent)
                self._wire.again(flight, self._clock.monotonic_ns())
            else:
                self._wire.abort(agent.no)
        except DecodeError as error:
            agent.problems[error.reason] += 1
            agent.garbled = error.reason
        else:
            self._secure(agent)
            if self._wire.nearly_full:
                self._fetch()
            self._wire.take(scoped, start, stop, flight, self._clock.monotonic_ns(), self._clock.now_ns())

    def _conclude(self) -> None:
        self._fetch_kept()
        for ended in self._wire.ended():
            agent = self._agents[ended.agent]
            agent.polling = False
            if ended.timeouts:
                agent.problems[agent.garbled or "timeout"] += ended.timeouts
            agent.on_ended(ended)


def envelope(security: Security) -> Envelope:
    """What stands around the PDUs of an agent."""
    if isinstance(security, CommunitySecurity):
        return Envelope(security.version, security.head, security.community)
    assert isinstance(security, UserSecurity)
    return Envelope(Version.V3)
