"""The levels of services over a month: what the inventory, the alarms, planned work and the measurements say, put together."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

import numpy as np
from sqlalchemy.ext.asyncio import AsyncConnection

from perf.sla.exclusions import Exclusion, agreed, excluded_of
from perf.sla.intervals import Span, Spans, common, union, without
from perf.sla.measure import Port, Result, State, result, state_of
from perf.sla.objectives import F64, SLOT_NS, Kept, credit_of, kept, of_ports, slots_within
from perf.sla.promised import Bound, Promised, promised
from perf.sla.slots import Slots
from perf.sla.terms import Objective, Sla, Slas
from perf.sla.tmf657 import promises
from perf.store import TelemetryStore
from station.clock import NS_PER_S, Clock
from station.scope import Scope
from station.state import State as StateStore

HOUR_NS: Final = 3_600 * NS_PER_S
SETTLES_NS: Final = 2 * HOUR_NS  # an hour's row may come so late
AT_ONCE: Final = 500  # services judged in one turn in a thread

Outages = Callable[[AsyncConnection, int, Collection[str], int, int], Awaitable[Mapping[str, Sequence[Span]]]]
Planned = Callable[[str, int, int], Sequence[Span]]
Read = Mapping[Objective, Mapping[int, F64]]  # the month's slots of an objective by access port


@dataclass(frozen=True, slots=True)
class Level:
    """One service's month; `excluded` is what was planned or agreed, `over` that the month is."""

    of: Promised
    terms: Sla
    month: Span
    over: bool
    result: Result
    excluded: Spans
    unknown: Spans
    objectives: tuple[Kept, ...] = ()

    @property
    def missed(self) -> list[Kept]:
        return [one for one in self.objectives if one.met is False]

    @property
    def met(self) -> bool | None:
        """Whether everything promised was kept; None when nothing is known."""
        said = [self.result.met, *(one.met for one in self.objectives)]
        return False if False in said else None if said[0] is None else True

    @property
    def credit_percent(self) -> Decimal:
        """Of the month's recurring charge; nothing before the month is over."""
        return credit_of(self.terms, self.result.credit_percent, self.missed) if self.over else Decimal(0)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is known of a month, of all services."""

    terms: Mapping[str, Sla]
    down: Mapping[str, Sequence[Span]]
    missing: Mapping[int, Spans]  # when nobody measured a port
    exclusions: Sequence[Exclusion]
    now_ns: int


class Levels:
    """Answers for any month; `outages` and `planned` are the fault domain's."""

    def __init__(
        self, state: StateStore, store: TelemetryStore, slots: Slots, slas: Slas, clock: Clock, *, outages: Outages, planned: Planned
    ) -> None:
        self._state, self._store, self._slots, self.slas, self._clock = state, store, slots, slas, clock
        self._outages, self._planned = outages, planned

    async def of_month(self, scope: Scope, month: str, service_id: str = "") -> list[Level]:
        """Every promised service the caller sees, by number; services whose promise is not known are left out."""
        now_ns = self._clock.now_ns()
        async with self._state.read() as conn:
            terms = await promises(conn, scope, self.slas)
            services = [one for one in await promised(conn, scope, service_id) if one.sla in terms]
            if not services:
                return []
            months = {name: terms[name].month(month) for name in {one.sla for one in services}}
            low, last = min(span[0] for span in months.values()), max(span[1] for span in months.values())
            high = min(last, max(now_ns, 1))
            resources = {name for one in services for bound in one.ports for name in (bound.port, bound.device)}
            down = await self._outages(conn, scope.tenant, resources, low, high)
            exclusions = await agreed(conn, scope.tenant, low, last)
        missing = await self._missing({bound.key for one in services for bound in one.ports}, low, high)
        seen = _Seen(terms, down, missing, exclusions, now_ns)
        found: list[Level] = []
        for at in range(0, len(services), AT_ONCE):
            some = services[at : at + AT_ONCE]
            read = {name: await self._read(terms[name], [one for one in some if one.sla == name], months[name], now_ns) for name in months}
            found += await asyncio.to_thread(self._judged, some, months, read, seen)
        return found

    async def _read(self, sla: Sla, services: Sequence[Promised], month: Span, now_ns: int) -> Read:
        """The slots so far of every objective of a promise, at the access ports of its services."""
        objectives = sla.objectives if services else ()
        keys = np.unique(np.array([bound.key for one in services for bound in one.ports], np.uint64))
        count = max(0, (min(month[1], now_ns) - month[0]) // SLOT_NS)
        return {one: await self._slots.read(one, keys, month[0], count) for one in objectives}

    def _judged(self, some: Sequence[Promised], months: Mapping[str, Span], read: Mapping[str, Read], seen: _Seen) -> list[Level]:
        return [self._level(one, months[one.sla], read[one.sla], seen) for one in some]

    def _level(self, one: Promised, month: Span, read: Read, seen: _Seen) -> Level:
        terms = seen.terms[one.sla]
        past = (month[0], min(month[1], seen.now_ns))
        planned = self._planned(one.id, *month) if terms.maintenance == "excluded" else ()
        excluded = union(planned, excluded_of(seen.exclusions, one, month))
        state = _state(one, terms, past, seen) if past[0] < past[1] else State([], [])
        judged = result(terms, month, one.active, state, excluded, seen.now_ns)
        objectives: tuple[Kept, ...] = ()
        if terms.objectives and past[0] < past[1]:
            up = without(without(common(terms.counted(month), [one.active], [past]), excluded), state.down)
            objectives = tuple(_kept(objective, one, terms, past, up, read[objective]) for objective in terms.objectives)
        return Level(one, terms, month, seen.now_ns >= month[1], judged, excluded, state.unknown, objectives)

    async def _missing(self, keys: Collection[int], low: int, high: int) -> dict[int, Spans]:
        """Hours in which nobody measured a port; what is too young to be summed counts as measured."""
        settled = (high - SETTLES_NS) // HOUR_NS * HOUR_NS
        if not keys or low >= settled:
            return {}
        hours = await self._store.hours_missing(np.array(sorted(keys), np.uint64), low, settled)
        return {key: union((int(at), int(at) + HOUR_NS) for at in missing) for key, missing in hours.items()}


def _parts(one: Promised, seen: Span) -> Iterator[tuple[Span, list[Bound]]]:
    """The span in parts in which the same ports carry the service."""
    borders = sorted({*seen, *(min(max(at, seen[0]), seen[1]) for bound in one.ports for at in bound.span)})
    for part in pairwise(borders):
        yield part, [each for each in one.ports if each.span[0] <= part[0] and part[1] <= each.span[1]]


def _state(one: Promised, terms: Sla, past: Span, seen: _Seen) -> State:
    """The service's state over its ports; a port that was not bound at an instant takes no part then."""
    down_spans: list[Span] = []
    unknown: list[Span] = []
    for part, bound in _parts(one, past):
        ports = []
        for each in bound:
            lost = union(seen.down.get(each.port, ()), seen.down.get(each.device, ()))
            ports.append(Port(lost, without(common([part], seen.missing.get(each.key, ())), lost)))
        found = state_of(ports, terms.needs, part)
        down_spans += found.down
        unknown += found.unknown
    return State(union(down_spans), union(unknown))


def _kept(objective: Objective, one: Promised, terms: Sla, past: Span, up: Spans, read: Mapping[int, F64]) -> Kept:
    """One objective over the slots in which the service was up and counted."""
    count = (past[1] - past[0]) // SLOT_NS
    values, nothing = np.full(count, np.nan), np.full(count, np.nan)
    for part, bound in _parts(one, past):
        if bound:
            within = slots_within([part], past[0], count)
            values[within] = of_ports(objective, [read.get(each.key, nothing)[within] for each in bound], terms.needs)
    return kept(objective, values, slots_within(up, past[0], count), terms.unknown)
