"""Storm protection: a token bucket per sender, so that one loud device costs only itself."""

from collections import OrderedDict
from typing import Final

from station.clock import NS_PER_S

SENDERS_MAX: Final = 50_000


class Senders:
    """At most `rate` messages a second from each sender, after a burst of `burst`; the longest silent are forgotten."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._malformed: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, source: str, now_ns: int) -> bool:
        """Whether this sender may be heard now; takes one token if so."""
        tokens, since_ns = self._buckets.pop(source, (float(self._burst), now_ns))
        tokens = min(self._burst, tokens + (now_ns - since_ns) / NS_PER_S * self._rate)
        allowed = tokens >= 1.0
        self._buckets[source] = (tokens - allowed, now_ns)
        if len(self._buckets) > SENDERS_MAX:
            self._buckets.popitem(last=False)
        return allowed

    def first_time_malformed(self, source: str) -> bool:
        """True once per sender: what is malformed is counted each time and logged once."""
        if source in self._malformed:
            return False
        self._malformed[source] = None
        if len(self._malformed) > SENDERS_MAX:
            self._malformed.popitem(last=False)
        return True
