"""TMF656: incidents that hurt services are problems, beside those that clients report; both are grouped and acknowledged."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from fault.service import FaultService
from fault.tmf656 import router
from station.clock import VirtualClock
from station.scope import STATION, Role, Scope
from station.security.targets import Guard
from station.tmf.hub import Deliveries
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.receiver import receiving

BASE = "/tmf-api/serviceProblemManagement/v4"
SPEC = json.loads((Path(__file__).parents[1] / "cases" / "tmf" / "TMF656-ServiceProblem-v4.0.0.json").read_text())
ENGINEER = Scope(STATION.tenant, Role.ENGINEER, "eva")
GUARD = Guard(("127.0.0.0/8",))
REPORT = {
    "category": "serviceProvider.declarer",
    "priority": 2,
    "description": "Calls break off",
    "reason": "customer called",
    "originatorParty": {"id": "care", "role": "originator", "@referredType": "Organization"},
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaultService]:
    state = await store_at(tmp_path)
    made = await service_on(state, VirtualClock(at(60)))
    await made.handle([down("if-r3-9"), down("if-r2-1", 1)])
    yield made
    await state.close()


@pytest.fixture
async def http(service: FaultService) -> AsyncIterator[httpx.AsyncClient]:
    async with client(ENGINEER, router(service, GUARD)) as it:
        yield it


def conforms(definition: str, value: Any) -> None:
    schema = {"$ref": f"#/definitions/{definition}", "definitions": SPEC["definitions"]}
    jsonschema.Draft4Validator(schema).validate(value)
    assert value.keys() <= {"@type", *SPEC["definitions"][definition]["properties"]}, definition


async def test_an_incident_that_hurts_a_service_is_a_problem(http: httpx.AsyncClient) -> None:
    found = (await http.get(f"{BASE}/serviceProblem")).json()
    one = next(row for row in found if row["rootCauseResource"][0]["id"] == "if-r3-9")
    for row in found:
        conforms("ServiceProblem", row)
    assert ([each["name"] for each in one["affectedService"]], one["relatedParty"][0]["name"]) == (["acme-internet"], "Acme")
    assert (one["status"], one["priority"]) == ("inProgress", 2)
    assert (await http.get(f"{BASE}/serviceProblem/{one['id']}")).json() == one
    assert (await http.patch(f"{BASE}/serviceProblem/{one['id']}", json={"priority": 1})).status_code == 409


async def test_a_client_reports_a_problem_changes_and_removes_it(http: httpx.AsyncClient) -> None:
    made = await http.post(f"{BASE}/serviceProblem", json=REPORT)
    conforms("ServiceProblem", made.json())
    path = f"{BASE}/serviceProblem/{made.json()['id']}"
    done = (await http.patch(path, json={"status": "resolved"})).json()
    assert (made.status_code, made.json()["status"], done["status"], "resolutionDate" in done) == (201, "pending", "resolved", True)
    assert (await http.patch(path, json={"status": "fine"})).status_code == 400
    assert [(await http.delete(path)).status_code, (await http.get(path)).status_code] == [204, 404]
    assert (await http.post(f"{BASE}/serviceProblem", json={**REPORT, "reason": ""})).status_code == 400


async def test_problems_of_both_kinds_are_grouped_acknowledged_and_taken_apart(http: httpx.AsyncClient, service: FaultService) -> None:
    own = (await http.get(f"{BASE}/serviceProblem")).json()[0]["id"]
    theirs = (await http.post(f"{BASE}/serviceProblem", json=REPORT)).json()["id"]
    asked = {"parentProblem": {"id": own}, "childProblem": [{"id": theirs}]}
    grouped = await http.post(f"{BASE}/problemGroup", json=asked)
    conforms("ProblemGroup", grouped.json())
    parent, child = [(await http.get(f"{BASE}/serviceProblem/{id_}")).json() for id_ in (own, theirs)]
    conforms("ServiceProblem", parent)
    assert (parent["underlyingProblem"][0]["id"], child["parentProblem"][0]["id"]) == (theirs, own)
    taken = await http.post(f"{BASE}/problemAcknowledgement", json={"problem": [{"id": own}, {"id": theirs}]})
    statuses = [(await http.get(f"{BASE}/serviceProblem/{id_}")).json()["status"] for id_ in (own, theirs)]
    assert (taken.status_code, statuses) == (201, ["acknowledged", "acknowledged"])
    assert any(alarm.ack_user == "eva" for alarm in service.book.alarms.values())
    apart = await http.post(f"{BASE}/problemUngroup", json=asked)
    conforms("ProblemUngroup", apart.json())
    assert (await http.get(f"{BASE}/serviceProblem/{theirs}")).json().get("parentProblem", []) == []
    assert (await http.post(f"{BASE}/problemGroup", json={**asked, "parentProblem": {"id": "none"}})).status_code == 404


async def test_listeners_hear_of_problems_and_the_records_say_what_they_heard(http: httpx.AsyncClient, service: FaultService) -> None:
    async with receiving() as receiver:
        await http.post(f"{BASE}/hub", json={"callback": receiver.url})
        await service.handle([down("if-r1-2", 2)])
        await service.handle([up("if-r1-2", 9)])
        await http.post(f"{BASE}/serviceProblem", json=REPORT)
        deliveries = Deliveries(service.state, GUARD, service.clock)
        while await deliveries.deliver_due(STATION.tenant):
            pass
    heard = [it.json["eventType"] for it in receiver.taken]
    records = (await http.get(f"{BASE}/serviceProblemEventRecord")).json()
    for row in records:
        conforms("ServiceProblemEventRecord", row)
    assert heard == ["ServiceProblemCreateEvent", "ServiceProblemStateChangeEvent", "ServiceProblemCreateEvent"]
    assert [row["eventType"] for row in records][::-1] == heard
