"""Processes and signals: child processes, parts that are started again, and a stop that is bounded in time."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog

from station.metrics import counter

log = structlog.get_logger("station")
RESTARTS = counter("part_restarts", "Parts of the station that ended by an unexpected error and were started again.", "part")
STOP_WITHIN_S = 10.0
RESTART_FIRST_S = 1.0
RESTART_MOST_S = 60.0


class Child:
    """One child process of the station, started from this interpreter and ended with it."""

    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> asyncio.subprocess.Process:
        """Start it; its first line on standard output is read by the caller, its errors go to ours."""
        self.process = await asyncio.create_subprocess_exec(sys.executable, "-m", *self.arguments, stdout=asyncio.subprocess.PIPE)
        return self.process

    async def stop(self) -> None:
        """Ask it to end, and end it after STOP_WITHIN_S."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` on SIGINT or SIGTERM; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first, number)


async def keep(part: str, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a part until it returns; after an unexpected error start it again, with growing pauses: one part is not the station."""
    wait_s = RESTART_FIRST_S
    while True:
        try:
            await start()
            return
        except Exception:  # a task's top: what went wrong is logged whole, the others go on
            RESTARTS.labels(part).inc()
            log.exception("a part of the station failed", part=part, again_in_s=wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, RESTART_MOST_S)
