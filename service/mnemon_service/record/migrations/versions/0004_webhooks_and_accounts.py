"""Webhooks and their deliveries, usage, the request log, and entities by count.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, STRING, server_default="", nullable=False)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, STRING, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def upgrade() -> None:
    """Make the tables."""
    _make_webhooks()
    _make_accounts()
    op.create_index(
        "ix_scope_entities_count", "scope_entities", ["project_id", "kind", "memories", "value"], unique=False
    )


def _make_webhooks() -> None:
    op.create_table(
        "webhooks",
        _key("project_id"),
        _key("id"),
        _string("display_name"),
        _string("url"),
        sa.Column("events", JSON, nullable=False),
        *(_string(field) for field in ("user_id", "agent_id", "app_id", "run_id")),
        sa.Column("without_content", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        _string("state"),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        _number("read_sequence"),
        _number("version"),
        _time("create_time"),
        _string("lease_token"),
        _number("lease_expire_time"),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_webhooks")),
    )
    op.create_index("ix_webhooks_created", "webhooks", ["project_id", "create_time", "id"], unique=False)
    op.create_table(
        "webhook_deliveries",
        _key("project_id"),
        _key("webhook_id"),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        *(_string(name) for name in ("id", "memory_id", "state")),
        _number("attempts"),
        _number("response_code"),
        _string("error"),
        _time("create_time", nullable=True),
        _time("update_time"),
        _time("retry_time", nullable=True),
        sa.PrimaryKeyConstraint("project_id", "webhook_id", "sequence", name=op.f("pk_webhook_deliveries")),
    )
    for name, columns in (
        ("state", ["project_id", "webhook_id", "state", "sequence"]),
        ("memory", ["project_id", "webhook_id", "state", "memory_id", "sequence"]),
        ("due", ["state", "retry_time"]),
        ("ended", ["state", "update_time"]),
    ):
        op.create_index(f"ix_webhook_deliveries_{name}", "webhook_deliveries", columns, unique=False)


def _make_accounts() -> None:
    op.create_table(
        "usage_days",
        *(_key(name) for name in ("project_id", "day", "owner", "model")),
        *(
            _number(name)
            for name in (
                "calls",
                "failed_calls",
                "input_tokens",
                "output_tokens",
                "memories_added",
                "searches",
            )
        ),
        sa.PrimaryKeyConstraint("project_id", "day", "owner", "model", name=op.f("pk_usage_days")),
    )
    op.create_index("ix_usage_days_owner", "usage_days", ["project_id", "owner"], unique=False)
    op.create_table(
        "request_log",
        _key("project_id"),
        _key("id"),
        *(_string(name) for name in ("request_id", "method", "code", "reason", "key_id")),
        sa.Column("milliseconds", sa.Double(), nullable=False),
        _time("start_time"),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_request_log")),
    )
    op.create_index(
        "ix_request_log_start_time", "request_log", ["project_id", "start_time", "id"], unique=False
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_scope_entities_count", "scope_entities")
    for table in ("request_log", "usage_days", "webhook_deliveries", "webhooks"):
        op.drop_table(table)
