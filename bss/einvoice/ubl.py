"""EN 16931 as OASIS UBL 2.1 Invoice or CreditNote (CEN/TS 16931-3-2): elements in the order of the schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from bss.einvoice.terms import CREDIT_NOTE, CREDIT_TRANSFER, Breakdown, InvoiceLine, Party, Terms

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
ROOT = "urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
SPECIFICATION = "urn:cen.eu:en16931:2017"
NAMES = {"cac": CAC, "cbc": CBC}

Element = Any  # lxml has no types of its own


def write(terms: Terms) -> bytes:
    """The document as UTF-8 XML."""
    credit = terms.kind == CREDIT_NOTE
    kind = "CreditNote" if credit else "Invoice"
    names: dict[Any, str] = {None: ROOT.format(name=kind), **NAMES}
    root = etree.Element(f"{{{ROOT.format(name=kind)}}}{kind}", nsmap=names)
    _add(root, "cbc:CustomizationID", SPECIFICATION)
    _add(root, "cbc:ID", terms.number)
    _add(root, "cbc:IssueDate", terms.issued_on)
    if not credit:
        _add(root, "cbc:DueDate", terms.due_on)
    _add(root, "cbc:CreditNoteTypeCode" if credit else "cbc:InvoiceTypeCode", terms.kind)
    _optional(root, "cbc:Note", terms.note)
    _add(root, "cbc:DocumentCurrencyCode", terms.currency)
    _add(root, "cbc:BuyerReference", terms.buyer_reference)
    _period(root, terms.start, terms.end)
    for number in terms.preceding:
        _add(_add(_add(root, "cac:BillingReference"), "cac:InvoiceDocumentReference"), "cbc:ID", number)
    _party(_add(root, "cac:AccountingSupplierParty"), terms.seller)
    _party(_add(root, "cac:AccountingCustomerParty"), terms.buyer)
    _add(_add(root, "cac:Delivery"), "cbc:ActualDeliveryDate", terms.end)
    if terms.iban:
        means = _add(root, "cac:PaymentMeans")
        _add(means, "cbc:PaymentMeansCode", CREDIT_TRANSFER)
        _add(_add(means, "cac:PayeeFinancialAccount"), "cbc:ID", terms.iban)
    if credit:
        _add(_add(root, "cac:PaymentTerms"), "cbc:Note", f"Due on {terms.due_on}")
    _taxes(root, terms)
    _totals(root, terms)
    for line in terms.lines:
        _line(root, line, terms, credit)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _taxes(root: Element, terms: Terms) -> None:
    total = _add(root, "cac:TaxTotal")
    _amount(total, "cbc:TaxAmount", terms.tax, terms)
    for tax in terms.taxes:
        part = _add(total, "cac:TaxSubtotal")
        _amount(part, "cbc:TaxableAmount", tax.taxable, terms)
        _amount(part, "cbc:TaxAmount", tax.tax, terms)
        _category(_add(part, "cac:TaxCategory"), tax.category, tax.rate, tax)


def _totals(root: Element, terms: Terms) -> None:
    total = _add(root, "cac:LegalMonetaryTotal")
    for name, value in (
        ("cbc:LineExtensionAmount", terms.net),
        ("cbc:TaxExclusiveAmount", terms.net),
        ("cbc:TaxInclusiveAmount", terms.gross),
        ("cbc:PayableAmount", terms.gross),
    ):
        _amount(total, name, value, terms)


def _line(root: Element, line: InvoiceLine, terms: Terms, credit: bool) -> None:
    row = _add(root, "cac:CreditNoteLine" if credit else "cac:InvoiceLine")
    _add(row, "cbc:ID", line.no)
    _add(row, "cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity", line.quantity, {"unitCode": line.unit})
    _amount(row, "cbc:LineExtensionAmount", line.amount, terms)
    _period(row, line.start, line.end)
    item = _add(row, "cac:Item")
    _optional(item, "cbc:Description", line.description)
    _add(item, "cbc:Name", line.name)
    _category(_add(item, "cac:ClassifiedTaxCategory"), line.category, line.rate)
    for name, value in line.attributes:
        attribute = _add(item, "cac:AdditionalItemProperty")
        _add(attribute, "cbc:Name", name)
        _add(attribute, "cbc:Value", value)
    _amount(_add(row, "cac:Price"), "cbc:PriceAmount", line.price, terms)


def _category(element: Element, category: str, rate: str, tax: Breakdown | None = None) -> None:
    _add(element, "cbc:ID", category)
    _add(element, "cbc:Percent", rate)
    if tax is not None:
        _optional(element, "cbc:TaxExemptionReasonCode", tax.reason_code)
        _optional(element, "cbc:TaxExemptionReason", tax.reason)
    _add(_add(element, "cac:TaxScheme"), "cbc:ID", "VAT")


def _party(parent: Element, party: Party) -> None:
    element = _add(parent, "cac:Party")
    if party.email:
        _add(element, "cbc:EndpointID", party.email, {"schemeID": "EM"})
    address = _add(element, "cac:PostalAddress")
    for name, line in zip(("cbc:StreetName", "cbc:AdditionalStreetName"), party.lines, strict=False):
        _add(address, name, line)
    _optional(address, "cbc:CityName", party.city)
    _optional(address, "cbc:PostalZone", party.post_code)
    for line in party.lines[2:]:
        _add(_add(address, "cac:AddressLine"), "cbc:Line", line)
    _add(_add(address, "cac:Country"), "cbc:IdentificationCode", party.country)
    if party.vat_id:
        scheme = _add(element, "cac:PartyTaxScheme")
        _add(scheme, "cbc:CompanyID", party.vat_id)
        _add(_add(scheme, "cac:TaxScheme"), "cbc:ID", "VAT")
    _add(_add(element, "cac:PartyLegalEntity"), "cbc:RegistrationName", party.name)


def _period(parent: Element, start: str, end: str) -> None:
    period = _add(parent, "cac:InvoicePeriod")
    _add(period, "cbc:StartDate", start)
    _add(period, "cbc:EndDate", end)


def _amount(parent: Element, name: str, text: str, terms: Terms) -> None:
    _add(parent, name, text, {"currencyID": terms.currency})


def _optional(parent: Element, name: str, text: str) -> None:
    if text:
        _add(parent, name, text)


def _add(parent: Element, name: str, text: str | None = None, attributes: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> Element:
    prefix, _, local = name.partition(":")
    element = etree.SubElement(parent, f"{{{NAMES[prefix]}}}{local}", dict(attributes))
    element.text = text
    return element
