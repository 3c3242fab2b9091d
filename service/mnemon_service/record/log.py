"""Reads of the log: the history of one memory, and the order of all changes of a project."""

from __future__ import annotations

from collections.abc import Sequence

from mnemon_service.model.memory import Version, VersionEvent
from mnemon_service.model.scope import Scope
from mnemon_service.record.selection import Access, Change


class Log:
    """Every change of a project, in one order that all readers see: 1, 2, 3 … without gaps."""

    async def last_sequence(self, access: Access) -> int:
        """Where the project's log ends; 0 if it is empty. Raises `NotFound` for an unknown project."""
        raise NotImplementedError

    async def versions_of(
        self,
        access: Access,
        memory_id: str,
        *,
        newest_first: bool = True,
        page_size: int = 50,
        page_token: str = "",
        show_deleted: bool = False,
    ) -> tuple[list[Version], str]:
        """A page of one memory's history and the next page's token; erased rows come without content.

        Raises `NotFound` for an unknown or foreign memory, and for a deleted or expired one unless asked.
        """
        raise NotImplementedError

    async def after(
        self,
        access: Access,
        sequence: int,
        *,
        limit: int = 500,
        scope: Scope = Scope(),
        events: Sequence[VersionEvent] = (),
    ) -> tuple[list[Version], int]:
        """The next changes after a position, and the position up to which the log has now been read.

        The position may lie past the last row: what was filtered away has been read too. Fewer rows than
        `limit` mean that the end of the log is reached.
        """
        raise NotImplementedError

    async def changes(
        self, project_id: str, after: int, *, limit: int, space: str, until: int | None = None
    ) -> list[Change]:
        """Changes of a whole project with the vectors of their texts, for a follower that derives from
        the log. Each row shows the memory after that change."""
        raise NotImplementedError

    async def tail(
        self, access: Access, scope: Scope, after: int, *, space: str, limit: int = 1000
    ) -> list[Change]:
        """The newest change after a position of each memory in a scope, with vectors, oldest first: what
        a search lays over an index that is not yet that far. Deletions are in it."""
        raise NotImplementedError
