"""A mail or SMS gateway hands over what somebody answered; `ack` takes the alarm.

`POST /api/v1/notify/replies`: the gateway signs in with a token of an operator. `POST /hooks/replies`: it signs what it
posts, as the station signs its webhooks, with the password of the login `replies` in the vault. A mail server pipes the
mail as it came (message/rfc822); others post JSON or a form.
"""

import hmac
import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import sqlalchemy as sa
from fastapi import APIRouter, Request

from fault.notify import store
from fault.notify.ack_api import acknowledge
from fault.notify.links import Link, LinkError
from fault.notify.outbox import Notifier
from fault.notify.replies import Reply, code_of, of_fields, of_mail, proven
from fault.notify.sending import signature
from fault.service import FaultService
from station.clock import NS_PER_S
from station.scope import Role
from station.web import Caller, ProblemError

LOOKED_AT_MAX: Final = 5_000  # latest messages among which a code is looked for
FIELDS_MAX: Final = 64
HOOK: Final = "/hooks/replies"
SIGNED_MOST_S: Final = 300
STAMP_DIGITS_MAX: Final = 13


def router(notifier: Notifier, service: FaultService, secret: Callable[[], str]) -> APIRouter:
    """Both ways in; `secret` is what a gateway signs with, "" where none may."""
    api = APIRouter(tags=["notify"])

    @api.post("/api/v1/notify/replies")
    async def reply(caller: Caller, request: Request) -> dict[str, Any]:
        caller.require(Role.OPERATOR, "handing over answers")
        return await _take(notifier, service, request)

    @api.post(HOOK)
    async def signed(request: Request) -> dict[str, Any]:
        """Signed with `X-Trunkline-Timestamp` (s) and `X-Trunkline-Signature` over `timestamp.body`, at most five minutes ago."""
        given = request.headers.get("x-trunkline-timestamp", "")
        stamp = int(given) if given.isascii() and given.isdigit() and len(given) < STAMP_DIGITS_MAX else 0
        wanted = signature(secret(), stamp, await request.body())
        age_s = abs(notifier.clock.now_ns() // NS_PER_S - stamp)
        said = request.headers.get("x-trunkline-signature", "").encode()
        if not secret() or age_s > SIGNED_MOST_S or not hmac.compare_digest(wanted.encode(), said):
            raise ProblemError(400, "Not signed", "The signature is not one of the login `replies`, or older than five minutes.")
        return await _take(notifier, service, request)

    return api


async def _take(notifier: Notifier, service: FaultService, request: Request) -> dict[str, Any]:
    try:
        said = _read(request.headers.get("content-type", ""), await request.body())
        link = await _answered(notifier, said)
        done = await acknowledge(notifier, service, link, f"answer of {said.sender}", "by an answer to a message")
    except LinkError as error:
        raise ProblemError(422, "Not taken", str(error)) from error
    return {"about": link.about, "object_id": link.object_id, "by": said.sender, "acknowledged": done["succeeded"]}


def _read(kind: str, body: bytes) -> Reply:
    match kind.partition(";")[0].strip().lower():
        case "message/rfc822":
            return of_mail(body)
        case "application/x-www-form-urlencoded":
            try:
                return of_fields(dict(parse_qsl(body.decode(), max_num_fields=FIELDS_MAX)))
            except ValueError as error:
                raise LinkError("It is no form.") from error
        case _:
            try:
                fields = json.loads(body)
            except (ValueError, RecursionError) as error:
                raise LinkError("It is no JSON, no form and no message/rfc822.") from error
            return of_fields(fields if isinstance(fields, dict) else {})


async def _answered(notifier: Notifier, said: Reply) -> Link:
    """What the message was about that is answered; LinkError where it is not ours, or too old."""
    key, o = await notifier.link_key(), store.outbox.c
    since_ns = notifier.clock.now_ns() - int(notifier.settings.ack_link_s * NS_PER_S)
    young = (o.tenant == notifier.tenant, o.created_ns >= since_ns, o.about.in_(("incident", "alarm")))
    query = sa.select(o.id, o.about, o.object_id, o.webhook).where(*young).order_by(o.created_ns.desc())
    if said.answers:
        query = query.where(o.id.in_(proven(key, said)))
    async with notifier.state.read() as conn:
        rows = (await conn.execute(query.limit(LOOKED_AT_MAX))).all()
    row = rows[0] if said.answers and rows else next((each for each in rows if said.code == code_of(key, each.id)), None)
    if row is None:
        raise LinkError("It answers no message of this station, or one that is too old.")
    return Link(row.id, row.about, row.object_id, row.webhook, 0)
