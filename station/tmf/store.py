"""The hub's tables: who wants to hear of what, and what there is to say, written with the change it tells of."""

import sqlalchemy as sa

from station.state import metadata

tmf_hub = sa.Table(
    "tmf_hub",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("api", sa.String(64), nullable=False),
    sa.Column("callback", sa.String(2048), nullable=False),
    sa.Column("query", sa.String(2048), nullable=False, default=""),
    sa.Column("customers", sa.Text, nullable=False, default="[]"),  # JSON: what the subscriber may see, [] for all
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("created_by", sa.String(64), nullable=False),
    sa.Column("sent_seq", sa.BigInteger, nullable=False),  # every event up to here is delivered or did not match
    sa.Column("failures", sa.Integer, nullable=False, default=0),  # since the last success
    sa.Column("next_ns", sa.BigInteger, nullable=False, default=0),
    sa.PrimaryKeyConstraint("tenant", "id"),
)

tmf_event = sa.Table(
    "tmf_event",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("api", sa.String(64), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False, default=""),
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # the event as it is sent
    sa.PrimaryKeyConstraint("tenant", "seq"),
)

tmf_head = sa.Table(
    "tmf_head",
    metadata,
    sa.Column("tenant", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
)

tmf_document = sa.Table(
    "tmf_document",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("api", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False, default=""),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # the resource without id, href and @type
    sa.PrimaryKeyConstraint("tenant", "api", "kind", "id"),
)
