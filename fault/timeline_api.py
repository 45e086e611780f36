"""`/api/v1/incidents/{id}/timeline`: what the alarms of an incident did, in order: what a map replays."""

from typing import Any, Final

import sqlalchemy as sa
from fastapi import APIRouter

from fault import queries, store
from fault.alarms import Severity
from fault.api import seen_incident
from fault.service import FaultService
from fault.views import incident_json
from station.clock import NS_PER_S
from station.web import Caller, iso, not_found

ENTRIES_MAX: Final = 5_000
BEFORE_NS: Final = 300 * NS_PER_S  # symptoms may be told before the incident's first alarm by its stamp
AFTER_NS: Final = 60 * NS_PER_S
SHOWN: Final = ("raised", "reopened", "severity", "cleared", "acknowledged")


def router(service: FaultService) -> APIRouter:
    """The one endpoint over a fault service."""
    api = APIRouter(prefix="/api/v1", tags=["fault"])

    @api.get("/incidents/{key}/timeline")
    async def timeline(caller: Caller, key: str) -> dict[str, Any]:
        """The alarms that the caller may see; `whole` false when there was more than is listed."""
        async with service.state.read() as conn:
            it = await seen_incident(conn, caller, service.resources, key)
            if it is None:
                raise not_found("incident")
            from_ns, to_ns = it.opened_ns - BEFORE_NS, (it.closed_ns or service.clock.now_ns()) + AFTER_NS
            h, a, m = store.alarm_history.c, store.alarm.c, store.incident_alarm.c
            joined = store.incident_alarm.join(store.alarm, sa.and_(a.tenant == m.tenant, a.id == m.alarm_id))
            joined = joined.join(store.alarm_history, sa.and_(h.tenant == a.tenant, h.alarm_id == a.id))
            columns = (h.time_ns, h.what, h.severity, h.is_cleared, a.id, a.resource, a.device_id, a.device, a.object, a.alarm_type, a.text)
            mine = (m.tenant == caller.tenant, m.incident_id == key, h.time_ns >= from_ns, h.time_ns <= to_ns, h.what.in_(SHOWN))
            query = sa.select(*columns).select_from(joined).where(*mine, *queries.visible(caller, service.resources))
            rows = (await conn.execute(query.order_by(h.time_ns, a.id, h.seq).limit(ENTRIES_MAX))).all()
        items = [_entry(row) for row in rows]
        whole = len(items) < ENTRIES_MAX
        return {"incident": incident_json(it), "from": iso(from_ns), "to": iso(to_ns), "whole": whole, "items": items}

    return api


def _entry(row: Any) -> dict[str, Any]:
    named = {
        "alarm_id": row.id,
        "resource_id": row.resource,
        "device_id": row.device_id or None,
        "device": row.device,
        "object": row.object,
    }
    state = {"what": row.what, "perceived_severity": Severity(row.severity).word, "is_cleared": bool(row.is_cleared)}
    return {"at": iso(row.time_ns)} | named | state | {"text": row.text or row.alarm_type}
