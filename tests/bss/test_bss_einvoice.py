"""Electronic invoices pass the schema and the official rules of EN 16931, in every currency and case that it has room for."""

import importlib.resources
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import facturx  # type: ignore[import-untyped]
import pytest
import sqlalchemy as sa
from lxml import etree
from saxonche import PySaxonProcessor  # type: ignore[import-not-found,import-untyped,unused-ignore]

from bss.einvoice import cii, ubl
from bss.einvoice.profiles import profiles
from bss.einvoice.terms import EInvoiceError, terms_of
from bss.money import Rounding
from bss.taxes import REASONS, breakdown, net_of
from inventory.store import service
from station.data import data_dir
from station.state import State
from tests.billing_bridge.metered import add_customer, add_service, at
from tests.bss.test_bss_cycle_runs import GERMANY, Shop

UBL_RULES = importlib.resources.files("facturx") / "xsd_and_schematron" / "ubl-2.1"
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


def category(name: str) -> dict[str, Any]:
    base = document(UNTAXED)
    return base | {
        "customer": base["customer"] | {"tax_category": name},
        "taxes": [row | {"category": name} for row in base["taxes"]],
    }


def decided(lines: list[tuple[str, str, str, int, int, str]], **changes: Any) -> dict[str, Any]:
    """The same, with the category of each line as a jurisdiction decided it."""
    made = document([line[:5] for line in lines], **changes)
    rows = [
        row | {"tax": {"category": of[5], "jurisdiction": "DE", "reason": REASONS.get(of[5], ("", ""))[1]}}
        for row, of in zip(made["lines"], lines, strict=True)
    ]
    taxes = breakdown(rows, "", Rounding.HALF_UP)
    net, tax = sum(row["amount_minor"] for row in rows), sum(row["tax_minor"] for row in taxes)
    return made | {"lines": rows, "taxes": taxes, "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax}}


def with_tax(amounts: list[int]) -> dict[str, Any]:
    """Prices that include 19 % of tax, so that each line has a tax of its own."""
    made = document([("month", "1", str(net_of(gross, 190_000) / 100), net_of(gross, 190_000), 190_000) for gross in amounts])
    rows = [row | {"tax": {"tax_minor": gross - row["amount_minor"]}} for row, gross in zip(made["lines"], amounts, strict=True)]
    taxes = breakdown(rows, "", Rounding.HALF_UP)
    net, tax = sum(row["amount_minor"] for row in rows), sum(row["tax_minor"] for row in taxes)
    return made | {"lines": rows, "taxes": taxes, "totals": {"net_minor": net, "tax_minor": tax, "gross_minor": net + tax}}


ASKED = {"id": "i", "number": "INV-2026-000001", "issued_on": "2026-06-01"}
BIG, SMALL = ("month", "1", "180.00", 18_000), ("month", "1", "20.00", 2_000)
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
    "intra-community": category("K"),
    "outside the tax": category("O"),
    "every category of one invoice": decided([(*BIG, 190_000, "S"), (*SMALL, 70_000, "S"), (*SMALL, 0, "Z"), (*SMALL, 0, "E")]),
    "reverse charge beside goods": decided([(*BIG, 0, "AE"), (*SMALL, 0, "K")]),
    "reduced and half a per cent": decided([(*BIG, 255_000, "S"), (*SMALL, 55_000, "S")]),
    "allowances and charges": document(
        [*NORMAL, ("discount", "1", "0", -1_313, 190_000), ("cap", "1", "0", -10, 190_000), ("minimum", "1", "0", 500, 70_000)]
    ),
    "an allowance and nothing else": document([("discount", "1", "0", -1_313, 190_000)]),
    "a rate that comes to less than nothing": document([*NORMAL, ("correction", "-1", "0", -900, 70_000)]),
    "prices with tax": with_tax([999] * 40 + [1, 2, 3]),
    "prepaid": document(NORMAL, prepaid_minor=10_000),
    "tax in another currency": decided([(*BIG, 190_000, "S")], currency="USD", tax_accounting={"currency": "EUR", "tax_minor": 3_153}),
    "credit note on an invoice": document([("correction", "-1", "0", -5_000, 190_000)], invoice=ASKED),
    "debit note": document([("correction", "1", "0", 5_000, 190_000)], invoice=ASKED),
    "days of another cycle": document(NORMAL, period=document(NORMAL)["period"] | {"name": "2026-06-30/2026-07-31@Asia/Tokyo"}),
    "a parent's invoice": document(NORMAL) | {
        "lines": [row | {"owner": {"id": "x", "number": "K-2", "name": "Filiale"}} for row in document(NORMAL)["lines"]]
    },
}  # fmt: skip

Rules = Callable[[bytes], list[str]]


@pytest.fixture(scope="module")
def saxon() -> Iterator[PySaxonProcessor]:
    with PySaxonProcessor(license=False) as processor:
        yield processor


def rules_of(saxon: PySaxonProcessor, file: str) -> Rules:
    """What the official rules find in a document: the text of each failed assertion."""
    rules = saxon.new_xslt30_processor().compile_stylesheet(stylesheet_file=file)

    def broken(xml: bytes) -> list[str]:
        report = rules.transform_to_string(xdm_node=saxon.parse_xml(xml_text=xml.decode()))
        return ["".join(found.itertext()).strip() for found in etree.fromstring(report.encode()).iter(SVRL)]

    return broken


@pytest.fixture(scope="module")
def cii_rules(saxon: PySaxonProcessor) -> Rules:
    return rules_of(saxon, str(RULES / "FACTUR-X_EN16931.xslt"))


@pytest.fixture(scope="module")
def ubl_rules(saxon: PySaxonProcessor) -> Rules:
    return rules_of(saxon, str(UBL_RULES / "EN16931-UBL-validation.xslt"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_cross_industry_invoice_passes_the_schema_and_every_rule(case: str, cii_rules: Rules) -> None:
    made = cii.write(terms_of(CASES[case]))
    facturx.xml_check_xsd(made, flavor="factur-x", level="en16931")
    assert cii_rules(made) == []


@pytest.fixture(scope="module")
def schemas() -> dict[str, etree.XMLSchema]:
    return {name: etree.XMLSchema(etree.parse(str(UBL_RULES / "maindoc" / f"UBL-{name}-2.1.xsd"))) for name in ("Invoice", "CreditNote")}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_universal_business_document_passes_the_schema_and_every_rule(
    case: str, ubl_rules: Rules, schemas: dict[str, etree.XMLSchema]
) -> None:
    made = ubl.write(terms_of(CASES[case]))
    root = etree.fromstring(made)
    schema = schemas[etree.QName(root).localname]
    assert schema.validate(root), schema.error_log
    assert ubl_rules(made) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["xrechnung", "peppol_bis"])
def test_a_profile_names_itself_and_passes_the_rules_of_the_standard(name: str, cii_rules: Rules, ubl_rules: Rules) -> None:
    profile, terms = profiles(data_dir("config/einvoice"))[name], terms_of(WHOLE)
    profile.check(terms)
    assert ubl_rules(ubl.write(terms, profile)) == []
    assert cii_rules(cii.write(terms, profile)) == ["Value of 'ram:ID' is not allowed."]  # Factur-X lists its own profiles only
    assert profile.customization in ubl.write(terms, profile).decode()
    assert profile.endpoint(terms.seller) == {"xrechnung": ("EM", "a@b.example"), "peppol_bis": ("9930", "DE123456789")}[name]


def test_a_profile_says_what_a_document_lacks() -> None:
    with pytest.raises(EInvoiceError, match=r"seller.contact \(BR-DE-5\), seller.phone \(BR-DE-6\), buyer.endpoint"):
        profiles(data_dir("config/einvoice"))["xrechnung"].check(terms_of(document(NORMAL)))


WHOLE = document(NORMAL) | {
    "seller": document(NORMAL)["seller"] | {"contact": "Rechnungsstelle", "phone": "+49 40 1234567"},
    "customer": document(NORMAL)["customer"] | {"email": "k@b.example"},
}


@pytest.mark.parametrize("case", CASES)
def test_both_syntaxes_say_the_same(case: str) -> None:
    terms = terms_of(CASES[case])
    one, other = etree.fromstring(ubl.write(terms)), etree.fromstring(cii.write(terms))
    sums = [one.findtext(f".//cac:LegalMonetaryTotal/cbc:{name}", namespaces=UBL) for name in ("TaxExclusiveAmount", "PayableAmount")]
    theirs = [other.findtext(f".//ram:{name}", namespaces=cii.NAMES) for name in ("TaxBasisTotalAmount", "DuePayableAmount")]
    assert sums == theirs == [terms.net, terms.due]
    amounts = [found.text for found in one.iterfind(".//cac:InvoiceLine/cbc:LineExtensionAmount", UBL)]
    amounts += [found.text for found in one.iterfind(".//cac:CreditNoteLine/cbc:LineExtensionAmount", UBL)]
    assert amounts == [found.text for found in other.iterfind(".//ram:LineTotalAmount", cii.NAMES)][:-1]
    assert sum(map(Decimal, amounts)) == Decimal(terms.lines_net)
    assert Decimal(terms.lines_net) - Decimal(terms.allowances or 0) + Decimal(terms.charges or 0) == Decimal(terms.net)
    for row in terms.lines:  # what a receiver computes is what stands there, to the cent
        assert abs(Decimal(row.quantity) * Decimal(row.price) - Decimal(row.amount)) < Decimal("0.01")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"currency": "BHD"}, "two decimals"),
        ({"seller": CASES["normal"]["seller"] | {"country": ""}}, "country"),
        ({"seller": CASES["normal"]["seller"] | {"tax_id": ""}}, "BR-S-02"),
        (CASES["reverse charge"] | {"customer": CASES["reverse charge"]["customer"] | {"tax_id": ""}}, "BR-AE-02"),
        (CASES["intra-community"] | {"customer": CASES["intra-community"]["customer"] | {"tax_id": ""}}, "BR-IC-02"),
        (decided([(*BIG, 0, "O"), (*SMALL, 190_000, "S")]), "BR-O-11"),
    ],
)
def test_what_the_standard_has_no_room_for_is_refused_with_the_reason(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EInvoiceError, match=why):
        terms_of(document(NORMAL) | changes)


@pytest.mark.slow
async def test_what_a_run_issues_passes_every_rule_in_both_syntaxes(tmp_path: Path, cii_rules: Rules, ubl_rules: Rules) -> None:
    """A parent with two children in three countries' currencies and classes of tax, fees in advance, prices with tax, a discount, a
    change of plan that gives a credit note."""
    state = State(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    await state.create_all()
    shop = Shop(state, tmp_path)
    shop.taxes("DE", GERMANY)
    shop.flat("ahead", "31.07", 'billed = "advance"', '[[charges]]\nkind = "discount"\npercent = "3.3"\n')
    shop.flat("gross", "9.99", head="prices_include_tax = true")
    shop.flat("book", "7.77", head='tax_class = "reduced"')
    for n, tariff in ((1, "ahead"), (2, "gross"), (3, "book"), (4, "ahead")):
        await add_service(state, n, await add_customer(state, n, tax_rate_ppm=0), tariff, {})
        country = {"country": "DE" if n < 4 else "US", "tax_jurisdiction": "auto"}
        await shop.profile(n, **country, **({"payer_id": "customer-1"} if n in (2, 3) else {}))
    made = await shop.run("2026-06", "2026-07-01")
    async with state.write() as conn:
        await conn.execute(sa.update(service).values(active_to_ns=at("2026-07-02")))
    made += await shop.run("2026-07", "2026-08-01")
    await state.close()
    assert [found["kind"] for found in made] == ["invoice", "invoice", "credit_note", "credit_note"]
    for found in made:
        assert cii_rules(cii.write(terms_of(found))) == [] and ubl_rules(ubl.write(terms_of(found))) == []
