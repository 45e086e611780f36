"""The trends of `config/trends/` kept in view: all rules over all series, a few times a day, as events with their reason."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from perf.metrics import EVENTS
from perf.names import Names
from perf.query import QueryError
from perf.store import TelemetryStore
from perf.trends import TrendRule, paths, read
from station.batch import Event
from station.channel import Channel
from station.clock import Clock
from station.telemetry.client import TelemetryError

FIRST_S: Final = 120.0  # the start of a station has better to do
AGAIN_S: Final = 600.0  # after the store did not answer

log = structlog.get_logger(__name__)


class Foresight:
    """`run` until cancelled; `look` once."""

    def __init__(
        self,
        store: TelemetryStore,
        names: Names,
        clock: Clock,
        events: Channel[tuple[Event, ...]],
        every_s: float,
        rules: Iterable[TrendRule] | None = None,
    ) -> None:
        self._store, self._names, self.clock, self._events, self._every_s = store, names, clock, events, every_s
        self.rules = tuple(read(path) for path in paths()) if rules is None else tuple(rules)

    def restore(self, raised: Iterable[tuple[int, str, str]]) -> None:
        """Take up what was raised before a restart: (entity key, alarm type, qualifier)."""
        by_alarm = {(rule.file.alarm_type, rule.file.qualifier): rule for rule in self.rules}
        for key, alarm_type, qualifier in raised:
            if (rule := by_alarm.get((alarm_type, qualifier))) is not None:
                rule.raised.add(key)

    async def run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.look()
                wait_s = self._every_s
            except TelemetryError as error:  # counted by the client
                log.warning("trends wait for the store", error=str(error)[:200])
                wait_s = AGAIN_S
            await asyncio.sleep(wait_s)

    async def look(self) -> list[Event]:
        """What every rule says of the whole days before now; told as it is found, since a rule never says it again."""
        now_ns, made = self.clock.now_ns(), list[Event]()
        for rule in self.rules:
            try:
                daily = await self._store.daily(rule.file.metric, rule.file.daily, now_ns, rule.file.days)
            except QueryError as error:
                log.error("a trend cannot be followed", rule=rule.name, error=str(error))
                continue
            events = await asyncio.to_thread(rule.events, daily.entity, daily.value, now_ns, self._names.resource_of)
            EVENTS.labels(rule.name).inc(len(events))
            if events:
                await self._events.put(tuple(events))
            made += events
        return made
