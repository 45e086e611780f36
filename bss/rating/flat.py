"""A fixed fee for each month, prorated by a named policy."""

from decimal import Decimal

from bss.money import to_minor
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact, Proration, prorated
from station.settings import Settings

MONTHS_QUANTUM = Decimal("0.0001")


class FlatFee(Settings):
    """`amount` in major units a month."""

    description: str = "Monthly fee"
    amount: Exact
    proration: Proration = Proration.BY_DAYS


def charge(fee: FlatFee, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """The fee of the active part of the month; nothing when there was none."""
    part, whole_ = prorated(fee.proration, usage.activity)
    if not part:
        return []
    amount_minor = to_minor(fee.amount * part / whole_, head.currency, head.terms.rounding)
    computation = {
        "rule": f"{fee.amount} {head.currency} a month, proration {fee.proration.value}",
        "proration": {
            "policy": fee.proration.value,
            "part": part,
            "whole": whole_,
            "active_days": usage.active_days,
            "days": usage.days,
        },
        "rounding": head.terms.rounding.value,
    }
    return [PricedItem("flat", fee.description, _months(part, whole_), "month", fee.amount, amount_minor, computation)]


def columns(fee: FlatFee, of: Columns) -> list[Line]:
    (price,), denominator = integers([fee.amount * of.scale])
    of.check(price, over=denominator)
    part, whole_ = of.prorated(fee.proration)
    months = (part * 20_000 + whole_) // (whole_ * 2)
    return [Line("flat", months, MONTHS_QUANTUM, of.money(part * whole(price), whole_ * denominator), part > 0)]


def _months(part: int, whole_: int) -> Decimal:
    """The share of a month for people to read; the amount is computed from the exact fraction."""
    return Decimal(1) if part == whole_ else Decimal((part * 20_000 + whole_) // (whole_ * 2)).scaleb(-4)


PRICE = Price("flat", "", FlatFee, charge, columns)
