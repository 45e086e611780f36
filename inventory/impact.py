"""What a failure means for those who pay: resources that are down -> services and customers hurt (pure)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from inventory.graph import reachable
from inventory.topology import Customer, Service, Topology

DUCT: Final = "duct:"


@dataclass(frozen=True, slots=True)
class Impact:
    """`services` are out, `at_risk` lost their usual way but have another; `cut_off` are device numbers out of reach, not failed."""

    services: tuple[Service, ...] = ()
    customers: tuple[Customer, ...] = ()
    at_risk: tuple[Service, ...] = ()
    cut_off: tuple[int, ...] = ()


@dataclass(slots=True)
class _Failed:
    devices: set[int] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    entities: set[int] = field(default_factory=set)
    services: set[str] = field(default_factory=set)


def impact(topology: Topology, resource_ids: Iterable[str]) -> Impact:
    """The impact of these resources being down together: devices, interfaces, links, sites, services, or `duct:<name>`.

    A service is out when an interface it is sold on is down, or stands at a device that is down or that the station
    can no longer reach by any link. Unknown ids hurt nobody.
    """
    failed = _failed(topology, resource_ids)
    cut_off = _cut_off(topology, failed)
    dark = failed.devices | cut_off
    out = [one for one in topology.services.values() if one.id in failed.services or _is_out(one, failed.entities, dark)]
    gone = {one.id for one in out}
    at_risk = [one for one in topology.services.values() if one.id not in gone and any(_touches(key, failed) for key in one.path)]
    customers = dict.fromkeys(one.customer_id for one in out)
    return Impact(
        services=tuple(out),
        customers=tuple(topology.customers[number] for number in customers if number in topology.customers),
        at_risk=tuple(at_risk),
        cut_off=tuple(sorted(cut_off)),
    )


def _failed(topology: Topology, resource_ids: Iterable[str]) -> _Failed:
    """What is down, with the links that go down with it. A sensor or session takes nothing with it."""
    failed = _Failed()
    for resource in resource_ids:
        if resource in topology.device_by_id:
            failed.devices.add(topology.device_by_id[resource].no)
        elif resource in topology.sites:
            failed.devices |= {device.no for device in topology.devices.values() if device.site_id == resource}
        elif resource in topology.links or resource.startswith(DUCT):
            failed.links |= _links(topology, resource)
        elif resource in topology.services:
            failed.services.add(resource)
        elif (entity := topology.entity_by_id.get(resource)) is not None and entity.kind == "interface":
            failed.entities.add(entity.key)
    for identity in failed.links:
        failed.entities |= {topology.links[identity].a, topology.links[identity].b}
    failed.links |= {link.id for key in failed.entities if (link := topology.link_at.get(key))}
    return failed


def _links(topology: Topology, resource: str) -> set[str]:
    if resource in topology.links:
        return {resource}
    return {link.id for link in topology.links.values() if link.duct and link.duct == resource.removeprefix(DUCT)}


def _cut_off(topology: Topology, failed: _Failed) -> set[int]:
    if not failed.devices and not failed.links:
        return set()
    before = reachable(topology)
    return before - reachable(topology, failed.devices, failed.links) - failed.devices


def _is_out(service: Service, entities: Collection[int], dark: Collection[int]) -> bool:
    return any(key in entities or key >> 16 in dark for key in service.access)


def _touches(key: int, failed: _Failed) -> bool:
    return key in failed.entities or key >> 16 in failed.devices
