"""HTTP: curves, top lists, the numbers of Now, and what Prometheus scrapes."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response

from inventory.topology import Topology
from perf.exposition import MODULES, OPENMETRICS_TYPE, TEXT_TYPE, Exposition, Wanted, targets
from perf.names import Names
from perf.pipeline import Pipeline
from perf.query import POINTS_LIMIT, TOP_LIMIT, QueryError, RangeQuery, Statistic, TopQuery
from perf.store import TelemetryStore, unit_of
from station.catalogue import code_of, metrics_by_name
from station.clock import NS_PER_S, Clock
from station.scope import Scope
from station.series import METRIC_BITS
from station.web import Caller, ProblemError, iso, not_found, time_ns

WEEK_NS = 7 * 86_400 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S


def visible(topology: Topology, scope: Scope) -> Callable[[int], bool]:
    """Whether the scope may see an entity key: by region and customer."""
    services = [s for s in topology.services.values() if s.customer_id in scope.customers]
    served = {key for service in services for key in service.access}

    def seen(key: int) -> bool:
        device = topology.devices.get(key >> 16)
        if device is None:
            return False
        site = topology.sites.get(device.site_id)
        in_region = not scope.regions or (site is not None and site.region in scope.regions)
        return in_region and (not scope.customers or key in served)

    return seen


def router(pipeline: Pipeline, store: TelemetryStore, clock: Clock) -> APIRouter:
    """`/api/v1/series`, `/api/v1/top`, `/api/v1/now`."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])
    _add_series(made, pipeline.names, store)
    _add_top(made, pipeline.names, store)
    _add_now(made, pipeline, store, clock)
    return made


def _add_series(made: APIRouter, names: Names, store: TelemetryStore) -> None:
    @made.get("/series")
    async def series(
        caller: Caller,
        entity: str,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        to: str,
        points: Annotated[int, Query(ge=2, le=POINTS_LIMIT)] = 500,
        shift_s: Annotated[int, Query(ge=0)] = 0,
    ) -> dict[str, Any]:
        key = names.key_of(entity)
        if key is None or not visible(names.topology(), caller)(key):
            raise not_found("resource")
        try:
            query = RangeQuery(key, metric, time_ns(start), time_ns(to), points, shift_s * NS_PER_S)
            curve = await store.range(query)
        except QueryError as error:
            raise ProblemError(422, "Not a question", str(error)) from error
        columns = {name: _json(getattr(curve, name)) for name in ("min", "mean", "max")}
        times = (curve.time_ns // 1_000_000).tolist()
        about = {"entity": entity, "metric": metric, "unit": curve.unit, "tier": curve.tier, "step_s": curve.step_s}
        return {**about, "time": times, **columns, "quality": curve.quality.tolist()}


def _add_top(made: APIRouter, names: Names, store: TelemetryStore) -> None:
    @made.get("/top")
    async def top(
        caller: Caller,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        to: str,
        stat: Statistic = "p95",
        limit: Annotated[int, Query(ge=1, le=TOP_LIMIT)] = 20,
    ) -> dict[str, Any]:
        topology = names.topology()
        seen = visible(topology, caller)
        limited = bool(caller.regions or caller.customers)
        entities = tuple(key for key in topology.entities if seen(key)) if limited else None
        try:
            found = await store.top(TopQuery(metric, stat, time_ns(start), time_ns(to), limit, entities))
        except QueryError as error:
            raise ProblemError(422, "Not a question", str(error)) from error
        items = []
        for key, value in zip(found.entity.tolist(), found.value.tolist(), strict=True):
            known = topology.entities.get(key)
            if known is not None and seen(key):
                items.append({"entity": known.id, "name": topology.name_of(known.id), "value": value})
        return {
            "items": items,
            "next": None,
            "total": len(items),
            "metric": metric,
            "unit": unit_of(metrics_by_name()[metric]),
            "stat": stat,
        }


def _add_now(made: APIRouter, pipeline: Pipeline, store: TelemetryStore, clock: Clock) -> None:
    @made.get("/now")
    async def now(caller: Caller) -> dict[str, Any]:
        topology = pipeline.names.topology()
        seen = visible(topology, caller)
        keys = np.array([e.key for e in topology.entities.values() if e.kind == "interface" and seen(e.key)], np.uint64)
        now_ns = clock.now_ns()
        week_ago = now_ns - WEEK_NS
        then = await store.total_octets(week_ago - HOUR_NS, week_ago, keys) if len(keys) else (0, 0)
        return {
            "at": iso(now_ns),
            **_totals(pipeline, keys, now_ns),
            "week_ago_in_bps": then[0] * 8 / 3600,
            "week_ago_out_bps": then[1] * 8 / 3600,
        }


def metrics_router(pipeline: Pipeline) -> APIRouter:
    """`/metrics/network` and `/sd/prometheus`."""
    made = APIRouter(tags=["prometheus"])
    names = pipeline.names
    exposition = Exposition(names, series_limit=pipeline.settings.exposition_series)

    @made.get("/metrics/network")
    def network(caller: Caller, request: Request, site: str = "", module: str = "", names: str = "") -> Response:
        if caller.regions or caller.customers:
            raise ProblemError(403, "Not for a limited scope", "/metrics/network shows the whole network.")
        if module and module not in MODULES:
            raise ProblemError(422, "Unknown module", f"module is one of {', '.join(MODULES)}.")
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")
        last = pipeline.last.columns(pipeline.now_ns() - pipeline.settings.stale_s * NS_PER_S)
        body = exposition.encode(last, Wanted(openmetrics=openmetrics, snmp_names=names == "snmp", site=site, module=module))
        return Response(body, headers={"content-type": OPENMETRICS_TYPE if openmetrics else TEXT_TYPE})

    @made.get("/sd/prometheus")
    def discovery(_caller: Caller, request: Request) -> Response:
        return Response(targets(names.topology(), request.url.netloc), media_type="application/json")

    return made


def _totals(pipeline: Pipeline, keys: npt.NDArray[np.uint64], now_ns: int) -> dict[str, Any]:
    """Bits per second of all interfaces in sight, and how old their newest and typical sample is."""
    rates = [pipeline.last.latest(code_of(f"interface.{name}"), keys) for name in ("in_octets", "out_octets")]
    slots = pipeline.last.index.find(keys << np.uint64(METRIC_BITS) | np.uint64(code_of("interface.in_octets")))
    ages_s = (now_ns - pipeline.last.time_ns[slots[slots >= 0]]) / NS_PER_S
    totals = [float(np.nansum(rate) * 8) for rate in rates]
    freshness: dict[str, Any] = {"interfaces": len(keys), "heard": int((ages_s < pipeline.settings.stale_s).sum())}
    freshness |= {"median_age_s": float(np.median(ages_s)) if len(ages_s) else None}
    return {"in_bps": totals[0], "out_bps": totals[1], "freshness": freshness}


def _json(values: npt.NDArray[np.float64]) -> list[float | None]:
    """NaN has no place in JSON: null is a gap."""
    return [value if value == value else None for value in values.tolist()]
