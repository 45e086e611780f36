"""From a broken service level to money: a credit on the recurring lines of the month's invoice, as a proposal that a second
person decides.

The base is what the month's invoice asks for the service itself (flat fees and commitments), never its usage. Each line is
credited by the step's percent, rounded half up to the minor unit, and never by more than is left of it. The proposal names
the promise, the availability and the percent; asking again finds the one that stands.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from bss.notes import Change, NoteError, Notes
from bss.store import credit_proposal, invoice
from perf.sla.levels import Level, Levels
from perf.sla.views import promise
from station.clock import Clock
from station.scope import Role, Scope
from station.state import State
from station.web import Caller, ProblemError, not_found, whole_view

RECURRING: Final = ("flat", "commit")  # kinds of charge that are due whatever was used
Month = Annotated[str, Field(pattern=r"\A\d{4}-(0[1-9]|1[0-2])\z")]


class CreditOrder(BaseModel):
    """Which service is to be credited for which month."""

    model_config = ConfigDict(extra="forbid")

    month: Month
    service_id: Annotated[str, Field(min_length=1, max_length=36)]


@dataclass(frozen=True, slots=True)
class Credit:
    """What a service's month is worth; without an invoice to credit `why_not` says why."""

    level: Level
    invoice_id: str = ""
    number: str = ""
    currency: str = ""
    changes: tuple[Change, ...] = ()
    why_not: str = ""

    @property
    def amount_minor(self) -> int:
        """Minor units, positive."""
        return -sum(change.amount_minor for change in self.changes)

    @property
    def reason(self) -> str:
        result = self.level.result
        missed = "".join(f", {promise(one)} ({one.value})" for one in self.level.missed)
        kept = f"{result.availability} % of {self.level.terms.availability} %{missed}"
        return f"SLA {self.level.of.sla}: {kept}, credit {self.level.credit_percent} %"


def credit_of(level: Level, documents: Sequence[Mapping[str, Any]]) -> Credit:
    """The credit of a level on the invoice that bills the service's month, among the documents of that month."""
    for document in documents:
        lines = [line for line in document["lines"] if (line["service"] or {}).get("id") == level.of.id and _recurs(line)]
        changes = tuple(Change(line["no"], -part) for line in lines if (part := _part(line["amount_minor"], level.credit_percent)))
        if changes:
            return Credit(level, document["id"], document["number"], document["currency"], changes)
    return Credit(level, why_not="its month has no recurring charge" if documents else "its month is not billed yet")


def _recurs(line: Mapping[str, Any]) -> bool:
    """Whether a line asks for the service itself; corrections of other months do not count."""
    return str(line["charge"]).partition("#")[0].rpartition(".")[2] in RECURRING and line["amount_minor"] > 0 and not line.get("corrects")


def _part(amount_minor: int, percent: Decimal) -> int:
    return int((amount_minor * percent / 100).quantize(Decimal(1), ROUND_HALF_UP))


def router(state: State, levels: Levels, notes: Notes, clock: Clock) -> APIRouter:
    """`/api/v1/sla-credits`."""
    routes = APIRouter(prefix="/api/v1/sla-credits", tags=["billing"])

    @routes.get("")
    async def due(caller: Caller, month: Annotated[str, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]) -> dict[str, Any]:
        """Every service of a closed month whose level earns a credit."""
        caller.require(Role.BILLING, "crediting service levels")
        whole_view(caller, "crediting")
        found = await _credits(state, caller, levels, month)
        async with state.read() as conn:
            items = [_json(one, await _standing(conn, caller.tenant, one)) for one in found]
        return {"month": month, "items": items, "next": None, "total": len(items)}

    @routes.post("", status_code=201)
    async def propose(caller: Caller, body: CreditOrder) -> dict[str, Any]:
        """Propose the credit of one service's month; a second person approves it as any other."""
        caller.require(Role.BILLING, "crediting service levels")
        found = await _credits(state, caller, levels, body.month, body.service_id)
        if not found:
            raise not_found("credit for this service and month")
        one = found[0]
        if one.why_not:
            raise ProblemError(409, "Not possible", f"Nothing can be credited: {one.why_not}.")
        async with state.read() as conn:
            standing = await _standing(conn, caller.tenant, one)
        if standing is None:
            try:
                standing = {"id": await notes.propose(caller, one.invoice_id, one.changes, one.reason, clock.now_ns()), "state": "open"}
            except NoteError as error:
                raise ProblemError(409, "Not possible", str(error), reason=error.reason) from error
        return _json(one, standing)

    return routes


async def _credits(state: State, scope: Scope, levels: Levels, month: str, service_id: str = "") -> list[Credit]:
    earned = [level for level in await levels.of_month(scope, month, service_id) if level.credit_percent > 0]
    if not earned:
        return []
    async with state.read() as conn:
        where = (invoice.c.tenant == scope.tenant, invoice.c.period == month)
        rows = (await conn.execute(sa.select(invoice.c.customer_id, invoice.c.document).where(*where).order_by(invoice.c.number))).all()
    documents: dict[str, list[Mapping[str, Any]]] = {}
    for customer_id, document in rows:
        documents.setdefault(customer_id, []).append(json.loads(document))
    return [credit_of(level, documents.get(level.of.customer_id, [])) for level in earned]


async def _standing(conn: AsyncConnection, tenant: int, one: Credit) -> dict[str, str] | None:
    """The proposal of this credit that is open or approved."""
    c = credit_proposal.c
    where = (c.tenant == tenant, c.invoice_id == one.invoice_id, c.reason == one.reason, c.state != "refused")
    lines = [[change.line_no, change.amount_minor] for change in one.changes]
    for row in await conn.execute(sa.select(c.id, c.state, c.lines).where(*where).order_by(c.proposed_ns)):
        if [[line["no"], line["amount_minor"]] for line in json.loads(row.lines)] == lines:
            return {"id": row.id, "state": row.state}
    return None


def _json(one: Credit, proposal: Mapping[str, str] | None) -> dict[str, Any]:
    promised, result = one.level.of, one.level.result
    return {
        "service": {"id": promised.id, "number": promised.number, "name": promised.name},
        "customer": {"id": promised.customer_id, "name": promised.customer},
        "availability": str(result.availability),
        "target": str(one.level.terms.availability),
        "credit_percent": str(one.level.credit_percent),
        "outages": len(result.outages),
        "invoice": {"id": one.invoice_id, "number": one.number} if one.invoice_id else None,
        "lines": [{"no": change.line_no, "amount_minor": change.amount_minor} for change in one.changes],
        "amount_minor": one.amount_minor,
        "currency": one.currency,
        "why_not": one.why_not,
        "proposal": dict(proposal) if proposal else None,
    }
