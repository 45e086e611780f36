"""Dunning over HTTP: cases with every step and request, holds, and what is restricted, for the role billing."""

import json
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import Field

from bss.dunning.cases import Dunning, end_hold, place_hold
from bss.dunning.store import dunning_case, dunning_hold, dunning_request, dunning_step, service_restriction
from bss.receivables import account as accounts
from bss.receivables.api import Body, Id, Reason, ReasonIn, mine, refused
from inventory.store import customer, service
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found, time_ns

ROWS_MAX = 1000  # steps, requests or holds of one customer


class HoldIn(Body):
    """A dispute is about one document, or about all; protection is the customer's. `until`: when it ends by itself."""

    kind: Literal["dispute", "protection"]
    document: Annotated[str, Field(max_length=48)] = ""
    reason: Reason
    until: Annotated[str, Field(max_length=40)] = ""


def router(state: State, dunning: Dunning | None, clock: Clock) -> APIRouter:
    """The routes under /api/v1/dunning and the holds of accounts."""
    routes = APIRouter(prefix="/api/v1", tags=["billing"])
    _add_reads(routes, state)
    _add_holds(routes, state, clock)

    @routes.post("/dunning/cases/{customer_id}/reverse")
    async def reverse(caller: Caller, customer_id: Id, body: ReasonIn) -> dict[str, Any]:
        """Take the last stage back, and with it what it asked of the network."""
        mine(caller, customer_id)
        if dunning is None:
            raise ProblemError(409, "Not possible", "No dunning policy is set.")
        with refused():
            made = await dunning.reverse(caller, customer_id, body.reason, clock.now_ns())
        return {"stage": made.stage, "standing": made.standing}

    return routes


def _add_reads(routes: APIRouter, state: State) -> None:
    @routes.get("/dunning/cases")
    async def cases(caller: Caller, cursor: str = "", limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100) -> dict[str, Any]:
        """Open cases by customer; the cursor is the last customer of the page before."""
        caller.require(Role.BILLING, "reading dunning")
        c = dunning_case.c
        where = [c.tenant == caller.tenant, c.customer_id > cursor, sa.or_(c.stage > 0, c.standing != "")]
        where += [c.customer_id.in_(caller.customers)] if caller.customers else []
        owner = sa.and_(customer.c.tenant == c.tenant, customer.c.id == c.customer_id)
        query = sa.select(dunning_case, customer.c.name.label("customer")).join(customer, owner, isouter=True).where(*where)
        async with state.read() as conn:
            rows = (await conn.execute(query.order_by(c.customer_id).limit(limit + 1))).mappings().all()
        return {
            "items": [_case(dict(row)) | {"customer": row["customer"] or ""} for row in rows[:limit]],
            "next": rows[limit - 1]["customer_id"] if len(rows) > limit else None,
        }

    @routes.get("/dunning/cases/{customer_id}")
    async def case(caller: Caller, customer_id: Id) -> dict[str, Any]:
        """A customer's case with its steps, requests and holds, newest first."""
        mine(caller, customer_id)
        return await case_json(state, caller, customer_id)

    @routes.get("/dunning/restrictions")
    async def restrictions(caller: Caller) -> dict[str, Any]:
        """Every service that is restricted now, by number: for whoever lets sessions in."""
        caller.require(Role.BILLING, "reading dunning")
        r, s = service_restriction.c, service.c
        where = [r.tenant == caller.tenant, r.act != ""] + ([s.customer_id.in_(caller.customers)] if caller.customers else [])
        query = sa.select(s.number, s.customer_id, r.act, r.since_ns).join(service, sa.and_(s.tenant == r.tenant, s.id == r.service_id))
        async with state.read() as conn:
            rows = await conn.execute(query.where(*where).order_by(s.number))
            items = [{"service": row.number, "customer_id": row.customer_id, "act": row.act, "since": iso(row.since_ns)} for row in rows]
        return {"items": items}


def _add_holds(routes: APIRouter, state: State, clock: Clock) -> None:
    @routes.post("/accounts/{customer_id}/holds", status_code=201)
    async def place(caller: Caller, customer_id: Id, body: HoldIn) -> dict[str, Any]:
        """Nothing of a dispute or of a protected customer is dunned."""
        mine(caller, customer_id)
        now_ns, to_ns = clock.now_ns(), time_ns(body.until) if body.until else 0
        if to_ns and to_ns <= now_ns:
            raise ProblemError(422, "Not possible", "The hold would be over already.")
        with refused():
            async with state.write() as conn:
                held = await accounts.locked(conn, caller.tenant, customer_id) if body.document else None
                about = held.item(body.document).id if held else ""
                id_ = await place_hold(conn, caller, customer_id, body.kind, body.reason, now_ns, document_id=about, to_ns=to_ns)
        return {"id": id_}

    @routes.post("/holds/{hold_id}/end", status_code=204)
    async def end(caller: Caller, hold_id: Id, body: ReasonIn) -> None:
        caller.require(Role.BILLING, "ending a hold")
        with refused():
            async with state.write() as conn:
                await end_hold(conn, caller, hold_id, body.reason, clock.now_ns())


async def case_json(state: State, caller: Scope, customer_id: str) -> dict[str, Any]:
    """A case as it stands and how it came there; ProblemError 404 where it was never looked at."""

    async def rows(table: sa.Table, order: str) -> list[dict[str, Any]]:
        c = table.c
        query = sa.select(table).where(c.tenant == caller.tenant, c.customer_id == customer_id).order_by(c[order].desc()).limit(ROWS_MAX)
        return [dict(row) for row in (await conn.execute(query)).mappings()]

    async with state.read() as conn:
        found = await rows(dunning_case, "customer_id")
        steps, asked, holds = await rows(dunning_step, "seq"), await rows(dunning_request, "made_ns"), await rows(dunning_hold, "from_ns")
    if not found and not holds:
        raise not_found("case")
    said = _case(found[0]) if found else {"customer_id": customer_id, "stage": 0, "standing": "", "paused": ""}
    return said | {"steps": list(map(_step, steps)), "requests": list(map(_request, asked)), "holds": list(map(_hold, holds))}


def _case(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("customer_id", "policy", "stage", "standing", "paused", "paused_days", "entered_on")}


def _step(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("seq", "kind", "stage", "standing", "cause", "made_by")}
    return shown | {"at": iso(row["at_ns"]), **json.loads(row["overdue"])}


def _request(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("id", "seq", "act", "service_id", "state", "attempts", "answer")}
    return shown | {"made_at": iso(row["made_ns"]), "done_at": iso(row["done_ns"])}


def _hold(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in ("id", "kind", "document_id", "reason", "placed_by", "ended_by")}
    return shown | {"from": iso(row["from_ns"]), "until": iso(row["to_ns"])}
