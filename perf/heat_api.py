"""HTTP: a heat map of any number, by interface or by what it belongs to."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from perf.asking import asking
from perf.grouping import By, groups
from perf.names import Names
from perf.query import CELLS_LIMIT, GRID_ROWS_LIMIT, GridQuery, Statistic
from perf.store import TelemetryStore, unit_of
from perf.visible import within
from station.catalogue import metrics_by_name
from station.web import Caller, ProblemError, time_ns


def router(names: Names, store: TelemetryStore) -> APIRouter:
    """`/api/v1/heatmap`."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/heatmap")
    async def heatmap(
        caller: Caller,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        to: str,
        by: By = "interface",
        stat: Statistic = "mean",
        limit: Annotated[int, Query(ge=1, le=GRID_ROWS_LIMIT)] = 40,
        cells: Annotated[int, Query(ge=2, le=CELLS_LIMIT)] = 96,
        region: Annotated[str, Query(max_length=255)] = "",
    ) -> dict[str, Any]:
        """Rows are the largest over the whole span, cells hold the statistic of their part of it; null is a gap. Within a group rates
        are added and ratios averaged at each instant first."""
        known = metrics_by_name().get(metric)
        if known is None:
            raise ProblemError(422, "Not a question", f"{metric!r} is no metric")
        topology = names.topology()
        entities, numbers, named = within(topology, caller, region), None, dict[int, tuple[str, str]]()
        if by != "interface":
            keys = entities if entities is not None else (*topology.entities, *(no << 16 for no in topology.devices))
            keys = tuple(key for key in keys if (key & 0xFFFF == 0) == (known.entity == "device"))
            entities, numbers, owners = groups(topology, by, keys)
            named = dict(enumerate(owners, 1))
        with asking():
            grid = await store.grid(GridQuery(metric, stat, time_ns(start), time_ns(to), limit, entities, numbers, cells=cells))
        items = []
        for key, row in zip(grid.entity.tolist(), grid.value, strict=True):
            resource = named.get(key) if numbers is not None else _named(names, key)
            if resource is not None:
                items.append({"entity": resource[0], "name": resource[1], "values": [None if np.isnan(v) else float(v) for v in row]})
        times = (grid.time_ns // 1_000_000).tolist()
        about = {"metric": metric, "unit": unit_of(known), "stat": stat, "by": by, "time": times}
        return {"items": items, "next": None, "total": len(items), **about}

    return made


def _named(names: Names, key: int) -> tuple[str, str] | None:
    resource = names.resource_of(key)
    return (resource, names.topology().name_of(resource)) if resource else None
