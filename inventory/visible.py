"""The part of a topology that a scope may see (pure); every answer starts from it."""

from dataclasses import replace

from inventory.topology import Topology
from station.scope import Scope


def visible(topology: Topology, scope: Scope, tenant: int) -> Topology:
    """The topology cut down to the scope's regions and customers; nothing of another tenant's."""
    if scope.tenant != tenant:
        return Topology(version=topology.version)
    if not scope.regions and not scope.customers:
        return topology
    services = {key: one for key, one in topology.services.items() if not scope.customers or one.customer_id in scope.customers}
    devices = set(topology.devices)
    if scope.regions:
        devices = {no for no in devices if (site := topology.sites.get(topology.devices[no].site_id)) and site.region in scope.regions}
    if scope.customers:
        devices &= {key >> 16 for one in services.values() for key in one.access}
    elif scope.regions:
        services = {key: one for key, one in services.items() if any(end >> 16 in devices for end in one.access)}
    kept = {topology.devices[no].site_id for no in devices}
    customers = {one.customer_id for one in services.values()}
    return replace(
        topology,
        sites={key: site for key, site in topology.sites.items() if key in kept},
        devices={no: topology.devices[no] for no in topology.devices if no in devices},
        entities={key: entity for key, entity in topology.entities.items() if key >> 16 in devices},
        links={key: link for key, link in topology.links.items() if link.a >> 16 in devices and link.b >> 16 in devices},
        services=services,
        customers={key: one for key, one in topology.customers.items() if key in customers},
        addresses={text: no for text, no in topology.addresses.items() if no in devices},
        station_devices=tuple(no for no in topology.station_devices if no in devices),
        missing=tuple(end for end in topology.missing if end.local >> 16 in devices),
    )
