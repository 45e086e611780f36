"""The tables of fault, and how alarms and their history are written: many in one statement, each alarm once a batch."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarms import Alarm, Change, Place, Severity, Shelf
from fault.bulk import Values, update_many, write_many
from station.state import metadata, upsert

IDS_PER_QUERY = 500
NO_SHELF = Shelf("", "", 0)

alarm = sa.Table(
    "alarm",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),  # names the key: derived from resource, alarm_type, qualifier
    sa.Column("resource", sa.String(255), nullable=False),
    sa.Column("alarm_type", sa.String(128), nullable=False),
    sa.Column("qualifier", sa.String(255), nullable=False),
    sa.Column("resource_kind", sa.String(16), nullable=False),
    sa.Column("device_id", sa.String(36), nullable=False),
    sa.Column("device", sa.String(255), nullable=False),
    sa.Column("object", sa.String(255), nullable=False),
    sa.Column("site", sa.String(255), nullable=False),
    sa.Column("region", sa.String(255), nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),  # fault.alarms.Severity
    sa.Column("is_cleared", sa.SmallInteger, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("raised_ns", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("heard_ns", sa.BigInteger, nullable=False),
    sa.Column("cleared_ns", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("event_type", sa.String(64), nullable=False),
    sa.Column("probable_cause", sa.String(64), nullable=False),
    sa.Column("proposed_repair", sa.Text, nullable=False),
    sa.Column("source", sa.String(128), nullable=False),
    sa.Column("fields", sa.Text, nullable=False),  # JSON object: additional information, threshold information
    sa.Column("authenticated", sa.SmallInteger, nullable=False),
    sa.Column("trend", sa.String(16), nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("occurrence", sa.Integer, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("raises", sa.String(255), nullable=False),  # the last raises, ns, by comma: what damping counts
    sa.Column("chattering", sa.SmallInteger, nullable=False),
    sa.Column("told", sa.SmallInteger, nullable=False),
    sa.Column("claimed_ns", sa.BigInteger, nullable=False),  # an unauthenticated message says it is over; 0: none does
    sa.Column("ack_user", sa.String(255), nullable=False),
    sa.Column("ack_ns", sa.BigInteger, nullable=False),
    sa.Column("unacked", sa.SmallInteger, nullable=False),  # 1 while ack_ns is 0: the screen's order in one index
    sa.Column("shelf_reason", sa.String(255), nullable=False),
    sa.Column("shelf_owner", sa.String(255), nullable=False),
    sa.Column("shelf_until_ns", sa.BigInteger, nullable=False),  # 0: not shelved
    sa.Column("maintenance", sa.String(36), nullable=False, server_default=""),  # the window of planned work that covers it
    sa.Column("incident_id", sa.String(36), nullable=False),
    sa.Column("is_root", sa.SmallInteger, nullable=False),
    sa.Column("suppressed", sa.SmallInteger, nullable=False),
    sa.Column("root_alarm_id", sa.String(36), nullable=False),
    sa.Column("children", sa.Integer, nullable=False),
    sa.Column("services", sa.Integer, nullable=False),
    sa.Column("customers", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index("ix_alarm_screen", "tenant", "is_cleared", "severity", "unacked", "raised_ns", "id"),
)

alarm_history = sa.Table(
    "alarm_history",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("alarm_id", sa.String(36), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("occurrence", sa.Integer, nullable=False),
    sa.Column("time_ns", sa.BigInteger, nullable=False),
    sa.Column("what", sa.String(16), nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("is_cleared", sa.SmallInteger, nullable=False),
    sa.Column("by", sa.String(255), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "alarm_id", "seq"),
    sa.Index("ix_alarm_history_time", "tenant", "time_ns"),
)

incident = sa.Table(
    "incident",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # open | closed
    sa.Column("noise", sa.SmallInteger, nullable=False),
    sa.Column("root_id", sa.String(255), nullable=False),
    sa.Column("root_kind", sa.String(32), nullable=False),
    sa.Column("root_name", sa.String(512), nullable=False),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("missing_link", sa.String(512), nullable=False),
    sa.Column("severity", sa.SmallInteger, nullable=False),
    sa.Column("alarms", sa.Integer, nullable=False),
    sa.Column("opened_ns", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("closed_ns", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),  # grows with each announcement
    sa.Column("maintenance", sa.String(36), nullable=False, server_default=""),  # the window of planned work that it is of
    sa.Column("told", sa.String(512), nullable=False),  # what the outside was last told: "" nothing, else root and verdict
    sa.Column("body", sa.Text, nullable=False),  # JSON: alternatives, explanation, services, customers, root_alarm_ids
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index("ix_incident_screen", "tenant", "state", "opened_ns"),
)

incident_alarm = sa.Table(
    "incident_alarm",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("incident_id", sa.String(36), nullable=False),
    sa.Column("alarm_id", sa.String(36), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "incident_id", "alarm_id"),
)

incident_check = sa.Table(
    "incident_check",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("incident_id", sa.String(36), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),  # when the questions of one look were asked
    sa.Column("n", sa.SmallInteger, nullable=False),
    sa.Column("root_id", sa.String(255), nullable=False),  # the root it had then
    sa.Column("kind", sa.String(16), nullable=False),  # ping | trace | interface | change
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # good | bad | unknown
    sa.Column("says", sa.Text, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "incident_id", "at_ns", "n"),
)

checkpoint = sa.Table(
    "fault_checkpoint",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),  # the last record of that source whose effect is stored
    sa.PrimaryKeyConstraint("tenant", "source"),
)

T = TypeVar("T")


def chunks(items: Sequence[T], size: int = IDS_PER_QUERY) -> Iterator[Sequence[T]]:
    """Parts of at most `size`, so that no statement grows without bound."""
    return (items[at : at + size] for at in range(0, len(items), size))


def alarm_values(tenant: int, it: Alarm) -> Values:
    """The row of an alarm as it stands, in the order of the columns."""
    shelf = it.shelf or NO_SHELF
    return (
        tenant,
        it.id,
        it.resource,
        it.alarm_type,
        it.qualifier,
        it.place.resource_kind,
        it.place.device_id,
        it.place.device,
        it.place.object,
        it.place.site,
        it.place.region,
        int(it.severity),
        int(it.is_cleared),
        it.created_ns,
        it.raised_ns,
        it.changed_ns,
        it.heard_ns,
        it.cleared_ns,
        it.text,
        it.event_type,
        it.probable_cause,
        it.proposed_repair,
        it.source,
        json.dumps(dict(it.fields)) if it.fields else "{}",
        int(it.authenticated),
        it.trend,
        it.count,
        it.occurrence,
        it.seq,
        ",".join(map(str, it.raises)),
        int(it.chattering),
        it.told,
        it.claimed_ns,
        it.ack_user,
        it.ack_ns,
        int(not it.ack_ns),
        shelf.reason,
        shelf.owner,
        shelf.until_ns,
        it.maintenance,
        it.incident_id,
        int(it.is_root),
        int(it.suppressed),
        it.root_alarm_id,
        it.children,
        it.services,
        it.customers,
    )


_FLAGS = ("is_cleared", "authenticated", "chattering", "is_root", "suppressed")
_PLACE = ("resource_kind", "device_id", "device", "object", "site", "region")
_SAME = tuple(
    column.name
    for column in alarm.columns
    if column.name
    not in {*_FLAGS, *_PLACE, "tenant", "severity", "unacked", "fields", "raises", "shelf_reason", "shelf_owner", "shelf_until_ns"}
)


def alarm_of(row: Mapping[Any, Any]) -> Alarm:
    """The alarm of a row: the inverse of `alarm_row`."""
    same: dict[str, Any] = {name: row[name] for name in _SAME}
    flags: dict[str, Any] = {name: bool(row[name]) for name in _FLAGS}
    return Alarm(
        place=Place(*(row[name] for name in _PLACE)),
        severity=Severity(row["severity"]),
        fields=json.loads(row["fields"]),
        raises=tuple(int(t) for t in row["raises"].split(",") if t),
        shelf=Shelf(row["shelf_reason"], row["shelf_owner"], row["shelf_until_ns"]) if row["shelf_until_ns"] else None,
        **flags,
        **same,
    )


def history_values(tenant: int, change: Change) -> Values:
    return (
        tenant,
        change.alarm_id,
        change.seq,
        change.occurrence,
        change.time_ns,
        change.what,
        int(change.severity),
        int(change.is_cleared),
        change.by[:255],
        change.text,
    )


async def save_alarms(conn: AsyncConnection, tenant: int, alarms: Iterable[Alarm]) -> None:
    """Write alarms as they stand, one upsert each."""
    await write_many(conn, alarm, [alarm_values(tenant, it) for it in alarms], replace=True)


REPEATED_COLUMNS = ("heard_ns", "authenticated", "count", "claimed_ns")


async def save_repeats(conn: AsyncConnection, tenant: int, alarms: Iterable[Alarm]) -> None:
    """Write what hearing of a stored alarm again changes of it."""
    rows = [(it.heard_ns, int(it.authenticated), it.count, it.claimed_ns, tenant, it.id) for it in alarms]
    await update_many(conn, alarm, REPEATED_COLUMNS, rows)


async def save_history(conn: AsyncConnection, tenant: int, changes: Iterable[Change]) -> None:
    """Append changes; one that is there already changes nothing."""
    await write_many(conn, alarm_history, [history_values(tenant, change) for change in changes], replace=False)


async def alarms_by_id(conn: AsyncConnection, tenant: int, ids: Sequence[str]) -> list[Alarm]:
    """The stored alarms among `ids`."""
    found: list[Alarm] = []
    for part in chunks(ids):
        rows = await conn.execute(sa.select(alarm).where(alarm.c.tenant == tenant, alarm.c.id.in_(part)))
        found += [alarm_of(row) for row in rows.mappings()]
    return found


async def open_alarms(conn: AsyncConnection, tenant: int, cleared_since_ns: int) -> list[Alarm]:
    """Alarms that are not cleared, or shelved, chattering, or cleared since then: what a starting station must know."""
    kept = sa.or_(alarm.c.is_cleared == 0, alarm.c.cleared_ns >= cleared_since_ns, alarm.c.shelf_until_ns > 0, alarm.c.chattering == 1)
    rows = await conn.execute(sa.select(alarm).where(alarm.c.tenant == tenant, kept).order_by(alarm.c.raised_ns, alarm.c.id))
    return [alarm_of(row) for row in rows.mappings()]


async def position_of(conn: AsyncConnection, tenant: int, source: str) -> int:
    """The last record of `source` whose effect is stored; -1 for none."""
    found = await conn.scalar(sa.select(checkpoint.c.position).where(checkpoint.c.tenant == tenant, checkpoint.c.source == source))
    return -1 if found is None else int(found)


async def positions_of(conn: AsyncConnection, tenant: int, prefix: str) -> dict[str, int]:
    """The last records of the sources whose names begin so."""
    mine = (checkpoint.c.tenant == tenant) & checkpoint.c.source.startswith(prefix, autoescape=True)
    rows = await conn.execute(sa.select(checkpoint.c.source, checkpoint.c.position).where(mine))
    return {row.source: row.position for row in rows}


async def save_position(conn: AsyncConnection, tenant: int, source: str, position: int) -> None:
    await upsert(conn, checkpoint, [{"tenant": tenant, "source": source, "position": position}], ("tenant", "source"))


async def purge(conn: AsyncConnection, tenant: int, cleared_before_ns: int) -> int:
    """Forget alarms cleared before then with their history, and incidents closed before then; how many alarms went."""
    old = sa.select(alarm.c.id).where(alarm.c.tenant == tenant, alarm.c.is_cleared == 1, alarm.c.cleared_ns < cleared_before_ns)
    await conn.execute(sa.delete(alarm_history).where(alarm_history.c.tenant == tenant, alarm_history.c.alarm_id.in_(old)))
    gone = await conn.execute(sa.delete(alarm).where(alarm.c.tenant == tenant, alarm.c.id.in_(old)))
    closed = sa.select(incident.c.id).where(
        incident.c.tenant == tenant, incident.c.state == "closed", incident.c.closed_ns < cleared_before_ns
    )
    await conn.execute(sa.delete(incident_alarm).where(incident_alarm.c.tenant == tenant, incident_alarm.c.incident_id.in_(closed)))
    await conn.execute(sa.delete(incident_check).where(incident_check.c.tenant == tenant, incident_check.c.incident_id.in_(closed)))
    await conn.execute(
        sa.delete(incident).where(incident.c.tenant == tenant, incident.c.state == "closed", incident.c.closed_ns < cleared_before_ns)
    )
    return gone.rowcount


async def remove_alarm(conn: AsyncConnection, tenant: int, key: str) -> None:
    """Forget one alarm, its history and its place in incidents."""
    await conn.execute(sa.delete(alarm_history).where(alarm_history.c.tenant == tenant, alarm_history.c.alarm_id == key))
    await conn.execute(sa.delete(incident_alarm).where(incident_alarm.c.tenant == tenant, incident_alarm.c.alarm_id == key))
    await conn.execute(sa.delete(alarm).where(alarm.c.tenant == tenant, alarm.c.id == key))
