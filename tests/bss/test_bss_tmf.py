"""The TM Forum APIs answer in the shapes of their specifications, filter, page and tell their listeners."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import jsonschema
import pytest
import sqlalchemy as sa

from billing_bridge import completeness, events, tmf635
from billing_bridge.meter import Meter
from billing_bridge.proof import verify
from bss import tmf678, tmf_catalogue, tmf_records
from bss.billing import Biller, reproduce
from bss.explain import explain
from bss.parties import api
from bss.parties.customers import Customers
from bss.parties.view import View
from bss.receivables.payments import Payments, Told
from bss.tariffs import Tariffs
from station.clock import VirtualClock
from station.data import data_dir
from station.scope import Role, Scope
from station.security.targets import Guard
from station.state import State
from station.tmf.hub import FAILURES_MAX, Deliveries
from station.tmf.store import tmf_hub
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, network, polled
from tests.bss.test_bss_billing import AUGUST, JULY, JUNE, SETTINGS, biller, burst

pytestmark = pytest.mark.slow  # each makes a store and a month

CASES = Path(__file__).parents[1] / "cases" / "tmf"
NOW = JULY + 3 * DAY_NS
USAGE, BILL = "/tmf-api/usageManagement/v4", "/tmf-api/customerBillManagement/v4"
SPECS = {
    "usageManagement": "TMF635-UsageManagement-v4.0.0",
    "customerBillManagement": "TMF678-CustomerBill-v4.0.0",
    "customerManagement": "TMF629-Customer-v4.0.0",
    "party": "TMF632-Party-v4.0.0",
    "accountManagement": "TMF666-Account-v4.0.0",
    "productCatalogManagement": "TMF620-ProductCatalog-v4.1.0",
    "productInventory": "TMF637-ProductInventory-v4.0.0",
}
ORDERED = {"usageDate": "2026-06-02T08:00:00Z", "usageType": "voice_seconds"}


def conforms(api: str, definition: str, value: Any) -> None:
    """`value` is what the specification calls `definition`, and has no attribute that it does not know."""
    spec = json.loads((CASES / f"{SPECS[api]}.json").read_text())
    schema = {"$ref": f"#/definitions/{definition}", "definitions": spec["definitions"]}
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)
    assert value.keys() <= {"@type", *spec["definitions"][definition]["properties"]}, definition


@pytest.fixture
async def known(tmp_path: Path) -> AsyncIterator[State]:
    """Two customers with a service each; nothing is measured."""
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    await add_service(made, 1, await add_customer(made, 1, email="a@b.example", tax_id="DE1"), "burst95", {1: (0, 0)})
    await add_service(made, 2, await add_customer(made, 2), "volume", {2: (0, 0)})
    yield made
    await made.close()


@pytest.fixture
async def state(known: State) -> State:
    """The same with June metered: K-1 bursts, K-2 has volume."""
    source = ArraySource({PORT[1]: polled(JUNE, JULY, burst), PORT[2]: polled(JUNE, JULY, lambda n: (5, 1))})
    await Meter(known, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    return known


async def call(state: State, method: str, path: str, scope: Scope = CLERK, guard: Guard | None = None, **more: Any) -> httpx.Response:
    clock, guard = VirtualClock(NOW), guard or Guard()
    routers = [tmf635.router(state, SETTINGS, guard, clock), tmf678.router(state, guard, clock)]
    routers += tmf_catalogue.routers(state, Tariffs(data_dir("config/tariffs")), Guard(), clock)
    shapes = (tmf_records.organizations, tmf_records.billing_accounts, tmf_records.customers)
    routers += api.routers(Customers(state, "EUR"), View(state, ZoneInfo("UTC"), lambda _: {}, no_levels), *shapes, guard, clock)
    async with client(scope, *routers) as http:
        return await http.request(method, path, **more)


async def no_levels(scope: Scope, month: str, services: Any) -> list[Any]:
    return []


def ordered(**said: Any) -> dict[str, Any]:
    """A Usage_Create of 90 seconds of service S-1 to 4940."""
    facts = {"quantity": 90, "serviceId": "S-1", "key": "4940123456", "externalId": "cdr-1"} | said
    return ORDERED | {"usageCharacteristic": [{"name": name, "value": value} for name, value in facts.items()]}


async def test_every_answer_has_the_shape_of_its_specification(state: State) -> None:
    await biller(state).run(CLERK, "2026-06", NOW, pages=False)
    assert (await call(state, "POST", f"{USAGE}/usage", json=ordered())).status_code == 201
    kinds = {
        "usageManagement": ("usage", "usageSpecification"),
        "customerBillManagement": ("customerBill", "appliedCustomerBillingRate"),
        "customerManagement": ("customer",),
        "party": ("organization",),
        "accountManagement": ("billingAccount",),
        "productCatalogManagement": ("productOffering", "productOfferingPrice"),
        "productInventory": ("product",),
    }
    for of, names in kinds.items():
        base = json.loads((CASES / f"{SPECS[of]}.json").read_text())["basePath"].rstrip("/")
        for name in names:
            found = await call(state, "GET", f"{base}/{name}", params={"limit": 500})
            assert found.status_code == 200, found.text
            rows = found.json()
            assert rows and int(found.headers["X-Total-Count"]) == len(rows), name
            for row in rows[:20]:
                conforms(of, name[0].upper() + name[1:], row)
            one = await call(state, "GET", rows[0]["href"])
            assert one.json() == rows[0]
            assert (await call(state, "GET", f"{base}/{name}/none")).status_code == 404
            refused = await call(state, "GET", f"{base}/{name}", params={"limit": "many"})
            conforms(of, "Error", refused.json())
            assert refused.status_code == 400


async def test_a_bill_says_what_its_invoice_says(state: State) -> None:
    await biller(state).run(CLERK, "2026-06", NOW, pages=False)
    found = (await call(state, "GET", f"{BILL}/customerBill", params={"relatedParty.id": "customer-1"})).json()
    assert [(bill["billNo"], bill["amountDue"], bill["taxItem"]) for bill in found] == [
        (
            "INV-2026-000001",
            {"unit": "EUR", "value": 723.62},
            [{"taxCategory": "S", "taxRate": 19.0, "taxAmount": {"unit": "EUR", "value": 115.54}}],
        )
    ]
    rates = (await call(state, "GET", f"{BILL}/appliedCustomerBillingRate", params={"bill.id": found[0]["id"]})).json()
    assert sum(round(rate["taxExcludedAmount"]["value"] * 100) for rate in rates) == 60_808


async def test_a_bill_says_how_much_of_it_was_paid(state: State) -> None:
    await biller(state).run(CLERK, "2026-06", NOW, pages=False)
    payments = Payments(state, ZoneInfo("UTC"))
    seen = []
    for n, amount in enumerate((362, 72_000), start=1):
        await payments.record(CLERK, Told(f"bank-{n}", "customer-1", "EUR", amount, "bank_transfer", "2026-07-03"), NOW)
        bill = (await call(state, "GET", f"{BILL}/customerBill", params={"relatedParty.id": "customer-1"})).json()[0]
        conforms("customerBillManagement", "CustomerBill", bill)
        seen.append((bill["state"], bill["remainingAmount"]["value"], len(bill["appliedPayment"])))
    assert seen == [("partiallyPaid", 720.0, 1), ("settled", 0.0, 2)]


async def test_lists_are_filtered_sorted_paged_and_cut_to_fields(state: State) -> None:
    june = {"usageDate.gte": "2026-06-10T00:00:00Z", "usageDate.lt": "2026-06-12T00:00:00Z"}
    days = await call(state, "GET", f"{USAGE}/usage", params=june | {"usageType": "volume", "fields": "usageDate,status", "limit": 3})
    assert (days.headers["X-Total-Count"], days.headers["X-Result-Count"]) == ("4", "3")
    assert all(row.keys() == {"id", "href", "@type", "usageDate", "status"} for row in days.json())
    sort = {"sort": "-usageDate", "fields": "usageDate"}
    dates = [row["usageDate"] for row in (await call(state, "GET", f"{USAGE}/usage", params=june | sort)).json()]
    assert dates == sorted(dates, reverse=True)
    mine = await call(state, "GET", f"{USAGE}/usage", replace(CLERK, customers=("customer-2",)), params=june)
    assert {row["relatedParty"][0]["id"] for row in mine.json()} == {"customer-2"}
    both = await call(state, "GET", f"{USAGE}/usage", params=june | {"usageType": "volume,bandwidth_5min", "status.ne": "billed"})
    assert both.headers["X-Total-Count"] == "8"
    assert (await call(state, "GET", f"{BILL}/customerBill", replace(CLERK, role=Role.VIEWER))).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ordered(), 201),  # delivered again: it stands already
        (ordered(quantity=91), 409),
        (ordered(externalId="cdr-2", quantity=-1), 400),
        (ordered(externalId="cdr-3", quantity=1.5), 400),
        (ordered(externalId="cdr-3", quantity="12"), 201),
        (ordered(externalId="cdr-4") | {"usageDate": "2027-06-02T08:00:00Z"}, 400),
        (ordered(externalId="cdr-5") | {"usageDate": "2024-06-02T08:00:00Z"}, 400),
        (ordered(externalId="cdr-6") | {"usageType": "volume"}, 400),
        (ordered(externalId="cdr-7") | {"status": "billed"}, 400),
        ({"usageType": "voice_seconds"}, 400),
        (ordered() | {"usageCharacteristic": "many"}, 400),
        ([], 400),
    ],
)
async def test_usage_of_others_is_taken_once_or_refused_with_a_reason(body: Any, status: int, known: State) -> None:
    first = await call(known, "POST", f"{USAGE}/usage", json=ordered())
    again = await call(known, "POST", f"{USAGE}/usage", json=body)
    assert (first.status_code, again.status_code) == (201, status), again.text
    if status >= 400:
        conforms("usageManagement", "Error", again.json())
    async with known.read() as conn:
        assert all(account.balanced for account in (await completeness.accounts(conn, CLERK)).values())
    assert await verify(known, CLERK) is None


async def test_usage_of_others_waits_for_its_service_and_is_billed_and_explained(known: State, tmp_path: Path) -> None:
    await call(known, "POST", f"{USAGE}/usage", json=ordered(serviceId="S-7"))
    waiting = (await call(known, "GET", f"{USAGE}/usage", params={"status": "recycled", "usageDate.gte": "2026-06-01T00:00:00Z"})).json()
    assert {"name": "suspenseReason", "valueType": "string", "value": "no_service"} in waiting[0]["usageCharacteristic"]
    await add_service(known, 7, "customer-1", "voice", {})
    assert await events.guide(known, CLERK, NOW) == 1
    await biller(known).run(CLERK, "2026-06", NOW, pages=False)
    rates = (await call(known, "GET", f"{BILL}/appliedCustomerBillingRate", params={"product.id": "service-7"})).json()
    # 90 s to a German number on a Tuesday at ten in Berlin: 1.5 min x 0.029 = 0.0435, 10 % off is nothing, 10.00 at least
    assert [rate["taxExcludedAmount"]["value"] for rate in rates] == [9.9, 0.04, 0, 0.06]
    bill_id, line_no = rates[1]["bill"]["id"], int(rates[1]["id"].rpartition("-")[2])
    tree = await explain(known, CLERK, ArraySource(), bill_id, line_no)
    assert tree is not None and tree["usage_total"] == 1 and tree["usage"][0]["meter"] == "voice_seconds"
    assert (await call(known, "GET", waiting[0]["href"])).json()["status"] == "billed"
    assert await reproduce(known, CLERK, bill_id) is not None


async def test_an_event_that_comes_after_the_bill_is_a_correction_of_its_own_month(known: State) -> None:
    await add_service(known, 7, "customer-1", "voice", {})
    made = Biller(known, Tariffs(data_dir("config/tariffs")), biller(known).settings, SETTINGS)
    await made.run(CLERK, "2026-06", NOW, pages=False)
    late = [ordered(externalId=f"late-{n}", serviceId="S-7", quantity=3600) for n in range(3)]
    for body in late:
        assert (await call(known, "POST", f"{USAGE}/usage", json=body)).status_code == 201
    await made.run(CLERK, "2026-07", AUGUST + 3 * DAY_NS, pages=False)
    rates = (await call(known, "GET", f"{BILL}/appliedCustomerBillingRate", params={"product.id": "service-7", "sort": "id"})).json()
    corrections = [rate for rate in rates if rate["periodCoverage"]["startDateTime"] < "2026-07" and "Corr" in rate["description"]]
    june = [rate["taxExcludedAmount"]["value"] for rate in corrections]
    # three calls of an hour at 0.029: 5.22 less 0.52, and the minimum's 0.10 is taken back
    assert sorted(june) == [-0.52, -0.1, 5.22]


class Listener:
    """An HTTP server on loopback that fails as often as told, then keeps what it hears."""

    def __init__(self, fails: int = 0) -> None:
        self.fails, self.url = fails, ""
        self.heard: list[dict[str, Any]] = []

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/listener"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        body = await reader.readexactly(length)
        self.fails -= 1
        if self.fails < 0:
            self.heard.append(json.loads(body))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (503 if self.fails >= 0 else 204))
        await writer.drain()
        writer.close()


async def test_a_listener_hears_each_event_in_order_although_it_fails_at_first(known: State) -> None:
    async with Listener(fails=2) as listener:
        guard = Guard([f"127.0.0.1:{listener.port}"])
        asked = {"callback": listener.url, "query": "eventType=UsageCreateEvent"}
        hub = await call(known, "POST", f"{USAGE}/hub", guard=guard, json=asked)
        assert (hub.status_code, hub.headers["Location"]) == (201, f"{USAGE}/hub/{hub.json()['id']}")
        conforms("usageManagement", "EventSubscription", hub.json())
        assert (await call(known, "POST", f"{USAGE}/hub", guard=guard, json=asked)).status_code == 409
        bills = await call(known, "POST", f"{BILL}/hub", guard=guard, json={"callback": listener.url})
        for n in range(3):
            await call(known, "POST", f"{USAGE}/usage", json=ordered(externalId=f"cdr-{n}"))
        await call(known, "POST", f"{USAGE}/usage", json=ordered(externalId="cdr-0"))
        await biller(known).run(CLERK, "2026-06", NOW, pages=False)
        clock = VirtualClock(NOW)
        deliveries = Deliveries(known, guard, clock)
        for _ in range(100):
            await deliveries.deliver_due(1)
            clock.advance(3600 * 10**9)
            if len(listener.heard) == 5:
                break
        kinds = [event["eventType"] for event in listener.heard]
        assert sorted(kinds) == ["CustomerBillCreateEvent"] * 2 + ["UsageCreateEvent"] * 3
        assert len({event["eventId"] for event in listener.heard}) == 5
        for event in listener.heard:
            if event["eventType"] == "UsageCreateEvent":
                conforms("usageManagement", "Usage", event["event"]["usage"])
            else:
                conforms("customerBillManagement", "CustomerBill", event["event"]["customerBill"])
        assert (await call(known, "DELETE", f"{BILL}/hub/{bills.json()['id']}")).status_code == 204
        assert (await call(known, "DELETE", f"{BILL}/hub/{bills.json()['id']}")).status_code == 404


async def test_a_callback_inside_is_refused_and_one_that_is_dead_is_given_up(known: State) -> None:
    refused = await call(known, "POST", f"{USAGE}/hub", json={"callback": "http://127.0.0.1:1/x"})
    assert refused.status_code == 400 and "public" in refused.json()["message"]
    guard = Guard(["127.0.0.1:1"])
    await call(known, "POST", f"{USAGE}/hub", guard=guard, json={"callback": "http://127.0.0.1:1/x"})
    await call(known, "POST", f"{USAGE}/usage", json=ordered())
    clock = VirtualClock(NOW)
    for _ in range(FAILURES_MAX + 2):
        await Deliveries(known, guard, clock).deliver_due(1)
        clock.advance(3601 * 10**9)
    async with known.read() as conn:
        assert (await conn.execute(sa.select(tmf_hub.c.failures))).scalar_one() == FAILURES_MAX
