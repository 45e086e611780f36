"""Raw counters from a collector's spool over JetStream to the station: to rates, and to stored rows with their journal.

A child process is the collector: it encodes, keeps on disk and publishes, one block in flight. A nats-server of its own
carries it (file storage). This process is the station: it decodes, rates, journals and stores, and acknowledges what is
durable. Beside it the same batches without collector and bus, given straight to the pipeline.

python -m benchmarks.jetstream [--json] [--quick]
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from benchmarks.pipeline import EVERY_S, Mix, parts_of, topology
from perf.pipeline import Pipeline
from perf.settings import PerfSettings
from station.batch import Event, SampleBatch
from station.bus import blocks
from station.bus.intake import Intake
from station.bus.link import Login, connect, make_streams, publish
from station.bus.settings import SpoolSettings
from station.bus.spool import Spool
from station.bus.subjects import SAMPLES, Label
from station.channel import Channel
from station.clock import SystemClock, VirtualClock
from station.journal import Journal
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

S = 1_000_000_000
GOAL = 2_500_000
ME = "bench"


def batches_of(interfaces: int, rounds: int, start_ns: int) -> list[SampleBatch]:
    return [part for batch in Mix.of(interfaces).polls(start_ns, rounds) for part in parts_of(batch)]


async def child(folder: Path, port: int, interfaces: int, rounds: int, start_ns: int) -> None:
    """The collector: everything is made before `go` is read; says its CPU seconds when the bus has all."""
    batches = batches_of(interfaces, rounds, start_ns)
    spool = Spool("samples", folder, 4 << 30, SpoolSettings(), SystemClock())
    client = await connect(Login(f"nats://127.0.0.1:{port}", ME))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    before = cpu_of(os.getpid())
    sending = asyncio.create_task(publish(lambda: client, spool, SAMPLES, ME))
    last = 0
    for batch in batches:
        made = await asyncio.to_thread(blocks.encode_all, batch)
        last += len(made)
        await spool.put([(int(part.time_ns.max()), len(part), block) for part, block in made])
    await until(lambda: spool.sent >= last)
    print(json.dumps({"cpu_s": cpu_of(os.getpid()) - before, "blocks": last}), flush=True)
    sending.cancel()
    await asyncio.wait([sending])
    await client.close()


@asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """(port, pid) of a nats-server with JetStream."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = ["nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder)]
    process = await asyncio.create_subprocess_exec(*command, stderr=DEVNULL)
    try:
        yield port, process.pid
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def pipeline_on(folder: Path, interfaces: int, now_ns: int) -> AsyncIterator[tuple[Pipeline, Channel[SampleBatch], int]]:
    """A pipeline that runs on a store of its own, with its channel and the pid of the store's owner."""
    async with OwnerProcess(folder / "telemetry", memory_mb=600) as owner:
        client = TelemetryClient(owner.url)
        await schema.create(client, TelemetrySettings())
        samples: Channel[SampleBatch] = Channel("bench samples", 64)
        events: Channel[tuple[Event, ...]] = Channel("bench events", 64, "drop_oldest")
        picture, clock = topology(interfaces), VirtualClock(now_ns)
        pipeline = Pipeline(
            client=client,
            journal=Journal(folder / "journal", 2 << 30),
            clock=clock,
            topology=lambda: picture,
            samples=samples,
            events=events,
            settings=PerfSettings(),
        )
        running = [asyncio.create_task(work) for work in (pipeline.run(), tick(clock))]
        await pipeline.writer.replayed.wait()
        await asyncio.sleep(2)  # its first look at the tiers and the kernels are not what is measured
        yield pipeline, samples, owner.pid
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await client.close()


async def tick(clock: VirtualClock) -> None:
    """Time goes on, so that the last samples do not wait for a full block."""
    while True:
        await asyncio.sleep(0.05)
        clock.advance(S // 20)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - it is another process that makes it hold
        await asyncio.sleep(0.005)


async def over_the_bus(
    interfaces: int, rounds: int, start_ns: int, take: Callable[[SampleBatch], Any], settled: Callable[[], int], pids: list[int]
) -> dict[str, float]:
    """Seconds of wall and of CPU of all processes from the first block to the last that is durable, and the blocks."""
    with tempfile.TemporaryDirectory() as name:
        async with bus(Path(name) / "bus") as (port, server):
            client = await connect(Login(f"nats://127.0.0.1:{port}", "station"))
            await make_streams(client, 4 << 30, 1)
            arguments = ["--child", name + "/spool", str(port), str(interfaces), str(rounds), str(start_ns)]
            collector = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.jetstream", *arguments, stdin=PIPE, stdout=PIPE
            )
            assert collector.stdin is not None and collector.stdout is not None
            await collector.stdout.readline()
            places: dict[tuple[str, str], int] = {}

            async def one(_: Label, block: bytes) -> int:
                return int(await take(await asyncio.to_thread(blocks.decode, block)))

            async def save(made: Mapping[tuple[str, str], int]) -> None:
                places.update(made)

            reading = asyncio.create_task(Intake(SAMPLES, 64, one, settled, save, {}, lambda _: True).run(client))
            watched = [os.getpid(), server, *pids]
            before, began = sum(map(cpu_of, watched)), time.perf_counter()
            collector.stdin.write(b"go\n")
            said = json.loads(await collector.stdout.readline())
            await until(lambda: sum(places.values()) >= said["blocks"])
            wall = time.perf_counter() - began
            cpu = sum(map(cpu_of, watched)) - before + said["cpu_s"]
            reading.cancel()
            await asyncio.wait([reading])
            await client.close()
            await collector.wait()
    return {"wall_s": wall, "cpu_s": cpu, "blocks": said["blocks"]}


async def rated(interfaces: int, rounds: int, start_ns: int) -> dict[str, float]:
    """Over the bus to rates and last values; nothing is stored."""
    picture = topology(interfaces)
    channels = Channel[SampleBatch]("bench", 1), Channel[tuple[Event, ...]]("bench", 1)
    with tempfile.TemporaryDirectory() as name:
        pipeline = Pipeline(
            client=TelemetryClient("http://127.0.0.1:9"),
            journal=Journal(Path(name), 1 << 30),
            clock=VirtualClock(start_ns + rounds * EVERY_S * S),
            topology=lambda: picture,
            samples=channels[0],
            events=channels[1],
        )
        pipeline.process(batches_of(48, 1, start_ns - 3600 * S)[0])  # compiles

        async def take(batch: SampleBatch) -> int:
            await asyncio.to_thread(pipeline.process, batch)
            pipeline._rated.clear()
            return 0

        return await over_the_bus(interfaces, rounds, start_ns, take, lambda: 0, [])


async def stored(interfaces: int, rounds: int, start_ns: int, *, by_bus: bool) -> dict[str, float]:
    """Until every sample is journalled and the store has all rows: over the bus, or straight into the channel."""
    now_ns = start_ns + rounds * EVERY_S * S
    with tempfile.TemporaryDirectory() as name:
        async with pipeline_on(Path(name), interfaces, now_ns) as (pipeline, samples, owner):
            if by_bus:
                return await over_the_bus(interfaces, rounds, start_ns, samples.put, lambda: pipeline.durable, [owner])
            batches = batches_of(interfaces, rounds, start_ns)
            watched = [os.getpid(), owner]
            before, began, number = sum(map(cpu_of, watched)), time.perf_counter(), 0
            for batch in batches:
                number = await samples.put(batch)
            await until(lambda: pipeline.durable >= number)
            return {"wall_s": time.perf_counter() - began, "cpu_s": sum(map(cpu_of, watched)) - before}


def cpu_of(pid: int) -> float:
    with suppress(psutil.NoSuchProcess):
        return float(sum(psutil.Process(pid).cpu_times()[:2]))
    return 0.0


def figure(name: str, n: int, spent: Mapping[str, float], beside: Mapping[str, float] | None = None) -> dict[str, Any]:
    """By CPU seconds of all processes, on the two cores that the goal is for; by the wall as it was here."""
    made: dict[str, Any] = {
        "name": name,
        "value": round(2 * n / spent["cpu_s"]),
        "unit": "samples/s on 2 cores, by CPU-seconds of all processes",
    }
    made |= {"n": n, "wall_samples_per_s": round(n / spent["wall_s"]), "samples_per_cpu_s": round(n / spent["cpu_s"]), "goal": GOAL}
    if beside:
        made |= {"peer": "the same without collector and bus", "peer_value": round(2 * n / beside["cpu_s"])}
        made["ratio"] = round(beside["cpu_s"] / spent["cpu_s"], 2)
    return made


async def figures(interfaces: int, rounds: int) -> AsyncIterator[dict[str, Any]]:
    start_ns = time.time_ns() // (3600 * S) * 3600 * S - 2 * 3600 * S
    n = sum(map(len, batches_of(interfaces, rounds, start_ns)))
    yield figure("jetstream_rates", n, await rated(interfaces, rounds, start_ns))
    alone = await stored(interfaces, rounds, start_ns, by_bus=False)
    yield figure("jetstream_stored", n, await stored(interfaces, rounds, start_ns, by_bus=True), alone)


async def run(options: argparse.Namespace) -> None:
    async for made in figures(*((20_000, 10) if options.quick else (50_000, 14))):
        print(json.dumps(made) if options.json else "  ".join(f"{name} {value}" for name, value in made.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, *numbers = options.child
        asyncio.run(child(Path(folder), *map(int, numbers)))
        return
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
