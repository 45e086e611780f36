"""The business side's own counters."""

from station.metrics import counter, gauge

INVOICES = counter("invoices", "Invoices issued, by currency.", "currency")
EXCEPTIONS = gauge("bill_run_exceptions", "Services the last bill run could not bill.")
PDFS = counter("invoice_pdfs", "Invoices set as PDF, by result.", "result")
