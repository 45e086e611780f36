"""The tables of dunning: where a case stands, the facts of how it came there, holds, and the outbox to the network."""

import sqlalchemy as sa

from station.state import metadata


def _tenant() -> "sa.Column[int]":
    return sa.Column("tenant", sa.Integer, nullable=False)


dunning_case = sa.Table(
    "dunning_case",  # what the steps of a customer come to, so that nobody adds them up on every look
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("policy", sa.String(64), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("standing", sa.String(16), nullable=False),  # "" | throttle | walled_garden | suspend
    sa.Column("paused", sa.String(16), nullable=False),  # "" | dispute | protection | outage
    sa.Column("paused_on", sa.String(10), nullable=False),
    sa.Column("paused_days", sa.Integer, nullable=False),
    sa.Column("entered_on", sa.String(10), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),  # of the last step
    sa.Column("looked_on", sa.String(10), nullable=False),
    sa.Column("looked_ns", sa.BigInteger, nullable=False),
    sa.Column("looked_seq", sa.BigInteger, nullable=False),  # the account's last allocation when it was looked at
    sa.PrimaryKeyConstraint("tenant", "customer_id"),
)

dunning_step = sa.Table(
    "dunning_step",
    metadata,
    _tenant(),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # enter | pause | resume | restore | close | reverse
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("standing", sa.String(16), nullable=False),
    sa.Column("cause", sa.String(255), nullable=False),
    sa.Column("overdue", sa.Text, nullable=False),  # JSON: minor units by currency, and the documents
    sa.Column("at_ns", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.String(64), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "customer_id", "seq"),
)

dunning_hold = sa.Table(
    "dunning_hold",
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),  # dispute | protection
    sa.Column("document_id", sa.String(36), nullable=False, default=""),  # what is disputed; "" for the whole account
    sa.Column("reason", sa.String(255), nullable=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("to_ns", sa.BigInteger, nullable=False, default=0),  # 0: until it is ended
    sa.Column("placed_by", sa.String(64), nullable=False),
    sa.Column("ended_by", sa.String(64), nullable=False, default=""),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "customer_id"),
)

dunning_request = sa.Table(
    "dunning_request",  # the outbox: written with the step that asks for it, sent until it is answered
    metadata,
    _tenant(),
    sa.Column("id", sa.String(36), nullable=False),  # derived from the step and the service: sent twice it is one request
    sa.Column("customer_id", sa.String(36), nullable=False),
    sa.Column("service_id", sa.String(36), nullable=False),  # "" for what is about no service
    sa.Column("seq", sa.Integer, nullable=False),  # of the step
    sa.Column("act", sa.String(16), nullable=False),  # notice | write_off | throttle | walled_garden | suspend | restore
    sa.Column("body", sa.Text, nullable=False),  # JSON
    sa.Column("state", sa.String(12), nullable=False),  # waiting | done | failed | superseded
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_ns", sa.BigInteger, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("done_ns", sa.BigInteger, nullable=False, default=0),
    sa.Column("answer", sa.String(255), nullable=False, default=""),
    sa.PrimaryKeyConstraint("tenant", "id"),
    sa.Index(None, "tenant", "state", "next_ns"),
    sa.Index(None, "tenant", "customer_id"),
)

service_restriction = sa.Table(
    "service_restriction",  # what the network confirmed
    metadata,
    _tenant(),
    sa.Column("service_id", sa.String(36), nullable=False),
    sa.Column("act", sa.String(16), nullable=False),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("request_id", sa.String(36), nullable=False),
    sa.PrimaryKeyConstraint("tenant", "service_id"),
)
