"""How alarms and incidents look from outside: the JSON shapes of `/api/v1`, the live topics and webhooks."""

from typing import Any

from fault.alarms import Alarm, Severity
from fault.incidents import Incident
from station.web import iso

ALARMS_IN_INCIDENT = 1_000


def alarm_json(it: Alarm) -> dict[str, Any]:
    """One alarm. Strings that came from a device are as it sent them: whoever shows them escapes them."""
    return {
        "id": it.id,
        "resource_id": it.resource,
        "resource_kind": it.place.resource_kind,
        "device_id": it.place.device_id,
        "device": it.place.device,
        "object": it.place.object,
        "site": it.place.site,
        "region": it.place.region,
        "alarm_type": it.alarm_type,
        "qualifier": it.qualifier,
        "event_type": it.event_type,
        "probable_cause": it.probable_cause,
        "perceived_severity": it.severity.word,
        "trend": it.trend,
        "is_cleared": it.is_cleared,
        "created_at": iso(it.created_ns),
        "raised_at": iso(it.raised_ns),
        "changed_at": iso(it.changed_ns),
        "cleared_at": iso(it.cleared_ns),
        "text": it.text,
        "proposed_repair": it.proposed_repair,
        "source": it.source,
        "authenticated": it.authenticated,
        "additional_information": dict(it.fields),
        "count": it.count,
        "occurrence": it.occurrence,
        "chattering": it.chattering,
        "ack_state": "acknowledged" if it.acknowledged else "unacknowledged",
        "ack_user": it.ack_user,
        "acked_at": iso(it.ack_ns),
        "shelved": {"reason": it.shelf.reason, "owner": it.shelf.owner, "until": iso(it.shelf.until_ns)} if it.shelf else None,
        "suppressed": it.suppressed,
        "maintenance": it.maintenance or None,
        "incident_id": it.incident_id or None,
        "is_root": it.is_root,
        "root_alarm_id": it.root_alarm_id or None,
        "children": it.children,
        "impact": {"services": it.services, "customers": it.customers},
    }


def incident_json(it: Incident) -> dict[str, Any]:
    """One incident; of very many alarms it names the first thousand and counts all."""
    says = it.explanation
    return {
        "id": it.id,
        "state": it.state,
        "kind": it.root.kind,
        "root": {"id": it.root.resource_id, "kind": it.root.kind, "name": it.root.name},
        "perceived_severity": Severity(it.severity).word if it.severity else "indeterminate",
        "verdict": it.verdict,
        "confidence": round(it.confidence, 3),
        "alternatives": [{"id": r.resource_id, "kind": r.kind, "name": r.name, "odds": round(r.odds, 3)} for r in it.roots[1:]],
        "explanation": {
            "summary": says.summary,
            "evidence": list(says.evidence),
            "missing": list(says.missing),
            "unknown": list(says.unknown),
        },
        "missing_link": it.missing_link or None,
        "alarm_ids": sorted(it.alarm_ids)[:ALARMS_IN_INCIDENT],
        "root_alarm_ids": list(it.root_alarm_ids),
        "alarms": len(it.alarm_ids),
        "opened_at": iso(it.opened_ns),
        "changed_at": iso(it.changed_ns),
        "closed_at": iso(it.closed_ns),
        "noise": it.noise,
        "maintenance": it.maintenance or None,
        "services": [{"id": key, "name": name, "customer": customer} for key, name, customer in it.services],
        "customers": [{"id": key, "name": name} for key, name in it.customers],
    }
