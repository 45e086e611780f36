"""The disk budget: an alarm before it is full, a reserve that samples leave, and going on by itself."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from perf.disk import Disk, free_of
from perf.settings import PerfSettings
from perf.writer import Writer
from station.clock import VirtualClock
from station.journal import Journal
from station.telemetry.client import TelemetryClient
from tests.perf.conftest import HOUR

GB = 10**9
SETTINGS = PerfSettings(disk_reserve_mb=256)


def disk_with(free: Callable[[], int], clock: VirtualClock) -> Disk:
    return Disk(lambda: (free(), 100 * GB), clock, SETTINGS)


def said(free: list[int], hours: int = 1) -> list[tuple[str, str]]:
    """What is said when so much is free, one look every so many hours."""
    clock, left = VirtualClock(HOUR), iter([free[0], *free])
    disk = disk_with(lambda: next(left), clock)
    events = []
    for _ in free:
        events += disk.look()
        clock.advance(hours * HOUR)
    return [(event.severity, event.text) for event in events]


def test_an_alarm_grows_with_the_need_and_clears_with_something_to_spare() -> None:
    levels = [50 * GB, 9 * GB, 4 * GB, 200 << 20, 4 * GB, 10 * GB + GB // 2, 12 * GB]
    assert [severity for severity, _ in said(levels, hours=25)] == [*("cleared", "minor", "major", "critical", "major", "minor", "cleared")]


def test_a_disk_that_fills_quickly_is_told_while_half_is_free() -> None:
    _, (severity, text) = said([60 * GB, 58 * GB])
    assert severity == "major" and "58.0 GB left (58 %)" in text and "full in 1.2 days" in text


def test_a_disk_that_stays_as_it_is_clears_what_an_earlier_life_said_and_then_says_nothing() -> None:
    assert [severity for severity, _ in said([50 * GB] * 5)] == ["cleared"]


def test_the_disk_of_a_folder_is_read(tmp_path: Path) -> None:
    free, total = free_of(tmp_path)()
    assert 0 < free < total


async def test_samples_leave_the_reserve_and_go_on_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = [100 << 20]
    disk = disk_with(lambda: free[0], VirtualClock(HOUR))
    journal = Journal(tmp_path / "journal", 1 << 20)
    writer = Writer(TelemetryClient("http://127.0.0.1:9"), journal, 4, disk)
    waits: list[float] = []

    async def slept(seconds: float) -> None:
        waits.append(seconds)
        free[0] = 300 << 20

    monkeypatch.setattr(asyncio, "sleep", slept)
    await writer.put("sample_raw", {"version": np.ones(1, np.uint64)})
    assert waits == [1.0] and len(list(journal.replay())) == 1
    journal.close()
