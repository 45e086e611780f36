"""Parties over HTTP: TMF629, 632, 651, 666, 669 and 683 with their hubs, consent, the whole view of a customer, and erasure."""

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from bss.parties import kinds
from bss.parties.customers import KIND, Customers
from bss.parties.store import party_consent
from bss.parties.view import View, consents
from bss.receivables.api import Body, Id, Reason, ReasonIn, mine, refused
from bss.receivables.payments import known
from station.clock import Clock
from station.scope import Role
from station.security import audit
from station.security.targets import Guard
from station.tmf.documents import FIXED, Json, Kind, Sent, add_documents
from station.tmf.hub import add_hub
from station.tmf.query import Query, page
from station.tmf.route import Id as Named
from station.tmf.route import api_router
from station.web import Caller, ProblemError, iso, not_found

CONSENTS_MAX = 1000  # words on one purpose


class ConsentIn(Body):
    """`words`: which version of which text was agreed to, or withdrawn from."""

    purpose: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    given: bool
    channel: Annotated[str, Field(min_length=1, max_length=64)]
    words: Reason


def routers(
    of: Customers, view: View, organizations: kinds.Computed, billing: kinds.Computed, whole: kinds.Computed, guard: Guard, clock: Clock
) -> list[APIRouter]:
    """`organizations`, `billing` and `whole` are what the inventory's customers are in TMF632, 666 and 629."""
    made: dict[str, APIRouter] = {}
    every: list[Kind] = [*kinds.parties(organizations), *kinds.accounts(billing), kinds.roles(), kinds.interactions(), *kinds.agreements()]
    for kind in every:
        if kind.base not in made:
            made[kind.base] = api_router(kind.base)
            add_hub(made[kind.base], of.state, guard, clock, kind.api, Role.BILLING)
        add_documents(made[kind.base], of.state, clock, kind)
    return [*made.values(), _customers(of, whole, guard, clock), _view(of, view, clock)]


def _customers(of: Customers, whole: kinds.Computed, guard: Guard, clock: Clock) -> APIRouter:
    routes = api_router(kinds.CUSTOMER)
    add_hub(routes, of.state, guard, clock, KIND.api, Role.BILLING)

    @routes.get("/customer")
    async def several(request: Request, caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "reading customers")
        async with of.state.read() as conn:
            return page(Query.of(request), await whole(conn, caller))

    @routes.get("/customer/{id}")
    async def one(request: Request, caller: Caller, id_: Named) -> JSONResponse:
        caller.require(Role.BILLING, "reading customers")
        async with of.state.read() as conn:
            found = [each for each in await whole(conn, caller) if each["id"] == id_]
        if not found:
            raise not_found("customer")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.post("/customer", status_code=201)
    async def create(caller: Caller, sent: Sent, response: Response) -> Json:
        """A customer that can be billed: `characteristic` customerNumber, taxId and currency, `contactMedium` e-mail and post."""
        caller.require(Role.BILLING, "making a customer")
        if caller.customers:
            raise ProblemError(403, "Not allowed", "A caller limited to some customers makes no others.")
        made = await of.create(caller, sent, clock.now_ns())
        response.headers["Location"] = made["href"]
        return made

    @routes.patch("/customer/{id}")
    async def change(caller: Caller, id_: Named, sent: Sent) -> Json:
        caller.require(Role.BILLING, "changing a customer")
        if fixed := [name for name in FIXED if name in sent]:
            raise ProblemError(400, "Not changeable", f"{', '.join(fixed)} of a resource never changes.")
        await of.change(caller, id_, sent, clock.now_ns())
        async with of.state.read() as conn:
            return next(dict(each) for each in await whole(conn, caller) if each["id"] == id_)

    @routes.delete("/customer/{id}", status_code=204)
    async def remove(caller: Caller, id_: Named) -> None:
        """Erasure, for an administrator: refused while anything is open or in service."""
        await of.erase(caller, id_, "removed by TMF629", clock.now_ns())

    return routes


def _view(of: Customers, view: View, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/customers/{customer_id}", tags=["billing"])

    @routes.get("/overview")
    async def overview(caller: Caller, customer_id: Id) -> dict[str, Any]:
        """All of one customer, joined over every domain."""
        return await view.of(caller, customer_id, clock.now_ns())

    @routes.get("/consents")
    async def listed(caller: Caller, customer_id: Id) -> dict[str, Any]:
        """The last word on each purpose, and every word said."""
        mine(caller, customer_id)
        c = party_consent.c
        query = (
            sa.select(party_consent).where(c.tenant == caller.tenant, c.customer_id == customer_id).order_by(c.at_ns.desc(), c.seq.desc())
        )
        names = ("purpose", "given", "channel", "words", "recorded_by")
        async with of.state.read() as conn:
            said = (await conn.execute(query.limit(CONSENTS_MAX))).mappings().all()
            items = await consents(conn, caller.tenant, customer_id)
        return {"items": items, "history": [{name: row[name] for name in names} | {"at": iso(row["at_ns"])} for row in said]}

    @routes.post("/consents", status_code=201)
    async def say(caller: Caller, customer_id: Id, body: ConsentIn) -> dict[str, Any]:
        """Record that the customer agreed to a purpose, or withdrew."""
        mine(caller, customer_id)
        await _record(of, caller, customer_id, body, clock.now_ns())
        return body.model_dump()

    @routes.post("/erase")
    async def erase(caller: Caller, customer_id: Id, body: ReasonIn) -> dict[str, Any]:
        """Forget a person; `outcome` says whether something of theirs is kept by law, without the person."""
        return {"outcome": await of.erase(caller, customer_id, body.reason, clock.now_ns())}

    return routes


async def _record(of: Customers, caller: Any, customer_id: str, body: ConsentIn, now_ns: int) -> None:
    c = party_consent.c
    async with of.state.write() as conn:
        with refused():
            await known(conn, caller, customer_id)
        where = (c.tenant == caller.tenant, c.customer_id == customer_id, c.purpose == body.purpose)
        seq = ((await conn.execute(sa.select(sa.func.max(c.seq)).where(*where))).scalar() or 0) + 1
        if seq > CONSENTS_MAX:
            raise ProblemError(409, "Too many", f"At most {CONSENTS_MAX} words on one purpose.")
        row = {"tenant": caller.tenant, "customer_id": customer_id, "seq": seq, "at_ns": now_ns, "recorded_by": caller.user[:64]}
        await conn.execute(sa.insert(party_consent).values(**row, **body.model_dump()))
        await audit.record(conn, caller, "consent.record", f"customer:{customer_id}", now_ns=now_ns, after=body.model_dump())
