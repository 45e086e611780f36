"""Discovery: inside its ranges only, many at once, honest about each address."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.discovery import Discovery, DiscoveryError, addresses, networks, settles
from inventory.facts import DeviceFacts, InterfaceFacts, NeighbourFacts, NoAnswer
from inventory.ledger import RUNS_KEPT, kept
from inventory.picture import Picture
from inventory.settings import ADDRESSES_MAX, InventorySettings
from station.clock import SystemClock
from station.hub import Hub
from station.scope import STATION, ForbiddenError, Role, Scope
from station.state import State


class Network:
    """A network of routers in a row: each sees the next one; every other address is silent."""

    def __init__(self, routers: Mapping[str, str], delay_s: float = 0.0) -> None:
        self.routers = dict(routers)
        self.delay_s = delay_s
        self.looked: list[str] = []
        self.at_once = self.most_at_once = 0

    async def look(self, address: str) -> DeviceFacts | NoAnswer:
        self.looked.append(address)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_s)
            return self.facts(address) if address in self.routers else NoAnswer(address, "no_answer")
        finally:
            self.at_once -= 1

    def facts(self, address: str) -> DeviceFacts:
        order = list(self.routers)
        n = order.index(address)
        near = [(port, order[other]) for port, other in ((1, n - 1), (2, n + 1)) if 0 <= other < len(order)]
        said = tuple(NeighbourFacts("lldp", port, f"p{port}", f"c:{self.routers[a]}", f"p{3 - port}", remote_address=a) for port, a in near)
        ports = (InterfaceFacts(1, "p1"), InterfaceFacts(2, "p2"))
        return DeviceFacts(
            address,
            161,
            "default",
            self.routers[address],
            "",
            "",
            chassis_id=f"c:{self.routers[address]}",
            interfaces=ports,
            neighbours=said,
        )


ROW = {"192.0.2.10": "a1", "192.0.2.20": "b2", "192.0.2.30": "c3", "198.51.100.1": "outside4"}
Make = Callable[..., Discovery]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def picture(state: State, hub: Hub) -> Picture:
    return Picture(state, hub)


@pytest.fixture
def make(state: State, picture: Picture, hub: Hub) -> Make:
    def made(look: Callable[[str], Awaitable[DeviceFacts | NoAnswer]], **settings: Any) -> Discovery:
        return Discovery(state, picture, hub, SystemClock(), look, InventorySettings(**settings))

    return made


def progress(hub: Hub) -> list[dict[str, Any]]:
    return [json.loads(message.data) for message in hub._ring if message.topic == "progress"]


async def test_a_range_is_looked_at_whole_and_the_picture_shows_devices_and_links(make: Make, picture: Picture, hub: Hub) -> None:
    network = Network(ROW)
    run = await make(network.look).discover(STATION, ["192.0.2.0/27"])
    assert sorted(network.looked) == sorted(str(a) for a in ip_network("192.0.2.0/27").hosts())
    assert (run.outcomes, run.new_devices, run.total) == ({"no_answer": 27, "answered": 3}, 3, 30)
    assert run.ledger["192.0.2.20"].device_no and run.ledger["192.0.2.5"].outcome == "no_answer"
    topology = picture.current()
    assert {d.name for d in topology.devices.values()} == {"a1", "b2", "c3"} and len(topology.links) == 2
    assert [(end.remote_chassis_id, end.why) for end in topology.missing] == [("c:outside4", "unknown device")]
    last = progress(hub)[-1]
    assert (last["done"], last["total"], last["title"]) == (30, 30, "Discovery")


async def test_a_host_that_answers_an_echo_and_no_snmp_is_told_from_nobody(state: State, picture: Picture, hub: Hub) -> None:
    asked: list[str] = []

    async def echoes(addresses: Sequence[str]) -> frozenset[str]:
        asked.extend(addresses)
        return frozenset({"192.0.2.2"})

    network = Network({"192.0.2.1": "a"})
    discovery = Discovery(state, picture, hub, SystemClock(), network.look, InventorySettings(), echoes)
    run = await discovery.discover(STATION, ["192.0.2.0/29"])
    assert asked == [f"192.0.2.{n}" for n in (2, 3, 4, 5, 6)]
    assert run.outcomes == {"answered": 1, "alive": 1, "no_answer": 4}
    assert "echo" in run.ledger["192.0.2.2"].says


async def test_the_ledgers_of_the_last_runs_outlive_the_station(make: Make, state: State) -> None:
    network = Network({"192.0.2.1": "a", "192.0.2.3": "b"})
    first = await make(network.look).discover(STATION, ["192.0.2.0/29"])
    for _ in range(RUNS_KEPT):
        await make(network.look).discover(STATION, ["192.0.2.0/30"])
    runs = await kept(state, STATION)
    assert len(runs) == RUNS_KEPT and first.id not in {run.id for run in runs}
    last = runs[-1]
    assert (last.ranges, last.total, last.outcomes, list(last.ledger)) == (
        ("192.0.2.0/30",),
        3,
        {"answered": 2, "no_answer": 1},
        ["192.0.2.1", "192.0.2.3"],
    )
    assert last.ledger["192.0.2.1"].device_no == first.ledger["192.0.2.1"].device_no and last.ended_ns >= last.started_ns


async def test_from_a_seed_neighbours_are_followed_inside_the_ranges_only(make: Make, picture: Picture) -> None:
    network = Network(ROW)
    run = await make(network.look).discover(STATION, ["192.0.2.0/24"], seeds=["192.0.2.10", "203.0.113.1"])
    assert network.looked == ["192.0.2.10", "192.0.2.20", "192.0.2.30"] and run.total == 3
    assert len(picture.current().devices) == 3


async def test_neighbours_are_looked_at_before_the_rest_of_the_sweep(make: Make) -> None:
    network = Network({"192.0.2.1": "a", "192.0.2.200": "b"})
    await make(network.look, looks_at_once=1).discover(STATION, ["192.0.2.0/24"])
    assert network.looked[:3] == ["192.0.2.1", "192.0.2.200", "192.0.2.2"] and len(network.looked) == len(set(network.looked)) == 254


async def test_who_is_known_to_be_there_and_was_silent_is_looked_at_once_more(make: Make) -> None:
    network = Network({"192.0.2.1": "a", "192.0.2.3": "b", "192.0.2.5": "c"})
    busy = {"192.0.2.3": 1, "192.0.2.5": 2}  # so many looks it does not answer

    async def look(address: str) -> DeviceFacts | NoAnswer:
        found = await network.look(address)
        busy[address] = busy.get(address, 0) - 1
        return NoAnswer(address, "no_answer") if busy[address] >= 0 else found

    run = await make(look, looks_at_once=2).discover(STATION, ["192.0.2.0/29"])
    counts = {address: network.looked.count(address) for address in run.ledger}
    assert counts == {f"192.0.2.{n}": 1 + (n in {3, 5}) for n in range(1, 7)}
    assert (run.ledger["192.0.2.3"].outcome, run.ledger["192.0.2.5"].outcome) == ("answered", "no_answer")


async def test_no_more_looks_at_once_than_allowed(make: Make) -> None:
    network = Network({}, delay_s=0.002)
    await make(network.look, looks_at_once=7).discover(STATION, ["192.0.2.0/26"])
    assert network.most_at_once == 7


@pytest.mark.slow
async def test_256_addresses_of_which_50_answer_take_well_under_a_minute(make: Make, picture: Picture) -> None:
    routers = {f"192.0.2.{4 * n + 1}": f"r{n}" for n in range(50)}
    network = Network(routers)

    async def look(address: str) -> DeviceFacts | NoAnswer:
        network.delay_s = 0.05 if address in routers else 0.6
        return await network.look(address)

    began = asyncio.get_running_loop().time()
    run = await make(look).discover(STATION, ["192.0.2.0/24"])
    assert asyncio.get_running_loop().time() - began < 20
    assert (run.outcomes["answered"], len(picture.current().links)) == (50, 49)


async def test_one_hanging_or_broken_look_costs_only_itself(make: Make) -> None:
    network = Network(ROW)

    async def look(address: str) -> DeviceFacts | NoAnswer:
        if address == "192.0.2.1":
            await asyncio.sleep(3600)
        if address == "192.0.2.2":
            raise ValueError("a codec's bug\r\nforged")
        return await network.look(address)

    run = await make(look, look_timeout_s=0.05).discover(STATION, ["192.0.2.0/27"])
    assert run.outcomes == {"timeout": 1, "failed": 1, "answered": 3, "no_answer": 25}


async def test_a_second_discovery_finds_the_same_devices_and_no_new_version(make: Make, picture: Picture) -> None:
    network = Network(ROW)
    discovery = make(network.look)
    await discovery.discover(STATION, ["192.0.2.0/27"])
    ids = {d.id for d in picture.current().devices.values()}
    network.looked.clear()
    run = await discovery.discover(STATION, ["192.0.2.0/27"])
    assert run.new_devices == 0 and {d.id for d in picture.current().devices.values()} == ids
    assert set(network.looked[:3]) == {"192.0.2.10", "192.0.2.20", "192.0.2.30"} and len(network.looked) == 30


async def test_one_device_at_two_addresses_is_one_device(make: Make, picture: Picture) -> None:
    network = Network({"192.0.2.1": "same"})

    async def look(address: str) -> DeviceFacts | NoAnswer:
        facts = network.facts("192.0.2.1")
        return DeviceFacts(
            address, 161, "default", facts.sys_name, "", "", chassis_id=facts.chassis_id, addresses=("192.0.2.1", "192.0.2.2")
        )

    await make(look).discover(STATION, ["192.0.2.1", "192.0.2.2"])
    assert len(picture.current().devices) == 1 and picture.current().addresses == {"192.0.2.1": 1, "192.0.2.2": 1}


async def test_the_running_task_takes_one_request_at_a_time(make: Make, picture: Picture) -> None:
    discovery = make(Network(ROW).look)
    running = asyncio.create_task(discovery.run())
    try:
        await discovery.request(STATION, ["192.0.2.0/27"])
        with pytest.raises(DiscoveryError, match="is running"):
            await discovery.request(STATION, ["192.0.2.0/27"])
        async with asyncio.timeout(60):
            while not discovery.runs or not discovery.runs[-1].ended_ns:
                await asyncio.sleep(0.01)
        assert len(picture.current().devices) == 3
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_only_engineers_discover(make: Make) -> None:
    discovery = make(Network(ROW).look)
    operator = Scope(1, Role.OPERATOR, "olaf")
    for act in (discovery.request(operator, ["192.0.2.0/27"]), discovery.discover(operator, ["192.0.2.0/27"])):
        with pytest.raises(ForbiddenError):
            await act


@pytest.mark.parametrize("ranges", [[], ["10.0.0.0/8"], ["nonsense"], ["192.0.2.0/33"], ["\x1b[2J"], ["10.0.0.0/16", "10.1.0.0/24"]])
def test_what_is_no_range_or_too_large_is_refused(ranges: list[str]) -> None:
    with pytest.raises(DiscoveryError):
        networks(ranges)


def test_a_large_range_may_bound_a_walk_from_a_seed() -> None:
    assert networks(["10.0.0.0/8", "2001:db8::/32"], sweep=False)


@given(st.integers(0, (1 << 32) - 1), st.integers(22, 32))
def test_every_address_is_inside_and_none_is_network_or_broadcast(number: int, prefix: int) -> None:
    network = ip_network((number, prefix), strict=False)
    found = list(addresses([network]))
    assert 1 <= len(found) <= ADDRESSES_MAX and all(ip_address(one) in network for one in found)
    if prefix < 31:
        assert str(network.network_address) not in found and str(network.broadcast_address) not in found


@pytest.mark.parametrize(
    ("changes", "shown", "since_s", "drawn"),
    [
        (0, 0, 60.0, False),  # nothing is new
        (1, 0, 3.0, True),  # the first is shown at once
        (130, 100, 3.0, False),  # not worth to read all again
        (140, 100, 3.0, True),
        (101, 100, 15.0, True),  # but nobody waits longer
        (100, 100, 60.0, False),
    ],
)
def test_the_picture_is_drawn_anew_when_it_shows_clearly_more(changes: int, shown: int, since_s: float, *, drawn: bool) -> None:
    assert settles(changes, shown, since_s) is drawn
