"""Request Tracker's REST2: POST .../REST/2.0/ticket makes a ticket; /{id}/comment and PUT /{id} go on with it."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Asked, Preset

SUBJECT_MAX: Final = 200
TEXT_MAX: Final = 32_000


def body(it: Announcement) -> dict[str, Any]:
    return {
        "Queue": it.options.get("queue", "General"),
        "Subject": it.title[:SUBJECT_MAX],
        "Content": it.text[:TEXT_MAX],
        "ContentType": "text/plain",
    }


def follow(it: Announcement) -> Asked:
    """A comment; at the end, if wished, the ticket is resolved instead."""
    if it.over and it.options.get("close") == "yes":
        return Asked("PUT", f"/{it.ticket}", {"Status": "resolved", "Subject": it.title[:SUBJECT_MAX]})
    return Asked("POST", f"/{it.ticket}/comment", {"Content": f"{it.title}\n{it.text}"[:TEXT_MAX], "ContentType": "text/plain"})


def ticket_of(answer: Any) -> str:
    return str(answer.get("id") or "") if isinstance(answer, Mapping) else ""


OPTIONS: Final = {"close": "yes: resolve the ticket when it is over", "queue": "the queue (General)"}
PRESET = Preset("rt", "Request Tracker ticket (REST2)", body, ticket_of=ticket_of, follow=follow, options=OPTIONS)
