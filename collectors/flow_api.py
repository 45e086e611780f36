"""HTTP: what the traffic was made of, and which exporters say so."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query

from collectors.flow_names import application, autonomous_system, prefix
from collectors.flow_query import By, Counted, FlowQuery, FlowQueryError, FlowStore, FlowTop
from collectors.inputs.flow import Flow
from inventory.topology import Topology
from station.clock import NS_PER_S
from station.scope import Scope
from station.telemetry.client import TelemetryUnavailableError
from station.web import Caller, ProblemError, iso, not_found, time_ns

BITS: Final = 8
EXPORTERS_MAX: Final = 1_000
Seen = Callable[[Topology, Scope], Callable[[int], bool]]
_NAMED: Final[Mapping[str, Callable[..., str]]] = {
    "source_prefix": prefix,
    "destination_prefix": prefix,
    "source_as": autonomous_system,
    "destination_as": autonomous_system,
    "application": application,
}
Ways = dict[tuple[str, str], dict[str, int]]
"""(public id, name) -> octets by way."""


def router(flow: Flow, store: FlowStore, topology: Callable[[], Topology], seen: Seen) -> APIRouter:
    """`/api/v1/flow/top`, `/api/v1/flow/exporters`. `seen` says which entity keys a scope may see."""
    made = APIRouter(prefix="/api/v1/flow", tags=["flow"])

    @made.get("/top")
    async def top(
        caller: Caller,
        start: Annotated[str, Query(alias="from")],
        to: str,
        by: By = "application",
        limit: Annotated[int, Query(ge=1, le=200)] = 20,
        counted: Counted = "entering",
        interface: Annotated[str, Query(max_length=64)] = "",
        device: Annotated[str, Query(max_length=64)] = "",
    ) -> dict[str, Any]:
        """The largest by octets over a span; `counted` says whether a packet counts once, where it entered, or at every hop."""
        network = topology()
        try:
            query = FlowQuery(by, time_ns(start) // NS_PER_S, -(-time_ns(to) // NS_PER_S), limit, counted)
        except FlowQueryError as error:
            raise ProblemError(422, "Not a question", str(error)) from error
        query = _narrowed(query, network, caller, seen, interface, device)
        try:
            curve = await store.curve(query)
            items, octets, groups = await _items(query, store, network, flow, caller)
        except TelemetryUnavailableError as error:
            raise ProblemError(
                503, "No answer from the telemetry store", "Flows are kept meanwhile; ask again in a few seconds."
            ) from error
        about = {"by": by, "counted": counted, "octets": octets, "total": groups, "next": None}
        return {"items": items, **about, "curve": _drawn(curve, query)}

    @made.get("/exporters")
    async def exporters(caller: Caller) -> dict[str, Any]:
        """Who sends flows, how much of them was lost on the way, and how they sample."""
        network = topology()
        may = _devices(network, caller, seen)
        found = [each for each in flow.exporters() if may is None or each["device_no"] in may]
        items = [_exporter(each, network) for each in found[:EXPORTERS_MAX]]
        return {"items": items, "next": None, "total": len(found)}

    return made


def _narrowed(query: FlowQuery, network: Topology, caller: Scope, seen: Seen, interface: str, device: str) -> FlowQuery:
    """The question as this caller may ask it; 404 for what it may not see."""
    may = seen(network, caller)
    within = None
    if caller.regions or caller.customers:
        within = tuple(key for key, entity in network.entities.items() if entity.kind == "interface" and may(key))
    if query.by == "customer":
        served = {key for service in network.services.values() for key in service.access}
        within = tuple(served if within is None else served & set(within))
    found = network.entity_by_id.get(interface)
    if interface and (found is None or not may(found.key)):
        raise not_found("interface")
    router_of = network.device_by_id.get(device)
    allowed = _devices(network, caller, seen)
    if device and (router_of is None or (allowed is not None and router_of.no not in allowed)):
        raise not_found("device")
    key, number = found.key if found else 0, router_of.no if router_of else 0
    return replace(query, within=within, inner=tuple(network.link_at), interface=key, device=number)


def _devices(network: Topology, caller: Scope, seen: Seen) -> set[int] | None:
    """Numbers of the devices of which a caller sees an interface; None: all."""
    if not (caller.regions or caller.customers):
        return None
    may = seen(network, caller)
    return {key >> 16 for key in network.entities if may(key)}


async def _items(query: FlowQuery, store: FlowStore, network: Topology, flow: Flow, caller: Scope) -> tuple[list[dict[str, Any]], int, int]:
    """(the largest, octets of all that was counted, how many groups there are)."""
    if query.by in ("interface", "customer"):
        ways = await store.ways(query)
        named = _by_customer(ways, network, caller) if query.by == "customer" else _by_interface(ways, network, flow)
        return _largest(named, query)
    found = await store.top(query)
    items = []
    for n, octets in enumerate(found.rows.get("octets", ())):
        values = [int(found.rows[key][n]) for key in query.keys]
        name = _NAMED[query.by](*values)
        about = {"id": None, "name": name, "octets": int(octets), "packets": int(found.rows["packets"][n])}
        items.append({**about, **_rated(int(octets), found.octets, query)})
    return items, found.octets, found.groups


def _by_interface(ways: Mapping[str, FlowTop], network: Topology, flow: Flow) -> Ways:
    """Interfaces by (id, name); one that the inventory does not have has the name that its router gave it, and no id."""
    found: Ways = {}
    names = flow.interface_names()
    for way, top in ways.items():
        for device, entity, interface, octets in _rows(top, "device", "entity", "interface"):
            known = network.entities.get(entity)
            router_of = network.devices.get(device)
            own = names.get((device, interface)) or (f"ifIndex {interface}" if interface else "no interface")
            name = network.name_of(known.id) if known else f"{router_of.name if router_of else 'gone device'} {own}"
            each = found.setdefault((known.id if known else "", name), {"in": 0, "out": 0})
            each[way] += octets
    return found


def _by_customer(ways: Mapping[str, FlowTop], network: Topology, caller: Scope) -> Ways:
    """Customers by what came in from them and went out to them where they are served; a shared interface counts for each."""
    of: dict[int, set[str]] = {}
    for service in network.services.values():
        if not caller.customers or service.customer_id in caller.customers:
            for key in service.access:
                of.setdefault(key, set()).add(service.customer_id)
    found: Ways = {}
    for way, top in ways.items():
        for entity, octets in _rows(top, "entity"):
            for customer_id in of.get(entity, ()):
                customer = network.customers.get(customer_id)
                if customer:
                    found.setdefault((customer.id, customer.name), {"in": 0, "out": 0})[way] += octets
    return found


def _rows(top: FlowTop, *names: str) -> list[tuple[int, ...]]:
    columns = [top.rows[name].tolist() for name in (*names, "octets")] if top.rows else []
    return list(zip(*columns, strict=True))


def _largest(named: Ways, query: FlowQuery) -> tuple[list[dict[str, Any]], int, int]:
    whole = sum(sum(ways.values()) for ways in named.values())
    order = sorted(named.items(), key=lambda each: (-sum(each[1].values()), each[0]))
    items = []
    for (ident, name), ways in order[: query.limit]:
        octets = sum(ways.values())
        split = {"in_octets": ways["in"], "out_octets": ways["out"]}
        items.append({"id": ident or None, "name": name, "octets": octets, **split, **_rated(octets, whole, query)})
    return items, whole, len(order)


def _rated(octets: int, whole: int, query: FlowQuery) -> dict[str, float]:
    """The mean over the span, and the share of all that was counted."""
    return {"mean_bps": octets * BITS / (query.end_s - query.start_s), "share": octets / whole if whole else 0.0}


def _drawn(curve: Mapping[int, float], query: FlowQuery) -> dict[str, Any]:
    """Bits per second slot by slot; null where no flow was heard of."""
    slots = -(-(query.end_s - query.start_s) // query.step_s)
    times = [(query.start_s + n * query.step_s) * 1000 for n in range(slots)]
    return {"step_s": query.step_s, "time": times, "bps": [curve[n] * BITS / query.step_s if n in curve else None for n in range(slots)]}


def _exporter(each: Mapping[str, Any], network: Topology) -> dict[str, Any]:
    device = network.devices.get(each["device_no"])
    about = {"device": device.id if device else None, "name": device.name if device else each["address"], "heard_at": iso(each["heard_ns"])}
    return {**about, **{name: each[name] for name in ("address", "datagrams", "records", "lost", "refused", "sampling")}}
