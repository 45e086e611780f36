"""Usage as people and programs read it: one row per portion of a current record, in a fixed order, within a scope."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import FOREVER_NS, by_start, current_records, latest_guiding
from billing_bridge.points import MeteringPoint, metering_points
from billing_bridge.store import usage_billed, usage_rated
from billing_bridge.usage import UsageState
from station.scope import Scope
from station.web import iso

Row = Mapping[str, Any]
UNIT = "octet"


@dataclass(frozen=True, slots=True)
class Span:
    """Records that begin within [start_ns, end_ns), as known at `known_ns`; of one service, or of all ("")."""

    start_ns: int
    end_ns: int
    service: str = ""
    known_ns: int = FOREVER_NS


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a portion stands in the order of a list; as text it is the cursor of a page."""

    start_ns: int
    metering_point: str
    meter: str
    portion: int

    @classmethod
    def of(cls, row: Row) -> Self:
        return cls(row["start_ns"], row["metering_point"], row["meter"], row["portion"])

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError when the text is no place."""
        start_ns, metering_point, meter, portion = text.split("~")
        return cls(int(start_ns), metering_point, meter, int(portion))

    def __str__(self) -> str:
        return f"{self.start_ns}~{self.metering_point}~{self.meter}~{self.portion}"


async def portions(conn: AsyncConnection, scope: Scope, span: Span) -> list[dict[str, Any]]:
    """The portions in the scope's view, by `Place`; `state` is guided or recycled, as mediation decided.

    Times are nanoseconds (`from_ns`, `to_ns`, `since_ns`) and RFC 3339 text (`from`, `to`, `since`); `quantity` is octets
    in and out together.
    """
    points = {point.id: point for point in await metering_points(conn, scope.tenant)}
    records = {row["id"]: row for row in await current_records(conn, scope.tenant, span.start_ns, span.end_ns, span.known_ns)}
    guided = await latest_guiding(conn, scope.tenant, records.values(), span.known_ns)
    rows = (_row(records[id_], portion, points.get(records[id_]["metering_point"])) for id_, parts in guided.items() for portion in parts)
    return sorted(_seen(rows, scope, span.service), key=Place.of)


def _seen(rows: Iterator[dict[str, Any]], scope: Scope, service: str) -> Iterator[dict[str, Any]]:
    for row in rows:
        mine = (not scope.customers or row["customer_id"] in scope.customers) and (not scope.regions or row["region"] in scope.regions)
        if mine and service in ("", row["service_id"]):
            yield row


def _row(record: Row, portion: Row, point: MeteringPoint | None) -> dict[str, Any]:
    own = {name: record[name] for name in ("id", "metering_point", "meter", "revision", "start_ns", "evidence", "chain")}
    names = (
        "portion",
        "guide_rev",
        "state",
        "reason",
        "service_id",
        "customer_id",
        "in_octets",
        "out_octets",
        "from_ns",
        "to_ns",
        "since_ns",
    )
    own |= {name: portion[name] for name in names}
    own |= {"from": iso(own["from_ns"]), "to": iso(own["to_ns"]), "since": iso(own["since_ns"])}
    own |= {"resource": f"{point.device} {point.name}" if point else "", "region": point.region if point else ""}
    return own | {"quantity": own["in_octets"] + own["out_octets"], "unit": UNIT}


async def with_progress(conn: AsyncConnection, tenant: int, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with how far billing has come as `state`: a guided portion that was priced is rated, then billed."""
    rated: dict[tuple[str, int, int], str] = {}
    billed: set[tuple[str, int]] = set()
    r, b = usage_rated.c, usage_billed.c
    for start_ns, ids in by_start((row["start_ns"], row["id"]) for row in rows):
        where_rated = (r.tenant == tenant, r.start_ns == start_ns, r.record_id.in_(ids))
        query = sa.select(r.record_id, r.guide_rev, r.portion, r.state).where(*where_rated).order_by(r.seq)
        rated.update({(row.record_id, row.guide_rev, row.portion): row.state for row in await conn.execute(query)})
        where_billed = (b.tenant == tenant, b.start_ns == start_ns, b.record_id.in_(ids))
        billed |= {(row.record_id, row.portion) for row in await conn.execute(sa.select(b.record_id, b.portion).where(*where_billed))}
    return [row | _progress(row, rated, billed) for row in rows]


def _progress(row: Row, rated: Mapping[tuple[str, int, int], str], billed: set[tuple[str, int]]) -> dict[str, Any]:
    """`zero_rated`: no charge of the tariff uses this meter."""
    priced = rated.get((row["id"], row["guide_rev"], row["portion"]))
    if row["state"] != UsageState.GUIDED or priced is None:
        return {"zero_rated": False}
    if (row["id"], row["portion"]) in billed:
        return {"state": UsageState.BILLED.value, "zero_rated": False}
    rerated = priced == UsageState.RERATED
    return {"state": (UsageState.RERATED if rerated else UsageState.RATED).value, "zero_rated": priced == "zero_rated"}
