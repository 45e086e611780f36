"""A fault service with its notifier over a script, as a process that can be killed: `python -m tests.fault.crash_subject <folder>`.

It goes on behind the last line whose effect is stored, delivers everything, writes `done` and ends.
"""

import asyncio
import json
import sys
from pathlib import Path

from fault.notify import store
from fault.service import FaultService
from fault.settings import FaultSettings
from fault.store import position_of
from station.batch import Event
from station.clock import VirtualClock
from station.hub import Hub
from station.state import State
from tests.fault.network import NETWORK, Alone, at
from tests.fault.notifying import notifier_on, running

SOURCE = "script"
SETTINGS = FaultSettings(lone_after_s=0, announce_after_s=0)


async def play(folder: Path) -> None:
    """Line n of the script is `[seconds, resource, severity]`, or `[seconds]` where only time passes."""
    script = json.loads((folder / "script.json").read_text())
    state = State(f"sqlite+aiosqlite:///{folder / 'state.db'}")
    async with state.read() as conn:
        begin = await position_of(conn, 1, SOURCE) + 1
    clock = VirtualClock(at(script[max(0, begin - 1)][0]))
    notifier = notifier_on(state)
    service = FaultService(state, lambda: NETWORK, Hub(), clock, SETTINGS, Alone(), announcer=notifier)
    await service.load()
    async with running(notifier):
        for number in range(begin, len(script)):
            seconds, *event = script[number]
            clock.advance(at(seconds) - clock.now_ns())
            events = [Event(at(seconds), event[0], "communications.link_down", event[1], "link down", "", "script")] if event else []
            await service.tick()
            await service.handle(events, position=(SOURCE, number))
        await delivered(state)
    await state.close()
    (folder / "done").touch()


async def delivered(state: State) -> None:
    """Until nothing waits."""
    waits = store.outbox.select().where(store.outbox.c.state == "pending").limit(1)
    while True:
        async with state.read() as conn:
            if (await conn.execute(waits)).first() is None:
                return
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(play(Path(sys.argv[1])))
