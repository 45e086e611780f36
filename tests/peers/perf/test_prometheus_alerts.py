"""Debian's Prometheus takes the station for its Alertmanager: its alert is an alarm of the device it names."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from fault.foreign import FOREIGN, router
from station.clock import VirtualClock
from station.scope import STATION
from tests.fault.network import at, service_on, store_at
from tests.peers.perf.test_prometheus_scrapes import served
from tests.ports import TCP, free_port

pytestmark = pytest.mark.slow
CONFIG = """
global: {{evaluation_interval: 1s}}
rule_files: [rules.yml]
alerting:
  alertmanagers: [{{static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""
RULES = """
groups:
  - name: always
    rules:
      - {alert: TooWarm, expr: vector(41), labels: {severity: page, node: r2}, annotations: {summary: "it is {{ $value }} degrees"}}
"""


async def test_an_alert_of_prometheus_is_an_alarm(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    assert program, "Prometheus is missing: apt-get install prometheus"
    state = await store_at(tmp_path)
    service = await service_on(state, VirtualClock(at(0)))
    app = FastAPI()
    app.include_router(router(service))

    @app.middleware("http")
    async def signed_in(request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.scope = STATION
        return await call_next(request)

    async with served(app) as port:
        (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=port))
        (tmp_path / "rules.yml").write_text(RULES)
        arguments = ["--config.file", f"{tmp_path}/prometheus.yml", "--storage.tsdb.path", f"{tmp_path}/tsdb"]
        arguments += ["--web.listen-address", f"127.0.0.1:{free_port(TCP)}", "--rules.alert.resend-delay", "1s"]
        peer = await asyncio.create_subprocess_exec(program, *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            async with asyncio.timeout(60):
                await service.handle(list(await service.events.get()))
        finally:
            peer.terminate()
            await peer.wait()
    (alarm,) = service.book.alarms.values()
    assert (alarm.alarm_type, alarm.place.device, alarm.severity.word, alarm.text) == (FOREIGN, "r2", "critical", "it is 41 degrees")
    await state.close()
