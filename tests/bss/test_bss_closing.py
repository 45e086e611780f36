"""What is billed is earned over its days to the minor unit, a closed month stays as it was, and each sub-ledger is its account."""

import asyncio
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bss import ledger
from bss.balance import Balances
from bss.closing import Closing, ClosingError
from bss.closing_api import router
from bss.ledger import Account, Entry, Transfer
from bss.recognition import Spread, spread
from bss.store import ledger_entry
from station.clock import VirtualClock
from station.security import audit
from station.state import State
from tests.billing_bridge.calling import client
from tests.billing_bridge.metered import CLERK, at

UTC = ZoneInfo("UTC")


def document(
    number: str, *lines: tuple[int, str, str], issued: str = "2026-01-15", kind: str = "charge", reason: str = ""
) -> dict[str, Any]:
    """An invoice of lines (amount, first day, day after the last) without tax."""
    made: list[dict[str, Any]] = [
        {"no": n, "kind": kind, "amount_minor": amount, "period": {"name": "x", "start": f"{since}T00:00:00Z", "end": f"{until}T00:00:00Z"}}
        for n, (amount, since, until) in enumerate(lines, start=1)
    ]
    total = sum(amount for amount, *_ in lines)
    said: dict[str, Any] = {"id": f"id-{number}", "number": number, "currency": "EUR", "issued_on": issued, "reason": reason, "lines": made}
    said |= {"period": {"name": "2026-01", "time_zone": "UTC"}, "customer": {"id": f"c-{number[0]}"}}
    return said | {"totals": {"net_minor": total, "tax_minor": 0, "gross_minor": total}}


async def book(state: State, *entries: Entry) -> None:
    async with state.write() as conn:
        await ledger.book_entries(conn, 1, entries, at("2026-07-01"))


async def balances(state: State) -> dict[str, int]:
    async with state.read() as conn:
        return {name: minor for (name, _), minor in (await ledger.balances(conn, CLERK)).items() if minor}


async def days(state: State) -> list[tuple[str, str, str]]:
    async with state.read() as conn:
        e = ledger_entry.c
        return [tuple(row) for row in await conn.execute(sa.select(e.kind, e.day, e.meant).order_by(e.day, e.kind))]


@pytest.mark.parametrize(
    ("amount", "since", "until", "issued", "expect"),
    [
        (3100, "2026-01-01", "2026-02-01", "2026-02-03", Spread(3100, {})),  # in arrears
        (3100, "2026-02-01", "2026-03-01", "2026-01-31", Spread(0, {"2026-02": 3100})),  # in advance
        (365_00, "2026-01-01", "2027-01-01", "2026-01-01", Spread(0, {f"2026-{m:02}": d * 100 for m, d in
         enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), start=1)})),
        (100, "2026-01-16", "2026-03-16", "2026-01-20", Spread(6, {"2026-01": 21, "2026-02": 47, "2026-03": 26})),
        (-100, "2026-01-16", "2026-03-16", "2026-01-20", Spread(-6, {"2026-01": -21, "2026-02": -47, "2026-03": -26})),
        (1, "2024-02-01", "2024-03-01", "2024-02-01", Spread(0, {"2024-02": 1})),  # 29 days
        (500, "2026-01-01", "2026-01-01", "2025-12-01", Spread(500, {})),  # once
    ],
)  # fmt: skip
def test_an_amount_lies_over_the_days_of_its_period(amount: int, since: str, until: str, issued: str, expect: Spread) -> None:
    assert spread(amount, date.fromisoformat(since), date.fromisoformat(until), date.fromisoformat(issued)) == expect


DAYS = st.dates(date(2023, 1, 1), date(2030, 1, 1))


@given(st.integers(-(10**9), 10**9), DAYS, st.integers(0, 1100), DAYS)
def test_the_parts_are_the_whole_whatever_the_days(amount: int, start: date, length: int, issued: date) -> None:
    found = spread(amount, start, start + timedelta(days=length), issued)
    assert found.now_minor + sum(found.later.values()) == amount
    assert all((part > 0) == (amount > 0) and part for part in found.later.values())
    assert all(month >= f"{max(start, issued):%Y-%m}" for month in found.later)


async def test_what_is_billed_ahead_is_deferred_and_earned_month_by_month(state: State) -> None:
    year = document("A1", (36_500, "2026-01-01", "2027-01-01"), (1_000, "2025-12-01", "2026-01-01"), issued="2026-01-01")
    await book(state, ledger.entry_of(year))
    assert await balances(state) == {"Assets:Receivable": 37_500, "Income:Revenue": -1_000, "Liabilities:Deferred": -36_500}
    closing, now_ns = Closing(state, UTC), at("2026-03-02")
    for month, earned in (("2026-01", 4_100), ("2026-02", 6_900)):
        await closing.close(CLERK, month, now_ns)
        assert (await balances(state))["Income:Revenue"] == -earned
    await closing.close(CLERK, "2026-01", now_ns)  # again: nothing moves
    assert await balances(state) == {"Assets:Receivable": 37_500, "Income:Revenue": -6_900, "Liabilities:Deferred": -30_600}
    note = document("A2", (-36_500, "2026-01-01", "2027-01-01"), issued="2026-03-01", kind="credit")
    await book(state, ledger.entry_of(note, "note"))
    found = await balances(state)
    assert "Liabilities:Deferred" not in found and found["Income:Credited"] == 5_900  # what lay ahead was never earned


async def test_nothing_is_booked_into_a_closed_month_and_a_late_fact_says_which_day_it_means(state: State) -> None:
    await book(state, Entry("payment", "p1", "2026-01-10", "EUR", "x", "c-A", [Transfer(Account.CASH, Account.UNALLOCATED, 5)]))
    closing, now_ns = Closing(state, UTC), at("2026-02-05")
    made = await closing.close(CLERK, "2026-01", now_ns)
    late = Entry("payment", "p2", "2026-01-31", "EUR", "x", "c-A", [Transfer(Account.CASH, Account.UNALLOCATED, 7)])
    invoice = document("B1", (2_800, "2026-01-01", "2026-03-01"), issued="2026-01-20")
    await book(state, late, ledger.entry_of(invoice))
    assert await days(state) == [
        ("payment", "2026-01-10", ""),
        ("invoice", "2026-02-01", "2026-01-20"),
        ("payment", "2026-02-01", "2026-01-31"),
    ]
    assert (await closing.close(CLERK, "2026-01", now_ns))["sha256"] == made["sha256"]
    with pytest.raises(ClosingError, match="not over"):
        await closing.close(CLERK, "2026-02", now_ns)
    with pytest.raises(ClosingError, match="2026-02 is closed first"):
        await closing.close(CLERK, "2026-03", at("2026-04-02"))
    await closing.close(CLERK, "2026-02", at("2026-04-02"))
    found = await balances(state)  # what January's days are worth was earned in February, and no part was lost
    assert found["Income:Revenue"] == -2_800 and "Liabilities:Deferred" not in found
    assert await audit.verify(state) is None


async def test_a_credit_for_a_missed_level_and_prepaid_money_have_sub_ledgers_of_their_own(state: State) -> None:
    reason = "SLA gold: 99.1 % of 99.95 %, credit 25 %"
    await book(state, ledger.entry_of(document("A1", (-500, "2025-12-01", "2026-01-01"), reason=reason), "note"))
    held, now_ns = Balances(state), at("2026-01-10")
    await held.top_up(CLERK, "c", "EUR", 1_000, "t1", now_ns, at("2026-01-20"))
    await held.top_up(CLERK, "c", "EUR", 500, "t2", now_ns)
    await held.top_up(CLERK, "c", "octets", 10**9, "t3", now_ns)
    await held.debit(CLERK, "c", "EUR", 300, "s1", now_ns)
    await Closing(state, UTC).close(CLERK, "2026-01", at("2026-02-01"))
    assert await balances(state) == {
        "Assets:Cash": 1_500, "Assets:Receivable": -500, "Income:Revenue": -1_000, "Income:SlaCredit": 500, "Liabilities:Prepaid": -500,
    }  # fmt: skip
    await held.debit(CLERK, "c", "EUR", 200, "s2", at("2026-02-10"))
    await Closing(state, UTC).close(CLERK, "2026-02", at("2026-03-01"))
    assert (await balances(state))["Liabilities:Prepaid"] == -300


async def test_a_sub_ledger_by_customer_is_its_account_and_bean_check_takes_the_whole(state: State, tmp_path: Path) -> None:
    await book(state, *(ledger.entry_of(document(f"{who}1", (n, "2026-01-01", "2026-04-01"))) for who, n in (("A", 900), ("B", 1_801))))
    clock = VirtualClock(at("2026-02-05"))
    async with client(CLERK, router(Closing(state, UTC), clock)) as http:
        assert (await http.post("/api/v1/ledger/months/2026-01/close")).json()["balances"]["EUR"]["Assets:Receivable"] == 2_701
        assert [one["month"] for one in (await http.get("/api/v1/ledger/months")).json()["items"]] == ["2026-01"]
        assert (await http.post("/api/v1/ledger/months/2026-02/close")).status_code == 409
        for account in ("Assets:Receivable", "Liabilities:Deferred", "Income:Revenue"):
            found = (await http.get(f"/api/v1/ledger/accounts/{account}")).json()["items"]
            assert [one["customer_id"] for one in found] == ["c-A", "c-B"]
            assert sum(one["amount_minor"] for one in found) == (await balances(state))[account]
        assert (await http.get("/api/v1/ledger/accounts/None")).status_code == 404
    async with state.read() as conn:
        text = await ledger.beancount(conn, CLERK, "2026-01-01", "2027-01-01")
    (tmp_path / "ledger.beancount").write_text(text)
    check = [str(Path(sys.executable).parent / "bean-check"), str(tmp_path / "ledger.beancount")]
    ran = await asyncio.to_thread(subprocess.run, check, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "") and "recognition" in text


@pytest.mark.slow
async def test_a_month_closes_once_while_others_book_and_no_entry_slips_in_behind_it(any_state: State) -> None:
    await any_state.create_all()
    closing, now_ns = Closing(any_state, UTC), at("2026-02-05")

    async def pay(n: int) -> None:
        await book(any_state, Entry("payment", f"p{n}", "2026-01-10", "EUR", "x", "c", [Transfer(Account.CASH, Account.UNALLOCATED, 1)]))

    made = await asyncio.gather(closing.close(CLERK, "2026-01", now_ns), closing.close(CLERK, "2026-01", now_ns), *map(pay, range(20)))
    assert made[0]["sha256"] == made[1]["sha256"]
    async with any_state.read() as conn:
        text = await ledger.beancount(conn, CLERK, "2026-01-01", "2026-02-01")
    assert text.count("\n  id: ") == made[0]["entries"]
    assert (await balances(any_state))["Assets:Cash"] == 20
