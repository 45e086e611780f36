"""The ways by which dunning reaches the network and the customer, each one small contract.

A way is asked with an id that never changes: asked twice it does once. What it cannot do it leaves to the next.
"""

import hashlib
import hmac
import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Protocol

import aiosmtplib
import sqlalchemy as sa

from billing_bridge.sessions import OPEN
from billing_bridge.store import usage_session
from bss.dunning.settings import DunningSettings
from collectors.activators import radius
from collectors.activators.radius import AuthorisationError, Server
from fault.notify.settings import SmtpSettings
from station.security.targets import DeliveryError, Guard, TargetError
from station.state import State

SESSIONS_MAX = 64  # of one service
Login = Callable[[str], Mapping[str, str]]


class FulfilmentError(Exception):
    """It was not done now. A `final` one is not tried again."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `act` is notice, throttle, walled_garden, suspend or restore; `service` is the number, "" for a notice."""

    id: str
    tenant: int
    customer_id: str
    act: str
    service: str
    body: Mapping[str, Any]


class Fulfilment(Protocol):
    """A way to do what is asked."""

    async def carry_out(self, asked: Request) -> str:
        """Do it and say in words what was done, "" where this way has nothing to do with it. FulfilmentError."""
        ...


@dataclass(frozen=True, slots=True)
class Ways:
    """All ways of a station. What none of them could do is an error that is tried again: a session may open meanwhile."""

    ways: Sequence[Fulfilment]

    async def carry_out(self, asked: Request) -> str:
        said = [words for way in self.ways if (words := await way.carry_out(asked))]
        if not said:
            raise FulfilmentError("no way leads there: no access server, webhook or address is known for it")
        return "; ".join(said)


@dataclass(frozen=True, slots=True)
class Sessions:
    """The open sessions of a service by RFC 5176: a filter for each state, and an end where it is suspended.

    A service without an open session has nothing to change: who lets sessions in asks for the restrictions.
    """

    state: State
    settings: DunningSettings
    login: Login

    async def carry_out(self, asked: Request) -> str:
        if not asked.service or not self.settings.nas:
            return ""
        found = await self._open(asked)
        for nas, session in found:
            try:
                await self._tell(asked.act, nas, session)
            except AuthorisationError as error:
                raise FulfilmentError(str(error)) from error
        return f"{len(found)} sessions"

    async def _open(self, asked: Request) -> list[tuple[str, str]]:
        c, names = usage_session.c, [one.name for one in self.settings.nas]
        where = (c.tenant == asked.tenant, c.service == asked.service, c.state == OPEN, c.nas.in_(names))
        async with self.state.read() as conn:
            rows = await conn.execute(sa.select(c.nas, c.session).where(*where).order_by(c.last_ns.desc()).limit(SESSIONS_MAX))
            return [(row.nas, row.session) for row in rows]

    async def _tell(self, act: str, nas: str, session: str) -> None:
        at = next(one for one in self.settings.nas if one.name == nas)
        server = Server(at.address, at.port, self.login(at.credential).get("password", "").encode())
        named = {"NAS-Identifier": nas, "Acct-Session-Id": session}
        if act == "suspend":
            await radius.disconnect(server, named)
        else:
            await radius.change(server, named | {"Filter-Id": getattr(self.settings.filters, act)})


@dataclass(frozen=True, slots=True)
class Webhook:
    """Every request for a service to the operator's own provisioning: signed JSON, done when it answers 2xx."""

    guard: Guard
    settings: DunningSettings
    login: Login

    async def carry_out(self, asked: Request) -> str:
        if not asked.service or not self.settings.webhook:
            return ""
        said = {"id": asked.id, "act": asked.act, "customer_id": asked.customer_id, **asked.body}
        content = json.dumps(said, sort_keys=True).encode()
        key = self.login(self.settings.webhook_credential).get("password", "").encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": asked.id, "Trunkline-Signature": signature(key, content)}
        try:
            reply = await self.guard.post(self.settings.webhook, content, headers)
        except (TargetError, DeliveryError) as error:
            raise FulfilmentError(str(error)) from error
        if not 200 <= reply.status < 300:
            raise FulfilmentError(f"the webhook answered {reply.status}")
        return f"webhook {reply.status}"


def signature(key: bytes, content: bytes) -> str:
    """HMAC-SHA-256 (RFC 2104) in hex."""
    return f"sha256={hmac.new(key, content, hashlib.sha256).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Letters:
    """Notices by e-mail."""

    settings: SmtpSettings

    async def carry_out(self, asked: Request) -> str:
        if asked.act != "notice":
            return ""
        to = str(asked.body.get("to", ""))
        if not to or not self.settings.host:
            raise FulfilmentError("the customer has no e-mail address" if not to else "no mail server is set", final=not to)
        try:
            await self._send(_letter(asked, to, self.settings.from_address))
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise FulfilmentError(f"{type(error).__name__}: {error}"[:250], final=isinstance(error, ValueError)) from error
        return f"sent to {to}"

    async def _send(self, made: EmailMessage) -> None:
        of = self.settings
        tls = ssl.create_default_context(cafile=of.ca_file or None) if of.security != "none" else None
        client = aiosmtplib.SMTP(
            hostname=of.host,
            port=of.port,
            timeout=of.timeout_s,
            use_tls=of.security == "tls",
            start_tls=of.security == "starttls",
            tls_context=tls,
        )
        async with client:
            if of.user:
                await client.login(of.user, of.password)
            await client.send_message(made)


def _letter(asked: Request, to: str, sender: str) -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["Subject"] = str(asked.body["subject"])
    made["From"], made["To"] = Address(addr_spec=sender), Address(addr_spec=to)
    made["Message-ID"] = f"<{asked.id}@{sender.rpartition('@')[2]}>"  # sent again it is the same letter
    made.set_content(str(asked.body["text"]))
    return made
