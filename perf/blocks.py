"""Rows as the columns of the store's tables."""

from typing import Any

import numpy as np
import numpy.typing as npt

from perf.wide import InterfaceRows
from station.batch import SampleBatch
from station.telemetry.client import timestamps
from station.telemetry.schema import BILLING, COUNTERS, DELTAS, SPANS

Columns = dict[str, Any]


def interface_columns(
    rows: InterfaceRows,
    speed_bps: npt.NDArray[np.float64],
    received_ns: npt.NDArray[np.int64],
    metered: npt.NDArray[np.bool_],
    version: int,
) -> Columns:
    """`interface_raw` of these rows."""
    return {
        "entity": rows.entity,
        "time": timestamps(rows.time_ns),
        "received": timestamps(received_ns),
        "uptime_cs": rows.uptime_cs,
        "discontinuity_cs": rows.discontinuity_cs,
        **dict(zip(COUNTERS, rows.raw, strict=True)),
        **dict(zip(DELTAS, rows.delta, strict=True)),
        **dict(zip(SPANS, rows.span_s, strict=True)),
        "rated": rows.rated,
        "speed_bps": speed_bps.astype(np.uint64),
        "oper_status": rows.oper_status,
        "admin_status": rows.admin_status,
        "quality": rows.quality,
        "present": rows.present,
        "widths": rows.widths,
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
