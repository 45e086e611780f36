"""`/status`: what the public may know, as a page and as JSON: which regions are disturbed since when, and nothing that names a
device, a customer or a cause; and the notices that a person published. It answers only where `[fault] status_page` is on.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from fault.alarms import Alarm
from fault.incidents import Incident
from fault.notices.store import public
from fault.service import FaultService
from station.web import iso, not_found

PATH: Final = "/status"
FRESH_S: Final = 30  # how long a copy may be shown
NOWHERE: Final = "The network"


@dataclass(frozen=True, slots=True)
class Disturbed:
    """One region: since when, by how many incidents, whether it is planned work."""

    region: str
    since_ns: int
    incidents: int
    services: int
    planned: bool


def disturbed(incidents: Iterable[Incident], alarms: Mapping[str, Alarm]) -> list[Disturbed]:
    """The regions of open incidents that hurt a service, unplanned first, by name."""
    found: dict[tuple[bool, str], list[Incident]] = {}
    for it in incidents:
        if it.state == "open" and not it.noise and it.services:
            regions = {alarms[key].place.region or NOWHERE for key in it.root_alarm_ids if key in alarms} or {NOWHERE}
            for region in regions:
                found.setdefault((bool(it.maintenance), region), []).append(it)
    return [
        Disturbed(region, min(it.opened_ns for it in of), len(of), len({key for it in of for key, *_ in it.services}), planned)
        for (planned, region), of in sorted(found.items())
    ]


def router(service: FaultService) -> APIRouter:
    """The page; it needs no sign-in."""
    pages = APIRouter(tags=["fault"], include_in_schema=False)  # a page, not an operation

    @pages.get(PATH)
    async def status(request: Request) -> Response:
        if not service.settings.status_page:
            raise not_found("page")
        found = disturbed(service.incidents.incidents.values(), service.book.alarms)
        async with service.state.read() as conn:
            notices = await public(conn, service.tenant, service.clock.now_ns())
        said = {"status": "disturbed" if any(not it.planned for it in found) else "operational", "at": iso(service.clock.now_ns())}
        headers = {"Cache-Control": f"public, max-age={FRESH_S}"}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(said | {"regions": [_json(it) for it in found], "notices": [_told(it) for it in notices]}, headers=headers)
        return HTMLResponse(_page(said, found, notices), headers=headers)

    return pages


def _json(it: Disturbed) -> dict[str, Any]:
    state = "maintenance" if it.planned else "disturbed"
    return {"region": it.region, "state": state, "since": iso(it.since_ns), "incidents": it.incidents, "services": it.services}


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": iso(row["done_ns"]), "kind": row["kind"], "title": row["subject"], "text": row["text"]}


def _page(said: Mapping[str, Any], found: list[Disturbed], notices: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<li><b>{html.escape(it.region)}</b>: {'planned work' if it.planned else 'disturbed'} since {iso(it.since_ns)}</li>"
        for it in found
    )
    letters = "".join(
        f"<article><h2>{html.escape(row['subject'])}</h2><p>{html.escape(row['text'])}</p><small>{iso(row['done_ns'])}</small></article>"
        for row in notices
    )
    title = "Service is disturbed" if said["status"] == "disturbed" else "All services work"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = f"<h1>{title}</h1><ul>{rows}</ul>{letters}<p>As of {said['at']}.</p>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
