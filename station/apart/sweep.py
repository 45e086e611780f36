"""Discovery at a POP: a collector looks at the addresses of its ranges, and the station makes an inventory of what it saw."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from inventory.discovery import DiscoveryError, addresses, networks
from inventory.facts import DeviceFacts, Look
from station.metrics import counter

LOOKED = counter("collector_looked", "Addresses that this collector looked at, by outcome.", "outcome")
RANGES_EVERY_S: Final = 2.0
log = structlog.get_logger("collector")


class Sweep:
    """`run` looks at every address of the ranges when they change and every `again_s`, known ones first."""

    def __init__(
        self,
        look: Look,
        tell: Callable[[DeviceFacts], Awaitable[None]],
        ranges: Callable[[], Sequence[str]],
        known: Callable[[], Sequence[str]],
        *,
        at_once: int,
        timeout_s: float,
        again_s: float,
    ) -> None:
        self._look, self._tell, self._ranges, self._known = look, tell, ranges, known
        self._at_once, self._timeout_s, self._again_s = at_once, timeout_s, again_s

    async def run(self) -> None:
        while True:
            ranges = tuple(self._ranges())
            if ranges:
                await self._all(ranges)
            await self._changed(ranges)

    async def _changed(self, ranges: Sequence[str]) -> None:
        """Until there are other ranges, or it is time to look again."""
        waited_s = 0.0
        while tuple(self._ranges()) == ranges and (waited_s < self._again_s or not ranges):
            await asyncio.sleep(RANGES_EVERY_S)
            waited_s += RANGES_EVERY_S

    async def _all(self, ranges: Sequence[str]) -> None:
        try:
            waiting = iter(dict.fromkeys((*self._known(), *addresses(networks(ranges)))))
        except DiscoveryError as error:
            log.warning("the ranges cannot be looked at", error=str(error))
            return

        async def work() -> None:
            for address in waiting:
                await self._one(address)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(work())

    async def _one(self, address: str) -> None:
        outcome = "failed"
        try:
            async with asyncio.timeout(self._timeout_s):
                facts = await self._look(address)
            outcome = "answered" if isinstance(facts, DeviceFacts) else facts.reason
            if isinstance(facts, DeviceFacts):
                await self._tell(facts)
        except TimeoutError:
            outcome = "timeout"
        except Exception:  # one device's oddity, or our own mistake with it, must not end the looks at the others
            log.exception("a look failed", address=address)
        LOOKED.labels(outcome).inc()
