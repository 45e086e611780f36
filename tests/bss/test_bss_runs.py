"""Runs at the same time, runs that are controlled, and allowances that live through months."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from billing_bridge.meter import Meter
from billing_bridge.periods import Period
from bss import billing
from bss.billing import Biller, reproduce
from bss.control import Difference, Rating, differences
from bss.rating.price import ServiceUsage
from bss.tariffs import Tariffs, parse, rate
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, network, polled
from tests.bss.test_bss_billing import AUGUST, BSS, JULY, JUNE, SETTINGS, biller, invoices

HEAD = 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n'
SHARED = """
[[charges]]
kind = "allowance"
amount = "100"
share = "customer_in_order"

[[charges]]
kind = "per_unit"
price = "1"
"""


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[State]:
    made = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    yield made
    await made.close()


def tariffs(folder: Path, text: str) -> Tariffs:
    (folder / "t").mkdir()
    (folder / "t" / "2026-01-01.toml").write_text(HEAD + text)
    return Tariffs(folder)


async def lines(state: State) -> list[list[tuple[str, str, int]]]:
    """(charge, quantity, amount) of the lines of each invoice."""
    found = [json.loads(str(row["document"]))["lines"] for row in await invoices(state)]
    return [[(line["charge"], line["quantity"], line["amount_minor"]) for line in of] for of in found]


def gigabytes(n: float) -> tuple[float, float]:
    """Mbit/s in and out that come to n GB in 30 days."""
    return n * 8000 / (30 * 86_400), 0


@pytest.mark.slow
async def test_two_runs_at_the_same_time_issue_each_invoice_once(any_state: State) -> None:
    await network(any_state)
    for n in (1, 2, 3):
        await add_service(any_state, n, await add_customer(any_state, n), "burst95", {n: (0, 0)})
    reports = await asyncio.gather(*(biller(any_state).run(CLERK, "2026-06", JULY + 3 * DAY_NS) for _ in range(2)))
    assert sum(report.made for report in reports) == 3
    assert [row["number"] for row in await invoices(any_state)] == [f"INV-2026-00000{n}" for n in (1, 2, 3)]


@pytest.mark.slow
async def test_what_is_left_of_an_allowance_lives_one_more_month_and_can_be_made_again(state: State, tmp_path: Path) -> None:
    text = SHARED.replace('share = "customer_in_order"', 'rollover = "one_period"\ndirection = "sum"')
    await network(state)
    await add_service(state, 1, await add_customer(state, 1), "t", {1: (0, 0)})
    june, july = polled(JUNE, JULY, lambda n: gigabytes(60)), polled(JULY, AUGUST, lambda n: gigabytes(130 * 30 / 31))
    source = ArraySource({PORT[1]: june.joined(july)})
    made = Biller(state, tariffs(tmp_path, text), BSS, SETTINGS)
    for month, end_ns in (("2026-06", JULY), ("2026-07", AUGUST)):
        await Meter(state, CLERK, source, SETTINGS).run_once(end_ns + DAY_NS)
        await made.run(CLERK, month, end_ns + 3 * DAY_NS)
    first, second = await lines(state)
    assert [row[:1] + row[2:] for row in first] == [("1.allowance", 0), ("2.per_unit", 0)]
    assert [row[:1] + row[2:] for row in second] == [("1.allowance", 0), ("2.per_unit", 0)]  # 130 of 100 + 40
    for row in await invoices(state):
        assert await reproduce(state, CLERK, str(row["id"])) == row["document"]


@pytest.mark.slow
async def test_a_pool_serves_a_customers_services_in_the_order_of_their_numbers(state: State, tmp_path: Path) -> None:
    await network(state)
    customer = await add_customer(state, 1)
    for n in (1, 2):
        await add_service(state, n, customer, "t", {n: (0, 0)})
    source = ArraySource({PORT[1]: polled(JUNE, JULY, lambda n: gigabytes(150)), PORT[2]: polled(JUNE, JULY, lambda n: gigabytes(80))})
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    report = await Biller(state, tariffs(tmp_path, SHARED), BSS, SETTINGS).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    (found,) = await lines(state)
    used = [round(float(row[1])) for row in found]
    assert (used, list(report.exceptions)) == ([150, 0, 50, 30], [])


def test_a_charge_that_two_ratings_price_differently_is_named() -> None:
    version = parse("t", date(2026, 1, 1), HEAD + '[[charges]]\nkind = "flat"\namount = "10"\n')
    usage = ServiceUsage(Period(0, 0, "2026-06"), 30, 30)
    items = rate(version, usage)
    wrong = Rating("s", "2026-06", version, usage, [type(items[0])("1.flat", "", items[0].quantity, "", items[0].unit_price, 999, {})])
    assert differences([Rating("s", "2026-06", version, usage, items)]) == []
    assert differences([wrong]) == [Difference(wrong, "1.flat", 999, 1000)]


@pytest.mark.slow
async def test_a_customer_whose_ratings_differ_gets_no_invoice_and_the_next_run_makes_it(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    await network(state)
    for n in (1, 2):
        await add_service(state, n, await add_customer(state, n), "burst95", {n: (0, 0)})
    with monkeypatch.context() as patched:
        patched.setattr(billing, "differences", lambda ratings: [Difference(ratings[0], "1.flat", 1, 2)])
        report = await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    assert (report.made, [row["service"] for row in report.exceptions]) == (1, ["S-1"])
    again = await biller(state).run(CLERK, "2026-06", JULY + 4 * DAY_NS)
    assert (again.made, again.stood, list(again.exceptions)) == (1, 1, [])
