"""Where usage goes to and when: longest prefix and time of day, for one event and for columns of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from bss.rating.columns import TooWideError
from bss.rating.terms import Exact
from station.clock import NS_PER_S
from station.settings import Settings

KEY_DIGITS = 16  # of a key that decide; E.164 has at most 15
QUARTER_NS = 900 * NS_PER_S  # every zone's offset since 1972 is a multiple of this
SPAN_MAX_NS = 400 * 86_400 * NS_PER_S

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock = Annotated[str, Field(pattern=r"\A([01]\d|2[0-3]):[0-5]\d\z|\A24:00\z")]


class Band(Settings):
    """A time of day on some days, from `start` (with) to `until` (without); a holiday is a day of its own."""

    name: Annotated[str, Field(pattern=r"\A[a-z0-9_]{1,32}\z")]
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = (*DAYS, "holiday")
    start: Clock = "00:00"
    until: Clock = "24:00"

    @property
    def minutes(self) -> tuple[int, int]:
        return _minutes(self.start), _minutes(self.until)


class Zone(Settings):
    """Destinations by the digits they begin with; "" is every other. `bands` gives prices of times that differ."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    prefixes: Annotated[tuple[Annotated[str, Field(pattern=r"\A[0-9]{0,15}\z")], ...], Field(min_length=1, max_length=20_000)]
    price: Exact
    setup: Exact = Decimal(0)
    bands: Mapping[str, Exact] = {}


@dataclass(frozen=True)
class Calendar:
    """Which band an instant lies in: the first that holds, -1 for none."""

    bands: tuple[Band, ...]
    holidays: frozenset[date]
    zone: ZoneInfo

    def band_at(self, time_ns: int) -> int:
        local = datetime.fromtimestamp(time_ns // NS_PER_S, UTC).astimezone(self.zone)
        day: Day = "holiday" if local.date() in self.holidays else DAYS[local.weekday()]
        minute = local.hour * 60 + local.minute
        for number, band in enumerate(self.bands):
            low, high = band.minutes
            if day in band.days and low <= minute < high:
                return number
        return -1

    def bands_at(self, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The band of each instant, from the instants at which it can change."""
        if not self.bands or not len(times_ns):
            return np.full(len(times_ns), -1, np.int64)
        low, high = int(times_ns.min()), int(times_ns.max())
        if high - low > SPAN_MAX_NS:
            raise TooWideError("events span more than 400 days")
        changes = self._changes(low, high)
        found = np.array([self.band_at(int(at)) for at in changes], np.int64)
        return found[np.searchsorted(changes, times_ns, side="right") - 1]

    def _changes(self, low: int, high: int) -> npt.NDArray[np.int64]:
        """Every quarter of an hour in UTC (there clocks are set), and every border of a band in local time."""
        quarters = np.arange(low // QUARTER_NS * QUARTER_NS, high + QUARTER_NS, QUARTER_NS)
        borders = {border for band in self.bands for border in band.minutes if border < 24 * 60}
        first = datetime.fromtimestamp(low // NS_PER_S, UTC).astimezone(self.zone).date() - timedelta(days=1)
        local = []
        for n in range((high - low) // (86_400 * NS_PER_S) + 4):
            for border in borders:
                at = datetime.combine(first + timedelta(days=n), time(border // 60, border % 60), self.zone)
                local += [int(at.replace(fold=fold).timestamp()) * NS_PER_S for fold in (0, 1)]
        return np.unique(np.concatenate([quarters, np.array(local, np.int64)]))


def zone_of(key: str, zones: Sequence[Zone]) -> int:
    """The zone with the longest prefix of the key; the first of two with the same."""
    best, found = -1, -1
    for number, zone in enumerate(zones):
        for prefix in zone.prefixes:
            if len(prefix) > best and key.startswith(prefix):
                best, found = len(prefix), number
    assert found >= 0, "a zone catches every key"
    return found


def zones_of(keys: pl.Series, zones: Sequence[Zone]) -> npt.NDArray[np.int64]:
    """The zone of each key. A key becomes a number of 16 hexadecimal digits, 0 where it has ended, so that each prefix is
    an interval; nested intervals are cut to disjoint ones and searched."""
    starts, owners = _intervals(zones)
    return owners[np.searchsorted(starts, _numbers(keys), side="right") - 1]


def _intervals(zones: Sequence[Zone]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    owner: dict[str, int] = {}
    for number, zone in enumerate(zones):
        for prefix in zone.prefixes:
            owner.setdefault(prefix, number)
    cuts: dict[int, int] = {}
    open_: list[tuple[int, int]] = []  # (end, zone) of the prefixes around the place of the sweep
    for (at, end), number in _sorted(owner):
        while open_ and open_[-1][0] <= at:
            closed = open_.pop()[0]
            if open_:
                cuts[closed] = open_[-1][1]
        cuts[at] = number
        open_.append((end, number))
    while open_:
        closed = open_.pop()[0]
        if open_ and closed < 1 << 64:
            cuts[closed] = open_[-1][1]
    starts = sorted(cuts)
    return np.array(starts, np.uint64), np.array([cuts[at] for at in starts], np.int64)


def _sorted(owner: Mapping[str, int]) -> list[tuple[tuple[int, int], int]]:
    """((begin, end), zone) of each prefix, an outer one before what it holds."""
    found = sorted((_number(prefix), len(prefix), number) for prefix, number in owner.items())
    return [((at, at + (1 << 4 * (KEY_DIGITS - length))), number) for at, length, number in found]


def _number(prefix: str) -> int:
    return int("".join(f"{int(digit) + 1:x}" for digit in prefix).ljust(KEY_DIGITS, "0"), 16)


def _numbers(keys: pl.Series) -> npt.NDArray[np.uint64]:
    """`_number` of each key's first 16 characters; TooWideError where one is no digit."""
    padded = keys.str.slice(0, KEY_DIGITS).str.pad_end(KEY_DIGITS, "/").cast(pl.Binary)
    halves = [padded.bin.slice(at, 8).bin.reinterpret(dtype=pl.UInt64, endianness="big").to_numpy() for at in (0, 8)]
    return np.asarray(_nibbles(halves[0]) << np.uint64(32) | _nibbles(halves[1]), np.uint64)


def _nibbles(octets: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Eight characters `/`, `0` to `9` as eight digits of four bits, 0 to 10."""
    value = octets - np.uint64(0x2F2F2F2F2F2F2F2F)
    # a character outside `/` to `9` leaves a byte above 10: seen in the high bits after adding 0x75
    if len(octets) and ((value | (value + np.uint64(0x7575757575757575))) & np.uint64(0x8080808080808080)).any():
        raise TooWideError("a key that is not all digits")
    value = (value | value >> np.uint64(4)) & np.uint64(0x00FF00FF00FF00FF)
    value = (value | value >> np.uint64(8)) & np.uint64(0x0000FFFF0000FFFF)
    return (value | value >> np.uint64(16)) & np.uint64(0xFFFFFFFF)


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
