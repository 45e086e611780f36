"""The inventory over HTTP: devices, sites, topology, services, customers, search and discovery."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from inventory.discovery import Discovery, DiscoveryError
from inventory.layout import Layout, layout
from inventory.ledger import Looked, Run
from inventory.picture import Picture
from inventory.topology import Device, Entity, Link, Service, Topology
from inventory.visible import visible
from station.scope import OPERATOR_TENANT
from station.web import PAGE_LIMIT, Caller, ProblemError, iso, not_found

FOUND_MAX: Final = 50
LEDGER_MAX: Final = 1000
Severity = Callable[[str], str | None]  # resource id -> worst perceived severity of its alarms
Utilisation = Callable[[Sequence[int]], Mapping[int, float]]  # by entity key: per cent of its speed, the busier direction
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT)]
Text = Annotated[str, Query(max_length=255)]
Cursor = Annotated[int, Query(ge=0)]


class DiscoveryRequest(BaseModel):
    """Ranges to look at; none: the configured ones."""

    model_config = ConfigDict(extra="forbid")

    ranges: list[Annotated[str, Field(max_length=64)]] = Field(default_factory=list, max_length=256)


class InventoryApi:
    """What the endpoints answer from: the picture as the caller may see it, with live colours where given."""

    def __init__(self, picture: Picture, severity: Severity | None, utilisation: Utilisation | None, tenant: int) -> None:
        self._picture = picture
        self._severity = severity or (lambda _: None)
        self._utilisation: Utilisation = utilisation or (lambda _: {})
        self._tenant = tenant
        self._layout: tuple[int, Layout] | None = None

    def seen_by(self, caller: Caller) -> Topology:
        return visible(self._picture.current(), caller, self._tenant)

    async def positions(self) -> Layout:
        """The layout of the whole network, made once per version: what one may not see still keeps its place."""
        topology = self._picture.current()
        if self._layout is None or self._layout[0] != topology.version:
            self._layout = (topology.version, await asyncio.to_thread(layout, topology))
        return self._layout[1]

    def device(self, topology: Topology, one: Device) -> dict[str, Any]:
        site = topology.sites.get(one.site_id)
        names = (
            "id",
            "name",
            "site_id",
            "management_address",
            "vrf",
            "role",
            "vendor",
            "model",
            "profile",
            "sys_object_id",
            "sys_descr",
            "simulated",
            "status",
        )
        place = {"site": site.name if site else "", "region": site.region if site else ""}
        live = {"last_seen_at": iso(one.last_seen_ns), "severity": self._severity(one.id)}
        return {name: getattr(one, name) for name in names} | place | live | {"interfaces": len(topology.interfaces_of.get(one.no, ()))}

    def detail(self, topology: Topology, one: Device) -> dict[str, Any]:
        mine = [entity for entity in topology.entities.values() if entity.device_no == one.no]
        used = self._utilisation([entity.key for entity in mine])
        served = dict.fromkeys(service.id for entity in mine for service in topology.services_at.get(entity.key, ()))
        return self.device(topology, one) | {
            "interfaces": [self.interface(topology, entity, used) for entity in mine if entity.kind == "interface"],
            "sensors": [_sensor(entity) for entity in mine if entity.kind != "interface"],
            "neighbours": [_neighbour(topology, one.no, no, link) for no, link in topology.neighbours.get(one.no, ())],
            "missing": [_missing(topology, end) for end in topology.missing if end.local >> 16 == one.no],
            "services": [service_json(topology, topology.services[key]) for key in served],
        }

    def interface(self, topology: Topology, entity: Entity, used: Mapping[int, float]) -> dict[str, Any]:
        names = ("id", "name", "alias", "descr", "if_index", "if_type", "speed_bps", "mac", "admin_status", "oper_status", "gone")
        live = {"severity": self._severity(entity.id), "utilisation": used.get(entity.key)}
        link = topology.link_at.get(entity.key)
        return {name: getattr(entity, name) for name in names} | live | {"link_id": link.id if link else None}

    def links(self, topology: Topology) -> list[dict[str, Any]]:
        used = self._utilisation([end for one in topology.links.values() for end in (one.a, one.b)])
        return [self.link(topology, one, used) for one in topology.links.values()]

    def link(self, topology: Topology, one: Link, used: Mapping[int, float]) -> dict[str, Any]:
        a, b = topology.entities[one.a], topology.entities[one.b]
        ends = {"a": topology.devices[a.device_no].id, "b": topology.devices[b.device_no].id, "a_interface": a.id, "b_interface": b.id}
        return ends | {
            "id": one.id,
            "a_name": a.name,
            "b_name": b.name,
            "up": is_up(topology, one),
            "speed_bps": min(filter(None, (a.speed_bps, b.speed_bps)), default=0),
            "confidence": one.confidence,
            "sources": list(one.sources),
            "duct": one.duct,
            "severity": self._severity(one.id),
            "utilisation": max((used[end] for end in (one.a, one.b) if end in used), default=None),
        }

    async def topology(self, seen: Topology) -> dict[str, Any]:
        places = await self.positions()
        sites = [{"id": s.id, "name": s.name, "region": s.region} | _at(places.sites.get(s.id)) for s in seen.sites.values()]
        nodes = [
            {"id": d.id, "name": d.name, "site_id": d.site_id, "role": d.role, "status": d.status, "severity": self._severity(d.id)}
            | _at(places.devices.get(d.no))
            for d in seen.devices.values()
        ]
        return {
            "version": seen.version,
            "sites": sites,
            "nodes": nodes,
            "links": self.links(seen),
            "missing": [_missing(seen, end) for end in seen.missing],
        }


def router(
    picture: Picture,
    discovery: Discovery,
    *,
    severity: Severity | None = None,
    utilisation: Utilisation | None = None,
    tenant: int = OPERATOR_TENANT,
) -> APIRouter:
    """The endpoints under /api/v1. `severity` and `utilisation` colour what is shown; without them it stays plain."""
    api = InventoryApi(picture, severity, utilisation, tenant)
    routes = APIRouter(prefix="/api/v1", tags=["inventory"])
    _add_lists(routes, api)
    _add_places(routes, api)
    _add_discovery(routes, api, discovery)
    return routes


def _add_lists(routes: APIRouter, api: InventoryApi) -> None:
    @routes.get("/devices")
    async def devices(
        caller: Caller, q: Text = "", site: Text = "", region: Text = "", status: Text = "", cursor: Cursor = 0, limit: Limit = 100
    ) -> Any:
        seen = api.seen_by(caller)
        found = [one for one in seen.devices.values() if _matches(q, one.name, one.management_address, one.vendor, one.model)]
        found = [one for one in found if not status or one.status == status]
        if site or region:
            places = {key for key, at in seen.sites.items() if (not site or at.name == site) and (not region or at.region == region)}
            found = [one for one in found if one.site_id in places]
        page = _page(sorted(found, key=lambda one: (one.name, one.id)), cursor, limit)
        return page | {"items": [api.device(seen, one) for one in page["items"]]}

    @routes.get("/devices/{device_id}")
    async def device(caller: Caller, device_id: str) -> Any:
        seen = api.seen_by(caller)
        if device_id not in seen.device_by_id:
            raise not_found("device")
        return api.detail(seen, seen.device_by_id[device_id])

    @routes.get("/services")
    async def services(caller: Caller, q: Text = "", customer: Text = "", cursor: Cursor = 0, limit: Limit = 100) -> Any:
        seen = api.seen_by(caller)
        found = [
            one for one in seen.services.values() if _matches(q, one.name, one.number) and (not customer or one.customer_id == customer)
        ]
        return _page([service_json(seen, one) for one in sorted(found, key=lambda one: (one.number, one.id))], cursor, limit)

    @routes.get("/customers")
    async def customers(caller: Caller, q: Text = "", cursor: Cursor = 0, limit: Limit = 100) -> Any:
        seen = api.seen_by(caller)
        found = sorted((one for one in seen.customers.values() if _matches(q, one.name, one.number)), key=lambda one: (one.number, one.id))
        return _page([{"id": one.id, "number": one.number, "name": one.name} for one in found], cursor, limit)

    @routes.get("/search")
    async def search(caller: Caller, q: Annotated[str, Query(min_length=1, max_length=255)]) -> Any:
        return {"items": _search(api.seen_by(caller), q)}


def _add_places(routes: APIRouter, api: InventoryApi) -> None:
    @routes.get("/sites")
    async def sites(caller: Caller, cursor: Cursor = 0, limit: Limit = 100) -> Any:
        seen = api.seen_by(caller)
        counts: dict[str, int] = {}
        for one in seen.devices.values():
            counts[one.site_id] = counts.get(one.site_id, 0) + 1
        rows = [
            {
                "id": s.id,
                "name": s.name,
                "region": s.region,
                "latitude": s.latitude,
                "longitude": s.longitude,
                "devices": counts.get(s.id, 0),
            }
            for s in sorted(seen.sites.values(), key=lambda site: (site.region, site.name))
        ]
        return _page(rows, cursor, limit)

    @routes.get("/regions")
    async def regions(caller: Caller) -> Any:
        """The regions in sight, by name, with how many sites and devices each has."""
        seen = api.seen_by(caller)
        places = Counter(site.region for site in seen.sites.values())
        devices = Counter(seen.sites[d.site_id].region for d in seen.devices.values() if d.site_id in seen.sites)
        return {"items": [{"name": name, "sites": places[name], "devices": devices[name]} for name in sorted(places)], "next": None}

    @routes.get("/topology")
    async def topology(caller: Caller) -> Any:
        return await api.topology(api.seen_by(caller))


def _add_discovery(routes: APIRouter, api: InventoryApi, discovery: Discovery) -> None:
    @routes.get("/discovery")
    async def runs(caller: Caller) -> Any:
        return {"items": [_run(one) for one in reversed(discovery.runs)] if caller.tenant == OPERATOR_TENANT else [], "next": None}

    @routes.get("/discovery/{run_id}")
    async def ledger(caller: Caller, run_id: str, outcome: Text = "", cursor: Cursor = 0, limit: Limit = 100) -> Any:
        """Every address that one of the last discoveries looked at, and how that ended; of one outcome where asked for."""
        run = next((one for one in discovery.runs if one.id == run_id and caller.tenant == OPERATOR_TENANT), None)
        if run is None:
            raise not_found("discovery")
        devices = api.seen_by(caller).devices
        lines = [line for line in run.ledger.values() if not outcome or line.outcome == outcome]
        return _page([_line(line, devices) for line in sorted(lines, key=_by_address)], cursor, limit)

    @routes.post("/discovery", status_code=202)
    async def start(caller: Caller, body: DiscoveryRequest) -> Any:
        try:
            await discovery.request(caller, body.ranges)
        except DiscoveryError as error:
            raise ProblemError(409, "Discovery not started", str(error)) from error
        return {"accepted": True}


def is_up(topology: Topology, link: Link) -> bool:
    """Whether both ends say that they are up (IF-MIB: 1), at devices that are not down."""
    ends = [topology.entities[key] for key in (link.a, link.b)]
    return all(end.oper_status == 1 and not end.gone and topology.devices[end.device_no].status != "down" for end in ends)


def service_json(topology: Topology, one: Service) -> dict[str, Any]:
    """A service with its customer's name and the interfaces it is sold on."""
    customer = topology.customers.get(one.customer_id)
    ends = [topology.entities[key] for key in one.access if key in topology.entities]
    access = [{"device": topology.devices[end.device_no].name, "interface": end.name, "interface_id": end.id} for end in ends]
    names = {"id": one.id, "number": one.number, "name": one.name, "tariff": one.tariff, "customer_id": one.customer_id}
    return names | {"customer": customer.name if customer else "", "access": access}


def _sensor(entity: Entity) -> dict[str, Any]:
    return {name: getattr(entity, name) for name in ("id", "kind", "name", "metric", "gone")}


def _neighbour(topology: Topology, here: int, there: int, link: Link) -> dict[str, Any]:
    near, far = (link.a, link.b) if link.a >> 16 == here else (link.b, link.a)
    names = {"id": topology.devices[there].id, "name": topology.devices[there].name, "link_id": link.id, "up": is_up(topology, link)}
    return names | {
        "local_interface": topology.entities[near].name,
        "remote_interface": topology.entities[far].name,
        "confidence": link.confidence,
    }


def _missing(topology: Topology, end: Any) -> dict[str, Any]:
    port = topology.entities.get(end.local)
    here = topology.devices[end.local >> 16]
    other = end.remote_name or end.remote_chassis_id or end.remote_address
    names = {"node": here.id, "interface": port.name if port else "", "neighbour": other, "remote_port": end.remote_port}
    return names | {"why": end.why, "text": f"{here.name} - {other}"}


def _run(one: Run) -> dict[str, Any]:
    lines = [{"address": x.address, "outcome": x.outcome, "took_ms": x.took_ms} for x in list(one.ledger.values())[-LEDGER_MAX:]]
    times = {"started_at": iso(one.started_ns), "ended_at": iso(one.ended_ns)}
    counts = {"done": len(one.ledger) + one.nobody, "total": one.total, "new_devices": one.new_devices, "outcomes": one.outcomes}
    return {"id": one.id, "ranges": list(one.ranges)} | times | counts | {"ledger": lines}


def _by_address(line: Looked) -> tuple[int, int]:
    address = ip_address(line.address)
    return address.version, int(address)


def _line(line: Looked, devices: Mapping[int, Device]) -> dict[str, Any]:
    device = devices.get(line.device_no)
    names = {"address": line.address, "outcome": line.outcome, "says": line.says, "took_ms": line.took_ms}
    return names | {"device_id": device.id if device else None, "device": device.name if device else ""}


def _search(seen: Topology, q: str) -> list[dict[str, Any]]:
    """The first things whose name holds the text, devices first."""
    found: list[dict[str, Any]] = []
    everything: Iterable[tuple[str, str, str, Sequence[str]]] = (
        *(("device", d.id, d.name, (d.name, d.management_address)) for d in seen.devices.values()),
        *(("site", s.id, s.name, (s.name, s.region)) for s in seen.sites.values()),
        *(("customer", c.id, c.name, (c.name, c.number)) for c in seen.customers.values()),
        *(("service", s.id, s.name, (s.name, s.number)) for s in seen.services.values()),
        *(("interface", e.id, seen.name_of(e.id), (e.name, e.alias)) for e in seen.entities.values() if e.kind == "interface"),
    )
    for kind, identity, name, texts in everything:
        if len(found) < FOUND_MAX and _matches(q, *texts):
            found.append({"kind": kind, "id": identity, "name": name})
    return found


def _matches(q: str, *texts: str) -> bool:
    return not q or any(q.casefold() in text.casefold() for text in texts)


def _at(point: tuple[float, float] | None) -> dict[str, float]:
    x, y = point or (0.0, 0.0)
    return {"x": x, "y": y}


def _page(rows: Sequence[Any], cursor: int, limit: int) -> dict[str, Any]:
    after = cursor + limit
    return {"items": list(rows[cursor:after]), "next": str(after) if after < len(rows) else None, "total": len(rows)}
