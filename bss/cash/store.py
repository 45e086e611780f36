"""The tables of cash. Files are kept as they came or went, entries and items are facts whose state moves once."""

import sqlalchemy as sa

from station.state import metadata


def _tenant() -> "sa.Column[int]":
    return sa.Column("tenant", sa.Integer, nullable=False)


sepa_mandate = sa.Table(
    "sepa_mandate",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(35), nullable=False),  # the unique mandate reference, AT-01 of the rulebooks
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("scheme", sa.String(4), nullable=False),  # CORE | B2B
    sa.Column("kind", sa.String(4), nullable=False),  # RCUR | OOFF
    sa.Column("holder", sa.String(70), nullable=False),
    sa.Column("iban", sa.String(34), nullable=False),
    sa.Column("bic", sa.String(11), nullable=False, default=""),
    sa.Column("signed_on", sa.String(10), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # active | used | revoked
    sa.Column("reason", sa.String(255), nullable=False, default=""),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "customer_id"),
)

debit_batch = sa.Table(
    "debit_batch",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(35), nullable=False),  # MsgId
    sa.Column("collect_on", sa.String(10), nullable=False),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("sum_minor", sa.BigInteger, nullable=False),
    sa.Column("document", sa.Text, nullable=False),  # pain.008 as it goes to the bank
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

debit_item = sa.Table(
    "debit_item",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(35), nullable=False),  # EndToEndId, derived from document and attempt
    sa.Column("batch_id", sa.String(35), nullable=False),
    sa.Column("part_id", sa.String(35), nullable=False),  # PmtInfId
    sa.Column("mandate_id", sa.String(35), nullable=False),
    sa.Column("sequence", sa.String(4), nullable=False),  # FRST | RCUR | OOFF
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("document_id", sa.String(36), nullable=False),
    sa.Column("number", sa.String(48), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(8), nullable=False),  # asked | paid | returned
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("payment_id", sa.String(36), nullable=False, default=""),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "document_id"),
    sa.Index(None, "tenant", "mandate_id"),
    sa.Index(None, "tenant", "part_id"),
)

bank_statement = sa.Table(
    "bank_statement",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(64), nullable=False),  # derived from account and the bank's own id
    sa.Column("account", sa.String(34), nullable=False),
    sa.Column("number", sa.String(64), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("opening_minor", sa.BigInteger, nullable=False),
    sa.Column("closing_minor", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("imported_ns", sa.BigInteger, nullable=False),
    sa.Column("imported_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

bank_entry = sa.Table(
    "bank_entry",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),  # derived from the account and the bank's reference: the same in every telling
    sa.Column("statement_id", sa.String(64), nullable=False),
    sa.Column("no", sa.Integer, nullable=False),  # its place in the statement
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),  # above nothing it came in
    sa.Column("end_to_end_id", sa.String(35), nullable=False),
    sa.Column("part_id", sa.String(35), nullable=False),
    sa.Column("mandate_id", sa.String(35), nullable=False),
    sa.Column("words", sa.String(1024), nullable=False),
    sa.Column("name", sa.String(140), nullable=False),
    sa.Column("iban", sa.String(34), nullable=False),
    sa.Column("return_code", sa.String(35), nullable=False),  # ISO 20022 ExternalReturnReason1Code
    sa.Column("state", sa.String(12), nullable=False),  # new | matched | returned | unallocated | unexplained
    sa.Column("reason", sa.String(255), nullable=False, default=""),
    sa.Column("customer_id", sa.String(36), nullable=False, default=""),
    sa.Column("by", sa.String(16), nullable=False, default=""),  # end_to_end_id | batch | number | amount | person
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "state"),
)

provider_event = sa.Table(
    "provider_event",
    metadata,
    _tenant(),
    sa.Column("provider", sa.String(32), nullable=False),
    sa.Column("id", sa.String(128), nullable=False),
    sa.Column("act", sa.String(16), nullable=False),
    sa.Column("reference", sa.String(128), nullable=False),
    sa.Column("said", sa.Text, nullable=False),  # JSON: what was read of it; a card is a token
    sa.Column("state", sa.String(12), nullable=False),  # new | done | refused
    sa.Column("answer", sa.String(255), nullable=False, default=""),
    sa.Column("heard_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "provider", "id"),
)

voucher = sa.Table(
    "voucher",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(64), nullable=False),  # a hash of the code: the code itself is kept nowhere
    sa.Column("series", sa.String(64), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.String(64), nullable=False),
    sa.Column("used_by", sa.String(36), nullable=False, default=""),  # the customer, once
    sa.Column("used_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "series"),
)
