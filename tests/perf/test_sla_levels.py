"""A month of services, from inventory, alarm history, planned work and measured hours to the API."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import httpx
import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa

from fault.outages import outages
from fault.store import alarm, alarm_history
from perf.sla.api import router
from perf.sla.levels import HOUR_NS, Levels
from perf.sla.terms import Objective, Sla, Slas
from perf.store import TelemetryStore
from station.clock import VirtualClock
from station.scope import Role, Scope
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, PORT, add_customer, add_service, at, network, port_id

JUNE, JULY = at("2026-06-01"), at("2026-07-01")
VIEWER = Scope(CLERK.tenant, Role.VIEWER, "v")
SLAS = Slas(
    {
        "one": Sla(summary="s", availability="99.9", credits=[{"below": "99.9", "percent": "10"}]),
        "both": Sla(summary="s", availability="99", needs="all", unknown="down"),
    }
)
Spans = list[tuple[int, int]]
Missing = Mapping[int, Collection[int]]


class Measured:
    """Every hour of every port was measured, but those named."""

    def __init__(self, missing: Mapping[int, Collection[int]] | None = None) -> None:
        self.missing = missing or {}

    async def hours_missing(self, entities: npt.NDArray[np.uint64], start_ns: int, end_ns: int) -> dict[int, npt.NDArray[np.int64]]:
        hours = {key: np.array([JUNE + n * HOUR_NS for n in self.missing.get(key, ())], np.int64) for key in entities.tolist()}
        return {key: some[some < end_ns] for key, some in hours.items() if len(some)}


class Probed:
    """The slots that a test names by sli and port; nobody measured the rest."""

    def __init__(self, given: "Mapping[tuple[str, int], npt.NDArray[np.float64]] | None" = None) -> None:
        self.given = given or {}

    async def read(
        self, objective: Objective, keys: npt.NDArray[np.uint64], first_ns: int, count: int
    ) -> dict[int, npt.NDArray[np.float64]]:
        return {int(key): self.given[objective.sli, int(key)][:count] for key in keys if (objective.sli, int(key)) in self.given}


def hours(*pairs: tuple[float, float]) -> Spans:
    return [(JUNE + int(low * HOUR_NS), JUNE + int(high * HOUR_NS)) for low, high in pairs]


async def told(state: State, number: int, resource: str, kind: str, *spans: tuple[float, float]) -> None:
    """An alarm of a resource, raised and cleared over and over in hours of June; inf is never cleared."""
    blank: dict[str, Any] = {c.name: 0 if isinstance(c.type, sa.Integer) else "" for c in alarm.columns}
    row = blank | {
        "tenant": 1,
        "id": f"alarm-{number}",
        "resource": resource,
        "alarm_type": kind,
        "raised_ns": hours(spans[-1][:1] * 2)[0][0],
    }
    steps = [(when, clear) for low, high in spans for when, clear in ((low, 0), (high, 1)) if when != float("inf")]
    empty: dict[str, Any] = {c.name: 0 if isinstance(c.type, sa.Integer) else "" for c in alarm_history.columns}
    history = [
        empty | {"tenant": 1, "alarm_id": f"alarm-{number}", "seq": n, "time_ns": hours((when, when))[0][0], "is_cleared": clear}
        for n, (when, clear) in enumerate(steps)
    ]
    async with state.write() as conn:
        await conn.execute(sa.insert(alarm).values(**row))
        await conn.execute(sa.insert(alarm_history), history)


def levels(
    state: State, *, now_ns: int = JULY, missing: Missing | None = None, planned: Spans | None = None, probed: Probed | None = None
) -> Levels:
    def excluded(service_id: str, from_ns: int, to_ns: int) -> Sequence[tuple[int, int]]:
        return (planned or []) if service_id == "service-1" else []

    return Levels(
        state, cast(TelemetryStore, Measured(missing)), probed or Probed(), SLAS, VirtualClock(now_ns), outages=outages, planned=excluded
    )


@pytest.fixture
async def sold(any_state: State) -> State:
    """Service 1 over ports 1 and 2 needs one of them, service 2 over port 3 and 2 needs both; service 3 has no promise."""
    await network(any_state)
    first, second = await add_customer(any_state, 1), await add_customer(any_state, 2)
    await add_service(any_state, 1, first, "volume", {1: (0, 0), 2: (0, 0)}, sla="one")
    await add_service(any_state, 2, second, "volume", {2: (0, 0), 3: (0, 0)}, sla="both")
    await add_service(any_state, 3, second, "volume", {3: (0, 0)})
    return any_state


async def test_outages_are_the_spans_an_alarm_stood_and_only_of_kinds_that_mean_down(sold: State) -> None:
    await told(sold, 1, port_id(1), "communications.link_down", (1, 2), (5, 7))
    await told(sold, 2, port_id(1), "communications.link_down", (6, float("inf")))
    await told(sold, 3, port_id(1), "performance.errors_high", (10, 20))
    async with sold.read() as conn:
        found = await outages(conn, 1, {port_id(1), port_id(2)}, JUNE, JULY)
        part = await outages(conn, 1, {port_id(1)}, *hours((1.5, 5.5))[0])
        assert await outages(conn, 1, set(), JUNE, JULY) == {}
    assert found == {port_id(1): [*hours((1, 2), (5, 7)), (hours((6, 6))[0][0], JULY)]}
    assert part == {port_id(1): hours((1.5, 2), (5, 5.5))}


async def test_one_of_two_ports_is_enough_for_one_promise_and_not_for_the_other(sold: State) -> None:
    await told(sold, 1, port_id(1), "communications.link_down", (10, 14))
    await told(sold, 2, port_id(2), "communications.link_down", (12, 15))
    one, both = await levels(sold).of_month(VIEWER, "2026-06")
    assert (one.result.outages, both.result.outages) == (hours((12, 14)), hours((12, 15)))
    assert (one.result.met, str(one.result.availability), int(one.result.credit_percent)) == (False, "99.7222", 10)
    assert (both.result.met, str(both.result.availability)) == (True, "99.5833")


async def test_a_device_that_is_gone_takes_every_port_with_it(sold: State) -> None:
    await told(sold, 1, "device-1", "communications.device_unreachable", (100, 101))
    one, both = await levels(sold, missing={PORT[1]: [100], PORT[2]: [100], PORT[3]: [100]}).of_month(VIEWER, "2026-06")
    assert one.result.outages == both.result.outages == hours((100, 101))
    assert one.result.unknown_ns == 0  # silence that an alarm explains is no doubt


async def test_hours_that_nobody_measured_are_what_the_promise_says_they_are(sold: State) -> None:
    found = await levels(sold, missing={PORT[1]: [5, 6], PORT[2]: [5], PORT[3]: []}).of_month(VIEWER, "2026-06")
    one, both = (each.result for each in found)
    assert (one.unknown_ns, one.down_ns, one.counted_ns) == (HOUR_NS, 0, 719 * HOUR_NS)  # port 2 carried it in the other hour
    assert (both.unknown_ns, both.down_ns, both.counted_ns) == (HOUR_NS, HOUR_NS, 720 * HOUR_NS)


async def test_planned_work_is_not_counted_and_the_current_month_is_judged_so_far(sold: State) -> None:
    await told(sold, 1, "device-1", "communications.device_unreachable", (1, 3), (50, 51))
    planned = await levels(sold, planned=hours((0, 4))).of_month(VIEWER, "2026-06")
    assert (planned[0].result.outages, planned[0].result.excluded_ns) == (hours((50, 51)), 4 * HOUR_NS)
    now = await levels(sold, now_ns=JUNE + 24 * HOUR_NS).of_month(VIEWER, "2026-06")
    assert (now[0].result.counted_ns, now[0].result.outlook, int(now[0].result.credit_percent)) == (24 * HOUR_NS, "breached", 0)


async def test_a_port_counts_only_while_it_carries_the_service(sold: State) -> None:
    await add_service(sold, 4, "customer-1", "volume", {1: (0, JUNE + 10 * HOUR_NS), 3: (JUNE + 10 * HOUR_NS, 0)}, sla="one")
    await told(sold, 1, port_id(1), "communications.link_down", (8, 12))
    found = await levels(sold).of_month(VIEWER, "2026-06", "service-4")
    assert [each.result.outages for each in found] == [hours((8, 10))]


async def get(state: State, path: str, scope: Scope = VIEWER, month: str = "", form: str = "json") -> httpx.Response:
    async with client(scope, router(levels(state, now_ns=JULY - 1), state, VirtualClock(JULY - 1))) as http:
        return await http.get(f"/api/v1/slas{path}", params={"month": month, "format": form})


async def test_the_api_tells_a_month_one_service_and_a_file(sold: State) -> None:
    await told(sold, 1, port_id(1), "communications.link_down", (10, 14))
    await told(sold, 2, port_id(2), "communications.link_down", (12, 15))
    whole = (await get(sold, "")).json()
    assert (whole["month"], whole["total"], whole["outlooks"]) == ("2026-06", 2, {"breached": 1, "met": 1})
    one = (await get(sold, "/service-1", month="2026-06")).json()
    assert [(span["from"], span["seconds"]) for span in one["outages"]] == [("2026-06-01T12:00:00.000Z", 7200)]
    assert (await get(sold, "", month="2026-06", form="csv")).text.splitlines()[1].startswith("S-1,Internet 1,Customer 1,one,99.9,")
    assert [(await get(sold, path, month=month)).status_code for path, month in (("", "June"), ("/service-3", ""))] == [422, 404]
    mine = await get(sold, "", Scope(CLERK.tenant, Role.VIEWER, "v", customers=("customer-2",)))
    assert [row["service"]["number"] for row in mine.json()["items"]] == ["S-2"]
