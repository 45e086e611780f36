"""TMF676 Payment Management v4: payments and refunds as resources; telling one again by its `correlatorId` gives the first.

The account is the customer's. A payment's items name the bills it is for; without them the earliest due are settled first.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import money
from bss.receivables.api import mine, refused
from bss.receivables.payments import ALLOCATIONS_MAX, METHODS, Payments, Told
from bss.receivables.proposals import REFUND, Asked, Proposals
from bss.receivables.store import allocation, money_proposal, payment, payment_reversal
from bss.tmf678 import BASE as BILLS
from bss.tmf678 import billing_account, money_of, related_customer
from inventory.store import customer
from station.clock import Clock
from station.ids import new_id
from station.scope import Role, Scope
from station.security.targets import Guard
from station.tmf.hub import add_hub, publish
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.web import Caller, ProblemError, iso, not_found

BASE, API = "paymentManagement/v4", "paymentManagement"
PAYMENTS_MAX = 5_000  # looked through for one list

Json = dict[str, Any]
Text = Annotated[str, Field(max_length=128)]


class Money(BaseModel):
    """A JSON number is read as the decimal it was written as."""

    unit: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    value: Annotated[Decimal, Field(gt=0, lt=1 << 50)]

    def minor(self) -> int:
        """Whole minor units; ProblemError when the currency has no such amount."""
        scaled = self.value.scaleb(money.exponent(self.unit))
        if self.unit not in money.CURRENCIES or scaled != scaled.to_integral_value():
            raise ProblemError(400, "Not an amount", f"{self.value} {self.unit} is no whole number of minor units.")
        return int(scaled)


class Ref(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=48)]


class Method(BaseModel):
    name: Text
    kind: Annotated[str, Field(alias="@type", max_length=128)]
    id: Text = ""


class PaymentItem(BaseModel):
    item: Ref
    amount: Money | None = None
    total: Annotated[Money | None, Field(alias="totalAmount")] = None


class PaymentCreate(BaseModel):
    """Payment_Create as far as the station keeps it."""

    account: Ref
    method: Annotated[Method, Field(alias="paymentMethod")]
    total: Annotated[Money, Field(alias="totalAmount")]
    reference: Annotated[Text, Field(alias="correlatorId")] = ""
    description: Annotated[str, Field(max_length=255)] = ""
    items: Annotated[list[PaymentItem], Field(alias="paymentItem", max_length=ALLOCATIONS_MAX)] = []


class RefundCreate(BaseModel):
    """Refund_Create as far as the station keeps it; it names the payment that is refunded."""

    account: Ref
    method: Annotated[Method, Field(alias="paymentMethod")]
    total: Annotated[Money, Field(alias="totalAmount")]
    payment: Ref
    reference: Annotated[Text, Field(alias="correlatorId")] = ""
    description: Annotated[str, Field(max_length=255)] = ""


def router(proposals: Proposals, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/paymentManagement/v4."""
    routes, payments = api_router(BASE), proposals.payments
    add_hub(routes, payments.state, guard, clock, API, Role.BILLING)
    _add_payments(routes, payments, clock)
    _add_refunds(routes, proposals, clock)
    return routes


def _add_payments(routes: APIRouter, payments: Payments, clock: Clock) -> None:
    state = payments.state

    @routes.get("/payment")
    async def several(request: Request, caller: Caller) -> JSONResponse:
        async with state.read() as conn:
            return page(Query.of(request), await _payments(conn, caller))

    @routes.get("/payment/{id}")
    async def one(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with state.read() as conn:
            found = await _payments(conn, caller, id_)
        if not found:
            raise not_found("payment")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.post("/payment", status_code=201)
    async def create(caller: Caller, body: PaymentCreate, response: Response) -> Json:
        mine(caller, body.account.id)
        now_ns = clock.now_ns()
        reference = body.reference or new_id(now_ns)
        method = body.method.name if body.method.name in METHODS else "other"
        said = (reference, body.account.id, body.total.unit, body.total.minor(), method, payments.day(now_ns))
        with refused():
            made = await payments.record(caller, Told(*said, body.description, body.method.id, _named(body)), now_ns)
        async with state.write() as conn:
            found: Json = (await _payments(conn, caller, made.id))[0]
            if made.new:
                await publish(conn, caller.tenant, API, [("PaymentCreateEvent", "payment", body.account.id, found)], now_ns)
        response.headers["Location"] = found["href"]
        return found


def _add_refunds(routes: APIRouter, proposals: Proposals, clock: Clock) -> None:
    state = proposals.payments.state

    @routes.get("/refund")
    async def several(request: Request, caller: Caller) -> JSONResponse:
        async with state.read() as conn:
            return page(Query.of(request), await _refunds(conn, caller))

    @routes.get("/refund/{id}")
    async def one(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with state.read() as conn:
            found = await _refunds(conn, caller, id_)
        if not found:
            raise not_found("refund")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.post("/refund", status_code=201)
    async def create(caller: Caller, body: RefundCreate, response: Response) -> Json:
        """Above the limit it waits for a second person: `status` is pendingApproval."""
        mine(caller, body.account.id)
        now_ns = clock.now_ns()
        reference, reason = body.reference or new_id(now_ns), body.description or "refund"
        asked = Asked(REFUND, body.account.id, "payment", body.payment.id, body.total.minor(), reference, reason)
        with refused():
            row = await proposals.propose(caller, asked, now_ns)
        async with state.read() as conn:
            found: Json = (await _refunds(conn, caller, row["id"]))[0]
        response.headers["Location"] = found["href"]
        return found


def _named(body: PaymentCreate) -> dict[str, int]:
    """Minor units by bill; ProblemError where an item has no amount in the payment's currency."""
    found: dict[str, int] = {}
    for one in body.items:
        amount = one.total or one.amount
        if amount is None or amount.unit != body.total.unit or one.item.id in found:
            raise ProblemError(400, "Not an item", "Each item names a bill once, with an amount in the payment's currency.")
        found[one.item.id] = amount.minor()
    return found


def _in_view(caller: Scope, table: sa.Table, id_: str) -> list[sa.ColumnElement[bool]]:
    caller.require(Role.BILLING, "reading payments")
    where = [table.c.tenant == caller.tenant] + ([table.c.id == id_] if id_ else [])
    return where + ([table.c.customer_id.in_(caller.customers)] if caller.customers else [])


async def _payments(conn: AsyncConnection, caller: Scope, id_: str = "") -> list[Json]:
    """The payments in view, newest first, each with the bills it settles."""
    p = payment.c
    back = sa.and_(payment_reversal.c.tenant == p.tenant, payment_reversal.c.payment_id == p.id)
    owner = sa.and_(customer.c.tenant == p.tenant, customer.c.id == p.customer_id)
    query = sa.select(payment, payment_reversal.c.kind.label("back"), payment_reversal.c.at_ns.label("back_ns"), customer.c.name)
    query = query.join(payment_reversal, back, isouter=True).join(customer, owner, isouter=True).where(*_in_view(caller, payment, id_))
    rows = (await conn.execute(query.order_by(p.recorded_ns.desc(), p.id).limit(PAYMENTS_MAX + 1))).mappings().all()
    _bounded(len(rows))
    settled = await _settled(conn, caller.tenant, {row["customer_id"] for row in rows} if id_ else None)
    return [_payment(dict(row), settled.get(row["id"], {})) for row in rows]


def _bounded(n: int) -> None:
    if n > PAYMENTS_MAX:
        raise ProblemError(413, "Too many", "Ask for one by its id, or with a token of one customer.")


async def _settled(conn: AsyncConnection, tenant: int, customers: set[str] | None) -> dict[str, dict[str, int]]:
    """Minor units by payment and document."""
    a = allocation.c
    where = [a.tenant == tenant, a.source_kind == "payment", a.use_kind == "document"]
    where += [a.customer_id.in_(customers)] if customers is not None else []
    query = sa.select(a.source_id, a.use_id, sa.func.sum(a.amount_minor)).where(*where).group_by(a.source_id, a.use_id)
    found: dict[str, dict[str, int]] = {}
    for source_id, use_id, amount in await conn.execute(query.order_by(a.source_id, a.use_id)):
        if amount:
            found.setdefault(source_id, {})[use_id] = int(amount)
    return found


def _payment(row: Mapping[str, Any], settled: Mapping[str, int]) -> Json:
    id_, currency = row["id"], row["currency"]
    account = {"id": row["customer_id"], "name": row["name"] or row["customer_id"]}
    items = [
        {
            "id": str(n),
            "amount": money_of(amount, currency),
            "totalAmount": money_of(amount, currency),
            "item": {"id": bill, "href": href(BILLS, "customerBill", bill), "@referredType": "CustomerBill"},
        }
        for n, (bill, amount) in enumerate(settled.items(), start=1)
    ]
    return {
        "@type": "Payment",
        "id": id_,
        "href": href(BASE, "payment", id_),
        "correlatorId": row["reference"],
        "description": row["words"],
        "paymentDate": f"{row['day']}T00:00:00Z",
        "status": row["back"] or "accepted",
        "statusDate": iso(row["back_ns"] or row["recorded_ns"]),
        "account": billing_account(account),
        "amount": money_of(row["amount_minor"], currency),
        "totalAmount": money_of(row["amount_minor"], currency),
        "paymentMethod": {"@type": "PaymentMethod", "name": row["method"]} | ({"id": row["token"]} if row["token"] else {}),
        "paymentItem": items,
        "relatedParty": [related_customer(account)],
    }


STATUS = {"open": "pendingApproval", "done": "accepted", "refused": "rejected"}


async def _refunds(conn: AsyncConnection, caller: Scope, id_: str = "") -> list[Json]:
    q = money_proposal.c
    owner = sa.and_(customer.c.tenant == q.tenant, customer.c.id == q.customer_id)
    where = [*_in_view(caller, money_proposal, id_), q.kind == REFUND, q.subject_kind == "payment"]
    query = sa.select(money_proposal, customer.c.name).join(customer, owner, isouter=True).where(*where)
    rows = (await conn.execute(query.order_by(q.proposed_ns.desc(), q.id).limit(PAYMENTS_MAX + 1))).mappings().all()
    _bounded(len(rows))
    return [_refund(dict(row)) for row in rows]


def _refund(row: Mapping[str, Any]) -> Json:
    id_, paid = row["id"], row["subject_id"]
    return {
        "@type": "Refund",
        "id": id_,
        "href": href(BASE, "refund", id_),
        "correlatorId": row["reference"],
        "description": row["reason"],
        "refundDate": iso(row["proposed_ns"]),
        "status": STATUS[row["state"]],
        "statusDate": iso(row["decided_ns"] or row["proposed_ns"]),
        "account": billing_account({"id": row["customer_id"], "name": row["name"] or row["customer_id"]}),
        "amount": money_of(row["amount_minor"], row["currency"]),
        "totalAmount": money_of(row["amount_minor"], row["currency"]),
        "paymentMethod": {"@type": "PaymentMethod", "name": "original"},
        "payment": {"id": paid, "href": href(BASE, "payment", paid), "@referredType": "Payment"},
    }
