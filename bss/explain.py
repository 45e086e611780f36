"""From an invoice line back to the wire: line -> rating -> usage records -> slots -> raw samples with their verdicts.

Everything above the raw samples is read from frozen facts; each step carries the hash that ties it to the one below.
Raw samples have a retention of their own: where they are gone, the explanation says so and the slots remain.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.periods import Period
from billing_bridge.points import MeteringPoint, metering_points
from billing_bridge.samples import InterfaceSamples, SampleSource
from billing_bridge.slots import SLOT_NS, Cause, Mark
from billing_bridge.usage import MeterKind
from bss import consumption
from bss.cycles import days_of
from bss.plans import stretches, suffix_of
from bss.rating.price import Bandwidth
from bss.rating.ranking import MissingRule, RankRule, Rules, ranking
from bss.rating.terms import Direction
from bss.snapshot import Snapshot
from bss.store import bill_run, invoice, rated_usage
from station.batch import Quality
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.state import State
from station.telemetry.client import TelemetryError
from station.web import iso

AROUND = 2  # slots shown below and above the billed one, in order of rank
WORST_MAX = 20  # slots shown that are not good
RAW_SPAN_NS = 900 * NS_PER_S  # raw samples are sought this far around a decisive slot
RAW_MAX = 200
RECORDS_MAX = 400

log = structlog.get_logger(__name__)
Explanation = dict[str, Any]


async def explain(state: State, scope: Scope, samples: SampleSource, invoice_id: str, line_no: int) -> Explanation | None:
    """How a line came about, as one tree; None when the scope sees no such line. `invoice_id` may be its number."""
    scope.require(Role.BILLING, "explaining an invoice")
    async with state.read() as conn:
        found = await _line(conn, scope, invoice_id, line_no)
        if found is None:
            return None
        document, line, rated = found
        usage = json.loads(rated["usage"]) if rated else []
        points = {point.id: point for point in await metering_points(conn, scope.tenant)}
        slots = await _slots(conn, scope.tenant, document, line, usage)
    tree = _head(document, line, rated, usage, points)
    shown = _shown(line, slots)
    tree["slots"] = _slots_json(line, slots, shown)
    at_ns = shown.at_ns
    tree["raw"] = [await _raw(samples, points, ref, at_ns) for ref in usage if at_ns and ref["from_ns"] <= at_ns < ref["to_ns"]]
    return tree


async def _line(conn: AsyncConnection, scope: Scope, invoice_id: str, line_no: int) -> tuple[Any, Any, Any] | None:
    c = invoice.c
    where = [c.tenant == scope.tenant, sa.or_(c.id == invoice_id, c.number == invoice_id)]
    if scope.customers:
        where.append(c.customer_id.in_(scope.customers))
    row = (await conn.execute(sa.select(c.id, c.document).where(*where))).first()
    if row is None:
        return None
    document = json.loads(row.document)
    if not 1 <= line_no <= len(document["lines"]):
        return None
    r = rated_usage.c
    rated = (
        await conn.execute(sa.select(rated_usage).where(r.tenant == scope.tenant, r.invoice_id == row.id, r.line_no == line_no))
    ).mappings()
    return document, document["lines"][line_no - 1], rated.first()


async def _slots(conn: AsyncConnection, tenant: int, document: Any, line: Any, usage: Sequence[Mapping[str, Any]]) -> Bandwidth:
    """The slots as the bill saw them: the same evidence, bindings and sums, each checked against its hash."""
    if usage and not usage[0]["evidence"]:
        return Bandwidth.empty()  # another system's events: each is its own evidence
    meter = usage[0]["meter"] if usage else MeterKind.BANDWIDTH.value if "rank" in line["computation"] else ""
    if not meter:
        return Bandwidth.empty()
    c, wanted = bill_run.c, {document["period"]["name"], line["period"]["name"]}
    runs = {row.period: row for row in await conn.execute(sa.select(bill_run).where(c.tenant == tenant, c.period.in_(wanted)))}
    frozen = Snapshot(json.loads(runs[document["period"]["name"]].snapshot))
    of, id_ = runs[line["period"]["name"]], line["service"]["id"]
    consumed = await consumption.recall(conn, tenant, Period(of.start_ns, of.end_ns, of.period), id_, usage, frozen.zone)
    first, after, _ = days_of(of.period, frozen.zone)
    held = stretches(frozen.services[id_], frozen.plans.get(id_, ()), first, after)
    mine = next((stretch for stretch in held if stretch.suffix == suffix_of(line["charge"])), None)
    return consumption.bandwidth_of(consumed, frozen, id_, meter, mine)


def _head(document: Any, line: Any, rated: Any, usage: Sequence[Any], points: Mapping[str, MeteringPoint]) -> Explanation:
    return {
        "invoice": {
            name: document[name] for name in ("id", "number", "period", "knowledge_cutoff", "currency", "currency_decimals", "simulated")
        },
        "line": line,
        "rating": None
        if rated is None
        else {
            "rated_id": rated["id"],
            "rating_rev": rated["rating_rev"],
            "tariff": line["tariff"],
            "computation": json.loads(rated["computation"]),
        },
        "usage": [_usage_json(ref, points) for ref in usage[:RECORDS_MAX]],
        "usage_total": len(usage),
        "usage_sha256": line["usage_sha256"],
    }


def _usage_json(ref: Mapping[str, Any], points: Mapping[str, MeteringPoint]) -> dict[str, Any]:
    point = points.get(ref["metering_point"])
    return {
        "id": ref["id"],
        "revision": ref["revision"],
        "chain": ref["chain"],
        "evidence_sha256": ref["evidence"],
        "metering_point": ref["metering_point"],
        "interface": f"{point.device} {point.name}" if point else "",
        "meter": ref["meter"],
        "from": iso(ref["from_ns"]),
        "to": iso(ref["to_ns"]),
        "in_octets": ref["in_octets"],
        "out_octets": ref["out_octets"],
    }


@dataclass(frozen=True, slots=True)
class _Shown:
    """The decisive slots in order of rank, and the most decisive of them (0: there is none)."""

    rows: Sequence[dict[str, Any]]
    at_ns: int = 0
    agrees: bool = True


def _shown(line: Mapping[str, Any], slots: Bandwidth) -> _Shown:
    """The billed slot with its neighbours by rank; without a ranking, the largest slots."""
    computation = line["computation"]
    if "rank" not in computation:
        rows = np.argsort(~(slots.in_octets + slots.out_octets), kind="stable")[: 2 * AROUND + 1]  # the complement: largest first
        return _Shown([_slot_json(slots, int(row)) for row in rows], int(slots.slot_ns[rows[0]]) if len(rows) else 0)
    found = ranking(slots, _rules(computation))
    if found is None:
        return _Shown([], 0, computation["rank"] == 0)
    billed_ns = int(slots.slot_ns[found.rows[found.rank - 1]])
    now = (found.direction, found.rank, len(found.rows), billed_ns, found.said_octets)
    low, high = max(0, found.rank - 1 - AROUND), found.rank + AROUND
    near = zip(found.rows[low:high].tolist(), found.octets[low:high].tolist(), strict=True)
    shown = [_slot_json(slots, row) | {"rank": low + place, "octets": octets} for place, (row, octets) in enumerate(near, start=1)]
    return _Shown(shown, billed_ns, now == tuple(computation[name] for name in ("direction", "rank", "slots_ranked", "slot_ns", "octets")))


def _rules(computation: Mapping[str, Any]) -> Rules:
    """The policies as the bill wrote them down."""
    return Rules(
        Decimal(computation["percent"]),
        RankRule(computation["rank_rule"]),
        Direction(computation["direction_rule"]),
        MissingRule(computation["missing_rule"]),
    )


def _slot_json(slots: Bandwidth, row: int) -> dict[str, Any]:
    at_ns, quality = int(slots.slot_ns[row]), int(slots.quality[row])
    return {
        "start_ns": at_ns,
        "start": iso(at_ns),
        "rank": None,
        "in_octets": int(slots.in_octets[row]),
        "out_octets": int(slots.out_octets[row]),
        "mark": Mark(quality & 3).name.lower(),
        "causes": [cause.name.lower() for cause in Cause if quality & cause and cause.name],
    }


def _slots_json(line: Mapping[str, Any], slots: Bandwidth, shown: _Shown) -> dict[str, Any]:
    """`agrees`: the slots ranked again give the rank, slot and octets that the line was billed by."""
    flawed = np.flatnonzero(slots.marks != Mark.GOOD)
    return {
        "total": len(slots.slot_ns),
        "counts": slots.counts(),
        "agrees": shown.agrees,
        "billed_ns": line["computation"].get("slot_ns", 0),
        "decisive": list(shown.rows),
        "flawed": [_slot_json(slots, int(row)) for row in flawed[:WORST_MAX]],
        "flawed_total": len(flawed),
    }


async def _raw(samples: SampleSource, points: Mapping[str, MeteringPoint], ref: Mapping[str, Any], start_ns: int) -> dict[str, Any]:
    """The raw samples around one slot of one port, oldest first."""
    point = points.get(ref["metering_point"])
    head = {"metering_point": ref["metering_point"], "slot": iso(start_ns), "interface": f"{point.device} {point.name}" if point else ""}
    if point is None:
        return head | {"samples": [], "note": "the interface is no longer in the inventory; slots and hashes remain"}
    try:
        found = await samples.interface_samples(point.entity_key, start_ns - RAW_SPAN_NS, start_ns + SLOT_NS + RAW_SPAN_NS)
    except (OSError, TelemetryError) as error:
        log.warning("raw samples not readable", metering_point=point.id, error=str(error))
        return head | {"samples": [], "note": "the telemetry store does not answer now; slots, verdict counts and hashes remain"}
    rows = _samples_json(found, start_ns)
    note = "" if rows else "the raw samples have passed their retention; slots, verdict counts and hashes remain"
    return head | {"samples": rows, "note": note}


def _samples_json(found: InterfaceSamples, start_ns: int) -> list[dict[str, Any]]:
    """At most RAW_MAX samples: those of the slot, and the nearest on either side."""
    order = np.argsort(found.time_ns, kind="stable")
    times = found.time_ns[order]
    low = max(0, int(np.searchsorted(times, start_ns, "right")) - 1)
    high = min(len(times), int(np.searchsorted(times, start_ns + SLOT_NS, "left")) + 1)
    return [
        {
            "time": iso(int(found.time_ns[row])),
            "in_octets": int(found.in_octets[row]),
            "out_octets": int(found.out_octets[row]),
            "in_delta": int(found.in_delta[row]),
            "out_delta": int(found.out_delta[row]),
            "verdict": Quality(int(found.quality[row])).name.lower(),
            "uptime_cs": int(found.uptime_cs[row]),
            "received": iso(int(found.received_ns[row])),
        }
        for row in order[low:high][:RAW_MAX]
    ]
