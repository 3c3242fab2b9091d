"""Pages of entities in any order: users, agents, apps, runs, and what memories name."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from mnemon_service.model.errors import NotFound, PermissionDenied, Reason
from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.accounts import entity_key
from mnemon_service.record.database import Database
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.queries import scope_conditions, scope_parameters
from mnemon_service.record.rows import checked_text
from mnemon_service.record.schema import entities, memories, memory_entities, scope_entities
from mnemon_service.record.selection import Access
from mnemon_service.record.times import from_micros, optional_time, to_micros

NAMED: Final = "named"
"""The kind of what memories name; the others are the fields of a scope."""
_LAST_CHARACTER: Final = "\U0010ffff"


class EntityOrder(enum.StrEnum):
    """How entities are sorted."""

    ACTIVITY = "ACTIVITY"
    ID = "ID"
    MEMORIES = "MEMORIES"


@dataclass(frozen=True, slots=True)
class ListedEntity:
    """One line of a list."""

    kind: str
    id: str
    """The scope id, or the name as first written."""
    type: str
    memories: int
    """Active ones."""
    create_time: datetime | None
    last_activity: datetime
    key: str = ""
    """What its place in a list sorted by id is."""


class EntityLists:
    """Lists by index: each kind is read in its order, and several are merged."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def scope_entities(
        self,
        access: Access,
        kinds: Sequence[str],
        order: EntityOrder,
        *,
        prefix: str = "",
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[list[ListedEntity], str]:
        """Users, agents, apps and runs with memories, and the next page's token.

        One that changes its place while pages are read may be seen twice or not at all. Raises
        `PermissionDenied` (SCOPE_FORBIDDEN) for a bound access: it would see names from outside its scope.
        """
        if not access.bound.is_empty:
            raise PermissionDenied("the key is bound to a scope", reason=Reason.SCOPE_FORBIDDEN)
        name = ["entities", access.project_id, list(kinds), order.value, prefix]
        place = self._tokens.read(name, page_token) if page_token else []
        found: list[ListedEntity] = []
        for kind in kinds:
            query = _scope_query(access.project_id, kind, checked_text("id_prefix", prefix))
            found += await self._page(query, kind, order, place, page_size + 1)
        found.sort(key=lambda entity: _sort_key(entity, order))
        return self._cut(found, name, order, page_size)

    async def named(
        self,
        access: Access,
        scope: Scope,
        order: EntityOrder,
        *,
        prefix: str = "",
        page_size: int = 50,
        page_token: str = "",
    ) -> tuple[list[ListedEntity], str]:
        """What the memories of a scope name (of the project, for an empty one), and the next page's token.

        Raises `PermissionDenied` (SCOPE_FORBIDDEN) for a scope outside the bound one.
        """
        allowed = scope.narrowed_by(access.bound)
        if allowed is None:
            raise PermissionDenied("the key is bound to another scope", reason=Reason.SCOPE_FORBIDDEN)
        name = ["named entities", access.project_id, repr(allowed), order.value, prefix]
        place = self._tokens.read(name, page_token) if page_token else []
        query = _named_query(access, allowed)
        if prefix:
            key = entity_key(checked_text("id_prefix", prefix))
            query = query.where(_begins(query.selected_columns.key, key))
        found = await self._page(query, NAMED, order, place, page_size + 1)
        return self._cut(found, name, order, page_size)

    async def one_named(self, access: Access, name: str) -> ListedEntity:
        """One named thing as the caller may see it. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        key = entity_key(checked_text("id", name))
        query = _named_query(access, access.bound)
        found = await self._rows(query.where(query.selected_columns.key == key), NAMED)
        if not found:
            raise NotFound("there is no such entity", reason=Reason.RESOURCE_NOT_FOUND)
        return found[0]

    async def _page(
        self, query: sa.Select[Any], kind: str, order: EntityOrder, place: Sequence[Any], limit: int
    ) -> list[ListedEntity]:
        columns = query.selected_columns
        sorted_by = {EntityOrder.ACTIVITY: "last_activity", EntityOrder.MEMORIES: "memories"}.get(order)
        if place:
            query = query.where(_after(columns, kind, sorted_by, place))
        if sorted_by is not None:
            query = query.order_by(columns[sorted_by].desc(), columns.key)
        else:
            query = query.order_by(columns.key)
        return await self._rows(query.limit(limit), kind)

    async def _rows(self, query: sa.Select[Any], kind: str) -> list[ListedEntity]:
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            ListedEntity(
                kind=kind,
                id=row.name,
                type=row.type,
                memories=int(row.memories),
                create_time=optional_time(row.first_activity),
                last_activity=from_micros(row.last_activity),
                key=row.key,
            )
            for row in rows
        ]

    def _cut(
        self, found: list[ListedEntity], name: list[Any], order: EntityOrder, page_size: int
    ) -> tuple[list[ListedEntity], str]:
        if len(found) <= page_size:
            return found, ""
        return found[:page_size], self._tokens.issue(name, list(_sort_key(found[page_size - 1], order)))


def _sort_key(entity: ListedEntity, order: EntityOrder) -> tuple[Any, ...]:
    """Ascending; entities of several kinds that tie are sorted by key, then kind."""
    if order is EntityOrder.ACTIVITY:
        return (-to_micros(entity.last_activity), entity.key, entity.kind)
    if order is EntityOrder.MEMORIES:
        return (-entity.memories, entity.key, entity.kind)
    return (entity.key, entity.kind)


def _after(
    columns: Any,  # noqa: ANN401 (SQLAlchemy's own collection)
    kind: str,
    sorted_by: str | None,
    place: Sequence[Any],
) -> sa.ColumnElement[bool]:
    """Rows of a kind that come after a place, which may be one of another kind."""
    last_key, last_kind = place[-2], place[-1]
    beyond: sa.ColumnElement[bool] = columns.key >= last_key if kind > last_kind else columns.key > last_key
    if sorted_by is None:
        return beyond
    value = -place[0]
    return sa.or_(columns[sorted_by] < value, sa.and_(columns[sorted_by] == value, beyond))


def _scope_query(project_id: str, kind: str, prefix: str) -> sa.Select[Any]:
    table = scope_entities
    query = sa.select(
        table.c.value.label("key"),
        table.c.value.label("name"),
        sa.literal("").label("type"),
        table.c.memories.label("memories"),
        table.c.first_activity.label("first_activity"),
        table.c.last_activity.label("last_activity"),
    ).where(table.c.project_id == project_id, table.c.kind == kind, table.c.memories > 0)
    return query.where(_begins(table.c.value, prefix)) if prefix else query


def _begins(column: sa.ColumnElement[Any], prefix: str) -> sa.ColumnElement[bool]:
    """A range that an index serves; strings sort by code point on both databases."""
    return sa.and_(column >= prefix, column <= prefix + _LAST_CHARACTER)


def _named_query(access: Access, scope: Scope) -> sa.Select[Any]:
    """Of the whole project from its counters; of a scope, counted over that scope's memories."""
    if scope.is_empty:
        return sa.select(
            entities.c.key.label("key"),
            entities.c.name.label("name"),
            entities.c.type.label("type"),
            entities.c.memories.label("memories"),
            sa.null().label("first_activity"),
            entities.c.last_activity.label("last_activity"),
        ).where(entities.c.project_id == access.project_id, entities.c.memories > 0)
    naming = sa.and_(
        memory_entities.c.project_id == memories.c.project_id,
        memory_entities.c.memory_id == memories.c.id,
    )
    described = sa.and_(
        entities.c.project_id == memory_entities.c.project_id, entities.c.key == memory_entities.c.key
    )
    counted = (
        sa.select(
            entities.c.key.label("key"),
            entities.c.name.label("name"),
            entities.c.type.label("type"),
            sa.func.count().label("memories"),
            sa.func.min(memories.c.create_time).label("first_activity"),
            sa.func.max(memories.c.update_time).label("last_activity"),
        )
        .select_from(memories.join(memory_entities, naming).join(entities, described))
        .where(
            *scope_conditions(memories, tuple(scope.named())),
            memories.c.state == MemoryState.ACTIVE.value,
        )
        .group_by(entities.c.key, entities.c.name, entities.c.type)
        .params(**scope_parameters(access, scope))
        .subquery()
    )
    return sa.select(*counted.c)
