"""Cash over HTTP: mandates, debit files, bank statements and what waits of them, vouchers; and the card providers' webhook."""

from datetime import date
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import Field

from bss.cash.bank import Bank
from bss.cash.camt053 import CamtError
from bss.cash.debits import Debits, Mandate
from bss.cash.iban import hidden
from bss.cash.providers import HookError, Providers
from bss.cash.store import bank_entry, debit_batch, debit_item, sepa_mandate
from bss.cash.vouchers import SERIES_MAX, Vouchers
from bss.receivables.api import Amount, Body, Date, Id, Part, ReasonIn, by_document, mine, refused
from station.clock import Clock
from station.scope import Role, Scope
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found, time_ns, whole_view

Limit = Annotated[int, Param(ge=1, le=PAGE_LIMIT)]
Provider = Annotated[str, Param(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
STATES = Literal["unallocated", "unexplained", "matched", "returned"]


class MandateIn(Body):
    """`id` is the unique mandate reference that the customer signed."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9+?/:().,'-]{1,35}$")]
    holder: Annotated[str, Field(min_length=1, max_length=70)]
    iban: Annotated[str, Field(min_length=15, max_length=42)]
    bic: Annotated[str, Field(pattern=r"^([A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?)?$")] = ""
    signed_on: Date
    scheme: Literal["CORE", "B2B"] = "CORE"
    kind: Literal["RCUR", "OOFF"] = "RCUR"


class CollectIn(Body):
    """`collect_on`: by default as soon as the bank takes it."""

    collect_on: Date | None = None


class AssignIn(Body):
    customer_id: Id
    documents: Annotated[tuple[Part, ...], Field(max_length=1000)] = ()


class VouchersIn(Body):
    series: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    n: Annotated[int, Field(ge=1, le=SERIES_MAX, strict=True)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    amount_minor: Amount
    expires: Annotated[str, Field(max_length=40)]


class RedeemIn(Body):
    code: Annotated[str, Field(min_length=8, max_length=40)]


def routers(debits: Debits, bank: Bank, vouchers: Vouchers, providers: Providers, clock: Clock) -> list[APIRouter]:
    return [_debits(debits, clock), _bank(bank, clock), _vouchers(vouchers, clock), _hooks(providers, clock)]


def _debits(debits: Debits, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])
    state = debits.state

    @routes.get("/accounts/{customer_id}/mandates")
    async def mandates(caller: Caller, customer_id: Id) -> dict[str, Any]:
        mine(caller, customer_id)
        m = sepa_mandate.c
        query = sa.select(sepa_mandate).where(m.tenant == caller.tenant, m.customer_id == customer_id).order_by(m.created_ns)
        async with state.read() as conn:
            return {"items": [_mandate(dict(row)) for row in (await conn.execute(query)).mappings()]}

    @routes.post("/accounts/{customer_id}/mandates", status_code=201)
    async def add(caller: Caller, customer_id: Id, body: MandateIn) -> dict[str, Any]:
        mine(caller, customer_id)
        with refused():
            return {
                "id": body.id,
                "new": await debits.add_mandate(caller, Mandate(customer_id=customer_id, **body.model_dump()), clock.now_ns()),
            }

    @routes.post("/mandates/{mandate_id}/revoke", status_code=204)
    async def revoke(caller: Caller, mandate_id: Id, body: ReasonIn) -> None:
        with refused():
            await debits.revoke(caller, mandate_id, body.reason, clock.now_ns())

    @routes.post("/direct-debits", status_code=201)
    async def collect(caller: Caller, body: CollectIn) -> dict[str, Any]:
        """Everything that is due and has a mandate, as one file for the bank; `n` is 0 when nothing is."""
        caller.require(Role.BILLING, "collecting direct debits")
        whole_view(caller, "a debit file")
        now_ns = clock.now_ns()
        with refused():
            made = await debits.make(caller, date.fromisoformat(body.collect_on) if body.collect_on else debits.first_day(now_ns), now_ns)
        return {name: made[name] for name in ("id", "collect_on", "n", "sum_minor", "sha256")} if made else {"n": 0}

    @routes.get("/direct-debits/{batch_id}.xml")
    async def document(caller: Caller, batch_id: Id) -> Response:
        """The pain.008 file as it was made."""
        _whole(caller, "debit files")
        c = debit_batch.c
        async with state.read() as conn:
            text = (await conn.execute(sa.select(c.document).where(c.tenant == caller.tenant, c.id == batch_id))).scalar()
        if text is None:
            raise not_found("debit file")
        return Response(text, media_type="application/xml", headers={"Content-Disposition": f'attachment; filename="{batch_id}.xml"'})

    @routes.get("/direct-debits/{batch_id}")
    async def items(caller: Caller, batch_id: Id) -> dict[str, Any]:
        _whole(caller, "debit files")
        d = debit_item.c
        query = sa.select(debit_item).where(d.tenant == caller.tenant, d.batch_id == batch_id).order_by(d.number)
        names = ("id", "mandate_id", "sequence", "customer_id", "number", "amount_minor", "state", "reason")
        async with state.read() as conn:
            rows = (await conn.execute(query)).mappings().all()
        return {"items": [{name: row[name] for name in names} for row in rows]}

    return routes


def _bank(bank: Bank, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/bank", tags=["billing"])

    @routes.post("/statements")
    async def take(caller: Caller, request: Request) -> dict[str, Any]:
        """A camt.053 file; what its entries came to. The same file again changes nothing."""
        _whole(caller, "bank statements")
        try:
            with refused():
                return {"entries": await bank.take(caller, await request.body(), clock.now_ns())}
        except CamtError as error:
            raise ProblemError(422, "Not a bank statement", str(error)) from error

    @routes.get("/entries")
    async def entries(caller: Caller, state: STATES = "unallocated", limit: Limit = 100) -> dict[str, Any]:
        """Entries of one state, newest first, each with the reason why it is there."""
        _whole(caller, "bank statements")
        e = bank_entry.c
        query = sa.select(bank_entry).where(e.tenant == caller.tenant, e.state == state).order_by(e.day.desc(), e.id).limit(limit)
        names = (
            "id",
            "day",
            "currency",
            "amount_minor",
            "end_to_end_id",
            "words",
            "name",
            "return_code",
            "state",
            "reason",
            "customer_id",
            "by",
        )
        async with bank.state.read() as conn:
            rows = (await conn.execute(query)).mappings().all()
        return {"items": [{name: row[name] for name in names} | {"iban": hidden(row["iban"])} for row in rows]}

    @routes.post("/entries/{entry_id}/assign", status_code=204)
    async def assign(caller: Caller, entry_id: Id, body: AssignIn) -> None:
        """Say whose an unallocated entry is."""
        mine(caller, body.customer_id)
        with refused():
            await bank.assign(caller, entry_id, body.customer_id, by_document(list(body.documents)), clock.now_ns())

    return routes


def _vouchers(vouchers: Vouchers, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.post("/vouchers", status_code=201)
    async def make(caller: Caller, body: VouchersIn) -> dict[str, Any]:
        """A new series; its codes are told this once and kept nowhere."""
        _whole(caller, "vouchers")
        with refused():
            codes = await vouchers.make(
                caller, body.series, body.n, body.currency, body.amount_minor, time_ns(body.expires), clock.now_ns()
            )
        return {"series": body.series, "codes": codes}

    @routes.post("/accounts/{customer_id}/vouchers", status_code=201)
    async def redeem(caller: Caller, customer_id: Id, body: RedeemIn) -> dict[str, Any]:
        mine(caller, customer_id)
        with refused():
            return {"payment_id": await vouchers.redeem(caller, body.code, customer_id, clock.now_ns())}

    return routes


def _hooks(providers: Providers, clock: Clock) -> APIRouter:
    """Open to everybody: what is not signed by the provider is not taken."""
    routes = APIRouter(tags=["billing"])

    @routes.post("/hooks/payments")
    async def event(request: Request, provider: Provider) -> dict[str, Any]:
        try:
            return {"state": await providers.take(provider, request.headers, await request.body(), clock.now_ns())}
        except HookError as error:
            raise ProblemError(error.status, "Not taken", str(error)) from error

    return routes


def _whole(caller: Scope, what: str) -> None:
    caller.require(Role.BILLING, f"reading {what}")
    whole_view(caller, what)


def _mandate(row: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "scheme", "kind", "holder", "bic", "signed_on", "state", "reason", "created_by")
    return {name: row[name] for name in names} | {"iban": hidden(row["iban"]), "created_at": iso(row["created_ns"])}
