"""What time alone does to memories: they expire, and what was deleted is erased after its retention."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog

from mnemon_service.index.protocol import IndexKey
from mnemon_service.model.errors import MnemonError, NotFound
from mnemon_service.model.settings import SettingsSource
from mnemon_service.record.record import Record

SWEEP_SECONDS: Final = 10.0
"""How often EXPIRED is logged and old content looked for. Reads hide what has expired from that very
instant; the sweep only writes it down."""
OPERATIONS_KEPT: Final = timedelta(days=30)
"""How long ended operations can be listed."""
PIECE: Final = 500
ERASE_PIECE: Final = 10_000
"""Memories taken out of the index's files at a time: on Milvus Lite each time writes every shard anew that
held one of them."""
ERASE_SECONDS: Final = 600.0
"""How often a project's old content is erased, at most: a shard is not written anew every few seconds where
something is deleted all the time. Retention is as much longer."""

_log = structlog.get_logger("mnemon.sweeper")


class Forgetting(Protocol):
    """Hears of projects whose content was erased, to drop what it holds in memory."""

    def forget(self, project_id: str) -> None:
        """Drops everything of the project."""
        ...


class IndexEraser(Protocol):
    """Takes memories out of the index's files."""

    async def erase(self, project_id: str, keys: Sequence[IndexKey]) -> None:
        """Leaves no byte of them, where the files are this server's. Raises `Unavailable`."""
        ...


class Sweeper:
    """Goes over all projects from time to time. Several replicas may sweep at once: each step is a write
    of its own that finds nothing left to do the second time."""

    def __init__(
        self,
        record: Record,
        settings: SettingsSource,
        caches: Forgetting,
        index: IndexEraser,
        seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._record = record
        self._index = index
        self._erased_at: dict[str, float] = {}
        self._settings = settings
        self._caches = caches
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to sweep."""
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def stop(self) -> None:
        """Stops between two steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> None:
        """One round over everything that is due now. What fails in one project does not keep the others."""
        retention = self._record.retention
        await _all(retention.drop_old_answers)
        await _all(lambda: retention.drop_old_operations(OPERATIONS_KEPT))
        for project_id in await self._record.projects.ids():
            try:
                await self._sweep_project(project_id)
            except NotFound:
                continue  # deleted meanwhile
            except MnemonError as error:
                _log.warning("sweep put off", project_id=project_id, reason=error.reason)

    async def _sweep_project(self, project_id: str) -> None:
        settings = await self._settings.of(project_id)
        retention = self._record.retention
        await _all(lambda: retention.log_expired(project_id, limit=PIECE))
        await self._erase_due(project_id, settings.deleted_retention)
        keep_last = settings.messages_per_scope or None
        if settings.message_retention is not None or keep_last is not None:
            await _all(
                lambda: retention.drop_old_messages(
                    project_id, keep=settings.message_retention, keep_last=keep_last
                )
            )

    async def _erase_due(self, project_id: str, keep: timedelta) -> None:
        """Erases what is due: from the index's files first, so that after a crash it is still due."""
        now = time.monotonic()
        if now - self._erased_at.get(project_id, -ERASE_SECONDS) < ERASE_SECONDS:
            return
        retention = self._record.retention
        while due := await retention.due(project_id, keep, limit=ERASE_PIECE):
            self._erased_at[project_id] = now
            await self._index.erase(project_id, [IndexKey(project_id, one.id, one.owner) for one in due])
            pieces = [due[start : start + PIECE] for start in range(0, len(due), PIECE)]
            erased = [await retention.erase(project_id, [one.id for one in piece], keep) for piece in pieces]
            self._caches.forget(project_id)
            if not any(erased):
                return  # restored meanwhile

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except MnemonError as error:
                _log.warning("sweep put off", reason=error.reason)
            except Exception as error:  # a fault of ours must not end what nobody else does
                _log.error("sweep failed", exception=type(error).__name__)
            await asyncio.sleep(self._seconds)


async def _all(step: Callable[[], Awaitable[int]]) -> int:
    """Repeats a step that does a piece until it finds nothing to do; how much was done."""
    done = 0
    while count := await step():
        done += count
    return done
