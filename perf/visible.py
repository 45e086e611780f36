"""Which interfaces a scope may see, by region and customer."""

from collections.abc import Callable

from inventory.topology import Topology
from station.scope import Scope


def visible(topology: Topology, scope: Scope) -> Callable[[int], bool]:
    """Whether the scope may see an entity key: by region and customer."""
    services = [s for s in topology.services.values() if s.customer_id in scope.customers]
    served = {key for service in services for key in service.access}

    def seen(key: int) -> bool:
        device = topology.devices.get(key >> 16)
        if device is None:
            return False
        site = topology.sites.get(device.site_id)
        in_region = not scope.regions or (site is not None and site.region in scope.regions)
        return in_region and (not scope.customers or key in served)

    return seen


def within(topology: Topology, caller: Scope, region: str) -> tuple[int, ...] | None:
    """The entities of a region that a caller may see, devices among them; None where that is every one."""
    if not (caller.regions or caller.customers or region):
        return None
    seen, sites = visible(topology, caller), {key for key, site in topology.sites.items() if site.region == region}
    inside = {no for no, device in topology.devices.items() if not region or device.site_id in sites}
    keys = (*topology.entities, *(no << 16 for no in topology.devices))  # a device's own readings are its entity 0
    return tuple(key for key in keys if key >> 16 in inside and seen(key))
