"""Agents that misbehave, for tests of the station: whatever they do is counted, and costs only themselves."""

from collections.abc import Callable

from simulator import agent_ber as ber
from simulator.agent import NO_ERROR, TOO_BIG, V1, V2C, Pdu, read_pdu, response
from simulator.chance import key_of

SLOW_S = 5.0

Misbehave = Callable[[bytes], bytes | None]
"""What a misbehaving agent makes of a request; None is silence."""


def _request(data: bytes) -> tuple[int, bytes, Pdu]:
    start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    version, at = ber.read_integer(data, start, end)
    community, at = ber.read_octets(data, at, end)
    if version not in (V1, V2C):
        raise ber.BerError("these agents speak v1 and v2c")
    return version, community, read_pdu(data, at, end)


def _reply(data: bytes, make: Callable[[Pdu], bytes]) -> bytes:
    version, community, pdu = _request(data)
    return ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.text(community) + make(pdu))


def _next(name: bytes) -> bytes:
    """The same OID with its last sub-identifier one higher: a table without end."""
    _, start, end = ber.header(name, 0, len(name))
    oid = ber.read_oid(name[start:end])
    return ber.varbind(ber.oid((*oid[:-1], (oid[-1] + 1) % 2**32)), ber.integer(1))


def _endless(data: bytes) -> bytes:
    return _reply(data, lambda pdu: response(pdu.request_id, NO_ERROR, 0, b"".join(map(_next, pdu.names))))


def _loop(data: bytes) -> bytes:
    """Every GETNEXT comes back to the object it was asked from."""
    return _reply(
        data, lambda pdu: response(pdu.request_id, NO_ERROR, 0, b"".join(ber.varbind(name, ber.integer(1)) for name in pdu.names))
    )


def _too_big(data: bytes) -> bytes:
    return _reply(data, lambda pdu: response(pdu.request_id, TOO_BIG, 0, b""))


def _garbage(data: bytes) -> bytes:
    """Octets that look like a message at first and are none."""
    return data[:7] + b"".join(key_of(data.hex(), n).to_bytes(8) for n in range(16))


KINDS: dict[str, Misbehave] = {
    "endless": _endless,
    "loop": _loop,
    "toobig": _too_big,
    "garbage": _garbage,
    "dead": lambda data: None,
}
SLOW = "slow"
