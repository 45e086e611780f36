"""Every tariff file is sound and every example in it holds."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from bss.money import text
from bss.tariffs import Example, TariffError, Tariffs, TariffVersion, parse, rate
from station.commands import settings as commands
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
GRADUATED = '[[charges]]\nkind = "graduated"\n'
EVENTS = '[[charges]]\nkind = "per_event"\nmeter = "calls"\n'
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
        (HEAD.replace("EUR", "EUX") + '[[charges]]\nkind = "flat"\namount = "1"\n', "ISO 4217"),
        (HEAD + 'until = 2025-12-31\n[[charges]]\nkind = "flat"\namount = "1"\n', "ends before it begins"),
        (HEAD + GRADUATED + 'tiers = [{ up_to = "10", price = "1" }, { up_to = "9", price = "1" }, { price = "1" }]\n', "overlap"),
        (HEAD + EVENTS + 'zones = [{ name = "a", prefixes = ["1"], price = "1" }]\n', "catches the rest"),
        (
            HEAD + EVENTS + 'zones = [{ name = "a", prefixes = ["1", ""], price = "1" }, { name = "b", prefixes = ["1"], price = "1" }]\n',
            "overlap",
        ),
        (HEAD + EVENTS + 'zones = [{ name = "a", prefixes = [""], price = "1", bands = { night = "1" } }]\n', "not in bands"),
        (HEAD + '[[charges]]\nkind = "discount"\n', "either a percent or an amount"),
        (HEAD + '[[charges]]\nkind = "block"\ntiers = [{ price = "1" }]\n', "no price per unit"),
        (HEAD + '[[charges]]\nkind = "allowance"\namount = "1"\nshare = "customer_by_use"\nrollover = "accumulate"\n', "belong to nobody"),
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


def written(folder: Path, **texts: str) -> Tariffs:
    """Tariffs `t` of the folder: one file for each date, written as `d2026_01_01`."""
    (folder / "t").mkdir()
    for name, content in texts.items():
        (folder / "t" / f"{name.removeprefix('d').replace('_', '-')}.toml").write_text(content)
    return Tariffs(folder)


FLAT = '[[charges]]\nkind = "flat"\namount = "1"\n'


def test_a_fault_is_named_with_file_line_and_key(tmp_path: Path) -> None:
    tiers = 'tiers = [\n  { up_to = "10", price = "1" },\n  { up_to = "10", price = 1.5 },\n  { price = "1" },\n]\n'
    tariffs = written(tmp_path, d2026_01_01='summary = "s"\nrounding = "half_up"\n' + FLAT, d2026_02_01=HEAD + FLAT + GRADUATED + tiers)
    with pytest.raises(TariffError) as missing:
        tariffs.effective("t", date(2026, 1, 1))
    assert [(Path(f.where).name, f.key, f.says) for f in missing.value.faults] == [("2026-01-01.toml", "currency", "is required")]
    with pytest.raises(TariffError) as inexact:
        tariffs.effective("t", date(2026, 2, 1))
    assert [(f.line, f.key) for f in inexact.value.faults] == [(11, "charges.1.tiers.1.price")]


def test_days_that_no_version_covers_are_a_fault_and_so_are_days_with_two(tmp_path: Path) -> None:
    gap = HEAD + "until = 2026-01-30\n" + FLAT
    tariffs = written(tmp_path, d2026_01_01=gap, d2026_02_01=HEAD + "until = 2026-03-01\n" + FLAT, d2026_03_01=HEAD + FLAT)
    with pytest.raises(TariffError, match="no version is in force from 2026-01-31 until 2026-02-01") as found:
        tariffs.versions("t")
    assert [(Path(f.where).name, f.line, f.key) for f in found.value.faults] == [
        ("2026-01-01.toml", 4, "until"),
        ("2026-02-01.toml", 4, "until"),
    ]
    assert "overlaps the version of 2026-03-01" in str(found.value)


def test_after_its_last_day_a_tariff_is_not_in_force(tmp_path: Path) -> None:
    tariffs = written(tmp_path, d2026_01_01=HEAD + "until = 2026-01-31\n" + FLAT)
    assert tariffs.effective("t", date(2026, 1, 31)).effective == date(2026, 1, 1)
    with pytest.raises(TariffError, match="ended with 2026-01-31"):
        tariffs.effective("t", date(2026, 2, 1))


@pytest.mark.slow
def test_checking_the_configuration_names_a_tariffs_fault_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shutil.copytree(data_dir("config"), tmp_path / "config")
    bad = config / "tariffs" / "volume" / "2027-01-01.toml"
    bad.write_text('summary = "s"\ncurrency = "EUR"\nrounding = "half_up"\n' + VOLUME + 'tiers = [{ price = "1" }]\nincluded = 5\n')
    monkeypatch.setattr(commands, "data_dir", lambda name: tmp_path / name)
    assert commands.check(None) == 2
    assert f"{bad}:7: charges.0.included: unknown key; did you mean 'included_gb'?" in capsys.readouterr().err
