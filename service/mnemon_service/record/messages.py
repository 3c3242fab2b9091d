"""The conversation log: what was said, per scope, in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import Role
from mnemon_service.model.message import Message
from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.conversations import conversation_of
from mnemon_service.record.database import Database
from mnemon_service.record.dialects import any_of
from mnemon_service.record.queries import allowed_scope, scope_conditions, scope_parameters
from mnemon_service.record.schema import memory_messages, messages
from mnemon_service.record.selection import Access
from mnemon_service.record.times import optional_time

_COLUMNS: Final = [
    messages.c[name]
    for name in (*SCOPE_FIELDS, "id", "position", "role", "name", "content", "recalled", "observed_time")
]
_LAST: Final = (
    sa.select(*_COLUMNS)
    .where(
        messages.c.project_id == sa.bindparam("project_id"),
        messages.c.conversation == sa.bindparam("conversation"),
    )
    .order_by(messages.c.position.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_NEWEST: Final = sa.select(*_COLUMNS).order_by(messages.c.record_time.desc(), messages.c.id.desc())
_BY_IDS: Final = sa.select(*_COLUMNS).where(
    messages.c.project_id == sa.bindparam("project_id"), any_of(messages.c.id, "ids")
)
_DRAWN: Final = (
    sa.select(memory_messages.c.message_id, memory_messages.c.memory_id)
    .where(
        memory_messages.c.project_id == sa.bindparam("project_id"),
        any_of(memory_messages.c.message_id, "ids"),
    )
    .order_by(memory_messages.c.memory_id)
)


class Messages:
    """Reads of messages. They are written with `Write.save_messages`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, access: Access, scope: Scope, count: int) -> list[Message]:
        """The last messages of the conversation of exactly this stored scope, oldest first."""
        if not access.bound.selects(scope) or count < 1:
            return []
        conversation = conversation_of(scope)
        parameters = {"project_id": access.project_id, "conversation": conversation, "limit": count}
        return (await self._fetch(_LAST, parameters))[::-1]

    async def newest(self, access: Access, scope: Scope, limit: int) -> list[Message]:
        """The newest messages of all conversations in a scope (an empty one is all that the access allows),
        newest first, at most `limit`."""
        allowed = allowed_scope(access, scope)
        if allowed is None:
            return []
        query = _newest(tuple(allowed.named()))
        return await self._fetch(query, scope_parameters(access, allowed) | {"limit": limit})

    async def batch_get(self, access: Access, message_ids: Sequence[str]) -> dict[str, Message]:
        """The messages that are there, by id."""
        ids = [message_id for message_id in message_ids if "\x00" not in message_id]
        found = await self._fetch(_BY_IDS, {"project_id": access.project_id, "ids": ids})
        return {message.id: message for message in found if access.bound.selects(message.scope)}

    async def drawn_memories(self, access: Access, message_ids: Sequence[str]) -> dict[str, list[str]]:
        """Ids of the memories that were drawn from each message, in any state: hydrate them to see."""
        ids = [message_id for message_id in message_ids if "\x00" not in message_id]
        parameters = {"project_id": access.project_id, "ids": ids}

        def work(connection: Connection) -> dict[str, list[str]]:
            found: dict[str, list[str]] = {}
            for message_id, memory_id in connection.execute(_DRAWN, parameters):
                found.setdefault(message_id, []).append(memory_id)
            return found

        return await self._database.read(work)

    async def _fetch(self, query: sa.Select[Any], parameters: dict[str, Any]) -> list[Message]:
        def work(connection: Connection) -> list[Message]:
            return [_message_of(row) for row in connection.execute(query, parameters)]

        return await self._database.read(work)


@cache
def _newest(fields: tuple[str, ...]) -> sa.Select[Any]:
    query = _NEWEST.where(*scope_conditions(messages, fields))
    return query.limit(sa.bindparam("limit", type_=sa.Integer))


def _message_of(row: Any) -> Message:  # noqa: ANN401
    user_id, agent_id, app_id, run_id, message_id, position, role, name, content, recalled, observed = row
    return Message(
        content=content,
        role=Role(role),
        name=name,
        observed_time=optional_time(observed),
        id=message_id,
        recalled=bool(recalled),
        scope=Scope(user_id, agent_id, app_id, run_id),
        position=position,
    )
