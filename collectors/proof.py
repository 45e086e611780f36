"""How the objects of a doubtful message stand right now: asked of the device itself, only what the message was about.

A notification of SNMP v1 or v2c and a syslog line prove nothing. Here the station looks at the interface or the
routing session they speak of (IF-MIB, RFC 2863; BGP4-MIB, RFC 4273; OSPF-MIB, RFC 4750; ISIS-MIB, RFC 4444).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from collectors.codecs.ber import Oid, dotted, parse_oid
from collectors.snmp.client import SnmpClient, SnmpError
from collectors.snmp.text import integer_of
from collectors.snmp.walk import Table

INTERFACES_MAX: Final = 200  # of one look; a device with more doubtful ports is polled again
_UPTIME: Final = parse_oid("1.3.6.1.2.1.1.3.0")
_ADMIN: Final = parse_oid("1.3.6.1.2.1.2.2.1.7")
_OPER: Final = parse_oid("1.3.6.1.2.1.2.2.1.8")


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """A table of neighbours: the column of states, which of them mean up, how many leading arcs of the index name a row.

    `named_by` is a column beside it that names the neighbour as notifications and syslog do. `speaks` is a scalar that
    every agent with the protocol shows: with it an empty table means that there is no neighbour. `forgets`: a lost
    neighbour leaves the table.
    """

    state: Oid
    up: frozenset[int]
    name_arcs: int
    named_by: Oid | None = None
    speaks: Oid | None = None
    forgets: bool = False


_TABLES: Final[Mapping[str, _Neighbours]] = {
    "bgp": _Neighbours(parse_oid("1.3.6.1.2.1.15.3.1.2"), frozenset({6}), 4, speaks=parse_oid("1.3.6.1.2.1.15.1.0")),
    # two-way is as far as neighbours that are neither DR nor BDR ever get (RFC 2328, 10.3)
    "ospf": _Neighbours(
        parse_oid("1.3.6.1.2.1.14.10.1.6"),
        frozenset({4, 8}),
        4,
        named_by=parse_oid("1.3.6.1.2.1.14.10.1.3"),  # ospfNbrRtrId
        speaks=parse_oid("1.3.6.1.2.1.14.1.2.0"),  # ospfAdminStat
        forgets=True,
    ),
    "isis": _Neighbours(
        parse_oid("1.3.6.1.2.1.138.1.6.1.1.2"),
        frozenset({3}),
        2,
        named_by=parse_oid("1.3.6.1.2.1.138.1.6.1.1.6"),  # isisISAdjNeighSysID
        forgets=True,
    ),
}


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """One row of a session table. `names` are all that messages may call the neighbour, the usual one first."""

    names: tuple[str, ...]
    up: bool
    state: int


@dataclass(frozen=True, slots=True)
class Proof:
    """What one look saw. `ports` by ifIndex: (ifAdminStatus, ifOperStatus); `sessions` only of protocols the agent shows."""

    ports: Mapping[int, tuple[int, int]]
    sessions: Mapping[str, tuple[SessionSeen, ...]]

    def document(self) -> dict[str, Any]:
        """For another process."""
        sessions = {protocol: [[list(row.names), row.up, row.state] for row in rows] for protocol, rows in self.sessions.items()}
        return {"ports": [[index, *states] for index, states in self.ports.items()], "sessions": sessions}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The proof of a document."""
        rows = {
            protocol: tuple(SessionSeen(tuple(names), bool(up), int(state)) for names, up, state in seen)
            for protocol, seen in document["sessions"].items()
        }
        return cls({int(index): (int(admin), int(oper)) for index, admin, oper in document["ports"]}, rows)

    def session(self, protocol: str, peer: str) -> SessionSeen | None:
        """The state of a session, not up where the table no longer has it; None where that cannot be told."""
        rows = self.sessions.get(protocol)
        if rows is None:
            return None
        found = [row for row in rows if _same(protocol, peer, row.names)]
        if found:  # several links to one neighbour: the adjacency stands while one of them does
            return max(found, key=lambda row: row.up)
        return SessionSeen((peer,), up=False, state=0) if _TABLES[protocol].forgets else None


async def look_at(client: SnmpClient, ports: Sequence[int], protocols: Collection[str]) -> Proof | None:
    """The interfaces of these ifIndexes and every session of these protocols; None when the device does not answer."""
    wanted = list(ports)[:INTERFACES_MAX]
    try:
        found = await client.get([_UPTIME, *(oid for n in wanted for oid in ((*_ADMIN, n), (*_OPER, n)))])
        sessions = {protocol: await _sessions(client, _TABLES[protocol]) for protocol in protocols if protocol in _TABLES}
    except SnmpError:
        return None
    states = {varbind.oid: integer_of(varbind) for varbind in found if varbind.exists}
    seen = {n: (states.get((*_ADMIN, n), 0), states[(*_OPER, n)]) for n in wanted if (*_OPER, n) in states}
    return Proof(seen, {protocol: rows for protocol, rows in sessions.items() if rows is not None})


async def _sessions(client: SnmpClient, table: _Neighbours) -> tuple[SessionSeen, ...] | None:
    """The rows of one protocol; None where the agent does not show it, or not whole."""
    walked = await client.walk((table.state, table.named_by) if table.named_by else (table.state,))
    if not walked.complete:
        return None
    rows = walked.column(table.state)
    if not rows and not (table.speaks and (await client.get([table.speaks]))[0].exists):
        return None
    seen = []
    for index, varbind in rows.items():
        state = integer_of(varbind)
        seen.append(SessionSeen(_names(table, index, walked), state in table.up, state))
    return tuple(seen)


def _names(table: _Neighbours, index: Oid, walked: Table) -> tuple[str, ...]:
    """`10.0.0.2` of the neighbour's router id before that of its interface; of IS-IS `0000.0000.0002`."""
    named = walked.column(table.named_by).get(index) if table.named_by else None
    value = named.value if named is not None else None
    by_index = dotted(index[: table.name_arcs])
    if isinstance(value, bytes):
        digits = value.hex()
        return ".".join(digits[n : n + 4] for n in range(0, len(digits), 4)), by_index
    return (value, by_index) if isinstance(value, str) else (by_index,)


def _same(protocol: str, peer: str, names: Sequence[str]) -> bool:
    """IS-IS neighbours are told by system id, by LSP id (two octets more) and with any punctuation."""
    if protocol != "isis":
        return peer in names
    digits = _hex(peer)
    return len(digits) >= 12 and _hex(names[0])[:12] == digits[:12]


def _hex(text: str) -> str:
    return text.translate(str.maketrans("", "", ".:- ")).lower()
