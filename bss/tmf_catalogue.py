"""TMF620 product catalogue and TMF637 product inventory: what clients keep, beside what the station computes.

Offerings and their prices are the tariffs' versions, products the services; they change with their files and the inventory.
Catalogs, categories, specifications, and offerings, prices and products of other lines of business are the clients' own.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import sqlalchemy as sa
from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.tariffs import Tariffs, TariffVersion
from bss.tmf678 import related_customer
from bss.tmf_records import ACCOUNTS, ROWS_MAX, customer_rows
from inventory.store import service
from station.clock import Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import Json, Kind, add_documents
from station.tmf.hub import add_hub
from station.tmf.route import api_router, href
from station.web import ProblemError, iso

CATALOGUE, PRODUCTS = "productCatalogManagement/v4", "productInventory/v4"
LIFECYCLE: Final = ("In study", "In design", "In test", "Active", "Launched", "Retired", "Obsolete", "Rejected")
STATUSES: Final = ("created", "pendingActive", "cancelled", "active", "pendingTerminate", "terminated", "suspended", "aborted")
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {"s": str, "a": list, "o": dict, "i": int, "b": bool, "n": (int, float)}
_PLAIN: Final = "description:s lastUpdate:s lifecycleStatus:s name:s version:s validFor:o"
_OF_CATALOGUE: Final[Mapping[str, str]] = {
    "catalog": "catalogType:s category:a relatedParty:a",
    "category": "isRoot:b parentId:s productOffering:a subCategory:a",
    "productSpecification": "brand:s isBundle:b productNumber:s attachment:a bundledProductSpecification:a productSpecCharacteristic:a"
    " productSpecificationRelationship:a relatedParty:a resourceSpecification:a serviceSpecification:a targetProductSchema:o",
    "productOffering": "isBundle:b isSellable:b statusReason:s agreement:a attachment:a bundledProductOffering:a category:a channel:a"
    " marketSegment:a place:a prodSpecCharValueUse:a productOfferingPrice:a productOfferingRelationship:a productOfferingTerm:a"
    " productSpecification:o resourceCandidate:o serviceCandidate:o serviceLevelAgreement:o",
    "productOfferingPrice": "isBundle:b percentage:n priceType:s recurringChargePeriodLength:i recurringChargePeriodType:s"
    " bundledPopRelationship:a constraint:a place:a popRelationship:a price:o pricingLogicAlgorithm:a prodSpecCharValueUse:a"
    " productOfferingTerm:a tax:a unitOfMeasure:o",
}
_PRODUCT: Final = (
    "description:s isBundle:b isCustomerVisible:b name:s orderDate:s productSerialNumber:s startDate:s terminationDate:s agreement:a"
    " billingAccount:o place:a product:a productCharacteristic:a productOffering:o productOrderItem:a productPrice:a"
    " productRelationship:a productSpecification:o productTerm:a realizingResource:a realizingService:a relatedParty:a status:s"
)

Load = Callable[[AsyncConnection, Scope], Awaitable[Sequence[Json]]]


def routers(state: State, tariffs: Tariffs, guard: Guard, clock: Clock) -> list[APIRouter]:
    """One router for each API, each with its hub."""
    made = []
    for base, several in ((CATALOGUE, kinds(tariffs, clock)), (PRODUCTS, [products(clock)])):
        routes = api_router(base)
        add_hub(routes, state, guard, clock, base.split("/", maxsplit=1)[0], Role.BILLING)
        for kind in several:
            add_documents(routes, state, clock, kind)
        made.append(routes)
    return made


def kinds(tariffs: Tariffs, clock: Clock) -> list[Kind]:
    """The resources of TMF620."""
    computed = {
        "productOffering": _offerings(tariffs, clock, prices=False),
        "productOfferingPrice": _offerings(tariffs, clock, prices=True),
    }
    return [
        _kind(CATALOGUE, name, f"{_PLAIN} {text}", ("name",), _catalogued, "lifecycleStatus", computed.get(name))
        for name, text in _OF_CATALOGUE.items()
    ]


def products(clock: Clock) -> Kind:
    """The resource of TMF637."""
    return _kind(PRODUCTS, "product", _PRODUCT, ("status",), _in_inventory, "status", _products(clock))


def _kind(
    base: str, name: str, text: str, required: tuple[str, ...], settle: Callable[..., Json], state: str, computed: Load | None
) -> Kind:
    attributes = {part.split(":")[0]: _TYPES[part.split(":")[1]] for part in text.split()}
    more: dict[str, Any] = {"computed": computed} if computed else {}
    more |= {"settle": settle, "states": {state: "StateChange"}, "customer_of": _customer_of, "reads": Role.BILLING, "writes": Role.BILLING}
    return Kind(base.split("/", maxsplit=1)[0], base, name, attributes, required, **more)


def _customer_of(body: Json) -> str:
    parties = [one for one in body.get("relatedParty", ()) if isinstance(one, dict)]
    named = [one for one in parties if "ustomer" in f"{one.get('role', '')}{one.get('@referredType', '')}"]
    return str((named or [{}])[0].get("id") or "")[:36]


def _catalogued(body: Json, _before: Json | None, now_ns: int) -> Json:
    """A state of the life cycle, a version, and when it was changed."""
    status = body.get("lifecycleStatus", "In study")
    if status not in LIFECYCLE:
        raise ProblemError(400, "Not valid", f"lifecycleStatus is one of {', '.join(LIFECYCLE)}.")
    return {"version": "1.0"} | body | {"lifecycleStatus": status, "lastUpdate": iso(now_ns)}


def _in_inventory(body: Json, _before: Json | None, _now_ns: int) -> Json:
    if body["status"] not in STATUSES:
        raise ProblemError(400, "Not valid", f"status is one of {', '.join(STATUSES)}.")
    return body


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
        "lastUpdate": valid["startDateTime"],
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
        "lastUpdate": valid["startDateTime"],
        "priceType": "usage" if price.meter_of(terms) else "recurring",
        "recurringChargePeriodType": "month",
        "recurringChargePeriodLength": 1,
        "validFor": valid,
    }


def _products(clock: Clock) -> Load:
    async def load(conn: AsyncConnection, caller: Scope) -> list[Json]:
        where = [service.c.tenant == caller.tenant] + ([service.c.customer_id.in_(caller.customers)] if caller.customers else [])
        rows = await conn.execute(sa.select(service).where(*where).order_by(service.c.number, service.c.id).limit(ROWS_MAX))
        names = {row["id"]: row for row in await customer_rows(conn, caller)}
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
