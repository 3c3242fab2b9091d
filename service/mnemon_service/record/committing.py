"""Writes what a transaction has gathered: log, projection and all that is counted and kept beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import Aborted, AlreadyExists, Reason
from mnemon_service.model.memory import VersionEvent
from mnemon_service.model.message import Message
from mnemon_service.model.scope import SCOPE_FIELDS
from mnemon_service.record import accounts, erasing
from mnemon_service.record.conversations import conversation_of
from mnemon_service.record.dialects import Dialect
from mnemon_service.record.idempotency import keep_answer
from mnemon_service.record.operation import Operation, OperationState
from mnemon_service.record.pending import ClaimUpdate, Pending
from mnemon_service.record.rows import Values, memory_values, version_values
from mnemon_service.record.schema import (
    conversations,
    embeddings,
    memories,
    messages,
    operations,
    projects,
    versions,
)
from mnemon_service.record.selection import Access, RequestKey, Vector
from mnemon_service.record.times import optional_micros, to_micros
from mnemon_service.record.usage import count_added

_KEYS: Final = ("project_id", "id")
_UPDATE_MEMORY: Final = sa.update(memories).where(
    memories.c.project_id == sa.bindparam("key_project"), memories.c.id == sa.bindparam("key_id")
)
"""Sets the columns that its parameters name."""
_MOVE_LOG: Final = (
    sa.update(projects)
    .where(projects.c.id == sa.bindparam("project"))
    .values(last_sequence=sa.bindparam("last"), last_record_time=sa.bindparam("time"))
)
NOTIFY: Final = sa.select(sa.func.pg_notify("mnemon_log", sa.bindparam("payload")))
"""Delivered to the listeners of every replica when the transaction commits."""


def write_pending(
    connection: Connection,
    dialect: Dialect,
    access: Access,
    request: RequestKey | None,
    pending: Pending,
    *,
    last_sequence: int,
    now: int,
) -> None:
    """Everything in one go, many rows a statement. The caller commits."""
    project_id = access.project_id
    if pending.versions:
        _write_versions(connection, pending)
        accounts.count(connection, dialect, project_id, pending, now)
        count_added(connection, dialect, project_id, pending, now)
        if pending.erased:
            erasing.erase(connection, project_id, pending)
        connection.execute(_MOVE_LOG, {"project": project_id, "last": last_sequence, "time": now})
    save_embeddings(connection, dialect, project_id, pending.embeddings)
    _write_conversations(connection, dialect, project_id, pending, now)
    _write_operations(connection, pending, now)
    if request is not None and pending.answer is not None:
        owners = pending.owners if pending.answer_shows_memories else ()
        keep_answer(connection, access, request, pending.answer, owners, now)
    if dialect.name == "postgresql":
        _notify(connection, project_id, pending, last_sequence)


def _write_versions(connection: Connection, pending: Pending) -> None:
    rows: list[Values] = []
    last: dict[str, Values] = {}
    for version in pending.versions:
        values = memory_values(version.memory)
        if version.event is VersionEvent.ERASED:
            values |= {"text_hash": "", "duplicate_hash": ""}
        last[version.memory.id] = values
        rows.append(version_values(version, values))
    _write_projection(connection, pending, last)
    connection.execute(sa.insert(versions), rows)


def _write_projection(connection: Connection, pending: Pending, last: Mapping[str, Values]) -> None:
    added = [last[memory_id] for memory_id in pending.after if pending.before[memory_id] is None]
    changed = [
        last[memory_id] | {"key_project": last[memory_id]["project_id"], "key_id": memory_id}
        for memory_id, memory in pending.after.items()
        if memory is not None and pending.before[memory_id] is not None
    ]
    if added:
        try:
            connection.execute(sa.insert(memories), added)
        except sa.exc.IntegrityError as error:
            raise AlreadyExists("a memory of this id is there already") from error
    if changed:
        connection.execute(_UPDATE_MEMORY, [_without_keys(row) for row in changed])


def _without_keys(row: Values) -> Values:
    return {name: value for name, value in row.items() if name not in _KEYS}


def save_embeddings(
    connection: Connection, dialect: Dialect, project_id: str, vectors: Mapping[tuple[str, str], Vector]
) -> None:
    """Keep vectors; those that are there stay."""
    if not vectors:
        return
    rows = [
        {"project_id": project_id, "space": space, "text_hash": digest, "vector": vector.tobytes()}
        for (space, digest), vector in vectors.items()
    ]
    connection.execute(dialect.insert(embeddings).on_conflict_do_nothing(), rows)


def _write_conversations(
    connection: Connection, dialect: Dialect, project_id: str, pending: Pending, now: int
) -> None:
    if pending.positions:
        statement = dialect.insert(conversations)
        statement = statement.on_conflict_do_update(
            index_elements=["project_id", "conversation"],
            set_={"last_position": statement.excluded.last_position},
        )
        rows = [
            {"project_id": project_id, "conversation": conversation_of(scope), "last_position": last}
            | {field: getattr(scope, field) for field in SCOPE_FIELDS}
            for scope, last in pending.positions.items()
        ]
        connection.execute(statement, rows)
    if pending.messages:
        rows = [_message_values(project_id, message, now) for message in pending.messages]
        try:
            connection.execute(sa.insert(messages), rows)
        except sa.exc.IntegrityError as error:
            raise AlreadyExists("a message of this id is there already") from error


def _message_values(project_id: str, message: Message, now: int) -> Values:
    scope = message.scope
    return {
        "project_id": project_id,
        "id": message.id,
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "app_id": scope.app_id,
        "run_id": scope.run_id,
        "conversation": conversation_of(scope),
        "position": message.position,
        "role": message.role.value,
        "name": message.name,
        "content": message.content,
        "recalled": message.recalled,
        "observed_time": optional_micros(message.observed_time),
        "record_time": now,
    }


def _write_operations(connection: Connection, pending: Pending, now: int) -> None:
    if pending.operations:
        connection.execute(
            sa.insert(operations), [operation_values(operation) for operation in pending.operations]
        )
    for claim in pending.claims:
        update_claimed(connection, claim, now)


def operation_values(operation: Operation) -> Values:
    """The columns of a new operation."""
    scope = operation.scope
    return {
        "project_id": operation.project_id,
        "id": operation.id,
        "type": operation.type,
        "state": operation.state.value,
        "user_id": scope.user_id,
        "agent_id": scope.agent_id,
        "app_id": scope.app_id,
        "run_id": scope.run_id,
        "actor_key": operation.actor_key,
        "payload": operation.payload,
        "checkpoint": operation.checkpoint,
        "result": operation.result,
        "progress_done": operation.progress_done,
        "progress_total": operation.progress_total,
        "available_time": optional_micros(operation.available_time) or 0,
        "create_time": to_micros(operation.create_time),
        "update_time": to_micros(operation.update_time),
    }


def update_claimed(connection: Connection, claim: ClaimUpdate, now: int) -> None:
    """Change a running operation if the claim still holds. Raises `Aborted` (CONCURRENT_CHANGE)."""
    values = claim.values | {"update_time": now}
    state = values.get("state")
    if state is not None and state != OperationState.RUNNING.value:
        values |= {"lease_token": "", "lease_expire_time": 0}
        if OperationState(str(state)).is_final:
            values["end_time"] = now
    updated = connection.execute(
        sa.update(operations)
        .where(
            operations.c.project_id == claim.project_id,
            operations.c.id == claim.operation_id,
            operations.c.state == OperationState.RUNNING.value,
            operations.c.lease_token == claim.token,
        )
        .values(values)
    )
    if updated.rowcount != 1:
        raise Aborted("another worker has this operation", reason=Reason.CONCURRENT_CHANGE)


def _notify(connection: Connection, project_id: str, pending: Pending, last_sequence: int) -> None:
    payloads: list[str] = []
    if pending.versions:
        payloads.append(f"{last_sequence} {project_id}")
    if pending.operations or pending.claims:
        payloads.append("operations")
    for payload in payloads:
        connection.execute(NOTIFY, {"payload": payload})
