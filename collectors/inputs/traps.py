"""The receiver of SNMP notifications: traps and informs of v1, v2c and v3, named by the shipped MIB modules.

Fields are keyed by object name without instance; of an enumeration the label is given (`ifAdminStatus` = "down").
`index` is the instance of the first variable that has one: many notifications say only there what they are about.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping

import structlog

from collectors.batched_udp import BATCH, BatchedUdp, open_socket, peer_of
from collectors.codecs import plain_notices, snmp, usm
from collectors.codecs.ber import DecodeError, Oid, parse_oid
from collectors.codecs.snmp import FLAG_AUTH, FLAG_PRIV, FLAG_REPORTABLE, Message, Pdu, PduType, TrapV1, V3Frame, VarBind, Version
from collectors.codecs.usm import Keys, Parameters
from collectors.metrics import TRAP_SENDERS, TRAPS_KERNEL_DROPPED, TRAPS_RECEIVED, TRAPS_REFUSED
from collectors.mibs import Mibs
from collectors.senders import SENDERS_MAX, Senders
from collectors.settings import TrapSettings
from collectors.snmp.credentials import SnmpCredential
from inventory.topology import Topology
from station.batch import Fields, Notification
from station.channel import Channel
from station.clock import Clock

log = structlog.get_logger("traps")

_SNMP_TRAP_OID = parse_oid("1.3.6.1.6.3.1.1.4.1.0")
_SNMP_TRAPS = parse_oid("1.3.6.1.6.3.1.1.5")
_TRAP_ADDRESS = parse_oid("1.3.6.1.6.3.18.1.3.0")
_SYS_UPTIME = parse_oid("1.3.6.1.2.1.1.3.0")
_NOT_IN_WINDOW, _UNKNOWN_ENGINE = 2, 4  # the last arc of the usmStats counters
_USM_STATS = parse_oid("1.3.6.1.6.3.15.1.1")
_ENTERPRISE_SPECIFIC = 6
RECEIVES_A_TURN = 16  # of BATCH datagrams: what is heard together is stored together, and others have their turn
BATCHES_WAITING = 64  # of up to 1,024 notifications; a full queue drops the newest, counted
FIELDS_MAX = 64
KEPT_MEANINGS = 20_000  # of what v2c messages say; then remembering begins anew
MEANING_OCTETS_MAX = 2_048  # longer ones are decoded each time
_DROPS_EVERY_S = 5.0


class Receiver:
    """Turns datagrams into notifications. `heard` is pure but for the counters; `run` does the input and output."""

    def __init__(
        self, settings: TrapSettings, *, topology: Callable[[], Topology], mibs: Mibs, out: Channel[tuple[Notification, ...]], clock: Clock
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._mibs = mibs
        self._out = out
        self._clock = clock
        self._senders = Senders(settings.rate_per_s, settings.burst)
        self._communities = frozenset(c.get_secret_value().encode() for c in settings.communities)
        users = [u.credential(name) for name, u in settings.users.items() if u.version == "3"]
        self._again = 0  # heard again and not yet counted
        self._addresses: dict[bytes, str] = {}
        self._meant: dict[bytes, tuple[str, Mapping[str, str]]] = {}
        self._received = {version: TRAPS_RECEIVED.labels(version.name.lower()) for version in Version}
        self._users = {user.user.encode(): user for user in users}
        self._engine_id = b"\x80\x00\x00\x00\x05" + os.urandom(12)
        self._boots, self._started_s = int(time.time()) & usm.MAX_BOOTS, time.monotonic()  # never smaller after a restart
        self.port = 0

    async def run(self) -> None:
        """Receive until cancelled."""
        udp = BatchedUdp(open_socket(self._settings.address, self._settings.port, self._settings.receive_octets))
        self.port = int(udp.sock.getsockname()[1])
        waiting: asyncio.Queue[tuple[Notification, ...]] = asyncio.Queue(BATCHES_WAITING)
        loop = asyncio.get_running_loop()
        loop.add_reader(udp.sock, self._readable, udp, waiting)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch_drops(udp))
                while True:
                    await self._out.put(await waiting.get())
        finally:
            loop.remove_reader(udp.sock)
            udp.close()

    async def _watch_drops(self, udp: BatchedUdp) -> None:
        while True:
            TRAPS_KERNEL_DROPPED.set(udp.drops())
            TRAP_SENDERS.set(len(self._senders))
            await asyncio.sleep(_DROPS_EVERY_S)

    def _readable(self, udp: BatchedUdp, waiting: "asyncio.Queue[tuple[Notification, ...]]") -> None:
        found: list[Notification] = []
        replies: list[tuple[bytes, bytes]] = []
        for _ in range(RECEIVES_A_TURN):
            datagrams, now_ns = udp.receive(), self._clock.now_ns()
            for data, name in datagrams:
                notification, reply = self._heard_at(data, self._addresses.get(name[2:]) or self._address_of(name), now_ns)
                if notification is not None:
                    found.append(notification)
                if reply:
                    replies.append((reply, name))
            if len(datagrams) < BATCH:
                break
        self._received[Version.V2C].inc(self._again)
        self._again = 0
        if found and waiting.full():
            TRAPS_REFUSED.labels("queue_full").inc(len(found))
            return  # an inform that is not kept is not answered: its sender tries again
        if found:
            waiting.put_nowait(tuple(found))
        udp.send(replies)

    def _address_of(self, name: bytes) -> str:
        """Who a datagram is from, as text, remembered without the port: the same few senders say most."""
        if len(self._addresses) >= SENDERS_MAX:
            self._addresses.clear()
        address = self._addresses[name[2:]] = peer_of(name)[0]
        return address

    def heard(self, data: bytes, source: str) -> tuple[Notification | None, bytes]:
        """(the notification or None, the answer to send back or b"") for one datagram."""
        return self._heard_at(data, source, self._clock.now_ns())

    def _heard_at(self, data: bytes, source: str, now_ns: int) -> tuple[Notification | None, bytes]:
        if not self._senders.allow(source, now_ns):
            TRAPS_REFUSED.labels("storm").inc()
            return None, b""
        if (known := self._heard_again(data, source, now_ns)) is not None:
            return known
        try:
            version = snmp.version_of(data)
            self._received[version].inc()
            return self._heard_v3(data, source, now_ns) if version is Version.V3 else self._heard_plain(data, source, now_ns)
        except DecodeError as error:
            TRAPS_REFUSED.labels(error.reason).inc()
            if self._senders.first_time_malformed(source):
                log.warning("trap_refused", source=source, reason=error.reason)
            return None, b""

    def _heard_again(self, data: bytes, source: str, now_ns: int) -> tuple[Notification, bytes] | None:
        """The answer of `heard` for a message that says what another said before; None for any other."""
        notice = plain_notices.outside(data)
        meant = self._meant.get(notice.said) if notice else None
        if notice is None or meant is None or (self._communities and notice.community not in self._communities):
            return None
        self._again += 1
        reply = plain_notices.answer(data, notice) if notice.tag == plain_notices.INFORM else b""
        return Notification(now_ns, source, self._topology().addresses.get(source, 0), "snmp_trap", meant[0], "", meant[1]), reply

    def _remember(self, data: bytes, told: Notification) -> None:
        notice = plain_notices.outside(data)
        if notice is not None and len(notice.said) <= MEANING_OCTETS_MAX:
            if len(self._meant) >= KEPT_MEANINGS:
                self._meant.clear()
            self._meant[notice.said] = told.name, Fields(told.fields)

    def _heard_plain(self, data: bytes, source: str, now_ns: int) -> tuple[Notification | None, bytes]:
        message = snmp.decode(data)
        if self._communities and message.community not in self._communities:
            raise DecodeError("community")
        pdu = as_v2(message.pdu) if isinstance(message.pdu, TrapV1) else message.pdu
        notification = self._notification(pdu, source, now_ns, authenticated=False)
        self._remember(data, notification)
        reply = snmp.encode(Message(message.version, message.community, _response(pdu))) if pdu.type is PduType.INFORM else b""
        return notification, reply

    def _heard_v3(self, data: bytes, source: str, now_ns: int) -> tuple[Notification | None, bytes]:
        frame = snmp.decode_v3(data)
        parameters = usm.decode_parameters(frame.security)
        user = self._users.get(parameters.user)
        if frame.flags & FLAG_REPORTABLE and parameters.engine_id != self._engine_id:  # an inform looks for our engine
            return None, self._report(frame, _UNKNOWN_ENGINE, Keys())
        if user is None:
            raise DecodeError("unknown_user")
        keys = _keys(user, parameters.engine_id)
        if frame.flags & 3 != (FLAG_AUTH if keys.auth else 0) | (FLAG_PRIV if keys.priv else 0):
            raise DecodeError("unsupported_security_level")
        if keys.auth and not usm.verify(keys, data, parameters):
            raise DecodeError("wrong_digest")
        if keys.auth and parameters.engine_id == self._engine_id and not self._in_window(parameters):
            return None, self._report(frame, _NOT_IN_WINDOW, keys)
        scoped = snmp.decode_scoped(usm.decrypt(keys, frame.scoped, parameters) if keys.priv else frame.scoped)
        notification = self._notification(scoped.pdu, source, now_ns, authenticated=keys.auth is not None)
        if scoped.pdu.type is not PduType.INFORM:
            return notification, b""
        answer = snmp.ScopedPdu(scoped.engine_id, scoped.context, _response(scoped.pdu))
        return notification, self._seal(frame.msg_id, parameters.user, keys, answer)

    def _time_s(self) -> int:
        return int(time.monotonic() - self._started_s)

    def _in_window(self, parameters: Parameters) -> bool:
        return parameters.boots == self._boots and abs(parameters.time_s - self._time_s()) <= usm.TIME_WINDOW_S

    def _report(self, frame: V3Frame, counter: int, keys: Keys) -> bytes:
        """A Report as RFC 3414, 3.2 wants it; signed, never encrypted, where the sender could be authenticated."""
        pdu = Pdu(PduType.REPORT, 0, varbinds=(VarBind((*_USM_STATS, counter, 0), snmp.COUNTER32, 1),))
        signing = Keys(keys.auth, None, keys.auth_key)
        user = usm.decode_parameters(frame.security).user
        return self._seal(frame.msg_id, user, signing, snmp.ScopedPdu(self._engine_id, b"", pdu))

    def _seal(self, msg_id: int, user: bytes, keys: Keys, scoped: snmp.ScopedPdu) -> bytes:
        payload, salt, time_s = snmp.encode_scoped(scoped), b"", self._time_s()
        if keys.priv:
            payload, salt = usm.encrypt(keys, payload, self._boots, time_s, int.from_bytes(os.urandom(8)))
        digest = bytes(usm.DIGEST_OCTETS[keys.auth]) if keys.auth else b""
        security = usm.encode_parameters(Parameters(self._engine_id, self._boots, time_s, user, digest, salt))
        flags = (FLAG_AUTH if keys.auth else 0) | (FLAG_PRIV if keys.priv else 0)
        message = snmp.encode_v3(V3Frame(msg_id, 65_507, flags, snmp.SECURITY_USM, security, payload))
        return usm.sign(keys, message) if keys.auth else message

    def _notification(self, pdu: Pdu, source: str, now_ns: int, *, authenticated: bool) -> Notification:
        if pdu.type not in (PduType.TRAP, PduType.INFORM):
            raise DecodeError("pdu", pdu.type.name)
        values = {varbind.oid: varbind.value for varbind in pdu.varbinds}
        trap = values.get(_SNMP_TRAP_OID)
        if not isinstance(trap, tuple):
            raise DecodeError("no_trap_oid")
        varbinds = [v for v in pdu.varbinds[:FIELDS_MAX] if v.oid not in (_SNMP_TRAP_OID, _SYS_UPTIME)]
        fields = dict(self._mibs.field(v.oid, v.value) for v in varbinds)
        if index := next((found for v in varbinds if (found := self._mibs.instance(v.oid))), ""):
            fields.setdefault("index", index)
        addresses = self._topology().addresses
        named = values.get(_TRAP_ADDRESS)
        sender = named if authenticated and isinstance(named, str) and named in addresses else source
        return Notification(now_ns, source, addresses.get(sender, 0), "snmp_trap", self._mibs.notification(trap), "", fields, authenticated)


def as_v2(trap: TrapV1) -> Pdu:
    """A v1 trap as the v2 trap it stands for (RFC 3584, 3.1)."""
    if trap.generic == _ENTERPRISE_SPECIFIC:
        name: Oid = (*trap.enterprise, 0, trap.specific)
    else:
        name = (*_SNMP_TRAPS, trap.generic + 1)
    head = (VarBind(_SYS_UPTIME, snmp.TIME_TICKS, trap.timestamp_cs), VarBind(_SNMP_TRAP_OID, 6, name))
    return Pdu(PduType.TRAP, 0, varbinds=(*head, *trap.varbinds, VarBind(_TRAP_ADDRESS, snmp.IP_ADDRESS, trap.agent_address)))


def _response(pdu: Pdu) -> Pdu:
    return Pdu(PduType.RESPONSE, pdu.request_id, varbinds=pdu.varbinds)


def _keys(user: SnmpCredential, engine_id: bytes) -> Keys:
    return usm.localised_keys(user.auth, user.auth_password, user.priv, user.priv_password, engine_id)
