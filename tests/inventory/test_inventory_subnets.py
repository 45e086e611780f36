"""Links where LLDP is silent: by the two ends of a subnet, by routing, by whoever is alone behind a port."""

from dataclasses import replace
from typing import Any

import pytest

from inventory.facts import AddressFacts, DeviceFacts, InterfaceFacts, NeighbourFacts
from inventory.link_store import refresh_links
from inventory.links import FoundLink, Said, Unresolved, derive
from inventory.picture import Picture
from inventory.reconcile import reconcile
from station.hub import Hub
from station.scope import STATION
from station.state import State

NOW = 1_800_000_000_000_000_000
DEVICES = [{"no": n, "name": f"r{n}", "chassis_id": f"02:00:00:00:00:0{n}"} for n in (1, 2, 3)]


def port(device_no: int, n: int, name: str = "") -> dict[str, Any]:
    names = {"name": name or f"xe-{n}", "descr": "", "alias": "", "mac": f"02:aa:00:00:0{device_no}:0{n}"}
    return {"device_no": device_no, "entity_no": n, "if_index": 500 + n, **names}


PORTS = [port(device_no, n) for device_no in (1, 2, 3) for n in (1, 2, 3)]


def held(device_no: int, n: int, address: str, prefix: int) -> dict[str, Any]:
    return {"device_no": device_no, "address": address, "if_index": 500 + n, "prefix_length": prefix}


def heard(device_no: int, n: int, protocol: str, address: str = "", mac: str = "", **more: str) -> dict[str, Any]:
    words = {"remote_chassis_id": "", "remote_port": mac, "remote_port_descr": "", "remote_name": "", "remote_address": address}
    key = f"{device_no}-{n}-{protocol}-{address}{mac}"
    return {"device_no": device_no, "key": key, "protocol": protocol, "local_if_index": 500 + n, "local_port": f"xe-{n}"} | words | more


def links(rows: list[dict[str, Any]], addresses: list[dict[str, Any]]) -> tuple[list[FoundLink], list[Unresolved]]:
    known = {row["address"]: row["device_no"] for row in addresses}
    return derive(Said(DEVICES, known, PORTS, rows, addresses))


def ends(rows: list[dict[str, Any]], addresses: list[dict[str, Any]]) -> list[tuple[int, int, int, int, float]]:
    found, missing = links(rows, addresses)
    assert missing == []
    return [(one.a >> 16, one.a & 0xFFFF, one.b >> 16, one.b & 0xFFFF, one.confidence) for one in found]


@pytest.mark.parametrize(
    ("one", "other", "prefix"),
    [
        ("198.51.100.0", "198.51.100.1", 31),
        ("198.51.100.1", "198.51.100.2", 30),
        ("2001:db8::", "2001:db8::1", 127),
        ("2001:db8::1", "2001:db8::2", 126),
    ],
)
def test_the_two_addresses_of_a_subnet_for_two_are_a_link_that_is_believed_less(one: str, other: str, prefix: int) -> None:
    assert ends([], [held(1, 1, one, prefix), held(2, 2, other, prefix)]) == [(1, 1, 2, 2, 0.5)]


def test_a_subnet_for_more_than_two_and_one_whose_size_nobody_tells_are_no_link() -> None:
    lan = [held(1, 1, "198.51.100.1", 29), held(2, 1, "198.51.100.2", 29)]
    untold = [held(1, 2, "192.0.2.0", -1), held(2, 2, "192.0.2.1", -1)]
    assert ends([], lan + untold) == []


def test_one_address_at_two_devices_is_nobodys_end() -> None:
    twice = [held(1, 1, "198.51.100.0", 31), held(2, 1, "198.51.100.1", 31), held(3, 1, "198.51.100.1", 31)]
    assert ends([], twice) == []


def test_an_adjacency_over_any_subnet_is_a_link_and_with_several_neighbours_a_lan() -> None:
    two = [held(1, 1, "198.51.100.1", 24), held(2, 1, "198.51.100.2", 24)]
    assert ends([heard(1, 1, "ospf", "198.51.100.2"), heard(2, 1, "ospf", "198.51.100.1")], two) == [(1, 1, 2, 1, 0.7)]
    assert ends([heard(1, 1, "bgp", "198.51.100.2")], two) == [(1, 1, 2, 1, 0.7)]
    three = [*two, held(3, 1, "198.51.100.3", 24)]
    assert ends([heard(1, 1, "ospf", "198.51.100.2"), heard(1, 1, "ospf", "198.51.100.3")], three) == []


def test_whoever_is_alone_behind_a_port_is_its_neighbour_by_address_or_by_physical_address() -> None:
    two = [held(1, 1, "198.51.100.1", 24), held(2, 1, "198.51.100.2", 24)]
    assert ends([heard(1, 1, "arp", "198.51.100.2", "02:aa:00:00:02:01")], two) == [(1, 1, 2, 1, 0.4)]
    assert ends([heard(1, 2, "arp", "", "02:aa:00:00:03:02")], []) == [(1, 2, 3, 2, 0.4)]
    assert ends([heard(1, 2, "fdb", "", "02aa.0000.0302")], []) == [(1, 2, 3, 2, 0.4)]
    assert ends([heard(1, 2, "arp", "203.0.113.7", "02:bb:00:00:00:07")], []) == []


def test_hints_add_up_to_one_link_that_names_them_all() -> None:
    addresses = [held(1, 1, "198.51.100.0", 31), held(2, 1, "198.51.100.1", 31)]
    rows = [heard(1, 1, "ospf", "198.51.100.1"), heard(2, 1, "ospf", "198.51.100.0"), heard(2, 1, "arp", "198.51.100.0")]
    [found], _ = links(rows, addresses)
    assert (found.sources, found.confidence) == (("arp:b", "ospf:a", "ospf:b", "subnet:a"), 0.7)


def test_no_hint_stands_beside_or_against_a_neighbour_that_named_itself() -> None:
    lldp = heard(1, 1, "lldp", "", "xe-1", remote_chassis_id="02:00:00:00:00:02")
    subinterface = [held(1, 3, "198.51.100.0", 31), held(2, 3, "198.51.100.1", 31)]
    assert ends([lldp], subinterface) == [(1, 1, 2, 1, 0.8)]
    elsewhere = [held(1, 1, "198.51.100.0", 31), held(3, 1, "198.51.100.1", 31)]
    assert ends([lldp], elsewhere) == [(1, 1, 2, 1, 0.8)]


def test_an_ospf_neighbour_in_no_inventory_is_a_missing_end_and_a_bgp_peer_is_not() -> None:
    addresses = [held(1, 1, "198.51.100.0", 31)]
    found, [missing] = links([heard(1, 1, "ospf", "198.51.100.1"), heard(1, 1, "bgp", "198.51.100.1")], addresses)
    assert found == [] and (missing.local, missing.why, missing.row["remote_address"]) == (1 << 16 | 1, "unknown device", "198.51.100.1")


def test_a_neighbour_that_named_itself_is_not_missing_twice() -> None:
    stranger = heard(1, 1, "lldp", "", "eth0", remote_chassis_id="02:00:00:00:00:99")
    _, missing = links([stranger, heard(1, 1, "ospf", "198.51.100.1")], [held(1, 1, "198.51.100.0", 31)])
    assert [one.row["protocol"] for one in missing] == ["lldp"]


# -- in the store --------------------------------------------------------------------------------------------


def router(n: int, address: str, *neighbours: NeighbourFacts, problems: tuple[str, ...] = ()) -> DeviceFacts:
    ports = (InterfaceFacts(1, "xe-1", mac=f"02:aa:00:00:0{n}:01"), InterfaceFacts(2, "xe-1.100"))
    return DeviceFacts(
        address=f"192.0.2.{n}",
        snmp_port=161,
        credential="default",
        sys_name=f"r{n}",
        sys_descr="",
        sys_object_id="",
        chassis_id=f"02:00:00:00:00:0{n}",
        interfaces=ports,
        subnets=(AddressFacts(address, 2, 31),),
        neighbours=neighbours,
        problems=problems,
    )


SILENT = [router(1, "198.51.100.0"), router(2, "198.51.100.1")]
NAMED = NeighbourFacts("lldp", 1, "xe-1", "02:00:00:00:00:02", "xe-1")


async def told(state: State, *looks: DeviceFacts, now_ns: int = NOW) -> list[tuple[str, tuple[str, ...], float]]:
    for facts in looks:
        await reconcile(state, STATION, facts, now_ns)
    await refresh_links(state, STATION, now_ns)
    topology = await Picture(state, Hub()).reload()
    return [(topology.name_of(one.id), one.sources, one.confidence) for one in topology.links.values()]


async def test_a_link_by_subnet_gives_way_to_the_port_that_lldp_names(state: State) -> None:
    assert await told(state, *SILENT) == [("r1 xe-1.100 - r2 xe-1.100", ("subnet:a",), 0.5)]
    assert await told(state, router(1, "198.51.100.0", NAMED)) == [("r1 xe-1 - r2 xe-1", ("lldp:a",), 0.8)]


async def test_a_named_link_that_fell_silent_gets_no_second_one_by_subnet(state: State) -> None:
    await told(state, router(1, "198.51.100.0", NAMED), SILENT[1])
    assert await told(state, *SILENT, now_ns=NOW + 1) == [("r1 xe-1 - r2 xe-1", ("lldp:a",), 0.8)]


async def test_more_that_speaks_for_a_link_is_added_and_what_falls_silent_is_kept(state: State) -> None:
    await told(state, *SILENT)
    routed = replace(SILENT[0], neighbours=(NeighbourFacts("ospf", 2, "xe-1.100", "", "", remote_address="198.51.100.1"),))
    expected = [("r1 xe-1.100 - r2 xe-1.100", ("ospf:a", "subnet:a"), 0.7)]
    assert await told(state, routed) == expected
    assert await told(state, *SILENT, now_ns=NOW + 1) == expected


async def test_half_an_answer_takes_no_address_away(state: State) -> None:
    await told(state, *SILENT)
    half = replace(router(1, "198.51.100.0", problems=("ipAddrTable: timeout",)), subnets=())
    assert await told(state, half) == [("r1 xe-1.100 - r2 xe-1.100", ("subnet:a",), 0.5)]


async def missing(state: State) -> list[tuple[str, str]]:
    topology = await Picture(state, Hub()).reload()
    return [(topology.entities[end.local].name, end.remote_name) for end in topology.missing]


async def test_a_stranger_is_remembered_while_his_port_is_dark_and_forgotten_when_it_is_up_without_him(state: State) -> None:
    stranger = NeighbourFacts("ospf", 2, "xe-1.100", "", "", remote_address="198.51.100.1")
    lit, dark = ((InterfaceFacts(2, "xe-1.100", oper_status=oper),) for oper in (1, 2))
    alone = router(1, "198.51.100.0")
    await told(state, replace(alone, interfaces=lit, neighbours=(stranger,)))
    assert await missing(state) == [("xe-1.100", "198.51.100.1")]
    await told(state, replace(alone, interfaces=dark))
    assert await missing(state) == [("xe-1.100", "198.51.100.1")]
    await told(state, replace(alone, interfaces=lit))
    assert await missing(state) == []
