"""`/api/v1/webhooks` and `/api/v1/deliveries`: who is told, whether it arrived, and once more if it did not.

Webhooks tell of the whole network: a caller limited to a part of it sees none and changes none.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from fault.alarms import Severity
from fault.notify import store
from fault.notify.outbox import Notifier
from fault.notify.registry import Registration, WebhookError
from fault.notify.routes import Webhook
from station.scope import Role, Scope
from station.security.targets import TargetError
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

State = Literal["", "pending", "delivered", "failed"]


class Pause(BaseModel):
    """Whether a webhook is told anything."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


def router(notifier: Notifier) -> APIRouter:
    """The endpoints over one notifier."""
    api = APIRouter(prefix="/api/v1", tags=["notify"])

    @api.get("/webhooks")
    async def webhooks(caller: Caller) -> dict[str, Any]:
        hooks = await notifier.webhooks() if sees(notifier, caller) else []
        return {"items": [webhook_json(hook, caller) for hook in hooks], "next": None, "total": len(hooks)}

    @api.post("/webhooks", status_code=201)
    async def add(caller: Caller, body: Registration) -> dict[str, Any]:
        require_engineer(notifier, caller)
        with refused():
            hook, secret = await notifier.registry.add(caller, body)
        return webhook_json(hook, caller) | ({} if body.secret else {"secret": secret})

    @api.put("/webhooks/{key}")
    async def change(caller: Caller, key: str, body: Registration) -> dict[str, Any]:
        """Make it what the body says. A secret, routing key or headers left empty stay, unless the host changes: then give them again."""
        require_engineer(notifier, caller)
        with refused():
            changed = await notifier.registry.change(caller, key, body)
        if changed is None:
            raise not_found("webhook")
        hook, secret = changed
        return webhook_json(hook, caller) | ({"secret": secret} if secret else {})

    @api.patch("/webhooks/{key}")
    async def pause(caller: Caller, key: str, body: Pause) -> dict[str, Any]:
        require_engineer(notifier, caller)
        if not await notifier.registry.enable(caller, key, body.enabled):
            raise not_found("webhook")
        return next(webhook_json(hook, caller) for hook in await notifier.webhooks() if hook.id == key)

    @api.delete("/webhooks/{key}", status_code=204)
    async def remove(caller: Caller, key: str) -> None:
        require_engineer(notifier, caller)
        if not await notifier.registry.remove(caller, key):
            raise not_found("webhook")

    @api.post("/webhooks/{key}/test")
    async def test(caller: Caller, key: str) -> dict[str, Any]:
        require_engineer(notifier, caller)
        attempt = await notifier.try_out(caller, key)
        if attempt is None:
            raise not_found("webhook")
        delivered = attempt.outcome == "delivered"
        return {"delivered": delivered, "status": attempt.status, "error": attempt.error, "reply": attempt.reply}

    _add_deliveries(api, notifier)
    return api


def _add_deliveries(api: APIRouter, notifier: Notifier) -> None:
    @api.get("/deliveries")
    async def deliveries(caller: Caller, state: State = "", webhook: str = "", cursor: str = "", limit: int = 100) -> dict[str, Any]:
        if not sees(notifier, caller):
            return {"items": [], "next": None, "total": 0}
        most = max(1, min(limit, PAGE_LIMIT))
        async with notifier.state.read() as conn:
            rows, total = await store.log_page(conn, caller.tenant, state, webhook, _after(cursor), most + 1)
        following = _cursor(rows[most - 1]) if len(rows) > most else None
        return {"items": [delivery_json(row) for row in rows[:most]], "next": following, "total": total}

    @api.get("/deliveries/{key}")
    async def delivery(caller: Caller, key: str) -> dict[str, Any]:
        async with notifier.state.read() as conn:
            row = await store.message(conn, caller.tenant, key) if sees(notifier, caller) else None
            if row is None:
                raise not_found("delivery")
            tries = await store.attempts(conn, caller.tenant, key)
        return delivery_json(row) | {"tries": [try_json(each) for each in tries]}

    @api.post("/deliveries/{key}/replay")
    async def replay(caller: Caller, key: str) -> dict[str, Any]:
        require_engineer(notifier, caller)
        if not await notifier.replay(caller, key):
            raise not_found("delivery whose webhook still exists")
        return {"id": key, "state": "pending"}


def webhook_json(hook: Webhook, caller: Scope) -> dict[str, Any]:
    """A webhook. The path of a URL may be a credential (Slack's is): only who could change it sees it."""
    return {
        "id": hook.id,
        "name": hook.name,
        "url": hook.url if _is_engineer(caller) else _without_path(hook.url),
        "format": hook.format,
        "about": hook.about,
        "severity": Severity(hook.severity).word,
        "filter": hook.filter,
        "template": hook.template if _is_engineer(caller) else "",
        "content_type": hook.content_type,
        "options": hook.chosen if _is_engineer(caller) else {},
        "enabled": hook.enabled,
        "created_at": iso(hook.created_ns),
    }


def delivery_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A message and how it fares. `next_at` null unless it waits; `status` 0 where no answer came."""
    about = row["about"]
    return {
        "id": row["id"],
        "webhook_id": row["webhook_id"],
        "webhook": row["webhook"],
        "at": iso(row["created_ns"]),
        "transition": row["transition"],
        "incident_id": row["object_id"] if about == "incident" else None,
        "alarm_id": row["object_id"] if about == "alarm" else None,
        "revision": row["revision"],
        "state": row["state"],
        "attempts": row["attempts"],
        "status": row["status"],
        "error": row["error"],
        "next_at": iso(row["next_ns"]) if row["state"] == "pending" else None,
        "done_at": iso(row["done_ns"]),
    }


def try_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """One attempt; `reply` is how the answer began, as the other side sent it."""
    known = {name: row[name] for name in ("attempt", "outcome", "status", "error", "reply", "took_ms")}
    return {"at": iso(row["at_ns"])} | known


@contextmanager
def refused(title: str = "Not a webhook") -> Iterator[None]:
    """What is wrong with a webhook or a plan, as a problem that names the field."""
    try:
        yield
    except TargetError as error:
        raise ProblemError(422, "Not sent to", str(error), reason=error.reason, field="url") from error
    except WebhookError as error:
        raise ProblemError(422, title, str(error), field=error.field) from error


def sees(notifier: Notifier, caller: Scope) -> bool:
    """Whether the caller sees the whole network, which is what notification tells of."""
    return caller.tenant == notifier.tenant and not caller.regions and not caller.customers


def require_engineer(notifier: Notifier, caller: Scope) -> None:
    """ForbiddenError, or ProblemError 403 for who sees only a part."""
    caller.require(Role.ENGINEER, "changing and testing webhooks")
    if not sees(notifier, caller):
        raise ProblemError(403, "Not yours", "Webhooks tell of the whole network; you see a part of it.")


def _is_engineer(caller: Scope) -> bool:
    return caller.role in (Role.ENGINEER, Role.ADMIN)


def _without_path(url: str) -> str:
    parts = urlsplit(url)
    if not parts.netloc:
        return f"{parts.scheme}:…"
    return f"{parts.scheme}://{parts.netloc}/…"


def _cursor(row: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{row['created_ns']} {row['id']}".encode()).decode()


def _after(cursor: str) -> tuple[int, str] | None:
    """The last row of the page before."""
    if not cursor:
        return None
    try:
        created_ns, key = base64.urlsafe_b64decode(cursor).decode().split(" ")
        return int(created_ns), key
    except (binascii.Error, ValueError) as error:
        raise ProblemError(422, "Not a cursor", "Use what `next` of the page before says.") from error
