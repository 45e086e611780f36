"""Answers of first checks: rows of `incident_check`, one a question, kept with their time."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.checks.words import Check
from fault.store import alarm, incident_check
from station.state import insert_new

CHECKS_MAX: Final = 100  # shown of one incident, the latest
TEXT_MAX: Final = 1_024


async def save(conn: AsyncConnection, tenant: int, incident: tuple[str, str], at_ns: int, found: Sequence[Check]) -> None:
    """`incident` is its id and the root that was looked at."""
    rows = [
        {
            "tenant": tenant,
            "incident_id": incident[0],
            "at_ns": at_ns,
            "n": n,
            "root_id": incident[1][:255],
            "kind": check.kind,
            "target": check.target[:255],
            "state": check.state,
            "says": check.says[:TEXT_MAX],
        }
        for n, check in enumerate(found)
    ]
    await insert_new(conn, incident_check, rows, ("tenant", "incident_id", "at_ns", "n"))


async def of_incident(conn: AsyncConnection, tenant: int, incident_id: str) -> list[dict[str, Any]]:
    """The latest first, those of one time in their order."""
    c = incident_check.c
    query = sa.select(incident_check).where(c.tenant == tenant, c.incident_id == incident_id)
    rows = await conn.execute(query.order_by(c.at_ns.desc(), c.n).limit(CHECKS_MAX))
    return [dict(row) for row in rows.mappings()]


async def checked(conn: AsyncConnection, tenant: int, incidents: Collection[str]) -> set[tuple[str, str]]:
    """(incident, root) of what was looked at already."""
    c = incident_check.c
    query = sa.select(c.incident_id, c.root_id).where(c.tenant == tenant, c.incident_id.in_(list(incidents)), c.n == 0)
    return {(row.incident_id, row.root_id) for row in await conn.execute(query)}


async def last_change(conn: AsyncConnection, tenant: int, device_id: str, types: Collection[str]) -> dict[str, Any] | None:
    """When the device's latest change was told of (raised_ns), and what it said (text)."""
    a = alarm.c
    query = sa.select(a.raised_ns, a.text).where(a.tenant == tenant, a.device_id == device_id, a.alarm_type.in_(sorted(types)))
    row = (await conn.execute(query.order_by(a.raised_ns.desc()).limit(1))).mappings().first()
    return dict(row) if row is not None else None
