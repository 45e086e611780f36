"""How late the event loop is: what the person at the console feels of a stage that holds it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from station.metrics import histogram

EVERY_S: Final = 0.1
LAG = histogram(
    "loop_lag_seconds",
    "How much later than asked the event loop came back (s).",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)


async def watch(seconds: Callable[[], float] = time.monotonic) -> None:
    """Sleep again and again until cancelled, and note by how much each sleep was too long."""
    while True:
        began_s = seconds()
        await asyncio.sleep(EVERY_S)
        LAG.observe(max(seconds() - began_s - EVERY_S, 0.0))
