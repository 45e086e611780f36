"""The tables of the telemetry store, in one place for the DDL, the writer and the queries.

`interface_raw` is wide: a row is what one interface said at one instant in one message; `present` is part of its
key, so that a second message with other columns stands beside it. `sample_raw` is narrow: one row a sample of any
other metric. Tiers hold one row a slot. All are ReplacingMergeTree by `version` (when the row was made): a row
written again, late or corrected, replaces the older one, and readers use FINAL.

What follows from other columns is computed when read: a rate is its exact increase over its span, utilisation a
rate over the speed. Integers go through T64 (only the bits that a block of 64 uses) before ZSTD: a fifth smaller
than ZSTD alone, and faster to write and to read.
"""

from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings

COUNTERS = (
    "in_octets",
    "out_octets",
    "in_packets",
    "out_packets",
    "in_errors",
    "out_errors",
    "in_discards",
    "out_discards",
)  # in the order of their metric codes 1..8, which are bits 0..7 of `present`
DELTAS = ("in_delta", "out_delta", *(f"{name}_delta" for name in COUNTERS[2:]))  # the exact increase of each counter
SPANS = ("octets_span_s", "packets_span_s", "errors_span_s")  # the seconds that the increases of a group of counters took
SPAN_OF = (0, 0, 1, 1, 2, 2, 2, 2)  # by counter
UTILISATION = ("in_utilisation", "out_utilisation")
COUNTER_RATES = tuple(f"{name}_rate" for name in COUNTERS)
RATES = (*COUNTER_RATES, *UTILISATION)
BILLING = 1  # value of `retention` for metered interfaces; 0 is the default class
RAW_FINAL = "SETTINGS do_not_merge_across_partitions_select_final = 0"
"""Ends a query of `interface_raw FINAL`: a row that came again after its interface began to be metered is in two partitions."""
TIER_S = {"5m": 300, "1h": 3600, "1d": 86400}
TIER_STATISTICS = ("min", "mean", "max")
QUANTILE_LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, *range(90, 101))
"""Percentiles of the five-minute rates of a day: 0 is the smallest, 100 the largest."""
VERDICTS = ("good", "gap", "reset", "suspect", "first")  # counted per slot

# Merging costs more than inserting. Base 12 instead of 5 rewrites a row half as often, for twice the parts a query opens.
_MERGES = "merge_selector_base = 12"
_RAW = f"{_MERGES}, fsync_after_insert = 1, ttl_only_drop_parts = 1"
# No table keeps tokens of inserts: the store notes one before the rows are there, so that a kill between makes it refuse them
# for ever. A row that is written again replaces itself instead.


async def create(client: TelemetryClient, settings: TelemetrySettings) -> None:
    """Make what is missing; changes nothing that exists."""
    for statement in statements(settings):
        await client.command(statement)


def statements(settings: TelemetrySettings) -> tuple[str, ...]:
    tiers = tuple(_tier(name, _lifetime(name, settings)) for name in TIER_S)
    return (_interface_raw(settings), _sample_raw(settings), _sample_5m(settings), _flow(settings), *tiers, _quantiles(settings))


def _interface_raw(settings: TelemetrySettings) -> str:
    raw = [f"{name} UInt64 CODEC(Delta, T64('bit'), ZSTD)" for name in COUNTERS]
    deltas = [f"{name} UInt64 CODEC(T64('bit'), ZSTD)" for name in DELTAS]
    columns = [
        "entity UInt64 CODEC(Delta, ZSTD)",
        "time DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD)",
        "received DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD)",
        "uptime_cs Int64 CODEC(Delta, ZSTD)",
        "discontinuity_cs Int64 CODEC(Delta, ZSTD)",
        *raw,
        *deltas,
        *(f"{name} Float32 CODEC(ZSTD)" for name in SPANS),
        "rated UInt8",  # bit c - 1: counter c has an increase over its group's span
        "speed_bps UInt64 CODEC(T64, ZSTD)",
        *(f"{rate} Float32 ALIAS if(bitTest(rated, {n}), {DELTAS[n]} / {SPANS[SPAN_OF[n]]}, nan)" for n, rate in enumerate(COUNTER_RATES)),
        *(f"{way}_utilisation Float32 ALIAS if(speed_bps > 0, 8 * {way}_octets_rate / speed_bps, nan)" for way in ("in", "out")),
        "oper_status UInt8",
        "admin_status UInt8",
        "quality UInt8",
        "present UInt16",
        "widths UInt16",  # bit c - 1: counter c was read as 64 bits; bit c + 7: as 32
        "retention UInt8",
        "version UInt64 CODEC(Delta, ZSTD)",
    ]
    return (
        f"CREATE TABLE IF NOT EXISTS interface_raw ({', '.join(columns)}) ENGINE = ReplacingMergeTree(version) "
        f"PARTITION BY (retention, if(retention = {BILLING}, toYYYYMM(time), toYYYYMMDD(time))) ORDER BY (entity, time, present) "
        f"TTL toDateTime(time) + toIntervalDay({settings.raw_days}) DELETE WHERE retention = 0, "
        f"toDateTime(time) + toIntervalMonth({settings.billing_months}) DELETE WHERE retention = {BILLING} SETTINGS {_RAW}"
    )


def _sample_raw(settings: TelemetrySettings) -> str:
    return (
        "CREATE TABLE IF NOT EXISTS sample_raw (series UInt64 CODEC(Delta, ZSTD), time DateTime64(9, 'UTC') CODEC(DoubleDelta, ZSTD), "
        "value Float64 CODEC(ZSTD), quality UInt8, version UInt64 CODEC(Delta, ZSTD)) "
        "ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMMDD(time) ORDER BY (series, time) "
        f"TTL toDateTime(time) + toIntervalDay({settings.raw_days}) SETTINGS {_RAW}"
    )


def _sample_5m(settings: TelemetrySettings) -> str:
    return (
        "CREATE TABLE IF NOT EXISTS sample_5m (series UInt64 CODEC(Delta, ZSTD), time DateTime('UTC') CODEC(DoubleDelta, ZSTD), "
        "count UInt32, min Float32, mean Float32, max Float32, version UInt64 CODEC(Delta, ZSTD)) "
        "ENGINE = ReplacingMergeTree(version) PARTITION BY toYYYYMM(time) ORDER BY (series, time) "
        f"TTL time + toIntervalDay({settings.five_minute_days}) SETTINGS {_MERGES}"
    )


def _flow(settings: TelemetrySettings) -> str:
    """Traffic by minute as exporters of flows saw it. `block` is the number of the write: rows of several add up when read."""
    key = ("time", "device", "in_if", "out_if", "protocol", "port", "direction", "source_as", "destination_as")
    address = tuple(f"{end}_{half}" for end in ("source", "destination") for half in ("high", "low"))
    columns = [
        "time DateTime('UTC') CODEC(DoubleDelta, ZSTD)",
        *(f"{name} UInt32 CODEC(ZSTD)" for name in ("device", "in_if", "out_if", "source_as", "destination_as")),
        *(f"{name} UInt64 CODEC(ZSTD)" for name in ("in_entity", "out_entity", *address)),
        "port UInt16 CODEC(ZSTD)",
        "protocol UInt8",
        "direction UInt8",
        "block UInt64 CODEC(Delta, ZSTD)",
        *(f"{name} UInt64 CODEC(T64, ZSTD)" for name in ("octets", "packets", "flows")),
    ]
    return (
        f"CREATE TABLE IF NOT EXISTS flow ({', '.join(columns)}) ENGINE = ReplacingMergeTree "
        f"PARTITION BY toYYYYMMDD(time) ORDER BY ({', '.join((*key, 'in_entity', 'out_entity', *address, 'block'))}) "
        f"TTL time + toIntervalDay({settings.flow_days}) SETTINGS {_RAW}"
    )


def _tier(name: str, lifetime: str) -> str:
    statistics = [f"{rate}_{statistic} Float32 CODEC(ZSTD)" for rate in COUNTER_RATES for statistic in TIER_STATISTICS]
    utilisation = [
        f"{way}_utilisation_{statistic} Float32 ALIAS if(speed_bps > 0, 8 * {way}_octets_rate_{statistic} / speed_bps, nan)"
        for way in ("in", "out")
        for statistic in TIER_STATISTICS
    ]
    columns = [
        "entity UInt64 CODEC(Delta, ZSTD)",
        "time DateTime('UTC') CODEC(DoubleDelta, ZSTD)",
        "count UInt32",
        "in_octets UInt64 CODEC(T64('bit'), ZSTD)",
        "out_octets UInt64 CODEC(T64('bit'), ZSTD)",
        *statistics,
        "speed_bps UInt64 CODEC(T64, ZSTD)",
        *utilisation,
        "availability Float32",
        *(f"{verdict} UInt32" for verdict in VERDICTS),
        "version UInt64 CODEC(Delta, ZSTD)",
    ]
    return (
        f"CREATE TABLE IF NOT EXISTS interface_{name} ({', '.join(columns)}) ENGINE = ReplacingMergeTree(version) "
        f"PARTITION BY {'toYear(time)' if name == '1d' else 'toYYYYMM(time)'} ORDER BY (entity, time) "
        f"TTL time + {lifetime} SETTINGS {_MERGES}"
    )


def _quantiles(settings: TelemetrySettings) -> str:
    """What `perf.sketch` keeps of each day beside the tiers, so that percentiles of months need no five-minute rows."""
    columns = [
        "entity UInt64 CODEC(Delta, ZSTD)",
        "time DateTime('UTC') CODEC(DoubleDelta, ZSTD)",
        *(f"{way}_slots UInt16 CODEC(ZSTD)" for way in ("in", "out")),
        *(f"speed_{end} UInt64 CODEC(T64, ZSTD)" for end in ("low", "high")),
        *(f"{way}_p{level} Float32 CODEC(ZSTD)" for way in ("in", "out") for level in QUANTILE_LEVELS),
        "version UInt64 CODEC(Delta, ZSTD)",
    ]
    return (
        f"CREATE TABLE IF NOT EXISTS interface_1d_quantiles ({', '.join(columns)}) ENGINE = ReplacingMergeTree(version) "
        f"PARTITION BY toYYYYMM(time) ORDER BY (entity, time) TTL time + {_lifetime('1d', settings)} SETTINGS {_MERGES}"
    )


def _lifetime(tier: str, settings: TelemetrySettings) -> str:
    return {
        "5m": f"toIntervalDay({settings.five_minute_days})",
        "1h": f"toIntervalMonth({settings.hour_months})",
        "1d": f"toIntervalMonth({settings.day_months})",
    }[tier]
