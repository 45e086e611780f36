"""Samples that wait for their batch, for inputs whose values come one by one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from station.batch import SampleBatch
from station.catalogue import Metric
from station.series import series_of

COUNTER_END: Final = 1 << 64


@dataclass(slots=True)
class Rows:
    """Growing columns; `batch` hands them over and begins anew."""

    time_ns: list[int] = field(default_factory=list)
    series: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    raw: list[int] = field(default_factory=list)
    width: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.series)

    def add(self, time_ns: int, device_no: int, entity_no: int, metric: Metric, number: float, *, width: int = 0) -> None:
        """One sample; a counter's `number` is an integer from 0 to 2^64-1, `width` its type's 32 or 64 bits, 0 where unknown."""
        self.put(time_ns, series_of(device_no, entity_no, metric.code), metric, number, width=width)

    def put(self, time_ns: int, series: int, metric: Metric, number: float, *, width: int = 0) -> None:
        """The same of a series whose number is known."""
        counts = metric.kind == "counter"
        self.time_ns.append(time_ns)
        self.series.append(series)
        self.value.append(np.nan if counts else float(number))
        self.raw.append(int(number) if counts else 0)
        self.width.append(width if counts else 0)

    def batch(self) -> SampleBatch:
        made = SampleBatch.of(
            np.array(self.time_ns, np.int64),
            np.array(self.series, np.uint64),
            value=np.array(self.value, np.float64),
            raw=np.array(self.raw, np.uint64),
            width=np.array(self.width, np.uint8),
        )
        for column in (self.time_ns, self.series, self.value, self.raw, self.width):
            column.clear()
        return made


def number_of(value: int | float | str | bool, states: Mapping[str, int]) -> int | None:
    """A counter or state as an integer: 64-bit integers arrive as text in JSON and XML (RFC 7951, 6.1); None if it is none.

    A state may be written with its module (`oc-if:UP`) and in any case.
    """
    if isinstance(value, str):
        text = value.rpartition(":")[2].strip()
        if text.isascii() and text.isdigit():
            return int(text) if len(text) <= 20 and int(text) < COUNTER_END else None
        found = states.get(text)
        return states.get(text.upper()) if found is None else found
    return int(value) if 0 <= value < COUNTER_END else None
