"""What devices say of their neighbours, kept as rows."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.facts import NeighbourFacts
from inventory.identity import clean, usable_address
from inventory.store import lldp_neighbour
from station.ids import derived_id
from station.metrics import counter
from station.state import records, rows_where

NEIGHBOURS_MAX: Final = 4096  # per device
REFUSED = counter("inventory_neighbours_refused", "Neighbours beyond what one device may have.")
I32_MAX: Final = (1 << 31) - 1


async def store_neighbours(
    conn: AsyncConnection, tenant: int, device_no: int, found: Sequence[NeighbourFacts], *, new: bool = False
) -> bool:
    """Make the rows say what the device says now; return whether that was a change. A `new` device has said nothing before."""
    rows = {row["key"]: row for row in _rows(tenant, device_no, found)}
    mine = {"tenant": tenant, "device_no": device_no}
    known = {row["key"]: row for row in ([] if new else await records(conn, rows_where(lldp_neighbour, *mine), mine))}
    if rows == known:
        return False
    if known:
        await conn.execute(sa.delete(lldp_neighbour).filter_by(**mine))
    if rows:
        await conn.execute(sa.insert(lldp_neighbour), list(rows.values()))
    return True


def _rows(tenant: int, device_no: int, found: Sequence[NeighbourFacts]) -> Iterable[dict[str, Any]]:
    if len(found) > NEIGHBOURS_MAX:
        REFUSED.inc(len(found) - NEIGHBOURS_MAX)
    for facts in found[:NEIGHBOURS_MAX]:
        local = (clean(facts.protocol, 8), facts.local_if_index if 0 <= facts.local_if_index <= I32_MAX else 0, clean(facts.local_port))
        remote = (clean(facts.remote_chassis_id), clean(facts.remote_port))
        yield {
            "tenant": tenant,
            "device_no": device_no,
            "key": derived_id(*local, *remote),
            "protocol": local[0],
            "local_if_index": local[1],
            "local_port": local[2],
            "remote_chassis_id": remote[0],
            "remote_port": remote[1],
            "remote_port_descr": clean(facts.remote_port_descr),
            "remote_name": clean(facts.remote_name),
            "remote_address": usable_address(facts.remote_address) or "",
        }
