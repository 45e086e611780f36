"""Taxes by jurisdiction: every file's examples, the rules between countries, dated rates, prices with tax."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bss.exchange import Rates, minor
from bss.money import PPM, Rounding
from bss.taxes import Jurisdiction, Parties, Tax, TaxError, TaxExample, breakdown, decide, net_of, parse, read
from station.data import data_dir

FOLDER = data_dir("config/taxes")
TABLES = {name: parse(text, name) for name, text in read(FOLDER).items()}
EXAMPLES = [(name, example) for name, table in TABLES.items() for example in table.examples]


@pytest.mark.parametrize(("place", "example"), EXAMPLES, ids=[f"{name}: {example.says}" for name, example in EXAMPLES])
def test_every_jurisdiction_does_what_its_examples_say(place: str, example: TaxExample) -> None:
    of = example
    found = decide(TABLES, Parties(place, of.buyer_country, of.buyer_tax_id), "auto", of.tax_class, of.on)
    assert (found.category, Decimal(found.rate_ppm) * 100 / PPM) == (of.expect[0], Decimal(of.expect[1]))


def test_every_jurisdiction_has_an_example_that_taxes_and_one_that_does_not() -> None:
    for name, table in TABLES.items():
        rates = {example.expect[1] for example in table.examples}
        assert "0" in rates and rates - {"0"}, name


ON = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("of", "place", "tax_class", "expect"),
    [
        (Parties("DE", "FR", ""), "auto", "standard", ("S", 200_000, "FR")),  # a consumer is taxed at home
        (Parties("DE", "FR", "FR1"), "auto", "goods", ("K", 0, "FR")),
        (Parties("DE", "", ""), "auto", "reduced", ("S", 70_000, "DE")),
        (Parties("DE", "DE", "DE1"), "auto", "standard", ("S", 190_000, "DE")),
        (Parties("DE", "DE", "", "E"), "auto", "standard", ("E", 0, "DE")),  # the customer's own category goes first
        (Parties("DE", "US", ""), "GB", "zero", ("Z", 0, "GB")),  # a jurisdiction that is named is taken
        (Parties("GB", "FR", "FR1"), "auto", "standard", ("O", 0, "GB")),
    ],
)
def test_the_place_of_supply_decides(of: Parties, place: str, tax_class: str, expect: tuple[str, int, str]) -> None:
    found = decide(TABLES, of, place, tax_class, ON)
    assert (found.category, found.rate_ppm, found.jurisdiction) == expect


@pytest.mark.parametrize(("of", "place"), [(Parties("", "DE", ""), "auto"), (Parties("DE", "DE", ""), "ZZ")])
def test_without_a_table_no_tax_is_guessed(of: Parties, place: str) -> None:
    with pytest.raises(TaxError):
        decide(TABLES, of, place, "standard", ON)


def test_before_its_first_rate_a_jurisdiction_has_none() -> None:
    with pytest.raises(TaxError, match="no rate of class standard on 1900-01-01"):
        decide(TABLES, Parties("DE", "", ""), "auto", "standard", date(1900, 1, 1))


@pytest.mark.parametrize(
    "text",
    [
        'summary = "s"\n' + 2 * '[[rates]]\nclass = "standard"\nfrom = 2020-01-01\npercent = "1"\n',
        'summary = "s"\nrates = [{ class = "reduced", from = 2020-01-01, percent = "1" }]',
        'summary = "s"\nrates = [{ class = "standard", from = 2020-01-01, percent = 1.5 }]',
        'summary = "s"\nrates = [{ class = "standard", from = 2020-01-01, percent = "101" }]',
        "summary = ",
    ],
)  # fmt: skip
def test_an_unsound_jurisdiction_is_refused(text: str) -> None:
    with pytest.raises(TaxError):
        parse(text, "XX.toml")


@given(st.integers(-(10**9), 10**9), st.integers(0, 400_000))
def test_net_and_tax_of_a_price_with_tax_are_the_price(gross: int, rate_ppm: int) -> None:
    net = net_of(gross, rate_ppm)
    assert abs(Fraction(net) - Fraction(gross * PPM, PPM + rate_ppm)) <= Fraction(1, 2)
    assert net_of(-gross, rate_ppm) == -net  # a credit is the mirror of its debit


@given(st.lists(st.tuples(st.sampled_from([0, 70_000, 190_000, 255_000]), st.integers(-(10**7), 10**7)), min_size=1, max_size=40))
def test_the_breakdown_holds_every_line_once(lines: list[tuple[int, int]]) -> None:
    rows = breakdown([{"tax_rate_ppm": rate, "amount_minor": amount} for rate, amount in lines], "E", Rounding.HALF_UP)
    assert sum(row["net_minor"] for row in rows) == sum(amount for _, amount in lines)
    for row in rows:
        assert abs(Fraction(row["tax_minor"]) - Fraction(row["net_minor"] * row["rate_ppm"], PPM)) <= Fraction(1, 2)
        assert ("category" in row) == (row["rate_ppm"] == 0)


ROWS = [
    {"day": "2026-06-01", "base": "EUR", "quote": "USD", "rate": "1.10", "source": "ECB"},
    {"day": "2026-06-30", "base": "EUR", "quote": "USD", "rate": "1.25", "source": "ECB"},
    {"day": "2026-06-30", "base": "EUR", "quote": "JPY", "rate": "160", "source": "ECB"},
]


@pytest.mark.parametrize(
    ("day", "base", "quote", "amount", "expect"),
    [
        (date(2026, 6, 29), "EUR", "USD", 1_000, 1_100),
        (date(2026, 7, 15), "EUR", "USD", 1_000, 1_250),  # until a newer one
        (date(2026, 7, 15), "USD", "EUR", 1_000, 800),
        (date(2026, 7, 15), "USD", "JPY", 1_000, 1_280),  # through the operator's currency; yen have no cents
        (date(2026, 7, 15), "EUR", "EUR", 7, 7),
        (date(2026, 8, 15), "EUR", "USD", 1_000, None),  # too old to be believed
        (date(2026, 5, 31), "EUR", "USD", 1_000, None),
        (date(2026, 7, 15), "EUR", "GBP", 1_000, None),
    ],
)
def test_a_dated_rate_holds_until_a_newer_one(day: date, base: str, quote: str, amount: int, expect: int | None) -> None:
    rate = Rates(ROWS, "EUR").on(day, base, quote)
    assert (None if rate is None else minor(amount, base, quote, rate, Rounding.HALF_UP)) == expect


def test_a_dinar_has_a_thousand_fils() -> None:
    rate = Rates([{"day": "2026-06-30", "base": "EUR", "quote": "BHD", "rate": "0.41", "source": "CBB"}]).on(ON, "EUR", "BHD")
    assert rate is not None and minor(1_001, "EUR", "BHD", rate, Rounding.HALF_UP) == 4_104  # 10.01 EUR are 4.1041 BHD


def test_a_tax_without_a_jurisdiction_says_no_category() -> None:
    assert Tax(190_000).category == "" and isinstance(TABLES["DE"], Jurisdiction)
