"""What a bill run rests on besides usage, frozen when the run begins: operator, customers, services, bindings, tariffs.

The inventory may change at any time; an invoice must come out the same for ever. So the run keeps its own copy.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.periods import Period
from billing_bridge.points import metering_points
from bss import canonical, cycles, taxes
from bss.cycles import Cycle, ShortMonth
from bss.exchange import Rates
from bss.membership import cycle_of, members, nominal, payer_of
from bss.plans import by_service, of_places
from bss.publication import published
from bss.settings import BssSettings
from bss.store import bill_split, billing_profile, exchange_rate, one_off, rated_usage, service_plan, tariff_used
from bss.tariffs import TariffError, Tariffs, TariffVersion, in_force, parse
from bss.taxes import Jurisdiction
from inventory.store import customer, entity, service, service_binding
from station.scope import Scope
from station.state import insert_new

Row = Mapping[str, Any]
CUSTOMER = ("id", "number", "name", "email", "address", "tax_id", "currency", "tax_rate_ppm")
PROFILE = ("country", "tax_category", "buyer_reference")  # what an invoice says of its buyer
TERMS = ("payer_id", "cycle", "time_zone", "legal_entity", "tax_jurisdiction")  # how a customer is billed
ONCE = "once."  # what the charges that are asked for once are named by, before their id
RATES_DAYS = 400
SERVICE = ("id", "number", "name", "customer_id", "tariff", "active_from_ns", "active_to_ns")


@dataclass(frozen=True)
class Snapshot:
    """`data` is what was frozen; the rest are views of it."""

    data: Mapping[str, Any]

    @cached_property
    def zone(self) -> ZoneInfo:
        """The contract's time zone."""
        return ZoneInfo(self.data["terms"]["time_zone"])

    @cached_property
    def rule(self) -> ShortMonth:
        return ShortMonth(self.data["terms"].get("short_month", ShortMonth.LAST_DAY))

    @cached_property
    def members(self) -> list[Row]:
        """The customers whom the run bills, by number."""
        named = self.data.get("members", self.customers)
        return sorted((self.customers[id_] for id_ in named), key=lambda row: (row["number"], row["id"]))

    @cached_property
    def customers(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.data["customers"]}

    @cached_property
    def services(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.data["services"]}

    @cached_property
    def _services_by_customer(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.services.values():
            found.setdefault(row["customer_id"], []).append(row)
        return found

    def services_of(self, customer_id: str) -> list[Row]:
        """A customer's services, by number."""
        return self._services_by_customer.get(customer_id, [])

    def whole(self, service: Row, first: date, after: date) -> tuple[tuple[date, date], int]:
        """The period that a service's fees are for when [first, after) is billed, and how many months it has (0: no whole one)."""
        owner = service.get("customer_id", "")
        if not owner or owner not in self.customers:
            return (first, after), 1
        cycle = self.cycle(self.payer_of(owner))
        return nominal(cycle, first, after), cycle.months

    def cycle(self, payer_id: str) -> Cycle:
        if payer_id not in self._cycles:
            self._cycles[payer_id] = cycle_of(self.customers[payer_id], self.zone, self.rule)
        return self._cycles[payer_id]

    @cached_property
    def _cycles(self) -> dict[str, Cycle]:
        return {}

    def payer_of(self, customer_id: str) -> str:
        return self._payers[customer_id]

    @cached_property
    def _payers(self) -> dict[str, str]:
        return {id_: payer_of(self.customers, id_) for id_ in self.customers}

    @cached_property
    def _paid(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for id_, row in self.customers.items():
            found.setdefault(self._payers[id_], []).append(row)
        return found

    def owners_of(self, payer_id: str) -> list[Row]:
        """The customers whose services stand on a payer's bill: itself first, then those it pays for by number, then those
        who share a service with it."""
        paid = sorted(self._paid.get(payer_id, []), key=lambda row: (row["id"] != payer_id, row["number"], row["id"]))
        known = {row["id"] for row in paid}
        shared = {self.services[split["service_id"]]["customer_id"] for split in self.splits_to(payer_id)} - known
        return paid + [self.customers[id_] for id_ in sorted(shared) if id_ in self.customers]

    @cached_property
    def splits(self) -> dict[str, list[Row]]:
        """How services are split, by service."""
        return by_service([row for row in self.data.get("splits", ()) if row["service_id"] in self.services])

    def shares_of(self, service_id: str, place: int) -> dict[str, int]:
        """What others than the service's own payer bear of a charge, in parts per million; who is not billed in this run bears
        nothing. `place` is the charge's in the tariff."""
        rows = [row for row in self.splits.get(service_id, ()) if row["payer_id"] in self._billed]
        return {row["payer_id"]: row["share_ppm"] for row in rows if not row["charges"] or place in set(of_places(row["charges"]))}

    @cached_property
    def _billed(self) -> frozenset[str]:
        return frozenset(row["id"] for row in self.members)

    def splits_to(self, payer_id: str) -> list[Row]:
        return self._splits_to.get(payer_id, [])

    @cached_property
    def _splits_to(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in (row for rows in self.splits.values() for row in rows):
            found.setdefault(row["payer_id"], []).append(row)
        return found

    @cached_property
    def plans(self) -> dict[str, list[Row]]:
        """Changes of tariff by service."""
        return by_service(self.data.get("plans", ()))

    @cached_property
    def one_offs(self) -> dict[str, list[Row]]:
        """Charges that are asked for once, by the customer who is billed for them."""
        found: dict[str, list[Row]] = {}
        for row in self.data.get("one_offs", ()):
            found.setdefault(self.payer_of(row["customer_id"]), []).append(row)
        return found

    @cached_property
    def rates(self) -> Rates:
        return Rates(self.data.get("rates", ()), self.data["terms"].get("currency", ""))

    @cached_property
    def taxes(self) -> dict[str, Jurisdiction]:
        return {name: taxes.parse(text, name) for name, text in self.data.get("taxes", {}).items()}

    def seller(self, customer: Row) -> Row:
        """The legal entity that bills a customer: the operator where none is named."""
        named = customer.get("legal_entity", "")
        found: Row = self.data.get("entities", {}).get(named) or self.data["operator"]
        return found

    @cached_property
    def _versions(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        for row in self.data["tariffs"]:
            found.setdefault(row["name"], []).append(row)
        return found

    @cached_property
    def bindings(self) -> dict[str, list[Row]]:
        """Access bindings by service."""
        found: dict[str, list[Row]] = {}
        for row in self.data["bindings"]:
            found.setdefault(row["service_id"], []).append(row)
        return found

    def tariff(self, name: str, on: date) -> TariffVersion:
        """The version in force on a day; TariffError when there is none, or when its file is unsound."""
        versions = [row for row in self._versions.get(name, ()) if row["effective"] <= on.isoformat()]
        return in_force([self._parse(row) for row in versions[-1:]], name, on)

    def tariff_of(self, name: str, effective: str) -> TariffVersion:
        """A version by its date, as a rating named it; TariffError when its file is gone."""
        for row in self.data["tariffs"]:
            if (row["name"], row["effective"]) == (name, effective):
                return self._parse(row)
        raise TariffError(name, f"the version of {effective} is gone")

    @cached_property
    def fees_ahead(self) -> bool:
        """Whether any tariff has a fee in advance; one that is unsound has none, and is told of where it is used."""
        for row in self.data["tariffs"]:
            with suppress(TariffError):
                if self._parse(row).ahead:
                    return True
        return False

    @cached_property
    def _parsed(self) -> dict[tuple[str, str], TariffVersion]:
        return {}

    def _parse(self, row: Row) -> TariffVersion:
        key = (row["name"], row["effective"])
        if key not in self._parsed:
            self._parsed[key] = parse(row["name"], date.fromisoformat(row["effective"]), row["text"])
        return self._parsed[key]


@dataclass(frozen=True, slots=True)
class Sources:
    """What a snapshot is taken of besides the store; `taxes` are the texts of jurisdictions by name."""

    settings: BssSettings
    time_zone: str
    tariffs: Tariffs
    taxes: Mapping[str, str]
    simulated: bool


async def take(conn: AsyncConnection, scope: Scope, sources: Sources, period: Period) -> Snapshot:
    """Freeze the present for the customers who are billed for a period; TariffError when a tariff file that was used before
    is not what it was."""
    tenant, settings = scope.tenant, sources.settings
    zone = ZoneInfo(sources.time_zone)
    everybody = await customers_of(conn, tenant)
    billed = await members(conn, tenant, everybody, period, zone, settings.short_month)
    customers = _with_those_paid_for(everybody, billed)
    ids = {row["id"] for row in customers}
    services = [row for row in await _rows(conn, tenant, service, SERVICE) if row["customer_id"] in ids]
    mine = {row["id"] for row in services}
    plans = [row for row in await _plans(conn, tenant) if row["service_id"] in mine]
    splits = [row for row in await _splits(conn, tenant) if row["service_id"] in mine]
    names = {row["tariff"] for row in [*services, *plans]} | {row["was"] for row in plans}
    versions = await _versions(conn, tenant, sources.tariffs, names, publish=settings.publish)
    once = await _one_offs(conn, tenant, customers, period)
    extra = {
        "members": billed if len(billed) < len(everybody) else None,
        "plans": plans,
        "splits": splits,
        "one_offs": once,
        "rates": await _exchange_rates(conn, tenant, period) if _several(customers, versions, once, settings) else [],
        "taxes": dict(sources.taxes) if any(row.get("tax_jurisdiction") for row in customers) else {},
        "entities": {name: entity.model_dump(mode="json") for name, entity in settings.entities.items()},
    }
    return Snapshot(
        {
            "operator": _operator(settings),
            "terms": _terms(settings, sources.time_zone),
            "adjust_months": settings.adjust_months,
            "simulated": sources.simulated,
            "customers": customers,
            "services": services,
            "bindings": await _bindings(conn, tenant, mine),
            "tariffs": [{"name": v.name, "effective": v.effective.isoformat(), "sha256": v.sha256, "text": v.text} for v in versions],
        }
        | {name: value for name, value in extra.items() if value is not None and (value or name == "members")}
    )


def _operator(settings: BssSettings) -> dict[str, str]:
    named = {name: getattr(settings, f"operator_{name}") for name in ("name", "address", "tax_id", "email", "bank")}
    more = {name: getattr(settings, f"operator_{name}") for name in ("country", "contact", "phone", "legal_id")}
    return named | {name: value for name, value in more.items() if value}


def _terms(settings: BssSettings, time_zone: str) -> dict[str, Any]:
    """What holds for every invoice of the run."""
    said = {
        "credit_series": settings.credit_series,
        "short_month": settings.short_month.value,
        "tax_rounding": settings.tax_rounding.value,
        "currency": settings.currency,
    }
    return {"payment_days": settings.payment_days, "series": settings.invoice_series, "time_zone": time_zone} | said


def _with_those_paid_for(everybody: Sequence[dict[str, Any]], billed: Sequence[str]) -> list[dict[str, Any]]:
    """The customers billed and those they pay for, in the order given."""
    by_id, chosen = {row["id"]: row for row in everybody}, set(billed)
    return [row for row in everybody if payer_of(by_id, row["id"]) in chosen]


def _several(customers: Iterable[Row], versions: Iterable[TariffVersion], once: Iterable[Row], settings: BssSettings) -> bool:
    """Whether more than one currency is at hand."""
    priced = {version.tariff.currency for version in versions} | {row["currency"] for row in once}
    return len(priced | {row["currency"] for row in customers} | {settings.currency}) > 1


async def _versions(conn: AsyncConnection, tenant: int, tariffs: Tariffs, names: set[str], *, publish: bool) -> list[TariffVersion]:
    """Every version of the tariffs named and of those that were used, as their files are; `publish`: if two people agreed."""
    c = rated_usage.c
    used = (await conn.execute(sa.select(c.tariff).where(c.tenant == tenant).distinct())).scalars()
    found = [version for name in sorted(names | set(used)) for version in tariffs.versions(name)]
    if publish:
        agreed = await published(conn, tenant)
        found = [version for version in found if (version.name, version.effective.isoformat(), version.sha256) in agreed]
    await _unedited(conn, tenant, found)
    return found


async def _plans(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    c = service_plan.c
    query = sa.select(c.service_id, c.day, c.made_ns, c.tariff, c.was).where(c.tenant == tenant).order_by(c.service_id, c.day, c.made_ns)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _splits(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    c = bill_split.c
    query = sa.select(c.service_id, c.payer_id, c.charges, c.share_ppm).where(c.tenant == tenant).order_by(c.service_id, c.payer_id)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _one_offs(conn: AsyncConnection, tenant: int, customers: Iterable[Row], period: Period) -> list[dict[str, Any]]:
    """The charges supplied before the period's end that stand on no invoice yet."""
    c, r, ids = one_off.c, rated_usage.c, {row["id"] for row in customers}
    billed = sa.select(r.charge).where(r.tenant == tenant, r.charge == sa.literal(ONCE) + c.id)
    where = (c.tenant == tenant, c.day < cycles.days_of(period.name, ZoneInfo("UTC"))[1].isoformat(), ~billed.exists())
    columns = [c[name] for name in c.keys() if name not in ("tenant", "made_by")]  # noqa: SIM118 - columns, no mapping
    rows = (await conn.execute(sa.select(*columns).where(*where).order_by(c.day, c.id))).mappings()
    return [dict(row) for row in rows if row["customer_id"] in ids]


async def _exchange_rates(conn: AsyncConnection, tenant: int, period: Period) -> list[dict[str, Any]]:
    """The rates that a bill of the period, or a correction of an earlier one, may ask for."""
    c, zone = exchange_rate.c, ZoneInfo("UTC")
    first, after, _ = cycles.days_of(period.name, zone)
    where = (c.tenant == tenant, c.day >= (first - timedelta(days=RATES_DAYS)).isoformat(), c.day <= after.isoformat())
    columns = (c.day, c.base, c.quote, c.rate, c.source)
    return [dict(row) for row in (await conn.execute(sa.select(*columns).where(*where).order_by(c.day, c.base, c.quote))).mappings()]


async def _rows(conn: AsyncConnection, tenant: int, table: sa.Table, names: Iterable[str]) -> list[dict[str, Any]]:
    columns = [table.c[name] for name in names]
    query = sa.select(*columns).where(table.c.tenant == tenant).order_by(table.c.number, table.c.id)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def begun(conn: AsyncConnection, tenant: int, floor_ns: int) -> dict[str, int]:
    """When each customer's first service began, `floor_ns` at the earliest."""
    c = service.c
    query = sa.select(c.customer_id, sa.func.min(c.active_from_ns)).where(c.tenant == tenant).group_by(c.customer_id)
    return {customer_id: max(int(since_ns), floor_ns) for customer_id, since_ns in await conn.execute(query)}


async def customers_of(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    """The customers, each with what its billing profile says."""
    profiles = (await conn.execute(sa.select(billing_profile).where(billing_profile.c.tenant == tenant))).mappings()
    said = {row["customer_id"]: {name: row[name] for name in (*PROFILE, *TERMS) if row[name]} for row in profiles}
    return [row | said.get(row["id"], {}) for row in await _rows(conn, tenant, customer, CUSTOMER)]


async def _bindings(conn: AsyncConnection, tenant: int, services: set[str]) -> list[dict[str, Any]]:
    points = {point.entity_key: point for point in await metering_points(conn, tenant)}
    b = service_binding.c
    query = (
        sa.select(b.service_id, b.device_no, b.entity_no, b.valid_from_ns, b.valid_to_ns, entity.c.alias)
        .join(entity, sa.and_(entity.c.tenant == tenant, entity.c.device_no == b.device_no, entity.c.entity_no == b.entity_no))
        .where(b.tenant == tenant, b.role == "access")
        .order_by(b.service_id, b.device_no, b.entity_no, b.valid_from_ns)
    )
    found = []
    for service_id, device_no, entity_no, from_ns, to_ns, alias in await conn.execute(query):
        point = points.get(device_no << 16 | entity_no)
        if point is not None and service_id in services:
            about = {"metering_point": point.id, "name": f"{point.device} {point.name}", "alias": alias, "simulated": point.simulated}
            found.append(about | {"service_id": service_id, "from_ns": from_ns, "to_ns": to_ns})
    return found


async def _unedited(conn: AsyncConnection, tenant: int, versions: Iterable[TariffVersion]) -> None:
    used = {
        (row.name, row.effective): row.sha256 for row in await conn.execute(sa.select(tariff_used).where(tariff_used.c.tenant == tenant))
    }
    for version in versions:
        if used.get((version.name, version.effective.isoformat()), version.sha256) != version.sha256:
            raise TariffError(version.name, f"the version of {version.effective.isoformat()} was edited after it was used; date a new one")


async def mark_used(conn: AsyncConnection, tenant: int, versions: Iterable[TariffVersion]) -> None:
    """Remember what a used version said, so that a later edit is found."""
    rows = [{"tenant": tenant, "name": v.name, "effective": v.effective.isoformat(), "sha256": v.sha256} for v in versions]
    await insert_new(conn, tariff_used, rows, ("tenant", "name", "effective"))


def freeze(snapshot: Snapshot) -> tuple[str, str]:
    """(canonical JSON, SHA-256) of a snapshot."""
    text = canonical.encode(snapshot.data)
    return text, canonical.sha256(text)
