"""Accepted causes: decided by people, never a loop, read by correlation; an alarm they explain joins its cause's incident."""

import json
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fault.correlation.contract import AlarmChange, IncidentChange, RootCandidate
from fault.correlation.engine import Engine
from fault.learning import store
from fault.learning.api import router
from fault.learning.causes import Cause, loop
from fault.learning.decisions import Causes
from fault.learning.explained import Explained
from fault.service import FaultService
from inventory.topology import Topology
from station.clock import VirtualClock
from station.commands.context import with_store
from station.commands.faults import causes as listed
from station.commands.faults import decide
from station.scope import STATION, Role, Scope
from station.security.audit import rows as audit_rows
from station.state import State
from tests.billing_bridge.calling import client
from tests.fault.network import NETWORK, at, event, service_on, store_at

FAN, HEAT, RESET = "equipment.fan_failed", "environment.temperature_high", "equipment.module_reset"
EVIDENCE = {
    "score": 40.0,
    "causes": 100,
    "effects": 90,
    "explained": [60.0, 20.0],
    "lags_s": [5.0, 20.0, 60.0],
    "lag_s": 20.0,
    "events": 500,
    "days": 30,
}
ENGINEER = Scope(STATION.tenant, Role.ENGINEER, "eva")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def proposed(state: State, *pairs: tuple[str, str]) -> None:
    async with state.write() as conn:
        await store.propose(conn, 1, [(cause, effect, EVIDENCE) for cause, effect in pairs], at(0))


async def fault(state: State, clock: VirtualClock, inner: Any = None) -> tuple[FaultService, Causes]:
    correlator = Explained(inner or Engine())
    causes = Causes(state, clock, correlator.take_causes)
    await causes.load()
    return await service_on(state, clock, correlator=correlator), causes


async def later(service: FaultService, clock: VirtualClock, seconds: float) -> None:
    clock.advance(int(seconds * 1e9))
    await service.tick()


def incident_of(service: FaultService, resource: str) -> str:
    return next(alarm.incident_id for alarm in service.book.alarms.values() if alarm.resource == resource)


async def test_an_accepted_cause_joins_its_effect_and_says_so(state: State) -> None:
    clock = VirtualClock(at(0))
    await proposed(state, (FAN, HEAT))
    service, causes = await fault(state, clock)
    await service.handle([event("dev-r1", "major", 0, FAN, text="fan 2 stopped")])
    await later(service, clock, 20)
    await service.handle([event("if-r2-1", "minor", 20, HEAT)])
    await later(service, clock, 1)
    assert incident_of(service, "dev-r1") != incident_of(service, "if-r2-1")  # nobody accepted it yet
    before = incident_of(service, "dev-r1")
    await causes.decide(ENGINEER, FAN, HEAT, "accepted", "known of these fans")
    await later(service, clock, 1)
    it = service.incidents.incidents[incident_of(service, "if-r2-1")]
    assert it.id == before and it.root.resource_id == "dev-r1" and len(it.alarm_ids) == 2
    assert "accepted by eva" in it.explanation.evidence[0] and "20 s after" in it.explanation.evidence[0]
    heat = next(alarm for alarm in service.book.alarms.values() if alarm.alarm_type == HEAT)
    assert heat.suppressed and not heat.is_root
    open_ones = [each for each in service.incidents.incidents.values() if each.state == "open"]
    assert len(open_ones) == 1
    await causes.decide(ENGINEER, FAN, HEAT, "rejected", "it was the room")
    await later(service, clock, 1)
    assert incident_of(service, "dev-r1") != incident_of(service, "if-r2-1") != ""


async def test_too_late_or_too_far_away_is_not_its_effect(state: State) -> None:
    clock = VirtualClock(at(0))
    await proposed(state, (FAN, HEAT))
    service, causes = await fault(state, clock)
    await causes.decide(ENGINEER, FAN, HEAT, "accepted", "")
    await service.handle([event("dev-r1", "major", 0, FAN)])
    await service.handle([event("dev-r3", "minor", 10, HEAT)])  # two links away; learnt was one
    clock.advance(int(200e9))
    await service.handle([event("dev-r2", "minor", 200, HEAT)])  # one link away; learnt were 60 s
    await later(service, clock, 1)
    assert len({incident_of(service, each) for each in ("dev-r1", "dev-r2", "dev-r3")}) == 3


async def test_an_effect_that_outlives_its_cause_becomes_its_own_problem(state: State) -> None:
    clock = VirtualClock(at(0))
    await proposed(state, (FAN, HEAT))
    service, causes = await fault(state, clock)
    await causes.decide(ENGINEER, FAN, HEAT, "accepted", "")
    await service.handle([event("dev-r1", "minor", 2, HEAT), event("dev-r1", "major", 0, FAN)])  # heard before its cause
    await later(service, clock, 5)
    (alarm,) = [each for each in service.book.alarms.values() if each.alarm_type == HEAT]
    assert alarm.suppressed
    await service.handle([event("dev-r1", "cleared", 5, FAN)])
    await later(service, clock, 130)
    await later(service, clock, 1)
    assert not alarm.suppressed and alarm.is_root
    assert service.incidents.incidents[alarm.incident_id].state == "open"


async def test_a_restart_finds_the_same_incident(state: State) -> None:
    clock = VirtualClock(at(0))
    await proposed(state, (FAN, HEAT))
    service, causes = await fault(state, clock)
    await causes.decide(ENGINEER, FAN, HEAT, "accepted", "")
    await service.handle([event("dev-r1", "major", 0, FAN), event("dev-r1", "minor", 1, HEAT)])
    await later(service, clock, 5)
    again, _ = await fault(state, clock)
    await later(again, clock, 5)
    assert {each.incident_id for each in again.book.alarms.values()} == {incident_of(service, "dev-r1")}


async def test_a_loop_is_refused_and_named(state: State) -> None:
    await proposed(state, (FAN, HEAT), (HEAT, RESET), (RESET, FAN))
    causes = Causes(state, VirtualClock(at(0)))
    async with client(ENGINEER, router(causes, lambda: NETWORK)) as http:
        for cause, effect in ((FAN, HEAT), (HEAT, RESET)):
            assert (
                await http.post("/api/v1/fault-causes/decisions", json={"cause": cause, "effect": effect, "state": "accepted"})
            ).is_success
        refused = await http.post("/api/v1/fault-causes/decisions", json={"cause": RESET, "effect": FAN, "state": "accepted"})
        listed = (await http.get("/api/v1/fault-causes")).json()["items"]
        missing = await http.post("/api/v1/fault-causes/decisions", json={"cause": "x", "effect": "y", "state": "rejected"})
    assert refused.status_code == 409 and refused.json()["loop"] == [RESET, FAN, HEAT, RESET]
    assert [(row["cause"], row["state"], row["hops"], row["within_s"]) for row in listed] == [
        (RESET, "proposed", 1, 90.0),
        (HEAT, "accepted", 1, 90.0),
        (FAN, "accepted", 1, 90.0),
    ]
    assert missing.status_code == 404
    assert [row["act"] for row in await audit_rows(state, STATION)] == ["cause.accepted", "cause.accepted"]


async def test_a_viewer_decides_nothing(state: State) -> None:
    await proposed(state, (FAN, HEAT))
    async with client(Scope(1, Role.OPERATOR, "o"), router(Causes(state, VirtualClock(at(0))), lambda: NETWORK)) as http:
        refused = await http.post("/api/v1/fault-causes/decisions", json={"cause": FAN, "effect": HEAT, "state": "accepted"})
    assert refused.status_code == 403


async def test_history_proposes_and_a_decision_stays(state: State) -> None:
    clock = VirtualClock(at(0))
    service, causes = await fault(state, clock)
    for n in range(40):
        t = 1000 * n
        clock.advance(at(t) - clock.now_ns())
        await service.handle([event("dev-r1", "major", t, FAN)])
        clock.advance(int(5e9))
        await service.handle([event("dev-r2", "minor", t + 5, HEAT)])
        clock.advance(int(400e9))
        await service.handle([event("dev-r1", "cleared", t + 400, FAN), event("dev-r2", "cleared", t + 400, HEAT)])
    async with client(ENGINEER, router(causes, lambda: NETWORK)) as http:
        found = (await http.post("/api/v1/fault-causes/proposals", json={"days": 30})).json()
        (edge,) = (await http.get("/api/v1/fault-causes")).json()["items"]
        assert found["edges"] == 1 and (edge["cause"], edge["effect"], edge["hops"]) == (FAN, HEAT, 1)
        assert edge["evidence"]["effects"] == 40 and edge["share"] > 0.5
        await http.post("/api/v1/fault-causes/decisions", json={"cause": FAN, "effect": HEAT, "state": "rejected", "reason": "chance"})
        await http.post("/api/v1/fault-causes/proposals", json={"days": 30})
        (again,) = (await http.get("/api/v1/fault-causes")).json()["items"]
    assert (again["state"], again["decided_by"], again["reason"]) == ("rejected", "eva", "chance")


async def test_what_was_seen_a_few_times_is_proposed_to_nobody(state: State) -> None:
    clock = VirtualClock(at(0))
    service, causes = await fault(state, clock)
    for n in range(4):
        clock.advance(at(1000 * n) - clock.now_ns())
        await service.handle([event("dev-r1", "major", 1000 * n, FAN), event("dev-r2", "minor", 1000 * n + 1, HEAT)])
        await service.handle([event("dev-r1", "cleared", 1000 * n + 2, FAN), event("dev-r2", "cleared", 1000 * n + 2, HEAT)])
    await causes.propose(NETWORK, 30)
    async with state.read() as conn:
        assert await store.edges(conn, 1) == []


class Scripted:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.says: list[IncidentChange] = []

    def topology_changed(self, topology: Topology) -> None:
        pass

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        said, self.says = self.says, []
        return said


def change(key: str, alarm_type: str, t: float, device: str = "dev-r1", state: Any = "raised") -> AlarmChange:
    return AlarmChange(key, at(t), at(t), state, device, device, alarm_type)


def test_an_incident_joins_another_only_where_all_of_it_is_explained() -> None:
    inner = Scripted()
    correlator = Explained(inner)
    correlator.topology_changed(NETWORK)
    correlator.take_causes([Cause(FAN, HEAT, 0, 90.0, 0.9)])
    root = (RootCandidate("dev-r1", "device", "r1"),)
    inner.says = [IncidentChange("one", ("h", "x"), root, 0.9)]
    said = correlator.feed(at(5), [change("f", FAN, 0), change("h", HEAT, 1), change("x", RESET, 2)])
    assert [(each.incident, each.alarm_ids) for each in said] == [("one", ("h", "x"))]
    inner.says = [IncidentChange("one", ("h",), root, 0.9)]
    said = correlator.feed(at(6), [])
    assert [(each.incident, each.alarm_ids) for each in said] == [("one", ()), ("learnt f", ("f", "h"))]
    assert said[1].confidence == 0.9 and said[1].root_alarm_ids == ("f",)
    inner.says = [IncidentChange("two", ("f", "y"), root, 0.8)]
    said = correlator.feed(at(7), [change("y", RESET, 6)])
    assert {each.incident: each.alarm_ids for each in said} == {"learnt f": (), "two": ("f", "h", "y")}
    inner.says = [IncidentChange("one", (), (), 0.0)]
    said = correlator.feed(at(8), [])
    assert {each.incident: each.alarm_ids for each in said}["two"] == ("f", "h", "y")


CLASSES = "abcdef"
STEP = st.tuples(st.sampled_from(CLASSES), st.integers(0, 3), st.sampled_from(("raised", "cleared")), st.integers(0, 150))
SAYS = st.lists(st.sets(st.integers(0, 23), max_size=4), max_size=3)


@given(st.lists(st.tuples(STEP, SAYS), max_size=40))
def test_no_alarm_is_ever_in_two_incidents(steps: list[tuple[tuple[str, int, str, int], list[set[int]]]]) -> None:
    """Whatever the correlator inside says, in the end each alarm is where the last word puts it, and nowhere else."""
    inner = Scripted()
    correlator = Explained(inner)
    correlator.topology_changed(NETWORK)
    correlator.take_causes([Cause(one, other, 1, 60.0, 0.5) for one, other in pairwise(CLASSES)])
    now, held, seen = 0.0, dict[str, frozenset[str]](), set[str]()
    for n, ((kind, device, state, wait), says) in enumerate(steps):
        now += wait
        key = f"{kind}{device % 4}"
        name = f"dev-r{device % 3 + 1}"
        taken: set[str] = set()
        inner.says = []
        for i, members in enumerate(says):
            alarms = {f"{CLASSES[m % 6]}{m // 6}" for m in members} & seen - taken
            taken |= alarms
            inner.says.append(IncidentChange(f"i{i}", tuple(sorted(alarms)), (RootCandidate("dev-r1", "device", "r1"),), 0.5))
        given_up = {a for each in inner.says for a in each.alarm_ids}
        for said in correlator.feed(at(now), [change(key, kind, now, name, state)]):
            held[said.incident] = frozenset(said.alarm_ids)
            for other in held:
                if other != said.incident:
                    held[other] -= held[said.incident]
        seen.add(key)
        everywhere = [alarm for alarms in held.values() for alarm in alarms]
        assert len(everywhere) == len(set(everywhere)), n
        assert given_up <= set(everywhere), n


@given(st.lists(st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), max_size=15))
def test_what_is_accepted_one_by_one_has_no_loop(pairs: list[tuple[str, str]]) -> None:
    accepted: list[tuple[str, str]] = []
    for cause, effect in pairs:
        closed = loop(accepted, cause, effect)
        if closed:
            assert closed[0] == closed[-1] == cause and closed[1] == effect
            steps = {*accepted, (cause, effect)}
            assert all(step in steps for step in pairwise(closed))
        else:
            accepted.append((cause, effect))
    order = {name: n for n, name in enumerate(CLASSES)}
    for _ in CLASSES:
        for one, other in accepted:
            order[other] = max(order[other], order[one] + 1)
    assert all(order[one] < order[other] for one, other in accepted)


def test_commands_list_and_decide(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def prepare(_settings: object, _folder: Path, state: State) -> int:
        await proposed(state, (FAN, HEAT), (HEAT, FAN))
        return 0

    with_store(None, tmp_path, prepare)
    assert decide(None, tmp_path, "accepted", (FAN, HEAT), "seen often") == 0
    assert decide(None, tmp_path, "accepted", (HEAT, FAN), "") == 1
    assert "loop" in capsys.readouterr().err
    assert decide(None, tmp_path, "perhaps", (HEAT, FAN), "") == 2
    assert listed(None, tmp_path, True) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {(row["cause"], row["state"]) for row in rows} == {(HEAT, "proposed"), (FAN, "accepted")}
