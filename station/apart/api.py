"""`/api/v1/collectors`: which there are and how they do; new ones, and those that may not speak any more."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from inventory.shares import reachable
from inventory.visible import visible
from station.apart.beats import SpoolState
from station.apart.pops import Pops
from station.bus.registry import NewCollector, RegistryError
from station.clock import NS_PER_S
from station.scope import OPERATOR_TENANT, Role, Scope
from station.web import Caller, ProblemError, iso, not_found


def router(pops: Pops) -> APIRouter:
    api = APIRouter(prefix="/api/v1/collectors", tags=["collectors"])

    @api.get("")
    async def collectors(caller: Caller) -> dict[str, Any]:
        rows = [_json(pops, row, caller) for row in await pops.registry.rows(caller.tenant)]
        items = [row for row in rows if row["devices"] or not (caller.regions or caller.customers)]
        return {"items": items, "next": None, "total": len(items)}

    @api.get("/{key}")
    async def one(caller: Caller, key: str) -> dict[str, Any]:
        found = [row for row in (await collectors(caller))["items"] if row["id"] == key]
        if not found:
            raise not_found("collector")
        return dict(found[0])

    @api.post("", status_code=201)
    async def add(caller: Caller, body: NewCollector) -> dict[str, Any]:
        _whole(caller, "adding a collector")
        try:
            key, invitation = await pops.invite(caller, body)
        except RegistryError as error:
            raise ProblemError(409, "Not added", str(error)) from error
        return await one(caller, key) | {"invitation": invitation}

    @api.post("/{key}/revoke")
    async def revoke(caller: Caller, key: str) -> dict[str, Any]:
        _whole(caller, "revoking a collector")
        if not await pops.revoke(caller, key):
            raise not_found("collector")
        return await one(caller, key)

    return api


def _whole(caller: Scope, act: str) -> None:
    """A collector sees a part of the network whole: whoever is limited to another part does not decide on it."""
    caller.require(Role.ENGINEER, act)
    if caller.regions or caller.customers:
        raise ProblemError(403, "Forbidden", f"{act.capitalize()} is for those who may see the whole network.")


def _json(pops: Pops, row: Mapping[str, Any], caller: Scope) -> dict[str, Any]:
    """One collector; counts are of what the caller may see."""
    heard = pops.beats.heard.get(row["id"])
    said = heard.said if heard else None
    topology = visible(pops.picture.current(), caller, OPERATOR_TENANT)
    mine = reachable(topology).get(row["id"], [])
    spools = {kind: _spool(state) for kind, state in (said.spools if said else {}).items()}
    return {
        "id": row["id"],
        "name": row["name"],
        "vrf": row["vrf"],
        "site": row["site"],
        "state": pops.state_of(row),
        "last_heard_at": iso(heard.at_ns) if heard else None,
        "version": said.version if said else "",
        "devices": len(mine),
        "targets": sum(pops.owner_of(no) == row["id"] for no in mine),
        "clock_apart_s": round((heard.said.now_ns - heard.at_ns) / NS_PER_S, 3) if heard else None,
        "spools": spools,
        "created_at": iso(row["created_ns"]),
        "enrolled_at": iso(row["enrolled_ns"]),
        "revoked_at": iso(row["revoked_ns"]),
    }


def _spool(state: SpoolState) -> dict[str, Any]:
    lost = {"rows_lost": state.rows_lost, "lost_from": iso(state.lost_from_ns), "lost_to": iso(state.lost_to_ns)}
    return {"waiting_blocks": state.waiting, "complete_until": iso(state.oldest_ns), **lost}
