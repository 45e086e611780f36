"""The books of mediation. Every row is a fact that is never changed; a correction is another row that names the first.

Each book is hash-chained per source: `chain` is the hash of the row before and of this row's own facts, `seq` counts
without gaps, and `usage_head` knows the last, so that a changed, removed or missing row is found.
"""

import sqlalchemy as sa

from station.state import metadata


def _book(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    """A chained, append-only table."""
    return sa.Table(
        name,
        metadata,
        sa.Column("tenant", sa.Integer, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.Column("known_ns", sa.BigInteger, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("tenant", "source", "seq"),
    )


def _id(name: str, length: int = 64) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=False, default="")


def _number(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger, nullable=False, default=0)


usage_evidence = sa.Table(
    "usage_evidence",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("blob", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "sha256"),
)

usage_record = _book(
    "usage_record",
    _number("start_ns"),
    _number("end_ns"),
    _id("id"),
    _id("metering_point"),
    _id("meter", 32),
    _number("revision"),
    _id("replaces"),
    _number("in_octets"),
    _number("out_octets"),
    _id("evidence"),
    _id("content"),
    # the interval leads: new rows land at the end of the index, whatever their hash
    sa.UniqueConstraint("tenant", "start_ns", "id"),
    sa.Index(None, "tenant", "metering_point", "meter", "start_ns"),
)

usage_rejected = _book(
    "usage_rejected", _id("record_id"), _id("kind", 32), _id("reason", 64), sa.Column("content", sa.LargeBinary, nullable=False)
)

usage_guiding = _book(
    "usage_guiding",
    _number("start_ns"),
    _id("record_id"),
    _number("guide_rev"),
    _number("portion"),
    _number("from_ns"),
    _number("to_ns"),
    _id("state", 16),  # guided | recycled
    _id("reason", 64),
    _id("service_id", 36),
    _id("customer_id", 36),
    _number("in_octets"),
    _number("out_octets"),
    _number("since_ns"),  # since when this portion is in its state
    sa.UniqueConstraint("tenant", "start_ns", "record_id", "guide_rev", "portion"),
    sa.Index(None, "tenant", "service_id", "start_ns"),
)

usage_rated = _book(
    "usage_rated",
    _number("start_ns"),
    _id("record_id"),
    _number("guide_rev"),
    _number("portion"),
    _id("rated_id"),  # "" when no charge of the tariff uses this meter: zero-rated
    _id("state", 16),  # rated | rerated | zero_rated
    sa.UniqueConstraint("tenant", "start_ns", "record_id", "guide_rev", "portion", "rated_id"),
)

usage_billed = _book(
    "usage_billed",
    _number("start_ns"),
    _id("record_id"),
    _number("portion"),
    _id("invoice_id", 36),
    _number("line_no"),
    sa.UniqueConstraint("tenant", "start_ns", "record_id", "portion", "invoice_id", "line_no"),
)

# What other systems measured: one row an event, or a total of theirs, in whole base units of its meter, as it was guided
# when it came. Events are many, so that a chain link stands for a batch of one source: `sha256` is over its events' facts.
usage_event_batch = _book("usage_event_batch", _number("n"), _id("sha256"))

usage_event = sa.Table(
    "usage_event",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    _number("batch"),  # `seq` of its batch
    _number("known_ns"),
    _id("id"),
    _id("external_id", 255),
    _id("meter", 32),
    _id("service"),  # as the other system names it: an id or a number
    _number("start_ns"),
    _number("quantity"),
    _id("key"),  # where it went: digits, "" for nowhere
    _id("state", 16),  # guided | recycled, as are the four below: its first guiding
    _id("reason", 64),
    _id("service_id", 36),
    _id("customer_id", 36),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "start_ns", "id"),
    sa.Index(None, "tenant", "source", "batch"),
)

# Later guidings of events, when their service or its customer became another.
usage_event_guiding = _book(
    "usage_event_guiding",
    _number("start_ns"),
    _id("record_id"),
    _number("guide_rev"),
    _id("state", 16),  # guided | recycled
    _id("reason", 64),
    _id("service_id", 36),
    _id("customer_id", 36),
    _number("since_ns"),
    sa.UniqueConstraint("tenant", "start_ns", "record_id", "guide_rev"),
)

# The sessions that NASes account for, each with the counters of its latest report: what is more later is new usage.
usage_session = sa.Table(
    "usage_session",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    _id("nas", 255),
    _id("session", 255),
    _number("instance"),  # grows when a NAS gives an id again
    sa.Column("service", sa.String(64), nullable=False),
    _id("state", 16),  # open | stopped | lost (its NAS restarted)
    _number("start_ns"),
    _number("last_ns"),
    _number("in_octets"),
    _number("out_octets"),
    _number("seconds"),
    sa.PrimaryKeyConstraint("tenant", "nas", "session", "instance"),
    sa.Index(None, "tenant", "last_ns"),
)

usage_head = sa.Table(
    "usage_head",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("book", sa.String(32), nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("chain", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "book", "source"),
)

usage_tally = sa.Table(
    "usage_tally",
    metadata,
    sa.Column("tenant", sa.Integer, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(32), nullable=False),  # received, or a VerdictKind
    sa.Column("reason", sa.String(64), nullable=False, default=""),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("tenant", "source", "verdict", "reason"),
)

usage_fence = sa.Table(
    "usage_fence",
    metadata,
    sa.Column("tenant", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("cutoff_ns", sa.BigInteger, nullable=False),
)

BOOKS = (usage_record, usage_rejected, usage_guiding, usage_rated, usage_billed, usage_event_batch, usage_event_guiding)
