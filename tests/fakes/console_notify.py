"""Webhooks and what was delivered, as the console sees them: made, changed, tested and removed while a page watches."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from station.scope import Role
from station.web import Caller, ProblemError, not_found
from tests.fakes.console_network import Network, uid


def add_notify(routes: APIRouter, network: Network) -> None:
    hooks = [
        {
            "id": uid("webhook", 1),
            "name": "ticketing",
            "url": "https://tickets.example.net/hook",
            "format": "cloudevents",
            "about": "incidents",
            "severity": "major",
            "filter": "site:Berlin*",
            "enabled": True,
            "created_at": network.at(9000),
        }
    ]

    network.webhooks = hooks
    _add_hooks(routes, network)

    @routes.get("/deliveries")
    async def deliveries(caller: Caller, state: str = "", webhook: str = "") -> dict[str, Any]:
        items = [
            {
                "id": uid("delivery", n),
                "webhook_id": hooks[0]["id"],
                "webhook": "ticketing",
                "at": network.at(n * 4),
                "transition": ["opened", "closed"][n % 2],
                "incident_id": "cut",
                "alarm_id": None,
                "revision": 1,
                "state": "failed" if n == 2 else "delivered",
                "attempts": 1 + 3 * (n == 2),
                "status": 503 if n == 2 else 200,
                "error": "503 Service Unavailable" if n == 2 else "",
                "next_at": None,
                "done_at": network.at(n * 4),
            }
            for n in range(6)
        ]
        items = [item for item in items if state in ("", item["state"])]
        return {"items": items, "next": None, "total": len(items)}

    @routes.get("/deliveries/{key}")
    async def delivery(caller: Caller, key: str) -> dict[str, Any]:
        item = (await deliveries(caller))["items"][2]
        known = {"outcome": "answered", "status": 503, "error": "answered 503", "reply": "try later", "took_ms": 41}
        return {**item, "tries": [{"attempt": n, "at": network.at(8 - n), **known} for n in range(1, 5)]}

    @routes.post("/deliveries/{key}/replay")
    async def replay(caller: Caller, key: str) -> dict[str, Any]:
        return {"id": key, "state": "pending"}


def _add_hooks(routes: APIRouter, network: Network) -> None:
    def known(key: str) -> dict[str, Any]:
        found: dict[str, Any] | None = next((hook for hook in network.webhooks if hook["id"] == key), None)
        if found is None:
            raise not_found("webhook")
        return found

    @routes.get("/webhooks")
    async def webhooks(caller: Caller) -> dict[str, Any]:
        return {"items": network.webhooks, "next": None, "total": len(network.webhooks)}

    @routes.post("/webhooks", status_code=201)
    async def add(caller: Caller, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "adding a webhook")
        if body["url"].startswith("http://10."):
            raise ProblemError(422, "Not sent to", "10.0.0.1 is a private address.", field="url")
        hook: dict[str, Any] = {"id": uid("webhook", body["name"]), "created_at": network.at(0), **body}
        network.webhooks.append(hook)
        return {**hook, "secret": "made-for-this-test"}

    @routes.put("/webhooks/{key}")
    async def change(caller: Caller, key: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        hook = known(key)
        hook.update(body)
        return hook

    @routes.patch("/webhooks/{key}")
    async def pause(caller: Caller, key: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        hook = known(key)
        hook.update(body)
        return hook

    @routes.delete("/webhooks/{key}", status_code=204)
    async def remove(caller: Caller, key: str) -> None:
        network.webhooks.remove(known(key))

    @routes.post("/webhooks/{key}/test")
    async def test(caller: Caller, key: str) -> dict[str, Any]:
        return {"delivered": True, "status": 200, "error": "", "reply": "thanks"}
