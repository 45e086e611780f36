"""EN 16931 as UN/CEFACT Cross Industry Invoice D16B (CEN/TS 16931-3-3): elements in the order of the schema."""

from lxml import etree

from bss.einvoice.elements import Element, add, optional
from bss.einvoice.profiles import EN_16931, Profile
from bss.einvoice.terms import CREDIT_TRANSFER, OUTSIDE, Adjustment, Breakdown, InvoiceLine, Party, Terms

RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
DATE_FORMAT = "102"  # YYYYMMDD

NAMES = {"rsm": RSM, "ram": RAM, "udt": UDT}


def write(terms: Terms, profile: Profile = EN_16931) -> bytes:
    """The document as UTF-8 XML."""
    root = etree.Element(f"{{{RSM}}}CrossIndustryInvoice", nsmap=NAMES)
    context = add(root, "rsm:ExchangedDocumentContext")
    if profile.process:
        add(add(context, "ram:BusinessProcessSpecifiedDocumentContextParameter"), "ram:ID", profile.process)
    add(add(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", profile.customization)
    head = add(root, "rsm:ExchangedDocument")
    add(head, "ram:ID", terms.number)
    add(head, "ram:TypeCode", terms.kind)
    _date(head, "ram:IssueDateTime", terms.issued_on)
    if terms.note:
        add(add(head, "ram:IncludedNote"), "ram:Content", terms.note)
    trade = add(root, "rsm:SupplyChainTradeTransaction")
    for line in terms.lines:
        _line(trade, line)
    agreement = add(trade, "ram:ApplicableHeaderTradeAgreement")
    add(agreement, "ram:BuyerReference", terms.buyer_reference)
    _party(add(agreement, "ram:SellerTradeParty"), terms.seller, profile)
    _party(add(agreement, "ram:BuyerTradeParty"), terms.buyer, profile)
    delivery = add(trade, "ram:ApplicableHeaderTradeDelivery")
    if terms.deliver_to:
        add(add(add(delivery, "ram:ShipToTradeParty"), "ram:PostalTradeAddress"), "ram:CountryID", terms.deliver_to)
    _date(add(delivery, "ram:ActualDeliverySupplyChainEvent"), "ram:OccurrenceDateTime", terms.end)
    _settlement(add(trade, "ram:ApplicableHeaderTradeSettlement"), terms)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _line(trade: Element, line: InvoiceLine) -> None:
    item = add(trade, "ram:IncludedSupplyChainTradeLineItem")
    add(add(item, "ram:AssociatedDocumentLineDocument"), "ram:LineID", line.no)
    product = add(item, "ram:SpecifiedTradeProduct")
    add(product, "ram:Name", line.name)
    optional(product, "ram:Description", line.description)
    for name, value in line.attributes:
        attribute = add(product, "ram:ApplicableProductCharacteristic")
        add(attribute, "ram:Description", name)
        add(attribute, "ram:Value", value)
    price = add(add(item, "ram:SpecifiedLineTradeAgreement"), "ram:NetPriceProductTradePrice")
    add(price, "ram:ChargeAmount", line.price)
    add(add(item, "ram:SpecifiedLineTradeDelivery"), "ram:BilledQuantity", line.quantity, {"unitCode": line.unit})
    settlement = add(item, "ram:SpecifiedLineTradeSettlement")
    _tax(settlement, line.category, line.rate)
    _period(settlement, line.start, line.end)
    add(add(settlement, "ram:SpecifiedTradeSettlementLineMonetarySummation"), "ram:LineTotalAmount", line.amount)


def _settlement(settlement: Element, terms: Terms) -> None:
    optional(settlement, "ram:TaxCurrencyCode", terms.tax_currency)
    add(settlement, "ram:InvoiceCurrencyCode", terms.currency)
    if terms.iban:
        means = add(settlement, "ram:SpecifiedTradeSettlementPaymentMeans")
        add(means, "ram:TypeCode", CREDIT_TRANSFER)
        add(add(means, "ram:PayeePartyCreditorFinancialAccount"), "ram:IBANID", terms.iban)
    for tax in terms.taxes:
        _breakdown(settlement, tax)
    _period(settlement, terms.start, terms.end)
    for adjustment in terms.adjustments:
        _adjustment(settlement, adjustment)
    _date(add(settlement, "ram:SpecifiedTradePaymentTerms"), "ram:DueDateDateTime", terms.due_on)
    sums = add(settlement, "ram:SpecifiedTradeSettlementHeaderMonetarySummation")
    add(sums, "ram:LineTotalAmount", terms.lines_net)
    optional(sums, "ram:ChargeTotalAmount", terms.charges)
    optional(sums, "ram:AllowanceTotalAmount", terms.allowances)
    add(sums, "ram:TaxBasisTotalAmount", terms.net)
    add(sums, "ram:TaxTotalAmount", terms.tax, {"currencyID": terms.currency})
    if terms.tax_currency:
        add(sums, "ram:TaxTotalAmount", terms.tax_accounted, {"currencyID": terms.tax_currency})
    add(sums, "ram:GrandTotalAmount", terms.gross)
    optional(sums, "ram:TotalPrepaidAmount", terms.prepaid)
    add(sums, "ram:DuePayableAmount", terms.due)
    for number in terms.preceding:
        add(add(settlement, "ram:InvoiceReferencedDocument"), "ram:IssuerAssignedID", number)


def _breakdown(settlement: Element, tax: Breakdown) -> None:
    row = add(settlement, "ram:ApplicableTradeTax")
    add(row, "ram:CalculatedAmount", tax.tax)
    add(row, "ram:TypeCode", "VAT")
    optional(row, "ram:ExemptionReason", tax.reason)
    add(row, "ram:BasisAmount", tax.taxable)
    add(row, "ram:CategoryCode", tax.category)
    optional(row, "ram:ExemptionReasonCode", tax.reason_code)
    if tax.category != OUTSIDE:
        add(row, "ram:RateApplicablePercent", tax.rate)


def _adjustment(settlement: Element, of: Adjustment) -> None:
    row = add(settlement, "ram:SpecifiedTradeAllowanceCharge")
    add(add(row, "ram:ChargeIndicator"), "udt:Indicator", "true" if of.charge else "false")
    add(row, "ram:ActualAmount", of.amount)
    optional(row, "ram:ReasonCode", of.code)
    add(row, "ram:Reason", of.reason)
    _tax(row, of.category, of.rate, "ram:CategoryTradeTax")


def _tax(settlement: Element, category: str, rate: str, name: str = "ram:ApplicableTradeTax") -> None:
    tax = add(settlement, name)
    add(tax, "ram:TypeCode", "VAT")
    add(tax, "ram:CategoryCode", category)
    if category != OUTSIDE:
        add(tax, "ram:RateApplicablePercent", rate)


def _party(element: Element, party: Party, profile: Profile) -> None:
    add(element, "ram:Name", party.name)
    if party.legal_id:
        add(add(element, "ram:SpecifiedLegalOrganization"), "ram:ID", party.legal_id)
    if party.contact:
        contact = add(element, "ram:DefinedTradeContact")
        add(contact, "ram:PersonName", party.contact)
        if party.phone:
            add(add(contact, "ram:TelephoneUniversalCommunication"), "ram:CompleteNumber", party.phone)
        if party.email:
            add(add(contact, "ram:EmailURIUniversalCommunication"), "ram:URIID", party.email)
    address = add(element, "ram:PostalTradeAddress")
    optional(address, "ram:PostcodeCode", party.post_code)
    for name, line in zip(("ram:LineOne", "ram:LineTwo", "ram:LineThree"), party.lines, strict=False):
        add(address, name, line)
    optional(address, "ram:CityName", party.city)
    add(address, "ram:CountryID", party.country)
    scheme_id, endpoint = profile.endpoint(party)
    if endpoint:
        add(add(element, "ram:URIUniversalCommunication"), "ram:URIID", endpoint, {"schemeID": scheme_id})
    if party.vat_id:
        add(add(element, "ram:SpecifiedTaxRegistration"), "ram:ID", party.vat_id, {"schemeID": "VA"})


def _period(settlement: Element, start: str, end: str) -> None:
    period = add(settlement, "ram:BillingSpecifiedPeriod")
    _date(period, "ram:StartDateTime", start)
    _date(period, "ram:EndDateTime", end)


def _date(parent: Element, name: str, day: str) -> None:
    add(add(parent, name), "udt:DateTimeString", day.replace("-", ""), {"format": DATE_FORMAT})
