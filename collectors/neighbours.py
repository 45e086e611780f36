"""Who a device sees: by LLDP (IEEE 802.1AB, both its MIBs) and CDP on its ports, by its routing sessions, in its forwarding table."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.reader import Reader
from collectors.snmp.text import address_text, chassis_text, integer_of, mac_text, port_text, text_of
from collectors.snmp.walk import Table
from inventory.facts import AddressFacts, InterfaceFacts, NeighbourFacts

_LLDP = parse_oid("1.0.8802.1.1.2.1")
_LOC_CHASSIS_SUBTYPE, _LOC_CHASSIS = (*_LLDP, 3, 1, 0), (*_LLDP, 3, 2, 0)
_LOC_PORT_SUBTYPE, _LOC_PORT, _LOC_PORT_DESCR = ((*_LLDP, 3, 7, 1, i) for i in (2, 3, 4))
_REM = (*_LLDP, 4, 1, 1)
_REM_CHASSIS_SUBTYPE, _REM_CHASSIS, _REM_PORT_SUBTYPE, _REM_PORT, _REM_PORT_DESCR, _REM_NAME = ((*_REM, i) for i in range(4, 10))
_REM_ADDRESS_IF_SUBTYPE = (*_LLDP, 4, 2, 1, 3)
# LLDP-V2-MIB, whose index has the ifIndex itself: time mark, ifIndex, destination, remote
_LOC2_CHASSIS_SUBTYPE, _LOC2_CHASSIS = (parse_oid(f"1.3.111.2.802.1.1.13.1.3.{i}.0") for i in (1, 2))
_REM2 = parse_oid("1.3.111.2.802.1.1.13.1.4.1.1")
_REM2_CHASSIS_SUBTYPE, _REM2_CHASSIS, _REM2_PORT_SUBTYPE, _REM2_PORT, _REM2_PORT_DESCR, _REM2_NAME = ((*_REM2, i) for i in range(5, 11))
_OSPF_ROUTER, _BGP_STATE = parse_oid("1.3.6.1.2.1.14.10.1.3"), parse_oid("1.3.6.1.2.1.15.3.1.2")
_BASE_PORT_IF_INDEX = parse_oid("1.3.6.1.2.1.17.1.4.1.2")
_FDB_PORT, _VLAN_FDB_PORT = parse_oid("1.3.6.1.2.1.17.4.3.1.2"), parse_oid("1.3.6.1.2.1.17.7.1.2.2.1.2")
_CDP = parse_oid("1.3.6.1.4.1.9.9.23.1.2.1.1")
_CDP_ADDRESS, _CDP_DEVICE, _CDP_PORT = ((*_CDP, i) for i in (4, 6, 7))

_INTERFACE_ALIAS, _PORT_MAC, _INTERFACE_NAME, _LOCAL = 1, 3, 5, 7  # LldpPortIdSubtype
NEIGHBOURS_MAX = 4096
MAC_ARCS = 6


async def lldp_chassis_id(reader: Reader) -> str:
    """The device's own LLDP chassis id, "" without LLDP."""
    told = await reader.scalars((_LOC_CHASSIS_SUBTYPE, _LOC_CHASSIS, _LOC2_CHASSIS_SUBTYPE, _LOC2_CHASSIS))
    subtype, chassis = told[:2] if told[1].exists else told[2:]
    return chassis_text(integer_of(subtype), chassis.value) if chassis.exists else ""


async def lldp_neighbours(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> tuple[NeighbourFacts, ...]:
    """The rows of lldpRemTable, each on its local interface; of lldpV2RemTable where the agent has only that."""
    remote = await reader.table("lldpRemTable", tuple((*_REM, i) for i in range(4, 10)))
    if not remote.column(_REM_CHASSIS):
        return await _lldp_v2_neighbours(reader, interfaces)
    local = await reader.table("lldpLocPortTable", (_LOC_PORT_SUBTYPE, _LOC_PORT, _LOC_PORT_DESCR))
    managed = await reader.table("lldpRemManAddrTable", (_REM_ADDRESS_IF_SUBTYPE,))
    addresses = _management_addresses(managed.column(_REM_ADDRESS_IF_SUBTYPE))
    rows = [row for row in sorted(remote.column(_REM_CHASSIS)) if len(row) == 3][:NEIGHBOURS_MAX]
    return tuple(_lldp_neighbour(row, remote, local_port(row[1], local, interfaces), addresses.get(row[1:], "")) for row in rows)


async def _lldp_v2_neighbours(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> tuple[NeighbourFacts, ...]:
    table = await reader.table("lldpV2RemTable", tuple((*_REM2, i) for i in range(5, 11)))
    names = {interface.if_index: interface.name for interface in interfaces}
    columns = (_REM2_CHASSIS_SUBTYPE, _REM2_CHASSIS, _REM2_PORT_SUBTYPE, _REM2_PORT, _REM2_PORT_DESCR, _REM2_NAME)
    as_v1 = Table({(*_REM, i): table.column(column) for i, column in enumerate(columns, 4)})
    rows = [row for row in sorted(table.column(_REM2_CHASSIS)) if len(row) == 4][:NEIGHBOURS_MAX]
    return tuple(_lldp_neighbour(row, as_v1, (row[1] if row[1] in names else 0, names.get(row[1], str(row[1]))), "") for row in rows)


def _lldp_neighbour(row: Oid, remote: Table, local: tuple[int, str], address: str) -> NeighbourFacts:
    chassis, port = remote.column(_REM_CHASSIS)[row], remote.column(_REM_PORT).get(row)
    return NeighbourFacts(
        protocol="lldp",
        local_if_index=local[0],
        local_port=local[1],
        remote_chassis_id=chassis_text(integer_of(remote.column(_REM_CHASSIS_SUBTYPE).get(row)), chassis.value),
        remote_port=port_text(integer_of(remote.column(_REM_PORT_SUBTYPE).get(row)), port.value) if port else "",
        remote_port_descr=text_of(remote.column(_REM_PORT_DESCR).get(row)),
        remote_name=text_of(remote.column(_REM_NAME).get(row)),
        remote_address=address,
    )


def _management_addresses(rows: Mapping[Oid, object]) -> dict[Oid, str]:
    """The first address by (local port, remote index); the index is time mark, port, remote, subtype, length, octets."""
    found: dict[Oid, str] = {}
    for index in rows:
        octets = index[5:] if len(index) > 5 and index[4] == len(index) - 5 else index[4:]
        text = address_text(bytes(octets)) if octets and all(arc <= 255 for arc in octets) else ""
        if text:
            found.setdefault(index[1:3], text)
    return found


def local_port(number: int, local: Table, interfaces: Sequence[InterfaceFacts]) -> tuple[int, str]:
    """(ifIndex or 0, name) of an lldpLocPortNum.

    The standard does not tie the number to ifIndex: the port's id and description do, by their subtype;
    the number itself is believed only when no other hint contradicts (net-snmp, Cisco and Juniper use ifIndex).
    """
    subtype = integer_of(local.column(_LOC_PORT_SUBTYPE).get((number,)))
    port = local.column(_LOC_PORT).get((number,))
    named = port_text(subtype, port.value) if port else ""
    descr = text_of(local.column(_LOC_PORT_DESCR).get((number,)))
    by_id = _by_port_id(subtype, named, interfaces)
    by_descr = [i for i in interfaces if descr and descr in (i.name, i.descr, i.alias)]
    by_number = [i for i in interfaces if i.if_index == number]
    for found in (by_id, by_descr):
        if len(found) == 1:
            return found[0].if_index, found[0].name
        narrowed = [i for i in found if i in by_number]
        if narrowed:
            return narrowed[0].if_index, narrowed[0].name
    if by_number:
        return number, by_number[0].name
    return 0, named or descr or str(number)


def _by_port_id(subtype: int, named: str, interfaces: Sequence[InterfaceFacts]) -> list[InterfaceFacts]:
    if not named:
        return []
    if subtype == _PORT_MAC:
        return [i for i in interfaces if i.mac == named]
    if subtype == _INTERFACE_ALIAS:
        return [i for i in interfaces if named in (i.alias, i.name, i.descr)]
    found = [i for i in interfaces if named in (i.name, i.descr)]
    if not found and subtype == _LOCAL and named.isdecimal():
        found = [i for i in interfaces if i.if_index == int(named)]
    return found


async def cdp_neighbours(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> tuple[NeighbourFacts, ...]:
    """The rows of cdpCacheTable; its first index is the local ifIndex."""
    table = await reader.table("cdpCacheTable", (_CDP_ADDRESS, _CDP_DEVICE, _CDP_PORT))
    names = {interface.if_index: interface.name for interface in interfaces}
    found = []
    for row in [row for row in sorted(table.column(_CDP_DEVICE)) if len(row) == 2][:NEIGHBOURS_MAX]:
        address, device = table.column(_CDP_ADDRESS).get(row), table.column(_CDP_DEVICE)[row]
        found.append(
            NeighbourFacts(
                protocol="cdp",
                local_if_index=row[0] if row[0] in names else 0,
                local_port=names.get(row[0], str(row[0])),
                remote_chassis_id="",
                remote_port=text_of(table.column(_CDP_PORT).get(row)),
                remote_name=_cdp_name(device.value if isinstance(device.value, bytes) else b""),
                remote_address=address_text(address.value) if address and isinstance(address.value, bytes) else "",
            )
        )
    return tuple(found)


def _cdp_name(device_id: bytes) -> str:
    """CatOS and NX-OS put the serial number in brackets behind the name."""
    text = device_id.decode("utf-8", "replace").strip("\0 ")
    return text.partition("(")[0] or mac_text(device_id)


async def routing_neighbours(
    reader: Reader, interfaces: Sequence[InterfaceFacts], subnets: Sequence[AddressFacts]
) -> tuple[NeighbourFacts, ...]:
    """With whom the device has OSPF adjacencies (RFC 4750) and BGP sessions (RFC 4273) over its own links, up or down.

    A session to an address in none of the device's subnets runs over others and tells of no link.
    """
    table = await reader.table("the neighbours of OSPF and BGP", (_OSPF_ROUTER, _BGP_STATE))
    names = {interface.if_index: interface.name for interface in interfaces}
    ports = {ip_network((one.address, one.prefix_length), strict=False): one.if_index for one in subnets if one.prefix_length >= 0}
    peers = [("ospf", row[:4]) for row in sorted(table.column(_OSPF_ROUTER)) if len(row) == 5]
    peers += [("bgp", row) for row in sorted(table.column(_BGP_STATE)) if len(row) == 4]
    found = []
    for protocol, octets in peers[:NEIGHBOURS_MAX]:
        peer = address_text(bytes(octets)) if all(arc <= 255 for arc in octets) else ""
        over = [network for network in ports if peer and network.num_addresses > 1 and ip_address(peer) in network]
        if_index = ports[max(over, key=lambda network: network.prefixlen)] if over else 0
        if if_index in names:
            found.append(NeighbourFacts(protocol, if_index, names[if_index], "", "", remote_address=peer))
    return tuple(found)


async def forwarding_neighbours(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> tuple[NeighbourFacts, ...]:
    """Of each bridge port that learned a single station, that station: nobody else is behind it (RFC 4188, RFC 4363).

    A hint and no more: it becomes a link only where the inventory knows the address as a port's.
    """
    ports = await reader.table("dot1dBasePortTable", (_BASE_PORT_IF_INDEX,))
    if not ports.column(_BASE_PORT_IF_INDEX):
        return ()
    table = await reader.table("dot1qTpFdbTable", (_VLAN_FDB_PORT,))
    if not table.column(_VLAN_FDB_PORT):
        table = await reader.table("dot1dTpFdbTable", (_FDB_PORT,))
    behind: dict[int, set[Oid]] = {}
    for column in (_VLAN_FDB_PORT, _FDB_PORT):
        for row, cell in table.column(column).items():
            behind.setdefault(integer_of(cell), set()).add(row[-MAC_ARCS:])
    names = {interface.if_index: interface.name for interface in interfaces}
    found = []
    for port, stations in sorted(behind.items())[:NEIGHBOURS_MAX]:
        if_index = integer_of(ports.column(_BASE_PORT_IF_INDEX).get((port,)))
        (station, *others) = stations
        if not others and if_index in names and all(arc <= 255 for arc in station):
            found.append(NeighbourFacts("fdb", if_index, names[if_index], "", mac_text(bytes(station))))
    return tuple(found)
