"""What was booked before against what is known now: credits, debits, what is settled, and what is too old to be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from billing_bridge.periods import Period
from bss import cycles, money, taxes
from bss.consumption import Consumption
from bss.control import Rating
from bss.lines import HALF_UP, Inputs, Leak, Line, Row, charges_of, exception, rated_of, tariff_of
from bss.plans import Stretch, service_of, stretches, suffix_of
from bss.rating.price import PricedItem
from bss.snapshot import Snapshot
from bss.tariffs import TariffError, TariffVersion
from bss.taxes import Tax


def settle(inputs: Inputs, customer: Row, now: Sequence[Line]) -> list[Line | Leak]:
    """Charges of this period, some of which stand on an earlier bill already, as fees in advance: charged where they do not, else
    settled, whatever the tariff is now."""
    first = inputs.days[0]
    booked: dict[tuple[str, str], dict[str, Row]] = {}
    for row in inputs.booked.get(customer["id"], ()):
        if cycles.days_of(row["period"], inputs.snapshot.zone)[0] == first and row["period"] not in inputs.corrected:
            booked.setdefault((row["service_id"], row["charge"]), {})[row["period"]] = row
    found: list[Line | Leak] = []
    for line in now:
        old = booked.pop((line.service["id"], line.item.charge), {})
        mine = old.pop(line.period.name, None)
        found += [one for row in old.values() for one in _difference(inputs, row, None, line.service, customer)]
        found += _difference(inputs, mine, _as_booked(line, mine), line.service, customer) if mine else [line]
    for (service_id, _), old in sorted(booked.items()):
        service = inputs.snapshot.services.get(service_id) or {"id": service_id, "number": "", "name": ""}
        found += [one for row in old.values() for one in _difference(inputs, row, None, service, customer)]
    return found


def corrections_of(
    inputs: Inputs, consumption: Consumption, customer: Row
) -> tuple[list[Line | Leak], list[Mapping[str, str]], list[Rating]]:
    """What one earlier period is now against what was booked for it, for this payer; what could not be compared; and what
    was rated for it. A service whose tariff is gone keeps the booked amount and is reported."""
    period, snapshot = consumption.period, inputs.snapshot
    booked: dict[str, list[Row]] = {}
    for row in inputs.booked.get(customer["id"], ()):
        if row["period"] == period.name:
            booked.setdefault(row["service_id"], []).append(row)
    mine = {service["id"] for owner in snapshot.owners_of(customer["id"]) for service in snapshot.services_of(owner["id"])}
    touched = sorted(booked.keys() | (mine & (consumption.parts.keys() | snapshot.plans.keys())), key=lambda id_: _number(snapshot, id_))
    held: dict[str, Stretch] = {}
    tariffs: dict[str, TariffVersion] = {}
    exceptions: list[Mapping[str, str]] = []
    for service_id in list(touched):
        try:
            for stretch, version in _stretches_then(inputs, period, customer, service_id, booked.get(service_id, ())):
                held[stretch.key], tariffs[stretch.key] = stretch, version
        except TariffError as error:
            named = _number(snapshot, service_id)[0] or service_id
            exceptions.append(exception(period, named, f"not corrected, what was billed stands: {error}"))
            touched.remove(service_id)
    rated = rated_of(inputs, consumption, held, tariffs)
    found: list[Line | Leak] = []
    for service_id in touched:
        keys = [key for key in held if service_of(key) == service_id]
        now = [line for key in keys for line in charges_of(inputs, customer, rated, key)]
        found += _correct_service(inputs, customer, service_id, booked.get(service_id, ()), now)
    return found, exceptions, list(rated.ratings.values())


def _stretches_then(
    inputs: Inputs, period: Period, customer: Row, service_id: str, booked: Sequence[Row]
) -> list[tuple[Stretch, TariffVersion]]:
    """The stretches of a service of this payer in an earlier period with the version that prices each: the one that priced it
    then, whatever the service has now, unless its plan says otherwise. Empty when the service is not the payer's any more."""
    snapshot = inputs.snapshot
    for row in booked:  # a version that is gone keeps even the credit from being priced
        snapshot.tariff_of(row["tariff"], row["effective"])
    service = snapshot.services.get(service_id)
    if service is None or service["customer_id"] not in {owner["id"] for owner in snapshot.owners_of(customer["id"])}:
        return []
    first, after, _ = cycles.days_of(period.name, snapshot.zone)
    found = []
    for stretch in stretches(service, snapshot.plans.get(service_id, ()), first, after):
        then = [row for row in booked if suffix_of(row["charge"]) == stretch.suffix]
        same = [row for row in then if row["tariff"] == stretch.tariff or not snapshot.plans.get(service_id)]
        version = snapshot.tariff_of(same[0]["tariff"], same[0]["effective"]) if same else tariff_of(snapshot, stretch, customer, period)
        found.append((stretch, version))
    return found


def _number(snapshot: Snapshot, service_id: str) -> tuple[str, str]:
    return (snapshot.services[service_id]["number"] if service_id in snapshot.services else "", service_id)


def _correct_service(inputs: Inputs, customer: Row, service_id: str, booked: Sequence[Row], now: Sequence[Line]) -> list[Line | Leak]:
    service = inputs.snapshot.services.get(service_id) or {"id": service_id, "number": "", "name": ""}
    latest = {row["charge"]: row for row in sorted(booked, key=lambda row: int(row["rating_rev"]))}
    found: list[Line | Leak] = []
    for charge in sorted({line.item.charge for line in now} | set(latest)):
        newer = next((_as_booked(line, booked[0] if booked else None) for line in now if line.item.charge == charge), None)
        found += _difference(inputs, latest.get(charge), newer, service, customer)
    return found


def _as_booked(line: Line, old: Row | None) -> Line:
    """A line taxed as what it corrects was."""
    if old is None or (line.tax.rate_ppm, line.tax.category) == (old["tax_rate_ppm"], old["tax_category"]):
        return line
    tax = replace(line.tax, rate_ppm=old["tax_rate_ppm"], category=old["tax_category"])
    if "gross_minor" in line.said:
        net = taxes.net_of(line.said["gross_minor"], tax.rate_ppm)
        return replace(line, tax=tax, amount_minor=net, tax_minor=line.said["gross_minor"] - net)
    own = None if line.tax_minor is None else money.tax(line.amount_minor, tax.rate_ppm, HALF_UP)
    return replace(line, tax=tax, tax_minor=own)


def _difference(inputs: Inputs, old: Row | None, new: Line | None, service: Row, customer: Row) -> list[Line | Leak]:
    """Credit of the booked amount, debit of the new one; when they agree the charge is settled, when the debit is the higher
    one and too old, it is a leak."""
    was, is_ = (old["amount_minor"] if old else 0), (new.amount_minor if new else 0)
    if was == is_:
        return [replace(new, kind="settled", rating_rev=old["rating_rev"])] if old and new else []
    period = new.period if new else cycles.parse(old["period"], inputs.snapshot.zone) if old else inputs.period
    if is_ > was and (why := _too_old(inputs, customer, period)):
        charge = new.item.charge if new else ""
        return [Leak(period.name, service["id"], charge, is_ - was, customer["currency"], why)]
    corrects: dict[str, Any] = {"period": period.name}
    if old:
        corrects |= {"invoice": old["number"], "line": old["line_no"], "rated_id": old["id"]}
    lines: list[Line | Leak] = []
    if old and was:
        lines.append(_credit(inputs, old, service, period, corrects))
    if new and is_:
        lines.append(_debit(new, old["rating_rev"] + 1 if old else 0, corrects))
    return lines


def _too_old(inputs: Inputs, customer: Row, period: Period) -> str:
    """Why a debit of a period may not be billed any more; "" when it may."""
    snapshot = inputs.snapshot
    named = customer.get("tax_jurisdiction", "")
    place = named if named not in ("", "auto") else customer.get("country", "") or snapshot.seller(customer).get("country", "")
    table = snapshot.taxes.get(place)
    months = int(snapshot.data["adjust_months"])
    if table is not None and table.back_billing_months is not None:
        months = min(months, table.back_billing_months)
    ended = cycles.days_of(period.name, snapshot.zone)[1]
    if ended >= cycles.months_later(inputs.days[1], -months):
        return ""
    return f"more than {months} months old, the most that may be billed" + (f" in {place}" if table is not None else "")


def _credit(inputs: Inputs, old: Row, service: Row, period: Period, corrects: Mapping[str, Any]) -> Line:
    words = f"Correction for {period.name}: as billed on {old['number']}, line {old['line_no']}"
    rule = {"rule": "the booked amount is taken back"}
    item = PricedItem(old["charge"], words, Decimal(-1), "correction", Decimal(0), -old["amount_minor"], rule)
    tariff = inputs.snapshot.tariff_of(old["tariff"], old["effective"])
    tax = Tax(old["tax_rate_ppm"], old["tax_category"], "", taxes.REASONS.get(old["tax_category"], ("", ""))[1])
    own = None if old["tax_minor"] is None else -old["tax_minor"]
    rev = old["rating_rev"] + 1
    return Line("credit", service, period, item, -old["amount_minor"], old["currency"], tax, tariff, rev, [], corrects, own)


def _debit(new: Line, rev: int, corrects: Mapping[str, Any]) -> Line:
    item = replace(new.item, description=f"Correction for {new.period.name}: {new.item.description}, as known now")
    return replace(new, kind="debit", item=item, rating_rev=rev, corrects=corrects)
