"""A network of real routers: discovery finds it, each fault is one incident with the right root, mending clears it."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from station.clock import NS_PER_S
from tests.peers.lab.routed_lab import Lab, missing_programs, namespace_error, running_lab
from tests.stories.demo_process import ROOT, wait_for

PORT = 8099
# A ring with two routers behind it, of which the first speaks no LLDP, and a neighbour outside the ranges.
LINKS = [("nms", "r1"), ("r1", "r2"), ("r2", "r3"), ("r3", "r4"), ("r4", "r1"), ("r4", "r5"), ("r5", "r6"), ("r1", "r7")]
ROUTERS = {"r1", "r2", "r3", "r4", "r5", "r6"}
SILENT = frozenset({"r5"})
PEERS = [("r1", "r3")]
# The loopbacks of all but the last, and once more two of the routers by addresses of their links.
RANGES = ["198.18.255.0/29", "198.18.255.7/32", "198.18.2.0/30", "198.18.3.0/30"]
SETTINGS = """
[inventory]
ranges = {ranges}
rediscover_s = 60

[snmp]
interval_s = 3

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
        self.start()

    def start(self) -> None:
        ranges = [word for each in RANGES for word in ("--discover", each)]
        arguments = ["up", *ranges, "--snmp-community-file", str(self.folder / "community"), "--data", str(self.folder)]
        with (self.folder / "log").open("a") as log:
            self.process = self.lab.popen(
                "nms", [sys.executable, "-m", "station.cli", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=log
            )

    def kill(self) -> None:
        """kill -9: nothing is tidied up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)

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

    def links(self) -> dict[frozenset[str], dict[str, Any]]:
        """The links by the names of their two devices."""
        answer = self.get("/topology") or {"links": [], "nodes": []}
        names = {node["id"]: node["name"] for node in answer["nodes"]}
        return {frozenset((names[link["a"]], names[link["b"]])): link for link in answer["links"]}

    def incidents(self) -> list[dict[str, Any]]:
        return [incident for incident in self.items("/incidents?state=open") if not incident["noise"]]

    def roots(self) -> list[str]:
        return sorted(incident["root"]["name"] for incident in self.incidents())

    def statuses(self) -> dict[str, str]:
        return {device["name"]: device["status"] for device in self.items("/devices")}

    def open_names(self) -> list[str]:
        """What the open alarms are about."""
        active = self.items("/alarms?state=active")
        return [f"{alarm['alarm_type']} {alarm['device']} {alarm['qualifier'] or alarm['object']}" for alarm in active]

    def wait_roots(self, *expected: set[str], within_s: float = 90) -> list[dict[str, Any]]:
        """The open incidents once there is one for each of the expected roots, named by these words at least, and no other."""

        def found() -> list[dict[str, Any]] | None:
            incidents = self.incidents()
            named = [next((i for i in incidents if words <= set(i["root"]["name"].split())), None) for words in expected]
            if len(incidents) != len(expected) or None in named:
                return None
            return [incident for incident in named if incident is not None]

        incidents: list[dict[str, Any]] = self.told(f"the roots {expected}", found, within_s)
        return incidents

    def told(self, what: str, found: Any, within_s: float = 90) -> Any:
        """`wait_for`, and where it takes too long, what is open instead."""
        try:
            return wait_for(what, found, within_s, every_s=0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}; open: {self.roots()}: {self.open_names()}; {self.statuses()}") from error

    def wait_quiet(self, within_s: float = 120) -> None:
        """Until nothing is open and everybody answers."""
        self.told("quiet", lambda: self.roots() == [] and set(self.statuses().values()) == {"up"}, within_s)


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
        wait_for("routes to every router", lambda: all(reachable(lab, name) for name in ROUTERS), 90)
        (folder / "data").mkdir()
        running = LabStation(lab, folder / "data")
        try:
            wait_for("six routers", lambda: running.statuses().keys() >= ROUTERS, 120)
            wait_for("six links", lambda: len(running.links()) == 6, 120, every_s=1)
            # What the lab said while it converged is not the tests' matter.
            running.wait_quiet()
            yield running
        finally:
            running.process.terminate()
            running.process.wait(60)


pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]


def test_a_router_that_answers_at_several_addresses_is_one_device_asked_at_its_loopback(station: LabStation) -> None:
    found = {device["name"]: device["management_address"] for device in station.items("/devices")}
    assert len(station.items("/devices")) == len(ROUTERS)
    assert {name: found[name] for name in ROUTERS} == {name: station.lab.nodes[name].loopback for name in ROUTERS}


def test_a_link_of_a_router_without_lldp_is_found_by_its_addresses_and_believed_less(station: LabStation) -> None:
    silent = {frozenset(("r4", "r5")), frozenset(("r5", "r6"))}
    named = {
        pair: link["sources"] for pair, link in station.links().items() if any(source.startswith("lldp") for source in link["sources"])
    }
    assert named.keys() == station.links().keys() - silent
    assert all(station.links()[pair]["confidence"] < 0.8 for pair in silent)


def test_a_neighbour_outside_the_ranges_is_a_missing_end_and_got_no_packet(station: LabStation) -> None:
    assert [(end["interface"], end["why"]) for end in station.get("/topology")["missing"]] == [("to-r7", "unknown device")]
    assert station.lab.udp_received("r7") == 0


def test_a_pulled_cable_is_one_incident_with_the_right_root_and_mending_clears_it(station: LabStation) -> None:
    station.lab.cut("r2", "r3")
    # The far end's trap, the adjacencies' and the poll come one after the other: they must join, not multiply.
    expected = {
        "communications.link_down r2 to-r3",
        "communications.link_down r3 to-r2",
        "communications.adjacency_down r2 ospf 198.18.255.4",
        "communications.adjacency_down r3 ospf 198.18.255.3",
    }
    station.told("what both ends tell", lambda: expected <= set(station.open_names()))
    station.wait_roots({"r2", "to-r3", "r3", "to-r2"}, within_s=30)
    station.lab.mend("r2", "r3")
    station.wait_quiet()


def test_two_pulled_cables_are_two_incidents_and_who_is_behind_one_is_unreachable_also_after_a_crash(station: LabStation) -> None:
    station.lab.cut("r2", "r3")
    station.lab.cut("r4", "r5")
    roots = {"r2", "to-r3", "r3", "to-r2"}, {"r4", "to-r5", "r5", "to-r4"}
    station.told("r5 and r6 unreachable", lambda: [station.statuses().get(name) for name in ("r5", "r6")] == ["unreachable"] * 2)
    before = [incident["id"] for incident in station.wait_roots(*roots)]
    station.kill()
    station.start()
    station.told("the station again", lambda: station.get("/incidents?state=open") is not None)
    polled = time.time_ns()
    station.told("polls after the crash", lambda: _seen_since(station, "r3", polled))
    assert [incident["id"] for incident in station.wait_roots(*roots)] == before
    assert [station.statuses()[name] for name in ("r5", "r6")] == ["unreachable"] * 2
    station.lab.mend("r2", "r3")
    station.lab.mend("r4", "r5")
    station.wait_quiet()


def test_a_flapping_cable_is_one_incident_and_a_dark_port_of_a_stranger_names_the_missing_link(station: LabStation) -> None:
    station.lab.cut("r7", "r1")
    seen: set[str] = set()
    for _ in range(3):
        station.lab.cut("r3", "r4")
        station.told("the flapping link", lambda: any("to-r4" in name for name in station.roots()))
        seen |= {incident["id"] for incident in station.incidents() if "to-r4" in incident["root"]["name"].split()}
        station.lab.mend("r3", "r4")
        time.sleep(1)  # the fault itself: a cable that comes and goes
    station.lab.cut("r3", "r4")
    flapping, stranger = station.wait_roots({"r3", "to-r4", "r4", "to-r3"}, {"r1", "to-r7"})
    assert seen | {flapping["id"]} == {flapping["id"]}
    assert stranger["missing_link"] == "r1 to-r7 - r7 to-r1"
    station.lab.mend("r3", "r4")
    station.lab.mend("r7", "r1")
    station.wait_quiet()


def test_a_lost_bgp_session_over_sound_links_is_one_incident_that_names_both_ends(station: LabStation) -> None:
    station.lab.filter_bgp("r3")
    both = {"communications.adjacency_down r1 bgp 198.18.255.4", "communications.adjacency_down r3 bgp 198.18.255.2"}
    station.told("what both ends tell", lambda: set(station.open_names()) == both)
    station.wait_roots({"bgp", "between", "r1", "and", "r3"}, within_s=30)
    station.lab.pass_bgp("r3")
    station.wait_quiet()


def test_a_router_that_loses_power_is_the_root_of_what_its_neighbours_say(station: LabStation) -> None:
    station.lab.kill("r3")
    station.told("r3 as the only root", lambda: station.roots() == ["r3"])
    station.told("r3 down", lambda: station.statuses()["r3"] == "down")


def _seen_since(station: LabStation, name: str, since_ns: int) -> bool:
    """Whether the device answered a poll after that instant."""
    seen = next((device["last_seen_at"] for device in station.items("/devices") if device["name"] == name), None)
    return seen is not None and datetime.fromisoformat(seen).timestamp() > since_ns / NS_PER_S
