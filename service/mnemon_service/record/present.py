"""What a write reads inside its transaction: present rows to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import NotFound, OutOfRange, Reason
from mnemon_service.model.memory import Memory, MemoryState
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.dialects import Dialect, any_of
from mnemon_service.record.operation import OperationState
from mnemon_service.record.queries import (
    Rows,
    allowed_scope,
    filtered,
    listing,
    scope_conditions,
    scope_parameters,
    shape_of,
)
from mnemon_service.record.rows import Values, memory_columns, memory_of
from mnemon_service.record.schema import memories, operations, versions
from mnemon_service.record.selection import Access, Order, Selection

Query = tuple[Rows, Values] | None
"""A statement and its parameters; None if nothing can be found."""

_OLDEST_FIRST: Final = Order(descending=False)
_IN_PROJECT: Final = memories.c.project_id == sa.bindparam("project_id")
_BY_IDS: Final = sa.select(*memory_columns()).where(_IN_PROJECT, any_of(memories.c.id, "ids"))
_BY_DUPLICATE_HASH: Final = sa.select(*memory_columns()).where(
    _IN_PROJECT,
    any_of(memories.c.duplicate_hash, "hashes"),
    memories.c.state == MemoryState.ACTIVE.value,
    *(memories.c[field] == sa.bindparam(field) for field in SCOPE_FIELDS),
)
"""In no order: asked for one, SQLite walks the whole project in it."""
_SAID_BY: Final = sa.select(
    memories.c.duplicate_hash, memories.c.expire_time, *(memories.c[field] for field in SCOPE_FIELDS)
).where(
    _IN_PROJECT,
    any_of(memories.c.duplicate_hash, "hashes"),
    any_of(memories.c.owner, "owners"),
    memories.c.state == MemoryState.ACTIVE.value,
)
_CHANGED: Final = (
    sa.select(*memory_columns())
    .where(
        _IN_PROJECT,
        memories.c.owner == sa.bindparam("owner"),
        memories.c.sequence > sa.bindparam("sequence"),
    )
    .order_by(memories.c.sequence)
)
_VERSION: Final = sa.select(*memory_columns(versions), versions.c.erased).where(
    versions.c.project_id == sa.bindparam("project_id"),
    versions.c.id == sa.bindparam("id"),
    versions.c.version == sa.bindparam("version"),
)
_UNFINISHED: Final = (
    sa.select(sa.func.count())
    .select_from(operations)
    .where(
        operations.c.project_id == sa.bindparam("project_id"),
        operations.c.state.in_([OperationState.PENDING.value, OperationState.RUNNING.value]),
    )
)


def by_ids(connection: Connection, access: Access, memory_ids: Sequence[str]) -> list[Memory]:
    """Rows in any state within the access."""
    rows = connection.execute(_BY_IDS, {"project_id": access.project_id, "ids": memory_ids})
    return _within(access, rows)


def by_duplicate_hash(
    connection: Connection, access: Access, scope: Scope, hashes: Iterable[str]
) -> list[Memory]:
    """Active rows of exactly this stored scope, oldest first."""
    ids: dict[str, Any] = {field: getattr(scope, field) for field in SCOPE_FIELDS}
    rows = connection.execute(
        _BY_DUPLICATE_HASH, ids | {"project_id": access.project_id, "hashes": sorted(hashes)}
    )
    return sorted(_within(access, rows), key=lambda memory: memory.sequence)


def said_by(
    connection: Connection, access: Access, wanted: Iterable[tuple[Scope, str]], now: int
) -> set[tuple[Scope, str]]:
    """Which pairs of a stored scope and a duplicate hash have an active memory; any number of scopes in
    one query."""
    pairs = set(wanted)
    parameters = {
        "project_id": access.project_id,
        "hashes": sorted({digest for _, digest in pairs}),
        "owners": sorted({scope.owner for scope, _ in pairs}),
    }
    return pairs & {
        (Scope(*(getattr(row, field) for field in SCOPE_FIELDS)), row.duplicate_hash)
        for row in connection.execute(_SAID_BY, parameters)
        if row.expire_time is None or row.expire_time > now
    }


def changed(connection: Connection, access: Access, owner: str, sequence: int) -> list[Memory]:
    """Rows of an owner in any state that changed after a position, in the order of change."""
    parameters = {"project_id": access.project_id, "owner": owner, "sequence": sequence}
    return _within(access, connection.execute(_CHANGED, parameters))


def selected(access: Access, selection: Selection, dialect: Dialect, now: int, limit: int) -> Query:
    """The oldest memories of a selection in the present."""
    scope = allowed_scope(access, selection.scope)
    if scope is None:
        return None
    shape = shape_of(scope, selection.states)
    query = filtered(listing(shape, _OLDEST_FIRST, resumed=False), shape, selection.filter, dialect)
    return query, scope_parameters(access, scope) | {"now": now, "limit": limit}


def in_scope(access: Access, scope: Scope, limit: int) -> Query:
    """Rows of a scope in any state, by their last change."""
    query = sa.select(*memory_columns()).where(*scope_conditions(memories, tuple(scope.named())))
    query = query.order_by(memories.c.sequence).limit(limit)
    return query, scope_parameters(access, scope)


def fetch(connection: Connection, query: Query) -> list[Memory]:
    """The memories that a query finds."""
    return [] if query is None else [memory_of(row) for row in connection.execute(*query)]


def version_content(connection: Connection, access: Access, memory_id: str, version: int) -> Memory:
    """A memory as one of its versions left it. Raises `NotFound`, `OutOfRange` (HISTORY_ERASED)."""
    parameters = {"project_id": access.project_id, "id": memory_id, "version": version}
    row = connection.execute(_VERSION, parameters).one_or_none()
    if row is None:
        raise NotFound(f"memory {memory_id} has no version {version}")
    if row.erased:
        raise OutOfRange(f"version {version} of {memory_id} was erased", reason=Reason.HISTORY_ERASED)
    return memory_of(row)


def unfinished(connection: Connection, project_id: str) -> int:
    """How many operations of a project wait or run."""
    return int(connection.scalar(_UNFINISHED, {"project_id": project_id}) or 0)


def _within(access: Access, rows: Iterable[Any]) -> list[Memory]:
    found = [memory_of(row) for row in rows]
    return [memory for memory in found if access.bound.selects(memory.scope)]
