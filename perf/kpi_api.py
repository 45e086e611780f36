"""HTTP: the KPIs in force, and what a formula would have been before it is saved."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from perf.asking import asking
from perf.kpis import SPEED, Formula, FormulaError, every
from perf.names import Names
from perf.store import TelemetryStore
from perf.visible import within
from station.catalogue import metrics_by_name
from station.scope import Role
from station.telemetry.schema import COUNTERS
from station.web import Caller, ProblemError, time_ns


class KpiPreview(BaseModel):
    """A formula over the counters of interfaces, and the span [start, end) of history; of one region when given."""

    model_config = ConfigDict(extra="forbid")

    formula: str
    start: str
    end: str
    region: str = ""


def router(names: Names, store: TelemetryStore) -> APIRouter:
    """`/api/v1/kpis` and their preview."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/kpis")
    async def kpis(_caller: Caller) -> dict[str, Any]:
        items = [
            {**kpi.file.model_dump(exclude={"examples"}), "unit": metrics_by_name()[kpi.metric].unit, "names": sorted(kpi.formula.names)}
            for kpi in every()
        ]
        return {"items": items, "next": None, "total": len(items)}

    @made.post("/kpis/preview")
    async def previewed(caller: Caller, body: KpiPreview) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "previewing a KPI")
        try:
            formula = Formula.parse(body.formula)
        except FormulaError as error:
            raise ProblemError(422, "Not a formula", str(error)) from error
        unknown = sorted(formula.names - {*COUNTERS, SPEED})
        if unknown or not formula.names:
            raise ProblemError(
                422, "Not a formula", f"{', '.join(unknown) or 'nothing'}: no counter of interfaces; there are {', '.join(COUNTERS)}"
            )
        with asking():
            found = await store.spread(formula, time_ns(body.start), time_ns(body.end), within(names.topology(), caller, body.region))
        says = f"would have had a value in {found.known} of {found.rows} five minutes"
        return {"says": says, "rows": found.rows, "known": found.known, **found.quantiles}

    return made
