"""Drafts made, changed, sent or dropped, each with its audit; letters go out through the outbox in the same transaction."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import store as fault_store
from fault.api import seen_incident
from fault.incidents import Incident
from fault.notices import store
from fault.notices.drafts import PUBLIC, Draft, drafts
from fault.notices.texts import Text
from fault.notify import mail
from fault.notify.outbox import Notifier
from fault.notify.routes import Webhook
from fault.service import FaultService
from inventory.store import customer
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit

ACT: Final = "telling customers"


class NoticeError(Exception):
    """It cannot be done; `field` names what is wrong, the text says what."""

    def __init__(self, field: str, says: str) -> None:
        super().__init__(says)
        self.field = field


class Desk:
    """The notices of one tenant."""

    def __init__(self, service: FaultService, notifier: Notifier, texts: Mapping[str, Text]) -> None:
        self.service, self._notifier, self._texts = service, notifier, texts
        self.state, self._clock = service.state, service.clock

    async def draft(self, caller: Scope, incident_id: str) -> list[dict[str, Any]] | None:
        """Draft what is to be said now to whom the incident hurts and who has no draft yet; None where there is none."""
        caller.require(Role.OPERATOR, ACT)
        now_ns = self._clock.now_ns()
        async with self.state.write() as conn:
            it = await seen_incident(conn, caller, self.service.resources, incident_id)
            if it is None:
                return None
            before = await store.listed(conn, caller.tenant, store.notice.c.incident_id == incident_id)
            waiting = {row["customer_id"] for row in before if row["state"] == "draft"}
            told = {row["customer_id"] for row in before if row["state"] == "sent"}
            emails = await _emails(conn, caller.tenant, [key for key, _ in it.customers])
            made = [
                _row(caller, it.id, each, now_ns)
                for each in drafts(it, self._texts, emails, await self._regions(conn, it), told, now_ns)
                if each.customer_id not in waiting and _may(caller, each.customer_id)
            ]
            await store.add(conn, made)
            await audit.record(conn, caller, "notice.draft", f"incident:{it.id}", now_ns=now_ns, after={"drafts": len(made)})
            return await store.listed(conn, caller.tenant, store.notice.c.incident_id == incident_id, *seen(caller))

    async def change(self, caller: Scope, key: str, recipient: str, subject: str, text: str) -> dict[str, Any] | None:
        """Change a draft; None where there is none."""
        caller.require(Role.OPERATOR, ACT)
        if recipient:
            _addresses(recipient)
        async with self.state.write() as conn:
            before = await self._draft(conn, caller, key)
            if before is None:
                return None
            after = {"recipient": recipient, "subject": subject, "text": text}
            await _set(conn, caller, key, **after)
            was = {name: before[name] for name in after}
            await audit.record(conn, caller, "notice.change", f"notice:{key}", now_ns=self._clock.now_ns(), before=was, after=after)
        return {**before, **after}

    async def drop(self, caller: Scope, key: str) -> dict[str, Any] | None:
        """Put a draft aside for good."""
        caller.require(Role.OPERATOR, ACT)
        now_ns = self._clock.now_ns()
        done = {"state": "dropped", "done_ns": now_ns, "done_by": caller.user[:255]}
        async with self.state.write() as conn:
            before = await self._draft(conn, caller, key)
            if before is None:
                return None
            await _set(conn, caller, key, **done)
            await audit.record(conn, caller, "notice.drop", f"notice:{key}", now_ns=now_ns)
        return {**before, **done}

    async def send(self, caller: Scope, key: str, webhook: str = "") -> dict[str, Any] | None:
        """Send a draft as it stands by an e-mail webhook, or publish it; None where there is none."""
        caller.require(Role.OPERATOR, ACT)
        now_ns = self._clock.now_ns()
        async with self.state.write() as conn:
            row = await self._draft(conn, caller, key)
            if row is None:
                return None
            message_id = "" if row["customer_id"] == PUBLIC else await self._post(conn, caller, row, webhook, now_ns)
            done = {"state": "sent", "done_ns": now_ns, "done_by": caller.user[:255], "message_id": message_id}
            await _set(conn, caller, key, **done)
            said = {name: row[name] for name in ("customer", "recipient", "subject", "text")}
            await audit.record(conn, caller, "notice.send", f"notice:{key}", now_ns=now_ns, after=said)
        self._notifier.wake()
        return {**row, **done, "delivery": "pending" if message_id else None}

    async def _post(self, conn: AsyncConnection, caller: Scope, row: Mapping[str, Any], webhook: str, now_ns: int) -> str:
        to = _addresses(row["recipient"])
        hook = await self._mailbox(conn, caller, webhook)
        body = {"to": to, "subject": row["subject"], "text": row["text"], "thread": row["incident_id"]}
        return await self._notifier.letter(conn, hook, row["id"], body, now_ns)

    async def _mailbox(self, conn: AsyncConnection, caller: Scope, name: str) -> Webhook:
        """The e-mail webhook of that name, or the only one."""
        hooks = [hook for hook in (await self._notifier.registry.all(conn)).values() if hook.format == mail.NAME and hook.enabled]
        found = [hook for hook in hooks if not name or hook.name == name]
        if len(found) != 1 or caller.tenant != self._notifier.tenant:
            names = ", ".join(hook.name for hook in hooks)
            raise NoticeError("webhook", f"Name an e-mail webhook that is on: {names}." if names else "No e-mail webhook is on.")
        return found[0]

    async def _draft(self, conn: AsyncConnection, caller: Scope, key: str) -> dict[str, Any] | None:
        rows = await store.listed(conn, caller.tenant, store.notice.c.id == key, *seen(caller))
        if rows and rows[0]["state"] != "draft":
            raise NoticeError("state", f"It is {rows[0]['state']} already.")
        if not rows or await seen_incident(conn, caller, self.service.resources, rows[0]["incident_id"]) is None:
            return None
        return rows[0]

    async def _regions(self, conn: AsyncConnection, it: Incident) -> set[str]:
        alarms = await fault_store.alarms_by_id(conn, self.service.tenant, list(it.root_alarm_ids))
        return {alarm.place.region for alarm in alarms}


async def _set(conn: AsyncConnection, caller: Scope, key: str, **values: Any) -> None:
    """Set columns of a draft; NoticeError, and with it nothing of the transaction, where another was quicker."""
    if not await store.change(conn, caller.tenant, key, **values):
        raise NoticeError("state", "It is no draft any more.")


def seen(caller: Scope) -> list[sa.ColumnElement[bool]]:
    """A caller limited to customers sees what is for these and for everybody."""
    return [store.notice.c.customer_id.in_([PUBLIC, *caller.customers])] if caller.customers else []


def _may(caller: Scope, customer_id: str) -> bool:
    return not caller.customers or customer_id in caller.customers


def _addresses(recipient: str) -> list[str]:
    try:
        return mail.addresses(mail.SCHEME + recipient)
    except ValueError as error:
        raise NoticeError("recipient", str(error)) from error


async def _emails(conn: AsyncConnection, tenant: int, ids: list[str]) -> dict[str, str]:
    c = customer.c
    rows = await conn.execute(sa.select(c.id, c.email).where(c.tenant == tenant, c.id.in_(ids)))
    return {row.id: row.email for row in rows}


def _row(caller: Scope, incident_id: str, it: Draft, now_ns: int) -> dict[str, Any]:
    return {
        "tenant": caller.tenant,
        "id": new_id(now_ns),
        "incident_id": incident_id,
        "customer_id": it.customer_id,
        "customer": it.customer[:255],
        "kind": it.kind,
        "state": "draft",
        "recipient": it.recipient[:1024],
        "subject": it.subject[:255],
        "text": it.text,
        "created_ns": now_ns,
        "created_by": caller.user[:255],
        "done_ns": 0,
        "done_by": "",
        "message_id": "",
    }
