"""The notifier: writes the outbox within the fault service's transactions, and delivers it at least once.

announce -> outbox row, in the transaction that made it true   (once: the row's id is what it says)
wake     -> the couriers of the webhooks it is for             (one per webhook: a slow one delays no other)
restart  -> what is pending goes on                            (same Idempotency-Key: once in effect)
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store as fault_store
from fault.alarms import Alarm, Change
from fault.incidents import Incident
from fault.metrics import DELIVERIES, WEBHOOK_WAITING
from fault.notify import climbing, heartbeat, routes, samples, store
from fault.notify import plan as planning
from fault.notify.courier import STORE_RETRY_S, Courier, attempt_row
from fault.notify.links import Link, new_key, token
from fault.notify.message import LETTER, Announcement
from fault.notify.plans import GroupTimes, Plans
from fault.notify.registry import Registration, Registry
from fault.notify.replies import code_of
from fault.notify.routes import News, Webhook
from fault.notify.sending import Attempt, Sender
from fault.notify.settings import NotifySettings
from station.clock import NS_PER_MS, NS_PER_S, Clock
from station.hub import Hub
from station.scope import OPERATOR_TENANT, Role, Scope
from station.security import audit
from station.security.targets import Guard
from station.security.vault import Vault, VaultError
from station.state import State
from station.web import iso

log = structlog.get_logger("notify")

LINK_KEY: Final = "notify/links"
DAY_NS: Final = 86_400 * NS_PER_S
FULL: Final = "too many messages wait for this webhook"


class Notifier:
    """The announcer of one tenant's fault service. `run` works until cancelled; announcing needs no `run`.

    `simulated`: every message says that the network is not a real one.
    """

    def __init__(
        self,
        state: State,
        guard: Guard,
        clock: Clock,
        settings: NotifySettings,
        vault: Vault,
        hub: Hub,
        tenant: int = OPERATOR_TENANT,
        *,
        simulated: bool = False,
    ) -> None:
        self.state, self.guard, self.clock, self.settings, self.hub, self.tenant = state, guard, clock, settings, hub, tenant
        self.simulated = simulated
        self._hooks_changed = asyncio.Event()
        self.registry = Registry(state, guard, clock, settings, vault, tenant, self._hooks_changed.set)
        self._vault, self._station, self._link_key = vault, Scope(tenant, Role.ADMIN, "station"), ""
        self.plans = Plans(state, clock, tenant)
        self._sender = Sender(guard, clock, settings, self.registry.secrets)
        self._couriers: dict[str, tuple[Courier, asyncio.Task[None]]] = {}
        self._told: set[str] = set()  # webhooks that the open transaction has messages for
        self._waiting = 0

    # -- announcing --------------------------------------------------------------------------------

    async def announce(
        self, conn: AsyncConnection, changes: Sequence[tuple[Change, Alarm]], incidents: Sequence[tuple[str, Incident]], now_ns: int
    ) -> None:
        """Write what each webhook is to be told; called within the transaction that stores the change."""
        hooks = list((await self.registry.all(conn)).values())
        news = await self._news(conn, {hook.about for hook in hooks}, changes, incidents)
        if not news:
            return
        told = await store.told(conn, self.tenant, {it.object_id for it in news})
        said_ns = self.clock.now_ns()
        plan = await self.plans.current(conn)
        routing = planning.routing(plan, news, said_ns)
        planned = list(routes.messages(hooks, news, told, routing.sends))
        await climbing.begin(conn, self.tenant, plan, routing, news, said_ns)
        ids = {hook.id for hook, _, _ in planned}
        room = {key: self.settings.waiting_max - await store.waiting(conn, self.tenant, key) for key in ids}
        times = GroupTimes(conn, self.tenant)
        rows = []
        for hook, it, transition in planned:
            if it.over and hook.name in routing.named and await store.unheard(conn, self.tenant, hook.id, it.object_id, said_ns):
                continue
            room[hook.id] -= 1
            row = self._row(hook, it, transition, now_ns, full=room[hook.id] < 0)
            way = routing.ways.get((hook.name, it.object_id))
            rows.append(row if way is None else row | await times.of(hook, way, said_ns))
        await store.add(conn, rows)
        self._told |= ids
        self._waiting += len(rows)

    async def _news(
        self,
        conn: AsyncConnection,
        about: set[routes.About],
        changes: Sequence[tuple[Change, Alarm]],
        incidents: Sequence[tuple[str, Incident]],
    ) -> list[News]:
        """What happened, as far as any webhook is about it."""
        news = routes.alarm_news(changes) if "alarms" in about else []
        if "incidents" in about and incidents:
            roots = sorted({key for _, it in incidents for key in it.root_alarm_ids})
            alarms = {alarm.id: alarm for alarm in await fault_store.alarms_by_id(conn, self.tenant, roots)}
            news += routes.incident_news(incidents, alarms)
        return news

    def _row(self, hook: Webhook, it: News, transition: str, now_ns: int, *, full: bool = False) -> dict[str, Any]:
        if full:
            DELIVERIES.labels("overflow").inc()
        since_ns = self.clock.now_ns()  # delivery has a clock of its own: a replayed past is told now
        return {
            "tenant": self.tenant,
            "id": routes.message_id(self.tenant, hook.id, it.object_id, it.revision, transition),
            "webhook_id": hook.id,
            "webhook": hook.name,
            "about": it.about,
            "object_id": it.object_id,
            "revision": it.revision,
            "transition": transition,
            "body": json.dumps(it.body),
            "created_ns": now_ns,
            "state": "failed" if full else "pending",
            "attempts": 0,
            "since_ns": since_ns,
            "since_attempt": 0,
            "next_ns": since_ns,
            "done_ns": since_ns if full else 0,
            "status": 0,
            "error": FULL if full else "",
            "grouped": "",
            "repeat_s": 0,
        }

    async def letter(self, conn: AsyncConnection, hook: Webhook, key: str, body: Mapping[str, Any], now_ns: int) -> str:
        """Put a letter of a person into the outbox of an e-mail webhook: `to`, `subject`, `text`, `thread`; its id there."""
        row = self._row(hook, News(LETTER, key, 1, 0, True, False, (), body), LETTER, now_ns)
        await store.add(conn, [row])
        self._told.add(hook.id)
        self._waiting += 1
        return str(row["id"])

    def wake(self) -> None:
        """The transaction is committed: deliver."""
        for key in self._told & self._couriers.keys():
            self._couriers[key][0].wake()
        self._told.clear()
        WEBHOOK_WAITING.set(self._waiting)

    # -- life ----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until cancelled: one courier for each webhook that is enabled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._maintain())
            tasks.create_task(self._keep_time())
            tasks.create_task(heartbeat.keep_beating(self.guard, self.settings))
            while True:
                self._hooks_changed.clear()
                try:
                    await self.link_key()
                    await self._staff(tasks)
                except (SQLAlchemyError, VaultError) as error:
                    log.error("the webhooks cannot be read", error=str(error)[:500])
                    asyncio.get_running_loop().call_later(STORE_RETRY_S, self._hooks_changed.set)
                await self._hooks_changed.wait()

    async def _staff(self, tasks: asyncio.TaskGroup) -> None:
        """End the couriers whose webhook is gone or paused, start those of new ones."""
        async with self.state.read() as conn:
            hooks = {key: hook for key, hook in (await self.registry.all(conn)).items() if hook.enabled}
        for key in self._couriers.keys() - hooks.keys():
            self._couriers.pop(key)[1].cancel()
        for key in hooks.keys() - self._couriers.keys():
            courier = self._courier(hooks[key])
            self._couriers[key] = (courier, tasks.create_task(courier.run()))

    def _courier(self, hook: Webhook) -> Courier:
        return Courier(
            self.state,
            self._sender,
            self.clock,
            self.settings,
            self.tenant,
            hook,
            announcement=self._announcement,
            done=self._delivered,
        )

    def _announcement(self, row: Mapping[str, Any]) -> Announcement:
        return Announcement(
            id=row["id"],
            about=row["about"],
            object_id=row["object_id"],
            transition=row["transition"].partition("-")[0],
            revision=row["revision"],
            at=iso(row["created_ns"]) or "",
            body=json.loads(row["body"]),
            webhook=row["webhook"],
            simulated=self.simulated,
            station_url=self.settings.public_url,
            ack_url=self._ack_url(row),
            reply_code=code_of(self._link_key, row["id"]) if self._link_key and row["about"] != LETTER else "",
            answered=self.settings.replies,
            reply_to=self.settings.reply_to,
        )

    def _ack_url(self, row: Mapping[str, Any]) -> str:
        """The link that takes it; "" where the station does not know its own address."""
        if not (self._link_key and self.settings.public_url) or row["about"] not in ("incident", "alarm"):
            return ""
        expires_s = row["created_ns"] // NS_PER_S + int(self.settings.ack_link_s)
        link = Link(row["id"], row["about"], row["object_id"], row["webhook"], expires_s)
        return f"{self.settings.public_url.rstrip('/')}/ack?t={token(self._link_key, link)}"

    async def link_key(self) -> str:
        """The key that links are signed with, made when it is first needed."""
        if not self._link_key:
            kept = await self._vault.get_json(self._station, LINK_KEY)
            if kept is None:
                kept = {"key": new_key()}
                await self._vault.put_json(self._station, LINK_KEY, kept)
            self._link_key = str(kept["key"])
        return self._link_key

    def _delivered(self, row: Mapping[str, Any], state: str) -> None:
        if state != "pending":
            self._waiting = max(0, self._waiting - 1)
            WEBHOOK_WAITING.set(self._waiting)
        self.hub.publish("delivery", {"id": row["id"], "state": state})

    async def _maintain(self) -> None:
        """Give up what is too old, forget what is old enough, count what waits."""
        while True:
            try:
                await self.tidy()
            except SQLAlchemyError as error:
                log.error("the outbox cannot be tidied", error=str(error)[:500])
            await asyncio.sleep(self.settings.maintain_s)

    async def _keep_time(self) -> None:
        while True:
            try:
                await self.tick()
            except SQLAlchemyError as error:
                log.error("what is due cannot be told", error=str(error)[:500])
            await asyncio.sleep(self.settings.tick_s)

    async def tick(self) -> None:
        """Say what time alone makes true: steps of chains, and repeats."""
        now_ns = self.clock.now_ns()
        async with self.state.read() as conn:
            if not await climbing.is_due(conn, self.tenant, await self.plans.current(conn), now_ns):
                return
        async with self.state.write() as conn:
            hooks = {hook.name: hook for hook in (await self.registry.all(conn)).values() if hook.enabled}
            rows = await climbing.climb(conn, self.tenant, await self.plans.current(conn), hooks, now_ns)
            rows += await climbing.repeats(conn, self.tenant, hooks, now_ns)
            await store.add(conn, rows)
        self._told |= {row["webhook_id"] for row in rows}
        self._waiting += len(rows)
        self.wake()

    async def tidy(self) -> None:
        """One round of it."""
        now_ns, table = self.clock.now_ns(), store.outbox
        oldest_ns = now_ns - int(self.settings.give_up_after_s * NS_PER_S)
        why = f"not delivered within {self.settings.give_up_after_s:g} s"
        async with self.state.write() as conn:
            gone = await store.give_up(
                conn, self.tenant, why, now_ns, table.c.since_ns < oldest_ns, table.c.attempts > table.c.since_attempt
            )
            late = table.c.since_ns < oldest_ns - DAY_NS  # never tried: the station, or its courier, was not there
            gone += await store.give_up(conn, self.tenant, why, now_ns, late)
            await store.purge(conn, self.tenant, now_ns - self.settings.keep_days * DAY_NS, self.settings.deliveries_max)
            mine = (table.c.tenant == self.tenant, table.c.state == "pending")
            self._waiting = int(await conn.scalar(select(func.count()).select_from(table).where(*mine)) or 0)
        DELIVERIES.labels("given_up").inc(gone)
        WEBHOOK_WAITING.set(self._waiting)

    # -- webhooks ------------------------------------------------------------------------------------

    async def add_webhook(self, scope: Scope, name: str, url: str, preset: str = "trunkline", **options: Any) -> tuple[Webhook, str]:
        """Make a webhook; it and its signing secret, which is shown only here. `options` as in `Registration`.

        TargetError for a URL that is not sent to, WebhookError or pydantic's ValidationError for other reasons.
        """
        return await self.registry.add(scope, Registration(name=name, url=url, format=preset, **options))

    async def webhooks(self) -> list[Webhook]:
        """Every webhook, by name."""
        async with self.state.read() as conn:
            return list((await self.registry.all(conn)).values())

    async def try_out(self, scope: Scope, key: str) -> Attempt | None:
        """Send a test message now, once, and log it; how it went, None when there is no such webhook."""
        scope.require(Role.ENGINEER, "testing a webhook")
        async with self.state.write() as conn:
            hook = (await self.registry.all(conn)).get(key) if scope.tenant == self.tenant else None
            if hook is None:
                return None
            now_ns = self.clock.now_ns()
            await audit.record(conn, scope, "webhook.test", f"webhook:{key}", now_ns=now_ns)
        sample = samples.announcement(hook.about, now_ns, hook.name)
        sample = replace(sample, simulated=self.simulated, station_url=self.settings.public_url)
        begun_ns = self.clock.monotonic_ns()
        attempt = await self._sender.send(hook, sample)
        took_ms = (self.clock.monotonic_ns() - begun_ns) // NS_PER_MS
        DELIVERIES.labels("tested").inc()
        await self._log_test(hook, sample, attempt, now_ns, took_ms)
        return attempt

    async def _log_test(self, hook: Webhook, sample: Announcement, attempt: Attempt, now_ns: int, took_ms: int) -> None:
        news = News("test", sample.object_id, 1, 0, True, True, (), sample.body)
        done = {
            "id": sample.id,
            "state": "delivered" if attempt.outcome == "delivered" else "failed",
            "attempts": 1,
            "done_ns": self.clock.now_ns(),
            "status": attempt.status,
            "error": attempt.error,
        }
        async with self.state.write() as conn:
            await store.add(conn, [self._row(hook, news, "test", now_ns) | done])
            await store.log_attempt(conn, attempt_row(self.tenant, sample.id, 1, attempt, now_ns, took_ms))

    async def replay(self, scope: Scope, key: str) -> bool:
        """Deliver a message once more, under its Idempotency-Key; whether there is such a one and its webhook."""
        scope.require(Role.ENGINEER, "sending a message again")
        now_ns = self.clock.now_ns()
        async with self.state.write() as conn:
            row = await store.message(conn, scope.tenant, key)
            if row is None or row["webhook_id"] not in await self.registry.all(conn) or row["about"] == "test":
                return False
            again = {"state": "pending", "since_ns": now_ns, "since_attempt": row["attempts"], "next_ns": now_ns, "done_ns": 0}
            await store.change(conn, scope.tenant, key, **again)
            await audit.record(conn, scope, "delivery.replay", f"delivery:{key}", now_ns=now_ns)
        self._waiting += row["state"] != "pending"
        self._told.add(row["webhook_id"])
        self.wake()
        return True
