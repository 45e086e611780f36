"""Customers, accounts, catalogue and products as TM Forum resources: views of what the station holds.

TMF629 customers and TMF632 organizations are the customers of the inventory, TMF666 billing accounts theirs, TMF620
offerings the tariffs, TMF637 products the services. What they do not hold is not shown. What clients add to customers,
parties and accounts is `bss.parties`.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.parties.customers import KIND as CUSTOMER_KIND
from bss.parties.store import erased_customer
from bss.store import invoice
from bss.tariffs import Tariffs, TariffVersion
from bss.tmf678 import money_of, related_customer
from inventory.store import customer, service
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.tmf.store import tmf_document
from station.web import Caller, iso, not_found

ROWS_MAX = 100_000  # customers or services of one list
CUSTOMERS, PARTIES, ACCOUNTS = "customerManagement/v4", "party/v4", "accountManagement/v4"
CATALOGUE, PRODUCTS = "productCatalogManagement/v4", "productInventory/v4"

Json = dict[str, Any]
Load = Callable[[AsyncConnection, Scope], Awaitable[Sequence[Json]]]


def routers(state: State, tariffs: Tariffs, clock: Clock) -> list[APIRouter]:
    """One router for each API."""
    catalogue, products = map(api_router, (CATALOGUE, PRODUCTS))
    _add(catalogue, state, "productOffering", _offerings(tariffs, clock, prices=False))
    _add(catalogue, state, "productOfferingPrice", _offerings(tariffs, clock, prices=True))
    _add(products, state, "product", _products(clock))
    return [catalogue, products]


def _add(routes: APIRouter, state: State, kind: str, load: Load) -> None:
    """GET of a kind's list and of each by its id."""

    @routes.get(f"/{kind}", operation_id=f"list_{kind}")
    async def several(request: Request, caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "reading customer records")
        async with state.read() as conn:
            return page(Query.of(request), await load(conn, caller))

    @routes.get(f"/{kind}/{{id}}", operation_id=f"retrieve_{kind}")
    async def one(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        caller.require(Role.BILLING, "reading customer records")
        async with state.read() as conn:
            found = [row for row in await load(conn, caller) if row["id"] == id_]
        if not found:
            raise not_found(kind)
        return JSONResponse(Query.of(request).shown(found[0]))


async def _customer_rows(conn: AsyncConnection, caller: Scope) -> list[Mapping[str, Any]]:
    where = [customer.c.tenant == caller.tenant] + ([customer.c.id.in_(caller.customers)] if caller.customers else [])
    return list((await conn.execute(sa.select(customer).where(*where).order_by(customer.c.number).limit(ROWS_MAX))).mappings())  # type: ignore[arg-type]


async def customers(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """TMF629: each customer of the inventory with what clients keep of it; an erased one is not shown."""
    c, e = tmf_document.c, erased_customer.c
    said = await conn.execute(
        sa.select(c.id, c.body).where(c.tenant == caller.tenant, c.api == CUSTOMER_KIND.api, c.kind == CUSTOMER_KIND.name)
    )
    bodies = {row.id: json.loads(row.body) for row in said}
    gone = set((await conn.execute(sa.select(e.customer_id).where(e.tenant == caller.tenant))).scalars())
    shown = (_customer(row) for row in await _customer_rows(conn, caller) if row["id"] not in gone)
    return [one | bodies.get(one["id"], {}) for one in shown]


async def organizations(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """TMF632: each customer of the inventory as the organization it is."""
    return [_organization(row) for row in await _customer_rows(conn, caller)]


def _customer(row: Mapping[str, Any]) -> Json:
    party = {"id": row["id"], "href": href(PARTIES, "organization", row["id"]), "name": row["name"], "@referredType": "Organization"}
    account = {"id": row["id"], "href": href(ACCOUNTS, "billingAccount", row["id"]), "name": row["name"]}
    found = {"@type": "Customer", "id": row["id"], "href": href(CUSTOMERS, "customer", row["id"]), "name": row["name"], "status": "active"}
    characteristic = [{"name": "customerNumber", "valueType": "string", "value": row["number"]}]
    return found | {"engagedParty": party, "account": [account], "contactMedium": _contacts(row), "characteristic": characteristic}


def _organization(row: Mapping[str, Any]) -> Json:
    found = {"@type": "Organization", "id": row["id"], "href": href(PARTIES, "organization", row["id"]), "name": row["name"]}
    tax = [{"identificationType": "taxId", "identificationId": row["tax_id"]}] if row["tax_id"] else []
    return found | {
        "tradingName": row["name"],
        "isLegalEntity": True,
        "status": "validated",
        "organizationIdentification": tax,
        "contactMedium": _contacts(row),
        "externalReference": [{"externalReferenceType": "customerNumber", "name": row["number"]}],
    }


def _contacts(row: Mapping[str, Any]) -> list[Json]:
    """E-mail and post, as far as they are known."""
    found: list[Json] = []
    if row["email"]:
        found.append({"mediumType": "email", "preferred": True, "characteristic": {"contactType": "billing", "emailAddress": row["email"]}})
    lines = [line.strip() for line in row["address"].splitlines() if line.strip()]
    if lines:
        street = {"street1": lines[0]} | ({"city": lines[-1]} if len(lines) > 1 else {}) | ({"street2": lines[1]} if len(lines) > 2 else {})
        found.append({"mediumType": "postalAddress", "characteristic": {"contactType": "billing"} | street})
    return found


async def billing_accounts(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """A billing account for each customer, with the sum of its invoices."""
    rows = await _customer_rows(conn, caller)
    c = invoice.c
    query = sa.select(c.customer_id, c.currency, sa.func.sum(c.gross_minor), sa.func.max(c.issued_ns)).where(c.tenant == caller.tenant)
    sums: dict[str, list[Any]] = {}
    for customer_id, *rest in await conn.execute(query.group_by(c.customer_id, c.currency)):
        sums.setdefault(customer_id, []).append(rest)
    return [_account(row, sums.get(row["id"], [])) for row in rows]


def _account(row: Mapping[str, Any], sums: Sequence[Any]) -> Json:
    balances = [
        {"balanceType": "invoiced", "amount": money_of(int(amount), currency), "validFor": {"startDateTime": iso(at_ns)}}
        for currency, amount, at_ns in sums
    ]
    found = {"@type": "BillingAccount", "id": row["id"], "href": href(ACCOUNTS, "billingAccount", row["id"]), "name": row["name"]}
    parts = {"accountType": "billing", "state": "active", "ratingType": "postpaid", "relatedParty": [related_customer(row)]}
    return found | parts | {"accountBalance": balances}


def _offerings(tariffs: Tariffs, clock: Clock, *, prices: bool) -> Load:
    """Each version of each tariff as an offering, or each of its charges as a price."""

    async def load(conn: AsyncConnection, caller: Scope) -> list[Json]:
        today = iso(clock.now_ns())
        found: list[Json] = []
        for name in tariffs.names():
            versions = tariffs.versions(name)
            for version, following in zip(versions, [*versions[1:], None], strict=True):
                valid = _valid(version, following)
                if prices:
                    found += [_price(version, place, valid) for place in range(1, len(version.priced) + 1)]
                else:
                    found.append(_offering(version, valid, today or ""))
        return found

    return load


def _valid(version: TariffVersion, following: TariffVersion | None) -> Json:
    end: date | None = version.tariff.until
    if end is None and following is not None:
        end = following.effective - timedelta(days=1)
    found = {"startDateTime": f"{version.effective.isoformat()}T00:00:00Z"}
    return found | ({"endDateTime": f"{end.isoformat()}T23:59:59Z"} if end else {})


def _offering(version: TariffVersion, valid: Json, now: str) -> Json:
    id_ = f"{version.name}-{version.effective.isoformat()}"
    status = "Retired" if valid.get("endDateTime", "9") < now else "Active" if valid["startDateTime"] <= now else "Launched"
    refs = [_price(version, place, valid) for place in range(1, len(version.priced) + 1)]
    return {
        "@type": "ProductOffering",
        "id": id_,
        "href": href(CATALOGUE, "productOffering", id_),
        "name": version.name,
        "description": version.tariff.summary,
        "version": version.effective.isoformat(),
        "isBundle": False,
        "isSellable": status == "Active",
        "lifecycleStatus": status,
        "validFor": valid,
        "productOfferingPrice": [{"id": ref["id"], "href": ref["href"], "name": ref["name"]} for ref in refs],
    }


def _price(version: TariffVersion, place: int, valid: Json) -> Json:
    """A charge as a price; its terms stand as the tariff's file has them."""
    price, terms = version.priced[place - 1]
    id_ = f"{version.name}-{version.effective.isoformat()}-{place}"
    return {
        "@type": "ProductOfferingPrice",
        "id": id_,
        "href": href(CATALOGUE, "productOfferingPrice", id_),
        "name": getattr(terms, "description", price.kind),
        "description": json.dumps(terms.model_dump(mode="json"), sort_keys=True),
        "version": version.effective.isoformat(),
        "isBundle": False,
        "lifecycleStatus": "Active",
        "priceType": "usage" if price.meter_of(terms) else "recurring",
        "recurringChargePeriodType": "month",
        "recurringChargePeriodLength": 1,
        "validFor": valid,
    }


def _products(clock: Clock) -> Load:
    async def load(conn: AsyncConnection, caller: Scope) -> list[Json]:
        where = [service.c.tenant == caller.tenant] + ([service.c.customer_id.in_(caller.customers)] if caller.customers else [])
        rows = await conn.execute(sa.select(service).where(*where).order_by(service.c.number, service.c.id).limit(ROWS_MAX))
        names = {row["id"]: row for row in await _customer_rows(conn, caller)}
        return [_product(dict(row), names.get(row["customer_id"]), clock.now_ns()) for row in rows.mappings()]

    return load


def _product(row: Mapping[str, Any], owner: Mapping[str, Any] | None, now_ns: int) -> Json:
    ended = 0 < row["active_to_ns"] <= now_ns
    status = "terminated" if ended else "active" if row["active_from_ns"] <= now_ns else "pendingActive"
    found: Json = {
        "@type": "Product",
        "id": row["id"],
        "href": href(PRODUCTS, "product", row["id"]),
        "name": row["name"],
        "description": row["kind"],
        "productSerialNumber": row["number"],
        "isBundle": False,
        "isCustomerVisible": True,
        "status": status,
        "realizingService": [{"id": row["id"], "name": row["name"], "@referredType": "Service"}],
        "productCharacteristic": [{"name": "sla", "valueType": "string", "value": row["sla"]}] if row["sla"] else [],
    }
    times = {"startDate": iso(row["active_from_ns"]), "terminationDate": iso(row["active_to_ns"])}
    found |= {name: value for name, value in times.items() if value}
    if row["tariff"]:
        found["productOffering"] = {"id": row["tariff"], "name": row["tariff"]}
    if owner is not None:
        found["billingAccount"] = {"id": owner["id"], "href": href(ACCOUNTS, "billingAccount", owner["id"]), "name": owner["name"]}
        found["relatedParty"] = [related_customer(owner)]
    return found
