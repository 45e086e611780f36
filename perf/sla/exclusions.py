"""Time that does not count for a reason nobody could plan: force majeure, the customer's own doing, a third party's.

One person proposes it with a reason, another decides; until then it counts like any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from perf.sla.intervals import Span, Spans, union
from perf.sla.promised import Promised
from perf.sla.store import sla_exclusion
from station.ids import new_id
from station.scope import Role, Scope
from station.security import audit
from station.state import State

Cause = Literal["force_majeure", "customer", "third_party"]
TargetKind = Literal["service", "customer", "site"]
LISTED_MAX: Final = 1_000


class ExclusionError(Exception):
    """It cannot be decided so: the text says why. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A span that does not count for what it is about."""

    id: str
    target_kind: str
    target_id: str
    span: Span


async def agreed(conn: AsyncConnection, tenant: int, from_ns: int, to_ns: int) -> list[Exclusion]:
    """The approved ones that touch [from_ns, to_ns)."""
    c = sla_exclusion.c
    where = (c.tenant == tenant, c.state == "approved", c.begins_ns < to_ns, c.ends_ns > from_ns)
    rows = await conn.execute(sa.select(c.id, c.target_kind, c.target_id, c.begins_ns, c.ends_ns).where(*where))
    return [Exclusion(row.id, row.target_kind, row.target_id, (row.begins_ns, row.ends_ns)) for row in rows]


def excluded_of(exclusions: Sequence[Exclusion], one: Promised, month: Span) -> Spans:
    """The spans that do not count for a service: its own, its customer's, and its sites' while it had a port there."""
    own = {("service", one.id), ("customer", one.customer_id)}
    spans: Spans = []
    for each in exclusions:
        low, high = max(each.span[0], month[0]), min(each.span[1], month[1])
        if (each.target_kind, each.target_id) in own:
            spans.append((low, high))
        elif each.target_kind == "site":
            there = [bound.span for bound in one.ports if bound.site == each.target_id]
            spans += [(max(low, begin), min(high, end)) for begin, end in there]
    return union(spans)


async def propose(
    state: State, scope: Scope, cause: Cause, reason: str, target: tuple[TargetKind, str], span: Span, now_ns: int
) -> dict[str, Any]:
    """A new proposal."""
    scope.require(Role.BILLING, "proposing an exclusion")
    row = {"tenant": scope.tenant, "id": new_id(now_ns), "cause": cause, "reason": reason, "state": "open"}
    row |= {"target_kind": target[0], "target_id": target[1], "begins_ns": span[0], "ends_ns": span[1]}
    row |= {"proposed_by": scope.user[:255], "proposed_ns": now_ns, "decided_by": "", "decided_ns": 0}
    async with state.write() as conn:
        await conn.execute(sa.insert(sla_exclusion).values(**row))
        await audit.record(conn, scope, "sla_exclusion.propose", f"{target[0]}:{target[1]}", now_ns=now_ns, after=row, reason=reason)
    return row


async def decide(state: State, scope: Scope, id_: str, now_ns: int, *, approve: bool) -> dict[str, Any] | None:
    """Approve or refuse; None when there is no such one. Nobody approves their own: ExclusionError."""
    scope.require(Role.BILLING, "deciding an exclusion")
    c = sla_exclusion.c
    mine = (c.tenant == scope.tenant, c.id == id_)
    async with state.write() as conn:
        found = (await conn.execute(sa.select(sla_exclusion).where(*mine))).mappings().one_or_none()
        if found is None:
            return None
        wanted = "approved" if approve else "refused"
        if found["state"] == wanted:
            return dict(found)
        if found["state"] != "open":
            raise ExclusionError(f"It is {found['state']} already.")
        if approve and found["proposed_by"] == scope.user[:255]:
            raise ExclusionError("Nobody approves their own proposal: a second person decides.")
        decided = {"state": wanted, "decided_by": scope.user[:255], "decided_ns": now_ns}
        await conn.execute(sa.update(sla_exclusion).where(*mine, c.state == "open").values(**decided))
        await audit.record(conn, scope, "sla_exclusion.decide", f"sla_exclusion:{id_}", now_ns=now_ns, before=dict(found), after=decided)
    return dict(found) | decided


async def listed(state: State, scope: Scope, from_ns: int, to_ns: int) -> list[dict[str, Any]]:
    """Those that touch the span, the newest first."""
    c = sla_exclusion.c
    where = (c.tenant == scope.tenant, c.begins_ns < to_ns, c.ends_ns > from_ns)
    query = sa.select(sla_exclusion).where(*where).order_by(c.begins_ns.desc(), c.id).limit(LISTED_MAX)
    async with state.read() as conn:
        return [dict(row) for row in (await conn.execute(query)).mappings()]
