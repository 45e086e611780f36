"""A month from samples to invoices and back."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from pypdf import PdfReader

from billing_bridge.meter import Meter
from billing_bridge.proof import verify
from billing_bridge.settings import BillingSettings
from bss.billing import Biller, BillRunError, reproduce
from bss.explain import explain
from bss.explain_text import text
from bss.pdf import pdf_of
from bss.settings import BssSettings
from bss.store import invoice
from bss.tariffs import Tariffs
from station.data import data_dir
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, NS, PORT, ArraySource, add_customer, add_service, at, network, polled

pytestmark = pytest.mark.slow  # each makes a store and a month on both engines

JUNE, JULY, AUGUST = at("2026-06-01"), at("2026-07-01"), at("2026-08-01")
SETTINGS = BillingSettings(time_zone="UTC")
BSS = BssSettings(operator_name="Nordnetz GmbH", operator_address="Kai 1\n20457 Hamburg", operator_tax_id="DE123456789")


def biller(state: State) -> Biller:
    return Biller(state, Tariffs(data_dir("config/tariffs")), BSS, SETTINGS)


async def invoices(state: State) -> list[dict[str, object]]:
    async with state.read() as conn:
        return [dict(row) for row in (await conn.execute(sa.select(invoice).order_by(invoice.c.number))).mappings()]


def burst(n: int) -> tuple[float, float]:
    """20 Mbit/s in; out 80, and above the commitment in 500 of the month's slots, always a bit more."""
    return 20, 150 + n / 100 if 1000 <= n < 1500 else 80


@pytest.fixture
async def month(any_state: State) -> tuple[State, ArraySource]:
    """June with two customers: K-1 bursts on port 1, K-2 pays by volume on port 2."""
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1), "burst95", {1: (0, 0)})
    await add_service(any_state, 2, await add_customer(any_state, 2, tax_rate_ppm=70_000), "volume", {2: (0, 0)})
    source = ArraySource({PORT[1]: polled(JUNE, JULY, burst), PORT[2]: polled(JUNE, JULY, lambda n: (5, 1))})
    return any_state, source


async def test_a_month_becomes_invoices_that_lead_back_to_their_samples(month: tuple[State, ArraySource]) -> None:
    state, source = month
    meter = Meter(state, CLERK, source, SETTINGS)
    report = await meter.run_once(JULY + DAY_NS)
    assert (report.produced, report.revised, report.refused, report.recycled) == (120, 0, 0, 0)
    ran = await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    assert (ran.made, ran.stood, list(ran.exceptions)) == (2, 0, [])
    first, second = [json.loads(str(row["document"])) for row in await invoices(state)]
    # 500 bursting slots: the 432 highest are free, the 68th lowest of them is billed, slot 1067 with 150 + 10.67 Mbit/s.
    assert [(line["charge"], line["quantity"], line["amount_minor"]) for line in first["lines"]] == [
        ("1.flat", "1", 18_000),
        ("2.commit", "100", 24_000),
        ("2.overage", "60.67", 18_808),
    ]
    assert first["totals"] == {"net_minor": 60_808, "tax_minor": 11_554, "gross_minor": 72_362}
    # 8640 slots x 300 s x 6 Mbit/s = 1944 GB, 500 included: 1000 x 0.08 + 444 x 0.05
    assert [line["amount_minor"] for line in second["lines"]] == [7_900, 10_220]
    assert second["taxes"] == [{"rate_ppm": 70_000, "net_minor": 18_120, "tax_minor": 1_268}]
    assert [first["number"], second["number"]] == ["INV-2026-000001", "INV-2026-000002"]
    assert first["quality"][0] | {"service": ""} == {
        "service": "",
        "slots": 8640,
        "good": 8640,
        "interpolated": 0,
        "gap": 0,
        "rejected": 0,
    } | dict.fromkeys(("wrapped", "reset", "suspect", "capped"), 0)
    tree = await explain(state, CLERK, source, "INV-2026-000001", 3)
    assert tree is not None
    billed = next(slot for slot in tree["slots"]["decisive"] if slot["rank"] == 8208)
    assert (billed["start_ns"], billed["out_octets"]) == (JUNE + 1066 * 300 * NS, int(160.67 * 125_000 * 300))
    assert billed["start_ns"] == tree["slots"]["billed_ns"]
    assert sum(sample["out_delta"] for sample in tree["raw"][0]["samples"][1:2]) == billed["out_octets"]
    assert [usage["revision"] for usage in tree["usage"]] == [0] * 30


async def test_a_second_run_changes_nothing_and_any_invoice_can_be_made_again(month: tuple[State, ArraySource]) -> None:
    state, source = month
    await Meter(state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    before = await invoices(state)
    again = await biller(state).run(CLERK, "2026-06", JULY + 9 * DAY_NS)
    assert (again.made, again.stood) == (0, 2)
    assert await invoices(state) == before
    for row in before:
        assert await reproduce(state, CLERK, str(row["id"])) == row["document"]


async def test_a_month_is_not_billed_before_its_grace_is_over(month: tuple[State, ArraySource]) -> None:
    state, _ = month
    with pytest.raises(BillRunError, match="48 hours"):
        await biller(state).run(CLERK, "2026-06", JULY + DAY_NS)
    assert await invoices(state) == []


async def test_the_pdf_is_set_once_and_shows_hostile_names_as_text(any_state: State) -> None:
    name = '#panic("x") $a$ *b* <script>'
    await network(any_state)
    await add_service(any_state, 1, await add_customer(any_state, 1, name=name), "burst95", {1: (0, 0)})
    await Meter(any_state, CLERK, ArraySource({PORT[1]: polled(JUNE, JULY, burst)}), SETTINGS).run_once(JULY + DAY_NS)
    await biller(any_state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    invoice_id = str((await invoices(any_state))[0]["id"])
    pdf = await pdf_of(any_state, CLERK, invoice_id)
    assert pdf is not None and pdf == await pdf_of(any_state, CLERK, invoice_id)
    pages = PdfReader(io.BytesIO(pdf)).pages
    words = "".join(page.extract_text() for page in pages)
    assert name in words and "SIMULATED NETWORK" in words and "723.62" in words
    assert "1 \u2013 30 June 2026" in words and "How well it was measured" in words and "100.00 %" in words
    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in pages} == {(595, 842)}


async def test_late_samples_after_the_bill_are_a_correction_on_their_own_period(month: tuple[State, ArraySource]) -> None:
    state, source = month
    whole = source.samples[PORT[2]]
    missing = slice(2000, 2020)
    lost = whole.take(missing).received(JULY + 10 * DAY_NS)
    restarted = np.delete(np.arange(len(whole.time_ns)), np.arange(2000, 2020))
    source.samples[PORT[2]] = replace(whole.take(restarted), uptime_cs=np.full(len(restarted), -1, np.int64))
    meter = Meter(state, CLERK, source, SETTINGS)
    await meter.run_once(JULY + DAY_NS)
    await biller(state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    source.samples[PORT[2]] = source.samples[PORT[2]].joined(lost)
    assert (await meter.run_once(JULY + 11 * DAY_NS)).revised > 0
    await meter.run_once(AUGUST + DAY_NS)
    await biller(state).run(CLERK, "2026-07", AUGUST + 3 * DAY_NS)
    rows = await invoices(state)
    first = json.loads(str(rows[1]["document"]))
    second = next(json.loads(str(row["document"])) for row in rows if (row["period"], row["customer_id"]) == ("2026-07", "customer-2"))
    corrections = [line for line in second["lines"] if line["kind"] != "charge"]
    assert [(line["kind"], line["period"]["name"], line["amount_minor"]) for line in corrections] == [
        ("credit", "2026-06", -first["lines"][1]["amount_minor"]),
        ("debit", "2026-06", 10_220),
    ]
    assert corrections[0]["corrects"]["invoice"] == first["number"]
    for line in second["lines"]:
        tree = await explain(state, CLERK, source, second["number"], line["no"])
        assert tree is not None and tree["slots"]["agrees"] and tree["usage_total"] == line["usage_records"]
    for row in rows:
        assert await reproduce(state, CLERK, str(row["id"])) == row["document"]
    assert await verify(state, CLERK) is None


async def test_an_explanation_reads_as_lines_and_obeys_no_control_character(any_state: State) -> None:
    await network(any_state, hostile="\x1b[2J")
    await add_service(any_state, 1, await add_customer(any_state, 1), "burst95", {1: (0, 0)})
    source = ArraySource({PORT[1]: polled(JUNE, JULY, burst)})
    await Meter(any_state, CLERK, source, SETTINGS).run_once(JULY + DAY_NS)
    await biller(any_state).run(CLERK, "2026-06", JULY + 3 * DAY_NS)
    tree = await explain(any_state, CLERK, source, "INV-2026-000001", 3)
    assert tree is not None
    lines = text(tree)
    assert "rank 8208  2026-06-04T16:50:00.000Z" in lines
    assert "\x1b" not in lines and "\\x1b[2J" in lines
