"""TMF642 over the alarms: answers as the specification has them, acts with honest results, and creations found again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from fault.service import FaultService
from fault.tmf642 import router
from station.clock import VirtualClock
from station.scope import STATION, Role, Scope
from station.security.targets import Guard
from station.tmf.hub import Deliveries
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.receiver import receiving

BASE = "/tmf-api/alarm/v4"
SPEC = json.loads((Path(__file__).parent.parent / "cases" / "tmf" / "TMF642-Alarm-v4.0.0.json").read_text())
OPERATOR = Scope(STATION.tenant, Role.OPERATOR, "kim")
CREATE = {
    "alarmType": "environmentalAlarm",
    "perceivedSeverity": "major",
    "probableCause": "temperatureUnacceptable",
    "alarmedObject": {"id": "r2"},
    "sourceSystemId": "building",
    "state": "raised",
    "alarmRaisedTime": "2023-11-14T22:13:00Z",
    "externalAlarmId": "b-17",
    "alarmDetails": "room 3 is at 41 degrees",
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[FaultService]:
    state = await store_at(tmp_path)
    made = await service_on(state, VirtualClock(at(60)))
    await made.handle([down("if-r1-1"), down("if-r2-1", 1), up("if-r2-1", 2)])
    yield made
    await state.close()


async def call(service: FaultService, method: str, path: str, scope: Scope = OPERATOR, **more: Any) -> httpx.Response:
    async with client(scope, router(service)) as http:
        return await http.request(method, f"{BASE}{path}", **more)


def conforms(definition: str, value: Any) -> None:
    """`value` has the shape of a definition and nothing it does not know; of ids the specification's own words say string."""
    definitions = json.loads(json.dumps(SPEC["definitions"]))
    for alarm in ("Alarm", "AlarmRefOrValue"):
        definitions[alarm]["properties"]["id"] = {"type": "string"}
    schema = {"$ref": f"#/definitions/{definition}", "definitions": definitions}
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)
    assert value.keys() <= {"@type", *definitions[definition]["properties"]}, definition


async def test_alarms_are_listed_filtered_and_found(service: FaultService) -> None:
    found = await call(service, "GET", "/alarm")
    assert (found.status_code, found.headers["X-Total-Count"]) == (200, "2")
    for row in found.json():
        conforms("Alarm", row)
        assert (await call(service, "GET", f"/alarm/{row['id']}")).json() == row
    raised = (await call(service, "GET", "/alarm", params={"state": "raised", "fields": "perceivedSeverity,alarmedObject"})).json()
    assert [(row["perceivedSeverity"], row["alarmedObject"]["id"]) for row in raised] == [("major", "if-r1-1")]
    missing = await call(service, "GET", "/alarm/none")
    conforms("Error", missing.json())
    assert missing.status_code == 404


async def test_an_alarm_is_acknowledged_given_back_and_cleared(service: FaultService) -> None:
    (row,) = (await call(service, "GET", "/alarm", params={"state": "raised"})).json()
    for said, key, value in (
        ({"ackState": "acknowledged"}, "ackUserId", "kim"),
        ({"ackState": "unacknowledged"}, "ackState", "unacknowledged"),
        ({"perceivedSeverity": "cleared"}, "state", "cleared"),
    ):
        changed = await call(service, "PATCH", f"/alarm/{row['id']}", json=said)
        conforms("Alarm", changed.json())
        assert (changed.status_code, changed.json()[key]) == (200, value)
    assert (await call(service, "PATCH", f"/alarm/{row['id']}", json={"alarmDetails": "fine"})).status_code == 400
    assert (
        await call(service, "PATCH", f"/alarm/{row['id']}", Scope(1, Role.VIEWER, "v"), json={"ackState": "acknowledged"})
    ).status_code == 403


async def test_tasks_say_which_alarms_they_changed(service: FaultService) -> None:
    (row,) = (await call(service, "GET", "/alarm", params={"state": "raised"})).json()
    both = {"alarmPattern": [{"id": row["id"]}, {"id": "none"}], "ackUserId": "kim", "ackSystemId": "tt", "comment": {"comment": "on it"}}
    for name, kind, listed in (
        ("ackAlarms", "AckAlarms", "ackedAlarm"),
        ("unAckAlarms", "UnAckAlarms", "unAckedAlarm"),
        ("commentAlarms", "CommentAlarms", "commentedAlarm"),
        ("clearAlarms", "ClearAlarms", "clearedAlarm"),
    ):
        done = await call(service, "POST", f"/{name}", json=both)
        conforms(kind, done.json())
        assert (done.status_code, done.json()["state"], [one["id"] for one in done.json()[listed]]) == (201, "done", [row["id"]])
    nothing = await call(service, "POST", "/ackAlarms", json={"alarmPattern": [{"id": "none"}]})
    assert nothing.json()["state"] == "terminatedWithError"
    assert (await call(service, "POST", "/commentAlarms", json={"alarmPattern": [{"id": row["id"]}]})).status_code == 400


async def test_what_another_system_creates_is_found_again_and_cleared_by_it(service: FaultService) -> None:
    made = await call(service, "POST", "/alarm", json=CREATE)
    conforms("Alarm", made.json())
    found = (await call(service, "GET", f"/alarm/{made.json()['id']}")).json()
    assert (found["alarmedObject"]["id"], found["probableCause"], found["alarmDetails"]) == (
        "dev-r2",
        "temperatureUnacceptable",
        "room 3 is at 41 degrees",
    )
    again = await call(service, "POST", "/alarm", json=CREATE | {"state": "cleared"})
    assert again.json()["id"] == found["id"]
    assert (await call(service, "GET", f"/alarm/{found['id']}")).json()["state"] == "cleared"


async def test_alarms_are_grouped_linked_and_taken_apart(service: FaultService) -> None:
    first, second = [row["id"] for row in (await call(service, "GET", "/alarm")).json()]
    asked = {
        "parentAlarm": {"id": first},
        "correlatedAlarm": [{"id": second}, {"id": "none"}],
        "sourceSystemId": "oss",
        "alarmChangedTime": CREATE["alarmRaisedTime"],
    }
    grouped = await call(service, "POST", "/groupAlarms", json=asked)
    conforms("GroupAlarms", grouped.json())
    assert [one["id"] for one in grouped.json()["groupedAlarm"]] == [second]
    parent, child = [(await call(service, "GET", f"/alarm/{id_}")).json() for id_ in (first, second)]
    conforms("Alarm", parent)
    assert (parent["correlatedAlarm"][0]["id"], child["parentAlarm"][0]["id"]) == (second, first)
    assert (await call(service, "GET", f"/groupAlarms/{grouped.json()['id']}")).json() == grouped.json()
    apart = await call(service, "POST", "/unGroupAlarms", json=asked)
    conforms("UnGroupAlarms", apart.json())
    assert "parentAlarm" not in (await call(service, "GET", f"/alarm/{second}")).json()
    assert (await call(service, "POST", "/groupAlarms", json={**asked, "sourceSystemId": ""})).status_code == 400


async def test_what_a_client_says_of_an_alarms_place_is_laid_over_it(service: FaultService) -> None:
    said = {"isRootCause": True, "affectedService": [{"id": "svc-9"}], "parentAlarm": [{"id": "elsewhere"}]}
    made = (await call(service, "POST", "/alarm", json=CREATE | said)).json()
    conforms("Alarm", made)
    assert (made["isRootCause"], made["affectedService"][0]["id"], made["parentAlarm"][0]["id"]) == (True, "svc-9", "elsewhere")
    assert (made["sourceSystemId"], made["externalAlarmId"]) == ("building", "b-17")
    changed = (await call(service, "PATCH", f"/alarm/{made['id']}", json={"isRootCause": False})).json()
    assert (changed["isRootCause"], changed["parentAlarm"][0]["id"]) == (False, "elsewhere")


async def test_only_an_alarm_that_is_over_is_removed(service: FaultService) -> None:
    engineer = Scope(STATION.tenant, Role.ENGINEER, "eva")
    rows = {row["state"]: row["id"] for row in (await call(service, "GET", "/alarm")).json()}
    answers = [(await call(service, "DELETE", f"/alarm/{rows[state]}", engineer)).status_code for state in ("raised", "cleared")]
    assert answers == [409, 204]
    assert (await call(service, "GET", f"/alarm/{rows['cleared']}")).status_code == 404


async def test_listeners_hear_of_everything_that_happens_to_alarms(tmp_path: Path) -> None:
    state, clock = await store_at(tmp_path), VirtualClock(at(60))
    service, guard = await service_on(state, clock), Guard(("127.0.0.0/8",))
    routes = router(service, guard)
    async with receiving() as receiver, client(Scope(STATION.tenant, Role.ENGINEER, "eva"), routes) as http:
        hub = await http.post(f"{BASE}/hub", json={"callback": receiver.url})
        await service.handle([down("if-r1-1")])
        (key,) = service.book.alarms
        await http.post(f"{BASE}/ackAlarms", json={"alarmPattern": [{"id": key}]})
        await service.handle([up("if-r1-1", 5)])
        await http.delete(f"{BASE}/alarm/{key}")
        deliveries = Deliveries(state, guard, clock)
        while await deliveries.deliver_due(STATION.tenant):
            pass
    heard = [(it.json["eventType"], next(iter(it.json["event"]))) for it in receiver.taken]
    assert hub.status_code == 201
    assert heard == [
        ("AlarmCreateEvent", "alarm"),
        ("AlarmAttributeValueChangeEvent", "alarm"),
        ("AckAlarmsCreateEvent", "ackAlarms"),
        ("AckAlarmsStateChangeEvent", "ackAlarms"),
        ("AlarmStateChangeEvent", "alarm"),
        ("AlarmDeleteEvent", "alarm"),
    ]
    for it in receiver.taken:
        ((name, resource),) = it.json["event"].items()
        conforms({"alarm": "Alarm", "ackAlarms": "AckAlarms"}[name], resource)
    await state.close()


@pytest.mark.parametrize(
    "wrong",
    [{"perceivedSeverity": "awful"}, {"alarmRaisedTime": "yesterday"}, {"alarmedObject": {}}, {"sourceSystemId": ""}],
)
async def test_a_creation_that_lacks_something_is_refused(service: FaultService, wrong: dict[str, Any]) -> None:
    refused = await call(service, "POST", "/alarm", json=CREATE | wrong)
    conforms("Error", refused.json())
    assert refused.status_code == 400
