"""What net-snmp's agent is asked when: a relay between it and the poller reads every request."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest

from collectors.codecs import snmp
from collectors.codecs.ber import Oid, dotted
from collectors.codecs.snmp import Pdu, PduType
from collectors.settings import SnmpSettings
from collectors.snmp.plan import DISCONTINUITY, SYS_UPTIME
from collectors.snmp.poller import Poller
from collectors.snmp.profiles import Profiles, shipped_profiles
from inventory.topology import Device, Entity, Topology
from station.batch import Notification, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import NS_PER_S
from tests.collectors.test_snmp_misbehaving import SkippingClock
from tests.peers.collectors.conftest import PUBLIC, Peer

OCTETS, ERRORS, PROCESSES = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 6), (1, 3, 6, 1, 2, 1, 2, 2, 1, 14), (1, 3, 6, 1, 2, 1, 25, 1, 6)
HEAD = ((1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1), DISCONTINUITY)  # comes with each answer of a tier
TIERS = {"interface.in_errors": "status", "sensor.sessions": "slow"}
EVERYTHING, FAST, STATUS = {"octets", "errors", "processes"}, {"octets"}, {"octets", "errors"}


@dataclass
class Relay(asyncio.DatagramProtocol):
    """Passes requests on to the agent, and its answers back."""

    agent: tuple[str, int]
    asked: list[Pdu] = field(default_factory=list)
    transport: asyncio.DatagramTransport | None = None
    poller: tuple[str, int] = ("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self.transport is not None
        if addr == self.agent:
            return self.transport.sendto(data, self.poller)
        self.poller, pdu = addr, snmp.decode(data).pdu
        assert isinstance(pdu, Pdu)
        self.asked.append(pdu)
        return self.transport.sendto(data, self.agent)

    def taken(self) -> list[Oid]:
        """The names that were polled since the last call."""
        asked, self.asked = self.asked, []
        return [varbind.oid for pdu in asked if pdu.type is PduType.GET for varbind in pdu.varbinds]


@asynccontextmanager
async def relayed(snmpd: Peer) -> AsyncIterator[tuple[Relay, int]]:
    transport, relay = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Relay((snmpd.address, snmpd.port)), local_addr=("127.0.0.1", 0), family=socket.AF_INET
    )
    try:
        yield relay, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def network(port: int) -> Topology:
    entities = (
        Entity(key=1 << 16 | 1, id="lo", kind="interface", name="lo", if_index=1),
        Entity(
            key=1 << 16 | 2, id="processes", kind="sensor", name="processes", oid=dotted((*PROCESSES, 0)), metric=code_of("sensor.sessions")
        ),
    )
    device = Device(no=1, id="a", name="a", site_id="", management_address="127.0.0.1", snmp_port=port)
    return Topology(version=1, devices={1: device}, entities={one.key: one for one in entities})


def kinds(names: list[Oid]) -> set[str]:
    columns = {OCTETS: "octets", ERRORS: "errors", PROCESSES: "processes"}
    return {columns[name[:-1]] for name in names if name[:-1] in columns}


@pytest.mark.slow
async def test_counters_are_asked_at_each_poll_and_the_slower_tiers_with_every_second_and_fourth(snmpd: Peer) -> None:
    clock, samples = SkippingClock(), Channel[SampleBatch]("tiers", 1000)
    generic = shipped_profiles().generic.model_copy(update={"tiers": TIERS})
    async with relayed(snmpd) as (relay, port), asyncio.TaskGroup() as tasks, asyncio.timeout(60):
        poller = Poller(
            SnmpSettings(interval_s=30, status_every=2, slow_every=4, first_spread_s=0),
            topology=lambda: network(port),
            credential_of=lambda _: PUBLIC,
            profiles=Profiles({"generic": generic}),
            samples=samples,
            notifications=Channel[tuple[Notification, ...]]("tiers", 10),
            clock=clock,
        )

        async def turn() -> list[Oid]:
            """One turn of the schedule, until its poll is through; the names that were asked."""
            await poller._step(tasks)
            while poller._running:
                await asyncio.sleep(0.005)
            clock.skipped_ns += 30 * NS_PER_S
            return relay.taken()

        try:
            asked = [await turn() for _ in range(9)]
        finally:
            poller.close()
        batches = [await samples.get() for _ in range(len(samples))]
    assert [kinds(names) for names in asked] == [EVERYTHING, STATUS, FAST, EVERYTHING, FAST, STATUS, FAST, EVERYTHING, FAST]
    for names in asked[1:]:
        told = [name for name in names if name != SYS_UPTIME and name[:-1] not in HEAD]
        assert len(told) == len(set(told)), "one walk for all tiers that are due: nothing is asked twice"
    series = {int(one) & 0xFF for batch in batches for one in batch.series}
    assert {code_of("interface.in_octets"), code_of("interface.in_errors"), code_of("sensor.sessions")} <= series
