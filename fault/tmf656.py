"""TMF656 Service Problem Management v4: incidents that hurt services, and problems that clients report, in one list.

An incident's problem is computed: its services, customers, root and alarms. Acknowledging it acknowledges the alarms on
its root. What clients make themselves is kept as they said it. Problems are grouped by links over both.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final

import sqlalchemy as sa
from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import incident_store, store
from fault.api import AlarmAction, act, seen_incidents
from fault.incidents import Incident
from fault.service import Changes, FaultService
from fault.tmf_tasks import REFS_MAX, Links, keep
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.security import audit
from station.security.targets import Guard
from station.tmf.documents import Json, Kind, add_documents, add_reads, document, write
from station.tmf.hub import add_hub, publish, subscribed
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.tmf.store import tmf_event
from station.web import Caller, ProblemError, iso, not_found

BASE, API = "serviceProblemManagement/v4", "serviceProblemManagement"
CLOSED_SHOWN_S: Final = 7 * 86_400  # problems of incidents that are over stay in the list this long
PROBLEMS_MAX: Final = 2_000
RECORDS_MAX: Final = 1_000
STATES: Final = frozenset(("acknowledged", "rejected", "pending", "held", "inProgress", "resolved", "cancelled", "closed"))
PRIORITY: Final = {5: 1, 4: 2, 3: 3, 2: 4, 1: 5, 0: 5}  # of a severity: 1 is the highest
LINKS: Final = Links(API, "problemLinks")
TEXTS: Final = (
    "category", "creationDate", "description", "impactImportanceFactor", "lastUpdate", "name", "originatingSystem",
    "problemEscalation", "reason", "resolutionDate", "statusChangeDate", "statusChangeReason", "status",
)  # fmt: skip
LISTS: Final = (
    "affectedLocation", "affectedResource", "affectedService", "characteristic", "externalIdentifier", "note", "parentProblem",
    "relatedEntity", "relatedEvent", "relatedParty", "rootCauseResource", "rootCauseService", "slaViolation", "trackingRecord",
    "troubleTicket", "underlyingAlarm", "underlyingProblem",
)  # fmt: skip
OBJECTS: Final = ("firstAlert", "impactPattern", "originatorParty", "responsibleParty")
ATTRIBUTES: Final[Mapping[str, type]] = {
    **dict.fromkeys(TEXTS, str), **dict.fromkeys(LISTS, list), **dict.fromkeys(OBJECTS, dict),
    "affectedNumberOfServices": int, "priority": int,
}  # fmt: skip
REQUIRED: Final = ("category", "priority", "description", "reason", "originatorParty")


class Ref(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=64)]


class Grouping(BaseModel):
    """ProblemGroup and ProblemUngroup."""

    model_config = ConfigDict(extra="ignore")

    parentProblem: Ref  # noqa: N815 - their names
    childProblem: Annotated[list[Ref], Field(min_length=1, max_length=REFS_MAX)]  # noqa: N815


class Acknowledging(BaseModel):
    """ProblemAcknowledgement and ProblemUnacknowledgement."""

    model_config = ConfigDict(extra="ignore")

    problem: Annotated[list[Ref], Field(min_length=1, max_length=REFS_MAX)]


def router(service: FaultService, guard: Guard) -> APIRouter:
    """The routes under /tmf-api/serviceProblemManagement/v4."""
    routes, kind = api_router(BASE), problem_kind(service)
    add_hub(routes, service.state, guard, service.clock, API, Role.ENGINEER)
    service.listeners.append(partial(_publish, service))
    add_documents(routes, service.state, service.clock, kind)
    for name in ("problemGroup", "problemUngroup"):
        _add_grouping(routes, service, kind, name)
    for name in ("problemAcknowledgement", "problemUnacknowledgement"):
        _add_acknowledging(routes, service, kind, name)
    _add_records(routes, service)
    return routes


def problem_kind(service: FaultService) -> Kind:
    """Service problems: those of incidents computed, others as documents."""

    async def computed(conn: AsyncConnection, scope: Scope) -> Sequence[Json]:
        since_ns = service.clock.now_ns() - CLOSED_SHOWN_S * NS_PER_S
        i = store.incident.c
        where = [i.noise == 0, sa.or_(i.state == "open", i.closed_ns >= since_ns), *seen_incidents(scope, service.resources)]
        found = await incident_store.incidents_where(conn, scope.tenant, *where, limit=PROBLEMS_MAX)
        hurting = [it for it in found if it.services]
        links = await LINKS.of(conn, scope.tenant, [it.id for it in hurting])
        return [problem_of(it) | links.get(it.id, {}) for it in hurting]

    return Kind(
        API, BASE, "serviceProblem", ATTRIBUTES, REQUIRED, _settled, computed, states={"status": "StateChange"}, writes=Role.OPERATOR
    )


def _settled(body: Json, before: Json | None, now_ns: int) -> Json:
    """What a client says, with the times and the status that the station keeps."""
    status = body.get("status", "pending")
    if status not in STATES:
        raise ProblemError(400, "Not valid", f"status is one of {', '.join(sorted(STATES))}.")
    at = iso(now_ns)
    kept = {"creationDate": at, "statusChangeDate": at} | body | {"status": status, "lastUpdate": at}
    if before is not None and before.get("status") != status:
        kept["statusChangeDate"] = at
    if status in ("resolved", "closed") and "resolutionDate" not in kept:
        kept["resolutionDate"] = at
    return kept


def problem_of(it: Incident) -> Json:
    """The problem of an incident."""
    says, over = it.explanation, it.state != "open"
    found: Json = {
        "id": it.id,
        "href": href(BASE, "serviceProblem", it.id),
        "@type": "ServiceProblem",
        "affectedNumberOfServices": len(it.services),
        "affectedService": [{"id": id_, "name": name, "@referredType": "Service"} for id_, name, _ in it.services[:REFS_MAX]],
        "category": "supplier.originated",
        "creationDate": iso(it.opened_ns),
        "description": says.summary or it.root.name,
        "lastUpdate": iso(it.changed_ns),
        "name": it.root.name,
        "originatingSystem": "trunkline",
        "originatorParty": {"id": "trunkline", "name": "Trunkline", "role": "originator", "@referredType": "Organization"},
        "priority": PRIORITY.get(it.severity, 5),
        "reason": " ".join(says.evidence[:5]) or says.summary,
        "relatedParty": [
            {"id": id_, "name": name, "role": "customer", "@referredType": "Customer"} for id_, name in it.customers[:REFS_MAX]
        ],
        "resolutionDate": iso(it.closed_ns) if over else None,
        "rootCauseResource": [{"id": it.root.resource_id, "name": it.root.name, "@referredType": it.root.kind}]
        if it.root.resource_id
        else [],
        "status": "resolved" if over else "inProgress",
        "statusChangeDate": iso(it.closed_ns if over else it.opened_ns),
        "underlyingAlarm": [
            {"id": id_, "href": href("alarm/v4", "alarm", id_), "@referredType": "Alarm"} for id_ in sorted(it.alarm_ids)[:REFS_MAX]
        ],
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _ref(id_: str) -> Json:
    return {"id": id_, "href": href(BASE, "serviceProblem", id_), "@referredType": "ServiceProblem"}


def _add_grouping(routes: APIRouter, service: FaultService, kind: Kind, name: str) -> None:
    task = Kind(API, BASE, name, {})
    add_reads(routes, service.state, task)

    @routes.post(f"/{name}", status_code=201, name=name)
    async def group(caller: Caller, body: Annotated[Grouping, Body()]) -> JSONResponse:
        caller.require(Role.OPERATOR, "grouping problems")
        parent, now_ns = body.parentProblem.id, service.clock.now_ns()
        ids = list(dict.fromkeys(one.id for one in body.childProblem if one.id != parent))
        async with service.state.write() as conn:
            for id_ in (parent, *ids):
                await document(conn, caller, kind, id_)
            if name == "problemGroup":
                await LINKS.join(
                    conn, caller.tenant, ("parentProblem", parent), "underlyingProblem", {id_: _ref(id_) for id_ in ids}, now_ns
                )
            else:
                await LINKS.part(conn, caller.tenant, ("parentProblem", parent), "underlyingProblem", ids, now_ns)
            await _relink(conn, caller, kind, [parent, *ids], now_ns)
            made = await keep(conn, caller, task, {"parentProblem": _ref(parent), "childProblem": [_ref(id_) for id_ in ids]}, now_ns)
            await audit.record(conn, caller, f"serviceProblem.{name}", f"{name}:{made['id']}", now_ns=now_ns, after=made)
        return JSONResponse(made, 201)


async def _relink(conn: AsyncConnection, caller: Scope, kind: Kind, ids: Sequence[str], now_ns: int) -> None:
    """Lay the links over clients' own problems too, which are documents."""
    links = await LINKS.of(conn, caller.tenant, ids)
    for id_ in ids:
        body = await document(conn, caller, kind, id_)
        await write(conn, caller, kind, id_, body, {**body, **links.get(id_, {})}, now_ns)


def _add_acknowledging(routes: APIRouter, service: FaultService, kind: Kind, name: str) -> None:
    task, acks = Kind(API, BASE, name, {}), name == "problemAcknowledgement"
    add_reads(routes, service.state, task)

    @routes.post(f"/{name}", status_code=201, name=name)
    async def acknowledge(caller: Caller, body: Annotated[Acknowledging, Body()]) -> JSONResponse:
        caller.require(Role.OPERATOR, "acknowledging problems")
        ids, now_ns = list(dict.fromkeys(one.id for one in body.problem)), service.clock.now_ns()
        async with service.state.read() as conn:
            for id_ in ids:
                await document(conn, caller, kind, id_)
            found = await incident_store.incidents_where(conn, caller.tenant, store.incident.c.id.in_(ids))
        alarms = sorted({key for it in found for key in it.root_alarm_ids})
        if alarms:
            await act(service, caller, AlarmAction(action="acknowledge" if acks else "unacknowledge", ids=alarms))
        said = {"status": "acknowledged" if acks else "pending"}
        async with service.state.write() as conn:
            for id_ in ids:
                await LINKS.put(conn, caller.tenant, id_, said if acks else {"status": None}, now_ns)
                before = await document(conn, caller, kind, id_)
                if id_ not in {it.id for it in found}:
                    await write(conn, caller, kind, id_, before, before | said, now_ns)
            listed = "ackProblem" if acks else "unackProblem"
            made = await keep(conn, caller, task, {"problem": [_ref(id_) for id_ in ids], listed: [_ref(id_) for id_ in ids]}, now_ns)
            await audit.record(conn, caller, f"serviceProblem.{name}", f"{name}:{made['id']}", now_ns=now_ns, after=made)
        return JSONResponse(made, 201)


def _add_records(routes: APIRouter, service: FaultService) -> None:
    @routes.get("/serviceProblemEventRecord")
    async def records(request: Request, caller: Caller) -> JSONResponse:
        async with service.state.read() as conn:
            return page(Query.of(request), await _records(conn, caller))

    @routes.get("/serviceProblemEventRecord/{id}")
    async def record(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with service.state.read() as conn:
            found = [one for one in await _records(conn, caller) if one["id"] == id_]
        if not found:
            raise not_found("serviceProblemEventRecord")
        return JSONResponse(Query.of(request).shown(found[0]))


async def _records(conn: AsyncConnection, caller: Scope) -> list[Json]:
    """The last events that listeners were told."""
    e = tmf_event.c
    mine = [e.tenant == caller.tenant, e.api == API, *([e.customer_id.in_(caller.customers)] if caller.customers else [])]
    rows = await conn.execute(sa.select(e.id, e.at_ns, e.body).where(*mine).order_by(e.seq.desc()).limit(RECORDS_MAX))
    found = []
    for id_, at_ns, body in rows:
        said: dict[str, Any] = json.loads(body)
        about = next(iter(said["event"].values()))
        one = {
            "id": id_,
            "href": href(BASE, "serviceProblemEventRecord", id_),
            "eventTime": said["eventTime"],
            "eventType": said["eventType"],
        }
        found.append(
            one | {"recordTime": iso(at_ns), "notification": said, "serviceProblem": {"id": about["id"], "href": about.get("href", "")}}
        )
    return found


async def _publish(
    service: FaultService, conn: AsyncConnection, _changes: Changes, incidents: Sequence[tuple[str, Incident]], now_ns: int
) -> None:
    """Tell listeners of incidents that hurt services, in the transaction that made it true."""
    hurting = [(transition, it) for transition, it in incidents if it.services]
    if not hurting or not await subscribed(conn, service.tenant, API):
        return
    names = {"opened": "Create", "changed": "AttributeValueChange", "closed": "StateChange"}
    made = [(f"ServiceProblem{names[transition]}Event", "serviceProblem", "", problem_of(it)) for transition, it in hurting]
    await publish(conn, service.tenant, API, made, now_ns)
