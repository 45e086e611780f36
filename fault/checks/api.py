"""`/api/v1/incidents/{id}/first-look`: the answers of the first checks and the runbooks that fit; ask once more."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store as fault_store
from fault.api import seen_incident
from fault.checks import store
from fault.checks.runner import FirstChecks
from fault.incidents import Incident
from fault.runbooks import Runbook, suggest
from fault.service import FaultService
from station.scope import Role, Scope
from station.security import audit
from station.web import Caller, ProblemError, iso, not_found

ALARMS_LOOKED_AT = 200


def router(service: FaultService, checks: FirstChecks, runbooks: Sequence[Runbook]) -> APIRouter:
    """The endpoints over the first checks of one station."""
    api = APIRouter(prefix="/api/v1/incidents/{key}/first-look", tags=["fault"])

    @api.get("")
    async def first_look(caller: Caller, key: str) -> dict[str, Any]:
        async with service.state.read() as conn:
            it = await _incident(conn, caller, service, key)
            rows = await store.of_incident(conn, caller.tenant, key)
            types = await _types(conn, caller, it)
        books = [each.shown() for each in suggest(runbooks, it.root.kind, types)]
        return {"checks": [_check(row) for row in rows], "runbooks": books}

    @api.post("", status_code=202)
    async def ask_again(caller: Caller, key: str) -> dict[str, Any]:
        """Ask everything once more; the answers come within a minute."""
        caller.require(Role.OPERATOR, "asking an incident's first checks again")
        async with service.state.read() as conn:
            await _incident(conn, caller, service, key)
        it = service.incidents.incidents.get(key)
        if it is None or it.state != "open":
            raise ProblemError(409, "It is over", "First checks ask how things are now; this incident is closed.")
        if not checks.ask(it, again=True):
            raise ProblemError(503, "Too many wait", "Other incidents are looked at first; ask again in a minute.")
        async with service.state.write() as conn:
            await audit.record(conn, caller, "incident.check", f"incident:{key}", now_ns=service.clock.now_ns())
        return {"asked": it.root.resource_id}

    return api


async def _incident(conn: AsyncConnection, caller: Scope, service: FaultService, key: str) -> Incident:
    it = await seen_incident(conn, caller, service.resources, key)
    if it is None:
        raise not_found("incident")
    return it


async def _types(conn: AsyncConnection, caller: Scope, it: Incident) -> list[str]:
    """The alarm types on the root; of one whose root has no alarm, those of all."""
    ids = list(it.root_alarm_ids or sorted(it.alarm_ids))[:ALARMS_LOOKED_AT]
    a = fault_store.alarm.c
    rows = await conn.execute(sa.select(a.alarm_type).where(a.tenant == caller.tenant, a.id.in_(ids)).distinct())
    return sorted(rows.scalars())


def _check(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": iso(row["at_ns"])} | {name: row[name] for name in ("kind", "target", "state", "says", "root_id")}
