"""A payment is recorded once, what is owed and what is left are never below nothing, and every movement is in the ledger."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from bss import ledger
from bss.receivables import account as accounts
from bss.receivables import api, tmf676
from bss.receivables.account import AccountError, Item, Source, settle
from bss.receivables.payments import Payments, Told
from bss.receivables.proposals import REFUND, WRITE_OFF, Asked, Proposals
from bss.receivables.store import payment, receivable
from station.clock import VirtualClock
from station.scope import Role
from station.security.targets import Guard
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, add_customer, at, network

NOW = at("2026-07-10")
CHIEF = replace(CLERK, user="chief")
UTC = ZoneInfo("UTC")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    await add_customer(made, 1)
    yield made
    await made.close()


async def owed(state: State, number: str, amount_minor: int, due_on: str, currency: str = "EUR") -> None:
    """An issued document with its ledger entry, as a bill run leaves them."""
    row = {"tenant": 1, "id": f"id-{number}", "kind": "invoice", "number": number, "customer_id": "customer-1", "currency": currency}
    row |= {"amount_minor": amount_minor, "issued_on": "2026-06-01", "due_on": due_on}
    transfers = [ledger.Transfer(ledger.Account.RECEIVABLE, ledger.Account.REVENUE, amount_minor)]
    async with state.write() as conn:
        await conn.execute(sa.insert(receivable).values(**row))
        entry = ledger.Entry("invoice", f"id-{number}", "2026-06-01", currency, number, "customer-1", transfers)
        await ledger.book_entries(conn, 1, [entry], NOW)


def told(reference: str, amount_minor: int, **more: Any) -> Told:
    base = Told(reference, "customer-1", "EUR", amount_minor, "bank_transfer", "2026-07-09")
    return replace(base, **more)


async def account(state: State) -> accounts.Account:
    async with state.read() as conn:
        return await accounts.load(conn, 1, "customer-1")


async def balances(state: State) -> dict[str, int]:
    async with state.read() as conn:
        return {name: minor for (name, _), minor in (await ledger.balances(conn, CLERK, "customer-1")).items() if minor}


async def test_a_payment_settles_the_earliest_due_first_and_is_recorded_once(state: State) -> None:
    await owed(state, "B", 5_000, "2026-07-20")
    await owed(state, "A", 10_000, "2026-07-01")
    await owed(state, "USD", 10_000, "2026-06-01", "USD")
    payments = Payments(state, UTC)
    first = await payments.record(CLERK, told("bank-1", 12_000), NOW)
    again = await payments.record(CLERK, told("bank-1", 12_000), NOW + DAY_NS)
    assert (first.new, again.new, again.id) == (True, False, first.id)
    assert [(one.use_id, one.amount_minor) for one in first.allocations] == [("id-A", 10_000), ("id-B", 2_000)]
    assert {one.number: one.open_minor for one in (await account(state)).items} == {"USD": 10_000, "A": 0, "B": 3_000}
    with pytest.raises(AccountError, match="another amount"):
        await payments.record(CLERK, told("bank-1", 12_001), NOW)
    found = await balances(state)
    assert (found["Assets:Cash"], found.get("Liabilities:Unallocated", 0)) == (12_000, 0)


async def test_what_is_paid_too_much_waits_and_is_allocated_or_refunded(state: State) -> None:
    await owed(state, "A", 10_000, "2026-07-01")
    payments = Payments(state, UTC)
    proposals = Proposals(payments, 1_000)
    paid = await payments.record(CLERK, told("bank-1", 15_000), NOW)
    assert (await balances(state))["Liabilities:Unallocated"] == -5_000
    await owed(state, "B", 2_000, "2026-08-01")
    assert [one.use_id for one in await payments.allocate(CLERK, "customer-1", NOW)] == ["id-B"]
    small = Asked(REFUND, "customer-1", "payment", paid.id, 1_000, "r-1", "paid twice")
    assert (await proposals.propose(CLERK, small, NOW))["state"] == "done"
    assert (await proposals.propose(CLERK, small, NOW))["state"] == "done"  # the same one
    large = await proposals.propose(CLERK, replace(small, amount_minor=2_000, reference="r-2"), NOW)
    assert large["state"] == "open"
    with pytest.raises(AccountError, match="second person"):
        await proposals.decide(CLERK, large["id"], NOW, approve=True)
    assert (await proposals.decide(CHIEF, large["id"], NOW, approve=True))["state"] == "done"
    assert (await proposals.decide(CHIEF, large["id"], NOW, approve=True))["decided_by"] == "chief"
    found = await balances(state)
    assert (found["Assets:Cash"], found.get("Liabilities:Unallocated"), sum(found.values())) == (12_000, None, 0)
    with pytest.raises(AccountError, match="refunded"):
        await payments.reverse(CLERK, paid.id, "chargeback", "holder disputes", NOW)


async def test_a_chargeback_opens_again_what_the_payment_settled(state: State) -> None:
    await owed(state, "A", 10_000, "2026-07-01")
    payments = Payments(state, UTC)
    before = await balances(state)
    paid = await payments.record(CLERK, told("card-1", 12_000, method="card", token="tok_1"), NOW)
    made = await payments.reverse(CLERK, paid.id, "chargeback", "holder disputes", NOW)
    assert [one.amount_minor for one in made] == [-10_000]
    assert await payments.reverse(CLERK, paid.id, "chargeback", "told again", NOW) == []
    assert await balances(state) == before
    held = await account(state)
    assert (held.items[0].open_minor, held.sources[0].left_minor, held.balances()) == (10_000, 0, {"EUR": 10_000})


async def test_a_write_off_needs_two_above_the_limit_and_can_be_taken_back(state: State) -> None:
    await owed(state, "A", 10_000, "2026-07-01")
    proposals = Proposals(Payments(state, UTC), 0)
    asked = await proposals.propose(CLERK, Asked(WRITE_OFF, "customer-1", "document", "A", 10_000, "w-1", "insolvent"), NOW)
    await proposals.decide(CHIEF, asked["id"], NOW, approve=True)
    assert (await balances(state))["Expenses:WrittenOff"] == 10_000
    assert (await account(state)).items[0].open_minor == 0
    await proposals.take_back(CHIEF, asked["id"], "paid after all", NOW)
    await proposals.take_back(CHIEF, asked["id"], "again", NOW)
    assert (await account(state)).items[0].open_minor == 10_000 and "Expenses:WrittenOff" not in await balances(state)


async def test_named_documents_must_be_owed_in_the_currency_and_by_that_much(state: State) -> None:
    await owed(state, "A", 10_000, "2026-07-01")
    await owed(state, "USD", 10_000, "2026-07-01", "USD")
    payments = Payments(state, UTC)
    for named, reason in (({"A": 10_001}, "too_much"), ({"USD": 1}, "currency"), ({"C": 1}, "unknown"), ({"A": 1, "id-A": 1}, "twice")):
        with pytest.raises(AccountError) as refused:
            await payments.record(CLERK, told("bank-1", 12_000, named=named), NOW)
        assert refused.value.reason == reason
    assert (await account(state)).sources == []  # a refused payment is not half recorded
    paid = await payments.record(CLERK, told("bank-1", 12_000, named={"A": 4_000}), NOW)
    await payments.withdraw(CLERK, "customer-1", ("payment", paid.id), "A", NOW)
    assert (await account(state)).sources[0].left_minor == 12_000


async def test_a_card_number_is_never_kept_and_a_token_is(state: State) -> None:
    payments = Payments(state, UTC)
    with pytest.raises(AccountError, match="card number"):
        await payments.record(CLERK, told("card-0", 100, token="4111111111111111"), NOW)
    await payments.record(CLERK, told("card-1", 100, words="from 5500-0000-0000-0004, thanks", token="tok_4111"), NOW)
    await payments.record(CLERK, told("bank-1", 100, words="RF18 5390 0754 7034"), NOW)
    async with state.read() as conn:
        kept = (await conn.execute(sa.select(payment.c.words).order_by(payment.c.reference))).scalars().all()
    assert kept == ["RF18 5390 0754 7034", "from card ...0004, thanks"]


@pytest.mark.slow
async def test_of_many_who_settle_one_document_at_once_none_settles_it_twice(any_state: State) -> None:
    await network(any_state)
    await add_customer(any_state, 1)
    await owed(any_state, "A", 10_000, "2026-07-01")
    payments = Payments(any_state, UTC)
    await asyncio.gather(*(payments.record(CLERK, told(f"bank-{n % 4}", 4_000), NOW) for n in range(8)))
    held = await account(any_state)
    assert (len(held.sources), held.items[0].open_minor, sum(one.left_minor for one in held.sources)) == (4, 0, 6_000)
    found = await balances(any_state)
    assert (found["Assets:Cash"], found["Liabilities:Unallocated"], sum(found.values())) == (16_000, -6_000, 0)


amounts = st.integers(1, 500)
sources = st.builds(Source, st.just("payment"), st.uuids().map(str), st.text("ab", max_size=3), st.sampled_from(["EUR", "JPY"]),
                    st.sampled_from(["2026-01-01", "2026-02-01"]), st.just(500), amounts)  # fmt: skip
items = st.builds(Item, st.uuids().map(str), st.text("ab", max_size=3), st.sampled_from(["EUR", "JPY"]), st.just("2026-01-01"),
                  st.sampled_from(["2026-01-09", "2026-02-09"]), st.just(500), amounts)  # fmt: skip


@given(st.lists(sources, max_size=6), st.lists(items, max_size=6))
def test_settling_leaves_either_no_credit_or_no_debt_in_each_currency(have: list[Source], due: list[Item]) -> None:
    made = settle(have, due)
    held = accounts.after(accounts.Account("c", due, have, []), made)  # asserts that nothing goes below nothing
    for currency in ("EUR", "JPY"):
        left = sum(one.left_minor for one in held.sources if one.currency == currency)
        open_ = sum(one.open_minor for one in held.items if one.currency == currency)
        assert 0 in (left, open_)
    assert held.balances() == accounts.Account("c", due, have, []).balances()


ACTS = st.sampled_from(["owed", "pay", "allocate", "withdraw", "reverse", "refund", "write_off", "take_back"])
plans = st.lists(st.tuples(ACTS, st.integers(1, 60), st.integers(0, 5)), max_size=20)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(plans)
def test_the_ledger_always_says_what_the_account_says(plan: list[tuple[str, int, int]]) -> None:
    asyncio.run(_lived(plan))


async def _lived(plan: list[tuple[str, int, int]]) -> None:
    state = State("sqlite+aiosqlite://")
    await network(state)
    await add_customer(state, 1)
    payments = Payments(state, UTC)
    proposals = Proposals(payments, 1 << 53)
    for n, (act, amount, which) in enumerate(plan):
        await _act(state, proposals, act, (n, amount, which))
        held, booked = await account(state), await balances(state)
        left = sum(one.left_minor for one in held.sources if one.kind == "payment")
        open_ = sum(one.open_minor for one in held.items) - sum(one.left_minor for one in held.sources if one.kind == "document")
        assert (booked.get("Assets:Receivable", 0), -booked.get("Liabilities:Unallocated", 0)) == (open_, left)
        assert sum(booked.values()) == 0
    await state.close()


async def _act(state: State, proposals: Proposals, act: str, drawn: tuple[int, int, int]) -> None:
    (n, amount, which), held, payments = drawn, await account(state), proposals.payments
    paid = [one for one in held.sources if one.kind == "payment"]
    try:
        if act == "owed":
            await owed(state, f"N{n}", amount if which else -amount, f"2026-07-{which + 1:02}")
        elif act == "pay":
            await payments.record(CLERK, told(f"p{n // 2}", amount, hold=which == 0), NOW)
        elif act == "allocate":
            await payments.allocate(CLERK, "customer-1", NOW)
        elif act == "withdraw" and held.allocations:
            one = held.allocations[which % len(held.allocations)]
            await payments.withdraw(CLERK, "customer-1", (one.source_kind, one.source_id), one.use_id, NOW)
        elif act == "reverse" and paid:
            await payments.reverse(CLERK, paid[which % len(paid)].id, "returned", "no funds", NOW)
        elif act == "refund" and held.sources:
            source = held.sources[which % len(held.sources)]
            await proposals.propose(CLERK, Asked(REFUND, "customer-1", source.kind, source.id, amount, f"r{n}", "x"), NOW)
        elif act == "write_off" and held.items:
            item = held.items[which % len(held.items)]
            await proposals.propose(CLERK, Asked(WRITE_OFF, "customer-1", "document", item.id, amount, f"w{n}", "x"), NOW)
        elif act == "take_back":
            written = [one.source_id for one in held.allocations if one.source_kind == "write_off"]
            if written:
                await proposals.take_back(CLERK, written[which % len(written)], "x", NOW)
    except AccountError:
        pass  # refused: it must have changed nothing, which the sums show


async def call(state: State, method: str, path: str, scope: Any = CLERK, **more: Any) -> httpx.Response:
    payments = Payments(state, UTC)
    async with client(scope, *api.routers(payments, Proposals(payments, 0), VirtualClock(NOW))) as http:
        return await http.request(method, f"/api/v1{path}", **more)


async def test_an_account_over_http_shows_what_is_open_overdue_and_left(state: State) -> None:
    await owed(state, "A", 10_000, "2026-06-20")
    await owed(state, "B", 700, "2026-07-20")
    paid = await call(state, "POST", "/accounts/customer-1/payments", json={"reference": "b-1", "currency": "EUR", "amount_minor": 4_000})
    assert paid.status_code == 201 and paid.json()["allocations"][0]["use_id"] == "id-A"
    shown = (await call(state, "GET", "/accounts/customer-1")).json()
    assert shown["balances"] == [{"currency": "EUR", "amount_minor": 6_700, "amount": "67.00"}]
    assert shown["ageing"]["EUR"] == {"not_due": 700, "1_30": 6_000, "31_60": 0, "61_90": 0, "over_90": 0}
    refund = {"source": {"kind": "payment", "id": paid.json()["id"]}, "amount_minor": 1, "reason": "x"}
    refused = await call(state, "POST", "/accounts/customer-1/refunds", json=refund)
    assert (refused.status_code, refused.json()["reason"]) == (409, "too_much")
    off = await call(state, "POST", "/accounts/customer-1/write-offs", json={"document": "B", "amount_minor": 700, "reason": "small"})
    assert (off.status_code, off.json()["state"]) == (201, "open")
    assert (await call(state, "POST", f"/money-proposals/{off.json()['id']}/approve")).status_code == 403
    assert (await call(state, "POST", f"/money-proposals/{off.json()['id']}/approve", CHIEF)).json()["state"] == "done"
    lines = (await call(state, "GET", "/accounts/customer-1/statement", params={"from": "2026-07-01"})).json()
    assert [(one["kind"], one["amount_minor"], one["balance_minor"]) for one in lines["lines"]] == [
        ("payment", -4_000, 6_700),
        ("write_off", -700, 6_000),
    ]
    assert (lines["opening"][0]["amount"], lines["closing"][0]["amount"]) == ("107.00", "60.00")
    back = await call(state, "POST", f"/payments/{paid.json()['id']}/reverse", json={"kind": "returned", "reason": "no funds"})
    assert back.status_code == 200
    other = replace(CLERK, customers=("customer-2",))
    assert (await call(state, "GET", "/accounts/customer-1", other)).status_code == 404
    assert (
        await call(state, "POST", f"/payments/{paid.json()['id']}/reverse", other, json={"kind": "error", "reason": "x"})
    ).status_code == 404
    assert (await call(state, "GET", "/accounts/customer-1", replace(CLERK, role=Role.OPERATOR))).status_code == 403


CASES = Path(__file__).parents[1] / "cases" / "tmf"
PAY = "/tmf-api/paymentManagement/v4"


async def tmf(state: State, method: str, path: str, scope: Any = CLERK, **more: Any) -> httpx.Response:
    async with client(scope, tmf676.router(Proposals(Payments(state, UTC), 0), Guard(), VirtualClock(NOW))) as http:
        return await http.request(method, f"{PAY}{path}", **more)


def conforms(kind: str, value: Any) -> None:
    """`value` has the shape of TMF676's definition and nothing that it does not know."""
    spec = json.loads((CASES / "TMF676-Payment-v4.0.0.json").read_text())
    schema = {"$ref": f"#/definitions/{kind}", "definitions": spec["definitions"]}
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)
    assert value.keys() <= spec["definitions"][kind]["properties"].keys()


def paid(reference: str, value: Any, **more: Any) -> dict[str, Any]:
    method = {"@type": "bankTransfer", "name": "bank_transfer"}
    base = {"account": {"id": "customer-1"}, "paymentMethod": method, "correlatorId": reference}
    return base | {"totalAmount": {"unit": "EUR", "value": value}} | more


async def test_payments_and_refunds_have_the_shape_of_tmf676_and_stand_once(state: State) -> None:
    await owed(state, "A", 10_000, "2026-07-01")
    item = {"item": {"id": "id-A"}, "amount": {"unit": "EUR", "value": 80.1}}
    made = await tmf(state, "POST", "/payment", json=paid("b-1", 100.29, paymentItem=[item]))
    assert made.status_code == 201, made.text
    assert (await tmf(state, "POST", "/payment", json=paid("b-1", 100.29))).json() == made.json()
    assert (await tmf(state, "POST", "/payment", json=paid("b-1", 100.28))).status_code == 409
    assert (await tmf(state, "POST", "/payment", json=paid("b-2", 1.001))).status_code == 400
    assert (await tmf(state, "POST", "/payment", json=paid("b-3", 1, account={"id": "nobody"}))).status_code == 404
    assert (await tmf(state, "POST", "/payment", json={"account": {"id": "customer-1"}})).status_code == 400
    conforms("Payment", made.json())
    assert (await tmf(state, "GET", made.json()["href"].removeprefix(PAY))).json() == made.json()
    assert [one["amount"]["value"] for one in made.json()["paymentItem"]] == [80.1]
    refund = paid("r-1", 20.19, payment={"id": made.json()["id"]})
    back = await tmf(state, "POST", "/refund", json=refund)
    conforms("Refund", back.json())
    assert (back.status_code, back.json()["status"]) == (201, "pendingApproval")
    await Proposals(Payments(state, UTC), 0).decide(CHIEF, back.json()["id"], NOW, approve=True)
    assert (await tmf(state, "GET", "/refund", params={"status": "accepted"})).json()[0]["id"] == back.json()["id"]
    assert (await tmf(state, "POST", "/refund", json=refund | {"correlatorId": "r-2"})).status_code == 409
    assert (await tmf(state, "GET", "/payment", replace(CLERK, customers=("customer-2",)))).json() == []
