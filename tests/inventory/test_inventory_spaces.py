"""Overlapping addresses: an address means a device within its own address space only."""

from dataclasses import asdict, replace

import pytest
import sqlalchemy as sa

from inventory import store
from inventory.facts import AddressFacts, DeviceFacts, InterfaceFacts, NeighbourFacts, facts_of
from inventory.link_store import refresh_links
from inventory.picture import Picture
from inventory.reconcile import reconcile
from inventory.topology import Topology
from station.hub import Hub
from station.scope import STATION
from station.state import State

NOW = 1_800_000_000_000_000_000


def router(address: str, vrf: str = "", name: str = "r", chassis: str = "") -> DeviceFacts:
    """A router with one port in a subnet for two."""
    port = InterfaceFacts(1, "xe-0", oper_status=1, admin_status=1)
    subnet = AddressFacts(address, 1, 30)
    return DeviceFacts(
        address,
        161,
        "default",
        name,
        "",
        "1.3.6.1",
        chassis_id=chassis,
        interfaces=(port,),
        addresses=(address,),
        subnets=(subnet,),
        vrf=vrf,
    )


async def look(state: State, facts: DeviceFacts) -> int:
    return (await reconcile(state, STATION, facts, NOW)).device_no


async def drawn(state: State) -> Topology:
    await refresh_links(state, STATION, NOW)
    return await Picture(state, Hub()).reload()


async def test_the_same_name_address_and_hardware_in_two_spaces_are_two_devices(state: State) -> None:
    numbers = [await look(state, router("10.0.0.1", vrf, chassis="02:00:00:00:00:01")) for vrf in ("", "north", "south", "north")]
    assert numbers[3] == numbers[1] and len(set(numbers)) == 3
    topology = await drawn(state)
    assert topology.addresses == {"10.0.0.1": numbers[0]}
    assert topology.addresses_in == {"north": {"10.0.0.1": numbers[1]}, "south": {"10.0.0.1": numbers[2]}}
    async with state.read() as conn:
        known = (await conn.execute(sa.select(store.device.c.management_address, store.device.c.status))).all()
    assert {tuple(row) for row in known} == {("10.0.0.1", "up")}  # none of them took the address from another


async def test_a_device_that_moves_within_its_space_keeps_its_number_and_leaves_its_address(state: State) -> None:
    there = router("10.0.0.1", "north", chassis="02:00:00:00:00:01")
    number = await look(state, there)
    moved = replace(router("10.0.0.9", "north"), chassis_id=there.chassis_id)
    assert await look(state, moved) == number
    assert (await drawn(state)).addresses_in == {"north": {"10.0.0.9": number}}


async def test_a_subnet_for_two_is_a_link_in_its_own_space_and_none_across(state: State) -> None:
    north = [await look(state, router(address, "north", name)) for address, name in (("10.0.0.1", "a"), ("10.0.0.2", "b"))]
    await look(state, router("10.0.0.1", "south", "c"))
    await look(state, router("10.0.0.2", "", "d"))
    links = (await drawn(state)).links.values()
    assert [(one.a >> 16, one.b >> 16) for one in links] == [tuple(north)]


async def test_who_names_himself_is_linked_across_spaces(state: State) -> None:
    core = await look(state, router("192.0.2.1", "", "core", "02:00:00:00:00:01"))
    heard = NeighbourFacts("lldp", 1, "xe-0", "02:00:00:00:00:01", "xe-0", remote_name="core")
    edge = await look(state, replace(router("10.0.0.1", "north", "edge", "02:00:00:00:00:02"), neighbours=(heard,)))
    topology = await drawn(state)
    assert [{one.a >> 16, one.b >> 16} for one in topology.links.values()] == [{core, edge}]
    assert topology.missing == ()


def test_facts_come_back_from_a_document_and_anything_else_is_refused() -> None:
    told = router("10.0.0.1", "north")
    assert facts_of(asdict(told)) == told
    for odd in (None, {}, {"address": 1}, asdict(told) | {"interfaces": [{"if_index": "x"}]}):
        with pytest.raises(ValueError, match="facts"):
            facts_of(odd)
