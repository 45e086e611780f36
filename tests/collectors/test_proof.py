"""What a closer look at one device sees: its ports and its sessions as they are now, and nothing it cannot see."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from collectors.proof import Proof, SessionSeen, look_at
from collectors.snmp.client import Limits, SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from simulator.agents import Agents
from simulator.build import build
from simulator.network import NS_PER_S, Network
from simulator.traffic import Boots
from simulator.world import Link
from tests.ports import UDP, free_port

START_NS = 1_795_000_000 * NS_PER_S


@dataclass
class Lab:
    """A simulated network whose time stands at `now_ns`."""

    network: Network
    engine: Engine
    port: int
    now_ns: int = START_NS

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS_PER_S)
        self.network.advance(self.now_ns)

    async def look(self, device: str, ports: list[int], *protocols: str, community: str = "public") -> Proof | None:
        address = self.network.world.by_name[device].address
        limits = Limits(timeout_s=0.3, timeout_min_s=0.3, retries=0)
        return await look_at(SnmpClient(self.engine, address, self.port, SnmpCredential(community=community), limits), ports, protocols)

    def if_index(self, link: Link, device: str) -> int:
        ends = {self.network.world.devices[port.device].name: port.interface for port in (link.a, link.b)}
        return self.network.world.interfaces[ends[device]].if_index


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    world = build(1, 24)
    port = free_port(UDP, world.devices[0].address)
    made = Lab(Network(world, Boots.of(world, START_NS, {}), START_NS), Engine(), port)
    agents = Agents(made.network, "public", lambda: made.now_ns, port)
    agents.open()
    yield made
    agents.close()
    made.engine.close()


async def test_a_cut_link_is_seen_at_its_port_and_in_its_adjacency(lab: Lab) -> None:
    link = lab.network.world.link_between("ham-core-1", "ber-core-1")
    peer = lab.network.world.by_name["ber-core-1"].address
    port = lab.if_index(link, "ham-core-1")
    before = await lab.look("ham-core-1", [port], "ospf")
    lab.network.cut([link.number], lab.now_ns)
    after = await lab.look("ham-core-1", [port], "ospf")
    assert before is not None
    assert after is not None
    assert (before.ports, after.ports) == ({port: (1, 1)}, {port: (1, 2)})
    states = [proof.session("ospf", peer) for proof in (before, after)]
    assert [state is not None and state.up for state in states] == [True, False]
    assert states[1] == SessionSeen((peer,), up=False, state=0), "a lost neighbour leaves the table"


async def test_a_lost_bgp_peer_is_seen_once_its_hold_time_is_over(lab: Lab) -> None:
    far = lab.network.world.devices[-1]
    lab.network.kill([far.number], lab.now_ns)
    early = await lab.look("ham-core-1", [], "bgp")
    lab.pass_s(31)
    late = await lab.look("ham-core-1", [], "bgp")
    assert early is not None
    assert late is not None
    found = [proof.session("bgp", far.address) for proof in (early, late)]
    assert [(row.up, row.state) for row in found if row] == [(True, 6), (False, 1)]


async def test_what_the_device_does_not_show_is_not_decided(lab: Lab) -> None:
    proof = await lab.look("ham-core-1", [9999], "isis", "bgp", "bfd")
    assert proof is not None
    assert proof.ports == {}
    assert [proof.session("isis", "0000.0000.0001"), proof.session("bgp", "203.0.113.1"), proof.session("bfd", "x")] == [None, None, None]


async def test_a_device_that_refuses_proves_nothing(lab: Lab) -> None:
    assert await lab.look("ham-core-1", [1], community="wrong") is None


def test_an_isis_neighbour_is_known_by_system_id_and_by_lsp_id() -> None:
    row = SessionSeen(("1921.6800.1002", "1.2"), up=True, state=3)
    proof = Proof({}, {"isis": (row,)})
    assert [proof.session("isis", name) for name in ("1921.6800.1002", "19:21:68:00:10:02:00:00", "1921.6800.1002.00-00")] == [row] * 3
    lost = proof.session("isis", "1921.6800.1003")
    assert lost is not None
    assert not lost.up
