"""Reads of the log: the history of one memory, and the order of all changes of a project."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import MemoryState, Version, VersionEvent
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.database import Database
from mnemon_service.record.embeddings import vectors_of
from mnemon_service.record.moments import last_sequence
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.queries import ONE, allowed_scope, scope_conditions, scope_parameters
from mnemon_service.record.rows import Values, version_columns, version_of
from mnemon_service.record.schema import memories, versions
from mnemon_service.record.selection import (
    DEFAULT_PAGE_SIZE,
    MAXIMUM_PAGE_SIZE,
    Access,
    Change,
)
from mnemon_service.record.times import Clock, to_micros
from mnemon_service.record.writing import no_such_memory

_EVERYWHERE: Final = Scope()
_HIDDEN: Final = (MemoryState.DELETED.value, MemoryState.EXPIRED.value)
_IN_PROJECT: Final = versions.c.project_id == sa.bindparam("project_id")
_SUCCESSOR: Final = versions.alias("successor")
_PRESENT: Final = sa.select(
    memories.c.state, memories.c.expire_time, *(memories.c[field] for field in SCOPE_FIELDS)
).where(memories.c.project_id == sa.bindparam("project_id"), memories.c.id == sa.bindparam("id"))
_LAST_OF: Final = (
    sa.select(versions.c.erased, *(versions.c[field] for field in SCOPE_FIELDS))
    .where(_IN_PROJECT, versions.c.id == sa.bindparam("id"))
    .order_by(versions.c.version.desc())
    .limit(1)
)

_ROWS: Final = sa.select(*version_columns())
_CHANGES: Final = (
    _ROWS.where(
        _IN_PROJECT,
        versions.c.sequence > sa.bindparam("after"),
        versions.c.sequence <= sa.bindparam("until", type_=sa.BigInteger),
    )
    .order_by(versions.c.sequence)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_END_OF_TIME: Final = 2**62


class Log:
    """Every change of a project, in one order that all readers see: 1, 2, 3 … without gaps."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    async def last_sequence(self, access: Access) -> int:
        """Where the project's log ends; 0 if it is empty. Raises `NotFound` for an unknown project."""
        return await self._database.read(lambda connection: last_sequence(connection, access.project_id))

    async def versions_of(
        self,
        access: Access,
        memory_id: str,
        *,
        newest_first: bool = True,
        page_size: int = DEFAULT_PAGE_SIZE,
        page_token: str = "",
        show_deleted: bool = False,
    ) -> tuple[list[Version], str]:
        """A page of one memory's history and the next page's token; erased rows come without content.

        Raises `NotFound` for an unknown or foreign memory, and for a deleted, expired or erased one
        unless `show_deleted`.
        """
        if not 1 <= page_size <= MAXIMUM_PAGE_SIZE:
            raise InvalidArgument.of("page_size", f"must be 1 to {MAXIMUM_PAGE_SIZE}")
        query_name = ["versions", repr(access), memory_id, newest_first, show_deleted]
        start = self._tokens.read(query_name, page_token)[0] if page_token else None
        query = _history(newest_first=newest_first, resumed=start is not None)
        parameters = {"project_id": access.project_id, "id": memory_id, "limit": page_size + 1}
        if start is not None:
            parameters["start"] = start

        def work(connection: Connection) -> list[Version]:
            self._check_visible(connection, access, memory_id, show_deleted=show_deleted)
            return [version_of(row) for row in connection.execute(query, parameters)]

        found = await self._database.read_snapshot(work)
        token = ""
        if len(found) > page_size:
            token = self._tokens.issue(query_name, [found[page_size - 1].memory.version])
        return found[:page_size], token

    def _check_visible(
        self, connection: Connection, access: Access, memory_id: str, *, show_deleted: bool
    ) -> None:
        key = {"project_id": access.project_id, "id": memory_id}
        row = None if "\x00" in memory_id else connection.execute(_PRESENT, key).one_or_none()
        if row is not None:
            gone = row.state in _HIDDEN or (row.expire_time or _END_OF_TIME) <= to_micros(self._clock())
        else:
            row = None if "\x00" in memory_id else connection.execute(_LAST_OF, key).one_or_none()
            gone = True
        stored = row and Scope(row.user_id, row.agent_id, row.app_id, row.run_id)
        if not stored or not access.bound.selects(stored) or (gone and not show_deleted):
            raise no_such_memory(memory_id)

    async def after(
        self,
        access: Access,
        sequence: int,
        *,
        limit: int = 500,
        scope: Scope = _EVERYWHERE,
        events: Sequence[VersionEvent] = (),
    ) -> tuple[list[Version], int]:
        """The next changes after a position, and the position up to which the log has now been read.

        The position may lie past the last row: what was filtered away has been read too. Fewer rows than
        `limit` mean that the end of the log is reached. Each row shows its memory after that change,
        whatever became of it since; the content of erased ones is gone.
        """
        allowed = allowed_scope(access, scope)
        kept = tuple(dict.fromkeys(events))

        def work(connection: Connection) -> tuple[list[Version], int]:
            end = last_sequence(connection, access.project_id)
            if allowed is None or end <= sequence:
                return [], max(end, sequence)
            parameters = scope_parameters(access, allowed) | {"after": sequence, "limit": limit}
            rows = connection.execute(_after(tuple(allowed.named()), kept), parameters)
            found = [version_of(row) for row in rows]
            return found, found[-1].sequence if len(found) == limit else end

        return await self._database.read_snapshot(work)

    async def changes(
        self, project_id: str, after: int, *, limit: int, space: str, until: int | None = None
    ) -> list[Change]:
        """Changes of a whole project with the vectors of their texts (no sentences), for a follower that
        derives from the log. Each row shows the memory after that change."""
        parameters = {
            "project_id": project_id,
            "after": after,
            "until": _END_OF_TIME if until is None else until,
            "limit": limit,
        }
        return await self._changes(project_id, _CHANGES, parameters, space, sentences=False)

    async def tail(
        self, access: Access, scope: Scope, after: int, *, space: str, limit: int = 1000
    ) -> list[Change]:
        """The newest change after a position of each memory in a scope, with vectors, oldest first: what
        a search lays over an index that is not yet that far. Deletions are in it."""
        allowed = allowed_scope(access, scope)
        if allowed is None:
            return []
        query = _tail(tuple(allowed.named()))
        parameters = scope_parameters(access, allowed) | {"after": after, "limit": limit}
        return await self._changes(access.project_id, query, parameters, space, sentences=True)

    async def tail_and_end(
        self, access: Access, scope: Scope, after: int, *, space: str, limit: int = 1000
    ) -> tuple[list[Change], int]:
        """As `tail`, and where the project's log ended before it was read: all up to there is in it, if
        there are fewer changes than `limit`. Raises `NotFound` for an unknown project."""
        allowed = allowed_scope(access, scope)
        query = _tail(tuple((allowed or scope).named()))
        parameters = scope_parameters(access, allowed or scope) | {"after": after, "limit": limit}

        def work(connection: Connection) -> tuple[list[Change], int]:
            end = last_sequence(connection, access.project_id)
            if allowed is None or end <= after:
                return [], end
            found = [version_of(row) for row in connection.execute(query, parameters)]
            shown = [version.memory for version in found]
            vectors = vectors_of(connection, access.project_id, space, shown, sentences=True)
            return [Change(*pair) for pair in zip(found, vectors, strict=True)], end

        return await self._database.read(work)

    async def _changes(
        self, project_id: str, query: sa.Select[Any], parameters: Values, space: str, *, sentences: bool
    ) -> list[Change]:
        def work(connection: Connection) -> list[Change]:
            found = [version_of(row) for row in connection.execute(query, parameters)]
            shown = [version.memory for version in found]
            vectors = vectors_of(connection, project_id, space, shown, sentences=sentences)
            return [Change(*pair) for pair in zip(found, vectors, strict=True)]

        return await self._database.read(work)


@cache
def _history(*, newest_first: bool, resumed: bool) -> sa.Select[Any]:
    query = _ROWS.where(_IN_PROJECT, versions.c.id == sa.bindparam("id"))
    key = versions.c.version
    if resumed:
        start = sa.bindparam("start", type_=sa.BigInteger)
        query = query.where(key < start if newest_first else key > start)
    query = query.order_by(key.desc() if newest_first else key.asc())
    return query.limit(sa.bindparam("limit", type_=sa.Integer))


@cache
def _after(fields: tuple[str, ...], events: tuple[VersionEvent, ...]) -> sa.Select[Any]:
    query = _ROWS.where(*scope_conditions(versions, fields), versions.c.sequence > sa.bindparam("after"))
    if events:
        query = query.where(versions.c.event.in_([event.value for event in events]))
    return query.order_by(versions.c.sequence).limit(sa.bindparam("limit", type_=sa.Integer))


@cache
def _tail(fields: tuple[str, ...]) -> sa.Select[Any]:
    newer = sa.select(ONE).where(
        _SUCCESSOR.c.project_id == versions.c.project_id,
        _SUCCESSOR.c.id == versions.c.id,
        _SUCCESSOR.c.version == versions.c.version + ONE,
    )
    return (
        _ROWS.where(
            *scope_conditions(versions, fields),
            versions.c.sequence > sa.bindparam("after"),
            ~sa.exists(newer.correlate(versions)),
        )
        .order_by(versions.c.sequence)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
