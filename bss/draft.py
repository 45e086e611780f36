"""The decision of billing, without I/O: from frozen inputs to one customer's invoice, the same bytes each time.

Roundings, in order: a quantity by its tariff; each line's amount once, to the minor unit, by the tariff's rule; tax once
per tax rate, half up, on the sum of its lines; totals are sums of rounded parts.

A correction stands on the period it corrects: the charge is credited as it was booked and debited as it is now, all
credits before all debits, each naming the invoice line it corrects and taxed at that line's rate.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from billing_bridge.periods import Period, date_at
from bss import canonical, money
from bss.consumption import Consumption, usage_of
from bss.control import Rating
from bss.pools import Carried, with_allowances
from bss.rating.price import PricedItem, ServiceUsage
from bss.snapshot import PROFILE, Snapshot
from bss.tariffs import TariffError, TariffVersion, rate
from station.clock import NS_PER_S
from station.ids import derived_id
from station.web import iso

SCHEMA = "trunkline.invoice.v1"
CUSTOMER = ("id", "number", "name", "email", "address", "tax_id")
TAX_ROUNDING = money.Rounding.HALF_UP
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything an invoice of the run may depend on.

    `booked` are the ratings of the corrected periods that stand on earlier invoices; `corrected` the usage, as known now, of
    those earlier periods of which something became known since they were billed.
    """

    run_id: str
    period: Period
    cutoff_ns: int
    snapshot: Snapshot
    snapshot_sha256: str
    usage: Consumption
    corrected: Mapping[str, Consumption]
    booked: Mapping[str, Sequence[Row]]  # by customer
    carried: Mapping[str, Carried] = field(default_factory=dict)  # what allowances had left, by the period that begins with it


@dataclass(frozen=True, slots=True)
class Line:
    """One line before it has its number. `rated` is the fact it books, None for a credit, which takes one back."""

    kind: str  # charge | credit | debit; settled: re-rated to what was booked, on no invoice
    service: Row
    period: Period
    item: PricedItem
    amount_minor: int
    currency: str
    tax_rate_ppm: int
    tariff: TariffVersion
    rating_rev: int
    usage: Sequence[Mapping[str, Any]]
    corrects: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """`lines` in order, and the services that could not be billed with the reason.

    `settled` are charges of earlier periods whose usage changed and whose amount did not: nothing to invoice, yet rated.
    """

    customer: Row
    currency: str
    lines: Sequence[Line]
    exceptions: Sequence[Mapping[str, str]]
    settled: Sequence[Line] = ()
    ratings: Sequence[Rating] = ()  # everything that was rated for it, for the run's control
    quality: Sequence[Row] = ()


def draft(inputs: Inputs, customer: Row) -> Draft:
    """The lines of one customer: this period's charges, then corrections of earlier periods."""
    tariffs: dict[str, TariffVersion] = {}
    exceptions: list[Mapping[str, str]] = []
    mine = inputs.snapshot.services_of(customer["id"])
    for service in mine:
        try:
            tariffs[service["id"]] = _tariff(inputs.snapshot, service, inputs.period, customer["currency"])
        except TariffError as error:
            exceptions.append(_exception(inputs.period, service["number"], str(error)))
    usages = _usages(inputs, inputs.usage, tariffs)
    ratings = [_rating(inputs, inputs.usage, id_, tariffs[id_], usages[id_]) for id_ in usages]
    lines = [line for rating in ratings for line in _charges(inputs, inputs.usage, rating, customer["tax_rate_ppm"])]
    corrections: list[Line] = []
    for name in sorted(inputs.corrected):
        corrected, refused, rerated = _corrections(inputs, inputs.corrected[name], customer)
        corrections += corrected
        exceptions += refused
        ratings += rerated
    credits = [line for line in corrections if line.kind == "credit"]
    debits = [line for line in corrections if line.kind == "debit"]
    settled = [line for line in corrections if line.kind == "settled"]
    quality = _quality(usages, inputs.snapshot)
    return Draft(customer, customer["currency"], [*lines, *credits, *debits], exceptions, settled, ratings, quality)


def _usages(inputs: Inputs, consumption: Consumption, tariffs: Mapping[str, TariffVersion]) -> dict[str, ServiceUsage]:
    """What each service of one customer used in a period, in order, allowances shared and carried in."""
    used = {id_: usage_of(consumption, inputs.snapshot, id_) for id_ in tariffs}
    return with_allowances(used, tariffs, inputs.carried.get(consumption.period.name, {}))


def _rating(inputs: Inputs, consumption: Consumption, service_id: str, tariff: TariffVersion, usage: ServiceUsage) -> Rating:
    return Rating(service_id, consumption.period.name, tariff, usage, rate(tariff, usage))


def _exception(period: Period, service: str, reason: str) -> dict[str, str]:
    return {"period": period.name, "service": service, "reason": reason}


def _tariff(snapshot: Snapshot, service: Row, period: Period, currency: str) -> TariffVersion:
    """The version that prices a service's period; TariffError when there is none in the customer's currency."""
    if not service["tariff"]:
        raise TariffError("-", "the service has no tariff")
    found = snapshot.tariff(service["tariff"], date_at(period.start_ns, snapshot.zone))
    if found.tariff.currency != currency:
        raise TariffError(found.name, f"prices {found.tariff.currency}, the customer is billed in {currency}")
    return found


def _charges(inputs: Inputs, consumption: Consumption, rating: Rating, tax_rate_ppm: int) -> list[Line]:
    """Each item of the service's tariff for one period, with the usage it rests on."""
    service, tariff = inputs.snapshot.services[rating.service], rating.tariff
    return [
        Line(
            "charge", service, consumption.period, item, item.amount_minor, tariff.tariff.currency, tax_rate_ppm, tariff, 0,
            usage=[part.ref() for part in consumption.of(service["id"], tariff.meter_of(item.charge))],
        )
        for item in rating.items
    ]  # fmt: skip


def _corrections(inputs: Inputs, consumption: Consumption, customer: Row) -> tuple[list[Line], list[Mapping[str, str]], list[Rating]]:
    """What one earlier period is now against what was booked for it, for this customer; what could not be compared; and
    what was rated for it.

    A service whose tariff is gone keeps the booked amount and is reported.
    """
    period, snapshot = consumption.period, inputs.snapshot
    booked: dict[str, list[Row]] = {}
    for row in inputs.booked.get(customer["id"], ()):
        if row["period"] == period.name:
            booked.setdefault(row["service_id"], []).append(row)
    mine = {service["id"] for service in snapshot.services_of(customer["id"])}
    touched = sorted(booked.keys() | (mine & consumption.parts.keys()), key=lambda id_: _number(snapshot, id_))
    tariffs: dict[str, TariffVersion] = {}
    exceptions: list[Mapping[str, str]] = []
    for service_id in touched:
        try:
            tariffs |= _tariff_then(inputs, consumption.period, customer, service_id, booked.get(service_id, ()))
        except TariffError as error:
            named = _number(snapshot, service_id)[0] or service_id
            exceptions.append(_exception(period, named, f"not corrected, what was billed stands: {error}"))
            touched = [id_ for id_ in touched if id_ != service_id]
    usages = _usages(inputs, consumption, tariffs)
    ratings = {id_: _rating(inputs, consumption, id_, tariffs[id_], usages[id_]) for id_ in usages}
    lines: list[Line] = []
    for service_id in touched:
        lines += _correct_service(inputs, consumption, customer, service_id, booked.get(service_id, ()), ratings.get(service_id))
    return lines, exceptions, list(ratings.values())


def _tariff_then(inputs: Inputs, period: Period, customer: Row, service_id: str, booked: Sequence[Row]) -> dict[str, TariffVersion]:
    """The version that prices a service of this customer in an earlier period: the one that priced it then, whatever the
    service has now. Empty when the service is not the customer's any more."""
    snapshot = inputs.snapshot
    for row in booked:  # a version that is gone keeps even the credit from being priced
        snapshot.tariff_of(row["tariff"], row["effective"])
    service = snapshot.services.get(service_id)
    if service is None or service["customer_id"] != customer["id"]:
        return {}
    if booked:
        return {service_id: snapshot.tariff_of(booked[0]["tariff"], booked[0]["effective"])}
    return {service_id: _tariff(snapshot, service, period, customer["currency"])}


def _number(snapshot: Snapshot, service_id: str) -> tuple[str, str]:
    return (snapshot.services[service_id]["number"] if service_id in snapshot.services else "", service_id)


def _correct_service(
    inputs: Inputs, consumption: Consumption, customer: Row, service_id: str, booked: Sequence[Row], rating: Rating | None
) -> list[Line]:
    service = inputs.snapshot.services.get(service_id)
    latest = {row["charge"]: row for row in sorted(booked, key=lambda row: int(row["rating_rev"]))}
    tax_rate_ppm = booked[0]["tax_rate_ppm"] if booked else customer["tax_rate_ppm"]
    now = _charges(inputs, consumption, rating, tax_rate_ppm) if rating else []
    lines = []
    for charge in sorted({line.item.charge for line in now} | set(latest)):
        newer = next((line for line in now if line.item.charge == charge), None)
        lines += _difference(inputs, latest.get(charge), newer, service or {"id": service_id, "number": "", "name": ""}, consumption.period)
    return lines


def _difference(inputs: Inputs, old: Row | None, new: Line | None, service: Row, period: Period) -> list[Line]:
    """Credit of the booked amount, debit of the new one; when they agree the charge is settled."""
    was, is_ = (old["amount_minor"] if old else 0), (new.amount_minor if new else 0)
    if was == is_:
        return [replace(new, kind="settled", rating_rev=old["rating_rev"])] if old and new else []
    rev = old["rating_rev"] + 1 if old else 0
    corrects = (
        {"invoice": old["number"], "line": old["line_no"], "period": period.name, "rated_id": old["id"]} if old else {"period": period.name}
    )
    lines = []
    if old and was:
        lines.append(_credit(inputs, old, service, period, corrects))
    if new and is_:
        lines.append(_debit(new, rev, corrects))
    return lines


def _credit(inputs: Inputs, old: Row, service: Row, period: Period, corrects: Mapping[str, Any]) -> Line:
    words = f"Correction for {period.name}: as billed on {old['number']}, line {old['line_no']}"
    item = PricedItem(
        old["charge"], words, Decimal(-1), "correction", Decimal(0), -old["amount_minor"], {"rule": "the booked amount is taken back"}
    )
    tariff = inputs.snapshot.tariff_of(old["tariff"], old["effective"])
    rev = old["rating_rev"] + 1
    return Line("credit", service, period, item, -old["amount_minor"], old["currency"], old["tax_rate_ppm"], tariff, rev, [], corrects)


def _debit(new: Line, rev: int, corrects: Mapping[str, Any]) -> Line:
    item = replace(new.item, description=f"Correction for {new.period.name}: {new.item.description}, as known now")
    return replace(new, kind="debit", item=item, rating_rev=rev, corrects=corrects)


def document(inputs: Inputs, found: Draft, number: str, invoice_id: str) -> dict[str, Any]:
    """The invoice as one JSON value; `canonical.encode` of it is what is issued."""
    terms, period, zone = inputs.snapshot.data["terms"], inputs.period, inputs.snapshot.zone
    lines = [_line_json(no, line) for no, line in enumerate(found.lines, start=1)]
    taxes = taxes_of(lines, found.customer.get("tax_category", ""))
    net, tax = sum(line["amount_minor"] for line in lines), sum(row["tax_minor"] for row in taxes)
    issued = date_at(inputs.cutoff_ns, zone)
    return {
        "schema": SCHEMA,
        "id": invoice_id,
        "number": number,
        "kind": "invoice" if net + tax >= 0 else "credit_note",
        "period": _period_json(period) | {"time_zone": terms["time_zone"]},
        "issued_on": issued.isoformat(),
        "due_on": (issued + timedelta(days=terms["payment_days"])).isoformat(),
        "knowledge_cutoff": iso(inputs.cutoff_ns),
        "simulated": _simulated(inputs.snapshot, found.lines),
        "currency": found.currency,
        "currency_decimals": money.exponent(found.currency),
        "seller": inputs.snapshot.data["operator"],
        "customer": {name: found.customer[name] for name in (*CUSTOMER, *PROFILE) if name in found.customer},
        "lines": lines,
        "taxes": taxes,
        "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax},
        "quality": list(found.quality),
        "rounding": {"line": "once, by the tariff's rule, to the minor unit", "tax": f"once per rate, {TAX_ROUNDING.value}"},
        "run": {"id": inputs.run_id, "snapshot_sha256": inputs.snapshot_sha256},
    }


def _line_json(no: int, line: Line) -> dict[str, Any]:
    return {
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
        "tax_rate_ppm": line.tax_rate_ppm,
        "tariff": {"name": line.tariff.name, "effective": line.tariff.effective.isoformat(), "sha256": line.tariff.sha256},
        "computation": dict(line.item.computation),
        "usage_sha256": canonical.sha256(canonical.encode(line.usage)),
        "usage_records": len(line.usage),
        "corrects": dict(line.corrects) if line.corrects else None,
    }


def _period_json(period: Period) -> dict[str, Any]:
    return {"name": period.name, "start": iso(period.start_ns), "end": iso(period.end_ns)}


def taxes_of(lines: Sequence[Row], category: str) -> list[dict[str, Any]]:
    """Tax once per rate on the sum of its lines; `category` says why a customer is not taxed."""
    nets: dict[int, int] = {}
    for line in lines:
        nets[line["tax_rate_ppm"]] = nets.get(line["tax_rate_ppm"], 0) + line["amount_minor"]
    return [
        {"rate_ppm": rate_ppm, "net_minor": net, "tax_minor": money.tax(net, rate_ppm, TAX_ROUNDING)}
        | ({"category": category} if category and not rate_ppm else {})
        for rate_ppm, net in sorted(nets.items())
    ]


def _simulated(snapshot: Snapshot, lines: Sequence[Line]) -> bool:
    """Whether the station said so when the run began, or any interface behind a line belongs to a simulated device."""
    return snapshot.data["simulated"] or any(
        binding["simulated"] for line in lines for binding in snapshot.bindings.get(line.service["id"], [])
    )


def _quality(usages: Mapping[str, ServiceUsage], snapshot: Snapshot) -> list[dict[str, Any]]:
    """The slots of each service in this period by mark and cause: what the measurement was worth."""
    rows = []
    for service_id, usage in usages.items():
        slots = usage.bandwidth
        if usage.active_days and len(slots.slot_ns):
            rows.append({"service": snapshot.services[service_id]["number"], "slots": len(slots.slot_ns)} | slots.counts())
    return rows


def rated_rows(inputs: Inputs, found: Draft, tenant: int, invoice_id: str) -> list[dict[str, Any]]:
    """The facts that the invoice books: one per charge and debit, and a zero where a credit stands alone."""
    debited = {(line.service["id"], line.period.name, line.item.charge) for line in found.lines if line.kind == "debit"}
    rows = []
    for no, line in enumerate(found.lines, start=1):
        if line.kind == "credit" and (line.service["id"], line.period.name, line.item.charge) in debited:
            continue
        alone = line.kind == "credit"
        rows.append(
            {
                "tenant": tenant,
                "id": derived_id(tenant, line.period.name, line.service["id"], line.item.charge, found.customer["id"], line.rating_rev),
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
                "tax_rate_ppm": line.tax_rate_ppm,
                "tariff": line.tariff.name,
                "effective": line.tariff.effective.isoformat(),
                "computation": canonical.encode(dict(line.item.computation)),
                "usage": canonical.encode(list(line.usage)),
            }
        )
    return rows


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
        rated_id = derived_id(tenant, line.period.name, line.service["id"], line.item.charge, found.customer["id"], line.rating_rev)
        state = "rated" if line.kind == "charge" else "rerated"
        for ref in line.usage:
            key = {"known_ns": inputs.cutoff_ns, "start_ns": ref["start_ns"], "record_id": ref["id"], "portion": ref["portion"]}
            rated.append(key | {"guide_rev": ref["guide_rev"], "rated_id": rated_id, "state": state})
            if line.kind != "settled":
                billed.append(key | {"invoice_id": id_, "line_no": no})
    return rated + _zero_rated(inputs, found), billed


def _zero_rated(inputs: Inputs, found: Draft) -> list[dict[str, Any]]:
    """The portions of meters that no charge of the service's tariff uses, of every period that was rated here."""
    priced = [line for line in [*found.lines, *found.settled] if line.kind != "credit"]
    rows = []
    for line in {(line.service["id"], line.period.name): line for line in priced}.values():
        usage = inputs.usage if line.period == inputs.period else inputs.corrected[line.period.name]
        for meter in sorted({part.record["meter"] for part in usage.parts.get(line.service["id"], ())} - line.tariff.meters):
            for part in usage.of(line.service["id"], meter):
                key = {"known_ns": inputs.cutoff_ns, "start_ns": part.record["start_ns"], "record_id": part.record["id"]}
                names = ("portion", "guide_rev")
                rows.append(key | {name: part.portion[name] for name in names} | {"rated_id": "", "state": "zero_rated"})
    return rows
