"""The bookkeeping law: nothing that arrived is unaccounted for, every accepted octet is guided or in suspense, and what
should have been measured was, or is said to be missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.evidence import unpack
from billing_bridge.guiding import IN_CHUNK, current_records, latest_guiding
from billing_bridge.periods import Period
from billing_bridge.points import MeteringPoint, metering_points
from billing_bridge.portions import Span, portions, with_progress
from billing_bridge.slots import SLOT_NS, Mark, counts_of
from billing_bridge.store import usage_evidence, usage_tally
from billing_bridge.usage import MeterKind, UsageState, VerdictKind
from station.scope import Role, Scope

EVIDENCE_MAX = 20_000  # days of ports whose slots are read for one answer


@dataclass(frozen=True, slots=True)
class Account:
    """One source: received = stored + deduplicated + refused, each counted on its own in the transaction that took it."""

    received: int
    stored: int
    deduplicated: int
    refused: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        return self.received == self.stored + self.deduplicated + sum(self.refused.values())


async def accounts(conn: AsyncConnection, scope: Scope) -> dict[str, Account]:
    """The account of each source since the beginning."""
    tallies: dict[str, dict[tuple[str, str], int]] = {}
    for row in await conn.execute(sa.select(usage_tally).where(usage_tally.c.tenant == scope.tenant)):
        tallies.setdefault(row.source, {})[row.verdict, row.reason] = row.n
    return {source: _account(tally) for source, tally in sorted(tallies.items())}


def _account(tally: Mapping[tuple[str, str], int]) -> Account:
    known = ("received", VerdictKind.ACCEPTED, VerdictKind.DUPLICATE_SAME)
    received, stored, same = (tally.get((name, ""), 0) for name in known)
    return Account(received, stored, same, {reason or verdict: n for (verdict, reason), n in tally.items() if verdict not in known})


async def unguided(conn: AsyncConnection, scope: Scope, start_ns: int, end_ns: int) -> list[dict[str, Any]]:
    """Current records whose portions do not add up to them: empty when the law holds."""
    records = await current_records(conn, scope.tenant, start_ns, end_ns)
    guided = await latest_guiding(conn, scope.tenant, records)
    return [record for record in records if _portions(guided.get(record["id"], [])) != (record["in_octets"], record["out_octets"])]


def _portions(rows: list[dict[str, Any]]) -> tuple[int, int]:
    return sum(row["in_octets"] for row in rows), sum(row["out_octets"] for row in rows)


@dataclass(frozen=True, slots=True)
class Interval:
    """One billing day over all metering points: records expected = received + missing, slots likewise.

    `slots` counts expected ones, each mark among the received, and the missing; empty when there are too many to read.
    """

    day: str
    expected: int = 0
    received: int = 0
    slots: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        return self.expected - self.received


@dataclass(frozen=True, slots=True)
class PointAccount:
    """One metering point: the source of records. `missing` names the days without a record of some meter."""

    point: MeteringPoint
    expected: int
    received: int
    missing: Sequence[str]


async def measured(conn: AsyncConnection, scope: Scope, days: Sequence[Period]) -> tuple[list[Interval], list[PointAccount]]:
    """What each closed day should have brought from each port that a service held then, and what it brought."""
    scope.require(Role.BILLING, "checking completeness")
    if not days:
        return [], []
    points = await metering_points(conn, scope.tenant)
    records = await current_records(conn, scope.tenant, days[0].start_ns, days[-1].end_ns)
    held = {(record["metering_point"], record["start_ns"], record["meter"]): record for record in records}
    slots = await _slots(conn, scope.tenant, records)
    return [_interval(day, points, held, slots) for day in days], [_point(point, days, held) for point in points]


Held = Mapping[tuple[str, int, str], Mapping[str, Any]]


def _interval(day: Period, points: Sequence[MeteringPoint], held: Held, slots: Mapping[str, Mapping[str, int]] | None) -> Interval:
    bound = [point for point in points if point.bound_during(day.start_ns, day.end_ns)]
    received = [held[key] for point in bound for meter in MeterKind if (key := (point.id, day.start_ns, meter.value)) in held]
    counts: dict[str, int] = {}
    if slots is not None:
        expected = len(bound) * ((day.end_ns - day.start_ns) // SLOT_NS)
        marks = [slots[record["evidence"]] for record in received if record["meter"] == MeterKind.BANDWIDTH]
        counts = {mark.name.lower(): sum(of[mark.name.lower()] for of in marks) for mark in Mark}
        counts = {"expected": expected, **counts, "missing": expected - sum(counts.values())}
    return Interval(day.name, len(bound) * len(MeterKind), len(received), counts)


def _point(point: MeteringPoint, days: Sequence[Period], held: Held) -> PointAccount:
    bound = [day for day in days if point.bound_during(day.start_ns, day.end_ns)]
    lacking = {day.name: sum((point.id, day.start_ns, meter.value) not in held for meter in MeterKind) for day in bound}
    expected = len(bound) * len(MeterKind)
    return PointAccount(point, expected, expected - sum(lacking.values()), [name for name, n in lacking.items() if n])


async def _slots(conn: AsyncConnection, tenant: int, records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]] | None:
    """How many slots bear each mark, by evidence hash; None when it is too much to read at once."""
    hashes = sorted({record["evidence"] for record in records if record["meter"] == MeterKind.BANDWIDTH})
    if len(hashes) > EVIDENCE_MAX:
        return None
    c, found = usage_evidence.c, {}
    for at in range(0, len(hashes), IN_CHUNK):
        query = sa.select(c.sha256, c.blob).where(c.tenant == tenant, c.sha256.in_(hashes[at : at + IN_CHUNK]))
        found.update({sha256: counts_of(unpack(blob, sha256).quality) for sha256, blob in await conn.execute(query)})
    return found


async def octets(conn: AsyncConnection, scope: Scope, period: Period) -> dict[str, dict[str, int]]:
    """The octets of a period by meter: collected = guided + recycled, guided = rated + zero_rated + waiting.

    `rated` is what a line of an invoice prices; `waiting` is guided and not yet rated.
    """
    scope.require(Role.BILLING, "checking completeness")
    sums: dict[str, dict[str, int]] = {}
    for record in await current_records(conn, scope.tenant, period.start_ns, period.end_ns):
        of = sums.setdefault(record["meter"], dict.fromkeys(("collected", "guided", "recycled", "rated", "zero_rated", "waiting"), 0))
        of["collected"] += record["in_octets"] + record["out_octets"]
    rows = await with_progress(conn, scope.tenant, await portions(conn, scope, Span(period.start_ns, period.end_ns)))
    for row in rows:
        of = sums[row["meter"]]
        if row["state"] == UsageState.RECYCLED:
            of["recycled"] += row["quantity"]
            continue
        of["guided"] += row["quantity"]
        of["zero_rated" if row["zero_rated"] else "waiting" if row["state"] == UsageState.GUIDED else "rated"] += row["quantity"]
    return sums
