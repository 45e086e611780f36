"""Two meters of one service against each other: what its ports counted and what its sessions accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.events import known_events
from billing_bridge.portions import Span, portions
from billing_bridge.usage import MeterKind, UsageState
from inventory.store import service
from station.scope import Role, Scope

SESSION_METERS = frozenset(("session_in_octets", "session_out_octets"))
TOLERANCE_PPM = 5_000  # half a percent: framing and the instants of two clocks


@dataclass(slots=True)
class Octets:
    """One service by its two meters; `interface` is None where no port of it was measured."""

    session: int = 0
    interface: int | None = None


async def reconciled(conn: AsyncConnection, scope: Scope, span: Span, tolerance_ppm: int = TOLERANCE_PPM) -> list[dict[str, Any]]:
    """Each service that sessions account for, by number: octets by both meters, their difference in ppm of the larger, and a verdict.

    `agree`, `differ`, or `no_interface`: its port is not metered, which is a leak where volume is billed.
    """
    scope.require(Role.BILLING, "reconciling usage")
    found: dict[str, Octets] = {}
    for event, guiding in await known_events(conn, scope.tenant, span.start_ns, span.end_ns, span.known_ns):
        if event["meter"] in SESSION_METERS and guiding["state"] == UsageState.GUIDED:
            of = found.setdefault(guiding["service_id"], Octets())
            of.session += event["quantity"]
    for row in await portions(conn, scope, span):
        if row["meter"] == MeterKind.VOLUME and row["state"] == UsageState.GUIDED and row["service_id"] in found:
            of = found[row["service_id"]]
            of.interface = (of.interface or 0) + row["quantity"]
    named = await _names(conn, scope.tenant)
    rows = [{**named.get(id_, {"id": id_, "number": "", "name": ""}), **_compared(of, tolerance_ppm)} for id_, of in found.items()]
    return sorted(rows, key=lambda row: (row["number"], row["id"]))


def _compared(of: Octets, tolerance_ppm: int) -> dict[str, Any]:
    a, b = of.interface, of.session
    said: dict[str, Any] = {"interface_octets": a, "session_octets": b, "difference_ppm": None}
    if a is None:
        return said | {"verdict": "no_interface"}
    ppm = abs(a - b) * 1_000_000 // max(a, b, 1)
    return said | {"difference_ppm": ppm, "verdict": "agree" if ppm <= tolerance_ppm else "differ"}


async def _names(conn: AsyncConnection, tenant: int) -> Mapping[str, dict[str, Any]]:
    query = sa.select(service.c.id, service.c.number, service.c.name).where(service.c.tenant == tenant)
    return {row["id"]: dict(row) for row in (await conn.execute(query)).mappings()}
