"""Objectives beside availability: latency, jitter, loss and throughput over the five-minute slots of a month. Pure.

A slot counts when it lies wholly within the contract's hours, outside what is excluded, and the service was up: an
outage is counted once, as an outage. Over several ports a slot's value is what as many of them as the service needs
kept or bettered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from perf.sla.intervals import Spans
from perf.sla.measure import percent
from perf.sla.terms import Objective, Sla

F64 = npt.NDArray[np.float64]
SLOT_NS: Final = 300 * 1_000_000_000
UNITS: Final = {"latency": "ms", "jitter": "ms", "loss": "%", "throughput": "Mbit/s"}
QUANTUM: Final = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Kept:
    """How a month kept an objective: slots that counted, were known, and kept the limit.

    `value` is what is held against the promise: percent of slots, or the statistic in the sli's unit; None when nothing
    is known, and then nobody says that it was `met` or missed.
    """

    of: Objective
    counted: int
    known: int
    good: int
    value: Decimal | None
    met: bool | None


def kept(objective: Objective, values: F64, counted: npt.NDArray[np.bool_], unknown: Literal["up", "down", "excluded"]) -> Kept:
    """Judge the slots of a month: `values` f64[k] in the sli's unit, NaN where nobody measured; `counted` bool[k]."""
    there = values[counted]
    known = there[~np.isnan(there)]
    good = int(np.count_nonzero(known >= float(objective.limit) if objective.sli == "throughput" else known <= float(objective.limit)))
    if objective.over != "share":
        value = _statistic(objective.over, known)
        return Kept(objective, len(there), len(known), good, value, None if value is None else value <= objective.limit)
    of, kept_slots = len(known), good
    if unknown != "excluded":
        of, kept_slots = len(there), good + (len(there) - len(known) if unknown == "up" else 0)
    share = Fraction(kept_slots, of) if of else None
    met = None if share is None else share >= Fraction(objective.share) / 100
    return Kept(objective, len(there), len(known), good, None if share is None else percent(share), met)


def _statistic(over: str, known: F64) -> Decimal | None:
    """The mean, or the smallest value that so many percent of the slots do not exceed."""
    if not len(known):
        return None
    if over == "mean":
        found = float(known.mean())
    else:
        rank = -(-len(known) * int(over[1:]) // 100) - 1
        found = float(np.partition(known, rank)[rank])
    return Decimal(repr(found)).quantize(QUANTUM, ROUND_HALF_UP)


def of_ports(objective: Objective, values: Sequence[F64], needs: "int | Literal['all']") -> F64:
    """The service's value of each slot over its ports: the worst of the `needs` best ones; NaN where fewer are known."""
    table = np.stack(values)
    wanted = len(values) if needs == "all" else min(needs, len(values))
    if objective.sli == "throughput":
        best_first: F64 = -np.sort(-table, axis=0)  # NaN sorts last either way
    else:
        best_first = np.sort(table, axis=0)
    worst_needed: F64 = best_first[wanted - 1]
    return worst_needed


def slots_within(spans: Spans, first_ns: int, count: int) -> npt.NDArray[np.bool_]:
    """Which of `count` slots from `first_ns` on lie wholly within the spans, bool[count]."""
    inside = np.zeros(count, np.bool_)
    for low, high in spans:
        begin, end = -(-(low - first_ns) // SLOT_NS), (high - first_ns) // SLOT_NS
        inside[max(begin, 0) : max(end, 0)] = True
    return inside


def credit_of(sla: Sla, availability: Decimal, missed: Sequence[Kept]) -> Decimal:
    """Percent of the recurring charge for a month: the availability's credit and those of missed objectives together."""
    dues = [availability, *(one.of.credit for one in missed)]
    return min(sla.credit_cap, max(dues) if sla.together == "largest" else sum(dues, Decimal(0)))
