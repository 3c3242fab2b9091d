"""Takes the content of memories out of every table that holds some of it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import SCOPE_FIELDS
from mnemon_service.model.text_hash import text_hash
from mnemon_service.record.dialects import any_of
from mnemon_service.record.idempotency import blank_answers
from mnemon_service.record.pending import Pending
from mnemon_service.record.queries import ONE
from mnemon_service.record.rows import ERASED_CONTENT
from mnemon_service.record.schema import (
    embeddings,
    memories,
    memory_messages,
    messages,
    scope_entities,
    versions,
)

_PROJECT: Final[sa.BindParameter[str]] = sa.bindparam("project")
_MESSAGES_OF: Final = (
    sa.select(memory_messages.c.message_id)
    .distinct()
    .where(memory_messages.c.project_id == _PROJECT, any_of(memory_messages.c.memory_id, "ids"))
)
_TEXTS_OF: Final = (
    sa.select(versions.c.text, versions.c.attributed_to)
    .distinct()
    .where(versions.c.project_id == _PROJECT, any_of(versions.c.id, "ids"))
)
_UNLINK_MESSAGES: Final = sa.delete(memory_messages).where(
    memory_messages.c.project_id == _PROJECT, any_of(memory_messages.c.memory_id, "ids")
)
_BLANK_LOG: Final = (
    sa.update(versions)
    .where(versions.c.project_id == _PROJECT, any_of(versions.c.id, "ids"))
    .values(dict(ERASED_CONTENT))
)
_DROP_MEMORIES: Final = sa.delete(memories).where(
    memories.c.project_id == _PROJECT, any_of(memories.c.id, "ids")
)
_DROP_MESSAGES: Final = sa.delete(messages).where(
    messages.c.project_id == _PROJECT,
    any_of(messages.c.id, "messages"),
    ~sa.exists(
        sa.select(ONE).where(
            memory_messages.c.project_id == messages.c.project_id,
            memory_messages.c.message_id == messages.c.id,
        )
    ),
)
_STILL_USED: Final = (
    sa.select(memories.c.text_hash)
    .distinct()
    .where(memories.c.project_id == _PROJECT, any_of(memories.c.text_hash, "hashes"))
)
_DROP_EMBEDDINGS: Final = sa.delete(embeddings).where(
    embeddings.c.project_id == _PROJECT, any_of(embeddings.c.text_hash, "hashes")
)


def erase(connection: Connection, project_id: str, pending: Pending) -> None:
    """Blank the log rows of the erased memories, drop their rows, the messages that no other memory came
    from, their vectors, and the stored answers that may show them."""
    ids = pending.erased
    named = {"project": project_id, "ids": ids}
    message_ids = list(connection.scalars(_MESSAGES_OF, named))
    texts = connection.execute(_TEXTS_OF, named)
    hashes = {text_hash(text) for row in texts for text in embedded_texts(row.text, row.attributed_to)}
    connection.execute(_UNLINK_MESSAGES, named)
    connection.execute(_BLANK_LOG, named)
    connection.execute(_DROP_MEMORIES, named)
    if message_ids:
        connection.execute(_DROP_MESSAGES, {"project": project_id, "messages": message_ids})
    if hashes:
        used = connection.scalars(_STILL_USED, {"project": project_id, "hashes": sorted(hashes)})
        unused = sorted(hashes - set(used))
        connection.execute(_DROP_EMBEDDINGS, {"project": project_id, "hashes": unused})
    before = [memory for memory_id in ids if (memory := pending.before[memory_id]) is not None]
    blank_answers(connection, project_id, {memory.scope.owner for memory in before})
    _forget_scopes(connection, project_id, before)


def _forget_scopes(connection: Connection, project_id: str, erased: list[Memory]) -> None:
    """A user, agent, app or run of whom nothing is left is not listed any more."""
    for field in SCOPE_FIELDS:
        values = sorted({value for memory in erased if (value := getattr(memory.scope, field))})
        if values:
            connection.execute(_forget_scope(field), {"project": project_id, "values": values})


def _forget_scope(field: str) -> sa.Delete:
    left = sa.select(ONE).where(
        memories.c.project_id == scope_entities.c.project_id,
        memories.c[field] == scope_entities.c.value,
        memories.c[field] != sa.literal_column("''"),
    )
    return sa.delete(scope_entities).where(
        scope_entities.c.project_id == _PROJECT,
        scope_entities.c.kind == field,
        any_of(scope_entities.c.value, "values"),
        ~sa.exists(left),
    )
