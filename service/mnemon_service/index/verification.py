"""Comparing the index with the record, and mending what differs."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from mnemon_service.index.log import Log
from mnemon_service.index.protocol import IndexEntry, IndexKey, MemoryIndex

Item = TypeVar("Item")

BATCH: Final = 500
"""Entries compared at a time."""
MAXIMUM_DIFFERENCES: Final = 10_000
"""Differences that one report names; after that it stops and says so."""


@dataclass(frozen=True, slots=True)
class Report:
    """What differs between the record and the index of one project."""

    project_id: str
    compared: int
    """Memories of the record that were compared."""
    missing: tuple[IndexKey, ...] = ()
    """In the record, not in the index."""
    stale: tuple[IndexKey, ...] = ()
    """In both, at different versions."""
    surplus: tuple[IndexKey, ...] = ()
    """In the index, not in the record (or not to be found any more)."""
    truncated: bool = False
    """True if there may be more: repair, then verify again."""

    @property
    def clean(self) -> bool:
        """True if the index equals the record."""
        return not (self.missing or self.stale or self.surplus)


@dataclass(slots=True)
class _Differences:
    missing: list[IndexKey] = field(default_factory=list)
    stale: list[IndexKey] = field(default_factory=list)
    surplus: list[IndexKey] = field(default_factory=list)

    @property
    def keys(self) -> list[IndexKey]:
        return [*self.missing, *self.stale, *self.surplus]

    def compare(self, expected: Sequence[IndexEntry], held: Sequence[IndexEntry]) -> None:
        """Note what differs between the two, which speak of the same memories."""
        should = {entry.memory_id: entry for entry in expected}
        has = {entry.memory_id: entry for entry in held}
        for memory_id, entry in should.items():
            found = has.get(memory_id)
            if found is None:
                self.missing.append(_key(entry))
            elif (found.version, found.sequence) != (entry.version, entry.sequence):
                self.stale.append(_key(found))
        self.surplus.extend(_key(entry) for memory_id, entry in has.items() if memory_id not in should)


class Verifier:
    """Compares by batches in both directions, so memory stays bounded whatever the size."""

    def __init__(self, index: MemoryIndex, log: Log) -> None:
        self._index = index
        self._log = log

    async def suspects(self, project_id: str) -> tuple[list[IndexKey], int, bool]:
        """Memories that seemed to differ while others wrote; how many were compared; True if cut short."""
        differences = _Differences()
        compared = 0
        async for batch in in_batches(self._log.index_entries(project_id)):
            compared += len(batch)
            differences.compare(batch, await self._index.entries([_key(entry) for entry in batch]))
            if len(differences.keys) >= MAXIMUM_DIFFERENCES:
                return differences.keys, compared, True
        async for batch in in_batches(self._index.scan(project_id)):
            ids = [entry.memory_id for entry in batch]
            expected = {entry.memory_id for entry in await self._log.find_index_entries(project_id, ids)}
            differences.surplus.extend(_key(entry) for entry in batch if entry.memory_id not in expected)
            if len(differences.keys) >= MAXIMUM_DIFFERENCES:
                return differences.keys, compared, True
        return differences.keys, compared, False

    async def confirm(self, project_id: str, keys: Sequence[IndexKey]) -> _Differences:
        """Which of them differ now; nobody may write meanwhile."""
        differences = _Differences()
        for start in range(0, len(keys), BATCH):
            batch = keys[start : start + BATCH]
            expected = await self._log.find_index_entries(project_id, [key.memory_id for key in batch])
            differences.compare(expected, await self._index.entries(batch))
        return differences

    async def repair(self, report: Report) -> None:
        """Make the index show what the record holds of the memories in a report."""
        wrong = [*report.stale, *report.surplus]
        for start in range(0, len(wrong), BATCH):
            # Without a sequence: a row from the future (a restored backup) must go as well.
            keys = [
                IndexKey(key.project_id, key.memory_id, key.owner) for key in wrong[start : start + BATCH]
            ]
            await self._index.apply((), keys)
        lacking = [*report.missing, *report.stale]
        for start in range(0, len(lacking), BATCH):
            ids = [key.memory_id for key in lacking[start : start + BATCH]]
            await self._index.apply(await self._log.index_rows(report.project_id, ids))


async def in_batches(items: AsyncIterable[Item]) -> AsyncIterator[list[Item]]:
    """The items in lists of `BATCH`."""
    batch: list[Item] = []
    async for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _key(entry: IndexEntry) -> IndexKey:
    return IndexKey(entry.project_id, entry.memory_id, entry.owner, entry.sequence)
