"""What a measurement file holds: one line an object, an indicator and a granularity period, with its mean, least and most. Pure.

Periods are laid on UTC. A period in which an object was measured in fewer than half of its five-minute slots is suspect
(3GPP TS 32.435, 4.1: `suspect` marks a result that is not to be trusted).
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import polars as pl

from inventory.topology import Topology
from perf.query import History
from station.catalogue import Metric
from station.clock import NS_PER_S
from station.security.text import csv_cell
from station.web import iso

COLUMNS: Final = ("begin", "end", "object", "indicator", "unit", "mean", "min", "max", "count", "suspect")
SLOT_NS: Final = 300 * NS_PER_S
SECONDS: Final[Mapping[str, int]] = {"1mn": 60, "5mn": 300, "15mn": 900, "30mn": 1_800, "1h": 3_600, "24h": 86_400}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a job asks for: metrics, the granularity period in ns, and objects whose name matches a glob."""

    metrics: tuple[Metric, ...]
    granularity_ns: int
    objects: str = "*"


def entities_of(topology: Topology, kind: str, glob: str) -> dict[int, str]:
    """Names by entity key of the objects of a kind: interfaces, sensors, or devices (their entity 0)."""
    if kind == "device":
        named = {no << 16: device.name for no, device in topology.devices.items()}
    else:
        named = {key: topology.name_of(entity.id) for key, entity in topology.entities.items() if entity.kind == kind}
    return {key: name for key, name in named.items() if fnmatchcase(name, glob)}


def periods(history: History, granularity_ns: int) -> pl.DataFrame:
    """The values of a history by entity and period: `entity, at, mean, low, high, count, slots`, in order."""
    frame = pl.DataFrame({"entity": history.entity, "time": history.time_ns, "value": history.value}).filter(pl.col("value").is_finite())
    by = frame.with_columns(at=pl.col("time") // granularity_ns * granularity_ns, slot=pl.col("time") // SLOT_NS)
    value = pl.col("value")
    said = (value.mean().alias("mean"), value.min().alias("low"), value.max().alias("high"), value.len().alias("count"))
    return by.group_by("entity", "at").agg(*said, pl.col("slot").n_unique().alias("slots")).sort("entity", "at")


def lines(wanted: Wanted, histories: Sequence[History], names: Mapping[str, Mapping[int, str]]) -> Iterator[list[Any]]:
    """The rows of a file, indicator by indicator; `names` are the objects of each kind of entity."""
    need = max(1, wanted.granularity_ns // SLOT_NS)
    for metric, history in zip(wanted.metrics, histories, strict=True):
        known = names[metric.entity]
        for key, at, mean, low, high, count, slots in periods(history, wanted.granularity_ns).iter_rows():
            if key in known:
                span = (iso(at), iso(at + wanted.granularity_ns))
                figures = (f"{number:.10g}" for number in (mean, low, high))
                yield [*span, known[key], metric.name, metric.unit, *figures, count, "true" if 2 * slots < need else "false"]


def written(rows: Iterator[list[Any]]) -> tuple[bytes, int]:
    """A CSV file with its header, and how many rows it has."""
    out, n = io.StringIO(), 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for n, row in enumerate(rows, 1):  # noqa: B007 - the last is the count
        writer.writerow([csv_cell(cell) for cell in row])
    return out.getvalue().encode(), n
