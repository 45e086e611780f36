"""RADIUS accounting in (RFC 2866, gigawords and timestamps of RFC 2869): who used how much on which line.

A request is answered when what it says is durable: a NAS repeats what was not answered, and what was taken twice counts
once. Requests of unknown clients or with a wrong authenticator are counted and never answered, as the RFC wants it.
"""

import asyncio
import ipaddress
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Final

import structlog
from pydantic import Field, field_validator
from pyrad.dictionary import Dictionary
from pyrad.packet import AcctPacket, PacketError

from station.clock import NS_PER_S, Clock
from station.data import data_dir
from station.metrics import counter
from station.settings import Settings

RECEIVED = counter("radius_requests", "RADIUS accounting requests taken, by status type.", "status")
REFUSED = counter("radius_refused", "RADIUS datagrams not taken, by reason.", "reason")

WAITING_MAX: Final = 10_000  # datagrams; more are dropped, and sent again by their NAS
AT_ONCE: Final = 500  # requests made durable together
ACCOUNTING_REQUEST: Final = 4
HEADER: Final = struct.Struct("!BBH16s")
GIGAWORD: Final = 32  # bits
log = structlog.get_logger(__name__)

Peer = tuple[str, int]


class Status(IntEnum):
    """Acct-Status-Type."""

    START = 1
    STOP = 2
    INTERIM = 3
    ON = 7
    OFF = 8


@dataclass(frozen=True, slots=True)
class Accounting:
    """What one request says: cumulative octets and seconds of a session, seen from the NAS (`in` comes from the user)."""

    nas: str
    status: Status
    session: str
    names: Mapping[str, str]  # by attribute name: who or what line the session is
    time_ns: int
    in_octets: int = 0
    out_octets: int = 0
    seconds: int = 0

    @property
    def of_session(self) -> bool:
        """Whether it speaks of one session, and not of the NAS as a whole."""
        return self.status not in (Status.ON, Status.OFF)


Take = Callable[[Sequence[Accounting]], Awaitable[None]]


class RadiusClient(Settings):
    """`[[radius.clients]]`: `network` is an address or a CIDR; `credential` a login in the vault whose password is the shared secret."""

    network: str
    credential: str

    @field_validator("network")
    @classmethod
    def _is_network(cls, value: str) -> str:
        ipaddress.ip_network(value)
        return value


class RadiusSettings(Settings):
    """`[radius]`: accounting only; without clients nothing is opened."""

    address: str = "127.0.0.1"
    port: int = Field(1_813, ge=1, le=65_535)
    clients: tuple[RadiusClient, ...] = ()
    service_attribute: str = Field("User-Name", description="the attribute that names the service: User-Name, Class, NAS-Port-Id, ...")


@cache
def dictionary() -> Dictionary:
    """The attributes that are read and written, by name."""
    return Dictionary(str(data_dir("config") / "radius" / "dictionary"))


class Radius:
    """The receiver; `run` works until cancelled. `take` returns once its records are durable."""

    def __init__(self, settings: RadiusSettings, clock: Clock, secret: Callable[[str], Mapping[str, str]], take: Take) -> None:
        self._settings, self._clock, self._secret, self._take = settings, clock, secret, take
        self._networks = [(ipaddress.ip_network(client.network), client.credential) for client in settings.clients]
        self._waiting: deque[tuple[bytes, Peer]] = deque()
        self._came = asyncio.Event()

    async def run(self) -> None:
        if not self._networks:
            return
        where = (self._settings.address, self._settings.port)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Listener(self.put), local_addr=where)
        try:
            while True:
                await self._came.wait()
                for reply, peer in await self.turn():
                    transport.sendto(reply, peer)
        finally:
            transport.close()

    def put(self, payload: bytes, peer: Peer) -> None:
        """A datagram as it came; dropped when too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            REFUSED.labels("too_many").inc()
            return
        self._waiting.append((payload, peer))
        self._came.set()

    async def turn(self) -> list[tuple[bytes, Peer]]:
        """Take what waits, at most AT_ONCE; the answers to send, none when it could not be made durable."""
        now_ns = self._clock.now_ns()
        asked: list[tuple[AcctPacket, Peer]] = []
        records: list[Accounting] = []
        while self._waiting and len(asked) < AT_ONCE:
            payload, peer = self._waiting.popleft()
            try:
                packet = self._opened(payload, peer[0])
                record = accounting(packet, peer[0], now_ns)
            except RadiusError as error:
                REFUSED.labels(str(error)).inc()
                continue
            RECEIVED.labels(record.status.name.lower()).inc()
            asked.append((packet, peer))
            records.append(record)
        if not self._waiting:
            self._came.clear()
        if not records:
            return []
        try:
            await self._take(records)
        except OSError as error:
            log.warning("session accounting not stored", error=str(error), requests=len(records))
            REFUSED.labels("not_stored").inc(len(records))
            return []
        return [(packet.CreateReply().ReplyPacket(), peer) for packet, peer in asked]

    def _opened(self, payload: bytes, source: str) -> AcctPacket:
        """The request of a known client with the right authenticator; RadiusError names the reason it is none."""
        address = ipaddress.ip_address(source)
        credential = next((name for network, name in self._networks if address in network), None)
        if credential is None:
            raise RadiusError("unknown_client")
        secret = self._secret(credential).get("password", "").encode()
        if not secret:
            raise RadiusError("no_secret")
        if len(payload) < HEADER.size:
            raise RadiusError("malformed")
        code, _, length, _ = HEADER.unpack_from(payload)
        if code != ACCOUNTING_REQUEST or not HEADER.size <= length <= len(payload):
            raise RadiusError("malformed")
        try:
            packet = AcctPacket(packet=payload[:length], secret=secret, dict=dictionary())
            right = packet.VerifyAcctRequest()
        except (PacketError, struct.error, ValueError, IndexError, KeyError, TypeError) as error:
            raise RadiusError("malformed") from error
        if not right:
            raise RadiusError("wrong_authenticator")
        return packet


class RadiusError(Exception):
    """The reason a datagram is not taken, as it is counted."""


def accounting(packet: AcctPacket, source: str, now_ns: int) -> Accounting:
    """What a verified request says; RadiusError("malformed") where it lacks its status or its session."""
    names = packet.keys()  # names; what iterating over a packet gives are numbers
    said = {name: _value(packet, name) for name in names if isinstance(name, str)}
    try:
        status = Status(_number(said, "Acct-Status-Type"))
    except ValueError as error:
        raise RadiusError("malformed") from error
    session = str(said.get("Acct-Session-Id", ""))
    told_s = _number(said, "Event-Timestamp") or now_ns // NS_PER_S - _number(said, "Acct-Delay-Time")
    made = Accounting(
        nas=str(said.get("NAS-Identifier") or said.get("NAS-IP-Address") or said.get("NAS-IPv6-Address") or source),
        status=status,
        session=session,
        names={name: str(value) for name, value in said.items() if isinstance(value, str)},
        time_ns=told_s * NS_PER_S,
        in_octets=_number(said, "Acct-Input-Gigawords") << GIGAWORD | _number(said, "Acct-Input-Octets"),
        out_octets=_number(said, "Acct-Output-Gigawords") << GIGAWORD | _number(said, "Acct-Output-Octets"),
        seconds=_number(said, "Acct-Session-Time"),
    )
    if made.of_session and not session:
        raise RadiusError("malformed")
    return made


def _value(packet: AcctPacket, name: str) -> Any:
    """The first value of an attribute; None where its octets are not of its type."""
    try:
        value = packet[name][0]
    except (PacketError, struct.error, ValueError, IndexError, KeyError, TypeError):
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, put: Callable[[bytes, Peer], None]) -> None:
        self._put = put

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._put(data, (addr[0], addr[1]))
