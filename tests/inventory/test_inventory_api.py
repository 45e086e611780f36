"""From facts and customers to the answers of the API, impact included."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from inventory.api import router
from inventory.discovery import Discovery
from inventory.facts import DeviceFacts, InterfaceFacts, NeighbourFacts, NoAnswer
from inventory.impact import impact
from inventory.layout import layout
from inventory.picture import Picture
from inventory.reconcile import reconcile
from inventory.services import CustomerImportError, import_customers
from inventory.settings import InventorySettings
from inventory.settle import settle
from station.clock import SystemClock
from station.hub import Hub
from station.scope import STATION, Role, Scope
from station.state import State
from station.web import ProblemError

NOW = 1_800_000_000_000_000_000
CUSTOMER = {
    "number": "C-1",
    "name": "Elbe GmbH",
    "services": [{"number": "S-1", "name": "Elbe access", "tariff": "volume", "device": "ham-acc-3", "interface": "cust"}],
}


def facts(n: int, name: str, site: str, *near: tuple[int, int]) -> DeviceFacts:
    """Device n with ports p1 and p2 and a customer's; `near` are (own port, other device), cabled p2 to p1."""
    said = tuple(NeighbourFacts("lldp", port, f"p{port}", f"02:0{other}", f"p{3 - port}", remote_name=f"r{other}") for port, other in near)
    ports = tuple(
        InterfaceFacts(i, text, admin_status=1, oper_status=1, speed_bps=10**10) for i, text in enumerate(("p1", "p2", "cust"), 1)
    )
    return DeviceFacts(f"192.0.2.{n}", 161, "default", name, "", "", site, chassis_id=f"02:0{n}", interfaces=ports, neighbours=said)


@pytest.fixture
async def picture(state: State) -> Picture:
    """core-1 - agg-2 - acc-3 in a row, a service at acc-3 whose customer was imported before the device was found."""
    made = Picture(state, Hub())
    await import_customers(state, STATION, [CUSTOMER], NOW)
    row = (
        facts(1, "ham-core-1", "Hamburg, North [53.5, 10]", (2, 2)),
        facts(2, "ham-agg-2", "Hamburg, North", (1, 1), (2, 3)),
        facts(3, "ham-acc-3", "Kiel, East", (1, 2), (2, 9)),
    )
    for one in row:
        await reconcile(state, STATION, one, NOW)
    await settle(state, STATION, made, NOW)
    return made


async def test_a_service_imported_first_is_bound_when_its_interface_appears(state: State, picture: Picture) -> None:
    topology = picture.current()
    [service] = topology.services.values()
    assert [topology.name_of(topology.entities[key].id) for key in service.access] == ["ham-acc-3 cust"]
    assert {topology.name_of(topology.entities[key].id) for key in service.path} == {
        "ham-acc-3 p1",
        "ham-agg-2 p2",
        "ham-agg-2 p1",
        "ham-core-1 p2",
    }
    again = await import_customers(state, STATION, [CUSTOMER], NOW + 1)
    assert (again.bound, again.pending) == (0, 0)
    assert (await settle(state, STATION, picture, NOW + 1)).services == topology.services


async def test_what_cuts_a_service_off_hurts_its_customer(picture: Picture) -> None:
    topology = picture.current()
    by_name = {device.name: device.id for device in topology.devices.values()}
    link = next(one for one in topology.links.values() if 3 in (one.a >> 16, one.b >> 16))
    for resource in (by_name["ham-agg-2"], by_name["ham-acc-3"], link.id, next(iter(topology.services))):
        assert [customer.name for customer in impact(topology, [resource]).customers] == ["Elbe GmbH"], topology.name_of(resource)
    assert impact(topology, [by_name["ham-agg-2"]]).cut_off == (3,)
    assert impact(topology, ["unknown", "duct:none"]).services == ()


async def test_a_bad_row_changes_nothing_and_is_named(state: State) -> None:
    with pytest.raises(CustomerImportError, match=r"Row 2: currency"):
        await import_customers(state, STATION, [CUSTOMER, CUSTOMER | {"number": "C-2", "currency": "euro"}], NOW)
    assert (await Picture(state, Hub()).reload()).customers == {}


def test_the_layout_is_the_same_each_time_and_inside(picture: Picture) -> None:
    first = layout(picture.current())
    assert layout(picture.current()) == first and len(first.devices) == 3
    assert all(0 <= value <= 1000 for point in (*first.devices.values(), *first.sites.values()) for value in point)


@pytest.fixture
async def client(state: State, picture: Picture) -> AsyncIterator[httpx.AsyncClient]:
    async def look(address: str) -> DeviceFacts | NoAnswer:
        return NoAnswer(address, "wrong_credential" if address.endswith(".9") else "no_answer")

    app = FastAPI()
    scopes = {
        "all": STATION,
        "viewer": Scope(1, Role.VIEWER, "v"),
        "north": Scope(1, Role.VIEWER, "n", ("North",)),
        "other": Scope(2, Role.ADMIN, "o"),
    }

    @app.middleware("http")
    async def sign_in(request: Request, call: RequestResponseEndpoint) -> Response:
        request.state.scope = scopes.get(request.headers.get("x-scope", ""))
        return await call(request)

    async def problem(_: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return error.response()

    app.add_exception_handler(ProblemError, problem)
    discovery = Discovery(state, picture, Hub(), SystemClock(), look, InventorySettings())
    await discovery.discover(STATION, ["192.0.2.8/29"])
    app.include_router(router(picture, discovery, severity=lambda _: "major"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t/api/v1") as made:
        yield made


async def ask(client: httpx.AsyncClient, path: str, scope: str = "all") -> Any:
    return (await client.get(path, headers={"x-scope": scope})).json()


async def test_each_list_answers_and_the_topology_is_whole(client: httpx.AsyncClient) -> None:
    topology = await ask(client, "/topology")
    assert {node["name"] for node in topology["nodes"]} == {"ham-core-1", "ham-agg-2", "ham-acc-3"}
    assert all(link["up"] and link["severity"] == "major" for link in topology["links"]) and len(topology["links"]) == 2
    assert [end["text"] for end in topology["missing"]] == ["ham-acc-3 - r9"]
    device = next(node for node in topology["nodes"] if node["name"] == "ham-acc-3")
    detail = await ask(client, f"/devices/{device['id']}")
    assert len(detail["interfaces"]) == 3 and [one["customer"] for one in detail["services"]] == ["Elbe GmbH"]
    for path, total in (("/devices?q=CORE", 1), ("/sites", 2), ("/services", 1), ("/customers", 1), ("/devices?limit=2", 3)):
        assert (await ask(client, path))["total"] == total, path
    assert (await ask(client, "/search?q=elbe"))["items"][0]["kind"] == "customer"


async def test_a_scope_sees_its_part_only(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "/devices", "north"))["total"] == 2 and (await ask(client, "/customers", "north"))["total"] == 0
    assert len((await ask(client, "/topology", "north"))["links"]) == 1
    for path in ("/devices", "/sites", "/services", "/customers"):
        assert (await ask(client, path, "other"))["total"] == 0
        assert (await client.get(path)).status_code == 401
    hidden = (await ask(client, "/devices?q=acc"))["items"][0]["id"]
    assert (await client.get(f"/devices/{hidden}", headers={"x-scope": "north"})).status_code == 404


async def test_the_ledger_of_a_discovery_says_of_each_address_why_not(client: httpx.AsyncClient) -> None:
    [run] = (await ask(client, "/discovery"))["items"]
    assert run["outcomes"] == {"no_answer": 5, "wrong_credential": 1}
    ledger = await ask(client, f"/discovery/{run['id']}?limit=2")
    assert [line["address"] for line in ledger["items"]] == ["192.0.2.9", "192.0.2.10"] and (ledger["total"], ledger["next"]) == (6, "2")
    [refused] = (await ask(client, f"/discovery/{run['id']}?outcome=wrong_credential"))["items"]
    assert (refused["address"], refused["says"]) == ("192.0.2.9", "an agent answered and took none of the credentials")
    assert (await client.get(f"/discovery/{run['id']}", headers={"x-scope": "other"})).status_code == 404
