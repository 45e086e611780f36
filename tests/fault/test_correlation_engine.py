"""The live correlator on a core ring with a branch: what an operator reads when a fibre is cut or a router dies."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from fault.correlation.contract import AlarmChange, AlarmState, IncidentChange
from fault.correlation.engine import Engine
from inventory.topology import Device, Entity, Link, MissingEnd, Site, Topology
from station.clock import NS_PER_S

T0 = 1_700_000_000 * NS_PER_S
NAMES = ("ham-core-1", "ber-core-1", "muc-core-1", "fra-core-1", "ber-agg-1", "ber-acc-1")
RING = ((1, 2), (2, 3), (3, 4), (4, 1), (2, 5), (5, 6))


def topology(links: Iterable[tuple[int, int]] = RING, missing: tuple[MissingEnd, ...] = ()) -> Topology:
    """A ring of four with a branch ber-agg-1, ber-acc-1 behind ber-core-1; the station hangs on ham-core-1."""
    devices = {n: Device(n, f"d{n}", name, f"s{n}", f"127.64.0.{n}") for n, name in enumerate(NAMES, 1)}
    entities: dict[int, Entity] = {}
    made = {}
    for a, b in RING:
        ends = []
        for here, there in ((a, b), (b, a)):
            key = here << 16 | there
            entities[key] = Entity(key, f"d{here}:{there}", "interface", f"xe-0/0/{there}", if_index=there)
            ends.append(key)
        if (a, b) in links:
            made[f"l{a}{b}"] = Link(f"l{a}{b}", ends[0], ends[1])
    sites = {device.site_id: Site(device.site_id, device.name.split("-")[0]) for device in devices.values()}
    addresses = {f"127.64.0.{n}": n for n in devices}
    return Topology(1, sites, devices, entities, made, addresses=addresses, station_devices=(1,), missing=missing)


def change(at_s: float, kind: str, resource: str, *, qualifier: str = "", state: AlarmState = "raised") -> AlarmChange:
    """An alarm change `at_s` after T0; the alarm's id is its key in words."""
    at_ns = T0 + int(at_s * NS_PER_S)
    device = resource.split(":", maxsplit=1)[0]
    return AlarmChange(f"{kind} {resource} {qualifier}".strip(), at_ns, at_ns, state, resource, device, kind, qualifier=qualifier)


LINK_DOWN, UNREACHABLE = "communications.link_down", "communications.device_unreachable"
SESSION_DOWN = "communications.adjacency_down"
DIM, ON_BATTERY = "equipment.optical_receive_power_low", "environment.on_battery"
CUT = (
    change(0.2, LINK_DOWN, "d2:5"),
    change(0.5, LINK_DOWN, "d5:2"),
    change(4.0, SESSION_DOWN, "d2", qualifier="ospf 127.64.0.5"),
)
LOST = (change(20.0, UNREACHABLE, "d5"), change(31.0, UNREACHABLE, "d6"))


def play(engine: Engine, changes: Sequence[AlarmChange], until_s: float) -> dict[str, IncidentChange]:
    """Feed second by second as the service does; the last word on each incident that still stands."""
    said: dict[str, IncidentChange] = {}
    for second in range(int(until_s) + 1):
        batch = [c for c in changes if second - 1 < (c.time_ns - T0) / NS_PER_S <= second]
        for each in engine.feed(T0 + second * NS_PER_S, batch):
            said[each.incident] = each
    return {name: each for name, each in said.items() if each.alarm_ids}


def engine_on(picture: Topology) -> Engine:
    engine = Engine()
    engine.topology_changed(picture)
    return engine


def test_a_cut_link_is_one_incident_with_the_link_as_root() -> None:
    said = play(engine_on(topology()), [*CUT, *LOST], 40)
    (incident,) = said.values()
    assert (incident.roots[0].resource_id, incident.roots[0].kind, incident.verdict, incident.noise) == ("l25", "link", "down", False)
    assert len(incident.alarm_ids) == 5
    assert incident.explanation.summary == (
        "Link ber-core-1 xe-0/0/5 - ber-agg-1 xe-0/0/2 is down: both ends report loss of signal; "
        "1 session over it fell within 3 s; 2 devices behind it are unreachable"
    )
    assert "ber-core-1 xe-0/0/5: loss of signal" in incident.explanation.evidence
    assert incident.root_alarm_ids == (f"{LINK_DOWN} d2:5", f"{LINK_DOWN} d5:2")


def test_the_first_verdict_comes_with_the_first_alarm() -> None:
    (incident,) = play(engine_on(topology()), CUT[:1], 1).values()
    assert incident.roots[0].resource_id == "l25"


def test_one_silent_end_still_gives_the_link() -> None:
    (incident,) = play(engine_on(topology()), [change(0.2, LINK_DOWN, "d3:4")], 200).values()
    assert (incident.roots[0].resource_id, incident.noise) == ("l34", False)
    assert incident.explanation.missing == () or any("fra-core-1" in line for line in incident.explanation.missing)


def test_a_dead_router_is_named_and_not_its_links() -> None:
    fell = [change(0.3, LINK_DOWN, "d2:3"), change(0.6, LINK_DOWN, "d4:3"), change(15.0, UNREACHABLE, "d3")]
    (incident,) = play(engine_on(topology()), fell, 80).values()
    assert (incident.roots[0].resource_id, incident.roots[0].kind, incident.verdict) == ("d3", "device", "down")
    assert incident.explanation.summary.startswith("muc-core-1 is down: 2 ports report loss of signal")


@pytest.mark.parametrize("dim_s", [0.1, 10.0])
def test_low_light_at_both_ends_belongs_to_the_cut_that_brought_it(dim_s: float) -> None:
    dim = [change(dim_s, DIM, "d2:5"), change(dim_s + 1.0, DIM, "d5:2")]
    (incident,) = play(engine_on(topology()), sorted([*CUT, *dim], key=lambda each: each.time_ns), 60).values()
    assert (incident.roots[0].resource_id, len(incident.alarm_ids)) == ("l25", 5)


def with_receivers(picture: Topology) -> Topology:
    """A receiver that measures light behind each port of the link between ber-core-1 and ber-agg-1."""
    sensors = {}
    for device, port in ((2, 5), (5, 2)):
        key = device << 16 | 100 + port
        sensors[key] = Entity(key, f"d{device}:{port} light", "sensor", f"xe-0/0/{port} receive power", parent_entity_no=port)
    return replace(picture, entities={**picture.entities, **sensors})


@pytest.mark.parametrize("dim_s", [0.1, 25.0])
def test_what_a_receiver_measures_is_its_ports(dim_s: float) -> None:
    dim = [change(dim_s, DIM, "d2:5 light"), change(dim_s + 1.0, DIM, "d5:2 light")]
    said = play(engine_on(with_receivers(topology())), sorted([*CUT, *dim], key=lambda each: each.time_ns), 90)
    assert [(incident.roots[0].resource_id, len(incident.alarm_ids)) for incident in said.values()] == [("l25", 5)]


def test_light_that_is_still_low_when_the_link_is_back_is_the_links() -> None:
    back = [replace(each, time_ns=T0 + 40 * NS_PER_S, state="cleared") for each in CUT]
    dim = [change(35.0, DIM, "d2:5 light"), change(36.0, DIM, "d5:2 light")]
    said = play(engine_on(with_receivers(topology())), [*CUT, *dim, *back], 120)
    assert {incident.roots[0].resource_id for incident in said.values()} == {"l25"}


def test_low_light_without_a_loss_is_a_degraded_link() -> None:
    dim = [change(0.2, DIM, "d2:5 light"), change(1.2, DIM, "d5:2 light")]
    (incident,) = play(engine_on(with_receivers(topology())), dim, 120).values()
    assert (incident.roots[0].resource_id, incident.verdict, len(incident.alarm_ids)) == ("l25", "degraded", 2)


@pytest.mark.parametrize("sites", [{3: "s3"}, {1: "s3", 3: "s3", 4: "s3"}, {}], ids=["alone at its site", "one of three", "no site known"])
def test_a_device_that_ran_on_battery_and_died_is_one_incident(sites: dict[int, str]) -> None:
    picture = topology()
    placed = {no: replace(device, site_id=sites.get(no, "")) for no, device in picture.devices.items()}
    fell = [change(60.3, LINK_DOWN, "d2:3"), change(60.6, LINK_DOWN, "d4:3"), change(75.0, UNREACHABLE, "d3")]
    (incident,) = play(engine_on(replace(picture, devices=placed)), [change(0.2, ON_BATTERY, "d3"), *fell], 200).values()
    assert incident.roots[0].resource_id == ("s3" if list(sites) == [3] else "d3")
    assert (len(incident.alarm_ids), incident.missing_link) == (4, None)


def test_a_device_on_battery_misses_no_link() -> None:
    (incident,) = play(engine_on(topology()), [change(0.2, ON_BATTERY, "d3")], 200).values()
    assert incident.missing_link is None


def test_two_cuts_in_a_ring_are_two_roots_and_own_what_they_isolate_together() -> None:
    cuts = [change(0.2, LINK_DOWN, "d2:3"), change(0.4, LINK_DOWN, "d3:2")]
    cuts += [change(90.2, LINK_DOWN, "d4:1"), change(90.4, LINK_DOWN, "d1:4")]
    lost = [change(110.0, UNREACHABLE, "d3"), change(112.0, UNREACHABLE, "d4")]
    said = play(engine_on(topology()), cuts + lost, 130)
    assert {incident.roots[0].resource_id: len(incident.alarm_ids) for incident in said.values()} == {"l23": 2, "l41": 4}


def test_devices_that_no_known_link_reaches_are_unknown_and_the_missing_link_is_named() -> None:
    picture = topology([pair for pair in RING if pair != (2, 5)], (MissingEnd(2 << 16 | 5, "ber-agg-1", "xe-0/0/2"),))
    said = play(engine_on(picture), LOST, 120)
    assert {incident.verdict for incident in said.values()} == {"unknown"}
    words = next(iter(said.values()))
    assert words.missing_link == "ber-core-1 xe-0/0/5 - ber-agg-1 xe-0/0/2"
    assert words.explanation.unknown == ("I do not know: the link ber-core-1 xe-0/0/5 - ber-agg-1 xe-0/0/2 is missing in the inventory.",)


def test_open_alarms_fed_after_a_restart_give_the_same_incidents() -> None:
    before = play(engine_on(topology()), [*CUT, *LOST], 40)
    again = engine_on(topology()).feed(T0 + 500 * NS_PER_S, [*CUT, *LOST])
    assert {(each.incident, each.roots[0].resource_id) for each in again if each.alarm_ids} == {
        (name, each.roots[0].resource_id) for name, each in before.items()
    }


def test_a_link_learned_later_changes_the_verdict() -> None:
    engine = engine_on(topology([pair for pair in RING if pair != (2, 5)]))
    play(engine, CUT[:2] + LOST, 40)
    engine.topology_changed(topology())
    said = [each for each in engine.feed(T0 + 60 * NS_PER_S, []) if each.alarm_ids]
    assert [each.roots[0].resource_id for each in said] == ["l25"]


def test_an_alarm_that_concerns_only_itself_is_left_alone() -> None:
    assert engine_on(topology()).feed(T0, [change(0.0, "equipment.fan_failed", "d1", qualifier="fan 1")]) == []


def cleared(at_s: float, changes: Iterable[AlarmChange]) -> list[AlarmChange]:
    return [replace(each, state="cleared", time_ns=T0 + int(at_s * NS_PER_S)) for each in changes]


def session_lost(at_s: float) -> list[AlarmChange]:
    """The iBGP session between ham-core-1 and muc-core-1, two hops apart, told by both; the second end waits for its hold time."""
    ends = (("d1", "127.64.0.3", 0.0), ("d3", "127.64.0.1", 4.0))
    return [change(at_s + late_s, SESSION_DOWN, device, qualifier=f"bgp {peer}") for device, peer, late_s in ends]


RING_CUT = (
    change(60.2, SESSION_DOWN, "d2", qualifier="ospf 127.64.0.3"),
    change(61.2, SESSION_DOWN, "d3", qualifier="ospf 127.64.0.2"),
    change(65.0, LINK_DOWN, "d3:2"),
)
DEAD = (
    change(90.1, SESSION_DOWN, "d1", qualifier="bgp 127.64.0.3"),
    change(90.2, SESSION_DOWN, "d2", qualifier="ospf 127.64.0.3"),
    change(90.9, SESSION_DOWN, "d4", qualifier="ospf 127.64.0.3"),
    change(92.0, SESSION_DOWN, "d1", qualifier="bgp 0.0.0.0"),
    change(92.1, LINK_DOWN, "d2:3"),
    change(96.0, LINK_DOWN, "d4:3"),
    change(102.0, UNREACHABLE, "d3"),
)


def test_a_session_over_several_hops_that_both_ends_lose_is_one_incident() -> None:
    (incident,) = play(engine_on(topology()), session_lost(0.2), 200).values()
    assert (incident.roots[0].kind, incident.roots[0].name) == ("session", "bgp between ham-core-1 and muc-core-1")
    assert len(incident.alarm_ids) == 2


def test_what_is_over_claims_nothing_of_the_next_fault() -> None:
    session, cut = session_lost(0.2), list(RING_CUT)
    said = play(engine_on(topology()), [*session, *cleared(59.5, session), *cut, *cleared(80.0, cut), *DEAD], 200)
    (dead,) = [incident for incident in said.values() if (incident.roots[0].resource_id, incident.roots[0].kind) == ("d3", "device")]
    assert set(dead.alarm_ids) == {each.alarm_id for each in DEAD}


def test_a_link_that_comes_and_goes_is_one_incident_and_a_session_lost_later_another() -> None:
    falls: list[AlarmChange] = []
    for n in range(4):
        fell = [change(3 * n + 0.2, LINK_DOWN, "d3:2"), change(3 * n + 0.3, SESSION_DOWN, "d2", qualifier="ospf 127.64.0.3")]
        falls += [*fell, *cleared(3 * n + 1.7, fell)]
    said = play(engine_on(topology()), [*falls, *session_lost(40.2)], 100)
    assert {(incident.roots[0].kind, len(incident.alarm_ids)) for incident in said.values()} == {("link", 2), ("session", 2)}


def test_a_neighbour_behind_a_link_that_is_in_no_inventory_is_one_incident_with_the_port_as_root() -> None:
    picture = topology([pair for pair in RING if pair != (2, 5)])
    lost = [
        change(0.2, SESSION_DOWN, "d2", qualifier="ospf 127.64.0.5"),
        change(4.8, LINK_DOWN, "d2:5"),
        change(15.0, UNREACHABLE, "d5"),
    ]
    (incident,) = play(engine_on(picture), lost, 100).values()
    assert (incident.roots[0].resource_id, len(incident.alarm_ids)) == ("d2:5", 3)
    assert incident.missing_link == "ber-core-1 xe-0/0/5 - an unknown neighbour"


def test_a_session_that_is_back_takes_nothing_of_a_link_cut_after_it() -> None:
    session = session_lost(0.2)
    cut = [replace(each, time_ns=each.time_ns - 45 * NS_PER_S, raised_ns=each.time_ns - 45 * NS_PER_S) for each in RING_CUT]
    said = play(engine_on(topology()), [*session, *cleared(13.5, session), *cut], 200)
    assert {(incident.roots[0].kind, len(incident.alarm_ids)) for incident in said.values()} == {("session", 2), ("link", 3)}
