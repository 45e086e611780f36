"""Tiers: what each interface did per 5 minutes, hour and day, computed in the store from the rows below.

A slot is recomputed whole and written as a new version, so that late data, corrections and repetition are one
and the same thing. A row counts in the slot that holds its instant; its delta reaches back to the sample before.
"""

from perf.counters import WRAPPED
from station.batch import Quality
from station.clock import NS_PER_S
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import COUNTER_RATES, RAW_FINAL, TIER_S, TIER_STATISTICS, VERDICTS

USABLE = int(Quality.INTERPOLATED)
_OCTETS = "bitAnd(present, 3) != 0"
_BOTH_STATES = 3 << 8  # the bits of oper_status and admin_status in `present`
_NAN = "toFloat32(nan)"
_BOUNDS = "time >= toDateTime({start:Int64}, 'UTC') AND time < toDateTime({end:Int64}, 'UTC')"
_WHERE = f"{_BOUNDS} AND (empty({{entities:Array(UInt64)}}) OR entity IN {{entities:Array(UInt64)}})"
_AGGREGATE = {"min": "min", "mean": "avg", "max": "max"}

assert WRAPPED <= USABLE


async def roll_up(client: TelemetryClient, tier: str, start_ns: int, end_ns: int, version: int, entities: list[int] | None = None) -> None:
    """Recompute the tier's slots that begin in [start, end), of everything or of some entities."""
    parameters = {"start": start_ns // NS_PER_S, "end": end_ns // NS_PER_S, "version": version, "entities": entities or []}
    await client.command(_STATEMENTS[tier], parameters)


async def roll_up_samples(client: TelemetryClient, start_ns: int, end_ns: int, version: int) -> None:
    """Recompute the 5-minute slots of the narrow metrics that begin in [start, end)."""
    await client.command(_SAMPLES, {"start": start_ns // NS_PER_S, "end": end_ns // NS_PER_S, "version": version})


def slot_start(time_ns: int, tier: str) -> int:
    """The beginning of the slot that holds an instant (UTC)."""
    width = TIER_S[tier] * NS_PER_S
    return time_ns - time_ns % width


def _columns() -> list[str]:
    statistics = [f"{rate}_{statistic}" for rate in COUNTER_RATES for statistic in TIER_STATISTICS]
    return ["entity", "time", "count", "in_octets", "out_octets", *statistics, "speed_bps", "availability", *VERDICTS, "version"]


def _from_raw() -> str:
    statistics = [
        f"ifNull({_AGGREGATE[statistic]}OrNullIf({rate}, isFinite({rate})), {_NAN})"
        for rate in COUNTER_RATES
        for statistic in TIER_STATISTICS
    ]
    verdicts = {
        "good": f"quality <= {USABLE}",
        "gap": f"quality = {Quality.GAP:d}",
        "reset": f"quality = {Quality.RESET:d}",
        "suspect": f"quality = {Quality.SUSPECT:d}",
        "first": f"quality = {Quality.FIRST:d}",
    }
    both = f"bitAnd(present, {_BOTH_STATES}) = {_BOTH_STATES}"
    chosen = [
        "entity",
        "toDateTime(intDiv(toUnixTimestamp64Second(time), 300) * 300, 'UTC') AS slot",
        f"countIf({_OCTETS})",
        f"sumIf(in_delta, quality <= {USABLE})",
        f"sumIf(out_delta, quality <= {USABLE})",
        *statistics,
        "argMax(speed_bps, time)",
        f"ifNull(avgOrNullIf(oper_status = 1, {both} AND admin_status = 1), {_NAN})",
        *(f"countIf({_OCTETS} AND {verdicts[verdict]})" for verdict in VERDICTS),
        "{version:UInt64}",
    ]
    return (
        f"INSERT INTO interface_5m ({', '.join(_columns())}) SELECT {', '.join(chosen)} FROM interface_raw FINAL "  # noqa: S608 - names come from the schema, values are bound
        f"WHERE {_WHERE} GROUP BY entity, slot {RAW_FINAL}"
    )


def _from_tier(tier: str, below: str) -> str:
    weighted = "ifNull(sumOrNullIf({0} * good, isFinite({0})) / nullIf(sumIf(good, isFinite({0})), 0), " + _NAN + ")"
    statistics = []
    for rate in COUNTER_RATES:
        for statistic in TIER_STATISTICS:
            column = f"{rate}_{statistic}"
            if statistic == "mean":
                statistics.append(weighted.format(column))
            else:
                statistics.append(f"ifNull({statistic}OrNullIf({column}, isFinite({column})), {_NAN})")
    chosen = [
        "entity",
        f"toDateTime(intDiv(toUnixTimestamp(time), {TIER_S[tier]}) * {TIER_S[tier]}, 'UTC') AS slot",
        "sum(count)",
        "sum(in_octets)",
        "sum(out_octets)",
        *statistics,
        "argMax(speed_bps, time)",
        f"ifNull(avgOrNullIf(availability, isFinite(availability)), {_NAN})",
        *(f"sum({verdict})" for verdict in VERDICTS),
        "{version:UInt64}",
    ]
    return (
        f"INSERT INTO interface_{tier} ({', '.join(_columns())}) SELECT {', '.join(chosen)} FROM interface_{below} FINAL "  # noqa: S608 - names come from the schema, values are bound
        f"WHERE {_WHERE} GROUP BY entity, slot"
    )


_STATEMENTS = {"5m": _from_raw(), "1h": _from_tier("1h", "5m"), "1d": _from_tier("1d", "1h")}
_SAMPLES = (
    "INSERT INTO sample_5m (series, time, count, min, mean, max, version) "  # noqa: S608 - names come from the schema, values are bound
    "SELECT series, toDateTime(intDiv(toUnixTimestamp64Second(time), 300) * 300, 'UTC') AS slot, "
    "count(), min(value), avg(value), max(value), {version:UInt64} FROM sample_raw FINAL "
    f"WHERE {_BOUNDS} AND isFinite(value) GROUP BY series, slot"
)
