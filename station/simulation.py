"""The demo's hand on the simulated network: what the console may break, put back and play, and what stories announce."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx
import structlog
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from inventory.topology import Topology
from station.hub import Hub
from station.scope import Role
from station.web import Caller, ProblemError, not_found

log = structlog.get_logger("simulation")
ANNOUNCEMENTS_EVERY_S: Final = 1.0
ANSWER_WITHIN_S: Final = 5.0


class Target(BaseModel):
    """What to break or put back, by its public id: a link, an interface's link, a device or a duct."""

    model_config = ConfigDict(extra="forbid")
    resource_id: str


class Story(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Simulation:
    """Speaks to the simulator's remote control on loopback; ids become the names that the network itself knows."""

    def __init__(self, port: int, token: str, topology: Callable[[], Topology], hub: Hub) -> None:
        self._topology, self._hub = topology, hub
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=ANSWER_WITHIN_S)

    async def run(self) -> None:
        """Carry announcements to the console until cancelled."""
        after = 0
        try:
            while True:
                await asyncio.sleep(ANNOUNCEMENTS_EVERY_S)
                try:
                    said = (await self._http.get("/events", params={"after": after})).json()
                except httpx.HTTPError as error:
                    log.warning("the simulated network does not answer", error=str(error))
                    continue
                after = said["next"]
                for item in said["items"]:
                    self._hub.publish("story", {"story": item["story"], "text": item["text"]})
        finally:
            await self._http.aclose()

    async def state(self) -> dict[str, Any]:
        """Stories, and what is broken with its public id where the station knows it."""
        state = await self._ask("GET", "/state", None)
        broken = [item | {"resource_id": self._id_of(item)} for item in state["broken"]]
        return {"simulated": True, "stories": state["stories"], "broken": broken, "unreachable": state["unreachable"]}

    async def act(self, verb: str, resource_id: str) -> dict[str, Any]:
        """Cut or restore; ProblemError 404 where the station knows no such thing or the network has none."""
        return await self._ask("POST", f"/{verb}", self._names_of(resource_id))

    async def play(self, story: str) -> dict[str, Any]:
        return await self._ask("POST", "/story", {"name": story})

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ProblemError(503, "The simulated network does not answer", str(error)) from error
        answer: dict[str, Any] = response.json()
        if response.is_error:
            raise ProblemError(response.status_code, "The simulated network refused", str(answer.get("detail", "")))
        return answer

    def _names_of(self, resource_id: str) -> dict[str, Any]:
        topology = self._topology()
        if resource_id in topology.device_by_id:
            return {"kind": "device", "name": topology.device_by_id[resource_id].name}
        if resource_id.startswith("duct:"):
            return {"kind": "duct", "name": resource_id.removeprefix("duct:")}
        entity = topology.entity_by_id.get(resource_id)
        link = topology.links.get(resource_id) or (topology.link_at.get(entity.key) if entity else None)
        if link is None:
            raise not_found("link or device")
        a, b = (f"{topology.devices[end >> 16].name}:{topology.entities[end].name}" for end in (link.a, link.b))
        return {"kind": "link", "a": a, "b": b}

    def _id_of(self, item: dict[str, Any]) -> str | None:
        topology = self._topology()
        if item["kind"] == "device":
            device = topology.device_by_name.get(item["name"])
            return device.id if device else None
        name, _, interface = item["a"].partition(":")
        device = topology.device_by_name.get(name)
        entity = topology.interface_by_name.get((device.no, interface)) if device else None
        link = topology.link_at.get(entity.key) if entity else None
        return link.id if link else None


def router(simulation: Simulation, tickets: Callable[[], list[dict[str, Any]]]) -> APIRouter:
    """`/api/v1/simulation`: there only where the network is simulated. `tickets` are what the demo's ticket system got."""
    routes = APIRouter(prefix="/api/v1/simulation", tags=["simulation"])

    @routes.get("")
    async def state(caller: Caller) -> dict[str, Any]:
        caller.require(Role.VIEWER, "seeing the simulated network")
        return await simulation.state()

    @routes.post("/cut")
    async def cut(caller: Caller, target: Target) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "breaking the simulated network")
        return await simulation.act("cut", target.resource_id)

    @routes.post("/restore")
    async def restore(caller: Caller, target: Target) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "mending the simulated network")
        return await simulation.act("restore", target.resource_id)

    @routes.post("/story")
    async def story(caller: Caller, which: Story) -> dict[str, Any]:
        caller.require(Role.ENGINEER, "playing a story")
        return await simulation.play(which.name)

    @routes.get("/tickets")
    async def received(caller: Caller) -> dict[str, Any]:
        caller.require(Role.VIEWER, "seeing the demo's tickets")
        return {"items": tickets()}

    return routes
