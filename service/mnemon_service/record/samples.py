"""A few of a large scope's memories, spread evenly over it: what its words are counted in."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import MemoryState
from mnemon_service.model.scope import Scope
from mnemon_service.record.database import Database
from mnemon_service.record.queries import allowed_scope, scope_conditions, scope_parameters, visibility
from mnemon_service.record.schema import memories
from mnemon_service.record.selection import Access
from mnemon_service.record.times import Clock, to_micros

_END: Final = sa.func.substr(memories.c.id, 33, 4)
"""The last 16 bits of an id, in hexadecimal: random in a UUIDv7, whenever it was made."""
_ENDS: Final = 1 << 16
_STATES: Final = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)


class Samples:
    """Reads of samples."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def texts(self, access: Access, scope: Scope, share: float) -> list[tuple[str, str]]:
        """Text and speaker of about this share (0 to 1) of a scope's active and superseded memories.

        By the end of their ids, so old and new ones alike, and the same ones each time; walks the scope's
        index, about a microsecond a memory.
        """
        allowed = allowed_scope(access, scope)
        if allowed is None:
            return []
        query = _texts(tuple(allowed.named()))
        parameters = scope_parameters(access, allowed) | {
            "now": to_micros(self._clock()),
            "end": f"{min(max(int(share * _ENDS), 1), _ENDS - 1):04x}",
        }

        def work(connection: Connection) -> list[tuple[str, str]]:
            return [(text, speaker) for text, speaker in connection.execute(query, parameters)]

        return await self._database.read(work)


@cache
def _texts(fields: tuple[str, ...]) -> sa.Select[Any]:
    return sa.select(memories.c.text, memories.c.attributed_to).where(
        *scope_conditions(memories, fields),
        *visibility(memories, _STATES, "now"),
        sa.bindparam("end", type_=sa.Text()) > _END,
    )
