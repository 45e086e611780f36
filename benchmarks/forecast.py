"""The next day of many series: series per CPU-second, and the error beside "as the same day a week ago" on made traffic.

python -m benchmarks.forecast [--json] [--quick]
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.forecast import errors_of, forecast

DAYS = 29
F64 = npt.NDArray[np.float64]


def traffic(n: int, slots: int) -> F64:
    """A daily curve, quieter weekends, a level that wanders and noise that lasts: f64[n, DAYS * slots]."""
    chance = np.random.default_rng(3)
    at, size, phase = np.arange(DAYS * slots), chance.lognormal(3, 1.5, (n, 1)), chance.uniform(0, 2 * np.pi, (n, 1))
    daily = 1 + 0.5 * np.sin(at / slots * 2 * np.pi + phase) + 0.2 * np.sin(at / slots * 4 * np.pi + 2 * phase)
    weekend = np.where(at // slots % 7 >= 5, chance.uniform(0.5, 1, (n, 1)), 1.0)
    level = np.exp(np.cumsum(chance.normal(0, 0.03 / np.sqrt(slots), (n, DAYS * slots)), axis=1))
    noise = chance.normal(0, 0.035, (n, DAYS * slots))
    for t in range(1, DAYS * slots):
        noise[:, t] += 0.9 * noise[:, t - 1]
    made: F64 = size * daily * weekend * level * np.exp(noise)
    return made


def figure(n: int, slots: int) -> dict[str, Any]:
    values = traffic(n, slots)
    past, came = values[:, :-slots], values[:, -slots:]
    forecast(past[:2], slots)  # compiles
    began = time.process_time()
    said = forecast(past, slots)
    spent = time.process_time() - began
    naive = float(np.abs(past[:, -7 * slots : -6 * slots] - came).sum() / np.abs(came).sum())
    errors = errors_of(said, came, past, slots)
    found = {"name": f"forecast_{slots}_a_day", "value": round(n / spent), "unit": "series per CPU-second", "n": n, "goal": 10_000}
    found |= {name: round(value, 4) for name, value in errors.items() if value is not None}
    return found | {"peer": "the same day a week ago, nmae", "peer_value": round(naive, 4), "ratio": round(naive / errors["nmae"], 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for slots in (24, 96, 288):
        found = figure(500 if options.quick else 2_000, slots)
        print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
