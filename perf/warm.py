"""The last counters in the store, as samples: what a fresh pipeline continues from."""

import numpy as np

from perf.wide import width_of
from station.batch import SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import COUNTERS

RECENT_NS = 1_800 * NS_PER_S
KEPT = 3  # samples per interface: two spans teach the cadence

_RECENT = (
    f"SELECT entity, toUnixTimestamp64Nano(time) AS time_ns, uptime_cs, discontinuity_cs, present, widths, {', '.join(COUNTERS)} FROM ("  # noqa: S608 - names come from the schema, values are bound
    "SELECT * FROM interface_raw FINAL WHERE time >= fromUnixTimestamp64Nano({since:Int64}) AND bitAnd(present, 255) != 0 "
    f"ORDER BY entity, time DESC LIMIT {KEPT} BY entity) ORDER BY time"
)


async def last_version(client: TelemetryClient, now_ns: int) -> int:
    """The highest version of a row of the last half hour or later, 0 when there is none."""
    sql = "SELECT max(version) AS version FROM interface_raw WHERE time >= fromUnixTimestamp64Nano({since:Int64})"
    found = await client.query(sql, {"since": now_ns - RECENT_NS})
    return int(found["version"][0]) if found else 0


async def recent_octets(client: TelemetryClient, now_ns: int) -> SampleBatch:
    """The last few counter samples of every interface heard of in the last half hour, in order of time."""
    found = await client.query(_RECENT, {"since": now_ns - RECENT_NS})
    if not found:
        return SampleBatch.empty()
    parts = []
    for name in COUNTERS:
        code = code_of(f"interface.{name}")
        there = np.flatnonzero(found["present"] >> (code - 1) & 1)
        series = found["entity"][there].astype(np.uint64) << np.uint64(METRIC_BITS) | np.uint64(code)
        time_ns, uptime, discontinuity = (found[column][there] for column in ("time_ns", "uptime_cs", "discontinuity_cs"))
        width = width_of(found["widths"][there], code)
        parts.append(SampleBatch.of(time_ns, series, raw=found[name][there], uptime_cs=uptime, discontinuity_cs=discontinuity, width=width))
    return SampleBatch.concat(parts)
