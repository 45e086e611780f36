"""HTTP: a tier as a file."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from perf.asking import asking
from perf.export import parquet
from perf.names import Names
from station.scope import Role
from station.telemetry.client import TelemetryClient
from station.web import Caller, ProblemError, time_ns


def router(client: TelemetryClient, names: Names) -> APIRouter:
    """`/api/v1/export/interface_<tier>.parquet`."""
    made = APIRouter(prefix="/api/v1", tags=["performance"])

    @made.get("/export/interface_{tier}.parquet", response_class=Response)
    async def export(
        caller: Caller, tier: Annotated[str, Path(max_length=8)], start: Annotated[str, Query(alias="from")], to: str
    ) -> Response:
        """The slots of the tier that begin in [from, to), of the whole network."""
        caller.require(Role.ENGINEER, "exporting a tier")
        if caller.regions or caller.customers:
            raise ProblemError(403, "Not for a limited scope", "An export shows the whole network.")
        with asking():
            body = await parquet(client, names, tier, time_ns(start), time_ns(to))
        headers = {"content-disposition": f'attachment; filename="interface_{tier}.parquet"'}
        return Response(body, media_type="application/vnd.apache.parquet", headers=headers)

    return made
