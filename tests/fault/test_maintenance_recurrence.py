"""When planned work comes again, beside the reference implementation of RFC 5545's rules."""

from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from fault.maintenance.recurrence import WEEKDAYS, RuleError, parse, to_ns

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 1, 31, 2, 30)


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 5))}"]
    days = draw(st.lists(st.sampled_from(WEEKDAYS), unique=True, max_size=3))
    if frequency == "MONTHLY" and draw(st.booleans()):
        # The reference takes `MO,1TU` for both at once, the standard for either: they are not mixed here.
        days = [f"{draw(st.sampled_from(['1', '2', '-1', '4']))}{day}" for day in days]
    if days:
        parts.append(f"BYDAY={','.join(days)}")
    if frequency == "MONTHLY" and (dates := draw(st.lists(st.sampled_from([1, 15, 29, 30, 31, -1, -2]), unique=True, max_size=3))):
        parts.append(f"BYMONTHDAY={','.join(map(str, dates))}")
    ending = draw(st.sampled_from(["", "COUNT=7", "UNTIL=20270615T120000"]))
    return ";".join([*parts, ending]) if ending else ";".join(parts)


@given(rules())
@settings(max_examples=60, deadline=None)
def test_a_rule_falls_on_the_days_of_the_reference(rule: str) -> None:
    expected = list(islice(rrulestr(rule, dtstart=FIRST), 12))
    assert list(islice(parse(rule).starts(FIRST, BERLIN), 12)) == expected


@given(rules(), st.integers(0, 2_000))
@settings(max_examples=40, deadline=None)
def test_skipping_to_a_day_loses_nothing_that_starts_after_it(rule: str, days: int) -> None:
    since = FIRST.date() + timedelta(days=days)
    until = since + timedelta(days=400)

    def within(skip: date | None) -> list[datetime]:
        found = []
        for start in parse(rule).starts(FIRST, BERLIN, skip):
            if start.date() > until:
                break
            if start.date() >= since:
                found.append(start)
        return found

    assert within(since) == within(None)


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FREQ=HOURLY", "FREQ"),
        ("", "none of"),
        ("FREQ=DAILY;FREQ=DAILY", "twice"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20260101", "exclude"),
        ("FREQ=WEEKLY;BYDAY=1SU", "MONTHLY"),
        ("FREQ=MONTHLY;BYDAY=6SU", "BYDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "MONTHLY"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL"),
        ("FREQ=DAILY;BYHOUR=3", "none of"),
        ("FREQ=DAILY;INTERVAL=\N{SUPERSCRIPT TWO}", "INTERVAL"),
    ],
)
def test_what_is_no_rule_is_named(rule: str, says: str) -> None:
    with pytest.raises(RuleError, match=says):
        parse(rule)


@given(st.text(max_size=60) | st.text("FREQ=DAILYWKMONTH;BY,-0123456789SU", max_size=60))
def test_any_text_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse(text)
    except RuleError:
        return
    list(islice(rule.starts(FIRST, BERLIN), 3))


def test_a_local_time_stays_the_same_through_summer_time() -> None:
    before, after = islice(parse("FREQ=DAILY").starts(datetime(2026, 3, 28, 4, 0), BERLIN), 2)
    assert to_ns(after, BERLIN) - to_ns(before, BERLIN) == 23 * 3600 * 10**9


def test_a_time_that_a_zone_skips_is_taken_with_the_offset_before_and_one_that_comes_twice_is_its_first() -> None:
    assert to_ns(datetime(2026, 3, 29, 2, 30), BERLIN) == to_ns(datetime(2026, 3, 29, 1, 30), ZoneInfo("UTC"))
    assert to_ns(datetime(2026, 10, 25, 2, 30), BERLIN) == to_ns(datetime(2026, 10, 25, 0, 30), ZoneInfo("UTC"))
