"""The record's first schema.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

STRING = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "answer_owners",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("owner", STRING, nullable=False),
        sa.Column("request_id", STRING, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "owner", "request_id", name=op.f("pk_answer_owners")),
    )
    op.create_index("ix_answer_owners_request", "answer_owners", ["project_id", "request_id"], unique=False)
    op.create_table(
        "conversations",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("conversation", STRING, nullable=False),
        sa.Column("user_id", STRING, server_default="", nullable=False),
        sa.Column("agent_id", STRING, server_default="", nullable=False),
        sa.Column("app_id", STRING, server_default="", nullable=False),
        sa.Column("run_id", STRING, server_default="", nullable=False),
        sa.Column("last_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "conversation", name=op.f("pk_conversations")),
    )
    op.create_table(
        "embeddings",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("text_hash", STRING, nullable=False),
        sa.Column("space", STRING, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "text_hash", "space", name=op.f("pk_embeddings")),
    )
    op.create_table(
        "entities",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("key", STRING, nullable=False),
        sa.Column("name", STRING, server_default="", nullable=False),
        sa.Column("type", STRING, server_default="", nullable=False),
        sa.Column("memories", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_activity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", name=op.f("pk_entities")),
    )
    op.create_index("ix_entities_activity", "entities", ["project_id", "last_activity", "key"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("request_id", STRING, nullable=False),
        sa.Column("method", STRING, server_default="", nullable=False),
        sa.Column("body_hash", STRING, server_default="", nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "request_id", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_create_time", "idempotency", ["create_time"], unique=False)
    op.create_table(
        "index_cursors",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("index_name", STRING, nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "index_name", name=op.f("pk_index_cursors")),
    )
    op.create_table(
        "memories",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("id", STRING, nullable=False),
        sa.Column("user_id", STRING, server_default="", nullable=False),
        sa.Column("agent_id", STRING, server_default="", nullable=False),
        sa.Column("app_id", STRING, server_default="", nullable=False),
        sa.Column("run_id", STRING, server_default="", nullable=False),
        sa.Column("owner", STRING, server_default="", nullable=False),
        sa.Column("text", STRING, server_default="", nullable=False),
        sa.Column("text_hash", STRING, server_default="", nullable=False),
        sa.Column("duplicate_hash", STRING, server_default="", nullable=False),
        sa.Column("type", STRING, server_default="", nullable=False),
        sa.Column("categories", JSON, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("attributed_to", STRING, server_default="", nullable=False),
        sa.Column("event_time", sa.BigInteger(), nullable=True),
        sa.Column("event_precision", STRING, server_default="", nullable=False),
        sa.Column("event_end_time", sa.BigInteger(), nullable=True),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("state", STRING, server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("superseded_by", STRING, server_default="", nullable=False),
        sa.Column("sources", JSON, nullable=False),
        sa.Column("entities", JSON, nullable=False),
        sa.Column("run_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("session", STRING, server_default="", nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("extractor", STRING, server_default="", nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_memories")),
        sqlite_with_rowid=True,
    )
    op.create_index(
        "ix_memories_agent_id_changed",
        "memories",
        ["project_id", "agent_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.create_index(
        "ix_memories_agent_id_created",
        "memories",
        ["project_id", "agent_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.create_index(
        "ix_memories_app_id_changed",
        "memories",
        ["project_id", "app_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.create_index(
        "ix_memories_app_id_created",
        "memories",
        ["project_id", "app_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.create_index("ix_memories_changed", "memories", ["project_id", "sequence"], unique=False)
    op.create_index("ix_memories_created", "memories", ["project_id", "create_time", "id"], unique=False)
    op.create_index("ix_memories_duplicates", "memories", ["project_id", "duplicate_hash"], unique=False)
    op.create_index(
        "ix_memories_expire",
        "memories",
        ["project_id", "expire_time"],
        unique=False,
        sqlite_where=sa.text("expire_time IS NOT NULL"),
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.create_index(
        "ix_memories_gone",
        "memories",
        ["project_id", "update_time"],
        unique=False,
        sqlite_where=sa.text("state IN ('DELETED', 'EXPIRED')"),
        postgresql_where=sa.text("state IN ('DELETED', 'EXPIRED')"),
    )
    op.create_index("ix_memories_owner", "memories", ["project_id", "owner", "sequence"], unique=False)
    op.create_index(
        "ix_memories_run_id_changed",
        "memories",
        ["project_id", "run_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.create_index(
        "ix_memories_run_id_created",
        "memories",
        ["project_id", "run_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.create_index("ix_memories_text_hash", "memories", ["project_id", "text_hash"], unique=False)
    op.create_index(
        "ix_memories_user_id_changed",
        "memories",
        ["project_id", "user_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.create_index(
        "ix_memories_user_id_created",
        "memories",
        ["project_id", "user_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.create_table(
        "memory_entities",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("key", STRING, nullable=False),
        sa.Column("memory_id", STRING, nullable=False),
        sa.Column("owner", STRING, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", "memory_id", name=op.f("pk_memory_entities")),
    )
    op.create_index("ix_memory_entities_memory", "memory_entities", ["project_id", "memory_id"], unique=False)
    op.create_index(
        "ix_memory_entities_owner", "memory_entities", ["project_id", "owner", "key"], unique=False
    )
    op.create_table(
        "memory_messages",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("message_id", STRING, nullable=False),
        sa.Column("memory_id", STRING, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "message_id", "memory_id", name=op.f("pk_memory_messages")),
    )
    op.create_index("ix_memory_messages_memory", "memory_messages", ["project_id", "memory_id"], unique=False)
    op.create_table(
        "messages",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("id", STRING, nullable=False),
        sa.Column("user_id", STRING, server_default="", nullable=False),
        sa.Column("agent_id", STRING, server_default="", nullable=False),
        sa.Column("app_id", STRING, server_default="", nullable=False),
        sa.Column("run_id", STRING, server_default="", nullable=False),
        sa.Column("conversation", STRING, server_default="", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("role", STRING, server_default="", nullable=False),
        sa.Column("name", STRING, server_default="", nullable=False),
        sa.Column("content", STRING, server_default="", nullable=False),
        sa.Column("recalled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("observed_time", sa.BigInteger(), nullable=True),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_messages")),
        sa.UniqueConstraint(
            "project_id",
            "conversation",
            "position",
            name=op.f("uq_messages_project_id_conversation_position"),
        ),
    )
    op.create_index("ix_messages_record_time", "messages", ["project_id", "record_time"], unique=False)
    op.create_table(
        "operations",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("id", STRING, nullable=False),
        sa.Column("type", STRING, server_default="", nullable=False),
        sa.Column("state", STRING, server_default="", nullable=False),
        sa.Column("user_id", STRING, server_default="", nullable=False),
        sa.Column("agent_id", STRING, server_default="", nullable=False),
        sa.Column("app_id", STRING, server_default="", nullable=False),
        sa.Column("run_id", STRING, server_default="", nullable=False),
        sa.Column("actor_key", STRING, server_default="", nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("checkpoint", sa.LargeBinary(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=False),
        sa.Column("progress_done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("progress_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error_reason", STRING, server_default="", nullable=False),
        sa.Column("error_message", STRING, server_default="", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease_token", STRING, server_default="", nullable=False),
        sa.Column("lease_worker", STRING, server_default="", nullable=False),
        sa.Column("lease_expire_time", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("available_time", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=True),
        sa.Column("end_time", sa.BigInteger(), nullable=True),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "id", name=op.f("pk_operations")),
    )
    op.create_index("ix_operations_created", "operations", ["project_id", "create_time", "id"], unique=False)
    op.create_index("ix_operations_end_time", "operations", ["end_time"], unique=False)
    op.create_index(
        "ix_operations_queue", "operations", ["state", "project_id", "available_time"], unique=False
    )
    op.create_table(
        "projects",
        sa.Column("id", STRING, nullable=False),
        sa.Column("display_name", STRING, server_default="", nullable=False),
        sa.Column("state", STRING, server_default="", nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_record_time", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    op.create_table(
        "scope_entities",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("value", STRING, nullable=False),
        sa.Column("memories", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("first_activity", sa.BigInteger(), nullable=False),
        sa.Column("last_activity", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind", "value", name=op.f("pk_scope_entities")),
    )
    op.create_index(
        "ix_scope_entities_activity",
        "scope_entities",
        ["project_id", "kind", "last_activity", "value"],
        unique=False,
    )
    op.create_table(
        "secrets",
        sa.Column("name", STRING, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "versions",
        sa.Column("project_id", STRING, nullable=False),
        sa.Column("id", STRING, nullable=False),
        sa.Column("user_id", STRING, server_default="", nullable=False),
        sa.Column("agent_id", STRING, server_default="", nullable=False),
        sa.Column("app_id", STRING, server_default="", nullable=False),
        sa.Column("run_id", STRING, server_default="", nullable=False),
        sa.Column("owner", STRING, server_default="", nullable=False),
        sa.Column("text", STRING, server_default="", nullable=False),
        sa.Column("text_hash", STRING, server_default="", nullable=False),
        sa.Column("duplicate_hash", STRING, server_default="", nullable=False),
        sa.Column("type", STRING, server_default="", nullable=False),
        sa.Column("categories", JSON, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("attributed_to", STRING, server_default="", nullable=False),
        sa.Column("event_time", sa.BigInteger(), nullable=True),
        sa.Column("event_precision", STRING, server_default="", nullable=False),
        sa.Column("event_end_time", sa.BigInteger(), nullable=True),
        sa.Column("expire_time", sa.BigInteger(), nullable=True),
        sa.Column("state", STRING, server_default="", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("create_time", sa.BigInteger(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("superseded_by", STRING, server_default="", nullable=False),
        sa.Column("sources", JSON, nullable=False),
        sa.Column("entities", JSON, nullable=False),
        sa.Column("run_position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("session", STRING, server_default="", nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("extractor", STRING, server_default="", nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("event", STRING, server_default="", nullable=False),
        sa.Column("previous_text", STRING, server_default="", nullable=False),
        sa.Column("actor_key", STRING, server_default="", nullable=False),
        sa.Column("actor_operation", STRING, server_default="", nullable=False),
        sa.Column("reason", STRING, server_default="", nullable=False),
        sa.Column("record_time", sa.BigInteger(), nullable=False),
        sa.Column("erased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "sequence", name=op.f("pk_versions")),
        sa.UniqueConstraint("project_id", "id", "version", name=op.f("uq_versions_project_id_id_version")),
    )
    op.create_index(
        "ix_versions_agent_id_changed",
        "versions",
        ["project_id", "agent_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.create_index(
        "ix_versions_agent_id_created",
        "versions",
        ["project_id", "agent_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.create_index(
        "ix_versions_app_id_changed",
        "versions",
        ["project_id", "app_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.create_index(
        "ix_versions_app_id_created",
        "versions",
        ["project_id", "app_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.create_index("ix_versions_created", "versions", ["project_id", "create_time", "id"], unique=False)
    op.create_index("ix_versions_owner", "versions", ["project_id", "owner", "sequence"], unique=False)
    op.create_index(
        "ix_versions_record_time", "versions", ["project_id", "record_time", "sequence"], unique=False
    )
    op.create_index(
        "ix_versions_run_id_changed",
        "versions",
        ["project_id", "run_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.create_index(
        "ix_versions_run_id_created",
        "versions",
        ["project_id", "run_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.create_index(
        "ix_versions_user_id_changed",
        "versions",
        ["project_id", "user_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.create_index(
        "ix_versions_user_id_created",
        "versions",
        ["project_id", "user_id", "create_time", "id"],
        unique=False,
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )


def downgrade() -> None:
    """Drop all tables."""
    op.drop_index(
        "ix_versions_user_id_created",
        table_name="versions",
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.drop_index(
        "ix_versions_user_id_changed",
        table_name="versions",
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.drop_index(
        "ix_versions_run_id_created",
        table_name="versions",
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.drop_index(
        "ix_versions_run_id_changed",
        table_name="versions",
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.drop_index("ix_versions_record_time", table_name="versions")
    op.drop_index("ix_versions_owner", table_name="versions")
    op.drop_index("ix_versions_created", table_name="versions")
    op.drop_index(
        "ix_versions_app_id_created",
        table_name="versions",
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.drop_index(
        "ix_versions_app_id_changed",
        table_name="versions",
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.drop_index(
        "ix_versions_agent_id_created",
        table_name="versions",
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.drop_index(
        "ix_versions_agent_id_changed",
        table_name="versions",
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.drop_table("versions")
    op.drop_table("secrets")
    op.drop_index("ix_scope_entities_activity", table_name="scope_entities")
    op.drop_table("scope_entities")
    op.drop_table("projects")
    op.drop_index("ix_operations_queue", table_name="operations")
    op.drop_index("ix_operations_end_time", table_name="operations")
    op.drop_index("ix_operations_created", table_name="operations")
    op.drop_table("operations")
    op.drop_index("ix_messages_record_time", table_name="messages")
    op.drop_table("messages")
    op.drop_index("ix_memory_messages_memory", table_name="memory_messages")
    op.drop_table("memory_messages")
    op.drop_index("ix_memory_entities_owner", table_name="memory_entities")
    op.drop_index("ix_memory_entities_memory", table_name="memory_entities")
    op.drop_table("memory_entities")
    op.drop_index(
        "ix_memories_user_id_created",
        table_name="memories",
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.drop_index(
        "ix_memories_user_id_changed",
        table_name="memories",
        sqlite_where=sa.text("user_id != ''"),
        postgresql_where=sa.text("user_id != ''"),
    )
    op.drop_index("ix_memories_text_hash", table_name="memories")
    op.drop_index(
        "ix_memories_run_id_created",
        table_name="memories",
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.drop_index(
        "ix_memories_run_id_changed",
        table_name="memories",
        sqlite_where=sa.text("run_id != ''"),
        postgresql_where=sa.text("run_id != ''"),
    )
    op.drop_index("ix_memories_owner", table_name="memories")
    op.drop_index(
        "ix_memories_gone",
        table_name="memories",
        sqlite_where=sa.text("state IN ('DELETED', 'EXPIRED')"),
        postgresql_where=sa.text("state IN ('DELETED', 'EXPIRED')"),
    )
    op.drop_index(
        "ix_memories_expire",
        table_name="memories",
        sqlite_where=sa.text("expire_time IS NOT NULL"),
        postgresql_where=sa.text("expire_time IS NOT NULL"),
    )
    op.drop_index("ix_memories_duplicates", table_name="memories")
    op.drop_index("ix_memories_created", table_name="memories")
    op.drop_index("ix_memories_changed", table_name="memories")
    op.drop_index(
        "ix_memories_app_id_created",
        table_name="memories",
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.drop_index(
        "ix_memories_app_id_changed",
        table_name="memories",
        sqlite_where=sa.text("app_id != ''"),
        postgresql_where=sa.text("app_id != ''"),
    )
    op.drop_index(
        "ix_memories_agent_id_created",
        table_name="memories",
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.drop_index(
        "ix_memories_agent_id_changed",
        table_name="memories",
        sqlite_where=sa.text("agent_id != ''"),
        postgresql_where=sa.text("agent_id != ''"),
    )
    op.drop_table("memories")
    op.drop_table("index_cursors")
    op.drop_index("ix_idempotency_create_time", table_name="idempotency")
    op.drop_table("idempotency")
    op.drop_index("ix_entities_activity", table_name="entities")
    op.drop_table("entities")
    op.drop_table("embeddings")
    op.drop_table("conversations")
    op.drop_index("ix_answer_owners_request", table_name="answer_owners")
    op.drop_table("answer_owners")
