"""One attempt: render, sign, post, and judge the answer."""

import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from fault.notify import mail, template
from fault.notify.message import JSON, LETTER, Announcement, Asked, PresetError
from fault.notify.presets import presets
from fault.notify.routes import Webhook
from fault.notify.settings import NotifySettings
from fault.notify.store import TEXT_MAX
from station.clock import NS_PER_S, Clock
from station.security.targets import DeliveryError, Guard, TargetError
from station.security.vault import VaultError

Outcome = Literal["delivered", "answered", "unreachable", "refused"]
OVERLOADED: Final = 429
SERVER_ERRORS: Final = 500
TICKET: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What only the vault holds of a webhook: the signing secret, PagerDuty's key, headers with credentials."""

    secret: str = field(default="", repr=False)
    routing_key: str = field(default="", repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one went. `refused`: a later one would go the same way; `answered`: with something else than success."""

    outcome: Outcome
    status: int = 0
    error: str = ""
    reply: str = ""
    ticket: str = ""  # what the receiver calls it, where it keeps tickets

    @property
    def endpoint_failed(self) -> bool:
        """Whether the endpoint, and not this message, seems to be the reason."""
        return self.outcome == "unreachable" or (self.outcome == "answered" and (self.status == OVERLOADED or self.status >= SERVER_ERRORS))


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the HMAC-SHA256 in hex over `<timestamp>.<body>`: a recorded message cannot be sent again later."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


async def content(hook: Webhook, it: Announcement, settings: NotifySettings) -> tuple[bytes, str]:
    """The body and its content type; PresetError when it cannot be made."""
    if hook.format == template.NAME:
        text = await template.render(hook.template, template.context(it), hook.content_type, settings)
        return text.encode(), hook.content_type
    preset = presets().get(hook.format)
    if preset is None:
        raise PresetError(f"There is no format {hook.format!r}.")
    return encoded(preset.body(it)), preset.content_type


async def request(hook: Webhook, it: Announcement, settings: NotifySettings) -> tuple[Asked, bytes, str]:
    """What is asked of the receiver, its body and content type: of a system of tickets whatever its ticket needs next."""
    preset = presets().get(hook.format)
    if preset is not None and preset.follow is not None and it.ticket:
        asked = preset.follow(it)
        return asked, encoded(asked.body), JSON
    body, kind = await content(hook, it, settings)
    return Asked("POST", "", None), body, kind


def ticket_in(hook: Webhook, it: Announcement, reply: bytes) -> str:
    """The ticket that an answer names, "" for none: what a receiver says is not believed to be anything else."""
    preset = presets().get(hook.format)
    if preset is None or preset.ticket_of is None or it.ticket:
        return ""
    try:
        found = preset.ticket_of(json.loads(reply))
    except (ValueError, RecursionError):
        return ""
    return found if TICKET.fullmatch(found) else ""


def encoded(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


class Sender:
    """Posts to webhooks through the guard; `secrets` gives those of a webhook by its id."""

    def __init__(self, guard: Guard, clock: Clock, settings: NotifySettings, secrets: Callable[[str], Awaitable[Secrets]]) -> None:
        self._guard, self._clock, self._settings, self._secrets = guard, clock, settings, secrets

    async def send(self, hook: Webhook, it: Announcement) -> Attempt:
        """One attempt; never raises for what the other side does."""
        if it.over and not it.ticket and keeps_tickets(hook):
            return Attempt("delivered", reply="there is no ticket to end")
        try:
            known = await self._secrets(hook.id)
            it = replace(it, routing_key=known.routing_key, options=hook.chosen)
            if hook.format == mail.NAME:
                return await self._mail(hook, it, known)
            asked, body, kind = await request(hook, it, self._settings)
            target = await self._guard.check(hook.url.rstrip("/") + asked.below if asked.below else hook.url)
            reply = await self._guard.send(target, method=asked.method, content=body, headers=self._headers(known, it, body, kind))
        except PresetError as error:
            return Attempt("refused", error=_excerpt(str(error)))
        except TargetError as error:
            # A name that cannot be resolved now may be a fault of the very network we tell of: try again.
            return Attempt("unreachable" if error.reason == "unresolved" else "refused", error=_excerpt(str(error)))
        except (DeliveryError, VaultError) as error:
            return Attempt("unreachable", error=_excerpt(str(error)))
        said = _excerpt(reply.body.decode("utf-8", "replace"))
        if 200 <= reply.status < 300:
            return Attempt("delivered", reply.status, reply=said, ticket=ticket_in(hook, it, reply.body))
        return Attempt("answered", reply.status, f"answered {reply.status}", said)

    async def _mail(self, hook: Webhook, it: Announcement, known: Secrets) -> Attempt:
        smtp = self._settings.smtp
        login = mail.Login(hook.chosen.get("user") or smtp.user, known.routing_key or smtp.password)
        try:
            url = mail.SCHEME + ",".join(it.body["to"]) if it.about == LETTER else hook.url
            said = await mail.send(it, url, smtp, login)
        except mail.MailError as error:
            if error.final:
                return Attempt("refused", error.code, _excerpt(str(error)))
            return Attempt("answered" if error.code else "unreachable", error.code, _excerpt(str(error)))
        return Attempt("delivered", 250, reply=_excerpt(said))

    def _headers(self, secrets: Secrets, it: Announcement, body: bytes, kind: str) -> dict[str, str]:
        timestamp = self._clock.now_ns() // NS_PER_S
        return {
            **secrets.headers,
            "Content-Type": kind,
            "Idempotency-Key": it.id,
            "X-Trunkline-Timestamp": str(timestamp),
            "X-Trunkline-Signature": signature(secrets.secret, timestamp, body),
        }


def keeps_tickets(hook: Webhook) -> bool:
    preset = presets().get(hook.format)
    return preset is not None and preset.follow is not None


def groups(hook: Webhook) -> bool:
    """Whether one message to it can tell of several things."""
    preset = presets().get(hook.format)
    return hook.format == mail.NAME or (preset is not None and preset.groups)


def _excerpt(text: str) -> str:
    """The beginning of a foreign text, without what no store takes."""
    return "".join(c if c.isprintable() else " " for c in text[:TEXT_MAX])
