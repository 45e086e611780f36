"""Customers, their services, and the interfaces these are sold on and depend on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory import store
from inventory.graph import path_of, ways_in
from inventory.topology import Topology
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new, upsert

CUSTOMERS_MAX: Final = 100_000  # per import
I63: Final = (1 << 63) - 1
ACCESS: Final = "access"
PATH: Final = "path"
Row = dict[str, Any]


class CustomerImportError(Exception):
    """Rows that cannot be taken; the text names row, field and reason. Nothing was changed."""


class ServiceRow(BaseModel):
    """A service as imported. `device` and `interface` (sysName and ifName) may be discovered later."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    number: str = Field(min_length=1, max_length=64)
    name: str = Field(min_length=1, max_length=255)
    kind: str = Field(default="internet_access", max_length=32)
    tariff: str = Field(default="", max_length=64)
    sla: str = Field(default="", max_length=64)
    device: str = Field(default="", max_length=255)
    interface: str = Field(default="", max_length=255)
    active_from_ns: int = Field(default=0, ge=0, le=I63)
    active_to_ns: int = Field(default=0, ge=0, le=I63)


class CustomerRow(BaseModel):
    """A customer as imported, with their services."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    number: str = Field(min_length=1, max_length=32)
    name: str = Field(min_length=1, max_length=255)
    email: str = Field(default="", max_length=255)
    address: str = Field(default="", max_length=2000)
    tax_id: str = Field(default="", max_length=64)
    currency: str = Field(default="EUR", pattern=r"\A[A-Z]{3}\z")
    tax_rate_ppm: int = Field(default=190_000, ge=0, le=1_000_000)
    services: tuple[ServiceRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """How many of each were taken; `pending` bindings wait for their interface to be discovered."""

    customers: int
    services: int
    bound: int
    pending: int


async def import_customers(state: State, scope: Scope, rows: Sequence[Mapping[str, Any]], now_ns: int) -> Imported:
    """Take customers with their services: known numbers are changed, new ones made, all rows or none.

    A service that moves to another interface keeps its old binding with an end, so that a bill of last month
    still finds its meter.
    """
    scope.require(Role.BILLING, "importing customers")
    customers = _checked(rows)
    async with state.write() as conn:
        ids = await _write_customers(conn, scope.tenant, customers, now_ns)
        services = [(ids[customer.number], one) for customer in customers for one in customer.services]
        numbers = await _write_services(conn, scope.tenant, services, now_ns)
        wanted = {numbers[one.number]: one for _, one in services if one.device and one.interface}
        await _release(conn, scope.tenant, wanted, now_ns)
        bound = await resolve_pending(conn, scope.tenant)
        pending = await _count(conn, store.pending_binding, scope.tenant)
        after = {"customers": len(customers), "services": len(services)}
        await audit.record(conn, scope, "customers.import", "customers", now_ns=now_ns, after=after)
    return Imported(len(customers), len(services), bound, pending)


def _checked(rows: Sequence[Mapping[str, Any]]) -> list[CustomerRow]:
    if len(rows) > CUSTOMERS_MAX:
        raise CustomerImportError(f"More than {CUSTOMERS_MAX} customers; import them in parts.")
    customers = []
    for number, row in enumerate(rows, 1):
        try:
            customers.append(CustomerRow.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            raise CustomerImportError(f"Row {number}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    for what, numbers in (("customer", [c.number for c in customers]), ("service", [s.number for c in customers for s in c.services])):
        if len(set(numbers)) != len(numbers):
            twice = next(number for number in numbers if numbers.count(number) > 1)
            raise CustomerImportError(f"The {what} number {twice!r} stands twice.")
    return customers


async def _write_customers(conn: AsyncConnection, tenant: int, customers: Sequence[CustomerRow], now_ns: int) -> dict[str, str]:
    rows = [{"tenant": tenant, "id": new_id(now_ns), **one.model_dump(exclude={"services"})} for one in customers]
    await upsert(conn, store.customer, rows, ("tenant", "number"), update=[name for name in CustomerRow.model_fields if name != "services"])
    return await _ids(conn, store.customer, tenant)


async def _write_services(conn: AsyncConnection, tenant: int, services: Sequence[tuple[str, ServiceRow]], now_ns: int) -> dict[str, str]:
    own = [name for name in ServiceRow.model_fields if name not in {"device", "interface"}]
    rows = [
        {"tenant": tenant, "id": new_id(now_ns), "customer_id": customer_id, **one.model_dump(include=set(own))}
        for customer_id, one in services
    ]
    await upsert(conn, store.service, rows, ("tenant", "number"), update=[*own, "customer_id"])
    return await _ids(conn, store.service, tenant)


async def _ids(conn: AsyncConnection, table: sa.Table, tenant: int) -> dict[str, str]:
    rows = await conn.execute(sa.select(table.c.number, table.c.id).where(table.c.tenant == tenant))
    return {row.number: row.id for row in rows}


async def _release(conn: AsyncConnection, tenant: int, wanted: Mapping[str, ServiceRow], now_ns: int) -> None:
    """End access bindings that are no longer wanted, and note the wanted ones that are not there yet as pending."""
    current = await _access_names(conn, tenant)
    stay = {service_id for service_id, one in wanted.items() if (one.device, one.interface) in current.get(service_id, {}).values()}
    for service_id, one in wanted.items():
        here = (store.pending_binding.c.tenant == tenant) & (store.pending_binding.c.service_id == service_id)
        await conn.execute(sa.delete(store.pending_binding).where(here))
        if service_id in stay:
            continue
        moved = current.get(service_id, {})
        ended = store.service_binding.c.id.in_(list(moved))
        await conn.execute(sa.update(store.service_binding).where(ended).values(valid_to_ns=now_ns))
        row = {"service_id": service_id, "device_name": one.device, "interface_name": one.interface, "role": ACCESS}
        begins_ns = now_ns if moved else one.active_from_ns
        await conn.execute(
            sa.insert(store.pending_binding).values(tenant=tenant, valid_from_ns=begins_ns, valid_to_ns=one.active_to_ns, **row)
        )


async def _access_names(conn: AsyncConnection, tenant: int) -> dict[str, dict[str, tuple[str, str]]]:
    """By service: its open access bindings' ids with the device's and the interface's name."""
    binding, entity, device = store.service_binding.c, store.entity.c, store.device.c
    at = (entity.tenant == binding.tenant) & (entity.device_no == binding.device_no) & (entity.entity_no == binding.entity_no)
    joined = store.service_binding.join(store.entity, at).join(store.device, device.no == binding.device_no)
    query = sa.select(binding.service_id, binding.id, device.name, entity.name.label("interface")).select_from(joined)
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for row in await conn.execute(query.where(binding.tenant == tenant, binding.role == ACCESS, binding.valid_to_ns == 0)):
        found.setdefault(row.service_id, {})[row.id] = (row.name, row.interface)
    return found


async def resolve_pending(conn: AsyncConnection, tenant: int) -> int:
    """Bind what waited for an interface that is now in the inventory; return how many.

    A name that two devices share binds nothing: a bill must not depend on which was found first.
    """
    pending, entity, device = store.pending_binding.c, store.entity.c, store.device.c
    named = (device.tenant == pending.tenant) & (device.name == pending.device_name)
    port = (
        (entity.tenant == pending.tenant)
        & (entity.device_no == device.no)
        & (entity.kind == "interface")
        & (entity.name == pending.interface_name)
    )
    joined = store.pending_binding.join(store.device, named).join(store.entity, port)
    query = sa.select(store.pending_binding, entity.device_no, entity.entity_no).select_from(joined).where(pending.tenant == tenant)
    found = [dict(row) for row in (await conn.execute(query)).mappings()]
    answers = Counter(_want(row) for row in found)
    certain = [row for row in found if answers[_want(row)] == 1]
    columns = ("tenant", "service_id", "device_no", "entity_no", "role", "valid_from_ns", "valid_to_ns")
    made = [{"id": new_id()} | {name: row[name] for name in columns} for row in certain]
    await insert_new(conn, store.service_binding, made, ("tenant", "service_id", "device_no", "entity_no", "valid_from_ns"))
    for row in certain:
        same = (pending.tenant == tenant) & (pending.service_id == row["service_id"]) & (pending.valid_from_ns == row["valid_from_ns"])
        names = (pending.device_name == row["device_name"]) & (pending.interface_name == row["interface_name"])
        await conn.execute(sa.delete(store.pending_binding).where(same, names))
    return len(certain)


def _want(row: Row) -> tuple[str, str, str]:
    return row["service_id"], row["device_name"], row["interface_name"]


async def refresh_paths(state: State, scope: Scope, topology: Topology, now_ns: int) -> bool:
    """Write which interfaces each service crosses on its way to the core, and end what it no longer crosses; True if any differ."""
    hops = ways_in(topology)
    wanted = {(one.id, key) for one in topology.services.values() for key in _crossed(one.access, hops)}
    known = {(one.id, key) for one in topology.services.values() for key in one.path}
    if wanted == known:
        return False
    binding = store.service_binding.c
    async with state.write() as conn:
        for service_id, key in sorted(known - wanted):
            here = (binding.service_id == service_id) & (binding.device_no == key >> 16) & (binding.entity_no == key & 0xFFFF)
            ended = here & (binding.tenant == scope.tenant) & (binding.role == PATH) & (binding.valid_to_ns == 0)
            await conn.execute(sa.update(store.service_binding).where(ended).values(valid_to_ns=now_ns))
        rows = [_path_row(scope.tenant, service_id, key, now_ns) for service_id, key in sorted(wanted - known)]
        await insert_new(conn, store.service_binding, rows, ("tenant", "service_id", "device_no", "entity_no", "valid_from_ns"))
    return True


def _crossed(access: Sequence[int], hops: Mapping[int, Any]) -> set[int]:
    return {key for end in access for key in path_of(hops, end >> 16)} - set(access)


def _path_row(tenant: int, service_id: str, key: int, now_ns: int) -> Row:
    place = {"device_no": key >> 16, "entity_no": key & 0xFFFF, "role": PATH}
    return {"tenant": tenant, "id": new_id(now_ns), "service_id": service_id, **place, "valid_from_ns": now_ns, "valid_to_ns": 0}


async def _count(conn: AsyncConnection, table: sa.Table, tenant: int) -> int:
    return int((await conn.execute(sa.select(sa.func.count()).select_from(table).where(table.c.tenant == tenant))).scalar_one())
