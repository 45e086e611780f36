"""The plan in the store: every revision is kept, the highest is in force."""

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.notify import store
from fault.notify.plan import Plan, Way, due_ns
from fault.notify.registry import WebhookError
from fault.notify.routes import Webhook
from fault.notify.sending import groups
from station.clock import Clock
from station.scope import Role, Scope
from station.security import audit
from station.state import State


class Plans:
    """Those of one tenant; the one in force is read once and kept until it changes."""

    def __init__(self, state: State, clock: Clock, tenant: int) -> None:
        self._state, self._clock, self._tenant = state, clock, tenant
        self._known: tuple[int, Plan] | None = None

    async def current(self, conn: AsyncConnection) -> Plan:
        return (await self.numbered(conn))[1]

    async def numbered(self, conn: AsyncConnection) -> tuple[int, Plan]:
        """(revision, the plan in force)."""
        if self._known is None:
            revision, body = await store.plan_body(conn, self._tenant)
            self._known = (revision, Plan.model_validate_json(body))
        return self._known

    async def teams(self, conn: AsyncConnection) -> Mapping[str, str]:
        """The team of each person by the plan in force."""
        return (await self.current(conn)).team_of

    async def put(self, scope: Scope, plan: Plan) -> int:
        """Let a plan come into force; its revision. WebhookError for a receiver that is not there."""
        scope.require(Role.ENGINEER, "changing the plan of who is told")
        now_ns = self._clock.now_ns()
        async with self._state.write() as conn:
            names = {row["name"] for row in await store.webhooks(conn, self._tenant)}
            if unknown := sorted(plan.webhooks() - names):
                raise WebhookError("receivers", f"There is no webhook {unknown[0]!r}.")
            revision, before = await store.plan_body(conn, self._tenant)
            body = plan.model_dump_json(by_alias=True, exclude_none=True)
            row = {"tenant": self._tenant, "revision": revision + 1, "body": body, "created_ns": now_ns, "created_by": scope.user[:255]}
            await conn.execute(sa.insert(store.plan).values(**row))
            said: dict[str, Any] = {"before": json.loads(before), "after": json.loads(body)}
            await audit.record(conn, scope, "notify.plan", f"plan:{revision + 1}", now_ns=now_ns, **said)
        self._known = None
        return revision + 1


def plan_of(body: Any) -> Plan:
    """A plan as a person wrote it; WebhookError names what is wrong."""
    try:
        return Plan.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise WebhookError(".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")) from error


class GroupTimes:
    """When the messages of one transaction go out, each group looked up once."""

    def __init__(self, conn: AsyncConnection, tenant: int) -> None:
        self._conn, self._tenant = conn, tenant
        self._known: dict[tuple[str, str], tuple[int, int]] = {}

    async def of(self, hook: Webhook, way: Way, now_ns: int) -> dict[str, Any]:
        """What the plan adds to an outbox row."""
        group = way.group if groups(hook) else ""
        key = (hook.id, group)
        if group and key not in self._known:
            self._known[key] = await store.group_times(self._conn, self._tenant, hook.id, group)
        waiting_ns, went_ns = self._known.get(key, (0, 0))
        next_ns = due_ns(way, now_ns, waiting_ns, went_ns)
        if group:
            self._known[key] = (waiting_ns or next_ns, went_ns)
        return {"grouped": group, "repeat_s": int(way.repeat_s), "next_ns": next_ns}
