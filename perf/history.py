"""Five-minute rows that come ready-made, filled up to the columns of the tier."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from perf.blocks import Columns
from perf.wide import Speeds
from station.telemetry.client import seconds
from station.telemetry.schema import COUNTER_RATES, TIER_S, TIER_STATISTICS, VERDICTS


def tier_columns(given: Mapping[str, Any], speeds: Speeds, version: int) -> Columns:
    """`interface_5m` from `entity`, `time_ns`, `in_octets`, `out_octets` (exact sums), and any other of its columns given.

    Rates follow from the octets where they are not given; what nothing tells is NaN.
    """
    entity = np.asarray(given["entity"], np.uint64)
    n, width_s = len(entity), TIER_S["5m"]
    nothing = np.full(n, np.nan, np.float32)
    columns: Columns = {f"{rate}_{statistic}": nothing for rate in COUNTER_RATES for statistic in TIER_STATISTICS}
    columns["speed_bps"] = speeds(entity).astype(np.uint64)
    for way in ("in", "out"):
        rate = np.asarray(given[f"{way}_octets"], np.float64) / width_s
        for statistic in TIER_STATISTICS:
            columns[f"{way}_octets_rate_{statistic}"] = rate.astype(np.float32)
    columns |= {verdict: np.zeros(n, np.uint32) for verdict in VERDICTS}
    columns |= {"count": np.ones(n, np.uint32), "good": np.ones(n, np.uint32), "availability": np.ones(n, np.float32)}
    columns |= {name: np.asarray(value) for name, value in given.items() if name != "time_ns"}
    return columns | {"entity": entity, "time": seconds(np.asarray(given["time_ns"], np.int64)), "version": np.full(n, version, np.uint64)}
