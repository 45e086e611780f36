"""A fixed fee for each month, prorated by a named policy."""

from decimal import Decimal

from bss.money import to_minor
from bss.rating.price import Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact, Proration, Terms, prorated
from station.settings import Settings


class FlatFee(Settings):
    """`amount` in major units a month."""

    description: str = "Monthly fee"
    amount: Exact
    proration: Proration = Proration.BY_DAYS


def charge(fee: FlatFee, usage: ServiceUsage, terms: Terms) -> list[PricedItem]:
    """The fee of the active part of the month; nothing when there was none."""
    part, whole = prorated(fee.proration, usage.active_days, usage.days)
    if not part:
        return []
    amount_minor = to_minor(fee.amount * part / whole, terms.currency, terms.rounding)
    computation = {
        "rule": f"{fee.amount} {terms.currency} a month, proration {fee.proration.value}",
        "proration": {"policy": fee.proration.value, "part": part, "whole": whole, "active_days": usage.active_days, "days": usage.days},
        "rounding": terms.rounding.value,
    }
    return [PricedItem("flat", fee.description, _months(part, whole), "month", fee.amount, amount_minor, computation)]


def _months(part: int, whole: int) -> Decimal:
    """The share of a month for people to read; the amount is computed from the exact fraction."""
    return Decimal(part) if whole == 1 else (Decimal(part) / whole).quantize(Decimal("0.0001"))


PRICE = Price("flat", "", FlatFee, charge)
