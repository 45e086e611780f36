"""From an invoice line back to the wire: line -> rating -> usage records -> slots -> raw samples with their verdicts.

Everything above the raw samples is read from frozen facts; each step carries the hash that ties it to the one below.
Raw samples have a retention of their own: where they are gone, the explanation says so and the slots remain.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import slots_of_record
from billing_bridge.points import MeteringPoint, metering_points
from billing_bridge.samples import InterfaceSamples, SampleSource
from billing_bridge.slots import SLOT_NS, Cause, Mark, Slots
from bss import money
from bss.store import invoice, rated_usage
from station.batch import Quality
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.state import State
from station.web import iso

AROUND = 2  # slots shown below and above the billed one, in order of rank
WORST_MAX = 20  # slots shown that are not good
RAW_SPAN_NS = 900 * NS_PER_S  # raw samples are sought this far around a decisive slot
RAW_MAX = 200
RECORDS_MAX = 400

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
        measured = await _measured(conn, scope.tenant, usage)
    tree = _head(document, line, rated, usage, points)
    decisive = _decisive(line, measured)
    tree["slots"] = _slots_json(line, measured, decisive)
    tree["raw"] = [await _raw(samples, points, row, start_ns) for row, start_ns in _ports_at(decisive, measured)]
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


@dataclass(frozen=True, slots=True)
class _Port:
    """One portion of usage with its slots; `start` is a slot's number within the period."""

    ref: Mapping[str, Any]
    slots: Slots


async def _measured(conn: AsyncConnection, tenant: int, usage: Sequence[Mapping[str, Any]]) -> list[_Port]:
    """The slots of each portion, checked against the hash of its evidence."""
    found = []
    for ref in usage:
        slots = await slots_of_record(conn, tenant, ref["evidence"])
        found.append(_Port(ref, slots.cut(ref["from_ns"], ref["to_ns"])))
    return found


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


def _series(measured: Sequence[_Port]) -> tuple[Any, Any, Any, Any]:
    """(start_ns, in, out, quality) of every slot, ports summed, worst mark; sorted by time."""
    sums: dict[int, list[int]] = {}
    for port in measured:
        rows = zip(port.slots.in_octets.tolist(), port.slots.out_octets.tolist(), port.slots.quality.tolist(), strict=True)
        for number, (into, out, quality) in enumerate(rows):
            cell = sums.setdefault(port.slots.start_ns + number * SLOT_NS, [0, 0, 0, 0])
            cell[0], cell[1] = cell[0] + into, cell[1] + out
            cell[2], cell[3] = max(cell[2], quality & 3), cell[3] | quality & 0xFC
    times = sorted(sums)
    columns = np.array([sums[at] for at in times], np.int64).reshape(-1, 4)
    return times, columns[:, 0], columns[:, 1], columns[:, 2] | columns[:, 3]


def _decisive(line: Mapping[str, Any], measured: Sequence[_Port]) -> list[dict[str, Any]]:
    """The billed slot with its neighbours by rank; without a ranking, the largest slots."""
    times, into, out, quality = _series(measured)
    if not times:
        return []
    computation = line["computation"]
    octets = {"in": into, "out": out, "sum": into + out, "slot_max": np.maximum(into, out)}.get(
        computation.get("direction", ""), into + out
    )
    marks = quality & 3
    if "rank" not in computation:
        rows = np.argsort(-octets, kind="stable")[: 2 * AROUND + 1]
        return [_slot_json(times, (into, out, quality), int(row), None) for row in rows]
    missing = computation["missing_rule"]
    counted = np.flatnonzero(
        np.ones(len(marks), np.bool_) if missing == "zero" else marks <= (Mark.GOOD if missing == "exclude" else Mark.INTERPOLATED)
    )
    value = np.where(marks <= Mark.INTERPOLATED, octets, 0)[counted]
    order = counted[np.argsort(value, kind="stable")]
    low, high = max(0, computation["rank"] - 1 - AROUND), computation["rank"] + AROUND
    return [_slot_json(times, (into, out, quality), int(row), low + place + 1) for place, row in enumerate(order[low:high])]


def _slot_json(times: Sequence[int], columns: tuple[Any, Any, Any], row: int, rank: int | None) -> dict[str, Any]:
    into, out, quality = (int(column[row]) for column in columns)
    return {
        "start_ns": times[row],
        "start": iso(times[row]),
        "rank": rank,
        "in_octets": into,
        "out_octets": out,
        "mark": Mark(quality & 3).name.lower(),
        "causes": [cause.name.lower() for cause in Cause if quality & cause and cause.name],
    }


def _slots_json(line: Mapping[str, Any], measured: Sequence[_Port], decisive: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    times, into, out, quality = _series(measured)
    flawed = np.flatnonzero((quality & 3) != Mark.GOOD)
    counts = {mark.name.lower(): int(((quality & 3) == mark).sum()) for mark in Mark}
    return {
        "total": len(times),
        "counts": counts,
        "billed_ns": line["computation"].get("slot_ns", 0),
        "decisive": list(decisive),
        "flawed": [_slot_json(times, (into, out, quality), int(row), None) for row in flawed[:WORST_MAX]],
        "flawed_total": len(flawed),
    }


def _ports_at(decisive: Sequence[Mapping[str, Any]], measured: Sequence[_Port]) -> list[tuple[Mapping[str, Any], int]]:
    """Each port of the most decisive slot: the billed one, or the largest."""
    if not decisive:
        return []
    ranked = [slot for slot in decisive if slot["rank"] is not None]
    at = (ranked[len(ranked) // 2] if ranked else decisive[0])["start_ns"]
    return [(port.ref, at) for port in measured if port.slots.start_ns <= at < port.slots.end_ns]


async def _raw(samples: SampleSource, points: Mapping[str, MeteringPoint], ref: Mapping[str, Any], start_ns: int) -> dict[str, Any]:
    """The raw samples around one slot of one port, oldest first."""
    point = points.get(ref["metering_point"])
    head = {"metering_point": ref["metering_point"], "slot": iso(start_ns), "interface": f"{point.device} {point.name}" if point else ""}
    if point is None:
        return head | {"samples": [], "note": "the interface is no longer in the inventory; slots and hashes remain"}
    found = await samples.interface_samples(point.entity_key, start_ns - RAW_SPAN_NS, start_ns + SLOT_NS + RAW_SPAN_NS)
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


def text(tree: Explanation) -> str:
    """The explanation as lines for a terminal, from the invoice down; control characters from outside are shown, not obeyed."""
    head, line, slots = tree["invoice"], tree["line"], tree["slots"]
    amount = f"{money.text(line['amount_minor'], head['currency'])} {head['currency']}"
    rows = [
        f"{head['number']} line {line['no']}: {line['description']}",
        f"  {line['quantity']} {line['unit']} at {line['unit_price']} = {amount}",
        f"  tariff {line['tariff']['name']} of {line['tariff']['effective']}, sha256 {line['tariff']['sha256'][:16]}",
    ]
    rows += [f"  {name}: {value}" for name, value in line["computation"].items() if isinstance(value, str | int)]
    if line["corrects"]:
        rows.append(f"  corrects {line['corrects'].get('invoice', 'a period billed without it')}, {line['corrects']['period']}")
    rows.append(f"  usage records: {tree['usage_total']}, sha256 {tree['usage_sha256'][:16]}")
    rows += [
        f"    {use['from']} {use['interface']} rev {use['revision']} id {use['id'][:16]} chain {use['chain'][:16]}" for use in tree["usage"]
    ]
    rows.append(f"  slots: {slots['total']}, " + ", ".join(f"{n} {name}" for name, n in slots["counts"].items()))
    rows += [
        f"    rank {s['rank'] or '-'}  {s['start']}  in {s['in_octets']}  out {s['out_octets']}  {s['mark']}" for s in slots["decisive"]
    ]
    for raw in tree["raw"]:
        rows.append(f"  raw samples of {raw['interface']} around {raw['slot']} {raw['note']}".rstrip())
        rows += [f"    {s['time']}  in {s['in_octets']}  out {s['out_octets']}  {s['verdict']}" for s in raw["samples"]]
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in row) for row in rows)
