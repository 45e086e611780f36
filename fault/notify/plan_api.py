"""`/api/v1/notify`: the plan of who is told, who is on call, what climbs, and the tickets of an incident or alarm."""

from collections.abc import Mapping
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Body

from fault.notify import store
from fault.notify.api import refused, require_engineer, sees
from fault.notify.oncall import instant, on_call
from fault.notify.outbox import Notifier
from fault.notify.plan import Plan
from fault.notify.plans import plan_of
from station.web import PAGE_LIMIT, Caller, iso, not_found, time_ns


def router(notifier: Notifier) -> APIRouter:
    """The endpoints over one notifier."""
    api = APIRouter(prefix="/api/v1/notify", tags=["notify"])

    @api.get("/plan")
    async def plan(caller: Caller) -> dict[str, Any]:
        if not sees(notifier, caller):
            raise not_found("plan")
        async with notifier.state.read() as conn:
            return _shown(*await notifier.plans.numbered(conn))

    @api.put("/plan")
    async def put(caller: Caller, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        """Let this plan come into force, whole; the one before stays in the store."""
        require_engineer(notifier, caller)
        with refused("Not a plan"):
            wanted = plan_of(body)
            return _shown(await notifier.plans.put(caller, wanted), wanted)

    @api.get("/on-call")
    async def now_on_call(caller: Caller, at: str = "") -> dict[str, Any]:
        """Who is on call by each schedule, now or then."""
        if not sees(notifier, caller):
            return {"items": [], "next": None, "total": 0}
        at_ns = time_ns(at) if at else notifier.clock.now_ns()
        async with notifier.state.read() as conn:
            found = await notifier.plans.current(conn)
        people = {name: on_call(each, found.times, instant(at_ns)) for name, each in found.schedules.items()}
        items = [
            {"schedule": name, "person": person, "at": iso(at_ns), "receivers": list(found.people.get(person, ()))}
            for name, person in people.items()
        ]
        return {"items": items, "next": None, "total": len(items)}

    @api.get("/escalations")
    async def escalations(caller: Caller, limit: int = 100) -> dict[str, Any]:
        if not sees(notifier, caller):
            return {"items": [], "next": None, "total": 0}
        e = store.escalation.c
        query = (
            sa.select(store.escalation).where(e.tenant == caller.tenant).order_by(e.begun_ns.desc()).limit(max(1, min(limit, PAGE_LIMIT)))
        )
        async with notifier.state.read() as conn:
            rows = [dict(row) for row in (await conn.execute(query)).mappings()]
        return {"items": [_climb(row) for row in rows], "next": None, "total": len(rows)}

    _add_tickets(api, notifier)
    return api


def _add_tickets(api: APIRouter, notifier: Notifier) -> None:
    @api.get("/tickets")
    async def every_ticket(caller: Caller, limit: int = 100) -> dict[str, Any]:
        """The tickets that other systems keep, those made last first."""
        async with notifier.state.read() as conn:
            rows = await store.tickets(conn, caller.tenant, limit=max(1, min(limit, PAGE_LIMIT))) if sees(notifier, caller) else []
        return {"items": [_ticket(row) for row in rows], "next": None, "total": len(rows)}

    @api.get("/tickets/{key}")
    async def tickets(caller: Caller, key: str) -> dict[str, Any]:
        """The tickets that other systems keep of an incident or alarm."""
        async with notifier.state.read() as conn:
            rows = await store.tickets(conn, caller.tenant, key) if sees(notifier, caller) else []
        return {"items": [_ticket(row) for row in rows], "next": None, "total": len(rows)}


def _shown(revision: int, plan: Plan) -> dict[str, Any]:
    return {"revision": revision, "plan": plan.model_dump(mode="json", by_alias=True, exclude_none=True)}


def _ticket(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {"created_at": iso(row["created_ns"]), "closed_at": iso(row["closed_ns"])}
    return {"webhook": row["name"], "object_id": row["object_id"], "ticket": row["ticket"]} | times


def _climb(row: Mapping[str, Any]) -> dict[str, Any]:
    waits = row["state"] == "climbing"
    known = {name: row[name] for name in ("object_id", "about", "chain", "step", "state")}
    return known | {"begun_at": iso(row["begun_ns"]), "next_at": iso(row["due_ns"]) if waits else None}
