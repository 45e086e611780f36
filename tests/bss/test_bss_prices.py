"""Prices as pure functions: shares of a month add up, tiers never jump, yen and dinars round to their own unit."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge import periods
from billing_bridge.settings import BillingSettings
from bss.consumption import Consumption, usage_of
from bss.cycles import days_360
from bss.rating.price import PricedItem, ServiceUsage
from bss.rating.terms import Activity, Proration, prorated
from bss.snapshot import Snapshot
from bss.tariffs import parse, rate

FLAT = '[[charges]]\nkind = "flat"\namount = "{amount}"\nproration = "{rule}"\n'
HEAD = 'summary = "s"\ncurrency = "{currency}"\nrounding = "half_up"\n'
VOLUME = """[[charges]]
kind = "volume"
quantum_gb = "{quantum}"
tiers = [{{ up_to_gb = "10", price = "{high}" }}, {{ price = "{low}" }}]
"""


def priced(text: str, usage: ServiceUsage) -> list[PricedItem]:
    return rate(parse("t", date(2026, 1, 1), text), usage)


def usage(days: int = 30, active: int | None = None, octets: int = 0) -> ServiceUsage:
    return ServiceUsage(periods.Period(0, 0, "m"), days, days if active is None else active, volume_in_octets=octets)


@pytest.mark.parametrize(
    ("currency", "amount", "active", "minor"),
    [
        ("EUR", "100.00", 10, 3_333),
        ("JPY", "10000", 10, 3_333),
        ("JPY", "10001", 15, 5_001),
        ("BHD", "12.345", 10, 4_115),
        ("BHD", "0.001", 15, 1),
    ],
)
def test_a_third_of_a_month_rounds_to_the_unit_of_its_currency(currency: str, amount: str, active: int, minor: int) -> None:
    text = HEAD.format(currency=currency) + FLAT.format(amount=amount, rule="by_days")
    assert [item.amount_minor for item in priced(text, usage(active=active))] == [minor]


@given(st.decimals(Decimal(0), Decimal("1e17"), places=12), st.integers(28, 31), st.data())
def test_a_fee_is_within_half_a_minor_unit_of_its_exact_share(amount: Decimal, days: int, data: st.DataObject) -> None:
    active = data.draw(st.integers(1, days))
    text = HEAD.format(currency="BHD") + FLAT.format(amount=amount, rule="by_days")
    exact = Fraction(amount) * 1000 * active / days
    assert abs(priced(text, usage(days, active))[0].amount_minor - exact) <= Fraction(1, 2)


@given(st.sampled_from(Proration), st.integers(28, 31), st.data())
def test_no_policy_ever_charges_more_than_the_whole_or_something_for_nothing(rule: Proration, days: int, data: st.DataObject) -> None:
    active = data.draw(st.integers(0, days))
    thirty = days_360(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=active))  # the 31st is no day of its own
    part, whole = prorated(rule, Activity(days, active, days * 86_400, active * 86_400, 30, min(thirty, 30)))
    nothing = active == 0 or (rule == Proration.WHOLE_ONLY and active < days)
    assert 0 <= part <= whole and (part == 0) == nothing and (active < days or part == whole)


octets = st.integers(0, 2**50)
prices = st.decimals(Decimal(0), Decimal(5), places=4)


@given(octets, octets, prices, prices, st.sampled_from(["0.001", "1"]))
def test_more_volume_never_costs_less(one: int, other: int, high: Decimal, low: Decimal, quantum: str) -> None:
    text = HEAD.format(currency="EUR") + VOLUME.format(quantum=quantum, high=high, low=low)
    less, more = (priced(text, usage(octets=n))[0].amount_minor for n in sorted((one, other)))
    assert less <= more


@given(octets, prices, prices)
def test_tiers_price_each_gigabyte_once(n: int, high: Decimal, low: Decimal) -> None:
    item = priced(HEAD.format(currency="EUR") + VOLUME.format(quantum="0.001", high=high, low=low), usage(octets=n))[0]
    steps = [(Fraction(tier["gb"]), Fraction(tier["price"])) for tier in item.computation["tiers"]]
    started = Fraction(item.quantity) - Fraction(n, 10**9)
    assert sum(gb for gb, _ in steps) == Fraction(item.quantity) and abs(started) < Fraction(1, 1000) and started.numerator >= 0
    assert abs(item.amount_minor - 100 * sum((gb * price for gb, price in steps), Fraction(0))) <= Fraction(1, 2)


def active(month: str, zone: str, from_day: str, to_day: str) -> tuple[int, int, int]:
    """(days of the month, active days, expected slots) of a service active and bound from day to day, local midnights."""
    settings = BillingSettings(time_zone=zone)
    period = periods.month(month, settings.zone)
    begin, end = (periods.day(date.fromisoformat(day), settings.zone).start_ns if day else 0 for day in (from_day, to_day))
    service = {"id": "s", "active_from_ns": begin, "active_to_ns": end}
    binding = {"service_id": "s", "from_ns": begin, "to_ns": end}
    snapshot = Snapshot({"terms": {"time_zone": zone}, "services": [service], "bindings": [binding]})
    found = usage_of(Consumption(period, {}, {}), snapshot, "s")
    return found.days, found.active_days, len(found.bandwidth.slot_ns)


@pytest.mark.parametrize(
    ("month", "zone", "span", "expected"),
    [
        ("2028-02", "Europe/Berlin", ("", ""), (29, 29, 29 * 288)),
        ("2028-02", "Europe/Berlin", ("2028-02-29", ""), (29, 1, 288)),
        ("2027-02", "Europe/Berlin", ("", "2027-02-15"), (28, 14, 14 * 288)),
        ("2026-03", "Europe/Berlin", ("", ""), (31, 31, 31 * 288 - 12)),
        ("2026-03", "Europe/Berlin", ("2026-03-29", "2026-03-30"), (31, 1, 276)),
        ("2026-10", "Europe/Berlin", ("", ""), (31, 31, 31 * 288 + 12)),
        ("2026-10", "Europe/Berlin", ("2026-10-25", "2026-10-26"), (31, 1, 300)),
        ("2026-04", "Australia/Lord_Howe", ("", ""), (30, 30, 30 * 288 + 6)),
        ("2026-06", "Asia/Kathmandu", ("", "2026-06-02"), (30, 1, 288)),
    ],
)
def test_days_and_slots_of_a_month_follow_its_zone(month: str, zone: str, span: tuple[str, str], expected: tuple[int, int, int]) -> None:
    assert active(month, zone, *span) == expected


def test_an_active_moment_makes_a_day_count_and_an_end_at_midnight_does_not() -> None:
    text = HEAD.format(currency="EUR") + FLAT.format(amount="30", rule="by_days")
    assert priced(text, replace(usage(), active_days=1))[0].amount_minor == 100
    assert active("2026-06", "UTC", "2026-06-30", "2026-07-01")[1] == 1
