"""The tables of billing. A run fixes its inputs, an invoice is frozen bytes, a rating is a fact; only counters move."""

import sqlalchemy as sa

from station.state import metadata


def _tenant() -> "sa.Column[int]":
    return sa.Column("tenant", sa.Integer, nullable=False)


bill_run = sa.Table(
    "bill_run",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("period", sa.String(64), nullable=False),  # as `bss.cycles` names it
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger, nullable=False),
    sa.Column("cutoff_ns", sa.BigInteger, nullable=False),  # what became known later is not in these bills
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False),  # customers, services, bindings, tariffs as they stood: canonical JSON
    sa.Column("snapshot_sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "period"),
    sa.UniqueConstraint("tenant", "id"),
)

bill_run_closed = sa.Table(
    "bill_run_closed",
    metadata,
    _tenant(),
    sa.Column("period", sa.String(64), nullable=False),
    sa.Column("closed_ns", sa.BigInteger, nullable=False),
    sa.Column("invoices", sa.Integer, nullable=False),
    sa.Column("exceptions", sa.Text, nullable=False),  # JSON: services that could not be billed, and why
    sa.PrimaryKeyConstraint("tenant", "period"),
)

tariff_used = sa.Table(
    "tariff_used",
    metadata,
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("effective", sa.String(10), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "name", "effective"),
)

document_series = sa.Table(
    "document_series",
    metadata,
    _tenant(),
    sa.Column("series", sa.String(32), nullable=False),
    sa.Column("last", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "series"),
)

invoice = sa.Table(
    "invoice",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("series", sa.String(32), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("number", sa.String(48), nullable=False),
    sa.Column("period", sa.String(64), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("customer_name", sa.String(255), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("net_minor", sa.BigInteger, nullable=False),
    sa.Column("tax_minor", sa.BigInteger, nullable=False),
    sa.Column("gross_minor", sa.BigInteger, nullable=False),
    sa.Column("issued_ns", sa.BigInteger, nullable=False),
    sa.Column("document", sa.Text, nullable=False),  # canonical JSON: the invoice itself
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "period", "customer_id"),  # one invoice per customer and period, whatever happens
    sa.UniqueConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "series", "seq"),
    sa.UniqueConstraint("tenant", "number"),
)

invoice_pdf = sa.Table(
    "invoice_pdf",
    metadata,
    _tenant(),
    sa.Column("invoice_id", sa.String(36), nullable=False),
    sa.Column("pdf", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "invoice_id"),
)

rated_usage = sa.Table(
    "rated_usage",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("period", sa.String(64), nullable=False),  # whose usage it prices
    sa.Column("service_id", sa.String(36), nullable=False),
    sa.Column("charge", sa.String(64), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("rating_rev", sa.Integer, nullable=False),  # 0, then one more for each re-rating
    sa.Column("booked_in", sa.String(64), nullable=False),  # the period of the invoice it stands on
    sa.Column("invoice_id", sa.String(36), nullable=False),
    sa.Column("line_no", sa.Integer, nullable=False),  # 0: re-rated to nothing, only a credit stands on the invoice
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("tax_rate_ppm", sa.Integer, nullable=False),
    sa.Column("tax_category", sa.String(2), nullable=False, server_default=""),  # UNCL 5305, where a jurisdiction decided
    sa.Column("tax_minor", sa.BigInteger),  # where the line has a tax of its own
    sa.Column("tariff", sa.String(64), nullable=False),
    sa.Column("effective", sa.String(10), nullable=False),
    sa.Column("computation", sa.Text, nullable=False),
    sa.Column("usage", sa.Text, nullable=False),  # JSON: the portions of usage records it rests on
    sa.PrimaryKeyConstraint("tenant", "period", "service_id", "charge", "customer_id", "rating_rev"),
    sa.UniqueConstraint("tenant", "id"),
    sa.Index(None, "tenant", "invoice_id"),
)

billing_profile = sa.Table(
    "billing_profile",
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("country", sa.String(2), nullable=False, default=""),  # ISO 3166-1
    sa.Column("tax_category", sa.String(2), nullable=False, default=""),  # UNCL 5305, where the rate is nought
    sa.Column("buyer_reference", sa.String(100), nullable=False, default=""),  # BT-10
    sa.Column("payer_id", sa.String(36), nullable=False, server_default=""),  # the customer who is billed instead
    sa.Column("cycle", sa.String(32), nullable=False, server_default=""),  # R/2026-01-31/P1M; empty: calendar months
    sa.Column("time_zone", sa.String(64), nullable=False, server_default=""),  # empty: the contract's
    sa.Column("legal_entity", sa.String(32), nullable=False, server_default=""),  # who bills; empty: the operator
    sa.Column("tax_jurisdiction", sa.String(16), nullable=False, server_default=""),  # empty: the customer's own rate
    sa.PrimaryKeyConstraint("tenant", "customer_id"),
)

# Who was billed for which span: the spans of a customer meet and never overlap.
billed_period = sa.Table(
    "billed_period",
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("start_ns", sa.BigInteger, nullable=False),
    sa.Column("end_ns", sa.BigInteger, nullable=False),
    sa.Column("period", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id", "start_ns"),
    sa.Index(None, "tenant", "period"),
)

# From which day a service has which tariff; of two rows for a day the one made later holds.
service_plan = sa.Table(
    "service_plan",
    metadata,
    _tenant(),
    sa.Column("service_id", sa.String(36), nullable=False),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("tariff", sa.String(64), nullable=False),
    sa.Column("was", sa.String(64), nullable=False),  # the tariff until then, as it stood when this was written
    sa.Column("made_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "service_id", "day", "made_ns"),
)

one_off = sa.Table(
    "one_off",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("service_id", sa.String(36), nullable=False, server_default=""),
    sa.Column("day", sa.String(10), nullable=False),  # of supply: it stands on the bill of the period that holds it, or the next
    sa.Column("description", sa.String(200), nullable=False),
    sa.Column("quantity", sa.String(40), nullable=False),
    sa.Column("unit", sa.String(32), nullable=False),
    sa.Column("unit_price", sa.String(40), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("tax_class", sa.String(32), nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "customer_id"),
)

bill_split = sa.Table(
    "bill_split",
    metadata,
    _tenant(),
    sa.Column("service_id", sa.String(36), nullable=False),
    sa.Column("payer_id", sa.String(36), nullable=False),
    sa.Column("charges", sa.String(255), nullable=False, server_default=""),  # JSON: places in the tariff; empty: all
    sa.Column("share_ppm", sa.Integer, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "service_id", "payer_id"),
)

exchange_rate = sa.Table(
    "exchange_rate",
    metadata,
    _tenant(),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("base", sa.String(3), nullable=False),
    sa.Column("quote", sa.String(3), nullable=False),
    sa.Column("rate", sa.String(40), nullable=False),  # quote for one of base, as text
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "day", "base", "quote"),
)

# What was due and may not be asked for any more.
leakage = sa.Table(
    "leakage",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("period", sa.String(64), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("service_id", sa.String(36), nullable=False),
    sa.Column("charge", sa.String(64), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("run_period", sa.String(64), nullable=False),
    sa.Column("noted_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

dispute = sa.Table(
    "dispute",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("invoice_id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("lines", sa.Text, nullable=False),  # JSON: [{no, amount_minor}], of the net amount, above nothing
    sa.Column("held_minor", sa.BigInteger, nullable=False),  # gross: what need not be paid while it is open
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("opened_by", sa.String(64), nullable=False),
    sa.Column("opened_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # open | accepted | rejected | withdrawn
    sa.Column("decided_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("decided_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("proposal_id", sa.String(36), nullable=False, server_default=""),  # the credit that came of it
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "invoice_id"),
    sa.Index(None, "tenant", "customer_id", "state"),
)

# A run whose sum is above the limit waits for a second person before it numbers anything.
bill_run_hold = sa.Table(
    "bill_run_hold",
    metadata,
    _tenant(),
    sa.Column("period", sa.String(64), nullable=False),
    sa.Column("sums", sa.Text, nullable=False),  # JSON: gross minor units by currency
    sa.Column("held_by", sa.String(64), nullable=False),
    sa.Column("held_ns", sa.BigInteger, nullable=False),
    sa.Column("approved_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("approved_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("tenant", "period"),
)

tariff_published = sa.Table(
    "tariff_published",
    metadata,
    _tenant(),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("effective", sa.String(10), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("proposed_by", sa.String(64), nullable=False),
    sa.Column("proposed_ns", sa.BigInteger, nullable=False),
    sa.Column("approved_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("approved_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("tenant", "name", "effective", "sha256"),
)

ledger_entry = sa.Table(
    "ledger_entry",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(64), nullable=False),  # derived from kind and source: what happened is booked once
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("words", sa.String(255), nullable=False),
    sa.Column("party", sa.String(36), nullable=False, default=""),
    sa.Column("booked_ns", sa.BigInteger, nullable=False),
    sa.Column("meant", sa.String(10), nullable=False, default="", server_default=""),  # the day it is of, where its month was closed
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "day"),
    sa.Index(None, "tenant", "party"),
)

ledger_transfer = sa.Table(
    "ledger_transfer",
    metadata,
    _tenant(),
    sa.Column("entry_id", sa.String(64), nullable=False),
    sa.Column("no", sa.Integer, nullable=False),
    sa.Column("debit", sa.String(64), nullable=False),
    sa.Column("credit", sa.String(64), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "entry_id", "no"),
    sa.CheckConstraint("amount_minor > 0", name="above_nothing"),
    sa.CheckConstraint("debit <> credit", name="two_accounts"),
)

ledger_head = sa.Table(
    "ledger_head",  # who books holds the row shared, who closes a month alone
    metadata,
    sa.Column("tenant", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_open", sa.String(10), nullable=False),  # "": every day
)

ledger_period = sa.Table(
    "ledger_period",  # a month that is closed
    metadata,
    _tenant(),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("closed_ns", sa.BigInteger, nullable=False),
    sa.Column("closed_by", sa.String(64), nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("balances", sa.Text, nullable=False),  # JSON: every account at the month's end
    sa.Column("sha256", sa.String(64), nullable=False),  # of the month as Beancount text
    sa.PrimaryKeyConstraint("tenant", "month"),
)

revenue_schedule = sa.Table(
    "revenue_schedule",  # what of an entry's deferred amount is earned at the end of which month
    metadata,
    _tenant(),
    sa.Column("entry_id", sa.String(64), nullable=False),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("account", sa.String(64), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "entry_id", "month", "account"),
    sa.Index(None, "tenant", "month"),
)

balance_bucket = sa.Table(
    "balance_bucket",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("owner", sa.String(36), nullable=False),  # a customer or a service
    sa.Column("unit", sa.String(32), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False, default=0),
    sa.Column("expires_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.CheckConstraint("held >= 0 AND amount >= held", name="never_below_nothing"),
    sa.Index(None, "tenant", "owner", "unit"),
)

balance_hold = sa.Table(
    "balance_hold",
    metadata,
    _tenant(),
    sa.Column("hold_id", sa.String(36), nullable=False),
    sa.Column("bucket_id", sa.String(36), nullable=False),
    sa.Column("owner", sa.String(36), nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("used", sa.BigInteger, nullable=False, default=0),
    sa.Column("state", sa.String(16), nullable=False),  # open | committed | released | expired
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "hold_id", "bucket_id"),
    sa.Index(None, "tenant", "owner", "state"),
)

balance_step = sa.Table(
    "balance_step",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("hold_id", sa.String(36), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

credit_note = sa.Table(
    "credit_note",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("series", sa.String(32), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("number", sa.String(48), nullable=False),
    sa.Column("invoice_id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("gross_minor", sa.BigInteger, nullable=False),  # negative: what is credited, positive: a debit note
    sa.Column("issued_ns", sa.BigInteger, nullable=False),
    sa.Column("proposed_by", sa.String(64), nullable=False),
    sa.Column("approved_by", sa.String(64), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "series", "seq"),
    sa.Index(None, "tenant", "invoice_id"),
)

credit_proposal = sa.Table(
    "credit_proposal",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("invoice_id", sa.String(36), nullable=False),
    sa.Column("lines", sa.Text, nullable=False),  # JSON: [{no, amount_minor}], amount_minor negative for a credit
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("proposed_by", sa.String(64), nullable=False),
    sa.Column("proposed_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # open | approved | refused
    sa.Column("decided_by", sa.String(64), nullable=False, default=""),
    sa.Column("decided_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "id"),
)
