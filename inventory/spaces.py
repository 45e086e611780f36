"""Links where addresses overlap: an address means a device only within its own address space (pure)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from inventory.links import FoundLink, Said, Unresolved, derive
from inventory.subnets import SOURCES

Row = dict[str, Any]
Space = tuple[list[Row], dict[str, int], list[Row], list[Row], list[Row]]


def derive_in_spaces(
    addresses: Mapping[tuple[str, str], int], devices: Sequence[Row], entities: Sequence[Row], heard: Sequence[Row], held: Sequence[Row]
) -> tuple[list[FoundLink], list[Unresolved]]:
    """`inventory.links.derive` within each space, then over all of them for neighbours that name themselves and are of another.

    `addresses` is (vrf, address) -> device number; the others are rows as `Said` has them.
    """
    space_of = {row["no"]: row["vrf"] for row in devices}
    if not any(space_of.values()):
        return derive(Said(devices, {address: no for (_, address), no in addresses.items()}, entities, heard, held))
    spaces: dict[str, Space] = defaultdict(lambda: ([], {}, [], [], []))
    for row in devices:
        spaces[row["vrf"]][0].append(row)
    for (vrf, address), no in addresses.items():
        spaces[vrf][1][address] = no
    for place, rows in ((2, entities), (3, heard), (4, held)):
        for row in rows:
            spaces[space_of.get(row["device_no"], "")][place].append(row)  # type: ignore[union-attr]
    found: list[FoundLink] = []
    unresolved: list[Unresolved] = []
    for space in spaces.values():
        links, open_ends = derive(Said(*space))
        found, unresolved = found + links, unresolved + open_ends
    return _joined(found, unresolved, devices, entities)


def _joined(
    found: list[FoundLink], unresolved: list[Unresolved], devices: Sequence[Row], entities: Sequence[Row]
) -> tuple[list[FoundLink], list[Unresolved]]:
    """With the links between spaces: only who names himself is believed there, and no port gets a second link."""
    strangers = [one.row for one in unresolved if one.why == "unknown device" and one.row["protocol"] not in SOURCES]
    across, still_open = derive(Said(devices, {}, entities, strangers))
    used = {end for link in found for end in (link.a, link.b)}
    across = [link for link in across if not {link.a, link.b} & used]
    asked = {id(row) for row in strangers}
    return found + across, [one for one in unresolved if id(one.row) not in asked] + still_open
