"""`/api/v1/fault-causes`: learnt causes with their evidence, and the decisions of engineers about them."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from fault.learning import store
from fault.learning.causes import cause_of
from fault.learning.decisions import Causes, LoopError
from fault.learning.events import HistoryError
from inventory.topology import Topology
from station.scope import Role
from station.web import Caller, ProblemError, iso, not_found

State = Literal["proposed", "accepted", "rejected"]


class Decision(BaseModel):
    """What to do with one learnt edge."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(max_length=128)
    effect: str = Field(max_length=128)
    state: State
    reason: str = Field("", max_length=1_024)


class Learning(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(30, ge=1, le=366)


def router(causes: Causes, topology: Callable[[], Topology]) -> APIRouter:
    """The endpoints over the learnt causes of one station."""
    api = APIRouter(prefix="/api/v1/fault-causes", tags=["fault"])

    @api.get("")
    async def listed(caller: Caller, state: State | Literal[""] = "") -> dict[str, Any]:
        where = [store.cause_edge.c.state == state] if state else []
        async with causes.state.read() as conn:
            rows = await store.edges(conn, caller.tenant, *where)
        return {"items": [edge_json(row) for row in rows], "next": None, "total": len(rows)}

    @api.post("/proposals")
    async def propose(caller: Caller, body: Learning) -> dict[str, Any]:
        """Learn from the station's history of the last days; what is found waits for a decision."""
        caller.require(Role.ENGINEER, "learning causes")
        try:
            found = await causes.propose(topology(), body.days)
        except HistoryError as error:
            raise ProblemError(422, "Nothing to learn from", str(error)) from error
        return {"events": found.events, "left_out": found.cut, "classes": len(found.kinds), "edges": len(found.edges)}

    @api.post("/decisions")
    async def decide(caller: Caller, body: Decision) -> dict[str, Any]:
        try:
            row = await causes.decide(caller, body.cause, body.effect, body.state, body.reason)
        except LoopError as error:
            says = f"With what is accepted already it would make a loop: {error}."
            raise ProblemError(409, "A loop of causes", says, loop=error.loop) from error
        if row is None:
            raise not_found("learnt cause")
        return edge_json(row)

    return api


def edge_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """One edge with how far and how long it reaches."""
    reach = cause_of(row)
    named = {name: row[name] for name in ("cause", "effect", "state", "evidence", "reason")}
    decided = {"decided_by": row["decided_by"] or None, "decided_at": iso(row["decided_ns"])}
    return named | {"hops": reach.hops, "within_s": reach.within_s, "share": reach.share, "proposed_at": iso(row["proposed_ns"])} | decided
