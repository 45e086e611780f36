"""Credit and debit notes, the ledger, and prepaid balances over HTTP."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from bss import ledger, money
from bss.balance import AMOUNT_MAX, HOLD_S_MAX, Balances, BusyError, Outcome
from bss.notes import LINES_MAX, Change, NoteError, Notes
from bss.store import credit_note, credit_proposal
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found, time_ns

Minor = Annotated[int, Field(strict=True, ge=-(1 << 53), le=1 << 53)]
Units = Annotated[int, Field(strict=True, gt=0, le=AMOUNT_MAX)]
Key = Annotated[str, Field(min_length=1, max_length=128)]
STEPS_MAX = 500  # of one request
Unit = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")]
Day = Annotated[str, Query(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ChangeIn(Body):
    line_no: Annotated[int, Field(ge=1, strict=True)]
    amount_minor: Minor


class CreditIn(Body):
    """What to credit (negative) or debit, line by line, and why."""

    lines: Annotated[list[ChangeIn], Field(min_length=1, max_length=LINES_MAX)]
    reason: Annotated[str, Field(min_length=1, max_length=255)]


class TopUp(Body):
    """`key` names the payment or voucher: the same key adds nothing again."""

    unit: Unit
    amount: Units
    key: Key
    expires: Annotated[str, Field(max_length=40)] = ""


class Reserve(Body):
    """`key` names the session's step: the same key reserves nothing again."""

    unit: Unit
    amount: Units
    key: Key
    hold_s: Annotated[int, Field(ge=1, le=HOLD_S_MAX, strict=True)] = 3600


class Debit(Body):
    """`key` names the event: the same key takes nothing again."""

    unit: Unit
    amount: Units
    key: Key


class ReserveStep(Reserve):
    act: Literal["reserve"]
    owner: Key


class DebitStep(Debit):
    act: Literal["debit"]
    owner: Key


class CommitStep(Body):
    act: Literal["commit"]
    hold: Key
    used: Annotated[int, Field(ge=0, le=AMOUNT_MAX, strict=True)]


class ReleaseStep(Body):
    act: Literal["release"]
    hold: Key


Step = Annotated[ReserveStep | DebitStep | CommitStep | ReleaseStep, Field(discriminator="act")]


class StepsIn(Body):
    """Steps of many sessions at once: each has its own answer, in order, and none waits for another."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=STEPS_MAX)]


class Commit(Body):
    used: Annotated[int, Field(ge=0, le=AMOUNT_MAX, strict=True)]


def routers(state: State, notes: Notes, clock: Clock) -> list[APIRouter]:
    return [_credits(state, notes, clock), _ledger(state), balance_router(Balances(state), clock)]


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except NoteError as error:
        status = {"unknown": 404, "own": 403}.get(error.reason, 409)
        raise ProblemError(status, "Not possible", str(error), reason=error.reason) from error


def _credits(state: State, notes: Notes, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["billing"])

    @routes.post("/invoices/{invoice_id}/credits", status_code=201)
    async def propose(caller: Caller, invoice_id: str, body: CreditIn) -> dict[str, Any]:
        changes = [Change(line.line_no, line.amount_minor) for line in body.lines]
        with _refused():
            return {"id": await notes.propose(caller, invoice_id, changes, body.reason, clock.now_ns()), "state": "open"}

    @routes.post("/credits/{proposal_id}/approve")
    async def approve(caller: Caller, proposal_id: str) -> dict[str, Any]:
        with _refused():
            return await notes.approve(caller, proposal_id, clock.now_ns())

    @routes.post("/credits/{proposal_id}/refuse", status_code=204)
    async def refuse(caller: Caller, proposal_id: str) -> None:
        with _refused():
            await notes.refuse(caller, proposal_id, clock.now_ns())

    @routes.get("/credits")
    async def proposals(caller: Caller, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 100) -> dict[str, Any]:
        _whole(caller)
        c = credit_proposal.c
        query = sa.select(credit_proposal).where(c.tenant == caller.tenant).order_by(c.proposed_ns.desc(), c.id).limit(limit)
        async with state.read() as conn:
            rows = (await conn.execute(query)).mappings().all()
        names = ("id", "invoice_id", "reason", "proposed_by", "state", "decided_by")
        return {"items": [{n: r[n] for n in names} | {"lines": json.loads(r["lines"]), "proposed_at": iso(r["proposed_ns"])} for r in rows]}

    @routes.get("/credit-notes/{note_id}")
    async def note(caller: Caller, note_id: str) -> dict[str, Any]:
        caller.require(Role.BILLING, "reading credit notes")
        c = credit_note.c
        where = [c.tenant == caller.tenant, sa.or_(c.id == note_id, c.number == note_id)]
        where += [c.customer_id.in_(caller.customers)] if caller.customers else []
        async with state.read() as conn:
            text = (await conn.execute(sa.select(c.document).where(*where))).scalar()
        if text is None:
            raise not_found("credit note")
        found: dict[str, Any] = json.loads(text)
        return found

    return routes


def _ledger(state: State) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/ledger", tags=["billing"])

    @routes.get("/balances")
    async def balances(caller: Caller, customer: Annotated[str, Query(max_length=36)] = "") -> dict[str, Any]:
        if not customer or (caller.customers and customer not in caller.customers):
            _whole(caller)
        async with state.read() as conn:
            found = await ledger.balances(conn, caller, customer)
        items = [
            {"account": account, "currency": currency, "amount_minor": amount, "amount": money.text(amount, currency)}
            for (account, currency), amount in found.items()
        ]
        return {"items": items}

    @routes.get("/beancount")
    async def beancount(caller: Caller, since: Annotated[Day, Query(alias="from")] = "1971-01-01", to: Day = "9999-12-31") -> Response:
        """Entries of the days from `from` until before `to`, as `bean-check` reads them."""
        _whole(caller)
        async with state.read() as conn:
            text = await ledger.beancount(conn, caller, since, to)
        return Response(
            text, media_type="text/plain; charset=utf-8", headers={"Content-Disposition": 'attachment; filename="ledger.beancount"'}
        )

    return routes


def _whole(caller: Any) -> None:
    caller.require(Role.BILLING, "reading the ledger")
    if caller.customers or caller.regions:
        raise ProblemError(403, "Not allowed", "Your view is limited to some customers or regions; the ledger is over all.")


def balance_router(held: Balances, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/balances", tags=["charging"])

    @routes.get("/{owner}/{unit}")
    async def balance(caller: Caller, owner: str, unit: str) -> dict[str, Any]:
        _own(caller, owner)
        buckets = await held.buckets(caller, owner, unit, clock.now_ns())
        items = [{"id": b.id, "amount": b.amount, "held": b.held, "free": b.free, "expires": iso(b.expires_ns)} for b in buckets]
        return {"owner": owner, "unit": unit, "free": sum(bucket.free for bucket in buckets), "buckets": items}

    @routes.post("/{owner}/top-ups", status_code=201)
    async def top_up(caller: Caller, owner: str, body: TopUp) -> dict[str, Any]:
        _own(caller, owner)
        expires_ns = time_ns(body.expires) if body.expires else 0
        return {"bucket": await held.top_up(caller, owner, body.unit, body.amount, body.key, clock.now_ns(), expires_ns)}

    @routes.post("/steps")
    async def steps(caller: Caller, body: StepsIn) -> JSONResponse:
        """What each came to: `done` with its hold, `insufficient`, `closed`, or `unknown`."""
        now_ns = clock.now_ns()
        with _busy():
            found = await asyncio.gather(*(_step(held, caller, step, now_ns) for step in body.steps))
        return JSONResponse({"items": [{"outcome": outcome.value} | ({"hold": hold} if hold else {}) for outcome, hold in found]})

    @routes.post("/{owner}/reservations")
    async def reserve(caller: Caller, owner: str, body: Reserve) -> dict[str, Any]:
        _own(caller, owner)
        with _busy():
            outcome, hold = await held.reserve(caller, owner, body.unit, body.amount, body.key, clock.now_ns(), body.hold_s)
        return _granted(outcome, hold, body.amount, body.unit)

    @routes.post("/{owner}/debits")
    async def debit(caller: Caller, owner: str, body: Debit) -> dict[str, Any]:
        """An event that needs no session: taken at once, or nothing."""
        _own(caller, owner)
        with _busy():
            outcome, hold = await held.debit(caller, owner, body.unit, body.amount, body.key, clock.now_ns())
        return _granted(outcome, hold, body.amount, body.unit)

    @routes.post("/holds/{hold_id}/commit")
    async def commit(caller: Caller, hold_id: str, body: Commit) -> dict[str, Any]:
        with _busy():
            return _answer(await held.commit(caller, hold_id, body.used, clock.now_ns()))

    @routes.post("/holds/{hold_id}/release")
    async def release(caller: Caller, hold_id: str) -> dict[str, Any]:
        with _busy():
            return _answer(await held.release(caller, hold_id, clock.now_ns()))

    return routes


async def _step(held: Balances, caller: Scope, step: Any, now_ns: int) -> tuple[Outcome, str]:
    """One of several steps; another customer's balance is unknown to a limited caller."""
    if isinstance(step, CommitStep):
        return await held.commit(caller, step.hold, step.used, now_ns), ""
    if isinstance(step, ReleaseStep):
        return await held.release(caller, step.hold, now_ns), ""
    if caller.customers and step.owner not in caller.customers:
        return Outcome.UNKNOWN, ""
    if isinstance(step, ReserveStep):
        return await held.reserve(caller, step.owner, step.unit, step.amount, step.key, now_ns, step.hold_s)
    return await held.debit(caller, step.owner, step.unit, step.amount, step.key, now_ns)


@contextmanager
def _busy() -> Iterator[None]:
    try:
        yield
    except BusyError:
        raise ProblemError(503, "Too busy", "Too many steps wait to be answered; ask again with the same key.") from None


def _granted(outcome: Outcome, hold: str, amount: int, unit: str) -> dict[str, Any]:
    if outcome == Outcome.INSUFFICIENT:
        raise ProblemError(402, "Not enough", f"There is less than {amount} {unit} free.", outcome=outcome.value)
    return {"hold": hold, "outcome": outcome.value}


def _own(caller: Any, owner: str) -> None:
    if caller.customers and owner not in caller.customers:
        raise not_found("balance")


def _answer(outcome: Outcome) -> dict[str, Any]:
    if outcome == Outcome.UNKNOWN:
        raise not_found("reservation")
    if outcome == Outcome.CLOSED:
        raise ProblemError(409, "Closed", "The reservation was committed, released or has expired.", outcome=outcome.value)
    return {"outcome": outcome.value}
