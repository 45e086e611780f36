"""Debian's Prometheus discovers the station through `/sd/prometheus` and reads `/metrics/network`."""

import asyncio
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from perf.api import metrics_router, router
from perf.totals import Totals
from station.scope import STATION
from station.telemetry.supervisor import OwnerProcess
from station.web import ProblemError, iso
from tests.perf.conftest import HOUR, METERED, S, Small, assembled, now_ns, owner
from tests.perf.test_perf_pipeline import feed, polls, writing
from tests.ports import TCP, free_port

pytestmark = pytest.mark.slow
__all__ = ["now_ns", "owner"]  # fixtures

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: network
    http_sd_configs: [{{url: "http://127.0.0.1:{port}/sd/prometheus", refresh_interval: 1s}}]
"""


def application(small: Small) -> FastAPI:
    app = FastAPI()
    app.include_router(metrics_router(small.pipeline))
    app.include_router(router(small.pipeline, small.store, Totals(small.pipeline, small.store, small.clock)))

    @app.middleware("http")
    async def signed_in(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.scope = STATION
        return await call_next(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return error.response()

    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


async def answer(client: httpx.AsyncClient, query: str) -> list[Any]:
    """The result of an instant query, once there is one."""
    async with asyncio.timeout(60):
        while True:
            try:
                said = await client.get(f"/api/v1/query?query={urllib.parse.quote(query)}")
                if said.is_success and (found := said.json()["data"]["result"]):  # until it is ready it answers in plain text
                    return list(found)
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


async def test_prometheus_discovers_and_reads_every_series(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    program = shutil.which("prometheus")
    assert program, "apt-get install prometheus"
    async with assembled(owner, tmp_path, now_ns) as small, writing(small), served(application(small)) as port:
        await feed(small, polls(METERED, now_ns, 3))
        (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=port))
        own = free_port(TCP)
        arguments = [
            f"--config.file={tmp_path}/prometheus.yml",
            f"--storage.tsdb.path={tmp_path}/tsdb",
            f"--web.listen-address=127.0.0.1:{own}",
        ]
        peer = await asyncio.create_subprocess_exec(program, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}") as client:
                found = await answer(client, "trunkline_interface_receive_bytes_total")
                up = await answer(client, 'up{job="network"}')
        finally:
            peer.terminate()
            await peer.wait()
    assert [(r["metric"]["node"], r["metric"]["alias"], r["value"][1]) for r in found] == [("ham-core-1", 'to "Berlin"\n\\', "60000")]
    assert {r["value"][1] for r in up} == {"1"}


async def test_the_api_answers_curves_lists_and_now(owner: OwnerProcess, tmp_path: Path, now_ns: int) -> None:
    async with assembled(owner, tmp_path, now_ns) as small, writing(small):
        await feed(small, polls(METERED, now_ns, 3))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application(small)), base_url="http://station") as client:
            span = {"from": str(iso(now_ns)), "to": str(iso(now_ns + HOUR))}
            curve = (await client.get("/api/v1/series", params={"entity": "if-1", "metric": "interface.in_octets", **span})).json()
            top = (await client.get("/api/v1/top", params={"metric": "interface.in_octets", "stat": "max", **span})).json()
            now = (await client.get("/api/v1/now")).json()
            bad = [await client.get("/api/v1/series", params={"entity": e, "metric": m, **span}) for e, m in (("no", "x"), ("if-1", "x"))]
    assert (curve["mean"], curve["time"]) == ([None, 1000.0, 1000.0], [(now_ns + n * 30 * S) // 1_000_000 for n in range(3)])
    assert top["items"] == [{"entity": "if-1", "name": "ham-core-1 xe-0/0/1", "value": 1000.0}]
    assert (now["in_bps"], now["out_bps"], now["freshness"]["heard"]) == (8000.0, 16000.0, 1)
    assert [r.status_code for r in bad] == [404, 422]
