"""What the alarms of an incident did, in order, of the part that the caller may see."""

from pathlib import Path

from fault.correlation.engine import Engine
from fault.timeline_api import router
from station.clock import NS_PER_S, VirtualClock
from station.scope import Role, Scope
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up


async def test_a_timeline_is_in_order_and_of_what_the_caller_sees(tmp_path: Path) -> None:
    state, clock = await store_at(tmp_path), VirtualClock(at(0))
    service = await service_on(state, clock, correlator=Engine())
    await service.handle([down("if-r1-1", 0), down("if-r2-1", 0.2)])
    clock.advance(9 * NS_PER_S)
    await service.handle([up("if-r2-1", 9)])
    (it,) = service.incidents.incidents.values()
    path = f"/api/v1/incidents/{it.id}/timeline"
    async with client(Scope(1, Role.VIEWER, "v"), router(service)) as http:
        said, missing = (await http.get(path)).json(), await http.get("/api/v1/incidents/none/timeline")
    async with client(Scope(1, Role.VIEWER, "n", regions=("north",)), router(service)) as http:
        north = (await http.get(path)).json()
    assert [(each["device"], each["what"]) for each in said["items"]] == [("r1", "raised"), ("r2", "raised"), ("r2", "cleared")]
    assert said["incident"]["root"]["id"] == "l12" and said["whole"] and said["items"][2]["is_cleared"]
    assert [each["device"] for each in north["items"]] == ["r1"]
    assert missing.status_code == 404
    await state.close()
