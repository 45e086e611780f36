"""The ledger is zero-sum whatever happens, credits need two people, and a balance is never spent twice."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from bss import api, ledger
from bss.balance import Balances, Outcome
from bss.einvoice import cii
from bss.einvoice.terms import terms_of
from bss.store import balance_bucket, credit_note, ledger_transfer
from station.clock import VirtualClock
from station.scope import Role
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, DAY_NS, NS, ArraySource, add_customer, add_service, network
from tests.bss.test_bss_billing import BSS, JULY, biller, invoices

NOW = JULY + 3 * DAY_NS
CHIEF = replace(CLERK, user="chief")


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await network(made)
    yield made
    await made.close()


@pytest.fixture
async def billed(state: State) -> State:
    """One customer with one invoice: 180.00 and 240.00 and nothing over, 19 % tax."""
    await add_service(state, 1, await add_customer(state, 1, name='"Quoted" \\ & Söhne'), "burst95", {})
    await biller(state).run(CLERK, "2026-06", NOW, pages=False)
    return state


async def call(state: State, method: str, path: str, scope: Any = CLERK, **more: Any) -> httpx.Response:
    made = replace(biller(state), settings=BSS.model_copy(update={"operator_country": "DE"}))
    async with client(scope, api.router(state, made, ArraySource(), VirtualClock(NOW))) as http:
        return await http.request(method, f"/api/v1{path}", **more)


async def sums(state: State, party: str = "") -> dict[tuple[str, str], int]:
    async with state.read() as conn:
        return await ledger.balances(conn, CLERK, party)


@pytest.mark.slow
async def test_an_invoice_is_owed_earned_and_taxed_and_all_accounts_sum_to_nothing(billed: State) -> None:
    gross = int((await invoices(billed))[0]["gross_minor"])  # type: ignore[call-overload]
    found = await sums(billed, "customer-1")
    assert found == {
        ("Assets:Receivable", "EUR"): gross,
        ("Income:Revenue", "EUR"): -42_000,
        ("Liabilities:Tax", "EUR"): -(gross - 42_000),
    }
    await biller(billed).run(CLERK, "2026-06", NOW, pages=False)
    assert await sums(billed) == found and sum(found.values()) == 0


@pytest.mark.slow
async def test_an_invoice_says_what_is_open_after_payments_and_credits(billed: State) -> None:
    paid = {"reference": "bank-1", "currency": "EUR", "amount_minor": 20_000}
    assert (await call(billed, "POST", "/accounts/customer-1/payments", json=paid)).status_code == 201
    asked = {"lines": [{"line_no": 1, "amount_minor": -10_000}], "reason": "line was noisy"}
    proposal = (await call(billed, "POST", "/invoices/INV-2026-000001/credits", json=asked)).json()["id"]
    await call(billed, "POST", f"/credits/{proposal}/approve", CHIEF)
    await call(billed, "POST", "/accounts/customer-1/allocations", json={"documents": []})
    shown = (await call(billed, "GET", "/invoices/INV-2026-000001")).json()["account"]
    assert [(one["kind"], one["amount_minor"]) for one in shown["settled_by"]] == [("document", 11_900), ("payment", 20_000)]
    assert shown["open_minor"] == 49_980 - 31_900 == (await sums(billed))["Assets:Receivable", "EUR"]


@pytest.mark.slow
async def test_a_credit_needs_a_second_person_and_stands_once(billed: State) -> None:
    asked = {"lines": [{"line_no": 1, "amount_minor": -10_000}], "reason": "line was noisy"}
    proposal = (await call(billed, "POST", "/invoices/INV-2026-000001/credits", json=asked)).json()["id"]
    assert (await call(billed, "POST", f"/credits/{proposal}/approve")).status_code == 403
    made = await call(billed, "POST", f"/credits/{proposal}/approve", CHIEF)
    assert (await call(billed, "POST", f"/credits/{proposal}/approve", CHIEF)).json() == made.json()
    note = made.json()
    assert (note["number"], note["totals"]) == ("NOTE-2026-000001", {"net_minor": -10_000, "tax_minor": -1_900, "gross_minor": -11_900})
    found = await sums(billed)
    assert (found["Income:Credited", "EUR"], sum(found.values())) == (10_000, 0)
    too_much = asked | {"lines": [{"line_no": 1, "amount_minor": -8_001}]}
    refused = await call(billed, "POST", "/invoices/INV-2026-000001/credits", json=too_much)
    assert (refused.status_code, refused.json()["reason"]) == (409, "too_much")
    rest = asked | {"lines": [{"line_no": 1, "amount_minor": -8_000}]}
    second = (await call(billed, "POST", "/invoices/INV-2026-000001/credits", json=rest)).json()["id"]
    assert (await call(billed, "POST", f"/credits/{second}/refuse", CHIEF)).status_code == 204
    assert (await call(billed, "POST", f"/credits/{second}/approve", CHIEF)).status_code == 409
    seller = note["seller"] | {"country": "DE"}
    xml = etree.fromstring(cii.write(terms_of(note | {"seller": seller})))
    assert xml.findtext(".//ram:GrandTotalAmount", namespaces=cii.NAMES) == "119.00"
    assert xml.findtext(".//ram:InvoiceReferencedDocument/ram:IssuerAssignedID", namespaces=cii.NAMES) == "INV-2026-000001"


@pytest.mark.slow
async def test_two_who_approve_at_once_issue_one_note(billed: State) -> None:
    asked = {"lines": [{"line_no": 1, "amount_minor": -100}], "reason": "goodwill"}
    proposal = (await call(billed, "POST", "/invoices/INV-2026-000001/credits", json=asked)).json()["id"]
    both = await asyncio.gather(*(call(billed, "POST", f"/credits/{proposal}/approve", replace(CHIEF, user=who)) for who in "ab"))
    assert {answer.json()["number"] for answer in both} == {"NOTE-2026-000001"}
    async with billed.read() as conn:
        assert (await conn.execute(sa.select(sa.func.count()).select_from(credit_note))).scalar_one() == 1


@pytest.mark.slow
async def test_bean_check_accepts_the_export(billed: State, tmp_path: Path) -> None:
    text = (await call(billed, "GET", "/ledger/beancount", params={"from": "2026-01-01"})).text
    file = tmp_path / "ledger.beancount"
    file.write_text(text)
    program = shutil.which("bean-check", path=str(Path(sys.executable).parent))
    assert program, "bean-check is missing: .venv/bin/pip install beancount"
    ran = await asyncio.to_thread(subprocess.run, [program, str(file)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert text.count('* "invoice"') == 1 and "Income:Revenue  -420.00 EUR" in text


@pytest.mark.slow
@pytest.mark.parametrize("amount", [0, -1])
async def test_the_database_refuses_a_transfer_of_nothing(amount: int, state: State) -> None:
    row = {"tenant": 1, "entry_id": "e", "no": 1, "debit": "Assets:Cash", "credit": "Income:Revenue", "amount_minor": amount}
    with pytest.raises(sa.exc.IntegrityError):
        async with state.write() as conn:
            await conn.execute(sa.insert(ledger_transfer).values(**row))


@pytest.mark.slow
async def test_electronic_invoices_and_profiles_over_http(billed: State) -> None:
    assert (await call(billed, "GET", "/invoices/INV-2026-000001.xml")).status_code == 409  # issued before there was a country
    changed = await call(billed, "PUT", "/customers/customer-1/billing-profile", json={"country": "AT", "tax_category": "AE"})
    assert changed.json() == (await call(billed, "GET", "/customers/customer-1/billing-profile")).json()
    assert (await call(billed, "PUT", "/customers/nobody/billing-profile", json={})).status_code == 404
    assert (
        await call(billed, "PUT", "/customers/customer-1/billing-profile", replace(CLERK, role=Role.VIEWER), json={})
    ).status_code == 403


@pytest.mark.slow
async def test_of_many_sessions_at_once_only_those_that_fit_get_the_balance(any_state: State) -> None:
    await any_state.create_all()
    held = Balances(any_state)
    await held.top_up(CLERK, "c", "octets", 100, "voucher", NOW, NOW + DAY_NS)
    await held.top_up(CLERK, "c", "octets", 50, "gift", NOW)
    assert await held.top_up(CLERK, "c", "octets", 50, "gift", NOW) == await held.top_up(CLERK, "c", "octets", 50, "gift", NOW)
    found = await asyncio.gather(*(held.reserve(CLERK, "c", "octets", 40, f"s{n}", NOW) for n in range(6)))
    assert sorted(outcome.value for outcome, _ in found) == ["done"] * 3 + ["insufficient"] * 3
    holds = [hold for outcome, hold in found if outcome == Outcome.DONE]
    assert await held.reserve(CLERK, "c", "octets", 40, "s0", NOW) in found  # asked again: nothing more is kept
    assert [await held.commit(CLERK, holds[0], used, NOW) for used in (25, 25, 26)] == [Outcome.DONE, Outcome.DONE, Outcome.CLOSED]
    assert await held.release(CLERK, holds[1], NOW) == Outcome.DONE
    assert await held.commit(CLERK, holds[1], 1, NOW) == Outcome.CLOSED
    assert await held.commit(CLERK, holds[2], 40, NOW + 3601 * NS) == Outcome.CLOSED  # its time was over
    assert sum(bucket.free for bucket in await held.buckets(CLERK, "c", "octets", NOW)) == 125
    later = await held.buckets(CLERK, "c", "octets", NOW + 2 * DAY_NS)
    assert sum(bucket.free for bucket in later) <= 50  # the voucher has expired


ACTS = st.sampled_from(["reserve", "commit", "release", "top_up", "later"])
steps = st.lists(st.tuples(ACTS, st.integers(0, 60), st.integers(0, 4)), max_size=25)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(steps)
def test_what_was_put_in_is_what_was_used_and_what_is_left(plan: list[tuple[str, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        asyncio.run(_lived(plan, Path(folder)))


async def _lived(plan: list[tuple[str, int, int]], folder: Path) -> None:
    state, now_ns, put, used = State(f"sqlite+aiosqlite:///{folder / 'state.db'}"), NOW, 0, 0
    await state.create_all()
    held, holds = Balances(state), dict[int, str]()
    for n, (step, amount, which) in enumerate(plan):
        if step == "top_up" and amount:
            await held.top_up(CLERK, "c", "EUR", amount, f"t{n}", now_ns)
            put += amount
        elif step == "reserve" and amount:
            outcome, hold = await held.reserve(CLERK, "c", "EUR", amount, f"r{n}", now_ns, hold_s=600)
            holds |= {which: hold} if outcome == Outcome.DONE else {}
        elif step == "commit" and which in holds:
            before = await _amount(state)
            await held.commit(CLERK, holds[which], amount, now_ns)
            used += before - await _amount(state)
        elif step == "release" and which in holds:
            await held.release(CLERK, holds[which], now_ns)
        else:
            now_ns += 300 * NS
        assert await _amount(state) == put - used
    for hold in holds.values():
        await held.release(CLERK, hold, now_ns)
    assert sum(bucket.free for bucket in await held.buckets(CLERK, "c", "EUR", now_ns + DAY_NS)) == put - used
    await state.close()


async def _amount(state: State) -> int:
    async with state.read() as conn:
        return int((await conn.execute(sa.select(sa.func.coalesce(sa.func.sum(balance_bucket.c.amount), 0)))).scalar_one())


@pytest.mark.slow
async def test_authorisation_over_http_says_what_is_not_there(state: State) -> None:
    await call(state, "POST", "/balances/customer-1/top-ups", json={"unit": "EUR", "amount": 500, "key": "p1"})
    granted = await call(state, "POST", "/balances/customer-1/reservations", json={"unit": "EUR", "amount": 400, "key": "s1"})
    refused = await call(state, "POST", "/balances/customer-1/reservations", json={"unit": "EUR", "amount": 400, "key": "s2"})
    assert (granted.status_code, refused.status_code, refused.json()["outcome"]) == (200, 402, "insufficient")
    done = await call(state, "POST", f"/balances/holds/{granted.json()['hold']}/commit", json={"used": 150})
    assert done.json() == {"outcome": "done"}
    shown = (await call(state, "GET", "/balances/customer-1/EUR")).json()
    assert (shown["free"], json.dumps(shown["buckets"][0]["held"])) == (350, "0")
    assert (await call(state, "POST", "/balances/holds/none/release")).status_code == 404
    other = replace(CLERK, customers=("customer-2",))
    assert (await call(state, "GET", "/balances/customer-1/EUR", other)).status_code == 404


@pytest.mark.slow
async def test_steps_of_many_sessions_have_each_their_own_answer_in_one_request(state: State) -> None:
    for n in (1, 2):
        await call(state, "POST", f"/balances/customer-{n}/top-ups", json={"unit": "octets", "amount": 500, "key": "t"})
    asked = [{"act": "debit", "owner": f"customer-{1 + n % 2}", "unit": "octets", "amount": 100, "key": f"k{n}"} for n in range(12)]
    asked += [{"act": "reserve", "owner": "customer-3", "unit": "octets", "amount": 1, "key": "r"}, {"act": "release", "hold": "none"}]
    said = (await call(state, "POST", "/balances/steps", json={"steps": asked})).json()["items"]
    assert [one["outcome"] for one in said] == ["done"] * 10 + ["insufficient"] * 3 + ["unknown"]
    again = (await call(state, "POST", "/balances/steps", json={"steps": asked})).json()["items"]
    assert again == said  # told again nothing more is taken
    other = replace(CLERK, customers=("customer-2",))
    seen = (await call(state, "POST", "/balances/steps", other, json={"steps": asked[:2]})).json()["items"]
    assert [one["outcome"] for one in seen] == ["unknown", "done"]
    refused: list[Any] = [{"steps": []}, {"steps": [{"act": "take"}]}, {"steps": [asked[0] | {"amount": -1}]}]
    for wrong in refused:
        assert (await call(state, "POST", "/balances/steps", json=wrong)).status_code == 422
