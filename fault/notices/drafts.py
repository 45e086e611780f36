"""Drafts of one incident: for each customer it hurts, and one for the public. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fault.incidents import Incident
from fault.notices.texts import Kind, Text
from station.clock import NS_PER_S

CUSTOMERS_MAX: Final = 1_000
SERVICES_MAX: Final = 20  # named in one letter
PUBLIC: Final = ""  # the customer of the notice to everybody
REFERENCE_CHARS: Final = 8


@dataclass(frozen=True, slots=True)
class Draft:
    """`customer_id` PUBLIC: everybody, on the status page."""

    kind: Kind
    customer_id: str
    customer: str
    recipient: str
    subject: str
    text: str


def kind_of(it: Incident, told: Collection[str], customer_id: str) -> Kind:
    """What is to be said now; `told` whom something was said to before."""
    if it.state == "closed":
        return "closed"
    return "update" if customer_id in told else "opened"


def drafts(
    it: Incident, texts: Mapping[str, Text], emails: Mapping[str, str], regions: Collection[str], told: Collection[str], now_ns: int
) -> Iterator[Draft]:
    """The public one first, then by the customers' names."""
    words = _words(it, regions, now_ns)
    kind = kind_of(it, told, PUBLIC)
    yield Draft(kind, PUBLIC, "", "", *texts[f"public_{kind}"].fill(words))
    for customer_id, name in it.customers[:CUSTOMERS_MAX]:
        mine = [service for _, service, whose in it.services if whose == name]
        more = f" and {len(mine) - SERVICES_MAX} more" if len(mine) > SERVICES_MAX else ""
        said = words | {"customer": name, "services": ", ".join(mine[:SERVICES_MAX]) + more}
        kind = kind_of(it, told, customer_id)
        yield Draft(kind, customer_id, name, emails.get(customer_id, ""), *texts[f"customer_{kind}"].fill(said))


def _words(it: Incident, regions: Collection[str], now_ns: int) -> dict[str, str]:
    until_ns = it.closed_ns or now_ns
    return {
        "regions": ", ".join(sorted(filter(None, regions))) or "our network",
        "began": _said(it.opened_ns),
        "ended": _said(it.closed_ns) if it.closed_ns else "",
        "lasted": _lasted((until_ns - it.opened_ns) // NS_PER_S),
        "reference": it.id[-REFERENCE_CHARS:],
    }


def _said(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _lasted(seconds: int) -> str:
    minutes = max(0, seconds) // 60
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
