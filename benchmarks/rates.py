"""Raw counters to rates with a verdict each, on one core, beside bare rates by polars' windowed `over` and pandas' groupby.

All see the same four polls. Ours keeps its state from batch to batch and tells wraps from resets by uptime and line rate. polars
and the first pandas only subtract and divide; the second pandas says of each sample as well whether it is a first one, a repeated or late
one, a gap or a step back, by whole columns; the third is the same by a function a series, over every fiftieth of them.

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
EVERY = 50  # of the series by a function each
GAP_FACTOR = 3.5  # as in perf.counters


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

    def judged() -> object:
        groups = table.groupby("series", sort=False)
        step, elapsed = groups["raw"].diff(), groups["time"].diff()
        usual = elapsed.groupby(table["series"], sort=False).transform("median")
        reasons = [elapsed.isna(), elapsed == 0, elapsed < 0, elapsed > GAP_FACTOR * usual, step < 0]
        verdict = np.select(reasons, list(range(1, len(reasons) + 1)), 0)
        return (step * 1e9 / elapsed).where(verdict == 0), verdict

    def one(rows: Any) -> Any:
        step, elapsed = rows["raw"].diff(), rows["time"].diff()
        doubtful = elapsed.isna() | (elapsed <= 0) | (elapsed > GAP_FACTOR * elapsed.median()) | (step < 0)
        return (step * 1e9 / elapsed).where(~doubtful)

    few = table[table["series"] % EVERY == 0]

    def by_function() -> object:
        return few.groupby("series", sort=False)[["raw", "time"]].apply(one)

    found[f"pandas {pandas.__version__} groupby, a function a series"] = (20, by_function)
    found[f"pandas {pandas.__version__} groupby, rates alone"] = (0, grouped)
    found[f"pandas {pandas.__version__} groupby, rates and verdicts"] = (20, judged)
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
        seen = int((batch.series % EVERY == 0).sum()) if name.endswith("a function a series") else len(batch)
        peer = seen / statistics.median(theirs[name][1:])
        figure: dict[str, Any] = {"name": "counters_to_rates", "value": round(mine), "unit": "samples per CPU-second", "n": len(batch)}
        figure |= {"goal": 10_000_000, "peer": name, "peer_value": round(peer), "ratio": round(mine / peer, 1), "ratio_goal": asked or None}
        print(json.dumps(figure) if options.json else "  ".join(f"{key} {value}" for key, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
