"""ServiceNow Event Management: POST /api/global/em/jsonv2 with records; severity 1 to 5, 0 clears under the same message_key."""

from typing import Any, Final

from fault.notify.message import Announcement, Preset

DESCRIPTION_MAX: Final = 4_000
_SEVERITY: Final = {"critical": "1", "major": "2", "minor": "3", "warning": "4", "indeterminate": "5"}


def body(it: Announcement) -> dict[str, Any]:
    return {"records": [record(each) for each in (it, *it.others)]}


def record(it: Announcement) -> dict[str, Any]:
    """`time_of_event` is UTC, as the interface wants it: yyyy-MM-dd HH:mm:ss."""
    return {
        "source": "Trunkline",
        "event_class": it.about,
        "node": str(it.body.get("device") or it.name),
        "resource": str(it.body.get("object") or ""),
        "type": it.body["kind"] if it.about == "incident" else it.body["alarm_type"],
        "message_key": it.object_id,
        "severity": "0" if it.over else _SEVERITY[it.severity],
        "resolution_state": "Closing" if it.over else "New",
        "time_of_event": it.at[:19].replace("T", " "),
        "description": it.text[:DESCRIPTION_MAX],
        "additional_info": {"transition": it.transition, "revision": str(it.revision), "simulated": str(it.simulated).lower()},
    }


PRESET = Preset("servicenow_em", "ServiceNow Event Management (em/jsonv2)", body, groups=True)
