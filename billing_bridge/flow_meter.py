"""A second meter of each port: what flow records say went through it, against what its own counters said.

The two count different things: a port counts frames (RFC 3635, section 3.2.4: header and FCS of 18 octets, a tag 4 more), a
flow record the octets of IP packets. What is left when the frames of its packets are added is a difference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from billing_bridge.guiding import current_records
from billing_bridge.points import metering_points
from billing_bridge.portions import Span
from billing_bridge.reconcile import TOLERANCE_PPM
from billing_bridge.usage import MeterKind
from collectors.flow_query import FlowQuery, FlowStore
from station.clock import NS_PER_S
from station.scope import Role, Scope

FRAME_LEAST: Final = 18  # octets of a frame around its packet
FRAME_MOST: Final = 26  # with two tags


@dataclass(frozen=True, slots=True)
class Flowed:
    """Octets and packets of flow records, in and out together."""

    octets: int
    packets: int


class Flows(Protocol):
    """Who knows what flows went through interfaces, by entity key, in [start, end) seconds."""

    async def by_entity(self, start_s: int, end_s: int) -> Mapping[int, Flowed]: ...


@dataclass(frozen=True, slots=True)
class StoredFlows:
    """The telemetry store's flows."""

    store: FlowStore

    async def by_entity(self, start_s: int, end_s: int) -> Mapping[int, Flowed]:
        found: dict[int, Flowed] = {}
        for way in (await self.store.ways(FlowQuery("interface", start_s, end_s))).values():
            if not way.rows:
                continue
            for entity, octets, packets in zip(*(way.rows[name].tolist() for name in ("entity", "octets", "packets")), strict=True):
                before = found.get(entity, Flowed(0, 0))
                found[entity] = Flowed(before.octets + octets, before.packets + packets)
        found.pop(0, None)  # interfaces that the inventory does not know
        return found


async def against_flows(
    conn: AsyncConnection, scope: Scope, span: Span, flows: Flows, tolerance_ppm: int = TOLERANCE_PPM
) -> list[dict[str, Any]]:
    """Each measured port that flows went through, by name: octets by both meters, and a verdict.

    `agree`; `framing`: the difference is the frames of the flow's packets; `more_by_flow` or `less_by_flow`: it is not, and a
    person looks (sampling, an exporter that was away, a port that is metered in one direction alone).
    """
    scope.require(Role.BILLING, "reconciling usage")
    counted: dict[str, int] = {}
    for record in await current_records(conn, scope.tenant, span.start_ns, span.end_ns, span.known_ns):
        if record["meter"] == MeterKind.VOLUME:
            counted[record["metering_point"]] = counted.get(record["metering_point"], 0) + record["in_octets"] + record["out_octets"]
    flowed = await flows.by_entity(span.start_ns // NS_PER_S, -(-span.end_ns // NS_PER_S))
    rows = [
        {"metering_point": point.id, "resource": f"{point.device} {point.name}"}
        | compared(counted[point.id], flowed[point.entity_key], tolerance_ppm)
        for point in await metering_points(conn, scope.tenant)
        if point.id in counted and point.entity_key in flowed
    ]
    return sorted(rows, key=lambda row: (row["resource"], row["metering_point"]))


def compared(interface: int, flow: Flowed, tolerance_ppm: int = TOLERANCE_PPM) -> dict[str, Any]:
    """Two meters of one port."""
    slack = max(interface, flow.octets) * tolerance_ppm // 1_000_000
    said: dict[str, Any] = {"interface_octets": interface, "flow_octets": flow.octets, "packets": flow.packets}
    said["difference_ppm"] = abs(interface - flow.octets) * 1_000_000 // max(interface, flow.octets, 1)
    framed = (flow.octets + FRAME_LEAST * flow.packets - slack, flow.octets + FRAME_MOST * flow.packets + slack)
    if abs(interface - flow.octets) <= slack:
        return said | {"verdict": "agree"}
    if framed[0] <= interface <= framed[1]:
        return said | {"verdict": "framing"}
    return said | {"verdict": "more_by_flow" if flow.octets > interface else "less_by_flow"}
