"""The SNMP input: the poller with its compiled readers loaded beside it, so that the first polls do not wait for them."""

import asyncio
from pathlib import Path

from collectors.snmp.poller import Poller
from collectors.snmp.wire import warm


async def run(poller: Poller, cache: Path | None = None) -> None:
    """Poll until cancelled. `cache` is a folder of the data directory for the readers' machine code."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.to_thread(warm, cache), name="snmp kernels")
        tasks.create_task(poller.run(), name="snmp poller")
