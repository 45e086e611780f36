"""From datagrams of exporters to rows of the telemetry store: sums, prefixes, interfaces, bounds."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import flow_totals
from collectors.codecs.flow import FLOW, MAPPED_IPV4, text_of
from collectors.flow_totals import prefixes, stored, totals
from collectors.inputs.flow import Flow, FlowSettings
from inventory.topology import Entity, Topology
from station.clock import SystemClock
from station.series import Array
from station.telemetry import schema
from station.telemetry.client import TelemetryClient, TelemetryUnavailableError
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess
from tests.collectors.test_flow import BASIC, field_set, record, template, v9
from tests.ports import UDP, free_port

PORT = Entity(7 << 16 | 1, "if-1", "interface", "xe-0/0/1", if_index=3)
NETWORK = Topology(addresses={"127.0.0.1": 7}, entities={PORT.key: PORT})
DATAGRAM = v9(field_set(0, template(300, BASIC)), field_set(300, record() + record(500, 5)))


def flows(n: int, **columns: Any) -> Array:
    out = np.zeros(n, FLOW)
    out["sampling"] = 1
    for name, value in columns.items():
        out[name] = value
    return out


def test_what_has_one_key_is_one_row_and_sampling_scales_it() -> None:
    (row,) = totals(
        flows(
            3,
            octets=[100, 200, 1],
            packets=1,
            sampling=[1, 10, 1000],
            source_port=[50_000, 50_001, 443],
            destination_port=[443, 443, 50_002],
        )
    )
    assert (int(row["octets"]), int(row["packets"]), int(row["flows"]), int(row["port"])) == (3100, 1011, 3, 443)


def test_addresses_are_cut_to_prefixes() -> None:
    low = np.array([0xC000_0201, 0x1234], np.uint64)
    high = np.array([0, 0x2001_0DB8_0000_0001], np.uint64)
    found = prefixes(high, np.where(high == 0, low | MAPPED_IPV4, low))
    assert [text_of(int(h), int(lo)) for h, lo in zip(*found, strict=True)] == ["192.0.2.0", "2001:db8::"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1 << 40), st.integers(1, 1000)), max_size=60), st.integers(1, 30))
def test_nothing_is_lost_in_a_sum_however_small_the_table(rows: list[tuple[int, int, int]], limit: int) -> None:
    made = flows(len(rows), source_as=[row[0] for row in rows], octets=[row[1] for row in rows], sampling=[row[2] for row in rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_totals, "ROWS_MAX", limit)
        found = totals(made)
    assert sum(int(one) for one in found["octets"]) == sum(row[1] * row[2] for row in rows)
    assert int(found["flows"].sum()) == len(rows)
    assert len(found) <= limit + 1


def test_interfaces_of_the_inventory_are_named_by_their_key() -> None:
    columns = stored(totals(flows(1, exporter=9, in_if=3, out_if=4)), {9: 7}, NETWORK)
    assert (columns["device"].tolist(), columns["in_entity"].tolist(), columns["out_entity"].tolist()) == ([7], [PORT.key], [0])


class Sink:
    """Takes rows as the store would, or refuses them."""

    def __init__(self, *, up: bool = True) -> None:
        self.up, self.written = up, list[Mapping[str, Any]]()

    async def write(self, table: str, columns: Mapping[str, Any], token: str) -> None:
        assert (table, token[:5]) == ("flow", "flow-")
        if not self.up:
            raise TelemetryUnavailableError("down")
        self.written.append(columns)


def station(sink: Sink, **settings: Any) -> Flow:
    return Flow(FlowSettings(**settings), lambda: NETWORK, SystemClock(), sink.write)


async def test_a_stranger_is_not_heard_and_a_store_that_is_down_stops_nothing() -> None:
    sink = Sink(up=False)
    flow = station(sink)
    flow.take(DATAGRAM, "203.0.113.9")
    await flow.flush()
    flow.take(DATAGRAM, "127.0.0.1")
    await flow.flush()
    sink.up = True
    flow.take(v9(field_set(300, record()), sequence=1), "127.0.0.1")
    await flow.flush()
    assert [written["octets"].tolist() for written in sink.written] == [[1000]]


async def test_datagrams_over_udp_become_rows() -> None:
    sink = Sink()
    port = free_port(UDP)
    task = asyncio.create_task(station(sink, netflow_port=port, interval_s=1).run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(DATAGRAM, ("127.0.0.1", port))
    async with asyncio.timeout(60):
        while not sink.written:
            await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (sink.written[0]["octets"].tolist(), sink.written[0]["packets"].tolist()) == ([1500], [15])


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TelemetryClient]:
    async with OwnerProcess(tmp_path / "telemetry") as owner:
        made = TelemetryClient(owner.url)
        await schema.create(made, TelemetrySettings())
        yield made
        await made.close()


@pytest.mark.slow
async def test_the_store_adds_up_what_belongs_together(client: TelemetryClient) -> None:
    flow = Flow(FlowSettings(), lambda: NETWORK, SystemClock(), client.insert)
    flow.take(DATAGRAM, "127.0.0.1")
    await flow.flush()
    found = await client.query("SELECT in_entity, port, sum(octets) AS octets, sum(packets) AS packets FROM flow GROUP BY in_entity, port")
    assert [found[name].tolist() for name in ("in_entity", "port", "octets", "packets")] == [[PORT.key], [443], [1500], [15]]
