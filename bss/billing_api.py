"""Orders, disputes, previews of runs and the catalogue's control over HTTP, for the role billing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from billing_bridge import periods
from billing_bridge.periods import PeriodError
from bss import preview, tariffs, taxes
from bss.billing import Biller
from bss.disputes import Disputes
from bss.lint import lint
from bss.money_api import ChangeIn
from bss.notes import LINES_MAX, NoteError, Notes
from bss.orders import OrderError, Orders
from bss.publication import ApprovalError, Publications, approve_run
from bss.rating.terms import Exact, Positive
from bss.store import leakage
from bss.tariffs import TariffError
from inventory.store import customer, service
from station.clock import Clock
from station.scope import Role
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, whole_view

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_/@+-]{7,64}$", description="2026-07, or 2026-06-30/2026-07-31")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
TariffName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Id = Annotated[str, Field(min_length=1, max_length=36)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PeriodIn(Body):
    period: Name


class PlanIn(Body):
    """`when`: on the day, or with the first period of the payer that begins on it or after it."""

    tariff: TariffName
    day: date
    when: Literal["day", "period"] = "day"


class OneOffIn(Body):
    day: date
    description: Annotated[str, Field(min_length=1, max_length=200)]
    unit_price: Exact
    currency: Currency
    quantity: Positive = Field(default="1", validate_default=True)
    unit: Annotated[str, Field(min_length=1, max_length=32)] = "piece"
    service_id: Annotated[str, Field(max_length=36)] = ""
    tax_class: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = "standard"


class PartIn(Body):
    """`charges`: places in the tariff, none for all."""

    payer_id: Id
    share_ppm: Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
    charges: Annotated[list[Annotated[int, Field(ge=1, le=50, strict=True)]], Field(max_length=50)] = []


class SplitIn(Body):
    parts: Annotated[list[PartIn], Field(max_length=20)]


class RateIn(Body):
    """`rate` units of `quote` for one of `base`."""

    day: date
    base: Currency
    quote: Currency
    rate: Positive
    source: Annotated[str, Field(min_length=1, max_length=64)]


class RatesIn(Body):
    rates: Annotated[list[RateIn], Field(min_length=1, max_length=1000)]


class DisputeIn(Body):
    """`lines`: minor units without tax; none: all that is left of the invoice."""

    reason: Annotated[str, Field(min_length=1, max_length=255)]
    lines: Annotated[list[ChangeIn], Field(max_length=LINES_MAX)] = []


class VersionIn(Body):
    tariff: TariffName
    effective: date


class DryRunIn(VersionIn):
    period: Name
    text: Annotated[str, Field(min_length=1, max_length=200_000)]


def routers(biller: Biller, notes: Notes, clock: Clock) -> list[APIRouter]:
    return [
        _runs(biller, clock),
        _orders(Orders(biller), clock),
        _disputes(Disputes(biller.state, notes), clock),
        _catalogue(biller, clock),
    ]


@contextmanager
def _refused() -> Iterator[None]:
    """What cannot be done as a problem: 404 unknown, 403 one's own, else 409; 422 for what is no period."""
    try:
        yield
    except (NoteError, OrderError, ApprovalError) as error:
        status = {"unknown": 404, "own": 403}.get(error.reason, 409)
        raise ProblemError(status, "Not possible", str(error), reason=error.reason) from error
    except TariffError as error:
        raise ProblemError(409, "Not possible", str(error)) from error
    except PeriodError as error:
        raise ProblemError(422, "Not a period", str(error)) from error


def _runs(biller: Biller, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.get("/bill-runs/due")
    async def due(caller: Caller) -> dict[str, Any]:
        """Every span of any cycle that is over and not billed."""
        preview.whole(caller)
        return {"items": [{"period": name} for name in await biller.due(caller, clock.now_ns())]}

    @routes.post("/bill-runs/simulate")
    async def simulated(caller: Caller, body: PeriodIn) -> dict[str, Any]:
        """A run as it would be now; nothing is written, and nothing has a number."""
        with _refused():
            found = await preview.simulate(biller, caller, body.period, clock.now_ns())
        documents = found.documents()
        billed = sum(bool(one.lines) for one in found.drafts)
        sums = {"invoices": billed, "gross_minor": found.sums(), "exceptions": found.exceptions()}
        return {"period": found.period, **sums, "documents": documents}

    @routes.post("/bill-runs/approve", status_code=204)
    async def approved(caller: Caller, body: PeriodIn) -> None:
        """Let a run that waits go; it is then run again."""
        preview.whole(caller)
        with _refused():
            await approve_run(biller.state, caller, body.period, clock.now_ns())

    @routes.get("/leakage")
    async def leaks(caller: Caller, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100) -> dict[str, Any]:
        """What was due and is too old to be billed, newest first."""
        caller.require(Role.BILLING, "reading leakage")
        whole_view(caller, "leakage")
        query = sa.select(leakage).where(leakage.c.tenant == caller.tenant).order_by(leakage.c.noted_ns.desc(), leakage.c.id).limit(limit)
        async with biller.state.read() as conn:
            rows = (await conn.execute(query)).mappings().all()
        shown = ("period", "customer_id", "service_id", "charge", "amount_minor", "currency", "reason")
        return {"items": [{name: row[name] for name in shown} | {"noted_at": iso(row["noted_ns"])} for row in rows]}

    return routes


def _orders(orders: Orders, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.get("/services/{service_id}/plan")
    async def plan(caller: Caller, service_id: str) -> dict[str, Any]:
        with _refused():
            rows = await orders.plan(caller, service_id)
        return {"items": [_made(row) for row in rows]}

    @routes.post("/services/{service_id}/plan", status_code=201)
    async def change(caller: Caller, service_id: str, body: PlanIn) -> dict[str, Any]:
        """Give a service another tariff from a day on; the part of a fee that was paid in advance is credited."""
        with _refused():
            at_end = body.when == "period"
            day = await orders.change_plan(caller, service_id, body.tariff, body.day, clock.now_ns(), at_period_end=at_end)
        return {"service_id": service_id, "tariff": body.tariff, "day": day}

    @routes.put("/services/{service_id}/bill-split", status_code=204)
    async def split(caller: Caller, service_id: str, body: SplitIn) -> None:
        parts = [part.model_dump() | {"charges": ",".join(map(str, sorted(set(part.charges))))} for part in body.parts]
        with _refused():
            await orders.split(caller, service_id, parts, clock.now_ns())

    @routes.get("/customers/{customer_id}/one-off-charges")
    async def charges(caller: Caller, customer_id: str) -> dict[str, Any]:
        with _refused():
            rows = await orders.charges(caller, customer_id)
        return {"items": [_made(row) for row in rows]}

    @routes.post("/customers/{customer_id}/one-off-charges", status_code=201)
    async def charge(caller: Caller, customer_id: str, body: OneOffIn) -> dict[str, Any]:
        said = body.model_dump() | {"day": body.day.isoformat(), "quantity": f"{body.quantity:f}", "unit_price": f"{body.unit_price:f}"}
        with _refused():
            return {"id": await orders.charge_once(caller, customer_id, said, clock.now_ns())}

    @routes.get("/exchange-rates")
    async def rates(caller: Caller) -> dict[str, Any]:
        return {"items": await orders.rates(caller)}

    @routes.post("/exchange-rates", status_code=201)
    async def add_rates(caller: Caller, body: RatesIn) -> dict[str, Any]:
        rows = [row.model_dump() | {"day": row.day.isoformat(), "rate": f"{row.rate:f}"} for row in body.rates]
        with _refused():
            return {"new": await orders.add_rates(caller, rows, clock.now_ns())}

    return routes


def _made(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "made_ns"} | {"made_at": iso(row["made_ns"])}


def _disputes(disputes: Disputes, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.post("/invoices/{invoice_id}/disputes", status_code=201)
    async def opened(caller: Caller, invoice_id: str, body: DisputeIn) -> dict[str, Any]:
        lines = [(line.line_no, line.amount_minor) for line in body.lines]
        with _refused():
            return _dispute(await disputes.open(caller, invoice_id, lines, body.reason, clock.now_ns()))

    @routes.get("/disputes")
    async def listed(caller: Caller, state: Literal["", "open", "accepted", "rejected", "withdrawn"] = "") -> dict[str, Any]:
        return {"items": [_dispute(row) for row in await disputes.listed(caller, state)]}

    @routes.post("/disputes/{dispute_id}/accept")
    async def accepted(caller: Caller, dispute_id: str) -> dict[str, Any]:
        """Propose the credit; a second person approves it."""
        with _refused():
            return {"proposal": await disputes.accept(caller, dispute_id, clock.now_ns())}

    @routes.post("/disputes/{dispute_id}/reject", status_code=204)
    async def rejected(caller: Caller, dispute_id: str) -> None:
        with _refused():
            await disputes.reject(caller, dispute_id, clock.now_ns())

    @routes.post("/disputes/{dispute_id}/withdraw", status_code=204)
    async def withdrawn(caller: Caller, dispute_id: str) -> None:
        with _refused():
            await disputes.withdraw(caller, dispute_id, clock.now_ns())

    return routes


def _dispute(row: Any) -> dict[str, Any]:
    names = ("id", "invoice_id", "customer_id", "held_minor", "currency", "reason", "state", "opened_by")
    return {name: row[name] for name in names} | {"lines": json.loads(row["lines"]), "opened_at": iso(row["opened_ns"])}


def _catalogue(biller: Biller, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/catalogue", tags=["billing"])
    publications = Publications(biller.state, biller.tariffs)

    @routes.get("/lint")
    async def linted(caller: Caller) -> dict[str, Any]:
        """Errors and warnings of every tariff, and of the services that name one."""
        caller.require(Role.BILLING, "reading the catalogue")
        whole_view(caller, "the catalogue")
        joined = sa.and_(customer.c.tenant == service.c.tenant, customer.c.id == service.c.customer_id)
        query = sa.select(service.c.number, service.c.tariff, customer.c.currency).join(customer, joined)
        async with biller.state.read() as conn:
            rows = (await conn.execute(query.where(service.c.tenant == caller.tenant).order_by(service.c.number))).mappings().all()
        text = taxes.read(biller.taxes).get(biller.settings.operator_country)
        home = taxes.parse(text, biller.settings.operator_country) if text else None
        found = lint(biller.tariffs, [dict(row) for row in rows], periods.date_at(clock.now_ns(), biller.billing.zone), home)
        names = ("severity", "rule", "tariff", "where", "says")
        return {"items": [{name: getattr(one, name) for name in names} for one in found[:PAGE_LIMIT]], "total": len(found)}

    @routes.post("/dry-run")
    async def dry_run(caller: Caller, body: DryRunIn) -> dict[str, Any]:
        """What a run of the period would change with a version of a tariff that is not there yet."""
        preview.whole(caller)
        with _refused():
            version = tariffs.parse(body.tariff, body.effective, body.text)
            return await preview.difference(biller, caller, body.period, version, clock.now_ns())

    @routes.post("/publications", status_code=201)
    async def proposed(caller: Caller, body: VersionIn) -> dict[str, Any]:
        with _refused():
            sha256 = await publications.propose(caller, body.tariff, body.effective.isoformat(), clock.now_ns())
        return {"tariff": body.tariff, "effective": body.effective.isoformat(), "sha256": sha256}

    @routes.post("/publications/approve")
    async def approved(caller: Caller, body: VersionIn) -> dict[str, Any]:
        with _refused():
            sha256 = await publications.approve(caller, body.tariff, body.effective.isoformat(), clock.now_ns())
        return {"tariff": body.tariff, "effective": body.effective.isoformat(), "sha256": sha256}

    return routes
