"""Whom the first checks of a root ask: the devices at it, and the interfaces that are the root. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fault.resources import Resources
from inventory.topology import Entity

DEVICES_MAX: Final = 4
PORTS_MAX: Final = 16


@dataclass(frozen=True, slots=True)
class Subject:
    """One device and those of its interfaces that the root is, or that it is reached by; `no` is its dense number."""

    no: int
    id: str
    name: str
    address: str
    ports: tuple[Entity, ...]


def subjects(root: str, alarmed: Sequence[str], resources: Resources) -> list[Subject]:
    """Of a link both ends, of a site some of its devices, of a session both ends of its link; a root that is no resource of
    the inventory is looked at where its alarms are.
    """
    parts = [part for word in root.split(" ") for part in resources.parts(word)]
    known = [part for part in parts if resources.device_of(part) is not None] or list(alarmed)
    ports: dict[int, dict[int, Entity]] = {}
    for part in known:
        device = resources.device_of(part)
        if device is None or (device.no not in ports and len(ports) >= DEVICES_MAX):
            continue
        mine = ports.setdefault(device.no, {})
        entity = resources.topology.entity_by_id.get(part)
        if entity is not None and entity.kind == "interface":
            mine[entity.key] = entity
        elif entity is None:
            mine |= {each.key: each for each in _linked(device.no, resources)}
    return [_subject(no, tuple(mine.values())[:PORTS_MAX], resources) for no, mine in ports.items()]


def _linked(device_no: int, resources: Resources) -> list[Entity]:
    """The interfaces of a device at links."""
    topology = resources.topology
    links = [link for _, link in topology.neighbours.get(device_no, ())]
    ends = sorted({end for link in links for end in (link.a, link.b) if end >> 16 == device_no})
    return [topology.entities[end] for end in ends if end in topology.entities]


def _subject(no: int, ports: tuple[Entity, ...], resources: Resources) -> Subject:
    device = resources.topology.devices[no]
    return Subject(no, device.id, device.name, device.management_address, ports)
