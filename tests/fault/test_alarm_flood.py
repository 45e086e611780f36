"""A flood costs little and changes nothing of what is true: repeated messages, many rows at once, both stores."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from fault import store
from fault.heard import Heard
from fault.resources import Resources
from fault.rules import Rules, load_rules
from fault.service import SHOWN_ONE_BY_ONE
from station.batch import Event, Notification
from station.clock import VirtualClock
from station.state import State
from tests.fault.network import NETWORK, Alone, at, down, service_on, up

FIELDS = {"ifIndex": "101", "ifAdminStatus": "up(1)", "ifOperStatus": "down(2)"}


def trap(second: int, name: str = "linkDown", **fields: str) -> Notification:
    return Notification(at(second), "127.64.0.1", 1, "snmp_trap", name, fields=FIELDS | fields, authenticated=True)


def test_what_was_heard_before_means_the_same_at_its_own_time() -> None:
    rules, resources = Rules(load_rules()), Resources(NETWORK)
    messages = [trap(0), trap(1), trap(2, "linkUp"), trap(3), trap(4, ifIndex="102"), trap(5, "nobodyKnowsThis"), trap(6)]
    assert Heard(rules).events(messages, resources) == rules.events(messages, resources)


def test_another_network_gives_a_message_another_meaning() -> None:
    heard = Heard(Rules(load_rules()))
    ((before,), _) = heard.events([trap(0)], Resources(NETWORK))
    renumbered = {key: replace(entity, if_index=203 - entity.if_index) for key, entity in NETWORK.entities.items()}
    ((after,), _) = heard.events([trap(1)], Resources(replace(NETWORK, entities=renumbered)))
    assert (before.resource, after.resource) == ("if-r1-1", "if-r1-2")


@pytest.fixture
async def state(any_state: State) -> State:
    await any_state.create_all()
    return any_state


@pytest.mark.slow
async def test_many_rows_are_stored_and_updated_on_both_engines(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)))
    await service.handle([down("if-r1-1"), down("if-r2-1"), down("if-r1-1", 1)])
    await service.handle([down("if-r1-1", 2), down("if-r1-1", 3), up("if-r2-1", 4)])
    await service.handle([replace(down("if-r1-1", 5), text="naughty ' \" %s ? $1 \u2603")])
    async with state.read() as conn:
        stored = await store.open_alarms(conn, 1, 0)
        changes = await conn.scalar(sa.select(sa.func.count()).select_from(store.alarm_history))
    assert {alarm.resource: (alarm.count, alarm.heard_ns, alarm.is_cleared) for alarm in stored} == {
        "if-r1-1": (5, at(5), False),
        "if-r2-1": (1, at(0), True),
    }
    assert {alarm.id: alarm for alarm in stored} == service.book.alarms
    assert changes == 3


@pytest.mark.slow
async def test_a_flood_tells_the_browsers_once(state: State) -> None:
    service = await service_on(state, VirtualClock(at(0)), correlator=Alone())
    flood = [Event(at(0), "if-r1-1", "communications.link_down", "major", "down", qualifier=str(n)) for n in range(SHOWN_ONE_BY_ONE + 1)]
    await service.handle(flood)
    assert (len(service.book.alarms), service.hub.seq) == (len(flood), 1)
