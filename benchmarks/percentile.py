"""The billed slot of many services over a month of five-minute slots, beside polars and numpy percentiles.

python -m benchmarks.percentile [--json] [--quick]
"""

import argparse
import json
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from billing_bridge.slots import SLOT_NS
from bss.rating.price import Bandwidth
from bss.rating.ranking import MissingRule, RankRule, Rules, billed_octets, ranking
from bss.rating.terms import Direction

SLOTS = 30 * 288
RULES = Rules(Decimal(95), RankRule.NEAREST_RANK, Direction.HIGHER, MissingRule.ACCEPT_INTERPOLATED)


def month(services: int) -> list[Bandwidth]:
    """Diurnal traffic with bursts; one slot in a thousand is a gap."""
    rng = np.random.default_rng(95)
    at = np.arange(SLOTS, dtype=np.int64) * SLOT_NS
    day = (1 + np.sin(np.arange(SLOTS) / 288 * 2 * np.pi)) * 10**9
    found = []
    for _ in range(services):
        octets = (day * rng.random() + rng.exponential(2e8, (2, SLOTS))).astype(np.uint64)
        found.append(Bandwidth(at, octets[0], octets[1], np.where(rng.random(SLOTS) < 0.001, 2, 0).astype(np.uint8)))
    return found


def timed(act: Callable[[], Any]) -> tuple[float, float, Any]:
    """(wall seconds, CPU seconds, result) of one act."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = act()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def selected(slots: list[Bandwidth]) -> list[int]:
    return [int(billed_octets(of, RULES)) for of in slots]


def ranked(slots: list[Bandwidth]) -> None:
    for of in slots:
        ranking(of, RULES)


def in_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rank of both directions by group and sort, the higher taken."""
    rank = (pl.len() * 19 + 19) // 20 - 1
    both = [pl.col(name).sort().gather(rank).first() for name in ("in", "out")]
    return frame.filter(pl.col("mark") < 2).group_by("service").agg(pl.max_horizontal(both).alias("octets")).sort("service")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    services, asked, wall, cpu, peer_cpu, sorted_cpu = 10_000, 0, 0.0, 0.0, 0.0, 0.0
    part = 250 if options.quick else 1_000
    while asked < (1_000 if options.quick else services):  # part by part, so that the month fits any memory
        slots = month(part)
        spent, used, ours = timed(partial(selected, slots))
        wall, cpu = wall + spent, cpu + used
        sorted_cpu += timed(partial(ranked, slots[: part // 10]))[1] * 10
        columns = {"service": np.repeat(np.arange(part), SLOTS), "in": np.concatenate([of.in_octets for of in slots])}
        columns |= {"out": np.concatenate([of.out_octets for of in slots]), "mark": np.concatenate([of.quality for of in slots])}
        _, used, theirs = timed(partial(in_polars, pl.DataFrame(columns)))
        assert theirs["octets"].to_list() == ours, "polars bills another slot"
        peer_cpu, asked = peer_cpu + used, asked + part
    share = services / asked
    figure = {
        "name": "percentile_month",
        "value": round(cpu * share, 2),
        "unit": f"CPU-s for {services} services x {SLOTS} slots, both ways",
    }
    figure |= {"n": asked * SLOTS, "wall_s": round(wall * share, 2), "goal": 3}
    figure |= {"peer": f"polars {pl.__version__} group and sort, CPU-s", "peer_value": round(peer_cpu * share, 2)}
    figure |= {"ratio": round(peer_cpu / cpu, 2), "full_ranking_cpu_s": round(sorted_cpu * share, 2)}
    print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
