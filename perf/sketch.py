"""Percentiles of long spans from a sketch of each day: what its five-minute rates were at QUANTILE_LEVELS.

Days are added up without their slots: a slot between two levels of its day is known to be no smaller than the one and no larger
than the other, so that a rank of many days together has a least and a most value. Both are exact bounds; between them, a top
list looks at the slots themselves, of those few interfaces only that may be in it.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from perf.compiled import compiled
from perf.slots import U64
from station.clock import NS_PER_S
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import QUANTILE_LEVELS, TIER_S

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

WAYS: Final = ("in", "out")
DAY_NS: Final = TIER_S["1d"] * NS_PER_S
DAYS_MIN: Final = 3  # a shorter span is read as it is
_LEVELS: Final = np.array(QUANTILE_LEVELS, np.float64) / 100
_QUANTILES: Final = f"quantilesExactIf({', '.join(str(level / 100) for level in QUANTILE_LEVELS)})"


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Of n entities, in order of key: the least and the most that a rank of their slots can be worth, and how many slots there were."""

    entity: U64
    low: F64
    high: F64
    slots: npt.NDArray[np.int64]

    def likely(self, limit: int) -> U64:
        """Those that may be among the `limit` largest."""
        if len(self.entity) <= limit:
            return self.entity
        least = np.partition(self.low, len(self.low) - limit)[len(self.low) - limit]
        chosen: U64 = self.entity[self.high >= least]
        return chosen


async def roll_up(client: TelemetryClient, start_ns: int, end_ns: int, version: int, entities: list[int] | None = None) -> None:
    """Recompute the sketches of the days that begin in [start, end), of everything or of some entities."""
    parameters = {"start": start_ns // NS_PER_S, "end": end_ns // NS_PER_S, "version": version, "entities": entities or []}
    await client.command(_ROLL_UP, parameters)


async def days_without(client: TelemetryClient, start_ns: int, end_ns: int) -> list[int]:
    """The days (their begin, ns) of [start, end) that have rows and no sketch."""
    found = await client.query(_MISSING, {"start": start_ns // NS_PER_S, "end": end_ns // NS_PER_S})
    return sorted(int(day) * NS_PER_S for day in found.get("day", ()))


async def bounds(
    client: TelemetryClient, column: str, share: float, span: tuple[int, int], entities: tuple[int, ...] | None
) -> Bounds | None:
    """Bounds of the value at `share` (0 to 1) of the slots of [start, end) of `in_octets_rate`, `in_utilisation` or the like; None
    where sketches do not tell: of a span too short, of another column, of days without."""
    way, _, what = column.partition("_")
    start_ns, end_ns = span
    first, last = -(-start_ns // DAY_NS) * DAY_NS, end_ns // DAY_NS * DAY_NS
    if way not in WAYS or what not in ("octets_rate", "utilisation") or last - first < DAYS_MIN * DAY_NS:
        return None
    if await days_without(client, first, last):
        return None
    edges = [edge for edge in ((start_ns, first), (last, end_ns)) if edge[0] < edge[1]]
    levels = _LEVELS if share <= _LEVELS[1] else _LEVELS[max(0, int(np.searchsorted(_LEVELS, share - 0.5)) - 1) :]
    sql = " UNION ALL ".join(
        (_DAYS.format(**_names(way, levels)), *(_EDGE.format(**_names(way, levels), edge=n) for n in range(len(edges))))
    )
    parameters: dict[str, Any] = {"start": first // NS_PER_S, "end": last // NS_PER_S, "entities": list(entities or ())}
    for n, edge in enumerate(edges):
        parameters |= {f"start{n}": edge[0] // NS_PER_S, f"end{n}": edge[1] // NS_PER_S}
    found = await client.query(f"SELECT * FROM ({sql}) ORDER BY entity", parameters)  # noqa: S608 - as below
    if not found:
        return None
    values = np.stack([found[f"q{n}"].astype(np.float32) for n in range(len(levels))], axis=1)
    return _merged(found, values, levels, (share, what == "utilisation"))


def _merged(found: dict[str, npt.NDArray[Any]], values: F32, levels: F64, wanted: tuple[float, bool]) -> Bounds:
    share, of_speed = wanted
    entity, slots = found["entity"].astype(np.uint64), found["slots"].astype(np.int64)
    starts = np.concatenate([np.flatnonzero(np.diff(entity, prepend=entity[:1] + np.uint64(1))), [len(entity)]])
    low, high, total = np.empty(len(starts) - 1), np.empty(len(starts) - 1), np.empty(len(starts) - 1, np.int64)
    _ranked(values, slots, levels, starts, share, (low, high, total))
    if of_speed:
        slowest, fastest = (np.asarray(found[name], np.float64) for name in ("speed_low", "speed_high"))
        with np.errstate(divide="ignore", invalid="ignore"):
            low = np.nan_to_num(8 * low / np.maximum.reduceat(fastest, starts[:-1]), posinf=0)
            high = 8 * high / np.minimum.reduceat(slowest, starts[:-1])
    return Bounds(entity[starts[:-1]], low, np.where(np.isnan(high), 0.0, high), total)


@compiled
def _ranked(values: Any, slots: Any, levels: Any, starts: Any, share: Any, out: Any) -> None:
    """For each entity (rows `starts[i]` to `starts[i + 1]`) the value at the rank, from the lower and the upper ends of the levels."""
    low, high, total = out
    columns = values.shape[1]
    at = np.empty(len(values), np.int64)
    for i in range(len(starts) - 1):
        begin, end = starts[i], starts[i + 1]
        total[i] = slots[begin:end].sum()
        above = total[i] - min(np.int64(np.floor(share * total[i])), total[i] - 1)  # so many slots are as large or larger
        for upper in range(2):
            at[begin:end] = columns - 1
            left, value = above, np.float32(0)
            while left > 0:
                best = -1
                for row in range(begin, end):
                    if at[row] >= 0 and slots[row] > 0 and (best < 0 or values[row, at[row]] > values[best, at[best]]):
                        best = row
                if best < 0:
                    value = np.float32(0)
                    break
                level, n = at[best], slots[best]
                value = values[best, level]
                here = _rank(levels[level], n)
                if upper:
                    left -= here - _rank(levels[level - 1], n) if level > 0 else here + 1
                else:
                    left -= (_rank(levels[level + 1], n) if level + 1 < columns else n) - here
                at[best] -= 1
            if upper:
                high[i] = value
            else:
                low[i] = value


@compiled
def _rank(level: Any, n: Any) -> Any:
    """The place, from 0, of the value that the store names for a level of n values."""
    return min(np.int64(level * n), n - 1)


def _names(way: str, levels: F64) -> dict[str, str]:
    there = [round(100 * level) for level in levels.tolist()]
    columns = ", ".join(f"{way}_p{level} AS q{n}" for n, level in enumerate(there))
    array = ", ".join(f"q[{QUANTILE_LEVELS.index(level) + 1}] AS q{n}" for n, level in enumerate(there))
    return {"way": way, "columns": columns, "array": array, "quantiles": _QUANTILES}


_SOME = "(empty({{entities:Array(UInt64)}}) OR entity IN {{entities:Array(UInt64)}})"
_DAYS = (
    "SELECT entity, toUInt32({way}_slots) AS slots, speed_low, speed_high, {columns} FROM interface_1d_quantiles FINAL "  # noqa: S608 - names come from the schema, values are bound
    "WHERE time >= toDateTime({{start:Int64}}, 'UTC') AND time < toDateTime({{end:Int64}}, 'UTC') AND " + _SOME
)
_EDGE = (
    "SELECT entity, slots, speed_low, speed_high, {array} FROM (SELECT entity, "  # noqa: S608 - as above
    "toUInt32(countIf(isFinite({way}_octets_rate_mean))) AS slots, min(speed_bps) AS speed_low, max(speed_bps) AS speed_high, "
    "{quantiles}({way}_octets_rate_mean, isFinite({way}_octets_rate_mean)) AS q FROM interface_5m FINAL "
    "WHERE time >= toDateTime({{start{edge}:Int64}}, 'UTC') AND time < toDateTime({{end{edge}:Int64}}, 'UTC') AND "
    + _SOME
    + " GROUP BY entity)"
)
_COLUMNS = ", ".join(f"{way}_p{level}" for way in WAYS for level in QUANTILE_LEVELS)
_PICKED = ", ".join(f"{way}_q[{n}]" for way in WAYS for n in range(1, len(QUANTILE_LEVELS) + 1))
_PARTS = ", ".join(
    f"countIf(isFinite({way}_octets_rate_mean)) AS {way}_n, "
    f"{_QUANTILES}({way}_octets_rate_mean, isFinite({way}_octets_rate_mean)) AS {way}_q"
    for way in WAYS
)
_ROLL_UP = (
    "INSERT INTO interface_1d_quantiles (entity, time, in_slots, out_slots, speed_low, speed_high, "  # noqa: S608 - as above
    f"{_COLUMNS}, version) SELECT entity, day, in_n, out_n, slowest, fastest, {_PICKED}, {{version:UInt64}} FROM ("
    f"SELECT entity, toDateTime(intDiv(toUnixTimestamp(time), 86400) * 86400, 'UTC') AS day, min(speed_bps) AS slowest, "
    f"max(speed_bps) AS fastest, {_PARTS} FROM interface_5m FINAL "
    "WHERE time >= toDateTime({start:Int64}, 'UTC') AND time < toDateTime({end:Int64}, 'UTC') "
    "AND (empty({entities:Array(UInt64)}) OR entity IN {entities:Array(UInt64)}) GROUP BY entity, day)"
)
_MISSING = (
    "SELECT DISTINCT toUnixTimestamp(time) AS day FROM interface_1d WHERE time >= toDateTime({start:Int64}, 'UTC') "
    "AND time < toDateTime({end:Int64}, 'UTC') AND time NOT IN (SELECT time FROM interface_1d_quantiles "
    "WHERE time >= toDateTime({start:Int64}, 'UTC') AND time < toDateTime({end:Int64}, 'UTC'))"
)
