"""Billing cycles: so many months, weeks or days from an anchor, in the customer's zone, as half-open spans of UTC nanoseconds.

A cycle is written as ISO 8601 writes a repeating interval: `R/2026-01-31/P1M`. Every border is counted from the anchor, never
from the border before, so that the 31st comes back after a February. A calendar month of the contract's zone is named
`2026-07`; any other span by its first day and the day after its last, `2026-06-30/2026-07-31`, with `@Europe/Lisbon` where
its zone is not the contract's.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing_bridge import periods
from billing_bridge.periods import Period, PeriodError

CALENDAR = "R/2000-01-01/P1M"
SPAN_MAX_DAYS = 1_100  # three years
_TEXT = re.compile(r"R/(\d{4}-\d{2}-\d{2})/P(\d{1,3})([YMWD])")
_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})(?:@([A-Za-z0-9_+/-]{1,40}))?")


class ShortMonth(StrEnum):
    """Where a border falls on a day that the month does not have. LAST_DAY: on its last. NEXT_MONTH: on the first after it."""

    LAST_DAY = "last_day"
    NEXT_MONTH = "next_month"


def months_later(anchor: date, months: int, rule: ShortMonth = ShortMonth.LAST_DAY) -> date:
    """The anchor's day, so many months later (or earlier)."""
    at = anchor.year * 12 + anchor.month - 1 + months
    year, month = at // 12, at % 12 + 1
    last = monthrange(year, month)[1]
    if anchor.day > last and rule == ShortMonth.NEXT_MONTH:
        return date(year, month, last) + timedelta(days=1)
    return date(year, month, min(anchor.day, last))


@dataclass(frozen=True, slots=True)
class Cycle:
    """`months` or `days` from border to border, one of them nought; a border lies at midnight of its day in the zone."""

    anchor: date
    months: int
    days: int
    zone: ZoneInfo
    rule: ShortMonth = ShortMonth.LAST_DAY

    @classmethod
    def parse(cls, text: str, zone: ZoneInfo, rule: ShortMonth = ShortMonth.LAST_DAY) -> "Cycle":
        """The cycle of `R/<anchor>/P<n>Y|M|W|D`; PeriodError where the text is none."""
        found = _TEXT.fullmatch(text or CALENDAR)
        if found is None or not int(found[2]):
            raise PeriodError(f"{text!r} is no cycle; write R/2026-01-31/P1M")
        n = int(found[2])
        months, days = {"Y": (12 * n, 0), "M": (n, 0), "W": (0, 7 * n), "D": (0, n)}[found[3]]
        if months > 36 or days > SPAN_MAX_DAYS:
            raise PeriodError(f"{text!r} is longer than three years")
        return cls(_day(found[1]), months, days, zone, rule)

    def border(self, n: int) -> date:
        """The n-th border; 0 is the anchor, and there are some before it."""
        return months_later(self.anchor, n * self.months, self.rule) if self.months else self.anchor + timedelta(days=n * self.days)

    def around(self, on: date) -> tuple[date, date]:
        """The borders of the period in which a day lies."""
        n = self._before(on)
        return self.border(n), self.border(n + 1)

    def _before(self, on: date) -> int:
        """The number of the last border at or before a day."""
        if not self.months:
            return (on - self.anchor).days // self.days
        n = ((on.year - self.anchor.year) * 12 + on.month - self.anchor.month) // self.months + 1
        while self.border(n) > on:
            n -= 1
        return n

    def holds(self, first: date, after: date) -> bool:
        """Whether [first, after) is one whole period of the cycle."""
        return self.around(first) == (first, after)


def span(first: date, after: date, zone: ZoneInfo, contract: ZoneInfo) -> Period:
    """The period from the midnight that begins `first` to the one that begins `after`, by its name."""
    start_ns, end_ns = periods.day(first, zone).start_ns, periods.day(after, zone).start_ns
    if zone.key == contract.key and first.day == 1 and after == periods.next_month(first):
        return Period(start_ns, end_ns, first.isoformat()[:7])
    suffix = "" if zone.key == contract.key else f"@{zone.key}"
    return Period(start_ns, end_ns, f"{first.isoformat()}/{after.isoformat()}{suffix}")


@lru_cache(maxsize=4096)
def days_of(name: str, contract: ZoneInfo) -> tuple[date, date, ZoneInfo]:
    """(first day, day after the last, zone) of a period's name; PeriodError where it is none."""
    found = _NAME.fullmatch(name)
    if found is None:
        first = periods.month_start(name)
        return first, periods.next_month(first), contract
    first, after = _day(found[1]), _day(found[2])
    if not 0 < (after - first).days <= SPAN_MAX_DAYS or first.year not in periods.YEARS or after.year not in periods.YEARS:
        raise PeriodError(f"{name!r} ends before it begins, or is longer than three years")
    try:
        return first, after, ZoneInfo(found[3]) if found[3] else contract
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise PeriodError(f"{found[3]!r} is no time zone") from error


def parse(name: str, contract: ZoneInfo) -> Period:
    """The period of a name; PeriodError where it is none."""
    first, after, zone = days_of(name, contract)
    found = span(first, after, zone, contract)
    if found.name != name:
        raise PeriodError(f"{name!r} is written {found.name}")
    return found


def days_360(first: date, after: date) -> int:
    """Days between two dates where each month has thirty (30E/360, ISDA 2006, 4.16(g)): the 31st is the 30th."""
    return 360 * (after.year - first.year) + 30 * (after.month - first.month) + min(after.day, 30) - min(first.day, 30)


def whole_months(first: date, after: date) -> int:
    """How many whole months lie between two dates, each from a day to the same day or the month's last."""
    n = (after.year - first.year) * 12 + after.month - first.month
    return n if months_later(first, n) <= after else n - 1


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise PeriodError(f"{text!r} is no day") from error
