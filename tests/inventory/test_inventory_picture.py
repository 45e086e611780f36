"""The picture: loaded from the tables, shared by those who ask at once, kept true in the small."""

import asyncio
import json
from dataclasses import replace

import pytest
import sqlalchemy as sa

from inventory.facts import DeviceFacts, InterfaceFacts
from inventory.picture import Picture
from inventory.reconcile import reconcile
from inventory.store import device, entity
from station.hub import Hub, Message
from station.scope import STATION
from station.state import State

NOW = 1_800_000_000_000_000_000
PORTS = (InterfaceFacts(1, "xe-0", oper_status=1, admin_status=1), InterfaceFacts(2, "xe-1", oper_status=1, admin_status=1))
CORE = DeviceFacts("192.0.2.1", 161, "default", "ham-core-1", "", "", "Kiel, North [54.3, 10.1]", chassis_id="02:01", interfaces=PORTS)


def messages(hub: Hub) -> list[tuple[str, dict[str, object]]]:
    ring: list[Message] = list(hub._ring)
    return [(message.topic, json.loads(message.data)) for message in ring]


async def test_a_picture_shows_what_was_reconciled(state: State) -> None:
    hub = Hub()
    picture = Picture(state, hub)
    await reconcile(state, STATION, CORE, NOW)
    topology = await picture.reload()
    assert topology is picture.current() and topology.version == 1
    router = topology.devices[1]
    assert (router.name, topology.sites[router.site_id].region) == ("ham-core-1", "North")
    assert topology.interface_by_index[1, 2].name == "xe-1" and topology.addresses == {"192.0.2.1": 1}
    assert topology.station_devices == (1,)
    assert messages(hub) == [("topology", {"version": 1})]


async def test_calls_at_once_share_a_reload(state: State) -> None:
    picture = Picture(state, Hub())
    pictures = await asyncio.gather(*(picture.reload() for _ in range(20)))
    assert pictures[-1].version <= 2


async def test_a_gone_interface_stays_in_the_picture_but_is_not_there_to_poll(state: State) -> None:
    picture = Picture(state, Hub())
    await reconcile(state, STATION, CORE, NOW)
    await reconcile(state, STATION, replace(CORE, interfaces=(replace(PORTS[0], if_index=2),)), NOW + 1)
    topology = await picture.reload()
    assert {entity.name: entity.gone for entity in topology.entities.values()} == {"xe-0": False, "xe-1": True}
    assert topology.interface_by_index[1, 2].name == "xe-0" and len(topology.interfaces_of[1]) == 1


async def test_statuses_reach_store_snapshot_and_watchers_without_a_new_version(state: State) -> None:
    hub = Hub()
    picture = Picture(state, hub)
    await reconcile(state, STATION, CORE, NOW)
    before = await picture.reload()
    assert before.link_at == {}
    await picture.set_device_status(1, "down", NOW + 5)
    await picture.set_device_status(1, "down", NOW + 6)
    await picture.set_interface_status(1 << 16 | 2, 1, 2)
    await picture.set_device_status(99, "down", NOW)
    await picture.set_interface_status(99 << 16, 1, 2)
    await picture.flush()
    after = picture.current()
    assert (after.version, after.devices[1].status, after.devices[1].last_seen_ns) == (1, "down", NOW + 6)
    assert after.interface_by_index[1, 2].oper_status == 2 and after.device_by_id[after.devices[1].id].status == "down"
    assert [data["status"] for topic, data in messages(hub) if topic == "device"] == ["down"]
    async with state.read() as conn:
        assert (await conn.execute(sa.select(device.c.status, device.c.last_seen_ns))).one() == ("down", NOW + 6)
        assert (await conn.execute(sa.select(entity.c.oper_status).order_by(entity.c.entity_no))).scalars().all() == [1, 2]


async def test_a_reload_loses_no_status_that_waits_to_be_written(state: State) -> None:
    picture = Picture(state, Hub())
    await reconcile(state, STATION, CORE, NOW)
    await picture.reload()
    await picture.set_device_status(1, "unreachable", NOW)
    assert (await picture.reload()).devices[1].status == "unreachable"


async def test_a_picture_that_is_stopped_writes_what_waits(state: State) -> None:
    picture = Picture(state, Hub())
    await reconcile(state, STATION, CORE, NOW)
    await picture.reload()
    running = asyncio.create_task(picture.run())
    await asyncio.sleep(0)
    await picture.set_device_status(1, "down", NOW)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert picture.current().devices[1].status == "down"


async def test_tenants_have_pictures_of_their_own(state: State) -> None:
    await reconcile(state, STATION, CORE, NOW)
    assert (await Picture(state, Hub(), tenant=2).reload()).devices == {}
