"""The poller against net-snmp's agent and a dead one: columns out, and a device that is down costs only itself."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from collectors.inputs.snmp import run
from collectors.settings import SnmpSettings
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.poller import Poller
from collectors.snmp.profile_model import ProfileLimits
from collectors.snmp.profiles import Profiles, shipped_profiles
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import SystemClock
from station.series import series_of
from tests.peers.collectors.conftest import PUBLIC, Peer, until
from tests.ports import UDP, free_port

FAST = SnmpSettings(interval_s=1, first_spread_s=0, verify_after_s=0.1)


def _network(snmpd: Peer, dead_port: int) -> Topology:
    alive = Device(no=1, id="a", name="alive", site_id="", management_address=snmpd.address, snmp_port=snmpd.port)
    dead = Device(no=2, id="b", name="dead", site_id="", management_address="127.0.0.1", snmp_port=dead_port)
    loopback = Entity(key=1 << 16 | 1, id="i", kind="interface", name="lo", if_index=77)  # renumbered meanwhile: ifName finds it
    return Topology(version=1, devices={1: alive, 2: dead}, entities={loopback.key: loopback})


def _impatient() -> Profiles:
    generic = shipped_profiles().generic
    return Profiles({"generic": generic.model_copy(update={"limits": ProfileLimits(timeout_s=0.5, retries=1)})})


def _poller(topology: Topology, credential_of: Callable[[str], SnmpCredential]) -> Poller:
    return Poller(
        FAST,
        topology=lambda: topology,
        credential_of=credential_of,
        profiles=_impatient(),
        samples=Channel[SampleBatch]("test samples", 100),
        notifications=Channel[tuple[Notification, ...]]("test notifications", 100),
        clock=SystemClock(),
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1", "2c", "3"])
async def test_a_poll_gives_the_interfaces_counters_with_uptime(snmpd: Peer, version: str) -> None:
    credential = snmpd.user(None, None) if version == "3" else SnmpCredential(version=version, community="public")
    poller = _poller(_network(snmpd, free_port(UDP)), lambda _: credential)
    try:
        assert await poller.poll_now(1)
        assert await poller.poll_now(1)  # the first may have found names the agent does not know
        await poller._samples.get()
        batch = await poller._samples.get()
    finally:
        poller.close()
    by_series = {int(series): row for row, series in enumerate(batch.series)}
    octets = by_series[series_of(1, 1, code_of("interface.in_octets"))]
    assert batch.raw[octets] > 0 and np.isnan(batch.value[octets]) and batch.uptime_cs[octets] > 0
    assert batch.value[by_series[series_of(1, 1, code_of("interface.oper_status"))]] == 1
    assert batch.value[by_series[series_of(1, 0, code_of("device.availability"))]] == 1
    assert 0 < batch.value[by_series[series_of(1, 0, code_of("device.memory_utilisation"))]] <= 1


@pytest.mark.slow
async def test_a_dead_device_becomes_unreachable_and_costs_only_itself(snmpd: Peer) -> None:
    poller = _poller(_network(snmpd, free_port(UDP)), lambda _: PUBLIC)
    heard: list[Notification] = []
    batches: list[SampleBatch] = []

    async def listen() -> None:
        async for notifications in poller._notifications:
            heard.extend(notifications)

    async def take() -> None:
        async for batch in poller._samples:
            batches.append(batch)

    tasks = [asyncio.create_task(work) for work in (run(poller), listen(), take())]
    try:
        await until(lambda: bool(heard), deadline_s=40)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert [(n.device, n.protocol, n.name, n.fields["reason"]) for n in heard] == [(2, "poll", "unreachable", "timeout")]
    up = SampleBatch.concat(batches)
    answered = up.value[up.series == series_of(1, 0, code_of("device.availability"))]
    assert len(answered) >= 2 and (answered == 1).all()
