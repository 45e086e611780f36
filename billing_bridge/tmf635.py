"""TMF635 Usage Management v4 over mediation's books: what our meters and other systems' meters measured.

Usage is a fact: it is created and read. A correction is a new record of its source, so PATCH and DELETE are refused.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge import events
from billing_bridge.events import EventIn
from billing_bridge.export import tmf635, usage_id
from billing_bridge.guiding import FOREVER_NS
from billing_bridge.portions import Span, portions, with_progress
from billing_bridge.settings import BillingSettings
from billing_bridge.store import usage_event
from billing_bridge.usage import MeterKind, VerdictKind
from station.clock import NS_PER_S, Clock
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.hub import add_hub, publish
from station.tmf.query import Query, page
from station.tmf.route import Id, api_router, error, href
from station.web import Caller, ProblemError, iso, not_found, time_ns

BASE, API = "usageManagement/v4", "usageManagement"
DAY_NS = 86_400 * NS_PER_S
SPAN_DAYS = 62  # without a filter on usageDate a list looks this far back
USAGES_MAX = 50_000  # looked through for one list

Usage = dict[str, Any]


def router(state: State, settings: BillingSettings, guard: Guard, clock: Clock) -> APIRouter:
    """The routes under /tmf-api/usageManagement/v4."""
    routes = api_router(BASE)
    add_hub(routes, state, guard, clock, API, Role.BILLING)

    @routes.get("/usage")
    async def usages(request: Request, caller: Caller) -> JSONResponse:
        query = Query.of(request)
        async with state.read() as conn:
            return page(query, await _usages(conn, caller, _span(query, clock.now_ns())))

    @routes.get("/usage/{id}")
    async def usage(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        start_ns = _start_of(id_)
        async with state.read() as conn:
            found = [one for one in await _usages(conn, caller, Span(start_ns, start_ns + 1)) if one["id"] == id_]
        if not found:
            raise not_found("usage")
        return JSONResponse(Query.of(request).shown(found[0]))

    @routes.post("/usage", status_code=201)
    async def create(caller: Caller, body: Annotated[Usage, Body()]) -> JSONResponse:
        caller.require(Role.BILLING, "taking in usage")
        event = parse(body, caller)
        verdict, made = await _take(state, caller, event, settings, clock.now_ns())
        if verdict.kind == VerdictKind.DUPLICATE_CONFLICT:
            raise ProblemError(409, "Known differently", f"The usage {made['id']} was delivered before and said something else.")
        if verdict.kind == VerdictKind.REJECTED:
            raise ProblemError(400, "Rejected", verdict.reason)
        return JSONResponse(made, 201, headers={"Location": made["href"]})

    @routes.patch("/usage/{id}")
    @routes.delete("/usage/{id}")
    async def refused(caller: Caller, id_: Id) -> JSONResponse:
        caller.require(Role.BILLING, "correcting usage")
        return error(409, "Usage is never edited", "Send what is right as a new record; bills are corrected by it.")

    @routes.get("/usageSpecification")
    async def specifications(request: Request, caller: Caller) -> JSONResponse:
        async with state.read() as conn:
            return page(Query.of(request), await _specifications(conn, caller.tenant))

    @routes.get("/usageSpecification/{id}")
    async def specification(request: Request, caller: Caller, id_: Id) -> JSONResponse:
        async with state.read() as conn:
            found = {one["id"]: one for one in await _specifications(conn, caller.tenant)}
        if id_ not in found:
            raise not_found("usage specification")
        return JSONResponse(Query.of(request).shown(found[id_]))

    return routes


def parse(body: Mapping[str, Any], caller: Scope) -> EventIn:
    """The event of a Usage_Create; ProblemError 400 says what it lacks.

    `usageType` is the meter, the characteristics `quantity` (whole base units), `serviceId`, `key` and `externalId` what was
    used, by whom, to where, and its id at the source.
    """
    said = {one["name"]: one["value"] for one in _characteristics(body)}
    specification = body.get("usageSpecification")
    meter = body.get("usageType") or (specification.get("id") if isinstance(specification, Mapping) else None)
    for name, value in (("usageDate", body.get("usageDate")), ("usageType", meter), ("quantity", said.get("quantity"))):
        if value is None:
            raise ProblemError(400, "Not a usage", f"{name} is missing.")
    if "status" in body and body["status"] != "received":
        raise ProblemError(400, "Not a usage", "A usage is received; its later states are the station's to give.")
    quantity = said["quantity"]
    try:
        return EventIn(
            source=f"tmf635:{caller.user}"[:64].replace(" ", "_"),
            external_id=str(said.get("externalId", "")),
            meter=str(meter),
            service=str(said.get("serviceId", "")),
            time_ns=time_ns(str(body["usageDate"])),
            quantity=int(quantity) if isinstance(quantity, str) and quantity.isascii() and quantity.isdigit() else quantity,
            key=str(said.get("key", "")),
        )
    except ValidationError as invalid:
        fault = invalid.errors()[0]
        raise ProblemError(400, "Not a usage", f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from invalid


def _characteristics(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = body.get("usageCharacteristic", [])
    if not isinstance(given, list) or not all(isinstance(one, Mapping) and {"name", "value"} <= one.keys() for one in given):
        raise ProblemError(400, "Not a usage", "usageCharacteristic is a list of objects with name and value.")
    return given


async def _take(state: State, caller: Scope, event: EventIn, settings: BillingSettings, now_ns: int) -> tuple[Any, Usage]:
    """Take one event; tell subscribers what is new."""
    async with state.write() as conn:
        verdict = (await events.take_in(conn, caller, [event], settings, now_ns))[0]
        received = _event_usage({"id": event.id, "chain": "", **event.model_dump(), "start_ns": event.time_ns}, None)
        if verdict.kind == VerdictKind.ACCEPTED:
            await publish(conn, caller.tenant, API, [("UsageCreateEvent", "usage", "", received)], now_ns)
    async with state.read() as conn:
        found = await _usages(conn, caller, Span(event.time_ns, event.time_ns + 1))
    return verdict, next((one for one in found if one["id"] == received["id"]), received)


async def _usages(conn: AsyncConnection, caller: Scope, span: Span) -> list[Usage]:
    """Every usage of a span in the caller's view, in order of time; ProblemError 413 when there are too many."""
    rows = await portions(conn, caller, span)
    found = [(row["start_ns"], _with_href(tmf635(row))) for row in await with_progress(conn, caller.tenant, rows)]
    if not caller.regions:  # an event of another system lies in no region
        known = await events.known_events(conn, caller.tenant, span.start_ns, span.end_ns)
        mine = [(event, guiding) for event, guiding in known if _seen(caller, guiding)]
        progress = await _progress(conn, caller.tenant, mine)
        found += [(event["start_ns"], _event_usage(event, guiding, progress.get(event["id"]))) for event, guiding in mine]
    if len(found) > USAGES_MAX:
        raise ProblemError(413, "Too much usage", "Ask for a shorter span with usageDate.gte and usageDate.lt.")
    return [usage for _, usage in sorted(found, key=lambda one: (one[0], one[1]["id"]))]


def _seen(caller: Scope, guiding: Mapping[str, Any] | None) -> bool:
    return not caller.customers or (guiding is not None and guiding["customer_id"] in caller.customers)


async def _progress(conn: AsyncConnection, tenant: int, found: Sequence[tuple[Any, Any]]) -> dict[str, str]:
    """How far billing has come with guided events."""
    rows = [
        {"id": event["id"], "start_ns": event["start_ns"], "guide_rev": guiding["guide_rev"], "portion": 0, "state": guiding["state"]}
        for event, guiding in found
        if guiding is not None
    ]
    return {row["id"]: row["state"] for row in await with_progress(conn, tenant, rows)}


def _event_usage(event: Mapping[str, Any], guiding: Mapping[str, Any] | None, state: str | None = None) -> Usage:
    """An event as a Usage; `received` until it is guided."""
    facts: list[tuple[str, str, Any]] = [
        ("quantity", "integer", event["quantity"]),
        ("key", "string", event["key"]),
        ("serviceId", "string", guiding["service_id"] if guiding and guiding["service_id"] else event["service"]),
        ("source", "string", event["source"]),
        ("suspenseReason", "string", guiding["reason"] if guiding else ""),
        ("chainSha256", "string", event["chain"]),
    ]
    usage: Usage = {
        "@type": "Usage",
        "id": usage_id(event["start_ns"], event["id"], 0),
        "usageDate": iso(event["start_ns"]),
        "usageType": event["meter"],
        "description": f"{event['quantity']} of {event['meter']}",
        "status": state or (guiding["state"] if guiding else "received"),
        "usageSpecification": {"id": event["meter"], "name": event["meter"], "@referredType": "UsageSpecification"},
        "usageCharacteristic": [{"name": name, "valueType": kind, "value": value} for name, kind, value in facts if value != ""],
    }
    if guiding and guiding["customer_id"]:
        usage["relatedParty"] = [{"id": guiding["customer_id"], "role": "customer", "@referredType": "Customer"}]
    return _with_href(usage)


def _with_href(usage: Usage) -> Usage:
    return usage | {"href": href(BASE, "usage", usage["id"])}


def _start_of(id_: str) -> int:
    """The instant in an id; ProblemError 404 when it has none."""
    try:
        return min(int(id_.partition("-")[0], 16), FOREVER_NS - 1)
    except ValueError as wrong:
        raise not_found("usage") from wrong


def _span(query: Query, now_ns: int) -> Span:
    """The span that filters on usageDate leave, or the last SPAN_DAYS."""
    since = query.value("usageDate", "gte") or query.value("usageDate", "gt")
    until = query.value("usageDate", "lt") or query.value("usageDate", "lte")
    exact = query.value("usageDate")
    if exact:
        return Span(time_ns(exact), time_ns(exact) + 1_000_000)
    end_ns = time_ns(until) + 1_000_000 if until else now_ns + DAY_NS
    return Span(time_ns(since) if since else max(0, end_ns - SPAN_DAYS * DAY_NS), end_ns)


async def _specifications(conn: AsyncConnection, tenant: int) -> list[dict[str, Any]]:
    """Every meter: our own, and each that another system has sent usage of."""
    theirs = (await conn.execute(sa.select(usage_event.c.meter).where(usage_event.c.tenant == tenant).distinct())).scalars()
    words = {
        MeterKind.BANDWIDTH.value: "Five-minute slots of a port, in and out, capped by line rate",
        MeterKind.VOLUME.value: "Octets of a port over a day, in and out",
    }
    return [
        {
            "@type": "UsageSpecification",
            "id": meter,
            "href": href(BASE, "usageSpecification", meter),
            "name": meter,
            "description": words.get(meter, f"Base units of {meter}, measured elsewhere"),
            "isBundle": False,
            "lifecycleStatus": "Active",
            "version": "1",
            "validFor": {"startDateTime": datetime(2026, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", "Z")},
        }
        for meter in sorted({*MeterKind, *theirs})
    ]
