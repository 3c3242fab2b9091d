"""How far each index has applied each project's log."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mnemon_service.record.database import Database
from mnemon_service.record.schema import index_cursors, projects

_POSITIONS: Final = sa.select(
    projects.c.id,
    sa.func.coalesce(index_cursors.c.sequence, sa.literal_column("0")),
    projects.c.last_sequence,
).select_from(
    projects.outerjoin(
        index_cursors,
        sa.and_(
            index_cursors.c.project_id == projects.c.id,
            index_cursors.c.index_name == sa.bindparam("index_name"),
        ),
    )
)
_POSITION: Final = sa.select(index_cursors.c.sequence).where(
    index_cursors.c.project_id == sa.bindparam("project_id"),
    index_cursors.c.index_name == sa.bindparam("index_name"),
)
_BEHIND: Final = _POSITIONS.where(
    projects.c.last_sequence > sa.func.coalesce(index_cursors.c.sequence, sa.literal_column("0"))
)


class IndexCursors:
    """One position for each pair of project and index."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, project_id: str, index_name: str) -> int:
        """Up to where the index has applied a project's log; 0 if never."""
        parameters = {"project_id": project_id, "index_name": index_name}
        return await self._database.read(lambda c: int(c.scalar(_POSITION, parameters) or 0))

    async def positions(self, index_name: str) -> dict[str, tuple[int, int]]:
        """For every project: up to where the index has applied the log (0 if never), and the log's end."""
        return await self._read(_POSITIONS, index_name)

    async def behind(self, index_name: str) -> dict[str, tuple[int, int]]:
        """As `positions`, of the projects whose log goes beyond the index."""
        return await self._read(_BEHIND, index_name)

    async def _read(self, query: sa.Select[Any], index_name: str) -> dict[str, tuple[int, int]]:
        def work(connection: Connection) -> dict[str, tuple[int, int]]:
            rows = connection.execute(query, {"index_name": index_name})
            return {project_id: (applied, end) for project_id, applied, end in rows}

        return await self._database.read(work)

    async def set(self, project_id: str, index_name: str, sequence: int) -> None:
        """Move a cursor forward; a smaller position than the present one is ignored."""
        await self._move(project_id, index_name, sequence, backwards=False)

    async def reset(self, project_id: str, index_name: str, sequence: int = 0) -> None:
        """Put a cursor anywhere, backwards too: after a rebuild or damage."""
        await self._move(project_id, index_name, sequence, backwards=True)

    async def _move(self, project_id: str, index_name: str, sequence: int, *, backwards: bool) -> None:
        statement = self._database.dialect.insert(index_cursors)
        forward = index_cursors.c.sequence < statement.excluded.sequence
        statement = statement.on_conflict_do_update(
            index_elements=["project_id", "index_name"],
            set_={"sequence": statement.excluded.sequence},
            where=None if backwards else forward,
        )
        row = {"project_id": project_id, "index_name": index_name, "sequence": sequence}
        await self._database.write(lambda connection: connection.execute(statement, row))
