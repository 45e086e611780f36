"""Proof afterwards that no book has a fact changed, removed or missing."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.book import linker
from billing_bridge.events import broken_batch
from billing_bridge.store import BOOKS, usage_event, usage_head
from station.scope import Role, Scope
from station.state import State

VERIFY_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Break:
    """The first fact of a book that is not as it was written."""

    book: str
    source: str
    seq: int
    why: str


async def verify(state: State, scope: Scope) -> Break | None:
    """Walk every chain of the tenant; None when every fact is as written and none is missing."""
    scope.require(Role.BILLING, "verifying the books")
    async with state.read() as conn:
        heads = {
            (row.book, row.source): row for row in await conn.execute(sa.select(usage_head).where(usage_head.c.tenant == scope.tenant))
        }
        for book in BOOKS:
            sources = set((await conn.execute(sa.select(book.c.source).where(book.c.tenant == scope.tenant).distinct())).scalars())
            for source in sorted(sources | {source for name, source in heads if name == book.name}):
                if broken := await _verify(conn, scope.tenant, book, source, heads.get((book.name, source))):
                    return broken
        if batch := await broken_batch(conn, scope.tenant):
            return Break(usage_event.name, *batch, "the events of this batch are not what was written")
    return None


async def _verify(conn: AsyncConnection, tenant: int, book: sa.Table, source: str, head: Any) -> Break | None:
    if head is None:
        return Break(book.name, source, 0, "the head is missing")
    seq, chain, link = 0, "", linker(book)
    while True:
        where = (book.c.tenant == tenant, book.c.source == source, book.c.seq > seq)
        rows = (await conn.execute(sa.select(book).where(*where).order_by(book.c.seq).limit(VERIFY_PAGE))).mappings().all()
        for row in rows:
            seq += 1
            chain = link(chain, dict(row))
            if row["seq"] != seq or row["chain"] != chain:
                return Break(book.name, source, seq, "the fact is missing" if row["seq"] != seq else "the fact is not what was written")
        if len(rows) < VERIFY_PAGE:
            break
    return None if (seq, chain) == (head.seq, head.chain) else Break(book.name, source, seq, f"the head says {head.seq} facts")
