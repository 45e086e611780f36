"""TMF628: the station's metrics as indicators, and files that jobs and collections on demand make of what is stored."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import httpx
import jsonschema
import numpy as np
import pytest
import sqlalchemy as sa

from perf.measurements.runner import Measurements
from perf.measurements.tmf628 import BASE, router
from perf.query import History, HistoryQuery, QueryError
from perf.store import TelemetryStore
from station.clock import VirtualClock
from station.scope import Role
from station.security.targets import Guard
from station.state import State
from station.tmf.store import tmf_event
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK
from tests.perf.conftest import METERED, PLAIN, S, topology

SPEC = json.loads((Path(__file__).parents[1] / "cases" / "tmf" / "TMF628-Performance-v4.0.0.json").read_text())
ENGINEER = replace(CLERK, role=Role.ENGINEER, user="eva")
HOUR = 3_600 * S
BEGAN = 1_790_000_000 * S // HOUR * HOUR
TRANSFER = {"fileTransferData": [{"transportProtocol": "https"}]}
OCTETS = [{"id": "interface.in_octets"}]


class Stored:
    """Every interface measured each minute of an hour, the second only in its first quarter."""

    def __init__(self) -> None:
        self.fails = False

    async def history(self, query: HistoryQuery) -> History:
        if self.fails:
            raise QueryError("that is more than 4000000 values: ask for a shorter span or fewer resources")
        times = np.arange(query.start_ns, query.end_ns, 60 * S)
        entity = np.concatenate([np.full(len(times), METERED, np.uint64), np.full(5, PLAIN, np.uint64)])
        at = np.concatenate([times, times[:5]])
        value = np.concatenate([np.arange(len(times), dtype=np.float64), np.full(5, 7.0)])
        return History("raw", entity, at, value, np.full(len(at), np.nan))


@dataclass
class Running:
    state: State
    clock: VirtualClock
    stored: Stored
    measurements: Measurements

    async def call(self, method: str, path: str, scope: Any = ENGINEER, **more: Any) -> httpx.Response:
        async with client(scope, router(self.state, Guard(), self.clock), self.measurements.router()) as http:
            return await http.request(method, path if path.startswith("/") else f"/tmf-api/{BASE}/{path}", **more)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    state, clock, stored = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}"), VirtualClock(BEGAN + 5 * S), Stored()
    await state.create_all()
    made = Measurements(state, cast("TelemetryStore", stored), topology, clock, CLERK, tmp_path / "measurements")
    yield Running(state, clock, stored, made)
    await state.close()


def conforms(name: str, value: Any) -> None:
    jsonschema.Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": SPEC["definitions"]}).validate(value)
    assert value.keys() <= SPEC["definitions"][name]["properties"].keys()


async def test_the_station_s_metrics_are_indicators_and_groups_of_them(running: Running) -> None:
    for name, least in (("performanceIndicatorSpecification", 50), ("performanceIndicatorGroupSpecification", 3)):
        rows = (await running.call("GET", name, params={"limit": 1000})).json()
        assert len(rows) >= least
        for row in rows:
            conforms(name[0].upper() + name[1:], row)
    one = await running.call("GET", "performanceIndicatorSpecification/interface.in_octets")
    assert (one.json()["indicatorUnit"], one.json()["collectionType"]) == ("octets", "delta")


async def test_a_collection_on_demand_makes_one_file_and_tells_of_it(running: Running) -> None:
    await running.call("POST", "hub", json={"callback": "https://8.8.8.8/hook"})
    period = {"startDateTime": "2026-09-21T13:00:00Z", "endDateTime": "2026-09-21T14:00:00Z"}
    asked = TRANSFER | {"performanceIndicatorSpecification": OCTETS, "collectionPeriod": period, "granulatiry": "g_15mn"}
    made = await running.call("POST", "onDemandCollection", json=asked)
    assert made.status_code == 201, made.text
    conforms("OnDemandCollection", made.json())
    running.clock.advance(61 * S)
    for _ in range(2):
        await running.measurements.run_once()
    done = (await running.call("GET", f"onDemandCollection/{made.json()['id']}")).json()
    conforms("OnDemandCollection", done)
    assert done["executionState"] == "completed"
    file = await running.call("GET", done["fileTransferData"][0]["fileLocation"])
    lines = file.text.splitlines()
    assert lines[0] == "begin,end,object,indicator,unit,mean,min,max,count,suspect"
    assert lines[1] == "2026-09-21T13:00:00.000Z,2026-09-21T13:15:00.000Z,ham-core-1 xe-0/0/1,interface.in_octets,octets,7,0,14,15,false"
    assert [line.rpartition(",")[2] for line in lines[1:]] == ["false"] * 4 + ["true"]  # one slot of three is suspect
    async with running.state.read() as conn:
        kinds = [
            json.loads(body)["eventType"] for body in (await conn.execute(sa.select(tmf_event.c.body).order_by(tmf_event.c.seq))).scalars()
        ]
    assert [kind.removeprefix("OnDemandCollection") for kind in kinds] == [
        "CreateEvent",
        "ExecutionStateChangeEvent",
        "AttributeValueChangeEvent",
        "FilesReadyEvent",
    ]
    assert set(kinds) <= SPEC["definitions"].keys()


async def test_a_job_makes_a_file_for_each_reporting_period_and_none_twice(running: Running) -> None:
    asked = TRANSFER | {"performanceIndicatorSpecification": OCTETS, "reportingPeriod": "r_15mn", "granularity": "g_5mn"}
    made = (await running.call("POST", "measurementCollectionJob", json=asked)).json()
    conforms("MeasurementCollectionJob", made)
    await running.measurements.run_once()
    assert list(running.measurements._folder.glob("*")) == []  # its first period is not over
    running.clock.advance(16 * 60 * S)
    for _ in range(3):
        await running.measurements.run_once()
    assert len(list(running.measurements._folder.glob("*"))) == 1
    running.clock.advance(15 * 60 * S)
    await running.measurements.run_once()
    assert len(list(running.measurements._folder.glob("*"))) == 2
    job = (await running.call("GET", f"measurementCollectionJob/{made['id']}")).json()
    assert job["executionState"] == "inProgress"
    await running.call("PATCH", f"measurementCollectionJob/{made['id']}", json={"adminState": "locked"})
    running.clock.advance(HOUR)
    await running.measurements.run_once()
    assert len(list(running.measurements._folder.glob("*"))) == 2


async def test_a_file_that_cannot_be_made_fails_its_job_alone(running: Running) -> None:
    running.stored.fails = True
    period = {"startDateTime": "2026-09-21T13:00:00Z", "endDateTime": "2026-09-21T13:10:00Z"}
    asked = TRANSFER | {"performanceIndicatorSpecification": OCTETS, "collectionPeriod": period}
    made = (await running.call("POST", "onDemandCollection", json=asked)).json()
    await running.measurements.run_once()
    assert (await running.call("GET", f"onDemandCollection/{made['id']}")).json()["executionState"] == "failed"


async def test_files_are_kept_for_two_weeks(running: Running) -> None:
    asked = TRANSFER | {"performanceIndicatorSpecification": OCTETS, "reportingPeriod": "r_15mn"}
    made = (await running.call("POST", "measurementCollectionJob", json=asked)).json()
    running.clock.advance(20 * 60 * S)
    await running.measurements.run_once()
    await running.call("PATCH", f"measurementCollectionJob/{made['id']}", json={"adminState": "locked"})
    running.clock.advance(15 * 24 * HOUR)
    await running.measurements.run_once()
    assert list(running.measurements._folder.glob("*")) == []


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"performanceIndicatorSpecification": [{"id": "joy"}]}, "no indicator joy"),
        ({"monitoredClassCriteria": {"monitoredObjectClass": "cloud"}}, "one of interface"),
        ({"granularity": "g_1y"}, "is one of"),
        ({"fileTransferData": []}, "needs fileTransferData"),
    ],
)
async def test_a_job_that_the_station_cannot_run_is_refused(running: Running, wrong: dict[str, Any], why: str) -> None:
    refused = await running.call("POST", "measurementCollectionJob", json=TRANSFER | wrong)
    assert refused.status_code == 400
    assert why in refused.json()["message"]


async def test_a_file_is_for_those_who_see_the_whole_network(running: Running) -> None:
    part = replace(ENGINEER, regions=("north",))
    assert (await running.call("GET", "/api/v1/measurements/x.csv", part)).status_code == 403
    assert (await running.call("GET", "/api/v1/measurements/x.csv")).status_code == 404
