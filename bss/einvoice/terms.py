"""The business terms of EN 16931-1 from an issued invoice or note: the same document always gives the same terms.

Amounts are text with two decimals at most (BR-DEC-*). Where quantity times price is not the line's amount to the cent, as
for prorated and tiered charges, the line is one unit at that amount, and quantity and unit stand as attributes (BG-32).
Discounts and caps are allowances of the document (BG-20), what is lacking to a minimum a charge of it (BG-21), where a line
is left. A credit note (381) shows what it credits as positive amounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bss import money, taxes
from bss.cycles import days_of

INVOICE, CREDIT_NOTE, DEBIT_NOTE = "380", "381", "383"
CREDIT_TRANSFER = "30"
UNITS = {  # UN/ECE recommendation 20
    "month": "MON", "GB": "E34", "Mbit/s": "E20", "h": "HUR", "min": "MIN", "message": "C62", "session": "C62", "package": "C62",
    "piece": "H87", "day": "DAY", "unit": "C62",
}  # fmt: skip
ONE = "C62"
# Charges that stand on the document and on no line: (UNTDID 5189 or 7161 code, reason).
OF_DOCUMENT = {"discount": ("95", "Discount"), "cap": ("95", "Capped"), "minimum": ("FC", "Minimum charge")}
TAXED, ZERO, OUTSIDE, WITHIN_UNION = "S", "Z", "O", "K"
WANT_BUYER = {"AE": "BR-AE-02", "K": "BR-IC-02"}


class EInvoiceError(Exception):
    """The document cannot be said in EN 16931, and why."""


@dataclass(frozen=True, slots=True)
class Party:
    """Seller (BG-4) or buyer (BG-7): name, postal lines, city, country (ISO 3166-1), VAT identifier, e-mail, legal registration,
    and whom to ask."""

    name: str
    lines: tuple[str, ...]
    post_code: str
    city: str
    country: str
    vat_id: str
    email: str
    legal_id: str = ""
    contact: str = ""
    phone: str = ""


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
class Adjustment:
    """BG-20 where `charge` is false, else BG-21."""

    charge: bool
    amount: str
    category: str
    rate: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Terms:
    """An invoice or credit note as the standard's business terms. `net` is without tax, `lines_net` the lines alone."""

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
    lines_net: str = ""
    adjustments: Sequence[Adjustment] = ()
    allowances: str = ""
    charges: str = ""
    prepaid: str = ""
    due: str = ""
    tax_currency: str = ""
    tax_accounted: str = ""
    deliver_to: str = ""


def terms_of(document: Mapping[str, Any]) -> Terms:
    """The terms of an issued document; EInvoiceError where the standard has no room for it."""
    currency, categories = document["currency"], {_category(row, document) for row in document["taxes"]}
    _check(document, categories)
    sign = 1 if document["kind"] == "invoice" else -1
    totals, prepaid = document["totals"], int(document.get("prepaid_minor", 0))
    lines, adjusted = _parted(document["lines"])
    start, end = _days(document["period"])
    accounted = document.get("tax_accounting") or {}

    def text(amount: int) -> str:
        return money.text(sign * amount, currency)

    return Terms(
        number=document["number"],
        kind=_kind(document),
        issued_on=document["issued_on"],
        due_on=document["due_on"],
        currency=currency,
        start=start,
        end=end,
        seller=_seller(document["seller"], outside=OUTSIDE in categories),
        buyer=_buyer(document["customer"], document["seller"], outside=OUTSIDE in categories),
        iban=document["seller"]["bank"].replace(" ", ""),
        buyer_reference=_plain(document["customer"].get("buyer_reference") or document["customer"]["number"]),
        note="SIMULATED: not a demand for payment" if document["simulated"] else "",
        lines=[_line(line, currency, sign, document) for line in lines],
        taxes=[_breakdown(tax, currency, sign, document) for tax in document["taxes"]],
        net=text(totals["net_minor"]),
        tax=text(totals["tax_minor"]),
        gross=text(totals["gross_minor"]),
        preceding=_preceding(document),
        lines_net=text(sum(line["amount_minor"] for line in lines)),
        adjustments=[_adjustment(line, currency, sign, document) for line in adjusted],
        allowances=text(-sum(line["amount_minor"] for line in adjusted if sign * line["amount_minor"] < 0)) if adjusted else "",
        charges=text(sum(line["amount_minor"] for line in adjusted if sign * line["amount_minor"] > 0)) if adjusted else "",
        prepaid=money.text(prepaid, currency) if prepaid else "",
        due=money.text(sign * totals["gross_minor"] - prepaid, currency),
        tax_currency=accounted.get("currency", ""),
        tax_accounted=money.text(sign * accounted["tax_minor"], accounted["currency"]) if accounted else "",
        deliver_to=document["customer"].get("country", "") if WITHIN_UNION in categories else "",
    )


def _check(document: Mapping[str, Any], categories: set[str]) -> None:
    """EInvoiceError where the document cannot be said by the standard."""
    currency = document["currency"]
    if money.exponent(currency) > 2:
        raise EInvoiceError(f"EN 16931 writes two decimals at most; {currency} has {money.exponent(currency)}")
    if not document["seller"]["tax_id"]:
        raise EInvoiceError("the seller's VAT identifier is wanted (BR-S-02, BR-Z-02); set bss.operator_tax_id")
    for category in sorted(categories & WANT_BUYER.keys()):
        if not document["customer"]["tax_id"]:
            raise EInvoiceError(f"category {category} wants the buyer's VAT identifier ({WANT_BUYER[category]})")
    if OUTSIDE in categories and len(categories) > 1:
        raise EInvoiceError("what is outside the tax (O) stands on an invoice of its own (BR-O-11)")


def _kind(document: Mapping[str, Any]) -> str:
    """A note that asks for more is a debit note."""
    if document["kind"] != "invoice":
        return CREDIT_NOTE
    return DEBIT_NOTE if document.get("invoice") else INVOICE


def _preceding(document: Mapping[str, Any]) -> tuple[str, ...]:
    noted = [document["invoice"]["number"]] if document.get("invoice") else []
    corrected = [line["corrects"]["invoice"] for line in document["lines"] if line["corrects"] and line["corrects"].get("invoice")]
    return tuple(dict.fromkeys([*noted, *corrected]))


def _parted(lines: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The lines that stay lines, and those that are allowances and charges of the document; one line stays in any case (BR-16)."""
    adjusted = [line for line in lines if line["unit"] in OF_DOCUMENT and line["amount_minor"] and not line["corrects"]]
    kept = [line for line in lines if line["unit"] not in OF_DOCUMENT or line["corrects"]]
    return (kept, adjusted) if kept else (list(lines), [])


def _adjustment(line: Mapping[str, Any], currency: str, sign: int, document: Mapping[str, Any]) -> Adjustment:
    amount = sign * line["amount_minor"]
    code, reason = OF_DOCUMENT[line["unit"]] if amount < 0 or line["unit"] == "minimum" else ("", line["description"])
    said = _plain(line["description"][:200]) or reason
    tax = (_category(line, document), rate_text(line["tax_rate_ppm"]))
    return Adjustment(amount > 0, money.text(abs(amount), currency), *tax, code if (amount > 0) == (code == "FC") else "", said)


def _days(period: Mapping[str, str]) -> tuple[str, str]:
    """The first and last day of a period by its name: its borders are instants that may lie on other days in UTC."""
    first, after, _ = days_of(period["name"], ZoneInfo("UTC"))
    return first.isoformat(), (after - timedelta(days=1)).isoformat()


def _line(line: Mapping[str, Any], currency: str, sign: int, document: Mapping[str, Any]) -> InvoiceLine:
    amount = sign * line["amount_minor"]
    quantity, price, unit = Decimal(line["quantity"]), Decimal(line["unit_price"]), UNITS.get(line["unit"], "")
    exact = money.to_minor(quantity * price, currency, money.Rounding.HALF_UP) == line["amount_minor"]
    attributes: list[tuple[str, str]] = []
    if not unit or not exact or sign < 0 or amount <= 0:
        if line["unit"] not in ("correction", *OF_DOCUMENT):
            attributes = [("Quantity", f"{line['quantity']} {line['unit']}")]
        quantity, unit, price = Decimal(1 if amount >= 0 else -1), ONE, Decimal(money.text(abs(amount), currency))
    owner = line.get("owner", {})
    described = f"{line['service']['number']} {line['service']['name']}" + (f", {owner['number']} {owner['name']}" if owner else "")
    start, end = _days(line["period"])
    return InvoiceLine(
        no=str(line["no"]),
        name=_plain(line["description"][:200]) or line["charge"],
        description=_plain(described),
        quantity=f"{quantity.normalize():f}",
        unit=unit,
        price=f"{price:f}",
        amount=money.text(amount, currency),
        category=_category(line, document),
        rate=rate_text(line["tax_rate_ppm"]),
        start=start,
        end=end,
        attributes=attributes,
    )


def _category(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The VAT category (UNCL 5305) of a line or of a row of taxes: what was decided for it; else S where it is taxed, and where
    it is not the customer's own, or zero-rated goods."""
    said: str = (row.get("tax") or {}).get("category") or row.get("category") or ""
    taxed = row["tax_rate_ppm"] if "tax_rate_ppm" in row else row["rate_ppm"]
    return said or (TAXED if taxed else document["customer"].get("tax_category") or ZERO)


def rate_text(rate_ppm: int) -> str:
    """19, 5.5 or 0 per cent."""
    whole, part = divmod(rate_ppm, 10_000)
    return f"{whole}.{part:04d}".rstrip("0").rstrip(".")


def _breakdown(tax: Mapping[str, Any], currency: str, sign: int, document: Mapping[str, Any]) -> Breakdown:
    category = _category(tax, document)
    code, reason = taxes.REASONS.get(category, ("", ""))
    net, amount = (money.text(sign * tax[name], currency) for name in ("net_minor", "tax_minor"))
    why = _plain(tax.get("reason", "")) or reason
    return Breakdown(category, rate_text(tax["rate_ppm"]), net, amount, code, why if category in taxes.REASONS else "")


def _seller(seller: Mapping[str, Any], *, outside: bool) -> Party:
    """Outside the tax nobody shows a VAT identifier (BR-O-02); the seller is then known by its registration (BR-CO-26)."""
    party = _party(seller["name"], seller["address"], seller.get("country", ""), seller["tax_id"], seller["email"])
    legal = seller.get("legal_id", "") or (seller["tax_id"] if outside else "")
    contact, phone = (_plain(seller.get(name, "")) for name in ("contact", "phone"))
    return replace(party, legal_id=_plain(legal), vat_id="" if outside else party.vat_id, contact=contact, phone=phone)


def _buyer(customer: Mapping[str, Any], seller: Mapping[str, Any], *, outside: bool) -> Party:
    country = customer.get("country") or seller.get("country", "")
    party = _party(customer["name"], customer["address"], country, customer["tax_id"], customer["email"])
    return replace(party, vat_id="") if outside else party


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
