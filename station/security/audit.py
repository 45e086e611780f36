"""The audit: append-only rows, each hashed over the row before, and a head row that knows how many there are.

A changed row breaks its own hash, a removed one the sequence, a removed tail the head.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from station.ids import derived_id
from station.scope import Scope
from station.security.store import audit, audit_head
from station.state import State, insert_new

DETAIL_MAX: Final = 65_536  # characters of JSON, before and after each
PAGE: Final = 1000
FIRST_HASH: Final = ""
LIST_MAX: Final = 1000

_MINE: Final = sa.update(audit_head).where(audit_head.c.tenant == sa.bindparam("of"))
_TAKE: Final = _MINE.values(seq=audit_head.c.seq + 1).returning(audit_head.c.seq, audit_head.c.hash)
_APPEND: Final = sa.insert(audit)
_SEAL: Final = _MINE.values(hash=sa.bindparam("sealed"))


@dataclass(frozen=True, slots=True)
class AuditBreak:
    """The first row that is not as it was written, and what is wrong with it."""

    tenant: int
    seq: int
    why: str


async def record(
    conn: AsyncConnection,
    scope: Scope,
    act: str,
    obj: str,
    *,
    now_ns: int,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> None:
    """Append one row inside the caller's transaction: what is undone was never done, and leaves no trace either.

    `act` is a verb phrase (`account.add`), `obj` names the thing (`account:anna`); `before` and `after` are
    anything JSON can say. Never hand over a secret.
    """
    seq, previous = await _next(conn, scope.tenant)
    row = {
        "tenant": scope.tenant,
        "seq": seq,
        "at_ns": now_ns,
        "actor": _storable(scope.user, 64),
        "act": _storable(act, 64),
        "object": _storable(obj, 255),
        "before": _canonical(before),
        "after": _canonical(after),
        "reason": _storable(reason, DETAIL_MAX),
    }
    row["hash"] = _hash(row, previous)
    await conn.execute(_APPEND, row)
    await conn.execute(_SEAL, {"of": scope.tenant, "sealed": row["hash"]})


async def rows(state: State, scope: Scope, *, before_seq: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """The latest rows, newest first; `before_seq` pages back."""
    query = sa.select(audit).where(audit.c.tenant == scope.tenant).order_by(audit.c.seq.desc()).limit(min(limit, LIST_MAX))
    if before_seq is not None:
        query = query.where(audit.c.seq < before_seq)
    async with state.read() as conn:
        return [dict(row) for row in (await conn.execute(query)).mappings()]


async def verify(state: State) -> AuditBreak | None:
    """Read every row of every tenant; return the first that is broken, None when all is as written."""
    async with state.read() as conn:
        heads = {row.tenant: row for row in await conn.execute(sa.select(audit_head))}
        tenants = set(heads) | set((await conn.execute(sa.select(audit.c.tenant).distinct())).scalars())
        for tenant in sorted(tenants):
            head = heads.get(tenant)
            if head is None:
                return AuditBreak(tenant, 0, "the head row is missing")
            if broken := await _verify_tenant(conn, tenant, head.seq, head.hash):
                return broken
    return None


async def _verify_tenant(conn: AsyncConnection, tenant: int, head_seq: int, head_hash: str) -> AuditBreak | None:
    seq, previous = 0, FIRST_HASH
    while page := await _page(conn, tenant, seq):
        for row in page:
            if row["seq"] != seq + 1:
                return AuditBreak(tenant, seq + 1, "the row is missing")
            if row["hash"] != _hash(row, previous):
                return AuditBreak(tenant, row["seq"], "the row is not what was written")
            seq, previous = row["seq"], row["hash"]
    if seq != head_seq:
        return AuditBreak(tenant, min(seq, head_seq) + 1, f"the head says {head_seq} rows, there are {seq}")
    return AuditBreak(tenant, seq, "the head has another hash") if previous != head_hash else None


async def _page(conn: AsyncConnection, tenant: int, after: int) -> list[dict[str, Any]]:
    query = sa.select(audit).where(audit.c.tenant == tenant, audit.c.seq > after).order_by(audit.c.seq).limit(PAGE)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _next(conn: AsyncConnection, tenant: int) -> tuple[int, str]:
    """The next number and the hash to build on; the update locks the head until the transaction ends."""
    head = (await conn.execute(_TAKE, {"of": tenant})).one_or_none()
    if head is None:  # two first rows at once have one head
        await insert_new(conn, audit_head, [{"tenant": tenant, "seq": 0, "hash": FIRST_HASH}], ("tenant",))
        head = (await conn.execute(_TAKE, {"of": tenant})).one()
    return head.seq, head.hash


def _hash(row: dict[str, Any], previous: str) -> str:
    return derived_id(previous, *_hashed(row))


def _hashed(row: dict[str, Any]) -> Iterator[str | int]:
    return (row[name] for name in ("tenant", "seq", "at_ns", "actor", "act", "object", "before", "after", "reason"))


def _storable(text: str, limit: int) -> str:
    """PostgreSQL takes no NUL, UTF-8 no lone surrogate."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()[:limit]


def _canonical(value: Any) -> str:
    """JSON with sorted keys; what is too long is kept as its length and hash, so that the row still proves it."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return text if len(text) <= DETAIL_MAX else json.dumps({"characters": len(text), "sha256": derived_id(text)})
