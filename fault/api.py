"""`/api/v1`: alarms, incidents and their summary; every handler acts within the caller's scope."""

from collections.abc import Callable
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import incident_store, queries, store
from fault.alarms import SEVERITIES, Alarm, AlarmBook, Change, Severity, Shelf
from fault.filters import FilterError, Term, parse
from fault.incidents import Incident
from fault.queries import AlarmQuery, Sort, Which
from fault.resources import Resources
from fault.service import Act, ActionRefusedError, FaultService
from fault.views import alarm_json, incident_json
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.security import audit
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found, time_ns

ACTION_ALARMS_MAX = 50_000
Planned = Literal["without", "only", "with"]  # incidents of planned work
RATE_SLOT_NS = 600 * NS_PER_S
RATE_SLOTS = 24


class AlarmAction(BaseModel):
    """One act on the alarms of `ids` or on all that match the filter line."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["acknowledge", "unacknowledge", "shelve", "unshelve", "comment", "clear"]
    ids: list[str] = Field(default_factory=list, max_length=ACTION_ALARMS_MAX)
    filter: str | None = None
    reason: str = Field("", max_length=255)
    until: str = ""
    text: str = Field("", max_length=1_024)


def router(service: FaultService) -> APIRouter:
    """The alarm and incident endpoints over one fault service."""
    api = APIRouter(prefix="/api/v1", tags=["fault"])

    @api.get("/alarms")
    async def alarms(
        caller: Caller,
        q: str = "",
        severity: str = "",
        state: Which = "active",
        shelved: bool | None = None,
        site: str = "",
        region: str = "",
        sort: Sort = "severity",
        cursor: str = "",
        limit: int = 100,
    ) -> dict[str, Any]:
        wanted = AlarmQuery(_terms(q), state, shelved, site, region, _severities(severity), sort, cursor, max(1, min(limit, PAGE_LIMIT)))
        async with service.state.read() as conn:
            page = await queries.list_alarms(conn, caller, wanted, service.resources)
        return {"items": [alarm_json(it) for it in page.alarms], "next": page.next, "total": page.total, "counts": page.counts}

    @api.get("/alarms/summary")
    async def summary(caller: Caller) -> dict[str, Any]:
        async with service.state.read() as conn:
            return await _summary(conn, caller, service)

    @api.post("/alarms/actions")
    async def actions(caller: Caller, body: AlarmAction) -> dict[str, Any]:
        return await act(service, caller, body)

    @api.get("/alarms/{key}")
    async def alarm(caller: Caller, key: str) -> dict[str, Any]:
        async with service.state.read() as conn:
            return await _detail(conn, caller, key, service.resources)

    @api.get("/incidents")
    async def incidents(
        caller: Caller, state: Literal["open", "closed", "all"] = "open", maintenance: Planned = "without", limit: int = 100
    ) -> dict[str, Any]:
        where = [] if state == "all" else [store.incident.c.state == state]
        where += [] if maintenance == "with" else [(store.incident.c.maintenance != "") == sa.literal(maintenance == "only")]
        async with service.state.read() as conn:
            where += seen_incidents(caller, service.resources)
            found = await incident_store.incidents_where(conn, caller.tenant, *where, limit=max(1, min(limit, PAGE_LIMIT)))
            total = await conn.scalar(sa.select(sa.func.count()).where(store.incident.c.tenant == caller.tenant, *where))
        return {"items": [incident_json(it) for it in found], "next": None, "total": total}

    @api.get("/incidents/{key}")
    async def incident(caller: Caller, key: str) -> dict[str, Any]:
        async with service.state.read() as conn:
            it = await seen_incident(conn, caller, service.resources, key)
        if it is None:
            raise not_found("incident")
        return incident_json(it)

    return api


async def act(service: FaultService, caller: Scope, body: AlarmAction) -> dict[str, Any]:
    """Do it in one transaction with its audit; honest counts of what matched, what changed and why the rest did not.

    `ids` are those that changed, where these are few enough to be taken back.
    """
    caller.require(Role.OPERATOR, f"{body.action} alarms")
    if body.filter is None and not body.ids:
        raise ProblemError(422, "Nothing named", "Give `ids` or a `filter`.")
    doing = _act(caller, body, service)
    terms = _terms(body.filter) if body.filter is not None else ()
    ids = list(dict.fromkeys(body.ids))
    async with service.state.read() as conn:
        wanted = AlarmQuery(terms, which="all" if ids or body.action in ("comment", "acknowledge") else "active")
        seen = await queries.visible_ids(conn, caller, ids, service.resources) if ids else None
        found = [] if ids else await queries.matching_ids(conn, caller, wanted, service.resources, ACTION_ALARMS_MAX)
    targets = [key for key in ids if seen and key in seen] or found
    hidden = {key: "there is no such alarm" for key in ids if not seen or key not in seen}

    async def note(conn: AsyncConnection) -> None:
        after = {"action": body.action, "ids": targets[:100], "alarms": len(targets), "filter": body.filter, "until": body.until}
        await audit.record(
            conn, caller, f"alarm.{body.action}", "alarms", now_ns=service.clock.now_ns(), after=after, reason=body.reason or body.text
        )

    refused = hidden | await service.change(targets, doing, note)
    matched = len(targets) + len(hidden)
    failed = [{"id": key, "reason": why} for key, why in list(refused.items())[:PAGE_LIMIT]]
    changed = [key for key in targets if key not in refused]
    named = {"ids": changed} if len(changed) <= PAGE_LIMIT else {}  # so few can be taken back
    return {"matched": matched, "succeeded": matched - len(refused), "failed": failed, **named}


def _act(caller: Scope, body: AlarmAction, service: FaultService) -> Act:
    """What the action does to one alarm."""
    user, text = caller.user, body.text

    def cleared(book: AlarmBook, alarm: Alarm, now_ns: int) -> list[Change]:
        if alarm.is_cleared:
            raise ActionRefusedError("it is cleared")
        return book.end(alarm.id, now_ns, now_ns, by=user, text=text or body.reason)

    def unshelved(book: AlarmBook, alarm: Alarm, now_ns: int) -> list[Change]:
        if alarm.shelf is None:
            raise ActionRefusedError("it is not shelved")
        return book.unshelve(alarm, user, now_ns)

    acts: dict[str, Callable[[], Act]] = {
        "acknowledge": lambda: lambda book, alarm, now: [] if alarm.acknowledged else [book.acknowledge(alarm, user, now, text)],
        "unacknowledge": lambda: lambda book, alarm, now: [book.unacknowledge(alarm, user, now, text)] if alarm.acknowledged else [],
        "shelve": lambda: _shelve(caller, body, service),
        "unshelve": lambda: unshelved,
        "comment": lambda: _comment(user, text),
        "clear": lambda: cleared,
    }
    return acts[body.action]()


def _comment(user: str, text: str) -> Act:
    if not text.strip():
        raise ProblemError(422, "No comment", "Give `text`.")
    return lambda book, alarm, now_ns: [book.comment(alarm, user, now_ns, text)]


def _shelve(caller: Scope, body: AlarmAction, service: FaultService) -> Act:
    """Always with a reason and an end (ISA-18.2); another person's critical alarm needs an engineer."""
    if not body.reason.strip() or not body.until:
        raise ProblemError(422, "Not shelved", "Shelving needs a `reason` and an `until`.")
    until_ns, now_ns = time_ns(body.until), service.clock.now_ns()
    if not now_ns < until_ns <= now_ns + service.settings.shelve_max_s * NS_PER_S:
        raise ProblemError(422, "Not shelved", f"`until` lies in the future, at most {service.settings.shelve_max_s} s from now.")

    def shelved(book: AlarmBook, alarm: Alarm, now_ns: int) -> list[Change]:
        foreign = alarm.severity is Severity.CRITICAL and alarm.ack_user not in ("", caller.user)
        if foreign and caller.role not in (Role.ENGINEER, Role.ADMIN):
            raise ActionRefusedError(f"it is critical and acknowledged by {alarm.ack_user}")
        return [book.shelve(alarm, Shelf(body.reason, caller.user, until_ns), now_ns)]

    return shelved


def _terms(line: str) -> tuple[Term, ...]:
    try:
        return parse(line)
    except FilterError as error:
        raise ProblemError(422, "Not a filter", str(error), position=error.at) from error


def _severities(text: str) -> tuple[Severity, ...]:
    words = [word for word in text.split(",") if word]
    if unknown := [word for word in words if word not in SEVERITIES]:
        raise ProblemError(422, "Not a severity", f"{unknown[0]!r} is none of {', '.join(SEVERITIES)}.")
    return tuple(SEVERITIES[word] for word in words)


async def _detail(conn: AsyncConnection, caller: Scope, key: str, resources: Resources) -> dict[str, Any]:
    it = await queries.alarm_by_id(conn, caller, key, resources)
    if it is None:
        raise not_found("alarm")
    rows = await queries.history_of(conn, caller, key)
    found = await incident_store.incidents_where(conn, caller.tenant, store.incident.c.id == it.incident_id) if it.incident_id else []
    history = [
        {"at": iso(r["time_ns"]), "what": r["what"], "severity": Severity(r["severity"]).word, "by": r["by"], "text": r["text"]}
        for r in rows
    ]
    comments = [{"at": row["at"], "by": row["by"], "text": row["text"]} for row in history if row["what"] == "commented"]
    return {**alarm_json(it), "history": history, "comments": comments, "incident": incident_json(found[0]) if found else None}


def seen_incidents(caller: Scope, resources: Resources) -> list[sa.ColumnElement[bool]]:
    """A caller limited to regions or customers sees the incidents that hold an alarm that it sees."""
    if not caller.regions and not caller.customers:
        return []
    mine = sa.select(store.alarm.c.incident_id).where(*queries.visible(caller, resources))
    return [store.incident.c.id.in_(mine)]


async def seen_incident(conn: AsyncConnection, caller: Scope, resources: Resources, key: str) -> Incident | None:
    """The incident, where the caller may see it."""
    where = [store.incident.c.id == key, *seen_incidents(caller, resources)]
    found = await incident_store.incidents_where(conn, caller.tenant, *where)
    return found[0] if found else None


async def _summary(conn: AsyncConnection, caller: Scope, service: FaultService) -> dict[str, Any]:
    table, now_ns, seen = store.alarm, service.clock.now_ns(), queries.visible(caller, service.resources)

    async def count(*where: sa.ColumnElement[bool]) -> int:
        return int(await conn.scalar(sa.select(sa.func.count()).where(*seen, *where)) or 0)

    active = table.c.is_cleared == 0
    shown = (active, table.c.shelf_until_ns == 0, table.c.suppressed == 0)
    rows = await conn.execute(sa.select(table.c.severity, sa.func.count()).where(*seen, *shown).group_by(table.c.severity))
    counts = {Severity(severity).word: n for severity, n in rows}
    history, first = store.alarm_history, now_ns // RATE_SLOT_NS - RATE_SLOTS + 1
    slot = history.c.time_ns // RATE_SLOT_NS
    raised = (history.c.tenant == caller.tenant, history.c.what.in_(("raised", "reopened")), history.c.time_ns >= first * RATE_SLOT_NS)
    joined = history.join(table, sa.and_(table.c.tenant == history.c.tenant, table.c.id == history.c.alarm_id))
    per_slot = sa.select(slot, sa.func.count()).select_from(joined).where(*raised, *seen).group_by(slot)
    rates = {int(at): n for at, n in await conn.execute(per_slot)}
    return {
        "counts": {word: counts.get(word, 0) for word in reversed(list(SEVERITIES))},
        "cleared_1h": await count(table.c.is_cleared == 1, table.c.cleared_ns >= now_ns - 3600 * NS_PER_S),
        "shelved": await count(table.c.shelf_until_ns > 0),
        "suppressed": await count(active, table.c.suppressed == 1),
        "maintenance": await count(active, table.c.maintenance != ""),
        "rate_10min": [{"at": iso((first + n) * RATE_SLOT_NS), "n": rates.get(first + n, 0)} for n in range(RATE_SLOTS)],
    }
