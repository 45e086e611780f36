"""What billing knows of a customer beyond the inventory: country, why it is not taxed, its reference for invoices."""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from billing_bridge.periods import PeriodError
from bss import taxes
from bss.billing import Biller
from bss.membership import check_profile
from bss.orders import OrderError, check_payer
from bss.snapshot import PROFILE, TERMS
from bss.store import billing_profile
from inventory.store import customer
from station.clock import Clock
from station.scope import Role, Scope
from station.security import audit
from station.state import State, upsert
from station.web import Caller, ProblemError, not_found


class Profile(BaseModel):
    """`tax_category` (UNCL 5305) says why a customer's rate is nought: Z zero-rated, E exempt, AE reverse charge, G
    export, K intra-community, O outside the tax. `payer_id` is who is billed instead; `cycle` a repeating interval of ISO 8601,
    R/2026-01-31/P1M, empty for calendar months; `time_zone` whose days count, empty for the contract's; `legal_entity` one of
    the settings; `tax_jurisdiction` a file of config/taxes, or auto: by the countries of both parties. A change is for future
    invoices only."""

    model_config = ConfigDict(extra="forbid")

    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    tax_category: Literal["", "Z", "E", "AE", "K", "G", "O"] = ""
    buyer_reference: Annotated[str, Field(max_length=100)] = ""
    payer_id: Annotated[str, Field(max_length=36)] = ""
    cycle: Annotated[str, Field(max_length=32)] = ""
    time_zone: Annotated[str, Field(max_length=64)] = ""
    legal_entity: Annotated[str, Field(pattern=r"^[a-z0-9_]{0,32}$")] = ""
    tax_jurisdiction: Annotated[str, Field(pattern=r"^(auto|[A-Z]{2}(-[A-Z0-9]{1,8})?)?$")] = ""


def router(biller: Biller, clock: Clock) -> APIRouter:
    """GET and PUT /api/v1/customers/{id}/billing-profile."""
    state, routes = biller.state, APIRouter(prefix="/api/v1/customers", tags=["billing"])

    @routes.get("/{customer_id}/billing-profile")
    async def shown(caller: Caller, customer_id: str) -> dict[str, Any]:
        await _require(state, caller, customer_id)
        return await _stored(state, caller.tenant, customer_id)

    @routes.put("/{customer_id}/billing-profile")
    async def change(caller: Caller, customer_id: str, body: Profile) -> dict[str, Any]:
        await _require(state, caller, customer_id)
        before = await _stored(state, caller.tenant, customer_id)
        row = {"tenant": caller.tenant, "customer_id": customer_id, **body.model_dump()}
        _check(biller, body)
        async with state.write() as conn:
            if body.payer_id:
                try:
                    await check_payer(conn, caller, customer_id, body.payer_id)
                except OrderError as error:
                    raise ProblemError(422, "Not a payer", str(error)) from error
            await upsert(conn, billing_profile, [row], ("tenant", "customer_id"))
            await audit.record(
                conn, caller, "billing_profile.change", f"customer:{customer_id}", now_ns=clock.now_ns(), before=before, after=row
            )
        return body.model_dump()

    return routes


def _check(biller: Biller, body: Profile) -> None:
    """A problem where a name in the profile names nothing."""
    try:
        check_profile(body.model_dump(), biller.billing.zone)
    except PeriodError as error:
        raise ProblemError(422, "Not a cycle", str(error)) from error
    if body.legal_entity and body.legal_entity not in biller.settings.entities:
        raise ProblemError(422, "Not a legal entity", f"{body.legal_entity!r} is none of bss.entities.")
    if body.tax_jurisdiction not in ("", "auto") and body.tax_jurisdiction not in taxes.read(biller.taxes):
        raise ProblemError(422, "Not a jurisdiction", f"There is no config/taxes/{body.tax_jurisdiction}.toml.")


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
    return {name: row[name] if row else "" for name in (*PROFILE, *TERMS)}
