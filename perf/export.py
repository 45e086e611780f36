"""Tiers as Parquet, for people who analyse with tools of their own: read from the store while the station runs."""

import asyncio
import io
from typing import Final

import polars as pl

from perf.names import Names
from perf.query import QueryError
from station.clock import NS_PER_S
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import COUNTER_RATES, TIER_S, TIER_STATISTICS, UTILISATION, VERDICTS

ROWS_MAX: Final = 2_000_000  # about 300 MB while it is made; ask for a shorter span beyond

_COLUMNS: Final = (
    "count",
    "in_octets",
    "out_octets",
    *(f"{rate}_{statistic}" for rate in (*COUNTER_RATES, *UTILISATION) for statistic in TIER_STATISTICS),
    "speed_bps",
    "availability",
    *VERDICTS,
)


async def parquet(client: TelemetryClient, names: Names, tier: str, start_ns: int, end_ns: int) -> bytes:
    """The slots of a tier that begin in [start, end), as one Parquet file.

    A row is an interface in a slot, with the names that device, interface and site have now; sorted by interface and time.
    """
    if tier not in TIER_S:
        raise QueryError(f"tier must be one of {', '.join(TIER_S)}")
    if not 0 < start_ns < end_ns:
        raise QueryError("the span ends before it begins")
    found = await client.query(
        f"SELECT entity, toInt64(toUnixTimestamp(t.time)) AS at, {', '.join(_COLUMNS)} FROM interface_{tier} AS t FINAL "  # noqa: S608 - names come from the schema, values are bound
        "WHERE t.time >= toDateTime({start:Int64}, 'UTC') AND t.time < toDateTime({end:Int64}, 'UTC') "
        "ORDER BY entity, at LIMIT {most:UInt32}",
        {"start": -(-start_ns // NS_PER_S), "end": -(-end_ns // NS_PER_S), "most": ROWS_MAX + 1},
    )
    if not found:
        raise QueryError("nothing is stored of that span")
    if len(found["entity"]) > ROWS_MAX:
        raise QueryError(f"that is more than {ROWS_MAX} rows: ask for a shorter span or a coarser tier")
    return await asyncio.to_thread(_written, pl.DataFrame(found), names)


def _written(rows: pl.DataFrame, names: Names) -> bytes:
    file = io.BytesIO()
    _named(rows, names).write_parquet(file, compression="zstd", statistics=True)
    return file.getvalue()


def _named(rows: pl.DataFrame, names: Names) -> pl.DataFrame:
    """With device, interface and site in words before the numbers, and the time as a UTC instant."""
    topology = names.topology()
    words: dict[str, list[str]] = {"device": [], "interface": [], "site": []}
    keys = rows["entity"].unique().sort()
    for key in keys.to_list():
        entity, device = topology.entities.get(key), topology.devices.get(key >> 16)
        site = topology.sites.get(device.site_id) if device else None
        words["device"].append(device.name if device else "")
        words["interface"].append(entity.name if entity else "")
        words["site"].append(site.name if site else "")
    named = rows.join(pl.DataFrame({"entity": keys, **words}), on="entity", how="left", maintain_order="left")
    instant = pl.from_epoch("at", time_unit="s").dt.replace_time_zone("UTC").alias("time")
    return named.select(*words, instant, *_COLUMNS)
