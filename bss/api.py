"""Invoices and bill runs over HTTP. Money is read and written with the role billing."""

import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from billing_bridge.periods import PeriodError
from billing_bridge.samples import SampleSource
from bss.billing import Biller, BillRunError
from bss.explain import explain
from bss.pdf import pdf_of
from bss.store import invoice
from bss.tariffs import TariffError
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

SUMMARY = ("id", "number", "period", "customer_id", "customer_name", "currency", "net_minor", "tax_minor", "gross_minor", "sha256")


class BillRunOrder(BaseModel):
    """Which month to bill."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[str, Field(pattern=r"\A\d{4}-\d{2}\z")]


def router(state: State, biller: Biller, samples: SampleSource, clock: Clock) -> APIRouter:
    """The routes under /api/v1."""
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.get("/invoices")
    async def invoices(
        caller: Caller, cursor: Annotated[str, Query(max_length=48)] = "", limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100
    ) -> dict[str, Any]:
        return await _page(state, caller, cursor, limit)

    @routes.get("/invoices/{invoice_id}.pdf")
    async def invoice_as_pdf(caller: Caller, invoice_id: str) -> Response:
        found = await pdf_of(state, caller, invoice_id)
        if found is None:
            raise not_found("invoice")
        return Response(found, media_type="application/pdf")

    @routes.get("/invoices/{invoice_id}")
    async def one_invoice(caller: Caller, invoice_id: str) -> dict[str, Any]:
        async with state.read() as conn:
            document = (await conn.execute(sa.select(invoice.c.document).where(*_visible(caller), invoice.c.id == invoice_id))).scalar()
        if document is None:
            raise not_found("invoice")
        found: dict[str, Any] = json.loads(document)
        return found

    @routes.get("/invoices/{invoice_id}/lines/{line_no}/explain")
    async def explain_line(caller: Caller, invoice_id: str, line_no: int) -> dict[str, Any]:
        found = await explain(state, caller, samples, invoice_id, line_no)
        if found is None:
            raise not_found("invoice line")
        return found

    @routes.post("/bill-runs", status_code=201)
    async def bill_run(caller: Caller, order: BillRunOrder) -> dict[str, Any]:
        try:
            report = await biller.run(caller, order.month, clock.now_ns())
        except (BillRunError, PeriodError, TariffError) as error:
            raise ProblemError(409, "The month cannot be billed", str(error)) from error
        return {name: getattr(report, name) for name in ("run_id", "period", "made", "stood", "exceptions")}

    return routes


def _visible(caller: Scope) -> list[sa.ColumnElement[bool]]:
    caller.require(Role.BILLING, "reading invoices")
    mine = [invoice.c.tenant == caller.tenant]
    return [*mine, invoice.c.customer_id.in_(caller.customers)] if caller.customers else mine


async def _page(state: State, caller: Scope, cursor: str, limit: int) -> dict[str, Any]:
    """Newest numbers first; the cursor is the last number of the page before."""
    where = _visible(caller)
    after = [invoice.c.number < cursor] if cursor else []
    async with state.read() as conn:
        total = (await conn.execute(sa.select(sa.func.count()).select_from(invoice).where(*where))).scalar_one()
        query = sa.select(invoice).where(*where, *after).order_by(invoice.c.number.desc()).limit(limit)
        rows = (await conn.execute(query)).mappings().all()
    items = [{name: row[name] for name in SUMMARY} | {"issued_at": iso(row["issued_ns"])} for row in rows]
    return {"items": items, "next": items[-1]["number"] if len(items) == limit else None, "total": total}
