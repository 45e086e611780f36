"""The tables of receivables. Every row is a fact but the lock and the state of a proposal, which is decided once."""

import sqlalchemy as sa

from station.state import metadata


def _tenant() -> "sa.Column[int]":
    return sa.Column("tenant", sa.Integer, nullable=False)


account_lock = sa.Table(
    "account_lock",  # one row for each customer's account: who moves its money holds the row
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id"),
)

receivable = sa.Table(
    "receivable",  # an issued document as something to settle: above nothing it is owed, below it is a credit
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),  # the document's
    sa.Column("kind", sa.String(8), nullable=False),  # invoice | note
    sa.Column("number", sa.String(48), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("issued_on", sa.String(10), nullable=False),
    sa.Column("due_on", sa.String(10), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "customer_id"),
    sa.Index(None, "tenant", "due_on"),
)

payment = sa.Table(
    "payment",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),  # derived from its reference: a payment told twice is one payment
    sa.Column("reference", sa.String(128), nullable=False),  # the bank's or provider's own id of it
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("method", sa.String(32), nullable=False),
    sa.Column("token", sa.String(128), nullable=False, default=""),  # a provider's name for the card; never its number
    sa.Column("day", sa.String(10), nullable=False),  # the value date
    sa.Column("words", sa.String(255), nullable=False, default=""),
    sa.Column("recorded_ns", sa.BigInteger, nullable=False),
    sa.Column("recorded_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "reference"),
    sa.CheckConstraint("amount_minor > 0", name="above_nothing"),
    sa.Index(None, "tenant", "customer_id"),
)

payment_reversal = sa.Table(
    "payment_reversal",
    metadata,
    _tenant(),
    sa.Column("payment_id", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # chargeback | returned | error
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("reversed_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "payment_id"),  # once
)

allocation = sa.Table(
    "allocation",
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # within the account, from 1
    sa.Column("source_kind", sa.String(10), nullable=False),  # payment | document | write_off
    sa.Column("source_id", sa.String(36), nullable=False),
    sa.Column("use_kind", sa.String(10), nullable=False),  # document | refund
    sa.Column("use_id", sa.String(36), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),  # below nothing: an allocation is taken back
    sa.Column("cause", sa.String(32), nullable=False),  # oldest_first | named | reversal | withdrawn | refund | write_off
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("allocated_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id", "seq"),
    sa.CheckConstraint("amount_minor <> 0", name="not_nothing"),
    sa.Index(None, "tenant", "use_id"),
)

money_proposal = sa.Table(
    "money_proposal",  # a refund or a write-off: one person proposes; above a limit another decides
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),  # refund | write_off
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("subject_kind", sa.String(10), nullable=False),  # payment | document
    sa.Column("subject_id", sa.String(36), nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.String(128), nullable=False),
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("proposed_by", sa.String(64), nullable=False),
    sa.Column("proposed_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),  # open | done | refused
    sa.Column("decided_by", sa.String(64), nullable=False, default=""),
    sa.Column("decided_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.UniqueConstraint("tenant", "kind", "reference"),
    sa.CheckConstraint("amount_minor > 0", name="above_nothing"),
    sa.Index(None, "tenant", "customer_id"),
)
