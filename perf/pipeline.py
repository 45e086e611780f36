"""The performance pipeline: samples in; rates, KPIs, alarm events and stored rows out.

batch -> rates -> last values, until a second or a block is full; then
block -> rows -> KPIs -> thresholds -> events
                      -> journal -> store -> tiers
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inventory.topology import Topology
from perf.blocks import interface_columns, sample_columns
from perf.counters import DUPLICATE, LATE, SUSPECT, CounterState, is_counter, rates
from perf.derived import narrow_derived
from perf.disk import LOOK_EVERY_S, Disk, free_of
from perf.history import tier_columns
from perf.kpis import kpis, narrow_kpis
from perf.last import LastValues
from perf.metrics import NOT_STORED, SAMPLES, SERIES, VERDICTS
from perf.names import Names
from perf.refused import Refused
from perf.settings import PerfSettings
from perf.thresholds import Thresholds
from perf.tiers import Tiers
from perf.warm import last_version, recent_octets
from perf.wide import InterfaceRows, derive, derived_batch, interface_rows, is_wide
from perf.writer import JournalLike, Writer
from station.batch import Event, Quality, SampleBatch
from station.catalogue import metrics_by_code
from station.channel import Channel, ChannelClosedError
from station.clock import NS_PER_S, Clock
from station.series import devices_of, entity_keys, metrics_of
from station.telemetry.client import TelemetryClient

DAY_NS = 86_400 * NS_PER_S
SILENCE_EVERY_S = 10.0
IN_THREAD_ROWS = 5_000  # batches from here on are worked on beside the event loop

Rows = npt.NDArray[np.bool_]
Values = dict[int, npt.NDArray[np.float64]]
"""Columns over rows, by metric code."""


class Pipeline:
    """Everything between the collectors' samples and the telemetry store. `run` works until cancelled."""

    def __init__(
        self,
        *,
        client: TelemetryClient,
        journal: JournalLike,
        clock: Clock,
        topology: Callable[[], Topology],
        samples: Channel[SampleBatch],
        events: Channel[tuple[Event, ...]],
        settings: PerfSettings | None = None,
        folder: Path | None = None,
        unseen: Callable[[], Collection[int]] = tuple,
    ) -> None:
        """`folder` is on the disk whose budget is watched, and holds what the store refuses; None where there is none.

        `unseen` are numbers of devices whose silence says nothing, since nobody can see them.
        """
        self._unseen = unseen
        self.settings = settings or PerfSettings()
        self._disk = Disk(free_of(folder), clock, self.settings) if folder else None
        self.names = Names(topology)
        self.last = LastValues()
        self.thresholds = Thresholds(self.names.resource_of, self.last.latest)
        refused = Refused(folder / "refused") if folder else None
        self.writer = Writer(client, journal, self.settings.pending_blocks, self._disk, refused)
        self.tiers = Tiers(client, self.writer, self.names, clock, self.settings, self._version)
        self._client = client
        self._clock = clock
        self._samples = samples
        self._events = events
        self._live = CounterState.empty(self.names.limits)
        self._history = CounterState.empty(self.names.limits)
        self._topology_version = -1
        self._last_version = 0
        self._rated: list[SampleBatch] = []
        self._rated_rows = 0
        self._due_ns = 0
        self._told: tuple[int, int] | None = None
        self.durable = 0  # so many batches of the samples' channel are journalled; whoever must answer for one waits for it
        SERIES.set_function(lambda: self.last.index.count)

    async def run(self) -> None:
        """Take up the last counters, then work until cancelled or the samples' channel is closed and empty."""
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self.writer.run(), name="perf writer")]
            await self.writer.replayed.wait()  # the last counters may be in the journal still
            await self.warm_up()
            background.append(tasks.create_task(self.tiers.run(), name="perf tiers"))
            if self.thresholds.listens:
                background.append(tasks.create_task(self._listen(), name="perf silence"))
            if self._disk is not None:
                background.append(tasks.create_task(self._watch(self._disk), name="perf disk"))
            await self._collect()
            await self.writer.drain()
            for task in background:
                task.cancel()

    def now_ns(self) -> int:
        """The pipeline's clock."""
        return self._clock.now_ns()

    async def warm_up(self) -> None:
        """Continue from the last counters in the store, so that a restart of the station costs no interval."""
        recent = await recent_octets(self._client, self._clock.now_ns())
        # the wall clock may have been set back while the station was down
        self._last_version = max(self._last_version, await last_version(self._client, self._clock.now_ns()))
        await asyncio.to_thread(rates, recent, self._live)  # compiles the kernels as well

    def process(self, batch: SampleBatch) -> SampleBatch:
        """Rate one live batch, keep its last values and put it into the current block; return it rated."""
        SAMPLES.inc(len(batch))
        self._follow_topology()
        rated = self._judged(self._acceptable(batch), self._live)
        self.last.take(rated)
        if len(rated):
            if not self._rated:
                self._due_ns = self._clock.monotonic_ns() + self.settings.flush_ms * 1_000_000
            self._rated.append(rated)
            self._rated_rows += len(rated)
        return rated

    async def take(self, batch: SampleBatch) -> None:
        """`process`, and `flush` when the block is full or due."""
        if len(batch) > IN_THREAD_ROWS:
            await asyncio.to_thread(self.process, batch)
        else:
            self.process(batch)
        if not self._rated:
            self.durable = self._samples.taken  # nothing in it was new: its answer need not wait for others
        if self._rated_rows >= self.settings.block_rows or (self._rated and self._clock.monotonic_ns() >= self._due_ns):
            await self.flush()

    async def flush(self) -> None:
        """Derive, compare with thresholds, journal and hand to the store what has gathered."""
        taken = self._samples.taken
        batch = self._rated[0] if len(self._rated) == 1 else SampleBatch.concat(self._rated)
        self._rated, self._rated_rows = [], 0
        if not len(batch):
            return
        work = asyncio.to_thread if len(batch) > IN_THREAD_ROWS else _at_once
        narrow = await work(self._narrow, batch)
        if len(narrow):
            self.last.take(narrow)
            batch = SampleBatch.concat([batch, narrow])
        rows, values = await work(self._rows, batch)
        derived = derived_batch(rows, values)
        self.last.take(derived)
        events = await work(self._compare, (batch, rows, values))
        await self._put(batch, rows, np.full(len(rows), self._clock.now_ns()))
        self.durable = taken
        self.tiers.add(rows)
        if events:
            await self._events.put(tuple(events))

    async def backfill(self, batch: SampleBatch, received_ns: int | None = None) -> SampleBatch:
        """Store samples of the past, in order of time per series: no last values, no alarms. Return them rated.

        `received_ns` is when the station is to have learned of them; by default each at its own instant. Send
        50,000 and more at once; end with `finish_backfill`.
        """
        SAMPLES.inc(len(batch))
        rated = await asyncio.to_thread(self._judged, batch, self._history)
        rows = await asyncio.to_thread(_wide_rows, rated)
        known_ns = rows.time_ns if received_ns is None else np.full(len(rows), received_ns)
        await self._put(rated, rows, known_ns)
        if len(rated):
            first, last = int(rated.time_ns.min()), int(rated.time_ns.max()) + 1
            self._told = (first, last) if self._told is None else (min(first, self._told[0]), max(last, self._told[1]))
        late = np.flatnonzero(rows.quality == LATE)
        self.tiers.mark(rows.entity[late], rows.time_ns[late])
        return rated

    async def backfill_tier(self, columns: Mapping[str, Any]) -> None:
        """Store 5-minute rows of the past as they are: `entity` u64, `time_ns` i64 (slot start), `in_octets`, `out_octets` u64."""
        await self.writer.put("interface_5m", tier_columns(columns, self.names.speeds, self._version()))
        first, last = int(np.min(columns["time_ns"])), int(np.max(columns["time_ns"])) + 1
        self._told = (first, last) if self._told is None else (min(first, self._told[0]), max(last, self._told[1]))

    async def finish_backfill(self) -> None:
        """Roll up what was backfilled, once the store has it."""
        await self.writer.drain()
        if self._told is not None:
            (first, last), self._told = self._told, None
            self.tiers.forget(last)
            await self.tiers.roll(first, last)
            await self.tiers.tick()

    async def _listen(self) -> None:
        """Now and then, whether something that a rule waits for is not heard any more."""
        while True:
            series, time_ns = self.last.heard()
            if unseen := self._unseen():
                seen = ~np.isin(devices_of(series), np.array(sorted(unseen), np.uint64))
                series, time_ns = series[seen], time_ns[seen]
            events = self.thresholds.silence(series, time_ns, self._clock.now_ns())
            if events:
                await self._events.put(tuple(events))
            await asyncio.sleep(SILENCE_EVERY_S)

    async def _watch(self, disk: Disk) -> None:
        while True:
            events = disk.look()
            if events:
                await self._events.put(tuple(events))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _collect(self) -> None:
        while True:
            wait_s = max(0.0, (self._due_ns - self._clock.monotonic_ns()) / NS_PER_S) if self._rated else None
            try:
                async with asyncio.timeout(wait_s):
                    batch = await self._samples.get()
            except TimeoutError:
                await self.flush()
            except ChannelClosedError:
                await self.flush()
                return
            else:
                await self.take(batch)

    def _acceptable(self, batch: SampleBatch) -> SampleBatch:
        """Without what has an impossible time or an unknown metric."""
        known = _known_codes()[metrics_of(batch.series)]
        ahead = batch.time_ns > self._clock.now_ns() + self.settings.future_s * NS_PER_S
        never = batch.time_ns <= 0
        old = batch.time_ns < self._clock.now_ns() - self.settings.past_days * DAY_NS  # also: no insert over thousands of partitions
        return _without(batch, {"unknown_metric": ~known, "future": ahead, "no_time": never, "too_old": old})

    def _judged(self, batch: SampleBatch, state: CounterState) -> SampleBatch:
        """Rated and without what says nothing new: repeated instants and gauges without a number."""
        rated = rates(batch, state)
        counter = is_counter()[metrics_of(rated.series)]
        _count_verdicts(rated.quality[counter])
        nothing = ~counter & ~np.isfinite(rated.value)
        return _without(rated, {"duplicate": rated.quality == DUPLICATE, "not_a_number": nothing})

    def _narrow(self, batch: SampleBatch) -> SampleBatch:
        return narrow_derived(batch, self.last, narrow_kpis())

    def _rows(self, batch: SampleBatch) -> tuple[InterfaceRows, Values]:
        rows = _wide_rows(batch)
        return rows, derive(rows, kpis(), self.names.speeds)

    async def _put(self, batch: SampleBatch, rows: InterfaceRows, received_ns: npt.NDArray[np.int64]) -> None:
        version = self._version()
        if len(rows):
            speeds, metered = self.names.speeds(rows.entity), self.names.metered(rows.entity)
            await self.writer.put("interface_raw", interface_columns(rows, speeds, received_ns, metered, version))
        narrow = batch.take(~is_wide(batch) & np.isfinite(batch.value))
        if len(narrow):
            await self.writer.put("sample_raw", sample_columns(narrow, version))

    def _compare(self, block: tuple[SampleBatch, InterfaceRows, Values]) -> list[Event]:
        """What the thresholds say: of interfaces by whole columns, of anything else sample by sample."""
        batch, rows, values = block
        since_ns = self._clock.now_ns() - self.settings.alarm_age_s * NS_PER_S  # what a collector fills in later is no news
        usable = (batch.quality < SUSPECT) & (batch.time_ns >= since_ns)
        fresh = np.flatnonzero(self.thresholds.watches[metrics_of(batch.series)] & usable & ~is_wide(batch))
        series = batch.series[fresh]
        events = self.thresholds.events(entity_keys(series), metrics_of(series), batch.time_ns[fresh], batch.value[fresh])
        timely = (rows.quality != LATE) & (rows.time_ns >= since_ns)
        for code, value in (rows.columns() | values).items():
            if self.thresholds.watches[code]:
                chosen = np.flatnonzero(timely if code in values else timely & rows.has(code))
                events += self.thresholds.events_of(code, rows.entity[chosen], rows.time_ns[chosen], value[chosen])
        return events

    def _follow_topology(self) -> None:
        version = self.names.topology().version
        if version != self._topology_version:
            self._topology_version = version
            self._live.relearn()

    def _version(self) -> int:
        """Now in nanoseconds, and more than any version before: a later row always replaces an earlier one."""
        self._last_version = max(self._last_version + 1, self._clock.now_ns())
        return self._last_version


async def _at_once(work: Callable[[Any], Any], given: Any) -> Any:
    return work(given)


def _wide_rows(batch: SampleBatch) -> InterfaceRows:
    wide = is_wide(batch)
    return interface_rows(batch if wide.all() else batch.take(wide))


def _without(batch: SampleBatch, reasons: dict[str, Rows]) -> SampleBatch:
    """The batch without the rows any reason marks, each counted under the first that does."""
    keep = np.ones(len(batch), np.bool_)
    for reason, marked in reasons.items():
        here = marked & keep
        if here.any():
            NOT_STORED.labels(reason).inc(int(here.sum()))
            keep &= ~here
    return batch if keep.all() else batch.take(keep)


def _count_verdicts(quality: npt.NDArray[np.uint8]) -> None:
    for code, count in enumerate(np.bincount(quality).tolist()):
        if count:
            VERDICTS.labels(Quality(code).name.lower()).inc(count)


def _known_codes() -> Rows:
    table = np.zeros(256, np.bool_)
    table[list(metrics_by_code())] = True
    return table
