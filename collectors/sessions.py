"""Routing and tunnel sessions of a device, by the session tables of its profile."""

from ipaddress import IPv4Address

from collectors.codecs.ber import Oid, dotted
from collectors.snmp.profile_model import SessionTable
from collectors.snmp.profiles import Profile
from collectors.snmp.reader import Reader
from collectors.snmp.text import TEXT_MAX, address_text, number_of, text_of, value_text
from collectors.snmp.walk import Table
from inventory.facts import SensorFacts

SESSIONS_MAX = 4096
SYSTEM_ID_OCTETS = 6
_INET_ADDRESS_TYPES = (1, 2, 3, 4)  # ipv4, ipv6, and both with a zone (RFC 4001)


async def read_sessions(reader: Reader, profile: Profile) -> list[SensorFacts]:
    """Each session as something to poll; of two tables that tell of one, the first."""
    columns = dict.fromkeys(column for table in profile.sessions for column in (table.state, table.peer_oid) if column is not None)
    read = await reader.table(f"the sessions of {profile.name}", tuple(columns))
    found: dict[str, SensorFacts] = {}
    for table in profile.sessions:
        known = frozenset(found)
        for row, cell in sorted(read.column(table.state).items())[:SESSIONS_MAX]:
            name = f"{table.protocol} {peer_of(table, row, read)}"
            if name not in known and number_of(cell) is not None:
                if name in found:  # one neighbour in several VRFs or over several links
                    name = f"{name} {dotted(row)}"
                found[name] = SensorFacts("session", name, "session.state", dotted(table.state + row))
    return list(found.values())


def peer_of(table: SessionTable, row: Oid, read: Table) -> str:
    """The neighbour of a session, as the column or the index tells it."""
    cell = read.column(table.peer_oid).get(row) if table.peer_oid is not None else None
    if cell is not None and isinstance(cell.value, bytes):
        return _peer_text(table, cell.value)
    if cell is not None:
        return text_of(cell)
    index = row[table.peer_arc :]
    match table.peer:
        case "ipv4" if len(index) >= 4:
            return dotted(index[:4])
        case "router_id" if index:
            return str(IPv4Address(index[0]))
        case "inet" if address := _inet_address(index):
            return address
        case _:
            return dotted(index or row)


def _peer_text(table: SessionTable, octets: bytes) -> str:
    """What a column of octets says: an address, a system identifier as routers write it (1921.6800.1001), or text."""
    if table.peer == "inet" and (address := address_text(octets)):
        return address
    if table.peer == "system_id" and len(octets) == SYSTEM_ID_OCTETS:
        return ".".join(octets[at : at + 2].hex() for at in range(0, SYSTEM_ID_OCTETS, 2))
    return value_text(octets)[:TEXT_MAX]


def _inet_address(index: Oid) -> str:
    """The address at the head of an index part: InetAddressType, length, octets; some agents leave the length out."""
    if len(index) < 2 or index[0] not in _INET_ADDRESS_TYPES:
        return ""
    length = index[1]
    octets = index[2 : 2 + length] if len(index) >= 2 + length and length in (4, 8, 16, 20) else index[1:]
    return address_text(bytes(octets)) if all(arc <= 255 for arc in octets) else ""
