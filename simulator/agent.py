"""One SNMP agent: a request in, a response out, no I/O. SNMPv1 (RFC 1157) and v2c (RFC 3416); v3 wraps the same PDUs."""

from collections.abc import Callable
from typing import NamedTuple

from simulator import agent_ber as ber
from simulator.mib import table
from simulator.network import Network
from simulator.reading import Snapshot
from simulator.tables import Table
from simulator.world import Device

V1, V2C, V3 = 0, 1, 3
NO_ERROR, TOO_BIG, NO_SUCH_NAME, READ_ONLY, GEN_ERR, NOT_WRITABLE = 0, 1, 2, 4, 5, 17
MAX_MESSAGE_OCTETS = 8192  # a response never grows beyond
MAX_REPETITIONS = 200
MAX_VARBINDS = 400
HEADROOM_OCTETS = 160  # for everything around the varbinds, SNMPv3 included
CACHE_NS = 20_000_000  # objects of one device read within this time show one instant


class Pdu(NamedTuple):
    """A request: its tag, request id, the two integers after it and the encoded names asked for."""

    tag: int
    request_id: int
    first: int
    second: int
    names: list[bytes]
    varbinds: bytes


def read_pdu(data: bytes, at: int, end: int) -> Pdu:
    """The PDU at an offset; BerError when it is none."""
    tag, start, stop = ber.header(data, at, end)
    request_id, at = ber.read_integer(data, start, stop)
    first, at = ber.read_integer(data, at, stop)
    second, at = ber.read_integer(data, at, stop)
    at, stop = ber.expect(data, at, stop, ber.SEQUENCE)
    body, names = data[at:stop], []
    while at < stop:
        start, after = ber.expect(data, at, stop, ber.SEQUENCE)
        _, name_end = ber.expect(data, start, after, ber.OID)
        names.append(data[start:name_end])
        at = after
        if len(names) > MAX_VARBINDS:
            raise ber.BerError("too many varbinds")
    return Pdu(tag, request_id, first, second, names, body)


def response(request_id: int, status: int, index: int, varbinds: bytes, tag: int = ber.RESPONSE) -> bytes:
    """An encoded response PDU."""
    head = ber.integer(request_id) + ber.integer(status) + ber.integer(index)
    return ber.tlv(tag, head + ber.tlv(ber.SEQUENCE, varbinds))


class Agent:
    """The agent of one device; its table is built when first asked and again when its links change."""

    def __init__(self, network: Network, device: Device, community: bytes, build: Callable[[Network, Device], Table] = table) -> None:
        self._network, self.device, self._community, self._build = network, device, community, build
        self._table: Table | None = None
        self._generation = -1
        self._snapshot: Snapshot | None = None

    def answer(self, data: bytes, now_ns: int) -> bytes | None:
        """The response to a v1 or v2c message; None for what an agent passes over in silence."""
        start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
        version, at = ber.read_integer(data, start, end)
        community, at = ber.read_octets(data, at, end)
        if version not in (V1, V2C) or community != self._community:
            return None
        pdu = read_pdu(data, at, end)
        reply = self.reply(pdu, version, now_ns, MAX_MESSAGE_OCTETS)
        return None if reply is None else ber.tlv(ber.SEQUENCE, ber.integer(version) + ber.text(community) + reply)

    def reply(self, pdu: Pdu, version: int, now_ns: int, most_octets: int) -> bytes | None:
        """The response PDU within `most_octets`; None for a PDU that no agent answers."""
        room = most_octets - HEADROOM_OCTETS
        if pdu.tag == ber.GET_BULK and version != V1:
            return response(pdu.request_id, NO_ERROR, 0, self._bulk(pdu, now_ns, room))
        if pdu.tag == ber.SET:
            return response(pdu.request_id, NO_SUCH_NAME if version == V1 else NOT_WRITABLE, 1, pdu.varbinds)
        if pdu.tag not in (ber.GET, ber.GET_NEXT):
            return None
        found = [self._one(name, pdu.tag == ber.GET, version, now_ns) for name in pdu.names]
        if None in found:
            return response(pdu.request_id, NO_SUCH_NAME, found.index(None) + 1, pdu.varbinds)
        body = b"".join(varbind for varbind in found if varbind)
        if len(body) > room:
            return response(pdu.request_id, TOO_BIG, 0, b"" if version != V1 else pdu.varbinds)
        return response(pdu.request_id, NO_ERROR, 0, body)

    def table(self) -> Table:
        """The device's table as its links are now."""
        generation = self._network.status.generation[self.device.number]
        if self._table is None or generation != self._generation:
            self._table, self._generation = self._build(self._network, self.device), generation
        return self._table

    def _reading(self, now_ns: int) -> Snapshot:
        if self._snapshot is None or not 0 <= now_ns - self._snapshot.now_ns < CACHE_NS:
            self._snapshot = Snapshot(self._network, self.device, now_ns)
        return self._snapshot

    def _one(self, name: bytes, exact: bool, version: int, now_ns: int) -> bytes | None:
        """The varbind a GET or GETNEXT of one name gives; None is SNMPv1's noSuchName."""
        rows = self.table()
        at = rows.position(name) if exact else rows.after(name)
        if version == V1:
            while at is not None and at < len(rows) and rows.is_counter64(at):
                at = None if exact else at + 1
        if at is not None and at < len(rows):
            return rows.varbind(at, self._reading(now_ns))
        if version == V1:
            return None
        return ber.varbind(name, self._absent(rows, name) if exact else ber.END_OF_MIB_VIEW)

    @staticmethod
    def _absent(rows: Table, name: bytes) -> bytes:
        """noSuchInstance below an object that exists, else noSuchObject (RFC 3416, section 4.2.1)."""
        _, start, end = ber.header(name, 0, len(name))
        oid = ber.read_oid(name[start:end])
        near = rows.after(name)
        same = any(0 <= n < len(rows) and rows.oids[n][:-1] == oid[:-1] for n in (near - 1, near))
        return ber.NO_SUCH_INSTANCE if same else ber.NO_SUCH_OBJECT

    def _bulk(self, pdu: Pdu, now_ns: int, room: int) -> bytes:
        """GETBULK (RFC 3416, section 4.2.3): as many varbinds as fit, always from the front."""
        rows, reading = self.table(), self._reading(now_ns)
        end = len(rows)
        single = max(0, min(pdu.first, len(pdu.names)))
        repeated, repetitions = pdu.names[single:], max(0, min(pdu.second, MAX_REPETITIONS)) if pdu.names[single:] else 0
        out: list[bytes] = []
        size = 0
        for name in pdu.names[:single]:
            at = rows.after(name)
            out.append(rows.varbind(at, reading) if at < end else ber.varbind(name, ber.END_OF_MIB_VIEW))
            size += len(out[-1])
        at_of = [rows.after(name) for name in repeated]
        last = list(repeated)
        for _ in range(repetitions):
            for n, at in enumerate(at_of):
                if at < end:
                    piece = rows.varbind(at, reading)
                    last[n] = rows.name(at)
                    at_of[n] = at + 1
                else:
                    piece = ber.varbind(last[n], ber.END_OF_MIB_VIEW)
                size += len(piece)
                if size > room:
                    return b"".join(out)
                out.append(piece)
            if all(at >= end for at in at_of):
                break
        return b"".join(out)
