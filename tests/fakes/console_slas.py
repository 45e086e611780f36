"""Service levels of the console's network: one that holds, one at risk, one broken."""

from typing import Any

from fastapi import APIRouter

from station.web import Caller
from tests.fakes.console_network import Network, uid

LEVELS = (("met", 0, "100.0000", "0"), ("at_risk", 900, "99.9600", "0"), ("breached", 14_400, "99.4600", "25"))
SPAN = {"from": "2026-11-03T10:00:00Z", "to": "2026-11-03T10:15:00Z", "seconds": 900}


def objective(n: int) -> dict[str, Any]:
    promise = "Latency at most 20 ms in 99 % of the time"
    said = {"sli": "latency", "promise": promise, "value": "98.1000" if n == 2 else None, "unit": "%", "met": False if n == 2 else None}
    return said | {"slots": 8_640, "known": 8_600 if n == 2 else 0, "good": 8_437 if n == 2 else 0, "credit_percent": "5"}


def level(n: int) -> dict[str, Any]:
    outlook, down, availability, credit = LEVELS[n]
    return {
        "service": {"id": uid("service", n), "number": f"S-{100 + n}", "name": f"Internet {n}"},
        "customer": {"id": uid("customer", n), "name": "Hafenlogistik Nord AG"},
        "sla": "gold",
        "target": "99.95",
        "availability": availability,
        "met": outlook != "breached",
        "outlook": outlook,
        "credit_percent": credit,
        "counted_s": 2_592_000,
        "down_s": down,
        "unknown_s": 3600 * n,
        "excluded_s": 7200,
        "budget_s": 1296,
        "left_s": 1296 - down,
        "objectives": [objective(n)] if n else [],
    }


def add_slas(routes: APIRouter, network: Network) -> None:
    @routes.get("/slas")
    async def month(caller: Caller, month: str = "") -> dict[str, Any]:
        rows = [level(n) for n in range(len(LEVELS))]
        return {"month": month, "items": rows, "next": None, "total": len(rows), "outlooks": {row["outlook"]: 1 for row in rows}}

    @routes.post("/sla-credits", status_code=201)
    async def propose(caller: Caller, body: dict[str, str]) -> dict[str, Any]:
        return {"invoice": {"id": uid("invoice", 0), "number": "INV-2026-000001"}, "proposal": {"id": body["service_id"], "state": "open"}}

    exclusions: list[dict[str, Any]] = []

    @routes.get("/slas/exclusions")
    async def excluded(caller: Caller) -> dict[str, Any]:
        return {"items": exclusions, "next": None, "total": len(exclusions)}

    @routes.post("/slas/exclusions", status_code=201)
    async def exclude(caller: Caller, body: dict[str, str]) -> dict[str, Any]:
        exclusions.append(body | {"id": uid("exclusion", len(exclusions)), "state": "open", "proposed_by": "anna", "decided_by": ""})
        return exclusions[-1]

    @routes.post("/slas/exclusions/{key}/decision")
    async def decide(caller: Caller, key: str, body: dict[str, bool]) -> dict[str, Any]:
        found = next(each for each in exclusions if each["id"] == key)
        found |= {"state": "approved" if body["approve"] else "refused", "decided_by": caller.user}
        return found

    @routes.get("/slas/{service_id}")
    async def one(caller: Caller, service_id: str, month: str = "") -> dict[str, Any]:
        row = next(each for each in map(level, range(len(LEVELS))) if each["service"]["id"] == service_id)
        about = {"summary": "Gold: 99.95 % a month round the clock", "from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
        ports = [{"id": link["a_interface"], "name": f"{network.name_of(link['a'])} {link['a_name']}"} for link in network.links[:2]]
        return {**row, **about, "outages": [SPAN], "excluded": [SPAN], "unknown": [], "ports": ports}
