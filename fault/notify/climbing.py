"""What time alone makes the notifier say: the next step of a chain nobody answered, and what still stands said again."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.notify import store
from fault.notify.plan import Plan, Routing
from fault.notify.routes import News, Webhook, message_id
from fault.store import alarm, chunks
from station.clock import NS_PER_S
from station.state import Row, insert_new

DUE_MAX: Final = 500  # looked at in one round
ESCALATED: Final = "escalated"
REPEATED: Final = "repeated"


async def begin(conn: AsyncConnection, tenant: int, plan: Plan, routing: Routing, news: Sequence[News], now_ns: int) -> None:
    """Let what opens begin to climb its chain, and what is over leave it."""
    e, rows = store.escalation.c, []
    over = [it.object_id for it in news if it.over]
    for part in chunks(over):
        mine = (e.tenant == tenant, e.object_id.in_(part), e.state == "climbing")
        await conn.execute(sa.update(store.escalation).where(*mine).values(state="over"))
    climbs = {it.object_id: it for it in news if it.shown and not it.over and it.object_id in routing.chains}
    busy = await _climbing(conn, tenant, list(climbs))
    for key, it in climbs.items():
        chain = plan.chains.get(routing.chains[key])
        if chain is not None and key not in busy:
            rows.append(_row(tenant, it, routing.chains[key], now_ns, chain.steps[0].after_s))
    await insert_new(conn, store.escalation, rows, ("tenant", "object_id", "opened_revision"))


def _row(tenant: int, it: News, chain: str, now_ns: int, after_s: float) -> Row:
    return {
        "tenant": tenant,
        "object_id": it.object_id,
        "opened_revision": it.revision,
        "chain": chain,
        "begun_ns": now_ns,
        "step": 0,
        "due_ns": now_ns + int(after_s * NS_PER_S),
        "state": "climbing",
        "body": json.dumps(it.body),
        "about": it.about,
    }


async def _climbing(conn: AsyncConnection, tenant: int, ids: Sequence[str]) -> set[str]:
    """Those that climb already, or were taken and are not over."""
    e, found = store.escalation.c, set()
    for part in chunks(ids):
        where = (e.tenant == tenant, e.object_id.in_(part), e.state != "over")
        found |= set(await conn.scalars(sa.select(e.object_id).where(*where)))
    return found


async def is_due(conn: AsyncConnection, tenant: int, plan: Plan, now_ns: int) -> bool:
    """Whether any step or repeat may be due: what a round costs that has nothing to say."""
    e, o = store.escalation.c, store.outbox.c
    steps = sa.select(e.object_id).where(e.tenant == tenant, e.state == "climbing", e.due_ns <= now_ns).limit(1)
    again = sa.select(o.id).where(o.tenant == tenant, o.repeat_s > 0, o.state == "delivered").limit(1)
    return (await conn.execute(steps)).first() is not None or (plan.repeats and (await conn.execute(again)).first() is not None)


async def climb(conn: AsyncConnection, tenant: int, plan: Plan, hooks: Mapping[str, Webhook], now_ns: int) -> list[Row]:
    """Take the steps that are due; the outbox rows to write."""
    e = store.escalation.c
    due = sa.select(store.escalation).where(e.tenant == tenant, e.state == "climbing", e.due_ns <= now_ns).order_by(e.due_ns).limit(DUE_MAX)
    rows: list[Row] = []
    for it in [dict(row) for row in (await conn.execute(due)).mappings()]:
        chain = plan.chains.get(it["chain"])
        after: dict[str, Any]
        if chain is None or it["step"] >= len(chain.steps):
            after = {"state": "exhausted"}
        elif await acknowledged(conn, tenant, json.loads(it["body"])):
            after = {"state": "acknowledged"}
        else:
            step = chain.steps[it["step"]]
            names = plan.reached(step.receivers, step.on_call, now_ns)
            rows += [_said(tenant, hooks[name], it, f"{ESCALATED}-{it['step'] + 1}", now_ns) for name in names if name in hooks]
            after = _next(chain.steps, it, now_ns)
        mine = (e.tenant == tenant, e.object_id == it["object_id"], e.opened_revision == it["opened_revision"])
        await conn.execute(sa.update(store.escalation).where(*mine).values(**after))
    return rows


def _next(steps: Sequence[Any], it: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    following = it["step"] + 1
    if following >= len(steps):
        return {"step": following, "state": "exhausted"}
    return {"step": following, "due_ns": now_ns + int(steps[following].after_s * NS_PER_S)}


async def acknowledged(conn: AsyncConnection, tenant: int, body: Mapping[str, Any]) -> bool:
    """Whether a person took it: an alarm, or every open alarm on an incident's root."""
    ids = body.get("root_alarm_ids") or [body["id"]]
    for part in chunks(list(ids)):
        open_ = (alarm.c.tenant == tenant, alarm.c.id.in_(part), alarm.c.is_cleared == 0, alarm.c.ack_ns == 0)
        if await conn.scalar(sa.select(alarm.c.id).where(*open_).limit(1)):
            return False
    return True


async def repeats(conn: AsyncConnection, tenant: int, hooks: Mapping[str, Webhook], now_ns: int) -> list[Row]:
    """What was told, stands, was taken by nobody and is to be said again now."""
    o, later = store.outbox.c, store.outbox.alias("later")
    newer = sa.exists().where(
        later.c.tenant == tenant,
        later.c.webhook_id == o.webhook_id,
        later.c.object_id == o.object_id,
        sa.or_(later.c.revision > o.revision, later.c.created_ns > o.created_ns, later.c.state == "pending"),
    )
    age = o.done_ns + o.repeat_s * NS_PER_S <= now_ns
    last = sa.select(store.outbox).where(
        o.tenant == tenant, o.state == "delivered", o.repeat_s > 0, age, o.transition.not_in(store.ENDINGS), ~newer
    )
    rows: list[Row] = []
    for it in [dict(row) for row in (await conn.execute(last.order_by(o.done_ns).limit(DUE_MAX))).mappings()]:
        hook = hooks.get(it["webhook"])
        if hook is None or await acknowledged(conn, tenant, json.loads(it["body"])):
            continue
        n = int(it["transition"].partition("-")[2] or 0) + 1 if it["transition"].startswith(REPEATED) else 1
        source = {**it, "opened_revision": it["revision"]}
        rows.append(_said(tenant, hook, source, f"{REPEATED}-{n}", now_ns) | {"repeat_s": it["repeat_s"], "grouped": it["grouped"]})
    return rows


def _said(tenant: int, hook: Webhook, it: Mapping[str, Any], transition: str, now_ns: int) -> dict[str, Any]:
    revision = it["opened_revision"]
    return {
        "tenant": tenant,
        "id": message_id(tenant, hook.id, it["object_id"], revision, transition),
        "webhook_id": hook.id,
        "webhook": hook.name,
        "about": it["about"],
        "object_id": it["object_id"],
        "revision": revision,
        "transition": transition,
        "body": it["body"],
        "created_ns": now_ns,
        "state": "pending",
        "attempts": 0,
        "since_ns": now_ns,
        "since_attempt": 0,
        "next_ns": now_ns,
        "done_ns": 0,
        "status": 0,
        "error": "",
        "grouped": "",
        "repeat_s": 0,
    }
