"""Raw counters to stored rates and KPIs, per CPU-second of all processes; the rates beside polars' windowed `over`.

python -m benchmarks.pipeline [--json] [--quick]
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

from inventory.topology import Device, Entity, Topology
from perf.counters import CounterState, rates
from perf.last import LastValues
from perf.pipeline import Pipeline
from perf.settings import PerfSettings
from station.batch import Event, SampleBatch
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


def poll(interfaces: int, time_ns: int, step: int) -> SampleBatch:
    """Poll number `step` of every interface at a steady rate: rows as a collector sends them, an interface's side by side."""
    rng = np.random.default_rng(1)
    key = (np.arange(interfaces, dtype=np.uint64) // np.uint64(48) + np.uint64(1)) << np.uint64(16)
    key |= np.arange(interfaces, dtype=np.uint64) % np.uint64(48) + np.uint64(1)
    codes = np.arange(1, METRICS + 1, dtype=np.uint64)
    series = ((key << np.uint64(8))[:, None] | codes).ravel()
    per_poll = rng.integers(10**6, 10**7, (interfaces, METRICS))
    per_poll[:, 4:] = 0  # a healthy network: no errors, no discards
    raw = (10**12 + step * per_poll + rng.integers(0, 10**5, (interfaces, 1))).astype(np.uint64).ravel()
    value = np.tile(np.where(codes > 8, 1.0, np.nan), interfaces)
    return SampleBatch.of(np.full(len(series), time_ns), series, raw=raw, value=value, uptime_cs=np.full(len(series), step * EVERY_S * 100))


def topology(interfaces: int) -> Topology:
    devices = {no: Device(no, f"d{no}", f"node-{no}", "", "127.0.0.1") for no in range(1, interfaces // 48 + 2)}
    keys = [(n // 48 + 1) << 16 | (n % 48 + 1) for n in range(interfaces)]
    return Topology(1, {}, devices, {key: Entity(key, f"e{key}", "interface", f"if-{key}", speed_bps=10**11) for key in keys})


async def stored(interfaces: int, rounds: int) -> dict[str, Any]:
    """Samples per CPU-second from raw counters to rows on disk, the store's owner counted in."""
    with tempfile.TemporaryDirectory() as folder:
        async with OwnerProcess(Path(folder) / "telemetry") as owner:
            client = TelemetryClient(owner.url, query_timeout_s=120)
            await schema.create(client, TelemetrySettings())
            start_ns = time.time_ns() // (3600 * S) * 3600 * S - 3600 * S
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
            batches = [parts_of(poll(interfaces, start_ns + n * EVERY_S * S, n)) for n in range(rounds + 1)]
            await one_round(pipeline, clock, batches[0])
            await pipeline.writer.drain()
            watched = [psutil.Process(), psutil.Process(owner.pid)]
            before, began = cpu_s(watched), time.perf_counter()
            for batch in batches[1:]:
                await one_round(pipeline, clock, batch)
            await pipeline.writer.drain()
            spent, wall = cpu_s(watched) - before, time.perf_counter() - began
            found = await client.query("SELECT count() AS n FROM interface_raw")
            assert int(found["n"][0]) == interfaces * (rounds + 1)
            writer.cancel()
            rss_mb = watched[1].memory_info().rss / 1e6
            await client.close()
            journal.close()
    n = interfaces * METRICS * rounds
    figure = {"name": "pipeline_stored", "value": round(n / spent), "unit": "samples per CPU-second, all processes", "n": n}
    return {**figure, "wall_samples_per_s": round(n / wall), "owner_rss_mb": round(rss_mb), "goal": 2_000_000}


def parts_of(batch: SampleBatch) -> list[SampleBatch]:
    """As collectors hand it on: at most about 100,000 samples at once."""
    return [batch.take(part) for part in np.array_split(np.arange(len(batch)), max(1, len(batch) // 100_000))]


async def one_round(pipeline: Pipeline, clock: VirtualClock, parts: list[SampleBatch]) -> None:
    clock.advance(EVERY_S * S)
    for part in parts:
        await pipeline.take(part)


def cpu_s(watched: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in watched)


def beside_polars(interfaces: int, repeats: int) -> dict[str, Any]:
    """Rates with verdicts from our kernel and bare rates from polars over the same four polls, interleaved."""
    batch = SampleBatch.concat([poll(interfaces, n * EVERY_S * S + S, n) for n in range(4)])
    frame = pl.DataFrame({"series": batch.series, "time": batch.time_ns, "raw": batch.raw})
    rate = (pl.col("raw").diff().over("series") * 1e9 / pl.col("time").diff().over("series")).alias("rate")
    ours, theirs = [], []
    for _ in range(repeats + 1):
        began = time.process_time()
        rates(batch, CounterState.empty())
        ours.append(time.process_time() - began)
        began = time.process_time()
        frame.with_columns(rate)
        theirs.append(time.process_time() - began)
    mine, peer = (len(batch) / statistics.median(spent[1:]) for spent in (ours, theirs))
    figure = {"name": "counters_to_rates", "value": round(mine), "unit": "samples per CPU-second", "n": len(batch)}
    return {**figure, "peer": f"polars {pl.__version__} over", "peer_value": round(peer), "ratio": round(mine / peer, 2)}


def state_of_a_million() -> dict[str, Any]:
    """Megabytes that a million series keep in memory: counters and last values."""
    state, last = CounterState.empty(), LastValues()
    batch = poll(100_000, S, 1)
    for part in np.array_split(np.arange(len(batch)), 10):
        last.take(rates(batch.take(part), state))
    return {
        "name": "state_million_series",
        "value": round((state.nbytes + last.nbytes) / 1e6, 1),
        "unit": "MB",
        "n": state.index.count,
        "goal": 200,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    interfaces, rounds, repeats = (20_000, 10, 3) if options.quick else (50_000, 20, 7)
    for figure in (state_of_a_million(), beside_polars(interfaces, repeats), asyncio.run(stored(interfaces, rounds))):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
