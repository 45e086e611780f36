"""Notices to customers and the public: rows of `customer_notice`."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.notify.store import outbox
from fault.store import incident
from station.clock import NS_PER_S
from station.state import Row, metadata

SHOWN_AFTER_S: Final = 86_400  # a public notice stays this long after the end of its incident
NOTICES_MAX: Final = 2_000
PUBLIC_MAX: Final = 20

notice = sa.Table(
    "customer_notice",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("incident_id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),  # "": everybody, on the status page
    sa.Column("customer", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),  # opened | update | closed
    sa.Column("state", sa.String(8), nullable=False),  # draft | sent | dropped
    sa.Column("recipient", sa.String(1024), nullable=False),  # e-mail addresses by comma
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.Column("done_ns", sa.BigInteger, nullable=False),  # when it was sent or dropped
    sa.Column("done_by", sa.String(255), nullable=False),
    sa.Column("message_id", sa.String(36), nullable=False),  # its row of the outbox; "" where none went out
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index("ix_customer_notice_incident", "tenant", "incident_id"),
)


async def listed(conn: AsyncConnection, tenant: int, *where: sa.ColumnElement[bool], limit: int = NOTICES_MAX) -> list[dict[str, Any]]:
    """Drafts first, then the newest; with what the outbox says of their delivery (`delivery`, `error`)."""
    n, o = notice.c, outbox.c
    joined = notice.outerjoin(outbox, sa.and_(o.tenant == n.tenant, o.id == n.message_id))
    query = sa.select(notice, o.state.label("delivery"), o.error.label("error")).select_from(joined).where(n.tenant == tenant, *where)
    drafts_first = sa.case((n.state == "draft", 0), else_=1)
    rows = await conn.execute(query.order_by(drafts_first, n.created_ns.desc(), n.customer, n.id).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def add(conn: AsyncConnection, rows: Sequence[Row]) -> None:
    if rows:
        await conn.execute(sa.insert(notice), list(rows))


async def change(conn: AsyncConnection, tenant: int, key: str, **values: Any) -> bool:
    """Set columns of a draft; whether it still was one."""
    mine = (notice.c.tenant == tenant, notice.c.id == key, notice.c.state == "draft")
    return bool((await conn.execute(sa.update(notice).where(*mine).values(**values))).rowcount)


async def public(conn: AsyncConnection, tenant: int, now_ns: int) -> list[dict[str, Any]]:
    """What the status page says: public notices of incidents that are open or were closed lately, newest first."""
    n, i = notice.c, incident.c
    joined = notice.join(incident, sa.and_(i.tenant == n.tenant, i.id == n.incident_id))
    young = sa.or_(i.state == "open", i.closed_ns >= now_ns - SHOWN_AFTER_S * NS_PER_S)
    where = (n.tenant == tenant, n.customer_id == "", n.state == "sent", young)
    query = sa.select(n.subject, n.text, n.done_ns, n.kind).select_from(joined).where(*where)
    rows = await conn.execute(query.order_by(n.done_ns.desc()).limit(PUBLIC_MAX))
    return [dict(row) for row in rows.mappings()]
