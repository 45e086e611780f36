"""Interface octets against flow octets: they agree, the frames explain the difference, or a person is told."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from billing_bridge.api import router
from billing_bridge.flow_meter import Flowed, StoredFlows, compared
from billing_bridge.meter import Meter
from billing_bridge.settings import BillingSettings
from collectors.flow_query import FlowStore
from station.clock import VirtualClock
from station.scope import Role
from station.state import State
from station.telemetry import schema
from station.telemetry.client import TelemetryClient
from station.telemetry.settings import TelemetrySettings
from station.telemetry.supervisor import OwnerProcess
from tests.billing_bridge.calling import client as calling
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, at, network, polled
from tests.collectors.test_flow_query import PEER, START_S, put, up

JUNE = at("2026-06-01")
DAY = 12 * 125_000 * 86_400  # octets of 12 Mbit/s over a day


@pytest.mark.parametrize(
    ("interface", "octets", "packets", "verdict"),
    [
        (1_000_000, 1_000_000, 900, "agree"),
        (1_000_000, 995_000, 900, "agree"),  # half a percent
        (1_018_000, 1_000_000, 1_000, "framing"),  # header and FCS of a thousand frames
        (1_026_000, 1_000_000, 1_000, "framing"),  # with two tags
        (1_100_000, 1_000_000, 1_000, "less_by_flow"),
        (1_000_000, 2_000_000, 1_000, "more_by_flow"),
        (0, 0, 0, "agree"),
    ],
)
def test_two_meters_agree_or_the_difference_has_a_name(interface: int, octets: int, packets: int, verdict: str) -> None:
    assert compared(interface, Flowed(octets, packets))["verdict"] == verdict


@dataclass(frozen=True)
class Told:
    """Flows as somebody says them."""

    by: Mapping[int, Flowed]

    async def by_entity(self, start_s: int, end_s: int) -> Mapping[int, Flowed]:
        assert (start_s, end_s) == (JUNE // 10**9, JUNE // 10**9 + 86_400)
        return self.by


@pytest.mark.slow
async def test_each_measured_port_is_held_against_the_flows_through_it(tmp_path: Path) -> None:
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(state)
    await add_service(state, 1, await add_customer(state, 1), "volume", dict.fromkeys((1, 2, 3), (0, 0)))
    source = ArraySource({PORT[n]: polled(JUNE, JUNE + DAY_NS, lambda _: (8, 4)) for n in (1, 2, 3)})
    await Meter(state, CLERK, source, BillingSettings()).run_once(JUNE + 2 * DAY_NS)
    flows = Told({PORT[1]: Flowed(DAY - 18 * 10**6, 10**6), PORT[2]: Flowed(DAY // 2, 10), PORT[9]: Flowed(1, 1)})
    span = {"from": "2026-06-01T00:00:00Z", "to": "2026-06-02T00:00:00Z"}
    for scope, status in ((CLERK, 200), (replace(CLERK, role=Role.VIEWER), 403)):
        async with calling(scope, router(state, VirtualClock(JUNE + 3 * DAY_NS), flows)) as http:
            said = await http.get("/api/v1/usage/reconciliation/flows", params=span)
        assert said.status_code == status
        if status == 200:
            found = [(row["metering_point"], row["verdict"], row["interface_octets"]) for row in said.json()["items"]]
            assert found == [("port-1", "agree", DAY), ("port-2", "less_by_flow", DAY)]
    await state.close()


@pytest.fixture
async def telemetry(tmp_path: Path) -> AsyncIterator[TelemetryClient]:
    async with OwnerProcess(tmp_path / "telemetry") as owner:
        made = TelemetryClient(owner.url)
        await schema.create(made, TelemetrySettings())
        yield made
        await made.close()


@pytest.mark.slow
async def test_the_stores_flows_are_summed_by_interface_both_ways(telemetry: TelemetryClient) -> None:
    await put(
        telemetry, *up(1000), {"exporter": 2, "in_if": 22, "out_if": 21, "octets": 70, "source_port": 443, "destination_port": 50_001}
    )
    found = await StoredFlows(FlowStore(telemetry)).by_entity(START_S, START_S + 3_600)
    assert found[PEER].octets == 1_070 and 0 not in found
