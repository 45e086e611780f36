"""Usage that other systems measured: taken at least once, kept once, guided by the service it names.

An event's id is derived from its source and the id it has there, or from all it says where it has none: a repeated
delivery changes nothing. A quantity is whole base units of its meter (seconds, messages, octets).

Events come by the hundred thousand. A batch is one transaction of few statements: what is held of its ids, who owns the
services it names, its rows with their first guiding, and one link of its source's chain.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book
from billing_bridge.guiding import FOREVER_NS
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_event, usage_event_batch, usage_event_guiding, usage_rejected
from billing_bridge.usage import INT64_MAX, MeterKind, Verdict, VerdictKind, Window
from inventory.store import customer, service
from station.ids import derived_id, prefixed
from station.scope import Role, Scope
from station.state import State, among, insert_whole

GUIDING = "event guiding"
GUIDED_AT_ONCE = 5_000  # events in one guiding transaction
OURS = frozenset(MeterKind)
Row = Mapping[str, Any]
Facts = tuple[Any, ...]


class EventIn(BaseModel):
    """One event as it arrives; `external_id` is its id at the source, "" for none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
    external_id: Annotated[str, Field(max_length=255)] = ""
    meter: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    service: Annotated[str, Field(min_length=1, max_length=64)]
    time_ns: Annotated[int, Field(strict=True)]
    quantity: Annotated[int, Field(strict=True)]
    key: Annotated[str, Field(max_length=64)] = ""

    @property
    def id(self) -> str:
        return _Ids(self.source).of(self.external_id, self.facts)

    @property
    def facts(self) -> Facts:
        """What it says, beside who says it: (meter, service, time, quantity, key)."""
        return self.meter, self.service, self.time_ns, self.quantity, self.key


class _Ids:
    """The ids of one source's events: derived_id("event", source, its id there), with the hash of what they share made once."""

    def __init__(self, source: str) -> None:
        self._shared = hashlib.sha256(prefixed("event", source))

    def of(self, external_id: str, facts: Facts) -> str:
        one, text = self._shared.copy(), (external_id or derived_id(*map(str, facts))).encode()
        one.update(len(text).to_bytes(4) + text)  # as derived_id has its last part
        return one.hexdigest()


def fault_of(event: EventIn, window: Window) -> str:
    """Why an event is refused, "" when it is sound."""
    if event.meter in OURS:
        return "measured_here"  # octets of ports come from their own counters, or they would be billed twice
    if event.quantity < 0:
        return "negative"
    if event.quantity > INT64_MAX:
        return "too_large"
    if not 0 < event.time_ns <= window.newest_ns:
        return "future" if event.time_ns > 0 else "empty_interval"
    return "too_old" if event.time_ns < window.oldest_ns else ""


@dataclass(frozen=True, slots=True)
class Unread:
    """Input that is no event, kept as it came, with what was expected of it."""

    source: str
    line: bytes
    reason: str


Arrived = EventIn | Unread
Accepted = tuple[str, str, Facts]  # id, external id, facts


async def take(state: State, scope: Scope, arrived: Sequence[Arrived], settings: BillingSettings, now_ns: int) -> list[Verdict]:
    """One verdict per item, in order, stored and guided when this returns; one bad item never fails the others.

    At most `settings.batch_max` at once.
    """
    return await state.transact(lambda conn: take_in(conn, scope, arrived, settings, now_ns))


async def take_in(conn: AsyncConnection, scope: Scope, arrived: Sequence[Arrived], settings: BillingSettings, now_ns: int) -> list[Verdict]:
    """`take` within the caller's transaction."""
    scope.require(Role.BILLING, "taking in usage")
    assert len(arrived) <= settings.batch_max, len(arrived)
    known_ns = await book.known_now(conn, scope.tenant, now_ns)
    ids = {source: _Ids(source) for source in {item.source for item in arrived}}
    named = [_named(item, ids[item.source]) for item in arrived]
    held = await _held(conn, scope.tenant, {id_ for id_, _ in named if id_})
    verdicts, window = [], Window.at(now_ns, settings)
    accepted: dict[str, list[Accepted]] = {}
    refused: dict[str, list[Row]] = {}
    for item, (id_, facts) in zip(arrived, named, strict=True):
        verdict = _judge(id_, facts, item, held, window)
        verdicts.append(verdict)
        if verdict.kind is VerdictKind.ACCEPTED and isinstance(item, EventIn):
            held[id_] = facts
            accepted.setdefault(item.source, []).append((id_, item.external_id, facts))
        elif verdict.kind is not VerdictKind.DUPLICATE_SAME:
            refused.setdefault(item.source, []).append(_refused(item, verdict, known_ns))
    owners = await _owners(conn, scope.tenant, {facts[1] for mine in accepted.values() for _, _, facts in mine})
    for source, mine in sorted(accepted.items()):
        await _append(conn, scope.tenant, source, mine, owners, known_ns)
    for source, rows in sorted(refused.items()):
        await book.append(conn, scope.tenant, usage_rejected, source, rows)
    await book.tally(conn, scope.tenant, zip((item.source for item in arrived), verdicts, strict=True))
    return verdicts


def _named(item: Arrived, ids: _Ids) -> tuple[str, Facts]:
    """(id, facts) of an event; "" and nothing of what is none."""
    if isinstance(item, Unread):
        return "", ()
    facts = item.facts
    return ids.of(item.external_id, facts), facts


def _judge(id_: str, facts: Facts, item: Arrived, held: Mapping[str, Facts], window: Window) -> Verdict:
    if isinstance(item, Unread):
        return Verdict("", VerdictKind.REJECTED, item.reason)
    if (known := held.get(id_)) is not None:
        return Verdict(id_, VerdictKind.DUPLICATE_SAME if known == facts else VerdictKind.DUPLICATE_CONFLICT)
    reason = fault_of(item, window)
    return Verdict(id_, VerdictKind.REJECTED, reason) if reason else Verdict(id_, VerdictKind.ACCEPTED)


def _refused(item: Arrived, verdict: Verdict, known_ns: int) -> Row:
    content = item.line if isinstance(item, Unread) else item.model_dump_json().encode()
    reason = verdict.reason.partition(":")[0]
    return {"known_ns": known_ns, "record_id": verdict.record_id, "kind": verdict.kind.value, "reason": reason, "content": content}


async def _held(conn: AsyncConnection, tenant: int, ids: set[str]) -> dict[str, Facts]:
    """What is held of these ids. The id says nothing of the instant, so that an event whose time was changed is a conflict."""
    c = usage_event.c
    query = sa.select(c.id, c.meter, c.service, c.start_ns, c.quantity, c.key).where(c.tenant == tenant, among(conn, c.id, ids))
    return {row[0]: tuple(row[1:]) for row in await conn.execute(query)} if ids else {}


async def _append(
    conn: AsyncConnection, tenant: int, source: str, events: Sequence[Accepted], owners: Mapping[str, "_Owner"], known_ns: int
) -> None:
    """The events of one source as a batch: a link of its chain, and a row each with its first guiding."""
    always = {name: _place(0, owner) for name, owner in owners.items() if owner.always}
    facts = sorted(
        (id_, external_id, *said, *(always.get(said[1]) or _place(said[2], owners.get(said[1])))) for id_, external_id, said in events
    )
    row = {"known_ns": known_ns, "n": len(facts), "sha256": _sha256(facts)}
    batch = await book.append(conn, tenant, usage_event_batch, source, [row])
    await insert_whole(conn, usage_event, [(tenant, source, batch, known_ns, *fact) for fact in facts])


def _sha256(facts: Sequence[Sequence[Any]]) -> str:
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


async def broken_batch(conn: AsyncConnection, tenant: int) -> tuple[str, int] | None:
    """(source, batch) of the first batch whose events are not what was written; None when all are."""
    b, c = usage_event_batch.c, usage_event.c
    facts = [c.id, c.external_id, c.meter, c.service, c.start_ns, c.quantity, c.key, c.state, c.reason, c.service_id, c.customer_id]
    heads = list(await conn.execute(sa.select(b.source, b.seq, b.sha256).where(b.tenant == tenant).order_by(b.source, b.seq)))
    for source, seq, sha256 in heads:
        where = (c.tenant == tenant, c.source == source, c.batch == seq)
        rows = await conn.execute(sa.select(*facts).where(*where).order_by(c.id))
        if _sha256([tuple(row) for row in rows]) != sha256:
            return source, seq
    return None


async def guide(state: State, scope: Scope, now_ns: int, since_ns: int = 0) -> int:
    """Guide again what is in suspense or what another service holds now; return how many changed.

    Run it whenever services or customers change: what is as it was is not written.
    """
    scope.require(Role.BILLING, "guiding usage")
    changed, after = 0, (since_ns, "")
    while True:
        n, following = await state.transact(partial(_guide_page, tenant=scope.tenant, after=after, now_ns=now_ns))
        changed += n
        if following is None:
            return changed
        after = following


async def _guide_page(conn: AsyncConnection, tenant: int, after: tuple[int, str], now_ns: int) -> tuple[int, tuple[int, str] | None]:
    """(how many changed, where the next page begins) of one page of events in order of time and id."""
    c = usage_event.c
    where = (c.tenant == tenant, sa.tuple_(c.start_ns, c.id) > sa.tuple_(*(sa.literal(value) for value in after)))
    query = sa.select(usage_event).where(*where).order_by(c.start_ns, c.id).limit(GUIDED_AT_ONCE)
    events = [dict(row) for row in (await conn.execute(query)).mappings()]
    if not events:
        return 0, None
    known_ns = await book.known_now(conn, tenant, now_ns)
    owners = await _owners(conn, tenant, {event["service"] for event in events})
    later = await _later_guidings(conn, tenant, events[0]["start_ns"], events[-1]["start_ns"] + 1)
    rows = [row for event in events if (row := _guided(event, owners.get(event["service"]), _latest(event, later), known_ns))]
    await book.append(conn, tenant, usage_event_guiding, GUIDING, rows)
    return len(rows), (events[-1]["start_ns"], events[-1]["id"])


async def owners_mark(conn: AsyncConnection, tenant: int) -> str:
    """A hash over everything that decides whose an event is: as long as it stands, guiding again changes nothing."""
    s, k = service.c, customer.c
    services = sa.select(s.id, s.number, s.customer_id, s.tariff, s.active_from_ns, s.active_to_ns).where(s.tenant == tenant).order_by(s.id)
    customers = sa.select(k.id).where(k.tenant == tenant).order_by(k.id)
    return _sha256([[tuple(row) for row in await conn.execute(query)] for query in (services, customers)])


@dataclass(frozen=True, slots=True)
class _Owner:
    service_id: str
    customer_id: str
    tariff: str
    active_from_ns: int
    active_to_ns: int

    @property
    def always(self) -> bool:
        """Whether it is active at every instant that an event can have."""
        return self.active_from_ns <= 0 and not self.active_to_ns


async def _owners(conn: AsyncConnection, tenant: int, named: set[str]) -> dict[str, _Owner]:
    """The services that these names mean, by id or by number."""
    found: dict[str, _Owner] = {}
    s = service.c
    query = (
        sa.select(s.id, s.number, sa.func.coalesce(customer.c.id, ""), s.tariff, s.active_from_ns, s.active_to_ns)
        .join(customer, sa.and_(customer.c.tenant == tenant, customer.c.id == s.customer_id), isouter=True)
        .where(s.tenant == tenant, sa.or_(among(conn, s.id, named), among(conn, s.number, named)))
        .order_by(s.number, s.id)
    )
    for id_, number, *rest in await conn.execute(query) if named else ():
        owner = _Owner(id_, *rest)
        found.setdefault(number, owner)
        found[id_] = owner
    return found


def _guided(event: Row, owner: _Owner | None, before: Row, known_ns: int) -> Row | None:
    """The guiding to write, None when it stands already."""
    state, reason, service_id, customer_id = _place(event["start_ns"], owner)
    if (before["reason"], before["service_id"], before["customer_id"]) == (reason, service_id, customer_id):
        return None
    return {
        "known_ns": known_ns,
        "start_ns": event["start_ns"],
        "record_id": event["id"],
        "guide_rev": before["guide_rev"] + 1,
        "state": state,
        "reason": reason,
        "service_id": service_id,
        "customer_id": customer_id,
        "since_ns": before["since_ns"] if before["reason"] == reason else known_ns,
    }


def _place(at_ns: int, owner: _Owner | None) -> tuple[str, str, str, str]:
    """(state, reason, service, customer)."""
    if owner is None:
        return "recycled", "no_service", "", ""
    if not owner.active_from_ns <= at_ns < (owner.active_to_ns or FOREVER_NS):
        return "recycled", "service_inactive", owner.service_id, owner.customer_id
    if not owner.customer_id:
        return "recycled", "no_customer", owner.service_id, ""
    return (
        ("guided", "", owner.service_id, owner.customer_id)
        if owner.tariff
        else ("recycled", "no_tariff", owner.service_id, owner.customer_id)
    )


async def _later_guidings(conn: AsyncConnection, tenant: int, start_ns: int, end_ns: int, known_ns: int = FOREVER_NS) -> dict[str, Row]:
    """The latest guiding known at `known_ns` of each event within [start_ns, end_ns) that was guided again."""
    g = usage_event_guiding.c
    where = (g.tenant == tenant, g.start_ns >= start_ns, g.start_ns < end_ns, g.known_ns <= known_ns)
    rows = await conn.execute(sa.select(usage_event_guiding).where(*where).order_by(g.guide_rev))
    return {row["record_id"]: dict(row) for row in rows.mappings()}


def _latest(event: Row, later: Mapping[str, Row]) -> Row:
    """The guiding in force: the one it came with, or a later one."""
    return later.get(event["id"]) or {**event, "guide_rev": 0, "since_ns": event["known_ns"]}


async def known_events(conn: AsyncConnection, tenant: int, start_ns: int, end_ns: int, known_ns: int = FOREVER_NS) -> list[tuple[Row, Row]]:
    """(event, its guiding) of every event within [start_ns, end_ns) as known at `known_ns`, in order of time and id.

    An event's `chain` is that of the batch it came in.
    """
    c, b = usage_event.c, usage_event_batch.c
    batch = sa.and_(b.tenant == c.tenant, b.source == c.source, b.seq == c.batch)
    where = (c.tenant == tenant, c.start_ns >= start_ns, c.start_ns < end_ns, c.known_ns <= known_ns)
    query = sa.select(usage_event, b.chain).join(usage_event_batch, batch).where(*where).order_by(c.start_ns, c.id)
    events = [dict(row) for row in (await conn.execute(query)).mappings()]
    later = await _later_guidings(conn, tenant, start_ns, end_ns, known_ns) if events else {}
    return [(event, _latest(event, later)) for event in events]
