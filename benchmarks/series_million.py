"""A million series polled each minute: what share of two cores the whole pipeline with its store takes, and how much memory.

Polls of 100,000 interfaces go through rates, KPIs, thresholds, journal, store and tiers; the CPU of all processes is set
against the minutes that the polls stand for. Beside it: the state of a million series in memory.

python -m benchmarks.series_million [--json] [--quick]
"""

import argparse
import asyncio
import json
import time
from typing import Any

import numpy as np
import psutil

from benchmarks.pipeline import EVERY_S, METRICS, Mix, S, cpu_s, one_round, parts_of, poll, station
from perf.counters import CounterState, rates
from perf.last import LastValues

CORES = 2
POLLS_A_SLOT = 300 // EVERY_S


async def share(interfaces: int, slots: int) -> list[dict[str, Any]]:
    """CPU and memory over whole five-minute slots, each rolled up when it is over; the first polls warm."""
    start_ns = time.time_ns() // (3600 * S) * 3600 * S - 6 * 3600 * S
    async with station(interfaces, start_ns) as (pipeline, clock, _, owner):
        watched = [psutil.Process(), owner]
        polls = Mix.of(interfaces).polls(start_ns, (slots + 1) * POLLS_A_SLOT)
        spent, most = 0.0, 0
        for n, batch in enumerate(polls):
            parts = parts_of(batch)
            before = cpu_s(watched)
            await one_round(pipeline, clock, parts)
            await pipeline.writer.drain()
            if n % POLLS_A_SLOT == POLLS_A_SLOT - 1:
                await pipeline.tiers.tick()
            if n >= POLLS_A_SLOT:
                spent += cpu_s(watched) - before
            most = max(most, sum(process.memory_info().rss for process in watched))
    minutes = slots * POLLS_A_SLOT * EVERY_S
    scale = 1_000_000 / (interfaces * METRICS)
    about = {"n": interfaces * METRICS, "polls": slots * POLLS_A_SLOT}
    return [
        {
            "name": "million_series_cpu",
            "value": round(100 * scale * spent / (CORES * minutes), 1),
            "unit": "% of two cores",
            "goal": 25,
            **about,
        },
        {
            "name": "million_series_memory",
            "value": round(most / 1e6),
            "unit": "MB, the station's stages and the store",
            "goal": 2_000,
            **about,
        },
    ]


def state_of_a_million() -> dict[str, Any]:
    """Megabytes that a million series keep in memory: counters and last values."""
    state, last = CounterState.empty(), LastValues()
    batch = poll(100_000, S, 1)
    for part in np.array_split(np.arange(len(batch)), 10):
        last.take(rates(batch.take(part), state))
    size = (state.nbytes + last.nbytes) / 1e6
    return {"name": "state_million_series", "value": round(size, 1), "unit": "MB", "n": state.index.count, "goal": 200}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    interfaces, slots = (20_000, 2) if options.quick else (100_000, 3)
    for figure in (state_of_a_million(), *asyncio.run(share(interfaces, slots))):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
