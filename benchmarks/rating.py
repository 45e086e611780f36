"""Batch rating of a mixed tariff set in columns, beside the per-record oracle and pandas; each peer's amounts are compared.

python -m benchmarks.rating [--json] [--quick]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl

from bss.rating.engine import Batch, rate_batch, usage_in
from bss.rating.per_event import PerEvent
from bss.tariffs import Tariffs, TariffVersion, rate
from station.clock import NS_PER_S
from station.data import data_dir

MARCH_S = 1_772_323_200
NAMES = ("voice", "messaging", "wholesale")
METERS = {"voice": ["voice_seconds"], "messaging": ["messages"], "wholesale": ["sessions", "updates", "support_seconds"]}
PREFIXES = ["4940", "49170", "1212", "44", "881", "33"]


def versions() -> list[TariffVersion]:
    tariffs = Tariffs(data_dir("config/tariffs"))
    return [tariffs.effective(name, date(2026, 3, 1)) for name in NAMES]


def batch(services: int, events: int) -> Batch:
    """Events of March 2026: a third of the services on each tariff, two thirds of the events are calls."""
    rng = np.random.default_rng(6)
    tariff = np.arange(services, dtype=np.uint32) % len(NAMES)
    head = {"service": np.arange(services, dtype=np.uint32), "tariff": tariff, "days": 31, "active_days": 31}
    frame = pl.DataFrame(head | {"seconds": 31 * 86_400, "active_seconds": 31 * 86_400})
    of = np.where(rng.random(events) < 2 / 3, 0, rng.integers(1, 3, events))
    service = (rng.integers(0, services // len(NAMES), events) * len(NAMES) + of).astype(np.uint32)
    meters = ["voice_seconds", "messages", "sessions", "updates", "support_seconds"]
    meter = np.select([of == 0, of == 1], [0, 1], rng.integers(2, 5, events))
    digits = rng.integers(0, 10**7, events)
    keys = pl.Series(np.array(PREFIXES)[rng.integers(0, len(PREFIXES), events)]) + pl.Series(digits).cast(pl.String)
    columns = {"service": service, "meter": pl.Series(meter.astype(np.uint32)).cast(pl.UInt32)}
    made = pl.DataFrame(columns | {"quantity": rng.integers(1, 4000, events), "key": keys})
    time_ns = (MARCH_S + rng.integers(0, 31 * 86_400, events)) * NS_PER_S
    names = pl.Series(meters, dtype=pl.Enum(meters))
    return Batch(frame, events=made.with_columns(names.gather(made["meter"]).alias("meter"), pl.Series("time_ns", time_ns)))


def by_record(found: Batch, tariffs: list[TariffVersion], services: int) -> list[tuple[int, str, int]]:
    """The oracle: each service's events as objects, each rated by itself."""
    return [
        (n, item.charge, item.amount_minor)
        for n in range(services)
        for item in rate(tariffs[int(found.services["tariff"][n])], usage_in(found, n))
    ]


def calls_in_pandas(events: pd.DataFrame, terms: PerEvent) -> pd.Series:
    """The calls' amounts in minor units by service, the way a data team writes it: prefixes by merge, bands by local time."""
    rest = next(n for n, zone in enumerate(terms.zones) if "" in zone.prefixes)
    owner = {prefix: n for n, zone in enumerate(terms.zones) for prefix in zone.prefixes if prefix}
    zone = np.full(len(events), rest)
    for length in sorted({len(prefix) for prefix in owner}):
        hit = events["key"].str[:length].map(owner)
        zone = np.where(hit.notna(), hit.fillna(0).astype(int), zone)
    local = pd.to_datetime(events["time_ns"], utc=True).dt.tz_convert(terms.time_zone)
    off = local.dt.date.isin(set(terms.holidays)) | (local.dt.day_of_week >= 5)
    peak = ~off & (local.dt.hour >= 8) & (local.dt.hour < 20)
    band = np.select([off, peak], [0, 1], 2)
    rows = [[zone.bands.get(name, zone.price) for name in ("off_peak", "peak")] + [zone.price] for zone in terms.zones]
    price = np.array([[int(value * 10_000) for value in row] for row in rows])[zone, band]
    setup = np.array([int(zone.setup * 10_000) for zone in terms.zones])[zone]
    seconds = np.maximum(events["quantity"], terms.initial)
    quanta = (2 * (seconds * price + setup * 60) + 60) // 120
    sums = quanta.groupby(events["service"]).sum()
    return (2 * sums + 100) // 200


def seconds(act: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """(median CPU seconds, the last result) of an act; all threads counted."""
    spent, result = [], None
    for _ in range(repeats):
        began = time.process_time()
        result = act()
        spent.append(time.process_time() - began)
    return statistics.median(spent), result


def figure(name: str, value: float, n: int, peer: str, peer_value: float, **more: Any) -> dict[str, Any]:
    shown = {"name": name, "value": round(value), "unit": "records per CPU-second", "n": n, "peer": peer, "peer_value": round(peer_value)}
    return shown | {"ratio": round(value / peer_value, 2)} | more


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    services, events, repeats = (3_000, 300_000, 3) if options.quick else (30_000, 2_000_000, 5)
    tariffs, found = versions(), batch(services, events)
    rate_batch(tariffs, found)
    spent, lines = seconds(lambda: rate_batch(tariffs, found), repeats)
    few = batch(60, 6_000)
    slow, expected = seconds(lambda: by_record(few, tariffs, 60), 1)
    amounts = rate_batch(tariffs, few).select("service", "charge", "amount_minor").rows()
    assert amounts == expected, "the engine and the oracle differ"
    figures = [figure("rating_mixed", events / spent, events, "the scalar oracle, record by record", 6_000 / slow, goal=500_000)]
    calls = found.events.filter(pl.col("meter") == "voice_seconds")
    voice = tariffs[0]
    terms = voice.priced[1][1]
    assert isinstance(terms, PerEvent)
    one = Batch(found.services, events=calls)
    ours, lines = seconds(lambda: rate_batch([voice], one), repeats)
    frame = calls.select("service", "quantity", "time_ns", "key").to_pandas()
    theirs, sums = seconds(lambda: calls_in_pandas(frame, terms), repeats)
    mine = lines.filter((pl.col("charge") == "2.per_event") & (pl.col("amount_minor") > 0))
    assert dict(mine.select("service", "amount_minor").rows()) == {k: int(v) for k, v in sums.items() if v}, "pandas differs"
    figures.append(figure("rating_calls", len(calls) / ours, len(calls), f"pandas {pd.__version__}", len(calls) / theirs))
    for row in figures:
        print(json.dumps(row) if options.json else "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
