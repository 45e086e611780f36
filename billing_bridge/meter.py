"""The meter: raw samples of metered interfaces become usage records, a pair per interface and closed billing day.

Both records of a day (bandwidth, volume) rest on the same slots and name the same evidence. A day is produced once
its end has settled; when samples arrive later, the day is measured again and, if it differs, revised.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book, events, guiding, periods, sessions
from billing_bridge.evidence import Evidence, pack
from billing_bridge.metrics import METER_FAILED, USAGE_PRODUCED
from billing_bridge.periods import Period
from billing_bridge.points import MeteringPoint, metering_points
from billing_bridge.samples import InterfaceSamples, SampleSource
from billing_bridge.settings import BillingSettings
from billing_bridge.slots import Slots, fill, spans
from billing_bridge.usage import MeterKind, UsageRecord, VerdictKind
from station.clock import NS_PER_S, Clock
from station.scope import Role, Scope
from station.state import State
from station.telemetry.client import TelemetryError

SOURCE = "meter"
NS_PER_H = 3600 * NS_PER_S
NS_PER_DAY = 24 * NS_PER_H

log = structlog.get_logger(__name__)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class MeterReport:
    """What one run did: new records, new revisions, records measured again without a difference."""

    produced: int = 0
    revised: int = 0
    unchanged: int = 0
    refused: int = 0
    failed_points: int = 0
    changed_guidings: int = 0
    recycled: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """The current revision of a day at a point, per meter, and when the latest of them became known."""

    records: dict[str, dict[str, Any]]
    known_ns: int


class Meter:
    """Produces usage of closed days for every interface that a service was ever bound to.

    `run_once` may be called at any time and any number of times: what is produced already is not produced again.
    """

    def __init__(self, state: State, scope: Scope, samples: SampleSource, settings: BillingSettings) -> None:
        self._state = state
        self._scope = scope
        self._samples = samples
        self._settings = settings
        self._late_checked_ns = -(1 << 62)
        self._owners_mark = ""
        self._first_ns: dict[str, int] = {}  # the first sample of each point: days before it were never measured

    async def run(self, clock: Clock) -> None:
        """Meter every `settings.retry_s` until cancelled."""
        while True:
            report = await self.run_once(clock.now_ns())
            if report.produced or report.revised:
                log.info("usage produced", produced=report.produced, revised=report.revised, recycled=report.recycled)
            await asyncio.sleep(self._settings.retry_s)

    async def run_once(self, now_ns: int, *, progress: Progress = lambda done, total: None, late: bool | None = None) -> MeterReport:
        """Produce what is due at `now_ns`, guide it, and retry the suspense.

        `late`: also search produced days for late samples (None: when `late_check_s` has passed since the last search).
        """
        self._scope.require(Role.BILLING, "metering")
        days = self._closed_days(now_ns)
        if late is None:
            late = now_ns - self._late_checked_ns >= self._settings.late_check_s * NS_PER_S
        async with self._state.read() as conn:
            points = await metering_points(conn, self._scope.tenant)
            known = await self._known(conn, days)
        total = MeterReport()
        for done, point in enumerate(points):
            progress(done, len(points))
            total = _sum(total, await self._meter_point(point, days, known, now_ns, late))
        progress(len(points), len(points))
        if late and not total.failed_points:
            self._late_checked_ns = now_ns
        guided = await guiding.guide(self._state, self._scope, days[0].start_ns if days else now_ns, now_ns)
        await self._guide_events(now_ns, days[0].start_ns if days else now_ns)
        await sessions.forget(self._state, self._scope, now_ns - self._settings.lookback_days * NS_PER_DAY)
        return replace(total, changed_guidings=guided.changed, recycled=guided.recycled)

    async def _guide_events(self, now_ns: int, since_ns: int) -> None:
        """Events were guided when they came; only other services or customers can change that."""
        async with self._state.read() as conn:
            mark = await events.owners_mark(conn, self._scope.tenant)
        if mark != self._owners_mark:
            await events.guide(self._state, self._scope, now_ns, since_ns)
        self._owners_mark = mark

    def _closed_days(self, now_ns: int) -> list[Period]:
        closed_ns = now_ns - self._settings.settle_s * NS_PER_S
        oldest_ns = max(0, now_ns - self._settings.lookback_days * NS_PER_DAY)
        days = periods.days_between(oldest_ns, max(oldest_ns, closed_ns), self._settings.zone)
        return [day for day in days if day.start_ns >= oldest_ns and day.end_ns <= closed_ns]

    async def _known(self, conn: AsyncConnection, days: Sequence[Period]) -> dict[tuple[str, int], _Known]:
        found: dict[tuple[str, int], _Known] = {}
        if not days:
            return found
        for record in await guiding.current_records(conn, self._scope.tenant, days[0].start_ns):
            at = (record["metering_point"], record["start_ns"])
            before = found.get(at, _Known({}, 0))
            found[at] = _Known(before.records | {record["meter"]: record}, max(before.known_ns, record["known_ns"]))
        return found

    async def _meter_point(
        self, point: MeteringPoint, days: Sequence[Period], known: dict[tuple[str, int], _Known], now_ns: int, late: bool
    ) -> MeterReport:
        wanted = [day for day in days if point.bound_during(day.start_ns, day.end_ns)]
        first_ns = self._first_ns.get(point.id, 0)
        due = [day for day in wanted if late or ((point.id, day.start_ns) not in known and day.end_ns > first_ns)]
        if not due:
            return MeterReport()
        margin_ns = self._settings.margin_h * NS_PER_H
        try:
            samples = await self._samples.interface_samples(point.entity_key, due[0].start_ns - margin_ns, due[-1].end_ns + margin_ns)
        except (OSError, TelemetryError) as error:
            METER_FAILED.inc()
            log.warning("samples not readable", metering_point=point.id, error=str(error))
            return MeterReport(failed_points=1)
        self._first_ns[point.id] = int(samples.time_ns.min()) if len(samples.time_ns) else guiding.FOREVER_NS
        records = list(self._records(point, samples, due, known, margin_ns))
        return await self._ingest(records, now_ns)

    def _records(
        self, point: MeteringPoint, samples: InterfaceSamples, days: Sequence[Period], known: dict[tuple[str, int], _Known], margin_ns: int
    ) -> Iterable[UsageRecord]:
        found = spans(samples, speed_bps=point.speed_bps, span_max_ms=self._settings.span_max_s * 1000)
        slack_ns = self._settings.arrival_slack_s * NS_PER_S
        for day in days:
            before = known.get((point.id, day.start_ns))
            if before is None and day.end_ns <= self._first_ns[point.id]:
                continue
            if before is not None and not _arrived_since(samples, day, before.known_ns - slack_ns, margin_ns):
                continue
            # The line rate of the first measurement stays: a port made faster later must not change a closed day.
            for record in day_records(self._scope.tenant, point, fill(found, day.start_ns, day.end_ns)):
                old = before.records.get(record.meter) if before else None
                if old is None:
                    yield record
                elif old["evidence"] != record.evidence.sha256:
                    yield replace(record, revision=old["revision"] + 1, replaces=old["id"])

    async def _ingest(self, records: Sequence[UsageRecord], now_ns: int) -> MeterReport:
        if not records:
            return MeterReport()
        async with self._state.write() as conn:
            verdicts = await book.ingest(conn, self._scope, records, self._settings, now_ns)
        taken = [r for r, v in zip(records, verdicts, strict=True) if v.kind == VerdictKind.ACCEPTED]
        same = sum(v.kind == VerdictKind.DUPLICATE_SAME for v in verdicts)
        revised = sum(record.revision > 0 for record in taken)
        USAGE_PRODUCED.labels("new").inc(len(taken) - revised)
        USAGE_PRODUCED.labels("revision").inc(revised)
        return MeterReport(len(taken) - revised, revised, same, len(records) - len(taken) - same)


def day_records(tenant: int, point: MeteringPoint, slots: Slots) -> Iterable[UsageRecord]:
    """The bandwidth and the volume record of one day; only bandwidth is capped by the line rate."""
    capped = slots.capped(point.speed_bps)
    for kind, part in ((MeterKind.BANDWIDTH, capped), (MeterKind.VOLUME, slots)):
        yield _record(tenant, point, kind, part, pack(part, point.speed_bps))


def _record(tenant: int, point: MeteringPoint, kind: MeterKind, slots: Slots, evidence: Evidence) -> UsageRecord:
    return UsageRecord(
        tenant=tenant,
        metering_point=point.id,
        meter=kind.value,
        start_ns=slots.start_ns,
        end_ns=slots.end_ns,
        in_octets=int(slots.in_octets.sum()),
        out_octets=int(slots.out_octets.sum()),
        evidence=evidence,
        source=SOURCE,
    )


def _arrived_since(samples: InterfaceSamples, day: Period, known_ns: int, margin_ns: int) -> bool:
    """Whether a sample that can bear on the day became known after the day was measured."""
    near = (samples.time_ns >= day.start_ns - margin_ns) & (samples.time_ns < day.end_ns + margin_ns)
    return bool((samples.received_ns[near] > known_ns).any())


def _sum(a: MeterReport, b: MeterReport) -> MeterReport:
    return MeterReport(*(x + y for x, y in zip(_values(a), _values(b), strict=True)))


def _values(report: MeterReport) -> tuple[int, ...]:
    return tuple(getattr(report, name) for name in report.__slots__)
