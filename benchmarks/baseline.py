"""A seasonal baseline over 20,000 series of a week, and scoring one slot of 100,000; polars beside it for plain medians.

python -m benchmarks.baseline [--json] [--quick]
"""

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import polars as pl

from perf.baseline import SLOTS_A_DAY, Baseline, learned

DAYS = 7


def week(series: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """A daily curve with noise, a size of its own for each series."""
    rng = np.random.default_rng(1)
    daily = 1 + 0.6 * np.sin(np.arange(DAYS * SLOTS_A_DAY) * 2 * np.pi / SLOTS_A_DAY)
    values = rng.lognormal(10, 2, series)[:, None] * daily * rng.lognormal(0, 0.1, (series, DAYS * SLOTS_A_DAY))
    return values.astype(np.float32)


def learning(series: int) -> dict[str, Any]:
    """Seconds of one core for the whole baseline; polars for a plain median a slot, without neighbours and spread."""
    values = week(series)
    learned(values[:2])  # compiles
    began = time.process_time()
    learned(values)
    ours = time.process_time() - began
    slots = np.tile(np.arange(DAYS * SLOTS_A_DAY) % SLOTS_A_DAY, series).astype(np.uint16)
    frame = pl.DataFrame(
        {"series": np.repeat(np.arange(series, dtype=np.uint32), DAYS * SLOTS_A_DAY), "slot": slots, "value": values.ravel()}
    )
    began = time.process_time()
    frame.group_by("series", "slot").agg(pl.col("value").median())
    theirs = time.process_time() - began
    figure = {
        "name": "baseline_learned",
        "value": round(ours, 2),
        "unit": "CPU-seconds",
        "n": series,
        "points": DAYS * SLOTS_A_DAY,
        "goal": 3,
    }
    return {**figure, "peer": f"polars {pl.__version__} median by group", "peer_value": round(theirs, 2), "ratio": round(theirs / ours, 2)}


def scoring(series: int) -> dict[str, Any]:
    rng = np.random.default_rng(2)
    centre, spread = (rng.random((SLOTS_A_DAY, series), np.float32) + np.float32(1) for _ in range(2))
    baseline, value = Baseline(centre, spread), rng.random(series)
    took_ms = []
    for slot in range(50):
        began = time.perf_counter()
        baseline.scores(slot, value)
        took_ms.append((time.perf_counter() - began) * 1000)
    return {"name": "baseline_scored", "value": round(statistics.median(took_ms), 3), "unit": "ms per slot", "n": series, "goal": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for figure in (learning(2_000 if options.quick else 20_000), scoring(100_000)):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
