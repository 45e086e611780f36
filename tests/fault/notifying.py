"""A notifier over a store, for the tests of `fault.notify`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fault.notify import store
from fault.notify.outbox import Notifier
from fault.notify.settings import NotifySettings
from fault.service import FaultService
from station.clock import Clock, SystemClock
from station.hub import Hub
from station.scope import Role, Scope
from station.security.targets import Guard
from station.security.vault import Key, Vault
from station.state import State

ENGINEER = Scope(1, Role.ENGINEER, "eva")
QUICK = NotifySettings(allow=("127.0.0.0/8",), backoff_first_s=0.01, backoff_most_s=0.05, rest_most_s=0.05)
KEY = Key(1, bytes(32))


def notifier_on(state: State, settings: NotifySettings = QUICK, *, clock: Clock | None = None, simulated: bool = False) -> Notifier:
    clock = clock or SystemClock()
    guard = Guard(settings.allow)
    return Notifier(state, guard, clock, settings, Vault(state, KEY, clock), Hub(), 1, simulated=simulated)


@asynccontextmanager
async def running(*works: Notifier | FaultService) -> AsyncIterator[None]:
    """What runs until the block ends."""
    tasks = [asyncio.create_task(work.run()) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def messages(state: State) -> list[dict[str, Any]]:
    """The outbox, in the order it was filled."""
    async with state.read() as conn:
        found = await conn.execute(store.outbox.select().order_by(store.outbox.c.created_ns, store.outbox.c.revision))
        return [dict(row) for row in found.mappings()]


async def until_quiet(state: State) -> None:
    """Until nothing waits in the outbox."""
    async with asyncio.timeout(60):
        while any(row["state"] == "pending" for row in await messages(state)):
            await asyncio.sleep(0.02)
