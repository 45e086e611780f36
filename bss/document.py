"""An issued invoice as one JSON value, and the facts that it books; `canonical.encode` of the value is what is issued."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from billing_bridge.periods import Period, date_at
from bss import canonical, cycles, exchange, money, taxes
from bss.lines import HALF_UP, Draft, Inputs, Line
from bss.snapshot import PROFILE, Snapshot
from station.clock import NS_PER_S
from station.ids import derived_id
from station.web import iso

SCHEMA = "trunkline.invoice.v1"
CUSTOMER = ("id", "number", "name", "email", "address", "tax_id")
NO_TARIFF = {"name": "", "effective": "", "sha256": ""}
Row = Mapping[str, Any]


def document(inputs: Inputs, found: Draft, number: str, invoice_id: str) -> dict[str, Any]:
    """The invoice. Amounts are minor units of its currency."""
    terms = inputs.snapshot.data["terms"]
    zone = cycles.days_of(inputs.period.name, inputs.snapshot.zone)[2]
    lines = [_line_json(no, line) for no, line in enumerate(found.lines, start=1)]
    rows = taxes.breakdown(lines, found.customer.get("tax_category", ""), HALF_UP)
    net, tax = sum(line["amount_minor"] for line in lines), sum(row["tax_minor"] for row in rows)
    issued = date_at(inputs.cutoff_ns, zone)
    made = {
        "schema": SCHEMA,
        "id": invoice_id,
        "number": number,
        "kind": "invoice" if net + tax >= 0 else "credit_note",
        "period": _period_json(inputs.period) | {"time_zone": zone.key},
        "issued_on": issued.isoformat(),
        "due_on": (issued + timedelta(days=terms["payment_days"])).isoformat(),
        "knowledge_cutoff": iso(inputs.cutoff_ns),
        "simulated": _simulated(inputs.snapshot, found.lines),
        "currency": found.currency,
        "currency_decimals": money.exponent(found.currency),
        "seller": _seller(inputs.snapshot, found.customer),
        "customer": {name: found.customer[name] for name in (*CUSTOMER, *PROFILE) if name in found.customer},
        "lines": lines,
        "taxes": rows,
        "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax},
        "quality": list(found.quality),
        "rounding": _rounding(terms, found.lines),
        "run": {"id": inputs.run_id, "snapshot_sha256": inputs.snapshot_sha256},
    }
    accounted = _accounted(inputs, found, tax)
    return made | ({"tax_accounting": accounted} if accounted else {})


def kind_of(found: Draft) -> str:
    """invoice or credit_note, before it has its number."""
    lines = [_line_json(0, line) for line in found.lines]
    rows = taxes.breakdown(lines, found.customer.get("tax_category", ""), HALF_UP)
    gross = sum(line["amount_minor"] for line in lines) + sum(row["tax_minor"] for row in rows)
    return "invoice" if gross >= 0 else "credit_note"


def _seller(snapshot: Snapshot, customer: Row) -> dict[str, Any]:
    """Who bills, without its number series."""
    return {name: value for name, value in snapshot.seller(customer).items() if not name.endswith("series")}


def _rounding(terms: Row, lines: Sequence[Line]) -> dict[str, str]:
    own = terms.get("tax_rounding") == "per_line" or any(line.tax_minor is not None for line in lines)
    said = f"once per line, {HALF_UP.value}, where the line says so" if own else f"once per rate, {HALF_UP.value}"
    return {"line": "once, by the tariff's rule, to the minor unit", "tax": said}


def _accounted(inputs: Inputs, found: Draft, tax_minor: int) -> dict[str, Any]:
    """The tax in the operator's own currency where the invoice is in another (EN 16931 BT-6, BT-111)."""
    own = inputs.snapshot.data["terms"].get("currency", found.currency)
    if own == found.currency or not any(line.tax.category for line in found.lines):
        return {}
    rate = inputs.snapshot.rates.on(inputs.days[1] - timedelta(days=1), found.currency, own)
    if rate is None:
        return {}
    return {"currency": own, "tax_minor": exchange.minor(tax_minor, found.currency, own, rate, HALF_UP), **rate.said}


def _line_json(no: int, line: Line) -> dict[str, Any]:
    tariff = line.tariff
    made = {
        "no": no,
        "kind": line.kind,
        "service": {name: line.service[name] for name in ("id", "number", "name")},
        "charge": line.item.charge,
        "description": line.item.description,
        "period": _period_json(line.period),
        "quantity": str(line.item.quantity),
        "unit": line.item.unit,
        "unit_price": str(line.item.unit_price),
        "amount_minor": line.amount_minor,
        "tax_rate_ppm": line.tax.rate_ppm,
        "tariff": {"name": tariff.name, "effective": tariff.effective.isoformat(), "sha256": tariff.sha256} if tariff else NO_TARIFF,
        "computation": dict(line.item.computation),
        "usage_sha256": canonical.sha256(canonical.encode(line.usage)),
        "usage_records": len(line.usage),
        "corrects": dict(line.corrects) if line.corrects else None,
    }
    return made | _tax_json(line) | dict(line.said)


def _tax_json(line: Line) -> dict[str, Any]:
    """What is said of a line's tax beyond its rate."""
    said: dict[str, Any] = {}
    if line.tax.category:
        said = {"category": line.tax.category, "jurisdiction": line.tax.jurisdiction}
        said |= {"reason": line.tax.reason} if line.tax.reason else {}
    if line.tax_minor is not None:
        said["tax_minor"] = line.tax_minor
    return {"tax": said} if said else {}


def _period_json(period: Period) -> dict[str, Any]:
    return {"name": period.name, "start": iso(period.start_ns), "end": iso(period.end_ns)}


def _simulated(snapshot: Snapshot, lines: Sequence[Line]) -> bool:
    """Whether the station said so when the run began, or any interface behind a line belongs to a simulated device."""
    return snapshot.data["simulated"] or any(
        binding["simulated"] for line in lines for binding in snapshot.bindings.get(line.service["id"], [])
    )


def rated_rows(inputs: Inputs, found: Draft, tenant: int, invoice_id: str) -> list[dict[str, Any]]:
    """The facts that the invoice books: one per charge and debit, and a zero where a credit stands alone."""
    debited = {(line.service["id"], line.period.name, line.item.charge) for line in found.lines if line.kind == "debit"}
    rows = []
    for no, line in enumerate(found.lines, start=1):
        alone = line.kind == "credit"
        if alone and (line.service["id"], line.period.name, line.item.charge) in debited:
            continue
        rows.append(
            {
                "tenant": tenant,
                "id": _rated_id(tenant, line, found),
                "period": line.period.name,
                "service_id": line.service["id"],
                "charge": line.item.charge,
                "customer_id": found.customer["id"],
                "rating_rev": line.rating_rev,
                "booked_in": inputs.period.name,
                "invoice_id": invoice_id,
                "line_no": no,
                "amount_minor": 0 if alone else line.amount_minor,
                "currency": line.currency,
                "tax_rate_ppm": line.tax.rate_ppm,
                "tax_category": line.tax.category,
                "tax_minor": None if alone else line.tax_minor,
                "tariff": line.tariff.name if line.tariff else "",
                "effective": line.tariff.effective.isoformat() if line.tariff else "",
                "computation": canonical.encode(dict(line.item.computation)),
                "usage": canonical.encode(list(line.usage)),
            }
        )
    return rows


def _rated_id(tenant: int, line: Line, found: Draft) -> str:
    return derived_id(tenant, line.period.name, line.service["id"], line.item.charge, found.customer["id"], line.rating_rev)


def leaked_rows(inputs: Inputs, found: Draft, tenant: int, now_ns: int) -> list[dict[str, Any]]:
    """What is too old to be billed, named by what it is, so that the next run does not count it again."""
    return [
        {
            "tenant": tenant,
            "id": derived_id("leak", tenant, leak.period, leak.service_id, leak.charge, found.customer["id"], leak.amount_minor),
            "period": leak.period,
            "customer_id": found.customer["id"],
            "service_id": leak.service_id,
            "charge": leak.charge,
            "amount_minor": leak.amount_minor,
            "currency": leak.currency,
            "reason": leak.reason,
            "run_period": inputs.period.name,
            "noted_ns": now_ns,
        }
        for leak in found.leaks
    ]


def invoice_id(tenant: int, period: Period, customer_id: str) -> str:
    """An id in the form of UUIDv7 that is the same whenever this invoice is made: the period's end, then a hash."""
    digest = int(derived_id("invoice", tenant, period.name, customer_id)[:20], 16)
    value = (period.end_ns // (NS_PER_S // 1000) & (1 << 48) - 1) << 80 | digest
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def usage_facts(inputs: Inputs, found: Draft, tenant: int, id_: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(rated, billed) facts: each portion of usage that a line prices; what no charge prices is zero-rated.

    A settled charge names portions that it was rated by before: of equal facts the first stands.
    """
    rated, billed = [], []
    for no, line in enumerate([*found.lines, *found.settled], start=1):
        state = "rated" if line.kind == "charge" else "rerated"
        for ref in line.usage:
            key = {"known_ns": inputs.cutoff_ns, "start_ns": ref["start_ns"], "record_id": ref["id"], "portion": ref["portion"]}
            rated.append(key | {"guide_rev": ref["guide_rev"], "rated_id": _rated_id(tenant, line, found), "state": state})
            if line.kind != "settled":
                billed.append(key | {"invoice_id": id_, "line_no": no})
    return rated + _zero_rated(inputs, found), billed


def _zero_rated(inputs: Inputs, found: Draft) -> list[dict[str, Any]]:
    """The portions of meters that no charge of the service's tariffs uses, of every period that was rated here."""
    priced: dict[tuple[str, str], set[str]] = {}
    for line in [*found.lines, *found.settled]:
        if line.kind != "credit" and line.tariff is not None:
            priced.setdefault((line.service["id"], line.period.name), set()).update(line.tariff.meters)
    consumed = {inputs.period.name: inputs.usage, **inputs.corrected}
    rows = []
    for (service_id, period), meters in priced.items():
        usage = consumed.get(period)  # the fees of the next period rest on no usage
        parts = usage.parts.get(service_id, ()) if usage else ()
        for part in sorted(parts, key=lambda part: str(part.record["meter"])):
            if part.record["meter"] not in meters:
                key = {"known_ns": inputs.cutoff_ns, "start_ns": part.record["start_ns"], "record_id": part.record["id"]}
                portion = {name: part.portion[name] for name in ("portion", "guide_rev")}
                rows.append(key | portion | {"rated_id": "", "state": "zero_rated"})
    return rows
