"""TMF620 and TMF637: what clients keep beside the tariffs and the services, in the shapes of the specifications."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bss import tmf_catalogue
from bss.tariffs import Tariffs
from station.clock import VirtualClock
from station.data import data_dir
from station.scope import Role
from station.security.targets import Guard
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, add_customer, add_service, at
from tests.bss.test_bss_tmf import conforms

CATALOGUE, PRODUCTS = "/tmf-api/productCatalogManagement/v4", "/tmf-api/productInventory/v4"


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await made.create_all()
    await add_service(made, 1, await add_customer(made, 1), "volume", {})
    yield made
    await made.close()


async def call(state: State, method: str, path: str, body: Any = None, *, role: Role = Role.BILLING, status: int = 200) -> Any:
    routes = tmf_catalogue.routers(state, Tariffs(data_dir("config/tariffs")), Guard(), VirtualClock(at("2026-07-01")))
    async with client(replace(CLERK, role=role), *routes) as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("catalog", "Catalog", {"name": "Retail", "catalogType": "product", "validFor": {"startDateTime": "2026-01-01T00:00:00Z"}}),
    ("category", "Category", {"name": "Internet", "isRoot": True}),
    ("productSpecification", "ProductSpecification", {"name": "Fibre", "brand": "Nordnetz", "productSpecCharacteristic": []}),
    ("productOffering", "ProductOffering", {"name": "Fibre 1000", "isBundle": True, "isSellable": True}),
    ("productOfferingPrice", "ProductOfferingPrice", {"name": "Fee", "priceType": "recurring", "price": {"unit": "EUR", "value": 39.9}}),
]


@pytest.mark.parametrize(("kind", "definition", "body"), KINDS)
async def test_clients_keep_resources_of_their_own(state: State, kind: str, definition: str, body: dict[str, Any]) -> None:
    path = f"{CATALOGUE}/{kind}"
    made = await call(state, "POST", path, body, status=201)
    conforms("productCatalogManagement", definition, made)
    assert (made["lifecycleStatus"], made["version"], made["href"]) == ("In study", "1.0", f"{path}/{made['id']}")
    changed = await call(state, "PATCH", f"{path}/{made['id']}", {"lifecycleStatus": "Active"})
    assert changed == await call(state, "GET", f"{path}/{made['id']}") and changed["lifecycleStatus"] == "Active"
    assert [one["id"] for one in await call(state, "GET", f"{path}?name={body['name']}&fields=id")] == [made["id"]]
    await call(state, "PATCH", f"{path}/{made['id']}", {"lifecycleStatus": "Somehow"}, status=400)
    await call(state, "POST", path, {"description": "no name"}, status=400)
    await call(state, "POST", path, body, role=Role.VIEWER, status=403)
    await call(state, "DELETE", f"{path}/{made['id']}", status=204)
    await call(state, "GET", f"{path}/{made['id']}", status=404)


async def test_tariffs_and_services_stand_beside_them_and_are_not_changed(state: State) -> None:
    offerings = await call(state, "GET", f"{CATALOGUE}/productOffering")
    prices = await call(state, "GET", f"{CATALOGUE}/productOfferingPrice")
    for offering in offerings:
        conforms("productCatalogManagement", "ProductOffering", offering)
        assert {ref["id"] for ref in offering["productOfferingPrice"]} <= {price["id"] for price in prices}
    for price in prices:
        conforms("productCatalogManagement", "ProductOfferingPrice", price)
        assert json.loads(price["description"])
    await call(state, "DELETE", f"{CATALOGUE}/productOffering/{offerings[0]['id']}", status=409)


async def test_a_product_is_a_service_or_what_clients_say(state: State) -> None:
    made = await call(state, "POST", f"{PRODUCTS}/product", {"status": "created", "name": "Router"}, status=201)
    conforms("productInventory", "Product", made)
    found = await call(state, "GET", f"{PRODUCTS}/product")
    assert {one["name"] for one in found} == {"Internet 1", "Router"}
    await call(state, "PATCH", f"{PRODUCTS}/product/{made['id']}", {"status": "active"})
    await call(state, "PATCH", f"{PRODUCTS}/product/{made['id']}", {"status": "broken"}, status=400)
    await call(state, "DELETE", f"{PRODUCTS}/product/service-1", status=409)
