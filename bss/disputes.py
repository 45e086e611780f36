"""Disputes: a customer says that lines of an invoice are wrong. While one is open nobody need pay what it holds.

Accepting proposes a credit, which a second person approves as any other; what is held stays so until then. Rejecting or
withdrawing frees it. A line is in one open dispute at most, and never for more than is left of it.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import canonical, money
from bss.notes import LINES_MAX, Change, NoteError, Notes, changed, document_of
from bss.store import credit_proposal, dispute
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State

DISPUTES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Disputes:
    """Opens and decides disputes; NoteError says why one cannot be."""

    state: State
    notes: Notes

    async def open(self, scope: Scope, invoice_id: str, lines: Sequence[tuple[int, int]], reason: str, now_ns: int) -> dict[str, Any]:
        """A dispute of (line, minor units without tax); no line named: everything that is left of each."""
        scope.require(Role.BILLING, "opening a dispute")
        if len(lines) > LINES_MAX or not reason.strip():
            raise NoteError("empty", "A dispute names its reason.")
        async with self.state.write() as conn:
            document = await document_of(conn, scope, invoice_id)
            left = await _left(conn, scope.tenant, document)
            named = lines or [(no, rest) for no, rest in left.items() if rest > 0]
            _check(named, left)
            rates = {line["no"]: line["tax_rate_ppm"] for line in document["lines"]}
            held = sum(amount + money.tax(amount, rates[no], money.Rounding.HALF_UP) for no, amount in named)
            row = {
                "tenant": scope.tenant,
                "id": new_id(now_ns),
                "invoice_id": document["id"],
                "customer_id": document["customer"]["id"],
                "lines": canonical.encode([{"no": no, "amount_minor": amount} for no, amount in named]),
                "held_minor": held,
                "currency": document["currency"],
                "reason": reason.strip()[:255],
                "opened_by": scope.user[:64],
                "opened_ns": now_ns,
                "state": "open",
            }
            await conn.execute(sa.insert(dispute).values(**row))
            await audit.record(conn, scope, "dispute.open", f"invoice:{document['id']}", now_ns=now_ns, after=row["lines"], reason=reason)
        return row

    async def accept(self, scope: Scope, dispute_id: str, now_ns: int) -> str:
        """Propose the credit of what is disputed; the id of the proposal."""
        scope.require(Role.BILLING, "deciding a dispute")
        async with self.state.read() as conn:
            row = await _open(conn, scope, dispute_id)
        changes = [Change(line["no"], -line["amount_minor"]) for line in json.loads(row.lines)]
        proposal = await self.notes.propose(scope, row.invoice_id, changes, f"Dispute {row.id}: {row.reason}", now_ns)
        await self._decide(scope, dispute_id, "accepted", now_ns, proposal)
        return proposal

    async def reject(self, scope: Scope, dispute_id: str, now_ns: int) -> None:
        scope.require(Role.BILLING, "deciding a dispute")
        await self._decide(scope, dispute_id, "rejected", now_ns)

    async def withdraw(self, scope: Scope, dispute_id: str, now_ns: int) -> None:
        scope.require(Role.BILLING, "withdrawing a dispute")
        await self._decide(scope, dispute_id, "withdrawn", now_ns)

    async def _decide(self, scope: Scope, dispute_id: str, state: str, now_ns: int, proposal: str = "") -> None:
        async with self.state.write() as conn:
            row = await _open(conn, scope, dispute_id)
            mine = (dispute.c.tenant == scope.tenant, dispute.c.id == row.id)
            decided = {"state": state, "decided_by": scope.user[:64], "decided_ns": now_ns, "proposal_id": proposal}
            await conn.execute(sa.update(dispute).where(*mine).values(**decided))
            await audit.record(conn, scope, f"dispute.{state}", f"dispute:{row.id}", now_ns=now_ns, after=decided)

    async def listed(self, scope: Scope, state: str = "") -> list[Mapping[str, Any]]:
        """The newest disputes."""
        scope.require(Role.BILLING, "reading disputes")
        c = dispute.c
        where = [c.tenant == scope.tenant, *([c.state == state] if state else [])]
        where += [c.customer_id.in_(scope.customers)] if scope.customers else []
        query = sa.select(dispute).where(*where).order_by(c.opened_ns.desc(), c.id.desc()).limit(DISPUTES_MAX)
        async with self.state.read() as conn:
            return [dict(row) for row in (await conn.execute(query)).mappings()]


async def held(conn: AsyncConnection, tenant: int, invoice_ids: Collection[str] | None = None) -> dict[str, int]:
    """Gross minor units by invoice that need not be paid: of open disputes, and of accepted ones whose credit is not decided."""
    c, p = dispute.c, credit_proposal.c
    waiting = sa.select(p.id).where(p.tenant == tenant, p.state == "open")
    held_ = sa.or_(c.state == "open", sa.and_(c.state == "accepted", c.proposal_id.in_(waiting)))
    where = [c.tenant == tenant, held_, *([c.invoice_id.in_(invoice_ids)] if invoice_ids is not None else [])]
    query = sa.select(c.invoice_id, sa.func.sum(c.held_minor)).where(*where).group_by(c.invoice_id)
    return {invoice_id: int(amount) for invoice_id, amount in await conn.execute(query)}


async def _left(conn: AsyncConnection, tenant: int, document: Mapping[str, Any]) -> dict[int, int]:
    """Minor units of each line that no note credited and no open dispute holds."""
    noted = await changed(conn, tenant, document["id"])
    left = {line["no"]: line["amount_minor"] + noted.get(line["no"], 0) for line in document["lines"]}
    c = dispute.c
    query = sa.select(c.lines).where(c.tenant == tenant, c.invoice_id == document["id"], c.state == "open")
    for text in (await conn.execute(query)).scalars():
        left |= {line["no"]: 0 for line in json.loads(text)}
    return left


def _check(named: Sequence[tuple[int, int]], left: Mapping[int, int]) -> None:
    if not named or len({no for no, _ in named}) < len(named):
        raise NoteError("line", "Name each line once; at least one has something left to dispute.")
    for no, amount in named:
        if not 0 < amount <= left.get(no, 0):
            raise NoteError("too_much", f"Line {no} has {max(left.get(no, 0), 0)} minor units left to dispute.")


async def _open(conn: AsyncConnection, scope: Scope, dispute_id: str) -> Any:
    where = [dispute.c.tenant == scope.tenant, dispute.c.id == dispute_id]
    where += [dispute.c.customer_id.in_(scope.customers)] if scope.customers else []
    row = (await conn.execute(sa.select(dispute).where(*where))).first()
    if row is None:
        raise NoteError("unknown", "There is no such dispute.")
    if row.state != "open":
        raise NoteError("decided", f"The dispute is {row.state}.")
    return row
