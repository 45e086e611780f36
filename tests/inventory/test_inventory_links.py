"""Links from neighbours' words: from both sides, from one, by any name of a port, and honest about what is missing."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from inventory.facts import DeviceFacts, InterfaceFacts, NeighbourFacts
from inventory.link_store import KEEP_UNHEARD_S, LinkImportError, import_links, refresh_links
from inventory.links import FoundLink, Said, Unresolved, derive
from inventory.picture import Picture
from inventory.reconcile import reconcile
from inventory.store import link
from station.clock import NS_PER_S
from station.hub import Hub
from station.scope import STATION, ForbiddenError, Role, Scope
from station.state import State

NOW = 1_800_000_000_000_000_000
DEVICES = [{"no": n, "name": f"r{n}.net.example", "chassis_id": f"02:00:00:00:00:0{n}"} for n in (1, 2, 3)]
ADDRESSES = {"192.0.2.1": 1, "192.0.2.2": 2, "192.0.2.3": 3}


def port(device_no: int, n: int) -> dict[str, Any]:
    names = {"name": f"xe-{n}", "descr": f"Ethernet {n}", "alias": f"to somewhere {device_no}{n}", "mac": f"02:aa:00:00:0{device_no}:0{n}"}
    return {"device_no": device_no, "entity_no": n, "if_index": 500 + n, **names}


PORTS = [port(device_no, n) for device_no in (1, 2, 3) for n in (1, 2)]


def heard(device_no: int, n: int, remote: int, **changed: Any) -> dict[str, Any]:
    """Device `device_no` hears on its port `n` port `n` of the remote device."""
    return {
        "device_no": device_no,
        "key": f"{device_no}-{n}-{remote}",
        "protocol": "lldp",
        "local_if_index": 500 + n,
        "local_port": f"xe-{n}",
        "remote_chassis_id": f"02:00:00:00:00:0{remote}",
        "remote_port": f"xe-{n}",
        "remote_port_descr": "",
        "remote_name": "",
        "remote_address": "",
    } | changed


def key(device_no: int, n: int) -> int:
    return device_no << 16 | n


def links_of(rows: list[dict[str, Any]], held: list[dict[str, Any]] | None = None) -> tuple[list[FoundLink], list[Unresolved]]:
    return derive(Said(DEVICES, ADDRESSES, PORTS, rows, held or []))


def ends(rows: list[dict[str, Any]]) -> list[tuple[int, int, float]]:
    return [(one.a, one.b, one.confidence) for one in links_of(rows)[0]]


def test_two_ends_that_name_each_other_are_certain() -> None:
    [found], unresolved = links_of([heard(1, 1, 2), heard(2, 1, 1)])
    assert (found.a, found.b, found.sources, found.confidence) == (key(1, 1), key(2, 1), ("lldp:a", "lldp:b"), 1.0)
    assert unresolved == []


@pytest.mark.parametrize(
    ("words", "confidence"),
    [
        ({}, 0.8),
        ({"remote_chassis_id": "0200.0000.0002"}, 0.8),
        ({"remote_chassis_id": "?", "remote_name": "R2.net.example"}, 0.6),
        ({"remote_chassis_id": "", "remote_name": "r2"}, 0.6),
        ({"remote_chassis_id": "", "remote_name": "", "remote_address": "192.0.2.2"}, 0.6),
        ({"remote_port": "Ethernet 1"}, 0.8),
        ({"remote_port": "02aa.0000.0201"}, 0.8),
        ({"remote_port": "to somewhere 21"}, 0.8),
        ({"remote_port": "501"}, 0.8),
        ({"remote_port": "local 7", "remote_port_descr": "xe-1"}, 0.8),
        ({"local_if_index": 0}, 0.8),
    ],
)
def test_one_side_is_enough_by_whichever_name_it_uses(words: dict[str, Any], confidence: float) -> None:
    assert ends([heard(1, 1, 2, **words)]) == [(key(1, 1), key(2, 1), confidence)]


def test_a_port_nobody_knows_is_found_through_the_other_sides_word() -> None:
    [found], unresolved = links_of([heard(1, 1, 2, remote_port="local 99"), heard(2, 2, 1, remote_port="xe-1")])
    assert (found.a, found.b, found.confidence, unresolved) == (key(1, 1), key(2, 2), 1.0, [])


@pytest.mark.parametrize(
    ("words", "local", "why"),
    [
        ({"remote_chassis_id": "02:99", "remote_name": "stranger"}, key(1, 1), "unknown device"),
        ({"remote_port": "nowhere"}, key(1, 1), "unknown port"),
        ({"local_if_index": 9, "local_port": "nowhere"}, key(1, 0), "unknown local port"),
    ],
)
def test_an_end_nobody_answers_to_is_kept_with_the_reason(words: dict[str, Any], local: int, why: str) -> None:
    links, [missing] = links_of([heard(1, 1, 2, **words)])
    assert links == [] and (missing.local, missing.why) == (local, why)


def test_a_port_has_one_cable_and_two_sides_outvote_one() -> None:
    links, [missing] = links_of([heard(3, 1, 2), heard(1, 1, 2), heard(2, 1, 1)])
    assert [(one.a, one.b) for one in links] == [(key(1, 1), key(2, 1))]
    assert (missing.local, missing.why) == (key(3, 1), "port taken")


def test_a_device_that_hears_itself_has_no_link() -> None:
    assert links_of([heard(1, 1, 1)]) == ([], [])


def test_a_name_that_two_devices_have_means_neither() -> None:
    twins = [{"no": n, "name": "same", "chassis_id": ""} for n in (2, 3)]
    links, [missing] = derive(Said([DEVICES[0], *twins], {}, PORTS, [heard(1, 1, 2, remote_name="same")]))
    assert links == [] and missing.why == "unknown device"


def test_the_order_of_the_words_does_not_matter() -> None:
    rows = [heard(1, 1, 2), heard(2, 1, 1), heard(2, 2, 3), heard(3, 1, 2), heard(1, 2, 3)]
    assert links_of(rows)[0] == links_of(rows[::-1])[0]


def facts(n: int, *neighbours: tuple[int, int]) -> DeviceFacts:
    """Device r<n> with two ports; `neighbours` are (own port, other device) on ports of the same number."""
    said = tuple(
        NeighbourFacts("lldp", p, f"xe-{p}", f"02:00:00:00:00:0{other}", f"xe-{p}", remote_name=f"r{other}") for p, other in neighbours
    )
    ports = tuple(InterfaceFacts(p, f"xe-{p}", speed_bps=10**10, admin_status=1, oper_status=1) for p in (1, 2))
    return DeviceFacts(
        f"192.0.2.{n}", 161, "default", f"r{n}", "", "", chassis_id=f"02:00:00:00:00:0{n}", interfaces=ports, neighbours=said
    )


async def links(state: State) -> list[Any]:
    async with state.read() as conn:
        return list(await conn.execute(sa.select(link).order_by(link.c.a_device_no, link.c.a_entity_no)))


async def test_a_link_appears_when_its_other_side_does(state: State) -> None:
    picture = Picture(state, Hub())
    await reconcile(state, STATION, facts(1, (1, 2)), NOW)
    assert await refresh_links(state, STATION, NOW) and not await refresh_links(state, STATION, NOW)
    [missing] = (await picture.reload()).missing
    assert (missing.local, missing.remote_name, missing.remote_port, missing.why) == (key(1, 1), "r2", "xe-1", "unknown device")
    await reconcile(state, STATION, facts(2), NOW)
    assert await refresh_links(state, STATION, NOW)
    topology = await picture.reload()
    assert topology.missing == () and [(one.a, one.b, one.confidence) for one in topology.links.values()] == [(key(1, 1), key(2, 1), 0.8)]
    assert topology.neighbours[1][0][0] == 2


async def test_a_cut_fibre_keeps_its_link_and_id_until_it_is_long_unheard(state: State) -> None:
    for one in (facts(1, (1, 2)), facts(2, (1, 1))):
        await reconcile(state, STATION, one, NOW)
    await refresh_links(state, STATION, NOW)
    before = await links(state)
    for one in (facts(1), facts(2)):
        await reconcile(state, STATION, one, NOW + 1)
    assert not await refresh_links(state, STATION, NOW + 1) and await links(state) == before
    assert await refresh_links(state, STATION, NOW + (KEEP_UNHEARD_S + 1) * NS_PER_S) and await links(state) == []


async def test_one_side_falling_silent_changes_nothing(state: State) -> None:
    for one in (facts(1, (1, 2)), facts(2, (1, 1))):
        await reconcile(state, STATION, one, NOW)
    await refresh_links(state, STATION, NOW)
    await reconcile(state, STATION, facts(2), NOW + 1)
    assert not await refresh_links(state, STATION, NOW + 1)
    assert [(one.sources, one.confidence) for one in await links(state)] == [("lldp:a,lldp:b", 1.0)]


async def test_a_cable_put_elsewhere_replaces_the_old_link(state: State) -> None:
    for one in (facts(1, (1, 2)), facts(2, (1, 1)), facts(3)):
        await reconcile(state, STATION, one, NOW)
    await refresh_links(state, STATION, NOW)
    for one in (facts(1, (1, 3)), facts(2), facts(3, (1, 1))):
        await reconcile(state, STATION, one, NOW + 1)
    assert await refresh_links(state, STATION, NOW + 1)
    assert [(one.a_device_no, one.b_device_no) for one in await links(state)] == [(1, 3)]


async def test_a_documented_link_keeps_its_duct_and_outvotes_lldp(state: State) -> None:
    for one in (facts(1, (1, 3)), facts(2), facts(3, (1, 1))):
        await reconcile(state, STATION, one, NOW)
    await refresh_links(state, STATION, NOW)
    row = {"a_device": "r2", "a_interface": "xe-1", "b_device": "r1", "b_interface": "xe-1", "duct": "Elbe tunnel"}
    assert await import_links(state, STATION, [row], NOW) == 1
    await refresh_links(state, STATION, NOW + 1)
    assert [(one.a_device_no, one.b_device_no, one.duct, one.sources) for one in await links(state)] == [(1, 2, "Elbe tunnel", "manual")]


async def test_a_documented_link_that_lldp_confirms_says_so(state: State) -> None:
    for one in (facts(1, (1, 2)), facts(2, (1, 1))):
        await reconcile(state, STATION, one, NOW)
    row = {"a_device": "r1", "a_interface": "xe-1", "b_device": "r2", "b_interface": "xe-1", "duct": "Elbe tunnel"}
    await import_links(state, STATION, [row], NOW)
    await refresh_links(state, STATION, NOW + 1)
    assert [(one.duct, one.sources) for one in await links(state)] == [("Elbe tunnel", "manual,lldp:a,lldp:b")]


async def test_documented_links_come_whole_or_not_at_all(state: State) -> None:
    for one in (facts(1), facts(2)):
        await reconcile(state, STATION, one, NOW)
    good = {"a_device": "r1", "a_interface": "xe-1", "b_device": "r2", "b_interface": "xe-1"}
    with pytest.raises(LinkImportError, match="Row 2: there is no interface 'xe-9'"):
        await import_links(state, STATION, [good, good | {"a_interface": "xe-9"}], NOW)
    assert await links(state) == []
    with pytest.raises(ForbiddenError):
        await import_links(state, Scope(1, Role.OPERATOR, "eve"), [good], NOW)


async def test_hostile_neighbours_are_bounded_and_kept_as_text(state: State) -> None:
    text = "<script>\x00\ud800" + "x" * 999
    said = (NeighbourFacts("lldp\x00toolong", -5, text, text, text, text, text, text), NeighbourFacts("cdp", 1 << 40, "", "", ""))
    await reconcile(state, STATION, replace(facts(1), neighbours=said), NOW)
    assert await refresh_links(state, STATION, NOW) and not await refresh_links(state, STATION, NOW)
    assert len((await Picture(state, Hub()).reload()).missing) == 2


def test_the_only_station_behind_a_bridge_port_is_a_link_when_it_is_a_port_of_ours_and_nothing_when_it_is_not() -> None:
    behind = {"protocol": "fdb", "remote_chassis_id": ""}
    rows = [heard(1, 1, 2, **behind, remote_port="02:aa:00:00:02:01"), heard(1, 2, 3, **behind, remote_port="02:ff:00:00:00:01")]
    found, unresolved = links_of(rows)
    assert ([(one.a, one.b, one.confidence) for one in found], unresolved) == ([(key(1, 1), key(2, 1), 0.4)], [])
