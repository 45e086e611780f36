"""Billing days and months: calendar periods of the contract's time zone as half-open spans of UTC nanoseconds.

A day has 23, 24 or 25 hours (276, 288 or 300 slots of five minutes) where the zone keeps daylight saving time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from station.clock import NS_PER_S

YEARS = range(1971, 2262)  # what whole 64-bit nanoseconds since 1970 reach in every zone


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """[start_ns, end_ns) in UTC; `name` as people write it: 2026-07 or 2026-07-14."""

    start_ns: int
    end_ns: int
    name: str

    def __contains__(self, time_ns: int) -> bool:
        return self.start_ns <= time_ns < self.end_ns


class PeriodError(ValueError):
    """The text names no calendar month."""


def day(of: date, zone: ZoneInfo) -> Period:
    """The calendar day in the zone."""
    return Period(_midnight_ns(of, zone), _midnight_ns(of + timedelta(days=1), zone), of.isoformat())


def month(name: str, zone: ZoneInfo) -> Period:
    """The calendar month `YYYY-MM` in the zone; PeriodError when the text is none."""
    first = month_start(name)
    return Period(_midnight_ns(first, zone), _midnight_ns(next_month(first), zone), name)


def month_start(name: str) -> date:
    """The first day of the month `YYYY-MM`."""
    try:
        first = date.fromisoformat(f"{name}-01")
    except ValueError as error:
        raise PeriodError(f"{name!r} is no month; write YYYY-MM") from error
    if first.isoformat() != f"{name}-01":
        raise PeriodError(f"{name!r} is no month; write YYYY-MM")
    if first.year not in YEARS:
        raise PeriodError(f"{name!r} lies outside {YEARS[0]} to {YEARS[-1]}")
    return first


def next_month(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)


def month_before(name: str) -> str:
    """2025-12 of 2026-01."""
    return (month_start(name) - timedelta(days=1)).isoformat()[:7]


def date_at(time_ns: int, zone: ZoneInfo) -> date:
    """The calendar date in the zone at an instant."""
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).astimezone(zone).date()


def days_between(start_ns: int, end_ns: int, zone: ZoneInfo) -> Iterator[Period]:
    """The calendar days that share at least one nanosecond with [start_ns, end_ns), in order."""
    at = date_at(start_ns, zone)
    while (period := day(at, zone)).start_ns < end_ns:
        yield period
        at += timedelta(days=1)


def _midnight_ns(of: date, zone: ZoneInfo) -> int:
    # Where a zone changes at midnight itself, fold=0 names the instant of the change: the day still starts there.
    return int(datetime(of.year, of.month, of.day, tzinfo=zone).timestamp()) * NS_PER_S
