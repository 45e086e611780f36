"""The agents' SNMPv3: USM (RFC 3414) with the reports that engine discovery and time synchronisation need.

message  SEQUENCE { 3, { msgID, msgMaxSize, msgFlags, msgSecurityModel }, UsmSecurityParameters, scoped PDU }   RFC 3412
"""

import time
from dataclasses import dataclass, field, replace
from itertools import count

from collectors.codecs import usm
from collectors.codecs.ber import DecodeError
from simulator import agent_ber as ber
from simulator.agent import MAX_MESSAGE_OCTETS, V3, Agent, read_pdu, response
from simulator.informs import Heard
from simulator.mib import engine_id
from simulator.network import NS_PER_S, Network
from simulator.world import Device

USER, PASSWORD = "trunkline", "simulated-network"
AUTH_FLAG, PRIV_FLAG, REPORTABLE = 1, 2, 4
USM_MODEL = 3
MAX_TIME_S = 2**31 - 1
USM_STATS: tuple[int, ...] = (1, 3, 6, 1, 6, 3, 15, 1, 1)
UNSUPPORTED_LEVEL, NOT_IN_TIME_WINDOW, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST, DECRYPTION = 1, 2, 3, 4, 5, 6

_salts = count(1)
_NOTHING = ber.tlv(ber.GET, ber.integer(0) + ber.integer(0) + ber.integer(0) + ber.tlv(ber.SEQUENCE, b""))


@dataclass(frozen=True, slots=True)
class _Header:
    """A message before its scoped PDU; `data` is that PDU, encrypted where the flags say so."""

    message_id: int
    max_size: int
    flags: int
    parameters: usm.Parameters
    data: bytes


def scoped_pdu(engine: bytes, pdu: bytes) -> bytes:
    return ber.tlv(ber.SEQUENCE, ber.text(engine) + ber.text(b"") + pdu)


def sealed(authority: usm.Parameters, keys: usm.Keys, scoped: bytes, *, message_id: int, flags: int) -> bytes:
    """A scoped PDU as a message under an authoritative engine's id and clock, secured as the flags say."""
    digest, salt = b"", b""
    if flags & PRIV_FLAG:
        encrypted, salt = usm.encrypt(keys, scoped, authority.boots, authority.time_s, next(_salts))
        scoped = ber.text(encrypted)
    if flags & AUTH_FLAG:
        digest = bytes(usm.DIGEST_OCTETS[usm.Auth.SHA256])
    parameters = usm.encode_parameters(replace(authority, digest=digest, salt=salt))
    head = ber.integer(message_id) + ber.integer(MAX_MESSAGE_OCTETS) + ber.text(bytes((flags,))) + ber.integer(USM_MODEL)
    whole = ber.tlv(ber.SEQUENCE, ber.integer(V3) + ber.tlv(ber.SEQUENCE, head) + ber.text(parameters) + scoped)
    return usm.sign(keys, whole) if flags & AUTH_FLAG else whole


@dataclass(slots=True)
class Engine:
    """The authoritative engine of one device and its one user. `reports` counts usmStats by their last number."""

    network: Network
    device: Device
    reports: dict[int, int] = field(default_factory=dict)

    @property
    def id(self) -> bytes:
        return engine_id(self.device)

    @property
    def keys(self) -> usm.Keys:
        return usm.localised_keys(usm.Auth.SHA256, PASSWORD, usm.Priv.AES128, PASSWORD, self.id)

    def clock(self, now_ns: int) -> tuple[int, int]:
        """(snmpEngineBoots, snmpEngineTime)."""
        status, number = self.network.status, self.device.number
        return status.boots[number], max(0, now_ns - status.boot_ns[number]) // NS_PER_S % MAX_TIME_S

    def message(self, pdu: bytes, now_ns: int, *, message_id: int, flags: int, user: bytes = USER.encode()) -> bytes:
        """A PDU as a message of this engine, secured as the flags say."""
        boots, time_s = self.clock(now_ns)
        authority = usm.Parameters(self.id, boots, time_s, user, b"", b"")
        return sealed(authority, self.keys, scoped_pdu(self.id, pdu), message_id=message_id, flags=flags)

    def report(self, header: _Header, reason: int, now_ns: int, flags: int = 0) -> bytes | None:
        """The report of a refused message, where its sender wants one (RFC 3412, section 7.1, step 3)."""
        self.reports[reason] = self.reports.get(reason, 0) + 1
        if not header.flags & REPORTABLE:
            return None
        varbind = ber.varbind(ber.oid((*USM_STATS, reason, 0)), ber.integer(self.reports[reason], ber.COUNTER32))
        pdu = response(0, 0, 0, varbind, ber.REPORT)
        return self.message(pdu, now_ns, message_id=header.message_id, flags=flags, user=header.parameters.user)


def answer(agent: Agent, engine: Engine, data: bytes, now_ns: int) -> bytes | None:
    """The response or report to a v3 message; None for silence. BerError when it is no message."""
    try:
        header = _read(data)
        refused, report = _check(engine, header, data, now_ns)
        if refused:
            return report
        scoped = usm.decrypt(engine.keys, header.data, header.parameters) if header.flags & PRIV_FLAG else header.data
    except DecodeError as error:
        raise ber.BerError("not an SNMPv3 message") from error
    try:
        start, end = ber.expect(scoped, 0, len(scoped), ber.SEQUENCE)
        _, at = ber.read_octets(scoped, start, end)
        _, at = ber.read_octets(scoped, at, end)
        pdu = read_pdu(scoped, at, end)
    except ber.BerError:
        return engine.report(header, DECRYPTION, now_ns) if header.flags & PRIV_FLAG else None
    reply = agent.reply(pdu, V3, now_ns, min(MAX_MESSAGE_OCTETS, header.max_size))
    level = header.flags & (AUTH_FLAG | PRIV_FLAG)
    return None if reply is None else engine.message(reply, now_ns, message_id=header.message_id, flags=level)


def _check(engine: Engine, header: _Header, data: bytes, now_ns: int) -> tuple[bool, bytes | None]:
    """Whether a message is refused, and the report on that (RFC 3414, section 3.2, steps 3 to 7)."""
    parameters = header.parameters
    if parameters.engine_id != engine.id:
        return True, engine.report(header, UNKNOWN_ENGINE, now_ns)
    if parameters.user != USER.encode():
        return True, engine.report(header, UNKNOWN_USER, now_ns)
    if not header.flags & AUTH_FLAG:
        return True, engine.report(header, UNSUPPORTED_LEVEL, now_ns)
    if not usm.verify(engine.keys, data, parameters):
        return True, engine.report(header, WRONG_DIGEST, now_ns)
    boots, time_s = engine.clock(now_ns)
    if parameters.boots != boots or abs(parameters.time_s - time_s) > usm.TIME_WINDOW_S:
        return True, engine.report(header, NOT_IN_TIME_WINDOW, now_ns, AUTH_FLAG)
    return False, None


def _read(data: bytes) -> _Header:
    start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    _, at = ber.read_integer(data, start, end)
    inner, stop = ber.expect(data, at, end, ber.SEQUENCE)
    message_id, inner = ber.read_integer(data, inner, stop)
    max_size, inner = ber.read_integer(data, inner, stop)
    flags, inner = ber.read_octets(data, inner, stop)
    model, _ = ber.read_integer(data, inner, stop)
    if model != USM_MODEL or len(flags) != 1:
        raise ber.BerError("not the user-based security model")
    security, at = ber.read_octets(data, stop, end)
    tag = ber.OCTET_STRING if flags[0] & PRIV_FLAG else ber.SEQUENCE
    inner, stop = ber.expect(data, at, end, tag)
    return _Header(message_id, max_size, flags[0], usm.decode_parameters(security), data[inner if flags[0] & PRIV_FLAG else at : stop])


def in_v3(network: Network, device: Device, pdu: bytes, request_id: int, now_ns: int) -> bytes:
    """A trap PDU as an authenticated and encrypted message of the device's own engine (RFC 3414, section 1.5.1)."""
    return Engine(network, device).message(pdu, now_ns, message_id=request_id, flags=AUTH_FLAG | PRIV_FLAG)


class V3Dialect:
    """Informs under the receiver's engine, which is the authority for them: its id and clock are learned from its reports."""

    def __init__(self) -> None:
        self._receiver = usm.Parameters(b"", 0, 0, USER.encode(), b"", b"")
        self._keys = usm.Keys()
        self._heard_s = 0.0

    def seal(self, device: Device, pdu: bytes, request_id: int) -> bytes:
        scoped = scoped_pdu(engine_id(device), pdu)
        if not self._receiver.engine_id:  # RFC 3414, section 4: an empty message makes the receiver tell who it is
            nobody = replace(self._receiver, user=b"")
            return sealed(nobody, usm.Keys(), scoped_pdu(b"", _NOTHING), message_id=request_id, flags=REPORTABLE)
        since_s = int(time.monotonic() - self._heard_s) if self._receiver.boots else 0
        authority = replace(self._receiver, time_s=self._receiver.time_s + since_s)
        return sealed(authority, self._keys, scoped, message_id=request_id, flags=AUTH_FLAG | PRIV_FLAG | REPORTABLE)

    def heard(self, data: bytes) -> Heard:
        try:
            header = _read(data)
            known = header.parameters
            scoped = usm.decrypt(self._keys, header.data, known) if header.flags & PRIV_FLAG else header.data
        except DecodeError as error:
            raise ber.BerError("not an SNMPv3 message") from error
        start, end = ber.expect(scoped, 0, len(scoped), ber.SEQUENCE)
        _, at = ber.read_octets(scoped, start, end)
        _, at = ber.read_octets(scoped, at, end)
        pdu = read_pdu(scoped, at, end)
        if pdu.tag == ber.RESPONSE and header.flags & AUTH_FLAG and usm.verify(self._keys, data, known):
            return Heard(pdu.request_id)
        return Heard(again=self._learn(header, data))

    def _learn(self, header: _Header, data: bytes) -> bool:
        """Take the engine id of a first report, and the clock of one that is authentic; whether that is news."""
        known = header.parameters
        if known.engine_id != self._receiver.engine_id:
            if self._receiver.engine_id or not known.engine_id:
                return False
            self._receiver = replace(self._receiver, engine_id=known.engine_id)
            self._keys = usm.localised_keys(usm.Auth.SHA256, PASSWORD, usm.Priv.AES128, PASSWORD, known.engine_id)
            return True
        if not header.flags & AUTH_FLAG or not usm.verify(self._keys, data, known):
            return False  # who is not authentic sets no clock (RFC 3414, section 3.2, step 7)
        self._receiver = replace(self._receiver, boots=known.boots, time_s=known.time_s)
        self._heard_s = time.monotonic()
        return True
