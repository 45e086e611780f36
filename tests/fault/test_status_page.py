"""What the public sees: regions and times, nothing that names a device, a customer or a cause."""

from pathlib import Path

import pytest

from fault.settings import FaultSettings
from fault.status_page import router
from station.clock import VirtualClock
from station.scope import STATION, Role, Scope
from tests.billing_bridge.calling import client
from tests.fault.network import at, down, service_on, store_at, up

ANYBODY = Scope(STATION.tenant, Role.VIEWER, "anybody")


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_a_disturbed_region_is_named_and_nothing_else(tmp_path: Path, accept: str) -> None:
    state = await store_at(tmp_path)
    settings = FaultSettings(lone_after_s=0, announce_after_s=0, status_page=True)
    service = await service_on(state, VirtualClock(at(0)), settings=settings)
    async with client(ANYBODY, router(service)) as http:
        texts = []
        for change in (down("if-r2-2", text="fibre cut by digger"), up("if-r2-2", 5)):
            await service.handle([change])
            texts.append((await http.get("/status", headers={"accept": accept})).text)
    first, last = texts
    assert "east" in first and "disturbed" in first and "east" not in last
    assert not [word for word in ("r2", "Acme", "acme", "digger", "ge-0") if word in first]
    await state.close()


async def test_it_is_not_there_unless_it_is_wished(tmp_path: Path) -> None:
    state = await store_at(tmp_path)
    service = await service_on(state, VirtualClock(at(0)))
    async with client(ANYBODY, router(service)) as http:
        assert (await http.get("/status")).status_code == 404
    await state.close()
