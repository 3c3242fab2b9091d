"""Keys, settings, quotas and the audit log.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def _string(name: str) -> sa.Column[str]:
    return sa.Column(name, STRING, server_default="", nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    """Make the tables, and the rows that are locked."""
    op.create_table(
        "api_keys",
        sa.Column("id", STRING, nullable=False),
        _string("project_id"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        _string("display_name"),
        _number("role"),
        *(_string(field) for field in ("user_id", "agent_id", "app_id", "run_id")),
        sa.Column("limits", JSON, nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("revoke_time", sa.BigInteger(), nullable=True),
        sa.Column("last_use_time", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index("ix_api_keys_project", "api_keys", ["project_id", "create_time", "id"], unique=False)
    op.create_table(
        "project_settings",
        sa.Column("project_id", STRING, nullable=False),
        _number("version"),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_settings")),
    )
    _make_audit_tables()
    revisions = op.create_table(
        "revisions",
        sa.Column("name", STRING, nullable=False),
        _number("value"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )
    op.bulk_insert(revisions, [{"name": "administration", "value": 0}])
    op.create_table(
        "daily_use",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("day", STRING, nullable=False),
        sa.Column("subject", STRING, nullable=False),
        sa.Column("quota", STRING, nullable=False),
        _number("used"),
        sa.PrimaryKeyConstraint("project_id", "day", "subject", "quota", name=op.f("pk_daily_use")),
    )


def _make_audit_tables() -> None:
    op.create_table(
        "audit_log",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        _string("key_id"),
        _number("role"),
        *(_string(name) for name in ("action", "resource", "detail", "project", "hash")),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_project", "audit_log", ["project", "sequence"], unique=False)
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        _number("sequence"),
        _string("hash"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": ""}])


def downgrade() -> None:
    """Drop them."""
    for table in (
        "daily_use",
        "revisions",
        "audit_head",
        "audit_log",
        "project_settings",
        "api_keys",
    ):
        op.drop_table(table)
