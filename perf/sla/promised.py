"""The services under a promise, with the access ports they had at any time, from the inventory."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.store import customer, device, entity, service, service_binding
from perf.sla.intervals import Span
from station.scope import Scope

FOREVER_NS: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Bound:
    """A port that carries a service during a span: entity key, public ids of port, device and site, and its name."""

    key: int
    port: str
    device: str
    site: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Promised:
    """A service under a promise."""

    id: str
    number: str
    name: str
    customer_id: str
    customer: str
    sla: str
    active: Span
    ports: tuple[Bound, ...]


async def promised(conn: AsyncConnection, scope: Scope, service_id: str = "") -> list[Promised]:
    """Every service with a promise that the scope sees, by number."""
    s, c = service.c, customer.c
    where = [s.tenant == scope.tenant, s.sla != ""]
    if service_id:
        where.append(s.id == service_id)
    if scope.customers:
        where.append(s.customer_id.in_(scope.customers))
    named = sa.select(s.id, s.number, s.name, s.customer_id, c.name.label("customer"), s.sla, s.active_from_ns, s.active_to_ns)
    joined = service.join(customer, sa.and_(c.tenant == s.tenant, c.id == s.customer_id))
    rows = (await conn.execute(named.select_from(joined).where(*where).order_by(s.number))).all()
    ports = await _ports(conn, scope.tenant, service_id)
    return [Promised(*row[:6], (row.active_from_ns, row.active_to_ns or FOREVER_NS), tuple(ports.get(row.id, ()))) for row in rows]


async def _ports(conn: AsyncConnection, tenant: int, service_id: str) -> dict[str, list[Bound]]:
    b, e, d = service_binding.c, entity.c, device.c
    port = sa.and_(e.tenant == b.tenant, e.device_no == b.device_no, e.entity_no == b.entity_no)
    of_device = sa.and_(d.tenant == b.tenant, d.no == b.device_no)
    span = (b.valid_from_ns, b.valid_to_ns)
    names = (e.id, d.id.label("device_id"), d.site_id, d.name, e.name.label("port"))
    bindings = (
        sa.select(b.service_id, b.device_no, b.entity_no, *span, *names)
        .select_from(service_binding.join(entity, port).join(device, of_device))
        .where(b.tenant == tenant, b.role == "access", *([b.service_id == service_id] if service_id else []))
        .order_by(b.service_id, d.name, e.name)
    )
    ports: dict[str, list[Bound]] = {}
    for row in await conn.execute(bindings):
        key = row.device_no << 16 | row.entity_no
        while_ = (row.valid_from_ns, row.valid_to_ns or FOREVER_NS)
        ports.setdefault(row.service_id, []).append(Bound(key, row.id, row.device_id, row.site_id or "", f"{row.name} {row.port}", while_))
    return ports
