"""Which devices cost the poller most, by name: the few worst of each kind, so that /metrics stays small however many there are."""

from collections.abc import Iterable, Mapping
from heapq import nlargest
from typing import Final

from collectors.metrics import SNMP_WORST
from collectors.snmp.polled import Polled
from station.clock import NS_PER_S

WORST: Final = 10  # devices of a kind
EVERY_S: Final = 30.0  # problems are counted over this long
KINDS: Final = ("problems", "missed_polls", "poll_seconds")


class Culprits:
    """`tell` sets the gauges; called each turn, it works every `EVERY_S`."""

    def __init__(self) -> None:
        self._before: dict[int, int] = {}
        self._told_ns = 0

    def tell(self, polled: Mapping[int, Polled], now_ns: int) -> None:
        """Count what came since the last time, and name the worst."""
        if now_ns - self._told_ns < EVERY_S * NS_PER_S:
            return
        self._told_ns = now_ns
        totals = {no: one.client.problems.total() for no, one in polled.items()}
        new = {no: total - self._before.get(no, 0) for no, total in totals.items()}
        self._before = totals
        scores = {
            "problems": ((name_of(one), float(new[no])) for no, one in polled.items()),
            "missed_polls": ((name_of(one), float(one.misses)) for one in polled.values()),
            "poll_seconds": ((name_of(one), one.took_ns / NS_PER_S) for one in polled.values()),
        }
        SNMP_WORST.clear()
        for kind in KINDS:
            for device, score in worst(scores[kind]):
                SNMP_WORST.labels(kind, device).set(score)


def name_of(polled: Polled) -> str:
    return polled.device.name or polled.device.management_address


def worst(scores: Iterable[tuple[str, float]], n: int = WORST) -> list[tuple[str, float]]:
    """The n highest scores above nothing, highest first; of equals the first by name."""
    return nlargest(n, sorted(score for score in scores if score[1] > 0), key=lambda score: score[1])
