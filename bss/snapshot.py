"""What a bill run rests on besides usage, frozen when the run begins: operator, customers, services, bindings, tariffs.

The inventory may change at any time; an invoice must come out the same for ever. So the run keeps its own copy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.points import metering_points
from bss import canonical
from bss.settings import BssSettings
from bss.store import billing_profile, rated_usage, tariff_used
from bss.tariffs import TariffError, Tariffs, TariffVersion, in_force, parse
from inventory.store import customer, entity, service, service_binding
from station.scope import Scope
from station.state import insert_new

Row = Mapping[str, Any]
CUSTOMER = ("id", "number", "name", "email", "address", "tax_id", "currency", "tax_rate_ppm")
PROFILE = ("country", "tax_category", "buyer_reference")
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
    def _parsed(self) -> dict[tuple[str, str], TariffVersion]:
        return {}

    def _parse(self, row: Row) -> TariffVersion:
        key = (row["name"], row["effective"])
        if key not in self._parsed:
            self._parsed[key] = parse(row["name"], date.fromisoformat(row["effective"]), row["text"])
        return self._parsed[key]


async def take(
    conn: AsyncConnection, scope: Scope, settings: BssSettings, time_zone: str, tariffs: Tariffs, *, simulated: bool
) -> Snapshot:
    """Freeze the present; TariffError when a tariff file that was used before is not what it was."""
    services = await _rows(conn, scope.tenant, service, SERVICE)
    names = {row["tariff"] for row in services} | set(
        (await conn.execute(sa.select(rated_usage.c.tariff).where(rated_usage.c.tenant == scope.tenant).distinct())).scalars()
    )
    versions = [version for name in sorted(names) for version in tariffs.versions(name)]
    await _unedited(conn, scope.tenant, versions)
    return Snapshot(
        {
            "operator": {
                "name": settings.operator_name,
                "address": settings.operator_address,
                "tax_id": settings.operator_tax_id,
                "email": settings.operator_email,
                "bank": settings.operator_bank,
                **({"country": settings.operator_country} if settings.operator_country else {}),
            },
            "terms": {"payment_days": settings.payment_days, "series": settings.invoice_series, "time_zone": time_zone},
            "adjust_months": settings.adjust_months,
            "simulated": simulated,
            "customers": await _customers(conn, scope.tenant),
            "services": services,
            "bindings": await _bindings(conn, scope.tenant),
            "tariffs": [{"name": v.name, "effective": v.effective.isoformat(), "sha256": v.sha256, "text": v.text} for v in versions],
        }
    )


async def _rows(conn: AsyncConnection, tenant: int, table: sa.Table, names: Iterable[str]) -> list[dict[str, Any]]:
    columns = [table.c[name] for name in names]
    query = sa.select(*columns).where(table.c.tenant == tenant).order_by(table.c.number, table.c.id)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _customers(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    """The customers, each with what its billing profile says."""
    profiles = (await conn.execute(sa.select(billing_profile).where(billing_profile.c.tenant == tenant))).mappings()
    said = {row["customer_id"]: {name: row[name] for name in PROFILE if row[name]} for row in profiles}
    return [row | said.get(row["id"], {}) for row in await _rows(conn, tenant, customer, CUSTOMER)]


async def _bindings(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
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
        if point is not None:
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
