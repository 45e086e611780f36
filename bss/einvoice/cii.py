"""EN 16931 as UN/CEFACT Cross Industry Invoice D16B (CEN/TS 16931-3-3): elements in the order of the schema."""

from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree

from bss.einvoice.terms import CREDIT_TRANSFER, Breakdown, InvoiceLine, Party, Terms

RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
SPECIFICATION = "urn:cen.eu:en16931:2017"
DATE_FORMAT = "102"  # YYYYMMDD

Element = Any  # lxml has no types of its own
NAMES = {"rsm": RSM, "ram": RAM, "udt": UDT}


def write(terms: Terms) -> bytes:
    """The document as UTF-8 XML."""
    root = etree.Element(f"{{{RSM}}}CrossIndustryInvoice", nsmap=NAMES)
    context = _add(_add(root, "rsm:ExchangedDocumentContext"), "ram:GuidelineSpecifiedDocumentContextParameter")
    _add(context, "ram:ID", SPECIFICATION)
    head = _add(root, "rsm:ExchangedDocument")
    _add(head, "ram:ID", terms.number)
    _add(head, "ram:TypeCode", terms.kind)
    _date(head, "ram:IssueDateTime", terms.issued_on)
    if terms.note:
        _add(_add(head, "ram:IncludedNote"), "ram:Content", terms.note)
    trade = _add(root, "rsm:SupplyChainTradeTransaction")
    for line in terms.lines:
        _line(trade, line)
    agreement = _add(trade, "ram:ApplicableHeaderTradeAgreement")
    _add(agreement, "ram:BuyerReference", terms.buyer_reference)
    _party(_add(agreement, "ram:SellerTradeParty"), terms.seller)
    _party(_add(agreement, "ram:BuyerTradeParty"), terms.buyer)
    delivery = _add(_add(trade, "ram:ApplicableHeaderTradeDelivery"), "ram:ActualDeliverySupplyChainEvent")
    _date(delivery, "ram:OccurrenceDateTime", terms.end)
    _settlement(_add(trade, "ram:ApplicableHeaderTradeSettlement"), terms)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _line(trade: Element, line: InvoiceLine) -> None:
    item = _add(trade, "ram:IncludedSupplyChainTradeLineItem")
    _add(_add(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", line.no)
    product = _add(item, "ram:SpecifiedTradeProduct")
    _add(product, "ram:Name", line.name)
    _optional(product, "ram:Description", line.description)
    for name, value in line.attributes:
        attribute = _add(product, "ram:ApplicableProductCharacteristic")
        _add(attribute, "ram:Description", name)
        _add(attribute, "ram:Value", value)
    price = _add(_add(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    _add(price, "ram:ChargeAmount", line.price)
    _add(_add(item, "ram:SpecifiedLineTradeDelivery"), "ram:BilledQuantity", line.quantity, {"unitCode": line.unit})
    settlement = _add(item, "ram:SpecifiedLineTradeSettlement")
    _tax(settlement, line.category, line.rate)
    _period(settlement, line.start, line.end)
    _add(_add(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation"), "ram:LineTotalAmount", line.amount)


def _settlement(settlement: Element, terms: Terms) -> None:
    _add(settlement, "ram:InvoiceCurrencyCode", terms.currency)
    if terms.iban:
        means = _add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        _add(means, "ram:TypeCode", CREDIT_TRANSFER)
        _add(_add(means, "ram:PayeePartyCreditorFinancialAccount"), "ram:IBANID", terms.iban)
    for tax in terms.taxes:
        _breakdown(settlement, tax)
    _period(settlement, terms.start, terms.end)
    _date(_add(settlement, "ram:SpecifiedTradePaymentTerms"), "ram:DueDateDateTime", terms.due_on)
    sums = _add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    _add(sums, "ram:LineTotalAmount", terms.net)
    _add(sums, "ram:TaxBasisTotalAmount", terms.net)
    _add(sums, "ram:TaxTotalAmount", terms.tax, {"currencyID": terms.currency})
    _add(sums, "ram:GrandTotalAmount", terms.gross)
    _add(sums, "ram:DuePayableAmount", terms.gross)
    for number in terms.preceding:
        _add(_add(settlement, "ram:InvoiceReferencedDocument"), "ram:IssuerAssignedID", number)


def _breakdown(settlement: Element, tax: Breakdown) -> None:
    row = _add(settlement, "ram:ApplicableTradeTax")
    _add(row, "ram:CalculatedAmount", tax.tax)
    _add(row, "ram:TypeCode", "VAT")
    _optional(row, "ram:ExemptionReason", tax.reason)
    _add(row, "ram:BasisAmount", tax.taxable)
    _add(row, "ram:CategoryCode", tax.category)
    _optional(row, "ram:ExemptionReasonCode", tax.reason_code)
    _add(row, "ram:RateApplicablePercent", tax.rate)


def _tax(settlement: Element, category: str, rate: str) -> None:
    tax = _add(settlement, "ram:ApplicableTradeTax")
    _add(tax, "ram:TypeCode", "VAT")
    _add(tax, "ram:CategoryCode", category)
    _add(tax, "ram:RateApplicablePercent", rate)


def _party(element: Element, party: Party) -> None:
    _add(element, "ram:Name", party.name)
    address = _add(element, "ram:PostalTradeAddress")
    _optional(address, "ram:PostcodeCode", party.post_code)
    for name, line in zip(("ram:LineOne", "ram:LineTwo", "ram:LineThree"), party.lines, strict=False):
        _add(address, name, line)
    _optional(address, "ram:CityName", party.city)
    _add(address, "ram:CountryID", party.country)
    if party.email:
        _add(_add(element, "ram:URIUniversalCommunication"), "ram:URIID", party.email, {"schemeID": "EM"})
    if party.vat_id:
        _add(_add(element, "ram:SpecifiedTaxRegistration"), "ram:ID", party.vat_id, {"schemeID": "VA"})


def _period(settlement: Element, start: str, end: str) -> None:
    period = _add(settlement, "ram:BillingSpecifiedPeriod")
    _date(period, "ram:StartDateTime", start)
    _date(period, "ram:EndDateTime", end)


def _date(parent: Element, name: str, day: str) -> None:
    _add(_add(parent, name), "udt:DateTimeString", day.replace("-", ""), {"format": DATE_FORMAT})


def _optional(parent: Element, name: str, text: str) -> None:
    if text:
        _add(parent, name, text)


def _add(parent: Element, name: str, text: str | None = None, attributes: Mapping[str, str] | Sequence[tuple[str, str]] = ()) -> Element:
    prefix, _, local = name.partition(":")
    element = etree.SubElement(parent, f"{{{NAMES[prefix]}}}{local}", dict(attributes))
    element.text = text
    return element
