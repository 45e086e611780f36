"""The levels of services over a month: what the inventory, the alarms, planned work and the measurements say, put together."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from inventory.store import customer, device, entity, service, service_binding
from perf.sla.intervals import Span, Spans, union, without
from perf.sla.measure import Port, Result, State, as_json, result, state_of
from perf.sla.terms import Sla, Slas
from perf.store import TelemetryStore
from station.clock import NS_PER_S, Clock
from station.scope import Scope
from station.state import State as StateStore
from station.web import iso

HOUR_NS: Final = 3_600 * NS_PER_S
SETTLES_NS: Final = 2 * HOUR_NS  # an hour's row may come so late
FOREVER_NS: Final = (1 << 63) - 1
AT_ONCE: Final = 500  # services judged in one turn in a thread

Outages = Callable[[AsyncConnection, int, Collection[str], int, int], Awaitable[Mapping[str, Sequence[Span]]]]
Excluded = Callable[[str, int, int], Sequence[Span]]


@dataclass(frozen=True, slots=True)
class Bound:
    """A port that carries a service during a span: entity key, public ids of port and device, and their names."""

    key: int
    port: str
    device: str
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Promised:
    """A service under a promise."""

    id: str
    number: str
    name: str
    customer_id: str
    customer: str
    sla: str
    active: Span
    ports: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """One service's month."""

    of: Promised
    terms: Sla
    month: Span
    result: Result
    excluded: Spans
    unknown: Spans


class Levels:
    """Answers for any month; `outages` and `excluded` are the fault domain's."""

    def __init__(self, state: StateStore, store: TelemetryStore, clock: Clock, slas: Slas, outages: Outages, excluded: Excluded) -> None:
        self._state, self._store, self._clock, self._slas = state, store, clock, slas
        self._outages, self._excluded = outages, excluded

    async def of_month(self, scope: Scope, month: str, service_id: str = "") -> list[Level]:
        """Every promised service the caller sees, by number; services whose promise is not known are left out."""
        now_ns = self._clock.now_ns()
        async with self._state.read() as conn:
            promised = [one for one in await _promised(conn, scope, service_id) if one.sla in self._slas.by_name]
            spans = [self._slas.by_name[one.sla].month(month) for one in promised]
            if not promised:
                return []
            low, high = min(span[0] for span in spans), min(max(span[1] for span in spans), max(now_ns, 1))
            resources = {name for one in promised for bound in one.ports for name in (bound.port, bound.device)}
            down = await self._outages(conn, scope.tenant, resources, low, high)
        heard = await self._heard({bound.key for one in promised for bound in one.ports}, low, high)
        found: list[Level] = []
        for at in range(0, len(promised), AT_ONCE):
            some = list(zip(promised[at : at + AT_ONCE], spans[at : at + AT_ONCE], strict=True))
            found += await asyncio.to_thread(self._judged, some, down, heard, now_ns)
        return found

    def _judged(
        self, some: Sequence[tuple[Promised, Span]], down: Mapping[str, Sequence[Span]], heard: Mapping[int, Spans], now_ns: int
    ) -> list[Level]:
        return [self._level(one, month, down, heard, now_ns) for one, month in some]

    def _level(self, one: Promised, month: Span, down: Mapping[str, Sequence[Span]], heard: Mapping[int, Spans], now_ns: int) -> Level:
        terms = self._slas.by_name[one.sla]
        seen = (month[0], min(month[1], now_ns))
        excluded = list(self._excluded(one.id, *month)) if terms.maintenance == "excluded" else []
        state = _state(one, terms, seen, down, heard) if seen[0] < seen[1] else State([], [])
        return Level(one, terms, month, result(terms, month, one.active, state, excluded, now_ns), excluded, state.unknown)

    async def _heard(self, keys: Collection[int], low: int, high: int) -> dict[int, Spans]:
        """Hours in which each port was measured; what is too young to be summed counts as measured."""
        settled = max(low, (high - SETTLES_NS) // HOUR_NS * HOUR_NS)
        hours = await self._store.hours_heard(np.array(sorted(keys), np.uint64), low, settled) if keys and low < settled else {}
        return {key: union(((int(at), int(at) + HOUR_NS) for at in hours.get(key, ())), [(settled, high)]) for key in keys}


def _state(one: Promised, terms: Sla, seen: Span, down: Mapping[str, Sequence[Span]], heard: Mapping[int, Spans]) -> State:
    """The service's state over its ports; a port that was not bound at an instant takes no part then."""
    borders = sorted({*seen, *(min(max(at, seen[0]), seen[1]) for bound in one.ports for at in bound.span)})
    down_spans: list[Span] = []
    unknown: list[Span] = []
    for span in pairwise(borders):
        bound = [each for each in one.ports if each.span[0] <= span[0] and span[1] <= each.span[1]]
        ports = []
        for each in bound:
            lost = union(down.get(each.port, ()), down.get(each.device, ()))
            ports.append(Port(lost, without(without([span], heard.get(each.key, [])), lost)))
        found = state_of(ports, terms.needs, span)
        down_spans += found.down
        unknown += found.unknown
    return State(union(down_spans), union(unknown))


async def _promised(conn: AsyncConnection, scope: Scope, service_id: str) -> list[Promised]:
    """Services with a promise and their access ports of all times."""
    s, c, b, e, d = service.c, customer.c, service_binding.c, entity.c, device.c
    where = [s.tenant == scope.tenant, s.sla != ""]
    if service_id:
        where.append(s.id == service_id)
    if scope.customers:
        where.append(s.customer_id.in_(scope.customers))
    named = sa.select(s.id, s.number, s.name, s.customer_id, c.name.label("customer"), s.sla, s.active_from_ns, s.active_to_ns)
    joined = service.join(customer, sa.and_(c.tenant == s.tenant, c.id == s.customer_id))
    rows = (await conn.execute(named.select_from(joined).where(*where).order_by(s.number))).all()
    port = sa.and_(e.tenant == b.tenant, e.device_no == b.device_no, e.entity_no == b.entity_no)
    of_device = sa.and_(d.tenant == b.tenant, d.no == b.device_no)
    bindings = (
        sa.select(
            b.service_id,
            b.device_no,
            b.entity_no,
            b.valid_from_ns,
            b.valid_to_ns,
            e.id,
            d.id.label("device_id"),
            d.name,
            e.name.label("port"),
        )
        .select_from(service_binding.join(entity, port).join(device, of_device))
        .where(b.tenant == scope.tenant, b.role == "access")
        .order_by(b.service_id, d.name, e.name)
    )
    ports: dict[str, list[Bound]] = {}
    for row in await conn.execute(bindings):
        span = (row.valid_from_ns, row.valid_to_ns or FOREVER_NS)
        ports.setdefault(row.service_id, []).append(
            Bound(row.device_no << 16 | row.entity_no, row.id, row.device_id, f"{row.name} {row.port}", span)
        )
    return [Promised(*row[:6], (row.active_from_ns, row.active_to_ns or FOREVER_NS), tuple(ports.get(row.id, ()))) for row in rows]


def level_json(level: Level, *, whole: bool = False) -> dict[str, Any]:
    """A level as the API gives it; `whole` with its outages, planned work, what nobody knows, and the promise."""
    one = level.of
    said: dict[str, Any] = {"service": {"id": one.id, "number": one.number, "name": one.name}}
    said |= {"customer": {"id": one.customer_id, "name": one.customer}, "sla": one.sla, "target": str(level.terms.availability)}
    said |= as_json(level.result)
    if not whole:
        return said

    def spans(some: Spans) -> list[dict[str, Any]]:
        return [{"from": iso(low), "to": iso(high), "seconds": (high - low) // NS_PER_S} for low, high in some]

    said |= {"summary": level.terms.summary, "from": iso(level.month[0]), "to": iso(level.month[1])}
    said |= {"outages": spans(level.result.outages), "excluded": spans(level.excluded), "unknown": spans(level.unknown)}
    return said | {"ports": [{"id": bound.port, "name": bound.name} for bound in one.ports]}
