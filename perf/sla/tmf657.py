"""TMF657 Service Quality Management v4: what is promised, as specifications and objectives.

Those of `config/slas/` are computed. A client's own specification becomes a promise by its name: a service whose `sla` is
that name is judged by its objectives, which are about parameters that the station measures.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fastapi import APIRouter
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from perf.sla.objectives import UNITS
from perf.sla.terms import Objective, Sla, Slas
from station.clock import Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import Json, Kind, add_documents, documents
from station.tmf.hub import add_hub
from station.tmf.route import api_router, href
from station.web import ProblemError

BASE, API = "serviceQualityManagement/v4", "serviceQualityManagement"
AVAILABILITY: Final = "availability"
LEAST: Final = (">=", ">", "greaterThanOrEqual", "equalOrAbove", "above")
MOST: Final = ("<=", "<", "lessThanOrEqual", "equalOrBelow", "below")
OBJECTIVE: Final[Mapping[str, type]] = {
    "conformanceComparator": str, "conformanceTarget": str, "graceTimes": str, "name": str, "thresholdTarget": str,
    "toleranceTarget": str, "conformancePeriod": dict, "serviceLevelObjectiveConsequence": list,
    "serviceLevelObjectiveParameter": dict, "tolerancePeriod": dict, "validFor": dict,
}  # fmt: skip
SPECIFICATION: Final[Mapping[str, type]] = {"description": str, "name": str, "relatedServiceLevelObjective": list, "validFor": dict}


def router(state: State, slas: Slas, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/serviceQualityManagement/v4."""
    routes = api_router(BASE)
    add_hub(routes, state, guard, clock, API, Role.ENGINEER)
    for kind in kinds(slas):
        add_documents(routes, state, clock, kind)
    return routes


def kinds(slas: Slas) -> tuple[Kind, Kind]:
    """Objectives and specifications; those of the settings are read only."""

    async def objectives(_conn: AsyncConnection, _scope: Scope) -> Sequence[Json]:
        return [one for name, sla in slas.by_name.items() for one in _objectives(name, sla)]

    async def specifications(_conn: AsyncConnection, _scope: Scope) -> Sequence[Json]:
        return [_specification(name, sla) for name, sla in slas.by_name.items()]

    def named_once(body: Json, _before: Json | None, _now_ns: int) -> Json:
        if body.get("name") in slas.by_name:
            raise ProblemError(409, "Exists already", f"The station's own specification is named {body['name']!r}.")
        for one in body.get("relatedServiceLevelObjective") or ():
            if not isinstance(one, dict) or not isinstance(one.get("id"), str):
                raise ProblemError(400, "Not valid", "relatedServiceLevelObjective names objectives by id.")
        return body

    needed = ("conformanceComparator", "conformanceTarget", "serviceLevelObjectiveParameter")
    return (
        Kind(API, BASE, "serviceLevelObjective", OBJECTIVE, needed, settle=_understood, computed=objectives),
        Kind(API, BASE, "serviceLevelSpecification", SPECIFICATION, ("name", "relatedServiceLevelObjective"), named_once, specifications),
    )


def _understood(body: Json, _before: Json | None, _now_ns: int) -> Json:
    """An objective about something the station measures must be one it can judge; about anything else it is kept as it is."""
    name = str((body.get("serviceLevelObjectiveParameter") or {}).get("name", ""))
    if name == AVAILABILITY or name in UNITS:
        terms_of(name, [body])
    return body


def _specification(name: str, sla: Sla) -> Json:
    related = [{"id": one["id"], "href": one["href"], "@referredType": "ServiceLevelObjective"} for one in _objectives(name, sla)]
    said = {"@type": "ServiceLevelSpecification", "id": name, "href": href(BASE, "serviceLevelSpecification", name), "name": name}
    return said | {"description": sla.summary, "relatedServiceLevelObjective": related}


def _objectives(name: str, sla: Sla) -> list[Json]:
    credits_ = [f"below {step.below} %: credit {step.percent} % of the month's recurring charge" for step in sla.credits]
    found = [
        _objective(f"{name}.{AVAILABILITY}", AVAILABILITY, ">=", sla.availability, "percent of the contract's hours of a month", credits_)
    ]
    for n, one in enumerate(sla.objectives, 1):
        comparator = "<=" if one.at_least is None else ">="
        metric = f"{UNITS[one.sli]}, {f'in {one.share} % of five-minute slots' if one.over == 'share' else one.over + ' of the month'}"
        credit = [f"credit {one.credit} % of the month's recurring charge"] if one.credit else []
        found.append(_objective(f"{name}.{one.sli}.{n}", one.sli, comparator, one.limit, metric, credit))
    return found


def _objective(id_: str, parameter: str, comparator: str, target: Decimal, metric: str, consequences: Sequence[str]) -> Json:
    about = {"name": parameter, "parameterType": "KQI", "serviceParmCategory": metric, "serviceParmPerspective": "end user"}
    said: Json = {"@type": "ServiceLevelObjective", "id": id_, "href": href(BASE, "serviceLevelObjective", id_), "name": id_}
    said |= {"conformanceComparator": comparator, "conformanceTarget": str(target), "serviceLevelObjectiveParameter": about}
    return said | {"serviceLevelObjectiveConsequence": [{"prescribedAction": text} for text in consequences]}


def terms_of(name: str, objectives: Sequence[Mapping[str, Any]]) -> Sla:
    """The promise that objectives make together; ProblemError 400 names what cannot be judged.

    Availability is percent, `thresholdTarget` of another parameter the share of slots (99 % where it is not said).
    """
    given: dict[str, Any] = {"summary": name[:200] or "a client's", "availability": Decimal(0), "objectives": []}
    for one in objectives:
        parameter, limit = str(one["serviceLevelObjectiveParameter"].get("name", "")), _number(one, "conformanceTarget")
        way = "at_least" if one["conformanceComparator"] in LEAST else "at_most" if one["conformanceComparator"] in MOST else ""
        if not way:
            raise ProblemError(400, "Not known", f"conformanceComparator is one of {', '.join((*LEAST, *MOST))}.")
        if parameter == AVAILABILITY and way == "at_least":
            given["availability"] = limit
        elif parameter in UNITS:
            share = _number(one, "thresholdTarget") if one.get("thresholdTarget") else Decimal(99)
            given["objectives"].append({"sli": parameter, way: limit, "share": share})
        else:
            raise ProblemError(400, "Not measured", f"The station measures {', '.join((AVAILABILITY, *UNITS))}, not {parameter!r} {way}.")
    try:
        return Sla.model_validate(given | {"objectives": tuple(Objective.model_validate(each) for each in given["objectives"])})
    except ValidationError as error:
        first = error.errors()[0]
        raise ProblemError(400, "Not valid", f"{'.'.join(map(str, first['loc']))} {first['msg']}") from error


def _number(one: Mapping[str, Any], name: str) -> Decimal:
    try:
        found = Decimal(str(one[name]))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ProblemError(400, "Not a number", f"{name} is a number written as text.")
    return found


async def promises(conn: AsyncConnection, scope: Scope, slas: Slas) -> Mapping[str, Sla]:
    """Every promise by name: the settings', and clients' specifications all of whose objectives the station can judge."""
    objective, specification = kinds(slas)
    everyone = Scope(scope.tenant, Role.VIEWER, scope.user)
    known = {one["id"]: one for one in await documents(conn, everyone, objective)}
    found: dict[str, Sla] = {}
    for one in await documents(conn, everyone, specification):
        related = [known.get(each["id"]) for each in one["relatedServiceLevelObjective"]]
        try:
            if related and None not in related:
                found[one["name"]] = terms_of(str(one.get("description") or one["name"]), [each for each in related if each])
        except ProblemError:
            continue  # about something else than the station measures
    return {**found, **slas.by_name}
