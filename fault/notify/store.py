"""The tables of notification: who is told (`webhook`), what they are to be told (`outbox`), each attempt (`delivery`).

outbox: one row per (webhook, incident or alarm, revision, transition), written in the transaction that made it
true. `revision` grows with each announcement of one object, so (object_id, revision) is the order of delivery.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.store import chunks
from station.state import Row, insert_new, metadata, upsert

ENDINGS: Final = ("closed", "cleared")  # after these a route holds nothing open about the object
TEXT_MAX: Final = 512
OVER_BEFORE: Final = "over before anybody was to be told"
ATTEMPTS_SHOWN_MAX: Final = 100
ID: Final = sa.String(36)

webhook = sa.Table(
    "webhook",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", ID, nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("url", sa.String(2048), nullable=False),
    sa.Column("format", sa.String(32), nullable=False),  # the name of a preset
    sa.Column("template", sa.Text, nullable=False),  # of the preset `template`
    sa.Column("content_type", sa.String(128), nullable=False),
    sa.Column("about", sa.String(16), nullable=False),  # incidents | alarms
    sa.Column("severity", sa.SmallInteger, nullable=False),  # fault.alarms.Severity: the least severe it hears of
    sa.Column("filter", sa.String(1024), nullable=False),
    sa.Column("enabled", sa.SmallInteger, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("options", sa.Text, nullable=False, server_default="{}"),  # JSON: what the preset lets it choose
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "name"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", ID, nullable=False),  # derived from the unique key below: what receivers see as Idempotency-Key
    sa.Column("webhook_id", ID, nullable=False),
    sa.Column("webhook", sa.String(64), nullable=False),  # its name, for the log after it is gone
    sa.Column("about", sa.String(16), nullable=False),  # incident | alarm | test | letter
    sa.Column("object_id", ID, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("transition", sa.String(16), nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # JSON of the incident or alarm as it was
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # pending | delivered | failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("since_ns", sa.BigInteger, nullable=False),  # since when, and after how many attempts, it is tried:
    sa.Column("since_attempt", sa.Integer, nullable=False),  # a replay begins anew
    sa.Column("next_ns", sa.BigInteger, nullable=False),
    sa.Column("done_ns", sa.BigInteger, nullable=False),  # 0 while pending
    sa.Column("status", sa.Integer, nullable=False),  # HTTP status of the last answer, 0: none came
    sa.Column("error", sa.String(TEXT_MAX), nullable=False),
    sa.Column("grouped", sa.String(64), nullable=False, server_default=""),  # what goes in one message with it; "" alone
    sa.Column("repeat_s", sa.Integer, nullable=False, server_default="0"),  # said again after this long while it stands; 0 never
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "webhook_id", "object_id", "revision", "transition"),
    sa.Index("ix_outbox_due", "tenant", "webhook_id", "state", "next_ns"),
    sa.Index("ix_outbox_log", "tenant", "created_ns", "id"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("outbox_id", ID, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("took_ms", sa.Integer, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("error", sa.String(TEXT_MAX), nullable=False),
    sa.Column("reply", sa.String(TEXT_MAX), nullable=False),  # how the answer's body begins
    sa.PrimaryKeyConstraint("tenant", "outbox_id", "attempt"),
    sa.Index("ix_delivery_time", "tenant", "at_ns"),
)


ticket = sa.Table(
    "notify_ticket",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("webhook_id", ID, nullable=False),
    sa.Column("object_id", ID, nullable=False),
    sa.Column("ticket", sa.String(128), nullable=False),  # the receiver's own id of it
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("closed_ns", sa.BigInteger, nullable=False),  # when its end was told; 0 before
    sa.PrimaryKeyConstraint("tenant", "webhook_id", "object_id"),
    sa.Index("ix_notify_ticket_object", "tenant", "object_id"),
)

plan = sa.Table(
    "notify_plan",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),  # the highest is in force
    sa.Column("body", sa.Text, nullable=False),  # JSON: fault.notify.plan.Plan
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "revision"),
)

escalation = sa.Table(
    "notify_escalation",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("object_id", ID, nullable=False),
    sa.Column("opened_revision", sa.Integer, nullable=False),  # a reopened incident climbs again
    sa.Column("chain", sa.String(64), nullable=False),
    sa.Column("begun_ns", sa.BigInteger, nullable=False),
    sa.Column("step", sa.Integer, nullable=False),  # the next one
    sa.Column("due_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # climbing | acknowledged | over | exhausted
    sa.Column("body", sa.Text, nullable=False),  # JSON of the incident or alarm as it was announced
    sa.Column("about", sa.String(16), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "object_id", "opened_revision"),
    sa.Index("ix_notify_escalation_due", "tenant", "state", "due_ns"),
)

used_link = sa.Table(
    "notify_used_link",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("link", sa.String(64), nullable=False),  # SHA-256 of the token
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "link"),
)


async def webhooks(conn: AsyncConnection, tenant: int) -> list[Mapping[str, Any]]:
    """Every webhook of the tenant, by name."""
    rows = await conn.execute(sa.select(webhook).where(webhook.c.tenant == tenant).order_by(webhook.c.name))
    return [dict(row) for row in rows.mappings()]


async def told(conn: AsyncConnection, tenant: int, objects: Collection[str]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """(webhook, object) -> the last revision of each transition that is in the outbox."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    columns = (outbox.c.webhook_id, outbox.c.object_id, outbox.c.transition)
    for part in chunks(list(objects)):
        query = sa.select(*columns, sa.func.max(outbox.c.revision)).where(outbox.c.tenant == tenant, outbox.c.object_id.in_(part))
        for hook, thing, transition, revision in await conn.execute(query.group_by(*columns)):
            found.setdefault((hook, thing), []).append((revision, transition))
    return found


async def add(conn: AsyncConnection, rows: Sequence[Row]) -> None:
    """Put messages into the outbox; one that is there already changes nothing."""
    await insert_new(conn, outbox, rows, ("tenant", "id"))


async def waiting(conn: AsyncConnection, tenant: int, hook: str) -> int:
    """How many messages wait for a webhook."""
    mine = (outbox.c.tenant == tenant, outbox.c.webhook_id == hook, outbox.c.state == "pending")
    return int(await conn.scalar(sa.select(sa.func.count()).select_from(outbox).where(*mine)) or 0)


async def heads(conn: AsyncConnection, tenant: int, hook: str, now_ns: int, limit: int) -> list[Mapping[str, Any]]:
    """Messages that are due: of each object only the earliest that waits, so that none overtakes another."""
    earlier = outbox.alias("earlier")
    before = sa.exists().where(
        earlier.c.tenant == tenant,
        earlier.c.webhook_id == hook,
        earlier.c.object_id == outbox.c.object_id,
        earlier.c.revision < outbox.c.revision,
        earlier.c.state == "pending",
    )
    mine = (outbox.c.tenant == tenant, outbox.c.webhook_id == hook, outbox.c.state == "pending", outbox.c.next_ns <= now_ns)
    query = sa.select(outbox).where(*mine, ~before).order_by(outbox.c.next_ns, outbox.c.id).limit(limit)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def next_due_ns(conn: AsyncConnection, tenant: int, hook: str, now_ns: int) -> int | None:
    """When the next message after now becomes due."""
    mine = (outbox.c.tenant == tenant, outbox.c.webhook_id == hook, outbox.c.state == "pending", outbox.c.next_ns > now_ns)
    found = await conn.scalar(sa.select(sa.func.min(outbox.c.next_ns)).where(*mine))
    return None if found is None else int(found)


async def message(conn: AsyncConnection, tenant: int, key: str) -> Mapping[str, Any] | None:
    """One message of the outbox."""
    found = (await conn.execute(sa.select(outbox).where(outbox.c.tenant == tenant, outbox.c.id == key))).mappings().first()
    return None if found is None else dict(found)


async def change(conn: AsyncConnection, tenant: int, key: str, **values: Any) -> None:
    """Set columns of one message."""
    await conn.execute(sa.update(outbox).where(outbox.c.tenant == tenant, outbox.c.id == key).values(**values))


async def judge(conn: AsyncConnection, tenant: int, key: str, **values: Any) -> None:
    """Set what an attempt says of a message, unless it was given up meanwhile."""
    waits = (outbox.c.tenant == tenant, outbox.c.id == key, outbox.c.state == "pending")
    await conn.execute(sa.update(outbox).where(*waits).values(**values))


async def give_up(conn: AsyncConnection, tenant: int, why: str, now_ns: int, *where: sa.ColumnElement[bool]) -> int:
    """Give up messages that wait; how many."""
    waits = sa.update(outbox).where(outbox.c.tenant == tenant, outbox.c.state == "pending", *where)
    return (await conn.execute(waits.values(state="failed", done_ns=now_ns, error=why))).rowcount


async def purge(conn: AsyncConnection, tenant: int, before_ns: int, keep_deliveries: int) -> None:
    """Forget what was done before then and the oldest attempts beyond the bound.

    The last word about an object that is not over stays: without it a route would never hear of the end.
    """
    later = outbox.alias("later")
    superseded = sa.exists().where(
        later.c.tenant == tenant,
        later.c.webhook_id == outbox.c.webhook_id,
        later.c.object_id == outbox.c.object_id,
        later.c.revision > outbox.c.revision,
    )
    done = (outbox.c.tenant == tenant, outbox.c.state != "pending", outbox.c.done_ns < before_ns)
    over = sa.or_(superseded, outbox.c.transition.in_((*ENDINGS, "test", "letter")))
    await conn.execute(sa.delete(outbox).where(*done, over))
    await conn.execute(sa.delete(used_link).where(used_link.c.tenant == tenant, used_link.c.expires_ns < before_ns))
    settled = (escalation.c.tenant == tenant, escalation.c.state != "climbing", escalation.c.due_ns < before_ns)
    await conn.execute(sa.delete(escalation).where(*settled))
    ended = (ticket.c.tenant == tenant, ticket.c.closed_ns > 0, ticket.c.closed_ns < before_ns)
    await conn.execute(sa.delete(ticket).where(*ended))
    newest = sa.select(delivery.c.at_ns).where(delivery.c.tenant == tenant).order_by(delivery.c.at_ns.desc())
    beyond_ns = await conn.scalar(newest.offset(keep_deliveries).limit(1))
    oldest_ns = max(before_ns, beyond_ns + 1 if beyond_ns is not None else 0)
    await conn.execute(sa.delete(delivery).where(delivery.c.tenant == tenant, delivery.c.at_ns < oldest_ns))


async def log_attempt(conn: AsyncConnection, row: Row) -> None:
    """Append one attempt to the log."""
    await insert_new(conn, delivery, [row], ("tenant", "outbox_id", "attempt"))


async def log_page(
    conn: AsyncConnection, tenant: int, state: str, hook: str, after: tuple[int, str] | None, limit: int
) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Messages, newest first, after one of the page before; and how many there are in all."""
    where = [outbox.c.tenant == tenant]
    where += [outbox.c.state == state] if state else []
    where += [outbox.c.webhook_id == hook] if hook else []
    total = await conn.scalar(sa.select(sa.func.count()).select_from(outbox).where(*where))
    if after is not None:
        where.append(sa.tuple_(outbox.c.created_ns, outbox.c.id) < sa.tuple_(*(sa.literal(value) for value in after)))
    query = sa.select(outbox).where(*where).order_by(outbox.c.created_ns.desc(), outbox.c.id.desc()).limit(limit)
    return [dict(row) for row in (await conn.execute(query)).mappings()], int(total or 0)


async def attempts(conn: AsyncConnection, tenant: int, key: str) -> Sequence[Mapping[str, Any]]:
    """The last attempts of one message, first made first."""
    mine = sa.select(delivery).where(delivery.c.tenant == tenant, delivery.c.outbox_id == key)
    rows = (await conn.execute(mine.order_by(delivery.c.attempt.desc()).limit(ATTEMPTS_SHOWN_MAX))).mappings()
    return [dict(row) for row in rows][::-1]


async def ticket_of(conn: AsyncConnection, tenant: int, hook: str, thing: str) -> str:
    """The receiver's own id of an incident or alarm; "" where it has none that is open."""
    c = ticket.c
    mine = sa.select(c.ticket).where(c.tenant == tenant, c.webhook_id == hook, c.object_id == thing, c.closed_ns == 0)
    return str(await conn.scalar(mine) or "")


async def save_ticket(conn: AsyncConnection, row: Row) -> None:
    """Keep what a receiver calls it; a newer ticket takes the place of one that is over."""
    await upsert(conn, ticket, [row], ("tenant", "webhook_id", "object_id"))


async def close_ticket(conn: AsyncConnection, tenant: int, hook: str, thing: str, now_ns: int) -> None:
    """Its end was told: the next occurrence makes a new one."""
    c = ticket.c
    await conn.execute(sa.update(ticket).where(c.tenant == tenant, c.webhook_id == hook, c.object_id == thing).values(closed_ns=now_ns))


async def tickets(conn: AsyncConnection, tenant: int, thing: str = "", limit: int = 1_000) -> list[Mapping[str, Any]]:
    """The tickets of an incident or alarm, or of all, made last first, with the name of the webhook they were made by."""
    joined = sa.select(ticket, webhook.c.name).join(webhook, (webhook.c.tenant == ticket.c.tenant) & (webhook.c.id == ticket.c.webhook_id))
    mine = joined.where(ticket.c.tenant == tenant, *([ticket.c.object_id == thing] if thing else []))
    rows = await conn.execute(mine.order_by(ticket.c.created_ns.desc(), webhook.c.name).limit(limit))
    return [dict(row) for row in rows.mappings()]


async def grouped_with(conn: AsyncConnection, tenant: int, row: Mapping[str, Any], limit: int) -> list[Mapping[str, Any]]:
    """What else of the row's group waits now: of each object its earliest, so that order is kept."""
    earlier = outbox.alias("earlier")
    before = sa.exists().where(
        earlier.c.tenant == tenant,
        earlier.c.webhook_id == row["webhook_id"],
        earlier.c.object_id == outbox.c.object_id,
        earlier.c.revision < outbox.c.revision,
        earlier.c.state == "pending",
    )
    mine = (outbox.c.tenant == tenant, outbox.c.webhook_id == row["webhook_id"], outbox.c.state == "pending")
    same = (outbox.c.grouped == row["grouped"], outbox.c.object_id != row["object_id"])
    query = sa.select(outbox).where(*mine, *same, ~before).order_by(outbox.c.created_ns, outbox.c.id).limit(limit)
    return [dict(each) for each in (await conn.execute(query)).mappings()]


async def group_times(conn: AsyncConnection, tenant: int, hook: str, group: str) -> tuple[int, int]:
    """(when the group's waiting message is due, when one of it last went out), 0 for none, ns."""
    mine = (outbox.c.tenant == tenant, outbox.c.webhook_id == hook, outbox.c.grouped == group)
    due = await conn.scalar(sa.select(sa.func.min(outbox.c.next_ns)).where(*mine, outbox.c.state == "pending"))
    went = await conn.scalar(sa.select(sa.func.max(outbox.c.done_ns)).where(*mine, outbox.c.state == "delivered"))
    return int(due or 0), int(went or 0)


async def unheard(conn: AsyncConnection, tenant: int, hook: str, thing: str, now_ns: int) -> bool:
    """Take back what waits unheard for a webhook about something that is over; whether nothing of it had been heard."""
    c = outbox.c
    mine = (c.tenant == tenant, c.webhook_id == hook, c.object_id == thing)
    last_end = await conn.scalar(sa.select(sa.func.max(c.revision)).where(*mine, c.transition.in_(ENDINGS)))
    since = (*mine, c.revision > (last_end or 0))
    rows = (await conn.execute(sa.select(c.state, c.attempts, c.next_ns).where(*since))).all()
    if not rows or any(row.state != "pending" or row.attempts or row.next_ns <= now_ns for row in rows):
        return False
    await conn.execute(sa.update(outbox).where(*since).values(state="failed", done_ns=now_ns, error=OVER_BEFORE))
    return True


async def plan_body(conn: AsyncConnection, tenant: int) -> tuple[int, str]:
    """(revision, JSON) of the plan in force; (0, "{}") for none."""
    c = plan.c
    found = (await conn.execute(sa.select(c.revision, c.body).where(c.tenant == tenant).order_by(c.revision.desc()).limit(1))).first()
    return (0, "{}") if found is None else (int(found[0]), str(found[1]))
