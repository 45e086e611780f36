"""TMF642 Alarm Management v4: the alarms as other systems know them, and what they may do to them.

An alarm's id is the station's own text (the specification's table says string, its swagger file integer). What another
system creates is an alarm of the object it names, under the key of that system's own id, and is found by it again.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from fault import queries
from fault.alarms import Alarm, alarm_id
from fault.api import AlarmAction, act
from fault.foreign import FOREIGN
from fault.probable_causes import PROBABLE_CAUSES
from fault.queries import AlarmQuery, Which
from fault.service import FaultService
from station.batch import Event
from station.clock import NS_PER_S
from station.ids import new_id
from station.scope import Role, Scope
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, href
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

BASE: Final = "alarm/v4"
LIST_MAX: Final = 10_000  # looked through for one list
IDS_MAX: Final = 1_000  # in one task
EVENT_TYPES: Final = frozenset(
    ("communicationsAlarm", "equipmentAlarm", "environmentalAlarm", "processingErrorAlarm", "qualityOfServiceAlarm")
)
SEVERITIES: Final = ("critical", "major", "minor", "warning", "indeterminate", "cleared")
Text = Annotated[str, Field(max_length=1_024)]
Json = dict[str, Any]


class Patch(BaseModel):
    """What may be changed of an alarm: its acknowledgement, and that it is over."""

    model_config = ConfigDict(extra="forbid")

    ackState: Literal["acknowledged", "unacknowledged"] | None = None  # noqa: N815 - their names
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


TASKS: Final[Mapping[str, Literal["acknowledge", "unacknowledge", "clear", "comment"]]] = {
    "ackAlarms": "acknowledge",
    "unAckAlarms": "unacknowledge",
    "clearAlarms": "clear",
    "commentAlarms": "comment",
}


def router(service: FaultService) -> APIRouter:
    """The routes under /tmf-api/alarm/v4."""
    routes = api_router(BASE)

    @routes.get("/alarm")
    async def alarms(request: Request, caller: Caller) -> JSONResponse:
        query = Query.of(request)
        which: Which = {"raised": "active", "cleared": "cleared"}.get(query.value("state") or "", "all")  # type: ignore[assignment]
        async with service.state.read() as conn:
            return page(query, [alarm_resource(it) for it in await _alarms(conn, caller, service, which)])

    @routes.get("/alarm/{id}")
    async def alarm(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        return JSONResponse(Query.of(request).shown(alarm_resource(await _one(service, caller, id_))))

    @routes.post("/alarm", status_code=201)
    async def create(caller: Caller, body: Create) -> JSONResponse:
        caller.require(Role.OPERATOR, "raising alarms for another system")
        event = event_of(body, service, caller)
        await service.events.put((event,))
        made = _created(event, caller.tenant)
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
        return JSONResponse(alarm_resource(await _one(service, caller, id_)))

    for name in TASKS:
        _add_task(routes, service, name)
    return routes


def _add_task(routes: APIRouter, service: FaultService, name: str) -> None:
    @routes.post(f"/{name}", status_code=201, name=name)
    async def task(caller: Caller, body: Annotated[Task, Body()]) -> JSONResponse:
        text = body.comment.comment if body.comment else ""
        if TASKS[name] == "comment" and not text:
            raise ProblemError(400, "Nothing said", "A comment has a text.")
        action = AlarmAction(action=TASKS[name], ids=[one.id for one in body.alarmPattern], text=text)
        done = await act(service, caller, action)
        refused = {one["id"] for one in done["failed"]}
        changed = [_ref(one.id) for one in body.alarmPattern if one.id not in refused]
        said: Json = {"id": new_id(service.clock.now_ns()), "@type": name[0].upper() + name[1:]}
        said |= {"state": "done" if changed else "terminatedWithError", _changed(name): changed}
        said |= {"comment": body.comment.model_dump()} if TASKS[name] == "comment" and body.comment else {}
        return JSONResponse(said, 201)


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
        "sourceSystemId": it.source,
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


def _created(event: Event, tenant: int) -> Json:
    """The alarm that an event makes, as it will be found."""
    id_ = alarm_id(tenant, event.resource, event.alarm_type, event.qualifier)
    return {
        "id": id_,
        "href": href(BASE, "alarm", id_),
        "@type": "Alarm",
        "alarmType": event.event_type,
        "perceivedSeverity": event.severity,
        "probableCause": event.probable_cause,
        "alarmDetails": event.text,
        "alarmRaisedTime": iso(event.time_ns),
        "alarmedObject": {"id": event.resource},
        "sourceSystemId": event.fields["sourceSystemId"],
        "specificProblem": f"{event.alarm_type} {event.qualifier}",
        "state": "cleared" if event.severity == "cleared" else "raised",
    }
