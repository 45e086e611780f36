"""TMF678 Customer Bill Management v4 over the issued invoices: what was issued is shown, nothing is computed anew."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import IN_CHUNK
from bss import money
from bss.receivables.store import allocation
from bss.store import invoice
from station.clock import Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.hub import add_hub
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, error, href
from station.web import Caller, ProblemError, iso, not_found

BASE, API = "customerBillManagement/v4", "customerBillManagement"
BILLS_MAX = 5_000  # looked through for one list
RATE_KINDS = {"charge": "appliedBillingCharge", "credit": "appliedBillingCredit", "debit": "appliedBillingCharge"}

Json = dict[str, Any]
Settled = tuple[str, str, int]


def router(state: State, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/customerBillManagement/v4."""
    routes = api_router(BASE)
    add_hub(routes, state, guard, clock, API, Role.BILLING)

    @routes.get("/customerBill")
    async def bills(request: Request, caller: Caller) -> JSONResponse:
        query = Query.of(request)
        async with state.read() as conn:
            rows = await _rows(conn, caller, query)
            settled = await settled_of(conn, caller.tenant, [row["id"] for row in rows])
        return page(query, [customer_bill(row, settled.get(row["id"], ())) for row in rows])

    @routes.get("/customerBill/{id}")
    async def bill(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with state.read() as conn:
            row = await _row(conn, caller, id_)
            settled = await settled_of(conn, caller.tenant, [id_])
        return JSONResponse(Query.of(request).shown(customer_bill(row, settled.get(id_, ()))))

    @routes.patch("/customerBill/{id}")
    async def refused(caller: Caller, id_: Id) -> JSONResponse:
        caller.require(Role.BILLING, "changing a bill")
        return error(409, "An issued bill is never edited", "What is wrong is corrected by the next bill, line by line.")

    @routes.get("/appliedCustomerBillingRate")
    async def rates(request: Request, caller: Caller) -> JSONResponse:
        query = Query.of(request)
        async with state.read() as conn:
            rows = await _rows(conn, caller, query, bill_name="bill.id")
        return page(query, [rate for row in rows for rate in billing_rates(row)])

    @routes.get("/appliedCustomerBillingRate/{id}")
    async def rate(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with state.read() as conn:
            row = await _row(conn, caller, id_.rpartition("-")[0])
        found = [one for one in billing_rates(row) if one["id"] == id_]
        if not found:
            raise not_found("billing rate")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.get("/customerBillOnDemand")
    async def on_demand(request: Request, caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "reading invoices")
        return page(Query.of(request), [])

    @routes.post("/customerBillOnDemand")
    async def not_offered(caller: Caller) -> JSONResponse:
        caller.require(Role.BILLING, "a bill on demand")
        return error(501, "Not offered", "Bills are made by bill runs, so that each has its month's usage and a number in its series.")

    return routes


async def _rows(conn: AsyncConnection, caller: Scope, query: Query, bill_name: str = "id") -> list[Any]:
    """The invoices in view that a list may need, newest first; ProblemError 413 when they are too many to look through."""
    where = _visible(caller)
    named = {bill_name: invoice.c.id, "billNo": invoice.c.number, "relatedParty.id": invoice.c.customer_id}
    where += [column == value for name, column in named.items() if (value := query.value(name)) is not None]
    found = (await conn.execute(sa.select(invoice).where(*where).order_by(invoice.c.number.desc()).limit(BILLS_MAX + 1))).mappings().all()
    if len(found) > BILLS_MAX:
        raise ProblemError(413, "Too many bills", "Filter by id, billNo or relatedParty.id.")
    return list(found)


async def _row(conn: AsyncConnection, caller: Scope, id_: str) -> Any:
    row = (await conn.execute(sa.select(invoice).where(*_visible(caller), invoice.c.id == id_))).mappings().first()
    if row is None:
        raise not_found("bill")
    return row


def _visible(caller: Scope) -> list[sa.ColumnElement[bool]]:
    caller.require(Role.BILLING, "reading invoices")
    return [invoice.c.tenant == caller.tenant] + ([invoice.c.customer_id.in_(caller.customers)] if caller.customers else [])


async def settled_of(conn: AsyncConnection, tenant: int, ids: Sequence[str]) -> dict[str, list[Settled]]:
    """What settled each of the bills: (kind of source, its id, minor units)."""
    a, found = allocation.c, dict[str, list[Settled]]()
    for at in range(0, len(ids), IN_CHUNK):
        where = (a.tenant == tenant, a.use_kind == "document", a.use_id.in_(ids[at : at + IN_CHUNK]))
        query = sa.select(a.use_id, a.source_kind, a.source_id, sa.func.sum(a.amount_minor)).where(*where)
        for bill_id, kind, source_id, amount in await conn.execute(query.group_by(a.use_id, a.source_kind, a.source_id)):
            if amount:
                found.setdefault(bill_id, []).append((kind, source_id, int(amount)))
    return found


def money_of(amount_minor: int, currency: str) -> Json:
    """The API's Money. Its value is a JSON number; a double shows every amount below 2^53 minor units digit for digit."""
    text = money.text(amount_minor, currency)
    return {"unit": currency, "value": float(text) if "." in text else int(text)}


def customer_bill(row: Mapping[str, Any], settled: Sequence[Settled] = ()) -> Json:
    """A CustomerBill from an invoice's row and what settled it."""
    document = json.loads(row["document"])
    currency, totals, customer = document["currency"], document["totals"], document["customer"]
    gross = money_of(totals["gross_minor"], currency)
    open_minor = totals["gross_minor"] - sum(amount for _, _, amount in settled)
    page_href = f"/api/v1/invoices/{document['number']}.pdf"
    return {
        "@type": "CustomerBill",
        "id": document["id"],
        "href": href(BASE, "customerBill", document["id"]),
        "billNo": document["number"],
        "billDate": iso(row["issued_ns"]),
        "lastUpdate": iso(row["issued_ns"]),
        "paymentDueDate": f"{document['due_on']}T00:00:00Z",
        "category": "normal" if document["kind"] == "invoice" else "credit",
        "runType": "onCycle",
        "state": "settled" if not open_minor else "partiallyPaid" if settled else "validated",
        "amountDue": gross,
        "remainingAmount": money_of(open_minor, currency),
        "appliedPayment": [_applied(id_, amount, currency) for kind, id_, amount in sorted(settled) if kind == "payment"],
        "taxExcludedAmount": money_of(totals["net_minor"], currency),
        "taxIncludedAmount": gross,
        "taxItem": [tax_item(tax, currency) for tax in document["taxes"]],
        "billingPeriod": {"startDateTime": document["period"]["start"], "endDateTime": document["period"]["end"]},
        "billingAccount": {
            "id": customer["id"],
            "href": href("accountManagement/v4", "billingAccount", customer["id"]),
            "name": customer["name"],
        },
        "billDocument": [
            {
                "id": f"{document['id']}-pdf",
                "name": f"{document['number']}.pdf",
                "attachmentType": "invoice",
                "mimeType": "application/pdf",
                "href": page_href,
                "url": page_href,
                "@referredType": "Attachment",
            }
        ],
        "relatedParty": [related_customer(customer)],
    }


def _applied(payment_id: str, amount_minor: int, currency: str) -> Json:
    ref = {"id": payment_id, "href": href("paymentManagement/v4", "payment", payment_id), "@referredType": "Payment"}
    return {"appliedAmount": money_of(amount_minor, currency), "payment": ref}


def tax_item(tax: Mapping[str, Any], currency: str) -> Json:
    return {
        "taxCategory": tax.get("category", "S"),
        "taxRate": tax["rate_ppm"] / 10_000,
        "taxAmount": money_of(tax["tax_minor"], currency),
    }


def billing_account(customer: Mapping[str, Any]) -> Json:
    return {"id": customer["id"], "href": href("accountManagement/v4", "billingAccount", customer["id"]), "name": customer["name"]}


def related_customer(customer: Mapping[str, Any]) -> Json:
    found = {"id": customer["id"], "href": href("customerManagement/v4", "customer", customer["id"]), "name": customer["name"]}
    return found | {"role": "customer", "@referredType": "Customer"}


def billing_rates(row: Mapping[str, Any]) -> list[Json]:
    """An AppliedCustomerBillingRate for each line of an invoice."""
    document = json.loads(row["document"])
    return [_rate(row, document, line) for line in document["lines"]]


def _rate(row: Mapping[str, Any], document: Mapping[str, Any], line: Mapping[str, Any]) -> Json:
    service, currency, bill_id = line["service"], document["currency"], document["id"]
    id_ = f"{bill_id}-{line['no']}"
    facts = [("quantity", line["quantity"]), ("unit", line["unit"]), ("unitPrice", line["unit_price"]), ("tariff", line["tariff"]["name"])]
    return {
        "@type": "AppliedCustomerBillingRate",
        "id": id_,
        "href": href(BASE, "appliedCustomerBillingRate", id_),
        "name": line["charge"],
        "description": line["description"],
        "date": iso(row["issued_ns"]),
        "isBilled": True,
        "type": RATE_KINDS[line["kind"]],
        "bill": {"id": bill_id, "href": href(BASE, "customerBill", bill_id), "@referredType": "CustomerBill"},
        "billingAccount": billing_account(document["customer"]),
        "periodCoverage": {"startDateTime": line["period"]["start"], "endDateTime": line["period"]["end"]},
        "product": {"id": service["id"], "href": href("productInventory/v4", "product", service["id"]), "name": service["name"]},
        "characteristic": [{"name": name, "valueType": "string", "value": value} for name, value in facts],
        "taxExcludedAmount": money_of(line["amount_minor"], currency),
        "appliedTax": [{"taxCategory": _category(line), "taxRate": line["tax_rate_ppm"] / 10_000}],
    }


def _category(line: Mapping[str, Any]) -> str:
    """The tax category that was decided for a line, else whether it is taxed at all."""
    return str((line.get("tax") or {}).get("category") or ("S" if line["tax_rate_ppm"] else "Z"))
