"""The tables of the record. Migrations make them; a test keeps both equal.

Times are microseconds since 1970-01-01T00:00Z. Every key begins with the project, so that equal ids in
two projects are two things. Strings sort by code point on both databases.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from mnemon_service.model.scope import SCOPE_FIELDS

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

String: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text compared by code point: SQLite does so by itself."""
Micros: Final = sa.BigInteger()
Json: Final = sa.Text().with_variant(JSONB(), "postgresql")
"""JSON as text; PostgreSQL keeps it parsed, so that filters can reach into it."""


def _string(name: str) -> sa.Column[str]:
    """A text that is never null: empty means that there is none."""
    return sa.Column(name, String, nullable=False, server_default="")


def _number(name: str, default: str = "0") -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default=default)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, Micros, nullable=nullable)


def memory_columns() -> list[sa.Column[object]]:
    """The columns that a memory has both in the projection and in the log, in the order of `rows.py`."""
    columns: list[sa.Column] = [  # type: ignore[type-arg]
        *(_string(field) for field in SCOPE_FIELDS),
        _string("owner"),
        _string("text"),
        _string("text_hash"),
        _string("duplicate_hash"),
        _string("type"),
        sa.Column("categories", Json, nullable=False),
        sa.Column("metadata", Json, nullable=False),
        _string("attributed_to"),
        _time("event_time", nullable=True),
        _string("event_precision"),
        _time("event_end_time", nullable=True),
        _time("expire_time", nullable=True),
        _string("state"),
        _number("version"),
        _time("create_time"),
        _time("update_time"),
        _string("superseded_by"),
        sa.Column("sources", Json, nullable=False),
        sa.Column("entities", Json, nullable=False),
        _number("run_position"),
        _string("session"),
        sa.Column("confidence", sa.Double, nullable=False),
        _string("extractor"),
        _number("sequence"),
    ]
    return columns


projects: Final = sa.Table(
    "projects",
    metadata,
    sa.Column("id", String, primary_key=True),
    _string("display_name"),
    _string("state"),
    _number("last_sequence"),
    _number("last_record_time"),
    _time("create_time"),
    _time("update_time"),
)

memories: Final = sa.Table(
    "memories",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    *memory_columns(),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sqlite_with_rowid=True,
)

versions: Final = sa.Table(
    "versions",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    *memory_columns(),
    _string("event"),
    _string("previous_text"),
    _string("actor_key"),
    _string("actor_operation"),
    _string("reason"),
    _time("record_time"),
    sa.Column("erased", sa.Boolean, nullable=False, server_default=sa.text("false")),
    sa.PrimaryKeyConstraint("project_id", "sequence"),
    sa.UniqueConstraint("project_id", "id", "version"),
)


def _list_indexes(table: sa.Table) -> None:
    """An index for each list: by project and by each scope id, sorted by creation and by change.

    Those by scope id leave out the rows that do not name it, so an add pays for the ids it has.
    """
    project = table.c.project_id
    sa.Index(f"ix_{table.name}_created", project, table.c.create_time, table.c.id)
    if table is memories:
        sa.Index(f"ix_{table.name}_changed", project, table.c.sequence)
    for field in SCOPE_FIELDS:
        column = table.c[field]
        named = column != sa.literal_column("''")
        for name, keys in (("created", (table.c.create_time, table.c.id)), ("changed", (table.c.sequence,))):
            sa.Index(
                f"ix_{table.name}_{field}_{name}",
                *(project, column, *keys),
                sqlite_where=named,
                postgresql_where=named,
            )


_list_indexes(memories)
_list_indexes(versions)
sa.Index("ix_memories_duplicates", memories.c.project_id, memories.c.duplicate_hash)
_expires: Final = memories.c.expire_time.is_not(None)
sa.Index(
    "ix_memories_expire",
    memories.c.project_id,
    memories.c.expire_time,
    sqlite_where=_expires,
    postgresql_where=_expires,
)
_gone: Final = memories.c.state.in_([sa.literal_column("'DELETED'"), sa.literal_column("'EXPIRED'")])
sa.Index(
    "ix_memories_gone",
    memories.c.project_id,
    memories.c.update_time,
    sqlite_where=_gone,
    postgresql_where=_gone,
)
sa.Index("ix_memories_text_hash", memories.c.project_id, memories.c.text_hash)
sa.Index("ix_memories_owner", memories.c.project_id, memories.c.owner, memories.c.sequence)
sa.Index("ix_versions_owner", versions.c.project_id, versions.c.owner, versions.c.sequence)
sa.Index("ix_versions_record_time", versions.c.project_id, versions.c.record_time, versions.c.sequence)

embeddings: Final = sa.Table(
    "embeddings",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("text_hash", String, nullable=False),
    sa.Column("space", String, nullable=False),
    sa.Column("vector", sa.LargeBinary, nullable=False),
    sa.PrimaryKeyConstraint("project_id", "text_hash", "space"),
)

messages: Final = sa.Table(
    "messages",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    *(_string(field) for field in SCOPE_FIELDS),
    _string("conversation"),
    _number("position"),
    _string("role"),
    _string("name"),
    _string("content"),
    sa.Column("recalled", sa.Boolean, nullable=False, server_default=sa.text("false")),
    _time("observed_time", nullable=True),
    _time("record_time"),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.UniqueConstraint("project_id", "conversation", "position"),
    sa.Index("ix_messages_newest", "project_id", "record_time", "id"),
)
for _field in SCOPE_FIELDS:
    _named = messages.c[_field] != sa.literal_column("''")
    sa.Index(
        f"ix_messages_{_field}_newest",
        *(messages.c[column] for column in ("project_id", _field, "record_time", "id")),
        sqlite_where=_named,
        postgresql_where=_named,
    )

conversations: Final = sa.Table(
    "conversations",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("conversation", String, nullable=False),
    *(_string(field) for field in SCOPE_FIELDS),
    _number("last_position"),
    sa.PrimaryKeyConstraint("project_id", "conversation"),
)

scope_entities: Final = sa.Table(
    "scope_entities",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("kind", String, nullable=False),
    sa.Column("value", String, nullable=False),
    _number("memories"),
    _time("first_activity"),
    _time("last_activity"),
    sa.PrimaryKeyConstraint("project_id", "kind", "value"),
    sa.Index("ix_scope_entities_activity", "project_id", "kind", "last_activity", "value"),
    sa.Index("ix_scope_entities_count", "project_id", "kind", "memories", "value"),
)

entities: Final = sa.Table(
    "entities",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("key", String, nullable=False),
    _string("name"),
    _string("type"),
    _number("memories"),
    _time("last_activity"),
    sa.PrimaryKeyConstraint("project_id", "key"),
    sa.Index("ix_entities_activity", "project_id", "last_activity", "key"),
)

memory_entities: Final = sa.Table(
    "memory_entities",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("key", String, nullable=False),
    sa.Column("memory_id", String, nullable=False),
    _string("owner"),
    sa.PrimaryKeyConstraint("project_id", "key", "memory_id"),
    sa.Index("ix_memory_entities_memory", "project_id", "memory_id"),
    sa.Index("ix_memory_entities_owner", "project_id", "owner", "key"),
)

memory_messages: Final = sa.Table(
    "memory_messages",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("message_id", String, nullable=False),
    sa.Column("memory_id", String, nullable=False),
    sa.PrimaryKeyConstraint("project_id", "message_id", "memory_id"),
    sa.Index("ix_memory_messages_memory", "project_id", "memory_id"),
)

idempotency: Final = sa.Table(
    "idempotency",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("request_id", String, nullable=False),
    _string("method"),
    _string("body_hash"),
    sa.Column("answer", sa.LargeBinary, nullable=True),
    _time("create_time"),
    sa.PrimaryKeyConstraint("project_id", "request_id"),
    sa.Index("ix_idempotency_create_time", "create_time"),
)

answer_owners: Final = sa.Table(
    "answer_owners",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("owner", String, nullable=False),
    sa.Column("request_id", String, nullable=False),
    sa.PrimaryKeyConstraint("project_id", "owner", "request_id"),
    sa.Index("ix_answer_owners_request", "project_id", "request_id"),
)
"""Whose memories an idempotent answer may show, so that an erasure finds it."""

operations: Final = sa.Table(
    "operations",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("id", String, nullable=False),
    _string("type"),
    _string("state"),
    *(_string(field) for field in SCOPE_FIELDS),
    _string("actor_key"),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("checkpoint", sa.LargeBinary, nullable=False),
    sa.Column("result", sa.LargeBinary, nullable=False),
    _number("progress_done"),
    _number("progress_total"),
    _string("error_reason"),
    _string("error_message"),
    _number("attempts"),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, server_default=sa.text("false")),
    _string("lease_token"),
    _string("lease_worker"),
    _number("lease_expire_time"),
    _number("available_time"),
    _time("create_time"),
    _time("start_time", nullable=True),
    _time("end_time", nullable=True),
    _time("update_time"),
    sa.PrimaryKeyConstraint("project_id", "id"),
    sa.Index("ix_operations_queue", "state", "project_id", "available_time"),
    sa.Index("ix_operations_created", "project_id", "create_time", "id"),
    sa.Index("ix_operations_end_time", "end_time"),
)

index_cursors: Final = sa.Table(
    "index_cursors",
    metadata,
    sa.Column("project_id", String, nullable=False),
    sa.Column("index_name", String, nullable=False),
    _number("sequence"),
    sa.PrimaryKeyConstraint("project_id", "index_name"),
)

index_leases: Final = sa.Table(
    "index_leases",
    metadata,
    sa.Column("index_name", String, nullable=False),
    _string("holder"),
    _number("beat"),
    _string("wanted_by"),
    sa.PrimaryKeyConstraint("index_name"),
)
"""Which replica writes to an index that several share; see `index_leases.py`."""

secrets: Final = sa.Table(
    "secrets",
    metadata,
    sa.Column("name", String, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
