"""The station's clock follows the machine's: slowly, and a step is told."""

import asyncio
from typing import Final

import structlog

from station.clock import NS_PER_S, Clock, SystemClock
from station.metrics import counter, gauge

STEER_EVERY_S: Final = 10
STEP_NS: Final = NS_PER_S
APART = gauge("clock_apart_seconds", "How far the machine's clock is ahead of the station's (s).")
STEPS = counter("clock_steps", "Times the machine's clock moved by more than a second against monotonic time.")
log = structlog.get_logger("station")


async def steady(clock: Clock) -> None:
    """Steer a SystemClock until cancelled; any other clock is its own master."""
    before_ns = 0
    while isinstance(clock, SystemClock):
        apart_ns = clock.steer(STEER_EVERY_S * NS_PER_S)
        APART.set(apart_ns / NS_PER_S)
        if abs(apart_ns - before_ns) > STEP_NS:
            STEPS.inc()
            log.warning("the machine's clock stepped; the station follows slowly", apart_s=round(apart_ns / NS_PER_S, 3))
        before_ns = apart_ns
        await asyncio.sleep(STEER_EVERY_S)
