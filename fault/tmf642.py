"""TMF642 Alarm Management v4: the alarms as other systems know them, and what they may do to them.

An alarm's id is the station's own text (the specification's table says string, its swagger file integer). What another
system creates is an alarm of the object it names, under the key of that system's own id, and is found by it again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import queries
from fault import store as fault_store
from fault.alarms import Alarm, alarm_id
from fault.api import AlarmAction, act
from fault.foreign import FOREIGN
from fault.probable_causes import PROBABLE_CAUSES
from fault.queries import AlarmQuery, Which
from fault.service import Changes, FaultService
from fault.tmf_tasks import REFS_MAX, Links, keep
from station.batch import Event
from station.clock import NS_PER_S
from station.scope import Role, Scope
from station.security import audit
from station.security.targets import Guard
from station.tmf.documents import Kind, add_reads
from station.tmf.hub import add_hub, publish, subscribed
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

BASE, API = "alarm/v4", "alarm"
LIST_MAX: Final = 10_000  # looked through for one list
IDS_MAX: Final = 1_000  # in one task
EVENTS: Final = {"raised": "AlarmCreateEvent", "reopened": "AlarmStateChangeEvent", "cleared": "AlarmStateChangeEvent"}
EVENT_TYPES: Final = frozenset(
    ("communicationsAlarm", "equipmentAlarm", "environmentalAlarm", "processingErrorAlarm", "qualityOfServiceAlarm")
)
SEVERITIES: Final = ("critical", "major", "minor", "warning", "indeterminate", "cleared")
Text = Annotated[str, Field(max_length=1_024)]
Json = dict[str, Any]


class Ref(BaseModel):
    """A reference to an alarm or a service."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=64)]


class Patch(BaseModel):
    """What may be changed of an alarm: its acknowledgement, what it is linked to, and that it is over."""

    model_config = ConfigDict(extra="forbid")

    ackState: Literal["acknowledged", "unacknowledged"] | None = None  # noqa: N815 - their names
    isRootCause: bool | None = None  # noqa: N815
    affectedService: list["Ref"] | None = Field(None, max_length=REFS_MAX)  # noqa: N815
    correlatedAlarm: list["Ref"] | None = Field(None, max_length=REFS_MAX)  # noqa: N815
    parentAlarm: list["Ref"] | None = Field(None, max_length=REFS_MAX)  # noqa: N815
    ackUserId: Text = ""  # noqa: N815
    ackSystemId: Text = ""  # noqa: N815
    state: Literal["cleared"] | None = None
    perceivedSeverity: Literal["cleared"] | None = None  # noqa: N815


class Named(BaseModel):
    """An alarm by its id."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(max_length=64)]


class Said(BaseModel):
    """A comment of a task."""

    model_config = ConfigDict(extra="ignore")

    comment: Annotated[str, Field(min_length=1, max_length=1_024)]


class Task(BaseModel):
    """AckAlarms, UnAckAlarms, ClearAlarms and CommentAlarms: which alarms, and for a comment its text."""

    model_config = ConfigDict(extra="ignore")

    alarmPattern: Annotated[list[Named], Field(min_length=1, max_length=IDS_MAX)]  # noqa: N815
    comment: Said | None = None


class Thing(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, Field(min_length=1, max_length=255)]


class Create(BaseModel):
    """Alarm_Create: what the specification makes mandatory, and what makes an alarm readable."""

    model_config = ConfigDict(extra="ignore")

    alarmType: str  # noqa: N815
    perceivedSeverity: str  # noqa: N815
    probableCause: Text  # noqa: N815
    alarmedObject: Thing  # noqa: N815
    sourceSystemId: Annotated[str, Field(min_length=1, max_length=64)]  # noqa: N815
    state: Text
    alarmRaisedTime: datetime  # noqa: N815
    externalAlarmId: Annotated[str, Field(max_length=128)] = ""  # noqa: N815
    specificProblem: Text = ""  # noqa: N815
    alarmDetails: Text = ""  # noqa: N815
    proposedRepairedActions: Text = ""  # noqa: N815
    isRootCause: bool | None = None  # noqa: N815
    affectedService: list[Ref] | None = Field(None, max_length=REFS_MAX)  # noqa: N815
    correlatedAlarm: list[Ref] | None = Field(None, max_length=REFS_MAX)  # noqa: N815
    parentAlarm: list[Ref] | None = Field(None, max_length=REFS_MAX)  # noqa: N815


class Group(BaseModel):
    """GroupAlarms and UnGroupAlarms: the parent, and the alarms that belong below it."""

    model_config = ConfigDict(extra="ignore")

    parentAlarm: Named  # noqa: N815
    correlatedAlarm: Annotated[list[Named], Field(min_length=1, max_length=IDS_MAX)]  # noqa: N815
    sourceSystemId: Annotated[str, Field(min_length=1, max_length=64)]  # noqa: N815
    alarmChangedTime: datetime  # noqa: N815


TASKS: Final[Mapping[str, Literal["acknowledge", "unacknowledge", "clear", "comment"]]] = {
    "ackAlarms": "acknowledge",
    "unAckAlarms": "unacknowledge",
    "clearAlarms": "clear",
    "commentAlarms": "comment",
}


LINKS: Final = Links(API, "alarmLinks")


def router(service: FaultService, guard: Guard | None = None) -> APIRouter:
    """The routes under /tmf-api/alarm/v4; the hub sends through `guard`."""
    routes = api_router(BASE)
    if guard is not None:
        add_hub(routes, service.state, guard, service.clock, API, Role.ENGINEER)
        service.listeners.append(partial(_publish, service))

    @routes.get("/alarm")
    async def alarms(request: Request, caller: Caller) -> JSONResponse:
        query = Query.of(request)
        which: Which = {"raised": "active", "cleared": "cleared"}.get(query.value("state") or "", "all")  # type: ignore[assignment]
        async with service.state.read() as conn:
            return page(query, await _resources(conn, service, await _alarms(conn, caller, service, which)))

    @routes.get("/alarm/{id}")
    async def alarm(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        return JSONResponse(Query.of(request).shown(await _shown(service, caller, id_)))

    @routes.post("/alarm", status_code=201)
    async def create(caller: Caller, body: Create) -> JSONResponse:
        caller.require(Role.OPERATOR, "raising alarms for another system")
        event = event_of(body, service, caller)
        await service.handle((event,))
        id_ = alarm_id(caller.tenant, event.resource, event.alarm_type, event.qualifier)
        await _link(service, caller, id_, body)
        made = await _shown(service, caller, id_)
        return JSONResponse(made, 201, headers={"Location": made["href"]})

    @routes.patch("/alarm/{id}")
    async def change(caller: Caller, id_: Id, body: Patch) -> JSONResponse:
        caller.require(Role.OPERATOR, "changing alarms")
        await _one(service, caller, id_)
        acts = {"acknowledged": "acknowledge", "unacknowledged": "unacknowledge"}
        if body.ackState:
            await _done(service, caller, acts[body.ackState], [id_])
        if "cleared" in (body.state, body.perceivedSeverity):
            await _done(service, caller, "clear", [id_])
        await _link(service, caller, id_, body)
        return JSONResponse(await _shown(service, caller, id_))

    @routes.delete("/alarm/{id}", status_code=204)
    async def remove(caller: Caller, id_: Id) -> None:
        """Forget an alarm that is over, with its history."""
        caller.require(Role.ENGINEER, "removing alarms")
        if not (await _one(service, caller, id_)).is_cleared:
            raise ProblemError(409, "Not possible", "The alarm is not cleared: an alarm that stands is not removed.")
        gone = await _shown(service, caller, id_)
        await service.forget(id_, partial(_removed, service, caller, gone))

    for name in TASKS:
        _add_task(routes, service, name)
    for name in ("groupAlarms", "unGroupAlarms"):
        _add_group(routes, service, name)
    return routes


async def _removed(service: FaultService, caller: Scope, gone: Json, conn: AsyncConnection) -> None:
    now_ns = service.clock.now_ns()
    await audit.record(conn, caller, "alarm.remove", f"alarm:{gone['id']}", now_ns=now_ns, before=gone)
    await publish(conn, caller.tenant, API, [("AlarmDeleteEvent", "alarm", "", gone)], now_ns)


def _kind(name: str) -> Kind:
    return Kind(API, BASE, name, {})


def _add_task(routes: APIRouter, service: FaultService, name: str) -> None:
    kind = _kind(name)
    add_reads(routes, service.state, kind)

    @routes.post(f"/{name}", status_code=201, name=name)
    async def task(caller: Caller, body: Annotated[Task, Body()]) -> JSONResponse:
        text = body.comment.comment if body.comment else ""
        if TASKS[name] == "comment" and not text:
            raise ProblemError(400, "Nothing said", "A comment has a text.")
        action = AlarmAction(action=TASKS[name], ids=[one.id for one in body.alarmPattern], text=text)
        done = await act(service, caller, action)
        refused = {one["id"] for one in done["failed"]}
        changed = [_ref(one.id) for one in body.alarmPattern if one.id not in refused]
        said: Json = {"@type": kind.type_, "state": "done" if changed else "terminatedWithError", _changed(name): changed}
        said |= {"alarmPattern": [{"id": one.id} for one in body.alarmPattern]}
        said |= {"comment": body.comment.model_dump()} if TASKS[name] == "comment" and body.comment else {}
        return await _kept(service, caller, kind, said)


def _add_group(routes: APIRouter, service: FaultService, name: str) -> None:
    kind, joins = _kind(name), name == "groupAlarms"
    add_reads(routes, service.state, kind)

    @routes.post(f"/{name}", status_code=201, name=name)
    async def task(caller: Caller, body: Annotated[Group, Body()]) -> JSONResponse:
        caller.require(Role.OPERATOR, "grouping alarms")
        ids = list(dict.fromkeys(one.id for one in body.correlatedAlarm if one.id != body.parentAlarm.id))
        async with service.state.read() as conn:
            seen = await queries.visible_ids(conn, caller, [body.parentAlarm.id, *ids], service.resources)
        known = [id_ for id_ in ids if id_ in seen] if body.parentAlarm.id in seen else []
        said: Json = {"@type": kind.type_, "state": "done" if known else "terminatedWithError"}
        said |= {"groupedAlarm" if joins else "unGroupedAlarm": [_ref(id_) for id_ in known]}
        said |= {"parentAlarm": _ref(body.parentAlarm.id), "correlatedAlarm": [_ref(one.id) for one in body.correlatedAlarm]}
        said |= {"sourceSystemId": body.sourceSystemId, "alarmChangedTime": body.alarmChangedTime.isoformat()}
        return await _kept(service, caller, kind, said, {id_: _ref(id_) for id_ in known})


async def _kept(service: FaultService, caller: Scope, kind: Kind, said: Json, grouped: dict[str, Json] | None = None) -> JSONResponse:
    """Store a task with what it links, tell listeners, and answer with it."""
    now_ns = service.clock.now_ns()
    async with service.state.write() as conn:
        if grouped:
            up = ("parentAlarm", said["parentAlarm"]["id"])
            if "groupedAlarm" in said:
                await LINKS.join(conn, caller.tenant, up, "correlatedAlarm", grouped, now_ns)
            else:
                await LINKS.part(conn, caller.tenant, up, "correlatedAlarm", list(grouped), now_ns)
        made = await keep(conn, caller, kind, said, now_ns)
        await audit.record(conn, caller, f"alarm.{kind.name}", f"{kind.name}:{made['id']}", now_ns=now_ns, after=made)
    return JSONResponse(made, 201)


async def _link(service: FaultService, caller: Scope, id_: str, body: Create | Patch) -> None:
    """Lay over an alarm what a client says of its place among the others."""
    said: Json = {}
    if body.isRootCause is not None:
        said["isRootCause"] = body.isRootCause
    if body.affectedService is not None:
        said["affectedService"] = [{"id": one.id, "@type": "AffectedService"} for one in body.affectedService]
    for name in ("correlatedAlarm", "parentAlarm"):
        refs = getattr(body, name)
        if refs is not None:
            said[name] = [_ref(one.id) for one in refs]
    if not said:
        return
    now_ns = service.clock.now_ns()
    async with service.state.write() as conn:
        await LINKS.put(conn, caller.tenant, id_, said, now_ns)
        await audit.record(conn, caller, "alarm.link", f"alarm:{id_}", now_ns=now_ns, after=said)
        (found,) = await _resources(conn, service, await fault_store.alarms_by_id(conn, caller.tenant, [id_]))
        await publish(conn, caller.tenant, API, [("AlarmAttributeValueChangeEvent", "alarm", "", found)], now_ns)


async def _publish(service: FaultService, conn: AsyncConnection, changes: Changes, _incidents: Any, now_ns: int) -> None:
    """Tell listeners what happened to alarms, in the transaction that made it true."""
    if not changes or not await subscribed(conn, service.tenant, API):
        return
    alarms = {alarm.id: alarm for _, alarm in changes}
    shown = {one["id"]: one for one in await _resources(conn, service, list(alarms.values()))}
    made = [(EVENTS.get(change.what, "AlarmAttributeValueChangeEvent"), "alarm", "", shown[change.alarm_id]) for change, _ in changes]
    await publish(conn, service.tenant, API, made, now_ns)


async def _shown(service: FaultService, caller: Scope, id_: str) -> Json:
    it = await _one(service, caller, id_)
    async with service.state.read() as conn:
        return (await _resources(conn, service, [it]))[0]


async def _resources(conn: AsyncConnection, service: FaultService, alarms: Sequence[Alarm]) -> list[Json]:
    """Alarms as TMF642 has them, with what is known beside them: comments, their incident's others, what clients linked."""
    ids = [it.id for it in alarms]
    links = await LINKS.of(conn, service.tenant, ids)
    comments = await _comments(conn, service.tenant, [it.id for it in alarms if it.seq > 1])
    children = await _children(conn, service.tenant, [it.id for it in alarms if it.children])
    found = []
    for it in alarms:
        hurt = service.resources.services((it.resource,))[:REFS_MAX] if it.services else ()
        more: Json = {
            "affectedService": [{"id": one.id, "@type": "AffectedService"} for one in hurt],
            "comment": comments.get(it.id, []),
            "correlatedAlarm": [_ref(id_) for id_ in children.get(it.id, ())],
        }
        found.append(alarm_resource(it) | {name: value for name, value in {**more, **links.get(it.id, {})}.items() if value != []})
    return found


async def _comments(conn: AsyncConnection, tenant: int, ids: Sequence[str]) -> dict[str, list[Json]]:
    h = fault_store.alarm_history.c
    found: dict[str, list[Json]] = defaultdict(list)
    for part in fault_store.chunks(ids):
        mine = sa.select(h.alarm_id, h.time_ns, h.by, h.text).where(h.tenant == tenant, h.alarm_id.in_(part), h.what == "commented")
        for id_, time_ns, by, text in await conn.execute(mine.order_by(h.alarm_id, h.seq)):
            found[id_].append({"userId": by, "time": iso(time_ns), "comment": text, "@type": "Comment"})
    return found


async def _children(conn: AsyncConnection, tenant: int, roots: Sequence[str]) -> dict[str, list[str]]:
    a = fault_store.alarm.c
    found: dict[str, list[str]] = defaultdict(list)
    for part in fault_store.chunks(roots):
        below = sa.select(a.id, a.root_alarm_id).where(a.tenant == tenant, a.root_alarm_id.in_(part), a.id != a.root_alarm_id)
        for id_, root in await conn.execute(below.order_by(a.raised_ns, a.id)):
            if len(found[root]) < REFS_MAX:
                found[root].append(id_)
    return found


def _changed(name: str) -> str:
    """The attribute that lists what a task changed: `ackedAlarm`, `unAckedAlarm`, `clearedAlarm`, `commentedAlarm`."""
    stems = {"ackAlarms": "acked", "unAckAlarms": "unAcked", "clearAlarms": "cleared", "commentAlarms": "commented"}
    return f"{stems[name]}Alarm"


async def _alarms(conn: AsyncConnection, caller: Scope, service: FaultService, which: Which) -> list[Alarm]:
    found: list[Alarm] = []
    cursor = ""
    while len(found) < LIST_MAX:
        asked = AlarmQuery(which=which, sort="raised_at", cursor=cursor, limit=PAGE_LIMIT)
        part = await queries.list_alarms(conn, caller, asked, service.resources)
        found += part.alarms
        if part.next is None:
            return found
        cursor = part.next
    raise ProblemError(413, "Too many alarms", f"Ask for fewer than {LIST_MAX}, for instance with state=raised.")


async def _one(service: FaultService, caller: Scope, id_: str) -> Alarm:
    async with service.state.read() as conn:
        found = await queries.alarm_by_id(conn, caller, id_, service.resources)
    if found is None:
        raise not_found("alarm")
    return found


async def _done(service: FaultService, caller: Scope, action: Any, ids: list[str]) -> None:
    """Do it, or ProblemError 409 with the reason it cannot be done."""
    done = await act(service, caller, AlarmAction(action=action, ids=ids))
    if done["failed"]:
        raise ProblemError(409, "Not possible", str(done["failed"][0]["reason"]))


def alarm_resource(it: Alarm) -> Json:
    """An alarm as TMF642 has it; what does not apply is left out."""
    place = it.place
    found: Json = {
        "id": it.id,
        "href": href(BASE, "alarm", it.id),
        "@type": "Alarm",
        "ackState": "acknowledged" if it.acknowledged else "unacknowledged",
        "ackUserId": it.ack_user,
        "alarmChangedTime": iso(it.changed_ns),
        "alarmClearedTime": iso(it.cleared_ns) if it.is_cleared else None,
        "alarmDetails": it.text,
        "alarmRaisedTime": iso(it.raised_ns),
        "alarmReportingTime": iso(it.created_ns),
        "alarmType": it.event_type,
        "alarmedObjectType": place.resource_kind,
        "isRootCause": it.is_root,
        "perceivedSeverity": "cleared" if it.is_cleared else it.severity.word,
        "plannedOutageIndicator": "inService" if not it.maintenance else "outOfService",
        "probableCause": it.probable_cause,
        "proposedRepairedActions": it.proposed_repair,
        "serviceAffecting": it.services > 0,
        "alarmEscalation": False,
        "externalAlarmId": it.fields.get("externalAlarmId"),
        "sourceSystemId": it.fields.get("sourceSystemId") or it.source,
        "specificProblem": f"{it.alarm_type} {it.qualifier}".strip(),
        "state": "cleared" if it.is_cleared else "raised",
        "alarmedObject": {"id": it.resource, "@type": place.resource_kind or "resource"},
        "place": [{"name": place.site, "role": "site", "@type": "Place"}] if place.site else None,
        "parentAlarm": [_ref(it.root_alarm_id)] if it.root_alarm_id and it.root_alarm_id != it.id else None,
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _ref(id_: str) -> Json:
    return {"id": id_, "href": href(BASE, "alarm", id_), "@referredType": "Alarm"}


def event_of(body: Create, service: FaultService, caller: Scope) -> Event:
    """The alarm change that a creation asks for; ProblemError 400 for words that X.733 does not know."""
    severity = body.perceivedSeverity.lower()
    if severity not in SEVERITIES:
        raise ProblemError(400, "Not valid", f"perceivedSeverity is one of {', '.join(SEVERITIES)}.")
    now_ns = service.clock.now_ns()
    raised = body.alarmRaisedTime if body.alarmRaisedTime.tzinfo else body.alarmRaisedTime.replace(tzinfo=UTC)
    raised_ns = min(int(raised.timestamp()) * NS_PER_S, now_ns)
    named = body.externalAlarmId or body.specificProblem or body.probableCause
    return Event(
        time_ns=max(raised_ns, 1),
        resource=_resource(body.alarmedObject.id, service),
        alarm_type=FOREIGN,
        severity="cleared" if body.state.lower() == "cleared" else severity,
        text=body.alarmDetails or body.specificProblem or body.probableCause,
        qualifier=f"{body.sourceSystemId} {named}"[:255],
        source=f"tmf642 {caller.user}"[:128],
        event_type=body.alarmType if body.alarmType in EVENT_TYPES else "processingErrorAlarm",
        probable_cause=body.probableCause if body.probableCause in PROBABLE_CAUSES else "indeterminate",
        proposed_repair=body.proposedRepairedActions,
        fields={"alarmedObject": body.alarmedObject.id, "sourceSystemId": body.sourceSystemId, "externalAlarmId": body.externalAlarmId},
    )


def _resource(name: str, service: FaultService) -> str:
    """The inventory's id of an object by id, or of a device by name or address; else what other systems' alerts hang on."""
    topology = service.resources.topology
    if name in topology.entity_by_id or name in topology.device_by_id or name in topology.links:
        return name
    device = topology.device_by_name.get(name) or topology.devices.get(topology.addresses.get(name, 0))
    return device.id if device else FOREIGN
