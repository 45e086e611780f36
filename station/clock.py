"""Time as an argument: nanoseconds in UTC from a clock that never goes backwards."""

import time
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
STEER_PPM = 5000  # 5 ms in a second: an hour's step takes eight days, and no interval is off by more than half a percent


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

    `steer` closes the distance to the wall slowly, by running a little faster or slower and never backwards.
    """

    def __init__(self) -> None:
        self._line = (time.time_ns(), time.monotonic_ns(), 0)  # UTC ns, monotonic ns, parts per million gained; one object for all threads

    def now_ns(self) -> int:
        wall_ns, since_ns, gain_ppm = self._line
        elapsed_ns = time.monotonic_ns() - since_ns
        return wall_ns + elapsed_ns + elapsed_ns * gain_ppm // 1_000_000

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def steer(self, over_ns: int) -> int:
        """Run towards the wall so as to meet it `over_ns` from now, by STEER_PPM at most; return the distance found (ns, wall - ours)."""
        now_ns, since_ns = self.now_ns(), time.monotonic_ns()
        apart_ns = time.time_ns() - now_ns
        gain_ppm = max(-STEER_PPM, min(STEER_PPM, apart_ns * 1_000_000 // over_ns))
        self._line = (now_ns, since_ns, gain_ppm)
        return apart_ns


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
