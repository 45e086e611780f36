"""What each service used in a period, as known at a cut-off: guided portions summed, ports added slot by slot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.events import known_events
from billing_bridge.evidence import unpack
from billing_bridge.guiding import FOREVER_NS, IN_CHUNK, current_records, latest_guiding
from billing_bridge.periods import Period
from billing_bridge.slots import SLOT_NS, Cause, Mark, Slots
from billing_bridge.store import usage_evidence
from billing_bridge.usage import MeterKind
from bss.activity import activity_of
from bss.cycles import days_of, span
from bss.plans import Stretch
from bss.rating.price import Bandwidth, ServiceUsage, UsageEvent
from bss.snapshot import Snapshot

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A guided portion of a usage record."""

    record: Row
    portion: Row

    def ref(self) -> dict[str, Any]:
        """How an invoice line names it."""
        names = ("id", "metering_point", "meter", "start_ns", "end_ns", "revision", "chain", "evidence")
        portion = {name: self.portion[name] for name in ("guide_rev", "portion", "from_ns", "to_ns", "in_octets", "out_octets")}
        return {name: self.record[name] for name in names} | portion


@dataclass(frozen=True)
class Consumption:
    """The parts of one period by service, with the slots of their evidence by hash. `metered`: the same days where meters
    count them, in the contract's zone."""

    period: Period
    parts: Mapping[str, Sequence[Part]]
    evidence: Mapping[str, Slots] = field(repr=False)
    metered: Period | None = None

    @property
    def days(self) -> Period:
        return self.metered or self.period

    def of(self, service_id: str, meter: str) -> list[Part]:
        return [part for part in self.parts.get(service_id, ()) if part.record["meter"] == meter]


def metered(period: Period, contract: ZoneInfo) -> Period:
    """The days of a period in the contract's zone, in which usage records are made."""
    first, after, zone = days_of(period.name, contract)
    return period if zone.key == contract.key else span(first, after, contract, contract)


async def load(conn: AsyncConnection, tenant: int, period: Period, cutoff_ns: int, contract: ZoneInfo) -> Consumption:
    """Everything guided in the period as it was known at the cut-off; the same for ever. Events are those of the period's
    own days, records those of the same days in the contract's zone."""
    days = metered(period, contract)
    records = {row["id"]: row for row in await current_records(conn, tenant, days.start_ns, days.end_ns, cutoff_ns)}
    parts: dict[str, list[Part]] = {}
    hashes = set()
    guided = await latest_guiding(conn, tenant, records.values(), cutoff_ns)
    for record_id, record in records.items():
        for portion in guided.get(record_id, []):
            if portion["state"] == "guided":
                parts.setdefault(portion["service_id"], []).append(Part(record, portion))
                hashes |= {record["evidence"]} if record["meter"] == MeterKind.BANDWIDTH else set()
    for event, guiding in await known_events(conn, tenant, period.start_ns, period.end_ns, cutoff_ns):
        if guiding is not None and guiding["state"] == "guided":
            parts.setdefault(guiding["service_id"], []).append(_event_part(event, guiding))
    return Consumption(period, parts, await _evidence(conn, tenant, sorted(hashes)), days)


def _event_part(event: Row, guiding: Row) -> Part:
    """An event of another system's meter in the shape of a record of ours: one portion, no evidence but itself."""
    record = {name: event[name] for name in ("id", "meter", "start_ns", "chain", "key")}
    record |= {"metering_point": event["source"], "end_ns": event["start_ns"], "revision": 0, "evidence": ""}
    portion = {"guide_rev": guiding["guide_rev"], "portion": 0, "from_ns": event["start_ns"], "to_ns": event["start_ns"]}
    return Part(record, portion | {"in_octets": event["quantity"], "out_octets": 0})


async def recall(
    conn: AsyncConnection, tenant: int, period: Period, service_id: str, refs: Sequence[Row], contract: ZoneInfo
) -> Consumption:
    """The parts of one service again from the references that an invoice line keeps (`Part.ref`)."""
    parts = [Part(ref, ref) for ref in refs]
    evidence = await _evidence(conn, tenant, sorted({ref["evidence"] for ref in refs} - {""}))
    return Consumption(period, {service_id: parts}, evidence, metered(period, contract))


async def _evidence(conn: AsyncConnection, tenant: int, hashes: Sequence[str]) -> dict[str, Slots]:
    c, found = usage_evidence.c, {}
    for at in range(0, len(hashes), IN_CHUNK):
        query = sa.select(c.sha256, c.blob).where(c.tenant == tenant, c.sha256.in_(hashes[at : at + IN_CHUNK]))
        found.update({sha256: unpack(blob, sha256) for sha256, blob in await conn.execute(query)})
    return found


def usage_of(consumption: Consumption, snapshot: Snapshot, service_id: str, stretch: Stretch | None = None) -> ServiceUsage:
    """The usage of one service, ready for its tariff; of a stretch of the period where it had several."""
    service = snapshot.services[service_id]
    first, after, zone = days_of(consumption.period.name, snapshot.zone)
    whole, months = snapshot.whole(service, first, after)
    active = activity_of(service, stretch or Stretch(service, 0, "", first, after), whole, months, zone)
    parts = parts_of(consumption, snapshot, service_id, stretch)
    volumes = [part.portion for part in parts if part.record["meter"] == MeterKind.VOLUME]
    return ServiceUsage(
        period=consumption.period,
        volume_in_octets=sum(portion["in_octets"] for portion in volumes),
        volume_out_octets=sum(portion["out_octets"] for portion in volumes),
        bandwidth=bandwidth_of(consumption, snapshot, service_id, stretch=stretch),
        events=_events_of(parts),
        **active,
    )


def parts_of(consumption: Consumption, snapshot: Snapshot, service_id: str, stretch: Stretch | None) -> list[Part]:
    """The service's parts in the stretch: a record, and an event, by the day in which it begins."""
    parts = list(consumption.parts.get(service_id, ()))
    if stretch is None or not (stretch.before or stretch.after):
        return parts
    zone = days_of(consumption.period.name, snapshot.zone)[2]
    metered_, own = (span(stretch.low, stretch.high, of, snapshot.zone) for of in (snapshot.zone, zone))
    return [part for part in parts if part.record["start_ns"] in (own if _is_event(part) else metered_)]


def _is_event(part: Part) -> bool:
    return not part.record["evidence"]


def _events_of(parts: Sequence[Part]) -> dict[str, list[UsageEvent]]:
    found: dict[str, list[UsageEvent]] = {}
    for part in parts:
        if _is_event(part):
            event = UsageEvent(part.record["start_ns"], part.portion["in_octets"], part.record["key"])
            found.setdefault(part.record["meter"], []).append(event)
    return found


def bandwidth_of(
    consumption: Consumption, snapshot: Snapshot, service_id: str, meter: str = MeterKind.BANDWIDTH, stretch: Stretch | None = None
) -> Bandwidth:
    """All ports summed per slot. A slot bears the worst mark of its ports; a bound port without a record is a gap."""
    service, bound = snapshot.services[service_id], snapshot.bindings.get(service_id, [])
    parts = [part for part in parts_of(consumption, snapshot, service_id, stretch) if part.record["meter"] == meter]
    if not bound and not parts:
        return Bandwidth.empty()
    several = stretch is not None and (stretch.before or stretch.after)
    sums = _Sums(span(stretch.low, stretch.high, snapshot.zone, snapshot.zone) if stretch and several else consumption.days)
    for binding in bound:
        low = max(binding["from_ns"], service["active_from_ns"])
        sums.expect(low, min(binding["to_ns"] or FOREVER_NS, service["active_to_ns"] or FOREVER_NS))
    for part in parts:
        sums.add(consumption.evidence[part.record["evidence"]].cut(part.portion["from_ns"], part.portion["to_ns"]))
    return sums.bandwidth()


class _Sums:
    """Running sums over the slots of a period."""

    def __init__(self, period: Period) -> None:
        self._start_ns, self._end_ns = period.start_ns, period.end_ns
        n = (period.end_ns - period.start_ns) // SLOT_NS
        self._in, self._out = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
        self._mark, self._causes = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        self._expected, self._seen = np.zeros(n, np.uint16), np.zeros(n, np.uint16)

    def expect(self, from_ns: int, to_ns: int) -> None:
        """A port is bound: each slot that begins within [from_ns, to_ns) should have a measurement."""
        first = max(0, -((self._start_ns - from_ns) // SLOT_NS))
        self._expected[first : max(first, -((self._start_ns - to_ns) // SLOT_NS))] += 1

    def add(self, slots: Slots) -> None:
        slots = slots.cut(self._start_ns, self._end_ns)
        at = (slots.start_ns - self._start_ns) // SLOT_NS
        here = slice(at, at + len(slots))
        self._in[here] += slots.in_octets
        self._out[here] += slots.out_octets
        self._mark[here] = np.maximum(self._mark[here], slots.marks)
        self._causes[here] |= slots.quality & np.uint8(0xFC)
        self._seen[here] += 1

    def bandwidth(self) -> Bandwidth:
        unseen = self._expected > self._seen
        mark = np.where(unseen, np.maximum(self._mark, np.uint8(Mark.GAP)), self._mark)
        quality = np.asarray(mark | self._causes | np.where(unseen, np.uint8(Cause.GAP), np.uint8(0)), np.uint8)
        held = np.flatnonzero((self._expected > 0) | (self._seen > 0))
        return Bandwidth(self._start_ns + held.astype(np.int64) * SLOT_NS, self._in[held], self._out[held], quality[held])
