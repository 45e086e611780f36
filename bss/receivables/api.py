"""Accounts, payments, refunds and write-offs over HTTP, for the role billing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from billing_bridge.periods import date_at
from bss.receivables import account as accounts
from bss.receivables.account import AccountError, Allocation
from bss.receivables.payments import ALLOCATIONS_MAX, METHODS, Payments, Told
from bss.receivables.proposals import REFUND, WRITE_OFF, Asked, Proposals
from bss.receivables.statement import movements, overview, statement
from bss.receivables.store import money_proposal
from station.clock import Clock
from station.ids import new_id
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

Amount = Annotated[int, Field(strict=True, gt=0, le=1 << 53)]
Id = Annotated[str, Field(min_length=1, max_length=48)]
Reference = Annotated[str, Field(min_length=1, max_length=128)]
Reason = Annotated[str, Field(min_length=1, max_length=255)]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
SourceKind = Literal["payment", "document"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Part(Body):
    document: Id
    amount_minor: Amount


class PaymentIn(Body):
    """`reference` is the bank's or the provider's id of the payment: told again it changes nothing. `allocate`: oldest (the
    earliest due first), none, or the documents named."""

    reference: Reference
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    amount_minor: Amount
    method: Literal["bank_transfer", "direct_debit", "card", "cash", "cheque", "voucher", "other"] = METHODS[0]
    day: Date | None = None
    words: Annotated[str, Field(max_length=255)] = ""
    token: Annotated[str, Field(max_length=128)] = ""
    allocate: Literal["oldest", "none"] | Annotated[list[Part], Field(min_length=1, max_length=ALLOCATIONS_MAX)] = "oldest"


class SourceIn(Body):
    kind: SourceKind
    id: Id


class AllocateIn(Body):
    """Without a source all that is left of every payment and credit is set against the earliest due."""

    source: SourceIn | None = None
    documents: Annotated[list[Part], Field(max_length=ALLOCATIONS_MAX)] = []


class WithdrawIn(Body):
    source: SourceIn
    document: Id


class ReversalIn(Body):
    kind: Literal["chargeback", "returned", "error"]
    reason: Reason


class RefundIn(Body):
    source: SourceIn
    amount_minor: Amount
    reference: Annotated[str, Field(max_length=128)] = ""
    reason: Reason


class WriteOffIn(Body):
    document: Id
    amount_minor: Amount
    reference: Annotated[str, Field(max_length=128)] = ""
    reason: Reason


class ReasonIn(Body):
    reason: Reason


STATUS = {"unknown": 404, "own": 403, "card_number": 422, "amount": 422}


@contextmanager
def refused() -> Iterator[None]:
    """What the account does not allow, as a problem."""
    try:
        yield
    except AccountError as error:
        raise ProblemError(STATUS.get(error.reason, 409), "Not possible", str(error), reason=error.reason) from error


def routers(payments: Payments, proposals: Proposals, clock: Clock) -> list[APIRouter]:
    return [_accounts(payments.state, payments, clock), _payments(payments, clock), _proposals(payments.state, proposals, clock)]


def _accounts(state: State, payments: Payments, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/accounts/{customer_id}", tags=["billing"])

    @routes.get("")
    async def account(caller: Caller, customer_id: str) -> dict[str, Any]:
        """What the customer owes now, by document, age and currency, and what is not allocated."""
        mine(caller, customer_id)
        async with state.read() as conn:
            held = await accounts.load(conn, caller.tenant, customer_id)
        return overview(held, date_at(clock.now_ns(), payments.zone))

    @routes.get("/statement")
    async def over(
        caller: Caller, customer_id: str, since: Annotated[Date, Query(alias="from")] = "1971-01-01", to: Date = "9999-12-31"
    ) -> dict[str, Any]:
        """The movements of the days from `from` until before `to`, with the balance after each."""
        mine(caller, customer_id)
        async with state.read() as conn:
            held = await accounts.load(conn, caller.tenant, customer_id)
            moved = await movements(conn, caller.tenant, held)
        return statement(held, moved, since, to)

    @routes.post("/payments", status_code=201)
    async def pay(caller: Caller, customer_id: str, body: PaymentIn) -> dict[str, Any]:
        mine(caller, customer_id)
        now_ns = clock.now_ns()
        said = body.model_dump(exclude={"allocate", "day"})
        parts = {} if isinstance(body.allocate, str) else by_document(body.allocate)
        told = Told(customer_id=customer_id, day=body.day or payments.day(now_ns), named=parts, hold=body.allocate == "none", **said)
        with refused():
            made = await payments.record(caller, told, now_ns)
        return {"id": made.id, "new": made.new, "allocations": [allocation_json(one) for one in made.allocations]}

    @routes.post("/allocations")
    async def allocate(caller: Caller, customer_id: str, body: AllocateIn) -> dict[str, Any]:
        mine(caller, customer_id)
        source = (body.source.kind, body.source.id) if body.source else None
        with refused():
            made = await payments.allocate(caller, customer_id, clock.now_ns(), source=source, named=by_document(body.documents))
        return {"allocations": [allocation_json(one) for one in made]}

    @routes.post("/allocations/withdraw")
    async def withdraw(caller: Caller, customer_id: str, body: WithdrawIn) -> dict[str, Any]:
        mine(caller, customer_id)
        with refused():
            made = await payments.withdraw(caller, customer_id, (body.source.kind, body.source.id), body.document, clock.now_ns())
        return {"allocations": [allocation_json(one) for one in made]}

    return routes


def _payments(payments: Payments, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/payments", tags=["billing"])

    @routes.post("/{payment_id}/reverse")
    async def reverse(caller: Caller, payment_id: str, body: ReversalIn) -> dict[str, Any]:
        with refused():
            made = await payments.reverse(caller, payment_id, body.kind, body.reason, clock.now_ns())
        return {"allocations": [allocation_json(one) for one in made]}

    return routes


def _proposals(state: State, proposals: Proposals, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.post("/accounts/{customer_id}/refunds", status_code=201)
    async def refund(caller: Caller, customer_id: str, body: RefundIn) -> dict[str, Any]:
        mine(caller, customer_id)
        now_ns = clock.now_ns()
        reference = body.reference or new_id(now_ns)
        asked = Asked(REFUND, customer_id, body.source.kind, body.source.id, body.amount_minor, reference, body.reason)
        with refused():
            return proposal_json(await proposals.propose(caller, asked, now_ns))

    @routes.post("/accounts/{customer_id}/write-offs", status_code=201)
    async def write_off(caller: Caller, customer_id: str, body: WriteOffIn) -> dict[str, Any]:
        mine(caller, customer_id)
        now_ns = clock.now_ns()
        reference = body.reference or new_id(now_ns)
        asked = Asked(WRITE_OFF, customer_id, "document", body.document, body.amount_minor, reference, body.reason)
        with refused():
            return proposal_json(await proposals.propose(caller, asked, now_ns))

    @routes.get("/money-proposals")
    async def listed(caller: Caller, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100) -> dict[str, Any]:
        caller.require(Role.BILLING, "reading proposals")
        c = money_proposal.c
        where = [c.tenant == caller.tenant] + ([c.customer_id.in_(caller.customers)] if caller.customers else [])
        async with state.read() as conn:
            query = sa.select(money_proposal).where(*where).order_by(c.proposed_ns.desc(), c.id).limit(limit)
            rows = (await conn.execute(query)).mappings().all()
        return {"items": [proposal_json(dict(row)) for row in rows]}

    @routes.post("/money-proposals/{proposal_id}/approve")
    async def approve(caller: Caller, proposal_id: str) -> dict[str, Any]:
        with refused():
            return proposal_json(await proposals.decide(caller, proposal_id, clock.now_ns(), approve=True))

    @routes.post("/money-proposals/{proposal_id}/refuse")
    async def refuse(caller: Caller, proposal_id: str) -> dict[str, Any]:
        with refused():
            return proposal_json(await proposals.decide(caller, proposal_id, clock.now_ns(), approve=False))

    @routes.post("/write-offs/{proposal_id}/take-back", status_code=204)
    async def take_back(caller: Caller, proposal_id: str, body: ReasonIn) -> None:
        with refused():
            await proposals.take_back(caller, proposal_id, body.reason, clock.now_ns())

    return routes


def mine(caller: Scope, customer_id: str) -> None:
    """Refuse a caller who may not see the customer's money."""
    caller.require(Role.BILLING, "a customer's account")
    if caller.customers and customer_id not in caller.customers:
        raise not_found("customer")


def by_document(parts: list[Part]) -> dict[str, int]:
    """Amounts by document; ProblemError when one is named twice."""
    found = {part.document: part.amount_minor for part in parts}
    if len(found) < len(parts):
        raise ProblemError(422, "Named twice", "Name each document once.")
    return found


def allocation_json(one: Allocation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ("source_kind", "source_id", "use_kind", "use_id", "amount_minor", "cause")}


def proposal_json(row: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "kind", "customer_id", "subject_kind", "subject_id", "currency", "amount_minor", "reference", "reason", "state")
    return {name: row[name] for name in names} | {
        "proposed_by": row["proposed_by"],
        "proposed_at": iso(row["proposed_ns"]),
        "decided_by": row["decided_by"],
        "decided_at": iso(row["decided_ns"]),
    }
