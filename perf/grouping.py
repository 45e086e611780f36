"""By what a list or a heat map adds up: interfaces belong to devices, sites, regions, services and customers, and devices have tags."""

from collections.abc import Callable
from typing import Literal

from inventory.topology import Topology

By = Literal["interface", "device", "site", "region", "service", "customer", "role", "vendor", "model"]
Named = tuple[str, str]
"""(public id, name); what is only a word, as a region or a vendor, is its own id."""
TAGS = ("role", "vendor", "model")


def groups(topology: Topology, by: By, keys: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], list[Named]]:
    """(interfaces, the number of the group of each from 1, what the groups are); one of several services or customers counts for each."""
    owner = _served(topology, by) if by in ("service", "customer") else _places(topology, by)
    interfaces: list[int] = []
    numbers: list[int] = []
    known: dict[Named, int] = {}
    for key in keys:
        for named in owner(key):
            interfaces.append(key)
            numbers.append(known.setdefault(named, len(known) + 1))
    return tuple(interfaces), tuple(numbers), list(known)


def _places(topology: Topology, by: By) -> Callable[[int], list[Named]]:
    def owner(key: int) -> list[Named]:
        device = topology.devices.get(key >> 16)
        site = topology.sites.get(device.site_id) if device else None
        if by == "device":
            return [(device.id, device.name)] if device else []
        if by in TAGS:
            word = str(getattr(device, by, "") or "unknown")
            return [(word, word)] if device else []
        if site is None:
            return []
        return [(site.id, site.name) if by == "site" else (site.region, site.region)]

    return owner


def _served(topology: Topology, by: By) -> Callable[[int], list[Named]]:
    of: dict[int, dict[Named, None]] = {}
    for service in topology.services.values():
        owner = service if by == "service" else topology.customers.get(service.customer_id)
        if owner is not None:
            for key in service.access:
                of.setdefault(key, {})[owner.id, owner.name] = None
    return lambda key: list(of.get(key, ()))
