"""Keeping the books: append with chain, take usage with a verdict per record."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.metrics import USAGE_VERDICTS
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_evidence, usage_fence, usage_head, usage_record, usage_rejected, usage_tally
from billing_bridge.usage import UnparsableError, UsageRecord, Verdict, VerdictKind, Window, fault_of, parse
from station.ids import derived_id
from station.scope import Role, Scope
from station.state import insert_new, insert_whole

LOOKUP_CHUNK = 500  # SQLite takes 32,766 bound values in one statement
UNREAD_SOURCE = "import"

Row = Mapping[str, Any]


async def append(conn: AsyncConnection, tenant: int, book: sa.Table, source: str, rows: Sequence[Row]) -> int:
    """Append facts, each with every column of its own, to a book in the caller's transaction; return the last one's `seq`."""
    if not rows:
        return 0
    seq, chain = await _head(conn, tenant, book, source)
    names, link, chained = _columns(book), linker(book), []
    for row in rows:
        seq += 1
        fact = {"tenant": tenant, "source": source, "seq": seq, **row}
        chain = fact["chain"] = link(chain, fact)
        chained.append(tuple([fact[name] for name in names]))
    await insert_whole(conn, book, chained)
    await conn.execute(sa.update(usage_head).where(*_at_head(tenant, book, source)).values(seq=seq, chain=chain))
    return seq


async def _head(conn: AsyncConnection, tenant: int, book: sa.Table, source: str) -> tuple[int, str]:
    """(last seq, its chain); the row stays locked until the transaction ends, so that a chain has one writer."""
    fresh = {"tenant": tenant, "book": book.name, "source": source, "seq": 0, "chain": ""}
    await insert_new(conn, usage_head, [fresh], ("tenant", "book", "source"))
    head = (await conn.execute(sa.select(usage_head).where(*_at_head(tenant, book, source)).with_for_update())).one()
    return head.seq, head.chain


def _at_head(tenant: int, book: sa.Table, source: str) -> tuple[sa.ColumnElement[bool], ...]:
    return usage_head.c.tenant == tenant, usage_head.c.book == book.name, usage_head.c.source == source


def linker(book: sa.Table) -> Callable[[str, Row], str]:
    """The chain hash of a fact: over the one before, the book's name and every column but the chain itself."""
    names = tuple(name for name in _columns(book) if name != "chain")

    def link(before: str, fact: Row) -> str:
        parts = [fact[name] for name in names]
        return derived_id(before, book.name, *[part.hex() if isinstance(part, bytes) else part for part in parts])

    return link


@cache
def _columns(book: sa.Table) -> tuple[str, ...]:
    return tuple(column.name for column in book.columns)


async def known_now(conn: AsyncConnection, tenant: int, now_ns: int) -> int:
    """When a fact written in this transaction becomes known: now, but always after every fixed knowledge cut-off.

    The lock on the fence orders this transaction against a bill run that fixes its cut-off, so that no fact slips in
    behind a cut-off already used.
    """
    fence = (
        await conn.execute(sa.select(usage_fence.c.cutoff_ns).where(usage_fence.c.tenant == tenant).with_for_update(read=True))
    ).scalar()
    return now_ns if fence is None else max(now_ns, fence + 1)


async def fix_cutoff(conn: AsyncConnection, tenant: int, cutoff_ns: int) -> None:
    """Let nothing become known at or before `cutoff_ns` any more."""
    await insert_new(conn, usage_fence, [{"tenant": tenant, "cutoff_ns": cutoff_ns}], ("tenant",))
    later = sa.and_(usage_fence.c.tenant == tenant, usage_fence.c.cutoff_ns < cutoff_ns)
    await conn.execute(sa.update(usage_fence).where(later).values(cutoff_ns=cutoff_ns))


async def ingest(
    conn: AsyncConnection, scope: Scope, arrived: Sequence[UsageRecord | bytes], settings: BillingSettings, now_ns: int
) -> list[Verdict]:
    """Take a batch at least once delivered: one verdict per record, in order; one bad record never fails the others.

    Bytes are lines of JSON (`usage.parse`); what cannot be read is kept as it came. At most `settings.batch_max`.
    """
    scope.require(Role.BILLING, "taking in usage")
    assert len(arrived) <= settings.batch_max, len(arrived)
    known_ns = await known_now(conn, scope.tenant, now_ns)
    read = [_read(item) for item in arrived]
    stored = await _Stored.of(conn, scope.tenant, [item for item in read if isinstance(item, UsageRecord)])
    window = Window.at(now_ns, settings)
    verdicts = [stored.judge(item, scope.tenant, window) for item in read]
    await _keep(conn, scope.tenant, read, verdicts, known_ns)
    await tally(conn, scope.tenant, [(_source(item), verdict) for item, verdict in zip(read, verdicts, strict=True)])
    return verdicts


@dataclass(frozen=True, slots=True)
class _Unread:
    line: bytes
    reason: str


def _read(item: UsageRecord | bytes) -> UsageRecord | _Unread:
    if isinstance(item, UsageRecord):
        return item
    try:
        return parse(item)
    except UnparsableError:
        return _Unread(item, "unparsable")


class _Stored:
    """What the book holds that a batch may repeat, contradict, follow or overlap; grows with the batch itself."""

    def __init__(self, rows: Sequence[sa.Row[Any]]) -> None:
        self._content = {row.id: row.content for row in rows}
        self._intervals: dict[tuple[str, str], set[tuple[int, int]]] = {}
        for row in rows:
            self._intervals.setdefault((row.metering_point, row.meter), set()).add((row.start_ns, row.end_ns))

    @classmethod
    async def of(cls, conn: AsyncConnection, tenant: int, records: Sequence[UsageRecord]) -> "_Stored":
        if not records:
            return cls([])
        points = sorted({record.metering_point for record in records})
        low, high = min(r.start_ns for r in records), max(r.end_ns for r in records)
        columns = [usage_record.c[name] for name in ("id", "content", "metering_point", "meter", "start_ns", "end_ns")]
        rows: list[sa.Row[Any]] = []
        for at in range(0, len(points), LOOKUP_CHUNK):
            where = (
                usage_record.c.tenant == tenant,
                usage_record.c.metering_point.in_(points[at : at + LOOKUP_CHUNK]),
                usage_record.c.start_ns < high,
                usage_record.c.end_ns > low,
            )
            rows += (await conn.execute(sa.select(*columns).where(*where))).all()
        return cls(rows)

    def judge(self, item: UsageRecord | _Unread, tenant: int, window: Window) -> Verdict:
        if isinstance(item, _Unread):
            return Verdict("", VerdictKind.REJECTED, item.reason)
        if item.id in self._content:
            same = self._content[item.id] == item.content
            return Verdict(item.id, VerdictKind.DUPLICATE_SAME if same else VerdictKind.DUPLICATE_CONFLICT)
        if reason := fault_of(item, tenant, window) or self._place_fault(item):
            return Verdict(item.id, VerdictKind.REJECTED, reason)
        self._content[item.id] = item.content
        self._intervals.setdefault((item.metering_point, item.meter), set()).add((item.start_ns, item.end_ns))
        return Verdict(item.id, VerdictKind.ACCEPTED)

    def _place_fault(self, record: UsageRecord) -> str:
        """A revision follows the one before it; two intervals of one meter never overlap, or octets would count twice."""
        before = derived_id(record.tenant, record.metering_point, record.meter, record.start_ns, record.end_ns, record.revision - 1)
        if record.replaces != (before if record.revision else "") or (record.revision and before not in self._content):
            return "unknown_predecessor"
        others = self._intervals.get((record.metering_point, record.meter), set())
        mine = (record.start_ns, record.end_ns)
        return "overlap" if any(mine != it and it[0] < mine[1] and mine[0] < it[1] for it in others) else ""


async def _keep(
    conn: AsyncConnection, tenant: int, read: Sequence[UsageRecord | _Unread], verdicts: Sequence[Verdict], known_ns: int
) -> None:
    accepted: dict[str, list[UsageRecord]] = {}
    refused: dict[str, list[Row]] = {}
    for item, verdict in zip(read, verdicts, strict=True):
        if verdict.kind == VerdictKind.ACCEPTED:
            assert isinstance(item, UsageRecord)
            accepted.setdefault(item.source, []).append(item)
        elif verdict.kind != VerdictKind.DUPLICATE_SAME:
            content = item.to_json() if isinstance(item, UsageRecord) else item.line
            row = {
                "known_ns": known_ns,
                "record_id": verdict.record_id,
                "kind": verdict.kind.value,
                "reason": verdict.reason,
                "content": content,
            }
            refused.setdefault(_source(item), []).append(row)
    blobs = {r.evidence.sha256: r.evidence.blob for records in accepted.values() for r in records}
    evidence = [{"tenant": tenant, "sha256": sha256, "blob": blob} for sha256, blob in blobs.items()]
    await insert_new(conn, usage_evidence, evidence, ("tenant", "sha256"))
    for source, records in sorted(accepted.items()):
        await append(conn, tenant, usage_record, source, [_row(record, known_ns) for record in records])
    for source, rows in sorted(refused.items()):
        await append(conn, tenant, usage_rejected, source, rows)


def _source(item: UsageRecord | _Unread) -> str:
    return item.source if isinstance(item, UsageRecord) else UNREAD_SOURCE


def _row(record: UsageRecord, known_ns: int) -> Row:
    names = ("start_ns", "end_ns", "id", "metering_point", "meter", "revision", "replaces", "in_octets", "out_octets", "content")
    return {"known_ns": known_ns, "evidence": record.evidence.sha256} | {name: getattr(record, name) for name in names}


async def tally(conn: AsyncConnection, tenant: int, came: Iterable[tuple[str, Verdict]]) -> None:
    """Count (source, verdict) of what arrived: `received` is counted on its own, so that the law can be checked."""
    counts = Counter((source, verdict.kind.value, verdict.reason) for source, verdict in came)
    for (_, kind, reason), n in counts.items():
        USAGE_VERDICTS.labels(kind, reason).inc(n)
    received: Counter[tuple[str, str, str]] = Counter()
    for (source, _, _), n in counts.items():
        received[source, "received", ""] += n
    for (source, name, reason), n in sorted((counts + received).items()):
        row = {"tenant": tenant, "source": source, "verdict": name, "reason": reason}
        await insert_new(conn, usage_tally, [row | {"n": 0}], tuple(row))
        where = [usage_tally.c[column] == value for column, value in row.items()]
        await conn.execute(sa.update(usage_tally).where(*where).values(n=usage_tally.c.n + n))
