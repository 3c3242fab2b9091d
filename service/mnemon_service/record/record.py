"""The record: one object that opens the database and hands out its rooms."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from mnemon_service.model.memory import Actor
from mnemon_service.record.cursors import IndexCursors
from mnemon_service.record.embeddings import Embeddings
from mnemon_service.record.entities import Entities
from mnemon_service.record.log import Log
from mnemon_service.record.memories import Memories
from mnemon_service.record.messages import Messages
from mnemon_service.record.operations import Operations
from mnemon_service.record.projects import Projects
from mnemon_service.record.retention import Retention
from mnemon_service.record.selection import Access, RequestKey
from mnemon_service.record.signal import ChangeSignal
from mnemon_service.record.times import Clock, utc_now
from mnemon_service.record.writing import Write


class Record:
    """Everything that Mnemon keeps, in one SQL database.

    Methods raise `Unavailable` (RECORD_UNAVAILABLE, with `retry_after`) while the database does not
    answer, is locked by others or its disk is full.
    """

    memories: Memories
    log: Log
    messages: Messages
    embeddings: Embeddings
    entities: Entities
    operations: Operations
    index_cursors: IndexCursors
    projects: Projects
    retention: Retention
    signal: ChangeSignal

    @classmethod
    async def open(cls, location: str | Path, *, readers: int = 4, clock: Clock = utc_now) -> Record:
        """The record at a file's path (SQLite) or a `postgresql://` address, migrated to this release."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection; idempotent."""
        raise NotImplementedError

    @contextlib.asynccontextmanager
    async def write(
        self, access: Access, actor: Actor, request: RequestKey | None = None
    ) -> AsyncIterator[Write]:
        """One transaction on a project: committed when the block ends, undone when it raises.

        Writers of one project go one after the other, so its log has one order without gaps; await
        nothing slow inside. If `request` was answered before, `write.stored_answer` holds the answer:
        return it and change nothing.

        Raises `AlreadyExists` (REQUEST_ID_REUSED) for the same request id with another body,
        `NotFound` (RESOURCE_NOT_FOUND) for an unknown project.
        """
        raise NotImplementedError
        yield

    async def stored_answer(self, access: Access, request: RequestKey) -> bytes | None:
        """The answer to a request that took effect before, so that no model is asked twice; or None.

        Raises `AlreadyExists` (REQUEST_ID_REUSED) for the same request id with another body.
        """
        raise NotImplementedError
