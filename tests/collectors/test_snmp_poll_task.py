"""The poll schedule: what goes wrong with one device, its credential or one turn costs just that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import pytest

from collectors.metrics import SNMP_POLLER_ERRORS, SNMP_POLLS, SNMP_UNPOLLED, SNMP_WORST
from collectors.settings import SnmpSettings
from collectors.snmp.client import SnmpClient
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.learn import Learned
from collectors.snmp.polled import Polled
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import shipped_profiles
from collectors.snmp.rounds import Rounds
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import NS_PER_S, VirtualClock
from station.series import series_of

PUBLIC = SnmpCredential(community="public")
INTERVAL_S = 10


def device(no: int) -> Device:
    return Device(no=no, id=str(no), name=str(no), site_id="", management_address="127.0.0.1")


@dataclass
class Network:
    """A topology and credentials that a test changes, and the poller that follows them on a clock of its own."""

    topology: Topology = field(default_factory=lambda: Topology(version=1, devices={no: device(no) for no in (1, 2)}))
    credentials: dict[str, SnmpCredential] = field(default_factory=lambda: {"default": PUBLIC})
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NS_PER_S))
    samples: Channel[SampleBatch] = field(default_factory=lambda: Channel("test samples", 100))
    asked: int = 0

    def credential_of(self, name: str) -> SnmpCredential | None:
        self.asked += 1
        return self.credentials.get(name)

    def only(self, *numbers: int) -> None:
        self.topology = Topology(version=self.topology.version + 1, devices={no: device(no) for no in numbers})

    def poller(self) -> Poller:
        return Poller(
            SnmpSettings(interval_s=INTERVAL_S, first_spread_s=0),
            topology=lambda: self.topology,
            credential_of=self.credential_of,
            profiles=shipped_profiles(),
            samples=self.samples,
            notifications=Channel[tuple[Notification, ...]]("test notifications", 10),
            clock=self.clock,
        )


class Step(Protocol):
    async def __call__(self, seconds: float = 0.0) -> None: ...


@asynccontextmanager
async def stepping(network: Network, poller: Poller) -> AsyncIterator[Step]:
    """Move the clock and give the schedule one turn; polls that it started run on until they wait."""
    async with asyncio.TaskGroup() as tasks:

        async def step(seconds: float = 0.0) -> None:
            network.clock.advance(int(seconds * NS_PER_S))
            await poller._step(tasks)
            for _ in range(3):
                await asyncio.sleep(0)

        yield step


@dataclass
class Polls:
    """Stands where a poll of the network would be: notes who was polled, and waits or fails as told."""

    made: list[int] = field(default_factory=list)
    now: list[int] = field(default_factory=list)
    hold: asyncio.Event | None = None
    bug_at: int = 0

    async def __call__(self, polled: Polled) -> bool:
        no = polled.device.no
        assert no not in self.now, "one device is never polled twice at once"
        self.made.append(no)
        if no == self.bug_at:
            raise KeyError("a bug")
        self.now.append(no)
        if self.hold is not None:
            await self.hold.wait()
        self.now.remove(no)
        return True


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    made = Polls()

    async def poll(_: Poller, polled: Polled, tier: int) -> bool:
        return await made(polled)

    monkeypatch.setattr(Poller, "_poll", poll)
    return made


async def test_a_bug_in_one_poll_leaves_the_others_running_and_says_that_nothing_was_heard(polls: Polls) -> None:
    network = Network()
    poller, polls.bug_at = network.poller(), 1
    failed = SNMP_POLLS.labels("failed")._value.get()
    async with stepping(network, poller) as step:
        await step()
        await step(INTERVAL_S)
        await step()
    assert sorted(polls.made) == [1, 1, 2, 2]
    assert SNMP_POLLS.labels("failed")._value.get() - failed == 2
    assert poller.problems == {1: {"poll_failed": 2}}
    batch = await network.samples.get()
    assert (batch.series.tolist(), batch.value.tolist()) == ([series_of(1, 0, code_of("device.availability"))], [0.0])


async def test_a_device_that_leaves_while_it_is_polled_ends_nothing(polls: Polls) -> None:
    network = Network()
    poller, polls.hold = network.poller(), asyncio.Event()
    async with stepping(network, poller) as step:
        await step()
        network.only(2)
        await step(1)
        polls.hold.set()
        await step(1)
        await step(INTERVAL_S)
        await step(INTERVAL_S)
    assert sorted(polls.made) == [1, 2, 2, 2]


async def test_a_device_that_leaves_and_returns_while_it_is_polled_keeps_one_place_in_the_schedule(polls: Polls) -> None:
    network = Network()
    poller, polls.hold = network.poller(), asyncio.Event()
    async with stepping(network, poller) as step:
        await step()
        network.only(2)
        await step(1)
        network.only(1, 2)
        await step(1)
        assert sorted(polls.made) == [1, 2], "the former poll is still running"
        polls.hold.set()
        await step(1)
        await step(1)
        assert polls.made.count(1) == 2, "the device that returned is polled as soon as it can be"
        for _ in range(4 * INTERVAL_S):
            await step(1)
    assert (polls.made.count(1), polls.made.count(2)) == (6, 5)


async def test_a_changed_credential_is_used_without_a_new_topology(polls: Polls) -> None:
    network = Network()
    poller = network.poller()
    async with stepping(network, poller) as step:
        await step()
        network.credentials["default"] = replace(PUBLIC, community="rotated")
        await step(INTERVAL_S)
        clients = [polled.client for polled in poller._polled.values()]
    assert [client.credential.community for client in clients] == ["rotated", "rotated"]


async def test_a_changed_credential_waits_for_the_poll_under_way_and_keeps_the_device_in_its_place(polls: Polls) -> None:
    network = Network()
    poller, polls.hold = network.poller(), asyncio.Event()
    async with stepping(network, poller) as step:
        await step()
        before = dict(poller._polled)
        before[1].learned, before[1].misses = Learned({1: "eth0"}, (), shipped_profiles().generic), 1
        network.credentials["default"] = replace(PUBLIC, community="rotated")
        await step(6)
        assert poller._polled == before and sorted(polls.now) == [1, 2], "what is being asked is asked to its end"
        polls.hold.set()
        await step()
        await step()
        after = dict(poller._polled)
        assert {one.client.credential.community for one in after.values()} == {"rotated"}
        assert [after[1].learned, after[1].misses] == [before[1].learned, 1], "what was known of the device still holds"
        for _ in range(2):
            assert sorted(polls.made) == [1, 1, 2, 2] if network.clock.now_ns() > 10 * NS_PER_S else [1, 2]
            await step(4)
    assert sorted(polls.made) == [1, 1, 2, 2], "each at the time it was due anyway"


async def test_one_device_that_changes_moves_no_other(polls: Polls) -> None:
    network = Network()
    poller = network.poller()
    async with stepping(network, poller) as step:
        await step()
        await step(3)
        due = {no: one.due_ns for no, one in poller._polled.items()}
        other = replace(device(1), management_address="127.0.0.2")
        network.topology = Topology(version=2, devices={1: other, 2: device(2), 3: device(3)})
        await step(1)
        assert {no: one.due_ns for no, one in poller._polled.items() if no in due} == due
        assert polls.made.count(3) == 1, "a new device is polled at once"


async def test_the_worst_devices_are_named_and_no_more_than_ten_of_a_kind(polls: Polls) -> None:
    network = Network()
    network.only(*range(1, 31))
    poller = network.poller()
    async with stepping(network, poller) as step:
        await step()
        for no, polled in poller._polled.items():
            polled.client.problem("timeout", no)
            polled.misses = int(no == 7)
        await step(60)
    told = {tuple(sample.labels.values()): sample.value for sample in next(iter(SNMP_WORST.collect())).samples}
    assert {device: value for (kind, device), value in told.items() if kind == "problems"} == {str(no): float(no) for no in range(21, 31)}
    assert {device: value for (kind, device), value in told.items() if kind == "missed_polls"} == {"7": 1.0}


async def test_a_device_whose_credential_is_gone_is_not_polled_and_is_named(polls: Polls) -> None:
    network = Network()
    poller = network.poller()
    async with stepping(network, poller) as step:
        await step()
        del network.credentials["default"]
        await step(INTERVAL_S)
        assert dict(poller.unpolled) == {1: "no_credential", 2: "no_credential"}
        assert SNMP_UNPOLLED.labels("no_credential")._value.get() == 2
        asked = network.asked
        for _ in range(20):
            await step()
        assert network.asked == asked, "nothing is looked at anew in every turn"
        network.credentials["default"] = PUBLIC
        await step(INTERVAL_S)
        await step()
    assert not poller.unpolled and sorted(polls.made) == [1, 1, 2, 2]


async def test_a_device_that_cannot_be_set_up_hides_no_other(polls: Polls) -> None:
    network = Network(topology=Topology(version=1, devices={1: replace(device(1), management_address="not an address"), 2: device(2)}))
    poller = network.poller()
    async with stepping(network, poller) as step:
        await step()
    assert (polls.made, dict(poller.unpolled)) == ([2], {1: "failed"})


async def test_a_turn_that_a_bug_cuts_short_ends_no_poll(polls: Polls, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    poller, polls.hold = network.poller(), asyncio.Event()
    monkeypatch.setattr("collectors.snmp.poller._TICK_S", 0.0)
    errors = SNMP_POLLER_ERRORS._value.get()
    async with stepping(network, poller) as step:
        await step()
        whole, network.topology = network.topology, None  # type: ignore[assignment]
        await step(1)
        assert (SNMP_POLLER_ERRORS._value.get() - errors, sorted(polls.now)) == (1, [1, 2])
        network.topology = whole
        polls.hold.set()
        await step()
        await step(INTERVAL_S)
    assert sorted(polls.made) == [1, 1, 2, 2]


async def test_cancelling_the_poller_ends_its_polls(polls: Polls) -> None:
    network = Network()
    poller, polls.hold = network.poller(), asyncio.Event()
    running = asyncio.create_task(poller.run())
    async with asyncio.timeout(60):
        while len(polls.now) < 2:
            await asyncio.sleep(0)
    running.cancel()
    assert isinstance((await asyncio.gather(running, return_exceptions=True))[0], asyncio.CancelledError)


async def test_a_new_version_makes_a_plan_anew_only_where_the_device_itself_changed() -> None:
    network = Network()
    port = Entity(key=1 << 16 | 1, id="p", kind="interface", name="eth0", if_index=1)
    profiles = shipped_profiles()
    rounds = Rounds(SnmpSettings(), profiles, lambda: network.topology, network.clock)
    polled = Polled(device(1), SnmpClient(Engine(), "127.0.0.1", 161, PUBLIC))
    polled.learned, polled.learned_ns = Learned({1: "eth0", 2: "eth1"}, (), profiles.named("generic")), network.clock.now_ns()

    def show(version: int, *entities: Entity) -> None:
        network.topology = Topology(version, devices={1: device(1)}, entities={one.key: one for one in entities})

    show(1, port)
    first = await rounds.plan(polled)
    show(2, replace(port, oper_status=2, alias="another"), replace(port, key=2 << 16 | 1, id="other device"))
    assert await rounds.plan(polled) is first
    show(3, port, replace(port, key=1 << 16 | 2, id="q", name="eth1", if_index=2))
    second = await rounds.plan(polled)
    assert len(second.oids) > len(first.oids)
    show(4, replace(port, if_index=2, name="eth1"))
    assert await rounds.plan(polled) is not second
