"""The last counters in the store, as samples: what a fresh pipeline continues from."""

import numpy as np

from perf.wide import width_of
from station.batch import SampleBatch
from station.catalogue import code_of
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import COUNTERS, RAW_FINAL, TIER_S

RECENT_NS = 1_800 * NS_PER_S
KEPT = 3  # samples per interface: two spans teach the cadence

_RECENT = (
    f"SELECT entity, toUnixTimestamp64Nano(time) AS time_ns, uptime_cs, discontinuity_cs, present, widths, {', '.join(COUNTERS)} FROM ("  # noqa: S608 - names come from the schema, values are bound
    "SELECT * FROM interface_raw FINAL WHERE time >= fromUnixTimestamp64Nano({since:Int64}) AND bitAnd(present, 255) != 0 "
    f"ORDER BY entity, time DESC LIMIT {KEPT} BY entity) ORDER BY time {RAW_FINAL}"
)

_VERSIONED = {"interface_raw": 0, "sample_raw": 0, "sample_5m": TIER_S["5m"]} | {
    f"interface_{tier}": width for tier, width in TIER_S.items()
}
_VERSIONS = " UNION ALL ".join(
    f"SELECT max(version) AS version FROM {table} WHERE time >= toDateTime({{since:Int64}} - {width}, 'UTC')"  # noqa: S608 - names come from the schema, values are bound
    for table, width in _VERSIONED.items()
)


async def last_version(client: TelemetryClient, now_ns: int) -> int:
    """The highest version of a row of the last half hour or later, in samples and in tiers; 0 when there is none."""
    found = await client.query(_VERSIONS, {"since": (now_ns - RECENT_NS) // NS_PER_S})
    return max((int(version) for version in found["version"]), default=0) if found else 0


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
