"""The decision of billing, without I/O: from frozen inputs to one payer's lines, the same each time.

    services of all whom it pays for -> stretches of one tariff each -> rated -> what the payer bears of it, in its currency, with its tax

Roundings, in order: a quantity by its tariff; each line's amount once, to the minor unit, by the tariff's rule; once more where
it is converted or shared, half up; tax as `taxes.breakdown` says; totals are sums of rounded parts.

A correction stands on the period it corrects: the charge is credited as it was booked and debited as it is now, all
credits before all debits, each naming the invoice line it corrects and taxed at that line's rate. A fee billed in advance is
settled the same way with the bill of its own period. A debit that is older than may be billed is a leak, a credit never is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from bss import cycles, exchange, money
from bss.consumption import Consumption
from bss.corrections import corrections_of, settle
from bss.lines import HALF_UP, Draft, Inputs, Leak, Line, Rated, Row, charges_of, exception, rate_all, taxed
from bss.plans import service_of
from bss.rating.price import PricedItem
from bss.snapshot import ONCE, Snapshot
from bss.taxes import TaxError


def draft(inputs: Inputs, customer: Row) -> Draft:
    """The lines of one payer: this period's charges, the fees of the next, what is asked for once, then corrections."""
    rated, exceptions = rate_all(inputs, customer, inputs.usage)
    ahead = _ahead(inputs, customer)
    found = _Lines()
    found.add(settle(inputs, customer, [line for key in rated.ratings for line in charges_of(inputs, customer, rated, key)]))
    for key, rating in ahead.ratings.items():
        found.lines += [line for line in charges_of(inputs, customer, ahead, key) if rating.tariff.is_ahead(line.item.charge)]
    once, refused = _once(inputs, customer)
    found.lines += once
    ratings = [*rated.ratings.values(), *ahead.ratings.values()]
    for name in sorted(inputs.corrected):
        if customer["id"] in inputs.billed.get(name, {customer["id"]}):
            corrected, more, rerated = corrections_of(inputs, inputs.corrected[name], customer)
            found.add(corrected)
            refused += more
            ratings += rerated
    quality = _quality(rated, inputs.snapshot)
    lines = [*found.lines, *found.credits, *found.debits]
    return Draft(customer, customer["currency"], lines, [*exceptions, *refused], found.settled, ratings, quality, found.leaks)


@dataclass(slots=True)
class _Lines:
    """What a draft comes to: charges, corrections by kind, and leaks."""

    lines: list[Line] = field(default_factory=list)
    credits: list[Line] = field(default_factory=list)
    debits: list[Line] = field(default_factory=list)
    settled: list[Line] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)

    def add(self, found: "Iterable[Line | Leak]") -> None:
        of = {"charge": self.lines, "credit": self.credits, "debit": self.debits, "settled": self.settled}
        for one in found:
            if isinstance(one, Leak):
                self.leaks.append(one)
            else:
                of[one.kind].append(one)


def _ahead(inputs: Inputs, customer: Row) -> Rated:
    """The next period of the payer's cycle with nothing used yet, where any of its tariffs is billed in advance."""
    snapshot, cycle = inputs.snapshot, inputs.snapshot.cycle(customer["id"])
    if not snapshot.fees_ahead:
        return Rated(inputs.usage, {}, {})
    period = cycles.span(*cycle.around(inputs.days[1]), cycle.zone, snapshot.zone)
    return rate_all(inputs, customer, Consumption(period, {}, {}), ahead=True)[0]


def _once(inputs: Inputs, customer: Row) -> tuple[list[Line], list[Mapping[str, str]]]:
    """What is asked for once, each on the bill of the first period that ends after its day."""
    snapshot, found = inputs.snapshot, list[Line]()
    refused: list[Mapping[str, str]] = []
    for row in snapshot.one_offs.get(customer["id"], ()):
        service = snapshot.services.get(row["service_id"]) or {"id": "", "number": "", "name": ""}
        try:
            found.append(_one_off(inputs, customer, service, row))
        except TaxError as error:
            refused.append(exception(inputs.period, service["number"] or row["description"], str(error)))
    return found, refused


def _one_off(inputs: Inputs, customer: Row, service: Row, row: Row) -> Line:
    """TaxError where its currency or tax cannot be had."""
    snapshot, day, said = inputs.snapshot, date.fromisoformat(row["day"]), {}
    quantity, price = Decimal(row["quantity"]), Decimal(row["unit_price"])
    with money.exact():
        amount = money.to_minor(quantity * price, row["currency"], HALF_UP)
    if row["currency"] != customer["currency"]:
        rate_ = snapshot.rates.on(day, row["currency"], customer["currency"])
        if rate_ is None:
            raise TaxError(f"is in {row['currency']}, and there is no rate to {customer['currency']} on {row['day']}")
        said["exchange"] = {**rate_.said, "currency": row["currency"], "amount_minor": amount}
        amount = exchange.minor(amount, row["currency"], customer["currency"], rate_, HALF_UP)
    if row["customer_id"] != customer["id"]:
        said["owner"] = {name: snapshot.customers[row["customer_id"]][name] for name in ("id", "number", "name")}
    item = PricedItem(
        ONCE + row["id"], row["description"], quantity, row["unit"], price, amount, {"rule": "asked for once", "day": row["day"]}
    )
    net, tax, own = taxed(inputs, customer, amount, row["tax_class"], day, inclusive=False)
    return Line("charge", service, inputs.period, item, net, customer["currency"], tax, None, 0, [], None, own, said)


def _quality(rated: Rated, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The slots of each service in this period by mark and cause: what the measurement was worth."""
    rows = []
    for key, rating in rated.ratings.items():
        slots = rating.usage.bandwidth
        if rating.usage.active_days and len(slots.slot_ns):
            rows.append({"service": snapshot.services[service_of(key)]["number"], "slots": len(slots.slot_ns)} | slots.counts())
    return rows
