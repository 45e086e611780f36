"""When what was billed is earned: a line's amount lies over the days of its period, exact to the minor unit.

What lies before the day of issue is earned at once; the rest is deferred and becomes revenue at the end of each month, the part
of the days gone by. Sums are cumulative and cut, so that the parts are the whole whatever the days.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Spread:
    """An amount: what is earned at once, and what at the end of which month (YYYY-MM)."""

    now_minor: int
    later: Mapping[str, int]


def spread(amount_minor: int, start: date, end: date, issued: date) -> Spread:
    """The amount of a period [start, end) that is billed on a day; a period without days is earned at once."""
    days = (end - start).days
    if days <= 0 or issued >= end:
        return Spread(amount_minor, {})
    earned = now = _part(amount_minor, (issued - start).days, days)
    later = dict[str, int]()
    month = max(issued, start).replace(day=1)
    while earned != amount_minor or month < end:
        following = (month + timedelta(days=32)).replace(day=1)
        until = _part(amount_minor, (min(following, end) - start).days, days)
        if until != earned:
            later[f"{month:%Y-%m}"] = until - earned
        earned, month = until, following
    return Spread(now, later)


def _part(amount_minor: int, gone: int, days: int) -> int:
    """What so many days of all are worth, cut towards nothing."""
    part = abs(amount_minor) * max(0, min(gone, days)) // days
    return part if amount_minor >= 0 else -part


def of_line(line: Mapping[str, Any], issued: str, zone: ZoneInfo) -> Spread:
    """The spread of a document's line over its own period, in the days of the document's zone."""
    start, end = (_day(line["period"][name], zone) for name in ("start", "end"))
    return spread(line["amount_minor"], start, end, date.fromisoformat(issued))


def _day(text: str, zone: ZoneInfo) -> date:
    return datetime.fromisoformat(text).astimezone(zone).date()
