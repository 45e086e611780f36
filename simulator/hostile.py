"""Agents that misbehave, for tests of the station: whatever they do is counted, and costs only themselves."""

from collections.abc import Callable
from dataclasses import replace

from simulator import agent_ber as ber
from simulator.agent import GEN_ERR, NO_ERROR, TOO_BIG, V1, V2C, Pdu, read_pdu, response
from simulator.chance import key_of
from simulator.mib import table
from simulator.network import Network
from simulator.tables import Table
from simulator.world import Device

SLOW_S = 5.0
BUSY_S = 0.02  # one request after the other, as small agents do it
DROPPED = 3  # of ten requests
SMALL = 8  # variables that fit an answer of a small agent
RENUMBER_BY = 1000  # what each boot adds to every ifIndex
REBOOT_EVERY_S = 90.0

Proper = Callable[[], bytes | None]
"""What the agent would answer if it behaved."""

Misbehave = Callable[[bytes, Proper], bytes | None]
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


def _endless(data: bytes, proper: Proper) -> bytes:
    return _reply(data, lambda pdu: response(pdu.request_id, NO_ERROR, 0, b"".join(map(_next, pdu.names))))


def _loop(data: bytes, proper: Proper) -> bytes:
    """Every GETNEXT comes back to the object it was asked from."""
    return _reply(
        data, lambda pdu: response(pdu.request_id, NO_ERROR, 0, b"".join(ber.varbind(name, ber.integer(1)) for name in pdu.names))
    )


def _too_big(data: bytes, proper: Proper) -> bytes:
    return _reply(data, lambda pdu: response(pdu.request_id, TOO_BIG, 0, b""))


def _small(data: bytes, proper: Proper) -> bytes | None:
    """tooBig for all but the smallest requests."""
    return proper() if len(_request(data)[2].names) <= SMALL else _too_big(data, proper)


def _general_error(data: bytes, proper: Proper) -> bytes:
    """genErr about the first variable, as agents say whose subagent is gone."""
    return _reply(data, lambda pdu: response(pdu.request_id, GEN_ERR, 1, pdu.varbinds))


def _drops(data: bytes, proper: Proper) -> bytes | None:
    """Silence on three requests of ten; the same request is not always lost, as its id differs."""
    return None if key_of(data.hex(), "drop") % 10 < DROPPED else proper()


def _garbage(data: bytes, proper: Proper) -> bytes:
    """Octets that look like a message at first and are none."""
    return data[:7] + b"".join(key_of(data.hex(), n).to_bytes(8) for n in range(16))


KINDS: dict[str, Misbehave] = {
    "endless": _endless,
    "loop": _loop,
    "toobig": _too_big,
    "small": _small,
    "generr": _general_error,
    "drops": _drops,
    "garbage": _garbage,
    "dead": lambda data, proper: None,
}
SLOW, BUSY = "slow", "busy"
REBOOTS, RENUMBERS = "reboots", "renumbers"
ALL = (*KINDS, SLOW, BUSY, REBOOTS, RENUMBERS)


def renumbered(network: Network, device: Device) -> Table:
    """The device's table with another ifIndex for every interface after each boot (RFC 2863, section 3.1.5)."""
    more = RENUMBER_BY * network.status.boots[device.number]
    interfaces = tuple(replace(interface, if_index=interface.if_index + more) for interface in device.interfaces)
    return table(network, replace(device, interfaces=interfaces))
