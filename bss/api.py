"""Invoices, bill runs and completeness over HTTP. Money is read and written with the role billing."""

import json
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import completeness, periods
from billing_bridge.periods import Period, PeriodError
from billing_bridge.samples import SampleSource
from bss import assurance, assurance_api, billing_api, closing_api, cycles, money_api, profile, taxes
from bss.billing import Biller, BillRunError
from bss.closing import Closing
from bss.einvoice import cii, ubl
from bss.einvoice.profiles import profiles
from bss.einvoice.terms import EInvoiceError, terms_of
from bss.explain import explain
from bss.invoice_csv import as_csv
from bss.leakage import Costs
from bss.notes import Notes
from bss.pdf import PdfError, pdf_of
from bss.receivables import api as receivables_api
from bss.receivables.payments import Payments
from bss.receivables.proposals import Proposals
from bss.store import bill_run, bill_run_closed, credit_note, invoice
from bss.tariffs import TariffError
from bss.tmf678 import settled_of
from bss.views import bill_run_summary, invoice_detail, invoice_summary
from station.clock import NS_PER_S, Clock
from station.data import data_dir
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, not_found, whole_view

POINTS_MAX = 1000  # incomplete metering points named in one answer

Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]
Cursor = Annotated[str, Query(pattern=r"^[A-Za-z0-9-]{0,48}$")]
Syntax = Literal["ubl", "cii"]
ProfileName = Annotated[str, Query(pattern=r"^[a-z0-9_]{1,32}$")]
InvoiceId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,48}$", description="The invoice's id or its number.")]


class BillRunOrder(BaseModel):
    """Which span to bill: a month, or the days of another cycle, 2026-06-30/2026-07-31."""

    model_config = ConfigDict(extra="forbid")

    month: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2}/\d{4}-\d{2}-\d{2}(@[A-Za-z0-9_/+-]{1,40})?)?$")]


def router(state: State, biller: Biller, samples: SampleSource, clock: Clock) -> APIRouter:
    """The routes under /api/v1."""
    routes = APIRouter(prefix="/api/v1")
    routes.include_router(_notes(state))
    routes.include_router(_invoices(state, samples))
    routes.include_router(_bill_runs(state, biller, clock))
    whole = APIRouter()
    whole.include_router(routes)
    proposals = proposals_of(state, biller)
    accounts = receivables_api.routers(proposals.payments, proposals, clock)
    notes = Notes(state, biller.settings, {name: taxes.parse(text, name) for name, text in taxes.read(biller.taxes).items()})
    parts = [*billing_api.routers(biller, notes, clock), *money_api.routers(state, notes, clock), *accounts]
    zone, costs = biller.billing.zone, Costs(biller.settings.cost_port_minor, biller.settings.cost_gigabyte_minor)
    parts += [closing_api.router(Closing(state, zone), clock), assurance_api.router(state, biller.tariffs, zone, costs, clock)]
    for part in (profile.router(biller, clock), *parts):
        whole.include_router(part)
    return whole


def proposals_of(state: State, biller: Biller) -> Proposals:
    """Payments, refunds and write-offs in the biller's time zone, by its limit for one person alone."""
    return Proposals(Payments(state, biller.billing.zone), biller.settings.approval_minor)


def _invoices(state: State, samples: SampleSource) -> APIRouter:
    routes = APIRouter(prefix="/invoices", tags=["billing"])

    @routes.get("")
    async def invoices(caller: Caller, cursor: Cursor = "", limit: Limit = 100) -> dict[str, Any]:
        return await _page(state, caller, cursor, limit)

    @routes.get("/{invoice_id}.pdf")
    async def as_pdf(caller: Caller, invoice_id: InvoiceId) -> Response:
        row = await _invoice(state, caller, invoice_id)
        try:
            found = await pdf_of(state, caller, row["id"])
        except PdfError as error:
            raise ProblemError(500, "The page cannot be set", "The invoice stands; read it as JSON or CSV.") from error
        return Response(found, media_type="application/pdf", headers=_named(row, "pdf", "inline"))

    @routes.get("/{invoice_id}.csv")
    async def lines_as_csv(caller: Caller, invoice_id: InvoiceId) -> Response:
        row = await _invoice(state, caller, invoice_id)
        made = as_csv(json.loads(row["document"]))
        return Response(made, media_type="text/csv; charset=utf-8; header=present", headers=_named(row, "csv"))

    @routes.get("/{invoice_id}.xml")
    async def as_xml(caller: Caller, invoice_id: InvoiceId, syntax: Syntax = "ubl", profile: ProfileName = "en16931") -> Response:
        """EN 16931 in UBL 2.1 or CII D16B, or one of its profiles: xrechnung, peppol_bis."""
        row = await _invoice(state, caller, invoice_id)
        return Response(_xml(row["document"], syntax, profile), media_type="application/xml", headers=_named(row, f"{syntax}.xml"))

    @routes.get("/{invoice_id}.json")
    async def as_issued(caller: Caller, invoice_id: InvoiceId) -> Response:
        """The bytes that were issued: their SHA-256 is the invoice's `sha256`."""
        row = await _invoice(state, caller, invoice_id)
        return Response(row["document"], media_type="application/json", headers=_named(row, "json"))

    @routes.get("/{invoice_id}")
    async def one_invoice(caller: Caller, invoice_id: InvoiceId) -> dict[str, Any]:
        row = await _invoice(state, caller, invoice_id)
        async with state.read() as conn:
            settled = await settled_of(conn, caller.tenant, [row["id"]])
        return invoice_detail(row, settled.get(row["id"], ()))

    @routes.get("/{invoice_id}/lines/{line_no}/explain")
    async def explain_line(caller: Caller, invoice_id: InvoiceId, line_no: int) -> dict[str, Any]:
        found = await explain(state, caller, samples, invoice_id, line_no)
        if found is None:
            raise not_found("invoice line")
        return found

    return routes


def _notes(state: State) -> APIRouter:
    routes = APIRouter(prefix="/invoices", tags=["billing"])

    @routes.get("/notes/{note_id}.xml")
    async def note_as_xml(caller: Caller, note_id: InvoiceId, syntax: Syntax = "ubl", profile: ProfileName = "en16931") -> Response:
        """A credit or debit note by its id or number, in the same forms."""
        caller.require(Role.BILLING, "reading credit notes")
        c = credit_note.c
        where = [c.tenant == caller.tenant, sa.or_(c.id == note_id, c.number == note_id)]
        where += [c.customer_id.in_(caller.customers)] if caller.customers else []
        async with state.read() as conn:
            row = (await conn.execute(sa.select(c.number, c.document).where(*where))).mappings().first()
        if row is None:
            raise not_found("note")
        return Response(_xml(row["document"], syntax, profile), media_type="application/xml", headers=_named(row, f"{syntax}.xml"))

    return routes


def _xml(document: str, syntax: str, profile: str) -> bytes:
    """The electronic form; a problem where the document has none, or lacks what the profile wants."""
    known = profiles(data_dir("config/einvoice"))
    if profile not in known:
        raise ProblemError(422, "Not a profile", f"{profile!r} is none of {', '.join(known)}")
    try:
        terms = terms_of(json.loads(document))
        known[profile].check(terms)
    except EInvoiceError as error:
        raise ProblemError(409, "Not an electronic invoice", str(error)) from error
    return {"ubl": ubl.write, "cii": cii.write}[syntax](terms, known[profile])


def _bill_runs(state: State, biller: Biller, clock: Clock) -> APIRouter:
    routes = APIRouter(tags=["billing"])

    @routes.get("/bill-runs")
    async def bill_runs(caller: Caller, cursor: Cursor = "", limit: Limit = 100) -> dict[str, Any]:
        return await _runs(state, caller, cursor, limit)

    @routes.post("/bill-runs", status_code=201)
    async def run(caller: Caller, order: BillRunOrder) -> dict[str, Any]:
        try:
            report = await biller.run(caller, order.month, clock.now_ns())
        except PeriodError as error:
            raise ProblemError(422, "Not a month", str(error)) from error
        except (BillRunError, TariffError) as error:
            raise ProblemError(409, "The month cannot be billed", str(error)) from error
        return {name: getattr(report, name) for name in ("run_id", "period", "made", "stood", "exceptions", "waiting")}

    @routes.get("/usage/completeness")
    async def complete(caller: Caller, month: Annotated[str, Query(pattern=r"^[A-Za-z0-9_/@+-]{0,64}$")] = "") -> dict[str, Any]:
        """Expected against received usage of a month (default: the last closed one), and services against bills."""
        caller.require(Role.BILLING, "checking completeness")
        whole_view(caller, "completeness")
        now_ns, zone = clock.now_ns(), biller.billing.zone
        try:
            period = cycles.parse(month or _last_month(now_ns, biller), zone)
        except PeriodError as error:
            raise ProblemError(422, "Not a month", str(error)) from error
        closed_ns = now_ns - biller.billing.settle_s * NS_PER_S
        days = [day for day in periods.days_between(period.start_ns, period.end_ns, zone) if day.end_ns <= closed_ns]
        async with state.read() as conn:
            return await _completeness(conn, caller, period, days)

    return routes


def _last_month(now_ns: int, biller: Biller) -> str:
    """The calendar month before the one of `now_ns`."""
    first = periods.date_at(now_ns, biller.billing.zone).replace(day=1)
    before = first.replace(year=first.year - (first.month == 1), month=(first.month - 2) % 12 + 1)
    return before.isoformat()[:7]


async def _completeness(conn: AsyncConnection, caller: Scope, period: Period, days: list[Period]) -> dict[str, Any]:
    intervals, points = await completeness.measured(conn, caller, days)
    lacking = [account for account in points if account.missing]
    sources = await completeness.accounts(conn, caller)
    return {
        "period": period.name,
        "sources": [{"source": name, **_account(account)} for name, account in sources.items()],
        "intervals": [
            {"day": of.day, "expected": of.expected, "received": of.received, "missing": of.missing, "slots": of.slots} for of in intervals
        ],
        "points": [
            {
                "metering_point": of.point.id,
                "resource": f"{of.point.device} {of.point.name}",
                "expected": of.expected,
                "received": of.received,
                "missing": of.missing,
            }
            for of in lacking[:POINTS_MAX]
        ],
        "points_total": len(lacking),
        "octets": await completeness.octets(conn, caller, period),
        "billed": await assurance.closed(conn, caller, period),
        "unbilled_active": await assurance.unbilled_active(conn, caller, period),
        "billed_inactive": await assurance.billed_inactive(conn, caller, period),
    }


def _account(of: completeness.Account) -> dict[str, Any]:
    return {name: getattr(of, name) for name in ("received", "stored", "deduplicated", "refused", "balanced")}


def _visible(caller: Scope) -> list[sa.ColumnElement[bool]]:
    caller.require(Role.BILLING, "reading invoices")
    mine = [invoice.c.tenant == caller.tenant]
    return [*mine, invoice.c.customer_id.in_(caller.customers)] if caller.customers else mine


async def _invoice(state: State, caller: Scope, named: str) -> Any:
    """The row of an invoice by id or number; ProblemError 404 when the caller sees none."""
    async with state.read() as conn:
        query = sa.select(invoice).where(*_visible(caller), sa.or_(invoice.c.id == named, invoice.c.number == named))
        row = (await conn.execute(query)).mappings().first()
    if row is None:
        raise not_found("invoice")
    return row


def _named(row: Any, suffix: str, how: str = "attachment") -> dict[str, str]:
    return {"Content-Disposition": f'{how}; filename="{row["number"]}.{suffix}"'}


async def _page(state: State, caller: Scope, cursor: str, limit: int) -> dict[str, Any]:
    """Newest numbers first; the cursor is the last number of the page before."""
    where = _visible(caller)
    after = [invoice.c.number < cursor] if cursor else []
    async with state.read() as conn:
        total = (await conn.execute(sa.select(sa.func.count()).select_from(invoice).where(*where))).scalar_one()
        query = sa.select(invoice).where(*where, *after).order_by(invoice.c.number.desc()).limit(limit + 1)
        rows = (await conn.execute(query)).mappings().all()
    more = len(rows) > limit
    return {
        "items": [invoice_summary(dict(row)) for row in rows[:limit]],
        "next": rows[limit - 1]["number"] if more else None,
        "total": total,
    }


async def _runs(state: State, caller: Scope, cursor: str, limit: int) -> dict[str, Any]:
    """Newest months first; the cursor is the last month of the page before."""
    caller.require(Role.BILLING, "reading bill runs")
    whole_view(caller, "a bill run")
    c, done = bill_run.c, bill_run_closed.c
    columns = [c[name] for name in ("id", "period", "start_ns", "end_ns", "cutoff_ns", "created_ns", "created_by", "snapshot_sha256")]
    ends = sa.and_(done.tenant == c.tenant, done.period == c.period)
    where = [c.tenant == caller.tenant] + ([c.period < cursor] if cursor else [])
    query = sa.select(*columns, done.closed_ns, done.invoices, done.exceptions).join(bill_run_closed, ends, isouter=True)
    async with state.read() as conn:
        total = (await conn.execute(sa.select(sa.func.count()).select_from(bill_run).where(c.tenant == caller.tenant))).scalar_one()
        rows = (await conn.execute(query.where(*where).order_by(c.period.desc()).limit(limit + 1))).mappings().all()
    more = len(rows) > limit
    return {
        "items": [bill_run_summary(dict(row)) for row in rows[:limit]],
        "next": rows[limit - 1]["period"] if more else None,
        "total": total,
    }
