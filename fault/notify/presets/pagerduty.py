"""PagerDuty Events API v2: POST /v2/enqueue of events.pagerduty.com."""

from typing import Any, Final

from fault.notify.message import Announcement, Preset

SUMMARY_MAX: Final = 1_024
DEDUP_KEY_MAX: Final = 255
NAMES_MAX: Final = 50
_SEVERITY: Final = {"critical": "critical", "major": "error", "minor": "warning", "warning": "warning", "indeterminate": "info"}


def body(it: Announcement) -> dict[str, Any]:
    """Triggers, and resolves under the same `dedup_key`; a change triggers again, which PagerDuty adds to the open incident."""
    event: dict[str, Any] = {
        "routing_key": it.routing_key,
        "event_action": "resolve" if it.over else "trigger",
        "dedup_key": it.object_id[:DEDUP_KEY_MAX],
        "payload": {
            "summary": (("Simulated: " if it.simulated else "") + it.summary)[:SUMMARY_MAX],
            "source": _source(it),
            "severity": _SEVERITY[it.severity],
            "timestamp": it.at,
            "component": _component(it),
            "group": it.body.get("site", ""),
            "class": it.body["kind"] if it.about == "incident" else it.body["alarm_type"],
            "custom_details": _details(it),
        },
        "client": "Trunkline",
    }
    if it.link:
        event |= {"client_url": it.link, "links": [{"href": it.link, "text": "Open in Trunkline"}]}
    return event


def _source(it: Announcement) -> str:
    name = it.body["root"]["name"] if it.about == "incident" else it.body["device"]
    return str(name or "network")


def _component(it: Announcement) -> str:
    return str(it.body["root"]["id"] if it.about == "incident" else it.body["object"])


def _details(it: Announcement) -> dict[str, Any]:
    """An event has at most 512 KB: names are bounded, numbers are whole."""
    found: dict[str, Any] = {"transition": it.transition, "revision": it.revision, "simulated": it.simulated}
    if it.about == "alarm":
        return found | {name: it.body[name] for name in ("text", "probable_cause", "event_type", "proposed_repair", "site", "region")}
    return found | {
        "verdict": it.body["verdict"],
        "confidence": it.body["confidence"],
        "explanation": it.body["explanation"],
        "alarms": it.body["alarms"],
        "services": [each["name"] for each in it.body["services"][:NAMES_MAX]],
        "customers": [each["name"] for each in it.body["customers"][:NAMES_MAX]],
        "impact": it.body["impact"],
    }


PRESET = Preset("pagerduty", "PagerDuty Events API v2", body, needs_routing_key=True)
