"""When planned work comes again: the part of RFC 5545's RRULE that it needs, in the local time of a zone.

    FREQ=DAILY|WEEKLY|MONTHLY [;INTERVAL=n] [;BYDAY=[n]MO,...] [;BYMONTHDAY=n,...] [;COUNT=n | ;UNTIL=date[Ttime[Z]]]

A local time that a zone skips is taken with the offset from before, one that comes twice is its first (section 3.3.5).
"""

from calendar import monthrange
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count, islice
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

from station.clock import NS_PER_S

Frequency = Literal["DAILY", "WEEKLY", "MONTHLY"]
FREQUENCIES: Final[Mapping[str, Frequency]] = {word: word for word in get_args(Frequency)}
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PARTS: Final = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT", "UNTIL")
INTERVAL_MAX: Final = 24
COUNT_MAX: Final = 1_000
WEEKS_OF_MONTH: Final = 5
DAYS_OF_MONTH: Final = 31
EMPTY_PERIODS_MAX: Final = 5_000  # a rule such as the 31st of each 12th month from a February on never comes again


class RuleError(ValueError):
    """This is no rule that is understood; the text says which part and why."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A parsed rule. `weekdays` as (which of the month, 0 each; 0 Monday), `until` local without zone or in UTC."""

    frequency: Frequency
    interval: int = 1
    weekdays: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    count: int = 0
    until: datetime | None = None

    def starts(self, first: datetime, zone: ZoneInfo, since: date | None = None) -> Iterator[datetime]:
        """Local starts in order, from `first` on; with `since`, those long before it are skipped where nothing counts them."""
        found = (each for each in self._days(first.date(), None if self.count else since) if each >= first.date())
        moments = (datetime.combine(day, first.time()) for day in found)
        for moment in islice(moments, self.count) if self.count else moments:
            if self.until is not None and _is_after(moment, self.until, zone):
                return
            yield moment

    def _days(self, first: date, since: date | None) -> Iterator[date]:
        empty = 0
        for n in count(self._skipped(first, since)):
            days = self._of_period(first, n)
            empty = 0 if days else empty + 1
            if empty > EMPTY_PERIODS_MAX:
                return
            yield from days

    def _skipped(self, first: date, since: date | None) -> int:
        if since is None or since <= first:
            return 0
        length = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 31}[self.frequency]
        return max(0, (since - first).days // (length * self.interval) - 1)

    def _of_period(self, first: date, n: int) -> list[date]:
        """The days of the n-th day, week or month that the rule looks at; none beyond the last year there is."""
        try:
            match self.frequency:
                case "DAILY":
                    day = first + timedelta(days=n * self.interval)
                    return [day] if not self.weekdays or (0, day.weekday()) in self.weekdays else []
                case "WEEKLY":
                    monday = first + timedelta(days=n * self.interval * 7 - first.weekday())
                    return [monday + timedelta(days=each) for _, each in self.weekdays or ((0, first.weekday()),)]
                case "MONTHLY":
                    months = first.month - 1 + n * self.interval
                    return self._of_month(first.year + months // 12, months % 12 + 1, first.day)
        except (OverflowError, ValueError):
            return []

    def _of_month(self, year: int, month: int, day: int) -> list[date]:
        last = monthrange(year, month)[1]
        wanted = {each if each > 0 else last + 1 + each for each in self.month_days or (() if self.weekdays else (day,))}
        named = {each for each in range(1, last + 1) if self._is_named(year, month, each, last)}
        chosen = wanted & named if self.month_days and self.weekdays else named if self.weekdays else wanted
        return [date(year, month, each) for each in sorted(chosen) if 1 <= each <= last]

    def _is_named(self, year: int, month: int, day: int, last: int) -> bool:
        weekday = date(year, month, day).weekday()
        return any((which, weekday) in self.weekdays for which in (0, (day - 1) // 7 + 1, -((last - day) // 7 + 1)))


def parse(text: str) -> Recurrence:
    """The rule of a text; RuleError names what is wrong."""
    parts: dict[str, str] = {}
    for part in text.upper().removeprefix("RRULE:").split(";"):
        name, sign, value = part.partition("=")
        if name not in PARTS or not sign or not value:
            raise RuleError(f"{part!r} is none of {', '.join(PARTS)} with a value")
        if name in parts:
            raise RuleError(f"{name} is given twice")
        parts[name] = value
    frequency = FREQUENCIES.get(parts.get("FREQ", ""))
    if frequency is None:
        raise RuleError(f"FREQ is one of {', '.join(FREQUENCIES)}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise RuleError("COUNT and UNTIL exclude each other")
    weekdays, month_days = _weekdays(parts, frequency), _month_days(parts, frequency)
    until = _until(parts["UNTIL"]) if "UNTIL" in parts else None
    interval = _number(parts, "INTERVAL", INTERVAL_MAX) if "INTERVAL" in parts else 1
    times = _number(parts, "COUNT", COUNT_MAX) if "COUNT" in parts else 0
    return Recurrence(frequency, interval, weekdays, month_days, times, until)


def _number(parts: Mapping[str, str], name: str, most: int) -> int:
    value = parts[name]
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= most):
        raise RuleError(f"{name} is a number from 1 to {most}")
    return int(value)


def _weekdays(parts: Mapping[str, str], frequency: str) -> tuple[tuple[int, int], ...]:
    found = set()
    for each in filter(None, parts.get("BYDAY", "").split(",")):
        which, day = each[:-2], each[-2:]
        number = which.removeprefix("+").removeprefix("-")
        if day not in WEEKDAYS or (which and number not in ("1", "2", "3", "4", "5")):
            raise RuleError(f"BYDAY: {each!r} is none of {', '.join(WEEKDAYS)}, in a month also 1SU to {WEEKS_OF_MONTH}SU and -1SU")
        if which and frequency != "MONTHLY":
            raise RuleError(f"BYDAY: {each!r} counts within a month, so FREQ is MONTHLY")
        found.add(((-int(number) if which.startswith("-") else int(number)) if which else 0, WEEKDAYS.index(day)))
    return tuple(sorted(found, key=lambda pair: (pair[1], pair[0])))


def _month_days(parts: Mapping[str, str], frequency: str) -> tuple[int, ...]:
    found = set()
    for each in filter(None, parts.get("BYMONTHDAY", "").split(",")):
        number = each.removeprefix("-")
        if not (number.isascii() and number.isdigit() and len(number) < 3 and 1 <= int(number) <= DAYS_OF_MONTH):
            raise RuleError(f"BYMONTHDAY: {each!r} is no day of a month")
        found.add(int(each))
    if found and frequency != "MONTHLY":
        raise RuleError("BYMONTHDAY needs FREQ=MONTHLY")
    return tuple(sorted(found))


def _until(text: str) -> datetime:
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%d"):
        try:
            found = datetime.strptime(text, form)  # noqa: DTZ007 - local unless it ends in Z
        except ValueError:
            continue
        if form.endswith("Z"):
            return found.replace(tzinfo=UTC)
        return found if "T" in form else found.replace(hour=23, minute=59, second=59)
    raise RuleError(f"UNTIL: {text!r} is no date as 20261231 or 20261231T220000Z")


def _is_after(moment: datetime, until: datetime, zone: ZoneInfo) -> bool:
    return moment.replace(tzinfo=zone) > until if until.tzinfo else moment > until


def to_ns(local: datetime, zone: ZoneInfo) -> int:
    """UTC nanoseconds of a local time to the second."""
    return int(local.replace(tzinfo=zone, fold=0).timestamp()) * NS_PER_S
