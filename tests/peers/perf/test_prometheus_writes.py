"""Debian's Prometheus scrapes an exporter and writes to the station, with a token."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from perf.incoming.api import router
from perf.incoming.intake import Intake
from perf.incoming.places import Places
from perf.names import Names
from station.batch import SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.scope import STATION
from station.web import ProblemError
from tests.peers.perf.test_prometheus_scrapes import served
from tests.perf.conftest import METERED, topology
from tests.ports import TCP, free_port

pytestmark = pytest.mark.slow

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: hosts
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{nodename: ham-core-1}}}}]
    metrics_path: /exporter
remote_write:
  - url: http://127.0.0.1:{port}/api/v1/write
    authorization: {{type: Bearer, credentials: let-me-in}}
"""
EXPORTED = (
    "# TYPE node_network_receive_bytes_total counter\n"
    'node_network_receive_bytes_total{device="xe-0/0/1"} 1.099511627781e+12\n'
    "# TYPE node_load1 gauge\nnode_load1 0.5\n"
)


def application(samples: Channel[SampleBatch]) -> FastAPI:
    app, names = FastAPI(), Names(topology)
    app.include_router(router(Intake(Places(names), samples, lambda: samples.taken), names))

    @app.get("/exporter")
    def exporter() -> Response:
        return Response(EXPORTED, media_type="text/plain; version=0.0.4")

    @app.middleware("http")
    async def signed_in(request: Request, following: RequestResponseEndpoint) -> Response:
        if request.url.path != "/exporter" and request.headers.get("authorization") != "Bearer let-me-in":
            return Response(status_code=401)
        request.state.scope = STATION
        return await following(request)

    @app.exception_handler(ProblemError)
    async def problem(_request: Request, error: ProblemError) -> Response:
        return error.response()

    return app


async def test_what_prometheus_scrapes_elsewhere_arrives_exactly(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    assert program, "Prometheus is missing: apt-get install prometheus"
    samples: Channel[SampleBatch] = Channel("written", 10)
    async with served(application(samples)) as port:
        (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=port))
        arguments = ["--config.file", f"{tmp_path}/prometheus.yml", "--storage.tsdb.path", f"{tmp_path}/tsdb"]
        arguments += ["--web.listen-address", f"127.0.0.1:{free_port(TCP)}"]
        peer = await asyncio.create_subprocess_exec(program, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            async with asyncio.timeout(60):
                batch = await samples.get()
        finally:
            peer.terminate()
            await peer.wait()
    assert set(batch.series.tolist()) == {METERED << 8 | code_of("interface.in_octets")}
    assert set(batch.raw.tolist()) == {1_099_511_627_781}
