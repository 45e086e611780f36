"""Proration as named policies, against figures worked out by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.periods import Period
from bss.cycles import days_360
from bss.rating.price import ServiceUsage
from bss.rating.terms import Activity, Cut, Edge, Edges, Proration, prorated
from bss.tariffs import parse, rate

DAY_S = 86_400


def served(first: date, after: date, low: date, high: date, *, change: bool = False, lost_s: int = 0) -> ServiceUsage:
    """A period and the days in it that the service was active; `lost_s` seconds less on its first day."""
    days = (after - first).days
    before = Cut((low - first).days, (low - first).days * DAY_S + lost_s, days_360(first, low), change)
    cut = Cut((after - high).days, (after - high).days * DAY_S, days_360(high, after), change)
    active = (high - low).days
    return ServiceUsage(
        Period(0, 0, "p"), days, active, active_seconds=active * DAY_S - lost_s, seconds=days * DAY_S, before=before, after=cut,
        days_360=days_360(first, after), active_days_360=days_360(low, high),
    )  # fmt: skip


def fee(amount: str, usage: ServiceUsage, *terms: str, rounding: str = "half_up") -> int:
    text = "\n".join(terms)
    head = f'summary = "s"\ncurrency = "EUR"\nrounding = "{rounding}"\n[[charges]]\nkind = "flat"\namount = "{amount}"\n{text}\n'
    return sum(item.amount_minor for item in rate(parse("t", date(2026, 1, 1), head), usage))


FEB = (date(2026, 2, 1), date(2026, 3, 1))
JULY = (date(2026, 7, 1), date(2026, 8, 1))


@pytest.mark.parametrize(
    ("policy", "period", "low", "high", "minor"),
    [
        ("by_days", JULY, date(2026, 7, 16), JULY[1], 5_161),  # 16 of 31 days
        ("by_30_days", JULY, date(2026, 7, 16), JULY[1], 5_333),  # 16 of 30
        ("thirty_360", JULY, date(2026, 7, 16), JULY[1], 5_000),  # half of every month
        ("by_seconds", JULY, date(2026, 7, 16), JULY[1], 5_161),
        ("none", JULY, date(2026, 7, 16), JULY[1], 10_000),
        ("whole_only", JULY, date(2026, 7, 16), JULY[1], 0),
        ("by_days", FEB, FEB[0], date(2026, 2, 15), 5_000),  # 14 of 28
        ("thirty_360", FEB, FEB[0], date(2026, 2, 15), 4_667),  # 14 of 30
        ("by_30_days", FEB, FEB[0], date(2026, 2, 15), 4_667),
        ("thirty_360", FEB, date(2026, 2, 15), FEB[1], 5_333),  # the rest of it: the month has thirty days
        ("by_days", (date(2028, 2, 1), date(2028, 3, 1)), date(2028, 2, 29), date(2028, 3, 1), 345),  # 29 February alone
        ("thirty_360", (date(2026, 6, 30), date(2026, 7, 31)), date(2026, 7, 15), date(2026, 7, 31), 5_000),
    ],
)
def test_a_part_of_a_period_costs_what_its_policy_says(policy: str, period: tuple[date, date], low: date, high: date, minor: int) -> None:
    assert fee("100", served(*period, low, high), f'proration = "{policy}"') == minor


@pytest.mark.parametrize(
    ("terms", "low", "high", "change", "minor"),
    [
        (['on_start = "whole"'], 11, 31, False, 3_100),  # begun on the 11th, charged from the 1st
        (['on_start = "nothing"'], 11, 31, False, 0),
        (['on_end = "whole"'], 1, 11, False, 3_100),  # no refund of what is left
        (['on_end = "nothing"'], 1, 11, False, 0),
        (['on_end = "whole"'], 11, 21, False, 2_100),  # the days before the start are still left out
        (['on_end = "whole"', 'on_start = "nothing"'], 1, 11, False, 3_100),
        (['on_end = "whole"'], 1, 11, True, 1_000),  # another tariff follows: that is a change and no end
        (['on_change = "whole"'], 1, 11, True, 3_100),
        (['on_change = "nothing"'], 1, 11, True, 0),
        ([], 1, 11, True, 1_000),
    ],
)
def test_start_end_and_change_have_rules_of_their_own(terms: list[str], low: int, high: int, change: bool, minor: int) -> None:
    after = date(2026, 7, high) if high < 31 else JULY[1]
    usage = served(*JULY, date(2026, 7, low), after, change=change)
    assert fee("31", usage, *terms) == minor


def test_by_second_a_service_of_one_afternoon_costs_its_hours() -> None:
    usage = served(*JULY, date(2026, 7, 31), JULY[1], lost_s=DAY_S // 2)
    assert fee("31", usage, 'proration = "by_seconds"') == 50
    assert fee("31", usage, 'proration = "by_days"') == 100


@pytest.mark.parametrize(
    ("per", "months", "minor"), [("month", 3, 3_000), ("period", 3, 1_000), ("month", 12, 12_000), ("period", 0, 1_000)]
)
def test_a_fee_is_for_the_period_or_for_each_month_of_it(per: str, months: int, minor: int) -> None:
    usage = replace(served(*JULY, *JULY), months=months)
    assert fee("10", usage, f'per = "{per}"') == minor


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 400), st.data())
def test_the_parts_of_a_period_are_the_period(first: date, days: int, data: st.DataObject) -> None:
    """A change in the middle: what the old and the new tariff are charged is one whole fee, by each policy that divides."""
    after = date.fromordinal(first.toordinal() + days)
    at = date.fromordinal(first.toordinal() + data.draw(st.integers(0, days)))
    for rule in (Proration.BY_DAYS, Proration.BY_SECONDS, Proration.THIRTY_360):
        shares = [prorated(rule, served(first, after, *part).activity) for part in ((first, at), (at, after))]
        total = sum((Decimal(part) / whole for part, whole in shares), Decimal(0))
        assert abs(total - (1 if rule != Proration.THIRTY_360 or days_360(first, after) else total)) < Decimal("1e-20")


@given(st.sampled_from(Edge), st.sampled_from(Edge), st.booleans(), st.integers(0, 10), st.integers(0, 10))
def test_an_edge_never_charges_more_than_the_whole_period(start: Edge, end: Edge, change: bool, before: int, after: int) -> None:
    active = Activity(31, 31 - before - after, before=Cut(before, change=change), after=Cut(after))
    charged = active.by(Edges(start, end, start))
    assert 0 <= charged.active_days <= 31
