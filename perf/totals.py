"""The network as one: what all interfaces in sight carry now, over the last hours, and a week before."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inventory.topology import Topology
from perf.pipeline import Pipeline
from perf.query import TotalCurve
from perf.slots import U64
from perf.store import TelemetryStore
from perf.visible import visible
from station.catalogue import code_of
from station.clock import NS_PER_S, Clock
from station.scope import Scope
from station.series import METRIC_BITS
from station.telemetry.schema import TIER_S

WEEK_NS: Final = 7 * 86_400 * NS_PER_S
HOUR_NS: Final = 3_600 * NS_PER_S
HOURS_MAX: Final = 168
ROWS_MAX: Final = 1_000_000  # five-minute rows one curve may read; a larger network is summed by the hour
WHOLE_SHARE: Final = 0.8  # a slot in which fewer of the usual interfaces were heard is a gap, not a valley
COMPARED_SHARE: Final = 0.5  # a past in which no more of today's interfaces were heard is another network, not a comparison
KEPT_MAX: Final = 64
KEPT_S: Final = 30  # late rows and a past that is still being written appear after at most so long
BITS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The interfaces a caller sees, as sorted entity keys, and a name for them that a cache may use."""

    name: tuple[Any, ...]
    keys: U64


class Totals:
    """Answers from memory where it can: sums over a whole network are asked for by every open console."""

    def __init__(self, pipeline: Pipeline, store: TelemetryStore, clock: Clock) -> None:
        self._pipeline, self._store, self.clock = pipeline, store, clock
        self._sights: OrderedDict[tuple[Any, ...], Sight] = OrderedDict()
        self._answers: OrderedDict[tuple[Any, ...], tuple[asyncio.Future[Any], int]] = OrderedDict()

    def sight(self, scope: Scope, region: str = "") -> Sight:
        """What `scope` sees of a region, of everything when it is empty."""
        topology = self._pipeline.names.topology()
        name = (topology.version, scope.regions, scope.customers, region)
        if name not in self._sights:
            self._sights[name] = Sight(name, _keys(topology, scope, region))
            _trim(self._sights)
        return self._sights[name]

    def now(self, sight: Sight) -> dict[str, Any]:
        """Bits per second of all interfaces in sight, how many were heard lately, and how old the typical newest sample is."""
        ages_s = self._ages_s(sight)
        rates = [self._pipeline.last.latest(code_of(f"interface.{name}"), sight.keys) for name in ("in_octets", "out_octets")]
        in_bps, out_bps = (float(np.nansum(rate) * BITS) for rate in rates)
        freshness: dict[str, Any] = {"interfaces": len(sight.keys), "heard": self._heard(ages_s)}
        freshness |= {"median_age_s": float(np.median(ages_s)) if len(ages_s) else None}
        return {"in_bps": in_bps, "out_bps": out_bps, "freshness": freshness}

    def _ages_s(self, sight: Sight) -> npt.NDArray[np.float64]:
        last = self._pipeline.last
        slots = last.index.find(sight.keys << np.uint64(METRIC_BITS) | np.uint64(code_of("interface.in_octets")))
        return (self.clock.now_ns() - last.time_ns[slots[slots >= 0]]) / NS_PER_S

    def _heard(self, ages_s: npt.NDArray[np.float64]) -> int:
        return int((ages_s < self._pipeline.settings.stale_s).sum())

    async def week_ago(self, sight: Sight) -> tuple[float, float]:
        """(in, out) bits per second of the same hour a week ago, to five minutes; zeros where too few of today's interfaces were heard."""
        end_ns = self.clock.now_ns() // (300 * NS_PER_S) * 300 * NS_PER_S - WEEK_NS
        ask = partial(self._store.total_octets, end_ns - HOUR_NS, end_ns, sight.keys)
        octets = await self._once(("hour", sight.name, end_ns), ask, empty=not len(sight.keys))
        if not octets or octets[2] <= COMPARED_SHARE * self._heard(self._ages_s(sight)):
            return 0.0, 0.0
        return octets[0] * BITS / 3_600, octets[1] * BITS / 3_600

    async def curve(self, sight: Sight, hours: int) -> dict[str, Any]:
        """In and out over the last `hours` and the same hours a week ago; null where too few interfaces were heard."""
        tier = "5m" if hours <= 48 and len(sight.keys) * hours * 24 <= ROWS_MAX else "1h"
        step_ns = TIER_S[tier] * NS_PER_S
        end_ns = (self.clock.now_ns() - self._pipeline.settings.rollup_grace_s * NS_PER_S) // step_ns * step_ns
        start_ns = end_ns - hours * HOUR_NS
        times_ms = np.arange(start_ns, end_ns, step_ns) // 1_000_000
        answer: dict[str, Any] = {"step_s": step_ns // NS_PER_S, "time": times_ms.tolist()}
        for prefix, back_ns in (("", 0), ("week_ago_", WEEK_NS)):
            first_ns, last_ns = start_ns - back_ns, end_ns - back_ns
            ask = partial(self._store.total_curve, first_ns, last_ns, tier, sight.keys)
            found = await self._once(("curve", sight.name, tier, first_ns, last_ns), ask, empty=not len(sight.keys))
            for n, direction in enumerate(("in", "out")):
                answer[f"{prefix}{direction}_bps"] = _on_grid(found, n, first_ns, step_ns, len(times_ms))
        return answer

    async def _once(self, name: tuple[Any, ...], ask: Callable[[], Awaitable[Any]], *, empty: bool) -> Any:
        """What `ask` answers, asked once for everybody within KEPT_S; a failure is not kept."""
        if empty:
            return None
        now_ns = self.clock.monotonic_ns()
        answer, made_ns = self._answers.get(name, (None, 0))
        failed = answer is not None and answer.done() and (answer.cancelled() or answer.exception() is not None)
        if answer is None or failed or now_ns - made_ns > KEPT_S * NS_PER_S:
            answer = asyncio.ensure_future(ask())
            self._answers[name] = (answer, now_ns)
            self._answers.move_to_end(name)
            _trim(self._answers)
        return await asyncio.shield(answer)


def _trim(kept: OrderedDict[Any, Any]) -> None:
    while len(kept) > KEPT_MAX:
        kept.popitem(last=False)


def _keys(topology: Topology, scope: Scope, region: str) -> U64:
    seen = visible(topology, scope)
    sites = {key for key, site in topology.sites.items() if site.region == region}
    inside = {no for no, device in topology.devices.items() if not region or device.site_id in sites}
    mine = [e.key for e in topology.entities.values() if e.kind == "interface" and e.device_no in inside and seen(e.key)]
    return np.array(sorted(mine), np.uint64)


def _on_grid(found: TotalCurve | None, n: int, start_ns: int, step_ns: int, slots: int) -> list[float | None]:
    """Rates in octets at their slots as bits on a whole grid; a slot without most of the interfaces is null."""
    values: list[float | None] = [None] * slots
    if found is None or not len(found.time_ns):
        return values
    usual = float(np.median(found.interfaces))
    rates: npt.NDArray[np.float64] = found.rates[n]
    for time_ns, rate, heard in zip(found.time_ns.tolist(), rates.tolist(), found.interfaces.tolist(), strict=True):
        if heard >= WHOLE_SHARE * usual:
            values[(time_ns - start_ns) // step_ns] = rate * BITS
    return values
