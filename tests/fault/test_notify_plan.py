"""Who is told by the plan: the tree, groups, times, people on call in their zones, and chains."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fault.notify.oncall import Layer, Override, Schedule, Times, on_call
from fault.notify.outbox import Notifier
from fault.notify.plan import Plan, Routing, routing
from fault.notify.plans import plan_of
from fault.notify.registry import WebhookError
from fault.notify.routes import News, alarm_news
from fault.service import FaultService
from station.clock import NS_PER_S, VirtualClock
from station.state import State
from tests.fault.network import at, down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, messages, notifier_on, running, until_quiet
from tests.fault.receiver import Receiver, receiving


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


def news(severity: int = 4, body: dict[str, Any] | None = None) -> News:
    return News("incident", "i1", 1, severity, True, False, (), body or {"kind": "link"})


def told_by(route: dict[str, Any], it: News, **more: Any) -> set[str]:
    return {name for name, _ in routing(plan_of({"route": route, **more}), [it], at(0)).ways}


def test_the_first_child_that_takes_it_ends_the_search_unless_it_goes_on() -> None:
    first = {"severity": "major", "receivers": ["first"]}
    second = {"severity": "minor", "receivers": ["second"]}
    assert told_by({"receivers": ["root"], "routes": [first, second]}, news(4)) == {"first"}
    assert told_by({"receivers": ["root"], "routes": [{**first, "continue": True}, second]}, news(4)) == {"first", "second"}
    assert told_by({"receivers": ["root"], "routes": [first, second]}, news(3)) == {"second"}
    assert told_by({"receivers": ["root"], "routes": [first, second]}, news(2)) == {"root"}


def test_a_child_has_from_its_parent_what_it_does_not_say() -> None:
    route = {"receivers": ["noc"], "group_by": ["kind"], "group_wait_s": 30, "routes": [{"severity": "major", "group_wait_s": 0}]}
    (way,) = routing(plan_of({"route": route}), [news(4)], at(0)).ways.values()
    assert (bool(way.group), way.wait_s) == (True, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"route": {"mute": ["night"]}},
        {"route": {"on_call": ["noc"]}},
        {"route": {"escalate": "boss"}},
        {"route": {"match": "severity:("}},
        {"route": {"severity": "awful"}},
        {"route": {"group_by": ["weather"]}},
        {"rooute": {}},
        {"schedules": {"noc": {"layers": [{"people": ["eva"], "starts": "2026-01-05T08:00"}]}}},
        {"times": {"night": {"zone": "Europe/Nowhere"}}},
    ],
)
def test_a_plan_that_does_not_hold_together_is_refused_with_the_place(body: dict[str, Any]) -> None:
    with pytest.raises(WebhookError):
        plan_of(body)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_the_handover_is_at_the_same_local_time_across_summer_time() -> None:
    weekly = Layer(people=("eva", "ole"), starts=datetime(2026, 3, 23, 8), zone="Europe/Berlin")
    assert weekly.person(moment("2026-03-23T06:59")) == ""
    assert weekly.person(moment("2026-03-23T07:00")) == "eva"
    assert weekly.person(moment("2026-03-30T05:59")) == "eva"  # 07:59 in summer
    assert weekly.person(moment("2026-03-30T06:00")) == "ole"
    assert weekly.person(moment("2026-11-02T06:59")) == "ole"  # 07:59 in winter again: week 32
    assert weekly.person(moment("2026-11-02T07:00")) == "eva"


def test_the_last_layer_that_has_somebody_counts_and_an_override_before_all() -> None:
    times = {"nights": Times(zone="UTC", since=datetime(2026, 1, 1, 20).time(), until=datetime(2026, 1, 1, 6).time())}
    start = datetime(2026, 1, 5)
    day, night = Layer(people=("eva",), starts=start), Layer(people=("ole",), starts=start, times=("nights",))
    ill = Override(person="kim", since=moment("2026-02-01T00:00"), until=moment("2026-02-02T00:00"))
    schedule = Schedule(layers=(day, night), overrides=(ill,))
    found = [
        on_call(schedule, times, moment(when)) for when in ("2026-01-10T12:00", "2026-01-10T23:00", "2026-01-11T05:59", "2026-02-01T21:00")
    ]
    assert found == ["eva", "ole", "ole", "kim"]


def test_hours_over_midnight_belong_to_the_day_they_begin_on() -> None:
    friday = Times(days=("fri",), since=datetime(2026, 1, 1, 22).time(), until=datetime(2026, 1, 1, 4).time())
    assert [friday.holds(moment(when)) for when in ("2026-01-09T23:00", "2026-01-10T03:59", "2026-01-10T04:00", "2026-01-10T23:00")] == [
        True,
        True,
        False,
        False,
    ]


def test_what_is_muted_is_held_until_the_mute_time_is_over() -> None:
    night = {"since": "20:00", "until": "06:00"}
    plan = plan_of({"route": {"receivers": ["noc"], "mute": ["night"]}, "times": {"night": night}})
    now_ns = int(moment("2026-01-10T23:30").timestamp()) * NS_PER_S
    (way,) = routing(plan, [news()], now_ns).ways.values()
    assert way.hold_ns == int(moment("2026-01-11T06:00").timestamp()) * NS_PER_S


def test_without_a_tree_the_plan_has_no_say() -> None:
    assert routing(Plan(), [news()], at(0)) == Routing()
    assert alarm_news([]) == []


async def stage(state: State, clock: VirtualClock, receiver: Receiver, plan: dict[str, Any], *names: str) -> tuple[Notifier, FaultService]:
    """A notifier with webhooks of these names that all lead to the receiver, under this plan; nothing runs yet."""
    notifier = notifier_on(state, clock=clock)
    for name in names:
        await notifier.add_webhook(ENGINEER, name, f"{receiver.url}/{name}")
    await notifier.plans.put(ENGINEER, plan_of(plan))
    return notifier, await service_on(state, clock, announcer=notifier)


async def test_incidents_of_one_group_are_one_message_after_the_wait(state: State) -> None:
    clock = VirtualClock(at(0))
    plan = {"route": {"receivers": ["noc"], "group_by": [], "group_wait_s": 30}}
    async with receiving() as receiver:
        notifier, service = await stage(state, clock, receiver, plan, "noc", "other")
        await service.handle([down("if-r1-1"), down("if-r2-2")])
        await service.handle([down("if-r3-9")])
        held = [row["next_ns"] for row in await messages(state) if row["webhook"] == "noc"]
        clock.advance(31 * NS_PER_S)
        async with running(notifier):
            await until_quiet(state)
    to_noc = [it for it in receiver.taken if it.path.endswith("/noc")]
    assert set(held) == {at(30)}
    assert [len(it.json["others"]) for it in to_noc] == [2]
    assert len([it for it in receiver.taken if it.path.endswith("/other")]) == 3  # the plan does not speak of it
    assert {row["state"] for row in await messages(state)} == {"delivered"}


async def test_what_is_over_before_its_wait_is_never_told(state: State) -> None:
    clock = VirtualClock(at(0))
    async with receiving() as receiver:
        notifier, service = await stage(state, clock, receiver, {"route": {"receivers": ["noc"], "group_wait_s": 30}}, "noc")
        await service.handle([down("if-r1-1")])
        await service.handle([up("if-r1-1", 5)])
        clock.advance(60 * NS_PER_S)
        async with running(notifier):
            await until_quiet(state)
    assert receiver.requests == []
    assert [(row["state"], row["error"]) for row in await messages(state)] == [("failed", "over before anybody was to be told")]


CLIMB = {
    "route": {"receivers": ["noc"], "escalate": "night"},
    "people": {"eva": ["eva-sms"]},
    "schedules": {"second": {"layers": [{"people": ["eva"], "starts": "2020-01-06T08:00"}]}},
    "chains": {"night": {"steps": [{"after_s": 300, "on_call": ["second"]}, {"after_s": 600, "receivers": ["boss"]}]}},
}


async def test_a_chain_climbs_until_somebody_takes_it_and_all_hear_of_the_end(state: State) -> None:
    clock = VirtualClock(at(0))
    async with receiving() as receiver:
        notifier, service = await stage(state, clock, receiver, CLIMB, "noc", "eva-sms", "boss")
        await service.handle([down("if-r1-1")])
        for _ in range(6):
            clock.advance(299 * NS_PER_S)
            await notifier.tick()
            await notifier.tick()
        await service.handle([up("if-r1-1", 5)])
        async with running(notifier):
            await until_quiet(state)
    heard = {name: [it.json["transition"] for it in receiver.taken if it.path.endswith(name)] for name in ("noc", "eva-sms", "boss")}
    assert heard == {"noc": ["opened", "closed"], "eva-sms": ["escalated", "closed"], "boss": ["escalated", "closed"]}


async def test_an_acknowledged_incident_climbs_no_further(state: State) -> None:
    clock = VirtualClock(at(0))
    async with receiving() as receiver:
        notifier, service = await stage(state, clock, receiver, CLIMB, "noc", "eva-sms", "boss")
        await service.handle([down("if-r1-1")])
        ids = list(service.book.alarms)
        await service.change(ids, lambda book, alarm, now_ns: [book.acknowledge(alarm, "eva", now_ns, "")])
        clock.advance(3600 * NS_PER_S)
        await notifier.tick()
    assert {row["webhook"] for row in await messages(state)} == {"noc"}


async def test_what_stands_untaken_is_said_again_after_the_interval(state: State) -> None:
    clock = VirtualClock(at(0))
    plan = {"route": {"receivers": ["noc"], "repeat_interval_s": 3600}}
    async with receiving() as receiver:
        notifier, service = await stage(state, clock, receiver, plan, "noc")
        await service.handle([down("if-r1-1")])
        async with running(notifier):
            await until_quiet(state)
            for _ in range(2):
                clock.advance(3601 * NS_PER_S)
                await notifier.tick()
                await notifier.tick()
                await until_quiet(state)
    assert [it.json["transition"] for it in receiver.taken] == ["opened", "repeated", "repeated"]


async def test_a_plan_names_only_webhooks_that_are_there(state: State) -> None:
    with pytest.raises(WebhookError, match="nowhere"):
        await notifier_on(state).plans.put(ENGINEER, plan_of({"route": {"receivers": ["nowhere"]}}))
