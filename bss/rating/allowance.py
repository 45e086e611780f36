"""An allowance: so many units need no further price by the charges after it in the file.

What is left may roll over, by a named rule; one shared by all of a customer's services on the tariff is distributed by a
named rule (`distributed`) before the services are rated, and reaches each as `ServiceUsage.pooled`.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

import polars as pl
from pydantic import Field

from bss.money import Rounding, quantize
from bss.rating.columns import Columns, Line, divided, integers, whole
from bss.rating.metered import Metered, base_column, base_units, most
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact, Positive, Proration, prorated


class Rollover(StrEnum):
    """NONE: what is left expires. ONE_PERIOD: what is left of this period's grant lives through the next one, and is used
    first there. ACCUMULATE: whatever is left lives on. Both up to `rollover_max` units."""

    NONE = "none"
    ONE_PERIOD = "one_period"
    ACCUMULATE = "accumulate"


class Share(StrEnum):
    """SERVICE: each service has its own. CUSTOMER_IN_ORDER: one pool for all, services draw in the order of their numbers.
    CUSTOMER_BY_USE: one pool, divided in proportion to what each used, largest remainders first."""

    SERVICE = "service"
    CUSTOMER_IN_ORDER = "customer_in_order"
    CUSTOMER_BY_USE = "customer_by_use"


class Allowance(Metered):
    description: str = "Included"
    amount: Positive
    proration: Proration = Proration.NONE
    rollover: Rollover = Rollover.NONE
    rollover_max: Exact | None = None
    share: Share = Share.SERVICE
    name: Annotated[str, Field(pattern=r"\A[a-z0-9_]{0,32}\z")] = ""

    def model_post_init(self, _context: object) -> None:
        if self.share != Share.SERVICE and self.rollover != Rollover.NONE:
            raise ValueError("a shared allowance does not roll over: the pool would belong to nobody")


def granted(terms: Allowance, usage: ServiceUsage) -> int:
    """Base units of this period's grant, rounded down."""
    part, of = prorated(terms.proration, usage.activity)
    return int(quantize(terms.amount * terms.unit_size * part / of, Decimal(1), Rounding.DOWN))


def left_over(terms: Allowance, carried: int, fresh: int, used: int) -> int:
    """Base units that the next period starts with."""
    if terms.rollover == Rollover.NONE:
        return 0
    left = fresh - min(fresh, max(used - carried, 0))
    if terms.rollover == Rollover.ACCUMULATE:
        left = carried + fresh - min(carried + fresh, used)
    most_ = left if terms.rollover_max is None else int(terms.rollover_max * terms.unit_size)
    return min(left, most_)


def distributed(rule: Share, pool: int, wanted: Sequence[int]) -> list[int]:
    """Each service's part of a shared pool, never more than it wants; the parts sum to min(pool, wanted)."""
    if rule == Share.CUSTOMER_IN_ORDER:
        parts = []
        for want in wanted:
            parts.append(min(pool, want))
            pool -= parts[-1]
        return parts
    total = sum(wanted)
    if pool >= total:
        return list(wanted)
    parts = [want * pool // total for want in wanted]
    order = sorted(range(len(wanted)), key=lambda n: (-(wanted[n] * pool % total), n))
    for n in order[: pool - sum(parts)]:
        parts[n] += 1
    return parts


def charge(terms: Allowance, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """An item of no amount that says how much of the allowance was used and what is left of it."""
    if not usage.active_days:
        return []
    wanted, shared = base_units(usage, terms), terms.share != Share.SERVICE
    carried, fresh = usage.carried.get(head.place, 0), granted(terms, usage)
    available = usage.pooled.get(head.place, 0) if shared else carried + fresh
    used = min(wanted, available)
    computation = {
        "rule": f"{terms.amount} {terms.unit} need no further price",
        "meter": terms.meter,
        "share": terms.share.value,
        "rollover": terms.rollover.value,
        "granted": fresh,
        "carried_in": carried,
        "used": used,
        "carried_out": 0 if shared else left_over(terms, carried, fresh, used),
        "unit_size": terms.unit_size,
    }
    shown = quantize(Decimal(used) / terms.unit_size, terms.quantum, Rounding.DOWN)
    return [PricedItem("allowance", terms.description, shown, terms.unit, Decimal(0), 0, computation, (terms.key, used))]


def columns(terms: Allowance, of: Columns) -> list[Line]:
    (amount,), denominator = integers([Fraction(terms.amount) * terms.unit_size])
    step = Fraction(terms.unit_size) * Fraction(terms.quantum)
    of.check(amount, over=denominator)
    of.check(most(of, terms), step.denominator, over=step.numerator)
    part, period = of.prorated(terms.proration)
    fresh = divided(part * whole(amount), period * denominator, Rounding.DOWN)
    available = of.own("pooled") if terms.share != Share.SERVICE else of.own("carried") + fresh
    used = pl.min_horizontal(base_column(of, terms), available)
    quanta = divided(used * step.denominator, step.numerator, Rounding.DOWN)
    return [Line("allowance", quanta, terms.quantum, whole(0), of.active, (terms.key, used))]


PRICE = Price("allowance", "*", Allowance, charge, columns)
