"""What can be asked of the telemetry store: small typed questions, answered by `perf.store`."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Statistic = Literal["p50", "p90", "p95", "p98", "p99", "min", "mean", "max"]

POINTS_LIMIT = 5_000
TOP_LIMIT = 1_000
HISTORY_ROWS = 4_000_000
BUSY_DAYS_LIMIT = 400
DailyStatistic = Literal["busy_hour", "mean", "min", "max", "unsettled"]
CELLS_LIMIT, GRID_ROWS_LIMIT = 400, 200
SLOT_NS = 300_000_000_000
SPAN_LIMIT_S = 20 * 366 * 86_400


class QueryError(ValueError):
    """The question cannot be answered as put; the text says why."""


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """One metric of one entity over [start, end) in about `points` steps; `shift_ns` asks for an earlier time on the same axis."""

    entity: int
    metric: str
    start_ns: int
    end_ns: int
    points: int = 500
    shift_ns: int = 0

    def __post_init__(self) -> None:
        _check_span(self.start_ns, self.end_ns)
        if not 2 <= self.points <= POINTS_LIMIT:
            raise QueryError(f"points must be 2 to {POINTS_LIMIT}")


@dataclass(frozen=True, slots=True)
class TopQuery:
    """The `limit` entities with the largest statistic of a metric over [start, end); of `entities` when given.

    With `groups`, the number of the group of each of `entities`, the answer is by group: at each five minutes the rates
    of its entities are added (ratios averaged), then comes the statistic. `shift_ns` asks for an earlier time.
    """

    metric: str
    statistic: Statistic
    start_ns: int
    end_ns: int
    limit: int = 20
    entities: tuple[int, ...] | None = None
    groups: tuple[int, ...] | None = None
    shift_ns: int = 0

    def __post_init__(self) -> None:
        _check_span(self.start_ns, self.end_ns)
        if self.groups is not None and (self.entities is None or len(self.groups) != len(self.entities)):
            raise QueryError("each entity has one group")
        if not 1 <= self.limit <= TOP_LIMIT:
            raise QueryError(f"limit must be 1 to {TOP_LIMIT}")


@dataclass(frozen=True, slots=True)
class GridQuery(TopQuery):
    """A heat map: the same question for each of `cells` equal parts of the span; the rows are the largest over the whole of it."""

    cells: int = 96

    def __post_init__(self) -> None:
        TopQuery.__post_init__(self)
        if not 2 <= self.cells <= CELLS_LIMIT:
            raise QueryError(f"cells must be 2 to {CELLS_LIMIT}")
        if self.limit > GRID_ROWS_LIMIT:
            raise QueryError(f"a heat map has at most {GRID_ROWS_LIMIT} rows")

    @property
    def width_ns(self) -> int:
        """How long a cell is: whole five minutes."""
        part = -(-(self.end_ns - self.start_ns) // self.cells)
        return -(-part // SLOT_NS) * SLOT_NS


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """Every stored value of a metric of many entities over [start, end), with another metric of the same rows beside it."""

    metric: str
    start_ns: int
    end_ns: int
    beside: str = ""
    entities: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_span(self.start_ns, self.end_ns)


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """`value` f64[n, days]: one statistic of each whole UTC day, NaN where the day is unknown."""

    entity: npt.NDArray[np.uint64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """n values in order of time; `beside` is NaN where nothing is known."""

    tier: str
    entity: npt.NDArray[np.uint64]
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    beside: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """k points of a curve. NaN is a gap and is drawn as one. `quality` is the worst verdict of a step."""

    metric: str
    unit: str
    tier: str
    step_s: float
    time_ns: npt.NDArray[np.int64]
    min: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    max: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Top:
    """Entities with their statistic, largest first."""

    entity: npt.NDArray[np.uint64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """What a formula was over a span: of `rows` five minutes `known` had a value; its quantiles are None where none had."""

    rows: int
    known: int
    quantiles: dict[str, float | None]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Entities or groups, largest first, with `value` f64[n, cells]; NaN where a cell is unknown; cells begin at `time_ns`."""

    entity: npt.NDArray[np.uint64]
    time_ns: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TotalCurve:
    """Rates of many interfaces summed per slot: `rates` in octets per second, inward and outward; `interfaces` had a row."""

    time_ns: npt.NDArray[np.int64]
    rates: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
    interfaces: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sparks:
    """Small curves of many things: `values[column, row, slot]`, NaN where nothing is known; `rows` by key."""

    rows: dict[int, int]
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class InterfaceSamples:
    """Raw octet samples of one interface as columns of length n, by time: exact integers for billing and explain.

    `time_ns` when it was so, `received_ns` when the station learned of it; `in_delta`, `out_delta` are 0 where
    `quality` carries none; `uptime_cs` -1 if unknown.
    """

    time_ns: npt.NDArray[np.int64]
    in_octets: npt.NDArray[np.uint64]
    out_octets: npt.NDArray[np.uint64]
    in_delta: npt.NDArray[np.uint64]
    out_delta: npt.NDArray[np.uint64]
    quality: npt.NDArray[np.uint8]
    uptime_cs: npt.NDArray[np.int64]
    received_ns: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.time_ns)


def _check_span(start_ns: int, end_ns: int) -> None:
    if not 0 < start_ns < end_ns:
        raise QueryError("the span ends before it begins")
    if end_ns - start_ns > SPAN_LIMIT_S * 1_000_000_000:
        raise QueryError("the span is longer than twenty years")
