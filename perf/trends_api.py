"""HTTP: the trends that are watched, and what one would have raised before it is saved."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from perf.asking import asking
from perf.foresight import Foresight
from perf.names import Names
from perf.preview import SHOWN
from perf.query import BUSY_DAYS_LIMIT
from perf.store import TelemetryStore
from perf.trends import DAY_NS, Wearing, would_have
from perf.visible import within
from station.catalogue import metrics_by_name
from station.scope import Role
from station.web import Caller, ProblemError, iso


class TrendPreview(BaseModel):
    """A rule as in `config/trends/`, and how many days of history it lives through; of one region when given."""

    model_config = ConfigDict(extra="forbid")

    rule: Wearing
    history_days: Annotated[int, Field(ge=7, le=BUSY_DAYS_LIMIT)] = 180
    region: str = ""


def router(foresight: Foresight, store: TelemetryStore, names: Names) -> APIRouter:
    """`/api/v1/trends` and its preview."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/trends")
    async def trends(_caller: Caller) -> dict[str, Any]:
        items = [{"name": rule.name, **rule.file.model_dump(exclude={"examples"}, exclude_none=True)} for rule in foresight.rules]
        return {"items": items, "next": None, "total": len(items)}

    @made.post("/trends/preview")
    async def previewed(caller: Caller, body: TrendPreview) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "previewing a trend")
        if body.rule.metric not in metrics_by_name():
            raise ProblemError(422, "Not a trend", f"{body.rule.metric!r} is no metric")
        topology, now_ns = names.topology(), foresight.clock.now_ns()
        entities = within(topology, caller, body.region)
        with asking():
            daily = await store.daily(body.rule.metric, body.rule.daily, now_ns, body.history_days, entities)
        fired = await asyncio.to_thread(would_have, body.rule, daily)
        first_ns = now_ns // DAY_NS * DAY_NS - body.history_days * DAY_NS
        items = []
        for entity, raised, cleared in fired[:SHOWN]:
            resource = names.resource_of(entity)
            when = {"raised_at": iso(first_ns + raised * DAY_NS), "cleared_at": cleared and iso(first_ns + cleared * DAY_NS)}
            items.append({"resource_id": resource, "name": topology.name_of(resource) if resource else "", **when})
        count, many = len(fired), len({entity for entity, *_ in fired})
        says = f"would have fired {count} {'time' if count == 1 else 'times'} on {many} resources"
        return {"says": says, "count": count, "resources": many, "values": int(daily.value.size), "items": items}

    return made
