"""From what was told to a batch of samples: each sample that is none of ours, or no value, is refused and counted by its reason."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from perf.incoming.places import Place, Places
from perf.incoming.points import Told
from perf.metrics import INCOMING
from station.batch import SampleBatch
from station.channel import Channel

COUNTER_END: Final = 2.0**64
TIME_END: Final = 1 << 63
_TYPES: Final[tuple[Any, ...]] = (np.int64, np.uint64, np.float64, np.uint64)
DURABLE_WITHIN_S: Final = 20.0


class NotDurableError(Exception):
    """The samples are not journalled in time: the sender is to send them again."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How many samples became ours, and how many were refused for which reason."""

    samples: int
    refused: Counter[str]


class Intake:
    """`take` puts what was told into the samples' channel and returns when it is journalled."""

    def __init__(self, places: Places, samples: Channel[SampleBatch], durable: Callable[[], int]) -> None:
        self._places, self._samples, self._durable = places, samples, durable

    async def take(self, told: Iterable[Told], seen: Callable[[int], bool] | None = None) -> Taken:
        """`seen` says which entities the sender may speak for; None: all."""
        batch, refused = self.batch(told, seen)
        for reason, count in refused.items():
            INCOMING.labels(reason).inc(count)
        if len(batch):
            number = await self._samples.put(batch)
            await self._journalled(number)
            INCOMING.labels("taken").inc(len(batch))
        return Taken(len(batch), refused)

    def batch(self, told: Iterable[Told], seen: Callable[[int], bool] | None = None) -> tuple[SampleBatch, Counter[str]]:
        """The samples in order of time, and what was refused."""
        refused: Counter[str] = Counter()
        rows: list[tuple[int, int, float, int]] = []
        for one in told:
            place = self._places.of(one.name, one.labels, one.unit)
            if place.series and seen is not None and not seen(place.series >> 8):
                place = Place(0, None, 0.0, "not_allowed")
            if not place.series:
                refused[place.reason] += len(one.samples)
                continue
            for time_ns, value in one.samples:
                reason = _refusal(place, value) or ("" if -TIME_END <= time_ns < TIME_END else "not_a_time")
                if reason:
                    refused[reason] += 1
                else:
                    rows.append(_row(place, time_ns, value))
        rows.sort(key=lambda row: row[0])
        columns = list(zip(*rows, strict=True)) if rows else [()] * 4
        times, series, values, raws = (np.array(column, kind) for column, kind in zip(columns, _TYPES, strict=True))
        return SampleBatch.of(times, series, value=values, raw=raws), refused

    async def _journalled(self, number: int) -> None:
        try:
            async with asyncio.timeout(DURABLE_WITHIN_S):
                while self._durable() < number:  # noqa: ASYNC110 - the pipeline counts, and tells nobody
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise NotDurableError from error


def _refusal(place: Place, value: float) -> str:
    """Why a value is none, "" where it is one."""
    assert place.metric is not None
    if not math.isfinite(value):
        return "not_a_number"
    if place.metric.kind == "counter":
        if value < 0:
            return "negative_counter"
        return "too_large" if value * place.factor >= COUNTER_END else ""
    return "" if place.metric.low <= value * place.factor <= place.metric.high else "not_plausible"


def _row(place: Place, time_ns: int, value: float) -> tuple[int, int, float, int]:
    assert place.metric is not None
    if place.metric.kind == "counter":
        return time_ns, place.series, math.nan, int(value * place.factor)
    return time_ns, place.series, value * place.factor, 0
