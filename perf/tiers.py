"""Keeps the tiers: stores each slot once it is over, and corrects those that late data changed.

Five-minute slots grow in memory (`perf.open_slots`). What memory does not know - slots from before the start, late
rows - is rolled up from the store; hours and days always are. The running hour is refreshed with every slot, the
running day with every hour.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from perf import sketch
from perf.correct import Late, chunks, corrected
from perf.counters import LATE
from perf.metrics import LATE_DROPPED, LATE_SLOTS, ROLLUP_SECONDS
from perf.names import Names
from perf.open_slots import SLOT_NS, OpenSlots
from perf.rollup import roll_up, roll_up_samples, slot_start
from perf.settings import PerfSettings
from perf.slots import U64
from perf.wide import InterfaceRows
from perf.writer import Writer
from station.clock import NS_PER_S, Clock
from station.telemetry.client import TelemetryClient, TelemetryError
from station.telemetry.schema import RAW_FINAL, TIER_S

CORRECT_EVERY_S = 5.0
DAY_NS = TIER_S["1d"] * NS_PER_S
_UNCORRECTED = (
    "SELECT entity, toUnixTimestamp64Nano(time) AS time_ns FROM interface_raw FINAL "  # noqa: S608 - values are bound
    f"WHERE quality = {{late:UInt8}} AND time >= fromUnixTimestamp64Nano({{since:Int64}}) {RAW_FINAL}"
)
_FIRST = "(SELECT toUInt32(ifNull(toUnixTimestamp(minOrNull(time)), 0)) FROM {} WHERE time >= fromUnixTimestamp64Nano({{since:Int64}}))"
_KNOWN = (
    "SELECT (SELECT toUnixTimestamp(max(time)) FROM interface_5m) AS last, "  # noqa: S608 - names are written here, values are bound
    f"{_FIRST.format('interface_raw')} AS interfaces, {_FIRST.format('sample_raw')} AS others"
)
SKETCHED_NS = 62 * DAY_NS  # top lists look back so far, mostly
CATCH_UP_NS = 24 * 3600 * NS_PER_S  # how far back slots are rolled up after the station was down


class Tiers:
    """`mark` says where late rows came; `run` works until cancelled; `tick` does what is due."""

    def __init__(
        self, client: TelemetryClient, writer: Writer, names: Names, clock: Clock, settings: PerfSettings, version: Callable[[], int]
    ) -> None:
        self._client = client
        self._writer = writer
        self._names = names
        self._clock = clock
        self._settings = settings
        self._version = version
        self._rolled_ns = 0
        self._dirty: set[Late] = set()
        self._marked = asyncio.Event()
        self._open = OpenSlots(clock.now_ns())
        self._corrected: dict[int, set[int]] = defaultdict(set)  # in slots that are still open: slot -> entities

    def add(self, rows: InterfaceRows) -> None:
        """Count live rows in their slots. Late ones, and those whose slot is over, are rolled up from the store."""
        left = self._open.add(rows)
        over = rows.time_ns[left] < self._rolled_ns
        late = np.union1d(np.flatnonzero(rows.quality == LATE), left[over])
        self.mark(rows.entity[late], rows.time_ns[late])
        for row in left[~over & (rows.time_ns[left] >= self._open.since_ns)].tolist():  # of a slot that found no room
            self._corrected[int(rows.time_ns[row]) // SLOT_NS * SLOT_NS].add(int(rows.entity[row]))

    def forget(self, before_ns: int) -> None:
        """Slots that begin before that instant are rolled up from the store, whatever of them is in memory."""
        self._open.close(-(-before_ns // SLOT_NS) * SLOT_NS, self._names.speeds, 0)

    def mark(self, entity: U64, time_ns: npt.NDArray[np.int64]) -> None:
        """Rows of these entities at these instants came late: their slots are judged and rolled up again."""
        slots = time_ns - time_ns % SLOT_NS
        for pair in zip(entity.tolist(), slots.tolist(), strict=True):
            if len(self._dirty) >= self._settings.dirty_slots and pair not in self._dirty:
                LATE_DROPPED.inc()
            else:
                self._dirty.add(pair)
        if self._dirty:
            self._marked.set()

    async def run(self) -> None:
        await self.resume()
        while True:
            try:
                await self.tick()
                delay_s = self._wait_s()
            except TelemetryError:  # counted by the client; what was due is still due
                delay_s = CORRECT_EVERY_S
            try:
                async with asyncio.timeout(delay_s):
                    await self._marked.wait()
                await asyncio.sleep(CORRECT_EVERY_S)
            except TimeoutError:
                pass

    async def tick(self) -> None:
        """Correct what is marked, then roll up what is over."""
        await self._correct()
        end = slot_start(self._clock.now_ns() - self._settings.rollup_grace_s * NS_PER_S, "5m")
        if self._rolled_ns == 0:
            self._rolled_ns = end
        if end > self._rolled_ns:
            await self._writer.drain()
            with ROLLUP_SECONDS.time():
                await self._finish(self._rolled_ns, end)
            self._rolled_ns = end

    async def _finish(self, start_ns: int, end_ns: int) -> None:
        """Store the slots of [start, end): what grew in memory as it is, the rest from the store."""
        known_ns = min(max(self._open.since_ns, start_ns), end_ns)
        for first, last in _days(start_ns, known_ns):
            await roll_up(self._client, "5m", first, last, self._version())
        for columns in self._open.close(end_ns, self._names.speeds, self._version()):
            await self._writer.put("interface_5m", columns)
        await self._writer.drain()
        for slot in [slot for slot in self._corrected if slot < end_ns]:
            await roll_up(self._client, "5m", slot, slot + SLOT_NS, self._version(), sorted(self._corrected.pop(slot)))
        for first, last in _days(start_ns, end_ns):
            await roll_up_samples(self._client, first, last, self._version())
        over = slot_start(end_ns, "1h") > slot_start(start_ns, "1h")
        await self.roll_above(start_ns, end_ns, tiers=("1h", "1d") if over else ("1h",))

    async def roll(self, start_ns: int, end_ns: int, entities: list[int] | None = None) -> None:
        """Recompute every tier over the slots that touch [start, end), a day at a time: a month of raw rows is no one query."""
        for first, last in _days(slot_start(start_ns, "5m"), end_ns):
            if entities is None:
                await roll_up_samples(self._client, first, last, self._version())
            await roll_up(self._client, "5m", first, last, self._version(), entities)
        await self.roll_above(start_ns, end_ns, entities)

    async def roll_above(
        self, start_ns: int, end_ns: int, entities: list[int] | None = None, tiers: tuple[str, ...] = ("1h", "1d")
    ) -> None:
        """Recompute hours and days over [start, end) from the 5-minute tier."""
        for tier in tiers:
            width = TIER_S[tier] * NS_PER_S
            for first, last in _days(slot_start(start_ns, tier), slot_start(end_ns - 1, tier) + width):
                await roll_up(self._client, tier, first, last, self._version(), entities)
                if tier == "1d" and last <= self._clock.now_ns():  # a day that goes on has no sketch: nothing reads it
                    await sketch.roll_up(self._client, first, last, self._version(), entities)

    async def resume(self) -> None:
        """Go on where a station that died was: behind the last slot that is stored, and with what it had not corrected.

        A late row keeps that verdict until it is judged again.
        """
        now_ns = self._clock.now_ns()
        try:
            known = await self._client.query(_KNOWN, {"since": now_ns - CATCH_UP_NS})
            found = await self._client.query(_UNCORRECTED, {"late": int(LATE), "since": now_ns - self._settings.past_days * DAY_NS})
        except TelemetryError:
            return
        last_ns, *firsts_ns = (int(known[name][0]) * NS_PER_S for name in ("last", "interfaces", "others"))
        begin_ns = last_ns or slot_start(min(filter(None, firsts_ns), default=0), "5m")  # nothing rolled up yet: from the first row on
        if 0 < begin_ns < now_ns:
            self._rolled_ns = max(begin_ns, slot_start(now_ns - CATCH_UP_NS, "5m"))
        await self._sketch(now_ns)
        if found:
            self.mark(found["entity"].astype(np.uint64), found["time_ns"].astype(np.int64))

    async def _sketch(self, now_ns: int) -> None:
        """Make the sketches of days that were stored before there were any."""
        try:
            for day_ns in await sketch.days_without(self._client, now_ns - SKETCHED_NS, slot_start(now_ns, "1d")):
                await sketch.roll_up(self._client, day_ns, day_ns + DAY_NS, self._version())
        except TelemetryError:
            return  # counted by the client; until then top lists read the slots

    async def _correct(self) -> None:
        """Judge what is marked again, chunk by chunk. What is marked meanwhile, or was and failed, waits for the next time."""
        self._marked.clear()
        if not self._dirty:
            return
        await self._writer.drain()
        for chunk in await chunks(self._client, self._dirty):
            self._dirty.difference_update(chunk)  # before reading: a row that comes now marks its slot once more
            try:
                await self._correct_together(chunk)
            except BaseException:
                self._dirty.update(chunk)
                raise
            LATE_SLOTS.inc(len(chunk))

    async def _correct_together(self, chunk: list[Late]) -> None:
        await self._writer.drain()
        touched = set(chunk)
        found = await corrected(self._client, chunk, self._names, self._version())
        if found is not None:
            await self._writer.put("interface_raw", found.columns)
            touched |= set(zip(found.entity.tolist(), (found.time_ns - found.time_ns % SLOT_NS).tolist(), strict=True))
            await self._writer.drain()
        over = sorted(pair for pair in touched if pair[1] < self._rolled_ns or self._rolled_ns == 0)
        for entity, slot in touched.difference(over):
            self._corrected[slot].add(entity)
        if over:
            slots = [slot for _, slot in over]
            await self.roll(min(slots), max(slots) + SLOT_NS, list(dict.fromkeys(entity for entity, _ in over)))

    def _wait_s(self) -> float:
        due_ns = self._rolled_ns + SLOT_NS + self._settings.rollup_grace_s * NS_PER_S
        return max(0.1, (due_ns - self._clock.now_ns()) / NS_PER_S)


def _days(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """[start, end) in pieces of a day at most."""
    for first in range(start_ns, end_ns, DAY_NS):
        yield first, min(first + DAY_NS, end_ns)
