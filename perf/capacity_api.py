"""HTTP: which interfaces will be full, and when."""

import asyncio
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query

from perf.asking import asking
from perf.capacity import trend
from perf.names import Names
from perf.query import BUSY_DAYS_LIMIT, TOP_LIMIT
from perf.store import TelemetryStore
from perf.totals import Totals
from station.catalogue import metrics_by_name
from station.clock import NS_PER_S
from station.web import Caller, ProblemError, iso

DAY_NS: Final = 86_400 * NS_PER_S


def router(names: Names, store: TelemetryStore, totals: Totals) -> APIRouter:
    """`/api/v1/capacity`."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/capacity")
    async def capacity(
        caller: Caller,
        metric: str = "interface.in_utilisation",
        level: Annotated[float, Query(gt=0)] = 0.8,
        days: Annotated[int, Query(ge=7, le=BUSY_DAYS_LIMIT)] = 60,
        limit: Annotated[int, Query(ge=1, le=TOP_LIMIT)] = 50,
        region: Annotated[str, Query(max_length=255)] = "",
    ) -> dict[str, Any]:
        """Interfaces by the day on which the trend of their busy hours reaches `level`; those that never do are left out."""
        if metric not in metrics_by_name():
            raise ProblemError(422, "Not a question", f"{metric!r} is no metric")
        topology, now_ns = names.topology(), totals.clock.now_ns()
        limited = bool(caller.regions or caller.customers or region)
        entities = tuple(totals.sight(caller, region).keys.tolist()) if limited else None
        with asking():
            busy = await store.daily(metric, "busy_hour", now_ns, days, entities)
        found = await asyncio.to_thread(trend, busy.value)
        expected, earliest, latest = found.reaches(level)
        order = np.argsort(expected, kind="stable")
        order = order[np.isfinite(expected[order])]
        items: list[dict[str, Any]] = []
        for row in order.tolist():
            known = topology.entities.get(int(busy.entity[row]))
            if known is not None and len(items) < limit:
                when = {name: _date(now_ns, float(column[row])) for name, column in _named(expected, earliest, latest)}
                about = {"entity": known.id, "name": topology.name_of(known.id), "busy_hour": float(found.now[row])}
                items.append({**about, "per_month": float(found.slope[row] * 30), "days_known": int(found.days[row]), **when})
        return {"items": items, "next": None, "total": len(order), "metric": metric, "level": level, "days": days}

    return made


def _named(*columns: Any) -> Any:
    return zip(("reached_at", "earliest_at", "latest_at"), columns, strict=True)


def _date(now_ns: int, days: float) -> str | None:
    return iso(now_ns + int(days * DAY_NS)) if np.isfinite(days) else None
