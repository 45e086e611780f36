"""One price for each unit of a period's total."""

from bss.money import to_minor
from bss.rating.columns import Columns, Line, integers, whole
from bss.rating.metered import Metered, facts, most_quanta, quanta_column, quantity
from bss.rating.price import Head, Price, PricedItem, ServiceUsage
from bss.rating.terms import Exact


class PerUnit(Metered):
    """`price` in major units for each unit."""

    description: str = "Usage"
    price: Exact


def charge(terms: PerUnit, usage: ServiceUsage, head: Head) -> list[PricedItem]:
    if not usage.active_days:
        return []
    used = quantity(usage, terms)
    amount = to_minor(used * terms.price, head.currency, head.terms.rounding)
    computation = {"rule": f"{terms.price} {head.currency} per {terms.unit}", "rounding": head.terms.rounding.value} | facts(usage, terms)
    return [PricedItem("per_unit", terms.description, used, terms.unit, terms.price, amount, computation)]


def columns(terms: PerUnit, of: Columns) -> list[Line]:
    (price,), denominator = integers([terms.price * terms.quantum * of.scale])
    of.check(most_quanta(of, terms), price, over=denominator)
    quanta = quanta_column(of, terms)
    return [Line("per_unit", quanta, terms.quantum, of.money(quanta * whole(price), denominator), of.active)]


PRICE = Price("per_unit", "*", PerUnit, charge, columns)
