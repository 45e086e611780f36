"""HTTP: curves, top lists, the numbers of Now, and what Prometheus scrapes."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Path, Query, Request, Response

from inventory.topology import Topology
from perf.asking import asking
from perf.baseline import SLOTS_A_DAY, learned
from perf.device_view import DeviceView
from perf.exposition import MODULES, OPENMETRICS_TYPE, TEXT_TYPE, Exposition, Wanted, targets
from perf.grouping import By, groups
from perf.names import Names
from perf.pipeline import Pipeline
from perf.query import POINTS_LIMIT, TOP_LIMIT, HistoryQuery, RangeQuery, Statistic, TopQuery
from perf.store import TelemetryStore, unit_of
from perf.totals import HOURS_MAX, Totals
from perf.visible import visible
from station.catalogue import metrics_by_name
from station.clock import NS_PER_S, Clock
from station.web import Caller, ProblemError, iso, not_found, time_ns

DAY_NS = 86_400 * NS_PER_S
SLOT_NS = DAY_NS // SLOTS_A_DAY
BASELINE_DAYS = 14


def router(pipeline: Pipeline, store: TelemetryStore, totals: Totals) -> APIRouter:
    """`/api/v1/series`, `/api/v1/top`, `/api/v1/now`, `/api/v1/traffic`."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])
    _add_series(made, pipeline.names, store)
    _add_baseline(made, pipeline.names, store, totals.clock)
    _add_top(made, pipeline.names, store, totals)
    _add_now(made, totals)
    _add_device(made, pipeline.names, DeviceView(pipeline, store), totals.clock)
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
        with asking():
            query = RangeQuery(key, metric, time_ns(start), time_ns(to), points, shift_s * NS_PER_S)
            curve = await store.range(query)
        columns = {name: _json(getattr(curve, name)) for name in ("min", "mean", "max")}
        times = (curve.time_ns // 1_000_000).tolist()
        about: dict[str, Any] = {"entity": entity, "name": names.topology().name_of(entity), "metric": metric}
        about |= {"unit": curve.unit, "tier": curve.tier, "step_s": curve.step_s}
        return {**about, "time": times, **columns, "quality": curve.quality.tolist()}


def _add_baseline(made: APIRouter, names: Names, store: TelemetryStore, clock: Clock) -> None:
    @made.get("/baseline")
    async def baseline(
        caller: Caller,
        entity: Annotated[str, Query(max_length=64)],
        metric: str,
        width: Annotated[float, Query(gt=0, le=100)] = 3.0,
    ) -> dict[str, Any]:
        """What is usual today, by the days before: centre and band for each five minutes of the UTC day."""
        key = names.key_of(entity)
        if key is None or not visible(names.topology(), caller)(key):
            raise not_found("resource")
        day_ns = clock.now_ns() // DAY_NS * DAY_NS
        with asking():
            history = await store.history(HistoryQuery(metric, day_ns - BASELINE_DAYS * DAY_NS, day_ns, entities=(key,)))
        if history.tier != "5m":
            raise ProblemError(422, "Not a question", f"{metric} has no five-minute values")
        slots = (history.time_ns - day_ns) // SLOT_NS + BASELINE_DAYS * SLOTS_A_DAY
        values = np.full((1, BASELINE_DAYS * SLOTS_A_DAY), np.nan, np.float32)
        values[0, slots] = history.value
        usual = learned(values)
        low, high = usual.band(0, width)
        columns = {"centre": usual.centre[:, 0], "low": low, "high": high}
        times = (day_ns + np.arange(SLOTS_A_DAY) * SLOT_NS) // 1_000_000
        about = {"entity": entity, "metric": metric, "unit": unit_of(metrics_by_name()[metric]), "width": width}
        return {**about, "time": times.tolist(), **{name: _json(column.astype(np.float64)) for name, column in columns.items()}}


def _add_top(made: APIRouter, names: Names, store: TelemetryStore, totals: Totals) -> None:
    @made.get("/top")
    async def top(
        caller: Caller,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        to: str,
        stat: Statistic = "p95",
        limit: Annotated[int, Query(ge=1, le=TOP_LIMIT)] = 20,
        region: Annotated[str, Query(max_length=255)] = "",
        by: By = "interface",
        compare_s: Annotated[int, Query(ge=0, le=400 * 86_400)] = 0,
    ) -> dict[str, Any]:
        """The largest by a statistic; added up by device, site, region or customer; `before`: the same so long ago."""
        topology = names.topology()
        entities: tuple[int, ...] | None = None
        numbers, who = None, None
        if by != "interface" or caller.regions or caller.customers or region:
            entities = tuple(totals.sight(caller, region).keys.tolist())
        if by != "interface":
            entities, numbers, named = groups(topology, by, entities or ())
            who = dict(enumerate(named, 1))
        with asking():
            query = TopQuery(metric, stat, time_ns(start), time_ns(to), limit, entities, numbers)
            found = await store.top(query)
            before = await store.top(replace(query, limit=TOP_LIMIT, shift_ns=compare_s * NS_PER_S)) if compare_s else None
        then = dict(zip(before.entity.tolist(), before.value.tolist(), strict=True)) if before else {}
        items = []
        for key, value in zip(found.entity.tolist(), found.value.tolist(), strict=True):
            it = _interface(topology, key) if who is None else who.get(key)
            if it is not None:
                compared = {"before": then.get(key)} if compare_s else {}
                items.append({"entity": it[0], "name": it[1], "value": value, **compared})
        about = {"metric": metric, "unit": unit_of(metrics_by_name()[metric]), "stat": stat, "by": by}
        return {"items": items, "next": None, "total": len(items), **about}


def _interface(topology: Topology, key: int) -> tuple[str, str] | None:
    known = topology.entities.get(key)
    return (known.id, topology.name_of(known.id)) if known else None


def _add_now(made: APIRouter, totals: Totals) -> None:
    @made.get("/now")
    async def now(caller: Caller, region: Annotated[str, Query(max_length=255)] = "") -> dict[str, Any]:
        """What the network carries now, how fresh that is, and the same hour a week ago."""
        sight = totals.sight(caller, region)
        with asking():
            then = await totals.week_ago(sight)
        return {"at": iso(totals.clock.now_ns()), **totals.now(sight), "week_ago_in_bps": then[0], "week_ago_out_bps": then[1]}

    @made.get("/traffic")
    async def traffic(
        caller: Caller,
        region: Annotated[str, Query(max_length=255)] = "",
        hours: Annotated[int, Query(ge=1, le=HOURS_MAX)] = 24,
    ) -> dict[str, Any]:
        """In and out of all interfaces over the last hours, and of the same hours a week ago; null is a gap."""
        with asking():
            return await totals.curve(totals.sight(caller, region), hours)


def _add_device(made: APIRouter, names: Names, view: DeviceView, clock: Clock) -> None:
    @made.get("/devices/{device_id}/performance")
    async def device_performance(
        caller: Caller, device_id: Annotated[str, Path(max_length=64)], hours: Annotated[int, Query(ge=1, le=HOURS_MAX)] = 4
    ) -> dict[str, Any]:
        """Small curves of every interface and sensor of a device, and what each sensor said last."""
        topology = names.topology()
        device = topology.device_by_id.get(device_id)
        seen = visible(topology, caller)
        if device is None or not any(seen(entity.key) for entity in topology.entities.values() if entity.device_no == device.no):
            raise not_found("device")
        with asking():
            return await view.of(device, seen, clock.now_ns(), hours)


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


def _json(values: npt.NDArray[np.float64]) -> list[float | None]:
    """NaN has no place in JSON: null is a gap."""
    return [value if value == value else None for value in values.tolist()]
