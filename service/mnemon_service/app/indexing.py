"""Between the record and the index: what the one holds as the other wants it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog

from mnemon_service.index.follower import Follower
from mnemon_service.index.lease import Lease, SoleWriter
from mnemon_service.index.log import IndexChange
from mnemon_service.index.protocol import IndexEntry, IndexKey, IndexRow
from mnemon_service.index.verification import Report
from mnemon_service.model.errors import MnemonError
from mnemon_service.model.indexed_text import indexed_text
from mnemon_service.model.memory import Memory, MemoryState, Version
from mnemon_service.model.text_analysis import tokenize
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access, Selection, Vector
from mnemon_service.record.times import to_micros

FINDABLE: Final = (MemoryState.ACTIVE, MemoryState.SUPERSEDED)
"""States whose memories the index holds."""
CURSOR_SECONDS: Final = 1.0
"""How often the cursor is written. It may lag: applying twice changes nothing, and one write of the
database for every write of the index would halve the rate of adds."""
PAGE: Final = 500

_log = structlog.get_logger("mnemon.index")


def indexed(memory: Memory) -> str:
    """The text of a memory that is embedded and tokenised."""
    return indexed_text(memory.text, memory.attributed_to)


def index_row(memory: Memory, sequence: int, vector: Vector | None) -> IndexRow:
    """A memory as the index keeps it."""
    return IndexRow(
        project_id=memory.project_id,
        memory_id=memory.id,
        scope=memory.scope,
        sequence=sequence,
        version=memory.version,
        tokens=tuple(tokenize(indexed(memory))),
        vector=vector,
        entities=tuple(entity.name.casefold() for entity in memory.entities),
        state=memory.state,
        type=memory.type.value,
        categories=memory.categories,
        attributed_to=memory.attributed_to,
        event_time=_micros(memory.event_time.time if memory.event_time else None),
        expire_time=_micros(memory.expire_time),
        create_time=_micros(memory.create_time),
        update_time=_micros(memory.update_time),
        metadata=memory.metadata,
        run_position=memory.run_position,
    )


def index_change(version: Version, vector: Vector | None) -> IndexChange:
    """A row of the log as the index applies it."""
    memory = version.memory
    if memory.state in FINDABLE and memory.text:
        return IndexChange(version.sequence, upsert=index_row(memory, version.sequence, vector))
    key = IndexKey(memory.project_id, memory.id, memory.scope.owner, version.sequence)
    return IndexChange(version.sequence, deletion=key)


class IndexableLog:
    """The record as `index.log.Log`: with vectors of one embedding space, for one index."""

    def __init__(self, record: Record, index_name: str, space: str, lease: Lease | None = None) -> None:
        """`lease` is that of a shared index: while others may write to it, the cursor is theirs."""
        self._record = record
        self._index_name = index_name
        self._space = space
        self._lease = lease or SoleWriter()
        self.vector_missing: Callable[[], None] = lambda: None
        """Called when a memory without a vector is to be indexed."""
        self._cursors: dict[str, int] = {}
        self._unwritten: set[str] = set()

    async def projects(self) -> list[str]:
        """Ids of all projects."""
        return sorted(await self._record.index_cursors.positions(self._index_name))

    async def positions(self) -> dict[str, tuple[int, int]]:
        """Projects whose log goes beyond what is applied."""
        behind = await self._record.index_cursors.behind(self._index_name)
        for project_id, (_, end) in behind.items():
            if self._cursors.get(project_id, 0) > end:  # it was erased, and another of its id made
                self.forget(project_id)
        moved = {
            project_id: (max(cursor, self._cursors.get(project_id, 0)), end)
            for project_id, (cursor, end) in behind.items()
        }
        return {project_id: (cursor, end) for project_id, (cursor, end) in moved.items() if cursor < end}

    async def cursor(self, project_id: str) -> int:
        """Up to where the log was applied."""
        known = self._cursors.get(project_id)
        if known is not None and self._lease.is_valid():
            return known
        return await self._record.index_cursors.position(project_id, self._index_name)

    async def read_index_changes(self, project_id: str, after_sequence: int, limit: int) -> list[IndexChange]:
        """The next changes, with vectors."""
        changes = await self._record.log.changes(project_id, after_sequence, limit=limit, space=self._space)
        return [index_change(change.version, change.vector) for change in changes]

    async def set_cursor(self, project_id: str, sequence: int) -> None:
        """Moves the cursor; it reaches the database within a second or at `write_cursors`."""
        if sequence > self._cursors.get(project_id, -1):
            self._cursors[project_id] = sequence
            self._unwritten.add(project_id)

    async def write_cursors(self) -> None:
        """Writes the cursors that moved."""
        while self._unwritten:
            project_id = self._unwritten.pop()
            position = self._cursors.get(project_id)
            if position is None:
                continue  # forgotten while it could not be written
            try:
                await self._record.index_cursors.set(project_id, self._index_name, position)
            except BaseException:
                self._unwritten.add(project_id)
                raise

    def forget(self, project_id: str) -> None:
        """The project was deleted; the log of a later one of its id begins anew."""
        self._cursors.pop(project_id, None)
        self._unwritten.discard(project_id)

    def forget_cursors(self) -> None:
        """Another replica may have gone on from here."""
        self._cursors.clear()
        self._unwritten.clear()

    def changes_waiter(self) -> Callable[[float], Awaitable[None]]:
        """Waits for the next change of any project from now on."""
        return self._record.signal.changes_waiter()

    async def index_entries(self, project_id: str) -> AsyncIterator[IndexEntry]:
        """Everything that the index should hold of a project."""
        token = ""
        while True:
            page = await self._record.memories.list(
                Access(project_id), Selection(show_superseded=True), page_size=PAGE, page_token=token
            )
            for memory in page.memories:
                yield _entry(memory)
            token = page.next_page_token
            if not token:
                return

    async def find_index_entries(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexEntry]:
        """What the index should hold of these memories."""
        return [_entry(memory) for memory in await self._present(project_id, memory_ids)]

    async def index_rows(self, project_id: str, memory_ids: Sequence[str]) -> list[IndexRow]:
        """The rows of these memories as they should be."""
        memories = await self._present(project_id, memory_ids)
        vectors: Mapping[str, Vector] = {}
        if self._space:
            texts = [indexed(memory) for memory in memories]
            vectors = await self._record.embeddings.find(project_id, self._space, texts)
        return [index_row(memory, memory.sequence, vectors.get(indexed(memory))) for memory in memories]

    async def changes_of(
        self, project_id: str, versions: Sequence[Version], vectors: Mapping[str, Vector]
    ) -> list[IndexChange]:
        """Rows of the log as the index applies them; vectors that are not given come from the record."""
        findable = [version.memory for version in versions if version.memory.state in FINDABLE]
        missing = [text for text in {indexed(memory) for memory in findable} if text and text not in vectors]
        known = dict(vectors)
        if missing and self._space:
            known.update(await self._record.embeddings.find(project_id, self._space, missing))
            if any(text not in known for text in missing):
                self.vector_missing()
        return [index_change(version, known.get(indexed(version.memory))) for version in versions]

    async def _present(self, project_id: str, memory_ids: Sequence[str]) -> list[Memory]:
        found = await self._record.memories.hydrate(
            Access(project_id), memory_ids, Selection(show_superseded=True)
        )
        return list(found.values())


class IndexApplier:
    """Applies committed changes inline, follows the log behind, and writes the cursors."""

    def __init__(self, follower: Follower, log: IndexableLog) -> None:
        self._follower = follower
        self._log = log
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def follower(self) -> Follower:
        """What keeps the index equal to the record."""
        return self._follower

    def start(self) -> None:
        """Begins to follow the log in the background."""
        self._tasks = [
            asyncio.create_task(self._follower.run(), name="index-follower"),
            asyncio.create_task(self._write_cursors(), name="index-cursors"),
        ]

    async def stop(self) -> None:
        """Stops following, lets end what is being written, and writes the cursors a last time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.settle()
        with contextlib.suppress(MnemonError):
            await self._log.write_cursors()

    async def apply(
        self, project_id: str, versions: Sequence[Version], vectors: Mapping[str, Vector]
    ) -> None:
        """Applies the changes now, or leaves them to the follower. They are committed: whatever goes wrong
        here is no failure of the write."""
        try:
            changes = await self._log.changes_of(project_id, versions, vectors)
            await self._follower.apply_now(project_id, changes)
        except Exception as error:
            _log.warning("index_apply_left", project_id=project_id, exception=type(error).__name__)

    def forget(self, project_id: str) -> None:
        """The project was deleted."""
        self._follower.forget(project_id)
        self._log.forget(project_id)

    async def reindex(self, project_id: str, memory_ids: Sequence[str]) -> None:
        """Gives the index the rows of these memories anew: they have vectors now. In turn with the
        follower, so that no older row takes the place of a newer one."""
        keys = tuple(IndexKey(project_id, memory_id, "") for memory_id in memory_ids)
        await self._follower.repair(
            Report(project_id, 0, missing=keys, stale=(), surplus=(), truncated=False)
        )

    async def _write_cursors(self) -> None:
        while True:
            await asyncio.sleep(CURSOR_SECONDS)
            try:
                await self._log.write_cursors()
            except Exception as error:  # tried again in a second, whatever it was
                _log.warning("index_cursor_not_written", exception=type(error).__name__)


def _entry(memory: Memory) -> IndexEntry:
    return IndexEntry(
        project_id=memory.project_id,
        memory_id=memory.id,
        owner=memory.scope.owner,
        version=memory.version,
        sequence=memory.sequence,
    )


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)
