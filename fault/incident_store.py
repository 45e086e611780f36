"""Incidents in the state store: rows of `incident` and `incident_alarm`."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store
from fault.correlation.contract import Explanation, RootCandidate
from fault.incidents import Incident
from station.state import Row, insert_new, upsert

Pairs = Collection[tuple[str, str]]


def incident_row(tenant: int, it: Incident) -> Row:
    """The row of an incident as it stands; its members are rows of their own."""
    body = {
        "roots": [asdict(root) for root in it.roots],
        "explanation": asdict(it.explanation),
        "services": it.services,
        "customers": it.customers,
        "root_alarm_ids": it.root_alarm_ids,
    }
    return {
        "tenant": tenant,
        "id": it.id,
        "state": it.state,
        "noise": int(it.noise),
        "root_id": it.root.resource_id,
        "root_kind": it.root.kind,
        "root_name": it.root.name[:512],
        "verdict": it.verdict,
        "confidence": it.confidence,
        "missing_link": it.missing_link[:512],
        "severity": it.severity,
        "alarms": len(it.alarm_ids),
        "opened_ns": it.opened_ns,
        "changed_ns": it.changed_ns,
        "closed_ns": it.closed_ns,
        "revision": it.revision,
        "maintenance": it.maintenance,
        "told": it.told[:512],
        "body": json.dumps(body),
    }


def incident_of(row: Mapping[Any, Any], alarm_ids: Collection[str]) -> Incident:
    """The incident of a row and its members: the inverse of `incident_row`."""
    body = json.loads(row["body"])
    says = body["explanation"]
    return Incident(
        id=row["id"],
        opened_ns=row["opened_ns"],
        changed_ns=row["changed_ns"],
        roots=tuple(RootCandidate(**root) for root in body["roots"]),
        confidence=row["confidence"],
        noise=bool(row["noise"]),
        verdict=row["verdict"],
        explanation=Explanation(says["summary"], tuple(says["evidence"]), tuple(says["missing"]), tuple(says["unknown"])),
        missing_link=row["missing_link"],
        alarm_ids=set(alarm_ids),
        root_alarm_ids=tuple(body["root_alarm_ids"]),
        state=row["state"],
        closed_ns=row["closed_ns"],
        severity=row["severity"],
        services=tuple((key, name, customer) for key, name, customer in body["services"]),
        customers=tuple((key, name) for key, name in body["customers"]),
        revision=row["revision"],
        maintenance=row["maintenance"],
        told=row["told"],
    )


async def save_incidents(conn: AsyncConnection, tenant: int, incidents: Collection[Incident], joined: Pairs, left: Pairs) -> None:
    """Write incidents as they stand and who joined and left them."""
    await upsert(conn, store.incident, [incident_row(tenant, it) for it in incidents], ("tenant", "id"))
    rows = [{"tenant": tenant, "incident_id": incident, "alarm_id": alarm} for incident, alarm in joined]
    await insert_new(conn, store.incident_alarm, rows, ("tenant", "incident_id", "alarm_id"))
    if left:
        table = store.incident_alarm
        gone = sa.delete(table).where(
            table.c.tenant == tenant, table.c.incident_id == sa.bindparam("of"), table.c.alarm_id == sa.bindparam("which")
        )
        await conn.execute(gone, [{"of": incident, "which": alarm} for incident, alarm in left])


async def incidents_where(conn: AsyncConnection, tenant: int, *where: sa.ColumnElement[bool], limit: int | None = None) -> list[Incident]:
    """Incidents that match, newest first, with their members."""
    query = sa.select(store.incident).where(store.incident.c.tenant == tenant, *where)
    rows = (await conn.execute(query.order_by(store.incident.c.opened_ns.desc(), store.incident.c.id).limit(limit))).mappings().all()
    members: dict[str, set[str]] = {row["id"]: set() for row in rows}
    table = store.incident_alarm
    for part in store.chunks(list(members)):
        found = await conn.execute(
            sa.select(table.c.incident_id, table.c.alarm_id).where(table.c.tenant == tenant, table.c.incident_id.in_(part))
        )
        for incident, alarm in found:
            members[incident].add(alarm)
    return [incident_of(row, members[row["id"]]) for row in rows]
