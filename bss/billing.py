"""The bill run: fix the inputs once, then a transaction for some customers at a time, so that kill -9 at any point and a
second run, also at the same time, leave exactly one invoice per customer and period, and no gap in the numbers.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import book
from billing_bridge.periods import Period
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_event, usage_event_guiding, usage_guiding, usage_record
from bss import canonical, consumption, cycles, document, draft, issue, membership, pdf, snapshot, taxes
from bss.control import differences
from bss.issue import Issued, Numbers, series_of
from bss.lines import Draft, Inputs
from bss.metrics import EXCEPTIONS, INVOICES
from bss.pools import Carried, carried_out
from bss.publication import must_wait
from bss.settings import BssSettings
from bss.snapshot import ONCE, Snapshot, Sources
from bss.store import bill_run, bill_run_closed, billed_period, invoice, rated_usage, service_plan
from bss.tariffs import Tariffs
from station.clock import NS_PER_S
from station.data import data_dir
from station.ids import new_id
from station.scope import ForbiddenError, Role, Scope
from station.security import audit
from station.state import State, insert_new

DUE_NS = 92 * 86_400 * NS_PER_S  # how far back spans are due before any was billed
NEWS_NS = 1_100 * 86_400 * NS_PER_S  # how far back news of a billed span is looked for
ZONES_NS = 14 * 3600 * NS_PER_S  # the farthest that a day begins from where it begins in UTC
AT_ONCE = 100  # customers drafted and issued together, in one transaction

Checkpoint = Callable[[str], None]
Progress = Callable[[int, int], None]


class BillRunError(Exception):
    """The run cannot be made; `reason` is a word, the text says why."""

    def __init__(self, reason: str, why: str) -> None:
        super().__init__(why)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RunReport:
    """`made` invoices were issued now, `stood` were there already; `exceptions`: services that could not be billed or
    corrected, each with its period and the reason. `waiting`: it is above the limit, and nothing is issued until a second
    person approves it."""

    run_id: str
    period: str
    made: int
    stood: int
    exceptions: Sequence[dict[str, str]]
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Biller:
    """Makes invoices. `checkpoint` is called with the name of each step, so that a test can die there.

    `simulated` says that the station stands on a simulated network: every invoice then says so. Devices that the inventory
    knows as simulated mark the invoices that rest on them in any case.
    """

    state: State
    tariffs: Tariffs
    settings: BssSettings
    billing: BillingSettings
    checkpoint: Checkpoint = lambda name: None
    simulated: bool = False
    taxes: Path = field(default_factory=lambda: data_dir("config/taxes"))

    async def run(
        self,
        scope: Scope,
        month: str,
        now_ns: int,
        *,
        cutoff_ns: int | None = None,
        progress: Progress = lambda done, total: None,
        pages: bool = True,
    ) -> RunReport:
        """Bill a span (`2026-07`, `2026-06-30/2026-07-31`) for all whose cycle has it; a second run of it issues what is missing
        and changes nothing.

        `cutoff_ns` (None: now) fixes what is known; it is taken from the first run. BillRunError unless the span and
        its grace are over. Pages are set after the invoices stand, so that a reader does not wait for them; without `pages`
        each is set when it is first read.
        """
        scope.require(Role.BILLING, "a bill run")
        if scope.customers or scope.regions:
            raise ForbiddenError("a bill run, which is for all customers,", Role.BILLING)
        period = cycles.parse(month, self.billing.zone)
        self.checkpoint("before_run")
        async with self.state.write() as conn:
            inputs = await self._inputs(conn, scope, period, now_ns, cutoff_ns)
            if await self._waits(conn, scope, inputs, now_ns):
                return RunReport(inputs.run_id, period.name, 0, 0, [], waiting=True)
        self.checkpoint("after_run_fixed")
        made, stood, exceptions = 0, 0, []
        customers = inputs.snapshot.members
        for at in range(0, len(customers), AT_ONCE):
            progress(at, len(customers))
            found, refused = await asyncio.to_thread(_drafts, inputs, customers[at : at + AT_ONCE])
            exceptions += refused
            fresh = await self._issue(scope, inputs, found, now_ns)
            made, stood = made + fresh, stood + sum(bool(one.lines) for one in found) - fresh
        progress(len(customers), len(customers))
        report = RunReport(inputs.run_id, month, made, stood, exceptions)
        await self._close(scope, period, now_ns, report)
        self.checkpoint("after_close")
        if pages:
            await pdf.set_missing(self.state, scope, period.name)
        return report

    @property
    def sources(self) -> Sources:
        return Sources(self.settings, self.billing.time_zone, self.tariffs, taxes.read(self.taxes), self.simulated)

    async def due(self, scope: Scope, now_ns: int) -> list[str]:
        """Every span that can be billed now and is not, of all cycles, oldest first; a run that did not come to its end is."""
        scope.require(Role.BILLING, "reading bill runs")
        ready_ns = now_ns - self.settings.grace_h * 3600 * NS_PER_S
        async with self.state.read() as conn:
            first = (await conn.execute(sa.select(sa.func.min(bill_run.c.start_ns)).where(bill_run.c.tenant == scope.tenant))).scalar()
            since_ns = ready_ns - DUE_NS if first is None else int(first)
            since = await snapshot.begun(conn, scope.tenant, since_ns)
            everybody = await snapshot.customers_of(conn, scope.tenant)
            names = await membership.due(
                conn, scope.tenant, everybody, self.billing.zone, self.settings.short_month, ready_ns=ready_ns, since=since
            )
            c, done = bill_run.c, bill_run_closed.c
            ended = sa.and_(done.tenant == c.tenant, done.period == c.period)
            runs = await conn.execute(
                sa.select(c.period, c.start_ns, done.closed_ns).join(bill_run_closed, ended, isouter=True).where(c.tenant == scope.tenant)
            )
            held = {row.period: row for row in runs}
        begun = [row for row in held.values() if row.closed_ns is None]
        return [row.period for row in sorted(begun, key=lambda row: row.start_ns)] + [name for name in names if name not in held]

    async def _inputs(self, conn: AsyncConnection, scope: Scope, period: Period, now_ns: int, cutoff_ns: int | None) -> Inputs:
        run = await _run_row(conn, scope.tenant, period.name)
        if run is None:
            cutoff_ns = now_ns if cutoff_ns is None else cutoff_ns
            self._check_time(period, cutoff_ns, now_ns)
            await book.fix_cutoff(conn, scope.tenant, cutoff_ns)
            taken = await snapshot.take(conn, scope, self.sources, period)
            text, sha256 = snapshot.freeze(taken)
            row = run_row(scope, period, cutoff_ns, now_ns) | {"snapshot": text, "snapshot_sha256": sha256}
            await insert_new(conn, bill_run, [row], ("tenant", "period"))
            await insert_new(conn, billed_period, _spans(scope.tenant, period, taken), ("tenant", "customer_id", "start_ns"))
            await audit.record(conn, scope, "bill_run.begin", f"bill_run:{period.name}", now_ns=now_ns, after={"cutoff_ns": cutoff_ns})
            run = await _run_row(conn, scope.tenant, period.name)
        return await inputs_of(conn, scope.tenant, run)

    async def _waits(self, conn: AsyncConnection, scope: Scope, inputs: Inputs, now_ns: int) -> bool:
        if self.settings.freeze_minor is None:
            return False
        return await must_wait(conn, scope, inputs.period.name, self.settings.freeze_minor, lambda: _gross(inputs), now_ns)

    def _check_time(self, period: Period, cutoff_ns: int, now_ns: int) -> None:
        ready_ns = period.end_ns + self.settings.grace_h * 3600 * NS_PER_S
        if cutoff_ns < ready_ns:
            raise BillRunError("too_early", f"{period.name} can be billed {self.settings.grace_h} hours after its end")
        if cutoff_ns > now_ns:
            raise BillRunError("future_cutoff", "the knowledge cut-off lies in the future")

    async def _issue(self, scope: Scope, inputs: Inputs, found: Sequence[Draft], now_ns: int) -> int:
        """Issue the invoices that do not stand yet, all in one transaction; return how many."""
        if not found:
            return 0
        self.checkpoint(f"before_invoices:{_name(found[0])}")
        async with self.state.write() as conn:
            # the series is locked first: of two runs at once the second finds what the first has issued
            billed = [one for one in found if one.lines]
            series = [series_of(inputs, one) for one in billed]
            numbers = await Numbers.locked(conn, scope.tenant, series)
            stands = await _standing(conn, scope.tenant, inputs.period, [one.customer["id"] for one in billed])
            made = []
            for one, name in zip(billed, series, strict=True):
                if one.customer["id"] not in stands:
                    made.append(Issued.of(scope.tenant, inputs, one, numbers.next(name)))
                    self.checkpoint(f"numbered:{_name(one)}")
            await issue.write(conn, scope.tenant, inputs, made, now_ns)
            await issue.note_leaks(conn, scope.tenant, inputs, found, now_ns)
            await numbers.keep(conn)
            if made:
                after = {of.row["number"]: of.row["sha256"] for of in made}
                await audit.record(conn, scope, "invoice.issue", f"bill_run:{inputs.period.name}", now_ns=now_ns, after=after)
            self.checkpoint(f"before_commit:{_name(found[0])}")
        for of in made:
            INVOICES.labels(of.found.currency).inc()
        self.checkpoint(f"after_invoices:{_name(found[0])}")
        return len(made)

    async def _close(self, scope: Scope, period: Period, now_ns: int, report: RunReport) -> None:
        EXCEPTIONS.set(len(report.exceptions))
        self.checkpoint("before_close")
        row = {
            "tenant": scope.tenant,
            "period": period.name,
            "closed_ns": now_ns,
            "invoices": report.made + report.stood,
            "exceptions": canonical.encode(list(report.exceptions)),
        }
        after = {"made": report.made, "stood": report.stood, "exceptions": len(report.exceptions)}
        async with self.state.write() as conn:
            await insert_new(conn, bill_run_closed, [row], ("tenant", "period"))
            await audit.record(conn, scope, "bill_run.end", f"bill_run:{period.name}", now_ns=now_ns, after=after)


def _gross(inputs: Inputs) -> dict[str, int]:
    """What the run comes to, by currency."""
    found: dict[str, int] = {}
    for customer in inputs.snapshot.members:
        one = draft.draft(inputs, customer)
        if one.lines:
            found[one.currency] = found.get(one.currency, 0) + document.document(inputs, one, "", "")["totals"]["gross_minor"]
    return found


def _name(found: Draft) -> str:
    return f"customer:{found.customer['number']}"


def _drafts(inputs: Inputs, customers: Sequence[Any]) -> tuple[list[Draft], list[dict[str, str]]]:
    """The drafts that come to something, and what could not be billed: a customer whose two ratings differ gets no invoice."""
    found = [draft.draft(inputs, customer) for customer in customers]
    exceptions = [dict(row) for one in found for row in one.exceptions]
    numbered = [(n, rating) for n, one in enumerate(found) for rating in one.ratings]
    wrong = {id(difference.rating): difference for difference in differences([rating for _, rating in numbered])}
    refused = {n for n, rating in numbered if id(rating) in wrong}
    for difference in wrong.values():
        service = inputs.snapshot.services[difference.rating.service]["number"]
        exceptions.append({"period": difference.rating.period, "service": service, "reason": str(difference)})
    return [one for n, one in enumerate(found) if (one.lines or one.leaks) and n not in refused], exceptions


async def _standing(conn: AsyncConnection, tenant: int, period: Period, customer_ids: Sequence[str]) -> set[str]:
    """The customers who have their invoice of the period."""
    where = (invoice.c.tenant == tenant, invoice.c.period == period.name, invoice.c.customer_id.in_(customer_ids))
    return set((await conn.execute(sa.select(invoice.c.customer_id).where(*where))).scalars())


async def _run_row(conn: AsyncConnection, tenant: int, month: str) -> Any:
    return (await conn.execute(sa.select(bill_run).where(bill_run.c.tenant == tenant, bill_run.c.period == month))).first()


def run_row(scope: Scope, period: Period, cutoff_ns: int, now_ns: int) -> dict[str, Any]:
    """A run without its snapshot."""
    span = {"period": period.name, "start_ns": period.start_ns, "end_ns": period.end_ns}
    return span | {
        "tenant": scope.tenant,
        "id": new_id(now_ns),
        "cutoff_ns": cutoff_ns,
        "created_ns": now_ns,
        "created_by": scope.user[:64],
    }


def _spans(tenant: int, period: Period, taken: Snapshot) -> list[dict[str, Any]]:
    """That its members are billed for the period."""
    span = {"tenant": tenant, "period": period.name, "start_ns": period.start_ns, "end_ns": period.end_ns}
    return [span | {"customer_id": row["id"]} for row in taken.members]


async def inputs_of(conn: AsyncConnection, tenant: int, run: Any) -> Inputs:
    """What a run rests on, read back: the same for ever."""
    frozen = Snapshot(json.loads(run.snapshot))
    period = Period(run.start_ns, run.end_ns, run.period)
    billed = await _changed_periods(conn, tenant, run, frozen)
    corrected = {earlier.name: await consumption.load(conn, tenant, earlier, run.cutoff_ns, frozen.zone) for earlier in billed}
    return Inputs(
        run_id=run.id,
        period=period,
        cutoff_ns=run.cutoff_ns,
        snapshot=frozen,
        snapshot_sha256=run.snapshot_sha256,
        usage=await consumption.load(conn, tenant, period, run.cutoff_ns, frozen.zone),
        corrected=corrected,
        booked=await _booked(conn, tenant, run, list(corrected)),
        carried={name: await _carried(conn, tenant, of.start_ns, run) for name, of in ((of.name, of) for of in (period, *billed))},
        billed={of.name: ids for of, ids in billed.items() if ids},
    )


async def _changed_periods(conn: AsyncConnection, tenant: int, run: Any, frozen: Snapshot) -> dict[Period, frozenset[str]]:
    """Earlier spans of the run's customers of which something became known between their cut-off and this one, each with whom
    it was billed to (empty: to everybody, before spans were kept)."""
    mine, found = {row["id"] for row in frozen.members}, dict[Period, frozenset[str]]()
    for earlier in await _with_news(conn, tenant, run):
        b = billed_period.c
        billed = set((await conn.execute(sa.select(b.customer_id).where(b.tenant == tenant, b.period == earlier.name))).scalars())
        if not billed or billed & mine:
            found[earlier] = frozenset(billed & mine)
    return found


async def _with_news(conn: AsyncConnection, tenant: int, run: Any) -> list[Period]:
    """The earlier runs' spans of which usage, or a change of tariff, became known after they were billed, newest first. Borders
    are taken wide: a customer's day may begin elsewhere than a meter's."""
    c, s, news = bill_run.c, service_plan.c, []
    for table in (usage_record, usage_guiding, usage_event, usage_event_guiding):
        t = table.c
        within = (t.tenant == tenant, t.start_ns >= c.start_ns - ZONES_NS, t.start_ns < c.end_ns + ZONES_NS)
        news.append(sa.exists().where(*within, t.known_ns > c.cutoff_ns, t.known_ns <= run.cutoff_ns))
    news.append(sa.exists().where(s.tenant == tenant, s.made_ns > c.cutoff_ns, s.made_ns <= run.cutoff_ns))
    where = (c.tenant == tenant, c.end_ns <= run.start_ns, c.end_ns > run.start_ns - NEWS_NS, sa.or_(*news))
    rows = await conn.execute(sa.select(c.start_ns, c.end_ns, c.period).where(*where).order_by(c.start_ns.desc()))
    return [Period(row.start_ns, row.end_ns, row.period) for row in rows]


async def _booked(conn: AsyncConnection, tenant: int, run: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Ratings of these periods, and of spans that begin as the run's own does, that stand on invoices of earlier runs, each
    with its invoice's number, by customer; what is asked for once is never rated again."""
    c, zone = rated_usage.c, ZoneInfo("UTC")
    first = cycles.days_of(run.period, zone)[0]
    own = [c.period.like(f"{first.isoformat()}/%"), *([c.period == first.isoformat()[:7]] if first.day == 1 else [])]
    query = (
        sa.select(rated_usage, invoice.c.number)
        .join(invoice, sa.and_(invoice.c.tenant == tenant, invoice.c.id == c.invoice_id))
        .where(c.tenant == tenant, c.booked_in.in_(_earlier(tenant, run)), ~c.charge.startswith(ONCE))
        .where(sa.or_(c.period.in_(names), *own))
        .order_by(c.period, c.service_id, c.charge, c.customer_id, c.rating_rev)
    )
    found: dict[str, list[Any]] = {}
    for row in (await conn.execute(query)).mappings():
        found.setdefault(row["customer_id"], []).append(dict(row))
    return found


def _earlier(tenant: int, run: Any) -> Any:
    """The periods of the runs before this one."""
    c = bill_run.c
    return sa.select(c.period).where(c.tenant == tenant, c.start_ns < run.start_ns)


async def _carried(conn: AsyncConnection, tenant: int, start_ns: int, run: Any) -> Carried:
    """What the allowances of the period that ended at an instant had left, by its latest rating on an earlier run's invoice."""
    c, b = rated_usage.c, bill_run.c
    ended = sa.select(b.period).where(b.tenant == tenant, b.end_ns == start_ns)
    where = (c.tenant == tenant, c.period.in_(ended), c.charge.like("%.allowance%"), c.booked_in.in_(_earlier(tenant, run)))
    rows = await conn.execute(sa.select(c.service_id, c.tariff, c.charge, c.computation).where(*where).order_by(c.rating_rev))
    return carried_out((row.service_id, row.tariff, row.charge, json.loads(row.computation)) for row in rows)


async def reproduce(state: State, scope: Scope, invoice_id: str) -> str | None:
    """The invoice computed again from what its run fixed: the same bytes as issued, or something is wrong. None: no such invoice."""
    scope.require(Role.BILLING, "reproducing an invoice")
    where = [invoice.c.tenant == scope.tenant, invoice.c.id == invoice_id]
    if scope.customers:
        where.append(invoice.c.customer_id.in_(scope.customers))
    async with state.read() as conn:
        row = (await conn.execute(sa.select(invoice).where(*where))).first()
        if row is None:
            return None
        inputs = await inputs_of(conn, scope.tenant, await _run_row(conn, scope.tenant, row.period))
    found = draft.draft(inputs, inputs.snapshot.customers[row.customer_id])
    return canonical.encode(document.document(inputs, found, row.number, row.id))
