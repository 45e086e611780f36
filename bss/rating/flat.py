"""A fixed fee for each period, in advance or in arrears, prorated by named policies."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from bss.money import to_minor
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Activity, Edge, Edges, Exact, Proration, prorated
from station.settings import Settings

MONTHS_QUANTUM = Decimal("0.0001")


class Billed(StrEnum):
    """ARREARS: with the bill of the period itself. ADVANCE: with the bill of the period before; what the service then was
    active less, or more, is settled with the bill of the period itself, by the same proration."""

    ARREARS = "arrears"
    ADVANCE = "advance"


class Per(StrEnum):
    """What the amount is for: a billing PERIOD, however long, or each MONTH of it."""

    PERIOD = "period"
    MONTH = "month"


class FlatFee(Settings):
    """`amount` in major units. `on_start`, `on_end`, `on_change` say what a part of the period without the service, or with
    another tariff, does to the fee."""

    description: str = "Monthly fee"
    amount: Exact
    per: Per = Per.PERIOD
    billed: Billed = Billed.ARREARS
    proration: Proration = Proration.BY_DAYS
    on_start: Edge = Edge.BY_RULE
    on_end: Edge = Edge.BY_RULE
    on_change: Edge = Edge.BY_RULE

    @property
    def edges(self) -> Edges:
        return Edges(self.on_start, self.on_end, self.on_change)


def charge(fee: FlatFee, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    """The fee of the charged part of the period; nothing when there was none."""
    charged = usage.activity.by(fee.edges)
    part, whole_ = prorated(fee.proration, charged)
    part *= usage.months if fee.per == Per.MONTH else 1
    if not part:
        return []
    amount_minor = to_minor(fee.amount * part / whole_, head.currency, head.terms.rounding)
    computation = {
        "rule": f"{fee.amount} {head.currency} a month, proration {fee.proration.value}",
        "proration": _proration(fee, charged, part, whole_),
        "rounding": head.terms.rounding.value,
    }
    unit = "month" if fee.per == Per.MONTH or usage.months == 1 else "period"
    return [PricedItem("flat", fee.description, _months(part, whole_), unit, fee.amount, amount_minor, computation)]


def columns(fee: FlatFee, of: Columns) -> list[Line]:
    (price,), denominator = integers([fee.amount * of.scale])
    of.check(price, of.most.get("months", 1), over=denominator)
    part, whole_ = of.prorated(fee.proration, fee.edges)
    part = part * of.column("months") if fee.per == Per.MONTH else part
    months = (part * 20_000 + whole_) // (whole_ * 2)
    return [Line("flat", months, MONTHS_QUANTUM, of.money(part * whole(price), whole_ * denominator), part > 0)]


def _proration(fee: FlatFee, charged: Activity, part: int, whole_: int) -> dict[str, Any]:
    found = {"policy": fee.proration.value, "part": part, "whole": whole_, "active_days": charged.active_days, "days": charged.days}
    edges = {"on_start": fee.on_start, "on_end": fee.on_end, "on_change": fee.on_change}
    return found | {name: edge.value for name, edge in edges.items() if edge != Edge.BY_RULE}


def _months(part: int, whole_: int) -> Decimal:
    """The share of a month for people to read; the amount is computed from the exact fraction."""
    return Decimal(1) if part == whole_ else Decimal((part * 20_000 + whole_) // (whole_ * 2)).scaleb(-4)


PRICE = Price("flat", "", FlatFee, charge, columns)
