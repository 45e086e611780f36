"""Revenue assurance over HTTP: a month's leaks, what looks like fraud, and margins, for the role billing."""

from dataclasses import asdict
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query

from billing_bridge import periods
from billing_bridge.periods import PeriodError
from bss.leakage import Costs, Month, findings, margins
from bss.leakage_facts import month_of
from bss.tariffs import Tariffs
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, whole_view

MonthName = Annotated[str, Path(pattern=r"^\d{4}-\d{2}$")]
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]


def router(state: State, tariffs: Tariffs, zone: ZoneInfo, costs: Costs, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/assurance", tags=["billing"])

    async def of(caller: Scope, name: str) -> Month:
        caller.require(Role.BILLING, "revenue assurance")
        whole_view(caller, "revenue assurance")
        try:
            period = periods.month(name, zone)
        except PeriodError as error:
            raise ProblemError(422, "Not a month", str(error)) from error
        if period.start_ns > clock.now_ns():
            raise ProblemError(422, "Not a month", f"{name} has not begun.")
        async with state.read() as conn:
            return await month_of(conn, caller, tariffs, period, zone)

    @routes.get("/{month}")
    async def found(caller: Caller, month: MonthName, limit: Limit = 200) -> dict[str, Any]:
        """Findings, the surest first, each with its score and reasons; leaks are looked for once the month is billed."""
        seen = await of(caller, month)
        rows = findings(seen)
        counts = {"services": len(seen.facts), "leaks": sum(not one.fraud for one in rows), "frauds": sum(one.fraud for one in rows)}
        return {"month": month, "billed": seen.billed, **counts, "items": [asdict(one) for one in rows[:limit]]}

    @routes.get("/{month}/margins")
    async def earned(caller: Caller, month: MonthName, limit: Limit = 200) -> dict[str, Any]:
        """Revenue less cost by service, the worst first."""
        rows = margins(await of(caller, month), costs)
        return {"month": month, "total": len(rows), "items": [asdict(one) | {"margin_minor": one.margin_minor} for one in rows[:limit]]}

    return routes
