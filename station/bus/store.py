"""Collectors that run apart, and how far what they sent is durable here."""

import sqlalchemy as sa

from station.state import metadata

collector = sa.Table(
    "collector",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("vrf", sa.String(64), nullable=False, default=""),  # the address space it is in; "" is the station's own
    sa.Column("sites", sa.Text, nullable=False, default="[]"),  # JSON: names of the sites it polls; none: all of its space
    sa.Column("ranges", sa.Text, nullable=False, default="[]"),  # JSON: where it discovers devices
    sa.Column("credentials", sa.Text, nullable=False, default="[]"),  # JSON: names in the vault that discovery there tries
    sa.Column("site", sa.String(255), nullable=False, default=""),  # where devices stand that it finds and no rule places
    sa.Column("token_hash", sa.String(64), nullable=False, default=""),  # of the one-time token, "" once it was used
    sa.Column("token_expires_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("user_key", sa.String(64), nullable=False, default=""),  # its public nkey, "" until it has enrolled
    sa.Column("box_key", sa.String(64), nullable=False, default=""),  # the public key secrets are sealed for, hex
    sa.Column("created_ns", sa.BigInteger, nullable=False),
    sa.Column("enrolled_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("revoked_ns", sa.BigInteger, nullable=False, default=0),
    sa.UniqueConstraint("tenant", "name"),
)

bus_place = sa.Table(
    "bus_place",  # the highest block of each spool that is durable at the station
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("collector", sa.String(36), nullable=False),
    sa.Column("epoch", sa.String(32), nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "kind", "collector", "epoch"),
)
