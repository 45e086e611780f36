"""The service: events to stored, shown and correlated alarms; restart; verification."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from fault import store
from fault.alarms import Alarm
from fault.correlation.contract import AlarmChange, IncidentChange, RootCandidate
from fault.incident_store import incidents_where
from fault.service import FaultService
from fault.settings import FaultSettings
from station.batch import Event
from station.clock import VirtualClock
from station.metrics import REGISTRY
from station.state import State
from tests.fault.network import NETWORK, Alone, at, down, event, service_on, store_at, up


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def stored(state: State) -> list[Alarm]:
    async with state.read() as conn:
        return await store.open_alarms(conn, 1, 0)


async def test_an_event_is_stored_with_its_place_and_impact(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.handle([down("if-r1-1")])
    (alarm,) = await stored(state)
    assert alarm == service.book.alarms[alarm.id]
    assert (alarm.place.device, alarm.place.object, alarm.place.site, alarm.place.region) == ("r1", "ge-0/0/1", "Hamburg", "north")
    assert (alarm.services, alarm.customers, alarm.probable_cause) == (1, 1, "lossOfSignal")


async def test_active_alarms_and_open_incidents_are_on_metrics(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    assert REGISTRY.get_sample_value("trunkline_alarms_active", {"severity": "major"}) == 0
    await service.handle([down("if-r1-1")])
    (alarm,) = service.book.alarms.values()
    assert REGISTRY.get_sample_value("trunkline_alarms_active", {"severity": alarm.severity.word}) == 1
    assert REGISTRY.get_sample_value("trunkline_incidents_open") == 1
    await service.handle([up("if-r1-1", 1)])
    assert REGISTRY.get_sample_value("trunkline_alarms_active", {"severity": alarm.severity.word}) == 0


async def test_a_restart_continues_where_it_stopped(state: State) -> None:
    clock = VirtualClock(at(0))
    first = await service_on(state, clock)
    await first.handle([down("if-r1-1"), down("if-r2-1"), up("if-r2-1", 1)])
    correlator = Alone()
    second = await service_on(state, clock, correlator=correlator)
    assert second.book.alarms == first.book.alarms
    assert [fed.resource for fed in correlator.fed] == ["if-r1-1"]
    await second.handle([down("if-r1-1", 2), up("if-r1-1", 3)])
    alarm = next(a for a in await stored(state) if a.resource == "if-r1-1")
    assert (alarm.count, alarm.occurrence, alarm.is_cleared) == (2, 1, True)


async def test_an_alarm_cleared_long_ago_goes_on_with_its_next_occurrence(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.handle([down(), up(t=1)])
    clock.advance(at(5000) - at(0))
    await service.tick()
    assert service.book.alarms == {}
    await service.handle([down(t=5000)])
    (alarm,) = await stored(state)
    assert (alarm.occurrence, alarm.count, alarm.seq) == (2, 1, 3)


async def test_what_changed_is_shown_once_it_is_stored(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down()])
    assert service.hub.seq == 2  # the alarm and its incident


async def test_an_alarm_that_correlation_leaves_alone_is_an_incident_of_its_own(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock, settings=FaultSettings(lone_after_s=10))
    await service.handle([down()])
    assert service.incidents.incidents == {}
    clock.advance(at(11) - at(0))
    await service.tick()
    (incident,) = service.incidents.incidents.values()
    (alarm,) = await stored(state)
    assert (alarm.incident_id, alarm.is_root, alarm.suppressed) == (incident.id, True, False)
    assert incident.root.name == "r1 ge-0/0/1" and incident.state == "open"
    await service.handle([up(t=12)])
    async with state.read() as conn:
        (closed,) = await incidents_where(conn, 1)
    assert (closed.state, closed.closed_ns) == ("closed", at(12))


class OneLink:
    """Says that everything is the link l12, as soon as two alarms are there."""

    def __init__(self) -> None:
        self.alarms: dict[str, AlarmChange] = {}

    def topology_changed(self, topology: object) -> None:
        assert topology is NETWORK

    def feed(self, now_ns: int, changes: list[AlarmChange]) -> list[IncidentChange]:
        self.alarms |= {change.alarm_id: change for change in changes}
        if not changes or len(self.alarms) < 2:
            return []
        return [IncidentChange("h1", tuple(self.alarms), (RootCandidate("l12", "link", "r1 - r2", 0.9),), 0.9, verdict="down")]


async def test_children_are_suppressed_under_the_root_and_the_impact_is_named(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), correlator=OneLink(), settings=FaultSettings())
    await service.handle([down("if-r1-1"), down("if-r2-1", 1), event("dev-r3", "critical", 2, "communications.device_unreachable")])
    (incident,) = service.incidents.incidents.values()
    roles = {a.resource: (a.is_root, a.suppressed, a.children, a.root_alarm_id != "") for a in await stored(state)}
    assert roles == {"if-r1-1": (True, False, 2, False), "if-r2-1": (True, False, 0, True), "dev-r3": (False, True, 0, True)}
    assert (incident.services, incident.customers) == ((("v1", "acme-internet", "Acme"),), (("c1", "Acme"),))


async def test_a_restart_keeps_the_incident_under_its_id(state: State) -> None:
    clock = VirtualClock(at(0))
    first = await service_on(state, clock, correlator=OneLink(), settings=FaultSettings())
    await first.handle([down("if-r1-1"), down("if-r2-1", 1)])
    second = await service_on(state, clock, correlator=OneLink(), settings=FaultSettings())
    assert list(second.incidents.incidents) == list(first.incidents.incidents)
    await second.handle([up("if-r1-1", 2), up("if-r2-1", 2)])
    async with state.read() as conn:
        (incident,) = await incidents_where(conn, 1)
    assert (incident.state, len(incident.alarm_ids)) == ("closed", 2)


async def test_history_holds_every_change(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down(), event("if-r1-1", "critical", 1), up(t=2), down(t=3)])
    async with state.read() as conn:
        rows = (await conn.execute(sa.select(store.alarm_history).order_by(store.alarm_history.c.seq))).all()
    assert [row.what for row in rows] == ["raised", "severity", "cleared", "reopened"]


async def test_the_position_is_stored_with_the_effect(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down()], position=("journal", 7))
    async with state.read() as conn:
        assert await store.position_of(conn, 1, "journal") == 7
        assert await store.position_of(conn, 1, "other") == -1


async def test_old_alarms_are_purged_with_their_history(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.handle([down(), up(t=1), down("if-r2-1")])
    clock.advance(100 * 86_400 * 10**9)
    await service.tick()
    async with state.read() as conn:
        assert await conn.scalar(sa.select(sa.func.count()).select_from(store.alarm_history)) == 1
        assert await conn.scalar(sa.select(sa.func.count()).select_from(store.alarm)) == 1
        assert await conn.scalar(sa.select(sa.func.count()).select_from(store.incident)) == 1


async def proven(service: FaultService, answer: frozenset[str] | None) -> None:
    """Ask once for what waits, as `Verifier.run` would; `answer` are the alarms that the poll showed, None for silence."""
    for device_no in list(service.verifier._questions):
        question = service.verifier._questions.pop(device_no)

        async def verify(no: int) -> frozenset[str] | None:
            return answer

        await service.verifier._one(verify, device_no, question)


async def test_a_forged_link_up_clears_nothing_but_asks_for_a_poll(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down()])
    await service.handle([up(t=1, authenticated=False)])
    assert list(service.verifier._questions) == [1]
    (shown,) = [alarm.id for alarm in service.doubtful(1)]
    await proven(service, frozenset({shown}))
    (alarm,) = await stored(state)
    assert not alarm.is_cleared, "what the poll saw clears a link, that it was answered does not"
    await service.handle([up(t=2)])
    assert (await stored(state))[0].is_cleared


def adjacency(severity: str, t: float) -> Event:
    return event("dev-r1", severity, t, "communications.adjacency_down", qualifier="ospf 198.18.255.2", authenticated=False)


async def test_a_claim_that_no_poll_can_show_needs_an_answered_poll(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([adjacency("major", 0), adjacency("cleared", 1)])
    await proven(service, None)
    assert not (await stored(state))[0].is_cleared
    await proven(service, frozenset())
    assert (await stored(state))[0].is_cleared


async def test_a_forged_raise_is_doubted_until_a_poll_confirms_it(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([adjacency("major", 0)])
    assert [alarm.qualifier for alarm in service.doubtful(1)] == ["ospf 198.18.255.2"]
    await proven(service, None)
    assert list(service.verifier._questions) == [1], "a device that was silent is asked again"
    await service.handle([replace(adjacency("major", 1), authenticated=True)])
    assert service.doubtful(1) == []


async def test_a_claim_survives_a_restart(state: State) -> None:
    clock = VirtualClock(at(0))
    service = await service_on(state, clock)
    await service.handle([down(), up(t=1, authenticated=False)])
    again = await service_on(state, clock)
    assert again.verifier._questions[1].claims == {next(iter(again.book.alarms)): at(1)}


async def test_a_cancelled_writer_loses_no_history(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    async with state.write():  # the store is busy
        task = asyncio.create_task(service.handle([down()]))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await service.handle([up(t=1)])
    async with state.read() as conn:
        whats = (await conn.execute(sa.select(store.alarm_history.c.what).order_by(store.alarm_history.c.seq))).scalars().all()
    assert whats == ["raised", "cleared"]


class Renaming(Alone):
    """Groups all that is open under one name; `rename` makes it another, as after a change of the topology."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.before = "first", ""

    def rename(self, name: str) -> None:
        self.name, self.before = name, self.name

    def feed(self, now_ns: int, changes: Sequence[AlarmChange]) -> Sequence[IncidentChange]:
        super().feed(now_ns, changes)
        state = {change.alarm_id: change.state for change in self.fed}
        still = tuple(key for key, said in state.items() if said == "raised")
        said = [IncidentChange(self.name, still, (RootCandidate("l12", "link", "r1 - r2"),), 0.9)] if still else []
        if self.before:
            said.append(IncidentChange(self.before, (), (), 0.0))
        return said


async def test_an_incident_keeps_its_id_when_the_topology_changes_after_its_first_alarm_cleared(state: State) -> None:
    clock, correlator = VirtualClock(at(0)), Renaming()
    service = await service_on(state, clock, correlator=correlator)
    await service.handle([down("if-r1-1"), down("if-r2-1", 1)])
    (key,) = service.incidents.incidents
    await service.handle([up("if-r1-1", 2)])
    correlator.rename("second")
    await service.tick()
    (it,) = service.incidents.incidents.values()
    assert (it.id, it.state) == (key, "open")
    assert {service.book.alarms[alarm].resource for alarm in it.alarm_ids} == {"if-r2-1"}


async def test_an_incident_that_another_takes_whole_is_closed(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down("if-r1-1"), down("if-r2-1", 1)])
    one, two = service.incidents.incidents.values()
    alarms, resources = service.book.alarms, service.resources
    root = (RootCandidate("l12", "link", "r1 - r2"),)
    service.incidents.take([IncidentChange("one", tuple(one.alarm_ids), root, 0.9)], alarms, resources, at(2))
    service.incidents.take([IncidentChange("both", tuple(alarms), root, 0.9), IncidentChange("one", (), (), 0.0)], alarms, resources, at(3))
    assert {it.id: (it.state, len(it.alarm_ids)) for it in (one, two)} == {
        max(one.id, two.id): ("open", 2),
        min(one.id, two.id): ("closed", 0),
    }
