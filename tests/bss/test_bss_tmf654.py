"""TMF654: buckets as they are, acts done once whatever dies between, in the shapes of the specification."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import sqlalchemy as sa

from bss.balance import Balances
from bss.tmf654 import ADJUSTMENTS, BASE, TOP_UPS, TRANSFERS, Acts, router
from station.clock import VirtualClock
from station.scope import Role
from station.security.targets import Guard
from station.state import State
from station.tmf.documents import keep
from station.tmf.store import tmf_event
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, NS

pytestmark = pytest.mark.slow
NOW = 1_790_000_000 * NS
SPEC = json.loads((Path(__file__).parents[1] / "cases" / "tmf" / "TMF654-PrepayBalance-v4.0.0.json").read_text())
MINE = {"partyAccount": {"id": "customer-1"}}


async def call(state: State, method: str, path: str, scope: Any = CLERK, **more: Any) -> httpx.Response:
    async with client(scope, router(state, Balances(state), Guard(), VirtualClock(NOW))) as http:
        return await http.request(method, f"/tmf-api/{BASE}/{path}", **more)


def of(amount: float, unit: str = "octets", **more: Any) -> dict[str, Any]:
    return MINE | {"amount": {"amount": amount, "units": unit}} | more


def conforms(name: str, value: Any) -> None:
    jsonschema.Draft4Validator({"$ref": f"#/definitions/{name}", "definitions": SPEC["definitions"]}).validate(value)
    assert value.keys() <= {"@type", *SPEC["definitions"][name]["properties"]}


async def left(state: State) -> int:
    (balance,) = (await call(state, "GET", "accumulatedBalance")).json()
    return int(balance["totalBalance"]["amount"])


async def test_top_ups_reservations_and_adjustments_move_the_balance_and_have_the_shapes_of_the_specification(state: State) -> None:
    await call(state, "POST", "hub", json={"callback": "https://8.8.8.8/hook"})
    top_up = (await call(state, "POST", "topupBalance", json=of(1_000))).json()
    kept = (await call(state, "POST", "reserveBalance", json=of(300))).json()
    taken = (await call(state, "POST", "adjustBalance", json=of(-200, adjustType="refund"))).json()
    assert [one["status"] for one in (top_up, kept, taken)] == ["completed"] * 3
    assert await left(state) == 500
    (bucket,) = (await call(state, "GET", "bucket")).json()
    assert (bucket["remainingValue"]["amount"], bucket["reservedValue"]["amount"]) == (500, 300)
    named = (("TopupBalance", top_up), ("ReserveBalance", kept), ("AdjustBalance", taken), ("Bucket", bucket))
    for name, one in named:
        conforms(name, one)
        path = f"{name[0].lower()}{name[1:]}/{one['id']}"
        assert (await call(state, "GET", path)).json() == one
    conforms("AccumulatedBalance", (await call(state, "GET", "accumulatedBalance/customer-1.octets")).json())
    async with state.read() as conn:
        kinds = {json.loads(body)["eventType"] for body in (await conn.execute(sa.select(tmf_event.c.body))).scalars()}
    assert {"TopupBalanceCreateEvent", "TopupBalanceStatusChangeEvent"} <= kinds <= SPEC["definitions"].keys()


async def test_a_reservation_is_cancelled_once_and_frees_what_it_kept(state: State) -> None:
    await call(state, "POST", "topupBalance", json=of(100))
    one = (await call(state, "POST", "reserveBalance", json=of(60))).json()
    assert await left(state) == 40
    cancelled = await call(state, "PATCH", f"reserveBalance/{one['id']}", json={"status": "cancelled"})
    assert (cancelled.json()["status"], await left(state)) == ("cancelled", 100)
    assert (await call(state, "DELETE", f"reserveBalance/{one['id']}")).status_code == 409
    top_up = (await call(state, "GET", "topupBalance")).json()[0]
    assert (await call(state, "DELETE", f"topupBalance/{top_up['id']}")).status_code == 409


async def test_more_than_there_is_fails_and_takes_nothing(state: State) -> None:
    await call(state, "POST", "topupBalance", json=of(100))
    assert (await call(state, "POST", "reserveBalance", json=of(101))).json()["status"] == "failed"
    assert (await call(state, "POST", "adjustBalance", json=of(-101))).json()["status"] == "failed"
    assert await left(state) == 100


async def test_what_a_dead_station_left_requested_is_done_once(state: State) -> None:
    acts = Acts(state, Balances(state), VirtualClock(NOW))
    for kind, amount in ((TOP_UPS, 500), (ADJUSTMENTS, -20)):
        one = await keep(state, CLERK, kind, of(amount, status="requested"), NOW)
        if kind is TOP_UPS:  # it died behind the step and before it could note it
            await Balances(state).top_up(CLERK, "customer-1", "octets", 500, f"{kind.name}:{one['id']}", NOW)
    for _ in range(2):
        await acts.resume(CLERK)
    assert await left(state) == 480


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("topupBalance", of(1.5)),
        ("topupBalance", of(-5)),
        ("topupBalance", of(0)),
        ("topupBalance", {"amount": {"amount": 5, "units": "octets"}}),
        ("topupBalance", MINE),
        ("topupBalance", MINE | {"amount": {"amount": True, "units": "octets"}}),
        ("reserveBalance", of(5, colour="red")),
        ("adjustBalance", of(1 << 63)),
    ],
)
async def test_an_act_without_sense_is_refused_and_leaves_nothing(state: State, kind: str, body: dict[str, Any]) -> None:
    refused = await call(state, "POST", kind, json=body)
    assert (refused.status_code, refused.json()["@type"]) == (400, "Error")
    assert (await call(state, "GET", kind)).json() == []


async def test_a_caller_sees_and_moves_their_own_customers_balances_alone(state: State) -> None:
    await call(state, "POST", "topupBalance", json=of(100))
    other = replace(CLERK, customers=("customer-2",))
    assert (await call(state, "GET", "bucket", other)).json() == []
    assert (await call(state, "GET", "topupBalance", other)).json() == []
    assert (await call(state, "POST", "topupBalance", other, json=of(5))).status_code == 403
    assert (await call(state, "POST", "topupBalance", replace(CLERK, role=Role.VIEWER), json=of(5))).status_code == 403


async def test_a_transfer_takes_here_and_gives_there_once_and_keeps_the_time_it_is_good_for(state: State) -> None:
    held = Balances(state)
    await held.top_up(CLERK, "customer-1", "octets", 1_000, "t", NOW, NOW + 1_000 * NS)
    said = of(300, receiverPartyAccount={"id": "customer-2"})
    made = await call(state, "POST", "transferBalance", json=said)
    assert made.status_code == 201 and made.json()["status"] == "completed"
    conforms("TransferBalance", made.json())
    await Acts(state, held, VirtualClock(NOW)).do(CLERK, TRANSFERS, made.json())  # as a station does again that died before it noted it
    given = await held.buckets(CLERK, "customer-2", "octets", NOW)
    assert [(one.amount, one.expires_ns) for one in given] == [(300, NOW + 1_000 * NS)]
    assert sum(one.free for one in await held.buckets(CLERK, "customer-1", "octets", NOW)) == 700
    lacking = await call(state, "POST", "transferBalance", json=of(701, receiver={"id": "customer-2"}))
    assert lacking.json()["status"] == "failed" and len(await held.buckets(CLERK, "customer-2", "octets", NOW)) == 1
    for wrong in (of(1), of(1, receiver={"id": "customer-1"}), of(-1, receiver={"id": "c"})):
        assert (await call(state, "POST", "transferBalance", json=wrong)).status_code == 400


async def test_a_bucket_is_made_with_what_is_in_it(state: State) -> None:
    body = MINE | {"usageType": "octets", "remainingValue": {"amount": 500, "units": "octets"}}
    made = await call(state, "POST", "bucket", json=body | {"validFor": {"endDateTime": "2030-01-01T00:00:00Z"}})
    assert made.status_code == 201
    conforms("Bucket", made.json())
    assert made.json()["remainingValue"]["amount"] == 500 and made.json()["validFor"]["endDateTime"].startswith("2030-01-01")
    assert (await call(state, "GET", f"bucket/{made.json()['id']}")).json() == made.json()
    for wrong in (
        MINE | {"usageType": "octets"},
        body | {"usageType": "seconds"},
        {"usageType": "octets", "remainingValue": {"amount": 1}},
    ):
        assert (await call(state, "POST", "bucket", json=wrong)).status_code == 400
    other = replace(CLERK, customers=("customer-2",))
    assert (await call(state, "POST", "bucket", other, json=body)).status_code == 403
