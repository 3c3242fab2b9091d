"""What the index asks of the record: its log, and what it should hold. The record implements it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mnemon_service.index.protocol import IndexEntry, IndexKey, IndexRow


@dataclass(frozen=True, slots=True)
class IndexChange:
    """One row of the log, as far as the index is concerned: either of the two is set."""

    sequence: int
    """Place in the project's log: 1, 2, 3 …"""
    upsert: IndexRow | None = None
    """The memory after the change."""
    deletion: IndexKey | None = None
    """The memory that is no longer to be found, with `sequence` set."""


class Log(Protocol):
    """The record, seen from the index. Errors of the record pass through."""

    async def projects(self) -> list[str]:
        """Ids of all projects."""
        ...

    async def positions(self) -> dict[str, tuple[int, int]]:
        """Of every project whose log goes beyond what is applied: the cursor, and the end of the log."""
        ...

    async def cursor(self, project_id: str) -> int:
        """Up to where the log was applied, by any replica; 0 if never."""
        ...

    async def read_index_changes(self, project_id: str, after_sequence: int, limit: int) -> list[IndexChange]:
        """The next changes in their order; empty at the end of the log."""
        ...

    async def set_cursor(self, project_id: str, sequence: int) -> None:
        """Move the cursor forward; a smaller position than the present one is ignored."""
        ...

    def changes_waiter(self) -> Callable[[float], Awaitable[None]]:
        """Returns at the next change of any project from now on, at the latest after so many seconds: take
        it, look, then wait."""
        ...

    def forget_cursors(self) -> None:
        """Others may have moved the cursors since they were read."""
        ...

    def index_entries(self, project_id: str) -> AsyncIterator[IndexEntry]:
        """Everything that the index should hold of a project, in any order, in bounded memory."""
        ...

    async def find_index_entries(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexEntry]:
        """What the index should hold of these memories; those it should not hold are left out."""
        ...

    async def index_rows(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexRow]:
        """The rows of these memories as they should be; those it should not hold are left out."""
        ...
