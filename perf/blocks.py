"""Rows as the columns of the store's tables."""

from typing import Any

import numpy as np
import numpy.typing as npt

from perf.wide import InterfaceRows
from station.batch import SampleBatch
from station.catalogue import code_of
from station.telemetry.client import timestamps
from station.telemetry.schema import BILLING, COUNTERS

Columns = dict[str, Any]
UTILISATION = ("in_utilisation", "out_utilisation")


def interface_columns(
    rows: InterfaceRows,
    kpis: dict[int, npt.NDArray[np.float64]],
    received_ns: npt.NDArray[np.int64],
    metered: npt.NDArray[np.bool_],
    version: int,
) -> Columns:
    """`interface_raw` of these rows."""
    raw = {name: rows.raw[n] for n, name in enumerate(COUNTERS)}
    rate = {f"{name}_rate": rows.rate[n].astype(np.float32) for n, name in enumerate(COUNTERS)}
    utilisation = {name: kpis[code_of(f"interface.{name}")].astype(np.float32) for name in UTILISATION}
    return {
        "entity": rows.entity,
        "time": timestamps(rows.time_ns),
        "received": timestamps(received_ns),
        "uptime_cs": rows.uptime_cs,
        "discontinuity_cs": rows.discontinuity_cs,
        **raw,
        "in_delta": rows.delta[0],
        "out_delta": rows.delta[1],
        **rate,
        **utilisation,
        "oper_status": rows.oper_status,
        "admin_status": rows.admin_status,
        "quality": rows.quality,
        "present": rows.present,
        "retention": np.where(metered, BILLING, 0).astype(np.uint8),
        "version": np.full(len(rows), version, np.uint64),
    }


def sample_columns(batch: SampleBatch, version: int) -> Columns:
    """`sample_raw` of these samples."""
    return {
        "series": batch.series,
        "time": timestamps(batch.time_ns),
        "value": batch.value,
        "quality": batch.quality,
        "version": np.full(len(batch), version, np.uint64),
    }
