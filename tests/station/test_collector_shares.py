"""Who polls what, what a collector is given, and who is blind."""

from dataclasses import replace

import numpy as np

from inventory.shares import digest_over, document, own, owners, picture_of, reachable, shares
from inventory.topology import Collector, Device, Entity, Site, Topology
from station.apart.beats import BACK, BLIND, Beat, Beats
from station.apart.pops import _of
from station.batch import SampleBatch
from station.clock import NS_PER_S

N = 200


def network() -> Topology:
    """The same addresses in two POPs and at home; at home a site that has a collector of its own."""
    spaces = ("", "north", "south")
    devices = {
        no: Device(no, f"d{no}", f"r{no}", f"s{no % 2}", f"10.0.0.{no % 60}", vrf=spaces[no % 3], status="up", last_seen_ns=no)
        for no in range(1, N)
    }
    entities = {no << 16 | 1: Entity(no << 16 | 1, f"e{no}", "interface", "xe-0", if_index=7, oper_status=no % 2) for no in devices}
    return Topology(
        3,
        sites={"s0": Site("s0", "Kiel"), "s1": Site("s1", "Bonn")},
        devices=devices,
        entities=entities,
        addresses={one.management_address: no for no, one in devices.items() if not one.vrf},
        addresses_in={vrf: {one.management_address: no for no, one in devices.items() if one.vrf == vrf} for vrf in spaces[1:]},
        collectors={
            "n1": Collector("n1", "north-1", "north"),
            "n2": Collector("n2", "north-2", "north"),
            "k": Collector("k", "kiel", "", ("Kiel",)),
        },
    )


ALL = frozenset({"n1", "n2", "k"})


def test_each_device_has_the_collectors_of_its_space_and_site() -> None:
    topology = network()
    owner = owners(topology, ALL)
    for no, device in topology.devices.items():
        expected = {"north": {"n1", "n2"}, "south": {""}, "": {"k"} if device.site_id == "s0" else {""}}[device.vrf]
        assert owner.get(no, "") in expected
    assert {owner[no] for no, one in topology.devices.items() if one.vrf == "north"} == {"n1", "n2"}


def test_the_station_polls_what_is_in_its_own_space_and_nobody_elses() -> None:
    topology = network()
    mine = own(topology, owners(topology, ALL))
    assert set(mine.devices) == {no for no, one in topology.devices.items() if not one.vrf and one.site_id == "s1"}
    assert set(mine.addresses.values()) <= set(mine.devices)


def test_a_collector_that_is_gone_leaves_its_devices_to_its_peer_and_takes_no_others_along() -> None:
    topology = network()
    both, alone = owners(topology, ALL), owners(topology, ALL - {"n1"})
    moved = {no for no in both if both[no] != alone[no]}
    assert moved == {no for no, key in both.items() if key == "n1"} and {alone[no] for no in moved} == {"n2"}
    assert owners(topology, ()) == both  # where nobody is there nobody takes over


def test_a_share_makes_the_picture_again_and_a_poll_changes_no_digest() -> None:
    topology = network()
    made = shares(topology, owners(topology, ALL))
    picture = picture_of(made["k"].documents, 1)
    assert set(picture.devices) == {no for no, one in topology.devices.items() if not one.vrf and one.site_id == "s0"}
    no = next(iter(picture.devices))
    assert picture.devices[no].name == f"r{no}" and picture.interface_by_index[no, 7].name == "xe-0"
    polled = {key: replace(one, oper_status=2) for key, one in topology.entities.items()}
    again = shares(replace(topology, version=4, entities=polled), owners(topology, ALL))
    assert {key: one.digest for key, one in again.items()} == {key: one.digest for key, one in made.items()}
    assert made["k"].digest == digest_over(made["k"].digests) != made["n1"].digest


def test_an_address_means_the_device_of_the_collectors_own_space() -> None:
    topology = network()
    address, theirs = "10.0.0.3", {one.vrf: no for no, one in topology.devices.items() if one.management_address == "10.0.0.3"}
    everything = {key: one.documents for key, one in shares(topology, owners(topology, ALL - {"n2"})).items()}
    assert picture_of(everything["n1"], 1).addresses.get(address) == topology.addresses_in["north"].get(address)
    assert len(theirs) == 1 or theirs["north"] != theirs.get("")


def test_a_document_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    one = document(Device(5, "d", "r", "", "10.0.0.1"), [Entity(5 << 16 | 1, "e", "interface", "x")], ["10.0.0.1"])
    one["device"]["colour"], one["entities"]["colour"] = "red", ["red"]
    assert picture_of({5: one}, 1).devices[5].name == "r"


def test_rows_of_devices_that_are_not_its_own_are_not_taken_from_a_collector() -> None:
    series = np.array([1, 2, 3], np.uint64) << np.uint64(24)
    batch = SampleBatch.of(np.arange(3), series)
    may = np.array(reachable(network())["n1"], np.uint64)
    assert (_of(batch, may, "samples").series >> np.uint64(24)).tolist() == [1]
    assert len(_of(batch, None, "samples")) == 0


def beat() -> Beat:
    return Beat(version="1", now_ns=0, targets="", secrets="", polled=0, unpolled=0, spools={})


def test_a_collector_is_blind_once_and_back_once() -> None:
    beats = Beats(30 * NS_PER_S, 0)
    assert beats.changes(["a"], 29 * NS_PER_S) == []
    assert beats.changes(["a"], 30 * NS_PER_S) == [("a", BLIND)]
    assert beats.changes(["a"], 90 * NS_PER_S) == []
    beats.hear("a", beat(), 100 * NS_PER_S)
    assert beats.changes(["a"], 100 * NS_PER_S) == [("a", BACK)]
    assert beats.changes(["a"], 129 * NS_PER_S) == []
    assert beats.changes(["a"], 130 * NS_PER_S) == [("a", BLIND)]
    assert beats.changes([], 131 * NS_PER_S) == [] and not beats.heard


def test_the_first_sign_of_life_ends_an_alarm_of_before() -> None:
    beats = Beats(30 * NS_PER_S, 0)
    beats.hear("a", beat(), NS_PER_S)
    assert beats.changes(["a"], 2 * NS_PER_S) == [("a", BACK)]
    assert beats.changes(["a"], 3 * NS_PER_S) == []
