"""Which conversation a message belongs to, and its place in it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.scope import SCOPE_FIELDS, Scope
from mnemon_service.record.schema import conversations

_LAST: Final = sa.select(conversations.c.last_position).where(
    conversations.c.project_id == sa.bindparam("project_id"),
    conversations.c.conversation == sa.bindparam("conversation"),
)


def conversation_of(scope: Scope) -> str:
    """The name of the conversation of exactly this stored scope (ids hold no line breaks)."""
    return "\n".join(getattr(scope, field) for field in SCOPE_FIELDS)


def last_position(connection: Connection, project_id: str, conversation: str) -> int:
    """The last position given in a conversation; 0 before the first."""
    found = connection.scalar(_LAST, {"project_id": project_id, "conversation": conversation})
    return int(found or 0)
