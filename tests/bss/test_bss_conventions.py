"""Cases as other billing systems describe their prices, worked out by hand: the same tariff text gives the same money.

Each is rated by the oracle and in columns.
"""

from dataclasses import replace
from datetime import date

import pytest

from billing_bridge.periods import Period
from bss.rating.engine import batch_of, rate_batch
from bss.rating.price import ServiceUsage, UsageEvent
from bss.tariffs import parse, rate
from station.clock import NS_PER_S

HEAD = 'summary = "s"\ncurrency = "{currency}"\nrounding = "half_up"\n'
UNITS = 'meter = "units"\nunit = "unit"\nunit_size = 1\nquantum = "1"\n'
MONTH = ServiceUsage(Period(0, 0, "m"), 30, 30)


def priced(text: str, usage: ServiceUsage, currency: str = "USD") -> list[int]:
    """Minor units of each line, which both ratings must give."""
    version = parse("t", date(2026, 1, 1), HEAD.format(currency=currency) + text)
    oracle = [(item.charge, item.amount_minor) for item in rate(version, usage)]
    lines = rate_batch([version], batch_of([(0, usage)])).select("charge", "amount_minor").rows()
    assert lines == oracle
    return [amount for _, amount in oracle]


def units(n: int) -> ServiceUsage:
    return replace(MONTH, quantities={"units": n})


def events(*quantities: int, meter: str = "units", keys: str = "") -> ServiceUsage:
    return replace(MONTH, events={meter: [UsageEvent(n * NS_PER_S, q, keys[n : n + 1]) for n, q in enumerate(quantities)]})


LADDER = 'tiers = [{ up_to = "5", price = "7" }, { up_to = "10", price = "6.50" }, { price = "6" }]\n'
FLATS = 'tiers = [{ up_to = "5", price = "5", flat = "10" }, { price = "4", flat = "20" }]\n'


@pytest.mark.parametrize(
    ("kind", "tiers", "n", "minor"),
    [
        ("volume_tier", LADDER, 1, 700),
        ("volume_tier", LADDER, 5, 3_500),
        ("volume_tier", LADDER, 6, 3_900),  # every unit at the price of the tier that the total reaches
        ("volume_tier", LADDER, 20, 12_000),
        ("volume_tier", LADDER, 25, 15_000),
        ("graduated", LADDER, 1, 700),
        ("graduated", LADDER, 5, 3_500),
        ("graduated", LADDER, 6, 4_150),  # 5 x 7 + 1 x 6.50
        ("graduated", LADDER, 20, 12_750),  # 35 + 32.50 + 60
        ("graduated", LADDER, 25, 15_750),
        ("graduated", FLATS, 0, 0),  # a tier that is not reached has no flat fee
        ("graduated", FLATS, 5, 3_500),
        ("graduated", FLATS, 12, 8_300),  # 10 + 25 + 20 + 28
        ("volume_tier", FLATS, 12, 6_800),  # 20 + 48
        ("volume_tier", FLATS, 5, 3_500),
    ],
)
def test_volume_and_graduated_tiers(kind: str, tiers: str, n: int, minor: int) -> None:
    assert priced(f'[[charges]]\nkind = "{kind}"\n{UNITS}{tiers}', units(n)) == [minor]


@pytest.mark.parametrize(
    ("rounding", "n", "minor"),
    [
        ("up", 0, 0),
        ("up", 100, 0),  # a hundred are free
        ("up", 101, 500),
        ("up", 200, 500),
        ("up", 201, 1_000),
        ("down", 199, 0),
        ("down", 299, 500),
        ("half_up", 149, 0),
        ("half_up", 150, 500),
    ],
)
def test_packages_that_are_started_full_or_nearly_so(rounding: str, n: int, minor: int) -> None:
    text = f'[[charges]]\nkind = "package"\n{UNITS}size = "100"\nfree = "100"\nprice = "5"\npackage_rounding = "{rounding}"\n'
    assert priced(text, units(n)) == [minor]


@pytest.mark.parametrize(
    ("terms", "worth", "minor"),
    [
        ('percent = "1.2"', [20_000], 240),
        ('percent = "1.2"\nfixed = "0.10"', [20_000, 10_000], 380),  # 3.60 and twice 0.10
        ('percent = "1"\nfree_events = 2', [10_000, 10_000, 10_000], 100),
        ('percent = "1"\nfree_worth = "150"', [10_000, 10_000, 10_000], 150),  # 300 less 150
        ('percent = "1"\nfree_worth = "150"\nfixed = "1"', [10_000, 10_000], 250),  # the fee of an event is due all the same
        ('percent = "1"\nevent_minimum = "1.75"\nevent_maximum = "5"', [10_000, 100_000, 30_000], 975),  # 1.75 + 5 + 3
        ('percent = "2.9"\nfixed = "0.30"', [1_999], 88),  # 0.57971 + 0.30, rounded once
        ('percent = "0.5"', [], 0),
    ],
)
def test_a_share_of_what_events_are_worth(terms: str, worth: list[int], minor: int) -> None:
    assert priced(f'[[charges]]\nkind = "percentage"\nmeter = "units"\n{terms}\n', events(*worth)) == [minor]


@pytest.mark.parametrize(
    ("aggregate", "quantities", "keys", "n"),
    [
        ("sum", (3, 9, 2), "", 14),
        ("count", (3, 9, 2), "", 3),
        ("max", (3, 9, 2), "", 9),
        ("latest", (3, 9, 2), "", 2),
        ("unique", (1, 1, 1, 1), "1221", 2),
        ("count", (), "", 0),
        ("latest", (), "", 0),
    ],
)
def test_what_of_a_meter_is_its_total(aggregate: str, quantities: tuple[int, ...], keys: str, n: int) -> None:
    text = f'[[charges]]\nkind = "per_unit"\n{UNITS}aggregate = "{aggregate}"\nprice = "1"\n'
    assert priced(text, events(*quantities, keys=keys)) == [100 * n]


@pytest.mark.parametrize(
    ("usage", "minimum", "lines"), [(30, "50", [3_000, 2_000]), (70, "50", [7_000, 0]), (0, "50", [0, 5_000]), (30, "0", [3_000, 0])]
)
def test_a_minimum_is_topped_up_to(usage: int, minimum: str, lines: list[int]) -> None:
    text = f'[[charges]]\nkind = "per_unit"\n{UNITS}price = "1"\n[[charges]]\nkind = "minimum"\namount = "{minimum}"\n'
    assert priced(text, units(usage)) == lines


@pytest.mark.parametrize(("n", "lines"), [(80, [0, 0]), (100, [0, 0]), (130, [0, 300])])
def test_an_allowance_goes_before_the_price(n: int, lines: list[int]) -> None:
    allowance = f'[[charges]]\nkind = "allowance"\n{UNITS}amount = "100"\n'
    assert priced(f'{allowance}[[charges]]\nkind = "per_unit"\n{UNITS}price = "0.10"\n', units(n)) == lines


@pytest.mark.parametrize(
    ("initial", "increment", "seconds", "minor"),
    [
        (60, 1, 10, 60),  # a minute at least, then by the second
        (60, 1, 61, 61),
        (1, 60, 61, 61),
        (60, 60, 61, 120),
        (30, 6, 33, 36),
        (1, 1, 0, 0),
    ],
)
def test_calls_are_rounded_to_their_increments(initial: int, increment: int, seconds: int, minor: int) -> None:
    text = f'[[charges]]\nkind = "per_event"\nmeter = "calls"\nunit_size = 60\ninitial = {initial}\nincrement = {increment}\n'
    text += 'zones = [{ name = "rest", prefixes = [""], price = "0.60" }]\n'
    assert priced(text, events(seconds, meter="calls")) == [minor]


@pytest.mark.parametrize(("key", "minor"), [("4917", 20), ("49", 10), ("1", 5), ("", 5), ("491", 10)])
def test_the_longest_prefix_decides_and_a_connection_has_its_fee(key: str, minor: int) -> None:
    zones = ", ".join(
        f'{{ name = "z{prefix}", prefixes = ["{prefix}"], price = "0", setup = "{setup}" }}'
        for prefix, setup in (("", "0.05"), ("49", "0.10"), ("4917", "0.20"))
    )
    usage = replace(MONTH, events={"calls": [UsageEvent(0, 60, key)]})
    assert priced(f'[[charges]]\nkind = "per_event"\nmeter = "calls"\nunit_size = 60\nzones = [{zones}]\n', usage) == [minor]


@pytest.mark.parametrize(
    ("ended", "terms", "lines"),
    [
        (-1, "", []),  # it did not end
        (24, "", []),  # it ended when it might
        (20, "", [4_000]),
        (0, 'most = "99"', [9_900]),
        (23, 'fixed = "25"', [3_500]),
    ],
)
def test_who_leaves_early_pays_for_the_months_that_are_left(ended: int, terms: str, lines: list[int]) -> None:
    text = f'[[charges]]\nkind = "early_termination"\nterm_months = 24\nper_month = "10"\n{terms}\n'
    assert priced(text, replace(MONTH, ended_after=ended)) == lines


@pytest.mark.parametrize(("currency", "minor"), [("USD", 333), ("JPY", 3), ("BHD", 3_333)])
def test_a_price_is_rounded_to_the_minor_unit_of_its_currency(currency: str, minor: int) -> None:
    assert priced(f'[[charges]]\nkind = "per_unit"\n{UNITS}price = "1.11111"\n', units(3), currency) == [minor]


def test_a_discount_a_cap_and_a_minimum_work_on_what_stands_before_them() -> None:
    text = f'[[charges]]\nkind = "per_unit"\n{UNITS}price = "1"\n[[charges]]\nkind = "discount"\npercent = "10"\n'
    text += '[[charges]]\nkind = "cap"\namount = "80"\n[[charges]]\nkind = "minimum"\namount = "100"\n'
    assert priced(text, units(100)) == [10_000, -1_000, -1_000, 2_000]


def test_a_quantity_is_rounded_by_its_rule_before_it_is_priced() -> None:
    for rule, minor in (("up", 200), ("down", 100), ("half_up", 100), ("half_even", 100)):
        text = '[[charges]]\nkind = "per_unit"\nmeter = "units"\nunit = "h"\nunit_size = 60\nquantum = "1"\nprice = "1"\n'
        text += f'quantity_rounding = "{rule}"\n'
        assert priced(text, units(85)) == [minor], rule
