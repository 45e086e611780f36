"""TMF657: what is promised in the shape of its specification, a client's own promise, and documents that clients keep."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import sqlalchemy as sa

from perf.sla.terms import shipped
from perf.sla.tmf657 import router
from station.clock import VirtualClock
from station.scope import Role
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import merged
from station.tmf.store import tmf_event
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, add_customer, add_service, network, port_id
from tests.perf.test_sla_levels import JULY, VIEWER, levels, told

SPEC = json.loads((Path(__file__).parents[1] / "cases" / "tmf" / "TMF657-ServiceQualityManagement-v4.0.0.json").read_text())
BASE = "/tmf-api/serviceQualityManagement/v4"
ENGINEER = replace(CLERK, role=Role.ENGINEER, user="eva")
TARGET = {
    "name": "three nines and a half",
    "conformanceComparator": ">=",
    "conformanceTarget": "99.95",
    "serviceLevelObjectiveParameter": {"name": "availability"},
}


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    yield made
    await made.close()


async def call(state: State, method: str, path: str, scope: Any = ENGINEER, **more: Any) -> httpx.Response:
    async with client(scope, router(state, shipped(), Guard(), VirtualClock(JULY))) as http:
        return await http.request(method, f"{BASE}/{path}", **more)


def conforms(name: str, value: Any) -> None:
    jsonschema.Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": SPEC["definitions"]}).validate(value)
    assert value.keys() <= SPEC["definitions"][name]["properties"].keys()


async def test_the_station_s_promises_have_the_shape_of_the_specification_and_are_read_only(state: State) -> None:
    specifications = (await call(state, "GET", "serviceLevelSpecification")).json()
    objectives = (await call(state, "GET", "serviceLevelObjective", params={"limit": 1000})).json()
    for name, rows in (("ServiceLevelSpecification", specifications), ("ServiceLevelObjective", objectives)):
        assert rows
        for row in rows:
            conforms(name, row)
            assert (await call(state, "GET", row["href"].removeprefix(f"{BASE}/"))).json() == row
    assert {one["id"] for spec in specifications for one in spec["relatedServiceLevelObjective"]} == {one["id"] for one in objectives}
    for method in ("PATCH", "DELETE"):
        more = {"json": {"description": "x"}} if method == "PATCH" else {}
        refused = await call(state, method, "serviceLevelSpecification/gold", **more)
        assert (refused.status_code, refused.json()["reason"]) == (409, "Not changeable here")


async def test_a_client_s_specification_is_a_promise_that_services_are_held_to(state: State) -> None:
    target = (await call(state, "POST", "serviceLevelObjective", json=TARGET)).json()
    spec = {"name": "wholesale", "relatedServiceLevelObjective": [{"id": target["id"]}]}
    made = await call(state, "POST", "serviceLevelSpecification", json=spec)
    assert (made.status_code, made.headers["location"]) == (201, made.json()["href"])
    conforms("ServiceLevelSpecification", made.json())
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, 0)}, sla="wholesale")
    await told(state, 1, port_id(1), "communications.link_down", (10, 11))
    (one,) = await levels(state).of_month(VIEWER, "2026-06")
    assert (one.terms.availability, one.result.met, str(one.result.availability)) == (Decimal("99.95"), False, "99.8611")
    laxer = await call(state, "PATCH", f"serviceLevelObjective/{target['id']}", json={"conformanceTarget": "99"})
    assert laxer.json()["conformanceTarget"] == "99"
    assert (await levels(state).of_month(VIEWER, "2026-06"))[0].met is True


@pytest.mark.parametrize(
    ("kind", "wrong", "why"),
    [
        ("serviceLevelObjective", {"conformanceTarget": None}, "needs conformanceTarget"),
        ("serviceLevelObjective", {"conformanceTarget": 99}, "is no text"),
        ("serviceLevelObjective", {"conformanceTarget": "all"}, "is a number"),
        ("serviceLevelObjective", {"conformanceTarget": "101"}, "less than or equal to 100"),
        ("serviceLevelObjective", {"conformanceComparator": "about"}, "is one of"),
        ("serviceLevelObjective", {"conformanceComparator": "<="}, "The station measures"),
        ("serviceLevelObjective", {"colour": "red"}, "has no colour"),
        ("serviceLevelSpecification", {"name": "s", "relatedServiceLevelObjective": ["x"]}, "by id"),
        ("serviceLevelSpecification", {"name": "gold", "relatedServiceLevelObjective": [{"id": "x"}]}, "own specification"),
        ("serviceLevelSpecification", {"name": "s", "relatedServiceLevelObjective": []}, "needs relatedServiceLevelObjective"),
    ],
)
async def test_what_cannot_be_judged_is_refused_in_words(state: State, kind: str, wrong: dict[str, Any], why: str) -> None:
    body = (TARGET if kind == "serviceLevelObjective" else {}) | wrong
    refused = await call(state, "POST", kind, json={name: value for name, value in body.items() if value is not None})
    assert refused.status_code in (400, 409)
    assert why in refused.json()["message"]
    assert refused.json()["@type"] == "Error"


async def test_something_the_station_does_not_measure_is_kept_and_holds_nobody(state: State) -> None:
    other = TARGET | {"serviceLevelObjectiveParameter": {"name": "politeness"}, "conformanceTarget": "very"}
    id_ = (await call(state, "POST", "serviceLevelObjective", json=other)).json()["id"]
    await call(state, "POST", "serviceLevelSpecification", json={"name": "nice", "relatedServiceLevelObjective": [{"id": id_}]})
    await add_service(state, 1, await add_customer(state, 1), "volume", {1: (0, 0)}, sla="nice")
    assert await levels(state).of_month(VIEWER, "2026-06") == []


async def test_documents_are_changed_by_merge_and_removed_and_listeners_hear_each(state: State) -> None:
    hook = {"callback": "https://8.8.8.8/hook"}
    assert (await call(state, "POST", "hub", json=hook)).status_code == 201
    one = (await call(state, "POST", "serviceLevelObjective", json=TARGET)).json()
    path = f"serviceLevelObjective/{one['id']}"
    changed = (await call(state, "PATCH", path, json={"name": None, "serviceLevelObjectiveParameter": {"parameterType": "KQI"}})).json()
    assert changed["serviceLevelObjectiveParameter"] == {"name": "availability", "parameterType": "KQI"}
    assert "name" not in changed
    assert (await call(state, "PATCH", path, json={"id": "other"})).status_code == 400
    assert (await call(state, "PATCH", path, json={"conformanceTarget": None})).status_code == 400
    assert (await call(state, "DELETE", path)).status_code == 204
    assert [(await call(state, method, path)).status_code for method in ("GET", "DELETE")] == [404, 404]
    async with state.read() as conn:
        bodies = [json.loads(body) for body in (await conn.execute(sa.select(tmf_event.c.body).order_by(tmf_event.c.seq))).scalars()]
    kinds = [body["eventType"].removeprefix("ServiceLevelObjective") for body in bodies]
    assert kinds == ["CreateEvent", "AttributeValueChangeEvent", "DeleteEvent"]
    for body in bodies:
        assert body["eventType"] in SPEC["definitions"]
        conforms("ServiceLevelObjective", body["event"]["serviceLevelObjective"])


async def test_a_viewer_reads_and_does_not_write(state: State) -> None:
    viewer = replace(CLERK, role=Role.VIEWER)
    assert (await call(state, "GET", "serviceLevelObjective", viewer)).status_code == 200
    assert (await call(state, "POST", "serviceLevelObjective", viewer, json=TARGET)).status_code == 403


def test_a_merge_patch_is_the_one_of_its_rfc() -> None:
    # RFC 7396, appendix A
    for before, patch, after in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a"], {"a": "b"}, {"a": "b"}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert merged(before, patch) == after


async def test_two_writers_at_once_leave_one_whole_document(state: State) -> None:
    one = (await call(state, "POST", "serviceLevelObjective", json=TARGET)).json()
    path = f"serviceLevelObjective/{one['id']}"
    await asyncio.gather(*(call(state, "PATCH", path, json={field: "1"}) for field in ("graceTimes", "toleranceTarget")))
    found = (await call(state, "GET", path)).json()
    assert (found["graceTimes"], found["toleranceTarget"]) == ("1", "1")
