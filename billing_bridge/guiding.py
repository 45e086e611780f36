"""Guiding: whose usage is it? Metering point -> service -> customer, by the binding valid when the octets passed.

The result is a list of portions that together cover the record's interval: guided ones name service and customer,
recycled ones (suspense) the reason. Guiding again appends a new set with the next `guide_rev`; nothing is changed.
A slot belongs to whoever holds the port when the slot begins.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book
from billing_bridge.evidence import unpack
from billing_bridge.metrics import USAGE_SUSPENDED
from billing_bridge.slots import SLOT_NS, Slots
from billing_bridge.store import usage_evidence, usage_guiding, usage_record
from inventory.store import customer, entity, service, service_binding
from station.scope import Role, Scope
from station.state import State

SOURCE = "guiding"
FOREVER_NS = (1 << 63) - 1
IN_CHUNK = 500
REASONS = ("no_service", "ambiguous_service", "service_inactive", "no_customer", "no_tariff")


@dataclass(frozen=True, slots=True)
class Binding:
    """A service metered at a metering point during [from_ns, to_ns), with what else must hold to bill it."""

    metering_point: str
    service_id: str
    customer_id: str  # "" when the customer is unknown
    tariff: str
    from_ns: int
    to_ns: int
    active_from_ns: int = 0
    active_to_ns: int = FOREVER_NS

    def covers(self, at_ns: int) -> bool:
        return self.from_ns <= at_ns < self.to_ns


@dataclass(frozen=True, slots=True)
class Portion:
    """Part of a record: guided (reason "") or recycled."""

    from_ns: int
    to_ns: int
    reason: str
    service_id: str
    customer_id: str
    in_octets: int = 0
    out_octets: int = 0

    @property
    def state(self) -> str:
        return "recycled" if self.reason else "guided"


def portions(start_ns: int, end_ns: int, bindings: Sequence[Binding], octets: Callable[[int, int], tuple[int, int]]) -> list[Portion]:
    """The portions of [start_ns, end_ns) in order; `octets(from, to)` gives what passed in and out in between."""
    borders = sorted({start_ns, end_ns} | {at for b in bindings for at in _borders(b) if start_ns < at < end_ns})
    runs: list[tuple[int, int, tuple[str, str, str]]] = []
    for low, high in pairwise(borders):
        owner = _owner(low, bindings)
        if runs and runs[-1][2] == owner:
            runs[-1] = (runs[-1][0], high, owner)
        else:
            runs.append((low, high, owner))
    return [Portion(low, high, *owner, *octets(low, high)) for low, high, owner in runs]


def _borders(binding: Binding) -> Iterable[int]:
    """Where the owner may change, moved up to the next slot's begin."""
    instants = (binding.from_ns, binding.to_ns, binding.active_from_ns, binding.active_to_ns)
    return (-(-at // SLOT_NS) * SLOT_NS for at in instants)


def _owner(at_ns: int, bindings: Sequence[Binding]) -> tuple[str, str, str]:
    """(reason, service, customer) at an instant. Two services on one port are ambiguous: never billed twice."""
    found = [binding for binding in bindings if binding.covers(at_ns)]
    if len({binding.service_id for binding in found}) != 1:
        return ("ambiguous_service" if found else "no_service", "", "")
    one = found[0]
    if not one.active_from_ns <= at_ns < one.active_to_ns:
        return ("service_inactive", one.service_id, one.customer_id)
    if not one.customer_id:
        return ("no_customer", one.service_id, "")
    return ("" if one.tariff else "no_tariff", one.service_id, one.customer_id)


async def bindings(conn: AsyncConnection, tenant: int) -> dict[str, list[Binding]]:
    """Every access binding ever made, by metering point."""
    query = (
        sa.select(
            entity.c.id.label("metering_point"),
            service_binding.c.service_id,
            sa.func.coalesce(customer.c.id, "").label("customer_id"),
            service.c.tariff,
            service_binding.c.valid_from_ns,
            service_binding.c.valid_to_ns,
            service.c.active_from_ns,
            service.c.active_to_ns,
        )
        .join(service, service.c.id == service_binding.c.service_id)
        .join(customer, sa.and_(customer.c.id == service.c.customer_id, customer.c.tenant == tenant), isouter=True)
        .join(
            entity,
            sa.and_(
                entity.c.tenant == tenant,
                entity.c.device_no == service_binding.c.device_no,
                entity.c.entity_no == service_binding.c.entity_no,
            ),
        )
        .where(service_binding.c.tenant == tenant, service.c.tenant == tenant, service_binding.c.role == "access")
        .order_by(entity.c.id, service_binding.c.valid_from_ns, service_binding.c.id)
    )
    found: dict[str, list[Binding]] = {}
    for point, service_id, customer_id, tariff, from_ns, to_ns, active_from_ns, active_to_ns in await conn.execute(query):
        one = Binding(point, service_id, customer_id, tariff, from_ns, to_ns or FOREVER_NS, active_from_ns, active_to_ns or FOREVER_NS)
        found.setdefault(point, []).append(one)
    return found


@dataclass(frozen=True, slots=True)
class GuideReport:
    """`changed` records got a new set of portions; `recycled` portions stand in suspense now."""

    looked_at: int
    changed: int
    recycled: int


async def guide(state: State, scope: Scope, since_ns: int, now_ns: int) -> GuideReport:
    """Guide every current record that begins at or after `since_ns`, new or changed; retry what is in suspense.

    Run it after each ingest and whenever bindings, services or customers change: what is as it was is not written.
    """
    scope.require(Role.BILLING, "guiding usage")
    async with state.write() as conn:
        known_ns = await book.known_now(conn, scope.tenant, now_ns)
        records = await current_records(conn, scope.tenant, since_ns)
        before = await latest_guiding(conn, scope.tenant, records)
        owners = await bindings(conn, scope.tenant)
        rows, changed, recycled = [], 0, dict.fromkeys(REASONS, 0)
        for record in records:
            reader = _Octets(record)
            wanted = portions(
                record["start_ns"], record["end_ns"], owners.get(record["metering_point"], []), await reader.ready(conn, owners)
            )
            old = before.get(record["id"], [])
            for portion in wanted:
                if portion.reason:
                    recycled[portion.reason] += 1
            if [_facts(row) for row in old] != wanted:
                changed += 1
                rows += _rows(record, wanted, old, known_ns)
        await book.append(conn, scope.tenant, usage_guiding, SOURCE, rows)
    for reason, n in recycled.items():
        USAGE_SUSPENDED.labels(reason).set(n)
    return GuideReport(len(records), changed, sum(recycled.values()))


class _Octets:
    """Octets of a part of a record: the record's own sums for the whole, else from the slots of its evidence."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record
        self._slots: Slots | None = None

    async def ready(self, conn: AsyncConnection, owners: Mapping[str, Sequence[Binding]]) -> Callable[[int, int], tuple[int, int]]:
        record = self._record
        inside = (record["start_ns"] < at < record["end_ns"] for b in owners.get(record["metering_point"], []) for at in _borders(b))
        if any(inside):
            self._slots = await slots_of_record(conn, record["tenant"], record["evidence"])
        return self._between

    def _between(self, low: int, high: int) -> tuple[int, int]:
        record = self._record
        if (low, high) == (record["start_ns"], record["end_ns"]):
            return record["in_octets"], record["out_octets"]
        assert self._slots is not None
        part = self._slots.cut(low, high)
        return int(part.in_octets.sum()), int(part.out_octets.sum())


async def slots_of_record(conn: AsyncConnection, tenant: int, sha256: str) -> Slots:
    """The slots that an evidence hash names, checked against it."""
    where = (usage_evidence.c.tenant == tenant, usage_evidence.c.sha256 == sha256)
    return unpack((await conn.execute(sa.select(usage_evidence.c.blob).where(*where))).scalar_one(), sha256)


def _rows(record: Mapping[str, Any], wanted: Sequence[Portion], old: Sequence[Mapping[str, Any]], known_ns: int) -> list[dict[str, Any]]:
    since = {(row["from_ns"], row["to_ns"], row["reason"]): row["since_ns"] for row in old}
    return [
        {
            "known_ns": known_ns,
            "start_ns": record["start_ns"],
            "record_id": record["id"],
            "guide_rev": old[0]["guide_rev"] + 1 if old else 0,
            "portion": number,
            "from_ns": portion.from_ns,
            "to_ns": portion.to_ns,
            "state": portion.state,
            "reason": portion.reason,
            "service_id": portion.service_id,
            "customer_id": portion.customer_id,
            "in_octets": portion.in_octets,
            "out_octets": portion.out_octets,
            "since_ns": since.get((portion.from_ns, portion.to_ns, portion.reason), known_ns),
        }
        for number, portion in enumerate(wanted)
    ]


def _facts(row: Mapping[str, Any]) -> Portion:
    return Portion(*(row[name] for name in ("from_ns", "to_ns", "reason", "service_id", "customer_id", "in_octets", "out_octets")))


async def current_records(
    conn: AsyncConnection, tenant: int, start_ns: int, end_ns: int = FOREVER_NS, known_ns: int = FOREVER_NS
) -> list[dict[str, Any]]:
    """The latest revision known at `known_ns` of each record that begins within [start_ns, end_ns), by interval and point."""
    c = usage_record.c
    where = (c.tenant == tenant, c.start_ns >= start_ns, c.start_ns < end_ns, c.known_ns <= known_ns)
    latest: dict[tuple[int, str, str], dict[str, Any]] = {}
    for row in (
        await conn.execute(sa.select(usage_record).where(*where).order_by(c.start_ns, c.metering_point, c.meter, c.revision))
    ).mappings():
        latest[row["start_ns"], row["metering_point"], row["meter"]] = dict(row)
    return list(latest.values())


def by_start(records: Iterable[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """(start_ns, ids) of records given as (start_ns, id), at most IN_CHUNK ids each.

    The books' unique keys lead with the interval's start: with it a look-up by id is a seek, without it a scan.
    """
    ids: dict[int, list[str]] = {}
    for start_ns, id_ in sorted(set(records)):
        ids.setdefault(start_ns, []).append(id_)
    for start_ns, found in ids.items():
        for at in range(0, len(found), IN_CHUNK):
            yield start_ns, found[at : at + IN_CHUNK]


async def latest_guiding(
    conn: AsyncConnection, tenant: int, records: Iterable[Mapping[str, Any]], known_ns: int = FOREVER_NS
) -> dict[str, list[dict[str, Any]]]:
    """The portions of each record (its `id` and `start_ns`) by its latest guiding known at `known_ns`."""
    c = usage_guiding.c
    found: dict[str, list[dict[str, Any]]] = {}
    for start_ns, ids in by_start((record["start_ns"], record["id"]) for record in records):
        where = (c.tenant == tenant, c.start_ns == start_ns, c.record_id.in_(ids), c.known_ns <= known_ns)
        for row in (await conn.execute(sa.select(usage_guiding).where(*where).order_by(c.record_id, c.guide_rev, c.portion))).mappings():
            rows = found.setdefault(row["record_id"], [])
            if rows and rows[0]["guide_rev"] != row["guide_rev"]:
                rows.clear()
            rows.append(dict(row))
    return found
