"""TMF628 Performance Management v4: indicators are the station's metrics; jobs and collections on demand make files of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncConnection

from perf.measurements.files import SECONDS, Wanted
from station.catalogue import Metric, metrics_by_name
from station.clock import NS_PER_S, Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import Json, Kind, add_documents
from station.tmf.hub import add_hub
from station.tmf.route import api_router, href
from station.web import ProblemError, iso, time_ns

BASE, API = "performance/v4", "performance"
INDICATORS_MAX: Final = 50
JOB: Final[Mapping[str, type]] = {
    "consumingApplicationId": str, "creationTime": str, "jobId": str, "jobPriority": int, "lastModifiedTime": str, "outputFormat": str,
    "producingApplicationId": str, "adminState": str, "executionState": str, "fileTransferData": list, "monitoredClassCriteria": dict,
    "monitoredInstancesCriteria": dict, "performanceIndicatorGroupSpecification": list, "performanceIndicatorSpecification": list,
    "scheduleDefinition": dict, "trackingRecord": list,
}  # fmt: skip
INDICATOR: Final[Mapping[str, type]] = {
    "derivationAlgorithm": str, "derivationMethod": str, "description": str, "indicatorCategory": str, "indicatorUnit": str, "name": str,
    "perspective": str, "collectionType": str, "indicatorType": str, "performanceIndicatorSpecRelationship": list, "validFor": dict,
}  # fmt: skip
COLLECTION: Final[Mapping[str, str]] = {"counter": "delta", "gauge": "gauge", "state": "status_inspection"}
CLASSES: Final = ("interface", "device", "sensor")


async def _indicators(_conn: AsyncConnection, _scope: Scope) -> Sequence[Json]:
    return [_indicator(metric) for metric in metrics_by_name().values()]


def _indicator(metric: Metric) -> Json:
    said = {
        "@type": "PerformanceIndicatorSpecification",
        "id": metric.name,
        "href": href(BASE, "performanceIndicatorSpecification", metric.name),
    }
    about = {"name": metric.name, "description": metric.help, "indicatorUnit": metric.unit, "indicatorCategory": metric.entity}
    return said | about | {"collectionType": COLLECTION[metric.kind], "indicatorType": "float", "perspective": "network"}


async def _groups(_conn: AsyncConnection, _scope: Scope) -> Sequence[Json]:
    """All indicators of a class of objects."""
    found = []
    for kind in CLASSES:
        refs = [
            {"id": one["id"], "href": one["href"]}
            for one in map(_indicator, metrics_by_name().values())
            if one["indicatorCategory"] == kind
        ]
        said = {"@type": "PerformanceIndicatorGroupSpecification", "id": kind, "name": kind, "performanceIndicatorSpecification": refs}
        found.append(said | {"href": href(BASE, "performanceIndicatorGroupSpecification", kind)})
    return found


def _settled(body: Json, before: Json | None, now_ns: int) -> Json:
    """A job the station can run, with what it says of itself filled in; a client moves it only by its adminState."""
    wanted_of(body)
    times = {"creationTime": (before or {}).get("creationTime") or iso(now_ns), "lastModifiedTime": iso(now_ns)}
    state = {"executionState": (before or {}).get("executionState", "acknowledged"), "adminState": body.get("adminState", "unlocked")}
    files = [one | {"fileFormat": "csv", "transportProtocol": "https"} for one in body["fileTransferData"] if isinstance(one, dict)]
    return body | times | state | {"outputFormat": "csv", "fileTransferData": files or [{"fileFormat": "csv"}]}


def _settled_once(body: Json, before: Json | None, now_ns: int) -> Json:
    span_of(body)
    return _settled(body, before, now_ns)


def granularity_ns(body: Mapping[str, Any], name: str) -> int:
    """Of `g_15mn`, `r_1h`; ProblemError 400 names those there are."""
    word = str(body.get(name, "g_15mn"))
    seconds = SECONDS.get(word[2:])
    if seconds is None or word[:2] not in ("g_", "r_"):
        raise ProblemError(400, "Not offered", f"{name} is one of {', '.join(word[:2] + one for one in SECONDS)}.")
    return seconds * NS_PER_S


def wanted_of(body: Mapping[str, Any]) -> Wanted:
    """What a job asks for; ProblemError 400 says what the station does not have."""
    named = [str(one.get("id") or one.get("name")) for one in body.get("performanceIndicatorSpecification") or () if isinstance(one, dict)]
    for group in body.get("performanceIndicatorGroupSpecification") or ():
        named += [
            metric.name for metric in metrics_by_name().values() if metric.entity == str(dict(group).get("id") or dict(group).get("name"))
        ]
    criteria = body.get("monitoredClassCriteria") or {}
    kind, glob = str(criteria.get("monitoredObjectClass") or "interface"), str(criteria.get("objectInstanceFilter") or "*")
    if kind not in CLASSES:
        raise ProblemError(400, "Not known", f"monitoredObjectClass is one of {', '.join(CLASSES)}.")
    known = metrics_by_name()
    if unknown := [name for name in named if name not in known]:
        raise ProblemError(400, "Not known", f"There is no indicator {', '.join(unknown[:5])}.")
    names = list(dict.fromkeys(named)) or [name for name, metric in known.items() if metric.entity == kind and metric.kind == "counter"]
    if len(names) > INDICATORS_MAX:
        raise ProblemError(400, "Too many", f"A job has at most {INDICATORS_MAX} indicators.")
    width = granularity_ns(body, "granulatiry" if "granulatiry" in body else "granularity")
    return Wanted(tuple(known[name] for name in names), width, glob)


def span_of(body: Mapping[str, Any]) -> tuple[int, int]:
    """The collection period of a collection on demand; ProblemError 400."""
    period = body.get("collectionPeriod") or {}
    try:
        start, end = time_ns(str(period["startDateTime"])), time_ns(str(period["endDateTime"]))
    except KeyError:
        raise ProblemError(400, "Not complete", "collectionPeriod has a startDateTime and an endDateTime.") from None
    if not 0 < end - start <= 32 * 86_400 * NS_PER_S:
        raise ProblemError(400, "Not a period", "collectionPeriod ends after it begins, within 32 days.")
    return start, end


STATES: Final = {"executionState": "ExecutionStateChange"}
INDICATORS = Kind(API, BASE, "performanceIndicatorSpecification", INDICATOR, computed=_indicators)
GROUPS = Kind(
    API, BASE, "performanceIndicatorGroupSpecification", {"name": str, "performanceIndicatorSpecification": list},
    ("name", "performanceIndicatorSpecification"), computed=_groups,
)  # fmt: skip
JOBS = Kind(
    API,
    BASE,
    "measurementCollectionJob",
    {**JOB, "granularity": str, "reportingPeriod": str},
    ("fileTransferData",),
    _settled,
    states=STATES,
)
ON_DEMAND = Kind(
    API,
    BASE,
    "onDemandCollection",
    {**JOB, "granulatiry": str, "collectionPeriod": dict},
    ("fileTransferData",),
    _settled_once,
    states=STATES,
)


def router(state: State, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/performance/v4."""
    routes = api_router(BASE)
    add_hub(routes, state, guard, clock, API, Role.ENGINEER)
    for kind in (INDICATORS, GROUPS, JOBS, ON_DEMAND):
        add_documents(routes, state, clock, kind)
    return routes
