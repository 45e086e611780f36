"""`/ack`: the page behind the link in a message. A GET only asks; the POST of its button acknowledges, once.

Mail scanners follow links, so following one must change nothing. Who holds the link needs no sign-in: it is signed,
expires, and says in the audit by which message it was given out.
"""

import html
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store as fault_store
from fault.api import AlarmAction, act
from fault.incident_store import incidents_where
from fault.notify import store
from fault.notify.links import TOKEN_MAX, Link, LinkError, digest, opened
from fault.notify.outbox import Notifier
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.state import insert_new

PATH: Final = "/ack"
Token = Annotated[str, Query(alias="t", max_length=TOKEN_MAX)]


def router(notifier: Notifier, service: FaultService) -> APIRouter:
    """The page and its button."""
    pages = APIRouter(tags=["notify"], include_in_schema=False)  # a page, not an operation

    @pages.get(PATH, response_class=HTMLResponse)
    async def ask(t: Token = "") -> HTMLResponse:
        try:
            link = await _link(notifier, t)
            what = await _named(notifier, link)
        except LinkError as error:
            return _page("Not acknowledged", str(error), status=400)
        button = f'<form method="post" action="{PATH}?t={quote(t)}"><button>Acknowledge</button></form>'
        return _page("Acknowledge?", what, button)

    @pages.post(PATH, response_class=HTMLResponse)
    async def press(t: Token = "") -> HTMLResponse:
        try:
            link = await _link(notifier, t)
            what = await _named(notifier, link)
            await _use(notifier, t, link)
            await acknowledge(notifier, service, link, f"link to {link.webhook}", "by the link in a message")
        except LinkError as error:
            return _page("Not acknowledged", str(error), status=400)
        return _page("Acknowledged", what)

    return pages


async def _link(notifier: Notifier, text: str) -> Link:
    """The link of a token that was not used yet."""
    key = await notifier.link_key()
    link = opened(key, text, notifier.clock.now_ns() // NS_PER_S)
    async with notifier.state.read() as conn:
        c = store.used_link.c
        if await conn.scalar(select(c.at_ns).where(c.tenant == notifier.tenant, c.link == digest(text))):
            raise LinkError("This link was used already.")
    return link


async def _use(notifier: Notifier, text: str, link: Link) -> None:
    now_ns = notifier.clock.now_ns()
    row = {"tenant": notifier.tenant, "link": digest(text), "at_ns": now_ns, "expires_ns": link.expires_s * NS_PER_S}
    async with notifier.state.write() as conn:
        c = store.used_link.c
        if await conn.scalar(select(c.at_ns).where(c.tenant == notifier.tenant, c.link == row["link"])):
            raise LinkError("This link was used already.")
        await insert_new(conn, store.used_link, [row], ("tenant", "link"))


async def acknowledge(notifier: Notifier, service: FaultService, link: Link, user: str, text: str) -> dict[str, Any]:
    """Take what a link stands for in the name of `user`; the counts of the act."""
    async with notifier.state.read() as conn:
        ids = await _alarms(conn, notifier.tenant, link)
    by = Scope(notifier.tenant, Role.OPERATOR, user)
    return await act(service, by, AlarmAction(action="acknowledge", ids=ids, text=text))


async def _alarms(conn: AsyncConnection, tenant: int, link: Link) -> list[str]:
    """The alarm, or those on the incident's root as it is known now."""
    if link.about == "alarm":
        return [link.object_id]
    found = await incidents_where(conn, tenant, fault_store.incident.c.id == link.object_id)
    if not found or not found[0].root_alarm_ids:
        raise LinkError("There is no such incident any more.")
    return list(found[0].root_alarm_ids)


async def _named(notifier: Notifier, link: Link) -> str:
    async with notifier.state.read() as conn:
        found = await fault_store.alarms_by_id(conn, notifier.tenant, await _alarms(conn, notifier.tenant, link))
    if not found:
        raise LinkError("There is no such alarm any more.")
    return "; ".join(f"{it.place.device} {it.place.object}: {it.text}".strip() for it in found[:5])


def _page(title: str, text: str, more: str = "", status: int = 200) -> HTMLResponse:
    body = f"<h1>{html.escape(title)}</h1><p>{html.escape(text[:1_000])}</p>{more}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>'
    # same-origin: a form of a page without any referrer says `Origin: null`, which the guard refuses as a stranger's
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex"}
    return HTMLResponse(f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>', status, headers=headers)
