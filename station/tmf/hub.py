"""The hub of a TM Forum API: register a callback, hear of events in their order, at least once, until unregistered.

An event is written in the transaction of the change it tells of, so that neither is without the other. Each subscription
remembers the last event it took: a station that dies goes on there. A callback that keeps failing is tried less and
less often and given up after FAILURES_MAX; its events stay EVENTS_KEPT_NS.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from station.clock import NS_PER_S, Clock
from station.ids import new_id
from station.metrics import counter
from station.scope import OPERATOR_TENANT, Role, Scope
from station.security.targets import DeliveryError, Guard, TargetError
from station.state import State, insert_new
from station.tmf.query import Filter, values_at
from station.tmf.route import Id
from station.tmf.store import tmf_event, tmf_head, tmf_hub
from station.web import Caller, ProblemError, iso, not_found

SUBSCRIPTIONS_MAX = 100
BATCH = 100  # events read for a subscription at once
FAILURES_MAX = 30
BACKOFF_FIRST_S, BACKOFF_MOST_S = 5, 3600
IDLE_S = 1.0
EVENTS_KEPT_NS = 7 * 86_400 * NS_PER_S

EVENTS = counter("tmf_events", "Events of TM Forum hubs, by what became of them.", "result")
log = structlog.get_logger(__name__)


class Subscription(BaseModel):
    """EventSubscriptionInput: `query` filters events, `eventType=UsageCreateEvent` or `event.usage.status=billed`."""

    model_config = ConfigDict(extra="forbid")

    callback: Annotated[str, Field(min_length=1, max_length=2048)]
    query: Annotated[str, Field(max_length=2048)] = ""


async def subscribed(conn: AsyncConnection, tenant: int, api: str) -> bool:
    """Whether anybody listens to an API: without a listener no event is made."""
    where = (tmf_hub.c.tenant == tenant, tmf_hub.c.api == api)
    return (await conn.execute(sa.select(tmf_hub.c.id).where(*where).limit(1))).first() is not None


async def publish(
    conn: AsyncConnection, tenant: int, api: str, made: Sequence[tuple[str, str, str, Mapping[str, Any]]], now_ns: int
) -> None:
    """Write (event type, name of the resource in the event, its customer, the resource) of each; nothing without a subscriber."""
    if not made or not await subscribed(conn, tenant, api):
        return
    await insert_new(conn, tmf_head, [{"tenant": tenant, "seq": 0}], ("tenant",))
    head = sa.select(tmf_head.c.seq).where(tmf_head.c.tenant == tenant).with_for_update()
    last = int((await conn.execute(head)).scalar_one())
    rows = []
    for seq, (kind, name, customer_id, resource) in enumerate(made, start=last + 1):
        id_ = new_id(now_ns)
        body = {"eventId": id_, "eventTime": iso(now_ns), "eventType": kind, "event": {name: resource}}
        row = {"tenant": tenant, "seq": seq, "id": id_, "api": api, "customer_id": customer_id, "at_ns": now_ns}
        rows.append(row | {"body": json.dumps(body, separators=(",", ":"), ensure_ascii=False)})
    await conn.execute(sa.insert(tmf_event), rows)
    await conn.execute(sa.update(tmf_head).where(tmf_head.c.tenant == tenant).values(seq=last + len(rows)))
    EVENTS.labels("written").inc(len(rows))


def add_hub(routes: APIRouter, state: State, guard: Guard, clock: Clock, api: str, role: Role) -> None:
    """POST /hub and DELETE /hub/{id} on an API's router, for callers with the role."""

    @routes.post("/hub", status_code=201)
    async def register(caller: Caller, body: Subscription, response: Response) -> dict[str, Any]:
        caller.require(role, "registering a listener")
        try:
            await guard.check(body.callback)
        except TargetError as error:
            raise ProblemError(400, "The station does not send there", str(error)) from error
        id_ = await _register(state, caller, clock.now_ns(), api, body)
        response.headers["Location"] = f"{routes.prefix}/hub/{id_}"
        return {"id": id_, "callback": body.callback, "query": body.query}

    @routes.delete("/hub/{id}", status_code=204)
    async def unregister(caller: Caller, id_: Id) -> None:
        caller.require(role, "removing a listener")
        mine = (tmf_hub.c.tenant == caller.tenant, tmf_hub.c.api == api, tmf_hub.c.id == id_)
        async with state.write() as conn:
            if (await conn.execute(sa.delete(tmf_hub).where(*mine))).rowcount == 0:
                raise not_found("listener")


async def _register(state: State, caller: Scope, now_ns: int, api: str, body: Subscription) -> str:
    h = tmf_hub.c
    async with state.write() as conn:
        await insert_new(conn, tmf_head, [{"tenant": caller.tenant, "seq": 0}], ("tenant",))
        last = (await conn.execute(sa.select(tmf_head.c.seq).where(tmf_head.c.tenant == caller.tenant).with_for_update())).scalar_one()
        held = sa.select(h.id, h.callback, h.query).where(h.tenant == caller.tenant, h.api == api)
        rows = (await conn.execute(held)).all()
        for row in rows:
            if (row.callback, row.query) == (body.callback, body.query):
                raise ProblemError(409, "Registered already", f"The listener {row.id} has this callback and query.")
        if len(rows) >= SUBSCRIPTIONS_MAX:
            raise ProblemError(409, "Too many listeners", f"An API has at most {SUBSCRIPTIONS_MAX} listeners.")
        id_ = new_id(now_ns)
        made = {"tenant": caller.tenant, "id": id_, "api": api, **body.model_dump(), "customers": json.dumps(list(caller.customers))}
        await conn.execute(sa.insert(tmf_hub).values(**made, created_ns=now_ns, created_by=caller.user[:64], sent_seq=last))
    return id_


class Deliveries:
    """Sends what subscribers of every API want to hear."""

    def __init__(self, state: State, guard: Guard, clock: Clock) -> None:
        self._state, self._guard, self._clock = state, guard, clock

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            if not await self.deliver_due(OPERATOR_TENANT):
                await self._forget(OPERATOR_TENANT)
                await asyncio.sleep(IDLE_S)

    async def deliver_due(self, tenant: int) -> int:
        """One event to each subscription that is due; how many were sent."""
        h, now_ns = tmf_hub.c, self._clock.now_ns()
        due = sa.select(tmf_hub).where(h.tenant == tenant, h.next_ns <= now_ns, h.failures < FAILURES_MAX).order_by(h.next_ns, h.id)
        async with self._state.read() as conn:
            rows = (await conn.execute(due)).mappings().all()
        return sum(await asyncio.gather(*(self._turn(dict(row)) for row in rows)))

    async def _turn(self, hook: dict[str, Any]) -> bool:
        """Skip what does not match, send the next that does; whether one was sent."""
        e = tmf_event.c
        query = sa.select(tmf_event).where(e.tenant == hook["tenant"], e.api == hook["api"], e.seq > hook["sent_seq"])
        async with self._state.read() as conn:
            events = (await conn.execute(query.order_by(e.seq).limit(BATCH))).mappings().all()
        if not events:
            return False
        wanted = next((event for event in map(dict, events) if _wants(hook, event)), None)
        if wanted is None:
            await self._note(hook, sent_seq=events[-1]["seq"])
            return len(events) == BATCH
        return await self._send(hook, wanted)

    async def _send(self, hook: dict[str, Any], event: Mapping[str, Any]) -> bool:
        try:
            reply = await self._guard.post(hook["callback"], event["body"].encode(), {"Content-Type": "application/json"})
            why = "" if 200 <= reply.status < 300 else f"answered {reply.status}"
        except (TargetError, DeliveryError) as error:
            why = str(error)
        if not why:
            EVENTS.labels("delivered").inc()
            await self._note(hook, sent_seq=event["seq"], failures=0, next_ns=0)
            return True
        EVENTS.labels("failed").inc()
        failures = hook["failures"] + 1
        wait_s = min(BACKOFF_FIRST_S * 2 ** min(failures - 1, 20), BACKOFF_MOST_S)
        if failures == FAILURES_MAX:
            log.error("listener given up", listener=hook["id"], api=hook["api"], why=why)
        await self._note(hook, failures=failures, next_ns=self._clock.now_ns() + wait_s * NS_PER_S)
        return False

    async def _note(self, hook: Mapping[str, Any], **values: Any) -> None:
        mine = (tmf_hub.c.tenant == hook["tenant"], tmf_hub.c.id == hook["id"])
        async with self._state.write() as conn:
            await conn.execute(sa.update(tmf_hub).where(*mine).values(**values))

    async def _forget(self, tenant: int) -> None:
        old = (tmf_event.c.tenant == tenant, tmf_event.c.at_ns < self._clock.now_ns() - EVENTS_KEPT_NS)
        async with self._state.read() as conn:
            if not (await conn.execute(sa.select(tmf_event.c.seq).where(*old).limit(1))).first():
                return
        async with self._state.write() as conn:
            await conn.execute(sa.delete(tmf_event).where(*old))


def _wants(hook: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether the subscription's customers and query let the event through."""
    customers = json.loads(hook["customers"])
    if customers and event["customer_id"] not in customers:
        return False
    body = json.loads(event["body"])
    return all(
        Filter(tuple(name.split(".")), "eq", tuple(value.split(","))).matches(body) or value in map(str, values_at(body, [name]))
        for name, value in parse_qsl(hook["query"])
    )
