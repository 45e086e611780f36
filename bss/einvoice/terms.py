"""The business terms of EN 16931-1 from an issued invoice: the same document always gives the same terms.

Amounts are text with two decimals at most (BR-DEC-*). Where quantity times price is not the line's amount to the cent, as
for prorated and tiered charges, the line is one unit at that amount, and quantity and unit stand as attributes (BG-32).
A credit note (381) shows what it credits as positive amounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from billing_bridge.periods import month_start, next_month
from bss import money

INVOICE, CREDIT_NOTE = "380", "381"
CREDIT_TRANSFER = "30"
UNITS = {  # UN/ECE recommendation 20
    "month": "MON", "GB": "E34", "Mbit/s": "E20", "h": "HUR", "min": "MIN", "message": "C62", "session": "C62", "package": "C62",
}  # fmt: skip
ONE = "C62"
REASONS = {
    "AE": ("VATEX-EU-AE", "Reverse charge"),
    "G": ("VATEX-EU-G", "Export outside the EU"),
    "E": ("", "Exempt from VAT"),
}
TAXED, ZERO = "S", "Z"


class EInvoiceError(Exception):
    """The document cannot be said in EN 16931, and why."""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller (BG-4) or buyer (BG-7): name, postal lines, city, country (ISO 3166-1), VAT identifier, e-mail."""

    name: str
    lines: tuple[str, ...]
    post_code: str
    city: str
    country: str
    vat_id: str
    email: str


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """BG-25; quantity carries the sign, the net price never does (BR-27)."""

    no: str
    name: str
    description: str
    quantity: str
    unit: str
    price: str
    amount: str
    category: str
    rate: str
    start: str
    end: str
    attributes: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Breakdown:
    """BG-23: one for each category and rate."""

    category: str
    rate: str
    taxable: str
    tax: str
    reason_code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """An invoice or credit note as the standard's business terms."""

    number: str
    kind: str
    issued_on: str
    due_on: str
    currency: str
    start: str
    end: str
    seller: Party
    buyer: Party
    iban: str
    buyer_reference: str
    note: str
    lines: Sequence[InvoiceLine]
    taxes: Sequence[Breakdown]
    net: str
    tax: str
    gross: str
    preceding: Sequence[str] = field(default_factory=tuple)


def terms_of(document: Mapping[str, Any]) -> Terms:
    """The terms of an issued document; EInvoiceError where the standard has no room for it."""
    currency = document["currency"]
    if money.exponent(currency) > 2:
        raise EInvoiceError(f"EN 16931 writes two decimals at most; {currency} has {money.exponent(currency)}")
    if not document["seller"]["tax_id"]:
        raise EInvoiceError("the seller's VAT identifier is wanted (BR-S-02, BR-Z-02); set bss.operator_tax_id")
    if document["customer"].get("tax_category") == "AE" and not document["customer"]["tax_id"]:
        raise EInvoiceError("reverse charge wants the buyer's VAT identifier (BR-AE-02)")
    sign = 1 if document["kind"] == "invoice" else -1
    totals = document["totals"]
    corrected = [line["corrects"]["invoice"] for line in document["lines"] if line["corrects"] and line["corrects"].get("invoice")]
    start, end = _days(document["period"])
    return Terms(
        number=document["number"],
        kind=INVOICE if sign > 0 else CREDIT_NOTE,
        issued_on=document["issued_on"],
        due_on=document["due_on"],
        currency=currency,
        start=start,
        end=end,
        seller=_seller(document["seller"]),
        buyer=_buyer(document["customer"], document["seller"]),
        iban=document["seller"]["bank"].replace(" ", ""),
        buyer_reference=_plain(document["customer"].get("buyer_reference") or document["customer"]["number"]),
        note="SIMULATED: not a demand for payment" if document["simulated"] else "",
        lines=[_line(line, currency, sign, document) for line in document["lines"]],
        taxes=[_breakdown(tax, currency, sign) for tax in document["taxes"]],
        net=money.text(sign * totals["net_minor"], currency),
        tax=money.text(sign * totals["tax_minor"], currency),
        gross=money.text(sign * totals["gross_minor"], currency),
        preceding=tuple(dict.fromkeys(corrected)),
    )


def _days(period: Mapping[str, str]) -> tuple[str, str]:
    """The first and last day of a month by its name: its borders are instants that may lie on other days in UTC."""
    first = month_start(period["name"])
    return first.isoformat(), (next_month(first) - timedelta(days=1)).isoformat()


def _line(line: Mapping[str, Any], currency: str, sign: int, document: Mapping[str, Any]) -> InvoiceLine:
    amount = sign * line["amount_minor"]
    quantity, price, unit = Decimal(line["quantity"]), Decimal(line["unit_price"]), UNITS.get(line["unit"], "")
    exact = money.to_minor(quantity * price, currency, money.Rounding.HALF_UP) == line["amount_minor"]
    attributes: list[tuple[str, str]] = []
    if not unit or not exact or sign < 0 or amount <= 0:
        if line["unit"] not in ("correction", "discount", "cap", "minimum"):
            attributes = [("Quantity", f"{line['quantity']} {line['unit']}")]
        quantity, unit, price = Decimal(1 if amount >= 0 else -1), ONE, Decimal(money.text(abs(amount), currency))
    return InvoiceLine(
        no=str(line["no"]),
        name=_plain(line["description"][:200]) or line["charge"],
        description=_plain(f"{line['service']['number']} {line['service']['name']}"),
        quantity=f"{quantity.normalize():f}",
        unit=unit,
        price=f"{price:f}",
        amount=money.text(amount, currency),
        category=category_of(line["tax_rate_ppm"], document),
        rate=rate_text(line["tax_rate_ppm"]),
        start=_days(line["period"])[0],
        end=_days(line["period"])[1],
        attributes=attributes,
    )


def category_of(rate_ppm: int, document: Mapping[str, Any]) -> str:
    """The VAT category (UNCL 5305): taxed lines are S; the customer's own where the rate is nought, else zero-rated goods."""
    return TAXED if rate_ppm else document["customer"].get("tax_category") or ZERO


def rate_text(rate_ppm: int) -> str:
    """19, 5.5 or 0 per cent."""
    whole, part = divmod(rate_ppm, 10_000)
    return f"{whole}.{part:04d}".rstrip("0").rstrip(".")


def _breakdown(tax: Mapping[str, Any], currency: str, sign: int) -> Breakdown:
    category = TAXED if tax["rate_ppm"] else tax.get("category") or ZERO
    code, reason = REASONS.get(category, ("", ""))
    net, amount = (money.text(sign * tax[name], currency) for name in ("net_minor", "tax_minor"))
    return Breakdown(category, rate_text(tax["rate_ppm"]), net, amount, code, reason)


def _seller(seller: Mapping[str, Any]) -> Party:
    return _party(seller["name"], seller["address"], seller.get("country", ""), seller["tax_id"], seller["email"])


def _buyer(customer: Mapping[str, Any], seller: Mapping[str, Any]) -> Party:
    country = customer.get("country") or seller.get("country", "")
    return _party(customer["name"], customer["address"], country, customer["tax_id"], customer["email"])


def _party(name: str, address: str, country: str, vat_id: str, email: str) -> Party:
    """A party from its postal lines; the last one is the post code and the city where it begins with digits."""
    if not country:
        raise EInvoiceError(f"EN 16931 wants a country for {name!r}; set bss.operator_country")
    lines = [line.strip() for line in address.splitlines() if line.strip()]
    post_code, city = "", ""
    if len(lines) > 1:
        first, _, rest = lines[-1].partition(" ")
        post_code, city = (first, rest) if any(map(str.isdigit, first)) and rest else ("", lines[-1])
        lines = lines[:-1]
    vat_id = vat_id if vat_id[:2].isalpha() else ""
    return Party(_plain(name), tuple(map(_plain, lines[:3])), _plain(post_code), _plain(city), country, vat_id, _plain(email))


def _plain(text: str) -> str:
    """Text as XML can hold it: what is no character there is shown as one that was lost."""
    return "".join(char if char >= " " and char not in "\ufffe\uffff" else "\ufffd" for char in text).strip()
