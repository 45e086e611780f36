"""The station's own alarm history as columns for learning, and the learnt edges with what people decided of them."""

import json
from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store
from fault.learning.events import EVENTS_MAX, History, history
from inventory.topology import Topology
from station.clock import NS_PER_S
from station.scope import OPERATOR_TENANT
from station.state import Row, insert_new, metadata

DAY_NS = 86_400 * NS_PER_S
EDGES_MAX: Final = 10_000

cause_edge = sa.Table(
    "fault_cause_edge",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("cause", sa.String(128), nullable=False),  # alarm types
    sa.Column("effect", sa.String(128), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # proposed | accepted | rejected
    sa.Column("evidence", sa.Text, nullable=False),  # JSON: fault.learning.causes.Evidence
    sa.Column("proposed_ns", sa.BigInteger, nullable=False),
    sa.Column("decided_by", sa.String(255), nullable=False),
    sa.Column("decided_ns", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "cause", "effect"),
)


async def history_of(conn: AsyncConnection, topology: Topology, now_ns: int, days: int, tenant: int = OPERATOR_TENANT) -> History:
    """Every raise of the last days by device and alarm type, with the links of the topology."""
    h, a = store.alarm_history.c, store.alarm.c
    joined = store.alarm_history.join(store.alarm, sa.and_(a.tenant == h.tenant, a.id == h.alarm_id))
    raised = (h.tenant == tenant, h.what.in_(("raised", "reopened")), h.time_ns >= now_ns - days * DAY_NS)
    query = sa.select(a.device_id, a.alarm_type, h.time_ns).select_from(joined).where(*raised)
    rows = await conn.execute(query.order_by(h.time_ns.desc()).limit(EVENTS_MAX))
    devices = topology.devices
    ends = [(devices.get(link.a >> 16), devices.get(link.b >> 16)) for link in topology.links.values()]
    links = [(one.id, other.id) for one, other in ends if one is not None and other is not None]
    return history([(device or "unknown", kind, time_ns / NS_PER_S) for device, kind, time_ns in rows], links)


async def edges(conn: AsyncConnection, tenant: int, *where: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    """Learnt edges, those that wait for a decision first."""
    waits = sa.case((cause_edge.c.state == "proposed", 0), (cause_edge.c.state == "accepted", 1), else_=2)
    query = sa.select(cause_edge).where(cause_edge.c.tenant == tenant, *where)
    rows = await conn.execute(query.order_by(waits, cause_edge.c.cause, cause_edge.c.effect).limit(EDGES_MAX))
    return [{**row, "evidence": json.loads(row["evidence"])} for row in rows.mappings()]


async def propose(conn: AsyncConnection, tenant: int, found: Iterable[tuple[str, str, dict[str, Any]]], now_ns: int) -> None:
    """Write (cause, effect, evidence): new ones wait for a decision, known ones keep theirs and take the newer evidence."""
    rows: list[Row] = [
        {
            "tenant": tenant,
            "cause": cause[:128],
            "effect": effect[:128],
            "state": "proposed",
            "evidence": json.dumps(evidence),
            "proposed_ns": now_ns,
            "decided_by": "",
            "decided_ns": 0,
            "reason": "",
        }
        for cause, effect, evidence in found
    ]
    await insert_new(conn, cause_edge, rows, ("tenant", "cause", "effect"))
    newer = sa.update(cause_edge).where(
        cause_edge.c.tenant == tenant,
        cause_edge.c.cause == sa.bindparam("of"),
        cause_edge.c.effect == sa.bindparam("to"),
        cause_edge.c.state != "accepted",  # what is in force stays as it was accepted
    )
    said = [{"of": row["cause"], "to": row["effect"], "says": row["evidence"], "at": now_ns} for row in rows]
    if said:
        await conn.execute(newer.values(evidence=sa.bindparam("says"), proposed_ns=sa.bindparam("at")), said)


async def decide(conn: AsyncConnection, tenant: int, cause: str, effect: str, decision: Row) -> None:
    """Write state, decided_by, decided_ns and reason of one edge."""
    which = (cause_edge.c.tenant == tenant, cause_edge.c.cause == cause, cause_edge.c.effect == effect)
    await conn.execute(sa.update(cause_edge).where(*which).values(**decision))
