"""The table of planned work. Windows are ended, never removed: a service level of the past was computed with them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.maintenance.windows import Target, Window
from station.state import Row, metadata, upsert

maintenance_window = sa.Table(
    "maintenance_window",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("reason", sa.String(1024), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("targets", sa.Text, nullable=False),  # JSON: [[kind, id], ...]
    sa.Column("starts", sa.String(32), nullable=False),  # ISO 8601 local time in `zone`
    sa.Column("zone", sa.String(64), nullable=False),
    sa.Column("duration_s", sa.Integer, nullable=False),
    sa.Column("rule", sa.String(512), nullable=False),  # RFC 5545, "" for once
    sa.Column("counts_for_sla", sa.SmallInteger, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.Column("ended_ns", sa.BigInteger, nullable=False),  # 0: not ended by a person
    sa.PrimaryKeyConstraint("tenant", "id"),
)


def _row(tenant: int, it: Window) -> Row:
    return {
        "tenant": tenant,
        "id": it.id,
        "reason": it.reason,
        "owner": it.owner,
        "targets": json.dumps([[target.kind, target.id] for target in it.targets]),
        "starts": it.starts.isoformat(),
        "zone": it.zone,
        "duration_s": it.duration_s,
        "rule": it.rule,
        "counts_for_sla": int(it.counts_for_sla),
        "created_ns": it.created_ns,
        "created_by": it.created_by[:255],
        "ended_ns": it.ended_ns,
    }


def _window(row: Mapping[Any, Any]) -> Window:
    return Window(
        row["id"],
        row["reason"],
        row["owner"],
        tuple(Target(kind, key) for kind, key in json.loads(row["targets"])),
        datetime.fromisoformat(row["starts"]),
        row["zone"],
        row["duration_s"],
        row["rule"],
        bool(row["counts_for_sla"]),
        row["created_ns"],
        row["created_by"],
        row["ended_ns"],
    )


async def save(conn: AsyncConnection, tenant: int, it: Window) -> None:
    await upsert(conn, maintenance_window, [_row(tenant, it)], ("tenant", "id"))


async def every(conn: AsyncConnection, tenant: int) -> list[Window]:
    """All windows, the oldest first."""
    table = maintenance_window
    rows = await conn.execute(sa.select(table).where(table.c.tenant == tenant).order_by(table.c.created_ns, table.c.id))
    return [_window(row) for row in rows.mappings()]
