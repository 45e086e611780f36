"""What fault asks of the inventory: where a resource is, which services and customers hang on it."""

from collections.abc import Iterable
from functools import cached_property

from fault.alarms import Place
from inventory.topology import Device, Entity, Service, Topology

DUCT = "duct:"


class Resources:
    """The look-ups of one topology picture; a new picture gets a new one, so a table is made when it is first asked for."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology

    @cached_property
    def _names(self) -> dict[tuple[int, str], Entity]:
        """Interfaces by (device, name in lower case). ifName last: it is the identity, ifDescr may repeat."""
        return {
            (entity.device_no, name.lower()): entity
            for entity in self.topology.entities.values()
            if entity.kind == "interface"
            for name in (entity.descr, entity.name)
            if name
        }

    @cached_property
    def _services_of(self) -> dict[int, dict[str, Service]]:
        found: dict[int, dict[str, Service]] = {}
        for key, services in self.topology.services_at.items():
            found.setdefault(key >> 16, {}).update({service.id: service for service in services})
        return found

    def place(self, resource: str) -> Place:
        """Where a resource is; an unknown one is named by its id."""
        device = self.device_of(resource)
        entity = self.topology.entity_by_id.get(resource)
        if device is not None:
            site = self.topology.sites.get(device.site_id)
            kind, name = (entity.kind, entity.name) if entity else ("device", "")
            return Place(kind, device.id, device.name, name, site.name if site else "", site.region if site else "")
        if resource in self.topology.collectors:
            return Place("collector", object=self.topology.name_of(resource))
        if resource in self.topology.sites:
            site = self.topology.sites[resource]
            return Place("site", "", "", site.name, site.name, site.region)
        kind = "link" if resource in self.topology.links else "duct" if resource.startswith(DUCT) else "service"
        known = kind != "service" or resource in self.topology.services
        return Place(kind if known else "unknown", object=self.topology.name_of(resource))

    def device_of(self, resource: str) -> Device | None:
        """The device that a resource is or belongs to."""
        entity = self.topology.entity_by_id.get(resource)
        if entity is not None:
            return self.topology.devices.get(entity.device_no)
        return self.topology.device_by_id.get(resource)

    def interface(self, device_no: int, if_index: str = "", name: str = "") -> Entity | None:
        """An interface of a device by ifIndex, else by ifName or ifDescr in any case."""
        if if_index.isascii() and if_index.isdigit() and len(if_index) < 11:
            found = self.topology.interface_by_index.get((device_no, int(if_index)))
            if found is not None:
                return found
        return self._names.get((device_no, name.strip().lower())) if name else None

    def parts(self, resource: str) -> tuple[str, ...]:
        """The resources on which an alarm is an alarm on `resource` itself: a link's two interfaces, a duct's links' ends."""
        if resource in self.topology.links:
            link = self.topology.links[resource]
            ends = (self.topology.entities.get(end) for end in (link.a, link.b))
            return (resource, *(entity.id for entity in ends if entity))
        if resource.startswith(DUCT):
            links = (link.id for link in self.topology.links.values() if DUCT + link.duct == resource)
            return (resource, *(part for link in links for part in self.parts(link)))
        if resource in self.topology.sites:
            return (resource, *(device.id for device in self.topology.devices.values() if device.site_id == resource))
        return (resource,)

    def services(self, resources: Iterable[str]) -> tuple[Service, ...]:
        """The services that use any of the resources, by number."""
        found: dict[str, Service] = {}
        for resource in {part for whole in resources for part in self.parts(whole)}:
            entity = self.topology.entity_by_id.get(resource)
            device = self.topology.device_by_id.get(resource)
            if entity is not None:
                found.update({service.id: service for service in self.topology.services_at.get(entity.key, ())})
            elif device is not None:
                found.update(self._services_of.get(device.no, {}))
            elif resource in self.topology.services:
                found[resource] = self.topology.services[resource]
        return tuple(sorted(found.values(), key=lambda service: service.number))

    def of_customers(self, customers: Iterable[str]) -> tuple[str, ...]:
        """The resources that the services of these customers use: interfaces, their devices, the services themselves."""
        wanted = set(customers)
        mine = [service for service in self.topology.services.values() if service.customer_id in wanted]
        keys = {key for service in mine for key in service.access + service.path}
        interfaces = {self.topology.entities[key].id for key in keys if key in self.topology.entities}
        devices = {self.topology.devices[key >> 16].id for key in keys if key >> 16 in self.topology.devices}
        return tuple(sorted(interfaces | devices | {service.id for service in mine}))
