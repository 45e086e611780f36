"""The webhooks of one tenant: made, listed, paused and removed; what is secret about them is in the vault."""

import json
import re
import secrets as random_secrets
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from fault.alarms import SEVERITIES, storable
from fault.filters import FilterLine, SeverityWord
from fault.notify import mail, samples, sending, store, template
from fault.notify.message import JSON, PresetError
from fault.notify.presets import presets
from fault.notify.routes import About, Webhook
from fault.notify.sending import Secrets
from fault.notify.settings import NotifySettings
from station.clock import Clock
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.security.targets import URL_MAX, Guard
from station.security.vault import Vault
from station.state import State

SECRET_BYTES: Final = 32
HEADERS_MAX: Final = 16
HEADER_CHARS_MAX: Final = 4_096
DELETED: Final = "the webhook was removed"
_SECRET: Final = ("secret", "routing_key", "headers")  # in the vault, never shown
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")  # RFC 9110, section 5.6.2
_OURS: Final = re.compile(
    r"host|content-.*|transfer-encoding|connection|te|trailer|upgrade|expect|idempotency-key|x-trunkline-.*", re.IGNORECASE
)


class WebhookError(ValueError):
    """A webhook that cannot be made or used so; `field` names what is wrong with it, the text says what."""

    def __init__(self, field: str, says: str) -> None:
        super().__init__(says)
        self.field = field


class Registration(BaseModel):
    """What a person says to make a webhook. `secret`, `routing_key` and `headers` go in and never come out."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    url: Annotated[str, Field(min_length=1, max_length=URL_MAX)]
    format: Annotated[str, Field(validation_alias=AliasChoices("format", "preset"), max_length=32)] = "trunkline"
    about: About = "incidents"
    severity: SeverityWord = "indeterminate"
    filter: FilterLine = ""
    template: str = ""
    content_type: Annotated[str, Field(max_length=128, pattern=r"^[\w.+-]+/[\w.+-]+(; ?[\w-]+=[\w.-]+)*$")] = JSON
    enabled: bool = True
    secret: Annotated[str, Field(max_length=256)] = ""
    routing_key: Annotated[str, Field(max_length=256)] = ""
    headers: Annotated[dict[str, str], Field(max_length=HEADERS_MAX)] = Field(default_factory=dict)
    options: Annotated[dict[str, Annotated[str, Field(max_length=512)]], Field(max_length=HEADERS_MAX)] = Field(default_factory=dict)

    @field_validator("url", "filter", "template", "secret", "routing_key")
    @classmethod
    def _is_text(cls, text: str) -> str:
        if text != storable(text):
            raise ValueError("it holds NUL or half a character")
        return text

    @field_validator("name")
    @classmethod
    def _named(cls, name: str) -> str:
        if not name.strip() or not name.isprintable():
            raise ValueError("a name is printable and not empty")
        return name.strip()

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or _OURS.fullmatch(name):
                raise ValueError(f"{name[:64]!r} is no header that can be set")
            if len(value) > HEADER_CHARS_MAX or not (value.isascii() and value.isprintable()):
                raise ValueError(f"the value of {name!r} is not printable ASCII of at most {HEADER_CHARS_MAX} characters")
        return headers


class Registry:
    """`changed` is called when who is to be told is no longer the same."""

    def __init__(
        self, state: State, guard: Guard, clock: Clock, settings: NotifySettings, vault: Vault, tenant: int, changed: Callable[[], None]
    ) -> None:
        self._state, self._guard, self._clock, self._settings, self._vault = state, guard, clock, settings, vault
        self._tenant, self._changed = tenant, changed
        self._station = Scope(tenant, Role.ADMIN, "station")
        self._known: dict[str, Webhook] | None = None
        self._version = 0
        self._sealed: dict[str, Secrets] = {}

    async def all(self, conn: AsyncConnection) -> dict[str, Webhook]:
        """Every webhook by id, read once and kept until one changes."""
        if self._known is not None:
            return self._known
        version = self._version
        found = {row["id"]: _webhook(row) for row in await store.webhooks(conn, self._tenant)}
        if version == self._version:  # else this transaction may be older than the change
            self._known = found
        return found

    async def secrets(self, key: str) -> Secrets:
        """What the vault holds of a webhook, read once and kept; VaultError where it cannot be opened."""
        if key not in self._sealed:
            self._sealed[key] = Secrets(**(await self._vault.get_json(self._station, _vault_name(key)) or {}))
        return self._sealed[key]

    async def add(self, scope: Scope, wanted: Registration) -> tuple[Webhook, str]:
        """Make it; the webhook and its signing secret. TargetError for a URL that is not sent to, WebhookError for other reasons."""
        scope.require(Role.ENGINEER, "adding a webhook")
        await self._require_usable(scope, wanted)
        now_ns = self._clock.now_ns()
        secret = wanted.secret or random_secrets.token_urlsafe(SECRET_BYTES)
        shown = wanted.model_dump(exclude={"secret", "routing_key", "headers"})
        hook = _made(wanted, new_id(now_ns), now_ns)
        sealed = {"secret": secret, "routing_key": wanted.routing_key, "headers": wanted.headers}
        await self._vault.put_json(scope, _vault_name(hook.id), sealed)
        try:
            async with self._state.write() as conn:
                await conn.execute(insert(store.webhook).values(_row(scope.tenant, hook)))
                after = {**shown, "headers": sorted(wanted.headers)}
                await audit.record(conn, scope, "webhook.add", f"webhook:{hook.id}", now_ns=now_ns, after=after)
        except IntegrityError as error:  # someone else was quicker with this name
            await self._vault.delete(scope, _vault_name(hook.id))
            raise WebhookError("name", f"There is a webhook named {wanted.name!r} already.") from error
        self._forget()
        return hook, secret

    async def change(self, scope: Scope, key: str, wanted: Registration) -> tuple[Webhook, str] | None:
        """Make it what `wanted` says; the webhook, and its signing secret if a new one was made. None where there is none; errors as `add`.

        What is secret and left empty stays as it was, but does not follow the webhook to another host: whoever may
        change where it goes would otherwise read there what nobody can read here.
        """
        scope.require(Role.ENGINEER, "changing a webhook")
        async with self._state.read() as conn:
            old = {row["id"]: _webhook(row) for row in await store.webhooks(conn, scope.tenant)}.get(key)
        if old is None:
            return None
        stays = _host(old.url) == _host(wanted.url)
        kept = await self.secrets(key) if stays else Secrets(random_secrets.token_urlsafe(SECRET_BYTES))
        sealed = {name: getattr(wanted, name) or getattr(kept, name) for name in _SECRET}
        await self._require_usable(scope, wanted.model_copy(update=sealed), but=key)
        shown = wanted.model_dump(exclude=set(_SECRET))
        hook = _made(wanted, key, old.created_ns)
        await self._vault.put_json(scope, _vault_name(key), sealed)
        after = {**shown, "secrets": sorted(name for name in _SECRET if getattr(wanted, name))}
        try:
            found = await self._write(scope, key, "webhook.change", update(store.webhook).values(_row(scope.tenant, hook)), after)
        except IntegrityError as error:
            raise WebhookError("name", f"There is a webhook named {wanted.name!r} already.") from error
        return (hook, "" if stays or wanted.secret else kept.secret) if found else None

    async def _require_usable(self, scope: Scope, wanted: Registration, *, but: str = "") -> None:
        """`but` is the webhook that is changed itself."""
        if scope.tenant != self._tenant:
            raise WebhookError("name", "This station announces nothing of your tenant.")
        async with self._state.read() as conn:
            mine = select(func.count()).select_from(store.webhook).where(store.webhook.c.tenant == scope.tenant, store.webhook.c.id != but)
            if int(await conn.scalar(mine) or 0) >= self._settings.webhooks_max:
                raise WebhookError("name", f"There are {self._settings.webhooks_max} webhooks already, which is the most.")
            if await conn.scalar(mine.where(store.webhook.c.name == wanted.name)):
                raise WebhookError("name", f"There is a webhook named {wanted.name!r} already.")
        if wanted.format == mail.NAME:
            _require_addresses(wanted)
        else:
            await self._guard.check(wanted.url)
        await self._require_format(wanted)

    async def _require_format(self, wanted: Registration) -> None:
        known = presets()
        others = (mail.NAME, template.NAME)
        if wanted.format not in (*known, *others):
            raise WebhookError("format", f"{wanted.format!r} is none of {', '.join([*known, *others])}.")
        if bool(wanted.template) != (wanted.format == template.NAME):
            raise WebhookError("template", f"A template belongs to the format {template.NAME!r}, and to no other.")
        if wanted.format in known and known[wanted.format].needs_routing_key and not wanted.routing_key:
            raise WebhookError("routing_key", f"The format {wanted.format!r} needs a routing key.")
        _require_options(wanted)
        if wanted.format == template.NAME:
            hook = Webhook("", wanted.name, wanted.url, wanted.format, wanted.template, wanted.content_type)
            try:
                await sending.content(hook, samples.announcement(wanted.about, self._clock.now_ns()), self._settings)
            except PresetError as error:
                raise WebhookError("template", str(error)) from error

    async def enable(self, scope: Scope, key: str, enabled: bool) -> bool:
        """Pause a webhook or let it go on; whether there is one. Of what happens meanwhile only endings are told later."""
        return await self._write(
            scope, key, "webhook.enable" if enabled else "webhook.pause", update(store.webhook).values(enabled=int(enabled))
        )

    async def remove(self, scope: Scope, key: str) -> bool:
        """Remove a webhook, its secrets and what waits for it; whether there was one."""
        if not await self._write(scope, key, "webhook.remove", delete(store.webhook)):
            return False
        await self._vault.delete(scope, _vault_name(key))
        return True

    async def _write(self, scope: Scope, key: str, act: str, statement: Any, after: dict[str, Any] | None = None) -> bool:
        scope.require(Role.ENGINEER, act)
        now_ns = self._clock.now_ns()
        async with self._state.write() as conn:
            mine = (store.webhook.c.tenant == scope.tenant, store.webhook.c.id == key)
            if (await conn.execute(statement.where(*mine))).rowcount == 0:
                return False
            if act == "webhook.remove":
                await store.give_up(conn, scope.tenant, DELETED, now_ns, store.outbox.c.webhook_id == key)
            await audit.record(conn, scope, act, f"webhook:{key}", now_ns=now_ns, after=after)
        self._forget()
        return True

    def _forget(self) -> None:
        self._known = None
        self._version += 1
        self._sealed.clear()
        self._changed()


def _made(wanted: Registration, key: str, created_ns: int) -> Webhook:
    shown = wanted.model_dump(exclude=set(_SECRET))
    severity, options = int(SEVERITIES[wanted.severity]), json.dumps(wanted.options)
    return Webhook(**{**shown, "id": key, "severity": severity, "created_ns": created_ns, "options": options})


def _require_addresses(wanted: Registration) -> None:
    try:
        mail.addresses(wanted.url)
    except ValueError as error:
        raise WebhookError("url", str(error)) from error


def _require_options(wanted: Registration) -> None:
    """What it chose is something its preset knows, and what it must choose is there."""
    preset = presets().get(wanted.format)
    known = preset.options if preset else ({"user": "who signs in at the mail server"} if wanted.format == mail.NAME else {})
    unknown = sorted(wanted.options.keys() - known.keys())
    if unknown:
        raise WebhookError("options", f"The format {wanted.format!r} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}.")
    lacking = [name for name in (preset.required if preset else ()) if not wanted.options.get(name)]
    if lacking:
        raise WebhookError("options", f"The format {wanted.format!r} needs the option {lacking[0]!r}.")


def _host(url: str) -> tuple[str, str]:
    return urlsplit(url)[:2]


def _vault_name(key: str) -> str:
    return f"webhook/{key}"


def _row(tenant: int, hook: Webhook) -> dict[str, Any]:
    return {"tenant": tenant, **_columns(hook), "enabled": int(hook.enabled)}


def _columns(hook: Webhook) -> dict[str, Any]:
    return {column.name: getattr(hook, column.name) for column in store.webhook.columns if column.name != "tenant"}


def _webhook(row: Any) -> Webhook:
    return Webhook(**{key: value for key, value in row.items() if key != "tenant"} | {"enabled": bool(row["enabled"])})
