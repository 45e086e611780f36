"""Debian's Prometheus on the running demo: it finds the station by itself, scrapes it, and promtool has no complaint."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.ports import TCP, free_port
from tests.stories.demo_process import SIZE, DemoProcess, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SETTINGS = """
global: {{scrape_interval: 2s}}
scrape_configs:
  - job_name: network
    http_sd_configs: [{{url: "http://127.0.0.1:{port}/sd/prometheus", refresh_interval: 2s}}]
  - job_name: station
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: apt-get install prometheus"
    return found


@pytest.fixture(scope="module")
def prometheus(demo: DemoProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text(SETTINGS.format(port=demo.port))
    own = free_port(TCP)
    arguments = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{own}"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([program("prometheus"), *arguments], stdout=log, stderr=log) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{own}") as client,
    ):
        try:
            yield client
        finally:
            process.terminate()


def ask(prometheus: httpx.Client, query: str) -> list[Any]:
    """What it answers; nothing while it starts."""
    try:
        answer = prometheus.get("/api/v1/query", params={"query": query})
    except httpx.TransportError:
        return []
    return list(answer.json()["data"]["result"]) if answer.is_success else []


def test_every_site_of_the_network_is_found_and_scraped(demo: DemoProcess, prometheus: httpx.Client) -> None:
    sites = {site["name"] for site in demo.get("/api/v1/sites")["items"]}
    wait_for("a target for each site", lambda: len(ask(prometheus, 'up{job="network"} == 1')) == len(sites), 40)
    wait_for("every device", lambda: ask(prometheus, f"count(count by (node) (trunkline_device_up)) == {SIZE}"), 60)
    moving = wait_for("traffic as a rate", lambda: ask(prometheus, "sum(rate(trunkline_interface_receive_bytes_total[30s])) > 0"), 60)
    assert float(moving[0]["value"][1]) > 0
    assert [row["metric"]["job"] for row in ask(prometheus, "up == 0")] == []


def test_the_station_tells_its_own_health(prometheus: httpx.Client) -> None:
    found = wait_for("the station's metrics", lambda: ask(prometheus, "trunkline_channel_depth"), 30)
    assert {"polled", "samples"} <= {row["metric"]["channel"] for row in found}


@pytest.mark.parametrize("path", ["/metrics", "/metrics/network"])
def test_promtool_has_no_complaint(demo: DemoProcess, path: str) -> None:
    text = demo.client.get(path).text
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
