"""Jira: POST .../rest/api/2/issue makes an issue; comments and transitions follow below /{key} (API 2: plain text bodies)."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Asked, Preset

SUMMARY_MAX: Final = 255
TEXT_MAX: Final = 32_000


def body(it: Announcement) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "project": {"key": it.options.get("project", "NOC")},
        "issuetype": {"name": it.options.get("issue_type", "Incident")},
        "summary": it.title[:SUMMARY_MAX],
        "description": it.text[:TEXT_MAX],
        "labels": ["trunkline", it.object_id],
    }
    return {"fields": fields}


def follow(it: Announcement) -> Asked:
    """A comment; at the end a transition, where the project's way to done is named by its id."""
    said = f"{it.title}\n{it.text}"[:TEXT_MAX]
    done = it.options.get("close_transition", "")
    if it.over and done:
        move = {"transition": {"id": done}, "update": {"comment": [{"add": {"body": said}}]}}
        return Asked("POST", f"/{it.ticket}/transitions", move)
    return Asked("POST", f"/{it.ticket}/comment", {"body": said})


def ticket_of(answer: Any) -> str:
    return str(answer.get("key") or "") if isinstance(answer, Mapping) else ""


OPTIONS: Final = {
    "project": "the project's key",
    "issue_type": "the issue type's name (Incident)",
    "close_transition": "the id of the transition to done: taken when it is over",
}
PRESET = Preset("jira", "Jira issue", body, ticket_of=ticket_of, follow=follow, options=OPTIONS, required=("project",))
