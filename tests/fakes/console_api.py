"""The domains' routers as the console sees them, answering from a `Network`; alarms can be raised and acted on while a page watches."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from fault.filters import parse
from station.hub import Hub
from station.scope import Role
from station.web import Caller, iso, not_found, time_ns
from tests.fakes.console_flow import add_flow
from tests.fakes.console_money import add_money
from tests.fakes.console_network import Network, entity_of, uid
from tests.fakes.console_notify import add_notify
from tests.fakes.console_slas import add_slas

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
        if key == "resource":
            return alarm["resource_id"] in value.split(",")
        if key in ("severity", "site", "device", "root", "region"):
            field = {"severity": "perceived_severity", "root": "root_alarm_id"}.get(key, key)
            return str(alarm[field]).lower().startswith(value.strip('"*').lower())
        return term.lower() in f"{alarm['device']} {alarm['object']} {alarm['text']} {alarm['site']}".lower()


def router(network: Network, hub: Hub) -> APIRouter:
    """All of /api/v1 that the console uses."""
    routes = APIRouter(prefix="/api/v1")
    _add_alarms(routes, network)
    _add_first_look(routes, network)
    _add_actions(routes, network, hub)
    _add_inventory(routes, network)
    _add_performance(routes, network)
    _add_simulation(routes, network, hub)
    add_money(routes, network)
    add_notify(routes, network)
    add_flow(routes, network)
    add_slas(routes, network)
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


def _add_first_look(routes: APIRouter, network: Network) -> None:
    @routes.get("/incidents/{key}/first-look")
    async def first_look(caller: Caller, key: str) -> dict[str, Any]:
        checks = [("ping", "bad", "0 of 3 answered"), ("trace", "unknown", "no end after 20 s"), ("change", "good", "no change is known")]
        known = {"at": network.at(60), "target": "ham-core-01", "root_id": key}
        steps = ["Read the first checks.", "Ask the provider of the fibre."]
        book = {"name": "link_down", "title": "A link or interface is down", "steps": steps, "url": None}
        return {"checks": [known | {"kind": kind, "state": state, "says": says} for kind, state, says in checks], "runbooks": [book]}

    @routes.get("/incidents/{key}/timeline")
    async def timeline(caller: Caller, key: str) -> dict[str, Any]:
        found = next(it for it in network.incidents.values() if it["id"] == key)
        mine = [alarm for alarm in network.alarms.values() if alarm["id"] in found["alarm_ids"]]
        names = ("resource_id", "device_id", "device", "object", "perceived_severity", "text")
        known = [{name: alarm[name] for name in names} | {"alarm_id": alarm["id"]} for alarm in mine]
        items = [it | {"at": network.at(20 - n), "what": "raised", "is_cleared": False} for n, it in enumerate(known)]
        return {"incident": found, "from": network.at(30), "to": network.at(0), "whole": True, "items": items}

    @routes.post("/incidents/{key}/first-look", status_code=202)
    async def ask_again(caller: Caller, key: str) -> dict[str, Any]:
        return {"asked": key}


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
        return {"matched": len(ids), "succeeded": len(ids), "failed": [], "ids": list(ids)}


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
        return {"items": items[:limit], "next": str(limit) if limit < len(items) else None, "total": len(items)}

    @routes.get("/devices/{key}")
    async def device(caller: Caller, key: str) -> dict[str, Any]:
        node = next((node for node in network.nodes if node["id"] == key), None)
        if node is None:
            raise not_found("device")
        return {**_device(network, node), **_parts(network, node)}

    @routes.get("/devices/{key}/performance")
    async def device_performance(caller: Caller, key: str, hours: int = 4) -> dict[str, Any]:
        return _glance(network, next(node for node in network.nodes if node["id"] == key), hours)

    @routes.get("/regions")
    async def regions(caller: Caller) -> dict[str, Any]:
        names = sorted({site["region"] for site in network.sites})
        return {"items": [{"name": name, "sites": 3, "devices": 9} for name in names], "next": None}

    @routes.get("/search")
    async def search(caller: Caller, q: str) -> dict[str, Any]:
        hits = [{"kind": "device", "id": node["id"], "name": node["name"]} for node in network.nodes if q.lower() in node["name"].lower()]
        return {"items": hits[:20]}

    @routes.get("/services")
    async def services(caller: Caller) -> dict[str, Any]:
        items = [service_json(n) for n in range(7)]
        return {"items": items, "next": None, "total": len(items)}


def _device(network: Network, node: dict[str, Any]) -> dict[str, Any]:
    site = next(site for site in network.sites if site["id"] == node["site_id"])
    return {
        "id": node["id"],
        "name": node["name"],
        "site_id": site["id"],
        "management_address": "127.64.0.9",
        "role": node["role"],
        "vendor": "Juniper",
        "model": "MX204",
        "profile": "juniper",
        "sys_object_id": "1.3.6.1.4.1.2636.1.1.1.2.150",
        "sys_descr": "Juniper Networks, Inc. mx204",
        "simulated": True,
        "status": node["status"],
        "site": site["name"],
        "region": site["region"],
        "last_seen_at": network.at(0.1),
        "severity": None,
        "interfaces": sum(1 for link in network.links if node["id"] in (link["a"], link["b"])),
    }


def _parts(network: Network, node: dict[str, Any]) -> dict[str, Any]:
    ends = [
        (link, *(("a", "b") if link["a"] == node["id"] else ("b", "a"))) for link in network.links if node["id"] in (link["a"], link["b"])
    ]
    interfaces = [_interface(network, link, mine, far) | {"if_index": 500 + n} for n, (link, mine, far) in enumerate(ends)]
    neighbours = [
        {
            "id": link[far],
            "name": network.name_of(link[far]),
            "link_id": link["id"],
            "up": link["up"],
            "local_interface": link[f"{mine}_name"],
            "remote_interface": link[f"{far}_name"],
            "confidence": 1.0,
        }
        for link, mine, far in ends
    ]
    sensors = [{"id": entity_of(node["name"], "temp"), "kind": "sensor", "name": "inlet temperature", "metric": 64, "gone": False}]
    served = [service_json(n) for n in range(2)]
    return {"interfaces": interfaces, "sensors": sensors, "neighbours": neighbours, "missing": [network.missing], "services": served}


def _glance(network: Network, node: dict[str, Any], hours: int) -> dict[str, Any]:
    """Curves with a gap in them, one sensor, a session that is down."""
    step_ms = hours * HOUR_MS // 48
    times = [network.now_ns // 10**6 - (48 - n) * step_ms for n in range(48)]
    parts = _parts(network, node)
    curve = [None if n in (20, 21) else 8 * wave(ms, 4e8, 1) for n, ms in enumerate(times)]
    interfaces = [{"id": each["id"], "in_bps": curve, "out_bps": curve[::-1]} for each in parts["interfaces"]]
    heard = {"at": network.at(0.1), "values": [n / 10 for n in range(48)]}
    sensor = {**parts["sensors"][0], "metric": "sensor.temperature", "unit": "celsius", "value": 31.5}
    session = {
        "id": entity_of(node["name"], "bgp"),
        "kind": "session",
        "name": "bgp 10.0.0.1",
        "metric": "session.state",
        "unit": "session",
    }
    return {
        "step_s": step_ms / 1000,
        "time": times,
        "interfaces": interfaces,
        "sensors": [{**sensor, **heard}, {**session, "metric": "session.state", "value": 0, **heard}],
    }


def _interface(network: Network, link: dict[str, Any], mine: str, far: str) -> dict[str, Any]:
    return {
        "id": link[f"{mine}_interface"],
        "name": link[f"{mine}_name"],
        "alias": f"to {network.name_of(link[far])}",
        "descr": link[f"{mine}_name"],
        "if_type": 6,
        "speed_bps": link["speed_bps"],
        "mac": "",
        "admin_status": 1,
        "oper_status": 1 if link["up"] else 2,
        "gone": False,
        "severity": None,
        "utilisation": 8.6,
        "link_id": link["id"],
    }


def service_json(n: int) -> dict[str, Any]:
    return {
        "id": uid("service", n),
        "number": f"S-1000{n}",
        "name": f"L3VPN site {n:02}",
        "tariff": "burst95",
        "customer_id": uid("customer", 0),
        "customer": "ACME Logistics",
        "access": [{"device": "ham-acc-01", "interface": "xe-0/0/7", "interface_id": entity_of("ham-acc-01", "xe-0/0/7")}],
    }


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
        shift_s: int = 0,
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
            "name": next((each["object"] for each in network.alarms.values() if each["resource_id"] == entity), "xe-0/0/1"),
            "metric": metric,
            "unit": "octets/s",
            "tier": "5m",
            "step_s": step / 1000,
            "time": times,
            "min": mean,
            "mean": mean,
            "max": mean,
            "quality": [0] * len(times),
        }

    @routes.get("/top")
    async def top(
        caller: Caller, metric: str = "interface.in_octets", stat: str = "p95", limit: int = 12, region: str = ""
    ) -> dict[str, Any]:
        links = sorted(network.links, key=lambda link: -link["speed_bps"])[:limit]
        items = [
            {"entity": link["a_interface"], "name": f"{network.name_of(link['a'])} {link['a_name']}", "value": 9e8 - 4e7 * n}
            for n, link in enumerate(links)
        ]
        return {"items": items, "next": None, "total": len(items), "metric": metric, "unit": "octets/s", "stat": stat}

    @routes.get("/heatmap")
    async def heatmap(
        caller: Caller,
        metric: str,
        start: Annotated[str, Query(alias="from")],
        end: Annotated[str, Query(alias="to")],
        by: str = "interface",
        cells: int = 72,
    ) -> dict[str, Any]:
        first, last = time_ns(start) // 10**6, time_ns(end) // 10**6
        times = [first + n * (last - first) // cells for n in range(cells)]
        names = [site["name"] for site in network.sites] if by == "site" else [node["name"] for node in network.nodes[:12]]
        items = [
            {"entity": uid("row", n), "name": name, "values": [None if i in (5, 6) else wave(ms, 9e8, n) for i, ms in enumerate(times)]}
            for n, name in enumerate(names)
        ]
        return {
            "items": items,
            "next": None,
            "total": len(items),
            "metric": metric,
            "unit": "octets/s",
            "stat": "mean",
            "by": by,
            "time": times,
        }

    @routes.get("/traffic")
    async def traffic(caller: Caller, hours: int = 24, region: str = "") -> dict[str, Any]:
        last = network.now_ns // 10**6 // 300_000 * 300_000
        times = list(range(last - hours * HOUR_MS, last, 300_000))
        names = (("in_bps", 5e10, 1), ("out_bps", 3.2e10, 1), ("week_ago_in_bps", 4.6e10, 5), ("week_ago_out_bps", 3.1e10, 5))
        curves = {
            name: [None if i in (60, 61, 62) else 8 * wave(ms, size, seed) for i, ms in enumerate(times)] for name, size, seed in names
        }
        return {"step_s": 300, "time": times, **curves}

    @routes.get("/now")
    async def now(caller: Caller, region: str = "") -> dict[str, Any]:
        at_ms, interfaces = network.now_ns // 10**6, 2 * len(network.links)
        return {
            "at": iso(network.now_ns),
            "in_bps": 8 * wave(at_ms, 5e10, 1),
            "out_bps": 8 * wave(at_ms, 3.2e10, 1),
            "freshness": {"interfaces": interfaces, "heard": interfaces, "median_age_s": 5.2},
            "week_ago_in_bps": 8 * wave(at_ms, 4.6e10, 5),
            "week_ago_out_bps": 8 * wave(at_ms, 3.1e10, 5),
        }


def _add_simulation(routes: APIRouter, network: Network, hub: Hub) -> None:
    @routes.get("/simulation")
    async def simulation(caller: Caller) -> dict[str, Any]:
        stories = [{"name": "fibre cut", "text": "An excavator meets the fibre."}, {"name": "power loss", "text": "A feed fails."}]
        broken = [_broken(network, link) for link in network.links if not link["up"]]
        return {"simulated": True, "stories": stories, "broken": broken, "unreachable": []}

    @routes.post("/simulation/{act}")
    async def change(caller: Caller, act: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "breaking the simulated network")
        link = next((link for link in network.links if link["id"] == body.get("resource_id")), None)
        if link is None:
            raise not_found("link or device")
        link["up"] = act == "restore"
        network.version += 1
        hub.publish("topology", {"version": network.version})
        return _broken(network, link)


def _broken(network: Network, link: dict[str, Any]) -> dict[str, Any]:
    a, b = network.name_of(link["a"]), network.name_of(link["b"])
    ends = {"a": f"{a}:{link['a_name']}", "b": f"{b}:{link['b_name']}"}
    return {"kind": "link", **ends, "name": f"{a} - {b}", "duct": "", "resource_id": link["id"]}
