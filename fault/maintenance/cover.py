"""What the windows in force cover: resources by id, found in one look-up for each alarm."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from fault.alarms import Alarm
from fault.maintenance.windows import Target, Window
from fault.resources import DUCT, Resources
from inventory.topology import Link

SURE = 0.5  # a root that is less likely hides nothing but what the window itself names


class Cover:
    """Which window covers a resource. A device in work takes the far ends of its links and its neighbours' sessions along."""

    def __init__(self, windows: Sequence[Window], resources: Resources) -> None:
        self._resources = resources
        self._devices: dict[str, str] = {}
        self._others: dict[str, str] = {}
        for window in windows:
            for target in window.targets:
                self._add(window.id, target)

    def _add(self, window: str, target: Target) -> None:
        topology = self._resources.topology
        match target.kind:
            case "device":
                self._add_device(window, target.id)
            case "site":
                self._others[target.id] = window
                for device in topology.devices.values():
                    if device.site_id == target.id:
                        self._add_device(window, device.id)
            case "customer":
                mine = [service.id for service in topology.services.values() if service.customer_id == target.id]
                self._others |= dict.fromkeys((part for service in mine for part in self._of_service(service)), window)
            case "service":
                self._others |= dict.fromkeys(self._of_service(target.id), window)
            case "link" | "interface":
                self._others |= dict.fromkeys(self._resources.parts(target.id), window)

    def _add_device(self, window: str, device_id: str) -> None:
        self._devices[device_id] = window
        device = self._resources.topology.device_by_id.get(device_id)
        for _, link in self._resources.topology.neighbours.get(device.no, ()) if device else ():
            self._others |= dict.fromkeys(self._resources.parts(link.id), window)

    def _of_service(self, service_id: str) -> Iterator[str]:
        """A service and where it is handed over; what it merely crosses carries others too."""
        yield service_id
        service = self._resources.topology.services.get(service_id)
        for key in service.access if service else ():
            if key in self._resources.topology.entities:
                yield self._resources.topology.entities[key].id

    def of(self, alarm: Alarm) -> str:
        """The id of the window that covers an alarm, "" for none."""
        if not self._devices and not self._others:
            return ""
        found = self._others.get(alarm.resource) or self._devices.get(alarm.place.device_id)
        return found or self._of_peer(alarm.qualifier)

    def _of_peer(self, qualifier: str) -> str:
        """A session with a device in work, told by its neighbour: the qualifier ends in the peer's address."""
        topology = self._resources.topology
        peer = topology.devices.get(topology.addresses.get(qualifier.rpartition(" ")[2], -1)) if qualifier else None
        return self._devices.get(peer.id, "") if peer else ""

    def of_root(self, resource: str) -> str:
        """The window that covers a root: a duct only where it covers all that runs in it."""
        if resource.startswith(DUCT):
            links = [link for link in self._resources.topology.links.values() if DUCT + link.duct == resource]
            found = [self._of_link(link) for link in links]
            return found[0] if found and all(found) else ""
        link = self._resources.topology.links.get(resource)
        return self._of_link(link) if link else self._others.get(resource) or self._devices.get(resource, "")

    def _of_link(self, link: Link) -> str:
        ends = (self._resources.topology.entities.get(end) for end in (link.a, link.b))
        return self._others.get(link.id) or next((self._others[end.id] for end in ends if end and end.id in self._others), "")

    def of_incident(self, root: str, confidence: float, active: Collection[Alarm]) -> str:
        """The window that an incident is the work of: all that is active is in one, or its root is, and likely enough."""
        marks = [alarm.maintenance for alarm in active]
        if marks and all(marks):
            return marks[0]
        return self.of_root(root) if active and confidence > SURE else ""


def services_of(targets: Iterable[Target], resources: Resources) -> set[str]:
    """The services that work on these targets concerns."""
    named = [target.id for target in targets if target.kind != "customer"]
    customers = {target.id for target in targets if target.kind == "customer"}
    found = {service.id for service in resources.services(named)}
    return found | {service.id for service in resources.topology.services.values() if service.customer_id in customers}
