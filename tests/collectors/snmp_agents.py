"""An agent on a real UDP socket that answers honestly, or however a test wants it to misbehave."""

import asyncio
import bisect
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from collectors.codecs import ber, snmp, usm
from collectors.codecs.ber import Oid, parse_oid
from collectors.codecs.snmp import (
    COUNTER32,
    COUNTER64,
    END_OF_MIB_VIEW,
    NO_SUCH_INSTANCE,
    TIME_TICKS,
    Message,
    Pdu,
    PduType,
    VarBind,
    Version,
)
from collectors.codecs.usm import Keys, Parameters
from collectors.snmp.credentials import SnmpCredential

IF, IFX = parse_oid("1.3.6.1.2.1.2.2.1"), parse_oid("1.3.6.1.2.1.31.1.1.1")
SYS_UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")
USM_STATS = parse_oid("1.3.6.1.6.3.15.1.1")
_STATES, _COUNTERS_32, _COUNTERS_64 = (7, 8), (10, 11, 13, 14, 16, 17, 19, 20), (6, 7, 10, 11)


def interfaces(*indexes: int, wide: bool = True) -> dict[Oid, VarBind]:
    """sysUpTime and the columns the station polls; interface n is called `eth<n>` and counts n thousand."""
    cells = [VarBind(SYS_UPTIME, TIME_TICKS, 50_000)]
    for n in indexes:
        cells += [VarBind((*IF, 2, n), ber.OCTET_STRING, f"eth{n}".encode()), VarBind((*IFX, 1, n), ber.OCTET_STRING, f"eth{n}".encode())]
        cells += [VarBind((*IF, column, n), ber.INTEGER, 1) for column in _STATES]
        cells += [VarBind((*IF, column, n), COUNTER32, 1000 * n) for column in _COUNTERS_32]
        if wide:
            cells += [VarBind((*IFX, column, n), COUNTER64, 1000 * n) for column in _COUNTERS_64]
            cells.append(VarBind((*IFX, 19, n), TIME_TICKS, 0))
    return {cell.oid: cell for cell in cells}


@dataclass
class Asked:
    """One request, and ways to answer it."""

    agent: "Agent"
    request: bytes
    message: Message
    peer: tuple[str, int]

    @property
    def pdu(self) -> Pdu:
        assert isinstance(self.message.pdu, Pdu)
        return self.message.pdu

    def answer(self, varbinds: tuple[VarBind, ...] | None = None, status: int = 0, index: int = 0, request_id: int | None = None) -> bytes:
        """A response as octets; without `varbinds` the honest one."""
        found = self.agent.found(self.pdu) if varbinds is None else varbinds
        body = b"".join(map(self.agent.encode, found))
        number = self.pdu.request_id if request_id is None else request_id
        head = b"".join(map(ber.encode_integer, (number, status, index)))
        pdu = ber.tlv(PduType.RESPONSE, head + ber.tlv(ber.SEQUENCE, body))
        return ber.sequence((ber.encode_integer(self.message.version), ber.tlv(ber.OCTET_STRING, self.message.community), pdu))

    def honestly(self) -> None:
        """What a sound agent does: in v1 a name it does not have is an error."""
        found = self.agent.found(self.pdu)
        if self.message.version is Version.V1:
            missing = [i for i, cell in enumerate(found, 1) if cell.tag in snmp.EXCEPTIONS]
            if missing:
                return self.send(self.answer(self.pdu.varbinds, status=2, index=missing[0]))
        return self.send(self.answer(found))

    def send(self, data: bytes, *, after_s: float = 0.0, from_elsewhere: bool = False) -> None:
        sock = self.agent.elsewhere if from_elsewhere else self.agent.sock
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self.agent.send, sock, data, self.peer)
        else:
            self.agent.send(sock, data, self.peer)


Behave = Callable[[Asked], None]


@dataclass
class Agent:
    """What it holds; `raw` are octets sent for a value instead of its own; `behave` answers requests."""

    cells: dict[Oid, VarBind]
    behave: Behave = Asked.honestly
    raw: dict[Oid, bytes] = field(default_factory=dict)
    asked: list[Pdu] = field(default_factory=list)
    v3: "Engine | None" = None
    port: int = 0
    address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self.names = sorted(self.cells)
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.sock, self.elsewhere = (socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2))

    def hold(self, cells: dict[Oid, VarBind]) -> None:
        """Hold something else from now on."""
        self.cells, self.names = cells, sorted(cells)

    def encode(self, cell: VarBind) -> bytes:
        raw = self.raw.get(cell.oid)
        return ber.sequence((ber.encode_oid(cell.oid), raw)) if raw is not None else snmp.encode_varbind(cell)

    def found(self, pdu: Pdu) -> tuple[VarBind, ...]:
        names = [varbind.oid for varbind in pdu.varbinds]
        if pdu.type is PduType.GET:
            return tuple(self.cells.get(name, VarBind(name, NO_SUCH_INSTANCE, None)) for name in names)
        rounds, cursors, cells = (pdu.error_index if pdu.type is PduType.GET_BULK else 1), names, []
        for _ in range(rounds):
            row = [self.after(name) for name in cursors]
            cells += row
            cursors = [cell.oid for cell in row]
        return tuple(cells[:500])

    def after(self, name: Oid) -> VarBind:
        at = bisect.bisect_right(self.names, name)
        return self.cells[self.names[at]] if at < len(self.names) else VarBind(name, END_OF_MIB_VIEW, None)

    def send(self, sock: socket.socket, data: bytes, peer: tuple[str, int]) -> None:
        if sock.fileno() >= 0:
            sock.sendto(data, peer)

    def _readable(self) -> None:
        while True:
            try:
                data, peer = self.sock.recvfrom(65_535)
            except BlockingIOError:
                return
            if self.v3 is not None:
                self.v3.heard(self, data, peer)
                continue
            message = snmp.decode(data)
            asked = Asked(self, data, message, peer)
            self.asked.append(asked.pdu)
            self.behave(asked)


@asynccontextmanager
async def running(agent: Agent) -> AsyncIterator[Agent]:
    """The agent on a free port."""
    loop = asyncio.get_running_loop()
    agent.sock.bind((agent.address, 0))
    agent.elsewhere.bind((agent.address, 0))
    agent.port = agent.sock.getsockname()[1]
    loop.add_reader(agent.sock, agent._readable)
    try:
        yield agent
    finally:
        loop.remove_reader(agent.sock)
        agent.sock.close()
        agent.elsewhere.close()


@dataclass
class Engine:
    """The authoritative engine of a v3 agent; its clock and its answers can be bent by a test."""

    user: SnmpCredential
    boots: int = 3
    time_s: int = 1000
    engine_id: bytes = b"\x80\0\x1f\x88\x01\x7f\0\0\x01"
    bend: Callable[[bytes], bytes] = bytes
    report: int = 0  # answer every authentic request by this Report
    heard_n: int = 0

    @property
    def keys(self) -> Keys:
        user = self.user
        return usm.localised_keys(user.auth, user.auth_password, user.priv, user.priv_password, self.engine_id)

    def heard(self, agent: Agent, data: bytes, peer: tuple[str, int]) -> None:
        frame = snmp.decode_v3(data)
        asked, keys = usm.decode_parameters(frame.security), self.keys
        if asked.engine_id != self.engine_id:
            return agent.send(agent.sock, self._report(frame.msg_id, 4, Keys()), peer)
        assert usm.verify(keys, data, asked)
        if asked.boots != self.boots or abs(asked.time_s - self.time_s) > usm.TIME_WINDOW_S:
            return agent.send(agent.sock, self._report(frame.msg_id, 2, Keys(keys.auth, None, keys.auth_key)), peer)
        self.heard_n += 1
        if self.report:
            return agent.send(agent.sock, self._report(frame.msg_id, self.report, Keys(keys.auth, None, keys.auth_key)), peer)
        pdu = snmp.decode_scoped(usm.decrypt(keys, frame.scoped, asked) if keys.priv else frame.scoped).pdu
        agent.asked.append(pdu)
        answer = Pdu(PduType.RESPONSE, pdu.request_id, varbinds=agent.found(pdu))
        return agent.send(agent.sock, self.bend(self._seal(frame.msg_id, keys, answer)), peer)

    def _report(self, msg_id: int, counter: int, keys: Keys) -> bytes:
        return self._seal(msg_id, keys, Pdu(PduType.REPORT, 0, varbinds=(VarBind((*USM_STATS, counter, 0), COUNTER32, 1),)))

    def _seal(self, msg_id: int, keys: Keys, pdu: Pdu) -> bytes:
        scoped, salt = snmp.encode_scoped(snmp.ScopedPdu(self.engine_id, b"", pdu)), b""
        if keys.priv:
            scoped, salt = usm.encrypt(keys, scoped, self.boots, self.time_s, self.heard_n)
        digest = bytes(usm.DIGEST_OCTETS[keys.auth]) if keys.auth else b""
        user = self.user.user.encode() if keys.auth else b""
        security = usm.encode_parameters(Parameters(self.engine_id, self.boots, self.time_s, user, digest, salt))
        flags = (1 if keys.auth else 0) | (2 if keys.priv else 0)
        message = snmp.encode_v3(snmp.V3Frame(msg_id, 65_507, flags, snmp.SECURITY_USM, security, scoped))
        return usm.sign(keys, message) if keys.auth else message
