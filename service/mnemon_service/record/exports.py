"""Reading a whole selection piece by piece, as of one place in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.model.memory import Memory, Version
from mnemon_service.record.database import Database
from mnemon_service.record.dialects import any_of
from mnemon_service.record.moments import Moment, last_sequence, past_moment
from mnemon_service.record.queries import (
    Source,
    allowed_scope,
    filtered,
    listing,
    scope_parameters,
    shape_of,
)
from mnemon_service.record.rows import memory_of, version_columns, version_of
from mnemon_service.record.schema import versions
from mnemon_service.record.selection import Access, Order, Selection
from mnemon_service.record.times import Clock, to_micros

_OLDEST_FIRST: Final = Order(descending=False)
_HISTORIES: Final = (
    sa.select(*version_columns())
    .where(
        versions.c.project_id == sa.bindparam("project_id"),
        any_of(versions.c.id, "ids"),
        versions.c.sequence <= sa.bindparam("position", type_=sa.BigInteger),
        sa.tuple_(versions.c.id, versions.c.version)
        > sa.tuple_(
            sa.bindparam("after_id", type_=sa.Text), sa.bindparam("after_version", type_=sa.BigInteger)
        ),
    )
    .order_by(versions.c.id, versions.c.version)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)


@dataclass(frozen=True, slots=True)
class Place:
    """Behind a memory in the order of an export: the time it was created, in microseconds, and its id."""

    create_time: int = -(2**63)
    id: str = ""


class Exports:
    """Selections as they were at one moment, oldest memory first."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def moment(self, access: Access, selection: Selection) -> Moment:
        """The moment to export: that of the selection's `as_of`, else now. Raises as `past_moment`."""

        def work(connection: Connection) -> Moment:
            if selection.as_of is not None:
                return past_moment(connection, access.project_id, selection.as_of)
            now = to_micros(self._clock())
            return Moment(last_sequence(connection, access.project_id), now)

        return await self._database.read_snapshot(work)

    async def page(
        self, access: Access, selection: Selection, moment: Moment, after: Place, limit: int
    ) -> list[Memory]:
        """The next memories as they were at the moment. What was deleted since is in it, what was
        erased since is not."""
        scope = allowed_scope(access, selection.scope)
        if scope is None:
            return []
        shape = shape_of(scope, selection.states, Source.PAST)
        query = filtered(
            listing(shape, _OLDEST_FIRST, resumed=True), shape, selection.filter, self._database.dialect
        )
        parameters: dict[str, Any] = scope_parameters(access, scope) | moment.parameters()
        parameters |= {"after_time": after.create_time, "after_id": after.id, "limit": limit}
        return await self._database.read(
            lambda connection: [memory_of(row) for row in connection.execute(query, parameters)]
        )

    async def histories(
        self, access: Access, memory_ids: Sequence[str], position: int, after: tuple[str, int], limit: int
    ) -> list[Version]:
        """Versions of these memories up to a log position, by id and number, after a pair of these. The
        ids are those of a page that the access holds."""
        parameters = {
            "project_id": access.project_id,
            "ids": list(memory_ids),
            "position": position,
            "after_id": after[0],
            "after_version": after[1],
            "limit": limit,
        }
        return await self._database.read(
            lambda connection: [version_of(row) for row in connection.execute(_HISTORIES, parameters)]
        )


def place_of(memory: Memory) -> Place:
    """Behind this memory."""
    return Place(to_micros(memory.create_time) if memory.create_time else 0, memory.id)
