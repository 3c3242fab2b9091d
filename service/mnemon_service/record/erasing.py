"""Takes the content of memories out of every table that holds some of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.model.text_hash import text_hash
from mnemon_service.record.dialects import any_of
from mnemon_service.record.feedback import drop_feedback
from mnemon_service.record.idempotency import blank_answers
from mnemon_service.record.operation import OperationState
from mnemon_service.record.pending import Pending
from mnemon_service.record.queries import ONE
from mnemon_service.record.rows import ERASED_CONTENT
from mnemon_service.record.schema import (
    conversations,
    embeddings,
    memories,
    memory_messages,
    messages,
    operations,
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


@dataclass(frozen=True, slots=True)
class ErasedBeside:
    """How much was erased beside the memories of a scope."""

    messages: int
    operations: int
    answers: int


def erase_beside(
    connection: Connection, project_id: str, scope: Scope, keep_operation: str, now: int
) -> ErasedBeside:
    """Erase messages, conversations, the content of operations and stored answers of a scope."""
    spoken: sa.Select[Any] = sa.select(*(messages.c[field] for field in SCOPE_FIELDS)).distinct()
    conversations_of = connection.execute(_in_scope(spoken, messages, project_id, scope))
    owners = {scope.owner, *(Scope(**row._mapping).owner for row in conversations_of)}
    answers = blank_answers(connection, project_id, owners)
    erased = connection.execute(_in_scope(sa.delete(messages), messages, project_id, scope)).rowcount
    connection.execute(_in_scope(sa.delete(conversations), conversations, project_id, scope))
    return ErasedBeside(
        messages=erased,
        operations=_blank_operations(connection, project_id, scope, keep_operation, now),
        answers=answers,
    )


def _blank_operations(
    connection: Connection, project_id: str, scope: Scope, keep_operation: str, now: int
) -> int:
    blank = {"payload": b"", "checkpoint": b"", "result": b"", "error_message": "", "update_time": now}
    ours = _in_scope(sa.update(operations), operations, project_id, scope)
    ours = ours.where(operations.c.id != keep_operation)
    state = operations.c.state
    stop = {"cancel_requested": True, "update_time": now}
    end = {"state": OperationState.CANCELLED.value, "end_time": now}
    steps = (
        ours.where(state.not_in(_UNFINISHED)).values(blank),
        ours.where(state == OperationState.PENDING.value).values(blank | stop | end),
        ours.where(state == OperationState.RUNNING.value).values(stop),
    )
    return sum(connection.execute(step).rowcount for step in steps)


_UNFINISHED: Final = (OperationState.PENDING.value, OperationState.RUNNING.value)
_Statement = TypeVar("_Statement", sa.Select[Any], sa.Update, sa.Delete)


def _in_scope(statement: _Statement, table: sa.Table, project_id: str, scope: Scope) -> _Statement:
    named = [table.c[field] == value for field, value in scope.named().items()]
    return statement.where(table.c.project_id == project_id, *named)


def erase(connection: Connection, project_id: str, pending: Pending) -> None:
    """Blank the log rows of the erased memories, drop their rows, the messages that no other memory came
    from, their vectors, what was said of them, and the stored answers that may show them."""
    ids = pending.erased
    named = {"project": project_id, "ids": ids}
    message_ids = list(connection.scalars(_MESSAGES_OF, named))
    texts = connection.execute(_TEXTS_OF, named)
    hashes = {text_hash(text) for row in texts for text in embedded_texts(row.text, row.attributed_to)}
    connection.execute(_UNLINK_MESSAGES, named)
    connection.execute(_BLANK_LOG, named)
    connection.execute(_DROP_MEMORIES, named)
    drop_feedback(connection, project_id, ids)
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
