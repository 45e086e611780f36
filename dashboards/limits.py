"""Token buckets per caller: how often someone may ask, in a table that cannot grow."""

from collections import OrderedDict
from dataclasses import dataclass

from station.clock import NS_PER_S

CALLERS_MAX = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_ns: int


class RateLimit:
    """`per_s` requests a second with a burst of `burst`, for each of the last CALLERS_MAX callers."""

    def __init__(self, per_s: float, burst: int) -> None:
        self.per_s = per_s
        self.burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, caller: str, now_ns: int) -> float:
        """Take one token: 0 when it was there, else the seconds until there is one."""
        bucket = self._buckets.setdefault(caller, _Bucket(self.burst, now_ns))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)
        bucket.tokens = min(self.burst, bucket.tokens + (now_ns - bucket.at_ns) / NS_PER_S * self.per_s)
        bucket.at_ns = now_ns
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self.per_s
