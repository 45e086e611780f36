"""Service levels over HTTP: a month of every promised service, one in detail, and the report as a file."""

import csv
import io
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from perf.sla.levels import Levels, level_json
from station.clock import NS_PER_S, Clock
from station.security.text import csv_cell
from station.web import Caller, ProblemError, not_found

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
COLUMNS = (
    "service", "name", "customer", "sla", "target", "availability", "met", "outlook",
    "counted_s", "down_s", "unknown_s", "excluded_s", "budget_s", "left_s", "credit_percent",
)  # fmt: skip
Month = Annotated[str, Query(max_length=7)]


def router(levels: Levels, clock: Clock) -> APIRouter:
    """The routes under /api/v1/slas; a month is "2026-03", without one it is the current month of UTC."""
    routes = APIRouter(prefix="/api/v1/slas", tags=["service levels"])

    def named(month: str) -> str:
        if month and not MONTH.fullmatch(month):
            raise ProblemError(422, "Not a month", "A month is written like 2026-03.")
        return month or datetime.fromtimestamp(clock.now_ns() // NS_PER_S, UTC).strftime("%Y-%m")

    @routes.get("")
    async def month(caller: Caller, month: Month = "", format_: Annotated[Literal["json", "csv"], Query(alias="format")] = "json") -> Any:
        name = named(month)
        found = [level_json(level) for level in await levels.of_month(caller, name)]
        if format_ == "csv":
            headers = {"Content-Disposition": f'attachment; filename="service-levels-{name}.csv"'}
            return Response(_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
        outlooks = Counter(row["outlook"] for row in found)
        return {"month": name, "items": found, "next": None, "total": len(found), "outlooks": dict(outlooks)}

    @routes.get("/{service_id}")
    async def one(caller: Caller, service_id: str, month: Month = "") -> dict[str, Any]:
        found = await levels.of_month(caller, named(month), service_id)
        if not found:
            raise not_found("service under a service level")
        return level_json(found[0], whole=True)

    return routes


def _csv(rows: list[dict[str, Any]]) -> str:
    """One line a service."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        flat = row | {"service": row["service"]["number"], "name": row["service"]["name"], "customer": row["customer"]["name"]}
        writer.writerow([csv_cell(flat[name]) for name in COLUMNS])
    return out.getvalue()
