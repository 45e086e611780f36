"""Routing sessions of a device: BGP peers (RFC 4273), OSPF neighbours (RFC 4750), IS-IS adjacencies (RFC 4444)."""

from dataclasses import dataclass

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.snmp.reader import Reader
from inventory.facts import SensorFacts

SESSIONS_MAX = 4096


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A column of session states: which of them mean up, and the counter of transitions beside it, if any."""

    protocol: str
    state: Oid
    up: frozenset[int]
    transitions: Oid | None
    name_arcs: int  # how many leading arcs of the index name the session


SESSION_TABLES = (
    SessionTable("bgp", parse_oid("1.3.6.1.2.1.15.3.1.2"), frozenset({6}), parse_oid("1.3.6.1.2.1.15.3.1.15"), 4),
    # two-way is as far as neighbours that are neither DR nor BDR ever get (RFC 2328, 10.3)
    SessionTable("ospf", parse_oid("1.3.6.1.2.1.14.10.1.6"), frozenset({4, 8}), None, 4),
    SessionTable("isis", parse_oid("1.3.6.1.2.1.138.1.6.1.1.2"), frozenset({3}), None, 2),
)


async def read_sessions(reader: Reader) -> list[SensorFacts]:
    """Each session as something to poll: its state, 1 up and 0 not up once `session_table` has judged it."""
    found: list[SensorFacts] = []
    for table in SESSION_TABLES:
        read = await reader.table(f"{table.protocol} sessions", (table.state,))
        for row in sorted(read.column(table.state))[:SESSIONS_MAX]:
            name = f"{table.protocol} {dotted(row[: table.name_arcs])}"
            found.append(SensorFacts("session", name, "session.state", dotted(table.state + row)))
    return found


def session_table(oid: Oid) -> SessionTable | None:
    """The table a state's OID belongs to."""
    return next((table for table in SESSION_TABLES if oid[: len(table.state)] == table.state), None)
