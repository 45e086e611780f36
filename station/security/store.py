"""The tables of security. Secrets stand here only as hashes (what people hold) or ciphertext (what the station must send on)."""

import sqlalchemy as sa

from station.state import metadata

account = sa.Table(
    "account",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),  # NFKC, case folded: one spelling, one account
    sa.Column("password_hash", sa.String(255), nullable=False),  # argon2id, PHC string format
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("regions", sa.Text, nullable=False, default="[]"),  # JSON arrays; empty: all
    sa.Column("customers", sa.Text, nullable=False, default="[]"),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("tenant", "name"),
)

login_session = sa.Table(
    "login_session",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id_hash", sa.String(64), primary_key=True),
    sa.Column("account_id", sa.String(36), sa.ForeignKey("account.id"), nullable=False, index=True),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("seen_ns", sa.BigInteger, nullable=False),
)

one_time_link = sa.Table(
    "one_time_link",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(16), nullable=False),  # first | login
    sa.Column("account_id", sa.String(36), nullable=False, default=""),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
)

api_token = sa.Table(
    "api_token",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("regions", sa.Text, nullable=False, default="[]"),
    sa.Column("customers", sa.Text, nullable=False, default="[]"),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("revoked_ns", sa.BigInteger, nullable=False, default=0),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),  # 1, 2, 3, ... per tenant, without a hole
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("actor", sa.String(64), nullable=False),
    sa.Column("act", sa.String(64), nullable=False),
    sa.Column("object", sa.String(255), nullable=False),
    sa.Column("before", sa.Text, nullable=False),  # canonical JSON
    sa.Column("after", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),  # over all of the above and the hash of the row before
    sa.PrimaryKeyConstraint("tenant", "seq"),
)

audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("tenant", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

vault_key = sa.Table(
    "vault_key",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("no", sa.Integer, nullable=False),  # the highest encrypts; older ones only until rotation ends
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "no"),
)

vault_secret = sa.Table(
    "vault_secret",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "name"),
)
