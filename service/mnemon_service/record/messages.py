"""The conversation log: what was said, per scope, in order."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon_service.model.message import Message
from mnemon_service.model.scope import Scope
from mnemon_service.record.selection import Access


class Messages:
    """Reads of messages. They are written with `Write.save_messages`."""

    async def last(self, access: Access, scope: Scope, count: int) -> list[Message]:
        """The last messages of the conversation of exactly this stored scope, oldest first."""
        raise NotImplementedError

    async def batch_get(self, access: Access, message_ids: Sequence[str]) -> dict[str, Message]:
        """The messages that are there, by id."""
        raise NotImplementedError
