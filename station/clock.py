"""Time as an argument: nanoseconds in UTC from a clock that never goes backwards."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where the station takes its time from, so that a test can live through a month in a millisecond."""

    def now_ns(self) -> int:
        """UTC nanoseconds since 1970, never smaller than any value given before."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds for measuring spans; its zero means nothing."""
        ...


class SystemClock:
    """Wall time at start plus monotonic time, so that a step of the system clock moves no sample.

    `step_ns()` tells how far the wall has drifted from it since; `slew` closes that distance slowly.
    """

    def __init__(self) -> None:
        self._wall_ns = time.time_ns()
        self._started_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        return self._wall_ns + time.monotonic_ns() - self._started_ns

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def step_ns(self) -> int:
        return time.time_ns() - self.now_ns()

    def slew(self, most_ns: int) -> int:
        """Move towards the wall by at most `most_ns`, only forwards; return what was moved."""
        moved = max(0, min(self.step_ns(), most_ns))
        self._wall_ns += moved
        return moved


class VirtualClock:
    """A clock that stands still until told; for tests, simulated history and replays."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    def advance(self, by_ns: int) -> None:
        assert by_ns >= 0, "time does not go backwards"
        self._now_ns += by_ns
