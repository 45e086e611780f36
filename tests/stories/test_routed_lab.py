"""A network of real routers: discovery finds it, a pulled cable is one alarm with the right root, mending clears it."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.lab.routed_lab import Lab, missing_programs, namespace_error, running_lab
from tests.stories.demo_process import ROOT, wait_for

PORT = 8099
# A ring, and behind it a router that speaks no LLDP: its link is in no inventory.
LINKS = [("nms", "r1"), ("r1", "r2"), ("r2", "r3"), ("r3", "r4"), ("r4", "r1"), ("r4", "r5")]
ROUTERS = {"r1", "r2", "r3", "r4", "r5"}
SILENT = frozenset({"r5"})
PEERS = [("r1", "r3")]
# The loopbacks and, once more, the same routers by addresses of their links.
RANGES = ["198.18.255.0/29", "198.18.2.0/30", "198.18.3.0/30"]
SETTINGS = """
[inventory]
ranges = {ranges}
rediscover_s = 60

[snmp]
interval_s = 5

[traps]
address = "0.0.0.0"
port = 16200

[web]
port = {port}
"""


class LabStation:
    """`trunkline up` inside the namespace `nms`, asked from inside it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        (folder / "community").write_text("public\n")
        (folder / "station.toml").write_text(SETTINGS.format(port=PORT, ranges=json.dumps(RANGES)))
        command = [sys.executable, "-m", "station.cli", "user", "token", "lab", "--role", "admin", "--data", str(folder)]
        self._token = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        ranges = [word for each in RANGES for word in ("--discover", each)]
        arguments = ["up", *ranges, "--snmp-community-file", str(folder / "community"), "--data", str(folder)]
        with (folder / "log").open("w") as log:
            self.process = lab.popen(
                "nms", [sys.executable, "-m", "station.cli", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log
            )

    def get(self, path: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/api/v1{path}", headers={"Authorization": f"Bearer {self._token}"})

        def ask() -> Any:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)

        try:
            return self.lab.inside("nms", ask)
        except OSError:
            return None

    def items(self, path: str) -> list[dict[str, Any]]:
        answer = self.get(path)
        return answer["items"] if answer else []

    def links(self) -> list[dict[str, Any]]:
        answer = self.get("/topology")
        return answer["links"] if answer else []

    def roots(self) -> list[str]:
        return [incident["root"]["name"] for incident in self.items("/incidents?state=open") if not incident["noise"]]


def wait_quiet(station: LabStation, within_s: float) -> None:
    """Until nothing is open; what is open is said where that takes too long."""
    try:
        wait_for("quiet", lambda: station.roots() == [], within_s, every_s=1)
    except AssertionError as error:
        raise AssertionError(f"{station.roots()}: {open_names(station)}") from error


def reachable(lab: Lab, name: str) -> bool:
    with lab.popen("nms", ["ping", "-c1", "-W1", lab.nodes[name].loopback], stdout=subprocess.DEVNULL) as ping:
        return ping.wait() == 0


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabStation]:
    missing = missing_programs()
    if missing:
        pytest.fail(f"missing programs: apt-get install {' '.join(missing)}")
    forbidden = namespace_error()
    if forbidden:
        pytest.skip(f"this kernel or container forbids network namespaces: {forbidden}")
    folder = tmp_path_factory.mktemp("lab")
    with running_lab(folder / "nodes", LINKS, trap_port=16200, silent=SILENT, peers=PEERS) as lab:
        wait_for("routes to every router", lambda: all(reachable(lab, name) for name in ROUTERS), 60)
        (folder / "data").mkdir()
        running = LabStation(lab, folder / "data")
        try:
            wait_for("five routers", lambda: {d["name"] for d in running.items("/devices")} >= ROUTERS, 90)
            wait_for("four links", lambda: len(running.links()) == 4, 90, every_s=1)
            # What the lab said while it converged is not the tests' matter.
            wait_quiet(running, 90)
            yield running
        finally:
            running.process.terminate()
            running.process.wait(20)


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_router_that_answers_at_several_addresses_is_one_device_asked_at_its_loopback(station: LabStation) -> None:
    found = {device["name"]: device["management_address"] for device in station.items("/devices")}
    assert len(station.items("/devices")) == len(ROUTERS)
    assert {name: found[name] for name in ROUTERS} == {name: station.lab.nodes[name].loopback for name in ROUTERS}


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_pulled_cable_is_one_incident_with_the_right_root_and_mending_clears_it(station: LabStation) -> None:
    station.lab.cut("r2", "r3")
    wait_for("an incident", station.roots, 30)
    time.sleep(12)  # the far end's trap, the adjacency's and the poll come later: they must join, not multiply
    roots = station.roots()
    assert len(roots) == 1, roots
    assert all(name in roots[0] for name in ("r2", "r3", "to-r")), roots
    station.lab.mend("r2", "r3")
    wait_quiet(station, 60)


def open_names(station: LabStation) -> list[str]:
    """What the open alarms are about."""
    active = station.items("/alarms?state=active")
    return [f"{alarm['alarm_type']} {alarm['device']} {alarm['qualifier'] or alarm['object']}" for alarm in active]


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_router_that_loses_power_is_the_root_of_what_its_neighbours_say(station: LabStation) -> None:
    wait_quiet(station, 90)
    station.lab.kill("r3")
    wait_for("r3 is a root", lambda: "r3" in station.roots(), 90)
    wait_for("r3 as the only root", lambda: station.roots() == ["r3"], 60)
