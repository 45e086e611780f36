"""Polling IF-MIB: 14 columns x 48 interfaces of many agents, varbinds per client CPU-second, beside gufo-snmp and pysnmp.

python -m benchmarks.snmp_walk [--json] [--quick]

The agents are one process that answers from precomputed replies with the request-id patched in, by compiled code
and many datagrams a system call; each has its own loopback address. Only the client's CPU is counted, user and
system, all its threads. Ours runs from the socket to finished SampleBatches with series numbers, all checks on.
"""

import argparse
import asyncio
import ctypes
import json
import logging
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import warnings
from bisect import bisect_right
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from gufo.snmp import Aes128Key, Sha256Key, SnmpVersion, User
from gufo.snmp.aio import SnmpSession

from collectors.batched_udp import open_socket
from collectors.codecs import ber, snmp, usm
from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.codecs.snmp import COUNTER32, COUNTER64, END_OF_MIB_VIEW, NO_SUCH_INSTANCE, TIME_TICKS, Message, Pdu, PduType, VarBind
from collectors.datagrams import DATAGRAMS, Datagrams
from collectors.snmp.client import Limits, SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.plan import SYS_UPTIME, Item, Plan, build
from collectors.snmp.sweeper import Sweeper
from collectors.snmp.wire import Ended, warm
from station.clock import SystemClock
from station.series import series_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated names of its own while it is imported
    from pysnmp.hlapi.v3arch import asyncio as hlapi

Array = npt.NDArray[Any]
gufo_version, pysnmp_version = version("gufo-snmp"), version("pysnmp")
INTERFACES = 48
IF, IFX = parse_oid("1.3.6.1.2.1.2.2.1"), parse_oid("1.3.6.1.2.1.31.1.1.1")
COLUMNS: tuple[Oid, ...] = (
    *((*IF, column) for column in (7, 8, 13, 14, 19, 20)),
    *((*IFX, column) for column in (6, 7, 8, 9, 10, 11, 12, 13)),
)
VALUES_PER_AGENT = len(COLUMNS) * INTERFACES
STATES = (*IF, 7), (*IF, 8)
PORT = 16_161
IP_PKTINFO = 8
USM_STATS = parse_oid("1.3.6.1.6.3.15.1.1")
COMMUNITY = SnmpCredential(community="public")
USER = SnmpCredential(
    version="3", user="bench", auth_protocol="sha256", auth_password="authentic-1", priv_protocol="aes128", priv_password="private-12"
)


def address(n: int) -> str:
    """The loopback address of agent n."""
    return f"127.66.{n >> 8}.{n & 255}"


# --- the agents


class Mib:
    """What every agent holds, and its answers to GET, GETNEXT and GETBULK as octets."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self.cells: dict[Oid, VarBind] = {SYS_UPTIME: VarBind(SYS_UPTIME, TIME_TICKS, 123_456_789)}
        for column in COLUMNS:
            for index in range(1, INTERFACES + 1):
                oid = (*column, index)
                if column in STATES:
                    self.cells[oid] = VarBind(oid, ber.INTEGER, 1)
                elif column[:-1] == IF:
                    self.cells[oid] = VarBind(oid, COUNTER32, int(rng.integers(0, 1000)))
                else:
                    self.cells[oid] = VarBind(oid, COUNTER64, int(rng.integers(0, 1 << int(rng.integers(20, 50)))))

    @cached_property
    def names(self) -> list[Oid]:
        return sorted(self.cells)

    def answer(self, request: bytes) -> bytes:
        message = snmp.decode(request)
        pdu = message.pdu
        assert isinstance(pdu, Pdu), pdu
        asked = [varbind.oid for varbind in pdu.varbinds]
        found: list[VarBind] = []
        if pdu.type is PduType.GET:
            found = [self.cells.get(oid, VarBind(oid, NO_SUCH_INSTANCE, None)) for oid in asked]
        elif pdu.type is PduType.GET_NEXT:
            found = [self._after(oid) for oid in asked]
        else:
            found = [self._after(oid) for oid in asked[: pdu.error_status]]
            cursors = asked[pdu.error_status :]
            for _ in range(min(pdu.error_index, 60 // max(1, len(cursors)))):
                row = [self._after(oid) for oid in cursors]
                found += row
                cursors = [varbind.oid for varbind in row]
        return snmp.encode(Message(message.version, message.community, Pdu(PduType.RESPONSE, pdu.request_id, varbinds=tuple(found))))

    def _after(self, oid: Oid) -> VarBind:
        at = bisect_right(self.names, oid)
        return self.cells[self.names[at]] if at < len(self.names) else VarBind(oid, END_OF_MIB_VIEW, None)


@numba.njit(nogil=True, cache=True)
def _request_id(data: Array, at: int) -> tuple[int, int]:  # where the request-id's octets are, and how many
    for _ in range(1):
        at += 2 if data[at + 1] < 0x80 else 2 + (data[at + 1] & 0x7F)
    at += 2 + data[at + 1]  # version
    at += 2 + data[at + 1]  # community
    at += 2 if data[at + 1] < 0x80 else 2 + (data[at + 1] & 0x7F)
    return at + 2, data[at + 1]


@numba.njit(nogil=True, cache=True)
def reply(
    rx: Array, rx_slot: int, rx_headers: Array, tx: Array, tx_slot: int, iovecs: Array, n: int, hashes: Array, places: Array, store: Array
) -> int:  # answer datagrams from the store; the first that is unknown, else n
    for i in range(n):
        at, length = i * rx_slot, np.int64(rx_headers[16 * i + 14])
        id_at, octets = _request_id(rx, at)
        digest = np.uint64(14695981039346656037)
        for j in range(at, at + length):
            if j < id_at or j >= id_at + octets:
                digest = (digest ^ np.uint64(rx[j])) * np.uint64(1099511628211)
        mask = len(hashes) - 1
        place = np.int64(digest & np.uint64(mask))
        while hashes[place] != digest:
            if hashes[place] == 0:
                return i
            place = (place + 1) & mask
        start, size, reply_id = places[place, 0], places[place, 1], places[place, 2]
        to = i * tx_slot
        tx[to : to + size] = store[start : start + size]
        tx[to + reply_id : to + reply_id + octets] = rx[id_at : id_at + octets]
        iovecs[2 * i + 1] = size
    return n


class Replies:
    """Replies by the hash of their request without its id."""

    def __init__(self, mib: Mib) -> None:
        self.mib = mib
        self.hashes = np.zeros(1 << 16, np.uint64)
        self.places = np.zeros((1 << 16, 3), np.int64)
        self.store = np.zeros(1 << 26, np.uint8)
        self.used = 0

    def learn(self, request: bytes) -> None:
        octets = np.frombuffer(request, np.uint8)
        id_at, length = _request_id(octets, 0)
        digest = 14695981039346656037
        for j, octet in enumerate(request):
            if not id_at <= j < id_at + length:
                digest = (digest ^ octet) * 1099511628211 % 2**64
        answer = self.mib.answer(request)
        place = digest % len(self.hashes)
        while self.hashes[place]:
            place = (place + 1) % len(self.hashes)
        self.store[self.used : self.used + len(answer)] = np.frombuffer(answer, np.uint8)
        self.hashes[place] = digest
        self.places[place] = self.used, len(answer), _request_id(np.frombuffer(answer, np.uint8), 0)[0]
        self.used += len(answer)


def open_agents(port: int) -> socket.socket:
    """A socket on every loopback address that tells which of them was asked."""
    sock = open_socket("0.0.0.0", port, 32 << 20)
    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    sock.setblocking(True)
    sock.settimeout(0.2)
    return sock


def respond() -> None:
    """Answer on every loopback address until the parent is gone. A reply leaves from the address that was asked."""
    sock = open_agents(PORT)
    threading.Thread(target=respond_v3, daemon=True).start()
    rx, tx = Datagrams(4096), Datagrams(4096)
    control = np.zeros(DATAGRAMS * 64, np.uint8)
    rx_words, tx_words = rx.headers.view(np.uint64), tx.headers.view(np.uint64)
    replies, libc = Replies(Mib()), ctypes.CDLL(None, use_errno=True)
    tx_words[0::8] = rx_words[0::8]  # to whom it came from
    for i in range(DATAGRAMS):
        rx_words[8 * i + 4] = tx_words[8 * i + 4] = control.ctypes.data + 64 * i
    probe = snmp.encode(Message(snmp.Version.V2C, b"public", Pdu(PduType.GET, 1, varbinds=snmp.asking((SYS_UPTIME,)))))
    replies.learn(probe)  # compiles what is compiled before the first request comes
    reply(rx.payload, 4096, rx.headers, tx.payload, 4096, tx.iovecs, 0, replies.hashes, replies.places, replies.store)
    parent = os.getppid()
    print("ready", flush=True)
    while os.getppid() == parent:
        rx_words[5::8] = 64
        rx.headers[2::16] = 28
        n = libc.recvmmsg(sock.fileno(), ctypes.c_void_p(rx.headers.ctypes.data), DATAGRAMS, 0x10000, ctypes.c_void_p(0))
        if n <= 0:
            continue
        while (
            miss := reply(rx.payload, 4096, rx.headers, tx.payload, 4096, tx.iovecs, n, replies.hashes, replies.places, replies.store)
        ) < n:
            replies.learn(rx.got(miss))
        tx.headers[2::16] = 16
        tx_words[5::8] = rx_words[5::8]
        tx.send(sock, n)


class Sealed:
    """The v3 side of one agent, its engine named by its address: opens requests, seals what `Mib` answers."""

    def __init__(self, mib: Mib, host: bytes) -> None:
        self.mib, self.engine_id = mib, b"\x80\0\x1f\x88\1" + host
        self.keys = usm.localised_keys(USER.auth, USER.auth_password, USER.priv, USER.priv_password, self.engine_id)
        self.started_s, self.salt = time.monotonic(), 0

    def answer(self, data: bytes, cache: dict[bytes, bytes]) -> bytes:
        frame = snmp.decode_v3(data)
        asked = usm.decode_parameters(frame.security)
        time_s = int(time.monotonic() - self.started_s) + 1
        if asked.engine_id != self.engine_id:
            report = Pdu(PduType.REPORT, 0, varbinds=(VarBind((*USM_STATS, 4, 0), COUNTER32, 1),))
            scoped = snmp.encode_scoped(snmp.ScopedPdu(self.engine_id, b"", report))
            security = usm.encode_parameters(usm.Parameters(self.engine_id, 1, time_s, b""))
            return snmp.encode_v3(snmp.V3Frame(frame.msg_id, 65_507, 0, snmp.SECURITY_USM, security, scoped))
        if not usm.verify(self.keys, data, asked):
            raise AssertionError("a wrong digest")
        _, _, start, stop = snmp.scoped_head(clear := usm.decrypt(self.keys, frame.scoped, asked))
        pdu = clear[start:stop]
        at = ber.read_tlv(pdu, 0, len(pdu))[1]
        id_at, id_end = ber.expect(pdu, at, len(pdu), ber.INTEGER)
        known = cache.get(key := pdu[:id_at] + pdu[id_end:])
        if known is None:
            request = ber.tlv(ber.SEQUENCE, ber.encode_integer(1) + ber.tlv(ber.OCTET_STRING, b"") + pdu)
            known = cache[key] = snmp.encode_pdu(snmp.decode(self.mib.answer(request)).pdu)  # type: ignore[arg-type]
        at = ber.read_tlv(known, 0, len(known))[1] + 2
        answer = known[:at] + pdu[id_at:id_end] + known[at + id_end - id_at :]
        self.salt += 1
        scoped, salt = usm.encrypt(self.keys, snmp.wrap_scoped(self.engine_id, b"", answer), 1, time_s, self.salt)
        security = usm.encode_parameters(usm.Parameters(self.engine_id, 1, time_s, asked.user, bytes(24), salt))
        return usm.sign(self.keys, snmp.encode_v3(snmp.V3Frame(frame.msg_id, 65_507, 3, snmp.SECURITY_USM, security, scoped)))


def respond_v3() -> None:
    sock, mib = open_agents(PORT + 1), Mib()
    agents: dict[bytes, Sealed] = {}
    cache: dict[bytes, bytes] = {}
    while True:
        try:
            data, control, _, peer = sock.recvmsg(4096, 64)
        except TimeoutError:
            continue
        host = control[0][2][4:8]
        if host not in agents:
            agents[host] = Sealed(mib, host)
        sock.sendmsg([agents[host].answer(data, cache)], [(socket.IPPROTO_IP, IP_PKTINFO, control[0][2])], 0, peer)


# --- the clients


def _octets(column: Oid) -> int:
    """How long a value of this column can get."""
    return 1 if column in STATES else 5 if column[:-1] == IF else 9


def our_plan() -> Plan:
    """Every cell of the table with its series number."""
    items = [
        Item((*column, index), series_of(0, index, metric), column not in STATES, group=index, octets=_octets(column))
        for index in range(1, INTERFACES + 1)
        for metric, column in enumerate(COLUMNS, 1)
    ]
    return build(items, varbinds_max=60)


class Ours:
    """The flat poll path: sockets, retries, timeouts, every check, finished batches with series numbers."""

    name = "trunkline"

    def __init__(self, agents: int, credential: SnmpCredential) -> None:
        warm()
        self.agents, self.credential = agents, credential
        self.left, self.finished = 0, asyncio.Event()

    async def __aenter__(self) -> "Ours":
        self.sweeper, plan = Sweeper(SystemClock()), our_plan()
        self.joined = []
        port = PORT + 1 if self.credential.version == "3" else PORT
        engine = Engine()
        for n in range(self.agents):
            client = SnmpClient(engine, address(n), port, self.credential)
            if self.credential.version == "3":
                await client.get((SYS_UPTIME,))  # engine discovery
            self.joined.append(self.sweeper.join(address(n), port, n + 1, Limits(), client.security, plan, self._ended))
        engine.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sweeper.close()

    def _ended(self, how: Ended) -> None:
        assert not how.reason, how
        self.left -= 1
        if not self.left:
            self.finished.set()

    async def poll(self) -> int:
        """One poll of every agent; the samples."""
        self.left = self.agents
        self.finished.clear()
        for agent in self.joined:
            assert self.sweeper.begin(agent, outstanding=2), "as many agents as fit"
        async with asyncio.timeout(60):
            await self.finished.wait()
        return sum(map(len, self.sweeper.batches()))


class Gufo:
    """gufo-snmp, a coroutine an agent: the table by GETBULK column by column, or by the same GETs as ours."""

    def __init__(self, agents: int, credential: SnmpCredential, way: str) -> None:
        self.agents, self.credential, self.way, self.name = agents, credential, way, f"gufo-snmp {gufo_version} {way}"
        self.columns = [dotted(column) for column in COLUMNS]
        self.asked = [[dotted(oid) for oid in request.oids] for request in our_plan().requests]

    async def __aenter__(self) -> "Gufo":
        user = User("bench", auth_key=Sha256Key(USER.auth_password.encode()), priv_key=Aes128Key(USER.priv_password.encode()))
        if self.credential.version == "3":
            made = [SnmpSession(address(n), PORT + 1, version=SnmpVersion.v3, user=user, timeout=5) for n in range(self.agents)]
        else:
            made = [SnmpSession(address(n), PORT, "public", version=SnmpVersion.v2c, timeout=5) for n in range(self.agents)]
        self.sessions = made
        await asyncio.gather(*(session.refresh() for session in made))
        await self.poll()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sessions.clear()

    async def poll(self) -> int:
        return sum(await asyncio.gather(*map(self._one, self.sessions)))

    async def _one(self, session: Any) -> int:
        found = 0
        if self.way == "get_many":
            for oids in self.asked:
                found += len(await session.get_many(oids)) - 1  # less sysUpTime
            return found
        for column in self.columns:
            async for _ in session.getbulk(column, max_repetitions=INTERFACES + 1):
                found += 1
        return found


class Pysnmp:
    """pysnmp's asyncio API without MIB look-ups: GETBULK over all columns at once, one engine, a few agents at a time."""

    name = f"pysnmp {pysnmp_version}"

    def __init__(self, agents: int, credential: SnmpCredential) -> None:
        self.agents = agents
        self.credential = credential

    async def __aenter__(self) -> "Pysnmp":
        self.engine = hlapi.SnmpEngine()
        if self.credential.version == "3":
            auth, priv = hlapi.usmHMAC192SHA256AuthProtocol, hlapi.usmAesCfb128Protocol
            self.who: Any = hlapi.UsmUserData("bench", USER.auth_password, USER.priv_password, authProtocol=auth, privProtocol=priv)
        else:
            self.who = hlapi.CommunityData("public")
        port = PORT + 1 if self.credential.version == "3" else PORT
        self.targets = [await hlapi.UdpTransportTarget.create((address(n), port), timeout=5) for n in range(self.agents)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.engine.close_dispatcher()

    async def poll(self) -> int:
        return sum(await asyncio.gather(*map(self._one, self.targets)))

    async def _one(self, target: Any) -> int:
        found: int = 0
        cursors: list[Any] = list(COLUMNS)
        while True:
            names = [hlapi.ObjectType(hlapi.ObjectIdentity(tuple(oid))) for oid in cursors]
            failed, _, _, varbinds = await hlapi.bulk_cmd(
                self.engine, self.who, target, hlapi.ContextData(), 0, 60 // len(COLUMNS), *names, lookupMib=False
            )
            assert not failed, failed
            within = [tuple(name)[:-1] == column for (name, _), column in zip(varbinds, COLUMNS * 4, strict=False)]
            found += sum(within)
            if not all(within) or found >= VALUES_PER_AGENT:
                return found
            cursors = [name for name, _ in varbinds[-len(COLUMNS) :]]


Client = Ours | Gufo | Pysnmp


async def measured(client: Client) -> float:
    """Varbinds per client CPU-second of one poll of all its agents, after one to warm up."""
    async with client:
        await client.poll()
        began = time.process_time()
        found = await client.poll()
        spent = time.process_time() - began
    assert found == client.agents * VALUES_PER_AGENT, (client.name, found)
    return found / spent


def figures(credential: SnmpCredential, agents: int, repeats: int) -> list[dict[str, Any]]:
    """Medians of interleaved runs. gufo-snmp both walks the columns, as it is meant to be used, and asks the same GETs as we do."""
    sealed = credential.version == "3"
    makers: list[Callable[[], Client]] = [
        lambda: Ours(agents, credential),
        lambda: Gufo(min(agents, 30), credential, "walk"),
        lambda: Gufo(min(agents, 30), credential, "get_many"),
        lambda: Pysnmp(3, credential),
    ]
    rates: dict[str, list[float]] = {}
    for _ in range(repeats):
        for make in makers:
            client = make()
            rates.setdefault(client.name, []).append(asyncio.run(measured(client)))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    mine = medians.pop("trunkline")
    what = {"name": "snmp_walk_v3_sha256_aes128" if sealed else "snmp_walk_v2c", "value": round(mine), "agents": agents, "n": repeats}
    what["unit"] = "varbinds per client CPU-second"
    return [
        what | {"peer": peer, "peer_value": round(rate), "ratio": round(mine / rate, 1), "goal": _GOALS[sealed, peer.split()[0]]}
        for peer, rate in medians.items()
    ]


_GOALS = {(False, "gufo-snmp"): 15, (False, "pysnmp"): 500, (True, "gufo-snmp"): 8, (True, "pysnmp"): 500}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--respond", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.respond:
        respond()
        return
    logging.getLogger("gufo").setLevel(logging.ERROR)
    responder = subprocess.Popen([sys.executable, "-m", "benchmarks.snmp_walk", "--respond"], stdout=subprocess.PIPE, text=True)
    try:
        assert responder.stdout is not None and responder.stdout.readline() == "ready\n"
        agents, repeats = (500, 3) if options.quick else (1000, 5)
        for figure in figures(COMMUNITY, agents, repeats) + figures(USER, agents // 20, repeats):
            print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)
    finally:
        responder.terminate()
        responder.wait()


if __name__ == "__main__":
    main()
