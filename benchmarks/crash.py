"""kill -9 of the station and of the store's owner while samples come in: nothing acknowledged is lost, nothing counts twice.

A child process is the station's performance part whole: channel, pipeline, journal, chDB owner. It says the number of
each poll once it is journalled. The parent kills it, or only its owner, at random instants; the next child goes on
where it was or up to three polls earlier, as a collector that repeats itself. At the end each acknowledged poll must be
there once, each octet between the first and the last poll must be counted once, in the samples and in every tier, and
memory must not have grown.

python -m benchmarks.crash [--json] [--quick] [--kills N] [--seed N]
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from inventory.topology import Device, Entity, Topology
from perf.pipeline import Pipeline
from perf.settings import PerfSettings
from station.batch import Event, Quality, SampleBatch
from station.channel import Channel
from station.clock import VirtualClock
from station.journal import Journal
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

S = 1_000_000_000
INTERFACES = 500
OCTETS_PER_POLL = 1_000_003
REPEATED = 3  # the most polls that a new child sends again
CORRECTED_S = 120
WARM_SHARE = 0.75  # of the lives are let come to their first poll; the others may end while they start
EVERY_S = 10
IN_OCTETS, OUT_OCTETS = np.uint64(1), np.uint64(2)
KEYS = (np.uint64(1) << np.uint64(16)) + np.arange(1, INTERFACES + 1, dtype=np.uint64)


def poll(start_ns: int, n: int) -> SampleBatch:
    """Poll number n: both octet counters of every interface, which grow by the same with each poll."""
    series = np.concatenate([KEYS << np.uint64(8) | code for code in (IN_OCTETS, OUT_OCTETS)])
    raw = np.full(len(series), n * OCTETS_PER_POLL, np.uint64)
    uptime = np.full(len(series), 100_000 + n * EVERY_S * 100, np.int64)
    return SampleBatch.of(np.full(len(series), start_ns + n * EVERY_S * S), series, raw=raw, uptime_cs=uptime)


def picture() -> Topology:
    entities = {key: Entity(key, f"if-{key}", "interface", f"if-{key}", speed_bps=10**10) for key in KEYS.tolist()}
    return Topology(1, {}, {1: Device(1, "d1", "node-1", "", "127.0.0.1")}, entities)


async def child(folder: Path, start_ns: int) -> None:
    """Ingest polls from the number that stands on the input on, until killed; print each number once it is acknowledged."""
    first = int(await asyncio.to_thread(sys.stdin.readline))
    async with OwnerProcess(folder / "telemetry") as owner:
        client = TelemetryClient(owner.url)
        await schema.create(client, TelemetrySettings())
        network = picture()
        clock = VirtualClock(start_ns + first * EVERY_S * S)
        samples: Channel[SampleBatch] = Channel("crash samples", 4)
        events: Channel[tuple[Event, ...]] = Channel("crash events", 4, "drop_oldest")
        journal = Journal(folder / "journal", 256 << 20)
        settings = PerfSettings(flush_ms=10)
        pipeline = Pipeline(
            client=client, journal=journal, clock=clock, topology=lambda: network, samples=samples, events=events, settings=settings
        )
        running = asyncio.create_task(pipeline.run())
        print("ready", owner.pid, flush=True)
        n = first
        while not running.done():
            clock.advance(EVERY_S * S)
            number = await samples.put(poll(start_ns, n))
            while pipeline.durable < number and not running.done():
                await asyncio.sleep(0.002)
                clock.advance(1)
            print(n, flush=True)
            n += 1
        await running


async def torture(kills: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    start_ns = time.time_ns() // (86_400 * S) * 86_400 * S
    acknowledged, rss_mb = -1, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        following = await launched(folder, start_ns)
        for left in range(kills - 1, -1, -1):
            process, following = following, await launched(folder, start_ns) if left else following
            acknowledged, memory = await life(process, acknowledged, chance)
            rss_mb += [memory] if memory else []
        found = await judged(folder, start_ns, acknowledged)
    third = max(1, len(rss_mb) // 3)
    early_mb, late_mb = (float(np.median(part)) for part in (rss_mb[:third], rss_mb[-third:]))
    return {"name": "crash", "value": found["lost"] + found["doubled"] + found["tiers_astray"], "unit": "polls lost or doubled",
            "seed": seed, "kills": kills, **found, "acknowledged": acknowledged + 1, "rss_mb_first_third": round(early_mb),
            "rss_mb_last_third": round(late_mb), "goal": 0}  # fmt: skip


async def launched(folder: Path, start_ns: int) -> Process:
    """A child that has not begun: it loads its program while the one before still lives, and waits for its first number."""
    arguments = ("-m", "benchmarks.crash", "--child", str(folder), str(start_ns))
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def life(process: Process, acknowledged: int, chance: random.Random) -> tuple[int, float]:
    """One child from its start to its violent end; the highest poll it acknowledged, and its memory in MB, 0 when it died early."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    process.stdin.write(b"%d\n" % max(0, acknowledged + 1 - chance.randint(0, REPEATED)))
    said = (await process.stdout.readline()).split()
    assert said[:1] == [b"ready"], (await process.stderr.read()).decode()
    owner = int(said[1])
    if chance.random() < WARM_SHARE:
        acknowledged = max(acknowledged, int(await process.stdout.readline()))
    end_s = time.monotonic() + chance.uniform(0.3, 2.0)
    owner_end_s = time.monotonic() + chance.uniform(0.2, 1.0) if chance.random() < 0.5 else None
    memory = 0.0
    while (left_s := end_s - time.monotonic()) > 0:
        if owner_end_s is not None and time.monotonic() > owner_end_s:
            os.kill(owner, signal.SIGKILL)
            owner_end_s, end_s = None, end_s + 2
        try:
            async with asyncio.timeout(min(left_s, 0.05)):
                line = await process.stdout.readline()
        except TimeoutError:
            continue
        assert line, (await process.stderr.read()).decode()
        acknowledged = max(acknowledged, int(line))
        memory = psutil.Process(process.pid).memory_info().rss / 1e6
    process.kill()
    rest = await process.stdout.read()  # what it had said before it died was said
    await process.wait()
    numbers = [int(line) for line in rest.split(b"\n")[:-1] if line.isdigit()]
    return max([acknowledged, *numbers]), memory


async def judged(folder: Path, start_ns: int, acknowledged: int) -> dict[str, int]:
    """Acknowledged polls that are missing or doubled, and octets counted twice or not at all, once the journal is empty."""
    journal = Journal(folder / "journal", 256 << 20)
    async with OwnerProcess(folder / "telemetry") as owner:
        client = TelemetryClient(owner.url, query_timeout_s=120)
        pipeline = Pipeline(
            client=client,
            journal=journal,
            clock=VirtualClock(start_ns + 86_400 * S),
            topology=picture,
            samples=Channel("crash end", 1),
            events=Channel("crash end", 1),
        )
        writer = asyncio.create_task(pipeline.writer.run())
        async with asyncio.timeout(CORRECTED_S):
            await pipeline.writer.replayed.wait()
            await pipeline.tiers.resume()
            await pipeline.tiers.tick()
        writer.cancel()
        rows = await client.query(
            "SELECT uniqExact(entity, time) AS rows, count() AS n, sum(in_delta) AS octets, max(in_octets) AS most, "
            "uniqExactIf((entity, time), time <= fromUnixTimestamp64Nano({last:Int64})) AS acknowledged, "
            "countIf(quality > {most:UInt8}) AS unsure FROM interface_raw FINAL",
            {"most": int(Quality.INTERPOLATED), "last": start_ns + acknowledged * EVERY_S * S},
        )
        tiers = [await client.query(f"SELECT sum(in_octets) AS octets FROM interface_{tier} FINAL") for tier in schema.TIER_S]
        await client.close()
    journal.close()
    n, distinct, octets, most = (int(rows[name][0]) for name in ("n", "rows", "octets", "most"))
    polls = most // OCTETS_PER_POLL + 1  # a poll may be stored though its child died before it could say so
    astray = octets - most * INTERFACES
    return {
        "lost": max(0, acknowledged + 1 - int(rows["acknowledged"][0]) // INTERFACES),
        "doubled": (n - distinct) // INTERFACES + abs(astray) // (OCTETS_PER_POLL * INTERFACES),
        "octets_astray": astray,
        "tiers_astray": sum(int(tier["octets"][0]) != octets for tier in tiers),
        "polls": polls,
        "first_or_unsure": int(rows["unsure"][0]) // INTERFACES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", nargs=2, metavar=("FOLDER", "START_NS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, start_ns = options.child
        asyncio.run(child(Path(folder), int(start_ns)))
        return
    figure = asyncio.run(torture(options.kills or (5 if options.quick else 50), options.seed))
    print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)
    sys.exit(bool(figure["value"]))


if __name__ == "__main__":
    main()
