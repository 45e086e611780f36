"""What a run cannot bill or correct is reported, never silent; what was billed stands."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from billing_bridge import periods
from billing_bridge.completeness import octets
from billing_bridge.meter import Meter
from billing_bridge.proof import verify
from bss.billing import Biller, RunReport
from bss.store import invoice_pdf
from bss.tariffs import Tariffs
from inventory.store import service
from station.data import data_dir
from station.scope import ForbiddenError
from station.security.audit import rows as audit_rows
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, PORT, ArraySource, add_customer, add_service, network, polled
from tests.bss.test_bss_billing import AUGUST, BSS, JULY, JUNE, SETTINGS, invoices

pytestmark = pytest.mark.slow  # each makes a store and a month on both engines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The tariffs in a folder that a test may change."""
    return Path(shutil.copytree(data_dir("config/tariffs"), tmp_path / "tariffs"))


async def june(state: State, folder: Path, *, tariff: str = "volume", simulated: bool = False) -> tuple[Meter, Biller, RunReport]:
    """June metered without its last ten days and billed; the samples of those days came on 10 July."""
    await network(state, simulated=False)
    await add_service(state, 1, await add_customer(state, 1), tariff, {1: (0, 0)})
    whole = polled(JUNE, JULY, lambda n: (5, 1))
    cut = 20 * 288
    late = whole.take(slice(cut, None)).received(JULY + 10 * DAY_NS)
    source = ArraySource({PORT[1]: whole.take(slice(0, cut))})
    meter = Meter(state, CLERK, source, SETTINGS)
    await meter.run_once(JULY + DAY_NS)
    made = Biller(state, Tariffs(folder), BSS, SETTINGS, simulated=simulated)
    report = await made.run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    source.samples[PORT[1]] = source.samples[PORT[1]].joined(late)
    await meter.run_once(JULY + 11 * DAY_NS, late=True)
    return meter, made, report


async def test_a_correction_whose_tariff_is_gone_is_reported_and_the_bill_stands(any_state: State, folder: Path) -> None:
    _, made, _ = await june(any_state, folder)
    shutil.rmtree(folder / "volume")
    report = await made.run(CLERK, "2026-07", AUGUST + 3 * DAY_NS)
    assert [(row["period"], row["service"]) for row in report.exceptions] == [("2026-07", "S-1"), ("2026-06", "S-1")]
    assert "not corrected, what was billed stands: tariff volume: the version of 2026-01-01 is gone" in report.exceptions[1]["reason"]
    assert [row["period"] for row in await invoices(any_state)] == ["2026-06"]


async def test_a_correction_is_priced_as_the_month_was_although_the_service_has_no_tariff_now(any_state: State, folder: Path) -> None:
    _, made, _ = await june(any_state, folder)
    async with any_state.write() as conn:
        await conn.execute(sa.update(service).values(tariff=""))
    report = await made.run(CLERK, "2026-07", AUGUST + 3 * DAY_NS)
    assert [(row["period"], row["reason"]) for row in report.exceptions] == [("2026-07", "tariff -: the service has no tariff")]
    first, second = [json.loads(str(row["document"])) for row in await invoices(any_state)]
    assert [(line["kind"], line["tariff"]["name"]) for line in second["lines"]] == [("credit", "volume"), ("debit", "volume")]
    assert second["lines"][0]["amount_minor"] == -first["lines"][1]["amount_minor"]


async def test_a_service_that_prices_another_currency_is_reported(any_state: State, folder: Path) -> None:
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1, currency="JPY"), "volume", {1: (0, 0)})
    report = await Biller(any_state, Tariffs(folder), BSS, SETTINGS).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    assert report.made == 0 and "prices EUR, the customer is billed in JPY" in report.exceptions[0]["reason"]


@pytest.mark.parametrize("simulated", [True, False])
async def test_a_station_on_a_simulated_network_says_so_on_every_invoice(simulated: bool, any_state: State, folder: Path) -> None:
    await june(any_state, folder, simulated=simulated)
    assert json.loads(str((await invoices(any_state))[0]["document"]))["simulated"] is simulated


async def test_a_run_sets_every_page_and_leaves_its_trace(any_state: State, folder: Path) -> None:
    _, made, report = await june(any_state, folder)
    async with any_state.write() as conn:
        assert (await conn.execute(sa.select(sa.func.count()).select_from(invoice_pdf))).scalar_one() == report.made == 1
        await conn.execute(sa.delete(invoice_pdf))
    await made.run(CLERK, "2026-06", JULY + 4 * DAY_NS)
    async with any_state.read() as conn:
        assert (await conn.execute(sa.select(invoice_pdf.c.pdf))).scalar_one().startswith(b"%PDF-")
    trace = [(row["act"], row["actor"]) for row in reversed(await audit_rows(any_state, CLERK))]
    assert [act for act, _ in trace] == ["bill_run.begin", "invoice.issue", "bill_run.end", "bill_run.end"]
    assert {actor for _, actor in trace} == {"clerk"}


async def test_a_run_is_for_all_customers_or_refused(any_state: State, folder: Path) -> None:
    await network(any_state)
    for limited in (replace(CLERK, customers=("customer-1",)), replace(CLERK, regions=("north",))):
        with pytest.raises(ForbiddenError, match="all customers"):
            await Biller(any_state, Tariffs(folder), BSS, SETTINGS).run(limited, "2026-06", JULY + 3 * DAY_NS)


async def test_late_usage_that_changes_no_amount_is_rerated_and_nothing_waits(any_state: State, folder: Path) -> None:
    """Inside the included gigabytes a late day changes usage and no line."""
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "volume", {1: (0, 0)})
    whole = polled(JUNE, AUGUST, lambda n: (0.1, 0.1))
    days = np.arange(len(whole.time_ns)) // 288
    source = ArraySource({PORT[1]: whole.take(days != 20)})
    meter, made = Meter(any_state, CLERK, source, SETTINGS), Biller(any_state, Tariffs(folder), BSS, SETTINGS)
    await meter.run_once(JULY + DAY_NS)
    await made.run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    source.samples[PORT[1]] = source.samples[PORT[1]].joined(whole.take(days == 20).received(JULY + 10 * DAY_NS))
    assert (await meter.run_once(JULY + 11 * DAY_NS, late=True)).revised > 0
    async with any_state.read() as conn:
        assert (await octets(conn, CLERK, periods.month("2026-06", SETTINGS.zone)))["volume"]["waiting"] > 0
    await meter.run_once(AUGUST + DAY_NS)
    await made.run(CLERK, "2026-07", AUGUST + 3 * DAY_NS)
    assert [len(json.loads(str(row["document"]))["lines"]) for row in await invoices(any_state)] == [2, 2]
    async with any_state.read() as conn:
        for of in (await octets(conn, CLERK, periods.month("2026-06", SETTINGS.zone))).values():
            assert of["waiting"] == 0 and of["guided"] == of["rated"] + of["zero_rated"]
    assert await verify(any_state, CLERK) is None
