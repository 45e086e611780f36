"""A bug met while one device is polled costs that poll, not the polling of the others."""

import asyncio

import pytest

from collectors.metrics import SNMP_POLLS
from collectors.settings import SnmpSettings
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.poller import Polled, Poller
from collectors.snmp.profiles import shipped_profiles
from inventory.topology import Device, Topology
from station.batch import Notification, SampleBatch
from station.channel import Channel
from station.clock import SystemClock


@pytest.mark.slow
async def test_a_bug_in_one_poll_leaves_the_others_running(monkeypatch: pytest.MonkeyPatch) -> None:
    polls: list[int] = []
    enough = asyncio.Event()

    async def poll(_: Poller, polled: Polled) -> bool:
        polls.append(polled.device.no)
        if polls.count(1) >= 2 and polls.count(2) >= 2:
            enough.set()
        if polled.device.no == 1:
            raise KeyError("a bug")
        return True

    monkeypatch.setattr(Poller, "_poll", poll)
    devices = {no: Device(no=no, id=str(no), name=str(no), site_id="", management_address="127.0.0.1") for no in (1, 2)}
    poller = Poller(
        SnmpSettings(interval_s=1, first_spread_s=0),
        topology=lambda: Topology(version=1, devices=devices),
        credential_of=lambda _: SnmpCredential(community="public"),
        profiles=shipped_profiles(),
        samples=Channel[SampleBatch]("test samples", 10),
        notifications=Channel[tuple[Notification, ...]]("test notifications", 10),
        clock=SystemClock(),
    )
    failed = SNMP_POLLS.labels("failed")._value.get()
    running = asyncio.create_task(poller.run())
    try:
        async with asyncio.timeout(10):
            await enough.wait()
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert SNMP_POLLS.labels("failed")._value.get() - failed >= 2
