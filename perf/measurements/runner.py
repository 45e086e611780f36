"""Makes the files that jobs and collections on demand ask for, each once, and tells their listeners."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Response
from fastapi import Path as UrlPath

from inventory.topology import Topology
from perf.measurements.files import Wanted, entities_of, lines, written
from perf.measurements.store import measurement_file
from perf.measurements.tmf628 import JOBS, ON_DEMAND, granularity_ns, span_of, wanted_of
from perf.query import HistoryQuery, QueryError
from perf.store import TelemetryStore
from station.clock import NS_PER_S, Clock
from station.ids import derived_id
from station.metrics import counter
from station.scope import Scope
from station.state import State
from station.tmf.documents import Json, Kind, document, documents, tell, write
from station.web import Caller, ProblemError, not_found, time_ns, whole_view

log = structlog.get_logger(__name__)
FILES = counter("measurement_files", "Measurement files, by what became of them.", "result")
LOOKS_EVERY_S: Final = 10.0
SETTLES_NS: Final = 60 * NS_PER_S  # samples of a period may come so late
KEPT_NS: Final = 14 * 86_400 * NS_PER_S
BODY: Final = ("id", "href", "@type")


class Measurements:
    """`run` looks for work until cancelled; files lie in `folder`."""

    def __init__(
        self, state: State, store: TelemetryStore, topology: Callable[[], Topology], clock: Clock, scope: Scope, folder: Path
    ) -> None:
        self._state, self._store, self._topology, self._clock, self._scope, self._folder = state, store, topology, clock, scope, folder

    async def run(self) -> None:
        while True:
            await self.run_once()
            await asyncio.sleep(LOOKS_EVERY_S)

    async def run_once(self) -> None:
        """Every file that is due, one after the other."""
        async with self._state.read() as conn:
            asked = [(kind, one) for kind in (JOBS, ON_DEMAND) for one in await documents(conn, self._scope, kind)]
        for kind, one in asked:
            if one.get("adminState") != "locked" and one["executionState"] in ("acknowledged", "inProgress"):
                await self._serve(kind, one)
        await self._forget()

    async def _serve(self, kind: Kind, job: Json) -> None:
        span = span_of(job) if kind is ON_DEMAND else await self._due(job)
        if span is None or span[1] + SETTLES_NS > self._clock.now_ns():
            return
        try:
            row = await self._make(wanted_of(job), span, job)
        except (QueryError, ProblemError) as error:
            FILES.labels("failed").inc()
            log.warning("measurement file not made", job=job["id"], error=str(error))
            await self._note(kind, job["id"], "failed", None, "FilesPreparationError")
            return
        FILES.labels("made").inc()
        await self._note(kind, job["id"], "completed" if kind is ON_DEMAND else "inProgress", row, "FilesReady")

    async def _due(self, job: Json) -> tuple[int, int]:
        """The reporting period after the last file's, on the grid; the first is the one in which the job was made."""
        width, c = granularity_ns(job, "reportingPeriod"), measurement_file.c
        last = sa.select(sa.func.max(c.ends_ns)).where(c.tenant == self._scope.tenant, c.job_id == job["id"])
        async with self._state.read() as conn:
            begins_ns = (await conn.execute(last)).scalar() or time_ns(job["creationTime"]) // width * width
        return begins_ns, begins_ns + width

    async def _make(self, wanted: Wanted, span: tuple[int, int], job: Json) -> Json:
        """The row of the file that holds the span. Its id comes from the job and the span: what is made again is the same file."""
        topology, objects = self._topology(), wanted.objects
        some = {kind: entities_of(topology, kind, objects) for kind in {metric.entity for metric in wanted.metrics}}
        asked = [(metric.name, None if objects == "*" else tuple(some[metric.entity])) for metric in wanted.metrics]
        histories = [await self._store.history(HistoryQuery(name, *span, entities=entities)) for name, entities in asked]
        content, n = await asyncio.to_thread(written, lines(wanted, histories, some))
        id_ = derived_id("measurement", self._scope.tenant, job["id"], *span)[:32]
        self._folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread((self._folder / f"{id_}.csv").write_bytes, content)
        row = {"tenant": self._scope.tenant, "id": id_, "job_id": job["id"], "begins_ns": span[0], "ends_ns": span[1], "rows": n}
        return row | {"sha256": hashlib.sha256(content).hexdigest(), "made_ns": self._clock.now_ns()}

    async def _note(self, kind: Kind, job: str, state: str, file: Json | None, event: str) -> None:
        """The file's row, the job's new state and where its newest file is, with the events of both: one transaction.

        A job that was removed meanwhile has no file.
        """
        now_ns = self._clock.now_ns()
        async with self._state.write() as conn:
            try:
                shown = await document(conn, self._scope, kind, job)
            except ProblemError:
                return
            before = {name: value for name, value in shown.items() if name not in BODY}
            after = before | {"executionState": state}
            if file:
                await conn.execute(sa.insert(measurement_file).values(**file))
                place = f"/api/v1/measurements/{file['id']}.csv"
                after["fileTransferData"] = [one | {"fileLocation": place} for one in before["fileTransferData"]]
            await write(conn, self._scope, kind, job, before, after, now_ns)
            await tell(conn, self._scope, kind, event, kind.shown(job, after), now_ns)

    async def _forget(self) -> None:
        """Remove files that are older than they are kept."""
        c = measurement_file.c
        old = (c.tenant == self._scope.tenant, c.made_ns < self._clock.now_ns() - KEPT_NS)
        async with self._state.read() as conn:
            ids = (await conn.execute(sa.select(c.id).where(*old))).scalars().all()
        for id_ in ids:
            await asyncio.to_thread((self._folder / f"{id_}.csv").unlink, missing_ok=True)
        if ids:
            async with self._state.write() as conn:
                await conn.execute(sa.delete(measurement_file).where(*old))

    def router(self) -> APIRouter:
        """`/api/v1/measurements/<file>.csv`."""
        routes = APIRouter(prefix="/api/v1/measurements", tags=["performance"])

        @routes.get("/{key}.csv", response_class=Response)
        async def content(caller: Caller, key: Annotated[str, UrlPath(max_length=36)]) -> Response:
            whole_view(caller, "a measurement file")
            c = measurement_file.c
            async with self._state.read() as conn:
                known = (await conn.execute(sa.select(c.id, c.sha256).where(c.tenant == caller.tenant, c.id == key))).one_or_none()
            if known is None or not await asyncio.to_thread((file := self._folder / f"{known.id}.csv").exists):
                raise not_found("measurement file")
            return Response(
                await asyncio.to_thread(file.read_bytes), media_type="text/csv; charset=utf-8", headers={"ETag": f'"{known.sha256}"'}
            )

        return routes
