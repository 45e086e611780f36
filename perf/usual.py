"""What is usual at this time of the day, kept for every interface, and how far from it each five minutes were.

The baseline of the last two weeks is learned once a day, for all interfaces of a metric at once (`perf.baseline`); holidays are
neither learned from nor compared. What is far from it is looked at a second time: the whole series, by `perf.anomaly`, which knows whether
it is often like that. Rules with `of = "spreads"` say how far and how long is an alarm.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import structlog

from perf.anomaly import scores as oddness
from perf.baseline import SLOTS_A_DAY, Baseline, learned
from perf.metrics import UNUSUAL
from perf.names import Names
from perf.query import History, HistoryQuery, QueryError
from perf.settings import PerfSettings
from perf.slots import U64
from perf.store import TelemetryStore
from perf.thresholds import Rule, Thresholds
from station.batch import Event
from station.channel import Channel
from station.clock import NS_PER_S, Clock
from station.telemetry.client import TelemetryError

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

DAYS: Final = 14
DAYS_MIN: Final = 7  # that an interface was heard on, or nothing is usual of it
DAY_NS: Final = 86_400 * NS_PER_S
SLOT_NS: Final = DAY_NS // SLOTS_A_DAY
AT_ONCE: Final = 900  # interfaces whose two weeks are read by one query
SETTLED_NS: Final = 90 * NS_PER_S  # after its end a slot is stored
SECOND_LOOKS_MAX: Final = 50  # of a slot; when the whole network is odd, that is what it is
LATELY: Final = 6  # slots in which the second look must find something odd
ODD: Final = 0.5
EVERY_S: Final = 60.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """The baseline of the interfaces `key`, in order."""

    key: U64
    baseline: Baseline

    def spreads(self, slot: int, key: U64, value: F64) -> F64:
        """How many usual spreads (at least 0) values of one slot are from their centre; NaN where nothing is usual."""
        at = np.minimum(np.searchsorted(self.key, key), max(len(self.key) - 1, 0))
        found = np.full(len(key), np.nan)
        if len(self.key):
            known = self.key[at] == key
            whole = np.full(len(self.key), np.nan)
            whole[at[known]] = value[known]
            found[known] = np.abs(self.baseline.scores(slot, whole)[at[known]])
        return found


def usual_of(history: History, end_ns: int, days: int, holidays: frozenset[int]) -> Usual:
    """The usual day of a history that ends with the whole day before `end_ns`; `holidays` are numbers of days since 1970 left out."""
    begin_ns = end_ns - days * DAY_NS
    fits = (history.time_ns >= begin_ns) & (history.time_ns < end_ns)
    fits &= ~np.isin(history.time_ns // DAY_NS, list(holidays))
    key, row = np.unique(history.entity[fits], return_inverse=True)
    values = np.full((len(key), days * SLOTS_A_DAY), np.nan, np.float32)
    values[row, (history.time_ns[fits] - begin_ns) // SLOT_NS] = history.value[fits]
    heard = np.isfinite(values.reshape(len(key), days, SLOTS_A_DAY)).any(axis=2).sum(axis=1)
    enough = heard >= min(DAYS_MIN, days)
    return Usual(key[enough], learned(np.ascontiguousarray(values[enough])))


def day_numbers(holidays: tuple[date, ...]) -> frozenset[int]:
    """Days since 1970 (UTC)."""
    return frozenset((datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days for day in holidays)


class Unusual:
    """`run` until cancelled; without a rule with `of = "spreads"` it does nothing."""

    def __init__(
        self,
        store: TelemetryStore,
        names: Names,
        rules: Thresholds,
        clock: Clock,
        events: Channel[tuple[Event, ...]],
        settings: PerfSettings,
    ) -> None:
        self._store, self._names, self._rules, self._clock, self._events = store, names, rules, clock, events
        self._series, self._holidays = settings.usual_series, day_numbers(settings.holidays)
        self._usual: dict[str, Usual] = {}
        self._learned_day = self._last_ns = 0

    @property
    def rules(self) -> list[Rule]:
        return [rule for rule in self._rules.rules if rule.file.of == "spreads"]

    async def run(self) -> None:
        while self.rules and self._series:
            await asyncio.sleep(EVERY_S)  # the start of a station has better to do
            try:
                await self.look()
            except TelemetryError as error:  # counted by the client
                log.warning("the usual waits for the store", error=str(error)[:200])

    async def look(self) -> list[Event]:
        """What the newest whole slot says, told as it is found; nothing when it was looked at, or is of a holiday."""
        now_ns = self._clock.now_ns()
        slot_ns = (now_ns - SETTLED_NS) // SLOT_NS * SLOT_NS - SLOT_NS
        if slot_ns <= self._last_ns or slot_ns // DAY_NS in self._holidays:
            return []
        await self._learn(slot_ns // DAY_NS)
        made: list[Event] = []
        for metric in dict.fromkeys(rule.metric.name for rule in self.rules):
            events = await self._compared(metric, slot_ns)
            if events:
                await self._events.put(tuple(events))
            made += events
        self._last_ns = slot_ns
        return made

    async def _learn(self, day: int) -> None:
        if day == self._learned_day:
            return
        for metric in dict.fromkeys(rule.metric.name for rule in self.rules):
            parts = [await self._part(metric, keys, day * DAY_NS) for keys in self._chunks()]
            parts = [part for part in parts if len(part.key)]
            if parts:
                centre = np.concatenate([part.baseline.centre for part in parts], axis=1)
                spread = np.concatenate([part.baseline.spread for part in parts], axis=1)
                self._usual[metric] = Usual(np.concatenate([part.key for part in parts]), Baseline(centre, spread))
        self._learned_day = day

    async def _part(self, metric: str, keys: tuple[int, ...], end_ns: int) -> Usual:
        history = await self._store.history(HistoryQuery(metric, end_ns - DAYS * DAY_NS, end_ns, entities=keys))
        return await asyncio.to_thread(usual_of, history, end_ns, DAYS, self._holidays)

    def _chunks(self) -> Iterator[tuple[int, ...]]:
        entities = self._names.topology().entities
        keys = sorted(key for key, entity in entities.items() if entity.kind == "interface" and not entity.gone)[: self._series]
        for at in range(0, len(keys), AT_ONCE):
            yield tuple(keys[at : at + AT_ONCE])

    async def _compared(self, metric: str, slot_ns: int) -> list[Event]:
        usual = self._usual.get(metric)
        if usual is None:
            return []
        found = await self._store.slot(metric, slot_ns)
        spreads = usual.spreads(slot_ns // SLOT_NS % SLOTS_A_DAY, found.entity, found.value)
        bar = min(rule.file.raise_when.above or 0.0 for rule in self.rules if rule.metric.name == metric)
        far = np.flatnonzero(spreads > bar)
        UNUSUAL.labels("far").inc(len(far))
        for row in far[np.argsort(-spreads[far])][:SECOND_LOOKS_MAX].tolist():
            if not await self._odd(metric, int(found.entity[row]), slot_ns):
                spreads[row] = bar  # it is often like that: neither news nor the end of it
                UNUSUAL.labels("often so").inc()
        code = next(rule.metric.code for rule in self.rules if rule.metric.name == metric)
        return self._rules.unusual(code, found.entity, np.full(len(spreads), slot_ns + SLOT_NS), spreads)

    async def _odd(self, metric: str, key: int, slot_ns: int) -> bool:
        """Whether the last half hour is odd for this series, by everything it did in two weeks."""
        end_ns = slot_ns + SLOT_NS
        try:
            history = await self._store.history(HistoryQuery(metric, end_ns - DAYS * DAY_NS, end_ns, entities=(key,)))
        except QueryError:
            return True
        values = np.full(DAYS * SLOTS_A_DAY, np.nan)
        values[(history.time_ns - (end_ns - DAYS * DAY_NS)) // SLOT_NS] = history.value
        return bool(oddness(values, SLOTS_A_DAY)[-LATELY:].max() >= ODD / 2)
