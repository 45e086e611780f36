"""For how much of a period a service was active, counted in every way that a proration asks for."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from billing_bridge import periods
from billing_bridge.guiding import FOREVER_NS
from bss.cycles import days_360, whole_months
from bss.plans import Stretch
from bss.rating.terms import NO_CUT, Cut
from station.clock import NS_PER_S


@lru_cache(maxsize=4096)
def _midnight_ns(day: date, zone: ZoneInfo) -> int:
    return periods.day(day, zone).start_ns


def activity_of(service: Mapping[str, Any], stretch: Stretch, whole: tuple[date, date], months: int, zone: ZoneInfo) -> dict[str, Any]:
    """The fields of a `ServiceUsage` that say so. `whole` is the period that fees are for, longer than the stretch where the
    billed span is only a part of it; a day on which the service was active at any time counts."""
    low_ns, high_ns = (_midnight_ns(day, zone) for day in (stretch.low, stretch.high))
    begin_ns, end_ns = max(low_ns, service["active_from_ns"]), min(high_ns, service["active_to_ns"] or FOREVER_NS)
    begun_ns, over_ns = (_midnight_ns(day, zone) for day in whole)
    found = {
        "days": (whole[1] - whole[0]).days,
        "days_360": days_360(*whole),
        "seconds": (over_ns - begun_ns) // NS_PER_S,
        "months": months,
        "ended_after": _ended_after(service, low_ns, high_ns, zone),
    }
    if begin_ns >= end_ns:
        return found | {"active_days": 0, "active_days_360": 0, "active_seconds": 0}
    first = stretch.low if begin_ns == low_ns else periods.date_at(begin_ns, zone)
    after = stretch.high if end_ns == high_ns else periods.date_at(end_ns - 1, zone) + timedelta(days=1)
    return found | {
        "active_days": (after - first).days,
        "active_days_360": days_360(first, after),
        "active_seconds": (end_ns - begin_ns) // NS_PER_S,
        "before": _cut(whole[0], first, begin_ns - begun_ns, change=stretch.before and begin_ns == low_ns),
        "after": _cut(after, whole[1], over_ns - end_ns, change=stretch.after and end_ns == high_ns),
    }


def _cut(low: date, high: date, span_ns: int, *, change: bool) -> Cut:
    if not span_ns:
        return NO_CUT
    return Cut((high - low).days, span_ns // NS_PER_S, days_360(low, high), change)


def _ended_after(service: Mapping[str, Any], low_ns: int, high_ns: int, zone: ZoneInfo) -> int:
    """For how many whole months a service was served that ended here; -1 where it did not, or nobody knows when it began."""
    begin_ns, end_ns = service["active_from_ns"], service["active_to_ns"]
    if not begin_ns or not low_ns < end_ns <= high_ns:
        return -1
    return whole_months(periods.date_at(begin_ns, zone), periods.date_at(end_ns, zone))
