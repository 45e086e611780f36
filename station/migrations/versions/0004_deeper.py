"""Deeper: what money, faults and collectors learnt to keep."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def widen(table: str, column: str, old: int, new: int) -> None:
    """VARCHAR(old) becomes VARCHAR(new). SQLite keeps text of any length: only its own record of the table changes."""
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.alter_column(table, column, type_=sa.String(new))
        return
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    change = sa.text("UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = :name")
    bind.execute(change, {"old": f"{column} VARCHAR({old})", "new": f"{column} VARCHAR({new})", "name": table})
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")


def upgrade() -> None:
    op.create_table(
        "bank_entry",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("no", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("end_to_end_id", sa.String(length=35), nullable=False),
        sa.Column("part_id", sa.String(length=35), nullable=False),
        sa.Column("mandate_id", sa.String(length=35), nullable=False),
        sa.Column("words", sa.String(length=1024), nullable=False),
        sa.Column("name", sa.String(length=140), nullable=False),
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("return_code", sa.String(length=35), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_bank_entry")),
    )
    op.create_index(op.f("ix_bank_entry_tenant_state"), "bank_entry", ["tenant", "state"], unique=False)
    op.create_table(
        "bank_statement",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=34), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("opening_minor", sa.BigInteger(), nullable=False),
        sa.Column("closing_minor", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("imported_ns", sa.BigInteger(), nullable=False),
        sa.Column("imported_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_bank_statement")),
    )
    op.create_table(
        "bill_run_hold",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("sums", sa.Text(), nullable=False),
        sa.Column("held_by", sa.String(length=64), nullable=False),
        sa.Column("held_ns", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("approved_ns", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "period", name=op.f("pk_bill_run_hold")),
    )
    op.create_table(
        "bill_split",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("payer_id", sa.String(length=36), nullable=False),
        sa.Column("charges", sa.String(length=255), server_default="", nullable=False),
        sa.Column("share_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "service_id", "payer_id", name=op.f("pk_bill_split")),
    )
    op.create_table(
        "billed_period",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", "start_ns", name=op.f("pk_billed_period")),
    )
    op.create_index(op.f("ix_billed_period_tenant_period"), "billed_period", ["tenant", "period"], unique=False)
    op.create_table(
        "bus_place",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("collector", sa.String(length=36), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "kind", "collector", "epoch", name=op.f("pk_bus_place")),
    )
    op.create_table(
        "collector",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("vrf", sa.String(length=64), nullable=False),
        sa.Column("sites", sa.Text(), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False),
        sa.Column("credentials", sa.Text(), nullable=False),
        sa.Column("site", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("token_expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("user_key", sa.String(length=64), nullable=False),
        sa.Column("box_key", sa.String(length=64), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("enrolled_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collector")),
        sa.UniqueConstraint("tenant", "name", name=op.f("uq_collector_tenant_name")),
    )
    op.create_table(
        "customer_notice",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("customer", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("recipient", sa.String(length=1024), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("done_ns", sa.BigInteger(), nullable=False),
        sa.Column("done_by", sa.String(length=255), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_customer_notice")),
    )
    op.create_index("ix_customer_notice_incident", "customer_notice", ["tenant", "incident_id"], unique=False)
    op.create_table(
        "debit_batch",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=35), nullable=False),
        sa.Column("collect_on", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("sum_minor", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_debit_batch")),
    )
    op.create_table(
        "debit_item",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=35), nullable=False),
        sa.Column("batch_id", sa.String(length=35), nullable=False),
        sa.Column("part_id", sa.String(length=35), nullable=False),
        sa.Column("mandate_id", sa.String(length=35), nullable=False),
        sa.Column("sequence", sa.String(length=4), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=48), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("payment_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_debit_item")),
    )
    op.create_index(op.f("ix_debit_item_tenant_document_id"), "debit_item", ["tenant", "document_id"], unique=False)
    op.create_index(op.f("ix_debit_item_tenant_mandate_id"), "debit_item", ["tenant", "mandate_id"], unique=False)
    op.create_index(op.f("ix_debit_item_tenant_part_id"), "debit_item", ["tenant", "part_id"], unique=False)
    op.create_table(
        "discovery_run",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("ranges", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("new_devices", sa.Integer(), nullable=False),
        sa.Column("nobody", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_discovery_run")),
    )
    op.create_table(
        "dispute",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("invoice_id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("lines", sa.Text(), nullable=False),
        sa.Column("held_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("opened_by", sa.String(length=64), nullable=False),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("proposal_id", sa.String(length=36), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_dispute")),
    )
    op.create_index(op.f("ix_dispute_tenant_customer_id_state"), "dispute", ["tenant", "customer_id", "state"], unique=False)
    op.create_index(op.f("ix_dispute_tenant_invoice_id"), "dispute", ["tenant", "invoice_id"], unique=False)
    op.create_table(
        "dunning_case",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("policy", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("paused", sa.String(length=16), nullable=False),
        sa.Column("paused_on", sa.String(length=10), nullable=False),
        sa.Column("paused_days", sa.Integer(), nullable=False),
        sa.Column("entered_on", sa.String(length=10), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("looked_on", sa.String(length=10), nullable=False),
        sa.Column("looked_ns", sa.BigInteger(), nullable=False),
        sa.Column("looked_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", name=op.f("pk_dunning_case")),
    )
    op.create_table(
        "dunning_hold",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("document_id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_ns", sa.BigInteger(), nullable=False),
        sa.Column("placed_by", sa.String(length=64), nullable=False),
        sa.Column("ended_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_dunning_hold")),
    )
    op.create_index(op.f("ix_dunning_hold_tenant_customer_id"), "dunning_hold", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "dunning_request",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("done_ns", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_dunning_request")),
    )
    op.create_index(op.f("ix_dunning_request_tenant_customer_id"), "dunning_request", ["tenant", "customer_id"], unique=False)
    op.create_index(op.f("ix_dunning_request_tenant_state_next_ns"), "dunning_request", ["tenant", "state", "next_ns"], unique=False)
    op.create_table(
        "dunning_step",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("standing", sa.String(length=16), nullable=False),
        sa.Column("cause", sa.String(length=255), nullable=False),
        sa.Column("overdue", sa.Text(), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", "seq", name=op.f("pk_dunning_step")),
    )
    op.create_table(
        "erased_customer",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("erased_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", name=op.f("pk_erased_customer")),
    )
    op.create_table(
        "exchange_rate",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("base", sa.String(length=3), nullable=False),
        sa.Column("quote", sa.String(length=3), nullable=False),
        sa.Column("rate", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", "base", "quote", name=op.f("pk_exchange_rate")),
    )
    op.create_table(
        "fault_cause_edge",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=128), nullable=False),
        sa.Column("effect", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(length=255), nullable=False),
        sa.Column("decided_ns", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "cause", "effect", name=op.f("pk_fault_cause_edge")),
    )
    op.create_table(
        "incident_check",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("incident_id", sa.String(length=36), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("root_id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("says", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "incident_id", "at_ns", "n", name=op.f("pk_incident_check")),
    )
    op.create_table(
        "leakage",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("period", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("charge", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("run_period", sa.String(length=64), nullable=False),
        sa.Column("noted_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_leakage")),
    )
    op.create_table(
        "ledger_head",
        sa.Column("tenant", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_open", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_ledger_head")),
    )
    op.create_table(
        "ledger_period",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.String(length=64), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("balances", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "month", name=op.f("pk_ledger_period")),
    )
    op.create_table(
        "one_off",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("service_id", sa.String(length=36), server_default="", nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("description", sa.String(length=200), nullable=False),
        sa.Column("quantity", sa.String(length=40), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("unit_price", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("tax_class", sa.String(length=32), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_one_off")),
    )
    op.create_index(op.f("ix_one_off_tenant_customer_id"), "one_off", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "party_consent",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("purpose", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("words", sa.String(length=255), nullable=False),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "customer_id", "purpose", "seq", name=op.f("pk_party_consent")),
    )
    op.create_table(
        "provider_event",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=32), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("answer", sa.String(length=255), nullable=False),
        sa.Column("heard_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "provider", "id", name=op.f("pk_provider_event")),
    )
    op.create_table(
        "revenue_schedule",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "entry_id", "month", "account", name=op.f("pk_revenue_schedule")),
    )
    op.create_index(op.f("ix_revenue_schedule_tenant_month"), "revenue_schedule", ["tenant", "month"], unique=False)
    op.create_table(
        "sepa_mandate",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=35), nullable=False),
        sa.Column("customer_id", sa.String(length=36), nullable=False),
        sa.Column("scheme", sa.String(length=4), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("holder", sa.String(length=70), nullable=False),
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("bic", sa.String(length=11), nullable=False),
        sa.Column("signed_on", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_sepa_mandate")),
    )
    op.create_index(op.f("ix_sepa_mandate_tenant_customer_id"), "sepa_mandate", ["tenant", "customer_id"], unique=False)
    op.create_table(
        "service_plan",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("tariff", sa.String(length=64), nullable=False),
        sa.Column("was", sa.String(length=64), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "service_id", "day", "made_ns", name=op.f("pk_service_plan")),
    )
    op.create_table(
        "service_restriction",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.String(length=36), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "service_id", name=op.f("pk_service_restriction")),
    )
    op.create_table(
        "tariff_published",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("effective", sa.String(length=10), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("proposed_by", sa.String(length=64), nullable=False),
        sa.Column("proposed_ns", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("approved_ns", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", "effective", "sha256", name=op.f("pk_tariff_published")),
    )
    op.create_table(
        "voucher",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("used_by", sa.String(length=36), nullable=False),
        sa.Column("used_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_voucher")),
    )
    op.create_index(op.f("ix_voucher_tenant_series"), "voucher", ["tenant", "series"], unique=False)
    op.create_table(
        "vrf_address",
        sa.Column("tenant", sa.Integer(), nullable=False),
        sa.Column("vrf", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("device_no", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["device_no"], ["device.no"], name=op.f("fk_vrf_address_device_no_device")),
        sa.PrimaryKeyConstraint("tenant", "vrf", "address", name=op.f("pk_vrf_address")),
    )
    op.create_index(op.f("ix_vrf_address_tenant_device_no"), "vrf_address", ["tenant", "device_no"], unique=False)
    widen("bill_run", "period", 7, 64)
    widen("bill_run_closed", "period", 7, 64)
    op.add_column("billing_profile", sa.Column("payer_id", sa.String(length=36), server_default="", nullable=False))
    op.add_column("billing_profile", sa.Column("cycle", sa.String(length=32), server_default="", nullable=False))
    op.add_column("billing_profile", sa.Column("time_zone", sa.String(length=64), server_default="", nullable=False))
    op.add_column("billing_profile", sa.Column("legal_entity", sa.String(length=32), server_default="", nullable=False))
    op.add_column("billing_profile", sa.Column("tax_jurisdiction", sa.String(length=16), server_default="", nullable=False))
    op.add_column("device", sa.Column("vrf", sa.String(length=64), server_default="", nullable=False))
    widen("invoice", "period", 7, 64)
    op.add_column("ledger_entry", sa.Column("meant", sa.String(length=10), server_default="", nullable=False))
    op.add_column("rated_usage", sa.Column("tax_category", sa.String(length=2), server_default="", nullable=False))
    op.add_column("rated_usage", sa.Column("tax_minor", sa.BigInteger(), nullable=True))
    widen("rated_usage", "period", 7, 64)
    widen("rated_usage", "booked_in", 7, 64)
