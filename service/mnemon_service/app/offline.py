"""What is opened to look after the data while no server serves it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnemon_service.app.embedders import EmbedderChoice, SettingsWrong, build_embedder
from mnemon_service.app.index_choice import build_index, cursor_name, index_lease
from mnemon_service.app.indexing import IndexableLog
from mnemon_service.data_directory import DataDirectory
from mnemon_service.index.follower import Follower
from mnemon_service.index.milvus import MilvusIndex
from mnemon_service.memory.embedding import TextEmbedding
from mnemon_service.memory.vector_backfill import VectorBackfill
from mnemon_service.record.record import Record
from mnemon_service.settings import Settings

DATABASE_FILE: Final = "mnemon.db"
CACHE_DIRECTORY: Final = "models"


@dataclass(frozen=True, slots=True)
class Offline:
    """Record and index, open, with nobody else at work on the data directory."""

    record: Record
    choice: EmbedderChoice
    index: MilvusIndex
    follower: Follower
    backfill: VectorBackfill

    @property
    def space(self) -> str:
        """The embedding space of the settings; "" without an embedder."""
        return self.choice.embedder.name if self.choice.embedder else ""


def database_location(settings: Settings) -> str | Path:
    """Where the record is: an address, or the file in the data directory."""
    return settings.database_url.get_secret_value() or settings.data_dir.resolve() / DATABASE_FILE


@contextlib.asynccontextmanager
async def opened_offline(settings: Settings) -> AsyncIterator[Offline]:
    """Opens everything but the door. Raises `DataDirectoryUnusable` if a server works on the directory,
    `SettingsWrong` for an embedder that cannot be had."""
    directory = DataDirectory(settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        directory.acquire()
        stack.callback(directory.release)
        record = await Record.open(database_location(settings))
        stack.push_async_callback(record.close)
        choice = await build_embedder(settings, directory.path / CACHE_DIRECTORY)
        if choice.unavailable:
            raise SettingsWrong(f"the embedding model cannot be loaded: {choice.unavailable}")
        if choice.embedder is not None:
            stack.push_async_callback(choice.embedder.close)
        index = build_index(settings, directory.path, choice)
        await index.open()
        stack.push_async_callback(index.close)
        space = choice.embedder.name if choice.embedder else ""
        lease = index_lease(settings, record)
        if lease is not None:
            await lease.start()
            stack.push_async_callback(lease.stop)
        log = IndexableLog(record, cursor_name(settings, directory.path), space, lease)
        stack.push_async_callback(log.write_cursors)
        backfill = VectorBackfill(record, TextEmbedding(record, choice.embedder), _not_yet)
        yield Offline(record, choice, index, Follower(index, log, lease), backfill)


async def _not_yet(_project_id: str, _memory_ids: list[str]) -> None:
    """The index is made anew when every vector is there."""
