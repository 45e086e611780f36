"""Questions to the telemetry store as SQL with bound parameters. Columns come from the catalogue, never from a caller."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.curve import reduced
from perf.history import tier_columns
from perf.kpis import SPEED, Formula, kpis
from perf.names import Names
from perf.query import (
    BUSY_DAYS_LIMIT,
    HISTORY_ROWS,
    Daily,
    DailyStatistic,
    Grid,
    GridQuery,
    History,
    HistoryQuery,
    InterfaceSamples,
    QueryError,
    RangeQuery,
    Series,
    Sparks,
    Spread,
    Top,
    TopQuery,
    TotalCurve,
)
from perf.sketch import bounds
from perf.slots import U64
from station.catalogue import Metric, metrics_by_name
from station.clock import NS_PER_S
from station.series import METRIC_BITS
from station.telemetry.client import TelemetryClient
from station.telemetry.schema import COUNTERS, RATES, RAW_FINAL, TIER_S

RAW_SPAN_S = 2 * 86_400  # a longer chart starts from a tier
DAY_NS, HOUR_NS = 86_400 * NS_PER_S, 3_600 * NS_PER_S
TOP_ROWS = 4_000_000  # slots that one query of a top list reads: about 100 MB in the store
KEY_MAX = 2**64 - 1
STATES = ("oper_status", "admin_status")

_TIME = {"raw": "toUnixTimestamp64Nano(time)", "tier": f"toInt64(toUnixTimestamp(time)) * {NS_PER_S}"}
_BOUNDS = {
    "raw": "time >= fromUnixTimestamp64Nano({start:Int64}) AND time < fromUnixTimestamp64Nano({end:Int64})",
    "tier": "time >= toDateTime(intDiv({start:Int64}, 1000000000), 'UTC') AND time < toDateTime(intDiv({end:Int64}, 1000000000), 'UTC')",
}
_SAMPLES = (
    "SELECT toUnixTimestamp64Nano(time) AS time_ns, in_octets, out_octets, in_delta, out_delta, quality, uptime_cs, "  # noqa: S608 - names come from the schema, values are bound
    "toUnixTimestamp64Nano(received) AS received_ns FROM interface_raw FINAL "
    f"WHERE entity = {{entity:UInt64}} AND {_BOUNDS['raw']} AND bitAnd(present, 3) = 3 "
    f"ORDER BY time, quality, version DESC LIMIT 1 BY time {RAW_FINAL}"
)


class TelemetryStore:
    """Reads what the pipeline stored. Scope is the caller's duty: it asks only for entities that it may see."""

    def __init__(self, client: TelemetryClient, names: Names) -> None:
        self._client = client
        self._names = names

    async def interface_samples(self, entity_key: int, start_ns: int, end_ns: int) -> InterfaceSamples:
        """The raw octet samples with start <= time < end, exact, both counters present, by time."""
        found = await self._client.query(_SAMPLES, {"entity": entity_key, "start": start_ns, "end": end_ns})
        types = {"quality": np.uint8, "time_ns": np.int64, "uptime_cs": np.int64, "received_ns": np.int64}
        names = InterfaceSamples.__dataclass_fields__
        return InterfaceSamples(**{name: _column(found, name, types.get(name, np.uint64)) for name in names})

    async def range(self, query: RangeQuery) -> Series:
        """One curve: from raw samples up to two days, else from the tier that fits, extremes kept, gaps as NaN."""
        metric = _metric(query.metric)
        tier = _tier(metric, query)
        sql = _range_sql(metric, tier)
        key = query.entity if metric.entity == "interface" else query.entity << METRIC_BITS | metric.code
        start, end = query.start_ns - query.shift_ns, query.end_ns - query.shift_ns
        found = await self._client.query(sql, {"key": key, "start": start, "end": end})
        columns = {name: _column(found, name, np.float64 if name in ("low", "value", "high") else np.int64) for name in _RANGE_COLUMNS}
        time_ns, low, mean, high, quality, step_s = reduced(columns, start, end, query.points)
        if tier != "raw":
            step_s = max(step_s, TIER_S[tier])
        return Series(metric.name, unit_of(metric), tier, step_s, time_ns + query.shift_ns, low, mean, high, quality)

    async def top(self, query: TopQuery) -> Top:
        """The largest entities or groups by a statistic of the 5-minute means (of raw samples below two hours, if not by group)."""
        metric = _metric(query.metric)
        if metric.entity != "interface" or metric.kind == "state":
            raise QueryError(f"{metric.name}: top lists are over rates and ratios of interfaces")
        raw = query.end_ns - query.start_ns < 7_200 * NS_PER_S and query.groups is None
        query = await self._narrowed(metric, query)
        suffix = "" if raw else {"max": "_max", "min": "_min"}.get(query.statistic, "_mean")
        some = "AND entity IN {entities:Array(UInt64)}" if query.entities is not None else ""
        rows = (
            f"SELECT entity AS k, time, {_expression(metric, suffix)} AS v FROM interface_{'raw' if raw else '5m'} FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {_BOUNDS['raw' if raw else 'tier']} AND entity >= {{first:UInt64}} AND entity <= {{last:UInt64}} {some}"
        )
        if query.groups is not None:
            rows = _grouped(metric, rows, query)
        sql = (
            f"SELECT k AS entity, {_STATISTIC[query.statistic]}(v) AS value FROM ({rows}) WHERE isFinite(v) "  # noqa: S608 - as above
            f"GROUP BY k ORDER BY value DESC, k LIMIT {{limit:UInt32}} {RAW_FINAL if raw else ''}"
        )
        parameters = {
            "start": query.start_ns - query.shift_ns,
            "end": query.end_ns - query.shift_ns,
            "limit": query.limit,
            "entities": list(query.entities or ()),
            "groups": list(query.groups or ()),
        }
        parts = []
        for first, last in self._ranges(query):
            found = await self._client.query(sql, {**parameters, "first": first, "last": last})
            parts.append(Top(_column(found, "entity", np.uint64), _column(found, "value", np.float64)))
        return _largest(parts, query.limit)

    async def grid(self, query: GridQuery) -> Grid:
        """A heat map: by interface or group as `top`, by device or sensor for any other metric, from the tier that fits a cell."""
        metric = _metric(query.metric)
        if metric.kind == "state":
            raise QueryError(f"{metric.name}: a heat map is over numbers, not states")
        statistic = {"max": "max", "min": "min"}.get(query.statistic, "mean")
        key, source, mine, value = "bitShiftRight(series, 8)", "sample_5m", "AND bitAnd(series, 255) = {code:UInt8}", statistic
        if metric.entity == "interface":
            tier = "1h" if query.width_ns >= 2 * HOUR_NS else "5m"
            key, source, mine, value = "entity", f"interface_{tier}", "", _expression(metric, f"_{statistic}")
        some = f"AND {key} IN {{entities:Array(UInt64)}}" if query.entities is not None else ""
        rows = f"SELECT {key} AS k, time, {value} AS v FROM {source} FINAL WHERE {_BOUNDS['tier']} {mine} {some}"  # noqa: S608 - names come from the schema, values are bound
        if query.groups is not None:
            rows = _grouped(metric, rows, query)
        cells = (
            f"SELECT k, intDiv({_TIME['tier']} - {{start:Int64}}, {{width:Int64}}) AS cell, {_STATISTIC[query.statistic]}(v) AS value "  # noqa: S608 - as above
            f"FROM ({rows}) WHERE isFinite(v) GROUP BY k, cell"
        )
        rows = f"SELECT k, groupArray((cell, value)) AS pairs FROM ({cells}) GROUP BY k ORDER BY avg(value) DESC, k LIMIT {{limit:UInt32}}"  # noqa: S608 - as above
        sql = f"SELECT k, pair.1 AS cell, pair.2 AS value FROM ({rows}) ARRAY JOIN pairs AS pair"  # noqa: S608 - as above
        parameters: dict[str, Any] = {"start": query.start_ns, "end": query.end_ns, "width": query.width_ns, "limit": query.limit}
        parameters |= {"entities": list(query.entities or ()), "groups": list(query.groups or ()), "code": metric.code}
        found = await self._client.query(sql, parameters)
        return _gridded(found, query)

    async def _narrowed(self, metric: Metric, query: TopQuery) -> TopQuery:
        """The same question to those only that may be in the answer, as far as the sketches of the days tell."""
        share = _SHARES.get(query.statistic)
        if share is None or query.groups is not None:
            return query
        span = query.start_ns - query.shift_ns, query.end_ns - query.shift_ns
        found = await bounds(self._client, _expression(metric, ""), share, span, query.entities)
        return query if found is None else replace(query, entities=tuple(found.likely(query.limit).tolist()))

    def _ranges(self, query: TopQuery) -> list[tuple[int, int]]:
        """Ranges of entity keys, both ends included, that hold every key there is and each about TOP_ROWS slots at most: a
        percentile needs all values in memory. Groups are one range: what belongs together is added up together."""
        slots = max(1, (query.end_ns - query.start_ns) // (TIER_S["5m"] * NS_PER_S))
        at_once = max(1, TOP_ROWS // slots)
        keys = query.entities if query.entities is not None else self._names.topology().entities
        firsts = [0, *sorted(keys)[at_once::at_once]] if query.groups is None else [0]
        return list(zip(firsts, [*(first - 1 for first in firsts[1:]), KEY_MAX], strict=True))

    async def history(self, query: HistoryQuery) -> History:
        """Values of many entities in order of time: raw up to two days and for states, else five-minute means."""
        metric = _metric(query.metric)
        wide = metric.entity == "interface"
        raw = query.end_ns - query.start_ns <= RAW_SPAN_S * NS_PER_S or metric.kind == "state"
        kind = "raw" if raw else "tier"
        beside = _metric(query.beside) if query.beside else None
        if beside is not None and not (wide and beside.entity == "interface"):
            raise QueryError(f"{query.beside} does not stand in the rows of {query.metric}")
        value = _expression(metric, "" if raw else "_mean") if wide else ("value" if raw else "mean")
        other = _expression(beside, "" if raw else "_mean") if beside else "nan"
        key = "entity" if wide else "bitShiftRight(series, 8)"
        there = f"AND {_presence(metric)}" if wide and raw else "" if wide else "AND bitAnd(series, 255) = {code:UInt8}"
        some = f"AND {key} IN {{entities:Array(UInt64)}}" if query.entities is not None else ""
        sql = (
            f"SELECT {key} AS k, {_TIME[kind]} AS time_ns, toFloat64({value}) AS v, toFloat64({other}) AS w "  # noqa: S608 - names come from the schema, values are bound
            f"FROM {'interface' if wide else 'sample'}_{'raw' if raw else '5m'} FINAL WHERE {_BOUNDS[kind]} {there} {some} "
            f"ORDER BY time_ns, k LIMIT {{limit:UInt32}} {RAW_FINAL if wide and raw else ''}"
        )
        span = {"start": query.start_ns, "end": query.end_ns, "limit": HISTORY_ROWS + 1, "code": metric.code}
        found = await self._client.query(sql, {**span, "entities": list(query.entities or ())})
        if found and len(found["k"]) > HISTORY_ROWS:
            raise QueryError(f"that is more than {HISTORY_ROWS} values: ask for a shorter span or fewer resources")
        k, time_ns, v, w = (_column(found, name, dtype) for name, dtype in _HISTORY_COLUMNS.items())
        return History("raw" if raw else "5m", k, time_ns, v, w)

    async def spread(self, formula: Formula, start_ns: int, end_ns: int, entities: tuple[int, ...] | None) -> Spread:
        """What a formula over the counters of interfaces would have been over [start, end), from the five-minute means."""
        some = "AND entity IN {entities:Array(UInt64)}" if entities is not None else ""
        rows = f"SELECT {_formula_expression(formula, '_mean')} AS v FROM interface_5m FINAL WHERE {_BOUNDS['tier']} {some}"  # noqa: S608 - names come from the schema, values are bound
        quantiles = ", ".join(f"quantileTDigestIf({level})(v, isFinite(v)) AS {name}" for name, level in _SPREAD.items())
        sql = f"SELECT count() AS total, countIf(isFinite(v)) AS known, {quantiles} FROM ({rows})"  # noqa: S608 - as above
        found = await self._client.query(sql, {"start": start_ns, "end": end_ns, "entities": list(entities or ())})
        known = int(found["known"][0])
        return Spread(int(found["total"][0]), known, {name: float(found[name][0]) if known else None for name in _SPREAD})

    async def slot(self, metric_name: str, slot_ns: int) -> Top:
        """The mean of every interface over the five minutes that begin at `slot_ns`, in order of key."""
        metric = _metric(metric_name)
        sql = (
            f"SELECT entity, toFloat64({_expression(metric, '_mean')}) AS value FROM interface_5m FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {_BOUNDS['tier']} ORDER BY entity"
        )
        found = await self._client.query(sql, {"start": slot_ns, "end": slot_ns + TIER_S["5m"] * NS_PER_S})
        return Top(_column(found, "entity", np.uint64), _column(found, "value", np.float64))

    async def daily(
        self, metric_name: str, statistic: DailyStatistic, end_ns: int, days: int, entities: tuple[int, ...] | None = None
    ) -> Daily:
        """One statistic of each of the last `days` whole days before `end_ns`: the fullest hour, the mean, least or largest five
        minutes, or in how many of them an interface changed its state."""
        if not 1 <= days <= BUSY_DAYS_LIMIT:
            raise QueryError(f"days must be 1 to {BUSY_DAYS_LIMIT}")
        metric, end = _metric(metric_name), end_ns // DAY_NS * DAY_NS
        key, table, value, act = _daily_columns(metric, statistic)
        some = f"AND {key} IN {{entities:Array(UInt64)}}" if entities is not None else ""
        mine = "" if metric.entity == "interface" else "AND bitAnd(series, 255) = {code:UInt8}"
        rows = f"SELECT {key} AS entity, time, toFloat64({value}) AS v FROM {table} FINAL WHERE {_BOUNDS['tier']} {mine} {some}"  # noqa: S608 - names come from the schema, values are bound
        sql = (
            f"SELECT entity, intDiv(toUnixTimestamp(time), 86400) AS day, {act} AS value FROM ({rows}) "  # noqa: S608 - as above
            "WHERE isFinite(v) GROUP BY entity, day ORDER BY entity"
        )
        span = {"start": end - days * DAY_NS, "end": end, "code": metric.code, "entities": list(entities or ())}
        found = await self._client.query(sql, span)
        keys, row = np.unique(_column(found, "entity", np.uint64), return_inverse=True)
        matrix = np.full((len(keys), days), np.nan)
        matrix[row, _column(found, "day", np.int64) - (end // DAY_NS - days)] = _column(found, "value", np.float64)
        return Daily(keys, matrix)

    async def hours_missing(self, entities: U64, start_ns: int, end_ns: int) -> dict[int, npt.NDArray[np.int64]]:
        """The hours (their begin, i64 ns, in order) from that of `start_ns` on that end by `end_ns` and in which an interface was
        not measured at all; interfaces that miss none are absent."""
        first = start_ns // HOUR_NS * HOUR_NS
        grid = np.arange(first, end_ns - HOUR_NS + 1, HOUR_NS)
        where = f"FROM interface_1h FINAL WHERE {_BOUNDS['tier']} AND entity IN {{entities:Array(UInt64)}}"
        span = {"start": first, "end": first + len(grid) * HOUR_NS}
        counted = await self._client.query(f"SELECT entity, count() AS n {where} GROUP BY entity", {**span, "entities": entities.tolist()})
        whole = _column(counted, "entity", np.uint64)[_column(counted, "n", np.int64) == len(grid)]
        short = np.setdiff1d(entities, whole)
        if not len(short) or not len(grid):
            return {}
        found = await self._client.query(f"SELECT entity, {_TIME['tier']} AS time_ns {where}", {**span, "entities": short.tolist()})
        there = np.zeros((len(short), len(grid)), np.bool_)
        row = np.searchsorted(short, _column(found, "entity", np.uint64))
        there[row, (_column(found, "time_ns", np.int64) - first) // HOUR_NS] = True
        return {int(key): grid[~known] for key, known in zip(short, there, strict=True)}

    async def total_octets(self, start_ns: int, end_ns: int, entities: U64) -> tuple[int, int, int]:
        """(in, out) octets of some interfaces over whole 5-minute slots of [start, end), exact, and of how many there are rows."""
        sql = (
            "SELECT sum(in_octets) AS i, sum(out_octets) AS o, uniqExact(entity) AS n FROM interface_5m FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {_BOUNDS['tier']} AND entity IN {{entities:Array(UInt64)}}"
        )
        found = await self._client.query(sql, {"start": start_ns, "end": end_ns, "entities": entities.tolist()})
        return int(found["i"][0]), int(found["o"][0]), int(found["n"][0])

    async def total_curve(self, start_ns: int, end_ns: int, tier: str, entities: U64) -> TotalCurve:
        """Mean rates of some interfaces summed per slot of [start, end), by time; a slot without any row is absent."""
        assert tier in TIER_S
        sums = ", ".join(f"sum(ifNotFinite({name}_octets_rate_mean, 0)) AS {name}_rate" for name in ("in", "out"))
        sql = (
            f"SELECT {_TIME['tier']} AS time_ns, {sums}, count() AS n FROM interface_{tier} FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {_BOUNDS['tier']} AND entity IN {{entities:Array(UInt64)}} GROUP BY time_ns ORDER BY time_ns"
        )
        found = await self._client.query(sql, {"start": start_ns, "end": end_ns, "entities": entities.tolist()})
        rates = (_column(found, "in_rate", np.float64), _column(found, "out_rate", np.float64))
        return TotalCurve(_column(found, "time_ns", np.int64), rates, _column(found, "n", np.int64))

    async def traffic_sparks(self, entities: U64, start_ns: int, step_ns: int, slots: int) -> Sparks:
        """Mean octets per second in and out of each interface over `slots` steps, from the 5-minute tier."""
        return await self._sparks("interface_5m", ("in_octets_rate_mean", "out_octets_rate_mean"), entities, (start_ns, step_ns, slots))

    async def value_sparks(self, series: U64, start_ns: int, step_ns: int, slots: int) -> Sparks:
        """Mean value of each series of the narrow table over `slots` steps, from the 5-minute tier."""
        return await self._sparks("sample_5m", ("mean",), series, (start_ns, step_ns, slots))

    async def _sparks(self, table: str, columns: tuple[str, ...], keys: U64, grid: tuple[int, int, int]) -> Sparks:
        start_ns, step_ns, slots = grid
        values = np.full((len(columns), len(keys), slots), np.nan)
        rows = {int(found): row for row, found in enumerate(keys)}
        if not len(keys):
            return Sparks(rows, values)
        key = "entity" if table.startswith("interface") else "series"
        means = ", ".join(f"avgIf(toFloat64({column}), isFinite({column})) AS v{n}" for n, column in enumerate(columns))
        sql = (
            f"SELECT {key} AS k, intDiv({_TIME['tier']} - {{start:Int64}}, {{step:Int64}}) AS slot, {means} FROM {table} FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {key} IN {{keys:Array(UInt64)}} AND {_BOUNDS['tier']} GROUP BY k, slot"
        )
        span = {"start": start_ns, "step": step_ns, "end": start_ns + slots * step_ns}
        found = await self._client.query(sql, {"keys": keys.tolist(), **span})
        at = np.array([rows[int(k)] for k in _column(found, "k", np.uint64)], np.intp), _column(found, "slot", np.intp)
        for n in range(len(columns)):
            values[(n, *at)] = _column(found, f"v{n}", np.float64)
        return Sparks(rows, values)

    async def last(self, metric_name: str, entities: U64, since_ns: int) -> dict[int, tuple[int, float]]:
        """The last stored value of one metric of each entity: key -> (time_ns, value); absent when there is none."""
        metric = _metric(metric_name)
        wide = metric.entity == "interface"
        key = "entity" if wide else "bitShiftRight(series, 8)"
        chosen = "entity IN {keys:Array(UInt64)}" if wide else "series IN {keys:Array(UInt64)}"
        keys = entities if wide else entities << np.uint64(METRIC_BITS) | np.uint64(metric.code)
        table, value = ("interface_raw", _expression(metric, "")) if wide else ("sample_raw", "value")
        sql = (
            f"SELECT {key} AS k, toUnixTimestamp64Nano(max(time)) AS t, argMax(toFloat64({value}), time) AS v FROM {table} FINAL "  # noqa: S608 - names come from the schema, values are bound
            f"WHERE {chosen} AND time >= fromUnixTimestamp64Nano({{start:Int64}}) GROUP BY k {RAW_FINAL}"
        )
        found = await self._client.query(sql, {"keys": keys.tolist(), "start": since_ns})
        return {int(k): (int(t), float(v)) for k, t, v in zip(*(found.get(name, ()) for name in "ktv"), strict=True)}

    async def insert_interface_tier(self, tier: str, columns: dict[str, Any], version: int) -> None:
        """Store ready-made 5-minute rows (`entity`, `time_ns`, `in_octets`, `out_octets`, ...).

        Hours and days are computed from them by `Pipeline.finish_backfill`.
        """
        if tier != "5m":
            raise QueryError("only the 5-minute tier is stored ready-made; the others are computed from it")
        await self._client.insert("interface_5m", tier_columns(columns, self._names.speeds, version))


def _grouped(metric: Metric, rows: str, query: TopQuery) -> str:
    """Rows (k, time, v) by group: at each instant rates are added, ratios and readings averaged."""
    together = "sum" if metric.kind == "counter" else "avg"
    pairs = "arrayJoin(arrayFilter(p -> p.1 = k, arrayZip({entities:Array(UInt64)}, {groups:Array(UInt64)}))).2"
    if len(set(query.entities or ())) == len(query.entities or ()):
        pairs = "transform(k, {entities:Array(UInt64)}, {groups:Array(UInt64)}, toUInt64(0))"
    slots = f"SELECT {pairs} AS g, time, {together}(v) AS total FROM ({rows}) WHERE isFinite(v) GROUP BY g, time"  # noqa: S608 - names come from the schema, values are bound
    return f"SELECT g AS k, time, total AS v FROM ({slots})"  # noqa: S608 - as above


def _gridded(found: dict[str, npt.NDArray[Any]], query: GridQuery) -> Grid:
    cells = -(-(query.end_ns - query.start_ns) // query.width_ns)
    keys, row = np.unique(_column(found, "k", np.uint64), return_inverse=True)
    matrix = np.full((len(keys), cells), np.nan)
    matrix[row, _column(found, "cell", np.int64)] = _column(found, "value", np.float64)
    order = np.lexsort((keys, -np.nan_to_num(np.nanmean(matrix, axis=1)))) if len(keys) else np.zeros(0, np.intp)
    return Grid(keys[order], query.start_ns + np.arange(cells, dtype=np.int64) * query.width_ns, matrix[order])


def _largest(parts: list[Top], limit: int) -> Top:
    """The first of several lists together, in the order of each."""
    entity, value = np.concatenate([part.entity for part in parts]), np.concatenate([part.value for part in parts])
    order = np.lexsort((entity, -value))[:limit]
    return Top(entity[order], value[order])


_STATISTIC = {f"p{n}": f"quantileExact(0.{n})" for n in (50, 90, 95, 98, 99)} | {"min": "min", "mean": "avg", "max": "max"}
_SPREAD = {"p5": 0.05, "p50": 0.5, "p95": 0.95, "p100": 1.0}
_SHARES = {f"p{n}": n / 100 for n in (50, 90, 95, 98, 99)}
_HISTORY_COLUMNS: dict[str, Any] = {"k": np.uint64, "time_ns": np.int64, "v": np.float64, "w": np.float64}
_RANGE_COLUMNS = ("time_ns", "low", "value", "high", "quality")


def unit_of(metric: Metric) -> str:
    """The unit of a curve: a counter is drawn as its rate."""
    return f"{metric.unit}/s" if metric.kind == "counter" else metric.unit


def _metric(name: str) -> Metric:
    metric = metrics_by_name().get(name)
    if metric is None:
        raise QueryError(f"{name!r} is no metric")
    return metric


def _tier(metric: Metric, query: RangeQuery) -> str:
    """The finest tier that gives at most a few rows a point; narrow metrics have raw and 5 minutes."""
    span_s = (query.end_ns - query.start_ns) / NS_PER_S
    step_s = span_s / query.points
    if (span_s <= RAW_SPAN_S and step_s < TIER_S["5m"]) or metric.kind == "state":
        return "raw"
    if metric.entity != "interface":
        return "5m"
    return "5m" if step_s < TIER_S["1h"] else "1h" if step_s < TIER_S["1d"] else "1d"


def _range_sql(metric: Metric, tier: str) -> str:
    wide, kind = metric.entity == "interface", "raw" if tier == "raw" else "tier"
    if wide:
        low, value, high = (_expression(metric, "" if tier == "raw" else f"_{statistic}") for statistic in ("min", "mean", "max"))
        quality = "quality" if tier == "raw" else "if(good = count, 0, if(reset > 0, 5, if(suspect > 0, 6, 4)))"
        there = f"AND {_presence(metric)}" if tier == "raw" else ""
    else:
        low, value, high = ("value", "value", "value") if tier == "raw" else ("min", "mean", "max")
        quality, there = ("quality" if tier == "raw" else "0"), ""
    table = f"{'interface' if wide else 'sample'}_{tier}"
    return (
        f"SELECT {_TIME[kind]} AS time_ns, {low} AS low, {value} AS value, {high} AS high, {quality} AS quality FROM {table} FINAL "  # noqa: S608 - names come from the schema, values are bound
        f"WHERE {'entity' if wide else 'series'} = {{key:UInt64}} AND {_BOUNDS[kind]} {there} ORDER BY time_ns LIMIT 200000 "
        f"{RAW_FINAL if tier == 'raw' else ''}"
    )


def _expression(metric: Metric, suffix: str) -> str:
    """The metric over the columns of interface_raw (suffix "") or of a tier ("_min", "_mean", "_max")."""
    short = metric.name.removeprefix("interface.")
    if short in COUNTERS:
        return f"{short}_rate{suffix}"
    if short in RATES:
        return f"{short}{suffix}"
    if short == "availability":
        return "if(admin_status = 1, toFloat64(oper_status = 1), nan)" if not suffix else "availability"
    if short in STATES:
        return f"toFloat64({short})"
    kpi = next((kpi for kpi in kpis() if kpi.metric == metric.name), None)
    if kpi is None:
        raise QueryError(f"{metric.name} is not stored")
    return _formula_expression(kpi.formula, suffix)


def _formula_expression(formula: Formula, suffix: str) -> str:
    def column(name: str) -> str:
        return "toFloat64(speed_bps)" if name == SPEED else f"toFloat64({name}_rate{suffix})"

    return f"ifNull({formula.sql(column)}, nan)"


def _daily_columns(metric: Metric, statistic: DailyStatistic) -> tuple[str, str, str, str]:
    """(entity key, table, value of a row, what a day makes of them)."""
    if statistic == "unsettled":
        if metric.name != "interface.oper_status":
            raise QueryError(f"{metric.name}: only interface.oper_status is unsettled")
        return "entity", "interface_5m", "availability", "countIf(v > 0 AND v < 1)"
    if metric.entity == "interface":
        if metric.kind == "state":
            raise QueryError(f"{metric.name}: a state has no {statistic}")
        tier, suffix = ("1h", "_mean") if statistic == "busy_hour" else ("1d", f"_{statistic}")
        return "entity", f"interface_{tier}", _expression(metric, suffix), "max(v)"
    if statistic == "busy_hour":
        raise QueryError(f"{metric.name}: busy hours are of rates and ratios of interfaces")
    return "bitShiftRight(series, 8)", "sample_5m", statistic, f"{'avg' if statistic == 'mean' else statistic}(v)"


def _presence(metric: Metric) -> str:
    """Rows that hold the metric: its own bit, or any counter for a derived one."""
    if metric.name == "interface.availability":
        return "bitAnd(present, 768) = 768"
    return f"bitTest(present, {metric.code - 1})" if not metric.derived else "bitAnd(present, 255) != 0"


def _column(found: dict[str, npt.NDArray[Any]], name: str, dtype: Any) -> npt.NDArray[Any]:
    return found[name].astype(dtype, copy=False) if name in found else np.zeros(0, dtype)
