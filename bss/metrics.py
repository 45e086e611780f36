"""The business side's own counters."""

from station.metrics import counter, gauge

INVOICES = counter("invoices", "Invoices issued, by currency.", "currency")
LEAKED = counter("leaked_debits", "Debits that were too old to be billed, by currency.", "currency")
EXCEPTIONS = gauge("bill_run_exceptions", "Services the last bill run could not bill.")
PDFS = counter("invoice_pdfs", "Invoices set as PDF, by result.", "result")
RATED_BY_ORACLE = counter("rated_by_oracle", "Services that the columnar engine left to the scalar oracle, for the size of their numbers.")
CONTROL = counter("rating_control", "Lines rated a second time in columns, by result.", "result")
AUTHORISATIONS = counter("authorisations", "Reservations of prepaid balances, by outcome.", "outcome")
PAYMENTS = counter("payments", "Payments told to the station, by what became of them.", "result")
DUNNING = counter("dunning_steps", "Steps of dunning, by kind.", "kind")
DUNNING_REQUESTS = counter("dunning_requests", "Requests of dunning to network and customer, by what became of them.", "result")
CASH = counter("cash", "Bank entries, card events, vouchers and direct debits, by what became of them.", "result")
