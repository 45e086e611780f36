"""Raw counters to stored rates and KPIs, per CPU-second of all processes, and bytes per sample on disk.

python -m benchmarks.pipeline [--json] [--quick]
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from inventory.topology import Device, Entity, Topology
from perf.pipeline import Pipeline
from perf.settings import PerfSettings
from perf.slots import U64
from station.batch import Event, SampleBatch
from station.catalogue import code_of
from station.channel import Channel
from station.clock import VirtualClock
from station.journal import Journal
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

S = 1_000_000_000
METRICS = 10  # eight counters and two states an interface
EVERY_S = 60
DAY_S = 86_400
KINDS = {"busy": 0.4, "light": 0.3, "unused": 0.3}  # of the ports of an access network; unused ones answer as well
SENSORS = 0.1  # sensors an interface, in the narrow table


@dataclass(frozen=True, slots=True)
class Mix:
    """The mixed set: interfaces of three kinds with noise and a daily curve, and sensors that hardly move."""

    interfaces: int
    octets_per_s: npt.NDArray[np.float64]  # [interface, way]
    octets_per_packet: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]  # [interface, counter]

    @classmethod
    def of(cls, interfaces: int) -> "Mix":
        rng = np.random.default_rng(1)
        kind = rng.choice(len(KINDS), interfaces, p=list(KINDS.values()))
        mean = np.choose(kind, [rng.lognormal(17, 1.5, interfaces), rng.lognormal(9, 1.5, interfaces), np.zeros(interfaces)])
        first = np.where(kind[:, None] == 2, 0, rng.integers(10**9, 10**14, (interfaces, 8)))
        first[:, 4:] = 0  # a healthy network: no errors, no discards
        return cls(interfaces, mean[:, None] * [1.0, 0.3], rng.uniform(300, 1200, (interfaces, 2)), first.astype(np.float64))

    def polls(self, start_ns: int, count: int) -> Iterator[SampleBatch]:
        """Poll after poll, an interface's rows side by side as a collector sends them."""
        rng = np.random.default_rng(2)
        total = self.first.copy()
        key = (np.arange(self.interfaces, dtype=np.uint64) // np.uint64(48) + np.uint64(1)) << np.uint64(16)
        key |= np.arange(self.interfaces, dtype=np.uint64) % np.uint64(48) + np.uint64(1)
        offset_ns = rng.integers(0, EVERY_S * S // 2, self.interfaces // 48 + 1)[np.arange(self.interfaces) // 48]
        sensors = key[: int(self.interfaces * SENSORS)] | np.uint64(1 << 15)
        for n in range(count):
            late_ns = rng.integers(0, 20_000_000, len(offset_ns) // 48 + 1)[np.arange(self.interfaces) // 48]
            time_ns = start_ns + n * EVERY_S * S + offset_ns + late_ns
            yield SampleBatch.concat([_of_interfaces(key, total, time_ns, start_ns), _of_sensors(sensors, time_ns[: len(sensors)], rng)])
            daily = 1 + 0.5 * np.sin(2 * np.pi * n * EVERY_S / DAY_S)
            octets = self.octets_per_s * rng.lognormal(0, 0.2, self.octets_per_s.shape) * daily * EVERY_S
            total[:, :2] += np.floor(octets)
            total[:, 2:4] += np.floor(octets / self.octets_per_packet)


def _of_interfaces(key: U64, total: npt.NDArray[np.float64], time_ns: npt.NDArray[np.int64], start_ns: int) -> SampleBatch:
    codes = np.arange(1, METRICS + 1, dtype=np.uint64)
    raw = np.concatenate([total.astype(np.uint64), np.zeros((len(key), 2), np.uint64)], axis=1)
    value = np.tile(np.where(codes > 8, 1.0, np.nan), len(key))
    uptime_cs = np.repeat((time_ns - start_ns) // 10_000_000, METRICS)
    series = ((key << np.uint64(8))[:, None] | codes).ravel()
    return SampleBatch.of(np.repeat(time_ns, METRICS), series, raw=raw.ravel(), value=value, uptime_cs=uptime_cs)


def _of_sensors(key: U64, time_ns: npt.NDArray[np.int64], rng: np.random.Generator) -> SampleBatch:
    value = np.round(30 + np.arange(len(key)) % 20 + rng.normal(0, 0.3, len(key)), 1)
    return SampleBatch.of(time_ns, key << np.uint64(8) | np.uint64(code_of("sensor.temperature")), value=value)


def poll(interfaces: int, time_ns: int, step: int) -> SampleBatch:
    """Poll number `step` of every interface at a steady rate."""
    rng = np.random.default_rng(1)
    key = (np.arange(interfaces, dtype=np.uint64) // np.uint64(48) + np.uint64(1)) << np.uint64(16)
    key |= np.arange(interfaces, dtype=np.uint64) % np.uint64(48) + np.uint64(1)
    per_poll = rng.integers(10**6, 10**7, (interfaces, 8)).astype(np.float64)
    return _of_interfaces(key, 10**12 + step * per_poll, np.full(interfaces, time_ns), time_ns - step * EVERY_S * S)


def topology(interfaces: int) -> Topology:
    devices = {no: Device(no, f"d{no}", f"node-{no}", "", "127.0.0.1") for no in range(1, interfaces // 48 + 2)}
    keys = [(n // 48 + 1) << 16 | (n % 48 + 1) for n in range(interfaces)]
    return Topology(1, {}, devices, {key: Entity(key, f"e{key}", "interface", f"if-{key}", speed_bps=10**11) for key in keys})


@asynccontextmanager
async def station(interfaces: int, start_ns: int) -> AsyncIterator[tuple[Pipeline, VirtualClock, TelemetryClient, psutil.Process]]:
    """A pipeline over a store owner of its own, as the station wires it."""
    with tempfile.TemporaryDirectory() as folder:
        async with OwnerProcess(Path(folder) / "telemetry") as owner:
            client = TelemetryClient(owner.url, query_timeout_s=120)
            await schema.create(client, TelemetrySettings())
            clock = VirtualClock(start_ns)
            samples: Channel[SampleBatch] = Channel("bench samples", 4)
            events: Channel[tuple[Event, ...]] = Channel("bench events", 4, "drop_oldest")
            journal = Journal(Path(folder) / "journal", 1 << 30)
            picture = topology(interfaces)
            pipeline = Pipeline(
                client=client,
                journal=journal,
                clock=clock,
                topology=lambda: picture,
                samples=samples,
                events=events,
                settings=PerfSettings(),
            )
            writer = asyncio.create_task(pipeline.writer.run())
            yield pipeline, clock, client, psutil.Process(owner.pid)
            writer.cancel()
            await client.close()
            journal.close()


async def stored(interfaces: int, rounds: int) -> list[dict[str, Any]]:
    """Samples per CPU-second from raw counters to rows on disk, the store's owner counted in; then with every tier; then bytes."""
    start_ns = time.time_ns() // (3600 * S) * 3600 * S - 12 * 3600 * S
    async with station(interfaces, start_ns) as (pipeline, clock, client, owner):
        await pipeline.tiers.tick()
        first, *batches = (parts_of(batch) for batch in Mix.of(interfaces).polls(start_ns, rounds + 1))
        await one_round(pipeline, clock, first)
        await pipeline.writer.drain()
        watched = [psutil.Process(), owner]
        before, began = cpu_s(watched), time.perf_counter()
        for batch in batches:
            await one_round(pipeline, clock, batch)
        await pipeline.writer.drain()
        spent, wall = cpu_s(watched) - before, time.perf_counter() - began
        clock.advance(10 * EVERY_S * S)
        await pipeline.tiers.tick()
        tiered, tiered_wall = cpu_s(watched) - before, time.perf_counter() - began
        found = await client.query("SELECT count() AS n FROM interface_raw FINAL")
        assert int(found["n"][0]) == interfaces * (rounds + 1)
    n = sum(len(part) for batch in batches for part in batch)
    unit = "samples per CPU-second, all processes"
    return [
        {
            "name": "pipeline_stored",
            "value": round(n / spent),
            "unit": unit,
            "n": n,
            "wall_samples_per_s": round(n / wall),
            "goal": 2_000_000,
        },
        {"name": "pipeline_stored_with_tiers", "value": round(n / tiered), "unit": unit, "wall_samples_per_s": round(n / tiered_wall)},
    ]


async def stored_size(interfaces: int, polls: int) -> list[dict[str, Any]]:
    """Bytes on disk per sample of the mixed set over hours, merged, by table."""
    start_ns = time.time_ns() // (86_400 * S) * 86_400 * S - 86_400 * S
    async with station(interfaces, start_ns) as (pipeline, clock, client, _):
        await pipeline.tiers.tick()
        n = 0
        for batch in Mix.of(interfaces).polls(start_ns, polls):
            n += len(batch)
            await one_round(pipeline, clock, [batch])
        await pipeline.flush()
        clock.advance(10 * EVERY_S * S)
        await pipeline.tiers.tick()
        raw = await bytes_of(client, "interface_raw") + await bytes_of(client, "sample_raw")
        tier = await bytes_of(client, "interface_5m")
    unit = "bytes per sample, merged"
    return [
        {"name": "stored_bytes", "value": round(raw / n, 2), "unit": unit, "n": n, "goal": 2.2},
        {"name": "stored_bytes_5m", "value": round(tier / n, 2), "unit": unit},
    ]


async def bytes_of(client: TelemetryClient, table: str) -> int:
    """What a table takes on disk once it is merged."""
    await client.command(f"OPTIMIZE TABLE {table} FINAL")
    sql = "SELECT sum(bytes_on_disk) AS n FROM system.parts WHERE active AND table = {table:String}"
    return int((await client.query(sql, {"table": table}))["n"][0])


def parts_of(batch: SampleBatch) -> list[SampleBatch]:
    """As collectors hand it on: at most about 100,000 samples at once."""
    return [batch.take(part) for part in np.array_split(np.arange(len(batch)), max(1, len(batch) // 100_000))]


async def one_round(pipeline: Pipeline, clock: VirtualClock, parts: list[SampleBatch]) -> None:
    clock.advance(EVERY_S * S)
    for part in parts:
        await pipeline.take(part)


def cpu_s(watched: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in watched)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    interfaces, rounds, polls = (20_000, 10, 360) if options.quick else (50_000, 20, 1_440)
    for figure in (
        *asyncio.run(stored(interfaces, rounds)),
        *asyncio.run(stored_size(480, polls)),
    ):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
