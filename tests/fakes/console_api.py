"""The domains' routers as the console sees them, answering from a `Network`; alarms can be raised and acted on while a page watches."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response

from fault.filters import parse
from station.hub import Hub
from station.scope import Role
from station.web import Caller, ProblemError, iso, not_found, time_ns
from tests.fakes.console_money import add_money
from tests.fakes.console_network import Network, entity_of, uid

RANK = {"critical": 5, "major": 4, "minor": 3, "warning": 2, "indeterminate": 1}
HOUR_MS = 3_600_000


class Matcher:
    """Only what the tests ask for; the station's own filter is tested where it lives."""

    def __init__(self, q: str) -> None:
        parse(q)
        self.terms = q.split()

    def __call__(self, alarm: dict[str, Any]) -> bool:
        return all(self._holds(alarm, term) for term in self.terms)

    def _holds(self, alarm: dict[str, Any], term: str) -> bool:
        if term.startswith("-"):
            return not self._holds(alarm, term[1:])
        if term in ("suppressed", "shelved"):
            return bool(alarm[term])
        if term == "unacked":
            return bool(alarm["ack_state"] == "unacknowledged")
        if term.startswith("severity>="):
            return RANK[alarm["perceived_severity"]] >= RANK[term.removeprefix("severity>=")]
        key, _, value = term.partition(":")
        if key in ("severity", "site", "device", "root"):
            field = {"severity": "perceived_severity", "root": "root_alarm_id"}.get(key, key)
            return str(alarm[field]).lower().startswith(value.strip('"*').lower())
        return term.lower() in f"{alarm['device']} {alarm['object']} {alarm['text']} {alarm['site']}".lower()


def router(network: Network, hub: Hub) -> APIRouter:
    """All of /api/v1 that the console uses."""
    routes = APIRouter(prefix="/api/v1")
    _add_alarms(routes, network)
    _add_actions(routes, network, hub)
    _add_inventory(routes, network)
    _add_performance(routes, network)
    _add_simulation(routes, network, hub)
    add_money(routes, network)
    return routes


def ordered(alarms: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(alarms, key=lambda a: (RANK[a["perceived_severity"]], a["ack_state"] == "unacknowledged", a["raised_at"]), reverse=True)


def _add_alarms(routes: APIRouter, network: Network) -> None:
    @routes.get("/alarms")
    async def alarms(
        caller: Caller, q: str = "", state: str = "active", cursor: str = "0", limit: Annotated[int, Query(le=1000)] = 100
    ) -> dict[str, Any]:
        matches = Matcher(q)
        found = [a for a in ordered(list(network.alarms.values())) if state == "all" or a["is_cleared"] == (state == "cleared")]
        found = [a for a in found if matches(a)]
        start = int(cursor)
        more = str(start + limit) if start + limit < len(found) else None
        return {"items": found[start : start + limit], "next": more, "total": len(found), "counts": _counts(found)}

    @routes.get("/alarms/summary")
    async def summary(caller: Caller) -> dict[str, Any]:
        active = [a for a in network.alarms.values() if not a["is_cleared"]]
        rates = [{"at": network.at(240 - 10 * n), "n": (n * 7) % 4} for n in range(24)]
        return {
            "counts": _counts([a for a in active if not a["shelved"]]),
            "cleared_1h": 12,
            "shelved": sum(1 for a in active if a["shelved"]),
            "suppressed": sum(1 for a in active if a["suppressed"]),
            "rate_10min": rates,
        }

    @routes.get("/alarms/{key}")
    async def alarm(caller: Caller, key: str) -> dict[str, Any]:
        if key not in network.alarms:
            raise not_found("alarm")
        it = network.alarms[key]
        history = [
            {"at": it["raised_at"], "what": "raised", "severity": it["perceived_severity"], "by": "", "text": it["text"]},
            {"at": it["changed_at"], "what": "changed", "severity": it["perceived_severity"], "by": it["ack_user"], "text": ""},
        ]
        return {**it, "history": history, "comments": [], "incident": network.incidents.get(it["incident_id"] or "")}

    @routes.get("/incidents")
    async def incidents(caller: Caller, state: str = "open") -> dict[str, Any]:
        items = [it for it in network.incidents.values() if it["state"] == state]
        return {"items": items, "next": None, "total": len(items)}


def _counts(alarms: list[dict[str, Any]]) -> dict[str, int]:
    return {severity: sum(1 for a in alarms if a["perceived_severity"] == severity) for severity in RANK}


def _add_actions(routes: APIRouter, network: Network, hub: Hub) -> None:
    @routes.post("/alarms/actions")
    async def act(caller: Caller, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        caller.require(Role.OPERATOR, "acting on alarms")
        network.actions.append(body)
        ids = (
            body["ids"]
            if "ids" in body
            else [key for key, a in network.alarms.items() if not a["is_cleared"] and Matcher(body["filter"])(a)]
        )
        for key in ids:
            network.alarms[key] = {**network.alarms[key], **_changed(body, caller.user)}
            hub.publish("alarm", network.alarms[key])
        return {"matched": len(ids), "succeeded": len(ids), "failed": []}


def _changed(body: dict[str, Any], user: str) -> dict[str, Any]:
    match body["action"]:
        case "acknowledge":
            return {"ack_state": "acknowledged", "ack_user": user}
        case "unacknowledge":
            return {"ack_state": "unacknowledged", "ack_user": ""}
        case "shelve":
            return {"shelved": {"reason": body["reason"], "owner": user, "until": body["until"]}}
        case "unshelve":
            return {"shelved": None}
        case "clear":
            return {"is_cleared": True}
        case _:
            return {}


def _add_inventory(routes: APIRouter, network: Network) -> None:
    @routes.get("/topology")
    async def topology(caller: Caller) -> dict[str, Any]:
        return network.topology

    @routes.get("/devices")
    async def devices(caller: Caller, q: str = "", limit: int = 100) -> dict[str, Any]:
        items = [_device(network, node) for node in network.nodes]
        return {"items": items[:limit], "next": None, "total": len(items)}

    @routes.get("/devices/{key}")
    async def device(caller: Caller, key: str) -> dict[str, Any]:
        node = next((node for node in network.nodes if node["id"] == key), None)
        if node is None:
            raise not_found("device")
        return {**_device(network, node), **_parts(network, node)}

    @routes.get("/search")
    async def search(caller: Caller, q: str) -> dict[str, Any]:
        hits = [{"kind": "device", "id": node["id"], "name": node["name"]} for node in network.nodes if q.lower() in node["name"].lower()]
        return {"items": hits[:20]}

    @routes.get("/services")
    async def services(caller: Caller) -> dict[str, Any]:
        items = network.incidents["cut"]["services"]
        return {"items": items, "next": None, "total": len(items)}


def _device(network: Network, node: dict[str, Any]) -> dict[str, Any]:
    site = next(site for site in network.sites if site["id"] == node["site_id"])
    return {
        "id": node["id"],
        "name": node["name"],
        "site": {"id": site["id"], "name": site["name"], "region": site["region"]},
        "role": node["role"],
        "status": node["status"],
        "vendor": "Juniper",
        "model": "MX204",
        "software": "23.4R1",
        "serial": uid("serial", node["name"])[:12].upper(),
        "addresses": ["127.64.0.9"],
        "description": "Juniper Networks, Inc. mx204",
        "contact": "noc@example.net",
        "up_since": network.at(41 * 1440),
        "last_seen_at": network.at(0.1),
    }


def _parts(network: Network, node: dict[str, Any]) -> dict[str, Any]:
    links = [link for link in network.links if node["id"] in (link["a"], link["b"])]
    interfaces: list[dict[str, Any]] = []
    neighbours: list[dict[str, Any]] = []
    for link in links:
        mine, far = ("a", "b") if link["a"] == node["id"] else ("b", "a")
        name = link[f"{mine}_port"]
        interfaces.append(
            {
                "id": link[f"{mine}_interface"],
                "name": name,
                "alias": f"to {link[f'{far}_name']}",
                "description": name,
                "if_index": 500 + len(interfaces),
                "speed_bps": link["speed_bps"],
                "admin_status": "up",
                "oper_status": "up" if link["up"] else "down",
                "monitored": True,
            }
        )
        neighbours.append(
            {
                "device_id": link[far],
                "device": link[f"{far}_name"],
                "interface": name,
                "remote_interface": link[f"{far}_port"],
                "link_id": link["id"],
                "sources": ["lldp"],
                "confidence": 1.0,
            }
        )
    sensors = [{"id": entity_of(node["name"], "temp"), "name": "inlet temperature", "kind": "sensor", "unit": "°C", "value": 31.5}]
    return {"interfaces": interfaces, "sensors": sensors, "neighbours": neighbours, "services": network.incidents["cut"]["services"][:2]}


def wave(ms: float, size: float, seed: int) -> float:
    """Traffic over a day: low at night, two humps, a little ripple; octets per second."""
    hour = ms / HOUR_MS % 24
    day = 0.45 + 0.35 * math.sin((hour - 9) / 24 * 2 * math.pi) + 0.12 * math.sin((hour - 3) / 12 * 2 * math.pi)
    return size * (day + 0.03 * math.sin(ms / 350_000 + seed) + 0.02 * math.sin(ms / 97_000 + 3 * seed))


def _add_performance(routes: APIRouter, network: Network) -> None:
    @routes.get("/series")
    async def series(
        caller: Caller,
        entity: str,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        end: Annotated[str, Query(alias="to")],
        points: int = 300,
    ) -> dict[str, Any]:
        first, last = time_ns(start) // 10**6, time_ns(end) // 10**6
        step = max(60_000, (last - first) // points)
        times = list(range(first, last, step))
        seed = int(uid(entity)[:6], 16)
        mean = [
            None if i % 97 in (40, 41, 42) else wave(ms, 4e8 * (0.5 if "out" in metric else 1) * (1 + seed % 5), seed % 9)
            for i, ms in enumerate(times)
        ]
        return {
            "entity": entity,
            "metric": metric,
            "unit": "octets/s",
            "step_s": step // 1000,
            "time": times,
            "min": mean,
            "mean": mean,
            "max": mean,
            "quality": ["good"] * len(times),
        }

    @routes.get("/top")
    async def top(caller: Caller, metric: str = "interface.in_octets", stat: str = "p95", limit: int = 12) -> dict[str, Any]:
        links = sorted(network.links, key=lambda link: -link["speed_bps"])[:limit]
        items = [
            {
                "entity": link["a_interface"],
                "device_id": link["a"],
                "device": link["a_name"],
                "name": link["a_port"],
                "value": 9e8 - 4e7 * n,
                "speed_bps": link["speed_bps"],
            }
            for n, link in enumerate(links)
        ]
        return {"items": items, "metric": metric, "stat": stat, "unit": "octets/s"}

    @routes.get("/now")
    async def now(caller: Caller) -> dict[str, Any]:
        end = network.now_ns // 10**6
        times = list(range(end - 24 * HOUR_MS, end, 5 * 60_000))
        inward, outward = ([8 * wave(ms, size, 1) for ms in times] for size in (5e10, 3.2e10))
        return {
            "at": iso(network.now_ns),
            "in_bps": inward[-1],
            "out_bps": outward[-1],
            "traffic": {
                "time": times,
                "in": inward,
                "out": outward,
                "last_week_in": [8 * wave(ms, 4.6e10, 5) for ms in times],
                "last_week_out": outward,
            },
            "freshness": {
                "devices": len(network.nodes),
                "answered": len(network.nodes),
                "newest_at": network.at(0.05),
                "oldest_at": network.at(0.6),
            },
        }


def _add_simulation(routes: APIRouter, network: Network, hub: Hub) -> None:
    @routes.get("/simulation")
    async def simulation(caller: Caller) -> dict[str, Any]:
        return {"stories": ["fibre_cut", "power_loss"], "broken": [link["id"] for link in network.links if not link["up"]]}

    @routes.post("/simulation/{act}")
    async def change(caller: Caller, act: str, body: Annotated[dict[str, Any], Body()]) -> Response:
        link = next((link for link in network.links if link["id"] == body.get("resource_id")), None)
        if link is None:
            raise ProblemError(404, "Not found", "There is no such link.")
        link["up"] = act == "restore"
        network.version += 1
        hub.publish("topology", {"version": network.version})
        return Response(status_code=204)
