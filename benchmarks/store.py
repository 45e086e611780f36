"""How long questions to the telemetry store take, beside Parquet and polars, and DuckDB where it is installed, on the same rows.

One day of one interface and a last value from raw samples a minute; the top twenty of 10,000 interfaces by the 95th
percentile from five-minute slots, over `--days` (30 in full: 86 million slots). The peer reads the columns it needs from
one Parquet file a table, sorted as the store sorts, with its statistics.

python -m benchmarks.store [--json] [--quick] [--days N]
"""

import argparse
import asyncio
import importlib
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.pipeline import topology
from perf import sketch
from perf.names import Names
from perf.query import RangeQuery, TopQuery
from perf.rollup import roll_up
from perf.store import TelemetryStore
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess

S = 1_000_000_000
DAY_S = 86_400
INTERFACES, RAW_INTERFACES, EVERY_S = 10_000, 1_000, 60
RAW_PART = 144_000
GOALS_MS = {"day_of_one_interface": 20, "last_value": 10, "top_20_by_p95": 500}

# Interface n of the network; noise by hash, so that nothing compresses better than it does in life.
_ENTITY = "bitOr(bitShiftLeft(intDiv(n, 48) + 1, 16), n % 48 + 1)"
_RATE = "toFloat32((1000 + n) * 1000 * (1.2 + sin(t / 13751)) * (0.8 + 0.4 * (cityHash64(n, t) % 1000) / 1000))"
_TIER = (
    "INSERT INTO interface_5m "
    "(entity, time, count, in_octets, in_octets_rate_min, in_octets_rate_mean, in_octets_rate_max, good, version) "
    f"SELECT {_ENTITY}, toDateTime(t, 'UTC'), 5, toUInt64(300 * r), r * 0.9, r, r * 1.1, 5, 1 FROM ("
    f"SELECT intDiv(number, {{slots:UInt64}}) AS n, {{start:UInt64}} + 300 * (number % {{slots:UInt64}}) AS t, {_RATE} AS r "
    f"FROM numbers({{slots:UInt64}} * {INTERFACES}))"
)
_RAW = (
    "INSERT INTO interface_raw (entity, time, received, in_octets, in_delta, octets_span_s, rated, present, version) "
    f"SELECT {_ENTITY}, toDateTime64(t, 9, 'UTC'), toDateTime64(t, 9, 'UTC'), t * n, toUInt64({EVERY_S} * r), {EVERY_S}, 1, 1, 1 FROM ("
    f"SELECT intDiv(number, {DAY_S // EVERY_S}) AS n, {{start:UInt64}} + {EVERY_S} * (number % {DAY_S // EVERY_S}) AS t, {_RATE} AS r "
    f"FROM numbers({{first:UInt64}}, {RAW_PART}))"
)


async def filled(client: TelemetryClient, start_s: int, days: int) -> None:
    """The rows of `days` before `start_s`, and one day of raw rows behind it, merged as they are after a while."""
    await schema.create(client, TelemetrySettings())
    step_s = DAY_S // 6  # at once, for the memory that an owner has
    for part in range(6 * days):
        await client.command(_TIER, {"slots": step_s // 300, "start": start_s - days * DAY_S + part * step_s})
    for first in range(0, RAW_INTERFACES * DAY_S // EVERY_S, RAW_PART):
        await client.command(_RAW, {"start": start_s, "first": first})
    for day in range(days):
        begin_ns = (start_s - (days - day) * DAY_S) * S
        for tier in ("1h", "1d"):
            await roll_up(client, tier, begin_ns, begin_ns + DAY_S * S, 1)
        await sketch.roll_up(client, begin_ns, begin_ns + DAY_S * S, 1)
    for table in ("interface_5m", "interface_raw", "interface_1d", "interface_1d_quantiles"):
        await client.command(f"OPTIMIZE TABLE {table} FINAL")


async def parquet(client: TelemetryClient, folder: Path) -> tuple[Path, Path]:
    """The columns that the questions need, of both tables, as Parquet."""
    files = folder / "tier.parquet", folder / "raw.parquet"
    time_s = "toUnixTimestamp(time) AS at"
    for file, sql in zip(
        files,
        (
            f"SELECT entity, {time_s}, in_octets_rate_mean AS v FROM interface_5m ORDER BY entity, time",
            f"SELECT entity, {time_s}, toFloat32(in_octets_rate) AS v FROM interface_raw ORDER BY entity, time",
        ),
        strict=True,
    ):
        pl.DataFrame(await client.query(sql)).write_parquet(file, compression="zstd", statistics=True, row_group_size=100_000)
    return files


async def median_ms(act: Callable[[], Awaitable[Any]], repeats: int) -> float:
    await act()
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        await act()
        spent.append(time.perf_counter() - began)
    return 1e3 * statistics.median(spent)


def duckdb_on(raw: Path, tier: Path, key: int) -> dict[str, dict[str, Callable[[], Awaitable[Any]]]]:
    """The same questions to DuckDB over its own tables of the same rows, where it is installed."""
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ImportError:
        return {}
    base = duckdb.connect()
    base.execute("SET threads = 2")
    for table, file in (("raw", raw), ("tier", tier)):
        base.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{file}')")

    def asking(sql: str) -> Callable[[], Awaitable[Any]]:
        return lambda: asyncio.to_thread(lambda: base.cursor().execute(sql).fetchnumpy())

    mine = f"FROM raw WHERE entity = {key}"
    questions = {
        "day_of_one_interface": asking(f'SELECT "at", v {mine} ORDER BY "at"'),
        "last_value": asking(f'SELECT max("at"), arg_max(v, "at") {mine}'),
        "top_20_by_p95": asking("SELECT entity, quantile_disc(v, 0.95) AS p FROM tier GROUP BY entity ORDER BY p DESC LIMIT 20"),
    }
    return {f"duckdb {duckdb.__version__}": questions}


async def measured(days: int, repeats: int) -> list[dict[str, Any]]:
    start_s = time.time_ns() // S // DAY_S * DAY_S - DAY_S
    network = topology(INTERFACES)
    with tempfile.TemporaryDirectory() as name:
        async with OwnerProcess(Path(name) / "telemetry") as owner:
            client = TelemetryClient(owner.url, query_timeout_s=600)
            await filled(client, start_s, days)
            store = TelemetryStore(client, Names(lambda: network))
            tier, raw = await parquet(client, Path(name))
            key, day_ns = sorted(network.entities)[500], start_s * S
            one = RangeQuery(key, "interface.in_octets", day_ns, day_ns + DAY_S * S)
            top = TopQuery("interface.in_octets", "p95", day_ns - days * DAY_S * S, day_ns)
            keys = np.array([key], np.uint64)

            async def in_polars(frame: pl.LazyFrame) -> pl.DataFrame:
                return await asyncio.to_thread(frame.collect)

            mine = pl.scan_parquet(raw).filter(pl.col("entity") == key)
            p95 = pl.col("v").quantile(0.95, "nearest").alias("p95")
            peers = {
                "day_of_one_interface": mine,
                "last_value": mine.tail(1),
                "top_20_by_p95": pl.scan_parquet(tier).group_by("entity").agg(p95).top_k(20, by="p95"),
            }
            asked: dict[str, Callable[[], Awaitable[Any]]] = {
                "day_of_one_interface": lambda: store.range(one),
                "last_value": lambda: store.last("interface.in_octets", keys, day_ns),
                "top_20_by_p95": lambda: store.top(top),
            }
            assert len((await store.top(top)).entity) == 20 and np.isfinite((await store.range(one)).mean).any()
            figures = []
            others: dict[str, dict[str, Callable[[], Awaitable[Any]]]] = {
                f"polars {pl.__version__}": {what: partial(in_polars, frame) for what, frame in peers.items()},
                **duckdb_on(raw, tier, key),
            }
            for what, ask in asked.items():
                ours = await median_ms(ask, repeats)
                for peer, questions in others.items():
                    theirs = await median_ms(questions[what], repeats)
                    about = {"name": what, "value": round(ours, 1), "unit": "ms", "goal": GOALS_MS[what], "days": days}
                    figures.append({**about, "peer": peer, "peer_value": round(theirs, 1), "ratio": round(theirs / ours, 2)})
            await client.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--days", type=int, default=0)
    options = parser.parse_args()
    for figure in asyncio.run(measured(options.days or (2 if options.quick else 30), 5 if options.quick else 15)):
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
