"""How late the loop came back is measured, not guessed."""

import asyncio
import itertools
from contextlib import suppress

import pytest

from station import loop_lag
from station.metrics import REGISTRY


def observed(of: str) -> float:
    return REGISTRY.get_sample_value(f"trunkline_loop_lag_seconds_{of}") or 0.0


async def test_a_loop_that_was_held_up_is_seen_with_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "EVERY_S", 0.001)
    times_s = itertools.count(100.0, 0.301)  # each sleep of a millisecond took 301
    before_n, before_s = observed("count"), observed("sum")
    task = asyncio.create_task(loop_lag.watch(lambda: next(times_s)))
    async with asyncio.timeout(30):
        while observed("count") == before_n:
            await asyncio.sleep(0.001)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    n = observed("count") - before_n
    assert observed("sum") - before_s == pytest.approx(0.3 * n)
