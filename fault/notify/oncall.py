"""Times of day and who is on call: zones of the tz database, handovers at local time whatever summer time does. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NaiveDatetime, model_validator

from station.clock import NS_PER_S
from station.settings import TimeZone

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LOOK_AHEAD: Final = timedelta(days=8)  # a window of the week comes round in seven
DAY_H: Final = 24
Name = Annotated[str, Field(min_length=1, max_length=64)]


class Part(BaseModel):
    """Base of what a plan is made of: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Times(Part):
    """Hours of some days of the week. `until` at or before `since` is the next morning; the day is that of the beginning."""

    zone: TimeZone = "UTC"
    days: tuple[Annotated[str, Field(pattern="^(mon|tue|wed|thu|fri|sat|sun)$")], ...] = DAYS
    since: time = time(0)
    until: time = time(0)

    def holds(self, at: datetime) -> bool:
        """Whether an instant is in them."""
        local = at.astimezone(ZoneInfo(self.zone))
        now, today, yesterday = local.time(), DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if self.since < self.until:
            return today in self.days and self.since <= now < self.until
        return (today in self.days and now >= self.since) or (yesterday in self.days and now < self.until)


class Layer(Part):
    """People who take turns: the first from `starts` (local time of `zone`), each for `every_h` hours; in `times` only, if named.

    A turn of whole days changes at the same local time on every day, also where the clocks were put forward or back.
    """

    people: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    starts: NaiveDatetime
    zone: TimeZone = "UTC"
    every_h: Annotated[int, Field(ge=1, le=8_784)] = 168
    times: tuple[Name, ...] = ()

    def person(self, at: datetime) -> str:
        """Whose turn it is; "" before the first."""
        zone = ZoneInfo(self.zone)
        if self.every_h % DAY_H:
            passed = at - self.starts.replace(tzinfo=zone).astimezone(UTC)
        else:
            passed = at.astimezone(zone).replace(tzinfo=None) - self.starts
        turn = passed // timedelta(hours=self.every_h)
        return self.people[turn % len(self.people)] if turn >= 0 else ""


class Override(Part):
    """Somebody else, for a while."""

    person: Name
    since: AwareDatetime
    until: AwareDatetime

    @model_validator(mode="after")
    def _has_length(self) -> "Override":
        if self.until <= self.since:
            raise ValueError("an override ends after it begins")
        return self


class Schedule(Part):
    """Layers, of which the last that has somebody counts, and overrides, of which the last that holds does."""

    layers: Annotated[tuple[Layer, ...], Field(max_length=10)] = ()
    overrides: Annotated[tuple[Override, ...], Field(max_length=200)] = ()


def on_call(schedule: Schedule, times: Mapping[str, Times], at: datetime) -> str:
    """The person on call; "" for nobody."""
    for override in reversed(schedule.overrides):
        if override.since <= at < override.until:
            return override.person
    for layer in reversed(schedule.layers):
        if not layer.times or within(layer.times, times, at):
            person = layer.person(at)
            if person:
                return person
    return ""


def within(names: Sequence[str], times: Mapping[str, Times], at: datetime) -> bool:
    """Whether an instant is in any of the named times."""
    return any(times[name].holds(at) for name in names if name in times)


def instant(now_ns: int) -> datetime:
    return datetime.fromtimestamp(now_ns // NS_PER_S, UTC)


def quiet_until_ns(mute: Sequence[str], active: Sequence[str], times: Mapping[str, Times], now_ns: int) -> int:
    """When what is muted now, or not active now, may be told, to the minute; `now_ns` itself for at once.

    After LOOK_AHEAD it is told in any case: nothing is muted for ever by a mistake.
    """
    if not mute and not active:
        return now_ns
    begun = at = instant(now_ns)
    while at < begun + LOOK_AHEAD and (within(mute, times, at) or (active and not within(active, times, at))):
        at = at.replace(second=0) + timedelta(minutes=1)
    return now_ns if at == begun else int(at.timestamp()) * NS_PER_S
