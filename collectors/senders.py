"""Storm protection: a token bucket per sender, so that one loud device costs only itself."""

from collections import OrderedDict
from heapq import nsmallest
from typing import Final

from station.clock import NS_PER_S

SENDERS_MAX: Final = 50_000


class Senders:
    """At most `rate` messages a second from each sender, after a burst of `burst`; the longest silent are forgotten."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate_per_ns = rate / NS_PER_S
        self._burst = burst
        self._buckets: dict[str, tuple[float, int]] = {}
        self._malformed: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, source: str, now_ns: int) -> bool:
        """Whether this sender may be heard now; takes one token if so."""
        buckets = self._buckets
        known = buckets.get(source)
        if known is None:
            if len(buckets) >= SENDERS_MAX:
                self._forget()
            tokens = float(self._burst)
        else:
            tokens = min(self._burst, known[0] + (now_ns - known[1]) * self._rate_per_ns)
        allowed = tokens >= 1.0
        buckets[source] = (tokens - allowed, now_ns)
        return allowed

    def _forget(self) -> None:
        """Forget the longest silent sixteenth at once: to keep them in order would cost every message."""
        longest = nsmallest(SENDERS_MAX // 16 + 1, self._buckets, key=lambda source: self._buckets[source][1])
        for source in longest:
            del self._buckets[source]

    def first_time_malformed(self, source: str) -> bool:
        """True once per sender: what is malformed is counted each time and logged once."""
        if source in self._malformed:
            return False
        self._malformed[source] = None
        if len(self._malformed) > SENDERS_MAX:
            self._malformed.popitem(last=False)
        return True
