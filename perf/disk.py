"""The disk budget: an alarm long before the disk is full, and a reserve that samples may not eat.

Alarms and money share the disk with samples; when only the reserve is left, ingest waits (and collecting with it)
until room is made, and goes on by itself.
"""

import asyncio
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from perf.metrics import DISK_FREE, DISK_WAITING
from perf.settings import PerfSettings
from station.batch import Event
from station.clock import NS_PER_S, Clock

LOOK_EVERY_S: Final = 30.0
DAY_NS: Final = 86_400 * NS_PER_S
GROWTH_NS: Final = DAY_NS  # growth is measured over the last day
LEAST_SPAN_NS: Final = 3_600 * NS_PER_S  # and said from an hour on
LOOKS_MAX: Final = 1_000
RESOURCE: Final = "station"
ALARM_TYPE: Final = "processing.storage_low"
REPAIR: Final = "Make room, or keep raw samples for a shorter time ([telemetry] raw_days). At the reserve, samples wait."
Free = Callable[[], tuple[int, int]]
"""(bytes free, bytes in all) of the file system."""


def free_of(folder: Path) -> Free:
    """How full the file system of a folder is."""

    def free() -> tuple[int, int]:
        usage: Any = shutil.disk_usage(folder)
        return int(usage.free), int(usage.total)

    return free


class Disk:
    """`look` says what changed as events; `room` whether samples may be written."""

    def __init__(self, free: Free, clock: Clock, settings: PerfSettings) -> None:
        self._free, self._clock, self._settings = free, clock, settings
        self._looks: deque[tuple[int, int]] = deque(maxlen=LOOKS_MAX)
        self._severity = ""  # not known what an earlier life has said: the first look says it anew
        self.free_bytes = free()[0]
        DISK_FREE.set_function(lambda: self.free_bytes)

    def room(self) -> bool:
        return self.free_bytes > self._settings.disk_reserve_mb << 20

    async def wait_for_room(self) -> None:
        """Until samples may be written again."""
        while not self.room():
            DISK_WAITING.inc()
            await asyncio.sleep(1.0)
            self.free_bytes = self._free()[0]

    def look(self) -> list[Event]:
        """Measure once; an event when the severity changed, and at the first look."""
        now_ns = self._clock.now_ns()
        self.free_bytes, total = self._free()
        self._looks.append((now_ns, self.free_bytes))
        while self._looks[0][0] < now_ns - GROWTH_NS:
            self._looks.popleft()
        days = self._days_left()
        severity = self._judged(self.free_bytes / total, days)
        if severity == self._severity:
            return []
        self._severity = severity
        says = f"The disk of the station has {self.free_bytes / 1e9:.1f} GB left ({100 * self.free_bytes / total:.0f} %)"
        if days is not None:
            says += f"; growing as in the last day it is full in {days:.1f} days"
        return [
            Event(
                now_ns,
                RESOURCE,
                ALARM_TYPE,
                severity,
                says,
                source="disk budget",
                event_type="processingErrorAlarm",
                probable_cause="storageCapacityProblem",
                proposed_repair=REPAIR,
            )
        ]

    def _days_left(self) -> float | None:
        """At the growth of the last day; None while that is not known or there is none."""
        (first_ns, first), (last_ns, last) = self._looks[0], self._looks[-1]
        if last_ns - first_ns < LEAST_SPAN_NS or first <= last:
            return None
        reserve = self._settings.disk_reserve_mb << 20
        return max(0, last - reserve) / ((first - last) * (DAY_NS / (last_ns - first_ns)))

    def _judged(self, share: float, days: float | None) -> str:
        """A raised alarm clears with a tenth to spare, so that it does not flap."""
        ease = 1.0 if self._severity in ("", "cleared") else 1.1
        if not self.room():
            return "critical"
        if share < ease * self._settings.disk_low_share / 2 or (days is not None and days < ease * self._settings.disk_low_days / 4):
            return "major"
        if share < ease * self._settings.disk_low_share or (days is not None and days < ease * self._settings.disk_low_days):
            return "minor"
        return "cleared"
