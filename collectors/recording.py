"""Recordings of agents: read (snmpsim's `oid|tag|value`, net-snmp's `snmpwalk -On`), and answered over UDP.

What discovery and a poll make of one is what they would make of the device.
"""

import asyncio
import bisect
import math
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

from collectors.codecs import ber, snmp
from collectors.codecs.ber import DecodeError, Oid, parse_oid
from collectors.codecs.snmp import END_OF_MIB_VIEW, ErrorStatus, Message, Pdu, PduType, VarBind, Version
from collectors.facts import look
from collectors.settings import SnmpSettings
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import Profiles
from inventory.entities import plan
from inventory.facts import DeviceFacts, NoAnswer
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import metrics_by_code
from station.channel import Channel
from station.clock import SystemClock
from station.series import entity_key

CREDENTIAL = SnmpCredential(community="public")
OF_EVERY_DEVICE = ("device.availability", "device.poll_duration", "device.uptime")
_ANSWER_OCTETS = 8192
_REPETITIONS_MAX = 200
_SNMPREC = re.compile(r"\.?([\d.]+)\|(\d+)([a-z]?)(?::[^|]*)?\|(.*)", re.DOTALL)
_WALK = re.compile(r"\.?(1[\d.]*) = (.*)", re.DOTALL)
_NUMBERS = {2: ber.INTEGER, 65: snmp.COUNTER32, 66: snmp.GAUGE32, 67: snmp.TIME_TICKS, 70: snmp.COUNTER64}
_WORDS = {
    "INTEGER": ber.INTEGER,
    "Gauge32": snmp.GAUGE32,
    "Unsigned32": snmp.GAUGE32,
    "Counter32": snmp.COUNTER32,
    "Counter64": snmp.COUNTER64,
    "Timeticks": snmp.TIME_TICKS,
}


def read_recording(text: str) -> dict[Oid, VarBind]:
    """The variables of a recording in either form; lines that are none are left out."""
    cells = _walk_cells(text) if _WALK.match(text.lstrip()) else map(_snmprec_cell, text.splitlines())
    return {cell.oid: cell for cell in cells if cell is not None}


def _snmprec_cell(line: str) -> VarBind | None:
    found = _SNMPREC.fullmatch(line.rstrip("\r\n"))
    if found is None:
        return None
    tag, form, text = int(found[2]), found[3], found[4]
    try:
        oid = parse_oid(found[1].strip("."))
        return _cell(oid, tag, bytes.fromhex(text) if form == "x" else text)
    except ValueError:
        return None


def _cell(oid: Oid, tag: int, value: str | bytes) -> VarBind | None:
    if tag in _NUMBERS:
        number = int(value) if isinstance(value, str) else int.from_bytes(value, signed=tag == 2)
        return VarBind(oid, _NUMBERS[tag], number if tag == 2 else number % (1 << (64 if tag == 70 else 32)))
    if tag == 6 and isinstance(value, str):
        return VarBind(oid, ber.OBJECT_IDENTIFIER, parse_oid(value.strip(".")))
    if tag == 64:
        return VarBind(oid, snmp.IP_ADDRESS, value if isinstance(value, str) else ".".join(map(str, value)))
    if tag in (4, 68):
        return VarBind(oid, ber.OCTET_STRING if tag == 4 else snmp.OPAQUE, value.encode() if isinstance(value, str) else value)
    return None


def _walk_cells(text: str) -> Iterator[VarBind | None]:
    """Lines of snmpwalk, those that a text goes on over joined."""
    starts = [found.start() for found in re.finditer(r"^\.?1\.[\d.]+ = ", text, re.MULTILINE)]
    for start, stop in zip(starts, [*starts[1:], len(text)], strict=True):
        found = _WALK.match(text[start:stop].rstrip("\r\n"))
        if found is None:
            continue
        try:
            yield _walk_cell(parse_oid(found[1]), found[2])
        except ValueError:  # an identifier or octets that are none
            yield None


def _walk_cell(oid: Oid, said: str) -> VarBind | None:
    kind, _, text = said.partition(": ")
    number = re.search(r"-?\d+", re.sub(r"^\w[\w-]*\((-?\d+)\)", r"\1", text.strip()))
    if kind in _WORDS and number is not None:
        return VarBind(oid, _WORDS[kind], int(number[0]))
    match kind:
        case "STRING":
            return VarBind(oid, ber.OCTET_STRING, text.strip().removeprefix('"').removesuffix('"').encode())
        case "Hex-STRING" | "BITS":
            return VarBind(oid, ber.OCTET_STRING, bytes.fromhex("".join(re.findall(r"\b[0-9A-Fa-f]{2}\b", text))))
        case "OID":
            return VarBind(oid, ber.OBJECT_IDENTIFIER, parse_oid(text.strip(". ")))
        case "IpAddress" | "Network Address":
            return VarBind(oid, snmp.IP_ADDRESS, text.strip())
        case '""':
            return VarBind(oid, ber.OCTET_STRING, b"")
        case _:
            return None


class RecordedAgent(asyncio.DatagramProtocol):
    """Answers GET, GETNEXT and GETBULK (v1 and v2c, any community) from a recording."""

    def __init__(self, cells: dict[Oid, VarBind]) -> None:
        self.cells = cells
        self._oids = sorted(cells)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            asked = snmp.decode(data)
        except DecodeError:
            return
        if isinstance(asked, Message) and isinstance(asked.pdu, Pdu) and self._transport is not None:
            answer = self._answer(asked.pdu, v1=asked.version == Version.V1)
            self._transport.sendto(snmp.encode(Message(asked.version, asked.community, answer)), addr)

    def _answer(self, pdu: Pdu, *, v1: bool) -> Pdu:
        if pdu.type is PduType.GET_BULK:
            return self._response(pdu, list(self._bulk(pdu)))
        found = [self.cells.get(v.oid) if pdu.type is PduType.GET else self._after(v.oid) for v in pdu.varbinds]
        if v1 and None in found:
            return Pdu(PduType.RESPONSE, pdu.request_id, ErrorStatus.NO_SUCH_NAME, found.index(None) + 1, pdu.varbinds)
        absent = snmp.NO_SUCH_INSTANCE if pdu.type is PduType.GET else END_OF_MIB_VIEW
        return self._response(pdu, [cell or VarBind(v.oid, absent, None) for cell, v in zip(found, pdu.varbinds, strict=True)])

    @staticmethod
    def _response(pdu: Pdu, varbinds: list[VarBind]) -> Pdu:
        return Pdu(PduType.RESPONSE, pdu.request_id, 0, 0, tuple(varbinds))

    def _after(self, oid: Oid) -> VarBind | None:
        at = bisect.bisect_right(self._oids, oid)
        return self.cells[self._oids[at]] if at < len(self._oids) else None

    def _bulk(self, pdu: Pdu) -> Iterator[VarBind]:
        once, names, octets = pdu.error_status, [v.oid for v in pdu.varbinds], 0
        for turn in range(1 + min(pdu.error_index, _REPETITIONS_MAX)):
            for at, name in enumerate(names):
                if (at < once) == (turn == 0):
                    cell = self._after(name) or VarBind(name, END_OF_MIB_VIEW, None)
                    octets += len(snmp.encode_varbind(cell))
                    if octets > _ANSWER_OCTETS:
                        return
                    names[at] = cell.oid
                    yield cell


@asynccontextmanager
async def answering(cells: dict[Oid, VarBind], address: str = "127.0.0.1") -> AsyncIterator[int]:
    """The UDP port at which the recording answers."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: RecordedAgent(cells), local_addr=(address, 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def look_and_poll(cells: dict[Oid, VarBind], profiles: Profiles) -> tuple[DeviceFacts | NoAnswer, dict[str, float]]:
    """What discovery finds in a recording, and every value of one poll by metric and entity name; interfaces left out."""
    engine = Engine()
    try:
        async with answering(cells) as port:
            facts = await look(engine, "127.0.0.1", port, [CREDENTIAL], profiles, limits=Limits(timeout_s=1.0, retries=1))
            return facts, {} if isinstance(facts, NoAnswer) else await _poll(facts, port, profiles)
    finally:
        engine.close()


def topology_of(facts: DeviceFacts, port: int) -> Topology:
    """The inventory after that one look."""
    rows = plan(facts, [], device_no=1, tenant=1, now_ns=1).new
    names = ("id", "kind", "name", "if_index", "oid", "scale", "metric", "parent_entity_no")
    entities = [Entity(key=entity_key(1, row["entity_no"]), **{name: row[name] for name in names}) for row in rows]
    device = Device(1, "1", "recorded", "", "127.0.0.1", snmp_port=port, profile=facts.profile)
    return Topology(version=1, devices={1: device}, entities={entity.key: entity for entity in entities})


async def _poll(facts: DeviceFacts, port: int, profiles: Profiles) -> dict[str, float]:
    topology = topology_of(facts, port)
    samples = Channel[SampleBatch]("recorded samples", 1000)
    poller = Poller(
        SnmpSettings(),
        topology=lambda: topology,
        credential_of=lambda _: CREDENTIAL,
        profiles=profiles,
        samples=samples,
        notifications=Channel[tuple[Notification, ...]]("recorded notifications", 10),
        clock=SystemClock(),
    )
    try:
        if not await poller.poll_now(1):
            return {}
    finally:
        poller.close()
    batch = await samples.get()
    found: dict[str, float] = {}
    for series, value, raw in zip(batch.series.tolist(), batch.value.tolist(), batch.raw.tolist(), strict=True):
        metric, entity = metrics_by_code()[series & 0xFF], topology.entities.get(series >> 8)
        if metric.name not in OF_EVERY_DEVICE and not metric.name.startswith("interface."):
            found[metric.name if entity is None else f"{metric.name} {entity.name}"] = raw if math.isnan(value) else value
    return found
