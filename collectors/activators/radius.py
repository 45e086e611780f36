"""RADIUS dynamic authorisation (RFC 5176): change what a running session may do, or end it."""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pyrad.packet import CoAACK, CoANAK, CoAPacket, CoARequest, DisconnectACK, DisconnectNAK, DisconnectRequest, PacketError

from collectors.inputs.radius import dictionary

TIMEOUT_S: Final = 2.0
SENDS: Final = 3  # the same packet, as RFC 5080, section 2.2.1 wants it
_KNOWN: Final = frozenset((CoAACK, CoANAK, DisconnectACK, DisconnectNAK))


class AuthorisationError(Exception):
    """The server did not do it: it is silent, or says no (`refused`)."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Server:
    """An access server's dynamic authorisation port and the shared secret."""

    address: str
    port: int
    secret: bytes


async def change(server: Server, attributes: Mapping[str, Any]) -> None:
    """CoA-Request: the session that the identifying attributes name gets the others. AuthorisationError."""
    await _ask(server, CoARequest, attributes)


async def disconnect(server: Server, attributes: Mapping[str, Any]) -> None:
    """Disconnect-Request: the session ends. AuthorisationError."""
    await _ask(server, DisconnectRequest, attributes)


async def _ask(server: Server, code: int, attributes: Mapping[str, Any]) -> None:
    packet = CoAPacket(code, secret=server.secret, dict=dictionary(), message_authenticator=True)
    for name, value in attributes.items():
        packet.AddAttribute(name, value)
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    raw = packet.RequestPacket()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Answer(packet, answer), remote_addr=(server.address, server.port))
    try:
        for _ in range(SENDS):
            transport.sendto(raw)
            await asyncio.wait([answer], timeout=TIMEOUT_S)
            if answer.done():
                break
    finally:
        transport.close()
    if not answer.done():
        raise AuthorisationError(f"{server.address} did not answer")
    if answer.result() in (CoANAK, DisconnectNAK):
        raise AuthorisationError(f"{server.address} refused", refused=True)


class _Answer(asyncio.DatagramProtocol):
    """Sets the code of the first answer with the right authenticator; anything else is not heard."""

    def __init__(self, packet: CoAPacket, answer: "asyncio.Future[int]") -> None:
        self._packet, self._answer = packet, answer

    def datagram_received(self, data: bytes, _addr: Any) -> None:
        try:
            reply = self._packet.CreateReply(packet=data)
            right = reply.code in _KNOWN and self._packet.VerifyReply(reply, data)
        except (PacketError, struct.error, ValueError, IndexError, KeyError, TypeError):
            return
        if right and not self._answer.done():
            self._answer.set_result(reply.code)

    def error_received(self, _exc: Exception) -> None:
        """Nobody listens there: the next send may find somebody."""
