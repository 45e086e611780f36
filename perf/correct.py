"""Late data: the octets around it are judged again from the raw counters, and the tiers above follow.

The late row itself is stored as it came; then the span it fell into is two spans, and their deltas are new
versions of the rows. What was a gap because a sample was missing becomes what it was.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.blocks import Columns
from perf.counters import FIRST, CounterState, Limits, rates
from perf.names import Names
from perf.wide import interface_rows, width_of
from station.batch import SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.telemetry.client import TelemetryClient, timestamps
from station.telemetry.schema import COUNTERS, DELTAS, SPANS

AROUND_NS = 3_600 * NS_PER_S  # rows read before and behind: enough to know the cadence
OCTETS = tuple(code_of(f"interface.{name}") for name in ("in_octets", "out_octets"))

_OF_OCTETS = np.uint8(0b11)  # the bits of both in `rated`
_STATES = ("oper_status", "admin_status", "quality", "present", "widths", "retention")
_KEPT = ("uptime_cs", "discontinuity_cs", *COUNTERS, *DELTAS, *SPANS, "rated", "speed_bps", *_STATES)
_ROWS = (
    "SELECT toUnixTimestamp64Nano(time) AS time_ns, toUnixTimestamp64Nano(received) AS received_ns, "  # noqa: S608 - names come from the schema, values are bound
    f"{', '.join(_KEPT)} FROM interface_raw FINAL WHERE entity = {{entity:UInt64}} AND bitAnd(present, 3) = 3 "
    "AND time >= fromUnixTimestamp64Nano({start:Int64}) AND time < fromUnixTimestamp64Nano({end:Int64}) "
    "ORDER BY time LIMIT 1 BY time"
)


@dataclass(frozen=True, slots=True)
class Correction:
    """New versions of rows (columns of `interface_raw`) and the instants whose tiers they change."""

    columns: Columns
    time_ns: npt.NDArray[np.int64]


async def corrected(client: TelemetryClient, entity: int, span: tuple[int, int], names: Names, version: int) -> Correction | None:
    """The rows of [start, end) and the one behind it judged again; None when nothing changes."""
    start, end = span
    found = await client.query(_ROWS, {"entity": entity, "start": start - AROUND_NS, "end": end + AROUND_NS})
    if not found or len(found["time_ns"]) < 2:
        return None
    judged = _judged_again(entity, found, names.limits)
    time_ns = found["time_ns"]
    behind = time_ns[time_ns >= end]
    last = int(behind[0]) if len(behind) else end
    changed = np.any([judged[name] != found[name] for name in ("quality", "in_delta", "out_delta")], axis=0)
    chosen = np.flatnonzero(changed & (time_ns >= start) & (time_ns <= last) & (judged["quality"] != FIRST))
    if not len(chosen):
        return None
    columns = {name: found[name][chosen] for name in _KEPT} | {name: column[chosen] for name, column in judged.items()}
    columns["entity"] = np.full(len(chosen), entity, np.uint64)
    columns["time"], columns["received"] = timestamps(time_ns[chosen]), timestamps(found["received_ns"][chosen])
    columns["version"] = np.full(len(chosen), version, np.uint64)
    return Correction(columns, time_ns[chosen])


def _judged_again(entity: int, found: dict[str, npt.NDArray[Any]], limits: Limits) -> dict[str, npt.NDArray[Any]]:
    """Verdict, deltas and span of the octets from a fresh state that knows the usual cadence."""
    n = len(found["time_ns"])
    state = CounterState.empty(limits)
    series = np.array([entity << METRIC_BITS | code for code in OCTETS], np.uint64)
    slots = state.slots_of(series)
    if n > 2:
        state.cadence_ns[slots] = int(np.median(np.diff(found["time_ns"])))
    batch = SampleBatch.of(
        np.tile(found["time_ns"], 2),
        np.repeat(series, n),
        raw=np.concatenate([found["in_octets"], found["out_octets"]]),
        uptime_cs=np.tile(found["uptime_cs"], 2),
        discontinuity_cs=np.tile(found["discontinuity_cs"], 2),
        width=np.concatenate([width_of(found["widths"], code) for code in OCTETS]),
    )
    rows = interface_rows(rates(batch, state))
    return {
        "in_delta": rows.delta[0],
        "out_delta": rows.delta[1],
        "octets_span_s": rows.span_s[0],
        "rated": rows.rated & _OF_OCTETS | found["rated"] & ~_OF_OCTETS,
        "quality": rows.quality,
    }
