"""What the roof makes of states: who is silent and why, what a lost session ran over, what was open before a start."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from collectors.proof import Proof, SessionSeen
from fault.service import FaultService
from inventory.picture import Picture
from inventory.topology import Device, Entity, Link, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.follow import NOT_PRESENT, UNREACHABLE, UP, Follower
from station.series import series_of

DEVICES = {no: Device(no, f"dev-{no}", f"r{no}", "", f"192.0.2.{no}", status="up") for no in (1, 2)}
PORTS = {no << 16 | 1: Entity(no << 16 | 1, f"if-{no}", "interface", "ge-0", if_index=7, admin_status=1, oper_status=1) for no in (1, 2)}
SESSION = 1 << 16 | 2
SESSIONS = {SESSION: Entity(SESSION, "s-1", "session", "ospf 198.51.100.1")}
NETWORK = Topology(1, devices=DEVICES, entities=PORTS | SESSIONS, links={"l": Link("l", 1 << 16 | 1, 2 << 16 | 1)})


@dataclass
class FakePicture:
    """Holds a topology and what it was told of statuses."""

    topology: Topology = NETWORK
    statuses: dict[int, str] = field(default_factory=dict)

    def current(self) -> Topology:
        return self.topology

    async def set_device_status(self, no: int, status: str, last_seen_ns: int) -> None:
        self.statuses[no] = status

    async def set_interface_status(self, key: int, admin_status: int, oper_status: int) -> None:
        return None


def alarm(resource: str, kind: str, qualifier: str = "") -> Any:
    return SimpleNamespace(id=f"{resource} {qualifier}", resource=resource, alarm_type=kind, qualifier=qualifier, is_cleared=False)


class FakeFault:
    """Alarms that are open, incidents over them, and who was asked to be verified."""

    def __init__(self, *alarms: Any, root: tuple[str, str] = ("", "")) -> None:
        self.book = SimpleNamespace(alarms={each.id: each for each in alarms})
        incident = SimpleNamespace(state="open", root=SimpleNamespace(resource_id=root[0], kind=root[1]), alarm_ids=set(self.book.alarms))
        self.incidents = SimpleNamespace(incidents={"i": incident})
        self.notifications: Channel[tuple[Notification, ...]] = Channel("test_heard", 100)
        self.asked: list[int] = []
        self.verifier = SimpleNamespace(ask=lambda no, *_: self.asked.append(no))

    def open_resources(self) -> frozenset[str]:
        return frozenset(each.resource for each in self.book.alarms.values())

    def doubtful(self, device_no: int) -> list[Any]:
        return []

    def verified_by(self, each: Any) -> str:
        return "session" if each.qualifier else "device"

    async def said(self) -> list[dict[str, str]]:
        """What was told, each message's name with its fields."""
        told: list[Notification] = []
        while len(self.notifications):
            told += await self.notifications.get()
        return [{"name": each.name, "device": f"r{each.device}"} | dict(each.fields) for each in told]


class Station:
    """A follower over the fakes; `proof` is what a look at any device shows."""

    def __init__(self, fault: FakeFault, picture: FakePicture | None = None, proof: Proof | None = None) -> None:
        self.fault, self.picture, self.proof = fault, picture or FakePicture(), proof
        self.looked_again: list[str] = []
        self.follower = Follower(
            cast(Picture, self.picture),
            cast(FaultService, fault),
            SystemClock(),
            look_at=self.look_at,
            poll=self.poll,
            look_again=self.look_again,
        )

    async def look_at(self, device_no: int, ports: Sequence[int], protocols: Collection[str]) -> Proof | None:
        return self.proof

    async def poll(self, device_no: int) -> bool:
        return True

    async def look_again(self, address: str) -> None:
        self.looked_again.append(address)


def batch(*rows: tuple[int, int, str, float]) -> SampleBatch:
    """Rows of (device, entity, metric, value)."""
    return SampleBatch.of(
        np.full(len(rows), 1_000, np.int64),
        np.array([series_of(device, entity, code_of(metric)) for device, entity, metric, _ in rows], np.uint64),
        value=np.array([value for *_, value in rows], np.float64),
    )


def answers(device_no: int, up: bool) -> SampleBatch:
    return batch((device_no, 0, "device.availability", float(up)))


@pytest.mark.parametrize(
    ("root", "status"),
    [(("l", "link"), "unreachable"), (("dev-1", "device"), "unreachable"), (("dev-2", "device"), "down"), (("site", "power"), "down")],
)
async def test_a_silent_device_is_down_unless_something_is_in_the_way(root: tuple[str, str], status: str) -> None:
    station = Station(FakeFault(alarm("dev-2", UNREACHABLE), root=root))
    await station.follower.see(answers(2, False))
    assert station.picture.statuses == {2: status}


async def test_a_device_that_answers_after_a_start_ends_the_alarm_of_before() -> None:
    station = Station(FakeFault(alarm("dev-2", UNREACHABLE)))
    for _ in range(2):
        await station.follower.see(answers(1, True))
        await station.follower.see(answers(2, True))
    assert await station.fault.said() == [{"name": "reachable", "device": "r2"}]


async def test_sessions_that_were_alarms_before_a_start_are_looked_at_and_up_under_every_name() -> None:
    fault = FakeFault(alarm("dev-1", "communications.adjacency_down", "ospf 198.51.100.1"))
    proof = Proof({}, {"ospf": (SessionSeen(("203.0.113.2", "198.51.100.1"), up=True, state=8),)})
    station = Station(fault, proof=proof)
    await station.follower.see(answers(1, True))
    assert fault.asked == [1]
    await station.follower.prove(1)
    told = [(each["session"], each["state"]) for each in await fault.said() if each["name"] == "sessionState"]
    assert told == [("ospf 198.51.100.1", "up"), ("ospf 203.0.113.2", "up")]


async def test_a_suspect_session_is_not_forgotten_when_the_device_does_not_answer() -> None:
    station = Station(FakeFault())
    for state in (1.0, 0.0):
        await station.follower.see(batch((1, 2, "session.state", state)))
    assert await station.follower.prove(1) is None
    station.proof = Proof({}, {"ospf": ()})
    await station.follower.prove(1)
    assert [each["state"] for each in await station.fault.said() if each["name"] == "sessionState"] == ["down"]


async def test_a_lost_session_is_looked_into_with_the_ports_it_ran_over() -> None:
    station = Station(FakeFault(), proof=Proof({}, {"ospf": ()}))
    for state in (1.0, 0.0):
        await station.follower.see(batch((1, 2, "session.state", state)))
    await station.follower.prove(1)
    [port] = [each for each in await station.fault.said() if each["name"] == "ifStatus"]
    assert (port["ifName"], port["ifOperStatus"], port["ifAdminStatus"], port["linked"]) == ("ge-0", "notPresent", "up", "yes")
    assert station.looked_again == ["192.0.2.1"]


async def test_a_port_that_discovery_finds_gone_and_later_back_is_told_so() -> None:
    station = Station(FakeFault())
    await station.follower.see(batch((1, 1, "interface.oper_status", UP)))
    key = 1 << 16 | 1
    for version, gone in ((2, True), (3, False)):
        entity = replace(PORTS[key], gone=gone, if_index=9 if not gone else 7)
        station.picture.topology = replace(NETWORK, version=version, entities={**NETWORK.entities, key: entity})
        await station.follower.see(answers(1, True))
    told = [(each["ifIndex"], each["ifOperStatus"]) for each in await station.fault.said()]
    assert told == [("", "notPresent"), ("9", "up")]


async def test_a_lost_port_is_sought_again_and_again_until_it_is_back() -> None:
    station = Station(FakeFault())
    await station.follower.see(batch((1, 1, "interface.oper_status", UP)))
    await station.follower.see(batch((1, 1, "interface.oper_status", NOT_PRESENT)))
    assert station.fault.asked == [1]
    await station.follower.prove(1)
    assert station.looked_again == ["192.0.2.1"]
    await station.follower.see(batch((1, 1, "interface.oper_status", UP)))
    await station.follower.prove(1)
    await station.follower.prove(1)
    assert station.looked_again == ["192.0.2.1"] * 2
