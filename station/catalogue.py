"""The metrics the station knows, from `config/metrics.toml`: one table, by code and by name."""

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from station.data import data_dir

Kind = Literal["counter", "gauge", "state"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its persisted code, the field's own names, what it measures and in which unit."""

    code: int
    name: str
    entity: str
    kind: Kind
    unit: str
    prometheus: str
    help: str
    snmp: str = ""
    derived: bool = False
    low: float = -math.inf  # what lies outside low and high cannot be: an agent's way to say that nothing is measured
    high: float = math.inf


def load(path: Path) -> tuple[Metric, ...]:
    """The metrics of one file; codes and names are unique."""
    metrics = tuple(Metric(**row) for row in tomllib.loads(path.read_text())["metrics"])
    for key in ("code", "name", "prometheus"):
        values = [getattr(metric, key) for metric in metrics]
        assert len(set(values)) == len(values), f"{path}: a {key} stands twice"
    return metrics


@cache
def metrics_by_code() -> dict[int, Metric]:
    return {metric.code: metric for metric in load(data_dir("config") / "metrics.toml")}


@cache
def metrics_by_name() -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics_by_code().values()}


def code_of(name: str) -> int:
    """The code of a metric by its name; KeyError names it when unknown."""
    return metrics_by_name()[name].code
