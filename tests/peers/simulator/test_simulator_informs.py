"""Informs of the simulated network: repeated until somebody acknowledges them, net-snmp's receiver or our own."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collectors.inputs.traps import Receiver
from collectors.mibs import shipped_mibs
from collectors.settings import TrapSettings
from inventory.topology import Topology
from station.batch import Notification
from station.channel import Channel
from station.clock import SystemClock
from tests.peers.simulator.conftest import Running
from tests.peers.simulator.test_simulator_netsnmp import trap_receiver, until
from tests.ports import UDP, free_port

pytestmark = pytest.mark.slow
CUT = {"kind": "link", "a": "ham-core-1", "b": "ber-core-1"}
USER = "createUser trunkline SHA-256 simulated-network AES simulated-network\nauthUser log trunkline"
LINK_DOWN = ".1.3.6.1.6.3.1.1.5.3"
V3_USER = {
    "version": "3",
    "user": "trunkline",
    "auth_protocol": "sha256",
    "auth_password": "simulated-network",
    "priv_protocol": "aes128",
    "priv_password": "simulated-network",
}


def informs(simulator: Running) -> dict[str, int]:
    found: dict[str, int] = simulator.ask("/state")["messages"]["informs"]
    return found


@contextmanager
def snmptrapd(folder: Path, port: int, user: str) -> Iterator[Path]:
    receiver, log = trap_receiver(folder, port, user)
    try:
        until(lambda: log.exists() and "NET-SNMP version" in log.read_text())
        yield log
    finally:
        receiver.terminate()
        receiver.wait(10)


@pytest.mark.parametrize("version", ["2c", "3"])
def test_snmptrapd_gets_each_inform_and_acknowledges_it(start: Callable[..., Running], tmp_path: Path, version: str) -> None:
    port = free_port(UDP)
    with snmptrapd(tmp_path, port, USER if version == "3" else "") as log:
        simulator = start("--trap", f"127.0.0.1:{port}", "--trap-version", version, "--inform")
        simulator.ask("/cut", CUT)
        until(lambda: log.read_text().count(LINK_DOWN) >= 2)
        until(lambda: informs(simulator)["acknowledged"] == informs(simulator)["sent"] >= 4)
        assert "[127.64.1.1]" in log.read_text()


def test_a_receiver_that_was_away_hears_it_later(start: Callable[..., Running], tmp_path: Path) -> None:
    port = free_port(UDP)
    simulator = start("--trap", f"127.0.0.1:{port}", "--inform")
    simulator.ask("/cut", CUT)
    until(lambda: informs(simulator).get("repeated", 0) >= 2)
    with snmptrapd(tmp_path, port, "") as log:
        until(lambda: log.read_text().count(LINK_DOWN) >= 2)
        until(lambda: informs(simulator)["acknowledged"] == informs(simulator)["sent"])


@pytest.mark.parametrize("version", ["2c", "3"])
async def test_the_stations_receiver_acknowledges_and_says_who_proved_it(start: Callable[..., Running], version: str) -> None:
    out: Channel[tuple[Notification, ...]] = Channel(f"informs_{version}", 100)
    topology = Topology(version=1, addresses={"127.64.1.1": 1, "127.64.2.1": 2})
    settings = TrapSettings.model_validate({"port": 0, "users": {"sim": V3_USER}})
    receiver = Receiver(settings, topology=lambda: topology, mibs=shipped_mibs(), out=out, clock=SystemClock())
    receiving = asyncio.create_task(receiver.run())
    try:
        async with asyncio.timeout(60):
            while not receiver.port:
                await asyncio.sleep(0.01)
            target = f"127.0.0.1:{receiver.port}"
            simulator = await asyncio.to_thread(start, "--trap", target, "--trap-version", version, "--inform")
            await asyncio.to_thread(simulator.ask, "/cut", CUT)
            heard: list[Notification] = []
            while sum(one.name == "linkDown" for one in heard) < 2:
                heard += await out.get()
        await asyncio.to_thread(until, lambda: informs(simulator)["acknowledged"] == informs(simulator)["sent"])
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    downs = [one for one in heard if one.name == "linkDown"]
    assert {(one.source, one.device, one.authenticated) for one in downs} == {
        ("127.64.1.1", 1, version == "3"),
        ("127.64.2.1", 2, version == "3"),
    }
