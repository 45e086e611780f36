"""EN 16931 as OASIS UBL 2.1 Invoice or CreditNote (CEN/TS 16931-3-2): elements in the order of the schema."""

from typing import Any

from lxml import etree

from bss.einvoice.elements import Element, add, optional
from bss.einvoice.profiles import EN_16931, Profile
from bss.einvoice.terms import CREDIT_NOTE, CREDIT_TRANSFER, OUTSIDE, Adjustment, Breakdown, InvoiceLine, Party, Terms

CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
ROOT = "urn:oasis:names:specification:ubl:schema:xsd:{name}-2"
NAMES = {"cac": CAC, "cbc": CBC}


def write(terms: Terms, profile: Profile = EN_16931) -> bytes:
    """The document as UTF-8 XML."""
    credit = terms.kind == CREDIT_NOTE
    kind = "CreditNote" if credit else "Invoice"
    names: dict[Any, str] = {None: ROOT.format(name=kind), **NAMES}
    root = etree.Element(f"{{{ROOT.format(name=kind)}}}{kind}", nsmap=names)
    add(root, "cbc:CustomizationID", profile.customization)
    optional(root, "cbc:ProfileID", profile.process)
    add(root, "cbc:ID", terms.number)
    add(root, "cbc:IssueDate", terms.issued_on)
    if not credit:
        add(root, "cbc:DueDate", terms.due_on)
    add(root, "cbc:CreditNoteTypeCode" if credit else "cbc:InvoiceTypeCode", terms.kind)
    optional(root, "cbc:Note", terms.note)
    add(root, "cbc:DocumentCurrencyCode", terms.currency)
    optional(root, "cbc:TaxCurrencyCode", terms.tax_currency)
    add(root, "cbc:BuyerReference", terms.buyer_reference)
    _period(root, terms.start, terms.end)
    for number in terms.preceding:
        add(add(add(root, "cac:BillingReference"), "cac:InvoiceDocumentReference"), "cbc:ID", number)
    _party(add(root, "cac:AccountingSupplierParty"), terms.seller, profile)
    _party(add(root, "cac:AccountingCustomerParty"), terms.buyer, profile)
    delivery = add(root, "cac:Delivery")
    add(delivery, "cbc:ActualDeliveryDate", terms.end)
    if terms.deliver_to:
        place = add(add(delivery, "cac:DeliveryLocation"), "cac:Address")
        add(add(place, "cac:Country"), "cbc:IdentificationCode", terms.deliver_to)
    if terms.iban:
        means = add(root, "cac:PaymentMeans")
        add(means, "cbc:PaymentMeansCode", CREDIT_TRANSFER)
        add(add(means, "cac:PayeeFinancialAccount"), "cbc:ID", terms.iban)
    if credit:
        add(add(root, "cac:PaymentTerms"), "cbc:Note", f"Due on {terms.due_on}")
    for adjustment in terms.adjustments:
        _adjustment(root, adjustment, terms)
    _taxes(root, terms)
    _totals(root, terms)
    for line in terms.lines:
        _line(root, line, terms, credit)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _taxes(root: Element, terms: Terms) -> None:
    total = add(root, "cac:TaxTotal")
    _amount(total, "cbc:TaxAmount", terms.tax, terms)
    for tax in terms.taxes:
        part = add(total, "cac:TaxSubtotal")
        _amount(part, "cbc:TaxableAmount", tax.taxable, terms)
        _amount(part, "cbc:TaxAmount", tax.tax, terms)
        _category(add(part, "cac:TaxCategory"), tax.category, tax.rate, tax)
    if terms.tax_currency:
        add(add(root, "cac:TaxTotal"), "cbc:TaxAmount", terms.tax_accounted, {"currencyID": terms.tax_currency})


def _adjustment(root: Element, of: Adjustment, terms: Terms) -> None:
    row = add(root, "cac:AllowanceCharge")
    add(row, "cbc:ChargeIndicator", "true" if of.charge else "false")
    optional(row, "cbc:AllowanceChargeReasonCode", of.code)
    add(row, "cbc:AllowanceChargeReason", of.reason)
    _amount(row, "cbc:Amount", of.amount, terms)
    _category(add(row, "cac:TaxCategory"), of.category, of.rate)


def _totals(root: Element, terms: Terms) -> None:
    total = add(root, "cac:LegalMonetaryTotal")
    for name, value in (
        ("cbc:LineExtensionAmount", terms.lines_net),
        ("cbc:TaxExclusiveAmount", terms.net),
        ("cbc:TaxInclusiveAmount", terms.gross),
        ("cbc:AllowanceTotalAmount", terms.allowances),
        ("cbc:ChargeTotalAmount", terms.charges),
        ("cbc:PrepaidAmount", terms.prepaid),
        ("cbc:PayableAmount", terms.due),
    ):
        if value:
            _amount(total, name, value, terms)


def _line(root: Element, line: InvoiceLine, terms: Terms, credit: bool) -> None:
    row = add(root, "cac:CreditNoteLine" if credit else "cac:InvoiceLine")
    add(row, "cbc:ID", line.no)
    add(row, "cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity", line.quantity, {"unitCode": line.unit})
    _amount(row, "cbc:LineExtensionAmount", line.amount, terms)
    _period(row, line.start, line.end)
    item = add(row, "cac:Item")
    optional(item, "cbc:Description", line.description)
    add(item, "cbc:Name", line.name)
    _category(add(item, "cac:ClassifiedTaxCategory"), line.category, line.rate)
    for name, value in line.attributes:
        attribute = add(item, "cac:AdditionalItemProperty")
        add(attribute, "cbc:Name", name)
        add(attribute, "cbc:Value", value)
    _amount(add(row, "cac:Price"), "cbc:PriceAmount", line.price, terms)


def _category(element: Element, category: str, rate: str, tax: Breakdown | None = None) -> None:
    add(element, "cbc:ID", category)
    if category != OUTSIDE:
        add(element, "cbc:Percent", rate)
    if tax is not None:
        optional(element, "cbc:TaxExemptionReasonCode", tax.reason_code)
        optional(element, "cbc:TaxExemptionReason", tax.reason)
    add(add(element, "cac:TaxScheme"), "cbc:ID", "VAT")


def _party(parent: Element, party: Party, profile: Profile) -> None:
    element = add(parent, "cac:Party")
    scheme_id, endpoint = profile.endpoint(party)
    if endpoint:
        add(element, "cbc:EndpointID", endpoint, {"schemeID": scheme_id})
    address = add(element, "cac:PostalAddress")
    for name, line in zip(("cbc:StreetName", "cbc:AdditionalStreetName"), party.lines, strict=False):
        add(address, name, line)
    optional(address, "cbc:CityName", party.city)
    optional(address, "cbc:PostalZone", party.post_code)
    for line in party.lines[2:]:
        add(add(address, "cac:AddressLine"), "cbc:Line", line)
    add(add(address, "cac:Country"), "cbc:IdentificationCode", party.country)
    if party.vat_id:
        scheme = add(element, "cac:PartyTaxScheme")
        add(scheme, "cbc:CompanyID", party.vat_id)
        add(add(scheme, "cac:TaxScheme"), "cbc:ID", "VAT")
    legal = add(element, "cac:PartyLegalEntity")
    add(legal, "cbc:RegistrationName", party.name)
    optional(legal, "cbc:CompanyID", party.legal_id)
    if party.contact:
        contact = add(element, "cac:Contact")
        add(contact, "cbc:Name", party.contact)
        optional(contact, "cbc:Telephone", party.phone)
        optional(contact, "cbc:ElectronicMail", party.email)


def _period(parent: Element, start: str, end: str) -> None:
    period = add(parent, "cac:InvoicePeriod")
    add(period, "cbc:StartDate", start)
    add(period, "cbc:EndDate", end)


def _amount(parent: Element, name: str, text: str, terms: Terms) -> None:
    add(parent, name, text, {"currencyID": terms.currency})
