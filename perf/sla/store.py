"""The table of what people agreed to exclude. Rows are decided, never removed: a month was judged with them."""

import sqlalchemy as sa

from station.state import metadata

sla_exclusion = sa.Table(
    "sla_exclusion",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("cause", sa.String(32), nullable=False),  # force_majeure | customer | third_party
    sa.Column("reason", sa.String(1024), nullable=False),
    sa.Column("target_kind", sa.String(16), nullable=False),  # service | customer | site
    sa.Column("target_id", sa.String(36), nullable=False),
    sa.Column("begins_ns", sa.BigInteger, nullable=False),
    sa.Column("ends_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # open | approved | refused
    sa.Column("proposed_by", sa.String(255), nullable=False),
    sa.Column("proposed_ns", sa.BigInteger, nullable=False),
    sa.Column("decided_by", sa.String(255), nullable=False),
    sa.Column("decided_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "begins_ns"),
)
