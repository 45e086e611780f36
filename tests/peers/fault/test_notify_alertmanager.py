"""Against a real Alertmanager: what is pushed stands there until it is over, and what it sends on becomes an alarm here."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fault.foreign import FOREIGN, Webhook, event_of
from station.clock import SystemClock
from tests.fault.network import down, service_on, store_at, up
from tests.fault.notifying import ENGINEER, notifier_on, running, until_quiet
from tests.fault.receiver import receiving

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="prometheus-alertmanager is not installed: scripts/peers")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def alertmanager(folder: Path, webhook: str) -> AsyncIterator[httpx.AsyncClient]:
    """One that sends everything to a webhook at once."""
    receiver = f"receivers: [{{name: trunkline, webhook_configs: [{{url: '{webhook}'}}]}}]"
    route = "route: {receiver: trunkline, group_wait: 0s, group_interval: 1s}"
    (folder / "am.yml").write_text(f"{route}\n{receiver}\n")
    port = free_port()
    flags = (f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}", f"--web.listen-address=127.0.0.1:{port}")
    assert PROGRAM is not None
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        PROGRAM, *flags, "--cluster.listen-address=", stdout=quiet, stderr=quiet, env=dict(os.environ)
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            await until(http, "/-/ready", lambda answer: answer.status_code == 200)
            yield http
    finally:
        process.kill()
        await process.wait()


async def until(http: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool]) -> Any:
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await http.get(path)
                if holds(answer):
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


async def test_an_incident_goes_there_and_comes_back_as_an_alert(tmp_path: Path) -> None:
    state = await store_at(tmp_path)
    notifier = notifier_on(state)
    service = await service_on(state, SystemClock(), announcer=notifier)  # type: ignore[arg-type]
    async with receiving() as back, alertmanager(tmp_path, back.url) as http, running(notifier):
        await notifier.add_webhook(ENGINEER, "am", f"{http.base_url}/api/v2/alerts", "alertmanager_push")
        await service.handle([down("if-r1-1")])
        (alert,) = (await until(http, "/api/v2/alerts", lambda answer: bool(answer.json()))).json()
        await back.until(lambda: len(back.taken) >= 1)
        await service.handle([up("if-r1-1", 5)])
        await until_quiet(state)
        await until(http, "/api/v2/alerts", lambda answer: answer.json() == [])
        await back.until(lambda: back.taken[-1].json["status"] == "resolved")
    assert (alert["labels"]["alertname"], alert["labels"]["severity"]) == ("TrunklineIncident", "major")
    events = [event_of(each, service.resources, 1, "am") for it in back.taken for each in Webhook.model_validate(it.json).alerts]
    assert {event.alarm_type for event in events} == {FOREIGN}
    assert len({event.qualifier for event in events}) == 1
    assert [event.severity for event in events][-1] == "cleared"
    await state.close()
