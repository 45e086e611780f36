"""From a stored change to a receiver: once in effect, in order, signed, whatever the receiver does."""

import asyncio
import hashlib
import hmac
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fault.incidents import Incident
from fault.metrics import DELIVERIES, WEBHOOK_WAITING
from fault.notify import store
from fault.notify.courier import backoff_s
from fault.notify.outbox import Notifier
from fault.notify.routes import incident_body
from fault.service import FaultService
from station.clock import NS_PER_S, VirtualClock
from station.state import State
from tests.fault.network import at, down, event, service_on, store_at, up
from tests.fault.notifying import ENGINEER, QUICK, messages, notifier_on, running, until_quiet
from tests.fault.receiver import Received, in_order, receiving

RESOURCES = ("if-r1-1", "if-r1-2", "if-r2-1", "if-r2-2", "if-r3-1", "if-r3-9")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    it = await store_at(tmp_path)
    yield it
    await it.close()


async def service_with(state: State, notifier: Notifier) -> FaultService:
    return await service_on(state, VirtualClock(at(0)), announcer=notifier)


async def flap(service: FaultService, times: int) -> int:
    """Every resource fails and recovers this often, each an incident; how many messages that is."""
    t = 0
    for _ in range(times):
        for change in (down, up):
            await service.handle([change(resource, t) for resource in RESOURCES])
            t += 400  # later than the reopen window: no chattering
    return times * 2 * len(RESOURCES)


async def test_an_incident_is_told_when_it_opens_and_when_it_closes(state: State) -> None:
    notifier = notifier_on(state, simulated=True)
    service = await service_with(state, notifier)
    async with receiving() as receiver, running(notifier):
        hook, secret = await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1")])
        await service.handle([up("if-r1-1", 5)])
        await receiver.until(lambda: len(receiver.taken) == 2)
    first, last = receiver.taken
    assert [it.json["type"] for it in receiver.taken] == ["incident.opened", "incident.closed"]
    assert (first.json["incident"]["root"]["name"], first.json["simulated"]) == ("r1 ge-0/0/1", True)
    assert first.json["incident"]["services"] == [{"id": "v1", "name": "acme-internet", "customer": "Acme"}]
    assert first.json["incident"]["explanation"]["summary"] == "r1 ge-0/0/1: link down"
    assert first.key == first.json["id"] != last.key
    signed = hmac.new(secret.encode(), first.headers["x-trunkline-timestamp"].encode() + b"." + first.body, hashlib.sha256)
    assert first.headers["x-trunkline-signature"] == f"v1={signed.hexdigest()}"
    assert hook.name == "tickets"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_receiver_that_fails_at_random_hears_of_everything_once_and_in_order(state: State, seed: int) -> None:
    chance = random.Random(seed)
    notifier = notifier_on(state)
    service = await service_with(state, notifier)

    def answer(_: Received) -> int:
        return 200 if chance.random() < 0.6 else chance.choice((0, 301, 429, 404, 500, 503))

    async with receiving(answer) as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        said = await flap(service, 4)
        await until_quiet(state)
    assert {row["id"] for row in await messages(state)} == {it.key for it in receiver.taken}
    assert (len(receiver.effects), in_order(receiver.effects)) == (said, True)
    async with state.read() as conn:
        tries = (await conn.execute(store.delivery.select())).all()
    assert len(tries) == sum(row["attempts"] for row in await messages(state)) == len(receiver.requests)


@pytest.mark.slow
async def test_a_receiver_that_was_down_for_a_while_hears_of_everything(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as gone:
        hook, _ = await notifier.add_webhook(ENGINEER, "tickets", gone.url)
    async with running(notifier):
        said = await flap(service, 2)
        async with asyncio.timeout(60):
            while sum(row["attempts"] for row in await messages(state)) < 5:
                await asyncio.sleep(0.02)
        async with receiving(port=gone.port) as back:
            await back.until(lambda: len(back.effects) == said)
            await until_quiet(state)
    assert in_order(back.taken) and len(back.taken) == said
    assert hook.url == back.url


@pytest.mark.slow
async def test_a_hanging_receiver_delays_no_other_and_holds_few_connections(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving(lambda _: -1) as hanging, receiving() as quick, running(notifier):
        await notifier.add_webhook(ENGINEER, "hangs", hanging.url)
        await notifier.add_webhook(ENGINEER, "answers", quick.url)
        said = await flap(service, 2)
        await quick.until(lambda: len(quick.taken) == said)
        assert len(hanging.requests) == QUICK.concurrency_max


@pytest.mark.slow
async def test_a_receiver_that_never_answers_is_tried_again(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.security.targets.TIMEOUT_S", 0.1)
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving(lambda _: -1) as hanging, running(notifier):
        await notifier.add_webhook(ENGINEER, "hangs", hanging.url)
        await service.handle([down("if-r1-1")])
        await hanging.until(lambda: len(hanging.requests) >= 3)
    (row,) = await messages(state)
    assert (row["state"], row["attempts"] >= 2, "did not answer" in row["error"]) == ("pending", True, True)
    assert {it.key for it in hanging.requests} == {row["id"]}


@pytest.mark.slow
async def test_what_is_never_taken_is_given_up_and_can_be_sent_again(state: State) -> None:
    notifier = notifier_on(state, QUICK.model_copy(update={"attempts_max": 3}))
    service = await service_with(state, notifier)
    before = DELIVERIES.labels("given_up")._value.get()
    async with receiving(lambda _: 500) as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1")])
        await until_quiet(state)
        (dead,) = await messages(state)
        assert (dead["state"], dead["attempts"], dead["status"], dead["error"]) == ("failed", 3, 500, "answered 500")
        receiver.answer = lambda _: 200
        assert await notifier.replay(ENGINEER, dead["id"])
        await until_quiet(state)
    (now,) = await messages(state)
    assert (now["state"], now["attempts"], [it.key for it in receiver.taken]) == ("delivered", 4, [dead["id"]])
    assert DELIVERIES.labels("given_up")._value.get() == before + 1
    async with state.read() as conn:
        tries = (await conn.execute(store.delivery.select().order_by(store.delivery.c.attempt))).all()
    assert [(row.attempt, row.outcome, row.status, row.reply) for row in tries] == [
        (1, "answered", 500, "said"),
        (2, "answered", 500, "said"),
        (3, "answered", 500, "said"),
        (4, "delivered", 200, "said"),
    ]


async def test_a_message_that_waited_a_day_is_given_up(state: State) -> None:
    clock = VirtualClock(at(0))
    notifier = notifier_on(state, clock=clock)
    service = await service_on(state, clock, announcer=notifier)
    async with receiving() as receiver:
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
    await service.handle([down("if-r1-1")])
    clock.advance(2 * 86_400 * NS_PER_S + 1)
    await notifier.tidy()
    (row,) = await messages(state)
    assert (row["state"], row["error"], row["attempts"]) == ("failed", "not delivered within 86400 s", 0)


async def test_old_messages_go_but_the_last_word_on_something_open_stays(state: State) -> None:
    clock = VirtualClock(at(0))
    notifier = notifier_on(state, clock=clock)
    service = await service_on(state, clock, announcer=notifier)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1"), down("if-r2-1")])
        await service.handle([up("if-r2-1", 1)])
        await until_quiet(state)
    clock.advance(31 * 86_400 * NS_PER_S)
    await notifier.tidy()
    assert [row["transition"] for row in await messages(state)] == ["opened"]
    async with state.read() as conn:
        assert (await conn.execute(store.delivery.select())).all() == []
    await service.handle([up("if-r1-1", 2)])
    assert [row["transition"] for row in await messages(state)] == ["opened", "closed"]


async def test_a_full_outbox_gives_up_the_newest_and_says_so(state: State) -> None:
    notifier = notifier_on(state, QUICK.model_copy(update={"waiting_max": 2}))
    service = await service_with(state, notifier)
    async with receiving() as receiver:
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
    await service.handle([down(resource) for resource in RESOURCES])
    states = sorted(row["state"] for row in await messages(state))
    assert states == ["failed"] * 4 + ["pending"] * 2


async def test_a_restart_goes_on_where_the_last_one_stopped(state: State) -> None:
    first = notifier_on(state)
    service = await service_with(state, first)
    async with receiving() as receiver:
        await first.add_webhook(ENGINEER, "tickets", receiver.url)
        await flap(service, 1)  # nothing runs: it is only written
        second = notifier_on(state)
        async with running(second):
            await receiver.until(lambda: len(receiver.effects) == 2 * len(RESOURCES))
    assert in_order(receiver.taken)


async def test_a_transaction_repeated_after_its_commit_says_nothing_twice(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver:
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
    await service.handle([down("if-r1-1")])
    (incident,) = service.incidents.incidents.values()
    async with state.write() as conn:
        await notifier.announce(conn, [], [("opened", incident)], at(9))
    assert [row["transition"] for row in await messages(state)] == ["opened"]


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]:80/", "http://100.64.0.1/"])
async def test_a_target_that_is_refused_is_refused_for_ever(state: State, url: str) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
    async with state.write() as conn:  # as if the name led elsewhere by now
        await conn.execute(store.webhook.update().values(url=url))
    later = notifier_on(state)
    await service.handle([down("if-r1-1")])
    async with running(later):
        await until_quiet(state)
    (row,) = await messages(state)
    assert (row["state"], row["attempts"], "not a public address" in row["error"]) == ("failed", 1, True)


async def test_severity_and_filter_choose_and_what_was_told_is_told_to_its_end(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver:
        await notifier.add_webhook(ENGINEER, "all", receiver.url)
        await notifier.add_webhook(ENGINEER, "major", receiver.url, severity="major")
        await notifier.add_webhook(ENGINEER, "berlin", receiver.url, filter="site:Berl* active")
    await service.handle([event("if-r1-1", "minor"), event("if-r2-1", "critical")])
    await service.handle([up("if-r1-1", 1), up("if-r2-1", 1)])
    told = sorted((row["webhook"], row["transition"]) for row in await messages(state))
    each = [("berlin", "closed"), ("berlin", "opened"), ("major", "closed"), ("major", "opened")]
    assert told == [("all", "closed")] * 2 + [("all", "opened")] * 2 + each


async def test_a_webhook_about_alarms_hears_of_each_one(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver, running(notifier):
        await notifier.add_webhook(ENGINEER, "alarms", receiver.url, "cloudevents", about="alarms")
        await service.handle([down("if-r1-1"), event("if-r1-1", "critical", 1), up("if-r1-1", 2)])
        await until_quiet(state)
    kinds = [(it.json["type"], it.json["data"]["alarm"]["perceived_severity"]) for it in receiver.taken]
    assert kinds == [
        ("trunkline.alarm.raised.v1", "major"),
        ("trunkline.alarm.changed.v1", "critical"),
        ("trunkline.alarm.cleared.v1", "critical"),
    ]


async def test_a_removed_webhook_hears_nothing_more(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving(lambda _: 503) as receiver, running(notifier):
        hook, _ = await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1")])
        await receiver.until(lambda: len(receiver.requests) >= 1)
        assert await notifier.registry.remove(ENGINEER, hook.id)
        await service.handle([up("if-r1-1", 1)])
        await until_quiet(state)
    (row,) = await messages(state)
    assert (row["state"], row["transition"]) == ("failed", "opened")


async def test_a_paused_webhook_hears_later_only_how_things_ended(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver, running(notifier):
        hook, _ = await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down("if-r1-1")])
        await until_quiet(state)
        assert await notifier.registry.enable(ENGINEER, hook.id, False)
        await service.handle([down("if-r2-1", 1), up("if-r1-1", 1)])
        await service.handle([down("if-r3-1", 2), up("if-r2-1", 2)])
        assert len(receiver.requests) == 1
        assert await notifier.registry.enable(ENGINEER, hook.id, True)
        await until_quiet(state)
    assert [it.json["type"] for it in receiver.taken] == ["incident.opened", "incident.closed"]


def test_an_incident_that_hurts_very_many_names_a_thousand() -> None:
    many = tuple((f"s{n}", f"service {n}", "c") for n in range(5_000))
    body = incident_body(Incident("i", at(0), at(0), services=many))
    assert (len(body["services"]), body["impact"]) == (1_000, {"services": 5_000, "customers": 0})


def test_the_wait_doubles_within_its_bound() -> None:
    assert [backoff_s(n, 1.0, 60.0, 1.0) for n in (1, 2, 3, 7, 50, 5000)] == [1, 2, 4, 60, 60, 60]
    assert backoff_s(3, 1.0, 60.0, 0.0) == 2


async def test_the_gauge_says_what_waits(state: State) -> None:
    notifier = notifier_on(state)
    service = await service_with(state, notifier)
    async with receiving() as receiver:
        await notifier.add_webhook(ENGINEER, "tickets", receiver.url)
        await service.handle([down(resource) for resource in RESOURCES])
        assert WEBHOOK_WAITING._value.get() == len(RESOURCES)
        before = DELIVERIES.labels("delivered")._value.get()
        async with running(notifier):
            await until_quiet(state)
    assert (WEBHOOK_WAITING._value.get(), DELIVERIES.labels("delivered")._value.get() - before) == (0, len(RESOURCES))
