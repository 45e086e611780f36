"""Addresses: a device's own with the size of their subnets, and whose it resolved on its links (RFC 4293)."""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, ip_address
from typing import Final, NamedTuple

from collectors.codecs.ber import Oid, parse_oid
from collectors.codecs.snmp import VarBind
from collectors.snmp.reader import Reader
from collectors.snmp.text import address_text, integer_of, mac_text
from collectors.snmp.walk import Table
from inventory.facts import AddressFacts, InterfaceFacts, NeighbourFacts

_IP_AD_ENT_IF_INDEX, _IP_AD_ENT_NET_MASK = (parse_oid(f"1.3.6.1.2.1.4.20.1.{i}") for i in (2, 3))
_ADDRESS_IF_INDEX, _ADDRESS_TYPE, _ADDRESS_PREFIX = (parse_oid(f"1.3.6.1.2.1.4.34.1.{i}") for i in (3, 4, 5))
_PREFIX_ROW = parse_oid("1.3.6.1.2.1.4.32.1.5")
_ARP, _NET_TO_PHYSICAL = parse_oid("1.3.6.1.2.1.4.22.1.2"), parse_oid("1.3.6.1.2.1.4.35.1.4")
_INET_ADDRESS_TYPES: Final = (1, 2, 3, 4)  # ipv4, ipv6, and both with a zone (RFC 4001)
_BROADCAST: Final = 3
_SOFTWARE_LOOPBACK: Final = 24  # IANAifType
_GROUP_BIT: Final = 1  # of the first octet of a physical address: multicast and broadcast
HEARD_MAX: Final = 4096  # addresses out of an address table


class OwnAddresses(NamedTuple):
    """`seen` every address that others may see: a trap may come from any of them; `lasting` those on loopback interfaces."""

    seen: tuple[str, ...]
    lasting: tuple[str, ...]
    subnets: tuple[AddressFacts, ...]


class Resolved(NamedTuple):
    """Out of the tables of resolved addresses: everybody `heard`, and whoever is the only one behind an interface."""

    heard: tuple[str, ...]
    neighbours: tuple[NeighbourFacts, ...]


async def own_addresses(reader: Reader, asked: str, interfaces: Sequence[InterfaceFacts]) -> OwnAddresses:
    """ipAddrTable and ipAddressTable, the address that was asked first."""
    columns = (_IP_AD_ENT_IF_INDEX, _IP_AD_ENT_NET_MASK, _ADDRESS_IF_INDEX, _ADDRESS_TYPE, _ADDRESS_PREFIX)
    table = await reader.table("ipAddrTable", columns)
    found: dict[str, AddressFacts] = {}
    for one in (*_old_rows(table), *_new_rows(table)):
        known = found.get(one.address)
        if known is None or known.prefix_length < 0:
            found[one.address] = one
    loopbacks = {port.if_index for port in interfaces if port.if_type == _SOFTWARE_LOOPBACK}
    usable = [one for one in found.values() if not _is_local(one.address)]
    seen = dict.fromkeys([asked, *(one.address for one in usable)])
    lasting = tuple(one.address for one in usable if one.if_index in loopbacks)
    return OwnAddresses(tuple(seen), lasting, tuple(one for one in usable if one.if_index > 0))


def _old_rows(table: Table) -> Iterator[AddressFacts]:
    """ipAddrTable (RFC 4293, section 4: deprecated, and what most agents have), by address."""
    masks = table.column(_IP_AD_ENT_NET_MASK)
    for index, cell in table.column(_IP_AD_ENT_IF_INDEX).items():
        if len(index) == 4 and (address := _text(index)):
            yield AddressFacts(address, integer_of(cell), _mask_length(masks.get(index)))


def _new_rows(table: Table) -> Iterator[AddressFacts]:
    """ipAddressTable, by type, length and octets of the address."""
    ports, prefixes = table.column(_ADDRESS_IF_INDEX), table.column(_ADDRESS_PREFIX)
    for index, kind in table.column(_ADDRESS_TYPE).items():
        if len(index) > 2 and index[0] in _INET_ADDRESS_TYPES and integer_of(kind) != _BROADCAST and (address := _text(index[2:])):
            yield AddressFacts(address, integer_of(ports.get(index)), _prefix_length(prefixes.get(index)))


def _mask_length(cell: VarBind | None) -> int:
    if cell is None or not isinstance(cell.value, str):
        return -1
    try:
        return IPv4Network(f"0.0.0.0/{cell.value}").prefixlen
    except ValueError:  # a mask with holes
        return -1


def _prefix_length(cell: VarBind | None) -> int:
    """The last index part of the ipAddressPrefixTable row that ipAddressPrefix points to; zeroDotZero points nowhere."""
    row = cell.value if cell is not None else None
    points = isinstance(row, tuple) and row[: len(_PREFIX_ROW)] == _PREFIX_ROW and len(row) > len(_PREFIX_ROW)
    return row[-1] if points and isinstance(row, tuple) and row[-1] <= 128 else -1


async def resolved_addresses(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> Resolved:
    """ipNetToMediaTable and ipNetToPhysicalTable: who was spoken with on the same links."""
    table = await reader.table("ipNetToMediaTable", (_ARP, _NET_TO_PHYSICAL))
    own = {port.mac for port in interfaces}
    heard: dict[str, None] = {}
    behind: dict[int, dict[str, list[str]]] = {}
    for if_index, octets, cell in _resolved_rows(table):
        address, mac = _text(octets), mac_text(cell.value)
        if address:
            heard[address] = None
        if mac and mac not in own and not int(mac[:2], 16) & _GROUP_BIT:
            behind.setdefault(if_index, {}).setdefault(mac, []).append(address)
    return Resolved(tuple(heard)[:HEARD_MAX], tuple(_only_stations(behind, interfaces)))


def _resolved_rows(table: Table) -> Iterator[tuple[int, Oid, VarBind]]:
    """(ifIndex, octets of the address, physical address) of both tables."""
    for row, cell in table.column(_ARP).items():
        if len(row) == 5:
            yield row[0], row[1:], cell
    for row, cell in table.column(_NET_TO_PHYSICAL).items():
        if len(row) > 3 and row[2] == len(row) - 3:
            yield row[0], row[3:], cell


def _only_stations(behind: dict[int, dict[str, list[str]]], interfaces: Sequence[InterfaceFacts]) -> Iterator[NeighbourFacts]:
    """Whoever is alone behind an interface, by its physical address and the first of its other addresses."""
    names = {port.if_index: port.name for port in interfaces}
    for if_index, stations in sorted(behind.items()):
        (mac, addresses), *others = stations.items()
        if if_index in names and not others:
            usable = sorted(address for address in addresses if address and not ip_address(address).is_link_local)
            yield NeighbourFacts("arp", if_index, names[if_index], "", mac, remote_address=usable[0] if usable else "")


def _text(octets: Oid) -> str:
    return address_text(bytes(octets)) if octets and all(arc <= 255 for arc in octets) else ""


def _is_local(address: str) -> bool:
    """Addresses that say nothing about who sent a packet."""
    return address.startswith(("127.", "fe80:", "0.0.0.0")) or address in ("::", "::1")  # noqa: S104
