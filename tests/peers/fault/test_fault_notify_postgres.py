"""The outbox on PostgreSQL: the promises it keeps on SQLite, with transactions that really run side by side."""

import random

import pytest

from fault.notify.store import log_page
from station.clock import VirtualClock
from station.state import State
from tests.fault.network import at, down, service_on, up
from tests.fault.notifying import ENGINEER, messages, notifier_on, running, until_quiet
from tests.fault.receiver import Received, in_order, receiving

RESOURCES = ("if-r1-1", "if-r1-2", "if-r2-1", "if-r2-2", "if-r3-1", "if-r3-9")
ROUNDS = 3
SAID = ROUNDS * 2 * len(RESOURCES)


@pytest.mark.slow
async def test_everything_arrives_once_in_effect_and_in_order_on_postgresql(postgres_url: str) -> None:
    state, chance = State(postgres_url), random.Random(7)
    await state.create_all()

    def answer(_: Received) -> int:
        return 200 if chance.random() < 0.6 else chance.choice((0, 429, 500))

    notifier = notifier_on(state)
    service = await service_on(state, VirtualClock(at(0)), announcer=notifier)
    async with receiving(answer) as rough, receiving() as calm, running(notifier):
        await notifier.add_webhook(ENGINEER, "rough", rough.url)
        hook, _ = await notifier.add_webhook(ENGINEER, "calm", calm.url, filter="-text:nothing severity>=minor")
        for turn in range(ROUNDS):
            await service.handle([down(resource, 800 * turn) for resource in RESOURCES])
            await service.handle([up(resource, 800 * turn + 400) for resource in RESOURCES])
        await until_quiet(state)
        assert await notifier.replay(ENGINEER, calm.taken[0].key)
        await until_quiet(state)
        await notifier.tidy()
    assert {row["state"] for row in await messages(state)} == {"delivered"}
    assert (len(rough.effects), in_order(rough.effects)) == (SAID, True)
    assert (len(calm.taken), len(calm.effects), in_order(calm.taken[:SAID])) == (SAID + 1, SAID, True)
    async with state.read() as conn:
        first, total = await log_page(conn, 1, "delivered", hook.id, None, 10)
        second, _ = await log_page(conn, 1, "delivered", hook.id, (first[-1]["created_ns"], first[-1]["id"]), 1000)
    assert ({row["id"] for row in [*first, *second]}, total) == ({it.key for it in calm.effects}, SAID)
    assert len(first) + len(second) == SAID
    assert await notifier.registry.remove(ENGINEER, hook.id)
    await state.close()
