"""ServiceNow's Table API: POST .../api/now/table/incident makes an incident, PATCH .../{sys_id} goes on with it."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Asked, Preset

SHORT_MAX: Final = 160
DESCRIPTION_MAX: Final = 4_000
RESOLVED: Final = "6"  # incident.state
_DEGREE: Final = {
    "critical": "1",
    "major": "2",
    "minor": "2",
    "warning": "3",
    "indeterminate": "3",
}  # impact and urgency: high, medium, low


def body(it: Announcement) -> dict[str, Any]:
    """A new incident; `correlation_id` is ours, so that a second one of the same is found."""
    degree = _DEGREE[it.severity]
    record = {
        "short_description": it.title[:SHORT_MAX],
        "description": it.text[:DESCRIPTION_MAX],
        "impact": degree,
        "urgency": degree,
        "correlation_id": it.object_id,
        "correlation_display": "Trunkline",
    }
    return record | {name: it.options[name] for name in ("assignment_group", "category", "caller_id") if it.options.get(name)}


def follow(it: Announcement) -> Asked:
    """A work note; at the end the incident is resolved, if that is wished."""
    record = {"work_notes": f"{it.title}\n{it.text}"[:DESCRIPTION_MAX]}
    if it.over and it.options.get("close") == "yes":
        code = it.options.get("close_code", "Resolved by caller")
        record |= {"state": it.options.get("close_state", RESOLVED), "close_code": code, "close_notes": it.title[:SHORT_MAX]}
    return Asked("PATCH", f"/{it.ticket}", record)


def ticket_of(answer: Any) -> str:
    result = answer.get("result") if isinstance(answer, Mapping) else None
    return str(result.get("sys_id") or "") if isinstance(result, Mapping) else ""


OPTIONS: Final = {
    "close": "yes: resolve the incident when it is over",
    "close_state": "the state of a resolved one (6)",
    "close_code": "its close code",
    "assignment_group": "who gets it",
    "category": "its category",
    "caller_id": "who calls",
}
PRESET = Preset("servicenow", "ServiceNow incident (Table API)", body, ticket_of=ticket_of, follow=follow, options=OPTIONS)
