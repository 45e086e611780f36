"""What a round of probes says of a path: loss, percentiles of the round trip, jitter. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one round to one target. Times in seconds, NaN where nothing came back."""

    sent: int
    received: int
    rtt_p50_s: float
    rtt_p95_s: float
    rtt_p99_s: float
    jitter_s: float

    @property
    def loss_ratio(self) -> float:
        return 1 - self.received / self.sent if self.sent else math.nan


def summary(round_trips_s: Sequence[float | None]) -> Summary:
    """Of round trips in the order they were sent, None where no answer came."""
    found = [one for one in round_trips_s if one is not None]
    ordered = sorted(found)
    p50, p95, p99 = (percentile(ordered, share) for share in (0.50, 0.95, 0.99))
    return Summary(len(round_trips_s), len(found), p50, p95, p99, jitter(found))


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed (RFC 2330, 11.3); NaN of nothing."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else math.nan


def jitter(round_trips_s: Sequence[float]) -> float:
    """The mean absolute difference of successive packets (IPDV, RFC 3393); NaN of fewer than two."""
    steps = [abs(after - before) for before, after in pairwise(round_trips_s)]
    return sum(steps) / len(steps) if steps else math.nan
