"""Every tariff file is sound and every example in it holds."""

from datetime import date

import pytest

from bss.money import text
from bss.tariffs import Example, TariffError, Tariffs, TariffVersion, parse, rate
from station.data import data_dir

TARIFFS = Tariffs(data_dir("config/tariffs"))
VERSIONS = [version for name in TARIFFS.names() for version in TARIFFS.versions(name)]
EXAMPLES = [
    pytest.param(version, example, id=f"{version.name}-{example.says}") for version in VERSIONS for example in version.tariff.examples
]


@pytest.mark.parametrize(("version", "example"), EXAMPLES)
def test_an_example_in_a_tariff_file_holds(version: TariffVersion, example: Example) -> None:
    items = rate(version, example.usage())
    assert tuple((item.charge, str(item.quantity), text(item.amount_minor, version.tariff.currency)) for item in items) == example.expect


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: f"{version.name}-{version.effective}")
def test_a_tariff_file_has_an_example_that_charges_and_one_that_does_not(version: TariffVersion) -> None:
    assert any(example.expect for example in version.tariff.examples)
    assert any(not example.expect for example in version.tariff.examples)


HEAD = 'summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n'
VOLUME = '[[charges]]\nkind = "volume"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('summary = "s"\nrounding = "half_up"\n[[charges]]\nkind = "flat"\namount = "1"\n', "currency"),
        (HEAD + "charges = []\n", "charges"),
        (HEAD + '[[charges]]\nkind = "barter"\n', "barter"),
        (HEAD + '[[charges]]\nkind = "flat"\namount = 1.10\n', "stays exact"),
        (HEAD + '[[charges]]\nkind = "flat"\namount = "-1"\n', "greater than or equal to 0"),
        (HEAD + '[[charges]]\nkind = "flat"\namount = "NaN"\n', "finite"),
        (HEAD + '[[charges]]\nkind = "flat"\namount = "1"\nextra = 1\n', "extra"),
        (HEAD + VOLUME + 'tiers = [{ up_to_gb = "10", price = "1" }, { up_to_gb = "10", price = "1" }, { price = "1" }]\n', "overlap"),
        (HEAD + VOLUME + 'tiers = [{ up_to_gb = "10", price = "1" }]\n', "last tier"),
        (HEAD + VOLUME + 'tiers = [{ price = "1" }, { price = "2" }]\n', "last tier"),
        ("not toml", "Expected"),
    ],
)
def test_an_unsound_tariff_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(TariffError, match=why):
        parse("t", date(2026, 1, 1), text)


def test_the_version_in_force_is_the_latest_that_has_begun() -> None:
    assert TARIFFS.effective("volume", date(2026, 3, 1)).effective == date(2026, 1, 1)
    with pytest.raises(TariffError, match="no version is in force on 2025-12-31"):
        TARIFFS.effective("volume", date(2025, 12, 31))


@pytest.mark.parametrize("name", ["", "../tariffs/volume", "nothing", "Volume\n"])
def test_a_name_that_is_no_tariff_is_refused(name: str) -> None:
    with pytest.raises(TariffError, match="no such tariff"):
        TARIFFS.effective(name, date(2026, 3, 1))
