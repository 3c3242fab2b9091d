"""Between the record and a real index: a cursor that lags, vectors that come later, and what time ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mnemon_service.app.indexing import IndexableLog, IndexApplier
from mnemon_service.index.follower import Follower
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.index.protocol import IndexKey, Selection
from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.sweeping import Sweeper
from mnemon_service.memory.vector_backfill import VectorBackfill
from mnemon_service.model.errors import Unavailable
from mnemon_service.model.indexed_text import embedded_texts
from mnemon_service.model.memory import Memory, VersionEvent
from mnemon_service.model.settings import ProjectSettings
from mnemon_service.record.record import Record
from mnemon_service.record.selection import Access
from support.memory_world import Settings
from support.records import ACTOR, PROJECT, TestClock, memory
from support.search_world import WordSpace, empty_database, word_index

SPACE = WordSpace()
NAME = "index-1"


class Indexed:
    """A record, an index that follows it, and what a restart of the process makes of both."""

    def __init__(self, record: Record, index: MilvusIndex, clock: TestClock) -> None:
        self.record, self.index, self.clock = record, index, clock
        self.project = PROJECT
        self.start_anew()

    def start_anew(self) -> None:
        """As after a crash: what was only in memory is gone."""
        self.log = IndexableLog(self.record, NAME, SPACE.name)
        self.follower = Follower(self.index, self.log)
        self.applier = IndexApplier(self.follower, self.log)

    async def store(self, *texts: str, vectors: bool = True, **fields: Any) -> list[Memory]:
        """Stores memories; the index has not heard of them."""
        async with self.record.write(Access(self.project), ACTOR) as write:
            stored = [write.add(memory(text, **fields)).memory for text in texts]
            if vectors:
                found = {one: SPACE.vector(one) for text in texts for one in embedded_texts(text)}
                write.save_embeddings(SPACE.name, found)
        self.written = write
        return stored

    async def apply(self) -> None:
        """Tells the index of the last write, as the write path does."""
        await self.applier.apply(self.project, self.written.versions, {})

    async def held(self) -> dict[str, int]:
        """Version by memory id, as the index has it."""
        return {entry.memory_id: entry.version async for entry in self.index.scan(self.project)}

    async def nearest(self, text: str) -> list[str]:
        """Ids by meaning."""
        hits = await self.index.search_dense(Selection(self.project), SPACE.vector(text), 5)
        return [hit.memory_id for hit in hits if hit.score > 0.9]

    async def written_cursor(self) -> int:
        """Where the database says that the index is."""
        return (await self.record.index_cursors.positions(NAME)).get(self.project, (0, 0))[0]


@pytest.fixture
async def indexed(tmp_path: Path) -> AsyncIterator[Indexed]:
    clock = TestClock()
    record = await Record.open(await empty_database(tmp_path), clock=clock)
    index = word_index(tmp_path / "index")
    await record.projects.create(PROJECT)
    yield Indexed(record, index, clock)
    await index.close()
    await record.close()


async def test_a_crash_before_the_cursor_was_written_applies_again_and_changes_nothing(
    indexed: Indexed,
) -> None:
    (tea, cake) = await indexed.store("Ana likes tea", "Ana likes cake")
    await indexed.apply()
    async with indexed.record.write(Access(indexed.project), ACTOR) as write:
        before = (await write.current([tea.id]))[tea.id]
        write.update(replace(before, categories=("food",)))
        await write.current([cake.id])
        write.delete(cake.id)
    indexed.written = write
    await indexed.apply()
    assert await indexed.held() == {tea.id: 2}
    assert (await indexed.log.cursor(indexed.project), await indexed.written_cursor()) == (4, 0)
    indexed.start_anew()
    assert await indexed.log.cursor(indexed.project) == 0
    assert await indexed.log.positions() == {indexed.project: (0, 4)}
    await indexed.follower.catch_up_all()
    assert await indexed.held() == {tea.id: 2}
    await indexed.log.write_cursors()
    assert await indexed.written_cursor() == 4
    assert await indexed.log.positions() == {}

    # A memory without a vector is indexed by its words, and by its meaning once it has one.
    missing: list[bool] = []
    indexed.log.vector_missing = lambda: missing.append(True)
    (late,) = await indexed.store("Ana owns a puppy. It barks.", vectors=False)
    await indexed.apply()
    assert missing == [True]
    assert late.id in await indexed.held()
    assert await indexed.nearest("Ana owns a puppy. It barks.") == []
    backfill = VectorBackfill(indexed.record, TextEmbedding(indexed.record, SPACE), indexed.applier.reindex)
    assert [count async for count in backfill.fill(indexed.project)] == [1]
    assert await indexed.nearest("Ana owns a puppy. It barks.") == [late.id]
    assert [count async for count in backfill.fill(indexed.project)] == []
    sentences = embedded_texts("Ana owns a puppy. It barks.")
    assert set(await indexed.record.embeddings.find(indexed.project, SPACE.name, sentences)) == set(sentences)

    # What the write path did not embed is taken from the record.
    (known,) = await indexed.store("Ana has a bicycle")
    await indexed.apply()
    assert await indexed.nearest("Ana has a bicycle") == [known.id]


async def test_what_time_has_ended_is_logged_hidden_and_erased(indexed: Indexed) -> None:
    clock = indexed.clock
    settings = Settings()
    settings.now = ProjectSettings(deleted_retention=timedelta(days=1))
    forgotten: list[str] = []

    class Caches:
        def forget(self, project_id: str) -> None:
            forgotten.append(project_id)

    (short,) = await indexed.store("Ana is in town", expire_time=clock.now + timedelta(hours=1))
    (gone,) = await indexed.store("Ana likes tea")
    async with indexed.record.write(Access(indexed.project), ACTOR) as write:
        await write.current([gone.id])
        write.delete(gone.id)
    sweeper = Sweeper(indexed.record, settings, Caches(), indexed.follower)
    await sweeper.sweep()
    assert (await indexed.record.log.last_sequence(Access(indexed.project)), forgotten) == (3, [])
    clock.advance(hours=2)
    await sweeper.sweep()
    await sweeper.sweep()
    versions, _ = await indexed.record.log.after(Access(indexed.project), 3)
    assert [(one.event, one.memory.id) for one in versions] == [(VersionEvent.EXPIRED, short.id)]
    assert forgotten == []
    clock.advance(days=2)
    await sweeper.sweep()
    versions, _ = await indexed.record.log.after(Access(indexed.project), 4)
    assert {(one.event, one.memory.id) for one in versions} == {
        (VersionEvent.ERASED, short.id),
        (VersionEvent.ERASED, gone.id),
    }
    assert forgotten == [indexed.project]


async def test_what_retention_erases_leaves_the_files_of_the_index(indexed: Indexed, tmp_path: Path) -> None:
    secret, settings = "zq4711x", Settings()
    settings.now = ProjectSettings(deleted_retention=timedelta(days=1))
    erased: list[int] = []

    class Caches:
        def forget(self, project_id: str) -> None:
            """Nothing is held."""

    class Counted:
        async def erase(self, project_id: str, keys: Sequence[IndexKey]) -> None:
            erased.append(len(keys))
            await indexed.follower.erase(project_id, keys)

    stored = await indexed.store("The code is zq4711x", "Ana likes tea", "Nobody knows zq4711x")
    await indexed.apply()
    # What is held in memory is written to files once it is much.
    await indexed.store(*(f"filler {' '.join(f'w{place}x{n}' for n in range(500))}" for place in range(150)))
    await indexed.apply()
    assert in_files(secret, tmp_path / "index")
    async with indexed.record.write(Access(indexed.project), ACTOR) as write:
        await write.current([stored[0].id, stored[2].id])
        write.delete(stored[0].id)
        write.delete(stored[2].id)
    indexed.written = write
    await indexed.apply()
    sweeper = Sweeper(indexed.record, settings, Caches(), Counted())
    indexed.clock.advance(days=2)
    await sweeper.sweep()
    assert not in_files(secret, tmp_path / "index")
    assert len(await indexed.held()) == 151
    assert erased == [2], "the files are written anew once for all"


def in_files(word: str, directory: Path) -> bool:
    """Whether any file below holds it."""
    return any(word.encode() in path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_the_sweeper_and_the_backfill_outlive_every_fault(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = indexed.record.projects.ids
    faults: list[Exception] = [ValueError("unforeseen"), Unavailable("away", retry_after=0.01)]
    went_on = asyncio.Event()

    async def broken() -> list[str]:
        if faults:
            raise faults.pop()
        went_on.set()
        return await ids()

    monkeypatch.setattr(indexed.record.projects, "ids", broken)
    monkeypatch.setattr("mnemon_service.memory.vector_backfill.RETRY_SECONDS", 0.01)

    class Caches:
        def forget(self, project_id: str) -> None:
            pass

    for task in (
        Sweeper(indexed.record, Settings(), Caches(), indexed.follower, seconds=0.01),
        VectorBackfill(indexed.record, TextEmbedding(indexed.record, SPACE), indexed.applier.reindex),
    ):
        faults[:] = [ValueError("unforeseen"), Unavailable("away", retry_after=0.01)]
        went_on.clear()
        task.start()
        await asyncio.wait_for(went_on.wait(), 10)
        await task.stop()
        assert faults == []


async def test_a_write_stands_whatever_the_index_does(
    indexed: Indexed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("unforeseen")

    await indexed.store("Ana likes tea")
    monkeypatch.setattr(indexed.log, "changes_of", broken)
    await indexed.apply()
    assert await indexed.log.positions() == {indexed.project: (0, 1)}


async def test_a_project_that_was_forgotten_while_its_cursor_waited_is_not_written(indexed: Indexed) -> None:
    await indexed.log.set_cursor(indexed.project, 3)
    indexed.log._cursors.clear()
    await indexed.log.write_cursors()
    assert await indexed.written_cursor() == 0
