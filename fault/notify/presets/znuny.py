"""Znuny and OTRS: the Generic Interface's TicketCreate by POST; TicketUpdate by PATCH below, with the ticket's id in the path."""

from collections.abc import Mapping
from typing import Any, Final

from fault.notify.message import Announcement, Asked, Preset

TITLE_MAX: Final = 250
TEXT_MAX: Final = 32_000
_PRIORITY: Final = {"critical": "5 very high", "major": "4 high", "minor": "3 normal", "warning": "2 low", "indeterminate": "1 very low"}


def body(it: Announcement) -> dict[str, Any]:
    """Credentials go by header or in the web service's own mapping."""
    ticket = {
        "Title": it.title[:TITLE_MAX],
        "Queue": it.options.get("queue", "Raw"),
        "State": "new",
        "Priority": _PRIORITY[it.severity],
        "CustomerUser": it.options.get("customer_user", "trunkline"),
    }
    return {"Ticket": ticket, "Article": _article(it)}


def follow(it: Announcement) -> Asked:
    closed = {"Ticket": {"State": "closed successful"}} if it.over and it.options.get("close") == "yes" else {}
    return Asked("PATCH", f"/{it.ticket}", {"Article": _article(it), **closed})


def _article(it: Announcement) -> dict[str, Any]:
    text = f"{it.title}\n{it.text}"[:TEXT_MAX]
    return {"Subject": it.title[:TITLE_MAX], "Body": text, "ContentType": "text/plain; charset=utf8"}


def ticket_of(answer: Any) -> str:
    return str(answer.get("TicketID") or "") if isinstance(answer, Mapping) else ""


OPTIONS: Final = {"close": "yes: close the ticket when it is over", "queue": "the queue (Raw)", "customer_user": "the customer user"}
PRESET = Preset("znuny", "Znuny or OTRS ticket (Generic Interface)", body, ticket_of=ticket_of, follow=follow, options=OPTIONS)
