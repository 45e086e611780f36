"""What billing knows of a customer beyond the inventory: country, why it is not taxed, its reference for invoices."""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from bss.snapshot import PROFILE
from bss.store import billing_profile
from inventory.store import customer
from station.clock import Clock
from station.scope import Role, Scope
from station.security import audit
from station.state import State, upsert
from station.web import Caller, not_found


class Profile(BaseModel):
    """`tax_category` (UNCL 5305) says why a customer's rate is nought: Z zero-rated, E exempt, AE reverse charge, G
    export. A change is for future invoices only."""

    model_config = ConfigDict(extra="forbid")

    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    tax_category: Literal["", "Z", "E", "AE", "G"] = ""
    buyer_reference: Annotated[str, Field(max_length=100)] = ""


def router(state: State, clock: Clock) -> APIRouter:
    """GET and PUT /api/v1/customers/{id}/billing-profile."""
    routes = APIRouter(prefix="/api/v1/customers", tags=["billing"])

    @routes.get("/{customer_id}/billing-profile")
    async def shown(caller: Caller, customer_id: str) -> dict[str, Any]:
        await _require(state, caller, customer_id)
        return await _stored(state, caller.tenant, customer_id)

    @routes.put("/{customer_id}/billing-profile")
    async def change(caller: Caller, customer_id: str, body: Profile) -> dict[str, Any]:
        await _require(state, caller, customer_id)
        before = await _stored(state, caller.tenant, customer_id)
        row = {"tenant": caller.tenant, "customer_id": customer_id, **body.model_dump()}
        async with state.write() as conn:
            await upsert(conn, billing_profile, [row], ("tenant", "customer_id"))
            await audit.record(
                conn, caller, "billing_profile.change", f"customer:{customer_id}", now_ns=clock.now_ns(), before=before, after=row
            )
        return body.model_dump()

    return routes


async def _require(state: State, caller: Scope, customer_id: str) -> None:
    caller.require(Role.BILLING, "billing profiles")
    where = (customer.c.tenant == caller.tenant, customer.c.id == customer_id)
    async with state.read() as conn:
        known = (await conn.execute(sa.select(customer.c.id).where(*where))).first()
    if known is None or (caller.customers and customer_id not in caller.customers):
        raise not_found("customer")


async def _stored(state: State, tenant: int, customer_id: str) -> dict[str, Any]:
    where = (billing_profile.c.tenant == tenant, billing_profile.c.customer_id == customer_id)
    async with state.read() as conn:
        row = (await conn.execute(sa.select(billing_profile).where(*where))).mappings().first()
    return {name: row[name] if row else "" for name in PROFILE}
