"""Wider in every direction: collectors, correlation, service levels and money."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "measurement_file",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("begins_ns", sa.BigInteger(), nullable=False),
        sa.Column("ends_ns", sa.BigInteger(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_measurement_file")),
    )
    op.create_index(op.f("ix_measurement_file_tenant_job_id_ends_ns"), "measurement_file", ["tenant", "job_id", "ends_ns"], unique=False)
    op.create_table(
        "notify_escalation",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("opened_revision", sa.Integer(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("begun_ns", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("due_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("about", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "object_id", "opened_revision", name=op.f("pk_notify_escalation")),
    )
    op.create_index("ix_notify_escalation_due", "notify_escalation", ["tenant", "state", "due_ns"], unique=False)
    op.create_table(
        "notify_plan",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "revision", name=op.f("pk_notify_plan")),
    )
    op.create_table(
        "notify_ticket",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("webhook_id", sa.String(length=36), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("ticket", sa.String(length=128), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "webhook_id", "object_id", name=op.f("pk_notify_ticket")),
    )
    op.create_index("ix_notify_ticket_object", "notify_ticket", ["tenant", "object_id"], unique=False)
    op.create_table(
        "notify_used_link",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "link", name=op.f("pk_notify_used_link")),
    )
    op.create_table(
        "sla_exclusion",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=1024), nullable=False),
        sa.Column("target_kind", sa.String(length=16), nullable=False),
        sa.Column("target_id", sa.String(length=36), nullable=False),
        sa.Column("begins_ns", sa.BigInteger(), nullable=False),
        sa.Column("ends_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("proposed_by", sa.String(length=255), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_sla_exclusion")),
    )
    op.create_index(op.f("ix_sla_exclusion_tenant_begins_ns"), "sla_exclusion", ["tenant", "begins_ns"], unique=False)
    op.create_table(
        "tmf_document",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("api", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "api", "kind", "id", name=op.f("pk_tmf_document")),
    )
    op.add_column("outbox", sa.Column("grouped", sa.String(length=64), server_default="", nullable=False))
    op.add_column("outbox", sa.Column("repeat_s", sa.Integer(), server_default="0", nullable=False))
    op.add_column("webhook", sa.Column("options", sa.Text(), server_default="{}", nullable=False))
