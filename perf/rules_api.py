"""HTTP: the thresholds in force, and what one would have done before it is saved."""

from typing import Any

import numpy as np
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from perf.asking import asking
from perf.pipeline import Pipeline
from perf.preview import preview
from perf.store import TelemetryStore
from perf.thresholds import Comparison
from perf.visible import within
from station.catalogue import metrics_by_name
from station.scope import Role
from station.series import metrics_of
from station.web import Caller, ProblemError, iso, time_ns


class PreviewRequest(BaseModel):
    """A comparison as in `config/thresholds/`, and the span [from, to) of history; of one region when given."""

    model_config = ConfigDict(extra="forbid")

    rule: Comparison
    start: str
    end: str
    region: str = ""


def router(pipeline: Pipeline, store: TelemetryStore) -> APIRouter:
    """`/api/v1/thresholds` and its preview."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/thresholds")
    async def thresholds(_caller: Caller) -> dict[str, Any]:
        known = np.bincount(metrics_of(pipeline.last.heard()[0]), minlength=256)  # a rule over what nobody has is seen to watch nothing
        items = []
        for rule in pipeline.thresholds.rules:
            about = {"name": rule.name, "unit": rule.metric.unit, "series": int(known[rule.metric.code])}
            items.append(about | rule.file.model_dump(exclude={"examples"}, exclude_none=True))
        return {"items": items, "next": None, "total": len(items)}

    @made.post("/thresholds/preview")
    async def previewed(caller: Caller, body: PreviewRequest) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "previewing a threshold")
        wanted = (body.rule.metric, *([body.rule.only_when.metric] if body.rule.only_when else []))
        for name in wanted:
            if name not in metrics_by_name():
                raise ProblemError(422, "Not a threshold", f"{name!r} is no metric")
        topology = pipeline.names.topology()
        entities = within(topology, caller, body.region)
        with asking():
            found = await preview(store, body.rule, (time_ns(body.start), time_ns(body.end)), entities)
        fired = []
        for it in found.fired:
            resource = pipeline.names.resource_of(it.entity)
            name = topology.name_of(resource) if resource else ""
            fired.append({"resource_id": resource, "name": name, "raised_at": iso(it.raised_ns), "value": it.value,
                          "cleared_at": iso(it.cleared_ns) if it.cleared_ns else None})  # fmt: skip
        says = f"would have fired {found.count} {'time' if found.count == 1 else 'times'} on {found.entities} resources"
        return {"says": says, "count": found.count, "resources": found.entities, "tier": found.tier, "values": found.values, "items": fired}

    return made
