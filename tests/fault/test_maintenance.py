"""Planned work: what it covers is kept and marked, counted and delivered only when it is over."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarms import Alarm, Change
from fault.correlation.contract import AlarmChange, IncidentChange, RootCandidate
from fault.incidents import Incident
from fault.maintenance.api import router
from fault.maintenance.registry import NamedTarget, Plan
from fault.maintenance.windows import Target, Window
from fault.service import FaultService
from station.clock import NS_PER_S, VirtualClock
from station.metrics import REGISTRY
from station.scope import Role, Scope
from station.security import audit
from station.state import State
from tests.fault.network import T0, Alone, at, down, event, service_on, store_at, up
from tests.fault.test_fault_api import signed_in

ITO = Scope(1, Role.ENGINEER, "ito")
HOUR = 3_600


class Told:
    """An announcer that remembers."""

    def __init__(self) -> None:
        self.alarms: list[tuple[str, str]] = []
        self.incidents: list[tuple[str, str]] = []

    async def announce(
        self, _conn: AsyncConnection, changes: Sequence[tuple[Change, Alarm]], incidents: Sequence[tuple[str, Incident]], _now_ns: int
    ) -> None:
        self.alarms += [(change.what, alarm.resource) for change, alarm in changes]
        self.incidents += [(what, it.root.resource_id) for what, it in incidents]

    def wake(self) -> None:
        return None


class OneLink(Alone):
    """Puts everything under the link l12."""

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        super().feed(now_ns, changes)
        ids = tuple({change.alarm_id: None for change in self.fed})
        return [IncidentChange("h", ids, (RootCandidate("l12", "link", "r1 - r2", 0.9),), 0.9)] if changes else []


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


def plan(kind: str, key: str, begins_s: float = 0, duration_s: int = HOUR, **other: Any) -> Plan:
    starts = datetime.fromtimestamp(at(begins_s) / NS_PER_S, UTC).replace(tzinfo=None)
    targets = [NamedTarget(kind=kind, id=key)]
    return Plan(**{"reason": "new software", "owner": "core team", "targets": targets, "starts": starts, "duration_s": duration_s, **other})


async def pass_to(service: FaultService, clock: VirtualClock, seconds: float) -> None:
    clock.advance(at(seconds) - clock.now_ns())
    await service.tick()


async def test_an_alarm_in_a_window_is_kept_and_neither_counted_nor_told(state: State) -> None:
    clock, told = VirtualClock(at(0)), Told()
    service = await service_on(state, clock, announcer=told)
    window = await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([down("if-r1-2", 1)])
    (alarm,) = service.book.alarms.values()
    (incident,) = service.incidents.incidents.values()
    assert (alarm.maintenance, alarm.suppressed, alarm.is_cleared) == (window.id, True, False)
    assert (incident.maintenance, incident.state) == (window.id, "open")
    assert REGISTRY.get_sample_value("trunkline_incidents_open") == 0
    assert (told.alarms, told.incidents) == ([], [])


async def test_what_is_still_there_when_the_window_ends_is_told_then(state: State) -> None:
    clock, told = VirtualClock(at(0)), Told()
    service = await service_on(state, clock, announcer=told)
    await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([down("if-r1-2", 1), down("if-r1-1", 1)])
    await service.handle([up("if-r1-1", 2)])
    await pass_to(service, clock, HOUR + 1)
    stays = next(alarm for alarm in service.book.alarms.values() if not alarm.is_cleared)
    assert (stays.maintenance, stays.suppressed, told.alarms) == ("", False, [("maintenance_end", "if-r1-2")])
    assert told.incidents == [("opened", "if-r1-2")]
    assert REGISTRY.get_sample_value("trunkline_incidents_open") == 1


async def test_what_was_told_before_the_window_is_told_to_be_over_within_it(state: State) -> None:
    clock, told = VirtualClock(at(0)), Told()
    service = await service_on(state, clock, announcer=told)
    await service.handle([down("if-r1-2", 1)])
    await pass_to(service, clock, 5)
    await service.maintenance.add(ITO, plan("device", "dev-r1", 5), service.resources)
    await pass_to(service, clock, 6)
    assert [what for what, _ in told.incidents] == ["opened"]
    await service.handle([up("if-r1-2", 7)])
    assert [what for what, _ in told.incidents] == ["opened", "closed"]
    assert [what for what, _ in told.alarms] == ["raised", "cleared"]


async def test_the_history_of_an_alarm_in_a_window_is_whole(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([down("if-r1-2", 1)])
    await pass_to(service, clock, HOUR + 1)
    await service.handle([up("if-r1-2", HOUR + 2)])
    async with client(service) as http:
        (key,) = service.book.alarms
        detail = (await http.get(f"/api/v1/alarms/{key}")).json()
    assert [row["what"] for row in detail["history"]] == ["maintenance", "raised", "maintenance_end", "cleared"]


@pytest.mark.parametrize(
    ("kind", "key", "covered"),
    [
        ("device", "dev-r1", {"if-r1-1", "if-r1-2", "dev-r1", "if-r2-1", "l12"}),  # the far end of its link too
        ("site", "s2", {"if-r2-1", "if-r2-2", "if-r3-1", "if-r3-9", "dev-r2", "if-r1-1", "l12", "l23", "s2"}),
        ("link", "l12", {"if-r1-1", "if-r2-1", "l12"}),
        ("interface", "if-r3-9", {"if-r3-9"}),
        ("service", "v1", {"if-r3-9", "v1"}),  # not what it merely crosses
        ("customer", "c2", {"if-r1-2", "v2"}),
    ],
)
async def test_a_window_covers_what_it_names(state: State, kind: str, key: str, covered: set[str]) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.maintenance.add(ITO, plan(kind, key), service.resources)
    names = ["if-r1-1", "if-r1-2", "if-r2-1", "if-r2-2", "if-r3-1", "if-r3-9", "dev-r1", "dev-r2", "l12", "l23", "s2", "v1", "v2"]
    await service.handle([down(name, 1) for name in names])
    assert {alarm.resource for alarm in service.book.alarms.values() if alarm.maintenance} == covered


async def test_a_neighbours_session_with_a_device_in_work_is_covered(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([event("dev-r3", "major", 1, "communications.bgp_session_down", qualifier=f"bgp {peer}") for peer in PEERS])
    assert sorted(bool(alarm.maintenance) for alarm in service.book.alarms.values()) == [False, True]


PEERS = ("127.64.0.1", "127.64.0.2")


async def test_an_incident_whose_root_is_in_work_is_planned_with_all_that_it_brings(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), correlator=OneLink())
    window = await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([down("if-r1-1", 1), down("if-r3-9", 1)])
    (incident,) = service.incidents.incidents.values()
    assert incident.maintenance == window.id
    assert all(alarm.suppressed for alarm in service.book.alarms.values())


async def test_a_root_outside_every_window_is_counted_though_a_child_is_inside(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), correlator=OneLink())
    await service.maintenance.add(ITO, plan("interface", "if-r3-9"), service.resources)
    await service.handle([down("if-r1-1", 1), down("if-r3-9", 1)])
    (incident,) = service.incidents.incidents.values()
    assert incident.maintenance == ""
    assert REGISTRY.get_sample_value("trunkline_incidents_open") == 1


async def test_a_window_ended_early_lets_go_at_once_and_stays_a_fact(state: State) -> None:
    clock, told = VirtualClock(at(0)), Told()
    service = await service_on(state, clock, announcer=told)
    window = await service.maintenance.add(ITO, plan("device", "dev-r1"), service.resources)
    await service.handle([down("if-r1-2", 1)])
    clock.advance(60 * NS_PER_S)
    await service.maintenance.end(ITO, window.id, "done early")
    await service.tick()
    assert told.alarms == [("maintenance_end", "if-r1-2")]
    assert [(s.begins_ns - T0, s.ends_ns - T0) for _, s in service.maintenance.spans(at(-1e6), at(1e6))] == [(0, 60 * NS_PER_S)]


async def test_a_restart_knows_the_plan_and_ends_what_ended_meanwhile(state: State) -> None:
    clock = VirtualClock(at(0))
    first = await service_on(state, clock)
    await first.maintenance.add(ITO, plan("device", "dev-r1"), first.resources)
    await first.handle([down("if-r1-2", 1)])
    second = await service_on(state, clock)
    assert [alarm.maintenance for alarm in second.book.alarms.values()] == list(second.maintenance.windows)
    clock.advance(2 * HOUR * NS_PER_S)
    third = await service_on(state, clock)
    assert [alarm.maintenance for alarm in third.book.alarms.values()] == [""]


async def test_the_window_of_each_week_covers_each_week(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.maintenance.add(ITO, plan("device", "dev-r1", rule="FREQ=WEEKLY;COUNT=3"), service.resources)
    week = 7 * 86_400
    marks = []
    for n, seconds in enumerate((10, HOUR + 10, week + 10, 2 * week + 10, 3 * week + 10)):
        await pass_to(service, clock, seconds)
        await service.handle([down("if-r1-2", seconds, qualifier=str(n))])
        marks.append(bool(next(a for a in service.book.alarms.values() if a.qualifier == str(n)).maintenance))
    assert marks == [True, False, True, True, False]


def test_a_window_declared_late_is_in_force_from_its_declaration_on() -> None:
    window = Window("w", "r", "o", (Target("site", "s1"),), datetime(2026, 1, 1, 2), "UTC", HOUR, "", False, at(0), "ito")
    begins = int(datetime(2026, 1, 1, 2, tzinfo=UTC).timestamp()) * NS_PER_S
    late = Window("w", "r", "o", window.targets, window.starts, "UTC", HOUR, "", False, begins + 600 * NS_PER_S, "ito")
    assert [(s.begins_ns - begins) // NS_PER_S for s in (*window.spans(0, begins * 2), *late.spans(0, begins * 2))] == [0, 600]


async def test_what_a_level_excludes_is_apart_in_order_and_not_what_counts(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    for kind, key, begins, counts in (("service", "v1", 0, False), ("device", "dev-r3", 1_800, False), ("site", "s1", 9_000, True)):
        await service.maintenance.add(ITO, plan(kind, key, begins, counts_for_sla=counts), service.resources)
    await service.maintenance.add(ITO, plan("customer", "c2", 20_000), service.resources)
    found = service.maintenance.excluded("v1", service.resources, at(60), at(90_000))
    assert [((a - T0) // NS_PER_S, (b - T0) // NS_PER_S) for a, b in found] == [(60, 1_800 + HOUR)]


def client(service: FaultService, scope: Scope = ITO) -> httpx.AsyncClient:
    return signed_in(service, scope, router(service))


def body(**other: Any) -> dict[str, Any]:
    return plan("device", "dev-r1", HOUR, **other).model_dump(mode="json")


async def test_work_is_planned_listed_changed_and_ended_over_http_and_each_is_audited(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    async with client(service) as http:
        made = (await http.post("/api/v1/maintenance", json=body())).json()
        path = f"/api/v1/maintenance/{made['id']}"
        changed = (await http.put(path, json=body(duration_s=7_200))).json()
        clock.advance((HOUR + 60) * NS_PER_S)
        listed = (await http.get("/api/v1/maintenance", params={"state": "current"})).json()
        refused = await http.put(path, json=body())
        ended = (await http.post(f"{path}/end", json={"reason": "done"})).json()
    assert (made["state"], made["targets"][0]["name"], changed["duration_s"]) == ("coming", "r1", 7_200)
    assert [it["id"] for it in listed["items"]] == [made["id"]]
    assert (refused.status_code, ended["state"]) == (409, "over")
    rows = await audit.rows(state, ITO)
    assert [row["act"] for row in rows] == ["maintenance.end", "maintenance.change", "maintenance.plan"]


async def test_the_calendar_shows_each_time(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    async with client(service) as http:
        await http.post("/api/v1/maintenance", json=body(rule="FREQ=DAILY;COUNT=3"))
        items = (await http.get("/api/v1/maintenance/calendar")).json()["items"]
    begins = [datetime.fromisoformat(it["begins_at"]).timestamp() for it in items]
    assert [round(each - at(HOUR) / NS_PER_S) for each in begins] == [0, 86_400, 172_800]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"targets": [{"kind": "device", "id": "dev-r9"}]}, "dev-r9"),
        ({"starts": "2020-01-01T00:00:00"}, "over"),
    ],
)
async def test_what_cannot_be_planned_is_refused_with_the_reason(state: State, wrong: dict[str, Any], says: str) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    async with client(service) as http:
        answer = await http.post("/api/v1/maintenance", json=body() | wrong)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("wrong", [{"zone": "Mars/Base"}, {"rule": "FREQ=SOMETIMES"}, {"rule": "FREQ=MONTHLY;BYDAY=5MO"}, {"reason": " "}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"zone|rule|reason"):
        Plan.model_validate(body() | wrong)


async def test_a_caller_sees_and_plans_only_its_part(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    async with client(service) as http:
        made = (await http.post("/api/v1/maintenance", json=body())).json()
    for scope, seen in (
        (Scope(1, Role.ENGINEER, "eva", regions=("east",)), False),
        (Scope(1, Role.ENGINEER, "nia", regions=("north",)), True),
        (Scope(1, Role.ENGINEER, "cus", customers=("c1",)), True),
    ):
        async with client(service, scope) as http:
            listed = (await http.get("/api/v1/maintenance")).json()
            one = await http.get(f"/api/v1/maintenance/{made['id']}")
            planned = await http.post("/api/v1/maintenance", json=body())
        assert ([it["id"] for it in listed["items"]] == [made["id"]], one.status_code, planned.status_code) == (
            (True, 200, 201) if seen else (False, 404, 404)
        )
        for key in set(service.maintenance.windows) - {made["id"]}:
            del service.maintenance.windows[key]
