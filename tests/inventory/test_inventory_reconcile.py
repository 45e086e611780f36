"""One look at a device becomes rows: once, and with nothing lost when things move."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.entities import plan
from inventory.facts import DeviceFacts, InterfaceFacts, NeighbourFacts, SensorFacts
from inventory.identity import TEXT_MAX, clean
from inventory.places import Place, place_of
from inventory.reconcile import Reconciled, reconcile
from inventory.settings import SiteRule
from inventory.store import device, device_address, entity, lldp_neighbour, site
from station.scope import STATION, ForbiddenError, Role, Scope
from station.state import State

NOW = 1_800_000_000_000_000_000
PORTS = (
    InterfaceFacts(1, "xe-0/0/0", alias="to ber-core-1", speed_bps=10_000_000_000, oper_status=1, admin_status=1),
    InterfaceFacts(2, "xe-0/0/1", speed_bps=10_000_000_000, oper_status=1, admin_status=1),
)
CORE = DeviceFacts(
    address="192.0.2.1",
    snmp_port=161,
    credential="default",
    sys_name="ham-core-1",
    sys_descr="Router",
    sys_object_id="1.3.6.1.4.1.99999",
    sys_location="Hamburg Mitte, Hamburg [53.55, 9.99]",
    chassis_id="02:00:00:00:00:01",
    serial="SN-1",
    engine_id="0x8000000001",
    interfaces=PORTS,
    sensors=(SensorFacts("sensor", "inlet", "sensor.temperature", "1.3.6.1.2.1.99.1.1.1.4.7", 0.1),),
    neighbours=(NeighbourFacts("lldp", 1, "xe-0/0/0", "02:00:00:00:00:02", "xe-0/0/0", remote_name="ber-core-1"),),
    addresses=("192.0.2.1", "198.51.100.1", "127.0.0.1", "fe80::1"),
)


async def look(state: State, facts: DeviceFacts, now_ns: int = NOW) -> Reconciled:
    return await reconcile(state, STATION, facts, now_ns)


async def rows(state: State, table: sa.Table) -> list[dict[str, Any]]:
    async with state.read() as conn:
        return [dict(row) for row in (await conn.execute(sa.select(table).order_by(*table.primary_key))).mappings()]


async def by_name(state: State) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in await rows(state, entity)}


async def test_a_first_look_makes_device_site_interfaces_and_sensors(state: State) -> None:
    assert await look(state, CORE) == Reconciled(1, new=True, changed=True)
    [router], [place] = await rows(state, device), await rows(state, site)
    assert (router["name"], router["identity"], router["role"]) == ("ham-core-1", "chassis:020000000001", "core")
    assert (place["name"], place["region"], place["latitude"], place["longitude"]) == ("Hamburg Mitte", "Hamburg", 53.55, 9.99)
    assert router["site_id"] == place["id"] and router["status"] == "up"
    assert [(row["entity_no"], row["kind"], row["name"]) for row in await rows(state, entity)] == [
        (1, "interface", "xe-0/0/0"),
        (2, "interface", "xe-0/0/1"),
        (3, "sensor", "inlet"),
    ]
    assert [row["address"] for row in await rows(state, device_address)] == ["192.0.2.1", "198.51.100.1"]
    assert [row["remote_name"] for row in await rows(state, lldp_neighbour)] == ["ber-core-1"]


async def test_the_same_look_again_changes_nothing(state: State) -> None:
    await look(state, CORE)
    before = [await rows(state, table) for table in (device, entity, site, device_address, lldp_neighbour)]
    assert await look(state, CORE) == Reconciled(1, new=False, changed=False)
    assert [await rows(state, table) for table in (device, entity, site, device_address, lldp_neighbour)] == before


async def test_a_device_moved_to_another_address_keeps_its_number_and_history(state: State) -> None:
    await look(state, CORE)
    moved = replace(CORE, address="203.0.113.9", addresses=("203.0.113.9",), sys_name="ham-core-1-new")
    assert await look(state, moved, NOW + 1) == Reconciled(1, new=False, changed=True)
    [router] = await rows(state, device)
    assert (router["management_address"], router["name"]) == ("203.0.113.9", "ham-core-1-new")
    assert [row["address"] for row in await rows(state, device_address)] == ["203.0.113.9"]
    assert len(await rows(state, entity)) == 3


LOOPBACK, LINK = "203.0.113.1", "198.51.100.1"


@pytest.mark.parametrize(
    ("known", "found", "lasting", "status", "asked_at"),
    [
        (LOOPBACK, LINK, (LOOPBACK,), "up", LOOPBACK),
        (LINK, LOOPBACK, (LOOPBACK,), "up", LOOPBACK),
        (LINK, "192.0.2.1", (), "up", LINK),
        (LINK, "192.0.2.1", (), "down", "192.0.2.1"),
    ],
    ids=["loopback stays", "loopback wins", "the one in use stays", "the one that is silent goes"],
)
async def test_of_several_addresses_the_lasting_one_is_asked(
    state: State, known: str, found: str, lasting: tuple[str, ...], status: str, asked_at: str
) -> None:
    router = replace(CORE, addresses=(known, found), lasting=lasting)
    await look(state, replace(router, address=known))
    async with state.write() as conn:
        await conn.execute(sa.update(device).values(status=status))
    await look(state, replace(router, address=found))
    [row] = await rows(state, device)
    assert row["management_address"] == asked_at


@pytest.mark.parametrize("known_by", ["chassis_id", "serial", "engine_id"])
async def test_each_lasting_identifier_alone_is_enough(state: State, known_by: str) -> None:
    without: dict[str, Any] = {name: "" for name in ("chassis_id", "serial", "engine_id") if name != known_by}
    await look(state, replace(CORE, **without))
    assert not (await look(state, replace(CORE, **without, address="203.0.113.9"))).new


async def test_a_partial_answer_forgets_no_identifier(state: State) -> None:
    await look(state, CORE)
    partial = replace(CORE, chassis_id="", serial="", engine_id="", sys_descr="", problems=("lldp: timeout",))
    assert await look(state, partial) == Reconciled(1, new=False, changed=False)
    assert not (await look(state, replace(CORE, address="203.0.113.9"))).new


async def test_a_copied_engine_id_does_not_merge_two_routers(state: State) -> None:
    await look(state, CORE)
    other = replace(CORE, address="192.0.2.2", addresses=(), chassis_id="02:00:00:00:00:99", serial="SN-2")
    assert (await look(state, other)).new


MACS = tuple(replace(port, mac=f"02:aa:00:00:01:0{port.if_index}") for port in PORTS)
CLONE = replace(CORE, chassis_id="", serial="", interfaces=MACS)


def cloned(n: int, name: str = "r", *, at: str = "") -> DeviceFacts:
    """Router n of several made of one disk image: one engine id, perhaps one name; `at` another of its addresses."""
    ports = tuple(replace(port, mac=f"02:aa:00:00:0{n}:0{port.if_index}") for port in PORTS)
    own = (f"192.0.2.{n}", f"198.51.100.{n}")
    return replace(CLONE, address=at or own[0], addresses=own, sys_name=name, interfaces=ports)


@pytest.mark.parametrize("names", [("r1", "r2"), ("r", "r")], ids=["names of their own", "one name"])
async def test_routers_of_one_disk_image_stay_two_at_every_address_they_answer_at(state: State, names: tuple[str, str]) -> None:
    for n, name in enumerate(names, 1):
        assert await look(state, cloned(n, name)) == Reconciled(n, new=True, changed=True)
    for n, name in enumerate(names, 1):
        assert await look(state, cloned(n, name)) == Reconciled(n, new=False, changed=False)
        assert not (await look(state, cloned(n, name, at=f"198.51.100.{n}"))).new
    assert [row["name"] for row in await rows(state, device)] == list(names)


async def test_a_router_known_by_its_engine_alone_may_move_with_all_its_addresses(state: State) -> None:
    await look(state, CLONE)
    moved = replace(CLONE, address="203.0.113.9", addresses=("203.0.113.9",))
    assert await look(state, moved) == Reconciled(1, new=False, changed=True)


async def test_a_device_without_lasting_identifiers_that_answers_at_two_addresses_is_one(state: State) -> None:
    plain = replace(CORE, chassis_id="", serial="", engine_id="", addresses=("192.0.2.1", "198.51.100.1"))
    await look(state, plain)
    assert not (await look(state, replace(plain, address="198.51.100.1"))).new
    assert (await look(state, replace(plain, address="198.51.100.9", addresses=("198.51.100.9",)))).new


async def test_other_hardware_at_the_same_address_is_another_device_and_the_old_one_is_no_longer_polled(state: State) -> None:
    await look(state, CORE)
    replaced = replace(CORE, chassis_id="02:00:00:00:00:99", serial="SN-2", engine_id="0x8000000002")
    assert await look(state, replaced) == Reconciled(2, new=True, changed=True)
    old, new = await rows(state, device)
    assert (old["management_address"], old["status"]) == ("", "unknown") and new["management_address"] == "192.0.2.1"
    assert {row["device_no"] for row in await rows(state, device_address) if row["address"] == "192.0.2.1"} == {2}


async def test_without_lasting_identifiers_the_name_at_the_address_counts(state: State) -> None:
    plain = replace(CORE, chassis_id="", serial="", engine_id="")
    await look(state, plain)
    assert not (await look(state, plain)).new
    assert (await look(state, replace(plain, sys_name="other"))).new
    assert not (await look(state, plain)).new
    assert not (await look(state, CORE)).new


@pytest.mark.parametrize("filler", ["00:00:00:00:00:00", "N/A", "0x00", "To Be Filled By O.E.M", "ffff.ffff.ffff", "Not Specified"])
async def test_a_makers_filler_identifies_nothing(state: State, filler: str) -> None:
    await look(state, replace(CORE, chassis_id=filler, serial=filler, engine_id=""))
    assert (await look(state, replace(CORE, address="192.0.2.2", sys_name="b", chassis_id=filler, serial=filler, engine_id=""))).new


async def test_one_chassis_in_two_notations_is_one_device(state: State) -> None:
    await look(state, CORE)
    assert not (await look(state, replace(CORE, chassis_id="0200.0000.0001", serial="", engine_id="", address="192.0.2.7"))).new


async def test_renumbered_interfaces_keep_their_entity_numbers(state: State) -> None:
    await look(state, CORE)
    before = await by_name(state)
    await look(state, replace(CORE, interfaces=(replace(PORTS[0], if_index=2), replace(PORTS[1], if_index=501))), NOW + 1)
    after = await by_name(state)
    assert {name: row["entity_no"] for name, row in after.items()} == {name: row["entity_no"] for name, row in before.items()}
    assert (after["xe-0/0/0"]["if_index"], after["xe-0/0/1"]["if_index"]) == (2, 501)


async def test_a_gone_interface_is_marked_its_number_never_reused_and_it_may_return(state: State) -> None:
    await look(state, CORE)
    fresh = InterfaceFacts(9, "ge-9")
    await look(state, replace(CORE, interfaces=(PORTS[0], fresh)), NOW + 1)
    after = await by_name(state)
    assert after["xe-0/0/1"]["gone_ns"] == NOW + 1 and after["ge-9"]["entity_no"] == 4
    await look(state, CORE, NOW + 2)
    again = await by_name(state)
    assert again["xe-0/0/1"]["gone_ns"] == 0 and again["xe-0/0/1"]["id"] == after["xe-0/0/1"]["id"]
    assert again["ge-9"]["gone_ns"] == NOW + 2


@pytest.mark.parametrize("partial", [{"interfaces": ()}, {"interfaces": PORTS[:1], "sensors": (), "problems": ("ifTable: timeout",)}])
async def test_half_an_answer_makes_nothing_disappear(state: State, partial: dict[str, Any]) -> None:
    await look(state, CORE)
    await look(state, replace(CORE, **partial), NOW + 1)
    assert all(row["gone_ns"] == 0 for row in await rows(state, entity))


async def test_interfaces_of_one_name_are_told_apart_by_if_index(state: State) -> None:
    twins = (InterfaceFacts(7, "eth0"), InterfaceFacts(3, "eth0"), InterfaceFacts(8, "eth0#7"), InterfaceFacts(9, ""))
    await look(state, replace(CORE, interfaces=twins, sensors=()))
    assert {row["name"]: row["if_index"] for row in await rows(state, entity)} == {"eth0": 3, "eth0#7": 8, "eth0#7.2": 7, "if9": 9}
    assert not (await look(state, replace(CORE, interfaces=twins, sensors=()))).changed


async def test_of_two_twins_the_one_that_stays_keeps_its_number(state: State) -> None:
    twins = (InterfaceFacts(3, "eth0"), InterfaceFacts(7, "eth0"))
    await look(state, replace(CORE, interfaces=twins, sensors=()))
    await look(state, replace(CORE, interfaces=twins[1:], sensors=()), NOW + 1)
    assert {row["name"]: row["gone_ns"] for row in await rows(state, entity)} == {"eth0": NOW + 1, "eth0#7": 0}


HOSTILE = (
    "\x00",
    "'; DROP TABLE device; --",
    "<img src=x onerror=alert(1)>",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "\x1b[2J",
    "\ud800",
    "😀" * 4096,
    " ",
    "a\r\nb",
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_strings_are_stored_bounded_and_are_stable(state: State, text: str) -> None:
    port = InterfaceFacts(1, text, text, text, mac=text)
    facts = DeviceFacts(
        "192.0.2.66", 161, "default", text, text, text, text, 0, text, text, text, text, text, text,
        interfaces=(port, replace(port, if_index=2)),
        sensors=(SensorFacts("sensor", text, "sensor.temperature", "1.2.3"), SensorFacts("sensor", text, "sensor.temperature", "1.2.4")),
        neighbours=(NeighbourFacts("lldp", 1, text, text, text, text, text, text),),
        addresses=(text,),
    )  # fmt: skip
    await look(state, facts)
    assert await look(state, facts) == Reconciled(1, new=False, changed=False)
    for table in (device, entity, site, device_address, lldp_neighbour):
        for row in await rows(state, table):
            assert all("\0" not in value and len(value) <= 4096 for value in row.values() if isinstance(value, str))
            assert all(len(row[name]) <= TEXT_MAX for name in ("name", "alias", "remote_name") if name in row)


async def test_numbers_out_of_range_are_refused_or_bounded(state: State) -> None:
    ports = (
        InterfaceFacts(0, "zero"),
        InterfaceFacts(1 << 31, "big"),
        InterfaceFacts(5, "ok", if_type=-4, speed_bps=1 << 70, oper_status=1 << 40),
    )
    sensors = (SensorFacts("sensor", "nan", "sensor.temperature", "1.2", float("nan")), SensorFacts("sensor", "what", "no.such", "1.3"))
    await look(state, replace(CORE, interfaces=ports, sensors=sensors))
    [row] = await rows(state, entity)
    assert (row["name"], row["if_type"], row["speed_bps"], row["oper_status"]) == ("ok", 0, (1 << 63) - 1, (1 << 31) - 1)


async def test_a_second_owner_of_an_address_does_not_steal_it(state: State) -> None:
    await look(state, CORE)
    await look(state, replace(CORE, address="192.0.2.2", addresses=("192.0.2.1",), chassis_id="02:00:00:00:00:02", serial="", engine_id=""))
    assert {row["address"]: row["device_no"] for row in await rows(state, device_address)}["192.0.2.1"] == 1


async def test_a_viewer_may_not_change_the_inventory(state: State) -> None:
    with pytest.raises(ForbiddenError):
        await reconcile(state, Scope(1, Role.VIEWER, "eve"), CORE, NOW)


async def test_tenants_do_not_share_devices(state: State) -> None:
    await look(state, CORE)
    other = Scope(2, Role.ADMIN, "other")
    assert (await reconcile(state, other, CORE, NOW)).new
    assert [(row["tenant"], row["no"]) for row in await rows(state, device)] == [(1, 1), (2, 2)]


RULES = (SiteRule(sys_name=r"(ham|lub)-(\w+)-\d+", site=r"\1-\2", region="North"),)


@pytest.mark.parametrize(
    ("name", "location", "place"),
    [
        ("ham-core-1", "anywhere", Place("ham-core", "North")),
        ("ber-core-1", "Berlin Mitte", Place("Berlin Mitte")),
        ("ber-core-1", "Rack 4, Berlin Mitte, Berlin", Place("Rack 4, Berlin Mitte", "Berlin")),
        ("ber-core-1", "Berlin [52.5,13.4]", Place("Berlin", "", 52.5, 13.4)),
        ("ham-core-1", "x (53.5, 10)", Place("ham-core", "North", 53.5, 10.0)),
        ("ber-core-1", "Nowhere [95.0,13.4]", Place("Nowhere")),
        ("ber-core-1", "", None),
        ("ber-core-1", " , ", None),
    ],
)
def test_a_rule_places_a_device_before_its_own_location(name: str, location: str, place: Place | None) -> None:
    assert place_of(replace(CORE, sys_name=name, sys_location=location), RULES) == place


names = st.sampled_from(["eth0", "eth1", "eth0#2", "", " ", "eth0#1", "x" * 300, "x" * 255]) | st.text(max_size=8)
ports = st.lists(
    st.builds(InterfaceFacts, st.integers(-1, 8), names, names, names, st.integers(), st.integers(), names, st.integers(), st.integers()),
    max_size=8,
)
kinds = st.sampled_from(["sensor", "session", "other"])
metrics = st.sampled_from(["sensor.temperature", "session.state", "no.such"])
sensors = st.lists(st.builds(SensorFacts, kinds, names, metrics, names, st.floats(), st.integers(-1, 8)), max_size=6)
looks = st.builds(
    lambda i, s, p: replace(CORE, interfaces=tuple(i), sensors=tuple(s), problems=("x",) * p), ports, sensors, st.integers(0, 1)
)


def applied(existing: list[dict[str, Any]], facts: DeviceFacts, now_ns: int) -> list[dict[str, Any]]:
    changes = plan(facts, existing, device_no=1, tenant=1, now_ns=now_ns)
    table = {row["entity_no"]: row for row in existing}
    assert not {row["entity_no"] for row in changes.new} & table.keys()
    assert {row["entity_no"] for row in changes.changed} <= table.keys()
    table |= {row["entity_no"]: row for row in (*changes.new, *changes.changed)}
    return list(table.values())


@pytest.mark.slow
@given(st.lists(looks, max_size=4), looks)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_history_of_looks_is_idempotent_and_loses_nothing(history: list[DeviceFacts], last: DeviceFacts) -> None:
    existing: list[dict[str, Any]] = []
    for n, facts in enumerate([*history, last]):
        before = {row["entity_no"]: (row["id"], row["kind"], row["name"]) for row in existing}
        existing = applied(existing, facts, NOW + n)
        after = {row["entity_no"]: (row["id"], row["kind"], row["name"]) for row in existing}
        assert before.items() <= after.items()
        assert len({(kind, name) for _, kind, name in after.values()}) == len(after)
        assert all(1 <= len(name) <= TEXT_MAX for _, _, name in after.values())
    assert applied(existing, last, NOW + 99) == existing
    there = {row["if_index"] for row in existing if row["kind"] == "interface" and not row["gone_ns"]}
    assert {one.if_index for one in last.interfaces if one.if_index > 0} <= there


@given(st.text(max_size=600))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    assert clean(clean(text)) == clean(text)
    clean(text).encode()
