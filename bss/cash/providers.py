"""Card providers tell of payments by signed webhooks; how their events read is data: `config/card_providers/<name>.toml`.

A card is a token of the provider's. An event is kept before it is acted on and acted on once, whatever is sent again.
"""

import hashlib
import hmac
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import Field, ValidationError

from bss import money
from bss.cash.settings import CashSettings
from bss.cash.store import provider_event
from bss.metrics import CASH
from bss.receivables import account as accounts
from bss.receivables.account import AccountError
from bss.receivables.payments import Payments, Told, masked, payment_id
from inventory.store import customer
from station.clock import NS_PER_S
from station.data import data_dir
from station.scope import OPERATOR_TENANT, Role, Scope
from station.settings import Fault, Settings, SettingsError, faults_of
from station.state import State, insert_new

BODY_MAX = 256 << 10
Path_ = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.|]*$")]
Act = Literal["paid", "chargeback", "returned"]


class HookError(Exception):
    """The event is not taken; `status` is the answer, and the reason is counted."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Said(Settings):
    """What an event says of money."""

    act: Act
    id: Annotated[str, Field(min_length=1, max_length=128)]
    reference: Annotated[str, Field(min_length=1, max_length=100)]
    customer: Annotated[str, Field(max_length=36)] = ""  # its id or number
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    amount_minor: Annotated[int, Field(gt=0, le=1 << 53)]
    token: Annotated[str, Field(max_length=128)] = ""
    document: Annotated[str, Field(max_length=48)] = ""


class Paths(Settings):
    """Where an event's words stand: names by dots, alternatives by |."""

    id: Path_
    type: Path_
    reference: Path_
    customer: Path_
    currency: Path_
    amount: Path_
    token: Path_ = ""
    document: Path_ = ""


class ExampleEvent(Settings):
    says: str
    event: str
    expect: Said | None = None


class Format(Settings):
    """How a provider's events read; `minor`: amounts are minor units and not decimals. Its signature header holds
    `t=<Unix time>,v1=<HMAC-SHA-256 in hex of "<time>.<body>">`."""

    summary: str
    reference: str = ""
    signature_header: Annotated[str, Field(pattern=r"^[A-Za-z-]{1,64}$")]
    minor: bool = True
    events: Mapping[str, Act]
    paths: Paths
    examples: tuple[ExampleEvent, ...] = ()

    def read(self, content: bytes) -> Said | None:
        """What an event says, None where it is not about money; HookError where it cannot be read."""
        try:
            event = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise HookError(400, "This is not JSON.") from error
        act = self.events.get(str(_at(event, self.paths.type)))
        if act is None:
            return None
        names = {name: str(_at(event, getattr(self.paths, name)) or "") for name in ("id", "reference", "customer", "token", "document")}
        currency = str(_at(event, self.paths.currency) or "").upper()
        try:
            amount = Decimal(str(_at(event, self.paths.amount))).scaleb(0 if self.minor else money.exponent(currency))
            if amount != amount.to_integral_value():
                raise HookError(400, "The amount has a part of a minor unit.")
            return Said(act=act, currency=currency, amount_minor=int(amount), **names)
        except (InvalidOperation, ValidationError, ValueError, OverflowError) as error:
            raise HookError(400, "The event lacks what a payment needs.") from error


def _at(event: Any, paths: str) -> Any:
    for path in filter(None, paths.split("|")):
        found = event
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None


@cache
def formats() -> Mapping[str, Format]:
    """Every shipped format by name; SettingsError names file, line and key."""
    return {path.stem: _load(path) for path in sorted((data_dir("config") / "card_providers").glob("*.toml"))}


def _load(path: Path) -> Format:
    text = path.read_text()
    try:
        return Format.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(Fault(str(path), 0, "", str(error))) from error
    except ValidationError as error:
        raise SettingsError(*faults_of(error, Format, str(path), text)) from error


def signed(key: bytes, content: bytes, time_s: int) -> str:
    """The signature header of a body at a time."""
    return f"t={time_s},v1={hmac.new(key, f'{time_s}.'.encode() + content, hashlib.sha256).hexdigest()}"


def check(header: str, key: bytes, content: bytes, now_s: int, tolerance_s: int) -> None:
    """HookError 401 unless the header signs this body now."""
    times = re.findall(r"(?:^|,)t=(\d{1,12})(?=,|$)", header)
    marks = re.findall(r"(?:^|,)v1=([0-9a-f]{64})(?=,|$)", header)
    wanted = signed(key, content, int(times[0])).partition("v1=")[2] if len(times) == 1 and key else ""
    if not wanted or not any(hmac.compare_digest(mark, wanted) for mark in marks[:4]):
        raise HookError(401, "The signature is not the provider's.")
    if abs(now_s - int(times[0])) > tolerance_s:
        raise HookError(401, "The signature is too old.")


@dataclass(frozen=True, slots=True)
class Providers:
    """Takes the events of the providers that the settings name."""

    payments: Payments
    settings: CashSettings
    login: Callable[[str], Mapping[str, str]]

    @property
    def state(self) -> State:
        return self.payments.state

    async def take(self, name: str, headers: Mapping[str, str], content: bytes, now_ns: int) -> str:
        """Keep an event and do what it says; a word for what became of it. HookError where it is not taken."""
        try:
            return await self._take(name, headers, content, now_ns)
        except HookError as error:
            CASH.labels(f"hook_{error.status}").inc()
            raise

    async def _take(self, name: str, headers: Mapping[str, str], content: bytes, now_ns: int) -> str:
        of = next((one for one in self.settings.providers if one.name == name), None)
        if of is None or of.format not in formats():
            raise HookError(404, "There is no such provider.")
        shape, key = formats()[of.format], self.login(of.credential).get("password", "").encode()
        check(headers.get(shape.signature_header, ""), key, content, now_ns // NS_PER_S, self.settings.signature_s)
        if len(content) > BODY_MAX or masked(content.decode("utf-8", "replace")) != content.decode("utf-8", "replace"):
            raise HookError(422, "The event holds a card number, or too much: only the provider's token is taken.")
        said = shape.read(content)
        if said is None:
            return "ignored"
        row = {"tenant": OPERATOR_TENANT, "provider": name, "id": said.id, "act": said.act, "reference": said.reference}
        row |= {"said": said.model_dump_json(), "state": "new", "answer": "", "heard_ns": now_ns}
        async with self.state.write() as conn:
            await insert_new(conn, provider_event, [row], ("tenant", "provider", "id"))
        return await self._do(name, said.id, now_ns)

    async def resume(self, now_ns: int) -> int:
        """Do what a station that died kept and did not do; how many."""
        e = provider_event.c
        async with self.state.read() as conn:
            rows = (await conn.execute(sa.select(e.provider, e.id).where(e.tenant == OPERATOR_TENANT, e.state == "new"))).all()
        for row in rows:
            await self._do(row.provider, row.id, now_ns)
        return len(rows)

    async def _do(self, provider: str, id_: str, now_ns: int) -> str:
        e, scope = provider_event.c, Scope(OPERATOR_TENANT, Role.BILLING, f"card:{provider}")
        mine = (e.tenant == OPERATOR_TENANT, e.provider == provider, e.id == id_)
        async with self.state.read() as conn:
            row = (await conn.execute(sa.select(provider_event).where(*mine))).mappings().one()
        if row["state"] != "new":
            return str(row["state"])
        said = Said.model_validate_json(row["said"])
        try:
            await (self._paid if said.act == "paid" else self._taken_back)(scope, provider, said, now_ns)
            state, answer = "done", ""
        except AccountError as error:
            state, answer = "refused", str(error)
        async with self.state.write() as conn:
            await conn.execute(sa.update(provider_event).where(*mine).values(state=state, answer=answer[:255]))
        CASH.labels(f"card_{state}").inc()
        return state

    async def _paid(self, scope: Scope, provider: str, said: Said, now_ns: int) -> None:
        c = customer.c
        async with self.state.read() as conn:
            known = sa.select(c.id).where(c.tenant == scope.tenant, sa.or_(c.id == said.customer, c.number == said.customer))
            owner = (await conn.execute(known)).scalars().first()
            if owner is None:
                raise AccountError("unknown", f"There is no customer {said.customer!r}.")
            held = await accounts.load(conn, scope.tenant, owner)
        open_ = next((one.open_minor for one in held.items if said.document in (one.id, one.number)), 0)
        named = {said.document: least} if (least := min(open_, said.amount_minor)) else {}
        values = {name: value for name, value in said.model_dump().items() if name in ("currency", "amount_minor", "token")}
        told = Told(f"{provider}:{said.reference}", owner, method="card", day=self.payments.day(now_ns), named=named, **values)
        await self.payments.record(scope, told, now_ns)

    async def _taken_back(self, scope: Scope, provider: str, said: Said, now_ns: int) -> None:
        await self.payments.reverse(scope, payment_id(scope.tenant, f"{provider}:{said.reference}"), said.act, said.id, now_ns)
