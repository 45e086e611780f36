"""Who polls what: each device's collector, and the part of the picture that a collector is given (pure).

A device belongs to the collectors of its address space, of its site where they name sites; among several that are alive
the highest hash decides, so that few devices move when one comes or goes. What nobody is there for, the station polls
itself, if it is in the station's own space.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zlib import crc32

from inventory.topology import Collector, Device, Entity, Topology
from station.ids import derived_id

DIGEST: Final = 16  # hex digits of a document's digest
_DEVICE: Final = tuple(name for name in Device.__dataclass_fields__ if name not in {"status", "last_seen_ns"})
_ENTITY: Final = tuple(name for name in Entity.__dataclass_fields__ if name not in {"admin_status", "oper_status"})
Document = dict[str, Any]


def owners(topology: Topology, alive: Collection[str]) -> dict[int, str]:
    """Device number -> id of the collector that is to poll it; without the devices that the station polls."""
    in_space: dict[str, list[Collector]] = defaultdict(list)
    for one in topology.collectors.values():
        in_space[one.vrf].append(one)
    found: dict[int, str] = {}
    for no, device in topology.devices.items():
        possible = in_space.get(device.vrf)
        if possible and (chosen := _chosen(topology, device, possible, alive)):
            found[no] = chosen
    return found


def _chosen(topology: Topology, device: Device, possible: Iterable[Collector], alive: Collection[str]) -> str:
    site = topology.sites.get(device.site_id)
    mine = [one.id for one in possible if not one.sites or (site is not None and site.name in one.sites)]
    living = [key for key in mine if key in alive] or mine
    return max(living, key=lambda key: (crc32(f"{device.no} {key}".encode()), key), default="")


def reachable(topology: Topology) -> dict[str, list[int]]:
    """By collector the devices that could be its own, whoever polls them now: what it kept may be of before."""
    by_place: dict[tuple[str, str], list[int]] = defaultdict(list)
    for no, device in topology.devices.items():
        site = topology.sites.get(device.site_id)
        by_place[device.vrf, site.name if site else ""].append(no)
    return {
        key: [no for (vrf, site), found in by_place.items() if vrf == one.vrf and (not one.sites or site in one.sites) for no in found]
        for key, one in topology.collectors.items()
    }


def own(topology: Topology, elsewhere: Mapping[int, str]) -> Topology:
    """The picture without what the station cannot or need not poll itself."""
    kept = {no: one for no, one in topology.devices.items() if not one.vrf and no not in elsewhere}
    if len(kept) == len(topology.devices):
        return topology
    entities = {key: entity for key, entity in topology.entities.items() if key >> 16 in kept}
    links = {key: link for key, link in topology.links.items() if link.a >> 16 in kept and link.b >> 16 in kept}
    addresses = {address: no for address, no in topology.addresses.items() if no in kept}
    return replace(topology, devices=kept, entities=entities, links=links, addresses=addresses, addresses_in={})


@dataclass(frozen=True, slots=True)
class Share:
    """What one collector is to have: documents by device number, their digests, and one digest over all."""

    documents: Mapping[int, Document] = field(default_factory=dict)
    digests: Mapping[int, str] = field(default_factory=dict)
    digest: str = ""
    credentials: tuple[str, ...] = ()  # names of those that its devices ask for


def shares(topology: Topology, owner: Mapping[int, str]) -> dict[str, Share]:
    """The share of every collector, by id."""
    mine: dict[str, dict[int, Document]] = {key: {} for key in topology.collectors}
    addresses: dict[int, list[str]] = defaultdict(list)
    for space in (topology.addresses, *topology.addresses_in.values()):
        for address, no in space.items():
            if no in owner:
                addresses[no].append(address)
    entities: dict[int, list[Entity]] = defaultdict(list)
    for key, entity in topology.entities.items():
        if key >> 16 in owner:
            entities[key >> 16].append(entity)
    for no, collector in owner.items():
        mine[collector][no] = document(topology.devices[no], entities[no], addresses[no])
    return {key: _share(documents) for key, documents in mine.items()}


def _share(documents: dict[int, Document]) -> Share:
    digests = {no: digest_of(one) for no, one in documents.items()}
    names = dict.fromkeys(str(one["device"]["credential"]) for one in documents.values())
    return Share(documents, digests, digest_over(digests), tuple(names))


def document(device: Device, entities: Iterable[Entity], addresses: Iterable[str]) -> Document:
    """One device as a collector needs it: all but what changes with every poll."""
    rows = sorted(entities, key=lambda one: one.key)
    return {
        "device": {name: getattr(device, name) for name in _DEVICE},
        "entities": {name: [getattr(one, name) for one in rows] for name in _ENTITY},
        "addresses": sorted(addresses),
    }


def digest_of(one: Document) -> str:
    return derived_id(json.dumps(one, sort_keys=True))[:DIGEST]


def digest_over(digests: Mapping[int, str]) -> str:
    """The same for the same documents, whatever their order."""
    return derived_id(*[f"{no}:{digests[no]}" for no in sorted(digests)])[:DIGEST]


def picture_of(documents: Mapping[int, Document], version: int) -> Topology:
    """A collector's picture of the network: its own devices, and addresses that mean these and nobody else's."""
    devices = {no: _made(Device, one["device"]) for no, one in documents.items()}
    entities = [_made(Entity, row) for one in documents.values() for row in _rows(one["entities"])]
    addresses = {address: no for no, one in documents.items() for address in one["addresses"]}
    return Topology(version, devices=devices, entities={one.key: one for one in entities}, addresses=addresses)


def _rows(columns: Mapping[str, list[Any]]) -> Iterable[dict[str, Any]]:
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _made(kind: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    """A record of the fields that this version knows."""
    known = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: value for name, value in values.items() if name in known})
