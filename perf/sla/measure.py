"""From outages to a month's result: three-valued state of a service, what counts, budget, outlook, credit. Pure.

A port is down, unknown, or up for the rest. A service that needs k of its ports is up while k are surely up, down while
even the unknown ones could not make k, and unknown in between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from perf.sla.intervals import Span, Spans, at_least, common, length, union, without
from perf.sla.terms import Sla

PERCENT_QUANTUM = Decimal("0.0001")
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Port:
    """One resource a service stands on: when it was down, and when nobody knows."""

    down: Spans
    unknown: Spans


@dataclass(frozen=True, slots=True)
class State:
    """When a service was down, and when nobody knows."""

    down: Spans
    unknown: Spans


def state_of(ports: Sequence[Port], needs: "int | str", span: Span) -> State:
    """The service over its ports; without any port nothing is known."""
    if not ports:
        return State([], [span])
    wanted = len(ports) if needs == "all" else min(int(needs), len(ports))
    surely = [without([span], union(port.down, port.unknown)) for port in ports]
    perhaps = [without([span], port.down) for port in ports]
    down = without([span], at_least(wanted, perhaps))
    return State(down, without([span], union(down, at_least(wanted, surely))))


@dataclass(frozen=True, slots=True)
class Result:
    """A month of one service; times in nanoseconds, `availability` in percent, None when nothing counted.

    `budget_ns` is what may be lost by the promise, `down_ns` what was lost. `counted_ns` is the contract's time without
    what is excluded; `excluded_ns` and `unknown_ns` lie within the contract's hours.
    """

    counted_ns: int
    down_ns: int
    unknown_ns: int
    excluded_ns: int
    budget_ns: int
    availability: Decimal | None
    met: bool | None
    credit_percent: Decimal
    outages: Spans  # what of the outages counted
    outlook: str  # met | at_risk | breached, at the end of the month at the pace of the days so far

    @property
    def left_ns(self) -> int:
        return self.budget_ns - self.down_ns


def result(sla: Sla, month: Span, active: Span, state: State, excluded: Iterable[Span], now_ns: int) -> Result:
    """The month so far (all of it when it is over); `excluded` are windows that do not count, whatever the promise says of maintenance.

    An outage within an excluded window does not count, and neither does the window's time.
    """
    whole = common(sla.counted(month), [active])
    past = common(whole, [(month[0], max(month[0], min(now_ns, month[1])))])
    away = union(excluded)
    counted, unknown = without(past, away), common(without(past, away), state.unknown)
    down = common(counted, state.down)
    if sla.unknown == "excluded":
        counted = without(counted, unknown)
    elif sla.unknown == "down":
        down = union(down, unknown)
    allowed = 1 - Fraction(sla.availability) / 100
    # the budget is the whole month's: what is to come counts unless it is planned away
    to_come = without(without(whole, past), away)
    budget = int((length(counted) + length(to_come)) * allowed)
    share = 1 - Fraction(length(down), length(counted)) if counted else None
    over = now_ns >= month[1]
    promised = Fraction(sla.availability) / 100
    met = None if share is None else (share >= promised if over else length(down) <= budget)
    return Result(
        counted_ns=length(counted),
        down_ns=length(down),
        unknown_ns=length(unknown),
        excluded_ns=length(common(past, away)),
        budget_ns=budget,
        availability=None if share is None else percent(share),
        met=met,
        credit_percent=credit(sla, share) if over else Decimal(0),
        outages=down,
        outlook=_outlook(length(down), length(counted), length(to_come), budget),
    )


def _outlook(down_ns: int, counted_ns: int, to_come_ns: int, budget_ns: int) -> str:
    if down_ns > budget_ns:
        return "breached"
    expected = down_ns + (Fraction(down_ns * to_come_ns, counted_ns) if counted_ns else 0)
    return "at_risk" if expected > budget_ns else "met"


def percent(share: Fraction) -> Decimal:
    """A share as percent, rounded half up to a ten-thousandth; only what is whole is 100."""
    exact = share * 100
    shown = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(PERCENT_QUANTUM, ROUND_HALF_UP)
    return shown - PERCENT_QUANTUM if shown == 100 and exact < 100 else shown


def credit(sla: Sla, share: Fraction | None) -> Decimal:
    """Percent of the recurring charge: of the steps that the exact availability lies below, the last."""
    due = [step.percent for step in sla.credits if share is not None and share < Fraction(step.below) / 100]
    return due[-1] if due else Decimal(0)


def as_json(found: Result) -> dict[str, Any]:
    """Times in seconds, percentages as text: they are exact."""
    seconds = {name: getattr(found, f"{name}_ns") // NS_PER_S for name in ("counted", "down", "unknown", "excluded", "budget", "left")}
    return {
        **{f"{name}_s": value for name, value in seconds.items()},
        "availability": None if found.availability is None else str(found.availability),
        "met": found.met,
        "outlook": found.outlook,
        "credit_percent": str(found.credit_percent),
    }
