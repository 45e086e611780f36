"""The simulated world: the same for the same seed, connected, with the parts the demo needs."""

from ipaddress import ip_address, ip_network

import pytest

from simulator.build import build
from simulator.customers import TARIFFS, customers
from simulator.traffic import paths


def test_a_seed_gives_the_same_world() -> None:
    assert build(7, 60) == build(7, 60)


def test_another_seed_gives_other_serial_numbers() -> None:
    assert {d.serial for d in build(1).devices}.isdisjoint({d.serial for d in build(2).devices})


@pytest.mark.parametrize("size", [24, 60, 61, 500])
def test_every_device_is_reached_and_has_its_own_address(size: int) -> None:
    world = build(1, size)
    reached = {device for device, _, _ in paths(world, world.attachment, frozenset(), frozenset())} | {world.attachment}
    assert reached == set(range(size))
    assert len({device.address for device in world.devices}) == size
    assert all(ip_address(device.address) in ip_network(world.cidr) for device in world.devices)
    assert ip_network(world.cidr).subnet_of(ip_network("127.64.0.0/12"))  # type: ignore[arg-type]


def test_interfaces_are_numbered_through_the_world() -> None:
    world = build(1, 60)
    assert [interface.number for interface in world.interfaces] == list(range(len(world.interfaces)))
    for device in world.devices:
        names = [interface.name for interface in device.interfaces]
        assert len(set(names)) == len(names)


def test_the_three_regions_have_their_names() -> None:
    world = build(1, 60)
    assert {device.region for device in world.devices} == {"Hamburg", "Berlin", "Frankfurt"}
    assert {"ham-core-1", "ber-agg-2", "fra-acc-7"} <= set(world.by_name)
    assert len(set(world.sites)) > 30


def test_one_link_is_hidden_from_lldp_and_has_something_behind_it() -> None:
    world = build(1, 60)
    (hidden,) = [link for link in world.links if not link.lldp]
    assert world.devices[hidden.b.device].name == "fra-acc-7"
    assert world.link_between("fra-acc-7", "fra-acc-8").lldp


def test_services_stand_on_their_own_interfaces_with_a_known_tariff() -> None:
    world = build(1, 60)
    sold = [(service["device"], service["interface"]) for customer in customers(world) for service in customer["services"]]
    assert len(customers(world)) == 12
    assert len(set(sold)) == len(sold) == 25
    assert {service["tariff"] for customer in customers(world) for service in customer["services"]} == set(TARIFFS)
    for device, interface in sold:
        assert world.interface(device, interface)


def test_the_wave_between_hamburg_and_berlin_is_sold() -> None:
    world = build(1, 60)
    link = world.link_between("ham-core-1", "ber-core-1")
    assert world.service_at[link.a.interface].number == "S-10001"


def test_a_world_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 24"):
        build(1, 5)
