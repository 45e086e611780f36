"""How a PDU becomes a message to one agent and back: by community (v1, v2c) or by user (v3, RFC 3414). No I/O."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from collectors.codecs import ber, snmp, usm
from collectors.codecs.ber import DecodeError
from collectors.codecs.snmp import FLAG_AUTH, FLAG_PRIV, FLAG_REPORTABLE, PduType, V3Frame
from collectors.codecs.usm import Keys, Parameters
from collectors.snmp.credentials import SnmpCredential

MESSAGE_SIZE: Final = ber.MAX_MESSAGE
_USM_STATS: Final = (1, 3, 6, 1, 6, 3, 15, 1, 1)
_REPORTS: Final = {
    1: "unsupported_security_level",
    2: "not_in_time_window",
    3: "unknown_user",
    4: "unknown_engine",
    5: "wrong_digest",
    6: "decryption_error",
}

OpenedPdu = tuple[bytes, int, int]
"""A buffer and where in it the PDU starts and stops."""


class ReportError(Exception):
    """The agent answered with a Report; `resync` when asking again now may succeed."""

    def __init__(self, reason: str, *, resync: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.resync = resync


class Security(Protocol):
    """Seals and opens the messages of one agent. `ready` is False until a discovery has been answered."""

    ready: bool

    def discovery(self, request_id: int) -> bytes: ...

    def seal(self, request_id: int, pdu: bytes) -> bytes: ...

    def open(self, data: bytes) -> OpenedPdu: ...


def security_for(credential: SnmpCredential, monotonic_s: Callable[[], float] = time.monotonic) -> Security:
    """The security of one agent under a credential."""
    return UserSecurity(credential, monotonic_s) if credential.version == "3" else CommunitySecurity(credential)


class CommunitySecurity:
    """v1 and v2c: a community in clear."""

    ready = True

    def __init__(self, credential: SnmpCredential) -> None:
        self.version = credential.wire_version
        self.community = credential.community.encode()
        self.head = ber.encode_integer(self.version) + ber.tlv(ber.OCTET_STRING, self.community)

    def discovery(self, request_id: int) -> bytes:
        raise AssertionError(f"a community needs no discovery ({request_id})")

    def seal(self, request_id: int, pdu: bytes) -> bytes:
        return ber.tlv(ber.SEQUENCE, self.head + pdu)

    def open(self, data: bytes) -> OpenedPdu:
        start, stop = ber.expect(data, 0, len(data), ber.SEQUENCE)
        version, pos = ber.read_integer(data, start, stop)
        if version != self.version:
            raise DecodeError("version", str(version))
        community, pos = ber.read_octets(data, pos, stop)
        if community != self.community:
            raise DecodeError("community")
        return data, pos, stop


@dataclass(frozen=True, slots=True)
class Terms:
    """What the compiled steps need to speak for a user on an engine whose clock showed `time_s` `age_s` ago."""

    engine_id: bytes
    user: bytes
    context: bytes  # contextEngineID and contextName, encoded
    keys: Keys = field(repr=False)
    level: int
    boots: int
    time_s: int
    age_s: float
    confirmed: bool


class UserSecurity:
    """v3 with one user on one authoritative engine: engine discovery, time synchronisation, Reports.

    Time learned without authentication is a first guess only: an authenticated message must confirm it, and
    nothing unauthenticated moves it afterwards. An authenticated Report that answers our own fresh msgID may
    move time either way, since it cannot be a replay (an agent whose clock went backwards is not lost).
    """

    def __init__(self, credential: SnmpCredential, monotonic_s: Callable[[], float]) -> None:
        self._credential = credential
        self._user = credential.user.encode()
        self._monotonic_s = monotonic_s
        self._level = (FLAG_AUTH if credential.auth else 0) | (FLAG_PRIV if credential.priv else 0)
        self.ready = False
        self.engine_id = b""
        self._keys = Keys()
        self._boots = 0
        self._time_s = 0
        self._synced_s = 0.0
        self._confirmed = False
        self._salt = time.time_ns()

    def terms(self) -> Terms:
        """As things stand now."""
        context = ber.tlv(ber.OCTET_STRING, self.engine_id) + ber.tlv(ber.OCTET_STRING, self._credential.context.encode())
        age_s = self._monotonic_s() - self._synced_s
        return Terms(
            self.engine_id, self._user, context, self._keys, self._level, self._boots, self._time_s, age_s, confirmed=self._confirmed
        )

    def discovery(self, request_id: int) -> bytes:
        """A request without an engine id, which the agent answers with a Report naming its own (RFC 3414, 4)."""
        pdu = snmp.encode_pdu(snmp.Pdu(PduType.GET, request_id))
        security = usm.encode_parameters(Parameters(b"", 0, 0, b""))
        frame = V3Frame(request_id, MESSAGE_SIZE, FLAG_REPORTABLE, snmp.SECURITY_USM, security, snmp.wrap_scoped(b"", b"", pdu))
        return snmp.encode_v3(frame)

    def seal(self, request_id: int, pdu: bytes) -> bytes:
        boots, time_s = self._boots, self._engine_time_s()
        scoped = snmp.wrap_scoped(self.engine_id, self._credential.context.encode(), pdu)
        salt = b""
        if self._level & FLAG_PRIV:
            self._salt += 1
            scoped, salt = usm.encrypt(self._keys, scoped, boots, time_s, self._salt)
        digest = bytes(usm.DIGEST_OCTETS[self._keys.auth]) if self._keys.auth else b""
        security = usm.encode_parameters(Parameters(self.engine_id, boots, time_s, self._user, digest, salt))
        frame = V3Frame(request_id, MESSAGE_SIZE, self._level | FLAG_REPORTABLE, snmp.SECURITY_USM, security, scoped)
        message = snmp.encode_v3(frame)
        return usm.sign(self._keys, message) if self._keys.auth else message

    def open(self, data: bytes) -> OpenedPdu:
        """The PDU of an answer; ReportError for a Report, DecodeError where the security is not right."""
        frame = snmp.decode_v3(data)
        if frame.security_model != snmp.SECURITY_USM:
            raise DecodeError("security", f"model {frame.security_model}")
        parameters = usm.decode_parameters(frame.security)
        authenticated = bool(frame.flags & FLAG_AUTH)
        if authenticated and not self._authentic(data, parameters):
            raise DecodeError("wrong_digest")
        scoped = usm.decrypt(self._keys, frame.scoped, parameters) if frame.flags & FLAG_PRIV and self._keys.priv else frame.scoped
        _, _, pos, stop = snmp.scoped_head(scoped)
        tag, _, _ = ber.read_tlv(scoped, pos, stop)
        if tag == PduType.REPORT:
            raise self._report(snmp.decode_scoped(scoped).pdu, parameters, authenticated=authenticated)
        if frame.flags & 3 != self._level:
            raise DecodeError("security", "level below the one asked")
        if authenticated:
            self._follow(parameters)
        return scoped, pos, stop

    def _authentic(self, data: bytes, parameters: Parameters) -> bool:
        known = self.ready and self._keys.auth is not None and parameters.engine_id == self.engine_id
        return known and usm.verify(self._keys, data, parameters)

    def _engine_time_s(self) -> int:
        return min(self._time_s + int(self._monotonic_s() - self._synced_s), usm.MAX_BOOTS) if self.ready else 0

    def _sync(self, parameters: Parameters) -> None:
        self._boots, self._time_s, self._synced_s = parameters.boots, parameters.time_s, self._monotonic_s()

    def _follow(self, parameters: Parameters) -> None:
        """Time from an authenticated answer (RFC 3414, 3.2, step 7b): only forwards once confirmed, in the window."""
        theirs, ours = (parameters.boots, parameters.time_s), (self._boots, self._engine_time_s())
        if self._confirmed and (theirs[0] < ours[0] or (theirs[0] == ours[0] and theirs[1] < ours[1] - usm.TIME_WINDOW_S)):
            raise DecodeError("not_in_time_window", f"{theirs} against {ours}")
        if not self._confirmed or theirs > ours:
            self._sync(parameters)
        self._confirmed = True

    def _report(self, pdu: snmp.Pdu, parameters: Parameters, *, authenticated: bool) -> ReportError:
        oid = pdu.varbinds[0].oid if pdu.varbinds else ()
        reason = (
            _REPORTS.get(oid[len(_USM_STATS)], "report")
            if oid[: len(_USM_STATS)] == _USM_STATS and len(oid) > len(_USM_STATS)
            else "report"
        )
        if reason == "unknown_engine" and parameters.engine_id and parameters.engine_id != self.engine_id:
            self._learn(parameters)
            return ReportError(reason, resync=True)
        if reason == "not_in_time_window" and (authenticated or not self._level):
            self._sync(parameters)
            self._confirmed = authenticated
            return ReportError(reason, resync=True)
        return ReportError(reason)

    def _learn(self, parameters: Parameters) -> None:
        credential = self._credential
        self.engine_id = parameters.engine_id
        self._keys = usm.localised_keys(
            credential.auth, credential.auth_password, credential.priv, credential.priv_password, self.engine_id
        )
        self._sync(parameters)
        self._confirmed = False
        self.ready = True
