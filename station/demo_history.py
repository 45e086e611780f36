"""The 35 days behind the demo: the simulated past through the normal pipeline, then the meter and one closed bill run.

It runs behind the live station on the clock of the past: each sample is known at its own instant, the late ones when
they came; the month is billed with what was known when its grace ended, and what came later is a revision.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog

from billing_bridge.meter import Meter
from bss.billing import Biller
from inventory.topology import Topology
from perf.pipeline import Pipeline
from simulator import history
from simulator.incidents import Incidents, incidents
from simulator.traffic import Boots
from simulator.world import World
from station.batch import SampleBatch
from station.clock import NS_PER_S
from station.hub import Hub
from station.memory import give_back
from station.scope import STATION

log = structlog.get_logger("history")

DAYS: Final = 35
DAY_NS: Final = 86_400 * NS_PER_S
HOUR_NS: Final = 3600 * NS_PER_S
BLOCK_ROWS: Final = 50_000
PROGRESS_ID: Final = "history"
TITLE: Final = "Writing 35 simulated days"


@dataclass(frozen=True, slots=True)
class Past:
    """The world whose past is written, up to `now_ns`."""

    world: World
    boots: Boots
    what: Incidents
    start_ns: int
    now_ns: int

    @property
    def metered_ns(self) -> int:
        """Metered interfaces begin with the closed month, so that its invoices are whole."""
        return min(self.start_ns, self.what.month_start_ns)

    @classmethod
    def of(cls, world: World, ready_ns: int, now_ns: int) -> "Past":
        """`ready_ns` is when the simulated network started: what went wrong in its past hangs on it."""
        what = incidents(world, ready_ns)
        start_ns = (now_ns - DAYS * DAY_NS) // DAY_NS * DAY_NS
        return cls(world, Boots.of(world, ready_ns, what.again_ns(world)), what, start_ns, now_ns)


class HistoryWriter:
    """Writes one past; progress goes to the console."""

    def __init__(self, past: Past, pipeline: Pipeline, meter: Meter, biller: Biller, topology: Callable[[], Topology], hub: Hub) -> None:
        self._past, self._pipeline, self._meter, self._biller = past, pipeline, meter, biller
        self._topology, self._hub = topology, hub

    async def write(self) -> None:
        """Everything, in order; each block yields to the live station."""
        past = self._past
        await self._samples()
        await self._tiers()
        await self._pipeline.finish_backfill()
        closed_ns = past.what.month_end_ns + (self._biller.settings.grace_h + 1) * HOUR_NS
        if closed_ns < past.now_ns:
            self._say(80, "metering the closed month")
            await self._meter.run_once(closed_ns)
            month = _month_name(past.what.month_start_ns)
            self._say(85, f"billing {month}")
            await self._biller.run(STATION, month, closed_ns)
        await self._late()
        self._say(90, "metering the open month")
        await self._meter.run_once(past.now_ns, late=True)
        await asyncio.to_thread(give_back)
        self._say(100, "35 days are there")

    async def _samples(self) -> None:
        past = self._past
        days = history.metered(past.world, past.boots, past.what, self._key_of, start_ns=past.metered_ns, end_ns=past.now_ns)
        for n, batch in enumerate(await asyncio.to_thread(_blocks, days)):
            await self._pipeline.backfill(batch)
            self._say(min(40, 5 + n * 5), "raw samples of the metered interfaces")

    async def _tiers(self) -> None:
        past = self._past
        rows = history.tiers(past.world, past.boots, self._key_of, start_ns=past.start_ns, end_ns=past.now_ns)
        while (block := await asyncio.to_thread(next, rows, None)) is not None:
            await self._pipeline.backfill_tier(tier_columns(block))
            done = (int(block.slot_ns[-1]) - past.start_ns) / (past.now_ns - past.start_ns)
            self._say(40 + int(done * 38), "five-minute rows of the other interfaces")

    async def _late(self) -> None:
        past = self._past
        for found in history.late(past.world, past.boots, past.what, self._key_of, start_ns=past.metered_ns, end_ns=past.now_ns):
            await self._pipeline.backfill(found.batch, found.received_ns)
        await self._pipeline.finish_backfill()

    def _key_of(self, device_name: str, interface_name: str) -> int | None:
        topology = self._topology()
        device = topology.device_by_name.get(device_name)
        entity = topology.interface_by_name.get((device.no, interface_name)) if device else None
        return entity.key if entity else None

    def _say(self, done: int, text: str) -> None:
        self._hub.publish("progress", {"id": PROGRESS_ID, "title": TITLE, "done": done, "total": 100, "text": text})


def _blocks(days: Iterator[SampleBatch]) -> list[SampleBatch]:
    """The days joined to blocks that are worth an insert each."""
    blocks: list[SampleBatch] = []
    waiting: list[SampleBatch] = []
    for day in days:
        waiting.append(day)
        if sum(map(len, waiting)) >= BLOCK_ROWS:
            blocks.append(SampleBatch.concat(waiting))
            waiting = []
    return [*blocks, SampleBatch.concat(waiting)]


def tier_columns(rows: history.TierRows) -> dict[str, Any]:
    """The simulator's rows under the telemetry store's names."""
    columns: dict[str, Any] = {"entity": rows.entity, "time_ns": rows.slot_ns, "count": rows.count}
    for n, direction in enumerate(("in", "out")):
        columns[f"{direction}_octets"] = rows.octets[:, n]
        for m, statistic in enumerate(("min", "mean", "max")):
            columns[f"{direction}_octets_rate_{statistic}"] = rows.rate[:, n, m]
    return columns


def _month_name(start_ns: int) -> str:
    return str(np.datetime64(start_ns, "ns").astype("datetime64[M]"))
