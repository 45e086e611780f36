"""kill -9 of the station, of its bus and of a collector while polls come in: each poll is stored once, each octet counted once."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from inventory.facts import DeviceFacts, InterfaceFacts
from station.apart.collector import Collector
from station.apart.identity import Identity, enrol
from station.batch import SampleBatch
from station.bus.subjects import SAMPLES
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.config import StationSettings
from station.telemetry.client import TelemetryClient
from tests.peers.bus.nats_peer import until
from tests.peers.bus.roles import StationRole

PORTS, OCTETS, EVERY_S = 20, 1_000_003, 10
SETTINGS = {
    "snmp": {"interval_s": 3600, "learn_interval_s": 3600},
    "traps": {"port": 0},
    "syslog": {"udp_port": 0},
    "spool": {"flush_ms": 20},
}
WITHIN_S = 90.0


@asynccontextmanager
async def collecting(identity: Identity, folder: Path) -> AsyncIterator[Collector]:
    """A collector until the block ends, and then it is gone as after kill -9: nothing is told to anybody."""
    collector = Collector(identity, StationSettings.model_validate(SETTINGS), folder)
    running = asyncio.create_task(collector.run())
    try:
        yield collector
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def facts() -> DeviceFacts:
    ports = tuple(InterfaceFacts(n, f"xe-{n}", speed_bps=10**10, admin_status=1, oper_status=1) for n in range(1, PORTS + 1))
    return DeviceFacts("127.0.78.1", 9, "default", "router-1", "", "1.3.6.1.4.1.8072", chassis_id="aa:bb:cc:00:11:22", interfaces=ports)


def poll(collector: Collector, start_ns: int, n: int) -> SampleBatch:
    """Poll number n of every interface: both counters grow by the same with each poll."""
    keys = np.array(sorted(collector.targets.topology().entities), np.uint64)
    series = np.concatenate([keys << np.uint64(8) | np.uint64(code_of(f"interface.{name}")) for name in ("in_octets", "out_octets")])
    count, time_ns = len(series), start_ns + n * EVERY_S * NS_PER_S
    uptime = np.full(count, 100_000 + n * EVERY_S * 100, np.int64)
    return SampleBatch.of(np.full(count, time_ns), series, raw=np.full(count, n * OCTETS, np.uint64), uptime_cs=uptime)


async def told(collector: Collector, start_ns: int, numbers: range) -> None:
    for n in numbers:
        await collector.streamed.put(poll(collector, start_ns, n))
        await asyncio.sleep(0.02)


async def settled(collector: Collector, polls: int) -> None:
    """Until the collector kept so many polls and the station says that it has everything."""
    spool = collector.spools[SAMPLES]
    await until(lambda: collector._kept == polls and spool.waiting == 0, WITHIN_S)


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_whatever_is_killed_each_poll_is_there_once(tmp_path: Path) -> None:
    station, folder = StationRole(tmp_path / "station"), tmp_path / "pop"
    folder.mkdir()
    start_ns = time.time_ns() // (300 * NS_PER_S) * 300 * NS_PER_S - 3600 * NS_PER_S
    try:
        await asyncio.to_thread(station.start)
        identity = await enrol(folder, await asyncio.to_thread(station.invite, "pop", vrf="pop"))
        async with collecting(identity, folder) as collector:
            await collector._tell_facts(facts())
            await until(lambda: len(collector.targets.topology().entities) == PORTS, WITHIN_S)
            await told(collector, start_ns, range(40))
            station.kill_bus()
            await told(collector, start_ns, range(40, 80))
            station.kill()
            await told(collector, start_ns, range(80, 120))
            await asyncio.to_thread(station.start)
            await told(collector, start_ns, range(120, 140))
            await until(lambda: not len(collector.streamed), WITHIN_S)
            await asyncio.sleep(0.1)
        async with collecting(identity, folder) as collector:
            assert len(collector.targets.topology().entities) == PORTS  # as the station last said, before it is heard
            await told(collector, start_ns, range(140, 160))
            station.kill()
            await asyncio.to_thread(station.start)
            await told(collector, start_ns, range(160, 180))
            await settled(collector, 40)
        stored = await rows_of(station, 180 * PORTS)
        assert stored == {"n": 180 * PORTS, "distinct": 180 * PORTS, "octets": 179 * OCTETS * PORTS, "unsure": PORTS}
    finally:
        station.kill()
        station.client.close()


async def rows_of(station: StationRole, n: int) -> dict[str, int]:
    """What the station's store holds, once it holds `n` rows and all late ones are judged."""
    client = TelemetryClient((station.data / "telemetry.url").read_text().strip())
    query = (
        "SELECT count() AS n, uniqExact(entity, time) AS distinct, sum(in_delta) AS octets, countIf(quality > 2) AS unsure "
        "FROM (SELECT * FROM interface_raw FINAL ORDER BY entity, time, quality, version DESC LIMIT 1 BY entity, time)"
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                found = {name: int(column[0]) for name, column in (await client.query(query)).items()}
                if found["n"] >= n and found["unsure"] <= PORTS:
                    return found
                await asyncio.sleep(0.5)
    except TimeoutError:
        return found
    finally:
        await client.close()
