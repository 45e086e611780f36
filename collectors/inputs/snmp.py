"""The SNMP input: the poller, and beside it its compiled steps being made, so that the first polls do not wait for them."""

import asyncio
from pathlib import Path

from collectors.snmp.poller import Poller
from collectors.snmp.prepare import prepare
from collectors.snmp.wire import warm


async def run(poller: Poller, cache: Path | None = None) -> None:
    """Poll until cancelled. `cache` is a folder of the data directory for the steps' machine code."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_load(cache), name="snmp steps")
        tasks.create_task(poller.run(), name="snmp poller")


async def _load(cache: Path | None) -> None:
    await prepare(cache)
    await asyncio.to_thread(warm, cache)
