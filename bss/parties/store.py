"""The tables of parties. A consent is a fact: the last one of a purpose counts."""

import sqlalchemy as sa

from station.state import metadata

party_consent = sa.Table(
    "party_consent",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("purpose", sa.String(64), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("given", sa.Boolean, nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("words", sa.String(255), nullable=False),  # the version of the text that was agreed to
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("recorded_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id", "purpose", "seq"),
)

erased_customer = sa.Table(
    "erased_customer",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),  # erased | pseudonymised
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("erased_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id"),
)
