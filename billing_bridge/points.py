"""Metering points: the interfaces that services are, or once were, metered on."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import FOREVER_NS
from inventory.store import device, entity, service_binding, site
from station.series import entity_key


@dataclass(frozen=True, slots=True)
class MeteringPoint:
    """An interface by its public id and entity key; `bound` are the spans in which a service held it."""

    id: str
    entity_key: int
    device: str
    name: str
    speed_bps: int
    simulated: bool
    bound: tuple[tuple[int, int], ...]
    region: str = ""

    def bound_during(self, start_ns: int, end_ns: int) -> bool:
        return any(low < end_ns and start_ns < high for low, high in self.bound)


async def metering_points(conn: AsyncConnection, tenant: int) -> list[MeteringPoint]:
    """Every interface with an access binding, by id."""
    here = sa.and_(
        entity.c.tenant == tenant, entity.c.device_no == service_binding.c.device_no, entity.c.entity_no == service_binding.c.entity_no
    )
    query = (
        sa.select(
            entity.c.id,
            entity.c.device_no,
            entity.c.entity_no,
            device.c.name.label("device"),
            entity.c.name,
            entity.c.speed_bps,
            device.c.simulated,
            service_binding.c.valid_from_ns,
            service_binding.c.valid_to_ns,
            sa.func.coalesce(site.c.region, "").label("region"),
        )
        .join(entity, here)
        .join(device, sa.and_(device.c.no == entity.c.device_no, device.c.tenant == tenant))
        .join(site, sa.and_(site.c.tenant == tenant, site.c.id == device.c.site_id), isouter=True)
        .where(service_binding.c.tenant == tenant, service_binding.c.role == "access", entity.c.kind == "interface")
        .order_by(entity.c.id, service_binding.c.valid_from_ns)
    )
    found: dict[str, MeteringPoint] = {}
    for id_, device_no, entity_no, device_name, name, speed_bps, simulated, from_ns, to_ns, region in await conn.execute(query):
        before = found[id_].bound if id_ in found else ()
        key = entity_key(device_no, entity_no)
        found[id_] = MeteringPoint(id_, key, device_name, name, speed_bps, simulated, (*before, (from_ns, to_ns or FOREVER_NS)), region)
    return list(found.values())
