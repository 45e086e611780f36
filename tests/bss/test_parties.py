"""Parties keep the shapes of their specifications, a customer made by TMF629 can be billed, the view joins all, erasure has an outcome."""

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

from bss import tmf677, tmf_records
from bss.balance import Balances
from bss.cash.debits import Debits, Mandate
from bss.cash.settings import CashSettings
from bss.cash.store import sepa_mandate
from bss.parties import api
from bss.parties.customers import Customers
from bss.parties.view import View
from bss.receivables.payments import Payments, Told
from bss.receivables.store import receivable
from inventory.store import customer
from station.clock import VirtualClock
from station.scope import Role
from station.security import audit
from station.security.targets import Guard
from station.state import State
from station.tmf.store import tmf_document
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, add_customer, add_service, at, network

CASES = Path(__file__).parents[1] / "cases" / "tmf"
NOW = at("2026-07-10")
CHIEF = replace(CLERK, user="chief", role=Role.ADMIN)
UTC = ZoneInfo("UTC")
ROLE = {"name": "partner", "roleType": {"id": "supplier", "name": "Supplier"}}
PARTY = [{"id": "customer-1", "name": "Customer 1", "role": "Customer", "@referredType": "Customer"}]
TALK = {
    "reason": "asks about the bill", "direction": "inbound", "channel": [{"id": "phone", "name": "phone"}], "relatedParty": PARTY,
}  # fmt: skip
AGREEMENT = {
    "name": "frame", "agreementType": "commercial", "engagedParty": PARTY, "agreementItem": [{"product": [{"id": "p"}]}],
    "agreementPeriod": {"startDateTime": "2026-01-01T00:00:00Z"},
}  # fmt: skip
MADE = {
    "name": "Hafen GmbH", "engagedParty": {"id": "o-1", "name": "Hafen GmbH", "@referredType": "Organization"},
    "characteristic": [{"name": "customerNumber", "value": "K-77"}, {"name": "taxId", "value": "DE811"}],
    "contactMedium": [
        {"mediumType": "email", "characteristic": {"emailAddress": "rechnung@hafen.example"}},
        {"mediumType": "postalAddress", "characteristic": {"street1": "Kai 1", "postCode": "20457", "city": "Hamburg"}},
    ],
}  # fmt: skip
KINDS = [
    ("TMF632-Party-v4.0.0", "individual", {"givenName": "Ada", "familyName": "Kühn", "relatedParty": PARTY}),
    ("TMF632-Party-v4.0.0", "organization", {"tradingName": "Hafen", "isLegalEntity": True}),
    ("TMF666-Account-v4.0.0", "partyAccount", {"name": "main", "relatedParty": PARTY}),
    ("TMF666-Account-v4.0.0", "settlementAccount", {"name": "main", "relatedParty": PARTY}),
    ("TMF666-Account-v4.0.0", "financialAccount", {"name": "main"}),
    ("TMF666-Account-v4.0.0", "billingCycleSpecification", {"name": "monthly", "frequency": "monthly", "billingDateShift": 3}),
    ("TMF666-Account-v4.0.0", "billFormat", {"name": "PDF"}),
    ("TMF666-Account-v4.0.0", "billPresentationMedia", {"name": "e-mail"}),
    ("TMF669-PartyRole-v4.0", "partyRole", ROLE),
    ("TMF683-PartyInteraction-v4.0.0", "partyInteraction", TALK),
    ("TMF651-Agreement-v4.0.0", "agreement", AGREEMENT),
    ("TMF651-Agreement-v4.0.0", "agreementSpecification", {"name": "frame", "attachment": [{"name": "text", "url": "https://a.example/t"}]}),
]  # fmt: skip


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    await add_service(made, 1, await add_customer(made, 1, email="a@b.example"), "volume", {}, sla="gold")
    yield made
    await made.close()


async def levels(scope: Any, month: str, services: Any) -> list[Any]:
    return [{"month": month, "services": list(services)}]


async def call(state: State, method: str, path: str, body: Any = None, scope: Any = CLERK) -> httpx.Response:
    clock, guard = VirtualClock(NOW), Guard()
    view = View(state, UTC, lambda _: {"alarms": [{"id": "a-1"}], "alarms_total": 1}, levels)
    shapes = (tmf_records.organizations, tmf_records.billing_accounts, tmf_records.customers)
    routers = [*api.routers(Customers(state, "EUR"), view, *shapes, guard, clock), tmf677.router(state, UTC, guard, clock)]
    async with client(scope, *routers) as http:
        return await http.request(method, path, json=body)


def conforms(spec: str, definition: str, value: Any) -> None:
    held = json.loads((CASES / f"{spec}.json").read_text())
    schema = {"$ref": f"#/definitions/{definition}", "definitions": held["definitions"]}
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)
    assert value.keys() <= {"@type", *held["definitions"][definition]["properties"]}, definition


def base_of(spec: str) -> str:
    return str(json.loads((CASES / f"{spec}.json").read_text())["basePath"]).rstrip("/")


@pytest.mark.parametrize(("spec", "kind", "body"), KINDS, ids=[kind for _, kind, _ in KINDS])
async def test_a_resource_is_made_changed_and_removed_as_its_specification_says(state: State, spec: str, kind: str, body: Any) -> None:
    path, definition = f"{base_of(spec)}/{kind}", kind[0].upper() + kind[1:]
    conforms(spec, f"{definition}_Create", body)
    made = await call(state, "POST", path, body)
    assert made.status_code == 201, made.text
    conforms(spec, definition, made.json())
    one = f"{path}/{made.json()['id']}"
    assert one == made.headers["Location"] and (await call(state, "GET", one)).json() == made.json()
    changed = await call(state, "PATCH", one, dict([next(iter(body.items()))]))
    assert changed.status_code == 200
    conforms(spec, definition, changed.json())
    lacking = await call(state, "POST", path, {})
    assert lacking.status_code == 400
    conforms(spec, "Error", lacking.json())
    assert (await call(state, "DELETE", one)).status_code == 204 and (await call(state, "GET", one)).status_code == 404
    assert (await call(state, "GET", path, scope=replace(CLERK, role=Role.VIEWER))).status_code == 403


async def test_a_customer_made_by_tmf629_is_a_row_that_can_be_billed_and_follows_its_changes(state: State) -> None:
    spec = "TMF629-Customer-v4.0.0"
    path = f"{base_of(spec)}/customer"
    made = await call(state, "POST", path, MADE)
    assert made.status_code == 201
    conforms(spec, "Customer", made.json())
    id_ = made.json()["id"]
    async with state.read() as conn:
        row = (await conn.execute(sa.select(customer).where(customer.c.id == id_))).mappings().one()
    wanted = ("K-77", "Hafen GmbH", "rechnung@hafen.example", "Kai 1\n20457 Hamburg", "DE811")
    assert tuple(row[name] for name in ("number", "name", "email", "address", "tax_id")) == wanted
    assert (await call(state, "POST", path, MADE)).status_code == 409  # the number is taken
    changed = await call(state, "PATCH", f"{path}/{id_}", {"name": "Hafen AG", "status": "suspended"})
    assert changed.status_code == 200 and changed.json()["name"] == "Hafen AG"
    conforms(spec, "Customer", changed.json())
    old = await call(state, "PATCH", f"{path}/customer-1", {"name": "Renamed"})  # one that the inventory had
    assert old.status_code == 200 and old.json()["name"] == "Renamed"
    async with state.read() as conn:
        names = dict((await conn.execute(sa.select(customer.c.id, customer.c.name))).all())
    assert names == {id_: "Hafen AG", "customer-1": "Renamed"}
    assert {one["id"] for one in (await call(state, "GET", path)).json()} == {id_, "customer-1"}
    other = replace(CLERK, customers=("customer-1",))
    assert (await call(state, "PATCH", f"{path}/{id_}", {"name": "x"}, other)).status_code == 404


async def test_who_keeps_a_picture_of_the_customers_hears_of_a_new_one(state: State) -> None:
    heard: list[int] = []

    async def look() -> None:
        async with state.read() as conn:
            heard.append(len((await conn.execute(sa.select(customer.c.id))).all()))

    await Customers(state, "EUR", look).create(CLERK, MADE, NOW)
    assert heard == [2]  # it is stored by then


async def test_the_last_word_on_a_purpose_counts_and_every_word_is_kept(state: State) -> None:
    path = "/api/v1/customers/customer-1/consents"
    for given in (True, False):
        said = {"purpose": "marketing", "given": given, "channel": "web", "words": "privacy 2026-01"}
        assert (await call(state, "POST", path, said)).status_code == 201
    found = (await call(state, "GET", path)).json()
    assert [one["given"] for one in found["items"]] == [False] and [one["given"] for one in found["history"]] == [False, True]
    assert (await call(state, "POST", "/api/v1/customers/none/consents", {**said, "purpose": "x"})).status_code == 404


async def test_the_view_of_a_customer_joins_every_domain(state: State) -> None:
    await owed(state, 1_500)
    await Payments(state, UTC).record(CLERK, Told("b-1", "customer-1", "EUR", 500, "bank_transfer", "2026-07-01"), NOW)
    await call(state, "POST", f"{base_of('TMF683-PartyInteraction-v4.0.0')}/partyInteraction", TALK)
    await call(state, "POST", f"{base_of('TMF651-Agreement-v4.0.0')}/agreement", AGREEMENT)
    seen = (await call(state, "GET", "/api/v1/customers/customer-1/overview")).json()
    assert seen["customer"]["number"] == "K-1" and seen["services"][0]["number"] == "S-1" and seen["services"][0]["active"]
    assert seen["account"]["balances"][0]["amount_minor"] == 1_000 and seen["payments"][0]["reference"] == "b-1"
    assert seen["interactions"][0]["reason"] == "asks about the bill" and seen["agreements"][0]["name"] == "frame"
    assert seen["alarms_total"] == 1 and seen["levels"] == [{"month": "2026-07", "services": ["service-1"]}]
    assert seen["dunning"] == {"stage": 0, "standing": "", "paused": "", "holds": 0}
    assert all(name in seen for name in ("bills", "orders", "tickets", "usage", "consents"))
    assert (await call(state, "GET", "/api/v1/customers/customer-1/overview", scope=replace(CLERK, customers=("x",)))).status_code == 404


async def owed(state: State, amount_minor: int) -> None:
    row = {"tenant": 1, "id": "id-A", "kind": "invoice", "number": "A", "customer_id": "customer-1", "currency": "EUR"}
    async with state.write() as conn:
        await conn.execute(sa.insert(receivable).values(**row, amount_minor=amount_minor, issued_on="2026-06-01", due_on="2026-07-01"))


async def test_a_customer_with_open_invoices_is_not_erased_and_one_that_paid_is_pseudonymised(state: State) -> None:
    await owed(state, 1_500)
    await Debits(Payments(state, UTC), CashSettings(), "x").add_mandate(
        CLERK, Mandate("M-1", "customer-1", "Ada Kühn", "NL91ABNA0417164300", "2026-01-01"), NOW
    )
    path, why = "/api/v1/customers/customer-1/erase", {"reason": "asked by letter"}
    assert (await call(state, "POST", path, why)).status_code == 403  # an administrator's act
    refused = await call(state, "POST", path, why, CHIEF)
    assert (refused.status_code, refused.json()["reason"]) == (409, "open")
    await Payments(state, UTC).record(CLERK, Told("b-1", "customer-1", "EUR", 1_500, "bank_transfer", "2026-07-01", words="Ada"), NOW)
    refused = await call(state, "POST", path, why, CHIEF)
    assert (refused.status_code, refused.json()["reason"]) == (409, "in_service")
    await add_service_end(state)
    assert (await call(state, "POST", path, why, CHIEF)).json() == {"outcome": "pseudonymised"}
    async with state.read() as conn:
        row = (await conn.execute(sa.select(customer))).mappings().one()
        held = (await conn.execute(sa.select(sepa_mandate))).mappings().one()
    assert (row["name"], row["email"], row["address"], row["tax_id"]) == ("Erased customer K-1", "", "", "")
    assert (held["holder"], held["iban"], held["state"]) == ("", "", "revoked")
    assert (await call(state, "GET", "/tmf-api/customerManagement/v4/customer/customer-1")).status_code == 404
    assert await audit.verify(state) is None


async def add_service_end(state: State) -> None:
    from inventory.store import service

    async with state.write() as conn:
        await conn.execute(sa.update(service).values(active_to_ns=NOW - 1))


async def test_a_customer_of_whom_nothing_must_be_kept_is_gone(state: State) -> None:
    made = (await call(state, "POST", "/tmf-api/customerManagement/v4/customer", MADE)).json()
    path = f"/tmf-api/customerManagement/v4/customer/{made['id']}"
    assert (await call(state, "PATCH", path, {"name": "Another Name"})).status_code == 200
    assert (await call(state, "DELETE", path, scope=CHIEF)).status_code == 204
    async with state.read() as conn:
        assert (await conn.execute(sa.select(customer.c.id))).scalars().all() == ["customer-1"]
        assert (await conn.execute(sa.select(tmf_document.c.id).where(tmf_document.c.id == made["id"]))).all() == []


async def test_consumption_of_this_month_and_what_is_left_of_buckets_has_its_shape(state: State) -> None:
    await Balances(state).top_up(CLERK, "customer-1", "octets", 10**9, "t", NOW)
    path, spec = "/tmf-api/usageConsumption/v4/queryUsageConsumption", "TMF677-UsageConsumption-v4.0.0"
    made = await call(state, "POST", path, {"partyAccount": [{"id": "K-1"}]})
    assert made.status_code == 201, made.text
    conforms(spec, "QueryUsageConsumption", made.json())
    found = made.json()["usageConsumption"][0]
    assert found["bucketRefOrValue"][0]["remainingValue"] == {"amount": 10**9, "units": "octets"}
    assert found["service"][0]["id"] == "service-1" and found["validPeriod"]["startDateTime"].startswith("2026-07-01")
    assert (await call(state, "GET", made.json()["href"])).json() == made.json()
    assert (await call(state, "POST", path, {})).status_code == 400
    assert (await call(state, "POST", path, {"partyAccount": [{"id": "none"}]})).status_code == 404
    assert (await call(state, "DELETE", made.json()["href"])).status_code == 204
