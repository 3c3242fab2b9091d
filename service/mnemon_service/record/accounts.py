"""Who and what the memories are about, counted in the transaction that changes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.case_folding import fold
from mnemon_service.model.memory import Entity, Memory, MemoryState
from mnemon_service.record.dialects import Dialect, any_of
from mnemon_service.record.pending import Pending
from mnemon_service.record.schema import entities, memory_entities, memory_messages, scope_entities

_LINKED: Final = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
_UNLINK: Final = sa.delete(memory_entities).where(
    memory_entities.c.project_id == sa.bindparam("project"),
    memory_entities.c.key == sa.bindparam("entity"),
    memory_entities.c.memory_id == sa.bindparam("memory"),
)
_FORGET_UNNAMED: Final = sa.delete(entities).where(
    entities.c.project_id == sa.bindparam("project"),
    any_of(entities.c.key, "keys"),
    entities.c.memories <= 0,
)


def is_linked(memory: Memory | None) -> bool:
    """True for what is linked with what it names: active and superseded memories."""
    return memory is not None and memory.state in _LINKED


def is_active(memory: Memory | None) -> bool:
    """True for what counts show, of users and of names: what is true now."""
    return memory is not None and memory.state is MemoryState.ACTIVE


def entity_key(name: str) -> str:
    """What two spellings of one name have in common: case and outer white space do not count."""
    return fold(name.strip())


def count(connection: Connection, dialect: Dialect, project_id: str, pending: Pending, now: int) -> None:
    """Bring the counters and links to where the write leaves the memories."""
    _count_scopes(connection, dialect, project_id, pending, now)
    _count_entities(connection, dialect, project_id, pending, now)
    _link_messages(connection, dialect, project_id, pending)


def _count_scopes(
    connection: Connection, dialect: Dialect, project_id: str, pending: Pending, now: int
) -> None:
    changes: Counter[tuple[str, str]] = Counter()
    for before, after, scope in _changes(pending):
        for named in scope.scope.named().items():
            changes[named] += is_active(after) - is_active(before)
    statement = dialect.insert(scope_entities)
    statement = statement.on_conflict_do_update(
        index_elements=["project_id", "kind", "value"],
        set_={
            "memories": scope_entities.c.memories + statement.excluded.memories,
            "last_activity": statement.excluded.last_activity,
        },
    )
    rows = [
        {
            "project_id": project_id,
            "kind": kind,
            "value": value,
            "memories": change,
            "first_activity": now,
            "last_activity": now,
        }
        for (kind, value), change in sorted(changes.items())
    ]
    connection.execute(statement, rows)


def _changes(pending: Pending) -> Iterator[tuple[Memory | None, Memory | None, Memory]]:
    """Each changed memory before and after, and whichever of them there is."""
    for memory_id, after in pending.after.items():
        before = pending.before[memory_id]
        present = after or before
        if present is not None:
            yield before, after, present


def _named(memory: Memory | None) -> dict[str, Entity]:
    if memory is None or not is_linked(memory):
        return {}
    return {key: entity for entity in memory.entities if (key := entity_key(entity.name))}


def _count_entities(
    connection: Connection, dialect: Dialect, project_id: str, pending: Pending, now: int
) -> None:
    changes: Counter[str] = Counter()
    named: dict[str, Entity] = {}
    links: list[dict[str, str]] = []
    unlinks: list[dict[str, str]] = []
    for before, after, present in _changes(pending):
        old, new = _named(before), _named(after)
        for key, entity in (old | new).items():
            known = named.setdefault(key, entity)
            if not known.type:
                named[key] = Entity(known.name, entity.type)
        counted_before, counted_after = is_active(before), is_active(after)
        for key in old.keys() | new.keys():
            changes[key] += (counted_after and key in new) - (counted_before and key in old)
        for key in sorted(new.keys() - old.keys()):
            owner = present.scope.owner
            links.append({"project_id": project_id, "key": key, "memory_id": present.id, "owner": owner})
        unlinks += [
            {"project": project_id, "entity": key, "memory": present.id}
            for key in sorted(old.keys() - new.keys())
        ]
    if unlinks:
        connection.execute(_UNLINK, unlinks)
    if links:
        connection.execute(dialect.insert(memory_entities).on_conflict_do_nothing(), links)
    moved = Counter({key: change for key, change in changes.items() if change})
    if moved:
        _move_entities(connection, dialect, project_id, moved, named, now)


def _move_entities(
    connection: Connection,
    dialect: Dialect,
    project_id: str,
    changes: Counter[str],
    named: dict[str, Entity],
    now: int,
) -> None:
    statement = dialect.insert(entities)
    known_type = sa.func.nullif(entities.c.type, sa.literal_column("''"))
    statement = statement.on_conflict_do_update(
        index_elements=["project_id", "key"],
        set_={
            "memories": entities.c.memories + statement.excluded.memories,
            "last_activity": statement.excluded.last_activity,
            "type": sa.func.coalesce(known_type, statement.excluded.type),
        },
    )
    rows: list[dict[str, Any]] = [
        {
            "project_id": project_id,
            "key": key,
            "name": named[key].name.strip(),
            "type": named[key].type,
            "memories": change,
            "last_activity": now,
        }
        for key, change in sorted(changes.items())
    ]
    connection.execute(statement, rows)
    if gone := [key for key, change in changes.items() if change < 0]:
        connection.execute(_FORGET_UNNAMED, {"project": project_id, "keys": gone})


def _link_messages(connection: Connection, dialect: Dialect, project_id: str, pending: Pending) -> None:
    """A memory stays linked to every message it was ever drawn from, until it is erased."""
    links = [
        {"project_id": project_id, "message_id": message_id, "memory_id": after.id}
        for before, after, _ in _changes(pending)
        if after is not None
        for message_id in sorted(_message_ids(after) - _message_ids(before))
    ]
    if links:
        connection.execute(dialect.insert(memory_messages).on_conflict_do_nothing(), links)


def _message_ids(memory: Memory | None) -> set[str]:
    if memory is None:
        return set()
    return {source.message_id for source in memory.sources if source.message_id}
