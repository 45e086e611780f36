"""Asks one agent: get, getbulk and walk, gently (few requests at once) and within a budget of time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collectors.batched_udp import peer_name
from collectors.codecs import ber, snmp
from collectors.codecs.ber import DecodeError, Oid
from collectors.codecs.snmp import NO_SUCH_INSTANCE, ErrorStatus, Pdu, PduType, VarBind
from collectors.metrics import SNMP_PROBLEMS, SNMP_RETRIES
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine, Exchange
from collectors.snmp.security import OpenedPdu, ReportError, security_for
from collectors.snmp.walk import CELLS_MAX, Table, Walk

RESYNCS_MAX = 3  # discovery, time, and one more for an engine that changed meanwhile
_RECOVER = 1.1  # how fast a smaller answer size grows again after success


class SnmpError(Exception):
    """An agent did not give what was asked; `reason` is one word for a counter."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class TargetUnreachableError(SnmpError):
    """No answer in time, retries included."""


class UnreadableError(SnmpError):
    """The agent answered this request, but not as the protocol has it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How one agent may be asked. A profile can tighten or widen it."""

    outstanding: int = 2
    varbinds: int = 60  # per answer aimed at, so that it fits one packet of 1,500 octets
    timeout_s: float = 1.5  # before any answer has been timed
    timeout_min_s: float = 0.5
    timeout_max_s: float = 8.0
    retries: int = 2
    budget_s: float = 30.0
    cells_max: int = CELLS_MAX


class SnmpClient:
    """One agent under one credential. Keeps its round-trip time, the size of answers it can give, and its problems."""

    def __init__(self, engine: Engine, address: str, port: int, credential: SnmpCredential, limits: Limits | None = None) -> None:
        self.address = address
        self.port = port
        self.credential = credential
        self.limits = limits or Limits()
        self.problems: Counter[str] = Counter()
        self.replies = 0  # answers that were this agent's own
        self.security = security_for(credential)
        self._engine = engine
        self._name = peer_name(address, port)
        self._slots = asyncio.Semaphore(self.limits.outstanding)
        self._discovering = asyncio.Lock()
        self._srtt_s = 0.0
        self._rttvar_s = 0.0
        self._varbinds = float(self.limits.varbinds)

    @property
    def timeout_s(self) -> float:
        """How long to wait for an answer: RFC 6298 over this agent's own times."""
        if not self._srtt_s:
            return self.limits.timeout_s
        return min(max(self._srtt_s + 4 * self._rttvar_s, self.limits.timeout_min_s), self.limits.timeout_max_s)

    def problem(self, reason: str, n: int = 1) -> None:
        """Count what this agent did wrong."""
        self.problems[reason] += n
        SNMP_PROBLEMS.labels(reason).inc(n)

    async def get(self, oids: Sequence[Oid]) -> list[VarBind]:
        """The variables in the order asked; one the agent will not give has the tag noSuchInstance. SnmpError otherwise."""
        size = max(1, int(self._varbinds))
        parts = [tuple(oids[i : i + size]) for i in range(0, len(oids), size)]
        try:
            async with asyncio.timeout(self.limits.budget_s):
                answers = [await self._get_part(part) for part in parts]
        except TimeoutError:
            self.problem("deadline")
            raise SnmpError("deadline", f"{self.address}:{self.port}") from None
        return [varbind for answer in answers for varbind in answer]

    async def getbulk(self, oids: Sequence[Oid], *, non_repeaters: int = 0, max_repetitions: int = 10) -> tuple[VarBind, ...]:
        """One GETBULK (v1: one GETNEXT) as the agent answers it; SnmpError for an error-status."""
        pdu = await self._ask(self._next_pdu(tuple(oids), non_repeaters, max_repetitions))
        if pdu.error_status:
            raise SnmpError(status_name(pdu.error_status))
        return pdu.varbinds

    async def walk(self, columns: Sequence[Oid], *, budget_s: float | None = None) -> Table:
        """The columns whole, as far as the agent and the budget allow; what failed is in `problems`. Raises when nothing answers."""
        walk = Walk(columns, self.limits.cells_max)
        try:
            async with asyncio.timeout(budget_s or self.limits.budget_s):
                while walk.active:
                    await self._walk_step(walk, walk.active[: max(1, int(self._varbinds))])
        except TimeoutError:
            walk.table.problems.append("deadline")
        for reason in walk.table.problems:
            self.problem(reason)
        return walk.table

    async def ask_raw(self, pdu_head: bytes, pdu_tail: bytes) -> OpenedPdu:
        """The answer to an encoded PDU, given as what stands before and after its four octets of request-id."""
        attempts, resyncs = 0, 0
        async with self._slots:
            while True:
                await self._discover()
                request_id = self._engine.new_id()
                request = self.security.seal(request_id, pdu_head + request_id.to_bytes(4) + pdu_tail)
                try:
                    return self.security.open(await self._exchange(request_id, request, attempts))
                except ReportError as report:
                    resyncs += 1
                    self.problem(report.reason)
                    if not report.resync or resyncs > RESYNCS_MAX:
                        raise SnmpError(report.reason) from report
                except DecodeError as error:
                    attempts = self._failed(attempts, error.reason)
                except TimeoutError:
                    attempts = self._failed(attempts, self._engine.malformed_from(self._name) or "timeout")

    async def _discover(self) -> None:
        """Learn a v3 agent's engine id once, however many requests wait for it."""
        if self.security.ready:
            return
        async with self._discovering:
            attempts = 0
            while not self.security.ready:
                request_id = self._engine.new_id()
                try:
                    self.security.open(await self._exchange(request_id, self.security.discovery(request_id), attempts))
                    attempts = self._failed(attempts, "discovery")
                except ReportError as report:
                    if not report.resync:
                        raise SnmpError(report.reason) from report
                except DecodeError as error:
                    attempts = self._failed(attempts, error.reason)
                except TimeoutError:
                    attempts = self._failed(attempts, self._engine.malformed_from(self._name) or "timeout")

    def _failed(self, attempts: int, reason: str) -> int:
        """Count a failed attempt; raise when it was the last."""
        self.problem(reason)
        if attempts >= self.limits.retries:
            if reason == "timeout":
                raise TargetUnreachableError("timeout", f"{self.address}:{self.port}")
            raise SnmpError(reason, f"{self.address}:{self.port}")
        SNMP_RETRIES.inc()
        return attempts + 1

    async def _exchange(self, request_id: int, request: bytes, attempts: int) -> bytes:
        """The datagram that answers, or TimeoutError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        exchange = Exchange(request_id, self._name, request, _answer(answer), _time_out(answer))
        self._engine.send(exchange, min(self.timeout_s * 2**attempts, self.limits.timeout_max_s))
        try:
            data = await answer
        finally:
            self._engine.forget(exchange)
        self.replies += 1
        self._timed(loop.time() - exchange.sent_s)
        return data

    def _timed(self, rtt_s: float) -> None:
        """RFC 6298, section 2; every attempt has an id of its own, so each time measured is one request's."""
        if not self._srtt_s:
            self._srtt_s, self._rttvar_s = rtt_s, rtt_s / 2
            return
        self._rttvar_s += (abs(self._srtt_s - rtt_s) - self._rttvar_s) / 4
        self._srtt_s += (rtt_s - self._srtt_s) / 8

    async def _ask(self, pdu: Pdu, columns: Sequence[Oid] = ()) -> Pdu:
        """The response PDU to a request PDU; of a walk's `columns` nothing behind their ends."""
        head, tail = split_at_id(pdu)
        buffer, start, stop = await self.ask_raw(head, tail)
        try:
            return decode_response(buffer, start, stop, columns)
        except DecodeError as error:
            self.problem(error.reason)
            raise UnreadableError(error.reason, str(error)) from error

    async def _get_part(self, oids: tuple[Oid, ...]) -> list[VarBind]:
        try:
            pdu = await self._ask(Pdu(PduType.GET, 0, varbinds=snmp.asking(oids)))
        except UnreadableError:
            return await self._get_halves(oids)
        if pdu.error_status == ErrorStatus.NO_ERROR and tuple(v.oid for v in pdu.varbinds) == oids:
            return list(pdu.varbinds)
        if pdu.error_status == ErrorStatus.NO_SUCH_NAME and 1 <= pdu.error_index <= len(oids):
            at = pdu.error_index - 1
            rest = oids[:at] + oids[at + 1 :]
            answers = await self._get_part(rest) if rest else []
            return [*answers[:at], VarBind(oids[at], NO_SUCH_INSTANCE, None), *answers[at:]]
        reason = status_name(pdu.error_status) if pdu.error_status else ("empty" if not pdu.varbinds else "mismatch")
        self.problem(reason)
        if reason == "too_big":
            self._shrink()
        return await self._get_halves(oids)

    async def _get_halves(self, oids: tuple[Oid, ...]) -> list[VarBind]:
        """Find out which variable the agent chokes on; that one counts as not there."""
        if len(oids) == 1:
            return [VarBind(oids[0], NO_SUCH_INSTANCE, None)]
        half = len(oids) // 2
        return [*await self._get_part(oids[:half]), *await self._get_part(oids[half:])]

    def _next_pdu(self, oids: tuple[Oid, ...], non_repeaters: int, max_repetitions: int) -> Pdu:
        if self.credential.version == "1":
            return Pdu(PduType.GET_NEXT, 0, varbinds=snmp.asking(oids))
        return Pdu(PduType.GET_BULK, 0, non_repeaters, max_repetitions, snmp.asking(oids))

    async def _walk_step(self, walk: Walk, columns: list[Oid]) -> None:
        repetitions = max(1, int(self._varbinds) // len(columns))
        try:
            pdu = await self._ask(self._next_pdu(walk.cursors(columns), 0, repetitions), columns)
        except SnmpError as error:
            if isinstance(error, TargetUnreachableError) and (repetitions == 1 or not self._srtt_s):
                raise
            return self._smaller(walk, columns, repetitions, error.reason)
        if pdu.error_status == ErrorStatus.NO_SUCH_NAME and self.credential.version == "1":
            walk.end(columns[min(max(pdu.error_index, 1), len(columns)) - 1])
            return None
        if pdu.error_status:
            return self._smaller(walk, columns, repetitions, status_name(pdu.error_status))
        active = len(walk.active)
        if not walk.take(columns, pdu.varbinds) and len(walk.active) == active:
            return self._smaller(walk, columns, repetitions, "empty")
        self._varbinds = min(self._varbinds * _RECOVER, self.limits.varbinds)
        return None

    def _smaller(self, walk: Walk, columns: list[Oid], repetitions: int, reason: str) -> None:
        """After a refusal ask for less; when there is no less, the column ends."""
        if repetitions == 1 and len(columns) == 1:
            walk.end(columns[0], reason)
            return
        self.problem(reason)
        self._shrink(len(columns) * repetitions)

    def _shrink(self, asked: int | None = None) -> None:
        self._varbinds = max(1.0, min(self._varbinds, asked or self._varbinds) / 2)


def split_at_id(pdu: Pdu) -> tuple[bytes, bytes]:
    """An encoded request before and after the four octets of its request-id."""
    tail = ber.encode_integer(pdu.error_status) + ber.encode_integer(pdu.error_index) + ber.sequence(map(snmp.encode_varbind, pdu.varbinds))
    return bytes((pdu.type,)) + ber.length_octets(6 + len(tail)) + b"\x02\x04", tail


def decode_response(buffer: bytes, start: int, stop: int, columns: Sequence[Oid] = ()) -> Pdu:
    """The Response PDU in a buffer, or DecodeError; of a walk's `columns` nothing behind their ends."""
    pdu = snmp.decode_pdu(buffer, start, stop, columns)
    if pdu.type is not PduType.RESPONSE:
        raise DecodeError("pdu", pdu.type.name)
    return pdu


def status_name(status: int) -> str:
    """The reason that an error-status stands for."""
    try:
        return ErrorStatus(status).name.lower()
    except ValueError:
        return "error_status"


def _answer(future: "asyncio.Future[bytes]") -> Callable[[bytes], None]:
    return lambda data: None if future.done() else future.set_result(data)


def _time_out(future: "asyncio.Future[bytes]") -> Callable[[], None]:
    return lambda: None if future.done() else future.set_exception(TimeoutError())
