"""Who a device sees on its ports: LLDP (IEEE 802.1AB, LLDP-MIB) and CDP (CISCO-CDP-MIB)."""

from collections.abc import Mapping, Sequence

from collectors.codecs.ber import Oid, parse_oid
from collectors.snmp.reader import Reader
from collectors.snmp.text import address_text, chassis_text, integer_of, mac_text, port_text, text_of
from collectors.snmp.walk import Table
from inventory.facts import InterfaceFacts, NeighbourFacts

_LLDP = parse_oid("1.0.8802.1.1.2.1")
_LOC_CHASSIS_SUBTYPE, _LOC_CHASSIS = (*_LLDP, 3, 1, 0), (*_LLDP, 3, 2, 0)
_LOC_PORT_SUBTYPE, _LOC_PORT, _LOC_PORT_DESCR = ((*_LLDP, 3, 7, 1, i) for i in (2, 3, 4))
_REM = (*_LLDP, 4, 1, 1)
_REM_CHASSIS_SUBTYPE, _REM_CHASSIS, _REM_PORT_SUBTYPE, _REM_PORT, _REM_PORT_DESCR, _REM_NAME = ((*_REM, i) for i in range(4, 10))
_REM_ADDRESS_IF_SUBTYPE = (*_LLDP, 4, 2, 1, 3)
_CDP = parse_oid("1.3.6.1.4.1.9.9.23.1.2.1.1")
_CDP_ADDRESS, _CDP_DEVICE, _CDP_PORT = ((*_CDP, i) for i in (4, 6, 7))

_INTERFACE_ALIAS, _PORT_MAC, _INTERFACE_NAME, _LOCAL = 1, 3, 5, 7  # LldpPortIdSubtype
NEIGHBOURS_MAX = 4096


async def lldp_chassis_id(reader: Reader) -> str:
    """The device's own LLDP chassis id, "" without LLDP."""
    subtype, chassis = await reader.scalars((_LOC_CHASSIS_SUBTYPE, _LOC_CHASSIS))
    return chassis_text(integer_of(subtype), chassis.value) if chassis.exists else ""


async def lldp_neighbours(reader: Reader, interfaces: Sequence[InterfaceFacts]) -> tuple[NeighbourFacts, ...]:
    """The rows of lldpRemTable, each on its local interface."""
    remote = await reader.table("lldpRemTable", tuple((*_REM, i) for i in range(4, 10)))
    if not remote.column(_REM_CHASSIS):
        return ()
    local = await reader.table("lldpLocPortTable", (_LOC_PORT_SUBTYPE, _LOC_PORT, _LOC_PORT_DESCR))
    managed = await reader.table("lldpRemManAddrTable", (_REM_ADDRESS_IF_SUBTYPE,))
    addresses = _management_addresses(managed.column(_REM_ADDRESS_IF_SUBTYPE))
    rows = [row for row in sorted(remote.column(_REM_CHASSIS)) if len(row) == 3][:NEIGHBOURS_MAX]
    return tuple(_lldp_neighbour(row, remote, local_port(row[1], local, interfaces), addresses.get(row[1:], "")) for row in rows)


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
