"""Raw counters to rates with a verdict each, on one core, beside bare rates by polars' windowed `over` and pandas' groupby.

All three see the same four polls. Ours keeps its state from batch to batch and tells wraps from resets; the peers only
subtract and divide.

python -m benchmarks.rates [--json] [--quick]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from benchmarks.pipeline import EVERY_S, S, poll
from perf.counters import CounterState, rates
from station.batch import SampleBatch

POLLS = 4


def cpu_s(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def peers(batch: SampleBatch) -> dict[str, tuple[float, Callable[[], object]]]:
    """By name: what is asked at least, and the same rates without verdicts."""
    frame = pl.DataFrame({"series": batch.series, "time": batch.time_ns, "raw": batch.raw})
    rate = (pl.col("raw").diff().over("series") * 1e9 / pl.col("time").diff().over("series")).alias("rate")
    found: dict[str, tuple[float, Callable[[], object]]] = {f"polars {pl.__version__} over": (5, lambda: frame.with_columns(rate))}
    try:
        import pandas
    except ImportError:
        return found
    table = pandas.DataFrame({"series": batch.series, "time": batch.time_ns, "raw": batch.raw})

    def grouped() -> object:
        groups = table.groupby("series", sort=False)
        return groups["raw"].diff() * 1e9 / groups["time"].diff()

    found[f"pandas {pandas.__version__} groupby"] = (20, grouped)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    interfaces, repeats = (20_000, 3) if options.quick else (50_000, 7)
    batch = SampleBatch.concat([poll(interfaces, n * EVERY_S * S + S, n) for n in range(POLLS)])
    others = peers(batch)
    ours, theirs = list[float](), {name: list[float]() for name in others}
    for _ in range(repeats + 1):  # the first round compiles and warms
        ours.append(cpu_s(lambda: rates(batch, CounterState.empty())))
        for name, (_, act) in others.items():
            theirs[name].append(cpu_s(act))
    mine = len(batch) / statistics.median(ours[1:])
    assert np.isfinite(rates(batch, CounterState.empty()).value[len(batch) // POLLS :]).all()
    for name, (asked, _) in others.items():
        peer = len(batch) / statistics.median(theirs[name][1:])
        figure: dict[str, Any] = {"name": "counters_to_rates", "value": round(mine), "unit": "samples per CPU-second", "n": len(batch)}
        figure |= {"goal": 10_000_000, "peer": name, "peer_value": round(peer), "ratio": round(mine / peer, 1), "ratio_goal": asked}
        print(json.dumps(figure) if options.json else "  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
