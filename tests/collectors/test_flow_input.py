"""From datagrams of exporters to rows of the telemetry store: sums, prefixes, interfaces, bounds."""

import asyncio
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import flow_totals
from collectors.codecs.flow import FLOW, MAPPED_IPV4, text_of
from collectors.flow_spool import FLOW_BLOCKS, FlowSpool
from collectors.flow_totals import FLOW_UNBELIEVABLE, prefixes, stored, totals
from collectors.inputs.flow import Flow, FlowSettings
from inventory.topology import Entity, Topology
from station.clock import SystemClock
from station.journal import Journal
from station.series import Array
from station.telemetry.client import TelemetryError, TelemetryUnavailableError
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
    columns = stored(totals(flows(1, exporter=9, in_if=3, out_if=4)), {9: 7}, NETWORK, 1)
    assert (columns["device"].tolist(), columns["in_entity"].tolist(), columns["out_entity"].tolist()) == ([7], [PORT.key], [0])


class Sink:
    """Takes blocks of rows as the store would, or does not answer, or refuses them."""

    def __init__(self, *, down: int = 0, refuses: bool = False) -> None:
        self.down, self.refuses, self.written = down, refuses, list[Mapping[str, Any]]()

    async def insert(self, table: str, payload: bytes) -> None:
        assert table == "flow"
        if self.refuses:
            raise TelemetryError("no such column", 16)
        if self.down:
            self.down -= 1
            raise TelemetryUnavailableError("down")
        self.written.append({name: np.array(column) for name, column in json.loads(payload).items()})


def encode(columns: Mapping[str, Any]) -> bytes:
    """Columns in a form that a test can read again; the store's own is tried with a store."""
    return json.dumps({name: np.asarray(column).tolist() for name, column in columns.items()}).encode()


class Stations:
    """Makes receivers and spools on one folder, and closes their files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder / "flow", list[FlowSpool]()

    def spool(self, sink: Sink, limit_bytes: int = 1 << 20) -> FlowSpool:
        self.made.append(FlowSpool(Journal(self.folder, limit_bytes), sink.insert))
        return self.made[-1]

    def flow(self, sink: Sink, **settings: Any) -> Flow:
        return Flow(FlowSettings(**settings), lambda: NETWORK, SystemClock(), self.spool(sink))


@pytest.fixture
def stations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stations]:
    monkeypatch.setattr("collectors.inputs.flow.encode", encode)
    made = Stations(tmp_path)
    yield made
    for one in made.made:
        one.close()


async def running(one: Flow | FlowSpool, until: Callable[[], bool]) -> None:
    """Let it run until that holds."""
    task = asyncio.create_task(one.run())
    async with asyncio.timeout(60):
        while not until():
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stranger_is_not_heard(stations: Stations) -> None:
    flow = stations.flow(Sink())
    flow.take(DATAGRAM, "203.0.113.9")
    assert await flow.flush() == 0
    assert flow.exporters() == []


async def test_a_store_that_is_down_gets_its_rows_later(stations: Stations) -> None:
    sink = Sink(down=2)
    flow = stations.flow(sink, netflow_port=0)
    flow.take(DATAGRAM, "127.0.0.1")
    assert await flow.flush() == 1
    await running(flow, lambda: bool(sink.written))
    assert [written["octets"].tolist() for written in sink.written] == [[1500]]


async def test_an_ordered_stop_keeps_what_was_heard_since_the_last_interval(stations: Stations) -> None:
    flow = stations.flow(Sink(), netflow_port=0, interval_s=60)
    task = asyncio.create_task(flow.run())
    await asyncio.sleep(0)
    flow.take(DATAGRAM, "127.0.0.1")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    again = Sink()
    await running(stations.spool(again), lambda: bool(again.written))
    assert again.written[0]["octets"].tolist() == [1500]


async def test_what_was_journalled_reaches_the_store_after_a_restart(stations: Stations) -> None:
    flow = stations.flow(Sink())
    flow.take(DATAGRAM, "127.0.0.1")
    await flow.flush()
    flow.take(v9(field_set(300, record(7, 1)), sequence=1), "127.0.0.1")
    await flow.flush()
    again = Sink()
    await running(stations.spool(again), lambda: len(again.written) == 2)
    assert [written["octets"].tolist() for written in again.written] == [[1500], [7]]
    later = Sink()
    task = asyncio.create_task(stations.spool(later).run())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert later.written == []


async def test_a_full_journal_drops_the_newest_and_counts_them(stations: Stations) -> None:
    sink = Sink()
    full = stations.spool(sink, limit_bytes=2000)
    before = FLOW_BLOCKS.labels("dropped")._value.get()
    rows = encode({"octets": np.arange(300, dtype=np.uint64)})
    assert [await full.put(rows) for _ in range(3)] == [1, 0, 0]
    assert FLOW_BLOCKS.labels("dropped")._value.get() - before == 2
    await running(full, lambda: full.last_stored == 1)
    assert len(sink.written) == 1


async def test_rows_that_the_store_refuses_do_not_stop_the_next(stations: Stations) -> None:
    sink = Sink(refuses=True)
    one = stations.spool(sink)
    await one.put(encode({"octets": np.arange(3, dtype=np.uint64)}))
    await running(one, lambda: one.last_stored == 1)
    sink.refuses = False
    await one.put(encode({"octets": np.arange(2, dtype=np.uint64)}))
    await running(one, lambda: bool(sink.written))
    assert sink.written[0]["octets"].tolist() == [0, 1]


def test_a_record_of_more_than_a_line_can_carry_is_left_out() -> None:
    before = FLOW_UNBELIEVABLE._value.get()
    rows = totals(flows(3, octets=[1 << 63, 1 << 44, 9], sampling=[1, 1 << 20, 2], packets=1))
    assert (rows["octets"].tolist(), FLOW_UNBELIEVABLE._value.get() - before) == ([18], 2)


async def test_datagrams_over_udp_become_rows(stations: Stations) -> None:
    sink = Sink()
    port = free_port(UDP)
    flow = stations.flow(sink, netflow_port=port, interval_s=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def heard() -> bool:
            if not sink.written:
                sender.sendto(DATAGRAM, ("127.0.0.1", port))
            return bool(sink.written)

        await running(flow, heard)
    one = sink.written[0]
    assert (int(one["octets"].sum()) % 1500, one["device"].tolist(), one["in_entity"].tolist()) == (0, [7], [PORT.key])


async def test_an_exporter_is_told_by_what_it_sent(stations: Stations) -> None:
    flow = stations.flow(Sink())
    flow.take(DATAGRAM, "127.0.0.1")
    flow.take(v9(field_set(301, record()), sequence=9), "127.0.0.1")
    await flow.flush()
    (one,) = flow.exporters()
    assert [one[name] for name in ("device_no", "datagrams", "records", "lost", "refused", "sampling")] == [7, 2, 2, 8, 1, []]
