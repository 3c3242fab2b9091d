"""A log in memory, for tests that are about the index and not about the record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from mnemon_service.index.log import IndexChange
from mnemon_service.index.protocol import IndexEntry, IndexKey, IndexRow


class MemoryLog:
    """Implements `Log`, and writes to it."""

    def __init__(self) -> None:
        self.changes: dict[str, list[IndexChange]] = {}
        self.rows: dict[str, dict[str, IndexRow]] = {}
        self.cursors: dict[str, int] = {}
        self._changed = asyncio.Event()

    def put(self, row: IndexRow) -> IndexChange:
        """Commit a memory as it now is."""
        held = self.rows.setdefault(row.project_id, {})
        version = held[row.memory_id].version + 1 if row.memory_id in held else 1
        committed = replace(row, sequence=self._next(row.project_id), version=version, vector=row.vector)
        held[row.memory_id] = committed
        return self._append(row.project_id, IndexChange(committed.sequence, upsert=committed))

    def remove(self, row: IndexRow) -> IndexChange:
        """Commit a deletion."""
        del self.rows[row.project_id][row.memory_id]
        sequence = self._next(row.project_id)
        key = IndexKey(row.project_id, row.memory_id, row.scope.owner, sequence)
        return self._append(row.project_id, IndexChange(sequence, deletion=key))

    def entries_now(self) -> list[tuple[str, str, int, int]]:
        """Project, memory, version and sequence of all that the index should hold, sorted."""
        rows = [row for held in self.rows.values() for row in held.values()]
        return sorted((row.project_id, row.memory_id, row.version, row.sequence) for row in rows)

    async def projects(self) -> list[str]:
        return list(self.changes)

    async def positions(self) -> dict[str, tuple[int, int]]:
        behind = {project: (self.cursors.get(project, 0), len(log)) for project, log in self.changes.items()}
        return {project: (cursor, end) for project, (cursor, end) in behind.items() if cursor < end}

    async def cursor(self, project_id: str) -> int:
        return self.cursors.get(project_id, 0)

    async def read_index_changes(self, project_id: str, after_sequence: int, limit: int) -> list[IndexChange]:
        return self.changes.get(project_id, [])[after_sequence : after_sequence + limit]

    async def set_cursor(self, project_id: str, sequence: int) -> None:
        self.cursors[project_id] = max(self.cursors.get(project_id, 0), sequence)

    async def wait_for_change(self, timeout: float) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)

    def changes_waiter(self) -> Callable[[float], Awaitable[None]]:
        self._changed.clear()
        return self._wait

    async def _wait(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), timeout)

    def forget_cursors(self) -> None:
        """They are not kept anywhere else."""

    async def index_entries(self, project_id: str) -> AsyncIterator[IndexEntry]:
        for row in list(self.rows.get(project_id, {}).values()):
            yield _entry(row)

    async def find_index_entries(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexEntry]:
        return [_entry(row) for row in await self.index_rows(project_id, memory_ids)]

    async def index_rows(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexRow]:
        held = self.rows.get(project_id, {})
        return [held[memory_id] for memory_id in memory_ids if memory_id in held]

    def _next(self, project_id: str) -> int:
        return len(self.changes.setdefault(project_id, [])) + 1

    def _append(self, project_id: str, change: IndexChange) -> IndexChange:
        self.changes[project_id].append(change)
        self._changed.set()
        return change


def _entry(row: IndexRow) -> IndexEntry:
    return IndexEntry(row.project_id, row.memory_id, row.scope.owner, row.version, row.sequence)
