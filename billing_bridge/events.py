"""Usage that other systems measured: taken at least once, kept once, guided by the service it names.

An event's id is derived from its source and the id it has there, or from all it says where it has none: a repeated
delivery changes nothing. A quantity is whole base units of its meter (seconds, messages, octets).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book
from billing_bridge.guiding import FOREVER_NS, IN_CHUNK
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_event, usage_event_guiding, usage_rejected
from billing_bridge.usage import INT64_MAX, MeterKind, Verdict, VerdictKind, Window
from inventory.store import customer, service
from station.ids import derived_id
from station.scope import Role, Scope
from station.state import State

GUIDING = "event guiding"
GUIDED_AT_ONCE = 5_000  # events in one guiding transaction
Row = Mapping[str, Any]


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

    @cached_property
    def id(self) -> str:
        named = self.external_id or derived_id(self.service, self.meter, self.time_ns, self.quantity, self.key)
        return derived_id("event", self.source, named)


def fault_of(event: EventIn, window: Window) -> str:
    """Why an event is refused, "" when it is sound."""
    if event.meter in set(MeterKind):
        return "measured_here"  # octets of ports come from their own counters, or they would be billed twice
    if event.quantity < 0:
        return "negative"
    if event.quantity > INT64_MAX:
        return "too_large"
    if not 0 < event.time_ns <= window.newest_ns:
        return "future" if event.time_ns > 0 else "empty_interval"
    return "too_old" if event.time_ns < window.oldest_ns else ""


async def ingest(conn: AsyncConnection, scope: Scope, arrived: Sequence[EventIn], settings: BillingSettings, now_ns: int) -> list[Verdict]:
    """One verdict per event, in order; one bad event never fails the others. At most `settings.batch_max`."""
    scope.require(Role.BILLING, "taking in usage")
    assert len(arrived) <= settings.batch_max, len(arrived)
    known_ns = await book.known_now(conn, scope.tenant, now_ns)
    held = await _contents(conn, scope.tenant, [(event.time_ns, event.id) for event in arrived])
    window, verdicts = Window.at(now_ns, settings), []
    accepted: dict[str, list[Row]] = {}
    refused: dict[str, list[Row]] = {}
    for event in arrived:
        content = event.model_dump_json()
        verdict = _judge(event, content, held, window)
        verdicts.append(verdict)
        if verdict.kind == VerdictKind.ACCEPTED:
            held[event.id] = content
            accepted.setdefault(event.source, []).append(_row(event, content, known_ns))
        elif verdict.kind != VerdictKind.DUPLICATE_SAME:
            row = {"known_ns": known_ns, "record_id": event.id, "kind": verdict.kind.value, "reason": verdict.reason}
            refused.setdefault(event.source, []).append(row | {"content": content.encode()})
    for source in sorted(accepted):
        await book.append(conn, scope.tenant, usage_event, source, accepted[source])
    for source in sorted(refused):
        await book.append(conn, scope.tenant, usage_rejected, source, refused[source])
    await book.tally(conn, scope.tenant, [(event.source, verdict) for event, verdict in zip(arrived, verdicts, strict=True)])
    return verdicts


def _judge(event: EventIn, content: str, held: Mapping[str, str], window: Window) -> Verdict:
    if event.id in held:
        return Verdict(event.id, VerdictKind.DUPLICATE_SAME if held[event.id] == content else VerdictKind.DUPLICATE_CONFLICT)
    reason = fault_of(event, window)
    return Verdict(event.id, VerdictKind.REJECTED, reason) if reason else Verdict(event.id, VerdictKind.ACCEPTED)


def _row(event: EventIn, content: str, known_ns: int) -> Row:
    named = {"known_ns": known_ns, "start_ns": event.time_ns, "id": event.id, "content": content}
    return named | {"meter": event.meter, "service": event.service, "quantity": event.quantity, "key": event.key}


async def _contents(conn: AsyncConnection, tenant: int, wanted: Sequence[tuple[int, str]]) -> dict[str, str]:
    """What is held of these ids. The id says nothing of the instant, so that an event whose time was changed is a conflict."""
    ids = sorted({id_ for _, id_ in wanted})
    c, found = usage_event.c, {}
    for at in range(0, len(ids), IN_CHUNK):
        query = sa.select(c.id, c.content).where(c.tenant == tenant, c.id.in_(ids[at : at + IN_CHUNK]))
        found.update({row.id: row.content for row in await conn.execute(query)})
    return found


@dataclass(frozen=True, slots=True)
class _Owner:
    service_id: str
    customer_id: str
    tariff: str
    active_from_ns: int
    active_to_ns: int


async def guide(state: State, scope: Scope, now_ns: int, since_ns: int = 0) -> int:
    """Guide what is new or in suspense, and what another service holds now; return how many changed.

    Run it after each ingest and whenever services or customers change: what is as it was is not written.
    """
    scope.require(Role.BILLING, "guiding usage")
    changed, after = 0, (since_ns, "")
    while True:
        async with state.write() as conn:
            events = await _events(conn, scope.tenant, after)
            if not events:
                return changed
            known_ns = await book.known_now(conn, scope.tenant, now_ns)
            owners = await _owners(conn, scope.tenant, {event["service"] for event in events})
            before = await latest_guiding(conn, scope.tenant, events[0]["start_ns"], events[-1]["start_ns"] + 1)
            rows = [row for event in events if (row := _guided(event, owners.get(event["service"]), before.get(event["id"]), known_ns))]
            await book.append(conn, scope.tenant, usage_event_guiding, GUIDING, rows)
        changed += len(rows)
        after = (events[-1]["start_ns"], events[-1]["id"])


async def _events(conn: AsyncConnection, tenant: int, after: tuple[int, str]) -> list[Row]:
    c = usage_event.c
    where = (c.tenant == tenant, sa.tuple_(c.start_ns, c.id) > sa.tuple_(*(sa.literal(value) for value in after)))
    query = sa.select(c.start_ns, c.id, c.service).where(*where).order_by(c.start_ns, c.id).limit(GUIDED_AT_ONCE)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def _owners(conn: AsyncConnection, tenant: int, named: set[str]) -> dict[str, _Owner]:
    """The services that these names mean, by id or by number."""
    found: dict[str, _Owner] = {}
    names, s = sorted(named), service.c
    for at in range(0, len(names), IN_CHUNK):
        chunk = names[at : at + IN_CHUNK]
        query = (
            sa.select(s.id, s.number, sa.func.coalesce(customer.c.id, ""), s.tariff, s.active_from_ns, s.active_to_ns)
            .join(customer, sa.and_(customer.c.tenant == tenant, customer.c.id == s.customer_id), isouter=True)
            .where(s.tenant == tenant, sa.or_(s.id.in_(chunk), s.number.in_(chunk)))
            .order_by(s.number, s.id)
        )
        for id_, number, *rest in await conn.execute(query):
            owner = _Owner(id_, *rest)
            found.setdefault(number, owner)
            found[id_] = owner
    return found


def _guided(event: Row, owner: _Owner | None, before: Row | None, known_ns: int) -> Row | None:
    """The guiding to write, None when it stands already."""
    reason, service_id, customer_id = _place(event["start_ns"], owner)
    if before is not None and (before["reason"], before["service_id"], before["customer_id"]) == (reason, service_id, customer_id):
        return None
    same = before is not None and before["reason"] == reason
    return {
        "known_ns": known_ns,
        "start_ns": event["start_ns"],
        "record_id": event["id"],
        "guide_rev": before["guide_rev"] + 1 if before is not None else 0,
        "state": "recycled" if reason else "guided",
        "reason": reason,
        "service_id": service_id,
        "customer_id": customer_id,
        "since_ns": before["since_ns"] if before is not None and same else known_ns,
    }


def _place(at_ns: int, owner: _Owner | None) -> tuple[str, str, str]:
    """(reason, service, customer)."""
    if owner is None:
        return "no_service", "", ""
    if not owner.active_from_ns <= at_ns < (owner.active_to_ns or FOREVER_NS):
        return "service_inactive", owner.service_id, owner.customer_id
    if not owner.customer_id:
        return "no_customer", owner.service_id, ""
    return ("" if owner.tariff else "no_tariff"), owner.service_id, owner.customer_id


async def latest_guiding(conn: AsyncConnection, tenant: int, start_ns: int, end_ns: int, known_ns: int = FOREVER_NS) -> dict[str, Row]:
    """The latest guiding known at `known_ns` of each event within [start_ns, end_ns)."""
    g = usage_event_guiding.c
    where = (g.tenant == tenant, g.start_ns >= start_ns, g.start_ns < end_ns, g.known_ns <= known_ns)
    rows = await conn.execute(sa.select(usage_event_guiding).where(*where).order_by(g.guide_rev))
    return {row["record_id"]: dict(row) for row in rows.mappings()}


async def known_events(
    conn: AsyncConnection, tenant: int, start_ns: int, end_ns: int, known_ns: int = FOREVER_NS
) -> list[tuple[Row, Row | None]]:
    """(event, its guiding) of every event within [start_ns, end_ns) as known at `known_ns`, in order of time and id."""
    c = usage_event.c
    where = (c.tenant == tenant, c.start_ns >= start_ns, c.start_ns < end_ns, c.known_ns <= known_ns)
    events = (await conn.execute(sa.select(usage_event).where(*where).order_by(c.start_ns, c.id))).mappings().all()
    latest = await latest_guiding(conn, tenant, start_ns, end_ns, known_ns) if events else {}
    return [(dict(event), latest.get(event["id"])) for event in events]
