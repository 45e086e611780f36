"""Sessions of access servers as usage: counters that only grow become events of what is new, each once.

A report is cumulative, so that a repeated one adds nothing and a lost one is made up for by the next. What a session had
used when its server restarted stays used. Usage lies at the instant of the report that tells of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.events import Arrived, EventIn, take_in
from billing_bridge.metrics import SESSION_REPORTS
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_session
from station.clock import NS_PER_S
from station.ids import derived_id
from station.scope import Role, Scope
from station.state import State, among, upsert

SOURCE = "radius"
UNNAMED = "-"  # the service of a session that names none: no service is called so, and its usage waits
OPEN, STOPPED, LOST = "open", "stopped", "lost"
SERVICE_MAX = 64
NAME_MAX = 255
METERS = {"in_octets": "session_in_octets", "out_octets": "session_out_octets", "seconds": "session_seconds"}


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What an access server says of a session; `session` "" says that the server itself started or is going down.

    Octets as its port counts them (`in` comes from the user), cumulative over the session, as are its seconds.
    """

    nas: str
    session: str
    service: str
    time_ns: int
    in_octets: int = 0
    out_octets: int = 0
    seconds: int = 0
    starts: bool = False
    stops: bool = False


@dataclass(frozen=True, slots=True)
class _Session:
    nas: str
    session: str
    instance: int
    service: str
    state: str
    start_ns: int
    last_ns: int
    in_octets: int
    out_octets: int
    seconds: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.nas, self.session, self.instance


async def take(state: State, scope: Scope, reports: Sequence[SessionReport], settings: BillingSettings, now_ns: int) -> None:
    """Make reports durable, and what they tell that is new usage of the service they name; all or nothing."""
    scope.require(Role.BILLING, "taking in usage")
    await state.transact(lambda conn: _take_in(conn, scope, reports, settings, now_ns))


async def forget(state: State, scope: Scope, before_ns: int) -> None:
    """Sessions that were last heard of so long ago are no longer known; their usage stays."""
    scope.require(Role.BILLING, "forgetting sessions")
    c = usage_session.c
    async with state.write() as conn:
        await conn.execute(sa.delete(usage_session).where(c.tenant == scope.tenant, c.last_ns < before_ns))


async def _take_in(conn: AsyncConnection, scope: Scope, reports: Sequence[SessionReport], settings: BillingSettings, now_ns: int) -> None:
    reports = [replace(each, nas=each.nas[:NAME_MAX], session=each.session[:NAME_MAX]) for each in reports]
    held = await _held(conn, scope.tenant, reports)
    events: list[Arrived] = []
    changed: dict[tuple[str, str, int], _Session] = {}
    for report in reports:
        if not report.session:
            lost = _restarted(held, report)
        else:
            before = _instance(held, report)
            session, counted, told = _followed(before, report)
            SESSION_REPORTS.labels(told).inc()
            events += _events(counted, session) if session else ()
            lost = [session] if session else []
        for each in lost:
            held[each.key] = changed[each.key] = each
    await upsert(conn, usage_session, [_row(scope.tenant, each) for each in changed.values()], ("tenant", "nas", "session", "instance"))
    for at in range(0, len(events), settings.batch_max):
        await take_in(conn, scope, events[at : at + settings.batch_max], settings, now_ns)


async def _held(conn: AsyncConnection, tenant: int, reports: Sequence[SessionReport]) -> dict[tuple[str, str, int], _Session]:
    """The sessions that are spoken of, and every open one of a server that restarted."""
    c = usage_session.c
    named = sa.and_(among(conn, c.nas, {each.nas for each in reports}), among(conn, c.session, {each.session for each in reports}))
    ended = sa.and_(among(conn, c.nas, {each.nas for each in reports if not each.session}), c.state == OPEN)
    rows = await conn.execute(sa.select(usage_session).where(c.tenant == tenant, sa.or_(named, ended)))
    found = [_Session(**{name: value for name, value in row.items() if name != "tenant"}) for row in rows.mappings()]
    return {each.key: each for each in found}


def _instance(held: Mapping[tuple[str, str, int], _Session], report: SessionReport) -> _Session | None:
    """The session a report is about: of those that had its id, the last that had begun by then."""
    found, instance = held.get((report.nas, report.session, 0)), 1
    while (later := held.get((report.nas, report.session, instance))) and later.start_ns <= report.time_ns:
        found, instance = later, instance + 1
    return found


def _restarted(held: Mapping[tuple[str, str, int], _Session], report: SessionReport) -> list[_Session]:
    """The server's sessions end with what they had; those that were heard after it spoke do not."""
    gone = (each for each in held.values() if each.nas == report.nas and each.state == OPEN and each.last_ns <= report.time_ns)
    return [replace(each, state=LOST) for each in gone]


def _followed(before: _Session | None, report: SessionReport) -> tuple[_Session | None, _Session | None, str]:
    """(the session now, what of it was counted before, a word for it); None where the report tells nothing new."""
    if before is None:
        return _begun(report, 0), None, "new"
    counters = [(getattr(report, name), getattr(before, name)) for name in METERS]
    fewer = any(now < then for now, then in counters)
    again = report.starts or report.seconds < before.seconds
    if report.time_ns > before.last_ns and again and (before.state != OPEN or fewer):
        return _begun(report, before.instance + 1), None, "new"
    if fewer:
        return None, None, "late" if report.time_ns <= before.last_ns else "went_backwards"
    state = STOPPED if report.stops else before.state
    if state == before.state and all(now == then for now, then in counters):
        return None, None, "repeated"
    last_ns, service = max(report.time_ns, before.last_ns), report.service[:SERVICE_MAX] or before.service
    counted = {name: getattr(report, name) for name in METERS}
    return replace(before, service=service, state=state, last_ns=last_ns, **counted), before, "followed"


def _begun(report: SessionReport, instance: int) -> _Session:
    return _Session(
        nas=report.nas,
        session=report.session,
        instance=instance,
        service=report.service[:SERVICE_MAX] or UNNAMED,
        state=STOPPED if report.stops else OPEN,
        start_ns=report.time_ns - report.seconds * NS_PER_S,
        last_ns=report.time_ns,
        in_octets=report.in_octets,
        out_octets=report.out_octets,
        seconds=report.seconds,
    )


def _events(before: _Session | None, now: _Session) -> Iterable[EventIn]:
    """What is new since, a meter each; named by the counters it lies between, so that it is the same in every telling."""
    name = derived_id(now.nas, now.session, now.instance)
    for counter, meter in METERS.items():
        since, until = getattr(before, counter) if before else 0, getattr(now, counter)
        if until > since:
            yield EventIn(
                source=SOURCE,
                external_id=f"{name}/{counter}/{since}-{until}",
                meter=meter,
                service=now.service,
                time_ns=now.last_ns,
                quantity=until - since,
                key=now.session[:SERVICE_MAX],
            )


def _row(tenant: int, session: _Session) -> dict[str, Any]:
    return {"tenant": tenant} | {name: getattr(session, name) for name in _Session.__slots__}
