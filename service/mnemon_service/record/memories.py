"""Reads of memories: now, in the past, in pages."""

from __future__ import annotations

import builtins
from collections.abc import Collection, Mapping, Sequence, Set
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.errors import InvalidArgument
from mnemon_service.model.memory import Memory, MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.database import Database, Result, Work
from mnemon_service.record.dialects import any_of
from mnemon_service.record.embeddings import vectors_of
from mnemon_service.record.moments import Moment, last_sequence, past_moment
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.present import said_by
from mnemon_service.record.queries import (
    Rows,
    Shape,
    Source,
    allowed_scope,
    filtered,
    listing,
    scope_conditions,
    scope_parameters,
    selecting,
    shape_of,
    visibility,
)
from mnemon_service.record.rows import Values, memory_columns, memory_of
from mnemon_service.record.schema import memories
from mnemon_service.record.selection import (
    DEFAULT_PAGE_SIZE,
    MAXIMUM_PAGE_SIZE,
    Access,
    AsOf,
    Order,
    OrderBy,
    Page,
    ScopeRow,
    Selection,
)
from mnemon_service.record.times import Clock, to_micros
from mnemon_service.record.writing import no_such_memory

_NEWEST_FIRST: Final = Order()
_NO_LIMIT: Final = 2**31 - 1
_ALL: Final = Selection()
_AFTER: Final = {
    OrderBy.CREATE_TIME: ("after_time", "after_id"),
    OrderBy.UPDATE_TIME: ("after_sequence",),
}


class Memories:
    """What is remembered. All reads drop what lies out of the access and what has expired."""

    def __init__(self, database: Database, clock: Clock, tokens: PageTokens) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens

    async def get(
        self,
        access: Access,
        memory_id: str,
        *,
        as_of: AsOf | None = None,
        show_superseded: bool = True,
        show_deleted: bool = False,
    ) -> Memory:
        """One memory. Raises `NotFound` for an unknown, foreign, deleted, expired or erased one."""
        found = await self.batch_get(
            access, (memory_id,), as_of=as_of, show_superseded=show_superseded, show_deleted=show_deleted
        )
        return found[0]

    async def batch_get(
        self,
        access: Access,
        memory_ids: Sequence[str],
        *,
        as_of: AsOf | None = None,
        show_superseded: bool = True,
        show_deleted: bool = False,
    ) -> builtins.list[Memory]:
        """The memories in the order of the ids. Raises `NotFound` if one is missing, naming it."""
        selection = Selection(show_superseded=show_superseded, show_deleted=show_deleted, as_of=as_of)
        found = await self.hydrate(access, memory_ids, selection)
        for memory_id in memory_ids:
            if memory_id not in found:
                raise no_such_memory(memory_id)
        return [found[memory_id] for memory_id in memory_ids]

    async def hydrate(
        self, access: Access, memory_ids: Sequence[str], selection: Selection = _ALL
    ) -> dict[str, Memory]:
        """Those of the ids that the selection holds, by id; the others are left out. One query."""
        scope = allowed_scope(access, selection.scope)
        ids = [memory_id for memory_id in memory_ids if "\x00" not in memory_id]
        if scope is None or not ids:
            return {}
        source = Source.PRESENT if selection.as_of is None else Source.PAST
        shape = shape_of(scope, selection.states, source)
        query = filtered(_by_ids(shape), shape, selection.filter, self._database.dialect)
        parameters = scope_parameters(access, scope) | {"ids": ids}

        def work(connection: Connection) -> dict[str, Memory]:
            moment = self._moment(connection, access, selection.as_of)
            found = [memory_of(row) for row in connection.execute(query, parameters | moment)]
            return {memory.id: memory for memory in found}

        return await self._read(work, selection.as_of)

    async def list(
        self,
        access: Access,
        selection: Selection,
        *,
        order: Order = _NEWEST_FIRST,
        page_size: int = DEFAULT_PAGE_SIZE,
        page_token: str = "",
    ) -> Page:
        """A page of the selection, sorted.

        All pages of one list show the log position of its first page, so nothing is skipped and nothing
        comes twice while others write; what was deleted, superseded or expired meanwhile is left out.

        Raises `InvalidArgument` (PAGE_TOKEN_INVALID) for a token that is damaged or belongs to another
        query, `OutOfRange` (HISTORY_ERASED) for an `as_of` that the log has not reached.
        """
        if not 1 <= page_size <= MAXIMUM_PAGE_SIZE:
            raise InvalidArgument.of("page_size", f"must be 1 to {MAXIMUM_PAGE_SIZE}")
        query = ["memories", repr(access), repr(selection), repr(order)]
        place = self._tokens.read(query, page_token) if page_token else []

        def work(connection: Connection) -> Page:
            moment = self._pinned(connection, access, selection.as_of, place)
            rows = self._page_rows(connection, access, selection, order, moment, place[2:], page_size + 1)
            token = ""
            if len(rows) > page_size:
                last = rows[page_size - 1]
                key = [last.sequence] if order.by is OrderBy.UPDATE_TIME else [last.create_time, last.id]
                token = self._tokens.issue(query, [moment.position, moment.now, *key])
            return Page(tuple(memory_of(row) for row in rows[:page_size]), token, moment.position)

        return await self._database.read_snapshot(work)

    def _pinned(
        self, connection: Connection, access: Access, as_of: AsOf | None, place: Sequence[Any]
    ) -> Moment:
        """The moment that all pages of a list show."""
        if place:
            return Moment(place[0], place[1])
        if as_of is not None:
            return past_moment(connection, access.project_id, as_of)
        return Moment(last_sequence(connection, access.project_id), to_micros(self._clock()))

    def _page_rows(
        self,
        connection: Connection,
        access: Access,
        selection: Selection,
        order: Order,
        moment: Moment,
        after: Sequence[Any],
        limit: int,
    ) -> Sequence[sa.Row[Any]]:
        scope = allowed_scope(access, selection.scope)
        if scope is None:
            return ()
        source = Source.PAST
        if selection.as_of is None:
            source = Source.PINNED if after else Source.PRESENT
        shape = shape_of(scope, selection.states, source)
        query = listing(shape, order, resumed=bool(after))
        query = filtered(query, shape, selection.filter, self._database.dialect)
        parameters = scope_parameters(access, scope) | moment.parameters() | {"limit": limit}
        if after:
            parameters |= dict(zip(_AFTER[order.by], after, strict=True))
        if source is Source.PINNED:
            parameters["present_now"] = to_micros(self._clock())
        return connection.execute(query, parameters).all()

    async def count(self, access: Access, selection: Selection, *, at_most: int | None = None) -> int:
        """How many memories the selection holds; stops counting at `at_most`."""
        scope = allowed_scope(access, selection.scope)
        if scope is None:
            return 0
        source = Source.PRESENT if selection.as_of is None else Source.PAST
        shape = shape_of(scope, selection.states, source)
        found = filtered(selecting(shape), shape, selection.filter, self._database.dialect)
        found = found.with_only_columns(sa.literal_column("1").label("one"))
        if at_most is not None:
            found = found.limit(at_most)
        query = sa.select(sa.func.count()).select_from(found.subquery())
        parameters = scope_parameters(access, scope)

        def work(connection: Connection) -> int:
            moment = self._moment(connection, access, selection.as_of)
            return int(connection.scalar(query, parameters | moment) or 0)

        return await self._read(work, selection.as_of)

    async def said_already(
        self, access: Access, said: Collection[tuple[Scope, str]]
    ) -> set[tuple[Scope, str]]:
        """Those pairs of a stored scope and a `duplicate_hash` that an active memory has."""
        now = to_micros(self._clock())
        return await self._database.read(lambda connection: said_by(connection, access, said, now))

    async def scope_rows(
        self, access: Access, owner: str, space: str, *, limit: int | None = None
    ) -> tuple[builtins.list[ScopeRow], int]:
        """Every active memory of an owner (`Scope.owner`) with its vectors, and the log position that
        they show. Newest first, at most `limit`."""
        query = _scope_rows(tuple(access.bound.named()))
        parameters = scope_parameters(access, access.bound) | {
            "owner": owner,
            "limit": _NO_LIMIT if limit is None else limit,
        }

        def work(connection: Connection) -> tuple[builtins.list[ScopeRow], int]:
            position = last_sequence(connection, access.project_id)
            now = to_micros(self._clock())
            found = [memory_of(row) for row in connection.execute(query, parameters | {"now": now})]
            vectors = vectors_of(connection, access.project_id, space, found, sentences=True)
            return [ScopeRow(*pair) for pair in zip(found, vectors, strict=True)], position

        return await self._database.read_snapshot(work)

    async def rows(
        self, access: Access, selection: Selection, space: str, *, memory_ids: Sequence[str] | None = None
    ) -> tuple[builtins.list[ScopeRow], int]:
        """The memories of a selection, or those of the ids that it holds, with the vectors of their texts
        and sentences, and the log position that they show. In no order; unbounded: count first.

        Raises `OutOfRange` (HISTORY_ERASED) for an `as_of` that the log has not reached.
        """
        scope = allowed_scope(access, selection.scope)
        source = Source.PRESENT if selection.as_of is None else Source.PAST
        shape = shape_of(scope or selection.scope, selection.states, source)
        query = selecting(shape) if memory_ids is None else _by_ids(shape)
        query = filtered(query, shape, selection.filter, self._database.dialect)
        parameters = scope_parameters(access, scope or selection.scope)
        if memory_ids is not None:
            parameters |= {"ids": [memory_id for memory_id in memory_ids if "\x00" not in memory_id]}

        def work(connection: Connection) -> tuple[builtins.list[ScopeRow], int]:
            position = last_sequence(connection, access.project_id)
            moment = self._moment(connection, access, selection.as_of)
            if scope is None:
                return [], position
            found = [memory_of(row) for row in connection.execute(query, parameters | moment)]
            vectors = vectors_of(connection, access.project_id, space, found, sentences=True)
            return [ScopeRow(*pair) for pair in zip(found, vectors, strict=True)], position

        return await self._database.read_snapshot(work)

    async def beside(
        self, access: Access, selection: Selection, space: str, places: Mapping[tuple[str, str], Set[int]]
    ) -> builtins.list[ScopeRow]:
        """The present memories of a selection that stand at these places (`run_position`) of conversations
        (`run_id`, `session`), with their vectors. Conversations without a run are left out: no index
        knows them."""
        scope = allowed_scope(access, selection.scope)
        runs = sorted({run_id for run_id, _ in places if run_id})
        if scope is None or not runs:
            return []
        shape = shape_of(scope, selection.states)
        query = filtered(_by_places(shape), shape, selection.filter, self._database.dialect)
        positions = sorted({place for wanted in places.values() for place in wanted})
        parameters = scope_parameters(access, scope) | {"runs": runs, "positions": list(map(str, positions))}

        def work(connection: Connection) -> builtins.list[ScopeRow]:
            rows = connection.execute(query, parameters | self._moment(connection, access, None))
            found = [memory_of(row) for row in rows]
            wanted = [
                memory
                for memory in found
                if memory.run_position in places.get((memory.scope.run_id, memory.session), ())
            ]
            vectors = vectors_of(connection, access.project_id, space, wanted, sentences=True)
            return [ScopeRow(*pair) for pair in zip(wanted, vectors, strict=True)]

        return await self._database.read_snapshot(work)

    def _moment(self, connection: Connection, access: Access, as_of: AsOf | None) -> Values:
        """Parameters for a read that is not a page."""
        if as_of is None:
            return {"now": to_micros(self._clock())}
        return past_moment(connection, access.project_id, as_of).parameters()

    async def _read(self, work: Work[Result], as_of: AsOf | None) -> Result:
        """One statement in the present, several of one moment in the past."""
        if as_of is None:
            return await self._database.read(work)
        return await self._database.read_snapshot(work)


@cache
def _by_places(shape: Shape) -> Rows:
    table = shape.table
    return selecting(shape).where(
        any_of(table.c.run_id, "runs"),
        table.c.run_id != sa.literal_column("''"),
        any_of(sa.cast(table.c.run_position, sa.Text), "positions"),
    )


@cache
def _by_ids(shape: Shape) -> Rows:
    return selecting(shape).where(any_of(shape.table.c.id, "ids"))


@cache
def _scope_rows(bound_fields: tuple[str, ...]) -> Rows:
    return (
        sa.select(*memory_columns())
        .where(
            *scope_conditions(memories, bound_fields),
            memories.c.owner == sa.bindparam("owner"),
            *visibility(memories, (MemoryState.ACTIVE,), "now"),
        )
        .order_by(memories.c.sequence.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
