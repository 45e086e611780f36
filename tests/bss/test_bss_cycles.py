"""Billing cycles from any anchor, in any zone: periods meet, nothing is left out, and the 31st comes back."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_bridge.periods import PeriodError
from bss.cycles import Cycle, ShortMonth, days_360, days_of, months_later, parse, span, whole_months

BERLIN, UTC_ZONE, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), ZoneInfo("America/New_York")
HOUR_NS = 3_600_000_000_000


def borders(text: str, on: date, n: int, rule: ShortMonth = ShortMonth.LAST_DAY) -> list[str]:
    """n borders from the one before a day."""
    cycle, found = Cycle.parse(text, UTC_ZONE, rule), [on]
    for _ in range(n):
        found.append(cycle.around(found[-1])[1])
    return [day.isoformat() for day in found[1:]]


@pytest.mark.parametrize(
    ("text", "on", "found"),
    [
        ("R/2026-01-31/P1M", date(2026, 1, 31), ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("R/2024-01-31/P1M", date(2024, 1, 31), ["2024-02-29", "2024-03-31"]),
        ("R/2026-01-30/P1M", date(2026, 1, 30), ["2026-02-28", "2026-03-30", "2026-04-30"]),
        ("R/2026-01-29/P1M", date(2026, 1, 29), ["2026-02-28", "2026-03-29"]),
        ("R/2024-02-29/P1Y", date(2024, 2, 29), ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        ("R/2024-11-30/P3M", date(2024, 11, 30), ["2025-02-28", "2025-05-30", "2025-08-30"]),
        ("R/2026-01-15/P1M", date(2025, 12, 20), ["2026-01-15", "2026-02-15"]),
        ("R/2026-01-05/P2W", date(2026, 1, 5), ["2026-01-19", "2026-02-02"]),
        ("R/2026-01-05/P30D", date(2025, 12, 30), ["2026-01-05", "2026-02-04"]),
    ],
)
def test_borders_are_counted_from_the_anchor(text: str, on: date, found: list[str]) -> None:
    assert borders(text, on, len(found)) == found


def test_a_day_that_the_month_does_not_have_may_be_the_first_of_the_next() -> None:
    assert borders("R/2026-01-31/P1M", date(2026, 1, 31), 3, ShortMonth.NEXT_MONTH) == ["2026-03-01", "2026-03-31", "2026-05-01"]


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.sampled_from(["P1M", "P3M", "P1Y", "P1W", "P10D"]),
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.sampled_from(list(ShortMonth)),
)
def test_every_day_lies_in_one_period_and_periods_meet(anchor: date, every: str, on: date, rule: ShortMonth) -> None:
    cycle = Cycle.parse(f"R/{anchor.isoformat()}/{every}", UTC_ZONE, rule)
    first, after = cycle.around(on)
    assert first <= on < after
    assert cycle.around(after)[0] == after and cycle.around(first - timedelta(days=1))[1] == first
    assert cycle.holds(first, after)


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("2026-03", 31 * 24 - 1),
        ("2026-10", 31 * 24 + 1),
        ("2026-03-29/2026-03-30", 23),
        ("2026-10-25/2026-10-26", 25),
        ("2024-02-29/2024-03-31", 31 * 24),
        ("2026-11-01/2026-11-02@America/New_York", 25),
    ],
)
def test_a_period_is_as_long_as_its_days_are_in_its_zone(name: str, hours: int) -> None:
    found = parse(name, BERLIN)
    assert (found.end_ns - found.start_ns, found.name) == (hours * HOUR_NS, name)


def test_a_customers_day_begins_at_midnight_where_the_customer_is() -> None:
    found = span(date(2026, 7, 1), date(2026, 8, 1), NEW_YORK, BERLIN)
    assert found.name == "2026-07-01/2026-08-01@America/New_York"
    assert datetime.fromtimestamp(found.start_ns / 1e9, UTC) == datetime(2026, 7, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "name",
    ["2026-13", "2026-7", "2026-07-15", "2026-07-15/2026-07-15", "2026-07-15/2036-07-15", "2026-07-01/2026-08-01", "a/b",
     "2026-07-15/2026-08-15@Mars/Base", "2026-02-30/2026-03-30"],
)  # fmt: skip
def test_what_names_no_period_is_refused(name: str) -> None:
    with pytest.raises(PeriodError):
        parse(name, UTC_ZONE)


@pytest.mark.parametrize("text", ["R/2026-02-30/P1M", "R/2026-01-01/P0M", "P1M", "R/2026-01-01/P4Y", "R/2026-01-01/P1H"])
def test_what_is_no_cycle_is_refused(text: str) -> None:
    with pytest.raises(PeriodError):
        Cycle.parse(text, UTC_ZONE)


def test_days_of_a_calendar_month_and_of_a_span() -> None:
    assert days_of("2026-12", UTC_ZONE)[:2] == (date(2026, 12, 1), date(2027, 1, 1))
    assert days_of("2026-06-30/2026-07-31", UTC_ZONE)[:2] == (date(2026, 6, 30), date(2026, 7, 31))


def test_thirty_days_a_month_make_every_month_alike() -> None:
    assert [days_360(date(2026, m, 1), months_later(date(2026, m, 1), 1)) for m in range(1, 13)] == [30] * 12
    assert days_360(date(2026, 1, 31), date(2026, 2, 28)) == 28
    assert days_360(date(2026, 1, 15), date(2026, 1, 31)) == 15


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(0, 100))
def test_whole_months_count_back_what_months_later_adds(first: date, n: int) -> None:
    assert whole_months(first, months_later(first, n)) == n
    days = [months_later(first, k) for k in range(n, n + 3)]
    assert all(low < high for low, high in pairwise(days))
