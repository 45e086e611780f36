"""Credit and debit notes on issued invoices: proposed by one person, approved by another, numbered without gaps.

A note names lines of one invoice with the amount each is changed by, and is taxed at those lines' rates. What all notes of
a line credit never exceeds what was billed on it. The invoice itself stays as it was issued.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.periods import date_at
from bss import canonical, cycles, ledger, money, taxes
from bss.issue import number_of
from bss.receivables.account import row_of
from bss.receivables.store import receivable
from bss.settings import BssSettings
from bss.store import credit_note, credit_proposal, document_series, invoice, leakage
from bss.taxes import Jurisdiction
from station.clock import NS_PER_S
from station.ids import derived_id, new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, insert_new

SCHEMA = "trunkline.note.v1"
LINES_MAX = 1000


class NoteError(Exception):
    """The note cannot be proposed or approved; `reason` is a word, the text says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the invoice and by how many minor units it is changed: negative for a credit."""

    line_no: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Notes:
    """Proposes and issues notes."""

    state: State
    settings: BssSettings
    jurisdictions: Mapping[str, Jurisdiction] = field(default_factory=dict)

    async def propose(self, scope: Scope, invoice_id: str, changes: Sequence[Change], reason: str, now_ns: int) -> str:
        """The id of the proposal; NoteError when it cannot be."""
        scope.require(Role.BILLING, "proposing a credit")
        if not changes or len(changes) > LINES_MAX or not reason.strip():
            raise NoteError("empty", "A note names at least one line and a reason.")
        id_ = new_id(now_ns)
        if any(change.amount_minor > 0 for change in changes):
            async with self.state.read() as conn:
                invoiced = await document_of(conn, scope, invoice_id)
            await self._check_age(scope, invoiced, changes, now_ns)
        async with self.state.write() as conn:
            document = await document_of(conn, scope, invoice_id)
            _note_lines(document, changes, await changed(conn, scope.tenant, document["id"]))
            row = {"tenant": scope.tenant, "id": id_, "invoice_id": document["id"], "reason": reason.strip()[:255], "state": "open"}
            lines = canonical.encode([{"no": change.line_no, "amount_minor": change.amount_minor} for change in changes])
            made = {"lines": lines, "proposed_by": scope.user[:64], "proposed_ns": now_ns}
            await conn.execute(sa.insert(credit_proposal).values(**row, **made))
            await audit.record(conn, scope, "credit.propose", f"invoice:{document['id']}", now_ns=now_ns, after=lines, reason=reason)
        return id_

    async def approve(self, scope: Scope, proposal_id: str, now_ns: int) -> dict[str, Any]:
        """Issue the note of a proposal and return it; the one issued before when it was approved already."""
        scope.require(Role.BILLING, "approving a credit")
        async with self.state.write() as conn:
            series = self._series(await _proposal(conn, scope.tenant, proposal_id), now_ns)
            await _lock(conn, scope.tenant, series)
            proposal = await _proposal(conn, scope.tenant, proposal_id)
            invoiced = await document_of(conn, scope, proposal.invoice_id)
            if proposal.state == "approved":
                return await _issued(conn, scope.tenant, proposal_id)
            if proposal.state != "open":
                raise NoteError("decided", "The proposal was refused.")
            if proposal.proposed_by == scope.user[:64]:
                raise NoteError("own", "Nobody approves their own credit: a second person decides.")
            changes = [Change(line["no"], line["amount_minor"]) for line in json.loads(proposal.lines)]
            lines = _note_lines(invoiced, changes, await changed(conn, scope.tenant, invoiced["id"]))
            place = await _number(conn, scope.tenant, series)
            made = _note_of(invoiced, lines, number_of(*place), proposal, now_ns)
            await _write(conn, scope, proposal, made, place, now_ns)
        return made

    async def refuse(self, scope: Scope, proposal_id: str, now_ns: int) -> None:
        """Decide against a proposal; NoteError when it is decided."""
        scope.require(Role.BILLING, "refusing a credit")
        async with self.state.write() as conn:
            proposal = await _proposal(conn, scope.tenant, proposal_id)
            await document_of(conn, scope, proposal.invoice_id)
            if proposal.state != "open":
                raise NoteError("decided", f"The proposal is {proposal.state}.")
            await _decide(conn, scope, proposal_id, "refused", now_ns)

    def _series(self, proposal: Any, now_ns: int) -> str:
        """Debit notes have a series of their own where the settings say so."""
        debit = sum(line["amount_minor"] for line in json.loads(proposal.lines)) > 0
        series = (debit and self.settings.debit_series) or self.settings.note_series
        return f"{series}-{date_at(now_ns, ZoneInfo('UTC')).year}"

    async def _check_age(self, scope: Scope, document: Mapping[str, Any], changes: Sequence[Change], now_ns: int) -> None:
        """NoteError where a line is to be debited that is older than may be billed: that is a leak, and kept as one."""
        now = date_at(now_ns, ZoneInfo("UTC"))
        months, lines = self._months(document), {line["no"]: line for line in document["lines"]}
        old = []
        for change in changes:
            line = lines.get(change.line_no)
            ended = cycles.days_of(line["period"]["name"], ZoneInfo("UTC"))[1] if line else now
            if line and change.amount_minor > 0 and ended < cycles.months_later(now, -months):
                old.append(_leak_row(scope.tenant, document, line, change.amount_minor, months, now_ns))
        if old:
            async with self.state.write() as conn:
                await insert_new(conn, leakage, old, ("tenant", "id"))
                await audit.record(conn, scope, "leakage.note", f"invoice:{document['id']}", now_ns=now_ns, after={"lines": len(old)})
            raise NoteError("too_old", f"What is more than {months} months old is not billed any more; it is noted as leakage.")

    def _months(self, document: Mapping[str, Any]) -> int:
        """How old a supply to this customer may be and still be billed."""
        country = document["customer"].get("country") or document["seller"].get("country", "")
        table = self.jurisdictions.get(country)
        own = table.back_billing_months if table else None
        return self.settings.adjust_months if own is None else min(own, self.settings.adjust_months)


async def document_of(conn: AsyncConnection, scope: Scope, invoice_id: str) -> dict[str, Any]:
    where = [invoice.c.tenant == scope.tenant, sa.or_(invoice.c.id == invoice_id, invoice.c.number == invoice_id)]
    where += [invoice.c.customer_id.in_(scope.customers)] if scope.customers else []
    text = (await conn.execute(sa.select(invoice.c.document).where(*where))).scalar()
    if text is None:
        raise NoteError("unknown", "There is no such invoice.")
    found: dict[str, Any] = json.loads(text)
    return found


async def changed(conn: AsyncConnection, tenant: int, invoice_id: str) -> dict[int, int]:
    """By how much earlier notes changed each line."""
    query = sa.select(credit_note.c.document).where(credit_note.c.tenant == tenant, credit_note.c.invoice_id == invoice_id)
    found: dict[int, int] = {}
    for text in (await conn.execute(query)).scalars():
        for line in json.loads(text)["lines"]:
            found[line["corrects"]["line"]] = found.get(line["corrects"]["line"], 0) + line["amount_minor"]
    return found


def _note_lines(document: Mapping[str, Any], changes: Sequence[Change], changed: Mapping[int, int]) -> list[dict[str, Any]]:
    """The lines of a note; NoteError when one names no line, nothing, or more than there is."""
    lines = {line["no"]: line for line in document["lines"]}
    found = []
    for no, change in enumerate(changes, start=1):
        line = lines.get(change.line_no)
        if line is None or not change.amount_minor or sum(one.line_no == change.line_no for one in changes) > 1:
            raise NoteError("line", f"Line {change.line_no}: name each line once, with an amount.")
        rest = line["amount_minor"] + changed.get(change.line_no, 0)
        if change.amount_minor < 0 and -change.amount_minor > rest:
            raise NoteError("too_much", f"Line {change.line_no} has {money.text(rest, document['currency'])} left to credit.")
        kept = {name: line[name] for name in ("service", "charge", "period", "tax_rate_ppm")} | _tax_kept(line, change.amount_minor)
        words = f"{'Credit' if change.amount_minor < 0 else 'Debit'} on {document['number']}, line {change.line_no}: {line['description']}"
        found.append(
            {"no": no, "kind": "credit" if change.amount_minor < 0 else "debit", "description": words, "amount_minor": change.amount_minor}
            | kept
            | {"quantity": "1" if change.amount_minor > 0 else "-1", "unit": "correction", "unit_price": "0"}
            | {"corrects": {"invoice": document["number"], "line": change.line_no}}
        )
    return found


def _tax_kept(line: Mapping[str, Any], amount_minor: int) -> dict[str, Any]:
    """The line's tax as it was; one of its own is taken back in proportion, all of it with all of the line."""
    if not line.get("tax"):
        return {}
    tax = dict(line["tax"])
    if "tax_minor" in tax:
        whole = line["amount_minor"]
        tax["tax_minor"] = money.share(tax["tax_minor"] * (1 if whole > 0 else -1), amount_minor, abs(whole), money.Rounding.HALF_UP)
    return {"tax": tax}


def _leak_row(tenant: int, document: Mapping[str, Any], line: Mapping[str, Any], amount: int, months: int, now_ns: int) -> dict[str, Any]:
    return {
        "tenant": tenant,
        "id": derived_id("leak", tenant, document["id"], line["no"], amount),
        "period": line["period"]["name"],
        "customer_id": document["customer"]["id"],
        "service_id": line["service"]["id"],
        "charge": line["charge"],
        "amount_minor": amount,
        "currency": document["currency"],
        "reason": f"more than {months} months old, the most that may be billed",
        "run_period": "",
        "noted_ns": now_ns,
    }


def _note_of(invoiced: Mapping[str, Any], lines: list[dict[str, Any]], number: str, proposal: Any, now_ns: int) -> dict[str, Any]:
    rows = taxes.breakdown(lines, invoiced["customer"].get("tax_category", ""), money.Rounding.HALF_UP)
    net, tax = sum(line["amount_minor"] for line in lines), sum(row["tax_minor"] for row in rows)
    day = date_at(now_ns, ZoneInfo(invoiced["period"]["time_zone"])).isoformat()
    kept = {name: invoiced[name] for name in ("period", "currency", "currency_decimals", "seller", "customer", "simulated")}
    return kept | {
        "schema": SCHEMA,
        "id": proposal.id,
        "number": number,
        "kind": "credit_note" if net + tax < 0 else "invoice",
        "invoice": {"id": invoiced["id"], "number": invoiced["number"], "issued_on": invoiced["issued_on"]},
        "reason": proposal.reason,
        "issued_on": day,
        "due_on": day,
        "lines": lines,
        "taxes": rows,
        "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax},
    }


async def _lock(conn: AsyncConnection, tenant: int, series: str) -> None:
    """The series first, as a bill run does: nobody else numbers in it until the transaction ends."""
    await insert_new(conn, document_series, [{"tenant": tenant, "series": series, "last": 0}], ("tenant", "series"))
    mine = (document_series.c.tenant == tenant, document_series.c.series == series)
    await conn.execute(sa.select(document_series.c.last).where(*mine).with_for_update())


async def _number(conn: AsyncConnection, tenant: int, series: str) -> tuple[str, int]:
    mine = (document_series.c.tenant == tenant, document_series.c.series == series)
    await conn.execute(sa.update(document_series).where(*mine).values(last=document_series.c.last + 1))
    return series, int((await conn.execute(sa.select(document_series.c.last).where(*mine))).scalar_one())


async def _proposal(conn: AsyncConnection, tenant: int, proposal_id: str) -> Any:
    where = (credit_proposal.c.tenant == tenant, credit_proposal.c.id == proposal_id)
    row = (await conn.execute(sa.select(credit_proposal).where(*where))).first()
    if row is None:
        raise NoteError("unknown", "There is no such proposal.")
    return row


async def _issued(conn: AsyncConnection, tenant: int, note_id: str) -> dict[str, Any]:
    where = (credit_note.c.tenant == tenant, credit_note.c.id == note_id)
    found: dict[str, Any] = json.loads((await conn.execute(sa.select(credit_note.c.document).where(*where))).scalar_one())
    return found


async def _write(conn: AsyncConnection, scope: Scope, proposal: Any, made: dict[str, Any], place: tuple[str, int], now_ns: int) -> None:
    """The note, its ledger entry, the decision and its trace."""
    text = canonical.encode(made)
    series, seq = place
    row = {"tenant": scope.tenant, "id": made["id"], "series": series, "seq": seq, "number": made["number"]}
    row |= {"invoice_id": proposal.invoice_id, "customer_id": made["customer"]["id"], "gross_minor": made["totals"]["gross_minor"]}
    row |= {"issued_ns": now_ns // NS_PER_S * NS_PER_S, "proposed_by": proposal.proposed_by, "approved_by": scope.user[:64]}
    await conn.execute(sa.insert(credit_note).values(**row, document=text, sha256=canonical.sha256(text)))
    await ledger.book_entries(conn, scope.tenant, [ledger.entry_of(made, "note")], now_ns)
    await insert_new(conn, receivable, [row_of(scope.tenant, made, "note")], ("tenant", "id"))
    await _decide(conn, scope, proposal.id, "approved", now_ns)


async def _decide(conn: AsyncConnection, scope: Scope, proposal_id: str, state: str, now_ns: int) -> None:
    where = (credit_proposal.c.tenant == scope.tenant, credit_proposal.c.id == proposal_id)
    await conn.execute(sa.update(credit_proposal).where(*where).values(state=state, decided_by=scope.user[:64], decided_ns=now_ns))
    await audit.record(conn, scope, f"credit.{state}", f"credit:{proposal_id}", now_ns=now_ns)
