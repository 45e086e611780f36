"""Bill runs of every cycle: spans that meet, fees in advance, changes of plan, payers, currencies and taxes on the invoice."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pypdf import PdfReader

from billing_bridge.settings import BillingSettings
from bss.assurance import unbilled_active
from bss.billing import Biller, reproduce
from bss.cycles import parse
from bss.invoice_csv import as_csv
from bss.pdf import render
from bss.settings import BssSettings, LegalEntity, TaxRounding
from bss.store import bill_split, billed_period, billing_profile, exchange_rate, invoice, leakage, one_off, service_plan
from bss.tariffs import Tariffs
from inventory.store import service
from station.state import State
from tests.billing_bridge.metered import CLERK, DAY_NS, add_customer, add_service, at
from tests.bss.test_bss_billing import invoices

FLAT = 'summary = "s"\ncurrency = "{currency}"\nrounding = "half_up"\n{head}\n[[charges]]\nkind = "flat"\namount = "{amount}"\n{more}\n'
SETTINGS = BssSettings(operator_country="DE", operator_tax_id="DE123456789", grace_h=0)


class Shop:
    """A biller over a folder of tariffs and taxes that the test writes."""

    def __init__(self, state: State, folder: Path, settings: BssSettings = SETTINGS, zone: str = "UTC") -> None:
        self.state, self.folder = state, folder
        (folder / "tariffs").mkdir()
        (folder / "taxes").mkdir()
        self.biller = Biller(state, Tariffs(folder / "tariffs"), settings, BillingSettings(time_zone=zone), taxes=folder / "taxes")

    def flat(self, name: str, amount: str, *more: str, currency: str = "EUR", head: str = "", since: str = "2026-01-01") -> None:
        (self.folder / "tariffs" / name).mkdir(exist_ok=True)
        text = FLAT.format(currency=currency, amount=amount, head=head, more="\n".join(more))
        (self.folder / "tariffs" / name / f"{since}.toml").write_text(text)

    def taxes(self, place: str, text: str) -> None:
        (self.folder / "taxes" / f"{place}.toml").write_text(f'summary = "s"\n{text}')

    async def profile(self, n: int, **terms: str) -> None:
        async with self.state.write() as conn:
            await conn.execute(sa.insert(billing_profile).values(tenant=1, customer_id=f"customer-{n}", **terms))

    async def run(self, period: str, day: str) -> list[dict[str, Any]]:
        """The documents of a run, each made again from what the run fixed."""
        report = await self.biller.run(CLERK, period, at(day), pages=False)
        assert list(report.exceptions) == []
        rows = [row for row in await invoices(self.state) if row["period"] == period]
        for row in rows:
            assert await reproduce(self.state, CLERK, str(row["id"])) == row["document"]
        return [json.loads(str(row["document"])) for row in rows]


@pytest.fixture
def shop(state: State, tmp_path: Path) -> Shop:
    return Shop(state, tmp_path)


def lines(document: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """(kind, charge, period, amount) of each line."""
    return [(line["kind"], line["charge"], line["period"]["name"], line["amount_minor"]) for line in document["lines"]]


async def test_spans_from_the_31st_meet_and_each_is_billed_once(shop: Shop) -> None:
    shop.flat("t", "31")
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "t", {}, active_from_ns=at("2026-02-10"))
    await shop.profile(1, cycle="R/2026-01-31/P1M")
    names = await shop.biller.due(CLERK, at("2026-05-01"))
    assert names == ["2026-01-31/2026-02-28", "2026-02-28/2026-03-31", "2026-03-31/2026-04-30"]
    amounts = [(await shop.run(name, "2026-05-01"))[0]["totals"]["net_minor"] for name in names]
    assert amounts == [1_993, 3_100, 3_100]  # 18 of 28 days, then whole spans
    assert await shop.biller.due(CLERK, at("2026-05-01")) == []
    assert await shop.run("2026-04", "2026-05-02") == []  # a calendar month is not this customer's


async def test_a_change_of_cycle_gives_one_shorter_span(shop: Shop) -> None:
    shop.flat("t", "31")
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "t", {})
    await shop.run("2026-06", "2026-07-01")
    await shop.profile(1, cycle="R/2026-07-16/P1M")
    assert await shop.biller.due(CLERK, at("2026-08-20")) == ["2026-07-01/2026-07-16", "2026-07-16/2026-08-16"]
    assert (await shop.run("2026-07-01/2026-07-16", "2026-08-20"))[0]["totals"]["net_minor"] == 1_550  # 15 of 30 days from 16 June
    assert (await shop.run("2026-07-16/2026-08-16", "2026-08-20"))[0]["totals"]["net_minor"] == 3_100
    async with shop.state.read() as conn:
        spans = (await conn.execute(sa.select(billed_period.c.start_ns, billed_period.c.end_ns).order_by(billed_period.c.start_ns))).all()
    assert [high for _, high in spans[:-1]] == [low for low, _ in spans[1:]]


async def test_a_fee_in_advance_is_settled_when_the_service_ends(shop: Shop) -> None:
    shop.flat("t", "31", 'billed = "advance"')
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "t", {}, active_from_ns=at("2026-06-16"))
    (first,) = await shop.run("2026-06", "2026-07-01")
    assert lines(first) == [("charge", "1.flat", "2026-06", 1_550), ("charge", "1.flat", "2026-07", 3_100)]
    (second,) = await shop.run("2026-07", "2026-08-01")
    assert lines(second) == [("charge", "1.flat", "2026-08", 3_100)]  # July stands on the first bill
    async with shop.state.write() as conn:
        await conn.execute(sa.update(service).values(active_to_ns=at("2026-08-11")))
    (third,) = await shop.run("2026-08", "2026-09-01")
    assert lines(third) == [("credit", "1.flat", "2026-08", -3_100), ("debit", "1.flat", "2026-08", 1_000)]
    assert third["lines"][0]["corrects"]["invoice"] == second["number"]
    assert await shop.run("2026-09", "2026-10-01") == []


async def test_an_upgrade_credits_what_was_paid_in_advance_and_charges_both_parts(shop: Shop) -> None:
    shop.flat("small", "31", 'billed = "advance"')
    shop.flat("large", "62", 'billed = "advance"')
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "small", {})
    await shop.run("2026-06", "2026-07-01")
    async with shop.state.write() as conn:
        row = {"tenant": 1, "service_id": "service-1", "day": "2026-07-11", "made_ns": at("2026-07-10"), "made_by": "clerk"}
        await conn.execute(sa.insert(service_plan).values(**row, tariff="large", was="small"))
    (found,) = await shop.run("2026-07", "2026-08-01")
    assert lines(found) == [
        ("charge", "1.flat#1", "2026-07", 4_200),  # 21 of 31 days
        ("charge", "1.flat", "2026-08", 6_200),
        ("credit", "1.flat", "2026-07", -3_100),
        ("debit", "1.flat", "2026-07", 1_000),
    ]


async def test_what_is_asked_for_once_stands_on_one_bill(shop: Shop) -> None:
    shop.flat("t", "10")
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "t", {})
    row = {"tenant": 1, "customer_id": "customer-1", "service_id": "service-1", "unit": "piece", "currency": "EUR", "tax_class": "standard"}
    async with shop.state.write() as conn:
        for n, day in ((1, "2026-06-03"), (2, "2026-07-31"), (3, "2026-08-01")):
            about = {
                "id": f"o{n}",
                "day": day,
                "description": "Router",
                "quantity": "3",
                "unit_price": "16.665",
                "made_ns": 1,
                "made_by": "c",
            }
            await conn.execute(sa.insert(one_off).values(**row, **about))
    (first,) = await shop.run("2026-06", "2026-07-01")
    assert lines(first)[1:] == [("charge", "once.o1", "2026-06", 5_000)]
    (second,) = await shop.run("2026-07", "2026-08-02")
    assert lines(second)[1:] == [("charge", "once.o2", "2026-07", 5_000)]


async def test_a_parent_pays_and_a_service_is_shared(shop: Shop) -> None:
    shop.flat("t", "10.01")
    for n in (1, 2, 3):
        await add_service(shop.state, n, await add_customer(shop.state, n), "t", {})
    await shop.profile(2, payer_id="customer-1")
    async with shop.state.write() as conn:
        await conn.execute(sa.insert(bill_split).values(tenant=1, service_id="service-2", payer_id="customer-3", share_ppm=333_333))
    first, third = await shop.run("2026-06", "2026-07-01")
    assert [(line["service"]["number"], line.get("owner", {}).get("number"), line["amount_minor"]) for line in first["lines"]] == [
        ("S-1", None, 1_001),
        ("S-2", "K-2", 667),
    ]
    assert [(line["service"]["number"], line["amount_minor"]) for line in third["lines"]] == [("S-3", 1_001), ("S-2", 334)]
    assert first["lines"][1]["share"] == {"ppm": 666_667, "amount_minor": 1_001}


@pytest.mark.parametrize(
    ("billed", "base", "quote", "rate", "minor"),
    [
        ("JPY", "EUR", "JPY", "163.27", 1_634),  # 10.01 EUR
        ("BHD", "BHD", "EUR", "2.44", 4_102),  # the opposite rate is divided by; three decimals
        ("USD", "EUR", "USD", "1.0849", 1_086),
    ],
)
async def test_a_tariff_in_another_currency_is_converted_by_the_rate_of_the_last_day(
    shop: Shop, billed: str, base: str, quote: str, rate: str, minor: int
) -> None:
    shop.flat("t", "10.01")
    await add_service(shop.state, 1, await add_customer(shop.state, 1, currency=billed), "t", {})
    async with shop.state.write() as conn:
        for day, value in (("2026-06-01", "9"), ("2026-06-30", rate), ("2026-07-01", "8")):
            row = {"tenant": 1, "day": day, "base": base, "quote": quote, "rate": value, "source": "ECB", "made_ns": 1}
            await conn.execute(sa.insert(exchange_rate).values(**row))
    (found,) = await shop.run("2026-06", "2026-07-01")
    assert found["totals"]["net_minor"] == minor
    assert found["lines"][0]["exchange"] == {
        "rate": f"1 {base} = {rate} {quote}", "day": "2026-06-30", "source": "ECB", "currency": "EUR", "amount_minor": 1_001,
    }  # fmt: skip


async def test_tax_of_an_invoice_in_another_currency_is_told_in_the_sellers_own(shop: Shop) -> None:
    shop.taxes("DE", GERMANY)
    shop.flat("t", "100", currency="USD")
    await add_service(shop.state, 1, await add_customer(shop.state, 1, currency="USD"), "t", {})
    await shop.profile(1, tax_jurisdiction="auto", country="DE")
    async with shop.state.write() as conn:
        row = {"tenant": 1, "day": "2026-06-30", "base": "EUR", "quote": "USD", "rate": "1.25", "source": "ECB", "made_ns": 1}
        await conn.execute(sa.insert(exchange_rate).values(**row))
    (found,) = await shop.run("2026-06", "2026-07-01")
    accounted = found["tax_accounting"]
    assert (found["totals"]["tax_minor"], accounted["currency"], accounted["tax_minor"]) == (1_900, "EUR", 1_520)


async def test_without_a_rate_the_service_is_an_exception(shop: Shop) -> None:
    shop.flat("t", "10")
    await add_service(shop.state, 1, await add_customer(shop.state, 1, currency="JPY"), "t", {})
    report = await shop.biller.run(CLERK, "2026-06", at("2026-07-01"), pages=False)
    assert [row["reason"] for row in report.exceptions] == ["tariff t: prices EUR, the customer is billed in JPY"]


GERMANY = """eu = true
[[rates]]
class = "standard"
from = 2007-01-01
percent = "19"
[[rates]]
class = "standard"
from = 2026-07-01
percent = "16"
[[rates]]
class = "reduced"
from = 2007-01-01
percent = "7"
"""


async def test_the_rate_of_the_last_day_of_supply_holds(shop: Shop) -> None:
    shop.taxes("DE", GERMANY)
    shop.flat("t", "10")
    shop.flat("book", "10", head='tax_class = "reduced"')
    customer = await add_customer(shop.state, 1, tax_rate_ppm=0)
    await add_service(shop.state, 1, customer, "t", {})
    await add_service(shop.state, 2, customer, "book", {})
    await shop.profile(1, tax_jurisdiction="auto", country="DE")
    june, july = (await shop.run("2026-06", "2026-08-01"))[0], (await shop.run("2026-07", "2026-08-01"))[0]
    assert [(row["rate_ppm"], row["category"], row["tax_minor"]) for row in june["taxes"]] == [(70_000, "S", 70), (190_000, "S", 190)]
    assert [(row["rate_ppm"], row["tax_minor"]) for row in july["taxes"]] == [(70_000, 70), (160_000, 160)]


@pytest.mark.parametrize(
    ("country", "tax_id", "category", "rate"),
    [("FR", "FR83404833048", "AE", 0), ("FR", "", "S", 200_000), ("US", "", "G", 0), ("DE", "", "S", 190_000)],
)
async def test_place_of_supply_decides_the_category(shop: Shop, country: str, tax_id: str, category: str, rate: int) -> None:
    shop.taxes("DE", GERMANY)
    shop.taxes("FR", 'eu = true\n[[rates]]\nclass = "standard"\nfrom = 2014-01-01\npercent = "20"\n')
    shop.flat("t", "10")
    await add_service(shop.state, 1, await add_customer(shop.state, 1, tax_id=tax_id), "t", {})
    await shop.profile(1, tax_jurisdiction="auto", country=country)
    (found,) = await shop.run("2026-06", "2026-07-01")
    assert [(row["category"], row["rate_ppm"]) for row in found["taxes"]] == [(category, rate)]


async def test_a_price_with_tax_stays_the_price(shop: Shop) -> None:
    shop.taxes("DE", GERMANY)
    shop.flat("t", "9.99", head="prices_include_tax = true")
    customer = await add_customer(shop.state, 1)
    for n in range(1, 8):
        await add_service(shop.state, n, customer, "t", {})
    await shop.profile(1, tax_jurisdiction="auto", country="DE")
    (found,) = await shop.run("2026-06", "2026-07-01")
    assert found["totals"] == {"net_minor": 7 * 839, "tax_minor": 7 * 160, "gross_minor": 7 * 999}


async def test_tax_is_rounded_per_line_or_per_rate(state: State, tmp_path: Path) -> None:
    shop = Shop(state, tmp_path, SETTINGS.model_copy(update={"tax_rounding": TaxRounding.PER_LINE}))
    shop.flat("t", "0.13")
    customer = await add_customer(state, 1)
    for n in range(1, 5):
        await add_service(state, n, customer, "t", {})
    (found,) = await shop.run("2026-06", "2026-07-01")
    assert found["totals"] == {"net_minor": 52, "tax_minor": 8, "gross_minor": 60}  # four times 2; 52 at once would be 10


async def test_each_legal_entity_numbers_in_series_of_its_own(state: State, tmp_path: Path) -> None:
    sud = LegalEntity(name="Süd GmbH", country="AT", tax_id="ATU1", series="SUD", credit_series="SUDC")
    shop = Shop(state, tmp_path, SETTINGS.model_copy(update={"entities": {"sud": sud}}))
    shop.flat("t", "31", 'billed = "advance"')
    for n in range(1, 5):
        await add_service(state, n, await add_customer(state, n), "t", {})
        if n % 2:
            await shop.profile(n, legal_entity="sud")
    june = await shop.run("2026-06", "2026-07-01")
    assert [found["number"] for found in june] == ["INV-2026-000001", "INV-2026-000002", "SUD-2026-000001", "SUD-2026-000002"]
    assert {found["seller"]["name"] for found in june} == {"Trunkline Networks", "Süd GmbH"}
    async with state.write() as conn:
        await conn.execute(sa.update(service).values(active_to_ns=at("2026-07-11")))
    july = await shop.run("2026-07", "2026-08-01")
    assert [found["number"] for found in july] == ["INV-2026-000003", "INV-2026-000004", "SUDC-2026-000001", "SUDC-2026-000002"]


async def test_a_debit_that_is_too_old_is_a_leak_and_a_credit_never_is(shop: Shop) -> None:
    shop.taxes("DE", "back_billing_months = 1\n" + GERMANY)
    shop.flat("cheap", "10")
    shop.flat("dear", "20")
    for n, tariff in ((1, "cheap"), (2, "dear")):
        await add_service(shop.state, n, await add_customer(shop.state, n), tariff, {})
        await shop.profile(n, tax_jurisdiction="auto", country="DE")
    for month, day in (("2026-04", "2026-05-01"), ("2026-05", "2026-06-01"), ("2026-06", "2026-07-01")):
        await shop.run(month, day)
    async with shop.state.write() as conn:
        for n, tariff, was in ((1, "dear", "cheap"), (2, "cheap", "dear")):
            row = {"tenant": 1, "service_id": f"service-{n}", "day": "2026-04-01", "made_ns": at("2026-07-02"), "made_by": "clerk"}
            await conn.execute(sa.insert(service_plan).values(**row, tariff=tariff, was=was))
    one, two = await shop.run("2026-07", "2026-08-01")
    assert lines(one)[1:] == [("credit", "1.flat", "2026-06", -1_000), ("debit", "1.flat", "2026-06", 2_000)]
    assert [row[2] for row in lines(two)[1:] if row[0] == "credit"] == ["2026-04", "2026-05", "2026-06"]
    async with shop.state.read() as conn:
        leaks = (await conn.execute(sa.select(leakage.c.period, leakage.c.amount_minor).order_by(leakage.c.period))).all()
    assert [tuple(row) for row in leaks] == [("2026-04", 1_000), ("2026-05", 1_000)]


async def test_a_leak_is_noted_once_also_where_no_invoice_is_due(shop: Shop) -> None:
    shop.taxes("DE", "back_billing_months = 0\n" + GERMANY)
    shop.flat("cheap", "10")
    shop.flat("dear", "20")
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "cheap", {}, active_to_ns=at("2026-06-01"))
    await shop.profile(1, tax_jurisdiction="auto", country="DE")
    await shop.run("2026-05", "2026-06-01")
    async with shop.state.write() as conn:
        row = {"tenant": 1, "service_id": "service-1", "day": "2026-05-01", "made_ns": at("2026-06-02"), "made_by": "clerk"}
        await conn.execute(sa.insert(service_plan).values(**row, tariff="dear", was="cheap"))
    for month, day in (("2026-06", "2026-07-01"), ("2026-07", "2026-08-01")):
        assert await shop.run(month, day) == []
    async with shop.state.read() as conn:
        assert [tuple(row) for row in await conn.execute(sa.select(leakage.c.period, leakage.c.amount_minor))] == [("2026-05", 1_000)]


async def test_a_customer_elsewhere_is_billed_by_its_own_days(state: State, tmp_path: Path) -> None:
    shop = Shop(state, tmp_path, zone="Europe/Berlin")
    shop.flat("t", "31", 'proration = "by_seconds"')
    since = at("2026-11-01") + 4 * DAY_NS // 24  # midnight in New York, the day with 25 hours
    await add_service(state, 1, await add_customer(state, 1), "t", {}, active_from_ns=since, active_to_ns=since + 25 * DAY_NS // 24)
    await shop.profile(1, time_zone="America/New_York")
    name = "2026-11-01/2026-12-01@America/New_York"
    assert await shop.biller.due(CLERK, at("2026-12-02")) == [name]
    (found,) = await shop.run(name, "2026-12-02")
    assert found["period"]["time_zone"] == "America/New_York" and found["period"]["start"] == "2026-11-01T04:00:00.000Z"
    assert found["totals"]["net_minor"] == 107  # 25 of 721 hours
    async with state.read() as conn:
        assert len((await conn.execute(sa.select(invoice.c.id))).all()) == 1


async def test_the_page_and_the_table_tell_what_a_parent_pays_for(shop: Shop) -> None:
    shop.taxes("DE", GERMANY)
    shop.taxes("FR", 'eu = true\n[[rates]]\nclass = "standard"\nfrom = 2014-01-01\npercent = "20"\n')
    shop.flat("t", "31", 'billed = "advance"')
    for n in (1, 2):
        await add_service(shop.state, n, await add_customer(shop.state, n, tax_id="FR83404833048"), "t", {})
    await shop.profile(1, tax_jurisdiction="auto", country="FR", cycle="R/2026-01-16/P1M")
    await shop.profile(2, payer_id="customer-1")
    row = {"tenant": 1, "id": "o1", "customer_id": "customer-2", "day": "2026-06-20", "description": "Router", "unit": "piece"}
    row |= {"quantity": "1", "unit_price": "50", "currency": "EUR", "tax_class": "standard", "made_ns": 1, "made_by": "clerk"}
    async with shop.state.write() as conn:
        await conn.execute(sa.insert(one_off).values(**row))
    (found,) = await shop.run("2026-06-16/2026-07-16", "2026-07-17")
    page = " ".join(text.extract_text() for text in PdfReader(io.BytesIO(render(found))).pages)
    page = " ".join(page.split())
    for said in ("16 June \u2013 15 July 2026", "16 July \u2013 15 August 2026", "K-2 Customer 2", "Other charges", "Reverse charge"):
        assert said in page, page
    rows = list(csv.DictReader(io.StringIO(as_csv(found).decode("utf-8-sig"))))
    assert [line["charge"] for line in rows][-1] == "once.o1" and len(rows) == 5


async def test_who_is_billed_by_another_cycle_is_not_missing_from_the_month(shop: Shop) -> None:
    shop.flat("t", "31")
    for n in (1, 2):
        await add_service(shop.state, n, await add_customer(shop.state, n), "t", {})
    await shop.profile(1, cycle="R/2026-01-16/P1M")
    await shop.run("2026-06", "2026-07-01")
    async with shop.state.read() as conn:
        assert await unbilled_active(conn, CLERK, parse("2026-06", shop.biller.billing.zone)) == []
        missing = await unbilled_active(conn, CLERK, parse("2026-05", shop.biller.billing.zone))
    assert [row["number"] for row in missing] == ["S-2"]


@pytest.mark.slow
async def test_every_engine_bills_the_same(any_state: State, tmp_path: Path) -> None:
    """A charge once in another currency, a shared service, a fee in advance and a change of tariff that came late."""
    await any_state.create_all()
    shop = Shop(any_state, tmp_path)
    shop.flat("t", "31", 'billed = "advance"')
    shop.flat("large", "62")
    for n in (1, 2):
        await add_service(any_state, n, await add_customer(any_state, n), "t", {})
    once = {"tenant": 1, "id": "o1", "customer_id": "customer-1", "day": "2026-06-20", "description": "Router", "unit": "piece"}
    once |= {"quantity": "1", "unit_price": "50", "currency": "USD", "tax_class": "standard", "made_ns": 1, "made_by": "clerk"}
    rate = {"tenant": 1, "day": "2026-06-19", "base": "EUR", "quote": "USD", "rate": "1.25", "source": "ECB", "made_ns": 1}
    async with any_state.write() as conn:
        await conn.execute(sa.insert(one_off).values(**once))
        await conn.execute(sa.insert(exchange_rate).values(**rate))
        await conn.execute(sa.insert(bill_split).values(tenant=1, service_id="service-2", payer_id="customer-1", share_ppm=500_000))
    june = await shop.run("2026-06", "2026-07-01")
    async with any_state.write() as conn:
        row = {"tenant": 1, "service_id": "service-1", "day": "2026-06-16", "made_ns": at("2026-07-02"), "made_by": "clerk"}
        await conn.execute(sa.insert(service_plan).values(**row, tariff="large", was="t"))
    july = await shop.run("2026-07", "2026-08-01")
    assert await shop.biller.due(CLERK, at("2026-08-02")) == []
    assert [[row[1:] for row in lines(found)] for found in june] == [
        [("1.flat", "2026-06", 3_100), ("1.flat", "2026-06", 1_550), ("1.flat", "2026-07", 3_100), ("1.flat", "2026-07", 1_550),
         ("once.o1", "2026-06", 4_000)],
        [("1.flat", "2026-06", 1_550), ("1.flat", "2026-07", 1_550)],
    ]  # fmt: skip
    assert sorted(lines(july[0])) == [
        ("charge", "1.flat", "2026-08", 1_550),
        ("credit", "1.flat", "2026-06", -3_100),
        ("credit", "1.flat", "2026-07", -3_100),
        ("debit", "1.flat", "2026-06", 1_550),
        ("debit", "1.flat", "2026-07", 6_200),  # the other tariff's fee stands for the one that was paid in advance
        ("debit", "1.flat#1", "2026-06", 3_100),
    ]


async def test_a_run_that_was_broken_off_is_due_until_it_came_to_its_end(shop: Shop) -> None:
    shop.flat("t", "31")
    await add_service(shop.state, 1, await add_customer(shop.state, 1), "t", {}, active_from_ns=at("2026-06-01"))

    def torn(name: str) -> None:
        if name == "before_close":
            raise RuntimeError(name)

    with pytest.raises(RuntimeError, match="before_close"):
        await replace(shop.biller, checkpoint=torn).run(CLERK, "2026-06", at("2026-07-01"), pages=False)
    assert await shop.biller.due(CLERK, at("2026-07-02")) == ["2026-06"]
    await shop.run("2026-06", "2026-07-02")
    assert await shop.biller.due(CLERK, at("2026-07-02")) == []
