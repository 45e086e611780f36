"""Agents that misbehave over the wire: each costs only itself, and says of itself what is wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from collectors.facts import INTERFACES_MAX, look
from collectors.snmp.client import Limits
from collectors.snmp.credentials import SnmpCredential
from collectors.snmp.engine import Engine
from collectors.snmp.profiles import shipped_profiles
from inventory.facts import DeviceFacts, NoAnswer
from simulator.agents import HOSTILE_AT, Agents
from simulator.build import build
from simulator.hostile import BUSY, KINDS
from simulator.network import NS_PER_S, Network
from simulator.traffic import Boots
from simulator.world import Device
from tests.ports import UDP, free_port

pytestmark = pytest.mark.slow
NOW_NS = 1_795_000_000 * NS_PER_S
WORLD = build(1, 24)
BAD, GOOD = WORLD.devices[HOSTILE_AT], WORLD.devices[0]
PATIENCE_S = 60.0
Look = Callable[[Device], "asyncio.Future[DeviceFacts | NoAnswer]"]


@asynccontextmanager
async def looking(kind: str) -> AsyncIterator[Look]:
    network = Network(WORLD, Boots.of(WORLD, NOW_NS, {}), NOW_NS)
    port = free_port(UDP, GOOD.address)
    agents, engine = Agents(network, "public", lambda: NOW_NS, port, kind), Engine()
    agents.open()
    credentials, limits = [SnmpCredential(community="public")], Limits(timeout_s=0.3, timeout_min_s=0.3, retries=1, budget_s=5.0)
    try:
        yield lambda device: asyncio.ensure_future(look(engine, device.address, port, credentials, shipped_profiles(), limits=limits))
    finally:
        agents.close()
        engine.close()


@pytest.mark.parametrize("kind", [*KINDS, BUSY])
async def test_a_bad_agent_ends_in_time_and_a_good_one_does_not_wait_for_it(kind: str) -> None:
    async with looking(kind) as at:
        bad = at(BAD)
        began = time.monotonic()
        good = await at(GOOD)
        waited_s = time.monotonic() - began
        async with asyncio.timeout(PATIENCE_S):
            found = await bad
    assert isinstance(good, DeviceFacts)
    assert (good.sys_name, len(good.interfaces)) == (GOOD.name, len(GOOD.interfaces))
    assert waited_s < PATIENCE_S / 2
    if isinstance(found, NoAnswer):
        assert found.reason in ("no_answer", "malformed", "refused", "timeout")
    else:
        assert len(found.interfaces) <= INTERFACES_MAX


@pytest.mark.parametrize("kind", ["small", BUSY])
async def test_an_agent_that_is_only_weak_is_read_whole(kind: str) -> None:
    async with looking(kind) as at:
        found = await at(BAD)
    assert isinstance(found, DeviceFacts), found
    assert (found.sys_name, [port.name for port in found.interfaces]) == (BAD.name, [port.name for port in BAD.interfaces])
