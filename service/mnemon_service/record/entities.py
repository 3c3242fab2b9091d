"""Who and what the memories are about: users, agents, apps, runs, and named things."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final

import sqlalchemy as sa

from mnemon_service.model.errors import InvalidArgument, NotFound, PermissionDenied, Reason
from mnemon_service.model.memory import Entity, MemoryState
from mnemon_service.model.scope import SCOPE_FIELDS
from mnemon_service.record.accounts import entity_key
from mnemon_service.record.database import Database
from mnemon_service.record.dialects import any_of
from mnemon_service.record.page_tokens import PageTokens
from mnemon_service.record.queries import scope_conditions, scope_parameters
from mnemon_service.record.schema import entities, memories, memory_entities, scope_entities
from mnemon_service.record.selection import Access
from mnemon_service.record.times import from_micros


@dataclass(frozen=True, slots=True)
class ScopeEntity:
    """A user, agent, app or run that has memories, counted as they are written."""

    kind: str
    """`user_id`, `agent_id`, `app_id` or `run_id`."""
    value: str
    memories: int
    """Active ones."""
    first_activity: datetime
    last_activity: datetime


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """A thing that memories name."""

    name: str
    type: str
    memories: int
    last_activity: datetime


_SCOPE_COLUMNS: Final = [
    scope_entities.c[name] for name in ("kind", "value", "memories", "first_activity", "last_activity")
]
_OF_KIND: Final = sa.select(*_SCOPE_COLUMNS).where(
    scope_entities.c.project_id == sa.bindparam("project_id"), scope_entities.c.kind == sa.bindparam("kind")
)
_ONE: Final = _OF_KIND.where(scope_entities.c.value == sa.bindparam("value"))
_NAMED: Final = sa.select(
    entities.c.key, entities.c.name, entities.c.type, entities.c.memories, entities.c.last_activity
).where(entities.c.project_id == sa.bindparam("project_id"))
_KNOWN: Final = (
    sa.select(entities.c.name, entities.c.type)
    .distinct()
    .select_from(
        memory_entities.join(
            entities,
            sa.and_(
                entities.c.project_id == memory_entities.c.project_id,
                entities.c.key == memory_entities.c.key,
            ),
        )
    )
    .where(
        memory_entities.c.project_id == sa.bindparam("project_id"),
        memory_entities.c.owner == sa.bindparam("owner"),
    )
    .order_by(entities.c.name)
)
_KNOWN_AMONG: Final = _KNOWN.where(any_of(memory_entities.c.key, "keys"))


class Entities:
    """Lists of entities, by index and not by scan. A key bound to a scope may not list: it would see names
    from outside its scope. It can ask for its own ids, and for the memories that name something."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def list_scope(
        self, access: Access, kind: str, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[list[ScopeEntity], str]:
        """Users, agents, apps or runs, latest activity first, and the next page's token.

        One that becomes active while pages are read moves to the front, and is not seen on a later page.
        Raises `PermissionDenied` (SCOPE_FORBIDDEN) for a bound access.
        """
        _check_kind(kind)
        _check_unbound(access)
        name = ["scope entities", access.project_id, kind]
        after = self._tokens.read(name, page_token) if page_token else []
        query = _by_activity(_OF_KIND, scope_entities.c.last_activity, scope_entities.c.value, bool(after))
        parameters = {"project_id": access.project_id, "kind": kind, "limit": page_size + 1} | _place(after)
        rows = await self._rows(query, parameters)
        found = [_scope_entity_of(row) for row in rows[:page_size]]
        if len(rows) <= page_size:
            return found, ""
        last = rows[page_size - 1]
        return found, self._tokens.issue(name, [last.last_activity, last.value])

    async def get_scope(self, access: Access, kind: str, value: str) -> ScopeEntity:
        """One of them. Raises `NotFound` (RESOURCE_NOT_FOUND)."""
        _check_kind(kind)
        bound = access.bound.named()
        allowed = "\x00" not in value and (not bound or bound == {kind: value})
        parameters = {"project_id": access.project_id, "kind": kind, "value": value}
        rows = await self._rows(_ONE, parameters) if allowed else []
        if not rows:
            raise NotFound("there is no such entity", reason=Reason.RESOURCE_NOT_FOUND)
        return _scope_entity_of(rows[0])

    async def list_named(
        self, access: Access, *, page_size: int = 50, page_token: str = ""
    ) -> tuple[list[NamedEntity], str]:
        """Named entities of the project, latest activity first, and the next page's token; as
        `list_scope`."""
        _check_unbound(access)
        name = ["named entities", access.project_id]
        after = self._tokens.read(name, page_token) if page_token else []
        query = _by_activity(_NAMED, entities.c.last_activity, entities.c.key, bool(after))
        parameters = {"project_id": access.project_id, "limit": page_size + 1} | _place(after)
        rows = await self._rows(query, parameters)
        found = [
            NamedEntity(row.name, row.type, row.memories, from_micros(row.last_activity))
            for row in rows[:page_size]
        ]
        if len(rows) <= page_size:
            return found, ""
        last = rows[page_size - 1]
        return found, self._tokens.issue(name, [last.last_activity, last.key])

    async def memory_ids(self, access: Access, name: str, *, limit: int = 1000) -> list[str]:
        """Ids of the active memories that name it, in any case, newest first; hydrate them to see."""
        key = entity_key(name)
        if "\x00" in key:
            return []
        parameters = scope_parameters(access, access.bound) | {"key": key, "limit": limit}
        rows = await self._rows(_memories_naming(tuple(access.bound.named())), parameters)
        return [row.id for row in rows]

    async def known_to(self, access: Access, owner: str) -> Sequence[Entity]:
        """The entities that the present memories of an owner (`Scope.owner`) name, by name.

        Empty if the owner lies outside a bound access.
        """
        if _is_outside(access, owner):
            return []
        rows = await self._rows(_KNOWN, {"project_id": access.project_id, "owner": owner})
        return [Entity(row.name, row.type) for row in rows]

    async def known_among(self, access: Access, owner: str, names: Collection[str]) -> Sequence[Entity]:
        """Those of `names`, in any case, that the present memories of an owner name, as spelled there.

        Empty if the owner lies outside a bound access.
        """
        keys = {key for name in names if "\x00" not in (key := entity_key(name))}
        if not keys or _is_outside(access, owner):
            return []
        parameters = {"project_id": access.project_id, "owner": owner, "keys": sorted(keys)}
        rows = await self._rows(_KNOWN_AMONG, parameters)
        return [Entity(row.name, row.type) for row in rows]

    async def _rows(self, query: sa.Select[Any], parameters: dict[str, Any]) -> Sequence[sa.Row[Any]]:
        return await self._database.read(lambda connection: connection.execute(query, parameters).all())


def _is_outside(access: Access, owner: str) -> bool:
    """Whether an access is bound to a scope that is not this owner's."""
    return not access.bound.is_empty and owner not in {f"{k}:{v}" for k, v in access.bound.named().items()}


def _check_kind(kind: str) -> None:
    if kind not in SCOPE_FIELDS:
        raise InvalidArgument.of("kind", f"must be one of {', '.join(SCOPE_FIELDS)}")


def _check_unbound(access: Access) -> None:
    if not access.bound.is_empty:
        raise PermissionDenied("the key is bound to a scope", reason=Reason.SCOPE_FORBIDDEN)


def _place(after: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(("after_time", "after_key"), after, strict=True)) if after else {}


@cache
def _by_activity(
    query: sa.Select[Any], time: sa.ColumnElement[Any], key: sa.ColumnElement[Any], resumed: bool
) -> sa.Select[Any]:
    if resumed:
        place = sa.tuple_(
            sa.bindparam("after_time", type_=sa.BigInteger), sa.bindparam("after_key", type_=sa.Text)
        )
        query = query.where(sa.tuple_(time, key) < place)
    return query.order_by(time.desc(), key.desc()).limit(sa.bindparam("limit", type_=sa.Integer))


@cache
def _memories_naming(bound_fields: tuple[str, ...]) -> sa.Select[Any]:
    naming = sa.and_(
        memory_entities.c.project_id == memories.c.project_id,
        memory_entities.c.memory_id == memories.c.id,
    )
    return (
        sa.select(memories.c.id)
        .select_from(memory_entities.join(memories, naming))
        .where(
            memory_entities.c.project_id == sa.bindparam("project_id"),
            memory_entities.c.key == sa.bindparam("key"),
            *scope_conditions(memories, bound_fields),
            memories.c.state == MemoryState.ACTIVE.value,
        )
        .order_by(memories.c.create_time.desc(), memories.c.id.desc())
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )


def _scope_entity_of(row: Any) -> ScopeEntity:  # noqa: ANN401
    return ScopeEntity(
        kind=row.kind,
        value=row.value,
        memories=row.memories,
        first_activity=from_micros(row.first_activity),
        last_activity=from_micros(row.last_activity),
    )
