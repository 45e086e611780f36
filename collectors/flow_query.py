"""Questions to the table `flow`: who sent most over a span, by interface, prefix, AS, application or customer.

A packet is metered wherever flows are metered on its way. `counted = "entering"` takes it once, where it comes in at an
interface that is no end of a link of the inventory; `"every hop"` takes all that routers saw coming in. A router that
meters an interface in both directions says the same packet twice: what comes in is taken from ingress records, what goes
out from egress records where the interface has any, else from the ingress records of the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from station.telemetry.client import Columns, TelemetryClient

By = Literal["interface", "source_prefix", "destination_prefix", "source_as", "destination_as", "application", "customer"]
Counted = Literal["entering", "every hop"]
LIMIT_MAX: Final = 200
INTERFACES_MAX: Final = 50_000  # of which one answer is made up
SPAN_MAX_S: Final = 400 * 86_400
CURVE_SLOTS: Final = 60
MINUTE_S: Final = 60

_KEYS: Final = {
    "source_prefix": ("source_high", "source_low"),
    "destination_prefix": ("destination_high", "destination_low"),
    "source_as": ("source_as",),
    "destination_as": ("destination_as",),
    "application": ("protocol", "port"),
}
_WAYS: Final = ("in", "out")
_BOUNDS: Final = "time >= fromUnixTimestamp({start:Int64}) AND time < fromUnixTimestamp({end:Int64})"


class FlowQueryError(ValueError):
    """It cannot be asked so; the text says why."""


@dataclass(frozen=True, slots=True)
class FlowQuery:
    """The largest `limit` by octets in [start, end) (UTC seconds, whole minutes are counted whole).

    `interface` (entity key) narrows to what came in there and went out there. `within` names the entity keys that the
    asker may see, None all of them; `inner` are the ends of known links.
    """

    by: By
    start_s: int
    end_s: int
    limit: int = 20
    counted: Counted = "entering"
    interface: int = 0
    device: int = 0
    within: Sequence[int] | None = None
    inner: Sequence[int] = ()
    keys: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise FlowQueryError(f"by is one of {', '.join(get_args(By))}")
        if not 0 <= self.start_s < self.end_s or self.end_s - self.start_s > SPAN_MAX_S:
            raise FlowQueryError(f"the span begins before it ends and is at most {SPAN_MAX_S // 86_400} days long")
        if not 1 <= self.limit <= LIMIT_MAX:
            raise FlowQueryError(f"limit is 1 to {LIMIT_MAX}")
        object.__setattr__(self, "keys", _KEYS.get(self.by, ()))

    @property
    def step_s(self) -> int:
        """The width of a curve's slots: whole minutes, at most CURVE_SLOTS of them."""
        minutes = -(-(self.end_s - self.start_s) // MINUTE_S)
        return -(-minutes // CURVE_SLOTS) * MINUTE_S

    def parameters(self) -> dict[str, Any]:
        lists = {"within": list(self.within or ()), "inner": list(self.inner)}
        return {"start": self.start_s, "end": self.end_s, "limit": self.limit, "interface": self.interface, "device": self.device, **lists}

    def rows(self) -> str:
        """The condition on rows that says what is counted, and what of it may be seen."""
        wanted = [_BOUNDS, *self._seen()]
        if self.device:
            wanted.append("device = {device:UInt32}")
        if self.interface:
            wanted.append(f"({_came_in('in_entity = {interface:UInt64}')} OR {_went_out('out_entity = {interface:UInt64}')})")
        else:
            wanted.append(_came_in("1"))
            if self.counted == "entering" and not self.device:
                wanted.append("in_entity NOT IN {inner:Array(UInt64)}")
        return " AND ".join(wanted)

    def way(self, way: str) -> str:
        """The condition on rows for what came in at, or went out of, each interface."""
        wanted = [_BOUNDS, _came_in("1") if way == "in" else _went_out("out_if > 0")]
        if self.within is not None:
            wanted.append(f"{way}_entity IN {{within:Array(UInt64)}}")
        if self.device:
            wanted.append("device = {device:UInt32}")
        if self.interface:
            wanted.append(f"{way}_entity = {{interface:UInt64}}")
        return " AND ".join(wanted)

    def _seen(self) -> list[str]:
        return [] if self.within is None else ["(in_entity IN {within:Array(UInt64)} OR out_entity IN {within:Array(UInt64)})"]


def _came_in(which: str) -> str:
    """Ingress records; those of a device that has only egress records, as they are."""
    both = f"direction = 0 OR device NOT IN (SELECT device FROM flow WHERE {_BOUNDS} AND direction = 0)"  # noqa: S608 - no value is put in
    return f"({which} AND ({both}))"


def _went_out(which: str) -> str:
    most = f"SELECT device, out_if, max(direction) FROM flow WHERE {_BOUNDS} GROUP BY device, out_if"  # noqa: S608 - no value is put in
    return f"({which} AND (device, out_if, direction) IN ({most}))"


@dataclass(frozen=True, slots=True)
class FlowTop:
    """The largest, and what all rows that were counted come to. `rows`: columns, `octets` and `packets` among them."""

    rows: Columns
    octets: int
    groups: int


class FlowStore:
    """Reads the table `flow`; its rows are written by `collectors.inputs.flow`."""

    def __init__(self, client: TelemetryClient) -> None:
        self._client = client

    async def top(self, query: FlowQuery) -> FlowTop:
        """The largest by prefix, AS or application."""
        assert query.keys, query.by
        return await self._largest(query, {name: name for name in query.keys}, query.rows(), query.limit)

    async def ways(self, query: FlowQuery) -> dict[str, FlowTop]:
        """By way ("in", "out"): every interface it came through, with columns `device`, `entity`, `interface` (ifIndex of one unknown)."""
        found = {}
        for way in _WAYS:
            names = {"device": "device", "entity": f"{way}_entity", "interface": f"if({way}_entity > 0, 0, {way}_if)"}
            found[way] = await self._largest(query, names, query.way(way), INTERFACES_MAX)
        return found

    async def curve(self, query: FlowQuery) -> dict[int, float]:
        """Octets of all rows that are counted, by slot of `query.step_s` from the start; a slot without any is absent."""
        sql = (
            "SELECT intDiv(toInt64(toUnixTimestamp(time)) - {start:Int64}, {step:Int64}) AS slot, sum(octets) AS octets "  # noqa: S608 - no value is put in
            f"FROM flow FINAL WHERE {query.rows()} GROUP BY slot"
        )
        found = await self._client.query(sql, {**query.parameters(), "step": query.step_s})
        return dict(zip(found["slot"].tolist(), found["octets"].tolist(), strict=True)) if found else {}

    async def _largest(self, query: FlowQuery, names: Mapping[str, str], rows: str, limit: int) -> FlowTop:
        """Sums by some expressions, the largest `limit` of them."""
        keys = ", ".join(f"{expression} AS k{n}" for n, expression in enumerate(names.values()))
        by = ", ".join(f"k{n}" for n in range(len(names)))
        sums = "sum(octets) AS o, sum(packets) AS p, sum(flows) AS f"
        grouped = f"SELECT {keys}, {sums} FROM flow FINAL WHERE {rows} GROUP BY {by}"  # noqa: S608 - names of columns; values are bound
        sql = (
            f"SELECT {by}, o, p, f, sum(o) OVER () AS whole, count() OVER () AS groups "  # noqa: S608 - as above
            f"FROM ({grouped}) ORDER BY o DESC, {by} LIMIT {{limit:UInt32}}"
        )
        found = await self._client.query(sql, {**query.parameters(), "limit": limit})
        if not found or not len(found["o"]):
            return FlowTop({}, 0, 0)
        named = {"octets": found["o"], "packets": found["p"], "flows": found["f"]}
        named |= {name: found[f"k{n}"] for n, name in enumerate(names)}
        return FlowTop(named, int(found["whole"][0]), int(found["groups"][0]))
