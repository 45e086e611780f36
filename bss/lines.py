"""What a payer bears of each charge: services in stretches of one tariff, rated, in its currency, with its tax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from billing_bridge.periods import Period
from bss import cycles, exchange, money, taxes
from bss.consumption import Consumption, parts_of, usage_of
from bss.control import Rating
from bss.plans import Stretch, service_of, stretches
from bss.pools import Carried, with_allowances
from bss.rating.price import PricedItem, ServiceUsage
from bss.snapshot import Snapshot
from bss.tariffs import TariffError, TariffVersion, rate
from bss.taxes import Parties, Tax, TaxError

HALF_UP = money.Rounding.HALF_UP
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything an invoice of the run may depend on.

    `booked` are the ratings of the corrected periods, and of the run's own, that stand on earlier invoices; `corrected` the
    usage, as known now, of those earlier periods of which something became known since they were billed; `billed` who was
    billed for each of them (none said: everybody).
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
    billed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def days(self) -> tuple[date, date]:
        first, after, _ = cycles.days_of(self.period.name, self.snapshot.zone)
        return first, after


@dataclass(frozen=True, slots=True)
class Line:
    """One line before it has its number. `rated` is the fact it books, None for a credit, which takes one back.

    `tax_minor` is a tax of its own, None where tax is reckoned on the sum of lines; `said` what the invoice tells besides:
    whose service it is, the price with tax, the exchange, the share of a split.
    """

    kind: str  # charge | credit | debit; settled: re-rated to what was booked, on no invoice
    service: Row
    period: Period
    item: PricedItem
    amount_minor: int
    currency: str
    tax: Tax
    tariff: TariffVersion | None
    rating_rev: int
    usage: Sequence[Mapping[str, Any]]
    corrects: Mapping[str, Any] | None = None
    tax_minor: int | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leak:
    """What would be due for a charge of an earlier period and is too old to be asked for."""

    period: str
    service_id: str
    charge: str
    amount_minor: int
    currency: str
    reason: str


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
    leaks: Sequence[Leak] = ()


@dataclass(frozen=True, slots=True)
class Rated:
    """Stretches of a period, each rated, by key."""

    consumption: Consumption
    stretches: Mapping[str, Stretch]
    ratings: Mapping[str, Rating]


def rate_all(inputs: Inputs, customer: Row, consumption: Consumption, *, ahead: bool = False) -> tuple[Rated, list[Mapping[str, str]]]:
    """Every service of everybody on the payer's bill, rated; and those that cannot be, with the reason. `ahead`: only those
    that have a fee in advance, silent of any other."""
    snapshot = inputs.snapshot
    first, after, _ = cycles.days_of(consumption.period.name, snapshot.zone)
    held: dict[str, Stretch] = {}
    tariffs: dict[str, TariffVersion] = {}
    exceptions: list[Mapping[str, str]] = []
    for owner in snapshot.owners_of(customer["id"]):
        for service in snapshot.services_of(owner["id"]):
            for stretch in stretches(service, snapshot.plans.get(service["id"], ()), first, after):
                try:
                    version = tariff_of(snapshot, stretch, customer, consumption.period)
                    if not ahead or version.ahead:
                        held[stretch.key], tariffs[stretch.key] = stretch, version
                except TariffError as error:
                    if not ahead and snapshot.payer_of(owner["id"]) == customer["id"]:
                        exceptions.append(exception(consumption.period, service["number"], str(error)))
    return rated_of(inputs, consumption, held, tariffs), exceptions


def rated_of(inputs: Inputs, consumption: Consumption, held: Mapping[str, Stretch], tariffs: Mapping[str, TariffVersion]) -> Rated:
    """The stretches rated, with what each owner's services share and what the period before left."""
    by_owner: dict[str, dict[str, ServiceUsage]] = {}
    for key, stretch in held.items():
        usage = usage_of(consumption, inputs.snapshot, service_of(key), stretch)
        by_owner.setdefault(stretch.service["customer_id"], {})[key] = usage
    carried = inputs.carried.get(consumption.period.name, {})
    usages: dict[str, ServiceUsage] = {}
    for mine in by_owner.values():
        usages |= with_allowances(mine, tariffs, carried)
    ratings = {
        key: Rating(service_of(key), consumption.period.name, tariffs[key], usages[key], rate(tariffs[key], usages[key])) for key in held
    }
    return Rated(consumption, held, ratings)


def exception(period: Period, service: str, reason: str) -> dict[str, str]:
    return {"period": period.name, "service": service, "reason": reason}


def tariff_of(snapshot: Snapshot, stretch: Stretch, customer: Row, period: Period) -> TariffVersion:
    """The version that prices a stretch, by its first day; TariffError when there is none that the payer can be billed by."""
    if not stretch.tariff:
        raise TariffError("-", "the service has no tariff")
    found = snapshot.tariff(stretch.tariff, stretch.low)
    if snapshot.rates.on(last_day(snapshot, period), found.tariff.currency, customer["currency"]) is None:
        raise TariffError(found.name, f"prices {found.tariff.currency}, the customer is billed in {customer['currency']}")
    try:
        tax_of(snapshot, customer, found.tariff.tax_class, last_day(snapshot, period))
    except TaxError as error:
        raise TariffError(found.name, str(error)) from error
    return found


def last_day(snapshot: Snapshot, period: Period) -> date:
    return cycles.days_of(period.name, snapshot.zone)[1] - timedelta(days=1)


def tax_of(snapshot: Snapshot, customer: Row, tax_class: str, on: date) -> Tax:
    """What a supply to a payer bears on a day: by its jurisdiction, or its own rate where it has none."""
    place = customer.get("tax_jurisdiction", "")
    if not place:
        return Tax(customer["tax_rate_ppm"])
    parties = Parties(
        snapshot.seller(customer).get("country", ""), customer.get("country", ""), customer["tax_id"], customer.get("tax_category", "")
    )
    return taxes.decide(snapshot.taxes, parties, place, tax_class, on)


def charges_of(inputs: Inputs, customer: Row, rated: Rated, key: str) -> list[Line]:
    """What the payer bears of each item of a stretch, with the usage it rests on."""
    rating, stretch, found = rated.ratings[key], rated.stretches[key], []
    parts = parts_of(rated.consumption, inputs.snapshot, rating.service, stretch)
    for item in rating.items:
        meter = rating.tariff.meter_of(item.charge)
        usage = [part.ref() for part in parts if part.record["meter"] == meter]
        named = replace(item, charge=item.charge + stretch.suffix) if stretch.no else item
        line = _line(inputs, customer, stretch.service, rated.consumption.period, named, rating.tariff, usage)
        found += [line] if line else []
    return found


def _line(
    inputs: Inputs, customer: Row, service: Row, period: Period, item: PricedItem, tariff: TariffVersion, usage: Sequence[Row]
) -> Line | None:
    """A charge in the payer's currency, its share of it, with its tax; None where others bear it all."""
    snapshot, day = inputs.snapshot, last_day(inputs.snapshot, period)
    said: dict[str, Any] = {}
    amount, priced, billed = item.amount_minor, tariff.tariff.currency, customer["currency"]
    if priced != billed:
        rate_ = snapshot.rates.on(day, priced, billed)
        assert rate_ is not None, "a tariff without a rate is an exception"
        said["exchange"] = {**rate_.said, "currency": priced, "amount_minor": amount}
        amount = exchange.minor(amount, priced, billed, rate_, HALF_UP)
    shares = snapshot.shares_of(service["id"], int(item.charge.partition(".")[0]))
    if shares:
        ppm, mine = _share(shares, snapshot, service, customer, amount)
        if not ppm:
            return None
        said["share"] = {"ppm": ppm, "amount_minor": amount}
        amount = mine
    if service["customer_id"] != customer["id"] and (owner := snapshot.customers.get(service["customer_id"])):
        said["owner"] = {name: owner[name] for name in ("id", "number", "name")}
    head = tariff.tariff
    net, tax, own = taxed(inputs, customer, amount, head.tax_class, day, inclusive=head.prices_include_tax)
    said |= {"gross_minor": amount} if head.prices_include_tax else {}
    return Line("charge", service, period, item, net, billed, tax, tariff, 0, usage, None, own, said)


def _share(shares: Mapping[str, int], snapshot: Snapshot, service: Row, customer: Row, amount: int) -> tuple[int, int]:
    """(parts per million, minor units) that the payer bears: what others bear is rounded, its own payer has the rest."""
    parts = {payer: money.share(amount, ppm, money.PPM, HALF_UP) for payer, ppm in sorted(shares.items())}
    if customer["id"] in shares and customer["id"] != snapshot.payer_of(service["customer_id"]):
        return shares[customer["id"]], parts[customer["id"]]
    others = {payer: ppm for payer, ppm in shares.items() if payer != customer["id"]}
    return money.PPM - sum(others.values()), amount - sum(parts[payer] for payer in others)


def taxed(inputs: Inputs, customer: Row, amount: int, tax_class: str, day: date, *, inclusive: bool) -> tuple[int, Tax, int | None]:
    """(net, tax, tax of the line's own) of an amount; of a price with tax the net amount is taken out."""
    tax = tax_of(inputs.snapshot, customer, tax_class, day)
    if inclusive:
        net = taxes.net_of(amount, tax.rate_ppm)
        return net, tax, amount - net
    per_line = inputs.snapshot.data["terms"].get("tax_rounding") == "per_line"
    return amount, tax, money.tax(amount, tax.rate_ppm, HALF_UP) if per_line else None
