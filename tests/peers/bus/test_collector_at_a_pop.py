"""Two POPs with the same addresses: a station, two collectors and two of net-snmp's agents, each a process of its own."""

import asyncio
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio

from station.catalogue import code_of
from station.series import series_of
from station.telemetry.client import TelemetryClient
from tests.peers.bus.roles import CollectorRole, StationRole, Way, agents, trunkline
from tests.ports import UDP, free_port

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]
ADDRESS = "127.0.77.1"
WITHIN_S = 90.0


class World:
    def __init__(self, station: StationRole, north: CollectorRole, south: CollectorRole, way: Way) -> None:
        self.station, self.north, self.south, self.way = station, north, south, way

    async def get(self, path: str, **params: Any) -> Any:
        return await asyncio.to_thread(self.station.get, path, **params)

    async def until(self, what: str, holds: Any) -> Any:
        """The first answer of the coroutine function `holds` that is not empty."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not (found := await holds()):
                    await asyncio.sleep(0.2)
                return found
        except TimeoutError:
            raise AssertionError(f"after {WITHIN_S} s still not: {what}") from None

    async def devices(self) -> dict[str, Any]:
        return {one["name"]: one for one in (await self.get("/api/v1/devices"))["items"]}

    async def collectors(self) -> dict[str, Any]:
        return {one["name"]: one for one in (await self.get("/api/v1/collectors"))["items"]}

    async def alarms(self) -> list[Any]:
        return list((await self.get("/api/v1/alarms", state="active"))["items"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("pops")
    ports = {"router-north": free_port(UDP), "router-south": free_port(UDP)}
    station = StationRole(folder / "station")
    north, south = (CollectorRole(folder / name.removeprefix("router-"), port) for name, port in ports.items())
    way = Way(station.bus_port)
    try:
        with agents(folder, ports, ADDRESS):
            await asyncio.to_thread(station.start)
            await way.start()
            for role in (north, south):
                name = role.data.name
                invitation = await asyncio.to_thread(station.invite, name, vrf=name, ranges=[f"{ADDRESS}/32"])
                await asyncio.to_thread(role.enrol, invitation)
            north.goes_by(way.port)
            for role in (north, south):
                await asyncio.to_thread(role.start)
            yield World(station, north, south, way)
    finally:
        for one in (north, south, station):
            one.kill()
        await way.stop()
        station.client.close()


async def test_the_same_address_in_two_pops_is_two_devices_and_each_is_polled_by_its_own(world: World) -> None:
    found = await world.until("both routers polled", lambda: _all_up(world))
    assert {one["management_address"] for one in found.values()} == {ADDRESS}
    assert {one["vrf"] for one in found.values()} == {"north", "south"}
    listed = await world.collectors()
    assert {(one["state"], one["devices"], one["targets"], one["vrf"]) for one in listed.values()} == {
        ("alive", 1, 1, "north"),
        ("alive", 1, 1, "south"),
    }


async def _all_up(world: World) -> Any:
    found = await world.devices()
    return found if len(found) == 2 and all(one["status"] == "up" for one in found.values()) else None


async def test_a_trap_is_of_the_device_in_its_collectors_own_space(world: World) -> None:
    south = (await world.until("both routers", lambda: _all_up(world)))["router-south"]
    command = ["snmptrap", "-v2c", "-c", "public", "--clientaddr=" + ADDRESS, f"127.0.0.1:{world.south.trap_port}"]

    async def restarted() -> list[Any]:
        await asyncio.to_thread(subprocess.run, [*command, "", "1.3.6.1.6.3.1.1.5.1"], check=True)  # until somebody listens
        return [one for one in await world.alarms() if one["alarm_type"] == "equipment.restarted"]

    raised = await world.until("an alarm of the trap", restarted)
    assert [one["device_id"] for one in raised] == [south["id"]]


async def test_a_severed_pop_is_one_alarm_and_its_devices_are_unknown_until_the_backlog_is_in(world: World) -> None:
    await world.until("both routers", lambda: _all_up(world))
    world.way.cut()

    async def blind() -> list[Any]:
        return [one for one in await world.alarms() if one["alarm_type"] == "communications.collector_blind"]

    (alarm,) = await world.until("the alarm of the collector", blind)
    assert "router-north" in alarm["text"] and "router-south" not in alarm["text"]
    assert (alarm["perceived_severity"], alarm["resource_kind"], alarm["object"]) == ("critical", "collector", "north")

    async def unknown() -> bool:
        return {name: one["status"] for name, one in (await world.devices()).items()} == {"router-north": "unknown", "router-south": "up"}

    await world.until("the device behind it unknown, the other up", unknown)
    assert (await world.collectors())["north"]["state"] == "blind"
    assert [one for one in await world.alarms() if one["alarm_type"] == "communications.device_unreachable"] == []
    cut_ns, mended_ns = await _spoke_last(world, "north"), time.time_ns()
    world.way.mend()

    async def healed() -> bool:
        state = (await world.collectors())["north"]
        return not await blind() and await _all_up(world) is not None and bool(state["state"] == "alive")

    await world.until("all as before", healed)

    async def filled_in() -> bool:
        return await _polls(world, "router-north", cut_ns, mended_ns) >= 3

    await world.until("the polls of the time between", filled_in)
    said = await world.get("/api/v1/alarms", state="all")
    assert "communications.device_unreachable" not in {one["alarm_type"] for one in said["items"]}


async def _spoke_last(world: World, name: str) -> int:
    heard = datetime.fromisoformat((await world.collectors())[name]["last_heard_at"])
    return int(heard.timestamp() * 1e9) + 2_000_000_000


async def _polls(world: World, name: str, from_ns: int, to_ns: int) -> int:
    """Polls of a device between two instants, as the station's store has them."""
    with sqlite3.connect(world.station.data / "state.db") as state:
        ((number,),) = state.execute("SELECT no FROM device WHERE name = ?", (name,)).fetchall()
    client = TelemetryClient((world.station.data / "telemetry.url").read_text().strip())
    query = (
        "SELECT uniqExact(time) AS n FROM sample_raw WHERE series = {series:UInt64} "
        "AND time > fromUnixTimestamp64Nano({from:Int64}) AND time < fromUnixTimestamp64Nano({to:Int64})"
    )
    series = series_of(number, 0, code_of("device.availability"))
    try:
        return int((await client.query(query, {"series": series, "from": from_ns, "to": to_ns}))["n"][0])
    finally:
        await client.close()


async def test_a_doubtful_trap_is_looked_into_by_the_collector_and_cleared_for_good(world: World) -> None:
    """A linkDown over v2c of a port that is up: it raises, and what the collector sees clears it."""
    await world.until("both routers", lambda: _all_up(world))
    command = ["snmptrap", "-v2c", "-c", "public", "--clientaddr=" + ADDRESS, f"127.0.0.1:{world.south.trap_port}"]
    await asyncio.to_thread(subprocess.run, [*command, "", "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.2.1.2.2.1.1.1", "i", "1"], check=True)

    async def cleared() -> list[Any]:
        found = (await world.get("/api/v1/alarms", state="all"))["items"]
        return [one for one in found if one["alarm_type"] == "communications.link_down" and one["is_cleared"]]

    (alarm,) = await world.until("raised and cleared", cleared)
    assert (alarm["device"], alarm["object"]) == ("router-south", "lo")


async def test_who_is_revoked_is_cut_off_at_once(world: World) -> None:
    await world.until("both routers", lambda: _all_up(world))
    await asyncio.to_thread(trunkline, "collector", "revoke", "south", data=world.station.data)

    async def gone() -> bool:
        return bool((await world.collectors())["south"]["state"] == "revoked")

    await world.until("revoked", gone)
