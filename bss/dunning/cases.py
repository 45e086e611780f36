"""A customer's case, looked at under the account's lock: what is due is written as facts with its requests, in one transaction."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from string import Template
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from bss import disputes, money
from bss.dunning.store import dunning_case, dunning_hold, dunning_request, dunning_step
from bss.dunning.terms import Case, Move, Position, Terms, decide, moved
from bss.metrics import DUNNING
from bss.receivables import account as accounts
from bss.receivables.account import Account, AccountError
from bss.receivables.proposals import WRITE_OFF, Asked, Proposals
from bss.receivables.store import allocation, receivable
from bss.store import dispute
from inventory.store import customer, service
from station.ids import derived_id, new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State, among, insert_new, upsert

CANDIDATES_MAX = 1000  # customers looked at in one turn; the rest in the next
KEY = ("tenant", "customer_id")
LOOKED = ("policy", "looked_on", "looked_seq", "looked_ns")


@dataclass(frozen=True, slots=True)
class Dunning:
    """Looks at accounts by one policy. `operator` signs the notices."""

    proposals: Proposals
    name: str
    terms: Terms
    operator: str = ""

    @property
    def state(self) -> State:
        return self.proposals.payments.state

    async def candidates(self, scope: Scope, out: Collection[str], now_ns: int) -> list[str]:
        """Customers whose case may move: not looked at today, or paid, held, out of service (`out`) since; and new debtors."""
        today = self.proposals.payments.day(now_ns)
        c, r, a, h = dunning_case.c, receivable.c, allocation.c, dunning_hold.c
        last = sa.select(sa.func.max(a.seq)).where(a.tenant == c.tenant, a.customer_id == c.customer_id).scalar_subquery()
        paid = sa.func.coalesce(last, 0) != c.looked_seq
        over = sa.exists().where(h.tenant == c.tenant, h.customer_id == c.customer_id, h.to_ns > c.looked_ns, h.to_ns <= now_ns)
        mine = sa.exists().where(c.tenant == r.tenant, c.customer_id == r.customer_id)
        due = (r.tenant == scope.tenant, r.amount_minor > 0, r.due_on < today)
        new = sa.select(r.customer_id).where(*due, ~mine).distinct().order_by(r.customer_id)
        open_ = sa.or_(dispute.c.opened_ns > c.looked_ns, dispute.c.decided_ns > c.looked_ns)
        said = sa.exists().where(dispute.c.tenant == c.tenant, dispute.c.customer_id == c.customer_id, open_)
        async with self.state.read() as conn:
            dark = among(conn, c.customer_id, out)
            outage = sa.case((c.paused == "outage", ~dark), (sa.and_(c.paused == "", c.stage > 0), dark), else_=sa.false())
            known = sa.select(c.customer_id).where(c.tenant == scope.tenant, sa.or_(c.looked_on != today, paid, over, said, outage))
            found = list((await conn.execute(known.order_by(c.customer_id).limit(CANDIDATES_MAX))).scalars())
            return found + list((await conn.execute(new.limit(CANDIDATES_MAX))).scalars())

    async def look(self, scope: Scope, customer_id: str, now_ns: int, *, outage: bool = False) -> list[Move]:
        """Do what is due of one customer; the moves made."""
        scope.require(Role.BILLING, "dunning")
        today = date.fromisoformat(self.proposals.payments.day(now_ns))
        async with self.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, customer_id)
            row, case = await loaded(conn, scope.tenant, customer_id)
            holds = await standing_holds(conn, scope.tenant, customer_id, now_ns)
            at = position(held, holds, await disputes.held(conn, scope.tenant, ids_of(held)), today, outage=outage)
            moves = decide(self.terms, case, at, today)
            for move in moves:
                case = moved(case, move, today)
            steps = [(move.kind, move.stage, move.standing, move.cause) for move in moves]
            seq = await write(conn, scope, customer_id, steps, row["seq"] if row else 0, at, now_ns)
            looked = {"looked_on": today.isoformat(), "looked_seq": held.seq, "looked_ns": now_ns}
            await keep(conn, scope.tenant, customer_id, case, {"policy": self.name, "seq": seq} | looked)
            for no, move in enumerate(moves, start=seq - len(moves) + 1):
                await self._ask(conn, scope, held, at, move, no, now_ns)
        for move in moves:
            DUNNING.labels(move.kind).inc()
        return moves

    async def reverse(self, scope: Scope, customer_id: str, reason: str, now_ns: int) -> Case:
        """Take the last stage back: the state before it is asked of the network; AccountError where there is none."""
        scope.require(Role.BILLING, "taking a dunning stage back")
        today = date.fromisoformat(self.proposals.payments.day(now_ns))
        async with self.state.write() as conn:
            held = await accounts.locked(conn, scope.tenant, customer_id)
            row, case = await loaded(conn, scope.tenant, customer_id)
            if row is None or not case.stage:
                raise AccountError("unknown", "No stage of dunning stands.")
            stage = case.stage - 1
            standing = "" if case.paused in self.terms.lifts else self.terms.standing(stage)
            made = Case(stage, standing, case.paused, case.paused_on, case.paused_days, today)
            holds, contested = (
                await standing_holds(conn, scope.tenant, customer_id, now_ns),
                await disputes.held(conn, scope.tenant, ids_of(held)),
            )
            at = position(held, holds, contested, today, outage=False)
            seq = await write(conn, scope, customer_id, [("reverse", stage, standing, reason)], row["seq"], at, now_ns)
            await keep(conn, scope.tenant, customer_id, made, {name: row[name] for name in LOOKED} | {"seq": seq})
            if standing != case.standing:
                await self._restrict(conn, scope.tenant, customer_id, standing, seq, now_ns)
        DUNNING.labels("reverse").inc()
        return made

    async def _ask(self, conn: AsyncConnection, scope: Scope, held: Account, at: Position, move: Move, seq: int, now_ns: int) -> None:
        """What a move asks of the network or tells the customer."""
        if move.restricts:
            await self._restrict(conn, scope.tenant, held.customer_id, move.standing, seq, now_ns)
        elif move.kind == "enter":
            act = self.terms.stages[move.stage - 1].act
            body = await self._notice(conn, scope.tenant, held, at, move.stage) if act == "notice" else {}
            await enqueue(conn, scope.tenant, held.customer_id, [("", act, body)], seq, now_ns)

    async def _restrict(self, conn: AsyncConnection, tenant: int, customer_id: str, standing: str, seq: int, now_ns: int) -> None:
        """A request for each service of the customer; what still waits of earlier ones is overtaken."""
        q, s = dunning_request.c, service.c
        older = (q.tenant == tenant, q.customer_id == customer_id, q.service_id != "", q.state.in_(("waiting", "failed")))
        await conn.execute(sa.update(dunning_request).where(*older).values(state="superseded", done_ns=now_ns))
        active = (s.tenant == tenant, s.customer_id == customer_id, sa.or_(s.active_to_ns == 0, s.active_to_ns > now_ns))
        rows = await conn.execute(sa.select(s.id, s.number).where(*active).order_by(s.number))
        act = standing or "restore"
        asked = [(row.id, act, {"service": {"id": row.id, "number": row.number}}) for row in rows]
        await enqueue(conn, tenant, customer_id, asked, seq, now_ns)

    async def _notice(self, conn: AsyncConnection, tenant: int, held: Account, at: Position, stage: int) -> dict[str, Any]:
        who = (await conn.execute(sa.select(customer).where(customer.c.tenant == tenant, customer.c.id == held.customer_id))).first()
        words = {
            "name": who.name if who else held.customer_id,
            "amount": " and ".join(f"{money.text(minor, currency)} {currency}" for currency, minor in at.overdue.items()),
            "documents": ", ".join(
                one.number for one in held.items if one.open_minor and at.oldest and one.due_on >= at.oldest.isoformat()
            ),
            "due_on": at.oldest.isoformat() if at.oldest else "",
            "operator": self.operator,
        }
        terms = self.terms.stages[stage - 1]
        return {
            "to": who.email if who else "",
            "subject": Template(terms.subject).substitute(words),
            "text": Template(terms.text).substitute(words),
        }

    async def write_off(self, scope: Scope, customer_id: str, now_ns: int) -> int:
        """Propose to write off what is overdue, each document once: above the limit a second person decides. How many."""
        async with self.state.read() as conn:
            held = await accounts.load(conn, scope.tenant, customer_id)
        today = self.proposals.payments.day(now_ns)
        late = [one for one in held.items if one.open_minor and one.due_on < today]
        for item in late:
            asked = Asked(WRITE_OFF, customer_id, "document", item.id, item.open_minor, f"dunning:{item.id}", "dunning has ended")
            await self.proposals.propose(scope, asked, now_ns)
        return len(late)


def ids_of(held: Account) -> list[str]:
    """The documents that are open."""
    return [one.id for one in held.items if one.open_minor]


def position(held: Account, holds: Sequence[Mapping[str, Any]], contested: Mapping[str, int], today: date, *, outage: bool) -> Position:
    """What an account looks like to dunning: overdue less what could settle it, and what is disputed apart.

    `contested` are minor units by document that need not be paid while their dispute is open.
    """
    disputed_ids = {row["document_id"] for row in holds if row["kind"] == "dispute"}
    late = [one for one in held.items if one.open_minor and one.due_on < today.isoformat()]
    overdue, disputed = dict[str, int](), dict[str, int]()
    for item in late:
        apart = item.open_minor if {"", item.id} & disputed_ids else min(item.open_minor, contested.get(item.id, 0))
        disputed[item.currency] = disputed.get(item.currency, 0) + apart
        overdue[item.currency] = overdue.get(item.currency, 0) + item.open_minor - apart
    for source in held.sources:
        if source.left_minor and source.currency in overdue:
            overdue[source.currency] = max(0, overdue[source.currency] - source.left_minor)
    dates = [one.due_on for one in late if not {"", one.id} & disputed_ids and one.open_minor > contested.get(one.id, 0)]
    pauses = ["protection"] * any(row["kind"] == "protection" for row in holds) + ["outage"] * outage
    written = sum(one.amount_minor for one in held.allocations if one.source_kind == "write_off")
    oldest = date.fromisoformat(min(dates)) if dates else None
    owed, held_back = ({currency: n for currency, n in of.items() if n} for of in (overdue, disputed))
    return Position(owed, held_back, oldest, pauses, written > 0)


async def loaded(conn: AsyncConnection, tenant: int, customer_id: str) -> tuple[Mapping[str, Any] | None, Case]:
    c = dunning_case.c
    row = (await conn.execute(sa.select(dunning_case).where(c.tenant == tenant, c.customer_id == customer_id))).mappings().first()
    return (dict(row), case_of(dict(row))) if row else (None, Case())


def case_of(row: Mapping[str, Any]) -> Case:
    paused_on, entered_on = (date.fromisoformat(row[name]) if row[name] else None for name in ("paused_on", "entered_on"))
    return Case(row["stage"], row["standing"], row["paused"], paused_on, row["paused_days"], entered_on)


async def keep(conn: AsyncConnection, tenant: int, customer_id: str, case: Case, rest: Mapping[str, Any]) -> None:
    row = {name: getattr(case, name) for name in ("stage", "standing", "paused", "paused_days")}
    row |= {name: day.isoformat() if (day := getattr(case, name)) else "" for name in ("paused_on", "entered_on")}
    await upsert(conn, dunning_case, [{"tenant": tenant, "customer_id": customer_id, **row, **rest}], KEY)


async def write(
    conn: AsyncConnection, scope: Scope, customer_id: str, steps: Sequence[tuple[str, int, str, str]], last: int, at: Position, now_ns: int
) -> int:
    """Append steps with their audit records; the number of the last."""
    overdue = json.dumps({"overdue": dict(at.overdue), "disputed": dict(at.disputed)}, separators=(",", ":"), sort_keys=True)
    for kind, stage, standing, cause in steps:
        last += 1
        said = {"kind": kind, "stage": stage, "standing": standing, "cause": cause[:255], "overdue": overdue}
        row = {"tenant": scope.tenant, "customer_id": customer_id, "seq": last, "at_ns": now_ns, "made_by": scope.user[:64]}
        await conn.execute(sa.insert(dunning_step).values(**row, **said))
        await audit.record(conn, scope, f"dunning.{kind}", f"customer:{customer_id}", now_ns=now_ns, after=said, reason=cause)
    return last


async def enqueue(
    conn: AsyncConnection, tenant: int, customer_id: str, asked: Sequence[tuple[str, str, Mapping[str, Any]]], seq: int, now_ns: int
) -> None:
    """Put (service, act, body) of a step into the outbox."""
    rows = [
        {"tenant": tenant, "id": derived_id("dunning", tenant, customer_id, seq, service_id)[:36], "customer_id": customer_id, "seq": seq}
        | {"service_id": service_id, "act": act, "body": json.dumps(body, ensure_ascii=False), "state": "waiting", "attempts": 0}
        | {"next_ns": now_ns, "made_ns": now_ns, "done_ns": 0, "answer": ""}
        for service_id, act, body in asked
    ]
    await insert_new(conn, dunning_request, rows, ("tenant", "id"))


async def standing_holds(conn: AsyncConnection, tenant: int, customer_id: str, now_ns: int) -> list[Mapping[str, Any]]:
    """Disputes and protections of a customer that stand now."""
    h = dunning_hold.c
    now = (h.from_ns <= now_ns, sa.or_(h.to_ns == 0, h.to_ns > now_ns))
    query = sa.select(dunning_hold).where(h.tenant == tenant, h.customer_id == customer_id, *now).order_by(h.from_ns, h.id)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def place_hold(
    conn: AsyncConnection, scope: Scope, customer_id: str, kind: str, reason: str, now_ns: int, *, document_id: str = "", to_ns: int = 0
) -> str:
    """A dispute or protection, in the caller's transaction; dunning looks again at once."""
    id_ = new_id(now_ns)
    row = {"tenant": scope.tenant, "id": id_, "customer_id": customer_id, "kind": kind, "document_id": document_id, "reason": reason[:255]}
    row |= {"from_ns": now_ns, "to_ns": to_ns, "placed_by": scope.user[:64], "ended_by": ""}
    await conn.execute(sa.insert(dunning_hold).values(**row))
    await _look_again(conn, scope.tenant, customer_id)
    await audit.record(conn, scope, "dunning.hold", f"customer:{customer_id}", now_ns=now_ns, after=row, reason=reason)
    return id_


async def end_hold(conn: AsyncConnection, scope: Scope, hold_id: str, reason: str, now_ns: int) -> None:
    """The hold is over from now on; a second time changes nothing. AccountError where there is none."""
    h = dunning_hold.c
    row = (await conn.execute(sa.select(dunning_hold).where(h.tenant == scope.tenant, h.id == hold_id))).mappings().first()
    if row is None or (scope.customers and row["customer_id"] not in scope.customers):
        raise AccountError("unknown", "There is no such hold.")
    if row["ended_by"]:
        return
    over = {"to_ns": min(row["to_ns"] or now_ns, now_ns), "ended_by": scope.user[:64]}
    await conn.execute(sa.update(dunning_hold).where(h.tenant == scope.tenant, h.id == hold_id).values(**over))
    await _look_again(conn, scope.tenant, row["customer_id"])
    await audit.record(conn, scope, "dunning.hold.end", f"customer:{row['customer_id']}", now_ns=now_ns, after=over, reason=reason)


async def _look_again(conn: AsyncConnection, tenant: int, customer_id: str) -> None:
    c = dunning_case.c
    await conn.execute(sa.update(dunning_case).where(c.tenant == tenant, c.customer_id == customer_id).values(looked_on=""))
