"""Zammad: POST .../api/v1/tickets makes a ticket, PUT .../tickets/{id} adds an article and closes it."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Asked, Preset

TITLE_MAX: Final = 250
TEXT_MAX: Final = 32_000
_PRIORITY: Final = {"critical": "3 high", "major": "3 high", "minor": "2 normal", "warning": "1 low", "indeterminate": "1 low"}


def body(it: Announcement) -> dict[str, Any]:
    return {
        "title": it.title[:TITLE_MAX],
        "group": it.options.get("group", "Users"),
        "customer": it.options.get("customer", ""),
        "priority": _PRIORITY[it.severity],
        "article": _article(it),
    }


def follow(it: Announcement) -> Asked:
    closed = {"state": "closed"} if it.over and it.options.get("close") == "yes" else {}
    return Asked("PUT", f"/{it.ticket}", {"article": _article(it), **closed})


def _article(it: Announcement) -> dict[str, Any]:
    text = f"{it.title}\n{it.text}"[:TEXT_MAX]
    return {"subject": it.title[:TITLE_MAX], "body": text, "type": "note", "content_type": "text/plain", "internal": True}


def ticket_of(answer: Any) -> str:
    return str(answer.get("id") or "") if isinstance(answer, Mapping) else ""


OPTIONS: Final = {
    "close": "yes: close the ticket when it is over",
    "group": "the group that gets it (Users)",
    "customer": "the customer's e-mail",
}
PRESET = Preset("zammad", "Zammad ticket", body, ticket_of=ticket_of, follow=follow, options=OPTIONS, required=("customer",))
