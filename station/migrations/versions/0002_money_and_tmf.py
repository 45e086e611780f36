"""Money, TM Forum hub and what came with them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_lock",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", name=op.f("pk_account_lock")),
    )
    op.create_table(
        "allocation",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("source_kind", sa.String(length=10), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("use_kind", sa.String(length=10), nullable=False),
        sa.Column("use_id", sa.String(length=36), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=32), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("allocated_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_allocation_not_nothing")),
        sa.PrimaryKeyConstraint("tenant", "customer_id", "seq", name=op.f("pk_allocation")),
    )
    op.create_index(op.f("ix_allocation_tenant_use_id"), "allocation", ["tenant", "use_id"], unique=False)
    op.create_table(
        "balance_bucket",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=36), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held >= 0 AND amount >= held", name=op.f("ck_balance_bucket_never_below_nothing")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_balance_bucket")),
    )
    op.create_index(op.f("ix_balance_bucket_tenant_owner_unit"), "balance_bucket", ["tenant", "owner", "unit"], unique=False)
    op.create_table(
        "balance_hold",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("bucket_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(length=36), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hold_id", "bucket_id", name=op.f("pk_balance_hold")),
    )
    op.create_index(op.f("ix_balance_hold_tenant_owner_state"), "balance_hold", ["tenant", "owner", "state"], unique=False)
    op.create_table(
        "balance_step",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("hold_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_balance_step")),
    )
    op.create_table(
        "billing_profile",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("tax_category", sa.String(length=2), nullable=False),
        sa.Column("buyer_reference", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", name=op.f("pk_billing_profile")),
    )
    op.create_table(
        "credit_note",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("series", sa.String(length=32), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.String(length=48), nullable=False),
        sa.Column("invoice_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_ns", sa.BigInteger(), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("approved_by", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_credit_note")),
        sa.UniqueConstraint("tenant", "series", "seq", name=op.f("uq_credit_note_tenant_series_seq")),
    )
    op.create_index(op.f("ix_credit_note_tenant_invoice_id"), "credit_note", ["tenant", "invoice_id"], unique=False)
    op.create_table(
        "credit_proposal",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("invoice_id", sa.String(length=36), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_credit_proposal")),
    )
    op.create_table(
        "ledger_entry",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("words", sa.String(length=255), nullable=False),
        sa.Column("party", sa.String(length=36), nullable=False),
        sa.Column("booked_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_ledger_entry")),
    )
    op.create_index(op.f("ix_ledger_entry_tenant_day"), "ledger_entry", ["tenant", "day"], unique=False)
    op.create_index(op.f("ix_ledger_entry_tenant_party"), "ledger_entry", ["tenant", "party"], unique=False)
    op.create_table(
        "ledger_transfer",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("debit", sa.String(length=64), nullable=False),
        sa.Column("credit", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfer_above_nothing")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.PrimaryKeyConstraint("tenant", "entry_id", "no", name=op.f("pk_ledger_transfer")),
    )
    op.create_table(
        "maintenance_window",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=1024), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=False),
        sa.Column("targets", sa.Text(), nullable=False),
        sa.Column("starts", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("duration_s", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(length=512), nullable=False),
        sa.Column("counts_for_sla", sa.SmallInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_maintenance_window")),
    )
    op.create_table(
        "money_proposal",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("subject_kind", sa.String(length=10), nullable=False),
        sa.Column("subject_id", sa.String(length=36), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_money_proposal_above_nothing")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_money_proposal")),
        sa.UniqueConstraint("tenant", "kind", "reference", name=op.f("uq_money_proposal_tenant_kind_reference")),
    )
    op.create_index(op.f("ix_money_proposal_tenant_customer_id"), "money_proposal", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("words", sa.String(length=255), nullable=False),
        sa.Column("recorded_ns", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_above_nothing")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_payment")),
        sa.UniqueConstraint("tenant", "reference", name=op.f("uq_payment_tenant_reference")),
    )
    op.create_index(op.f("ix_payment_tenant_customer_id"), "payment", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "payment_reversal",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("payment_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("reversed_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "payment_id", name=op.f("pk_payment_reversal")),
    )
    op.create_table(
        "receivable",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("number", sa.String(length=48), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_on", sa.String(length=10), nullable=False),
        sa.Column("due_on", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_receivable")),
    )
    op.create_index(op.f("ix_receivable_tenant_customer_id"), "receivable", ["tenant", "customer_id"], unique=False)
    op.create_index(op.f("ix_receivable_tenant_due_on"), "receivable", ["tenant", "due_on"], unique=False)
    op.create_table(
        "tmf_event",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("api", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "seq", name=op.f("pk_tmf_event")),
    )
    op.create_table(
        "tmf_head",
        sa.Column("tenant", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_tmf_head")),
    )
    op.create_table(
        "tmf_hub",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("api", sa.String(length=64), nullable=False),
        sa.Column("callback", sa.String(length=2048), nullable=False),
        sa.Column("query", sa.String(length=2048), nullable=False),
        sa.Column("customers", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("sent_seq", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_tmf_hub")),
    )
    op.create_table(
        "usage_event",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=255), nullable=False),
        sa.Column("meter", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_usage_event")),
    )
    op.create_index(op.f("ix_usage_event_tenant_source_batch"), "usage_event", ["tenant", "source", "batch"], unique=False)
    op.create_index(op.f("ix_usage_event_tenant_start_ns_id"), "usage_event", ["tenant", "start_ns", "id"], unique=False)
    op.create_table(
        "usage_event_batch",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "seq", name=op.f("pk_usage_event_batch")),
    )
    op.create_table(
        "usage_event_guiding",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("known_ns", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("record_id", sa.String(length=64), nullable=False),
        sa.Column("guide_rev", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "seq", name=op.f("pk_usage_event_guiding")),
        sa.UniqueConstraint(
            "tenant", "start_ns", "record_id", "guide_rev", name=op.f("uq_usage_event_guiding_tenant_start_ns_record_id_guide_rev")
        ),
    )
    op.create_table(
        "usage_session",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("nas", sa.String(length=255), nullable=False),
        sa.Column("session", sa.String(length=255), nullable=False),
        sa.Column("instance", sa.BigInteger(), nullable=False),
        sa.Column("service", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("last_ns", sa.BigInteger(), nullable=False),
        sa.Column("in_octets", sa.BigInteger(), nullable=False),
        sa.Column("out_octets", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "nas", "session", "instance", name=op.f("pk_usage_session")),
    )
    op.create_index(op.f("ix_usage_session_tenant_last_ns"), "usage_session", ["tenant", "last_ns"], unique=False)
    op.create_table(
        "interface_address",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("device_no", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("if_index", sa.Integer(), nullable=False),
        sa.Column("prefix_length", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["device_no"], ["device.no"], name=op.f("fk_interface_address_device_no_device")),
        sa.PrimaryKeyConstraint("tenant", "device_no", "address", name=op.f("pk_interface_address")),
    )
    op.add_column("alarm", sa.Column("maintenance", sa.String(length=36), server_default="", nullable=False))
    op.create_index(op.f("ix_device_tenant_chassis_id"), "device", ["tenant", "chassis_id"], unique=False)
    op.create_index(op.f("ix_device_tenant_engine_id"), "device", ["tenant", "engine_id"], unique=False)
    op.create_index(op.f("ix_device_tenant_management_address"), "device", ["tenant", "management_address"], unique=False)
    op.create_index(op.f("ix_device_tenant_serial"), "device", ["tenant", "serial"], unique=False)
    op.create_index(op.f("ix_device_address_tenant_device_no"), "device_address", ["tenant", "device_no"], unique=False)
    op.add_column("incident", sa.Column("maintenance", sa.String(length=36), server_default="", nullable=False))
