"""Flows in a real store, asked for as people ask: each packet once, both ways of an interface, and no more than one may see."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient

from collectors.codecs.flow import FLOW, MAPPED_IPV4
from collectors.flow_api import router
from collectors.flow_query import FlowQuery, FlowQueryError, FlowStore
from collectors.flow_spool import FlowSpool
from collectors.flow_totals import stored, totals
from collectors.inputs.flow import Flow, FlowSettings
from dashboards import problems
from inventory.topology import Customer, Device, Entity, Link, Service, Site, Topology
from perf.visible import visible
from station.clock import SystemClock
from station.journal import Journal
from station.scope import Role, Scope
from station.telemetry import schema
from station.telemetry.client import TelemetryClient, encode
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess
from station.web import iso

S = 1_000_000_000
START_S = int(time.time()) // 60 * 60 - 3_600  # young enough to stay in the table
EDGE, CORE, FAR, PEER = 1 << 16 | 1, 1 << 16 | 2, 2 << 16 | 1, 2 << 16 | 2
NORTH = Scope(1, Role.VIEWER, "north", regions=("north",))
SPAN = f"from={iso(START_S * S)}&to={iso((START_S + 600) * S)}"


def network() -> Topology:
    """A customer's router and a peer's, with one link between them."""
    ports = [(EDGE, "ge-0/0/1", 11), (CORE, "xe-0/1/0", 12), (FAR, "xe-0/1/0", 21), (PEER, "ge-0/0/9", 22)]
    return Topology(
        1,
        {"s1": Site("s1", "Hamburg", "north"), "s2": Site("s2", "Berlin", "east")},
        {1: Device(1, "d1", "ham", "s1", "192.0.2.1"), 2: Device(2, "d2", "ber", "s2", "192.0.2.2")},
        {key: Entity(key, f"e{key}", "interface", name, if_index=index) for key, name, index in ports},
        {"l": Link("l", CORE, FAR)},
        {"c1": Customer("c1", "1", "Nordlicht")},
        {"v1": Service("v1", "S-1", "Internet", "c1", access=(EDGE,))},
        {"192.0.2.1": 1, "192.0.2.2": 2},
    )


def rows(*flows: dict[str, Any]) -> Any:
    out = np.zeros(len(flows), FLOW)
    out["sampling"], out["time_ns"], out["protocol"], out["packets"] = 1, START_S * S, 6, 1
    for n, flow in enumerate(flows):
        for name, value in flow.items():
            out[name][n] = value
    return out


def up(octets: int, **more: Any) -> list[dict[str, Any]]:
    """A flow from the customer through both routers, as each of them meters it coming in."""
    base = {"octets": octets, "source_low": int(MAPPED_IPV4) | 0xC633_6401, "source_port": 50_000, "destination_port": 443, **more}
    return [{"exporter": 1, "in_if": 11, "out_if": 12, **base}, {"exporter": 2, "in_if": 21, "out_if": 22, **base}]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TelemetryClient]:
    async with OwnerProcess(tmp_path / "telemetry") as owner:
        made = TelemetryClient(owner.url)
        await schema.create(made, TelemetrySettings())
        yield made
        await made.close()


async def put(client: TelemetryClient, *flows: dict[str, Any], block: int = 1, twice: bool = False) -> None:
    payload = encode(stored(totals(rows(*flows)), {1: 1, 2: 2}, network(), block))
    for _ in range(1 + twice):
        await client.insert_stream("flow", payload)


def web(client: TelemetryClient, folder: Path, scope: Scope) -> AsyncClient:
    """The API as this scope sees it."""
    app = FastAPI()
    problems.install(app)
    flow = Flow(FlowSettings(), network, SystemClock(), FlowSpool(Journal(folder / "spool", 1 << 20), client.insert_stream))
    app.include_router(router(flow, FlowStore(client), network, visible))

    @app.middleware("http")
    async def signed_in(request: Request, call_next: Any) -> Any:
        request.state.scope = scope
        return await call_next(request)

    return AsyncClient(transport=ASGITransport(app), base_url="http://station")


@pytest.mark.slow
async def test_the_largest_by_everything_that_can_be_asked(client: TelemetryClient, tmp_path: Path) -> None:
    await put(client, *up(1000, source_as=64500), *up(500, destination_port=53, protocol=17, time_ns=(START_S + 120) * S))
    await put(client, *up(1000, source_as=64500), block=2, twice=True)
    await put(client, {"exporter": 2, "in_if": 22, "out_if": 21, "octets": 70, "source_port": 443, "destination_port": 50_001})
    await put(client, {"exporter": 1, "in_if": 12, "out_if": 11, "octets": 70, "source_port": 443, "destination_port": 50_001}, block=3)
    async with web(client, tmp_path, Scope(1, Role.VIEWER, "all")) as api:

        async def asked(by: str, more: str = "") -> tuple[int, dict[str, int]]:
            answer = (await api.get(f"/api/v1/flow/top?{SPAN}&by={by}{more}")).json()
            return answer["octets"], {item["name"]: item["octets"] for item in answer["items"]}

        assert await asked("application") == (2570, {"https (tcp 443)": 2070, "domain (udp 53)": 500})
        assert (await asked("application", "&counted=every hop"))[0] == 5140
        assert await asked("source_prefix") == (2570, {"198.51.100.0/24": 2500, "not IP, or too little to be told apart": 70})
        assert await asked("source_as") == (2570, {"AS 64500": 2000, "unknown AS": 570})
        assert await asked("customer") == (2570, {"Nordlicht": 2570})
        assert (await asked("interface"))[1]["ham ge-0/0/1"] == 2570
        assert await asked("application", f"&interface=e{PEER}") == (2570, {"https (tcp 443)": 2070, "domain (udp 53)": 500})
        assert (await asked("application", "&device=d1"))[0] == 2570
        answer = (await api.get(f"/api/v1/flow/top?{SPAN}&by=customer")).json()
        assert (answer["items"][0]["in_octets"], answer["items"][0]["out_octets"], answer["items"][0]["share"]) == (2500, 70, 1.0)
        curve = (await api.get(f"/api/v1/flow/top?{SPAN}")).json()["curve"]
        assert (curve["step_s"], curve["bps"][:4]) == (60, [2070 * 8 / 60, None, 500 * 8 / 60, None])


@pytest.mark.slow
async def test_an_interface_metered_both_ways_counts_each_packet_once(client: TelemetryClient) -> None:
    await put(
        client,
        {"exporter": 1, "in_if": 11, "out_if": 12, "octets": 9},
        {"exporter": 1, "in_if": 11, "out_if": 12, "octets": 9, "direction": 1},
    )
    await put(client, {"exporter": 2, "in_if": 21, "out_if": 22, "octets": 5, "direction": 1}, block=2)
    query = FlowQuery("interface", START_S, START_S + 60, counted="every hop")
    ways = await FlowStore(client).ways(query)
    sums = {way: dict(zip(top.rows["entity"].tolist(), top.rows["octets"].tolist(), strict=True)) for way, top in ways.items()}
    assert sums == {"in": {EDGE: 9, FAR: 5}, "out": {CORE: 9, PEER: 5}}
    assert (await FlowStore(client).top(FlowQuery("application", START_S, START_S + 60, counted="every hop"))).octets == 14


@pytest.mark.slow
async def test_nobody_sees_more_than_their_scope(client: TelemetryClient, tmp_path: Path) -> None:
    await put(client, *up(1000), {"exporter": 2, "in_if": 22, "out_if": 22, "octets": 7_000})
    async with web(client, tmp_path, NORTH) as api:
        found = (await api.get(f"/api/v1/flow/top?{SPAN}&by=interface&counted=every hop")).json()
        assert {item["name"] for item in found["items"]} == {"ham ge-0/0/1", "ham xe-0/1/0"}
        assert (await api.get(f"/api/v1/flow/top?{SPAN}&by=application&counted=every hop")).json()["octets"] == 1000
        assert (await api.get(f"/api/v1/flow/top?{SPAN}&interface=e{PEER}")).status_code == 404
        assert (await api.get(f"/api/v1/flow/top?{SPAN}&device=d2")).status_code == 404
        assert (await api.get("/api/v1/flow/top?from=2023-11-14T22:14:00Z&to=2023-11-14T22:14:00Z")).status_code == 422
        assert (await api.get("/api/v1/flow/exporters")).json() == {"items": [], "next": None, "total": 0}


@pytest.mark.parametrize("wrong", [{"by": "colour"}, {"end_s": START_S}, {"start_s": -1}, {"limit": 0}, {"end_s": START_S + 401 * 86_400}])
def test_a_question_that_is_none_says_so(wrong: dict[str, Any]) -> None:
    with pytest.raises(FlowQueryError):
        FlowQuery(**{"by": "application", "start_s": START_S, "end_s": START_S + 60, **wrong})


@pytest.mark.parametrize("span_s", [1, 60, 3_600, 3_601, 86_400, 30 * 86_400])
def test_a_curve_has_whole_minutes_and_few_slots(span_s: int) -> None:
    step_s = FlowQuery("application", START_S, START_S + span_s).step_s
    assert step_s % 60 == 0
    assert -(-span_s // step_s) <= 60
