"""`/metrics/network` of a million series and of 100,000, beside prometheus_client's own text format of the same series.

python -m benchmarks.exposition [--json] [--quick]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

import numpy as np
import prometheus_client
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from benchmarks.pipeline import METRICS, topology
from inventory.topology import Topology
from perf.exposition import Exposition, Wanted, sample_name
from perf.labels import labels_of
from perf.last import LastColumns
from perf.names import Names
from station.catalogue import metrics_by_code

GOALS_S = {1_000_000: 1.5, 100_000: 0.15}


def columns(picture: Topology) -> LastColumns:
    """Ten metrics an interface: eight counters and two states."""
    keys = np.array(sorted(picture.entities), np.uint64)
    series = ((keys << np.uint64(8))[:, None] | np.arange(1, METRICS + 1, dtype=np.uint64)).ravel()
    raw = np.random.default_rng(1).integers(0, 2**50, len(series)).astype(np.uint64)
    n = len(series)
    return LastColumns(series, np.zeros(n, np.int64), np.ones(n), raw, np.zeros(n, np.uint8))


class Families(Collector):
    """The same series as a custom collector gives them; the label values are looked up beforehand."""

    def __init__(self, picture: Topology, last: LastColumns) -> None:
        keys = (last.series[::METRICS] >> np.uint64(8)).tolist()
        self.labels = [list((labels_of(picture, key) or {}).values()) for key in keys]
        self.names = list((labels_of(picture, keys[0]) or {}).keys())
        self.raw, self.value = last.raw.reshape(-1, METRICS), last.value.reshape(-1, METRICS)

    def collect(self) -> Iterable[Metric]:
        for code in range(1, METRICS + 1):
            metric = metrics_by_code()[code]
            counter = metric.kind == "counter"
            made = CounterMetricFamily if counter else GaugeMetricFamily
            family = made(sample_name(metric, Wanted()), metric.help, labels=self.names)
            numbers = (self.raw if counter else self.value)[:, code - 1].tolist()
            for labels, number in zip(self.labels, numbers, strict=True):
                family.add_metric(labels, number)
            yield family


def median_s(act: Callable[[], Any], repeats: int) -> float:
    """CPU seconds of one act; a first one warms up."""
    act()
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        act()
        spent.append(time.process_time() - began)
    return statistics.median(spent)


def scrape(n: int, repeats: int) -> dict[str, Any]:
    picture = topology(n // METRICS)
    last = columns(picture)
    ours, theirs = Exposition(Names(lambda: picture), series_limit=n), Families(picture, last)
    began = time.process_time()
    body = ours.encode(last, Wanted())
    cold_s = time.process_time() - began
    assert sum(not line.startswith(b"#") for line in body.splitlines()) == n
    mine = median_s(lambda: ours.encode(last, Wanted()), repeats)
    registry = prometheus_client.CollectorRegistry(auto_describe=False)
    registry.register(theirs)
    peer = median_s(lambda: prometheus_client.generate_latest(registry), 1)
    about = {"name": f"metrics_network_{n}", "value": round(mine, 3), "unit": "CPU-seconds a scrape", "cold": round(cold_s, 3)}
    about |= {"megabytes": round(len(body) / 1e6), "goal": GOALS_S[n]}
    return {
        **about,
        "peer": f"prometheus_client {version('prometheus_client')}",
        "peer_value": round(peer, 3),
        "ratio": round(peer / mine, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for n in GOALS_S:
        figure = scrape(n, 3 if options.quick else 7)
        print(json.dumps(figure) if options.json else "  ".join(f"{name} {value}" for name, value in figure.items()), flush=True)


if __name__ == "__main__":
    main()
